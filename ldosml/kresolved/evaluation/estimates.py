"""Scores over crystals, each with a bootstrap interval.

A score is a function of how often each crystal counts, (n_draws, n_crystals) -> (n_draws,): once each for the value,
as drawn with replacement for the interval.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldosml.bootstrap import interval

Floats = NDArray[np.float64]
Score = Callable[[Floats], Floats]

_NO_SPREAD = 1e-18  # below this a variance is rounding


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % bootstrap interval over crystals.

    Parameters
    ----------
    value : float
        The number; NaN where it is not defined.
    low, high : float
        Ends of the interval; NaN where there is none.

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
        """Value and interval for JSON, which has no NaN.

        Returns
        -------
        dict
            ``value``, ``low`` and ``high``; None instead of NaN.
        """
        return {name: finite_or_none(getattr(self, name)) for name in ("value", "low", "high")}


def finite_or_none(value: float) -> float | None:
    """A float, or None where it is not a finite number."""
    return float(value) if np.isfinite(value) else None


def estimate(score: Score, draws: Floats) -> Estimate:
    """Value with every crystal once, interval from ``draws`` (n_draws, n_crystals)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(score(np.ones((1, draws.shape[1])))[0])
        return Estimate(value, *interval(score(draws)))


def mean_of(values: Floats, included: NDArray[np.bool_] | None = None) -> Score:
    """Mean of ``values`` (n_crystals,) over the crystals that are ``included``."""
    mask = np.ones(len(values)) if included is None else included.astype(np.float64)
    kept = np.where(mask > 0, values, 0.0)  # excluded values may be NaN
    return lambda draws: (draws @ kept) / (draws @ mask)


def f1_of(true: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> Score:
    """F1 = 2 TP / (2 TP + FP + FN) of one class, (n_crystals,)."""
    found = (true & predicted).astype(np.float64)
    wrong = (true != predicted).astype(np.float64)
    return lambda draws: 2 * (draws @ found) / (2 * (draws @ found) + draws @ wrong)


def pearson_of(true: Sequence[Floats], predicted: Sequence[Floats]) -> Score:
    """Pearson's r of all values of all crystals together; each crystal has an array (n_values,)."""
    x_mean, y_mean = (np.concatenate(one).mean() for one in (true, predicted))
    sums = np.array(
        [_sums(x - x_mean, y - y_mean) for x, y in zip(true, predicted, strict=True)]
    )  # about the means, so that differences of sums lose no digits

    def score(draws: Floats) -> Floats:
        n, x, y, xx, yy, xy = (draws @ sums).T
        variances = [xx / n - (x / n) ** 2, yy / n - (y / n) ** 2]
        spread = np.minimum(*variances) > _NO_SPREAD
        product = np.sqrt(np.where(spread, variances[0] * variances[1], np.nan))
        result: Floats = (xy / n - x * y / n**2) / product
        return result

    return score


def _sums(x: Floats, y: Floats) -> list[float]:
    return [len(x), x.sum(), y.sum(), x @ x, y @ y, x @ y]


def estimates_table(columns: Mapping[str, Mapping[str, Estimate]]) -> str:
    """Make a Markdown table with a column for each model and a row for each score.

    Parameters
    ----------
    columns : mapping of mappings
        Estimates by the name of the score, by the name of the model. A model may lack some scores.

    Returns
    -------
    str

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
