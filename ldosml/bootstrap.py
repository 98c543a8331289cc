"""Intervals from drawing the same data again, with replacement (bootstrap): whole groups at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldosml._ranges import check_arguments

Floats = NDArray[np.float64]


def group_draws(groups: Sequence[str], n_draws: int, random_state: int) -> Floats:
    """How often each structure counts when whole groups are drawn with replacement.

    Parameters
    ----------
    groups : sequence of str (n_structures,)
        The group of each structure.
    n_draws : int
        Number of bootstrap samples.
    random_state : int
        Seed of the draws.

    Returns
    -------
    array (n_draws, n_structures)
        Number of times that each structure is drawn. NaN if there is only one group, because its spread is unknown.
    """
    check_arguments(n_draws=n_draws, random_state=random_state)
    rng = np.random.default_rng(random_state)
    labels, members = np.unique(groups, return_inverse=True)
    n = len(labels)
    if n == 1:
        return np.full((n_draws, len(groups)), np.nan)
    counts = np.stack([np.bincount(rng.integers(0, n, n), minlength=n) for _ in range(n_draws)])
    result: Floats = counts[:, members].astype(np.float64)
    return result


def interval(values: Any, coverage: float = 0.95) -> tuple[float, float]:
    """Central interval of bootstrap samples.

    Parameters
    ----------
    values : array
        Samples; samples that are not finite are left out.
    coverage : float, default=0.95
        Fraction of the samples inside the interval.

    Returns
    -------
    tuple of two floats
        Lower and upper end; NaN if no sample is finite.
    """
    check_arguments(coverage=coverage)
    known = np.asarray(values)[np.isfinite(values)]
    if not known.size:
        return float("nan"), float("nan")
    tail = 100 * (1 - coverage) / 2
    low, high = np.percentile(known, [tail, 100 - tail])
    return float(low), float(high)
