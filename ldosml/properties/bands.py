r"""The two bands beside a gap: the states that are full at T = 0, and the states that are empty.

Without smearing, the valence band is the DOS below the gap and the conduction band the DOS above it. With smearing,
both have tails in the gap, and only their sum is given. A Gaussian tail is a parabola in the logarithm,

    ln D(e + u) = ln D(e) + slope * u - u^2 / (2 width^2)

so each band is continued by this parabola, from the last energy where it is clearly larger than the other band and than
rounding errors. The Fermi level of the pure crystal is then the energy at which the tail of the valence band above it
has the same number of electrons as the tail of the conduction band below it. No difference of large numbers is needed,
so tails of 1e-30 electrons count.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ldosml._array import Array, index_like, like, namespace
from ldosml.energy import EnergyGrid
from ldosml.properties.block import Block
from ldosml.properties.interpolation import gather

_ROUNDING = 1e-12  # values below this fraction of a maximum may be rounding errors of a Fourier transform
_CLEAR = 100.0  # where a band is 100 times the lowest value in the gap, 1e-4 of it belongs to the other band
_FINER = 8  # cells into which a step of a smooth DOS is divided
_STEEP = 0.01  # smooth values below this fraction of the maximum are interpolated in the logarithm


@dataclass(frozen=True, eq=False)
class Bands:
    """The bands of some rows, on a grid that is fine enough for straight lines.

    Parameters
    ----------
    grid : EnergyGrid
    valence, conduction : array (n_rows, n_energies)
        states/eV, not negative; zero where the DOS is below its rounding errors.
    level : array (n_rows,)
        The Fermi level of the pure crystal, eV: where the tails meet, or the middle between the bands.
    smeared : array (n_rows,) of bool
        Whether both bands have Gaussian tails, which overlap.
    ratio : int
        Steps of this grid in a step of the DOS.
    """

    grid: EnergyGrid
    valence: Array
    conduction: Array
    level: Array
    smeared: Array
    ratio: int

    @classmethod
    def of(cls, block: Block, rows: Array, low: Array, high: Array) -> Bands:
        """Divide the DOS of the structures ``rows`` between the energies ``low`` and ``high`` (n_rows,) of its gap."""
        xp = namespace(low)
        values = xp.take(block.whole, rows, axis=0)
        rounding = _ROUNDING * xp.max(values, axis=1)
        bottom, lowest = _lowest(values, block.grid, low, high)
        visible = xp.maximum(rounding, _CLEAR * lowest)[:, None]
        curvature = -((block.grid.step / block.width) ** 2) if block.smooth else -math.inf
        left = _Tail.of(values, bottom, visible, rounding, curvature)
        right = _Tail.of(xp.flip(values, axis=1), block.grid.size - 1 - bottom, visible, rounding, curvature)
        smeared = left.gaussian & right.gaussian

        ratio = _FINER if block.smooth else 1
        fine = block.grid.finer(ratio)
        density = block.interpolant.rows(rows).finer(ratio)
        density = xp.where(density > rounding[:, None], density, xp.zeros_like(density))
        middle = _middle(density, fine, low, high)
        level = xp.where(smeared, block.grid.start + block.grid.step * _meeting(left, right, block.grid.size), middle)
        full = like(low, fine.energies)[None, :] < middle[:, None]
        none = xp.zeros_like(density)
        valence, conduction = xp.where(full, density, none), xp.where(full, none, density)
        if ratio > 1:
            below = left.values_of(density, ratio)
            above = xp.flip(right.values_of(xp.flip(density, axis=1), ratio), axis=1)
            valence = xp.where(smeared[:, None], below, valence)
            conduction = xp.where(smeared[:, None], above, conduction)
        return cls(fine, valence, conduction, level, smeared, ratio)

    def rows(self, chosen: Array) -> Bands:
        """Some of the rows, (n_chosen,)."""
        arrays = (self.valence, self.conduction, self.level, self.smeared)
        valence, conduction, level, smeared = (namespace(array).take(array, chosen, axis=0) for array in arrays)
        return replace(self, valence=valence, conduction=conduction, level=level, smeared=smeared)

    def every(self, stride: int) -> Bands:
        """The bands at every ``stride``-th energy; ``stride`` divides ``ratio``."""
        if stride == 1:
            return self
        grid, size = self.grid, (self.grid.size - 1) // stride + 1
        coarser = EnergyGrid(grid.start, grid.step * stride, size, grid.zero)
        valence, conduction = self.valence[:, ::stride], self.conduction[:, ::stride]
        return replace(self, grid=coarser, valence=valence, conduction=conduction, ratio=self.ratio // stride)


def _lowest(values: Array, grid: EnergyGrid, low: Array, high: Array) -> tuple[Array, Array]:
    """Index and value of the lowest DOS of each row in its gap, (n_rows,)."""
    xp = namespace(values)
    energies = like(low, grid.energies)[None, :]
    inside = (energies >= low[:, None]) & (energies <= high[:, None])
    candidates = xp.where(inside, values, xp.inf * xp.ones_like(values))
    return xp.argmin(candidates, axis=1), xp.min(candidates, axis=1)


def _middle(density: Array, grid: EnergyGrid, low: Array, high: Array) -> Array:
    """The middle of the energies without states around the middle of ``low`` and ``high``, or that middle itself."""
    xp = namespace(density)
    energies = like(low, grid.energies)[None, :] + 0 * density
    middle = (low + high) / 2
    far = xp.inf * xp.ones_like(density)
    some = density > 0
    top = xp.max(xp.where(some & (energies < middle[:, None]), energies, -far), axis=1)
    foot = xp.min(xp.where(some & (energies >= middle[:, None]), energies, far), axis=1)
    empty = (foot - top > 1.5 * grid.step) & xp.isfinite(foot - top)
    return xp.where(empty, (xp.where(empty, top, low) + xp.where(empty, foot, high)) / 2, middle)


@dataclass(frozen=True, eq=False)
class _Tail:
    """The upper end of a band: ln D up to the index ``last`` (n_rows,), and the parabola beyond.

    With k the number of steps beyond ``last``: ln D = logs[last] + k * slope + k (k + 1)/2 * curvature.
    """

    logs: Array
    last: Array
    slope: Array
    curvature: float
    gaussian: Array

    @classmethod
    def of(cls, values: Array, bottom: Array, visible: Array, rounding: Array, curvature: float) -> _Tail:
        """Find where the band stands out below the ``bottom`` of the gap, and whether it falls off like a Gaussian."""
        xp, n = namespace(values), values.shape[1]
        place = index_like(values, np.arange(n))[None, :]
        stands_out = (place < bottom[:, None]) & (values >= visible)
        last = xp.max(xp.where(stands_out, place, xp.zeros_like(place)), axis=1)
        some = values > 0
        logs = xp.where(some, xp.log(xp.where(some, values, xp.ones_like(values))), -xp.inf * xp.ones_like(values))
        if curvature == -math.inf:
            return cls(logs, last, 0.0 * rounding, curvature, last < 0)
        nearby = gather(values, xp.clip(last[:, None] + index_like(values, np.arange(-2, 2)), 0, n - 1))
        falls = xp.all(nearby[:, :-1] > 0, axis=1) & (last >= 2)
        positive = xp.where(falls[:, None], nearby, xp.ones_like(nearby))
        slope = xp.log(positive[:, 2]) - xp.log(positive[:, 1])
        # An edge without a tail falls faster than the parabola that is laid through the values above it.
        expected = nearby[:, 2] * xp.exp(xp.clip(slope, None, 0.0) + curvature)
        gaussian = falls & (slope < 0) & (expected <= 2 * xp.maximum(nearby[:, 3], rounding))
        return cls(logs, last, slope, curvature, gaussian)

    def values_of(self, density: Array, ratio: int) -> Array:
        """The band on the finer grid, (n_rows, n_fine); ``density`` where it is not steep."""
        xp, n = namespace(density), self.logs.shape[1]
        k = like(density, np.arange(n))[None, :] - xp.astype(self.last, xp.float64)[:, None]
        start = gather(self.logs, self.last[:, None])
        tail = start + k * self.slope[:, None] + k * (k + 1) / 2 * self.curvature
        logs = xp.where(k > 0, tail, self.logs)
        steep = (logs < math.log(_STEEP) + xp.max(self.logs, axis=1)[:, None]) | (k >= 0)
        use = xp.isfinite(logs[:, :-3]) & xp.isfinite(logs[:, 3:])
        for part in (logs[:, 1:-2], logs[:, 2:-1]):
            use = use & xp.isfinite(part)
        use = use & steep[:, 1:-2] & steep[:, 2:-1]
        inside = _cubic(xp.where(xp.isfinite(logs), logs, xp.zeros_like(logs)), ratio)
        beyond = xp.repeat(k[:, :-1] >= 0, ratio, axis=1)
        beyond = xp.concat([beyond, beyond[:, -1:]], axis=1)
        smooth = xp.where(beyond, xp.zeros_like(density), density)
        middle = slice(ratio, ratio * (n - 2))
        chosen = xp.where(xp.repeat(use, ratio, axis=1), xp.exp(xp.clip(inside, None, 700.0)), smooth[:, middle])
        return xp.concat([smooth[:, : middle.start], chosen, smooth[:, middle.stop :]], axis=1)


def _cubic(logs: Array, ratio: int) -> Array:
    """``ratio`` values in every cell but the first and the last one, by the cubic through four neighbours."""
    xp = namespace(logs)
    nodes = (logs[:, :-3], logs[:, 1:-2], logs[:, 2:-1], logs[:, 3:])
    parts = []
    for t in np.arange(ratio) / ratio:
        before, first = -t * (t - 1) * (t - 2) / 6, (t + 1) * (t - 1) * (t - 2) / 2
        second, after = -(t + 1) * t * (t - 2) / 2, (t + 1) * t * (t - 1) / 6
        weights = (before, first, second, after)
        parts.append(sum(float(w) * node for w, node in zip(weights, nodes, strict=True)))
    return xp.reshape(xp.stack(parts, axis=-1), (logs.shape[0], -1))


def _meeting(left: _Tail, right: _Tail, n: int) -> Array:
    """Steps from the first energy to the energy where both tails have the same number of electrons, (n_rows,).

    A tail has about D/|d ln D/de| electrons. The squares of the two parabolas cancel, so the difference of the
    logarithms is a straight line. The logarithms of the slopes hardly vary; a few iterations find them.
    """
    xp = namespace(left.slope)
    first = xp.astype(left.last, xp.float64)
    width = n - 1 - xp.astype(right.last, xp.float64) - first
    c, safe = left.curvature, left.gaussian & right.gaussian
    if c == -math.inf:
        return first
    down, up = (xp.where(safe, tail.slope, -xp.ones_like(first)) for tail in (left, right))
    heights = (gather(tail.logs, tail.last[:, None])[:, 0] for tail in (left, right))
    low, high = (xp.where(safe, height, xp.zeros_like(first)) for height in heights)
    k = width / 2
    for _ in range(4):
        rates = xp.log((up + c * (width - k + 0.5)) / (down + c * (k + 0.5)))
        excess = low - high - width * up - c * width * (width + 1) / 2 + rates
        k = xp.clip(excess / -(down + up + c * (width + 1)), 0.0, None)
        k = xp.minimum(k, width)
    return first + k
