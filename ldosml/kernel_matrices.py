"""Kernel matrices that are evaluated block by block, so that the whole matrix need not be stored.

A row is one observation: the LDOS of an environment, or the DOS of a structure, which is the sum over its atoms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, like, sum_segments, take_rows

KernelFunction = Callable[[Array, Array], Array]
"""Shapes (n, f) and (m, f) give (n, m)."""


@dataclass(frozen=True)
class EnvironmentKernel:
    """Kernel matrix of environments, K_ij = k(x_i, x_j).

    Parameters
    ----------
    function : callable
        The kernel k: arrays (n, n_features) and (m, n_features) give (n, m).
    X : array (n, n_features)
        Features of the environments.
    """

    function: KernelFunction
    X: Array

    @property
    def size(self) -> int:
        """Number of rows, and of columns."""
        return int(self.X.shape[0])

    @property
    def like(self) -> Array:
        """An array where the matrix is to live."""
        return self.X

    def block(self, rows: slice, columns: slice) -> Array:
        """Evaluate part of the matrix.

        Parameters
        ----------
        rows, columns : slice
            Both with a start and a stop.

        Returns
        -------
        array (n_rows, n_columns)
        """
        return self.function(self.X[rows, :], self.X[columns, :])


_TILE = 2048
"""Environments on each side of the part of a kernel that is summed at a time (32 MB)."""


@dataclass(frozen=True)
class Sums:
    """The environments of one centre species that each row sums over.

    Parameters
    ----------
    members : array (n_members,) of int
        Environments, row after row.
    bounds : array (n_rows + 1,) of int
        Row r sums the environments ``members[bounds[r]:bounds[r + 1]]``; it may have none.
    """

    members: NDArray[np.int64]
    bounds: NDArray[np.int64]

    def tiles(self, rows: slice) -> Iterator[tuple[slice, NDArray[np.int64], NDArray[np.int64]]]:
        """Divide the sums of some rows into tiles of few environments.

        A row of many environments spans several tiles.

        Parameters
        ----------
        rows : slice
            With a start and a stop.

        Yields
        ------
        slice
            The rows that the tile adds to, counted from the first of ``rows``.
        array of int
            The environments of the tile.
        array of int
            Where the environments of each of these rows begin, and where the last ones end.
        """
        edges = self.bounds[rows.start : rows.stop + 1]
        for start in range(int(edges[0]), int(edges[-1]), _TILE):
            stop = min(start + _TILE, int(edges[-1]))
            first = int(np.searchsorted(edges, start, side="right")) - 1
            last = int(np.searchsorted(edges, stop, side="left"))
            yield slice(first, last), self.members[start:stop], np.clip(edges[first : last + 1], start, stop) - start

    def of(self, values: Array) -> Array:
        """Sum values of environments for each row.

        Parameters
        ----------
        values : array (n_environments, m)

        Returns
        -------
        array (n_rows, m)
        """
        return sum_segments(take_rows(values, self.members), self.bounds)

    def spread(self, values: Array, n_environments: int) -> Array:
        """Give every environment the sum of the rows that contain it: the transpose of ``of``.

        Parameters
        ----------
        values : array (n_rows, m)
        n_environments : int

        Returns
        -------
        array (n_environments, m)
        """
        row = np.repeat(np.arange(len(self.bounds) - 1), np.diff(self.bounds))
        order = np.argsort(self.members, kind="stable")
        bounds = np.searchsorted(self.members[order], np.arange(n_environments + 1))
        return sum_segments(take_rows(values, row[order]), bounds)


@dataclass(frozen=True)
class SummedKernel:
    r"""Kernel between sums of environments: S K S^T for the DOS of structures, evaluated without ever holding K.

    .. math:: K_{rs} = w_r w_s \sum_z \sum_{i \in r_z} \sum_{j \in s_z} k(x_i, x_j)

    where r_z are the environments of centre species z in row r: kernels between different centre species are zero.
    A row of one environment is its LDOS, so that LDOS and DOS can be rows of one matrix.

    Parameters
    ----------
    function : callable
    X : array (n_environments, n_features)
    sums : sequence of Sums
        One for each species.
    weights : array (n_rows,)
        w above: the square root of a row's weight in the sum of squares.
    """

    function: KernelFunction
    X: Array
    sums: Sequence[Sums]
    weights: Array

    @property
    def size(self) -> int:
        """Number of rows, and of columns."""
        return int(self.weights.shape[0])

    @property
    def like(self) -> Array:
        """An array where the matrix is to live."""
        return self.X

    def block(self, rows: slice, columns: slice) -> Array:
        """Evaluate part of the matrix.

        Parameters
        ----------
        rows, columns : slice
            Both with a start and a stop.

        Returns
        -------
        array (n_rows, n_columns)
        """
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        total = like(self.X, np.zeros(shape))
        for sums in self.sums:
            self._add(total, sums, rows, columns)
        return self.weights[rows, None] * total * self.weights[None, columns]

    def _add(self, total: Array, sums: Sums, rows: slice, columns: slice) -> None:
        """Add one species to ``total``; of a diagonal block, one triangle of tiles gives both."""
        symmetric = rows == columns
        for i, (at, members, bounds) in enumerate(sums.tiles(rows)):
            X = take_rows(self.X, members)
            for j, (across, others, edges) in enumerate(sums.tiles(columns)):
                if symmetric and j > i:
                    break
                tile = sum_segments(self.function(X, take_rows(self.X, others)), bounds)
                tile = sum_segments(tile.T, edges).T
                total[at, across] += tile
                if symmetric and j < i:
                    total[across, at] += tile.T
