r"""Leave-out errors in closed form, and the alpha that they choose.

For a kernel K = U s U^T, or features with X X^T = U s U^T, the fitted values are H y with H = U diag(s/(s+alpha)) U^T.
What a fit without the rows B would have missed in those rows is known without fitting again,

    r_B = ((1-H)_BB)^-1 ((1-H) y)_B,

which is the leave-one-out residual for one row and, for the atoms of one structure, the leave-one-structure-out
residual (with G = (K+alpha)^-1 it reads (G_BB)^-1 (G y)_B, since 1-H = alpha G).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, like, namespace
from ldosml.solvers.factors import Factorization


class LeaveOut:
    """What fits without some of their rows miss in those rows, for every alpha, from one factorisation.

    Up to a factor that cancels, 1 - H is U diag(1/(s+alpha)) U^T for a kernel, whose U is square, and
    1 - U diag(s/(s+alpha)) U^T for features. Where ``factors`` and ``Y`` are some rows of many, ``projected`` is U^T Y
    (r, n_energies) over all.
    """

    def __init__(self, factors: Factorization, Y: Array, projected: Array | None = None) -> None:
        self._basis, self._s, self._Y = factors.basis, factors.eigenvalues, Y
        self._square = factors.right is None
        self._projected = factors.basis.T @ Y if projected is None else projected

    def residuals(self, alpha: float, blocks: Iterable[Array]) -> Iterable[Array]:
        """Residuals of each block of rows when the whole block is left out, (n_rows, n_energies)."""
        xp = namespace(self._Y)
        weights = self._weights(alpha)
        missed = self._missed(weights)
        for rows in blocks:
            yield xp.linalg.solve(self._missed_block(weights, rows), xp.take(missed, rows, axis=0))

    def squared_errors(self, alpha: float, blocks: Iterable[Array] | None) -> Array:
        """Mean squared residual of each energy, (n_energies,); ``blocks`` None leaves out one row at a time."""
        xp = namespace(self._Y)
        if blocks is None:
            weights = self._weights(alpha)
            residual = self._missed(weights) / self._missed_diagonal(weights)[:, None]
            return xp.mean(residual * residual, axis=0)
        total = xp.zeros_like(self._Y[0, :])
        for residual in self.residuals(alpha, blocks):
            total = total + xp.sum(residual * residual, axis=0)
        return total / self._Y.shape[0]

    def _weights(self, alpha: float) -> Array:
        return (1.0 if self._square else self._s) / (self._s + alpha)

    def _missed(self, weights: Array) -> Array:
        fitted = self._basis @ (weights[:, None] * self._projected)
        return fitted if self._square else self._Y - fitted

    def _missed_diagonal(self, weights: Array) -> Array:
        fitted = (self._basis * self._basis) @ weights
        return fitted if self._square else 1.0 - fitted

    def _missed_block(self, weights: Array, rows: Array) -> Array:
        xp = namespace(weights)
        part = xp.take(self._basis, rows, axis=0)
        fitted = (part * weights[None, :]) @ part.T
        return fitted if self._square else xp.eye(fitted.shape[0], dtype=fitted.dtype) - fitted


def errors_by_alpha(factors: Factorization, Y: Array, alphas: Sequence[float], blocks: Sequence[Array] | None) -> Array:
    """Root mean square leave-out error of every alpha and energy, (n_alphas, n_energies), in the unit of Y.

    ``blocks`` are the rows of each structure; None leaves out one row at a time. Needs n^2 n_energies operations per
    alpha after the factorisation, and n n_energies numbers.
    """
    xp = namespace(Y)
    leave_out = LeaveOut(factors, Y)
    return xp.sqrt(xp.stack([leave_out.squared_errors(alpha, blocks) for alpha in alphas]))


def blocks_of(index: Array, like_array: Array) -> list[Array]:
    """Rows of each distinct value of ``index`` (n,), as index arrays beside ``like_array``.

    Raises ValueError when there are fewer than two, since nothing would be left to fit.
    """
    xp = namespace(like_array)
    _, label = np.unique(np.asarray(index), return_inverse=True)  # labels may be strings
    order = np.argsort(label, kind="stable")
    blocks: list[NDArray[np.int64]] = np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
    if len(blocks) < 2:
        raise ValueError(
            "Leave-one-structure-out needs at least 2 structures; structure_index names only one. Give alpha a number."
        )
    return [xp.asarray(block) for block in blocks]


def choose_alpha(errors: Array, alphas: Array | Sequence[float], weights: Array, width: float) -> Array:
    """Choose alpha per energy from leave-out errors, and smooth its logarithm over the energies.

    The choice of one energy is noisy, and a spectrum of independent choices jagged. So log alpha is averaged with a
    Gaussian of standard deviation ``width`` (in energies; 0 switches it off) times ``weights`` (n_energies,), the
    variance of the target: where nothing is to be learned alpha is arbitrary and must not spread.

    errors (n_alphas, n_energies) and alphas (n_alphas,) give (n_energies,).
    """
    xp = namespace(errors)
    # Where alpha is too small for double precision the error is not a number: never the best choice.
    known = xp.where(xp.isfinite(errors), errors, xp.full_like(errors, xp.inf))
    best = xp.take(like(errors, np.log(np.asarray(alphas))), xp.argmin(known, axis=0))
    if width <= 0:
        return xp.exp(best)
    energies = np.arange(errors.shape[1])
    window = like(errors, np.exp(-0.5 * ((energies[:, None] - energies[None, :]) / width) ** 2))
    # A floor of 1e-6 of the largest variance keeps the average defined below the bands.
    kept = window * (weights + 1e-6 * xp.max(weights) + 1e-300)[None, :]
    return xp.exp((kept @ best) / xp.sum(kept, axis=1))
