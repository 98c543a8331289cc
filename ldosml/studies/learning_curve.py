"""How errors fall with the number of training environments (figure 3 of the LDOS paper)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldosml._journal import Record
from ldosml._validation import check_positive
from ldosml.datasets import LDOSDataset
from ldosml.pipeline import DOSModel
from ldosml.properties.spectrum_warnings import Caution
from ldosml.studies._few_points import takes_all, with_at_most
from ldosml.studies._table import Tabulated
from ldosml.studies.cross_validation import known_as
from ldosml.studies.errors import Errors, without_properties
from ldosml.studies.folds import Described, Fold, with_regressor
from ldosml.studies.noise import Floor, noise_floor
from ldosml.studies.setup import Setup

_LEAST_SPAN = 4.0
"""Errors of a few per cent then change a slope by a few hundredths only; over a factor of two by twice as much."""


@dataclass(frozen=True, eq=False)
class LearningCurve(Tabulated):
    """Errors of several regressors at growing numbers of training environments.

    Parameters
    ----------
    errors : dict of Errors
        By (regressor, size asked for).
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
    def regressors(self) -> list[str]:
        """Names, in the order given."""
        return list(dict.fromkeys(regressor for regressor, _ in self.errors))

    @property
    def sizes(self) -> list[int]:
        """Numbers of environments asked for, ascending."""
        return sorted(self.n_environments)

    @property
    def quantities(self) -> list[str]:
        """What has errors."""
        return next(iter(self.errors.values())).quantities

    def curve(self, regressor: str, quantity: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Training environments, and L/sigma of each fold: (n_sizes, n_folds) both.

        Parameters
        ----------
        regressor : str
            Its name.
        quantity : str
            One of ``quantities``.

        Returns
        -------
        tuple of array (n_sizes, n_folds)
        """
        sizes = np.array([self.n_environments[size] for size in self.sizes], dtype=float)
        losses = [list(self.errors[regressor, size].by_fold(quantity).values()) for size in self.sizes]
        return sizes, np.array(losses)

    def slope(self, regressor: str, quantity: str) -> tuple[float, float]:
        """Slope of log(L/sigma) against log(n_environments): mean over the folds, and their standard deviation.

        NaN with fewer than two sizes.

        Parameters
        ----------
        regressor : str
            Its name.
        quantity : str
            One of ``quantities``.

        Returns
        -------
        tuple of float
        """
        sizes, losses = self.curve(regressor, quantity)
        if len(sizes) < 2:
            return float("nan"), float("nan")
        slopes = [np.polyfit(np.log(x), np.log(y), 1)[0] for x, y in zip(sizes.T, losses.T, strict=True)]
        return float(np.mean(slopes)), float(np.std(slopes, ddof=1)) if len(slopes) > 1 else float("nan")

    def cautions(self) -> list[str]:
        """Say in words which slopes are not to be trusted, and why; empty where nothing speaks against them.

        Sizes should span a factor of four at least, and a slope should be larger than its deviation over the folds.
        Also, of how many structures no properties could be derived.

        Returns
        -------
        list of str
        """
        cautions = without_properties(
            {f"{name}, {size} environments": one for (name, size), one in self.errors.items()}
        )
        if len(self.sizes) < 2:
            return cautions  # there is no slope
        smallest, largest = (np.mean(self.n_environments[size]) for size in (self.sizes[0], self.sizes[-1]))
        if largest < _LEAST_SPAN * smallest:
            cautions.append(
                f"Training environments grow by a factor of {largest / smallest:.3g} only: slopes over less than "
                f"{_LEAST_SPAN:g} are not to be trusted. Ask for sizes further apart, or add structures."
            )
        uncertain = []
        for name in self.regressors:
            slopes = {quantity: self.slope(name, quantity) for quantity in self.quantities}
            doubtful = [quantity for quantity, (slope, spread) in slopes.items() if spread > abs(slope)]
            uncertain += [f"{name} ({', '.join(doubtful)})"] if doubtful else []
        if uncertain:
            cautions.append(
                "Slopes whose deviation over the folds exceeds themselves are not to be trusted, not even in sign: "
                f"{'; '.join(uncertain)}."
            )
        return cautions

    def records(self) -> list[Record]:
        """A row a regressor, size, quantity and fold (and "all": pooled).

        Returns
        -------
        list of dict
            A row each; see above for the columns.
        """
        rows = []
        for (regressor, size), errors in self.errors.items():
            for quantity in errors.quantities:
                for fold, loss in errors.pooled_and_by_fold(quantity).items():
                    chosen = slice(None) if fold == "all" else int(fold)
                    rows.append(
                        {
                            "regressor": regressor,
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
    regressors: Mapping[str, Any],
    *,
    setup: Setup | None = None,
) -> LearningCurve:
    """Cross-validate regressors with growing parts of each fold's training structures.

    The parts are nested and hold whole groups, in an order that is drawn once for each fold and shared by all
    regressors. It begins with as few groups as hold every element of the test part twice, where so many do: alpha is
    chosen by leaving one out.

    Parameters
    ----------
    data : LDOSDataset
    sizes : sequence of int
        Numbers of training environments; the nearest that whole groups allow are taken.
    model : DOSModel
        Its descriptor and energies are those of all regressors.
    regressors : mapping of str to estimator
        What ``model`` is given in turn; see ``ldosml.studies.regressors_by_target``. A ``SparseLDOSKernelRidge`` takes
        all environments as inducing points where a training part (for LDOS: its element) has fewer than the number
        ``n_inducing``, and a warning says at which sizes.
    setup : Setup, optional

    Raises
    ------
    ValueError
        When there is no regressor, a size is not positive, too small to hold every element, or larger than a training
        part, or two sizes give the same part in some fold; as ``Setup.folds``, and where properties cannot be derived.

    Warns
    -----
    Caution
        Where fewer inducing points are taken than ``n_inducing``.
    """
    setup = Setup() if setup is None else setup
    ordered = sorted({int(size) for size in sizes})
    if not ordered or not regressors:
        raise ValueError(
            f"A learning curve needs at least one size and one regressor; got {len(ordered)} and {len(regressors)}."
        )
    folds = setup.folds(data)
    check_positive("size", ordered[0], "environments")
    parts = [_nested(data, fold, ordered, setup.random_state + number) for number, fold in enumerate(folds)]
    counts = data.n_atoms
    n_environments = {size: [int(counts[part[i]].sum()) for part in parts] for i, size in enumerate(ordered)}
    n_structures = {size: [len(part[i]) for part in parts] for i, size in enumerate(ordered)}
    steps = [(name, size) for size in ordered for name in regressors]
    learners = {name: with_at_most(regressor) for name, regressor in regressors.items()}
    described, validations = Described(data, model), []
    for name, size in steps:
        at = ordered.index(size)
        smaller = [(part[at], test) for part, (_, test) in zip(parts, folds, strict=True)]
        prepare = partial(with_regressor, described, learners[name])
        validations.append(setup.validation({"regressor": name, "size": size}, prepare, smaller))
    few = []
    for name, learner in learners.items():
        where = [str(size) for i, size in enumerate(ordered) if takes_all(learner, data, [part[i] for part in parts])]
        few += [f"{name} at {', '.join(where)} environments"] if where else []
    if few:
        warnings.warn(
            "Where there are fewer environments (of an element, if only LDOS are learned) than inducing points were "
            f"asked for, all are taken: {'; '.join(few)}.",
            Caution,
            stacklevel=2,
        )
    spelling = {name: known_as(regressor) for name, regressor in regressors.items()}
    records = setup.run("learning curve", data, validations, model=known_as(model), regressors=spelling)
    errors = {step: Errors.from_record(record) for step, record in zip(steps, records, strict=True)}
    noise = noise_floor(data, next(iter(errors.values())), data.smearing_width, setup.temperature)
    return LearningCurve(errors, n_environments, n_structures, noise)


def spaced_sizes(data: LDOSDataset, n_sizes: int, n_splits: int, *, random_state: int = 0) -> list[int]:
    """Sizes in equal ratios, from about ten groups to the smallest training part, for ``learning_curve``.

    Those for which whole groups would give the same part twice are left out, so that there may be fewer; ``n_splits``
    and ``random_state`` are those of its ``Setup``.

    Raises ValueError when ``n_sizes`` is not positive, or there are fewer groups than folds.

    Parameters
    ----------
    data : LDOSDataset
    n_sizes : int
    n_splits : int
        Folds.
    random_state : int
        Draws the folds.

    Returns
    -------
    list of int
        Numbers of environments, ascending.
    """
    check_positive("n_sizes", n_sizes)
    folds = data.folds(n_splits, random_state)
    orders = [_group_order(data, fold, random_state + number) for number, fold in enumerate(folds)]
    reached = [_reached(data, fold, order) for fold, (order, _) in zip(folds, orders, strict=True)]
    largest = min(int(each[-1]) for each in reached)
    smallest = max(
        int(each[min(max(10, needed), len(each)) - 1]) for each, (_, needed) in zip(reached, orders, strict=True)
    )
    sizes: list[int] = []
    for size in np.geomspace(largest, min(smallest, largest), n_sizes).round().astype(int).tolist():
        if all(_count(each, size) < _count(each, sizes[-1]) for each in reached if sizes):
            sizes.append(size)
    return sorted(sizes)


def _nested(data: LDOSDataset, fold: Fold, sizes: Sequence[int], seed: int) -> list[NDArray[np.int64]]:
    """Training structures of each size, each part holding the ones before."""
    train, _ = fold
    order, n_needed = _group_order(data, fold, seed)
    groups = np.asarray(data.groups)
    members = [train[groups[train] == group] for group in order]
    reached = _reached(data, fold, order)
    if sizes[-1] > reached[-1] * 1.05:
        raise ValueError(
            f"A size of {sizes[-1]} environments is more than a training part holds: {reached[-1]}. Ask for less, or "
            "for more folds."
        )
    counts = [_count(reached, size) for size in sizes]
    if counts[0] < n_needed:
        raise ValueError(
            f"A size of {sizes[0]} environments is too small to hold every element of a test part in whole groups: "
            f"that takes {reached[n_needed - 1]}."
        )
    if len(set(counts)) < len(counts):
        raise ValueError(
            f"Sizes {', '.join(map(str, sizes))} are too close: whole groups, of {reached[0]} environments and more, "
            "give the same part twice. Ask for fewer sizes, or larger ones."
        )
    return [np.sort(np.concatenate(members[:count])) for count in counts]


def _reached(data: LDOSDataset, fold: Fold, order: Sequence[str]) -> NDArray[np.int64]:
    """Training environments in the first group, in the first two, and so on, (n_groups,)."""
    sizes = dict.fromkeys(order, 0)
    for s in fold[0]:
        sizes[data.groups[s]] += len(data.structures[s])
    reached: NDArray[np.int64] = np.cumsum([sizes[group] for group in order])
    return reached


def _count(reached: NDArray[np.int64], size: int) -> int:
    """How many groups come nearest to a size."""
    return int(np.argmin(np.abs(reached - size))) + 1


def _group_order(data: LDOSDataset, fold: Fold, seed: int) -> tuple[list[str], int]:
    """Groups of the training part at random, but for the first ones; and how many are needed.

    Those needed hold every element of the test part; the first ones hold it twice, where two groups do.
    """
    train, test = fold
    drawn = [str(group) for group in np.random.default_rng(seed).permutation(sorted({data.groups[s] for s in train}))]
    elements: dict[str, set[int]] = {group: set() for group in drawn}
    for s in train:
        elements[data.groups[s]] |= set(data.structures[s].numbers.tolist())
    asked = set[int]().union(*(set(data.structures[s].numbers.tolist()) for s in test))
    first: list[str] = []
    counts = []
    for _ in range(2):
        missing = set(asked)
        for group in drawn:
            if group not in first and elements[group] & missing:
                first.append(group)
                missing -= elements[group]
        counts.append(len(first))
    return [*first, *(group for group in drawn if group not in first)], counts[0]
