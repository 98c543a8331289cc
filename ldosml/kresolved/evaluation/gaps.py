"""Gaps of many crystals: how they depend on the threshold, which threshold is best, and the errors that remain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ldosml._validation import check_choice
from ldosml.energy import EnergyGrid
from ldosml.kresolved.evaluation.crystals import Crystals, Occupancies, check_predictions, true_occupancy
from ldosml.kresolved.evaluation.estimates import Estimate, estimate, f1_of, mean_of, pearson_of
from ldosml.kresolved.gap import Statistic, bin_statistic, empty_bins, fermi_bins, running_maxima

Floats = NDArray[np.float64]

Criterion = Literal["mae", "accuracy"]
"""What the best threshold has: the smallest mean absolute error of gaps, or the most crystals correctly classified as
metal or not."""

SMALLEST_GAP = 1e-3
"""eV; a crystal with a smaller gap is a metal. Eigenvalues of DFT are not more accurate."""


@dataclass(frozen=True)
class GapThreshold:
    """A threshold of ``occupancy_gap``, and its score where it was chosen.

    Parameters
    ----------
    threshold : float
        A bin holds states where its statistic exceeds this.
    statistic : {"max", "sum", "anywhere"}
        See ``gap_statistics``.
    score : float
        Mean absolute error, eV, or fraction of misclassified crystals, on the crystals for which the threshold was
        chosen; NaN for a threshold that was not chosen on crystals.
    """

    threshold: float = 0.5
    statistic: Statistic = "max"
    score: float = float("nan")


def gap_statistics(mesh: Occupancies, path: Occupancies, statistic: Statistic) -> Floats:
    """Statistic of each bin of each crystal, (n_crystals, n_bins).

    "max": the largest probability over mesh and path, because the true gap is over both. "sum": along the path alone,
    as Park et al. do; a sum over the irreducible part of a mesh has no meaning. "anywhere": see ``bin_statistic``.
    """
    along = np.array([bin_statistic(one, statistic) for one in path])
    if statistic == "sum":
        return along
    result: Floats = np.maximum(along, [bin_statistic(one, statistic) for one in mesh])
    return result


def gaps_of_bins(values: Floats, grid: EnergyGrid, thresholds: Floats) -> Floats:
    """Gap of one crystal at each threshold, (n_thresholds,), eV; the gap of ``occupancy_gap``.

    Where an edge is not found, it is put one bin beyond the last, so that the gap is finite.

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


def true_gaps_of_bins(crystals: Crystals, grid: EnergyGrid) -> Floats:
    """Gaps from the true occupancies of bins, (n_crystals,), eV: the best that bins of this width can give."""
    cells = [crystal.atoms.cell.array for crystal in crystals]
    mesh = [true_occupancy(crystal.mesh, grid, cell) for crystal, cell in zip(crystals, cells, strict=True)]
    path = [true_occupancy(crystal.path, grid, cell) for crystal, cell in zip(crystals, cells, strict=True)]
    return predicted_gaps(mesh, path, GapThreshold(0.5, "anywhere"))


def choose_threshold(
    crystals: Crystals,
    mesh: Occupancies,
    path: Occupancies,
    *,
    statistic: Statistic = "max",
    criterion: Criterion = "mae",
) -> GapThreshold:
    """Find the threshold that gives the best gaps of these crystals; use validation crystals.

    The result is exact: gaps change only at some thresholds. Of all intervals between these, the best is taken, of
    several equally good ones the widest, and the threshold is its middle.

    Parameters
    ----------
    crystals : sequence of KnownCrystal
        Crystals with bands on mesh and path.
    mesh, path : sequences of KResolvedOccupancy
        Predictions for each crystal, at the k-points of its mesh and of its path.
    statistic : {"max", "sum", "anywhere"}
        See ``gap_statistics``.
    criterion : {"mae", "accuracy"}
        Minimise the mean absolute error of gaps, or the number of misclassified metals and non-metals.

    Returns
    -------
    GapThreshold

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
    """``choose_threshold`` for statistics (n_crystals, n_bins) and true gaps (n_crystals,), eV."""
    check_choice("criterion", criterion, get_args(Criterion))
    steps = [_steps(v, gap, grid, criterion) for v, gap in zip(values, gaps, strict=True)]
    breaks, place = np.unique(np.concatenate([at for at, _ in steps]), return_inverse=True)
    if len(breaks) < 2:
        raise ValueError("All probabilities are zero: no threshold can separate the bins. Was the model trained?")
    changes = np.bincount(place, np.concatenate([by for _, by in steps]))
    losses = np.cumsum(changes)[:-1] / len(gaps)  # above the last break every bin is empty
    widths = np.where(losses <= losses.min() + 1e-9, np.diff(breaks), -1.0)
    best = int(widths.argmax())
    return GapThreshold(float(breaks[best : best + 2].mean()), statistic, float(losses[best]))


def _steps(values: Floats, gap: float, grid: EnergyGrid, criterion: Criterion) -> tuple[Floats, Floats]:
    """Thresholds, from zero on, at which the loss of one crystal changes, and the changes."""
    at = np.unique(np.concatenate([[0.0], *running_maxima(values, grid)]))
    gaps = gaps_of_bins(values, grid, at)
    losses = np.abs(gaps - gap) if criterion == "mae" else (is_metal(gaps) != is_metal(gap)).astype(np.float64)
    return at, np.diff(losses, prepend=0.0)


def is_metal(gap: float | Floats) -> NDArray[np.bool_]:
    """Whether gaps, eV, are below ``SMALLEST_GAP``."""
    return np.asarray(gap) < SMALLEST_GAP


def score_gaps(true: ArrayLike, predicted: ArrayLike, draws: Floats) -> dict[str, Estimate]:
    """Compute the errors of predicted gaps.

    Parameters
    ----------
    true, predicted : arrays (n_crystals,)
        eV; a gap below 1 meV is a metal.
    draws : array (n_draws, n_crystals)
        Bootstrap draws; see ``composition_draws``.

    Returns
    -------
    dict of Estimate
        Errors in eV, Pearson's r, and accuracy and F1 of the classification. Park et al. do not say for which class
        they give F1; here it is for non-metals.
    """
    known, found = (np.asarray(values, dtype=np.float64) for values in (true, predicted))
    errors, gapped, gap_found = np.abs(found - known), ~is_metal(known), ~is_metal(found)
    return {
        "gap: MAE (eV)": estimate(mean_of(errors), draws),
        "gap: MAE of non-metals (eV)": estimate(mean_of(errors, gapped), draws),
        "gap: r": estimate(pearson_of(list(known[:, None]), list(found[:, None])), draws),
        "metal or not: accuracy": estimate(mean_of((gapped == gap_found).astype(np.float64)), draws),
        "metal or not: F1 of non-metals": estimate(f1_of(gapped, gap_found), draws),
    }
