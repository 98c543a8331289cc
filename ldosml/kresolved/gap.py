"""The gap from occupancies: between the highest occupied bin below the Fermi level and the lowest above it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ldosml._ranges import check_arguments
from ldosml._validation import check_choice
from ldosml.energy import EnergyGrid
from ldosml.kresolved.occupancy import KResolvedOccupancy
from ldosml.kresolved.states import counted_edges

Floats = NDArray[np.float64]

_SHARE = 0.25  # of a state, at which a band begins: predicted bands are blurred, and have a tail before their edge

Statistic = Literal["max", "sum", "anywhere"]
"""What decides whether a bin holds states: the largest of its probabilities over k-points, which does not depend on the
number of k-points; their sum, as in Park et al., whose threshold depends on the length of the path; or the probability
of a state at any k-point of the zone, if the model predicts it."""


@dataclass(frozen=True)
class OccupancyGap:
    """The gap of one crystal; made by ``occupancy_gap``.

    Parameters
    ----------
    gap : float
        eV, between centres of bins, so its resolution is one bin; 0 for a metal.
    valence_edge, conduction_edge : float
        Centres of the bins, eV against the Fermi level; 0 for a metal. Infinite where no bin on that side holds states.
    valence_kpoint, conduction_kpoint : int or None
        Index of the k-point of each edge. With counts: where a quarter of a state is reached first, counted from the
        edge into the band (``counted_edges``). Without counts: where the bin of the edge has its largest probability.
        None for a metal, and where there is no edge.
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
    """Statistic of each bin, (n_bins,): see ``Statistic``.

    Raises ValueError for "anywhere" where the model does not predict it.
    """
    check_choice("statistic", statistic, get_args(Statistic))
    if statistic == "anywhere":
        if occupancy.anywhere is None:
            raise ValueError('These occupancies have no probabilities anywhere in the zone: use statistic="max".')
        return occupancy.anywhere
    combined = np.max if statistic == "max" else np.sum
    result: Floats = combined(occupancy.probabilities, axis=0)
    return result


def empty_bins(
    values: Floats, grid: EnergyGrid, thresholds: Floats | float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Number of consecutive empty bins at each threshold: from the Fermi level down, and from it up.

    ``values`` (n_bins,) is the statistic of each bin. Raises ValueError unless there are bins on both sides of zero.
    """
    below, above = running_maxima(values, grid)
    return np.searchsorted(below, thresholds, side="right"), np.searchsorted(above, thresholds, side="right")


def running_maxima(values: Floats, grid: EnergyGrid) -> tuple[Floats, Floats]:
    """Largest value between the Fermi level and each bin: going down, and going up.

    Raises ValueError unless there are bins on both sides of zero.
    """
    highest, lowest = fermi_bins(grid)
    return np.maximum.accumulate(values[: highest + 1][::-1]), np.maximum.accumulate(values[lowest:])


def fermi_bins(grid: EnergyGrid) -> tuple[int, int]:
    """Index of the highest bin that reaches below the Fermi level, and of the lowest that reaches above it.

    They are the same bin where the Fermi level lies inside a bin. Edges closer to zero than 1e-9 of a bin are at zero.
    Raises ValueError unless both exist.
    """
    tolerance = 1e-9 * grid.step
    lowest = int(np.searchsorted(grid.edges[1:], tolerance, side="right"))
    highest = int(np.searchsorted(grid.edges[:-1], -tolerance, side="left")) - 1
    if not (highest >= 0 and lowest < grid.size):
        raise ValueError(f"A gap needs bins on both sides of the Fermi level at zero; got {grid}.")
    return highest, lowest


def occupancy_gap(occupancy: KResolvedOccupancy, threshold: float = 0.5, statistic: Statistic = "max") -> OccupancyGap:
    """Find the gap around the Fermi level.

    A bin holds states where its statistic exceeds ``threshold``. The crystal is a metal where both bins that touch the
    Fermi level hold states, or the one around it does.

    Parameters
    ----------
    occupancy : KResolvedOccupancy
        Along a path, or on a mesh, with the Fermi level at zero.
    threshold : float
        Above 0; choose it on validation crystals (``choose_threshold``).
    statistic : {"max", "sum", "anywhere"}
        See ``Statistic``.

    Returns
    -------
    OccupancyGap

    Raises
    ------
    ValueError
        When there are no k-points, or no bins on one side of zero.
    """
    check_arguments(threshold=threshold)
    if not len(occupancy):
        raise ValueError("A gap needs k-points; these occupancies have none.")
    energies = occupancy.energies
    below, above = (int(n) for n in empty_bins(bin_statistic(occupancy, statistic), occupancy.grid, threshold))
    if below == above == 0:
        return OccupancyGap(0.0, 0.0, 0.0, None, None)
    highest_bin, lowest_bin = fermi_bins(occupancy.grid)
    valence = highest_bin - below if below <= highest_bin else None
    conduction = lowest_bin + above if above < len(energies) - lowest_bin else None
    valence_edge = -np.inf if valence is None else float(energies[valence])
    conduction_edge = np.inf if conduction is None else float(energies[conduction])
    if occupancy.counts is None:
        kpoints = [occupancy.probabilities[:, place or 0].argmax() for place in (valence, conduction)]
    else:  # small counts inside the gap are errors, and would move the edges
        bands = (energies <= valence_edge) | (energies >= conduction_edge)
        masked = replace(occupancy, counts=np.where(bands, occupancy.counts, 0.0))
        highest, lowest = counted_edges(masked, _SHARE)
        kpoints = [highest.argmax(), lowest.argmin()]
    at = [None if place is None else int(k) for place, k in zip((valence, conduction), kpoints, strict=True)]
    return OccupancyGap(conduction_edge - valence_edge, valence_edge, conduction_edge, at[0], at[1])
