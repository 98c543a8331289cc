"""Whether probabilities of occupancy mean what they say: log loss, and how often what is said to be likely is so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ldosml._validation import check_shape
from ldosml.kresolved.estimates import plain
from ldosml.kresolved.judged import Crystals, KnownCrystal, Occupancies
from ldosml.kresolved.occupancy import KResolvedOccupancy

Floats = NDArray[np.float64]

LEAST_PROBABILITY = 1e-6
"""In a logarithm: what is called impossible and happens, costs 14 and not infinity."""


@dataclass(frozen=True, eq=False)
class Reliability:
    """Predicted probabilities, sorted into intervals, beside how often a state was there.

    Parameters
    ----------
    edges : array (n_intervals + 1,)
        Of the intervals, from 0 to 1.
    predicted, observed : arrays (n_intervals,)
        Mean of the probabilities, and share of bins that hold a state; NaN where ``counts`` is 0.
    counts : array (n_intervals,) of int
        Bins of all k-points and crystals.
    """

    edges: Floats
    predicted: Floats
    observed: Floats
    counts: NDArray[np.int64]

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: mean of |predicted - observed| over all bins."""
        apart = np.abs(self.predicted - self.observed)
        return float(np.nansum(self.counts * apart) / self.counts.sum())

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it, None where an interval is empty."""
        return {
            "edges": self.edges.tolist(),
            "predicted": [plain(value) for value in self.predicted],
            "observed": [plain(value) for value in self.observed],
            "counts": self.counts.tolist(),
            "calibration_error": self.calibration_error,
        }


def reliability(
    probabilities: Sequence[ArrayLike], presence: Sequence[ArrayLike], n_intervals: int = 20
) -> Reliability:
    """Compare probabilities with what happened.

    Parameters
    ----------
    probabilities : sequence of arrays
        From 0 to 1, of any shapes; for instance one array for each crystal.
    presence : sequence of arrays
        0 or 1, of the same shapes.
    n_intervals : int
        Of equal width over 0 to 1.

    Raises
    ------
    ValueError
        When shapes differ, or there is nothing to compare.

    Examples
    --------
    >>> found = reliability([[0.25, 0.25, 0.25, 0.25]], [[0, 1, 0, 0]], n_intervals=2)
    >>> found.observed.tolist(), found.calibration_error
    ([0.25, nan], 0.0)
    """
    sums = np.zeros((3, n_intervals))
    for p, y in zip(probabilities, presence, strict=True):
        predicted, happened = np.asarray(p, dtype=np.float64), np.asarray(y, dtype=np.float64)
        check_shape("presence", happened, predicted.shape, "that of its probabilities")
        where = np.minimum((predicted.ravel() * n_intervals).astype(np.int64), n_intervals - 1)
        for total, weights in zip(sums, (np.ones(where.size), predicted.ravel(), happened.ravel()), strict=True):
            total += np.bincount(where, weights, minlength=n_intervals)
    if not sums[0].sum():
        raise ValueError("Reliability needs probabilities; got none. Are all bins above energy_max?")
    counts = sums[0].astype(np.int64)
    means = sums[1:] / np.where(counts > 0, counts, np.nan)
    return Reliability(np.linspace(0, 1, n_intervals + 1), means[0], means[1], counts)


def log_losses(presence: ArrayLike, probabilities: ArrayLike) -> Floats:
    """Binary cross-entropy -y log p - (1 - y) log(1 - p) of each entry; p at least 1e-6 from 0 and 1."""
    y = np.asarray(presence, dtype=np.float64)
    p = np.clip(np.asarray(probabilities, dtype=np.float64), LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
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
