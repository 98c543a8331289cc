"""The figure of a smearing study."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from ldosml.plotting.figure import Figure
from ldosml.plotting.labels import LOSS_LABEL, quantity_name
from ldosml.plotting.panels import MEAN, NOISE, draw_losses, legend_above, panels
from ldosml.plotting.style import BLUE, FONT, SMALL_FONT
from ldosml.studies.smearing_study import SmearingStudy


def smearing_figure(study: SmearingStudy, quantities: Sequence[str] = ("ldos", "dos")) -> Figure:
    """L/sigma against the smearing width, one panel per quantity.

    The band extends from the best to the worst fold. Lines show the label noise, where it is known, and the L/sigma of
    always predicting the mean spectrum. Both depend on the width.

    Parameters
    ----------
    study : SmearingStudy
    quantities : sequence of str
        From ``SmearingStudy.quantities``.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When there are no quantities, or one has no errors.
    """
    if not quantities:
        raise ValueError("A figure of smearing needs at least one quantity; got none.")
    figure, axes = panels(len(quantities), 2.4, above=0.4)
    for ax, quantity in zip(axes, quantities, strict=True):
        _draw(ax, study, quantity)
        ax.set_title(quantity_name(quantity), fontsize=FONT)
        if ax.get_subplotspec().is_first_col():  # type: ignore[union-attr]
            ax.set_ylabel(LOSS_LABEL, fontsize=FONT)
    legend_above(figure, axes, columns=2 if len(axes) == 1 else 3)
    return figure


def plot_smearing(ax: Axes, study: SmearingStudy, quantity: str = "dos") -> None:
    """Draw one panel of ``smearing_figure``, without its legend.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    study : SmearingStudy
    quantity : str
        Of ``SmearingStudy.quantities``.

    Raises
    ------
    ValueError
        When the quantity has no errors.
    """
    _draw(ax, study, quantity)
    ax.set_ylabel(f"{quantity_name(quantity)}, {LOSS_LABEL}", fontsize=FONT)


def _draw(ax: Axes, study: SmearingStudy, quantity: str) -> None:
    widths = list(study.errors)
    draw_losses(ax, widths, list(study.errors.values()), quantity, (BLUE, "o"), "trajectories left out")
    known = [width for width in widths if quantity in study.errors[width].mean_loss]
    if known:
        ax.plot(known, [study.errors[width].mean_loss[quantity] for width in known], marker=".", **MEAN)
    known = [width for width in widths if quantity in study.noise[width]]
    if known:
        ax.plot(known, [study.noise[width][quantity] for width in known], marker=".", **NOISE)
    ax.set_xticks(widths)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("smearing width (eV)", fontsize=FONT)
    ax.tick_params(labelsize=SMALL_FONT)
