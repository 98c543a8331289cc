"""Parity figures: predicted against true values, and how often each error occurs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ldosml._array import to_numpy
from ldosml.evaluation import NAMES, Evaluation, Spectrum
from ldosml.plotting.figure import Figure
from ldosml.plotting.labels import power_of_ten, property_name, unit_text, without_loss
from ldosml.plotting.style import BLUE, FONT, PAGE_WIDTH, SMALL_FONT, VERMILLION
from ldosml.properties.comparison import Comparison
from ldosml.spectra import DOS

Floats = NDArray[np.float64]

_UNIT = "states/eV/atom"


def parity_figure(evaluation: Evaluation) -> Figure:
    """Predicted against true values of the LDOS (all atoms and energies) and of the DOS per atom.

    The colour shows the number of values, on a logarithmic scale. On the diagonal a prediction is exact. The lower
    panels count the errors, also on a logarithmic scale. Without a true LDOS, only the DOS is drawn.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    matplotlib.figure.Figure
    """
    losses, values = evaluation.losses(), spectrum_values(evaluation)
    figure = Figure(figsize=(PAGE_WIDTH * len(values) / 2, 4.7), layout="constrained")
    upper, lower = figure.subplots(2, len(values), height_ratios=(3, 1), squeeze=False)
    for ax, below, (key, (true, predicted)) in zip(upper, lower, values.items(), strict=True):
        _draw_counts(ax, true, predicted, _UNIT)
        ax.set_title(f"{NAMES[key]}, L/σ = {losses[f'{key}_normalized_loss']:.3f}", fontsize=FONT)
        _draw_error_counts(below, predicted - true, _UNIT)
    return figure


def property_parity_figure(comparisons: Sequence[Comparison]) -> Figure:
    """Predicted against true values of properties, one panel each; below each panel, how often each error occurs.

    Arranged like figure 2 of Aryanpour and Sadeghi (2025). A point is a structure. On the diagonal a prediction is
    exact. Titles show L/sigma, or words where it says nothing (see ``property_losses_figure``). Spectra have a value at
    each photon energy; their values are counted, and the colour shows the number on a logarithmic scale. Values are in
    ``Comparison.unit``, divided by a power of ten where they are small or large. Both axes of a panel have the same
    limits.

    Parameters
    ----------
    comparisons : sequence of Comparison
        From ``compare_properties``. Up to three are drawn side by side.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When there are no comparisons, or no structure has both a true and a predicted value of one property.
    """
    comparisons = with_both_values(comparisons)
    columns = 2 if len(comparisons) == 4 else min(3, len(comparisons))
    rows = -(-len(comparisons) // columns)
    figure = Figure(figsize=(PAGE_WIDTH * columns / 3, 3.35 * rows), layout="constrained")
    axes = figure.subplots(2 * rows, columns, height_ratios=(3.2, 1) * rows, squeeze=False)
    for place in range(rows * columns):
        row, column = divmod(place, columns)
        upper, lower = axes[2 * row, column], axes[2 * row + 1, column]
        if place < len(comparisons):
            _draw_property(upper, lower, comparisons[place])
            continue
        upper.remove()
        lower.remove()
    return figure


def spectrum_values(evaluation: Evaluation) -> dict[Spectrum, list[Floats]]:
    """True and predicted values of the LDOS and of the DOS per atom, (n_rows, n_energies), states/eV/atom."""
    return {
        key: [to_numpy(s.per_atom() if isinstance(s, DOS) else s.values) for s in pair]
        for key, pair in evaluation.compared().items()
    }


def with_both_values(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Keep the structures that have both values.

    Raises ValueError when there are no comparisons, or one has no such structure.
    """
    if not comparisons:
        raise ValueError("There is nothing to draw: no comparisons were given.")
    found = []
    for one in comparisons:
        both = (np.isfinite(one.true) & np.isfinite(one.predicted)).reshape(len(one.true), -1).all(axis=1)
        if not both.any():
            raise ValueError(f"No structure has a {one.name} from both the true and the predicted spectra.")
        found.append(replace(one, true=one.true[both], predicted=one.predicted[both]))
    return found


def instead_of_loss(comparison: Comparison) -> str:
    """Words in place of L/sigma where it says nothing; empty where it says something."""
    sigma = comparison.sigma
    rounding = 1e-12 * float(np.abs(comparison.true).max())
    return without_loss(comparison.name, sigma if sigma > rounding else 0.0, comparison.rmse, comparison.unit)


def _draw_property(upper: Axes, lower: Axes, comparison: Comparison) -> None:
    spectra, pair = comparison.true.ndim > 1, (comparison.true, comparison.predicted)
    exponent = power_of_ten(*pair)
    true, predicted = (values / 10.0**exponent for values in pair)
    unit = unit_text(comparison.unit, exponent) or "number"
    if spectra:
        _draw_counts(upper, true, predicted, unit, bins=60)
    else:
        _draw_points(upper, true, predicted, unit)
    bins = 31 if spectra else int(np.clip(2 * np.sqrt(true.size), 11, 41)) // 2 * 2 + 1  # odd: one bin around zero
    _draw_error_counts(lower, predicted - true, unit, bins=bins, log=spectra)
    told = instead_of_loss(comparison) or f"L/σ = {comparison.normalized_loss:.3f}"
    upper.set_title(f"{property_name(comparison.name, comparison.temperature)}\n{told}", fontsize=FONT)
    _fit_labels(upper, lower, unit)


def _fit_labels(upper: Axes, lower: Axes, unit: str) -> None:
    """Labels and ticks for a panel that is a third of the page wide."""
    lower.set_xlabel(f"error ({unit})")
    lower.set_ylabel("count")
    for axis in (upper.xaxis, upper.yaxis, lower.xaxis, lower.yaxis):
        axis.label.set_fontsize(SMALL_FONT)
    for axis in (upper.xaxis, upper.yaxis, lower.xaxis):
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))


def _draw_counts(ax: Axes, true: Floats, predicted: Floats, unit: str, *, bins: int = 120) -> None:
    """Count values (any shape, the same for both) in square bins, with a logarithmic colour scale."""
    low, high = _limits(true, predicted)
    edges = np.linspace(low, high, bins + 1)
    counts, _, _ = np.histogram2d(true.ravel(), predicted.ravel(), bins=(edges, edges))
    norm = LogNorm(vmin=1, vmax=max(counts.max(), 10))
    mesh = ax.pcolormesh(edges, edges, np.ma.masked_equal(counts.T, 0), cmap="cividis", norm=norm, rasterized=True)
    # An inset stays beside the axes, whose square box shrinks within its place; an ordinary colorbar would not.
    colorbar = ax.figure.colorbar(mesh, cax=ax.inset_axes((1.04, 0, 0.05, 1)))
    colorbar.set_label("number of values", fontsize=SMALL_FONT)
    colorbar.ax.tick_params(labelsize=SMALL_FONT)
    _finish(ax, low, high, unit)


def _draw_points(ax: Axes, true: Floats, predicted: Floats, unit: str) -> None:
    """Draw one point for each value (n_values,). The more points there are, the smaller and fainter they are."""
    crowd = min(1.0, len(true) / 1000)
    size, opacity = 18 - 13 * crowd, 0.75 - 0.35 * crowd
    ax.scatter(true, predicted, s=size, alpha=opacity, color=BLUE, linewidths=0, rasterized=True, zorder=3)
    low, high = _limits(true, predicted)
    margin = 0.05 * (high - low)
    _finish(ax, low - margin, high + margin, unit)


def _draw_error_counts(ax: Axes, errors: Floats, unit: str, *, bins: int = 51, log: bool = True) -> None:
    """Count errors (any shape) in bins that are symmetric about zero."""
    widest = float(np.abs(errors).max()) or 1.0
    ax.hist(errors.ravel(), bins=bins, range=(-widest, widest), color=BLUE, log=log)
    if log:
        ax.set_ylim(bottom=0.7)  # so that a bar of one value is visible
    else:
        ax.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    ax.axvline(0, color=VERMILLION, linewidth=0.8)
    ax.set_xlabel(f"predicted - DFT ({unit})", fontsize=FONT)
    ax.set_ylabel("number of values", fontsize=SMALL_FONT)
    ax.tick_params(labelsize=SMALL_FONT)


def _limits(true: Floats, predicted: Floats) -> tuple[float, float]:
    """Smallest and largest of all values, widened where all are the same."""
    low, high = (float(pick([pick(true), pick(predicted)])) for pick in (np.min, np.max))
    return (low, high) if high > low else (low - (abs(low) or 1.0) / 10, low + (abs(low) or 1.0) / 10)


def _finish(ax: Axes, low: float, high: float, unit: str) -> None:
    ax.plot([low, high], [low, high], color=VERMILLION, linewidth=0.8, label="exact")
    ax.set_xlim(low, high)
    ax.set_ylim(low, high)
    ax.set_box_aspect(1)
    ax.ticklabel_format(useOffset=False)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(5))
    ax.set_xlabel(f"DFT ({unit})", fontsize=FONT)
    ax.set_ylabel(f"predicted ({unit})", fontsize=FONT)
    ax.tick_params(labelsize=SMALL_FONT)
