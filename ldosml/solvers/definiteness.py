"""Condition of a kernel matrix; and the reason why one is not positive definite, with the alpha that would help."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.linalg import LinAlgError

from ldosml._array import Array, array_device, cholesky, cholesky_solve, like, namespace
from ldosml.solvers.matrix import KernelMatrix, diagonal, evaluate, tiles

_EPS = float(np.finfo(np.float64).eps)
_STEPS = 12
"""Steps of power iteration: enough for the first digit, which the error message shows."""


def smallest_eigenvalue(factor: Array) -> float:
    """Smallest eigenvalue of L L^T, estimated from above, by inverse power iteration on its factor L (n, n)."""
    return 1.0 / _largest(lambda vectors: cholesky_solve(factor, vectors), factor)


def largest_eigenvalue(matrix: Array, block: int = 512) -> float:
    """Largest eigenvalue, estimated from below, of the positive matrix (n, n) whose lower triangle is given."""

    def times(vectors: Array) -> Array:
        xp = namespace(vectors)
        result = xp.zeros_like(vectors)
        for rows, columns in tiles(matrix.shape[0], block, 4 * block):
            part = matrix[rows, columns]
            if rows == columns:
                lower = xp.tril(part)
                part = lower + xp.tril(lower, k=-1).T
            else:
                result[columns, :] += part.T @ vectors[rows, :]
            result[rows, :] += part @ vectors[columns, :]
        return result

    return _largest(times, matrix)


def _largest(times: Callable[[Array], Array], matrix: Array) -> float:
    xp = namespace(matrix)
    start = np.random.default_rng(0).normal(size=(matrix.shape[0], 4))
    vectors = xp.astype(like(matrix, start), matrix.dtype)
    growth = xp.ones_like(vectors[0, :])
    for _ in range(_STEPS):
        vectors = times(vectors / growth[None, :])
        growth = xp.sqrt(xp.sum(vectors * vectors, axis=0))
    return float(xp.max(growth))


def explain(kernel: KernelMatrix, alpha: float) -> str:
    """Explain why K + alpha has no Cholesky factor, by how much it fails, and which alpha would help.

    This takes up to a few times as long as the factorisation that failed.
    """
    values = diagonal(kernel)
    xp = namespace(values)
    scale = float(xp.mean(values))
    if not np.isfinite(scale):
        return "The kernel overflows: some of its entries are not finite. Scale the features, for instance to length 1."
    said = f"The kernel plus alpha = {alpha:g} is not positive definite in double precision"
    shift, smallest = _first_that_works(kernel, alpha, scale)
    if shift is None:
        return (
            f"{said}, nor with {scale:.1g} added, the mean of its diagonal: it is not positive semidefinite, no kernel."
        )
    rounding = _EPS * kernel.size * scale
    return (
        f"{said}: its smallest eigenvalue is about {smallest:.1g}, where rounding alone leaves some {rounding:.0g} "
        f"(mean of the diagonal: {scale:.2g}). {_repeats(kernel, values)}Raise alpha, to {shift:.1g} or more."
    )


def _first_that_works(kernel: KernelMatrix, alpha: float, scale: float) -> tuple[float | None, float]:
    """An alpha with which the factorisation succeeds, and the smallest eigenvalue of K + ``alpha``."""
    shift = max(10 * _EPS * kernel.size * scale, 2 * alpha)
    while shift <= max(scale, 2 * alpha):
        try:
            factor = cholesky(evaluate(kernel, shift))
        except LinAlgError:
            shift *= 10
        else:
            return shift, smallest_eigenvalue(factor) - shift + alpha
    return None, float("nan")


def _repeats(kernel: KernelMatrix, values: Array, block: int = 1024) -> str:
    """Name rows that repeat earlier ones, as the kernel tells: |phi_i - phi_j|^2 = K_ii + K_jj - 2 K_ij."""
    xp = namespace(values)
    found, first = 0, None
    for start in range(0, kernel.size, block):
        rows, columns = slice(start, min(start + block, kernel.size)), slice(0, min(start + block, kernel.size))
        sums = values[rows][:, None] + values[columns][None, :]
        close = sums - 2 * kernel.block(rows, columns) <= 1e-12 * sums
        numbers = xp.arange(columns.stop, device=array_device(values))
        close = close & (numbers[None, :] < numbers[rows][:, None])
        repeated = xp.any(close, axis=1)
        found += int(xp.sum(xp.astype(repeated, xp.int64)))
        if first is None and found:
            row = int(xp.argmax(xp.astype(repeated, xp.int64)))
            first = start + row, int(xp.argmax(xp.astype(close[row, :], xp.int64)))
    if first is None:
        return "No row repeats another, but some are nearly sums of others. "
    return f"{found} rows repeat others, first row {first[0]}, which is row {first[1]} again. "
