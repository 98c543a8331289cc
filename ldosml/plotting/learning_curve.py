"""The figure of learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from ldosml.plotting.figure import Figure
from ldosml.plotting.labels import LOSS_LABEL, quantity_name, regressor_name
from ldosml.plotting.panels import NOISE, by_set, draw_losses, label_log_axis, legend_above, panels, titled
from ldosml.plotting.style import FONT, SMALL_FONT, looks
from ldosml.studies.learning_curve import LearningCurve

_ROOM = 0.5  # of the drawn range, added below it for the slopes


def learning_curve_figure(
    curves: LearningCurve | Mapping[str, LearningCurve], quantities: Sequence[str] = ("dos",)
) -> Figure:
    """L/sigma against the number of training environments, on logarithmic axes, one panel per dataset and quantity.

    Arranged like figure 3 of Aryanpour and Sadeghi (2025). Bands extend from the best to the worst fold. Each panel
    shows the slopes: mean and standard deviation over the folds.

    Parameters
    ----------
    curves : LearningCurve, or dict of LearningCurve
        Several curves by the names of their datasets.
    quantities : sequence of str
        From ``LearningCurve.quantities``.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When there are no curves or no quantities, or a quantity has no errors.
    """
    drawn = [(name, curve, quantity) for name, curve in by_set(curves).items() for quantity in quantities]
    if not drawn:
        raise ValueError("A figure of learning curves needs at least one quantity; got none.")
    figure, axes = panels(len(drawn), 2.6, above=0.3)
    for ax, (name, curve, quantity) in zip(axes, drawn, strict=True):
        _draw(ax, curve, quantity)
        ax.set_title(titled(name, quantity_name(quantity)), fontsize=FONT, parse_math=False)
        if ax.get_subplotspec().is_first_col():  # type: ignore[union-attr]
            ax.set_ylabel(LOSS_LABEL, fontsize=FONT)
    legend_above(figure, axes, columns=2 if len(axes) == 1 else 4)
    return figure


def plot_learning_curve(ax: Axes, curve: LearningCurve, quantity: str = "dos") -> None:
    """Draw one panel of ``learning_curve_figure``, without the legend of the regressors.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    curve : LearningCurve
    quantity : str
        Of ``LearningCurve.quantities``.

    Raises
    ------
    ValueError
        When the quantity has no errors.
    """
    _draw(ax, curve, quantity)
    ax.set_ylabel(f"{quantity_name(quantity)}, {LOSS_LABEL}", fontsize=FONT)


def _draw(ax: Axes, curve: LearningCurve, quantity: str) -> None:
    for name, look in looks(curve.regressors).items():
        sizes, _ = curve.curve(name, quantity)
        errors = [curve.errors[name, size] for size in curve.sizes]
        draw_losses(ax, sizes.mean(axis=1), errors, quantity, look, regressor_name(name))
    if quantity in curve.noise:
        ax.axhline(curve.noise[quantity], **NOISE)
    ax.set_xscale("log")
    ax.set_yscale("log")
    _write_slopes(ax, curve, quantity)
    ax.tick_params(labelsize=SMALL_FONT)
    for axis in (ax.xaxis, ax.yaxis):
        label_log_axis(axis)
    ax.set_xlabel("training environments", fontsize=FONT)


def _write_slopes(ax: Axes, curve: LearningCurve, quantity: str) -> None:
    """Write slopes and their deviations beside the marker of each regressor, below the curves."""
    lines = {line.get_label(): line for line in ax.lines}
    told = {}
    for name in curve.regressors:
        slope, spread = curve.slope(name, quantity)
        if np.isfinite(slope):
            told[regressor_name(name)] = f"{slope:.2f} ± {spread:.2f}" if np.isfinite(spread) else f"{slope:.2f}"
    if not told:
        return
    low, high = ax.get_ylim()
    ax.set_ylim(low * (low / high) ** _ROOM, high)
    legend = ax.legend(
        [lines[label] for label in told],
        list(told.values()),
        title="slope",
        alignment="left",
        loc="lower left",
        frameon=False,
        fontsize=SMALL_FONT,
        title_fontsize=SMALL_FONT,
        handlelength=1.6,
        labelspacing=0.2,
        borderaxespad=0.2,
    )
    legend.set_in_layout(False)
