"""Models on the same folds of a dataset, with the intervals of their differences: what several scripts share.

A setting is a descriptor and a regressor. Differences are from the first setting, on the same structures; their
interval is from the 2.5 to the 97.5 percentile over 10,000 bootstrap samples of whole groups.
"""

from collections.abc import Sequence
from functools import partial

import machine
import numpy as np

from ldosml import DOSModel, Evaluation
from ldosml.studies import Errors, RegressorComparison
from ldosml.studies.folds import descriptor_rows, evaluated_folds, fold_of_each, pooled


def evaluations_of(
    data, folds, settings: dict[str, list], low: float | None, high: float | None
) -> tuple[dict[str, Evaluation], dict[str, float]]:
    """Evaluate every setting, which may differ from fold to fold; median seconds of a fit with its predictions.

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
    evaluations, seconds = {}, {}
    for name, each in settings.items():
        found = [done[number, repr(setting)] for number, setting in enumerate(each)]
        evaluations[name] = pooled([evaluation for _, evaluation in found], folds)
        seconds[name] = float(np.median([time for time, _ in found]))
    return evaluations, seconds


def compare(
    results: machine.Results,
    title: str,
    data,
    folds,
    settings: dict[str, list],
    low: float | None,
    high: float | None,
    temperatures: Sequence[float] = (),
) -> None:
    """Add a table: pooled losses, the differences with their intervals, and the losses by fold.

    For each of the temperatures (K) also a table of derived properties, from the DOS at all energies between ``low``
    and ``high``.
    """
    evaluations, seconds = evaluations_of(data, folds, settings, low, high)
    errors = {name: Errors.of(evaluation, fold_of_each(folds)) for name, evaluation in evaluations.items()}
    found = _records(errors, data, folds)
    for name in errors:
        row: dict[str, object] = {"setting": name}
        for quantity, label in (("ldos", "LDOS"), ("dos", "DOS")):
            row |= _cells(found[name, quantity], label, first=name == next(iter(errors)))
            row[f"{label}, by fold"] = " ".join(f"{loss:.3f}" for loss in errors[name].by_fold(quantity).values())
        results.add(f"L/sigma on {title}", row | {"fit of a fold (s)": seconds[name]})
    for temperature in temperatures:
        errors = {
            name: Errors.of(evaluation, fold_of_each(folds), temperature=temperature)
            for name, evaluation in evaluations.items()
        }
        found = _records(errors, data, folds)
        for quantity in next(iter(errors.values())).quantities:
            if quantity in ("ldos", "dos"):
                continue
            for name in errors:
                row = {"quantity": quantity, "setting": name}
                row |= _cells(found[name, quantity], "L/sigma", first=name == next(iter(errors)))
                results.add(f"properties of {title} at {temperature:g} K", row)


def _records(errors: dict[str, Errors], data, folds) -> dict[tuple[str, str], dict]:
    """Pooled losses, and differences from the first setting with their intervals, by setting and quantity."""
    tested = np.sort(np.concatenate([test for _, test in folds]))
    comparison = RegressorComparison(errors, [data.groups[s] for s in tested], None, {})
    return {(row["regressor"], row["quantity"]): row for row in comparison.records(n_draws=10_000)}


def _cells(record: dict, label: str, *, first: bool) -> dict[str, object]:
    low, high = record["difference_low"], record["difference_high"]
    change = None if first else f"{record['difference']:+.4f} [{low:+.4f}, {high:+.4f}]"
    return {label: record["loss"], f"{label}, difference": change}
