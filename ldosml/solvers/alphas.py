"""Several alphas by Cholesky factorisations, for matrices too large for eigenvectors.

With G = (K + alpha)^-1 in place of K, leave-out residuals are (G_BB)^-1 (G y)_B; K is evaluated again for each alpha.
For an alpha_e near one that was factorised, the coefficients come from conjugate gradients on

    (1 + (alpha_e - alpha) G) c_e = G y_e.

Its condition number is alpha_e/alpha or the inverse; a condition number of 1.8 takes about 12 steps. The memory is one
(n, n) matrix and a few of (n, n_energies).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

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
from ldosml.solvers.cholesky import factorize
from ldosml.solvers.leave_out import Missed, mean_squares, stack_blocks
from ldosml.solvers.matrix import KernelMatrix, evaluate
from ldosml.solvers.panels import factorize_streamed

Solve = Callable[[Array], Array]

SHARED_RATIO = 10**0.5
"""Alphas within this factor of each other share one factorisation."""

_TOLERANCE = 1e-13
_MAX_STEPS = 60


class _Inverse:
    """1 - H = alpha G, up to alpha, from G (n, n)."""

    def __init__(self, G: Array, Y: Array) -> None:
        self._G = G
        self.targets = G @ Y

    def diagonal(self) -> Array:
        return namespace(self._G).linalg.diagonal(self._G)

    def blocks(self, rows: Array) -> Array:
        return _blocks_at(self._G, rows, rows)


class _InverseColumns:
    """The same where G is not held: its columns are solutions for the columns of the identity."""

    def __init__(self, solve: Solve, Y: Array, most: int) -> None:
        self._solve, self._Y, self._most = solve, Y, most
        self.targets = solve(Y)

    def diagonal(self) -> Array:
        n = self._Y.shape[0]
        parts = [np.arange(i, min(i + self._most, n))[:, None] for i in range(0, n, self._most)]
        xp = namespace(self._Y)
        return xp.concat([self.blocks(index_like(self._Y, part))[:, 0, 0] for part in parts])

    def blocks(self, rows: Array) -> Array:
        xp = namespace(self._Y)
        flat = xp.reshape(rows, (-1,))
        numbers = index_like(self._Y, np.arange(self._Y.shape[0]))
        columns = self._solve(xp.astype(numbers[:, None] == flat[None, :], self._Y.dtype))
        places = xp.reshape(index_like(self._Y, np.arange(flat.shape[0])), rows.shape)
        return _blocks_at(columns, rows, places)


def _blocks_at(matrix: Array, rows: Array, columns: Array) -> Array:
    """Entries of a matrix (n, k) at rows (m, b) and columns (m, b): (m, b, b)."""
    xp = namespace(matrix)
    places = rows[:, :, None] * matrix.shape[1] + columns[:, None, :]
    return xp.reshape(xp.take(xp.reshape(matrix, (-1,)), xp.reshape(places, (-1,))), places.shape)


def errors_by_cholesky(
    kernel: KernelMatrix, Y: Array, alphas: Sequence[float], blocks: Sequence[Array] | None, panel: int = 0
) -> Array:
    """Root mean square leave-out error of every alpha and energy, by Cholesky factorisations.

    The same as ``errors_by_alpha``, in n^3 operations for each alpha.

    Parameters
    ----------
    kernel : KernelMatrix
        K, (n, n).
    Y : array (n, n_energies)
        Targets.
    alphas : sequence of float (n_alphas,)
        Candidates.
    blocks : sequence of arrays of int, or None
        Rows of each structure, which are left out together; None leaves out one row at a time.
    panel : int, default=0
        Columns of a panel, if the factors stay on the host; 0 if they fit on the device.

    Returns
    -------
    array (n_alphas, n_energies)
        In the unit of Y; infinite if K + alpha has no factor in double precision.
    """
    xp = namespace(Y)
    most = max(int(Y.shape[1]), panel) if panel else 4096  # rows whose blocks are solved together
    stacks = None if blocks is None else stack_blocks(blocks, most)
    errors, matrix = [], None
    for alpha in alphas:
        try:
            if panel:
                missed: Missed = _InverseColumns(factorize_streamed(kernel, alpha, panel).solve, Y, most)
            else:
                matrix = evaluate(kernel, alpha, out=matrix)
                matrix = cholesky_inverse(cholesky(matrix))
                missed = _Inverse(matrix, Y)
        except LinAlgError:
            errors.append(xp.full_like(Y[0, :], xp.inf))  # never the best
        else:
            errors.append(xp.sqrt(mean_squares(missed, stacks)))
    return xp.stack(errors)


def coefficients_by_cholesky(kernel: KernelMatrix, Y: Array, alpha: Array, panel: int = 0) -> Array:
    """Coefficients (K + alpha_e)^-1 y_e, one alpha for each energy, by Cholesky factorisations.

    Parameters
    ----------
    kernel : KernelMatrix
        K, (n, n).
    Y : array (n, n_energies)
        Targets.
    alpha : array (n_energies,)
        Regularisation.
    panel : int, default=0
        Columns of a panel, if the factors stay on the host; 0 if they fit on the device.

    Returns
    -------
    array (n, n_energies)

    Raises
    ------
    numpy.linalg.LinAlgError
        If K + alpha is not positive definite in double precision.
    """
    xp = namespace(Y)
    factor, parts, order = None, [], []
    for centre, members in share(to_numpy(alpha)):
        if panel:
            solve = factorize_streamed(kernel, centre, panel).solve
        else:
            factor = factorize(kernel, centre, out=factor)
            solve = partial(cholesky_solve, factor)
        taken = index_like(Y, members)
        parts.append(_near(solve, xp.take(Y, taken, axis=1), xp.take(alpha, taken) - centre))
        order.append(members)
    return xp.take(xp.concat(parts, axis=1), index_like(Y, np.argsort(np.concatenate(order))), axis=1)


def share(alpha: NDArray[np.float64]) -> Iterator[tuple[float, NDArray[np.int64]]]:
    """Group alphas so that each group can share one factorisation.

    Parameters
    ----------
    alpha : array (n_energies,)

    Yields
    ------
    float
        Centre of a group. Its members lie within a factor of 10^(1/4) of it.
    array of int
        Members of the group.
    """
    order = np.argsort(alpha, kind="stable")
    while order.size:
        lowest = alpha[order[0]]
        count = int(np.searchsorted(alpha[order], lowest * SHARED_RATIO, side="right"))
        members, order = order[:count], order[count:]
        highest = alpha[members[-1]]
        yield float(lowest if lowest == highest else np.sqrt(lowest * highest)), members


def _near(solve: Solve, Y: Array, beyond: Array) -> Array:
    """Solve (1 + d_e G) c_e = G y_e by conjugate gradients, G y = ``solve(y)``, d = ``beyond`` (n_energies,)."""
    xp = namespace(Y)
    first = solve(Y)
    if not bool(xp.any(beyond != 0)):
        return first
    solution, missed = xp.zeros_like(first), first
    direction, length = missed, xp.sum(missed * missed, axis=0)
    goal = _TOLERANCE**2 * length
    for _ in range(_MAX_STEPS):
        image = direction + beyond[None, :] * solve(direction)
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
