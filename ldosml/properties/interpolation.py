r"""Interpolation of a DOS between its energies, and its integrals up to any energy.

On each cell between two energies the DOS is a cubic in Bernstein form, D = sum_k b_k B_k3(t) with t in [0, 1]. b_0 and
b_3 are the values at the ends of the cell. For a smooth DOS, b_1 and b_2 follow from the slopes at the ends (Hermite
interpolation). For a DOS with kinks, they lie on the straight line between the values. A Bernstein polynomial lies
within the hull of its b_k. So if the values are not negative and negative b_1 and b_2 are raised to zero, the whole
curve is not negative, and the cumulative never decreases. There are no states outside the grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from ldosml._array import Array, index_like, like, namespace
from ldosml.energy import EnergyGrid

_CENTRAL = (4 / 5, -1 / 5, 4 / 105, -1 / 280)
"""First derivative by central differences of eighth order, for neighbours at distance 1, 2, 3, 4."""


def slopes(values: Array, step: float) -> Array:
    """dD/dE at the energies, with the shape of ``values`` (n_rows, n_energies).

    Slopes are central differences of eighth order. At both ends, the spectrum is continued by the cubic through its
    last four values. With fewer than five energies, slopes are differences of neighbours.
    """
    xp = namespace(values)
    n = values.shape[-1]
    if n < 5:
        between = (values[:, 1:] - values[:, :-1]) / step
        ends = xp.concat([between[:, :1], between, between[:, -1:]], axis=-1)
        return (ends[:, 1:] + ends[:, :-1]) / 2
    reach = len(_CENTRAL)
    outside = np.arange(1, reach + 1)
    continued = np.stack([_lagrange(-float(k)) for k in outside[::-1]], axis=1)
    before = values[:, :4] @ like(values, continued)
    after = values[:, -4:] @ like(values, continued[::-1, ::-1])
    padded = xp.concat([before, values, after], axis=-1)
    total = xp.zeros_like(values)
    for k, weight in zip(outside, _CENTRAL, strict=True):
        total = total + weight * (padded[:, reach + k : reach + k + n] - padded[:, reach - k : reach - k + n])
    return total / step


def _lagrange(position: float) -> np.ndarray:
    """Weights of the values at 0, 1, 2, 3 in the cubic through them, at ``position``."""
    nodes = np.arange(4.0)
    return np.array(
        [np.prod([(position - m) / (node - m) for m in nodes if m != node]) for node in nodes], dtype=np.float64
    )


Quantity = Literal["density", "count", "second"]


@dataclass(frozen=True, eq=False)
class Interpolant:
    """Spectra as functions of energy.

    Parameters
    ----------
    grid : EnergyGrid
    values : array (n_rows, n_energies)
        states/eV.
    inner : tuple of two arrays (n_rows, n_energies - 1)
        b_1 and b_2 of every cell.
    counts : array (n_rows, n_energies)
        The integral of the DOS from below the grid up to each energy, electrons.
    """

    grid: EnergyGrid
    values: Array
    inner: tuple[Array, Array]
    counts: Array

    @classmethod
    def of(cls, grid: EnergyGrid, values: Array, *, smooth: bool) -> Interpolant:
        """Interpolate spectra without negative values: by cubics if ``smooth``, otherwise by straight lines."""
        xp = namespace(values)
        return cls._integrated(grid, values, *(xp.clip(b, 0.0, None) for b in _inner(values, grid.step, smooth)))

    @classmethod
    def shares(cls, grid: EnergyGrid, values: Array, *, smooth: bool, whole: Array, index: Array) -> Interpolant:
        """Interpolate parts of spectra such that they add up to the interpolant of their sums.

        Parameters
        ----------
        grid : EnergyGrid
        values : array (n_rows, n_energies)
            The parts, of any sign.
        smooth : bool
            Interpolate by cubics; otherwise by straight lines.
        whole : array (n_structures, n_energies)
            The sums, not negative.
        index : array (n_rows,) of int
            Index of the sum to which each part belongs.
        """
        xp = namespace(values)
        sums, parts = _inner(whole, grid.step, smooth), _inner(values, grid.step, smooth)
        # Where a coefficient of the sum is raised to zero, the coefficients of its parts are set to zero.
        kept = (xp.take(xp.astype(s > 0, xp.float64), index_like(values, index), axis=0) for s in sums)
        return cls._integrated(grid, values, *(part * keep for part, keep in zip(parts, kept, strict=True)))

    @classmethod
    def _integrated(cls, grid: EnergyGrid, values: Array, b1: Array, b2: Array) -> Interpolant:
        b0, b3 = values[:, :-1], values[:, 1:]
        # The integral of a Bernstein polynomial over its cell is 1/4; of (1 - t) times it, 4/20, 3/20, 2/20, 1/20.
        counts = _running(grid.step / 4 * (b0 + b1 + b2 + b3))
        return cls(grid, values, (b1, b2), counts)

    @cached_property
    def second(self) -> Array:
        """The integral of ``counts`` up to each energy, (n_rows, n_energies), eV."""
        h, (b1, b2) = self.grid.step, self.inner
        moments = 4 * self.values[:, :-1] + 3 * b1 + 2 * b2 + self.values[:, 1:]
        return _running(h * h / 20 * moments + h * self.counts[:, :-1])

    def density(self, energies: Array) -> Array:
        """D at ``energies`` (n_rows, ...), eV; zero beyond the grid."""
        return self.evaluate(energies, "density")[0]

    def count(self, energies: Array) -> Array:
        """Integral of D up to ``energies`` (n_rows, ...): the number of states below them."""
        return self.evaluate(energies, "count")[0]

    def evaluate(self, energies: Array, *wanted: Quantity) -> list[Array]:
        """D, its first or its second integral ("density", "count", "second") at ``energies`` (n_rows, ...)."""
        xp = namespace(self.values)
        n, h = self.grid.size, self.grid.step
        position = (energies - self.grid.start) / h
        within = xp.clip(position, 0.0, float(n - 1))
        cell = xp.clip(xp.floor(within), 0.0, float(n - 2))
        t, index = within - cell, xp.astype(cell, xp.int64)
        b0, b3 = gather(self.values, index), gather(self.values, index + 1)
        b1, b2 = (gather(inner, index) for inner in self.inner)
        # The cubic in powers of t.
        c = (b0, 3 * (b1 - b0), 3 * (b0 - 2 * b1 + b2), b3 - b0 + 3 * (b1 - b2))
        results = []
        for name in wanted:
            if name == "density":
                inside = (position >= 0) & (position <= n - 1)
                results.append(xp.where(inside, _polynomial(t, c), xp.zeros_like(t)))
            elif name == "count":
                cells = t * _polynomial(t, (c[0], c[1] / 2, c[2] / 3, c[3] / 4))
                results.append(gather(self.counts, index) + h * cells)
            else:
                cells = t * t * _polynomial(t, (c[0] / 2, c[1] / 6, c[2] / 12, c[3] / 20))
                # Above the grid the number of states is constant.
                beyond = xp.clip(position - (n - 1), 0.0, None) * self._totals(t.ndim)
                below = gather(self.second, index) + h * t * gather(self.counts, index)
                results.append(below + h * (h * cells + beyond))
        return results

    def rows(self, chosen: Array) -> Interpolant:
        """Some of the rows, (n_chosen,)."""
        xp = namespace(self.values)
        values, b1, b2, counts = (xp.take(a, chosen, axis=0) for a in (self.values, *self.inner, self.counts))
        return Interpolant(self.grid, values, (b1, b2), counts)

    def finer(self, ratio: int) -> Array:
        """Values at ``ratio`` equal parts of every cell, and at the last energy."""
        if ratio == 1:
            return self.values
        values, (b1, b2) = self.values, self.inner
        b0, b3 = values[:, :-1], values[:, 1:]
        xp = namespace(values)
        parts = []
        for t in np.arange(ratio) / ratio:
            s = 1 - t
            parts.append(float(s**3) * b0 + float(3 * s * s * t) * b1 + float(3 * s * t * t) * b2 + float(t**3) * b3)
        inner = xp.reshape(xp.stack(parts, axis=-1), (values.shape[0], -1))
        return xp.concat([inner, values[:, -1:]], axis=1)

    def _totals(self, ndim: int) -> Array:
        return namespace(self.values).reshape(self.counts[:, -1], (-1,) + (1,) * (ndim - 1))


def _inner(values: Array, step: float, smooth: bool) -> tuple[Array, Array]:
    b0, b3 = values[:, :-1], values[:, 1:]
    if not smooth:
        return (2 * b0 + b3) / 3, (b0 + 2 * b3) / 3
    rise = slopes(values, step) * (step / 3)
    return b0 + rise[:, :-1], b3 - rise[:, 1:]


def _running(cells: Array) -> Array:
    """Running sums, starting with 0 at the first energy: one value for each energy."""
    return namespace(cells).cumulative_sum(cells, axis=-1, include_initial=True)


def gather(array: Array, index: Array) -> Array:
    """``array[r, index[r, ...]]`` for every row r."""
    xp = namespace(array)
    rows, columns = array.shape
    first = xp.reshape(index_like(array, np.arange(rows) * columns), (-1,) + (1,) * (index.ndim - 1))
    return xp.reshape(xp.take(xp.reshape(array, (-1,)), xp.reshape(first + index, (-1,))), index.shape)


def _polynomial(t: Array, c: tuple[Array, Array, Array, Array]) -> Array:
    return c[0] + t * (c[1] + t * (c[2] + t * c[3]))
