"""Models on the same folds of a dataset, with the intervals of their differences: what several scripts share.

A setting is a descriptor and a regressor. Differences are from the first setting, on the same structures; their
interval is from the 2.5 to the 97.5 percentile over 10,000 bootstrap samples of whole groups.
"""

from functools import partial

import machine
import numpy as np

from ldosml import DOSModel, Evaluation
from ldosml.studies import Errors, RegressorComparison
from ldosml.studies.folds import descriptor_rows, evaluated_folds, fold_of_each, pooled


def errors_of(
    data, folds, settings: dict[str, list], low: float | None, high: float | None
) -> tuple[dict[str, Errors], dict[str, float]]:
    """Errors of every setting, which may differ from fold to fold, and median seconds of a fit with its predictions.

    Equal settings run once; what a descriptor computes from each structure alone is computed once for all folds, and
    not timed.
    """
    wanted = {(number, repr(each[number])): each[number] for each in settings.values() for number in range(len(folds))}
    done: dict[tuple[int, str], tuple[float, Evaluation]] = {}
    for text in dict.fromkeys(text for _, text in wanted):
        numbers = [number for number, other in wanted if other == text]
        model = DOSModel(*wanted[numbers[0], text], low=low, high=high)
        rows = descriptor_rows(data, model)
        for number in numbers:
            one = partial(evaluated_folds, data, model, [folds[number]], rows)
            done[number, text] = machine.timed(lambda one=one: next(one())[1])
    errors, seconds = {}, {}
    for name, each in settings.items():
        found = [done[number, repr(setting)] for number, setting in enumerate(each)]
        errors[name] = Errors.of(pooled([evaluation for _, evaluation in found], folds), fold_of_each(folds))
        seconds[name] = float(np.median([time for time, _ in found]))
    return errors, seconds


def compare(
    results: machine.Results, title: str, data, folds, settings: dict[str, list], low: float | None, high: float | None
) -> None:
    """Add a table: pooled losses, the differences with their intervals, and the losses by fold."""
    errors, seconds = errors_of(data, folds, settings, low, high)
    comparison = RegressorComparison(errors, list(data.groups), None, {})
    found = {(row["regressor"], row["quantity"]): row for row in comparison.records(n_draws=10_000)}
    for name in errors:
        row: dict[str, object] = {"setting": name}
        for quantity, label in (("ldos", "LDOS"), ("dos", "DOS")):
            one, by_fold = found[name, quantity], errors[name].by_fold(quantity).values()
            change = f"{one['difference']:+.4f} [{one['difference_low']:+.4f}, {one['difference_high']:+.4f}]"
            row |= {label: one["loss"], f"{label}, difference": change if name != next(iter(errors)) else None}
            row[f"{label}, by fold"] = " ".join(f"{loss:.3f}" for loss in by_fold)
        results.add(f"L/sigma on {title}", row | {"fit of a fold (s)": seconds[name]})
