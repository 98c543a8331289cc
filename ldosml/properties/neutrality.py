r"""Chemical potentials in a gap, from equal numbers of electrons above it and holes below it.

In a gap N(mu) is constant to rounding, so a root of N(mu) - N_e is arbitrary. With the states of the valence band
and of the conduction band separated (see ``Bands``), the pure crystal has

    n = integral of D_c f de  =  p = integral of D_v (1 - f) de,

two sums of positive terms. Far from both edges f is an exponential, and with m the level of the bands

    mu = m + kT/2 ln(p/n at m),

computed from logarithms, so it does not underflow at any temperature. If carriers are within 15 kT of mu, as in the
tails of a smeared gap at low temperature, ln n - ln p = 0 is solved by Newton's method with the full f.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, index_like, like, namespace, spread, to_numpy
from ldosml.energy import EnergyGrid
from ldosml.properties.bands import Bands
from ldosml.properties.interpolation import Interpolant, gather
from ldosml.properties.level import FermiLevel
from ldosml.properties.quadrature import HOT, Rule, in_order, integrate
from ldosml.properties.roots import increasing_root

_CLEAR = 15.0  # at 15 kT, e^-x and 1/(1 + e^x) differ by 3e-7, so mu is wrong by at most this fraction of kT
_FEW = 1e-4  # fraction of the carriers that may be nearer
_NEVER = 1e-300  # numbers of carriers near the smallest float
_HOT = 6  # kT in steps of the bands' grid, half of the least smearing, from which nodes 1 kT apart may miss a band


def neutral_potentials(bands: Bands | None, kT: NDArray[np.float64], level: FermiLevel) -> tuple[Array, Array]:
    """Chemical potentials (n_structures, n_temperatures), eV, and where they are valid.

    ``bands`` are the bands of the structures whose level is in a gap.

    They are valid in smeared gaps, and in other gaps if all carriers are at least 15 kT away. Elsewhere N(mu) - N_e is
    well conditioned, and the Fermi level is returned as a first guess.
    """
    xp = namespace(level.energy)
    n_rows = int(level.energy.shape[0])
    rows = np.flatnonzero(to_numpy(level.in_gap))
    start = level.energy[:, None] + 0 * like(level.energy, kT)[None, :]
    if bands is None:
        return start, start != start
    mu, settled = _dilute(bands, kT, float(xp.max(level.conduction_edge - level.valence_edge)))
    left = bands.smeared[:, None] & ~settled
    some, columns = (np.flatnonzero(to_numpy(xp.any(left, axis=axis))) for axis in (1, 0))
    if some.size:
        first, then = index_like(start, some), index_like(start, columns)
        guess, done = (xp.take(xp.take(array, first, axis=0), then, axis=1) for array in (mu, settled))
        solved = _solved(bands.rows(first), kT[columns], guess, done)
        found = spread(spread(solved, some, rows.size, axis=0), columns, len(kT), axis=1)
        mu = xp.where(left, found, mu)
    settled = settled | bands.smeared[:, None]
    everywhere = spread(xp.astype(settled, xp.float64), rows, n_rows, axis=0) > 0
    return xp.where(everywhere, spread(mu, rows, n_rows, axis=0), start), everywhere


def _dilute(bands: Bands, kT: NDArray[np.float64], gap: float) -> tuple[Array, Array]:
    """Chemical potentials with f as an exponential, and where all carriers are far enough from mu for this.

    ``gap`` is the width of the widest gap, eV; temperatures that are too high for it are skipped.
    """
    xp, middle = namespace(bands.level), bands.level
    energies = like(middle, bands.grid.energies)[None, :] - middle[:, None]
    turned = -xp.flip(energies, axis=1), xp.flip(bands.valence, axis=1)
    found, settled = [], []
    # One temperature at a time, so that the arrays fit the cache.
    for thermal in map(float, kT):
        if 2 * _CLEAR * thermal > gap:
            found.append(middle)
            settled.append(middle != middle)
            continue
        electrons, above = _carriers(energies, bands.conduction, bands.grid.step, thermal)
        holes, below = _carriers(*turned, bands.grid.step, thermal)
        shift = thermal / 2 * (holes - electrons)
        settled.append((shift <= above - _CLEAR * thermal) & (shift >= _CLEAR * thermal - below))
        found.append(xp.where(settled[-1], middle + shift, middle))
    return xp.stack(found, axis=1), xp.stack(settled, axis=1)


def _carriers(energies: Array, density: Array, step: float, kT: float) -> tuple[Array, Array]:
    """Ln of the integral of D e^(-e/kT) above zero, and the energy above which all but 1e-4 of it lies, (n_rows,).

    With D straight within a cell, the cell contributes e^(-e/kT) at its lower end, times A D(lower) + B D(upper), where

        A = kT (1 - (1 - e^-q)/q), B = kT ((1 - e^-q)/q - e^-q), q = step/kT.
    """
    xp = namespace(density)
    q = step / kT
    mean = -np.expm1(-q) / q
    cells = float(kT * (1 - mean)) * density[:, :-1] + float(kT * (mean - np.exp(-q))) * density[:, 1:]
    lower = energies[:, :-1]
    some = (cells > 0) & (lower + step / 2 > 0)
    logs = xp.where(some, xp.log(xp.where(some, cells, xp.ones_like(cells))) - lower / kT, xp.full_like(cells, -xp.inf))
    largest = xp.max(logs, axis=1)
    sums = xp.cumulative_sum(xp.exp(logs - largest[:, None]), axis=1)
    nearest = xp.argmax(xp.astype(sums >= _FEW * sums[:, -1:], xp.int64), axis=1)
    at, held = (gather(array, nearest[:, None])[:, 0] for array in (lower, cells))
    # If the tail continues below the smallest float, carriers are nearer.
    return largest + xp.log(sums[:, -1]), xp.where(held > _NEVER, at, 0 * at)


def _solved(bands: Bands, kT: NDArray[np.float64], start: Array, settled: Array) -> Array:
    """Roots of ln n - ln p, (n_rows, n_temperatures), from ``start``; ``settled`` elements do not change."""
    xp = namespace(start)
    strides = _strides(kT, bands)
    columns, results = [], []
    for stride in np.unique(strides).tolist():
        places = np.flatnonzero(strides == stride).tolist()
        guess, done = (xp.take(array, index_like(start, np.array(places)), axis=1) for array in (start, settled))
        coarser = bands.every(max(1, stride))
        grid = coarser.grid
        turned = EnergyGrid(-grid.stop, grid.step, grid.size, grid.zero)
        empty = Interpolant.of(grid, coarser.conduction, smooth=True)
        full = Interpolant.of(turned, xp.flip(coarser.valence, axis=1), smooth=True)
        results.append(_balanced("trapezoid" if stride else "far", empty, full, kT[places], guess, done))
        columns += places
    return in_order(columns, xp.concat(results, axis=1))


def _strides(kT: NDArray[np.float64], bands: Bands) -> NDArray[np.int64]:
    """Steps of the bands' grid from one term of the trapezoid to the next, (n_temperatures,); 0 for the nodes.

    The trapezoid is exact to rounding while f is smooth on its step, kT >= 1.5 steps, and the bands are: they are given
    on a grid that is ``ratio`` times finer than the DOS needs.
    """
    most = np.clip(kT / (HOT * bands.grid.step), 1, bands.ratio)
    return np.where(kT < _HOT * bands.grid.step, 0, 2 ** np.floor(np.log2(most)).astype(np.int64))


def _balanced(
    rule: Rule, empty: Interpolant, full: Interpolant, kT: NDArray[np.float64], start: Array, settled: Array
) -> Array:
    """``_solved`` by one rule; ``full`` is the valence band with the energies reversed."""
    xp, grid = namespace(start), empty.grid

    def excess(mu: Array) -> tuple[Array, Array]:
        (n, dn), (p, dp) = (
            (xp.clip(found["count"], _NEVER, None), found["j0"])
            for found in (
                integrate(rule, empty, mu, kT, ("count", "j0")),
                integrate(rule, full, -mu, kT, ("count", "j0")),
            )
        )
        return xp.log(n / p), dn / n + dp / p

    reach = 40 * like(start, kT)[None, :] + 0 * start
    noise = xp.where(settled, xp.inf * xp.ones_like(start), 1e-12)
    return increasing_root(excess, grid.start - reach, grid.stop + reach, start, noise)
