r"""Kernel solves in single precision, refined to double: half the memory of a factorisation in double precision.

Iterative refinement (Wilkinson; Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. (2002), section 12.1):
K + alpha = L L^T in float32, then

    r = y - (K + alpha) c,    c <- c + L^-T L^-1 r

with r in float64, where K is evaluated again block by block and never stored. The error shrinks by about the condition
number of K + alpha times 6e-8 a step, so that it must be well below 1e7.
"""

from __future__ import annotations

import numpy as np
from numpy.linalg import LinAlgError

from ldosml._array import Array, cholesky, cholesky_solve, namespace
from ldosml.solvers.definiteness import largest_eigenvalue, smallest_eigenvalue
from ldosml.solvers.matrix import KernelMatrix, evaluate, tile_shape, tiles

MAX_CONDITION = 1e6
_TOLERANCE = 1e-11
_MAX_STEPS = 30
_EPS = float(np.finfo(np.float64).eps)


def solve_in_float32(kernel: KernelMatrix, Y: Array, alpha: float) -> Array:
    """Coefficients (K + alpha)^-1 Y in float64 from a factor in float32, in n^2 / 2 float64 numbers of memory.

    Parameters
    ----------
    kernel : KernelMatrix
        K, (n, n).
    Y : array (n, n_energies)
        Targets.
    alpha : float
        Regularisation.

    Returns
    -------
    array (n, n_energies)

    Raises
    ------
    numpy.linalg.LinAlgError
        If the condition number of K + alpha exceeds 1e6, or the refinement does not converge.
    """
    xp = namespace(kernel.like)
    matrix = evaluate(kernel, alpha, dtype=xp.float32)
    largest = largest_eigenvalue(matrix)
    try:
        factor = cholesky(matrix)
    except LinAlgError as error:
        raise LinAlgError(_refusal(f"about {largest / alpha:.0e} or infinite", alpha)) from error
    condition = largest / smallest_eigenvalue(factor)
    if not condition <= MAX_CONDITION:
        raise LinAlgError(_refusal(f"about {condition:.0e}", alpha))
    return _refine(kernel, Y, alpha, factor, condition)


def _refusal(condition: str, alpha: float) -> str:
    return (
        f"precision='float32' needs a condition number of at most {MAX_CONDITION:.0e}; the kernel plus "
        f"alpha = {alpha:g} has {condition}. Raise alpha, or use precision='float64'."
    )


def _refine(kernel: KernelMatrix, Y: Array, alpha: float, factor: Array, condition: float) -> Array:
    coefficients, missed, last = namespace(Y).zeros_like(Y), Y, 1.0
    for step in range(_MAX_STEPS):
        correction = _correction(factor, missed)
        coefficients += correction
        size = _relative(correction, coefficients)
        ratio = size / last if step else 1.0
        # What is left to correct is smaller by that ratio, until rounding of the residuals stops it.
        if size * ratio <= _TOLERANCE or (ratio > 0.5 and last <= 8 * _EPS * condition):
            return coefficients
        if step and not ratio <= 0.5:
            break
        last, missed = size, residual(kernel, coefficients, Y, alpha)
    raise LinAlgError(
        f"Refinement of precision='float32' stalls at relative corrections of {size:.0e} (condition number about "
        f"{condition:.0e}). Raise alpha, or use precision='float64'."
    )


def _correction(factor: Array, missed: Array) -> Array:
    """Solve in float32 for residuals of length 1, which neither vanish nor overflow there."""
    xp = namespace(missed)
    length = xp.sqrt(xp.sum(missed * missed, axis=0))
    length = xp.where(length > 0, length, xp.ones_like(length))[None, :]
    solved = cholesky_solve(factor, xp.astype(missed / length, xp.float32))
    return xp.astype(solved, xp.float64) * length


def _relative(correction: Array, coefficients: Array) -> float:
    """Largest length of a correction divided by the length of its coefficients; columns without any count as done."""
    xp = namespace(coefficients)
    lengths = xp.sum(coefficients * coefficients, axis=0)
    lengths = xp.where(lengths > 0, lengths, xp.ones_like(lengths))
    return float(xp.sqrt(xp.max(xp.sum(correction * correction, axis=0) / lengths)))


def residual(kernel: KernelMatrix, coefficients: Array, Y: Array, alpha: float) -> Array:
    """Y - (K + alpha) c, (n, n_energies). K is evaluated block by block, and each block is used for both triangles."""
    xp = namespace(Y)
    result = Y - alpha * coefficients
    for rows, columns in tiles(kernel.size, *tile_shape(xp)):
        part = kernel.block(rows, columns)
        result[rows, :] -= part @ coefficients[columns, :]
        if rows != columns:
            result[columns, :] -= part.T @ coefficients[rows, :]
    return result
