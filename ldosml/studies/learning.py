"""How errors fall with the number of training environments (figure 3 of the LDOS paper)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from ldosml._journal import Record
from ldosml._validation import check_positive
from ldosml.datasets import LDOSDataset
from ldosml.pipeline import DOSModel
from ldosml.search.spelling import spelled
from ldosml.studies._tabulated import Tabulated
from ldosml.studies.errors import Errors
from ldosml.studies.folding import Fold
from ldosml.studies.noise import Floor, noise_floor
from ldosml.studies.running import given
from ldosml.studies.settings import Setup


@dataclass(frozen=True, eq=False)
class LearningCurve(Tabulated):
    """Errors of several strategies at growing numbers of training environments.

    Parameters
    ----------
    errors : dict of Errors
        By (strategy, size asked for).
    n_environments : dict of list of int
        Training environments in each fold, by size: the nearest that whole groups allow.
    n_structures : dict of list of int
        The same of structures.
    noise : dict of float
        L/sigma of the labels' noise, by quantity; see ``noise_floor``.
    """

    errors: dict[tuple[str, int], Errors]
    n_environments: dict[int, list[int]]
    n_structures: dict[int, list[int]]
    noise: Floor

    @property
    def strategies(self) -> list[str]:
        """Names, in the order given."""
        return list(dict.fromkeys(strategy for strategy, _ in self.errors))

    @property
    def sizes(self) -> list[int]:
        """Numbers of environments asked for, ascending."""
        return sorted(self.n_environments)

    @property
    def quantities(self) -> list[str]:
        """What has errors."""
        return next(iter(self.errors.values())).quantities

    def curve(self, strategy: str, quantity: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Training environments, and L/sigma of each fold: (n_sizes, n_folds) both."""
        sizes = np.array([self.n_environments[size] for size in self.sizes], dtype=float)
        losses = [list(self.errors[strategy, size].by_fold(quantity).values()) for size in self.sizes]
        return sizes, np.array(losses)

    def slope(self, strategy: str, quantity: str) -> tuple[float, float]:
        """Slope of log(L/sigma) against log(n_environments): mean over the folds, and their standard deviation.

        NaN with fewer than two sizes.
        """
        sizes, losses = self.curve(strategy, quantity)
        if len(sizes) < 2:
            return float("nan"), float("nan")
        slopes = [np.polyfit(np.log(x), np.log(y), 1)[0] for x, y in zip(sizes.T, losses.T, strict=True)]
        return float(np.mean(slopes)), float(np.std(slopes, ddof=1)) if len(slopes) > 1 else float("nan")

    def records(self) -> list[Record]:
        """A row a strategy, size, quantity and fold (and "all": pooled)."""
        rows = []
        for (strategy, size), errors in self.errors.items():
            for quantity in errors.quantities:
                for fold, loss in errors.pooled_and_by_fold(quantity).items():
                    chosen = slice(None) if fold == "all" else int(fold)
                    rows.append(
                        {
                            "strategy": strategy,
                            "quantity": quantity,
                            "fold": fold,
                            "n_environments": float(np.mean(np.array(self.n_environments[size])[chosen])),
                            "n_structures": float(np.mean(np.array(self.n_structures[size])[chosen])),
                            "loss": loss,
                            "label_noise": self.noise.get(quantity),
                        }
                    )
        return rows


def learning_curve(
    data: LDOSDataset,
    sizes: Sequence[int],
    model: DOSModel,
    strategies: Mapping[str, Any],
    *,
    setup: Setup | None = None,
) -> LearningCurve:
    """Cross-validate strategies with growing parts of each fold's training structures.

    The parts are nested and hold whole groups, in an order that is drawn once for each fold and shared by all
    strategies; the first groups are such that every element of the test part is there.

    Parameters
    ----------
    data : LDOSDataset
    sizes : sequence of int
        Numbers of training environments; the nearest that whole groups allow are taken.
    model : DOSModel
        Its descriptor and energies are those of all strategies.
    strategies : mapping of str to regressor
        What ``model`` is given in turn; see ``ldosml.studies.default_strategies``.
    setup : Setup, optional

    Raises
    ------
    ValueError
        When a size is not positive or larger than a training part, or two sizes give the same part in some fold; and as
        ``Setup.folds``.
    """
    setup = Setup() if setup is None else setup
    folds = setup.folds(data)
    ordered = sorted({int(size) for size in sizes})
    if not ordered:
        raise ValueError("A learning curve needs at least one size; got none.")
    check_positive("size", ordered[0], "environments")
    parts = [_nested(data, fold, ordered, setup.random_state + number) for number, fold in enumerate(folds)]
    counts = data.n_atoms
    n_environments = {size: [int(counts[part[i]].sum()) for part in parts] for i, size in enumerate(ordered)}
    n_structures = {size: [len(part[i]) for part in parts] for i, size in enumerate(ordered)}
    steps = [(name, size) for size in ordered for name in strategies]
    validations = []
    for name, size in steps:
        at = ordered.index(size)
        smaller = [(part[at], test) for part, (_, test) in zip(parts, folds, strict=True)]
        changed = clone(model).set_params(regressor=strategies[name])
        validations.append(setup.validation({"strategy": name, "size": size}, partial(given, data, changed), smaller))
    spelling = {name: spelled(regressor) for name, regressor in strategies.items()}
    records = setup.run("learning curve", data, validations, model=spelled(model), strategies=spelling)
    errors = {step: Errors.from_record(record) for step, record in zip(steps, records, strict=True)}
    noise = noise_floor(data, next(iter(errors.values())), data.smearing_width, setup.temperature)
    return LearningCurve(errors, n_environments, n_structures, noise)


def spaced_sizes(data: LDOSDataset, n_sizes: int, n_splits: int) -> list[int]:
    """Sizes in equal ratios, from about ten groups to the smallest training part; for ``learning_curve``."""
    largest = int(data.n_atoms.sum() * (n_splits - 1) / n_splits * 0.97)
    smallest = min(largest, max(1, int(10 * data.n_atoms.sum() / len(set(data.groups)))))
    return sorted({round(size) for size in np.geomspace(smallest, largest, n_sizes)})


def _nested(data: LDOSDataset, fold: Fold, sizes: Sequence[int], seed: int) -> list[NDArray[np.int64]]:
    """Training structures of each size, each part holding the ones before."""
    train, test = fold
    order = _group_order(data, train, test, np.random.default_rng(seed))
    groups = np.asarray(data.groups)
    members = [train[groups[train] == group] for group in order]
    reached = np.cumsum([data.n_atoms[part].sum() for part in members])
    if sizes[-1] > reached[-1] * 1.05:
        raise ValueError(
            f"A size of {sizes[-1]} environments is more than a training part holds: {reached[-1]}. Ask for less, or "
            "for more folds."
        )
    counts = [int(np.argmin(np.abs(reached - size))) + 1 for size in sizes]
    if len(set(counts)) < len(counts):
        raise ValueError(
            f"Sizes {', '.join(map(str, sizes))} are too close: whole groups, of {reached[0]} environments and more, "
            "give the same part twice. Ask for fewer sizes, or larger ones."
        )
    return [np.sort(np.concatenate(members[:count])) for count in counts]


def _group_order(
    data: LDOSDataset, train: NDArray[np.int64], test: NDArray[np.int64], rng: np.random.Generator
) -> list[str]:
    """Groups of the training part at random, but first as few as hold all elements of the test part."""
    drawn = [str(group) for group in rng.permutation(sorted({data.groups[s] for s in train}))]
    elements: dict[str, set[int]] = {group: set() for group in drawn}
    for s in train:
        elements[data.groups[s]] |= set(data.structures[s].numbers.tolist())
    missing = set[int]().union(*(set(data.structures[s].numbers.tolist()) for s in test))
    first = []
    for group in drawn:
        if elements[group] & missing:
            first.append(group)
            missing -= elements[group]
    return [*first, *(group for group in drawn if group not in first)]
