"""Gaps of many crystals at once, and the threshold for which they come out best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ldosml._validation import check_choice
from ldosml.energy import EnergyGrid
from ldosml.kresolved.gap import Statistic, bin_statistic, empty_bins, fermi_bins, outward
from ldosml.kresolved.judged import Crystals, Occupancies, check_predictions

Floats = NDArray[np.float64]

Criterion = Literal["mae", "accuracy"]
"""What a threshold is chosen for: least mean absolute error of gaps; most crystals rightly metal or not."""

SMALLEST_GAP = 1e-3
"""eV; below it a crystal is a metal. Eigenvalues of DFT are not known better."""


@dataclass(frozen=True)
class GapThreshold:
    """A threshold of ``occupancy_gap``, and how good it was where it was chosen.

    Parameters
    ----------
    threshold : float
        Above it a bin holds states.
    statistic : {"max", "sum", "anywhere"}
        Of what; see ``gap_statistics``.
    score : float
        Mean absolute error, eV, or share of crystals that are wrong, on the crystals that it was chosen for; NaN where
        it was not chosen so.
    """

    threshold: float = 0.5
    statistic: Statistic = "max"
    score: float = float("nan")


def gap_statistics(mesh: Occupancies, path: Occupancies, statistic: Statistic) -> Floats:
    """Statistic of each bin of each crystal, (n_crystals, n_bins).

    "max": the largest probability over mesh and path, where the reference gap is found, too. "sum": along the path
    alone, as Park et al. do; the irreducible part of a mesh has no meaningful sum. "anywhere": as ``bin_statistic``.
    """
    along = np.array([bin_statistic(one, statistic) for one in path])
    if statistic == "sum":
        return along
    result: Floats = np.maximum(along, [bin_statistic(one, statistic) for one in mesh])
    return result


def gaps_of_bins(values: Floats, grid: EnergyGrid, thresholds: Floats) -> Floats:
    """Gap of one crystal at each threshold, (n_thresholds,), eV: that of ``occupancy_gap``, without its edges.

    An edge that is not found counts as one bin beyond the last, so that the gap is a number.

    Parameters
    ----------
    values : array (n_bins,)
        Statistic of each bin.
    grid : EnergyGrid
        Centres of the bins; zero is the Fermi level.
    thresholds : array (n_thresholds,)

    Examples
    --------
    >>> gaps_of_bins(np.array([1, 0.2, 0.1, 0.9]), EnergyGrid(-1.5, 1.0, 4, "fermi"), np.array([0.5, 0.15, 0.05]))
    array([3., 2., 0.])
    """
    empty = np.add(*empty_bins(values, grid, thresholds))
    highest, lowest = fermi_bins(grid)
    result: Floats = np.where(empty == 0, 0.0, (empty + lowest - highest) * grid.step)
    return result


def predicted_gaps(mesh: Occupancies, path: Occupancies, threshold: GapThreshold) -> Floats:
    """Gap of each crystal, (n_crystals,), eV; see ``gaps_of_bins``."""
    values = gap_statistics(mesh, path, threshold.statistic)
    return np.array([gaps_of_bins(v, mesh[0].grid, np.array([threshold.threshold]))[0] for v in values])


def choose_threshold(
    crystals: Crystals,
    mesh: Occupancies,
    path: Occupancies,
    *,
    statistic: Statistic = "max",
    criterion: Criterion = "mae",
) -> GapThreshold:
    """Find the threshold for which the gaps of these crystals, which should be validation crystals, come out best.

    Exact: of all intervals between which no gap changes, the best one's middle; of several equally good, the widest's.

    Parameters
    ----------
    crystals : sequence of KnownCrystal
    mesh, path : sequences of KResolvedOccupancy
        Predictions at the k-points of each.
    statistic : {"max", "sum", "anywhere"}
    criterion : {"mae", "accuracy"}

    Raises
    ------
    ValueError
        When predictions do not belong to the crystals, or all probabilities are zero.
    """
    grid = check_predictions(crystals, mesh, path)
    gaps = np.array([crystal.gap for crystal in crystals])
    return best_threshold(gap_statistics(mesh, path, statistic), gaps, grid, statistic, criterion)


def best_threshold(
    values: Floats, gaps: Floats, grid: EnergyGrid, statistic: Statistic = "max", criterion: Criterion = "mae"
) -> GapThreshold:
    """``choose_threshold`` for statistics (n_crystals, n_bins) and reference gaps (n_crystals,), eV."""
    check_choice("criterion", criterion, get_args(Criterion))
    steps = [_steps(v, gap, grid, criterion) for v, gap in zip(values, gaps, strict=True)]
    breaks, place = np.unique(np.concatenate([at for at, _ in steps]), return_inverse=True)
    if len(breaks) < 2:
        raise ValueError("All probabilities are zero: no threshold tells one bin from another. Was the model trained?")
    changes = np.bincount(place, np.concatenate([by for _, by in steps]))
    losses = np.cumsum(changes)[:-1] / len(gaps)  # beyond the last break no bin of any crystal holds states
    widths = np.where(losses <= losses.min() + 1e-9, np.diff(breaks), -1.0)
    best = int(widths.argmax())
    return GapThreshold(float(breaks[best : best + 2].mean()), statistic, float(losses[best]))


def _steps(values: Floats, gap: float, grid: EnergyGrid, criterion: Criterion) -> tuple[Floats, Floats]:
    """Thresholds, from zero, at which the loss of one crystal changes, and by how much."""
    at = np.unique(np.concatenate([[0.0], *outward(values, grid)]))
    gaps = gaps_of_bins(values, grid, at)
    losses = np.abs(gaps - gap) if criterion == "mae" else (is_metal(gaps) != is_metal(gap)).astype(np.float64)
    return at, np.diff(losses, prepend=0.0)


def is_metal(gap: float | Floats) -> NDArray[np.bool_]:
    """Whether gaps, eV, are those of metals."""
    return np.asarray(gap) < SMALLEST_GAP
