r"""The chemical potential of a doped semiconductor.

With D electrons added to a cell (holes: D < 0), the carriers n above the gap and p below it, see
``carrier_densities``, obey n - p = D. D may be 1e-9 of the electrons of a cell, and the difference of n and p loses it
at high temperature. So one logarithm is solved in which all terms are positive,

    ln n = ln(p + D)  for D > 0,    ln(n - D) = ln p  for D < 0,

by Newton's method with the exact integrals of the straight lines between the values. Without a gap, D is added to the
number of electrons.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, Numbers, index_like, like, namespace, spread, to_numpy
from ldosml.energy import EnergyGrid
from ldosml.properties._inputs import n_structures, per_structure
from ldosml.properties.block import Block
from ldosml.properties.gap import default_edges, volume_unit, with_slope
from ldosml.properties.level import FermiLevel
from ldosml.properties.roots import increasing_root
from ldosml.properties.spectrum_warnings import DopingWarning, caution
from ldosml.spectra import DOS, LDOS

_SMALLEST = 1e-300  # carriers near the smallest float
_EXACT = 1e-13  # relative rounding of a whole number of electrons
_ROUNDING = 1e-10  # relative difference of two counts that rounding and quadrature explain; 1e14 cm^-3 is more


def doping_of(spectra: DOS | LDOS, doping: Numbers, volumes: Numbers | None) -> Array:
    """Electrons added to each cell, (n_structures,), from a number per cell, or per cm^3 with ``volumes``."""
    added = per_structure("doping", doping, spectra, (n_structures(spectra),), "n_structures")
    return added if volumes is None else added / volume_unit(spectra, added, volumes)


def doped_potentials(prepared: Block, mu: Array, level: FermiLevel, added: Array, kT: NDArray[np.float64]) -> Array:
    """Chemical potentials (n_structures, n_temperatures), eV, of the structures that have a gap around ``level``.

    ``mu`` are the potentials of all structures without a gap, and first guesses of the others; ``added`` are the
    electrons added to each cell, (n_structures,). The level without doping divides n from p: the states below it hold
    the electrons of the pure crystal, so n - p is what is added to these.
    """
    xp = namespace(mu)
    dos = DOS(prepared.grid, prepared.whole, prepared.width or None)
    low, high = default_edges(dos, level.energy)
    some = (level.in_gap | (high > low)) & (added != 0)
    rows = np.flatnonzero(to_numpy(some))
    if not rows.size:
        return mu
    chosen = index_like(mu, rows)
    values, division, count, guess = (
        xp.take(array, chosen, axis=0) for array in (prepared.whole, level.energy, added, mu)
    )
    solved = xp.stack(
        [_root(prepared.grid, values, division, count, guess[:, t], float(kT[t])) for t in range(len(kT))], axis=1
    )
    return xp.where(some[:, None], spread(solved, rows, int(mu.shape[0]), axis=0), mu)


def _root(grid: EnergyGrid, values: Array, division: Array, added: Array, start: Array, kT: float) -> Array:
    xp, step = namespace(values), grid.step
    energies = like(values, grid.energies)
    turned = -xp.flip(energies), xp.flip(values, axis=1)
    more, fewer = xp.clip(added, 0.0, None), xp.clip(-added, 0.0, None)

    def excess(mu: Array) -> tuple[Array, Array]:
        n, dn = with_slope(energies, values, step, division, mu, kT)
        p, dp = with_slope(*turned, step, -division, -mu, kT)
        upper, lower = xp.clip(n + fewer, _SMALLEST, None), xp.clip(p + more, _SMALLEST, None)
        return xp.log(upper) - xp.log(lower), dn / upper + dp / lower

    reach = 40 * kT
    low, high = (xp.full_like(division, end) for end in (grid.start - reach, grid.stop + reach))
    return increasing_root(excess, low, high, start, 1e-13, small=1e-12)


def warn_of_lost_doping(counts: Sequence[tuple[Array, Array]], number: Array) -> None:
    """Warn if electrons that a gap has no states for count as none.

    ``counts`` are the states below the level by two rules (n_structures, 2), whose difference is their error, and
    whether it is in a gap, of block after block; ``number`` the electrons given, (n_structures,). A whole number of
    electrons is the pure crystal's, and a difference is then an error of the DOS.
    """
    counted, inside = (np.concatenate([to_numpy(each) for each in side]) for side in zip(*counts, strict=True))
    given = to_numpy(number)
    both = given[:, None] - counted
    off = np.take_along_axis(both, np.abs(both).argmin(axis=1)[:, None], axis=1)[:, 0]
    beyond = given - np.round(given)
    few = (np.abs(beyond) > _EXACT * given) & (np.abs(beyond) < _ROUNDING * given)
    off = np.where(few, beyond, off)
    rows = np.flatnonzero(inside & (few | ((np.abs(beyond) > _ROUNDING * given) & (np.abs(off) > _ROUNDING * given))))
    if not rows.size:
        return
    worst = int(rows[np.argmax(np.abs(off[rows]))])
    others = f" (so in {rows.size} of {len(given)} structures)" if len(given) > 1 else ""
    caution(
        f"n_electrons of structure {worst} is {abs(off[worst]):.3g} {'more' if off[worst] > 0 else 'less'} than the "
        f"{given[worst] - off[worst]:.9g} states below its gap{others}. So small a difference counts as none: mu "
        "is the pure crystal's. If it is doping, leave it out of n_electrons and give it by doping=...; a smaller "
        "tolerance= takes it for more electrons.",
        DopingWarning,
    )
