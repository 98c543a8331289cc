"""The figure of ways of learning: their errors, and the differences between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ldosml._journal import Record
from ldosml.plotting.labels import LOSS_LABEL, quantity_name
from ldosml.plotting.panels import NOISE, legend_above
from ldosml.plotting.style import FONT, GREY, PAGE_WIDTH, SMALL_FONT, looks
from ldosml.studies.comparison import RegressorComparison

_LONGEST_BAR = 1.5  # L/sigma; quantities that go beyond do not stretch the axes
_SHARE = 0.8  # of a quantity's place that its bars fill

_FULL = 0.86  # of an axis: beyond there is no room for a number
_PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}

Table = dict[tuple[str, str], Record]
"""Records by regressor and quantity."""


def comparison_figure(comparison: RegressorComparison, *, n_draws: int = 1000) -> Figure:
    """L/sigma of each quantity by each regressor, and beside it how far each is from the first regressor.

    Arranged as figure 4 of Aryanpour and Sadeghi (2025). Whiskers hold 95 % of a bootstrap over trajectories. The
    differences are paired: both regressors are judged on the same draws, and where the whisker does not reach the line
    at zero, one of them is better on this set beyond the chance of which trajectories it holds. Quantities with an
    L/sigma above 1.5 do not stretch the axes: their bars are cut off and tell the number, and their differences and
    intervals are written.

    Parameters
    ----------
    comparison : RegressorComparison
    n_draws : int
        Of the bootstrap.
    """
    table = {(row["regressor"], row["quantity"]): row for row in comparison.records(n_draws=n_draws)}
    quantities, names = comparison.quantities, comparison.regressors
    beyond = {quantity for (_, quantity), row in table.items() if row["loss"] > _LONGEST_BAR}
    height = 0.9 + len(quantities) * (0.16 + 0.14 * len(names))
    figure = Figure(figsize=(PAGE_WIDTH, height), layout="constrained")
    axes = figure.subplots(1, min(2, len(names)), sharey=True, squeeze=False, width_ratios=(3, 2)[: len(names)])[0]
    _draw_losses(axes[0], table, quantities, names, beyond)
    if len(names) > 1:
        _draw_differences(axes[1], table, quantities, names, beyond)
    axes[0].set_yticks(range(len(quantities)), [quantity_name(name) for name in quantities])
    axes[0].set_ylim(len(quantities) - 0.5, -0.5)
    for ax in axes:
        ax.tick_params(axis="x", labelsize=SMALL_FONT)
        ax.tick_params(axis="y", labelsize=FONT, length=0)
        for edge in np.arange(len(quantities) - 1) + 0.5:
            ax.axhline(edge, color="0.85", linewidth=0.6, zorder=0)
    legend_above(figure, axes[:1], columns=len(names) + 1)
    return figure


def _places(count: int, number: int, of: int) -> NDArray[np.float64]:
    """Where the bars of one regressor are, (count,)."""
    return np.arange(count, dtype=np.float64) + float((number - (of - 1) / 2) * _SHARE / of)


def _end(table: Table, left_out: set[str], names: Sequence[str]) -> float:
    """The largest of the entries ``names`` of the quantities that the axes are made for."""
    values = [abs(row[name]) for (_, quantity), row in table.items() if quantity not in left_out for name in names]
    return max((value for value in values if np.isfinite(value)), default=0.0) or 1.0


def _draw_losses(ax: Axes, table: Table, quantities: Sequence[str], names: Sequence[str], beyond: set[str]) -> None:
    end = 1.25 * _end(table, beyond, ("loss", "high"))
    for number, (name, (color, _)) in enumerate(looks(names).items()):
        rows = [table[name, quantity] for quantity in quantities]
        places = _places(len(quantities), number, len(names))
        losses = np.nan_to_num([row["loss"] for row in rows])
        ax.barh(places, losses, 0.9 * _SHARE / len(names), color=(color, 0.6), label=name)
        for place, row in zip(places, rows, strict=True):
            _finish_bar(ax, row, float(place), end)
    for place, quantity in enumerate(quantities):
        noise = table[names[0], quantity]["label_noise"]
        if noise is not None and quantity not in beyond:
            ax.plot([noise, noise], [place - 0.45, place + 0.45], **{**NOISE, "linestyle": "-"})
    if end > 1:
        ax.axvline(1, color=GREY, linestyle=":", linewidth=1)
    ax.set_xlim(0, end)
    ax.set_xlabel(LOSS_LABEL, fontsize=FONT)


def _finish_bar(ax: Axes, row: Record, place: float, end: float) -> None:
    """Whisker and number of a bar: behind both, or at the end of the axis where there is no room behind."""
    loss = row["loss"]
    options: dict[str, Any] = {"va": "center_baseline", "fontsize": SMALL_FONT}
    if not np.isfinite(loss):
        ax.text(0, place, " not known", **options)
    elif loss > end:
        ax.text(end, place, f"{loss:.3f} → ", ha="right", **options)
    else:
        ax.plot([row["low"], row["high"]], [place, place], "-", color="black", linewidth=0.9)
        reached = np.nanmax([loss, row["high"]])
        if reached > _FULL * end:
            ax.text(0.985 * end, place, f"{loss:.3f}", ha="right", bbox=_PAPER, **options)
        else:
            ax.text(reached, place, f" {loss:.3f}", **options)


def _draw_differences(
    ax: Axes, table: Table, quantities: Sequence[str], names: Sequence[str], beyond: set[str]
) -> None:
    end = 1.1 * _end(table, beyond, ("difference", "difference_low", "difference_high"))
    for number, (name, (color, marker)) in enumerate(looks(names).items()):
        if number == 0:
            continue
        for place, quantity in zip(_places(len(quantities), number, len(names)), quantities, strict=True):
            found = (table[name, quantity][key] for key in ("difference", "difference_low", "difference_high"))
            difference, low, high = (float(value) for value in found)
            if quantity in beyond:
                told = f"{difference:+.2f} ({low:+.2f} to {high:+.2f})"
                _write_difference(ax, told, float(place))
            else:
                ax.plot([low, high], [place, place], "-", color=color, linewidth=1.2)
                ax.plot([difference], [place], marker, color=color, markersize=4, label=name)
    ax.axvline(0, color=GREY, linewidth=1, zorder=0)
    ax.set_xlim(-end, end)
    ax.set_xlabel(f"difference to {names[0]}", fontsize=FONT)


def _write_difference(ax: Axes, told: str, place: float) -> None:
    ax.text(0, place, told, ha="center", va="center_baseline", fontsize=SMALL_FONT, bbox=_PAPER)
