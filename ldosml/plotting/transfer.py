"""The figure of a transfer: errors on another dataset beside errors on the training set."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from ldosml.plotting.figure import Figure
from ldosml.plotting.labels import quantity_name, without_loss
from ldosml.plotting.losses import draw_bars
from ldosml.plotting.panels import legend_above
from ldosml.plotting.style import FONT, PAGE_WIDTH
from ldosml.studies.transfer import Transfer

_SETS = ("training set, trajectories left out", "other set")


def plot_transfer(ax: Axes, found: Transfer) -> None:
    """Draw L/sigma of each quantity as two bars: of the training set, left out, and of the other set.

    Each has its own sigma. Words stand in place of a bar where L/sigma says nothing (see ``property_losses_figure``).

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    found : Transfer
    """
    quantities = [name for name in found.other.quantities if name in found.left_out.sigma]
    both = (found.left_out, found.other)
    losses = np.array([[errors.loss(name) for name in quantities] for errors in both])
    words = [
        [without_loss(name, errors.sigma[name], errors.rmse(name), errors.units[name]) for name in quantities]
        for errors in both
    ]
    draw_bars(ax, losses, _SETS, words)
    ax.set_yticks(range(len(quantities)), [quantity_name(name) for name in quantities], fontsize=FONT)
    ax.set_ylim(len(quantities) - 0.4, -0.6)


def transfer_figure(found: Transfer) -> Figure:
    """Draw the errors on another dataset beside errors on the training set (see ``plot_transfer``).

    Parameters
    ----------
    found : Transfer

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(PAGE_WIDTH, 0.9 + 0.48 * len(found.other.quantities)), layout="constrained")
    ax = figure.subplots()
    plot_transfer(ax, found)
    legend_above(figure, [ax], columns=2)
    return figure
