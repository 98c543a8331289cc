"""The figure of learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ldosml.plotting.labels import LOSS_LABEL, quantity_name
from ldosml.plotting.panels import NOISE, by_set, draw_losses, label_log_axis, legend_above, panels, titled
from ldosml.plotting.style import FONT, SMALL_FONT, looks
from ldosml.studies.learning_curve import LearningCurve

_ROOM = 0.5  # of what is drawn, below it


def learning_curve_figure(
    curves: LearningCurve | Mapping[str, LearningCurve], quantities: Sequence[str] = ("dos",)
) -> Figure:
    """L/sigma against the number of training environments, both on logarithmic scales: a panel a set and quantity.

    Arranged as figure 3 of Aryanpour and Sadeghi (2025). Bands run from the best fold to the worst; the slopes
    in the panels are means over the folds, with their standard deviation.

    Parameters
    ----------
    curves : LearningCurve, or dict of LearningCurve
        Several by the names of their sets.
    quantities : sequence of str
        Of ``LearningCurve.quantities``.

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
    legend_above(figure, axes, columns=2 if len(axes) == 1 else 5)
    return figure


def _draw(ax: Axes, curve: LearningCurve, quantity: str) -> None:
    for regressor, look in looks(curve.regressors).items():
        sizes, _ = curve.curve(regressor, quantity)
        errors = [curve.errors[regressor, size] for size in curve.sizes]
        draw_losses(ax, sizes.mean(axis=1), errors, quantity, look, regressor)
    if quantity in curve.noise:
        ax.axhline(curve.noise[quantity], **NOISE)
    ax.set_xscale("log")
    ax.set_yscale("log")
    _tell_slopes(ax, curve, quantity)
    ax.tick_params(labelsize=SMALL_FONT)
    for axis in (ax.xaxis, ax.yaxis):
        label_log_axis(axis)
    ax.set_xlabel("training environments", fontsize=FONT)


def _tell_slopes(ax: Axes, curve: LearningCurve, quantity: str) -> None:
    """Slopes and their deviations, behind the marker of each regressor, where room is made for them."""
    lines = {line.get_label(): line for line in ax.lines}
    told = {}
    for regressor in curve.regressors:
        slope, spread = curve.slope(regressor, quantity)
        if np.isfinite(slope):
            told[regressor] = f"{slope:.2f} ± {spread:.2f}" if np.isfinite(spread) else f"{slope:.2f}"
    if not told:
        return
    low, high = ax.get_ylim()
    ax.set_ylim(low * (low / high) ** _ROOM, high)
    legend = ax.legend(
        [lines[regressor] for regressor in told],
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
