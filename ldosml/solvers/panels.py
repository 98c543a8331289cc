"""Kernel solves on a device that is too small for the matrix: its factor stays on the host, in panels.

Left-looking blocked Cholesky factorisation (Golub and Van Loan, Matrix Computations, 4th ed. (2013), section 4.2): for
each panel P of columns, on the device,

    A_P = (K + alpha)_P - sum_Q L_Q (L_Q)_P^T over the panels Q before,    L_PP = chol(A_PP),    L_P = A_P L_PP^-T.

The panels L_Q are copied from the host one after another. K is evaluated on the device, one panel at a time, and never
stored. The host holds n^2 / 2 numbers, the device the targets and five arrays of the size of a panel.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.linalg import LinAlgError
from numpy.typing import NDArray

from ldosml._array import Array, add_to_diagonal, cholesky, like, namespace, solve_triangular, to_numpy
from ldosml.solvers.matrix import KernelMatrix


@dataclass(frozen=True)
class StreamedFactor:
    """Cholesky factor L in panels of columns, on the host.

    Parameters
    ----------
    starts : list of int
        First column of each panel.
    panels : list of arrays
        Panel k holds the rows ``starts[k]`` to n of its columns of L.
    """

    starts: list[int]
    panels: list[NDArray[np.float64]]

    def solve(self, rhs: Array) -> Array:
        """Solve L L^T x = rhs on the device of ``rhs``; every panel is copied to it twice.

        Parameters
        ----------
        rhs : array (n, n_energies)

        Returns
        -------
        array (n, n_energies)
        """
        solution = namespace(rhs).asarray(rhs, copy=True)
        for start, stop, panel in self._on_device(rhs, range(len(self.panels))):
            width = stop - start
            solution[start:stop, :] = solve_triangular(panel[:width, :], solution[start:stop, :])
            solution[stop:, :] -= panel[width:, :] @ solution[start:stop, :]
        for start, stop, panel in self._on_device(rhs, reversed(range(len(self.panels)))):
            width = stop - start
            missed = solution[start:stop, :] - panel[width:, :].T @ solution[stop:, :]
            solution[start:stop, :] = solve_triangular(panel[:width, :], missed, transposed=True)
        return solution

    def _on_device(self, array: Array, order: Iterable[int]) -> Iterable[tuple[int, int, Array]]:
        for k in order:
            panel = like(array, self.panels[k])
            yield self.starts[k], self.starts[k] + panel.shape[1], panel


def factorize_streamed(kernel: KernelMatrix, alpha: float, columns: int) -> StreamedFactor:
    """Factorise K + alpha in panels of columns.

    Parameters
    ----------
    kernel : KernelMatrix
        K, (n, n).
    alpha : float
        Regularisation.
    columns : int
        Columns of a panel.

    Returns
    -------
    StreamedFactor

    Raises
    ------
    numpy.linalg.LinAlgError
        If K + alpha is not positive definite in double precision.
    """
    factor = StreamedFactor([], [])
    n = kernel.size
    for start in range(0, n, columns):
        stop = min(start + columns, n)
        width = stop - start
        panel = kernel.block(slice(start, n), slice(start, stop))
        panel[:width, :] = add_to_diagonal(panel[:width, :], alpha)
        for before, host in zip(factor.starts, factor.panels, strict=True):
            left = like(panel, host[start - before :, :])
            panel -= left @ left[:width, :].T
        try:
            panel[:width, :] = cholesky(panel[:width, :])
        except LinAlgError as error:
            raise LinAlgError(
                f"The kernel plus alpha = {alpha:g} is not positive definite in double precision: a pivot among its "
                f"first {stop} rows is not positive, as where environments are repeated. Raise alpha."
            ) from error
        if stop < n:
            panel[width:, :] = solve_triangular(panel[:width, :], panel[width:, :].T).T
        factor.starts.append(start)
        factor.panels.append(to_numpy(panel))
    return factor
