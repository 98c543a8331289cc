r"""Leave-out errors in closed form, and the alpha that they choose.

For a kernel K = U s U^T, or features with X X^T = U s U^T, the fitted values are H y with H = U diag(s/(s+alpha)) U^T.
What a fit without the rows B would have missed in those rows is known without fitting again,

    r_B = ((1-H)_BB)^-1 ((1-H) y)_B,

which is the leave-one-out residual for one row and, for the atoms of one structure, the leave-one-group-out
residual (with G = (K+alpha)^-1 it reads (G_BB)^-1 (G y)_B, since 1-H = alpha G).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, identity_like, index_like, like, namespace, to_numpy
from ldosml.solvers.factors import Factorization


class Missed(Protocol):
    """1 - H for one alpha, up to a factor that cancels: applied to the targets, and in parts."""

    @property
    def targets(self) -> Array:
        """(1 - H) y, (n, n_energies)."""

    def diagonal(self) -> Array:
        """Its diagonal, (n,)."""

    def blocks(self, rows: Array) -> Array:
        """Its blocks at ``rows`` (m, b): (m, b, b)."""


def mean_squares(missed: Missed, stacks: Sequence[Array] | None) -> Array:
    """Mean squared leave-out residual of each energy, (n_energies,).

    ``stacks`` are the rows of structures, one array (n_structures, n_rows) for each size; None leaves out single rows.
    """
    targets = missed.targets
    xp = namespace(targets)
    if stacks is None:
        residual = targets / missed.diagonal()[:, None]
        return xp.mean(residual * residual, axis=0)
    total = xp.zeros_like(targets[0, :])
    for residual in residuals(missed, stacks):
        total = total + xp.sum(residual * residual, axis=(0, 1))
    return total / targets.shape[0]


def residuals(missed: Missed, stacks: Iterable[Array]) -> Iterator[Array]:
    """Leave-out residuals of each of ``stacks``, (n_structures, n_rows, n_energies)."""
    targets = missed.targets
    xp = namespace(targets)
    for rows in stacks:
        taken = xp.take(targets, xp.reshape(rows, (-1,)), axis=0)
        yield xp.linalg.solve(missed.blocks(rows), xp.reshape(taken, (*rows.shape, -1)))


def stack_blocks(blocks: Sequence[Array], most: int) -> list[Array]:
    """Put the rows of structures of the same size together.

    Parameters
    ----------
    blocks : sequence of arrays (n_rows,) of int
        Rows of each structure.
    most : int
        Number of rows in a stack, at most; a structure with more rows has a stack of its own.

    Returns
    -------
    list of arrays (n_structures, n_rows) of int
    """
    xp = namespace(blocks[0])
    sizes = np.array([block.shape[0] for block in blocks])
    stacks = []
    for size in np.unique(sizes):
        alike = np.flatnonzero(sizes == size)
        count = max(1, most // int(size))
        chunks = (alike[start : start + count] for start in range(0, len(alike), count))
        stacks += [xp.stack([blocks[int(i)] for i in chunk]) for chunk in chunks]
    return stacks


class LeaveOut:
    """Errors of fits in the rows that they leave out, for every alpha, from one factorisation.

    Up to a factor that cancels, 1 - H is U diag(1/(s+alpha)) U^T for a kernel, whose U is square, and
    1 - U diag(s/(s+alpha)) U^T for features.

    Parameters
    ----------
    factors : Factorization
        Of the kernel or the features; all rows of ``Y``, or some.
    Y : array (n, n_energies)
        Targets.
    projected : array (r, n_energies), optional
        U^T Y over all rows, if ``factors`` and ``Y`` have only some.
    """

    def __init__(self, factors: Factorization, Y: Array, projected: Array | None = None) -> None:
        self._factors, self._Y = factors, Y
        self._projected = factors.basis.T @ Y if projected is None else projected

    def squared_errors(self, alpha: float, stacks: Sequence[Array] | None) -> Array:
        """Mean squared residual of each energy.

        Parameters
        ----------
        alpha : float
            Regularisation.
        stacks : list of arrays (n_structures, n_rows) of int, or None
            Rows of the structures, one array for each size; None leaves out single rows.

        Returns
        -------
        array (n_energies,)
        """
        return mean_squares(_Spectral(self._factors, self._Y, self._projected, alpha), stacks)

    def residuals(self, alpha: float, stacks: Sequence[Array]) -> Iterator[Array]:
        """Residuals of every structure when it is left out.

        Parameters
        ----------
        alpha : float
            Regularisation.
        stacks : list of arrays (n_structures, n_rows) of int
            Rows of the structures, one array for each size.

        Returns
        -------
        iterator of arrays (n_structures, n_rows, n_energies)
            One for each stack.
        """
        return residuals(_Spectral(self._factors, self._Y, self._projected, alpha), stacks)


class _Spectral:
    """1 - H from eigenvectors."""

    def __init__(self, factors: Factorization, Y: Array, projected: Array, alpha: float) -> None:
        self._basis, self._square = factors.basis, factors.right is None
        self._weights = (1.0 if self._square else factors.eigenvalues) / (factors.eigenvalues + alpha)
        fitted = self._basis @ (self._weights[:, None] * projected)
        self.targets = fitted if self._square else Y - fitted

    def diagonal(self) -> Array:
        fitted = (self._basis * self._basis) @ self._weights
        return fitted if self._square else 1.0 - fitted

    def blocks(self, rows: Array) -> Array:
        xp = namespace(self._basis)
        part = xp.reshape(xp.take(self._basis, xp.reshape(rows, (-1,)), axis=0), (*rows.shape, -1))
        fitted = (part * self._weights[None, None, :]) @ xp.matrix_transpose(part)
        return fitted if self._square else identity_like(fitted, rows.shape[1])[None, :, :] - fitted


def errors_by_alpha(factors: Factorization, Y: Array, alphas: Sequence[float], blocks: Sequence[Array] | None) -> Array:
    """Root mean square leave-out error of every alpha and energy.

    After the factorisation it needs n^2 n_energies operations for each alpha, and n n_energies numbers of memory.

    Parameters
    ----------
    factors : Factorization
        Of the kernel or the features.
    Y : array (n, n_energies)
        Targets.
    alphas : sequence of float (n_alphas,)
        Candidates.
    blocks : sequence of arrays of int, or None
        Rows of each structure, which are left out together; None leaves out one row at a time.

    Returns
    -------
    array (n_alphas, n_energies)
        In the unit of Y.
    """
    xp = namespace(Y)
    leave_out = LeaveOut(factors, Y)
    # Rows of the eigenvectors are gathered, 32 MB at a time.
    stacks = None if blocks is None else stack_blocks(blocks, 2**22 // factors.basis.shape[1])
    return xp.sqrt(xp.stack([leave_out.squared_errors(alpha, stacks) for alpha in alphas]))


def blocks_of(index: Array, like_array: Array) -> list[Array]:
    """Find the rows of each group.

    Parameters
    ----------
    index : array (n,)
        Group of each row: numbers or strings.
    like_array : array
        Array whose namespace and device the result takes.

    Returns
    -------
    list of arrays of int
        Rows of each distinct value of ``index``.

    Raises
    ------
    ValueError
        If there are fewer than two groups: nothing would be left to fit.
    """
    _, label = np.unique(to_numpy(index), return_inverse=True)  # labels may be strings
    order = np.argsort(label, kind="stable")
    blocks: list[NDArray[np.int64]] = np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
    if len(blocks) < 2:
        raise ValueError("Leaving out groups needs at least 2 groups; got 1. Give alpha a number.")
    return [index_like(like_array, block) for block in blocks]


def choose_alpha(errors: Array, alphas: Array | Sequence[float], weights: Array, width: float | None = None) -> Array:
    """Choose alpha from leave-out errors: the best of each energy, averaged in the logarithm over the energies.

    By default the average is over all energies, so that they share one alpha. Then the prediction is the same linear
    map of the training data at every energy, and keeps what all training data have in common: with the Fermi level as
    the zero of energy, the number of electrons below it. An alpha for each energy breaks this sum rule. It hardly
    changes the errors of the spectra, but it moves the Fermi level where the DOS is low.

    Otherwise the average has a Gaussian window. Independent choices (``width=0``) are noisy and give a jagged spectrum.
    The average is weighted by ``weights``: where the target hardly varies alpha is arbitrary, and must not spread.

    Parameters
    ----------
    errors : array (n_alphas, n_energies)
        Leave-out errors; NaN and infinity are never the best choice.
    alphas : array (n_alphas,)
        Candidates.
    weights : array (n_energies,)
        Variance of the target.
    width : float, optional
        Standard deviation of the Gaussian, in energies; 0 does not average. By default all energies share one alpha.

    Returns
    -------
    array (n_energies,)
        alpha of each energy.
    """
    xp = namespace(errors)
    # Where alpha is too small for double precision the error is not a number: never the best choice.
    known = xp.where(xp.isfinite(errors), errors, xp.full_like(errors, xp.inf))
    best = xp.take(like(errors, np.log(np.asarray(alphas))), xp.argmin(known, axis=0))
    # A floor of 1e-6 of the largest variance keeps the average defined below the bands.
    weights = weights + 1e-6 * xp.max(weights) + 1e-300
    if width is None:
        return xp.exp(xp.full_like(best, float(xp.sum(weights * best) / xp.sum(weights))))
    if width <= 0:
        return xp.exp(best)
    energies = np.arange(errors.shape[1])
    window = like(errors, np.exp(-0.5 * ((energies[:, None] - energies[None, :]) / width) ** 2))
    kept = window * weights[None, :]
    return xp.exp((kept @ best) / xp.sum(kept, axis=1))
