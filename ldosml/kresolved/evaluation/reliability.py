"""Calibration and log loss of predicted probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ldosml._validation import check_shape
from ldosml.kresolved.evaluation.crystals import Crystals, KnownCrystal, Occupancies
from ldosml.kresolved.evaluation.estimates import finite_or_none
from ldosml.kresolved.occupancy import KResolvedOccupancy

Floats = NDArray[np.float64]

SMALLEST_PROBABILITY = 1e-6
"""Smallest argument of a logarithm: a state that was predicted with probability 0 costs 14, not infinity."""


@dataclass(frozen=True, eq=False)
class Reliability:
    """Observed frequency of states for intervals of predicted probability.

    Parameters
    ----------
    edges : array (n_intervals + 1,)
        Edges of the intervals, from 0 to 1.
    predicted, observed : arrays (n_intervals,)
        Mean predicted probability, and fraction of bins that hold a state; NaN where ``counts`` is 0.
    counts : array (n_intervals,) of int
        Number of bins, over all k-points and crystals.
    """

    edges: Floats
    predicted: Floats
    observed: Floats
    counts: NDArray[np.int64]

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: mean of |predicted - observed| over all bins."""
        difference = np.abs(self.predicted - self.observed)
        return float(np.nansum(self.counts * difference) / self.counts.sum())

    def to_dict(self) -> dict[str, Any]:
        """Give everything as JSON can hold it.

        Returns
        -------
        dict
            None instead of NaN.
        """
        return {
            "edges": self.edges.tolist(),
            "predicted": [finite_or_none(value) for value in self.predicted],
            "observed": [finite_or_none(value) for value in self.observed],
            "counts": self.counts.tolist(),
            "calibration_error": self.calibration_error,
        }


def reliability(
    probabilities: Sequence[ArrayLike], presence: Sequence[ArrayLike], n_intervals: int = 20
) -> Reliability:
    """Compare predicted probabilities with observed frequencies.

    Parameters
    ----------
    probabilities : sequence of arrays
        From 0 to 1, of any shape; for instance one array for each crystal.
    presence : sequence of arrays
        0 or 1, of the same shapes.
    n_intervals : int
        Number of intervals of equal width between 0 and 1.

    Returns
    -------
    Reliability

    Raises
    ------
    ValueError
        When shapes differ, or there are no probabilities.

    Examples
    --------
    >>> found = reliability([[0.25, 0.25, 0.25, 0.25]], [[0, 1, 0, 0]], n_intervals=2)
    >>> found.observed.tolist(), found.calibration_error
    ([0.25, nan], 0.0)
    """
    sums = np.zeros((3, n_intervals))
    for p, y in zip(probabilities, presence, strict=True):
        predicted, observed = np.asarray(p, dtype=np.float64), np.asarray(y, dtype=np.float64)
        check_shape("presence", observed, predicted.shape, "the shape of its probabilities")
        where = np.minimum((predicted.ravel() * n_intervals).astype(np.int64), n_intervals - 1)
        for total, weights in zip(sums, (np.ones(where.size), predicted.ravel(), observed.ravel()), strict=True):
            total += np.bincount(where, weights, minlength=n_intervals)
    if not sums[0].sum():
        raise ValueError("Reliability needs probabilities; got none. Are all bins above energy_max?")
    counts = sums[0].astype(np.int64)
    means = sums[1:] / np.where(counts > 0, counts, np.nan)
    return Reliability(np.linspace(0, 1, n_intervals + 1), means[0], means[1], counts)


def log_losses(presence: ArrayLike, probabilities: ArrayLike) -> Floats:
    """Binary cross-entropy -y log p - (1 - y) log(1 - p) of each entry; p is clipped to 1e-6 ... 1 - 1e-6."""
    y = np.asarray(presence, dtype=np.float64)
    p = np.clip(np.asarray(probabilities, dtype=np.float64), SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    result: Floats = -(y * np.log(p) + (1 - y) * np.log1p(-p))
    return result


def log_loss_of_bins(crystal: KnownCrystal, mesh: KResolvedOccupancy, path: KResolvedOccupancy) -> Floats:
    """Mean log loss of each bin over the k-points of mesh and path of one crystal, (n_bins,).

    NaN where the bin is not complete; see ``CrystalBands.known_bins``.
    """
    sums, numbers = np.zeros(mesh.grid.size), np.zeros(mesh.grid.size)
    for bands, occupancy in ((crystal.mesh, mesh), (crystal.path, path)):
        known = bands.known_bins(occupancy.grid)
        losses = log_losses(bands.labels(occupancy.grid), occupancy.probabilities)
        sums += np.where(known, losses.sum(axis=0), 0.0)
        numbers += known * len(bands)
    return sums / np.where(numbers > 0, numbers, np.nan)


def crystal_reliability(crystals: Crystals, mesh: Occupancies, path: Occupancies, n_intervals: int = 20) -> Reliability:
    """``reliability`` of all complete bins at all k-points of the crystals' meshes and paths."""
    parts = [
        (bands, occupancy, bands.known_bins(occupancy.grid))
        for crystal, on_mesh, along in zip(crystals, mesh, path, strict=True)
        for bands, occupancy in ((crystal.mesh, on_mesh), (crystal.path, along))
    ]
    return reliability(
        [occupancy.probabilities[:, known] for _, occupancy, known in parts],
        [bands.labels(occupancy.grid)[:, known].astype(np.bool_) for bands, occupancy, known in parts],
        n_intervals,
    )
