"""Training and test parts that keep groups whole and hold every kind in the same proportion."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from ldosml._validation import ParameterError, check_positive

Seed = int | np.random.Generator | None

_STAY_WHOLE = (
    "Structures of one group stay together: take fewer parts, or more groups. Only structures that are independent may "
    "have groups of their own."
)


def split_by_group(
    kinds: Sequence[str], groups: Sequence[str], test_size: float, random_state: Seed
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the structures of a training and of a test part, each ascending.

    Kind after kind, groups are drawn at random and taken into the test part where that brings its size nearer to
    the running target. What one kind lacks is carried to the next, so the whole misses ``test_size`` of the
    structures by at most half of the largest group (unless one of the parts would be empty).

    Raises ValueError when ``test_size`` is not between 0 and 1, or there is one group only.
    """
    if not 0 < test_size < 1:
        raise ValueError(f"test_size must be a fraction between 0 and 1; got {test_size!r}.")
    rng = np.random.default_rng(random_state)
    labels, first, group_index, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    if len(labels) < 2:
        raise ValueError(f"A split into two parts needs at least 2 groups; got {len(labels)}. {_STAY_WHOLE}")
    group_kinds = np.asarray(kinds)[first]
    taken = np.zeros(len(labels), dtype=bool)
    target = 0.0
    for kind in rng.permutation(np.unique(group_kinds)):
        members = rng.permutation(np.flatnonzero(group_kinds == kind))
        target += test_size * sizes[members].sum()
        for group in members:
            missing = target - sizes[taken].sum()
            taken[group] = abs(missing - sizes[group]) < abs(missing)
    if taken.all() or not taken.any():
        # Neither part may be empty: move the group that brings the test part nearest to its target.
        moved = sizes[taken].sum() + np.where(taken, -sizes, sizes)
        taken[np.argmin(np.abs(moved - target))] ^= True
    in_test = taken[group_index]
    return np.flatnonzero(~in_test), np.flatnonzero(in_test)


def group_folds(
    kinds: Sequence[str], groups: Sequence[str], n_splits: int, random_state: int | None
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Give (train, test) structures of each fold; every structure is in exactly one test part.

    Raises ValueError when there are fewer groups than folds.
    """
    check_positive("n_splits", n_splits)
    count = len(set(groups))
    if count < max(n_splits, 2):
        raise ParameterError(
            "n_splits", f"must be at most the number of groups, {count}; got {n_splits}. {_STAY_WHOLE}"
        )
    folds = StratifiedGroupKFold(n_splits, shuffle=True, random_state=random_state)
    with warnings.catch_warnings():
        # A kind with fewer structures than folds cannot be in every fold; that is no fault of the data.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        parts = list(folds.split(np.zeros(len(groups)), _classes(kinds, n_splits), groups))
    if any(len(test) == 0 for _, test in parts):
        raise ParameterError(
            "n_splits", f"must be smaller: the groups are so unequal that one of {n_splits} folds would be empty."
        )
    return parts


def _classes(kinds: Sequence[str], n_splits: int) -> NDArray[np.str_]:
    """The kinds to stratify by, those with fewer structures than folds taken as one."""
    labels, index, counts = np.unique(kinds, return_inverse=True, return_counts=True)
    return np.where(counts[index] >= n_splits, labels[index], "")
