"""Panels, legends and axes that the figures of studies share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, StrMethodFormatter
from numpy.typing import ArrayLike

from ldosml.plotting.figure import Figure
from ldosml.plotting.style import COLUMN_WIDTH, GREEN, GREY, PAGE_WIDTH, SMALL_FONT
from ldosml.studies.errors import Errors

Result = TypeVar("Result")

NOISE: Mapping[str, Any] = {"color": GREEN, "linestyle": "-.", "linewidth": 1.2, "label": "label noise"}
MEAN: Mapping[str, Any] = {"color": GREY, "linestyle": "--", "linewidth": 1.2, "label": "mean spectrum"}

_LOG_STEPS = ((1,), (1, 2, 5), (1, 2, 3, 5, 7), (1, 1.5, 2, 3, 4, 5, 6, 7, 8))
_FEWEST_TICKS = 3


def by_set(results: Result | Mapping[str, Result]) -> dict[str, Result]:
    """Results by the name of their dataset; a single result gets the name "".

    Raises ValueError when there are none.
    """
    found = dict(results) if isinstance(results, Mapping) else {"": results}
    if not found:
        raise ValueError("There is nothing to draw: no results were given.")
    return found


def titled(name: str, what: str) -> str:
    """Title of a panel: the name of the dataset, if it has one, and what is drawn."""
    return f"{name}: {what}" if name else what


def panels(count: int, height: float, *, above: float, sharey: bool = False) -> tuple[Figure, list[Axes]]:
    """Make ``count`` panels, ``height`` inches each, with ``above`` inches for a legend.

    One panel is as wide as a column. Two or three panels fill the width of the page.
    """
    columns = 2 if count == 4 else min(3, count)
    rows = -(-count // columns)
    width = COLUMN_WIDTH if count == 1 else PAGE_WIDTH
    figure = Figure(figsize=(width, height * rows + above), layout="constrained")
    axes = figure.subplots(rows, columns, sharey=sharey, squeeze=False)
    for ax in axes.flat[count:]:
        ax.remove()
    return figure, list(axes.flat[:count])


def draw_losses(
    ax: Axes, places: ArrayLike, errors: Sequence[Errors], quantity: str, look: tuple[str, str], label: str
) -> None:
    """L/sigma pooled over all folds as a line, and a band from the best fold to the worst."""
    color, marker = look
    folds = np.array([list(one.by_fold(quantity).values()) for one in errors])
    best, worst = np.fmin.reduce(folds, axis=1), np.fmax.reduce(folds, axis=1)  # NaN: the fold lacks the quantity
    ax.fill_between(places, best, worst, color=color, alpha=0.15, linewidth=0)
    pooled = [one.loss(quantity) for one in errors]
    ax.plot(places, pooled, "-", marker=marker, markersize=4, color=color, linewidth=1.2, label=label)


def legend_above(figure: Figure, axes: Iterable[Axes], *, columns: int) -> None:
    """Draw one legend above the panels, with each label once."""
    handles: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside upper center",
        ncols=columns,
        frameon=False,
        fontsize=SMALL_FONT,
        columnspacing=1.4,
    )


def label_log_axis(axis: Axis) -> None:
    """Label a logarithmic axis, whose limits are set, with plain numbers; fewer decades get more ticks each."""
    low, high = (float(end) for end in sorted(axis.get_view_interval()))
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for steps in _LOG_STEPS:
        ticks = [tick for tick in np.outer(decades, steps).ravel().tolist() if low <= tick <= high]
        if len(ticks) >= _FEWEST_TICKS:
            break
    else:
        ticks = list(MaxNLocator(_FEWEST_TICKS).tick_values(low, high))
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
