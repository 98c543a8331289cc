"""The gap around the Fermi level, and its electrons and holes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, Numbers, as_float64, like, namespace, to_numpy
from ldosml._ranges import check_arguments
from ldosml.energy import EnergyGrid
from ldosml.properties._inputs import Temperatures, check_within, n_structures, per_structure, potentials, rows_of
from ldosml.properties.block import Block
from ldosml.properties.fermi_dirac import occupation, polylogarithms
from ldosml.properties.interpolation import Interpolant
from ldosml.properties.quadrature import is_smooth
from ldosml.properties.repair import nonnegative
from ldosml.spectra import DOS, LDOS
from ldosml.units import PER_CUBIC_CENTIMETRE

TOLERANCE = 0.01
"""Default fraction of ``typical_dos`` below which a DOS counts as zero; a regression leaves noise in a gap."""

NEARBY = 5.0
"""Energies within about this distance, eV, set the scale of the DOS around a gap: see ``typical_dos``."""

_WEAK = 1e-3  # fraction of the threshold down to which a band of few states is followed into the gap
_TAIL = 2.0  # smearing widths from the threshold to that fraction of it, in the tail of a smeared edge

_HALF = 0.5  # distance in smearing widths at which the curvature of ln D is measured: noise hardly changes it


@dataclass(frozen=True, eq=False)
class BandGap:
    """The gap of every row; fields are arrays (n_rows,), or (n_rows, n_tolerances) for a list of tolerances.

    Parameters
    ----------
    gap : array
        ``conduction_edge - valence_edge``, eV; 0 for a metal.
    valence_edge, conduction_edge : array
        eV in the zero of the grid; for a metal both are the Fermi energy.
    """

    gap: Array
    valence_edge: Array
    conduction_edge: Array


def band_gap(spectra: DOS | LDOS, fermi_energy: Array, *, tolerance: float | Array | None = None) -> BandGap:
    """The energies around ``fermi_energy`` between which the DOS stays below a threshold.

    The values are joined by straight lines, and the edges are where these cross the threshold. The threshold is a
    fraction of the DOS that a state near ``fermi_energy`` has around it,

        D_0 = sum of w D^2 / sum of w D,    w = exp(-(e - fermi_energy)^2 / (2 (5 eV)^2)).

    Energies without states do not count in D_0, and energies more than 15 eV away hardly count: neither a wider grid
    nor semicore states change the gap. Ripples of a regression in a gap do not count either, because they are squared.
    ``Dos.get_interpolated_gap`` of pymatgen takes the mean over all energies of the file instead, which depends on how
    many of them are empty.

    By default, a light band is followed into the gap from where it crosses 0.01 D_0, while its DOS falls, to where that
    is 1e-5 D_0, less the two widths of a smeared edge between them: the DOS of the lowest conduction bands of GaAs and
    ZnO stays below 0.01 D_0 over half an electronvolt. Ripples end this, because there the DOS rises again.

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV, both spins or one. For an LDOS each atom has its own gap.
    fermi_energy : float or array (n_structures,)
        Any energy in the gap, or the Fermi level, eV in the zero of the grid.
    tolerance : float or array (n_tolerances,), optional
        Threshold as a fraction of D_0. Default: 0.01, and light bands are followed. The tail of a level smeared by the
        width s reaches about 3 s into the gap at 0.01, and 4 s at 1e-4. Each edge is too far into the gap by this.

    Returns
    -------
    BandGap
        The gap is 0 if the DOS at ``fermi_energy`` exceeds the threshold: a metal, or a gap that the smearing hides,
        see ``hidden_gap``. By default it is also 0 if the edges are within one step of the grid, as in graphene.

    Raises
    ------
    ValueError
        If a gap reaches an end of the grid, ``fermi_energy`` is not on the grid, or shapes do not match.

    Examples
    --------
    >>> grid = EnergyGrid.from_range(-2.0, 2.0, 0.5, zero="fermi")
    >>> band_gap(DOS(grid, [[2, 2, 1, 0, 0, 0, 2, 2, 2]]), 0.0, tolerance=1e-9).gap
    array([1.])
    """
    check_arguments(fermi_energy=fermi_energy, tolerance=tolerance)
    repaired = nonnegative(spectra)
    xp = namespace(repaired.values)
    tolerances = to_numpy(as_float64("tolerance", TOLERANCE if tolerance is None else tolerance))
    if tolerances.ndim > 1 or not tolerances.size or not (np.isfinite(tolerances) & (tolerances > 0)).all():
        raise ValueError(f"tolerance must be a number above zero, or a list of these; got {tolerance!r}.")
    fermi = per_structure("fermi_energy", fermi_energy, repaired, (n_structures(repaired),), "n_structures")
    check_within("fermi_energy", fermi, repaired.grid)
    fermi = rows_of(fermi, repaired)
    if tolerance is None:
        edges = [default_edges(repaired, fermi)]
    else:
        scale = typical_dos(repaired, fermi)
        edges = [gap_edges(repaired, fermi, float(t) * scale) for t in np.atleast_1d(tolerances)]
    low, high = (xp.stack(side, axis=1) for side in zip(*edges, strict=True))
    _check_closed(repaired, low, high)
    if tolerances.ndim == 0:
        low, high = low[:, 0], high[:, 0]
    return BandGap(high - low, low, high)


def typical_dos(spectra: DOS | LDOS, energy: Array) -> Array:
    """D_0 of ``band_gap`` around the energies ``energy`` (n_rows,), (n_rows,), states/eV."""
    xp = namespace(energy)
    distance = (like(energy, spectra.grid.energies)[None, :] - energy[:, None]) / NEARBY
    # Counted from the nearest state, so that no gap is wide enough to underflow.
    squares = distance * distance
    nearest = xp.min(xp.where(spectra.values > 0, squares, xp.inf * xp.ones_like(squares)), axis=1)
    nearest = xp.where(xp.isfinite(nearest), nearest, xp.zeros_like(nearest))
    weighted = xp.exp(xp.clip((nearest[:, None] - squares) / 2, None, 0.0)) * xp.clip(spectra.values, 0.0, None)
    total = xp.sum(weighted, axis=1)
    return xp.sum(weighted * spectra.values, axis=1) / xp.where(total > 0, total, xp.ones_like(total))


def hidden_gap(spectra: DOS | LDOS, fermi_energy: Array) -> Array:
    r"""Whether the DOS at the Fermi level is made by tails of the bands at either side, so that a gap may be there.

    A DOS smeared by the width s is D = integral of D_true(e + x) g(x) dx, with a Gaussian g. The states that make D(e)
    lie at distances x with the variance

        <x^2> - <x>^2 = s^2 (1 + s^2 d^2 ln D/de^2).

    It is s^2 for a flat D_true, and 2 s^2 for one that vanishes like abs(e) at e (graphene). Above 2 s^2, D(e) comes
    from states at either side, more than 1.4 s away on average: the tails of two bands. What is between them is not
    known. The second derivative is a difference over s/2, which averages noise of a regression.

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV. Without a known smearing width no gap is hidden.
    fermi_energy : float or array (n_structures,)
        The Fermi level, eV in the zero of the grid.

    Returns
    -------
    array (n_rows,) of bool
        Only rows that ``band_gap`` takes for metals can be hidden gaps.

    Notes
    -----
    Smeared by 0.3 eV, this holds for perfect silicon in its diamond structure, and for none of 358 liquid, amorphous
    and beta-tin structures. A gap of less than about the smearing width, and a pseudogap like graphene's, cannot be
    told apart in a smeared DOS: D_true = abs(e) is the limit of this criterion, and lies on either side of it with a
    little noise.
    """
    check_arguments(fermi_energy=fermi_energy)
    repaired = nonnegative(spectra)
    fermi = per_structure("fermi_energy", fermi_energy, repaired, (n_structures(repaired),), "n_structures")
    check_within("fermi_energy", fermi, repaired.grid)
    fermi = rows_of(fermi, repaired)
    xp, width = namespace(fermi), repaired.smearing_width or 0.0
    threshold = TOLERANCE * typical_dos(repaired, fermi)
    if not is_smooth(width, repaired.grid.step):
        return fermi != fermi
    near = fermi[:, None] + width * like(fermi, np.array([-_HALF, 0.0, _HALF]))[None, :]
    density = Interpolant.of(repaired.grid, xp.clip(repaired.values, 0.0, None), smooth=True).density(near)
    positive = xp.all(density > 0, axis=1)
    logs = xp.log(xp.where(positive[:, None], density, xp.ones_like(density)))
    bend = (logs[:, 0] + logs[:, 2] - 2 * logs[:, 1]) / _HALF**2
    return (bend > 1) & (density[:, 1] > threshold)


def default_edges(spectra: DOS | LDOS, fermi: Array) -> tuple[Array, Array]:
    """Valence and conduction edges of ``band_gap`` with its default tolerance, as ``gap_edges`` gives them.

    Both are the Fermi energy also where they are no further apart than a step.
    """
    xp, threshold = namespace(fermi), TOLERANCE * typical_dos(spectra, fermi)
    low, high = gap_edges(spectra, fermi, threshold)
    low, high = _into_the_gap(spectra, low, high, _WEAK * threshold)
    metal = (low >= fermi) | (high <= fermi) | (high - low <= spectra.grid.step)
    return xp.where(metal, fermi, low), xp.where(metal, fermi, high)


def gap_edges(spectra: DOS | LDOS, fermi: Array, threshold: Array) -> tuple[Array, Array]:
    """Valence and conduction edges, (n_rows,), around the energies ``fermi`` (n_rows,), for thresholds (n_rows,).

    Both are the Fermi energy in a metal. An edge is infinite if the gap reaches that end of the grid.
    """
    xp, grid = namespace(threshold), spectra.grid
    falls, rises, crossing = _crossings(grid, spectra.values, threshold)
    low = xp.max(xp.where(falls & (crossing <= fermi[:, None]), crossing, -xp.inf), axis=1)
    high = xp.min(xp.where(rises & (crossing >= fermi[:, None]), crossing, xp.inf), axis=1)
    metal = _at(spectra.values, like(fermi, grid.energies), grid.step, fermi) > threshold
    return xp.where(metal, fermi, low), xp.where(metal, fermi, high)


def _crossings(grid: EnergyGrid, values: Array, threshold: Array) -> tuple[Array, Array, Array]:
    """Where each cell falls below the threshold, where it rises above, and at which energy, (n_rows, n_cells)."""
    xp = namespace(threshold)
    excess = values - threshold[:, None]
    left, right = excess[:, :-1], excess[:, 1:]
    falls, rises = (left > 0) & (right <= 0), (left <= 0) & (right > 0)
    crosses = falls | rises
    part = xp.where(crosses, left, 0 * left) / xp.where(crosses, left - right, xp.ones_like(left))
    return falls, rises, like(threshold, grid.energies[:-1])[None, :] + grid.step * part


def _into_the_gap(spectra: DOS | LDOS, low: Array, high: Array, weak: Array) -> tuple[Array, Array]:
    """Edges moved along bands of few states, to where these fall to the threshold ``weak``, (n_rows,).

    A band is followed while it falls, so that ripples of a regression count as little as before. The tail of a smeared
    edge is followed, too, and taken off again.
    """
    xp, grid = namespace(weak), spectra.grid
    falls, rises, crossing = _crossings(grid, spectra.values, weak)
    lowest = xp.min(xp.where(falls & (crossing >= low[:, None]), crossing, xp.inf), axis=1)
    highest = xp.max(xp.where(rises & (crossing <= high[:, None]), crossing, -xp.inf), axis=1)
    change = spectra.values[:, 1:] - spectra.values[:, :-1]
    left, right = like(weak, grid.energies[:-1])[None, :], like(weak, grid.energies[1:])[None, :]
    above = (left >= low[:, None]) & (left < lowest[:, None]) & (change > 0)
    below = (right <= high[:, None]) & (right > highest[:, None]) & (change < 0)
    tail = _TAIL * (spectra.smearing_width or 0.0)
    deeper = ~xp.any(above, axis=1) & (lowest - tail > xp.clip(low, grid.start, None)) & xp.isfinite(lowest)
    higher = ~xp.any(below, axis=1) & (highest + tail < xp.clip(high, None, grid.stop)) & xp.isfinite(highest)
    return xp.where(deeper, lowest - tail, low), xp.where(higher, highest + tail, high)


def _at(values: Array, energies: Array, step: float, wanted: Array) -> Array:
    """The straight lines through ``values`` (n_rows, n_energies) at one energy ``wanted`` of each row, (n_rows,)."""
    xp = namespace(values)
    distance = xp.abs(energies[None, :] - wanted[:, None]) / step
    return xp.sum(values * xp.clip(1 - distance, 0.0, None), axis=1)


def _check_closed(spectra: DOS | LDOS, low: Array, high: Array) -> None:
    host = to_numpy(low), to_numpy(high)
    open_rows = np.flatnonzero((np.isinf(host[0]) | np.isinf(host[1])).any(axis=1))
    if not open_rows.size:
        return
    row = int(open_rows[0])
    name = f"structure {row}"
    if isinstance(spectra, LDOS):
        name = f"structure {int(spectra.structure_index[row])} (atom in row {row})"
    end = "upper" if np.isinf(host[1][row]).any() else "lower"
    raise ValueError(
        f"{name} has a gap wider than the grid: no states between the given energy and its {end} end ({spectra.grid}). "
        "Give spectra over more energies, or a smaller tolerance."
    )


@dataclass(frozen=True, eq=False)
class Carriers:
    """Electrons above and holes below an energy in the gap.

    Parameters
    ----------
    electrons, holes : array (n_rows,), or (n_rows, n_temperatures) for an array of temperatures
        Number in a cell, or in cm^-3 if volumes were given; NaN if there is no gap and no division was given.
    """

    electrons: Array
    holes: Array


def carrier_densities(
    spectra: DOS | LDOS,
    mu: Array,
    temperature: Numbers,
    *,
    volumes: Array | None = None,
    division: Array | None = None,
) -> Carriers:
    """Electrons n = integral of D f de above the division, and holes p = integral of D (1 - f) de below it.

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV, both spins; for an LDOS, the share of each atom. Use spectra without smearing: below kT of about the
        smearing width, the tails in the gap give more carriers than the bands.
    mu : float or array (n_structures,), or (n_structures, n_temperatures) for an array of temperatures
        Chemical potential, eV in the zero of the grid.
    temperature : float or array (n_temperatures,)
        K, above zero.
    volumes : float or array (n_structures,), optional
        Volumes of the cells, angstrom^3. With them the result is in cm^-3.
    division : float or array (n_structures,), optional
        Energy between valence and conduction states, eV. Default: the middle of ``band_gap`` with tolerance 0.01
        around mu of the lowest temperature. Both densities are NaN if that finds a metal.

    Returns
    -------
    Carriers

    Raises
    ------
    ValueError
        If shapes do not match, a temperature or volume is not above zero, ``division`` is outside the grid, or it is
        not given and a gap reaches an end of the grid.

    Notes
    -----
    Exact for the straight lines between the values, to a relative 1e-11 for any number of carriers down to exp(-745) of
    a state; below this they are 0.
    """
    check_arguments(mu=mu, temperature=temperature, volumes=volumes, division=division)
    temperatures = Temperatures.of(temperature)
    prepared = Block.of(spectra)
    chemical = potentials(spectra, mu, temperatures)
    unit = volume_unit(spectra, chemical[:, 0], volumes)
    if division is None:
        lowest = int(np.argmin(temperatures.kelvin))
        gap = band_gap(DOS(prepared.grid, prepared.whole), chemical[:, lowest], tolerance=TOLERANCE)
        middle = (gap.valence_edge + gap.conduction_edge) / 2
        unit = namespace(unit).where(gap.gap > 0, unit, math.nan * unit)
    else:
        middle = per_structure("division", division, spectra, (n_structures(spectra),), "n_structures")
        check_within("division", middle, prepared.grid)
    blocks = [
        _carriers(block, chemical[part, :], middle[part], unit[part], temperatures.kT)
        for part, block in prepared.blocks(1)
    ]
    both = (namespace(unit).concat(side, axis=0) for side in zip(*blocks, strict=True))
    return Carriers(*(temperatures.shaped(side) for side in both))


def volume_unit(spectra: DOS | LDOS, similar: Array, volumes: Numbers | None) -> Array:
    """Unit of carriers, (n_structures,) like ``similar``: 1, or 1/volume in cm^-3."""
    if volumes is None:
        return namespace(similar).ones_like(similar)
    checked = per_structure("volumes", volumes, spectra, (n_structures(spectra),), "n_structures")
    host = to_numpy(checked)
    if (host <= 0).any():
        raise ValueError(
            f"volumes must be above zero, in angstrom^3; structure {int(np.argmax(host <= 0))} has {host.min():g}."
        )
    return PER_CUBIC_CENTIMETRE / checked


def _carriers(block: Block, mu: Array, division: Array, unit: Array, kT: NDArray[np.float64]) -> tuple[Array, Array]:
    """Electrons and holes of a block of structures, (n_rows, n_temperatures); holes are electrons at -energies."""
    mu, division, unit = (block.of_rows(values) for values in (mu, division, unit))
    xp = namespace(mu)
    energies, values = like(mu, block.grid.energies), block.whole if block.shares is None else block.shares
    step, turned = block.grid.step, (-xp.flip(energies), xp.flip(values, axis=1))
    electrons, holes = [], []
    for column, thermal in enumerate(kT):
        electrons.append(unit * _above(energies, values, step, division, mu[:, column], float(thermal)))
        holes.append(unit * _above(*turned, step, -division, -mu[:, column], float(thermal)))
    return xp.stack(electrons, axis=1), xp.stack(holes, axis=1)


def _above(energies: Array, values: Array, step: float, division: Array, mu: Array, kT: float) -> Array:
    """Integral of D f from ``division`` on, for the straight lines through ``values`` (n_rows, n_energies).

    With F_1 = kT ln(1 + e^-x) and F_2, integrals of f and F_1 from an energy to infinity, integration by parts gives
    D F_1 at ``division`` - D F_1 at the last energy + sum over cells of D' (F_2 at its start - F_2 at its end).
    """
    return with_slope(energies, values, step, division, mu, kT)[0]


def with_slope(
    energies: Array, values: Array, step: float, division: Array, mu: Array, kT: float
) -> tuple[Array, Array]:
    """``_above``, and its derivative by mu: the same with f instead of F_1, and F_1/kT instead of F_2."""
    xp = namespace(mu)
    start = xp.maximum(energies[None, :], division[:, None])
    log, second = _integrals((start - mu[:, None]) / kT)
    rise = (values[:, 1:] - values[:, :-1]) * (kT / step)
    x = (division - mu) / kT
    at, last = _at(values, energies, step, division), values[:, -1]
    count = at * _integrals(x)[0] - last * log[:, -1] + xp.sum(rise * (second[:, :-1] - second[:, 1:]), axis=1)
    slope = at * occupation(x) - last * occupation((energies[-1] - mu) / kT)
    return kT * count, slope + xp.sum(rise * (log[:, :-1] - log[:, 1:]), axis=1)


def _integrals(x: Array) -> tuple[Array, Array]:
    """Integral of 1/(1 + e^x) from x to infinity, ln(1 + e^-x), and the integral of that."""
    xp = namespace(x)
    s1, s2 = polylogarithms(xp.exp(-xp.abs(x)), highest=2)
    low = xp.clip(-x, 0.0, None)
    return s1 + low, xp.where(x > 0, s2, low * low / 2 + math.pi**2 / 6 - s2)
