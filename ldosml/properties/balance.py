"""Chemical potentials in wide gaps: electrons against holes.

In a gap much wider than kT the number of electrons is flat to rounding, and a root of N(mu) - N_e is arbitrary. There
electrons above the gap are weighed against holes below it, ln n = ln p. Far from both edges f is an exponential,

    n = e^((mu - m)/kT) integral above m of D e^(-(e - m)/kT) de
    p = e^(-(mu - m)/kT) integral below m of D e^((e - m)/kT) de

with m the middle of the gap, so that mu = m + kT/2 ln(p/n at m): sums of positive terms in the logarithm, which no
temperature underflows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, index_like, like, namespace, spread, to_numpy
from ldosml.properties.level import FermiLevel
from ldosml.properties.prepared import Prepared

_CLEAR = 15.0  # at so many kT from an edge e^-x and 1/(1 + e^x) differ by 3e-7, and mu by that part of kT at most
_NOTHING = 1e-12  # values below this fraction of a maximum are rounding; tails above it count, and move mu if wide
_FINER = 4  # cells into which a step is divided where cubics are summed as straight lines


def weigh_carriers(block: Prepared, kT: NDArray[np.float64], level: FermiLevel) -> tuple[Array, Array]:
    """Chemical potentials (n_structures, n_temperatures), eV, and where they hold.

    They hold 15 kT and more from both edges of a gap. Elsewhere N(mu) - N_e is well conditioned, and the Fermi level is
    given, to begin with.
    """
    xp = namespace(level.energy)
    gap = to_numpy(level.conduction_edge - level.valence_edge) * to_numpy(level.in_gap)
    rows = np.flatnonzero(gap > 2 * _CLEAR * kT.min())
    columns = np.flatnonzero(kT * 2 * _CLEAR < gap.max(initial=0.0))
    start = level.energy[:, None] + 0 * like(level.energy, kT)[None, :]
    if not rows.size:
        return start, start != start
    chosen = index_like(start, rows)
    low, high = (xp.take(edge, chosen)[:, None] for edge in (level.valence_edge, level.conduction_edge))
    thermal = like(start, kT[columns])[None, :]
    middle, cells = (low + high) / 2, _fine(block, chosen)
    # A temperature at a time, for the sake of the cache.
    excess = [_imbalance(cells, middle, thermal[:, t : t + 1]) for t in range(len(columns))]
    found = middle + thermal / 2 * xp.concat(excess, axis=1)
    holds = (found > low + _CLEAR * thermal) & (found < high - _CLEAR * thermal)

    def among_all(values: Array) -> Array:
        return spread(spread(values, rows, len(gap), axis=0), columns, len(kT), axis=1)

    settled = among_all(xp.astype(holds, xp.float64)) > 0
    return xp.where(settled, among_all(found), start), settled


def _imbalance(cells: tuple[Array, Array, float], middle: Array, kT: Array) -> Array:
    """ln(p/n) at ``middle`` (n_chosen, 1) for ``kT`` (1, n_temperatures), (n_chosen, n_temperatures).

    With D straight within a cell, the cell contributes what its inner end counts, times the weights

        A = kT (1 - (1 - e^-q)/q) of D at that end, B = kT ((1 - e^-q)/q - e^-q) of D at the other, q = step/kT.
    """
    xp = namespace(kT)
    energies, density, step = cells
    q = step / kT
    mean = -xp.expm1(-q) / q
    near, far = (kT * (1 - mean))[:, :, None], (kT * (mean - xp.exp(-q)))[:, :, None]
    left, right = density[:, None, :-1], density[:, None, 1:]
    above = (energies[:-1] + step / 2)[None, None, :] > middle[:, :, None]
    x = (energies[None, None, :] - middle[:, :, None]) / kT[:, :, None]
    electrons = _log_sum(xp.where(above, near * left + far * right, 0 * left), -x[:, :, :-1])
    return _log_sum(xp.where(above, 0 * left, near * right + far * left), x[:, :, 1:]) - electrons


def _fine(block: Prepared, chosen: Array) -> tuple[Array, Array, float]:
    """Energies, DOS and step of the straight cells that carriers are summed over; rounding errors count as zero."""
    xp, grid = namespace(block.whole), block.grid
    ratio = _FINER if block.smooth else 1
    density = block.interpolant.rows(chosen).finer(ratio)
    step = grid.step / ratio
    energies = like(density, grid.start + step * np.arange((grid.size - 1) * ratio + 1))
    noise = _NOTHING * xp.max(density, axis=1)[:, None]
    return energies, xp.where(density > noise, density, xp.zeros_like(density)), step


def _log_sum(amplitudes: Array, exponents: Array) -> Array:
    """Logarithm of the sum of amplitude * e^exponent over the last axis; amplitudes are not negative."""
    xp = namespace(amplitudes)
    some = amplitudes > 0
    exponents = xp.where(some, exponents, -xp.inf * xp.ones_like(exponents))
    largest = xp.max(exponents, axis=-1)
    return largest + xp.log(xp.sum(amplitudes * xp.exp(exponents - largest[..., None]), axis=-1))
