"""The gap from occupancies: between the highest bin below the Fermi level that holds states and the lowest above."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ldosml._validation import check_choice
from ldosml.energy import EnergyGrid
from ldosml.kresolved.fields import counted_edges
from ldosml.kresolved.occupancy import KResolvedOccupancy

Floats = NDArray[np.float64]

_SHARE = 0.25  # of a state: blurred bands have a tail before their edge

Statistic = Literal["max", "sum", "anywhere"]
"""What of a bin tells whether it holds states: the largest of its probabilities over k-points, which does not depend on
how many there are; their sum, as Park et al. do, whose threshold depends on the length of the path; or the probability
that there are states at any k-point, where the model was asked for it."""


@dataclass(frozen=True)
class OccupancyGap:
    """The gap of one crystal.

    Parameters
    ----------
    gap : float
        eV, between centres of bins, so that its resolution is that of the bins; 0 for a metal.
    valence_edge, conduction_edge : float
        Centres of the bins, eV against the Fermi level; 0 for a metal. Infinite where none on that side holds states.
    valence_kpoint, conduction_kpoint : int or None
        The k-point where, counted from the edge into the band, a quarter of a state is expected first
        (``counted_edges``); without counts, at which the bin of the edge is most probable. None for a metal, or without
        the edge.
    """

    gap: float
    valence_edge: float
    conduction_edge: float
    valence_kpoint: int | None
    conduction_kpoint: int | None

    @property
    def is_metal(self) -> bool:
        """Whether there is no gap."""
        return self.gap == 0


def bin_statistic(occupancy: KResolvedOccupancy, statistic: Statistic = "max") -> Floats:
    """Largest probability of each bin over the k-points, their sum, or that of states anywhere, (n_bins,).

    Raises ValueError for "anywhere" where the occupancies do not tell.
    """
    check_choice("statistic", statistic, get_args(Statistic))
    if statistic == "anywhere":
        if occupancy.anywhere is None:
            raise ValueError('These occupancies do not tell what is anywhere in the zone: take statistic="max".')
        return occupancy.anywhere
    combined = np.max if statistic == "max" else np.sum
    result: Floats = combined(occupancy.probabilities, axis=0)
    return result


def empty_bins(
    values: Floats, grid: EnergyGrid, thresholds: Floats | float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """How many bins in a row hold no states, from the Fermi level down and from it up, at each threshold.

    ``values`` (n_bins,): their statistic. Raises ValueError when the bins do not reach to both sides of zero.
    """
    below, above = outward(values, grid)
    return np.searchsorted(below, thresholds, side="right"), np.searchsorted(above, thresholds, side="right")


def outward(values: Floats, grid: EnergyGrid) -> tuple[Floats, Floats]:
    """Largest value up to each bin, going down from the Fermi level, and going up from it.

    Raises ValueError when the bins do not reach to both sides of zero.
    """
    highest, lowest = fermi_bins(grid)
    return np.maximum.accumulate(values[: highest + 1][::-1]), np.maximum.accumulate(values[lowest:])


def fermi_bins(grid: EnergyGrid) -> tuple[int, int]:
    """The highest bin that reaches below the Fermi level, and the lowest that reaches above; the same around it.

    Raises ValueError when there are none.
    """
    lowest = int(np.searchsorted(grid.edges[1:], 1e-9 * grid.step, side="right"))
    highest = int(np.searchsorted(grid.edges[:-1], -1e-9 * grid.step, side="left")) - 1
    if not (highest >= 0 and lowest < grid.size):
        raise ValueError(f"A gap needs bins on both sides of the Fermi level at zero; got {grid}.")
    return highest, lowest


def occupancy_gap(occupancy: KResolvedOccupancy, threshold: float = 0.5, statistic: Statistic = "max") -> OccupancyGap:
    """Find the gap around the Fermi level.

    A bin holds states where its statistic exceeds ``threshold``, which is to be chosen on validation materials. Where
    both bins that touch the Fermi level do, or the one around it, the crystal is a metal.

    Parameters
    ----------
    occupancy : KResolvedOccupancy
        Along a path, or on a mesh, with the Fermi level at zero.
    threshold : float
        Above 0.
    statistic : {"max", "sum", "anywhere"}

    Raises
    ------
    ValueError
        When there are no k-points, or the bins do not reach to both sides of zero.
    """
    if not len(occupancy):
        raise ValueError("A gap needs k-points; these occupancies have none.")
    energies = occupancy.energies
    below, above = (int(n) for n in empty_bins(bin_statistic(occupancy, statistic), occupancy.grid, threshold))
    if below == above == 0:
        return OccupancyGap(0.0, 0.0, 0.0, None, None)
    highest_bin, lowest_bin = fermi_bins(occupancy.grid)
    valence = highest_bin - below if below <= highest_bin else None
    conduction = lowest_bin + above if above < len(energies) - lowest_bin else None
    edges = [
        (-np.inf if which == "valence" else np.inf) if bin_ is None else float(energies[bin_])
        for which, bin_ in (("valence", valence), ("conduction", conduction))
    ]
    if occupancy.counts is None:
        most = [occupancy.probabilities[:, b or 0].argmax() for b in (valence, conduction)]
    else:
        beyond = (energies <= edges[0]) | (energies >= edges[1])  # what is expected in the gap is haze
        highest, lowest = counted_edges(replace(occupancy, counts=np.where(beyond, occupancy.counts, 0.0)), _SHARE)
        most = [highest.argmax(), lowest.argmin()]
    places = [None if b is None else int(k) for b, k in zip((valence, conduction), most, strict=True)]
    return OccupancyGap(edges[1] - edges[0], edges[0], edges[1], places[0], places[1])
