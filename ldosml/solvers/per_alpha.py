r"""Several alphas by Cholesky factorisations, where eigenvectors fit neither the memory nor LAPACK's integers.

With G = (K + alpha)^-1 in place of K, which is evaluated again for each alpha, leave-out residuals are
(G_BB)^-1 (G y)_B. Coefficients for an alpha_e near one that was factorised come from conjugate gradients on

    (1 + (alpha_e - alpha) G) c_e = G y_e,

whose condition number is alpha_e/alpha or its inverse: some 12 steps where that is 1.8. One (n, n) matrix is held, and
a few of (n, n_energies).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.linalg import LinAlgError
from numpy.typing import NDArray

from ldosml._array import (
    Array,
    cholesky,
    cholesky_inverse,
    cholesky_solve,
    index_like,
    namespace,
    to_numpy,
)
from ldosml.solvers.building import KernelMatrix, evaluate
from ldosml.solvers.dense import factorize
from ldosml.solvers.leave_out import mean_squares, stack_blocks

SHARED_RATIO = 10**0.5
"""Alphas within this factor of each other share one factorisation."""

_TOLERANCE = 1e-13
_MAX_STEPS = 60


class _Inverse:
    """1 - H = alpha G from G, (n, n)."""

    def __init__(self, G: Array, Y: Array) -> None:
        self._G = G
        self.targets = G @ Y

    def diagonal(self) -> Array:
        return namespace(self._G).linalg.diagonal(self._G)

    def blocks(self, rows: Array) -> Array:
        xp = namespace(self._G)
        places = rows[:, :, None] * self._G.shape[0] + rows[:, None, :]
        return xp.reshape(xp.take(xp.reshape(self._G, (-1,)), xp.reshape(places, (-1,))), places.shape)


def errors_by_cholesky(
    kernel: KernelMatrix, Y: Array, alphas: Sequence[float], blocks: Sequence[Array] | None
) -> Array:
    """Root mean square leave-out error of every alpha and energy, (n_alphas, n_energies), in the unit of Y.

    What ``errors_by_alpha`` gives, in n^3 operations per alpha; infinite where K + alpha has no factor in double
    precision.
    """
    xp = namespace(Y)
    stacks = None if blocks is None else stack_blocks(blocks, kernel.size)
    errors, matrix = [], None
    for alpha in alphas:
        matrix = evaluate(kernel, alpha, out=matrix)
        try:
            matrix = cholesky_inverse(cholesky(matrix))
        except LinAlgError:
            errors.append(xp.full_like(Y[0, :], xp.inf))  # never the best
        else:
            errors.append(xp.sqrt(mean_squares(_Inverse(matrix, Y), stacks)))
    return xp.stack(errors)


def coefficients_by_cholesky(kernel: KernelMatrix, Y: Array, alpha: Array) -> Array:
    """Coefficients (K + alpha_e)^-1 y_e, (n, n_energies), one alpha per energy (n_energies,).

    Raises numpy.linalg.LinAlgError when K + alpha is not positive definite in double precision.
    """
    xp = namespace(Y)
    factor, parts, order = None, [], []
    for centre, members in share(to_numpy(alpha)):
        factor = factorize(kernel, centre, out=factor)
        taken = index_like(Y, members)
        parts.append(_near(factor, xp.take(Y, taken, axis=1), xp.take(alpha, taken) - centre))
        order.append(members)
    return xp.take(xp.concat(parts, axis=1), index_like(Y, np.argsort(np.concatenate(order))), axis=1)


def share(alpha: NDArray[np.float64]) -> Iterator[tuple[float, NDArray[np.int64]]]:
    """Group values so that each lies within a factor of 10^(1/4) of its group's centre; gives centres and members."""
    order = np.argsort(alpha, kind="stable")
    while order.size:
        lowest = alpha[order[0]]
        count = int(np.searchsorted(alpha[order], lowest * SHARED_RATIO, side="right"))
        members, order = order[:count], order[count:]
        highest = alpha[members[-1]]
        yield float(lowest if lowest == highest else np.sqrt(lowest * highest)), members


def _near(factor: Array, Y: Array, beyond: Array) -> Array:
    """Solve (1 + d_e G) c_e = G y_e by conjugate gradients, G = (L L^T)^-1, d = ``beyond`` (n_energies,)."""
    xp = namespace(Y)
    first = cholesky_solve(factor, Y)
    if not bool(xp.any(beyond != 0)):
        return first
    solution, missed = xp.zeros_like(first), first
    direction, length = missed, xp.sum(missed * missed, axis=0)
    goal = _TOLERANCE**2 * length
    for _ in range(_MAX_STEPS):
        image = direction + beyond[None, :] * cholesky_solve(factor, direction)
        step = _ratio(length, xp.sum(direction * image, axis=0))
        solution = solution + step[None, :] * direction
        missed = missed - step[None, :] * image
        length, before = xp.sum(missed * missed, axis=0), length
        if bool(xp.all(length <= goal)):
            return solution
        direction = missed + _ratio(length, before)[None, :] * direction
    raise LinAlgError("Conjugate gradients between alphas do not converge: raise alpha, or use solver='eigh'.")


def _ratio(above: Array, below: Array) -> Array:
    """A quotient that is 0 where nothing is left to divide."""
    xp = namespace(above)
    left = below > 0
    return xp.where(left, above / xp.where(left, below, xp.ones_like(below)), xp.zeros_like(above))
