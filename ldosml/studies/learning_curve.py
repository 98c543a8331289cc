"""Learning curves: errors against the number of training environments (figure 3 of the LDOS paper)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ldosml._journal import Record
from ldosml._plots import drawn
from ldosml._ranges import check_arguments
from ldosml._validation import Caution, check_positive
from ldosml.datasets import LDOSDataset
from ldosml.pipeline import DOSModel
from ldosml.studies._few_points import takes_all, with_at_most
from ldosml.studies._table import Tabulated
from ldosml.studies.cross_validation import known_as
from ldosml.studies.errors import Errors, without_properties
from ldosml.studies.folds import Described, Fold, with_regressor
from ldosml.studies.noise import Floor, noise_floor
from ldosml.studies.setup import Setup

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEAST_SPAN = 4.0
"""Smallest ratio of sizes for a slope: errors of a few per cent change it by a few hundredths (ratio 2: twice that)."""


@dataclass(frozen=True, eq=False, repr=False)
class LearningCurve(Tabulated):
    """Errors of several regressors with more and more training environments.

    Parameters
    ----------
    errors : dict of Errors
        By (name of the regressor, requested size).
    n_environments : dict of list of int
        By requested size: the number of training environments of each fold. It is the nearest number that whole groups
        allow.
    n_structures : dict of list of int
        By requested size: the number of training structures of each fold.
    noise : dict of float
        L/sigma of the label noise, by quantity; see ``noise_floor``.
    """

    errors: dict[tuple[str, int], Errors]
    n_environments: dict[int, list[int]]
    n_structures: dict[int, list[int]]
    noise: Floor

    def _facts(self) -> dict[str, object]:
        return {
            "regressors": ", ".join(self.regressors),
            "training environments": ", ".join(map(str, self.sizes)),
            "quantities": ", ".join(self.quantities),
        }

    def plot(self, ax: Axes | None = None, *, quantity: str = "dos") -> Figure | None:
        """Draw L/sigma against the number of training environments; see ``plotting.learning_curve_figure``.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Draw here, and leave the legend of the regressors to you.
        quantity : str
            One of ``quantities``.

        Returns
        -------
        matplotlib.figure.Figure or None
            None with ``ax``.

        Raises
        ------
        ValueError
            When ``quantity`` is not one of ``quantities``.
        """
        figure: Figure | None = drawn(self, ax, quantity=quantity)
        return figure

    @property
    def regressors(self) -> list[str]:
        """Names of the regressors, in the order given."""
        return list(dict.fromkeys(regressor for regressor, _ in self.errors))

    @property
    def sizes(self) -> list[int]:
        """Requested numbers of environments, ascending."""
        return sorted(self.n_environments)

    @property
    def quantities(self) -> list[str]:
        """Quantities that have errors."""
        return next(iter(self.errors.values())).quantities

    def curve(self, regressor: str, quantity: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Number of training environments, and L/sigma, for each size and fold.

        Parameters
        ----------
        regressor : str
            Its name.
        quantity : str
            One of ``quantities``.

        Returns
        -------
        n_environments, losses : array (n_sizes, n_folds)
        """
        sizes = np.array([self.n_environments[size] for size in self.sizes], dtype=float)
        losses = [list(self.errors[regressor, size].by_fold(quantity).values()) for size in self.sizes]
        return sizes, np.array(losses)

    def slope(self, regressor: str, quantity: str) -> tuple[float, float]:
        """Slope of log(L/sigma) against log(n_environments): mean and standard deviation over the folds.

        Parameters
        ----------
        regressor : str
            Its name.
        quantity : str
            One of ``quantities``.

        Returns
        -------
        mean, deviation : float
            NaN if there are fewer than two sizes; the deviation also if there is only one fold.
        """
        sizes, losses = self.curve(regressor, quantity)
        if len(sizes) < 2:
            return float("nan"), float("nan")
        slopes = [np.polyfit(np.log(x), np.log(y), 1)[0] for x, y in zip(sizes.T, losses.T, strict=True)]
        return float(np.mean(slopes)), float(np.std(slopes, ddof=1)) if len(slopes) > 1 else float("nan")

    def cautions(self) -> list[str]:
        """Say which slopes are unreliable, and for how many structures no properties could be derived.

        A slope is unreliable if the sizes span less than a factor of four, or if its deviation over the folds is larger
        than the slope.

        Returns
        -------
        list of str
            Empty if there is nothing to say.
        """
        cautions = without_properties(
            {f"{name}, {size} environments": one for (name, size), one in self.errors.items()}
        )
        if len(self.sizes) < 2:
            return cautions  # there is no slope
        smallest, largest = (np.mean(self.n_environments[size]) for size in (self.sizes[0], self.sizes[-1]))
        if largest < _LEAST_SPAN * smallest:
            cautions.append(
                f"The largest size is only {largest / smallest:.3g} times the smallest: slopes over a factor of less "
                f"than {_LEAST_SPAN:g} are unreliable. Use sizes further apart, or add structures."
            )
        uncertain = []
        for name in self.regressors:
            slopes = {quantity: self.slope(name, quantity) for quantity in self.quantities}
            doubtful = [quantity for quantity, (slope, spread) in slopes.items() if spread > abs(slope)]
            uncertain += [f"{name} ({', '.join(doubtful)})"] if doubtful else []
        if uncertain:
            cautions.append(
                "These slopes are smaller than their deviation over the folds, so even their sign is uncertain: "
                f"{'; '.join(uncertain)}."
            )
        return cautions

    def records(self) -> list[Record]:
        """L/sigma of each regressor, size, quantity and fold; the fold "all" is all folds together.

        Returns
        -------
        list of dict
            One row for each; numbers of environments and structures in the row "all" are means over the folds.
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
    """Cross-validate regressors with larger and larger parts of the training structures of each fold.

    The parts are nested and contain whole groups. The order of the groups is drawn once for each fold, and all
    regressors use it. The first groups contain every element of the test part twice, if there are enough such groups,
    because alpha is chosen by leaving out one group.

    Parameters
    ----------
    data : LDOSDataset
    sizes : sequence of int
        Numbers of training environments. The nearest numbers that whole groups allow are used.
    model : DOSModel
        Its descriptor and energies are used with every regressor.
    regressors : mapping of str to estimator
        Regressors by name; see ``ldosml.studies.regressors_by_learn``. If a training part has fewer environments (for
        LDOS, environments of an element) than ``n_inducing`` of a ``SparseLDOSKernelRidge``, all of them become
        inducing points, with a warning.
    setup : Setup, optional

    Returns
    -------
    LearningCurve

    Raises
    ------
    ValueError
        When there is no regressor or no size; a size is not positive, too small for every element, or larger than a
        training part; two sizes give the same part in a fold; properties cannot be derived; or ``Setup.folds`` raises
        it.

    Warns
    -----
    Caution
        When fewer inducing points are used than ``n_inducing``; the text names the sizes.
    """
    check_arguments(sizes=sizes)
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
    _warn_of_few_points(few)
    spelling = {name: known_as(regressor) for name, regressor in regressors.items()}
    records = setup.run("learning curve", data, validations, model=known_as(model), regressors=spelling)
    errors = {step: Errors.from_record(record) for step, record in zip(steps, records, strict=True)}
    noise = noise_floor(data, next(iter(errors.values())), data.smearing_width, setup.temperature)
    return LearningCurve(errors, n_environments, n_structures, noise)


def _warn_of_few_points(few: Sequence[str]) -> None:
    """Warn of training parts that have fewer environments than inducing points, if there are any."""
    if few:
        warnings.warn(
            "Some training parts have fewer environments (when learning LDOS, of an element) than n_inducing. All of "
            f"these environments are inducing points: {'; '.join(few)}.",
            Caution,
            stacklevel=3,
        )


def spaced_sizes(data: LDOSDataset, n_sizes: int, n_splits: int, *, random_state: int = 0) -> list[int]:
    """Sizes with equal ratios for ``learning_curve``, from about ten groups to the smallest training part.

    Parameters
    ----------
    data : LDOSDataset
    n_sizes : int
        Number of sizes.
    n_splits : int
        Number of folds, as in the ``Setup`` of the learning curve.
    random_state : int
        Seed of the folds, as in the ``Setup`` of the learning curve.

    Returns
    -------
    list of int
        Numbers of environments, ascending; fewer than ``n_sizes`` if whole groups would give the same part twice.

    Raises
    ------
    ValueError
        When ``n_sizes`` is not positive, or there are fewer groups than folds.
    """
    check_arguments(n_sizes=n_sizes, n_splits=n_splits, random_state=random_state)
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
    """Training structures of each size; each part contains the smaller parts."""
    train, _ = fold
    order, n_needed = _group_order(data, fold, seed)
    groups = np.asarray(data.groups)
    members = [train[groups[train] == group] for group in order]
    reached = _reached(data, fold, order)
    if sizes[-1] > reached[-1] * 1.05:
        raise ValueError(
            f"A size of {sizes[-1]} environments is larger than a training part, which has {reached[-1]}. Use a "
            "smaller size, or more folds."
        )
    counts = [_count(reached, size) for size in sizes]
    if counts[0] < n_needed:
        raise ValueError(
            f"A size of {sizes[0]} environments is too small: whole groups that contain every element of a test part "
            f"have {reached[n_needed - 1]}."
        )
    if len(set(counts)) < len(counts):
        raise ValueError(
            f"Sizes {', '.join(map(str, sizes))} are too close: the first group has {reached[0]} environments, and "
            "whole groups give the same part for two sizes. Use fewer or larger sizes."
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
    """Number of groups whose environments are nearest to a size."""
    return int(np.argmin(np.abs(reached - size))) + 1


def _group_order(data: LDOSDataset, fold: Fold, seed: int) -> tuple[list[str], int]:
    """Order of the groups of the training part, and how many of them are needed.

    The needed groups contain every element of the test part; the first groups contain it twice, if two groups have it.
    The others follow in random order.
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
