"""Array namespaces, and the few operations that the array API standard lacks.

The data says where it lives: every numerical function asks :func:`namespace` of its arguments and stays there,
so that NumPy on a laptop and CuPy on a GPU run the same lines. Only :func:`to_numpy`, for output, copies an array to
the host. What only CuPy runs stands in ``_cuda``, ``cholesky`` and ``solve_positive_definite``, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import array_api_compat
import numpy as np
from numpy.linalg import LinAlgError
from scipy.linalg import cho_factor, cho_solve

Array = Any
"""An array of any namespace of the array API standard."""

Namespace = Any
"""An array API namespace (a module)."""

Device = Literal["cpu", "cuda"]
"""Where to compute: with NumPy, or with CuPy on an NVIDIA GPU."""


def namespace(*arrays: object) -> Namespace:
    """Give the namespace that all ``arrays`` share; numbers, lists and None count as NumPy's.

    Raises TypeError when the arrays come from different libraries.
    """
    owned = [a for a in arrays if array_api_compat.is_array_api_obj(a)]
    if not owned:
        return array_api_compat.array_namespace(np.empty(0))
    return array_api_compat.array_namespace(*owned)


def is_numpy(xp: Namespace) -> bool:
    """Tell whether ``xp`` is NumPy's namespace."""
    return array_api_compat.is_numpy_namespace(xp)


def as_float64(name: str, values: object) -> Array:
    """Give ``values`` (an array of any namespace, or nested lists) in float64, where they are.

    Raises TypeError for anything but real numbers.
    """
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(f"{name} must not be a masked array: what is masked would be used all the same. Leave it out.")
    xp = namespace(values)
    array: Array = values if array_api_compat.is_array_api_obj(values) else np.asarray(values)
    if not xp.isdtype(array.dtype, ("real floating", "integral")):
        raise TypeError(f"{name} must be real numbers; got {array.dtype}.")
    return xp.astype(array, xp.float64, copy=False)


def like(array: Array, values: object) -> Array:
    """Give ``values`` as a float64 array of the namespace and on the device of ``array``."""
    xp = namespace(array)
    return xp.asarray(_plain(xp, values), dtype=xp.float64, device=array_api_compat.device(array))


def index_like(array: Array, values: object) -> Array:
    """Give whole numbers as an int64 array of the namespace and on the device of ``array``, to take rows of it by."""
    xp = namespace(array)
    return xp.asarray(_plain(xp, values), dtype=xp.int64, device=array_api_compat.device(array))


def _plain(xp: Namespace, values: object) -> object:
    """Give an array of NumPy's in order and writable: torch takes no reversed views and warns of read-only ones."""
    if isinstance(values, np.ndarray) and not is_numpy(xp):
        return np.require(values, requirements=["C", "W"])
    return values


def identity_like(array: Array, size: int) -> Array:
    """Give the identity matrix (size, size) in the type and on the device of ``array``."""
    return namespace(array).eye(size, dtype=array.dtype, device=array_api_compat.device(array))


def running_maximum(values: Array) -> Array:
    """The largest value so far along the second axis of an (n, m) array; the standard has no such function."""
    xp = namespace(values)
    if is_numpy(xp):
        return np.maximum.accumulate(values, axis=1)
    distance = 1
    while distance < values.shape[1]:
        further = xp.maximum(values[:, distance:], values[:, :-distance])
        values, distance = xp.concat([values[:, :distance], further], axis=1), 2 * distance
    return values


def spread(values: Array, places: np.ndarray, count: int, axis: int) -> Array:
    """Give ``values`` at their ``places`` of an axis of length ``count``, and zeros elsewhere; (n, m) arrays."""
    xp = namespace(values)
    none = xp.zeros_like(values[:1, :] if axis == 0 else values[:, :1])
    order = np.full(count, len(places))
    order[places] = np.arange(len(places))
    return xp.take(xp.concat([values, none], axis=axis), index_like(values, order), axis=axis)


def solve_positive_definite(matrix: Array, rhs: Array) -> Array:
    """Solve ``matrix @ x = rhs`` for a symmetric positive definite matrix by Cholesky factorisation.

    Shapes (n, n) and (n, m) give (n, m). NumPy overwrites ``matrix``, so that no second one is held. Raises
    numpy.linalg.LinAlgError when the matrix is not positive definite.
    """
    xp = namespace(matrix, rhs)
    if is_numpy(xp):
        # The transpose of a symmetric matrix in C order is itself in Fortran order, which LAPACK takes in place.
        factor = cho_factor(matrix.T, lower=True, overwrite_a=True, check_finite=False)
        return cho_solve(factor, rhs, check_finite=False)
    factor = cholesky(matrix)
    if array_api_compat.is_torch_namespace(xp):
        return xp.cholesky_solve(rhs, factor)
    if array_api_compat.is_cupy_namespace(xp):
        from cupyx.scipy.linalg import solve_triangular

        return _solve_triangles(factor, rhs, solve_triangular)
    return xp.linalg.solve(matrix, rhs)  # the standard has no solve with a triangle


def _solve_triangles(factor: Array, rhs: Array, solve_triangular: Callable[..., Array]) -> Array:
    """Solve L L^T x = rhs by SciPy's or CuPy's ``solve_triangular``."""
    return solve_triangular(factor, solve_triangular(factor, rhs, lower=True), lower=True, trans="T")


def cholesky(matrix: Array) -> Array:
    """Lower triangular L (n, n) with L L^T = ``matrix``.

    Raises numpy.linalg.LinAlgError when the matrix is not positive definite, whatever the namespace.
    """
    xp = namespace(matrix)
    if array_api_compat.is_torch_namespace(xp):  # whose own error is another
        factor, failed = xp.linalg.cholesky_ex(matrix)
        if int(failed):
            raise LinAlgError(f"The leading minor of order {int(failed)} is not positive definite.")
        return factor
    if array_api_compat.is_cupy_namespace(xp):  # which by default says nothing and returns numbers without a meaning
        import cupyx

        with cupyx.errstate(linalg="raise"):
            return xp.linalg.cholesky(matrix)
    return xp.linalg.cholesky(matrix)


def add_to_diagonal(matrix: Array, value: float) -> Array:
    """Give ``matrix`` (n, n) + ``value`` on its diagonal; in place with NumPy, torch and CuPy."""
    xp = namespace(matrix)
    if array_api_compat.is_array_api_strict_namespace(xp):  # the standard has no assignment to arrays of indices
        return matrix + value * identity_like(matrix, matrix.shape[0])
    diagonal = xp.arange(matrix.shape[0], device=array_api_compat.device(matrix))
    matrix[diagonal, diagonal] += value
    return matrix


def sum_by_index(values: Array, index: Array, count: int) -> Array:
    """Sum rows of ``values`` (n, m) that share an ``index`` (n,) in 0..count-1: (count, m).

    The sums run in the order of the rows, so that the result does not depend on how they were grouped.
    """
    xp = namespace(values)
    if is_numpy(xp):
        total = np.zeros((count, values.shape[1]), dtype=values.dtype)
        np.add.at(total, index, values)
        return total
    members = xp.astype(
        index_like(values, np.arange(count))[:, None] == index_like(values, index)[None, :], values.dtype
    )
    return members @ values


def to_numpy(array: Array) -> np.ndarray:
    """Copy an array of any namespace to the host, for output only: no numerics pass through here."""
    if not array_api_compat.is_array_api_obj(array):
        return np.asarray(array)
    xp = namespace(array)
    host = xp.Device("CPU_DEVICE") if array_api_compat.is_array_api_strict_namespace(xp) else "cpu"
    return np.asarray(array_api_compat.to_device(array, host))


def to_device(array: Array, device: Device | None) -> Array:
    """Give ``array`` on a device: "cpu" as NumPy's, "cuda" as CuPy's on its current GPU; None leaves it where it is.

    Raises ValueError for another device, ImportError where CuPy is missing, RuntimeError where it finds no GPU.
    """
    if device is None:
        return array
    if device not in get_args(Device):
        raise ValueError(f"device must be None, {' or '.join(map(repr, get_args(Device)))}; got {device!r}.")
    return to_numpy(array) if device == "cpu" else _cuda().asarray(array)


def _cuda() -> Namespace:
    """CuPy's namespace, where CuPy and a GPU are found."""
    try:
        import cupy

        cupy.cuda.runtime.getDevice()
    except ImportError as error:
        raise ImportError(
            f'device="cuda" needs CuPy, which cannot be imported ({error}): pip install "ldosml[gpu]", or the CuPy of '
            'your CUDA version, as pip install cupy-cuda12x. Without an NVIDIA GPU use device="cpu".'
        ) from error
    except RuntimeError as error:  # CUDARuntimeError is one
        raise RuntimeError(
            f'device="cuda" found no usable NVIDIA GPU: {error}. Check nvidia-smi and CUDA_VISIBLE_DEVICES, or use '
            'device="cpu".'
        ) from error
    return array_api_compat.array_namespace(cupy.empty(0))
