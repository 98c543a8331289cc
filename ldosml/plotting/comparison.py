"""The figure of a comparison of regressors: their errors, and the differences between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ldosml._journal import Record
from ldosml._ranges import check_arguments
from ldosml.plotting.figure import Figure
from ldosml.plotting.labels import LOSS_LABEL, quantity_name, regressor_name, without_loss
from ldosml.plotting.losses import LONGEST_BAR
from ldosml.plotting.panels import NOISE, legend_above
from ldosml.plotting.style import FONT, GREY, PAGE_WIDTH, PAPER, SMALL_FONT, looks
from ldosml.studies.comparison import RegressorComparison

_SHARE = 0.8  # of a quantity's place that its bars fill
_FULL = 0.86  # of an axis: beyond this there is no room for a number

Table = dict[tuple[str, str], Record]
"""Records by regressor and quantity."""


def comparison_figure(comparison: RegressorComparison, *, n_draws: int = 1000) -> Figure:
    """L/sigma of each quantity for each regressor (left), and the difference from the first regressor (right).

    Arranged like figure 4 of Aryanpour and Sadeghi (2025). Whiskers are 95 % intervals of a bootstrap over
    trajectories. The differences are paired: both regressors are evaluated on the same draws. A whisker that does not
    reach zero means that one regressor is better on this set, beyond the choice of trajectories. Quantities with
    L/sigma above 1.5 do not stretch the axes: their bars are cut off and show their number, and their differences
    and intervals are written as text. Words stand in place of bars where L/sigma says nothing (see
    ``property_losses_figure``). A quantity that some structures lack shows the number of structures.

    Parameters
    ----------
    comparison : RegressorComparison
        Regressors named "ldos", "dos" and "both" are labelled by what they learned from.
    n_draws : int
        Number of bootstrap draws.

    Returns
    -------
    matplotlib.figure.Figure
    """
    check_arguments(n_draws=n_draws)
    table, quantities, names = _table(comparison, n_draws), comparison.quantities, comparison.regressors
    beyond = _beyond(table)
    height = 0.9 + len(quantities) * (0.16 + 0.14 * len(names))
    figure = Figure(figsize=(PAGE_WIDTH, height), layout="constrained")
    axes = figure.subplots(1, min(2, len(names)), sharey=True, squeeze=False, width_ratios=(3, 2)[: len(names)])[0]
    _draw_losses(axes[0], table, quantities, names, beyond)
    if len(names) > 1:
        _draw_differences(axes[1], table, quantities, names, beyond)
    _finish_rows(axes[0], table, comparison)
    for ax in axes[1:]:
        _part_rows(ax, len(quantities))
    legend_above(figure, axes[:1], columns=len(names) + 1)
    return figure


def plot_comparison(ax: Axes, comparison: RegressorComparison, *, n_draws: int = 1000) -> None:
    """Draw the left panel of ``comparison_figure``, L/sigma, without its legend.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    comparison : RegressorComparison
    n_draws : int
        Number of bootstrap draws.
    """
    check_arguments(n_draws=n_draws)
    table = _table(comparison, n_draws)
    _draw_losses(ax, table, comparison.quantities, comparison.regressors, _beyond(table))
    _finish_rows(ax, table, comparison)


def _table(comparison: RegressorComparison, n_draws: int) -> Table:
    return {
        (row["regressor"], row["quantity"]): row | {"words": _words(comparison, row)}
        for row in comparison.records(n_draws=n_draws)
    }


def _beyond(table: Table) -> set[str]:
    """Quantities that do not stretch the axes."""
    return {quantity for (_, quantity), row in table.items() if row["words"] or row["loss"] > LONGEST_BAR}


def _finish_rows(ax: Axes, table: Table, comparison: RegressorComparison) -> None:
    """Name the quantities, the first on top."""
    quantities, names, total = comparison.quantities, comparison.regressors, len(comparison.groups)
    ax.set_yticks(range(len(quantities)), [_row_name(table, quantity, names, total) for quantity in quantities])
    ax.set_ylim(len(quantities) - 0.5, -0.5)
    _part_rows(ax, len(quantities))


def _part_rows(ax: Axes, count: int) -> None:
    ax.tick_params(axis="x", labelsize=SMALL_FONT)
    ax.tick_params(axis="y", labelsize=FONT, length=0)
    for edge in np.arange(count - 1) + 0.5:
        ax.axhline(edge, color="0.85", linewidth=0.6, zorder=0)


def _words(comparison: RegressorComparison, row: Record) -> str:
    """Words in place of the bar of a record; empty where it has one."""
    if not row["n_structures"]:
        return "no structure has it"
    sigma = comparison.errors[row["regressor"]].sigma[row["quantity"]]
    return without_loss(row["quantity"], sigma, row["rmse"], row["unit"])


def _row_name(table: Table, quantity: str, names: Sequence[str], total: int) -> str:
    """Name of a quantity; for a property that some structures lack, also how many have it."""
    fewest = min(table[name, quantity]["n_structures"] for name in names)
    lacking = fewest < total and not quantity.startswith("ldos ")  # an element is not in every structure
    return quantity_name(quantity) + (f"\n({fewest} of {total} structures)" if lacking else "")


def _places(count: int, number: int, of: int) -> NDArray[np.float64]:
    """Vertical positions of the bars of one regressor, (count,)."""
    return np.arange(count, dtype=np.float64) + float((number - (of - 1) / 2) * _SHARE / of)


def _end(table: Table, left_out: set[str], names: Sequence[str]) -> float:
    """Largest absolute value of the entries ``names``, over the quantities that set the axis limits."""
    values = [abs(row[name]) for (_, quantity), row in table.items() if quantity not in left_out for name in names]
    return max((value for value in values if np.isfinite(value)), default=0.0) or 1.0


def _draw_losses(ax: Axes, table: Table, quantities: Sequence[str], names: Sequence[str], beyond: set[str]) -> None:
    end = 1.25 * _end(table, beyond, ("loss", "high"))
    for number, (name, (color, _)) in enumerate(looks(names).items()):
        rows = [table[name, quantity] for quantity in quantities]
        places = _places(len(quantities), number, len(names))
        losses = [0.0 if row["words"] else row["loss"] for row in rows]
        ax.barh(places, losses, 0.9 * _SHARE / len(names), color=(color, 0.6), label=regressor_name(name))
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
    """Whisker and number of a bar: the number follows both, or stands at the end of the axis where room is short."""
    loss = row["loss"]
    options: dict[str, Any] = {"va": "center_baseline", "fontsize": SMALL_FONT}
    if row["words"]:
        ax.text(0.01 * end, place, row["words"], bbox=PAPER, **options)
    elif loss > end:
        ax.text(end, place, f"{loss:.3f} → ", ha="right", **options)
    else:
        ax.plot([row["low"], row["high"]], [place, place], "-", color="black", linewidth=0.9)
        reached = np.nanmax([loss, row["high"]])
        if reached > _FULL * end:
            ax.text(0.985 * end, place, f"{loss:.3f}", ha="right", bbox=PAPER, **options)
        else:
            ax.text(reached + 0.01 * end, place, f"{loss:.3f}", bbox=PAPER, **options)


def _draw_differences(
    ax: Axes, table: Table, quantities: Sequence[str], names: Sequence[str], beyond: set[str]
) -> None:
    entries = ("difference", "difference_low", "difference_high")
    end = 1.1 * _end(table, beyond, entries)
    for number, (name, (color, marker)) in enumerate(looks(names).items()):
        if number == 0:
            continue
        for place, quantity in zip(_places(len(quantities), number, len(names)), quantities, strict=True):
            difference, low, high = (float(table[name, quantity][entry]) for entry in entries)
            if table[name, quantity]["words"]:
                continue
            if quantity in beyond:
                told = f"{difference:+.2f} ({low:+.2f} to {high:+.2f})"
                ax.text(0, place, told, ha="center", va="center_baseline", fontsize=SMALL_FONT, bbox=PAPER)
            else:
                ax.plot([low, high], [place, place], "-", color=color, linewidth=1.2)
                ax.plot([difference], [place], marker, color=color, markersize=4, label=regressor_name(name))
    ax.axvline(0, color=GREY, linewidth=1, zorder=0)
    ax.set_xlim(-end, end)
    ax.set_xlabel(f"L/σ − L/σ ({regressor_name(names[0])})", fontsize=FONT)
