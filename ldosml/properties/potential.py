"""The chemical potential above T = 0.

N(mu) = integral of D f de = N_e (equation A1 of the LDOS paper) is solved by Newton's method within bounds, for all
structures and temperatures at once; in gaps see ``neutrality``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, Numbers, like, namespace
from ldosml._ranges import check_arguments
from ldosml._validation import check_positive
from ldosml.properties._inputs import Temperatures, electrons
from ldosml.properties.bands import Bands
from ldosml.properties.block import Block
from ldosml.properties.completeness import check_counts
from ldosml.properties.doping import doped_potentials, doping_of, warn_of_lost_doping
from ldosml.properties.given_level import check_level, given_levels
from ldosml.properties.level import ROUNDING, TOLERANCE, FermiLevel, level_of
from ldosml.properties.neutrality import neutral_potentials
from ldosml.properties.quadrature import Quadrature, Rule, in_order, integrate, rules, trapezoid_weights
from ldosml.properties.reach import check_reach
from ldosml.properties.roots import increasing_root
from ldosml.spectra import DOS, LDOS


def chemical_potential(
    spectra: DOS | LDOS,
    n_electrons: Numbers,
    temperature: Numbers,
    *,
    doping: Numbers = 0.0,
    volumes: Numbers | None = None,
    quadrature: Quadrature = "auto",
    tolerance: float = TOLERANCE,
) -> Array:
    """The chemical potential mu at which the DOS holds ``n_electrons`` (equation A1 of the LDOS paper).

    For T -> 0 it goes to ``fermi_level``.

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV, both spins; for an LDOS, its sums, because the atoms of a structure share mu.
    n_electrons : float or array (n_structures,)
        Valence electrons of each structure.
    temperature : float or array (n_temperatures,)
        K, above zero.
    doping : float or array (n_structures,), default=0
        Electrons added to each cell; holes are negative. In a gap, mu then solves n - p = doping with the n and p of
        ``carrier_densities``, however small the doping; without a gap it adds to ``n_electrons``.
    volumes : float or array (n_structures,), optional
        Volumes of the cells, angstrom^3. With them ``doping`` is in cm^-3.
    quadrature : {"auto", "trapezoid", "gauss", "linear", "forced-trapezoid"}
        See ``ldosml.properties.quadrature``; "auto" chooses for each temperature. In smeared gaps, "auto" always.
    tolerance : float
        As for ``fermi_level``. A count that ends in a gap to this tolerance is treated as exact: mu is
        the pure crystal's. Give carriers by ``doping``.

    Returns
    -------
    array (n_structures,), or (n_structures, n_temperatures) for an array of temperatures
        eV in the zero of the grid.

    Warns
    -----
    TruncatedDOSWarning, SpinConventionWarning
        As ``fermi_level``; also if states beyond the grid would hold electrons that move mu by more than kT/100.
    DopingWarning
        If ``n_electrons`` is not a whole number, and differs by less than the tolerance from the states below a gap.

    Raises
    ------
    ValueError
        As ``fermi_level``; if volumes or a temperature are not above zero; for the trapezoid if kT is below
        one step.
    """
    check_arguments(
        n_electrons=n_electrons, temperature=temperature, doping=doping, volumes=volumes, tolerance=tolerance
    )
    temperatures, number = Temperatures.of(temperature), electrons(spectra, n_electrons)
    check_positive("tolerance", tolerance)
    prepared = Block.of(spectra)
    added = doping_of(spectra, doping, volumes)
    given = given_levels(prepared, None)
    check_counts(prepared, number + namespace(added).clip(added, 0.0, None), tolerance, given)

    def solved(part: slice, block: Block) -> Potentials:
        return potentials_of(block, number[part], added[part], temperatures.kT, quadrature, tolerance)

    found = prepared.map(solved, len(temperatures.kT))
    warn_of_lost_doping([one.count for one in found], number)
    xp = namespace(number)
    level, in_gap = xp.concat([one.level for one in found]), xp.concat([one.count[1] for one in found])
    check_level(prepared, number, level, in_gap, given, float(temperatures.kT.min()), tolerance)
    mu = namespace(number).concat([one.mu for one in found], axis=0)
    check_reach(prepared, mu, temperatures.kT, ["electrons"])
    return temperatures.shaped(mu)


_COUNTS: tuple[Rule, ...] = ("gauss", "trapezoid")  # their difference is the error of a count


@dataclass(frozen=True, eq=False)
class Potentials:
    """Chemical potentials of a block, (n_structures, n_temperatures), and the level without doping, (n_structures,).

    ``count`` are the states below the level by two rules, (n_structures, 2), and whether it is in a gap.
    """

    mu: Array
    level: Array
    count: tuple[Array, Array]


def potentials_of(
    block: Block, number: Array, added: Array, kT: NDArray[np.float64], quadrature: Quadrature, tolerance: float
) -> Potentials:
    """Chemical potentials of a block with ``added`` electrons in each cell, (n_structures,)."""
    xp = namespace(number)
    level, bands = level_of(block, number, tolerance)
    held = xp.stack([_below(block, level.energy, rule) for rule in _COUNTS], axis=1), level.in_gap
    if not bool(xp.any(added != 0)):
        return Potentials(potential_of(block, number, kT, quadrature, level, bands), level.energy, held)
    total = number + added
    mu = potential_of(block, total, kT, quadrature, *level_of(block, total, tolerance))
    return Potentials(doped_potentials(block, mu, level, added, kT), level.energy, held)


def potential_of(
    block: Block, number: Array, kT: NDArray[np.float64], quadrature: Quadrature, level: FermiLevel, bands: Bands | None
) -> Array:
    """Chemical potentials of a block, (n_structures, n_temperatures), eV; ``level_of`` gives level and bands."""
    xp = namespace(number)
    start, settled = neutral_potentials(bands, kT, level)
    columns: list[int] = []
    results = []
    for rule, places in rules(quadrature, kT, block.grid.step, block.width).items():
        guess, done = (xp.stack([array[:, place] for place in places], axis=1) for array in (start, settled))
        if rule == "trapezoid":
            # A good guess from few nodes saves most of the sums over the whole grid.
            guess = _newton(block, _neutral(block, number, level, "coarse"), kT[places], "coarse", guess, done)
        results.append(_newton(block, _neutral(block, number, level, rule), kT[places], rule, guess, done))
        columns += places
    return in_order(columns, xp.concat(results, axis=1))


def _neutral(block: Block, number: Array, level: FermiLevel, rule: Rule) -> Array:
    """Numbers of electrons, (n_structures,); in a gap, the number that the rule counts below the level.

    In a gap, an error of 1e-9 electrons, of the number or of the rule, would be a doping larger than the carriers.
    """
    return namespace(number).where(level.in_gap, _below(block, level.energy, rule), number)


def _below(block: Block, energy: Array, rule: Rule) -> Array:
    """States below an energy of each structure, (n_structures,), as a rule counts them."""
    xp = namespace(energy)
    if rule != "trapezoid":
        return block.interpolant.count(energy[:, None])[:, 0]
    below = like(energy, block.grid.energies)[None, :] < energy[:, None]
    weights = xp.astype(below, xp.float64) * like(energy, trapezoid_weights(block.grid))[None, :]
    return xp.vecdot(block.whole, weights)


def _newton(block: Block, number: Array, kT: NDArray[np.float64], rule: Rule, start: Array, settled: Array) -> Array:
    """Root of N(mu) - N_e, (n_structures, n_temperatures), from ``start``; ``settled`` elements do not change."""
    xp = namespace(number)

    def excess(mu: Array) -> tuple[Array, Array]:
        moments = integrate(rule, block.interpolant, mu, kT, ("count", "j0"))
        return moments["count"] - number[:, None], moments["j0"]

    # With mu 40 kT below the grid, exp(-40) of the states are filled; with mu 40 kT above, all but exp(-40).
    reach = 40 * like(number, kT)[None, :] + xp.zeros_like(start)
    noise = xp.where(settled, xp.inf * xp.ones_like(start), ROUNDING * number[:, None])
    small = 1e-4 if rule == "coarse" else 1e-10
    return increasing_root(excess, block.grid.start - reach, block.grid.stop + reach, start, noise, small=small)
