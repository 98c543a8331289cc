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
from numpy.typing import NDArray
from scipy.linalg import eigh, get_lapack_funcs
from scipy.linalg import solve_triangular as scipy_solve_triangular

from ldosml._array_type import Array as Array
from ldosml._array_type import Namespace as Namespace
from ldosml._array_type import Numbers as Numbers

Device = Literal["cpu", "cuda"]
"""Where to compute: with NumPy, or with CuPy on an NVIDIA GPU."""


def namespace(*arrays: object) -> Namespace:
    """Give the namespace that all ``arrays`` share; numbers, lists and None count as NumPy's.

    Raises TypeError when the arrays come from different libraries.
    """
    owned = [a for a in arrays if array_api_compat.is_array_api_obj(a)]
    xp: Namespace = array_api_compat.array_namespace(*(owned or [np.empty(0)]))
    return xp


def is_numpy(xp: Namespace) -> bool:
    """Tell whether ``xp`` is NumPy's namespace."""
    return bool(array_api_compat.is_numpy_namespace(xp))


def as_float64(name: str, values: object) -> Array:
    """Give ``values`` (an array of any namespace, or nested lists) in float64, where they are.

    Raises TypeError for anything but real numbers.
    """
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(f"{name} must not be a masked array: what is masked would be used all the same. Leave it out.")
    xp = namespace(values)
    given: Any = values
    array: Array = given if array_api_compat.is_array_api_obj(values) else np.asarray(values)
    if not xp.isdtype(array.dtype, ("real floating", "integral")):
        raise TypeError(f"{name} must be real numbers; got {array.dtype}.")
    return xp.astype(array, xp.float64, copy=False)


def read_only(array: Array) -> Array:
    """Give a NumPy array that nobody can change: the array if that is so, otherwise a copy. Other arrays stay.

    A view is refused as well where the array that it shows part of can be changed.
    """
    if not isinstance(array, np.ndarray):
        return array
    part: Any = array
    while isinstance(part, np.ndarray) and not part.flags.writeable:
        part = part.base
    if part is None:
        return array
    copy = array.copy()
    copy.setflags(write=False)
    return copy


def array_device(array: Array) -> Any:
    """The device of ``array``, as its namespace names it."""
    return array_api_compat.device(array)


def like(array: Array, values: object) -> Array:
    """Give ``values`` as a float64 array of the namespace and on the device of ``array``."""
    xp = namespace(array)
    return xp.asarray(_plain(xp, values), dtype=xp.float64, device=array_device(array))


def index_like(array: Array, values: object) -> Array:
    """Give whole numbers as an int64 array of the namespace and on the device of ``array``, to take rows of it by."""
    xp = namespace(array)
    return xp.asarray(_plain(xp, values), dtype=xp.int64, device=array_device(array))


def take_rows(values: Array, rows: object) -> Array:
    """Give rows of ``values`` (n, ...) by their numbers (m,), which may be on the host: (m, ...)."""
    return namespace(values).take(values, index_like(values, rows), axis=0)


def _plain(xp: Namespace, values: object) -> object:
    """Give an array of NumPy's in order and writable: torch takes no reversed views and warns of read-only ones."""
    if isinstance(values, np.ndarray) and not is_numpy(xp):
        return np.require(values, requirements=["C", "W"])
    return values


def identity_like(array: Array, size: int) -> Array:
    """Give the identity matrix (size, size) in the type and on the device of ``array``."""
    return namespace(array).eye(size, dtype=array.dtype, device=array_device(array))


def running_maximum(values: Array) -> Array:
    """The largest value so far along the second axis of an (n, m) array; the standard has no such function."""
    xp = namespace(values)
    if is_numpy(xp):
        return np.maximum.accumulate(to_numpy(values), axis=1)
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

    Shapes (n, n) and (n, m) give (n, m). ``matrix`` is overwritten where the namespace can, so that no second one is
    held; of it the lower triangle counts. Raises numpy.linalg.LinAlgError when it is not positive definite.
    """
    return cholesky_solve(cholesky(matrix), rhs)


def cholesky(matrix: Array) -> Array:
    """Factor L of a symmetric positive definite matrix = L L^T, (n, n), float64 or float32.

    With NumPy it stands in ``matrix`` itself. What stands above the diagonal is no part of it, before or after. Raises
    numpy.linalg.LinAlgError when the matrix is not positive definite in floating point.
    """
    xp = namespace(matrix)
    factor: Array
    if is_numpy(xp):
        # The lower triangle in C order is the upper one in Fortran order, which LAPACK takes in place.
        factor = np.ascontiguousarray(matrix)
        potrf: Any = get_lapack_funcs("potrf", (factor,))
        _, failed = potrf(factor.T, lower=0, clean=0, overwrite_a=1)
    elif array_api_compat.is_torch_namespace(xp):
        factor, failed = xp.linalg.cholesky_ex(matrix)
    elif array_api_compat.is_cupy_namespace(xp):
        from cupyx import errstate

        with errstate(linalg="raise"):  # else CuPy returns numbers without meaning
            factor, failed = xp.linalg.cholesky(matrix), 0
    else:
        factor, failed = xp.linalg.cholesky(matrix), 0
    if int(failed) or not bool(xp.all(xp.linalg.diagonal(factor) > 0)):
        raise LinAlgError("The matrix is not positive definite in floating point.")
    return factor


def solve_triangular(factor: Array, rhs: Array, *, transposed: bool = False, overwrite: bool = False) -> Array:
    """Solve L x = rhs, or L^T x = rhs, for the lower triangle L of ``factor`` (n, n); rhs (n, m) gives (n, m).

    With ``overwrite``, x takes the place of ``rhs`` where the namespace can (NumPy, for the transpose of an array in C
    order). The standard has no such function: other libraries than NumPy, torch and CuPy solve a full system.
    """
    xp = namespace(factor, rhs)
    if is_numpy(xp):
        solved: Array = scipy_solve_triangular(
            factor, rhs, lower=True, trans=1 if transposed else 0, overwrite_b=overwrite, check_finite=False
        )
        return solved
    if array_api_compat.is_cupy_namespace(xp):
        from cupyx.scipy.linalg import solve_triangular as cupy_solve_triangular

        solve: Callable[..., Array] = cupy_solve_triangular
        return solve(factor, rhs, lower=True, trans=int(transposed), overwrite_b=overwrite)
    lower = xp.tril(factor)
    lower = lower.T if transposed else lower
    if array_api_compat.is_torch_namespace(xp):
        return xp.linalg.solve_triangular(lower, rhs, upper=transposed)
    return xp.linalg.solve(lower, rhs)


def cholesky_solve(factor: Array, rhs: Array) -> Array:
    """Solve (L L^T) x = rhs for the lower triangle L of ``factor`` (n, n); rhs (n, m) gives (n, m)."""
    xp = namespace(factor, rhs)
    if is_numpy(xp):
        potrs: Any = get_lapack_funcs("potrs", (factor, rhs))
        solved: Array = potrs(factor.T, rhs, lower=0)[0]
        return solved
    if array_api_compat.is_torch_namespace(xp):
        return xp.cholesky_solve(rhs, factor)
    return solve_triangular(factor, solve_triangular(factor, rhs), transposed=True)


def cholesky_inverse(factor: Array) -> Array:
    """The whole symmetric (L L^T)^-1 of the lower triangle L of ``factor`` (n, n); with NumPy in its place."""
    xp = namespace(factor)
    if is_numpy(xp):
        potri: Any = get_lapack_funcs("potri", (factor,))
        _, failed = potri(factor.T, lower=0, overwrite_c=1)
        if failed:
            raise LinAlgError("The matrix has no inverse in floating point.")
        copy_lower_to_upper(to_numpy(factor))
        return factor
    if array_api_compat.is_torch_namespace(xp):
        return xp.cholesky_inverse(factor)
    device = array_device(factor)
    half = solve_triangular(factor, xp.eye(factor.shape[0], dtype=factor.dtype, device=device))
    return half.T @ half


def copy_lower_to_upper(matrix: np.ndarray, block: int = 512) -> None:
    """Make a matrix (n, n) of NumPy symmetric in place, by its lower triangle."""
    for start in range(0, len(matrix), block):
        rows = slice(start, start + block)
        matrix[:start, rows] = matrix[rows, :start].T
        square = matrix[rows, rows]
        matrix[rows, rows] = np.tril(square) + np.tril(square, -1).T


def eigenvectors(matrix: Array, *, roomy: bool = True) -> tuple[Array, Array]:
    """Eigenvalues (n,), ascending, and eigenvectors (n, n) in columns, of a symmetric matrix; only NumPy's is lost.

    With NumPy the lower triangle is read, and the vectors may stand in ``matrix`` itself: divide and conquer (LAPACK
    syevd) holds 3 n^2 numbers with the matrix, and where ``roomy`` is false, relatively robust representations
    (syevr) hold 2 n^2 in somewhat more time.
    """
    xp = namespace(matrix)
    if not is_numpy(xp):
        found: tuple[Array, Array] = xp.linalg.eigh(matrix)
        return found
    driver: Literal["evd", "evr"] = "evd" if roomy else "evr"
    matrix = np.ascontiguousarray(matrix)
    values, vectors = eigh(matrix.T, lower=False, overwrite_a=True, check_finite=False, driver=driver)
    rows = vectors.T  # LAPACK's columns; rows of the result are taken later, and must be together in memory
    _transpose(rows)
    return values, rows


def _transpose(matrix: np.ndarray, block: int = 256) -> None:
    """Transpose a square matrix in place."""
    for start in range(0, len(matrix), block):
        rows = slice(start, start + block)
        matrix[rows, rows] = matrix[rows, rows].T.copy()
        for other in range(start + block, len(matrix), block):
            columns = slice(other, other + block)
            kept = matrix[rows, columns].copy()
            matrix[rows, columns] = matrix[columns, rows].T
            matrix[columns, rows] = kept.T


def free_device_memory(array: Array) -> int | None:
    """Bytes that can still be had on the accelerator that holds ``array``; None where it lies in the host's memory."""
    if array_api_compat.is_cupy_array(array):
        import cupy

        return int(cupy.cuda.runtime.memGetInfo()[0] + cupy.get_default_memory_pool().free_bytes())
    if array_api_compat.is_torch_array(array) and array.device.type == "cuda":
        return int(namespace(array).cuda.mem_get_info(array.device)[0])
    return None


def add_to_diagonal(matrix: Array, value: float) -> Array:
    """Give ``matrix`` (n, n) + ``value`` on its diagonal; in place with NumPy, torch and CuPy."""
    xp = namespace(matrix)
    if array_api_compat.is_array_api_strict_namespace(xp):  # the standard has no assignment to arrays of indices
        return matrix + value * identity_like(matrix, matrix.shape[0])
    diagonal = xp.arange(matrix.shape[0], device=array_device(matrix))
    matrix[diagonal, diagonal] += value
    return matrix


def sum_by_index(values: Array, index: Array, count: int) -> Array:
    """Sum rows of ``values`` (n, m) that share an ``index`` (n,) in 0..count-1: (count, m).

    The sums run in the order of the rows, so that the result does not depend on how they were grouped.
    """
    xp = namespace(values)
    if is_numpy(xp):
        total = np.zeros((count, values.shape[1]), dtype=values.dtype)
        np.add.at(total, to_numpy(index), to_numpy(values))
        return total
    members = xp.astype(
        index_like(values, np.arange(count))[:, None] == index_like(values, index)[None, :], values.dtype
    )
    return members @ values


def sum_segments(values: Array, bounds: np.ndarray) -> Array:
    """Sum consecutive rows of ``values`` (n, m), from each of ``bounds`` (count + 1,) to the next: (count, m)."""
    xp = namespace(values)
    if is_numpy(xp):
        total = np.zeros((len(bounds) - 1, values.shape[1]), dtype=values.dtype)
        filled = np.flatnonzero(np.diff(bounds))  # reduceat would give an empty segment its next row
        if filled.size:
            total[filled] = np.add.reduceat(to_numpy(values)[: bounds[-1]], bounds[filled], axis=0)
        return total
    row = index_like(values, np.arange(values.shape[0]))[None, :]
    edge = index_like(values, bounds)[:, None]
    return xp.astype((row >= edge[:-1, :]) & (row < edge[1:, :]), values.dtype) @ values


def to_numpy(array: Numbers) -> NDArray[Any]:
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
    return namespace(cupy.empty(0))
