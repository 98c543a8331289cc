"""The Fermi level at T -> 0: the energy up to which the DOS holds all electrons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ldosml._array import Array, Numbers, index_like, namespace, spread, to_numpy
from ldosml._ranges import check_arguments
from ldosml._validation import check_positive
from ldosml.properties._inputs import electrons
from ldosml.properties.bands import Bands
from ldosml.properties.block import Block
from ldosml.properties.completeness import check_counts
from ldosml.properties.given_level import check_level, given_levels
from ldosml.properties.interpolation import Interpolant, gather
from ldosml.properties.roots import increasing_root
from ldosml.spectra import DOS, LDOS

TOLERANCE = 1e-6
"""Tolerated electrons in a gap, and tolerated error of the count, as fractions: a few rounding errors of float32."""

OF_WHOLE = 1e-4
"""The same for a whole number of electrons, of a crystal that is not doped. Weights of k-points and stored spectra are
rounded, so that a gap holds 47.9995 of 48."""

ROUNDING = 1e-14
"""Relative rounding error of a cumulative."""

_HOLLOW = 0.1  # largest fraction of the electrons in a gap that may lie in its inner half


@dataclass(frozen=True, eq=False)
class FermiLevel:
    """The Fermi level of every structure at T -> 0.

    Parameters
    ----------
    energy : array (n_structures,)
        eV. In a gap: the middle between its edges, or where the tails of both bands meet, if the DOS is smeared.
    in_gap : array (n_structures,) of bool
        Whether it lies in a gap.
    valence_edge, conduction_edge : array (n_structures,)
        Energies between which the gap has at most the tolerated number of electrons, eV; without a gap both are the
        Fermi level.
    """

    energy: Array
    in_gap: Array
    valence_edge: Array
    conduction_edge: Array


def fermi_level(spectra: DOS | LDOS, n_electrons: Numbers, *, tolerance: float = TOLERANCE) -> FermiLevel:
    """The energy up to which the DOS holds ``n_electrons``: the limit T -> 0 of equation A1 of the LDOS paper.

    In a gap it is the limit of the chemical potential of the pure crystal: the middle of the gap, or for a smeared DOS
    the energy at which the tails of both bands hold the same number of electrons.

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV, both spins; for an LDOS, its sums.
    n_electrons : float or array (n_structures,)
        Valence electrons in the DOS.
    tolerance : float
        Fraction of ``n_electrons``. If the DOS holds less than twice this number over more than two steps of the grid
        around the level, and hardly any of it in the middle, this is treated as a gap. A small error of the count then
        does not move the level to a band edge. If a whole number of electrons, which is not doped, puts the level near
        an edge, it may differ by 1e-4 of it, unless the tolerance is below the default. See also ``band_gap``.

    Returns
    -------
    FermiLevel

    Warns
    -----
    TruncatedDOSWarning
        If a DOS does not begin within the grid.
    SpinConventionWarning
        If the zero is the Fermi level, and the DOS up to it holds half or twice the electrons.

    Raises
    ------
    ValueError
        If ``n_electrons`` is not positive, a DOS holds fewer, or the next states above a gap are outside the grid.

    Examples
    --------
    >>> from ldosml import EnergyGrid
    >>> grid = EnergyGrid.from_range(-3.0, 3.0, 0.5, zero="fermi")
    >>> level = fermi_level(DOS(grid, [[0, 2, 2, 2, 0, 0, 0, 0, 0, 3, 3, 3, 0]]), n_electrons=3.0)
    >>> level.in_gap, level.valence_edge.round(2), level.conduction_edge.round(2)
    (array([ True]), array([-1.]), array([1.]))
    """
    check_arguments(n_electrons=n_electrons, tolerance=tolerance)
    number = electrons(spectra, n_electrons)
    check_positive("tolerance", tolerance)
    prepared = Block.of(spectra)
    given = given_levels(prepared, None)
    check_counts(prepared, number, tolerance, given)
    level = _joined(prepared.map(lambda part, block: level_of(block, number[part], tolerance)[0], 4))
    check_level(prepared, number, level.energy, level.in_gap, given, 0.0, tolerance)
    return level


def level_of(block: Block, number: Array, tolerance: float) -> tuple[FermiLevel, Bands | None]:
    """``fermi_level`` of a block of structures, and the bands of the structures whose level is in a gap, if any."""
    xp = namespace(number)
    low, found, high, in_gap = _around(block, number, tolerance)
    whole = xp.abs(number - xp.round(number)) < ROUNDING * number
    if TOLERANCE <= tolerance < OF_WHOLE and bool(xp.any(whole & ~in_gap)):
        wider = _around(block, number, OF_WHOLE)
        # Only where the count has put the level near an edge: if it is near the middle, the count is good.
        off_centre = xp.abs(found - (wider[0] + wider[2]) / 2) > (wider[2] - wider[0]) / 8
        use = whole & ~in_gap & wider[3] & off_centre
        low, found, high = (xp.where(use, *pair) for pair in zip(wider[:3], (low, found, high), strict=True))
        in_gap = in_gap | use
    rows = np.flatnonzero(to_numpy(in_gap))
    bands, energy = None, found
    if rows.size:
        chosen = index_like(low, rows)
        bands = Bands.of(block, chosen, xp.take(low, chosen), xp.take(high, chosen))
        energy = xp.where(in_gap, spread(bands.level[:, None], rows, int(low.shape[0]), axis=0)[:, 0], energy)
    return FermiLevel(energy, in_gap, xp.where(in_gap, low, energy), xp.where(in_gap, high, energy)), bands


def _around(block: Block, number: Array, tolerance: float) -> tuple[Array, Array, Array, Array]:
    """Levels of too few, of all and of too many electrons, and whether they span a gap, (n_rows,)."""
    xp = namespace(number)
    counts = xp.stack([number * (1 - tolerance), number, number * (1 + tolerance)], axis=1)
    found = _inverse(block.interpolant, counts)
    low, high = found[:, 0], found[:, 2]
    # Where a DOS only touches zero, the inner half of such an interval holds a quarter or an eighth of its electrons.
    quarter = (high - low) / 4
    inner = block.interpolant.count(xp.stack([low + quarter, high - quarter], axis=1))
    hollow = inner[:, 1] - inner[:, 0] < _HOLLOW * 2 * tolerance * number
    return low, found[:, 1], high, hollow & (high - low > 2 * block.grid.step)


def _inverse(interpolant: Interpolant, counts: Array) -> Array:
    """Energies (n_rows, n_counts) at which the cumulative reaches ``counts``: first the cell, then the root in it."""
    xp, grid = namespace(counts), interpolant.grid
    below = [
        xp.sum(xp.astype(interpolant.counts < counts[:, k : k + 1], xp.int64), axis=1) for k in range(counts.shape[1])
    ]
    cell = xp.clip(xp.stack(below, axis=1), 1, grid.size - 1) - 1
    left = grid.start + grid.step * xp.astype(cell, xp.float64)
    low, high = gather(interpolant.counts, cell), gather(interpolant.counts, cell + 1)
    rise = xp.where(high > low, high - low, xp.ones_like(low))
    start = left + grid.step * xp.clip((counts - low) / rise, 0.0, 1.0)

    def excess(energy: Array) -> tuple[Array, Array]:
        density, count = interpolant.evaluate(energy, "density", "count")
        return count - counts, density

    return increasing_root(excess, left, left + grid.step, start, ROUNDING * counts)


def _joined(levels: Sequence[FermiLevel]) -> FermiLevel:
    fields = ("energy", "in_gap", "valence_edge", "conduction_edge")
    xp = namespace(levels[0].energy)
    return FermiLevel(*(xp.concat([getattr(level, name) for level in levels]) for name in fields))
