"""Figures of merit over crystals, each with the interval that drawing the crystals again gives.

A figure of merit is a function of how often each crystal counts, (n_draws, n_crystals) -> (n_draws,): once each for its
value, as drawn with replacement for its interval.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldosml.bootstrap import interval

Floats = NDArray[np.float64]
Merit = Callable[[Floats], Floats]

_NO_SPREAD = 1e-18  # below this a variance is rounding


@dataclass(frozen=True)
class Estimate:
    """A number, and the 95 % interval of a bootstrap over crystals; NaN where there is none.

    Examples
    --------
    >>> str(Estimate(0.39, 0.3512, 0.4301)), str(Estimate(0.39))
    ('0.390 (0.351 to 0.430)', '0.390')
    """

    value: float
    low: float = float("nan")
    high: float = float("nan")

    def __str__(self) -> str:
        """Value and interval."""
        if np.isnan(self.low):
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"

    def to_dict(self) -> dict[str, float | None]:
        """Value and interval as JSON has them, which knows no NaN."""
        return {name: plain(getattr(self, name)) for name in ("value", "low", "high")}


def plain(value: float) -> float | None:
    """A float, or None where it is not a finite number."""
    return float(value) if np.isfinite(value) else None


def estimate(merit: Merit, draws: Floats) -> Estimate:
    """Value with every crystal once, interval from ``draws`` (n_draws, n_crystals)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(merit(np.ones((1, draws.shape[1])))[0])
        return Estimate(value, *interval(merit(draws)))


def mean_of(values: Floats, counted: NDArray[np.bool_] | None = None) -> Merit:
    """Mean of ``values`` (n_crystals,), over those that are ``counted``."""
    mask = np.ones(len(values)) if counted is None else counted.astype(np.float64)
    kept = np.where(mask > 0, values, 0.0)  # one that is not counted may be anything
    return lambda draws: (draws @ kept) / (draws @ mask)


def f1_of(reference: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> Merit:
    """F1 = 2 TP / (2 TP + FP + FN) of the crystals of a class, (n_crystals,)."""
    found = (reference & predicted).astype(np.float64)
    wrong = (reference != predicted).astype(np.float64)
    return lambda draws: 2 * (draws @ found) / (2 * (draws @ found) + draws @ wrong)


def pearson_of(reference: Sequence[Floats], predicted: Sequence[Floats]) -> Merit:
    """Pearson's r of all values of all crystals together, those of each crystal (n_values,)."""
    x_mean, y_mean = (np.concatenate(one).mean() for one in (reference, predicted))
    sums = np.array(
        [_sums(x - x_mean, y - y_mean) for x, y in zip(reference, predicted, strict=True)]
    )  # about the means, so that differences of sums lose no digits

    def merit(draws: Floats) -> Floats:
        n, x, y, xx, yy, xy = (draws @ sums).T
        variances = [xx / n - (x / n) ** 2, yy / n - (y / n) ** 2]
        spread = np.minimum(*variances) > _NO_SPREAD
        product = np.sqrt(np.where(spread, variances[0] * variances[1], np.nan))
        result: Floats = (xy / n - x * y / n**2) / product
        return result

    return merit


def _sums(x: Floats, y: Floats) -> list[float]:
    return [len(x), x.sum(), y.sum(), x @ x, y @ y, x @ y]


def estimates_table(columns: Mapping[str, Mapping[str, Estimate]]) -> str:
    """Markdown table: a column for each model, a row for each figure of merit that one of them has.

    Examples
    --------
    >>> print(estimates_table({"paper": {"gap MAE (eV)": Estimate(0.39)}, "ours": {"gap MAE (eV)": Estimate(0.5)}}))
    | | paper | ours |
    | --- | --- | --- |
    | gap MAE (eV) | 0.390 | 0.500 |
    """
    rows = list(dict.fromkeys(row for column in columns.values() for row in column))
    lines = [f"| | {' | '.join(columns)} |", "| --- |" + " --- |" * len(columns)]
    for row in rows:
        lines.append(f"| {row} | {' | '.join(str(column.get(row, '')) for column in columns.values())} |")
    return "\n".join(lines)
