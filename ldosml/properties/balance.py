"""Chemical potentials in wide gaps: electrons against holes.

In a gap much wider than kT the number of electrons is flat to rounding, and a root of N(mu) - N_e is arbitrary. There
electrons above the gap are weighed against holes below it, ln n = ln p, each a sum of positive terms in the logarithm,
which no temperature underflows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, index_like, like, namespace, to_numpy
from ldosml.properties.fermi_dirac import log_occupation, occupation
from ldosml.properties.level import FermiLevel
from ldosml.properties.prepared import Prepared
from ldosml.properties.roots import increasing_root

_WIDE = 30.0  # gaps wider than this many kT are solved by electrons against holes
_CLEAR = 10.0  # ... where the result is this many kT away from both edges
_NOTHING = 1e-12  # values below this fraction of a spectrum's maximum are rounding
_FINER = 4  # cells into which a step is divided where cubics are summed as straight lines


def weigh_carriers(block: Prepared, kT: NDArray[np.float64], level: FermiLevel) -> tuple[Array, Array]:
    """Roots of ln n - ln p in the gaps that are wide beside kT, and where they hold: (n_structures, n_temperatures).

    Elsewhere the Fermi level. Nearer than 10 kT to an edge a root does not hold, but N(mu) - N_e is well conditioned.
    """
    xp = namespace(level.energy)
    gap = to_numpy(xp.where(level.in_gap, level.conduction_edge - level.valence_edge, 0 * level.energy))
    rows = np.flatnonzero(gap > _WIDE * kT.min())
    thermal = like(level.energy, kT)[None, :]
    start = level.energy[:, None] + 0 * thermal
    if not rows.size:
        return start, start != start
    chosen = index_like(start, rows)
    low, high = (xp.take(edge, chosen)[:, None] + 0 * thermal for edge in (level.valence_edge, level.conduction_edge))
    balance = _carrier_balance(_fine(block, chosen), thermal, (low + high) / 2)
    # Far from both edges the balance is a straight line of slope 2/kT.
    guess = (low + high) / 2 - balance((low + high) / 2)[0] * thermal / 2

    def clear(mu: Array) -> Array:
        return (mu > low + _CLEAR * thermal) & (mu < high - _CLEAR * thermal) & (high - low > _WIDE * thermal)

    worthwhile = clear(guess)
    found = increasing_root(balance, low, high, guess, xp.where(worthwhile, 0 * guess + 1e-12, 0 * guess + xp.inf))
    holds = worthwhile & clear(found)
    # Back among the other structures, each of which takes the last row.
    place = np.full(len(gap), rows.size)
    place[rows] = np.arange(rows.size)
    back = index_like(start, place)
    none = xp.zeros_like(holds[:1, :])
    settled = xp.take(xp.concat([holds, none], axis=0), back, axis=0)
    roots = xp.take(xp.concat([found, start[:1, :]], axis=0), back, axis=0)
    return xp.where(settled, roots, start), settled


def _carrier_balance(
    cells: tuple[Array, Array, float], kT: Array, middle: Array
) -> Callable[[Array], tuple[Array, Array]]:
    """Give ln n - ln p and its slope as a function of mu (n_structures, n_temperatures).

    n = integral above ``middle`` of D f, p = integral below it of D (1 - f), cell by cell: with D straight within a
    cell and f exponential, as it is far from mu, a cell contributes what its inner end counts, times the weights

        A = kT (1 - (1 - e^-q)/q) of D at that end, B = kT ((1 - e^-q)/q - e^-q) of D at the other, q = step/kT.
    """
    xp = namespace(kT)
    energies, density, step = cells
    q = step / kT
    mean = -xp.expm1(-q) / q
    near, far = (kT * (1 - mean))[:, :, None], (kT * (mean - xp.exp(-q)))[:, :, None]
    left, right = density[:, None, :-1], density[:, None, 1:]
    above = (energies[:-1] + step / 2)[None, None, :] > middle[:, :, None]
    electron = _log(xp.where(above, near * left + far * right, xp.zeros_like(left)))
    hole = _log(xp.where(above, xp.zeros_like(left), near * right + far * left))

    def balance(mu: Array) -> tuple[Array, Array]:
        x = (energies[None, None, :] - mu[:, :, None]) / kT[:, :, None]
        n, dn = _log_sum(electron, x[:, :, :-1])
        p, dp = _log_sum(hole, -x[:, :, 1:])
        return n - p, (dn + dp) / kT

    return balance


def _fine(block: Prepared, chosen: Array) -> tuple[Array, Array, float]:
    """Energies, DOS and step of the straight cells that carriers are summed over; rounding errors count as zero."""
    xp, grid = namespace(block.whole), block.grid
    ratio = _FINER if block.smooth else 1
    density = block.interpolant.rows(chosen).finer(ratio)
    step = grid.step / ratio
    energies = like(density, grid.start + step * np.arange((grid.size - 1) * ratio + 1))
    noise = _NOTHING * xp.max(density, axis=1)[:, None]
    return energies, xp.where(density > noise, density, xp.zeros_like(density)), step


def _log(values: Array) -> Array:
    """The logarithm, and minus infinity of zero without a warning."""
    xp = namespace(values)
    some = values > 0
    return xp.where(some, xp.log(xp.where(some, values, xp.ones_like(values))), -xp.inf * xp.ones_like(values))


def _log_sum(amplitudes: Array, x: Array) -> tuple[Array, Array]:
    """Give ln sum exp(amplitude) f(x) over the last axis, and its derivative by mu/kT: the mean of 1 - f."""
    xp = namespace(x)
    logs = amplitudes + log_occupation(x)
    largest = xp.max(logs, axis=-1, keepdims=True)
    shares = xp.exp(logs - largest)
    total = xp.sum(shares, axis=-1)
    return largest[..., 0] + xp.log(total), xp.sum(shares * occupation(-x), axis=-1) / total
