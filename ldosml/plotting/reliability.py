"""Figures of the calibration of predicted probabilities, and of their log loss by energy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ldosml._ranges import check_arguments
from ldosml.energy import EnergyGrid
from ldosml.kresolved import OccupancyScores
from ldosml.kresolved.evaluation import Reliability
from ldosml.plotting.figure import Figure
from ldosml.plotting.style import (
    COLUMN_WIDTH,
    FONT,
    GREY,
    PAGE_WIDTH,
    SMALL_FONT,
    finish_energy_axis,
    looks,
    mark_fermi_level,
)

Floats = NDArray[np.float64]

_LINES = ("-", "--", "-.", ":")  # distinct in black and white


def plot_reliability(ax: Axes, found: Mapping[str, Reliability], *, least: int = 100) -> None:
    """Draw the observed frequency of states against the predicted probability.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    found : mapping of Reliability
        By name of the model.
    least : int
        Intervals of probability with fewer bins are left out, because their frequency is uncertain.
    """
    check_arguments(least=least)
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, label="perfect calibration", zorder=0)
    for name, (color, marker) in looks(found).items():
        one = found[name]
        shown = one.counts >= least
        label = f"{name} (error {one.calibration_error:.3f})"
        ax.plot(one.predicted[shown], one.observed[shown], color=color, marker=marker, markersize=4, label=label)
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.set_box_aspect(1)
    ax.set_xlabel("predicted probability of a state", fontsize=FONT)
    ax.set_ylabel("fraction of bins with a state", fontsize=FONT)
    ax.tick_params(labelsize=SMALL_FONT)
    ax.legend(fontsize=SMALL_FONT, frameon=False, loc="upper left")


def plot_log_loss(ax: Axes, grid: EnergyGrid, losses: Mapping[str, Floats]) -> None:
    """Draw the log loss by energy.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    grid : EnergyGrid
        Centres of the bins.
    losses : mapping of arrays (n_bins,)
        Log loss of each bin, by name of the model.
    """
    for i, (name, (color, _)) in enumerate(looks(losses).items()):
        line = _LINES[i % len(_LINES)]
        ax.plot(grid.energies, losses[name], color=color, linestyle=line, linewidth=1, label=name)
    mark_fermi_level(ax, grid.energies, grid.zero)
    ax.set_ylim(bottom=0)
    ax.set_ylabel("log loss of a bin", fontsize=FONT)
    finish_energy_axis(ax, grid.energies, grid.zero)
    ax.legend(fontsize=SMALL_FONT, frameon=False)


def reliability_figure(scores: Mapping[str, OccupancyScores]) -> Figure:
    """Draw the calibration of models, and their log loss by energy.

    Parameters
    ----------
    scores : mapping of OccupancyScores
        By name of the model.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When there are no models.
    """
    if not scores:
        raise ValueError("scores must have at least one model; got none.")
    figure = Figure(figsize=(PAGE_WIDTH, COLUMN_WIDTH), layout="constrained")
    left, right = figure.subplots(1, 2)
    plot_reliability(left, {name: one.reliability for name, one in scores.items()})
    grid = next(iter(scores.values())).grid
    plot_log_loss(right, grid, {name: one.log_loss_by_energy for name, one in scores.items()})
    return figure
