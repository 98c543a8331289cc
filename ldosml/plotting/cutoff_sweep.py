"""The figure of a sweep of cutoff radii: how far the environment matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from ldosml._journal import Record
from ldosml._ranges import check_arguments
from ldosml._validation import check_choice
from ldosml.plotting.figure import Figure
from ldosml.plotting.labels import LOSS_LABEL
from ldosml.plotting.panels import MEAN, NOISE, by_set, draw_losses, legend_above, panels, titled
from ldosml.plotting.style import FONT, SMALL_FONT, looks
from ldosml.studies.sweep import CutoffSweep


def sweep_figure(
    sweeps: CutoffSweep | Mapping[str, CutoffSweep], *, elements: Sequence[str] | None = None, n_draws: int = 500
) -> Figure:
    """L/sigma of the LDOS against the cutoff radius, one panel per element.

    Arranged like figure 1 of Aryanpour and Sadeghi (2025). Bands extend from the best to the worst fold. An open marker
    on a curve is its saturation radius, with the 95 % interval of a bootstrap over trajectories (see
    ``CutoffSweep.saturation``).
    "≤" or "≥" marks a saturation radius at the smallest or largest radius of the sweep: the true one may lie outside.
    Lines show the label noise, where it is known, and the L/sigma of always predicting the element's mean spectrum.

    Parameters
    ----------
    sweeps : CutoffSweep, or dict of CutoffSweep
        Several sweeps by the names of their datasets.
    elements : sequence of str, optional
        Elements to draw, of every sweep that has them. Default: all.
    n_draws : int
        Number of bootstrap draws.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When there are no sweeps, or none has one of ``elements``.
    """
    check_arguments(n_draws=n_draws)
    drawn = [(name, sweep, element) for name, sweep in by_set(sweeps).items() for element in sweep.elements]
    for element in elements or ():
        check_choice("element", element, sorted({element for _, _, element in drawn}))
    drawn = [panel for panel in drawn if elements is None or panel[2] in elements]
    figure, axes = panels(len(drawn), 2.4, above=0.5, sharey=True)
    reached = {id(sweep): _saturation(sweep, n_draws) for _, sweep, _ in drawn}
    for ax, (name, sweep, element) in zip(axes, drawn, strict=True):
        _draw(ax, sweep, element, reached[id(sweep)])
        ax.set_title(titled(name, element), fontsize=FONT, parse_math=False)
        if ax.get_subplotspec().is_first_col():  # type: ignore[union-attr]
            ax.set_ylabel(f"LDOS, {LOSS_LABEL}", fontsize=FONT)
    axes[0].set_ylim(bottom=0)
    legend_above(figure, axes, columns=2 if len(axes) == 1 else 3)
    return figure


def plot_sweep(ax: Axes, sweep: CutoffSweep, element: str, *, n_draws: int = 500) -> None:
    """Draw one panel of ``sweep_figure``, without its legend.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    sweep : CutoffSweep
    element : str
        Of ``CutoffSweep.elements``.
    n_draws : int
        Number of bootstrap draws.

    Raises
    ------
    ValueError
        When the sweep has no such element.
    """
    check_arguments(n_draws=n_draws)
    check_choice("element", element, sweep.elements)
    _draw(ax, sweep, element, _saturation(sweep, n_draws))
    ax.set_ylim(bottom=0)
    ax.set_ylabel(f"LDOS of {element}, {LOSS_LABEL}", fontsize=FONT)


def _saturation(sweep: CutoffSweep, n_draws: int) -> dict[tuple[str, str], Record]:
    """Saturation records by mode and element."""
    rows = [row for mode in sweep.modes for row in sweep.saturation(mode, n_draws=n_draws)]
    return {(row["mode"], row["element"]): row for row in rows}


def _draw(ax: Axes, sweep: CutoffSweep, element: str, reached: Mapping[tuple[str, str], Record]) -> None:
    quantity = f"ldos {element}"
    for mode, look in looks(sweep.modes).items():
        errors = [sweep.errors[mode, r_cut] for r_cut in sweep.radii]
        draw_losses(ax, sweep.radii, errors, quantity, look, f"{mode} fragments")
        row = reached[mode, element]
        if np.isfinite(row["r_sat"]):
            loss = sweep.errors[mode, row["r_sat"]].loss(quantity)
            _mark(ax, row, sweep.radii, loss, look)
    ax.axhline(errors[0].mean_loss[quantity], **MEAN)
    if quantity in sweep.noise:
        ax.axhline(sweep.noise[quantity], **NOISE)
    ax.set_xlabel("cutoff radius (Å)", fontsize=FONT)
    ax.tick_params(labelsize=SMALL_FONT)


def _mark(ax: Axes, row: Record, radii: Sequence[float], loss: float, look: tuple[str, str]) -> None:
    """Draw the saturation radius and its interval at the ``loss`` of this radius."""
    color, marker = look
    reach = [[max(0.0, row["r_sat"] - row["low"])], [max(0.0, row["high"] - row["r_sat"])]]
    ax.errorbar(
        [row["r_sat"]],
        [loss],
        xerr=reach,
        marker=marker,
        markersize=8,
        zorder=3,
        markerfacecolor="white",
        linestyle="none",
        color=color,
        ecolor=(color, 0.4),
        elinewidth=4,  # wider than the curve that it lies on
        capsize=4,
        label=f"saturation, {row['mode']}",
    )
    if row["r_sat"] in (radii[0], radii[-1]):  # only a bound
        smallest = row["r_sat"] == radii[0]
        ax.annotate(
            "≤" if smallest else "≥",
            (row["r_sat"], loss),
            xytext=(5, 3) if smallest else (-5, 3),
            textcoords="offset points",
            ha="left" if smallest else "right",
            va="bottom",
            fontsize=SMALL_FONT,
            color=color,
        )
