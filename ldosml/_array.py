"""Array namespaces, and the few operations that the array API standard lacks.

The data says where it lives: every numerical function asks :func:`namespace` of its arguments and stays there,
so that NumPy on a laptop and CuPy on a GPU run the same lines. Nothing here copies an array to the host.
"""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np
from scipy.linalg import cho_factor, cho_solve

Array = Any
"""An array of any namespace of the array API standard."""

Namespace = Any
"""An array API namespace (a module)."""


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
    if isinstance(values, np.ndarray):
        values = np.asarray(values, order="C")  # torch takes no reversed views
    return xp.asarray(values, dtype=xp.float64, device=array_api_compat.device(array))


def index_like(array: Array, values: object) -> Array:
    """Give whole numbers as an int64 array of the namespace and on the device of ``array``, to take rows of it by."""
    xp = namespace(array)
    return xp.asarray(values, dtype=xp.int64, device=array_api_compat.device(array))


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

    Shapes (n, n) and (n, m) give (n, m). ``matrix`` is overwritten, so that no second one is held. Raises
    numpy.linalg.LinAlgError (or the namespace's own error) when the matrix is not positive definite.
    """
    xp = namespace(matrix, rhs)
    if is_numpy(xp):
        # The transpose of a symmetric matrix in C order is itself in Fortran order, which LAPACK takes in place.
        factor = cho_factor(matrix.T, lower=True, overwrite_a=True, check_finite=False)
        return cho_solve(factor, rhs, check_finite=False)
    if array_api_compat.is_torch_namespace(xp):
        return xp.cholesky_solve(rhs, xp.linalg.cholesky(matrix))
    if array_api_compat.is_cupy_namespace(xp):
        from cupyx.scipy.linalg import solve_triangular

        factor = xp.linalg.cholesky(matrix)
        return solve_triangular(factor, solve_triangular(factor, rhs, lower=True), lower=True, trans="T")
    xp.linalg.cholesky(matrix)  # raises where the matrix is not positive definite
    return xp.linalg.solve(matrix, rhs)


def add_to_diagonal(matrix: Array, value: float) -> Array:
    """Give ``matrix`` (n, n) + ``value`` on its diagonal; in place where the namespace can (NumPy and CuPy)."""
    xp = namespace(matrix)
    if is_numpy(xp) or array_api_compat.is_cupy_namespace(xp):
        diagonal = xp.arange(matrix.shape[0])
        matrix[diagonal, diagonal] += value
        return matrix
    return matrix + value * xp.eye(matrix.shape[0], dtype=matrix.dtype, device=array_api_compat.device(matrix))


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


def sum_segments(values: Array, bounds: np.ndarray) -> Array:
    """Sum consecutive rows of ``values`` (n, m), from each of ``bounds`` (count + 1,) to the next: (count, m)."""
    xp = namespace(values)
    if is_numpy(xp):
        total = np.zeros((len(bounds) - 1, values.shape[1]), dtype=values.dtype)
        filled = np.flatnonzero(np.diff(bounds))  # reduceat would give an empty segment its next row
        if filled.size:
            total[filled] = np.add.reduceat(values[: bounds[-1]], bounds[filled], axis=0)
        return total
    row = index_like(values, np.arange(values.shape[0]))[None, :]
    edge = index_like(values, bounds)[:, None]
    return xp.astype((row >= edge[:-1, :]) & (row < edge[1:, :]), values.dtype) @ values


def to_numpy(array: Array) -> np.ndarray:
    """Copy an array of any namespace to the host, for output only: no numerics pass through here."""
    if array_api_compat.is_cupy_array(array):
        return np.asarray(array.get())
    return np.asarray(array)
