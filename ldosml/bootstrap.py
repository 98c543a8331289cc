"""Intervals from drawing the same data again, with replacement (bootstrap): whole groups at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def group_draws(groups: Sequence[str], n_draws: int, random_state: int) -> Floats:
    """How often each structure counts when whole groups are drawn with replacement, (n_draws, n_structures).

    One group alone has no spread to draw from: NaN, and so is what follows.
    """
    rng = np.random.default_rng(random_state)
    labels, members = np.unique(groups, return_inverse=True)
    n = len(labels)
    if n == 1:
        return np.full((n_draws, len(groups)), np.nan)
    counts = np.stack([np.bincount(rng.integers(0, n, n), minlength=n) for _ in range(n_draws)])
    result: Floats = counts[:, members].astype(np.float64)
    return result


def interval(values: Any, level: float = 0.95) -> tuple[float, float]:
    """Central interval that holds ``level`` of the draws that are numbers; NaN where none is."""
    known = np.asarray(values)[np.isfinite(values)]
    if not known.size:
        return float("nan"), float("nan")
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(known, [tail, 100 - tail])
    return float(low), float(high)
