"""Figures of properties derived from predicted spectra beside those from the true spectra."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ldosml.plotting.labels import power_of_ten, property_name, unit_text
from ldosml.plotting.parity import draw_counts, draw_error_counts, draw_points
from ldosml.plotting.style import BLUE, FONT, GREY, PAGE_WIDTH, SMALL_FONT, VERMILLION
from ldosml.properties.comparison import Comparison

_LONGEST_BAR = 1.5  # L/sigma; what is worse is told by the number beside the bar


def property_parity_figure(comparisons: Sequence[Comparison]) -> Figure:
    """Predicted against true values, a panel for each property; below each, how often each error occurs.

    Arranged as figure 2 of Aryanpour and Sadeghi (2025). A point is a structure, and on the diagonal a prediction is
    exact. Spectra, with a value at each photon energy, are counted instead, on a logarithmic scale of colours. Values
    are in ``Comparison.unit``, divided by a power of ten where they are small; both axes of a panel are the same.

    Parameters
    ----------
    comparisons : sequence of Comparison
        What ``compare_properties`` gives; three fit beside each other.

    Raises
    ------
    ValueError
        When there are none, or one has no value that the true and the predicted spectra both know.
    """
    _check_values(comparisons)
    columns = 2 if len(comparisons) == 4 else min(3, len(comparisons))
    rows = -(-len(comparisons) // columns)
    figure = Figure(figsize=(PAGE_WIDTH * columns / 3, 3.35 * rows), layout="constrained")
    axes = figure.subplots(2 * rows, columns, height_ratios=(3.2, 1) * rows, squeeze=False)
    for place in range(rows * columns):
        row, column = divmod(place, columns)
        upper, lower = axes[2 * row, column], axes[2 * row + 1, column]
        if place < len(comparisons):
            _draw_parity(upper, lower, comparisons[place])
            continue
        upper.remove()
        lower.remove()
    return figure


def property_losses_figure(
    comparisons: Sequence[Comparison],
    others: Sequence[Comparison] | None = None,
    labels: tuple[str, str] = ("learned from LDOS", "learned from DOS"),
) -> Figure:
    """L/sigma of each property as a bar: 0 is perfect, 1 (the line) is what the mean of the true values achieves.

    Arranged as figure 4 of Aryanpour and Sadeghi (2025).

    Parameters
    ----------
    comparisons : sequence of Comparison
        Drawn in this order, from the top.
    others : sequence of Comparison, optional
        The same properties by another model, drawn beside them.
    labels : (str, str)
        Names of the two models; not drawn for one alone.

    Raises
    ------
    ValueError
        When there are none, or ``others`` are not the same properties at the same temperatures.
    """
    _check_values(comparisons)
    series = [comparisons] if others is None else [comparisons, others]
    names = [[property_name(c.name, c.temperature) for c in one] for one in series]
    if names[0] != names[-1]:
        raise ValueError(f"others must be the same properties in the same order: {names[0]}; got {names[-1]}.")
    figure = Figure(
        figsize=(PAGE_WIDTH, 0.9 + 0.34 * len(names[0]) * (1 + 0.4 * (len(series) - 1))), layout="constrained"
    )
    ax = figure.subplots()
    losses = np.array([[c.normalized_loss for c in one] for one in series])
    _draw_bars(ax, losses, labels)
    ax.set_yticks(range(len(names[0])), names[0], fontsize=FONT)
    ax.set_ylim(len(names[0]) - 0.4, -0.6)
    if others is not None:
        figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=SMALL_FONT)
    return figure


def _check_values(comparisons: Sequence[Comparison]) -> None:
    if not comparisons:
        raise ValueError("There is nothing to draw: no comparisons were given.")
    for comparison in comparisons:
        if not _known(comparison).any():
            raise ValueError(f"No structure has a {comparison.name} in both the true and the predicted spectra.")


def _known(comparison: Comparison) -> NDArray[np.bool_]:
    return np.isfinite(comparison.true) & np.isfinite(comparison.predicted)


def _draw_parity(upper: Axes, lower: Axes, comparison: Comparison) -> None:
    known, spectra = _known(comparison), comparison.true.ndim > 1
    pair = comparison.true[known], comparison.predicted[known]
    exponent = power_of_ten(*pair)
    true, predicted = (values / 10.0**exponent for values in pair)
    unit = unit_text(comparison.unit, exponent) or "number"
    if spectra:
        draw_counts(upper, true, predicted, unit, bins=60)
    else:
        draw_points(upper, true, predicted, unit)
    bins = 31 if spectra else int(np.clip(2 * np.sqrt(true.size), 11, 41)) // 2 * 2 + 1  # odd: one around zero
    draw_error_counts(lower, predicted - true, unit, bins=bins, log=spectra)
    name = property_name(comparison.name, comparison.temperature)
    upper.set_title(f"{name}\nL/σ {_loss_text(comparison.normalized_loss)}", fontsize=FONT)
    _fit_labels(upper, lower, unit)


def _fit_labels(upper: Axes, lower: Axes, unit: str) -> None:
    """Labels and ticks for a panel that is a third of the page wide."""
    lower.set_xlabel(f"error ({unit})")
    lower.set_ylabel("count")
    for axis in (upper.xaxis, upper.yaxis, lower.xaxis, lower.yaxis):
        axis.label.set_fontsize(SMALL_FONT)
    for axis in (upper.xaxis, upper.yaxis, lower.xaxis):
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))


def _loss_text(loss: float) -> str:
    return f"= {loss:.3f}" if np.isfinite(loss) else "not known"


def _draw_bars(ax: Axes, losses: NDArray[np.float64], labels: Sequence[str]) -> None:
    """Bars of ``losses`` (n_series, n_properties), each with its number."""
    end = min(1.15 * np.nanmax(losses, initial=0.1), _LONGEST_BAR)
    height = 0.7 / len(losses)
    for number, (row, color, label) in enumerate(zip(losses, (BLUE, VERMILLION), labels, strict=False)):
        places = np.arange(len(row)) + (number - (len(losses) - 1) / 2) * height
        ax.barh(places, np.nan_to_num(row), height * 0.92, color=color, label=label)
        for place, loss in zip(places, row, strict=True):
            _write_loss(ax, float(loss), float(place), end)
    if end > 1:
        ax.axvline(1, color=GREY, linestyle=":", linewidth=1)
    ax.set_xlim(0, end)
    ax.set_xlabel("normalised loss L/σ", fontsize=FONT)
    ax.tick_params(labelsize=SMALL_FONT)


def _write_loss(ax: Axes, loss: float, place: float, end: float) -> None:
    """The number of a bar: behind it, or within where the bar is cut off."""
    if loss > end:
        ax.text(end, place, f"{loss:.3f} → ", color="white", ha="right", va="center", fontsize=SMALL_FONT)
    elif np.isfinite(loss):
        ax.text(loss, place, f" {loss:.3f}", va="center", fontsize=SMALL_FONT)
    else:
        ax.text(0, place, " not known: all true values are the same", va="center", fontsize=SMALL_FONT)
