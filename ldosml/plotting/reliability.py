"""Whether probabilities of occupancy mean what they say, and at which energies they are worth what."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ldosml.energy import EnergyGrid
from ldosml.kresolved import Judgement, Reliability
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

_LINES = ("-", "--", "-.", ":")  # black and white print tells series apart, too


def plot_reliability(ax: Axes, found: Mapping[str, Reliability], *, least: int = 100) -> None:
    """Draw how often a state was there against the probability that was predicted, by name of the model.

    Intervals of probability with fewer than ``least`` bins are left out: their frequency is chance.
    """
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, label="as predicted", zorder=0)
    for name, (color, marker) in looks(found).items():
        one = found[name]
        shown = one.counts >= least
        label = f"{name} (error {one.calibration_error:.3f})"
        ax.plot(one.predicted[shown], one.observed[shown], color=color, marker=marker, markersize=4, label=label)
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.set_box_aspect(1)
    ax.set_xlabel("predicted probability of a state", fontsize=FONT)
    ax.set_ylabel("share of bins with a state", fontsize=FONT)
    ax.tick_params(labelsize=SMALL_FONT)
    ax.legend(fontsize=SMALL_FONT, frameon=False, loc="upper left")


def plot_log_loss(ax: Axes, grid: EnergyGrid, losses: Mapping[str, Floats]) -> None:
    """Draw the log loss of each bin, (n_bins,), by name of the model."""
    for i, (name, (color, _)) in enumerate(looks(losses).items()):
        line = _LINES[i % len(_LINES)]
        ax.plot(grid.energies, losses[name], color=color, linestyle=line, linewidth=1, label=name)
    mark_fermi_level(ax, grid.energies, grid.zero)
    ax.set_ylim(bottom=0)
    ax.set_ylabel("log loss of a bin", fontsize=FONT)
    finish_energy_axis(ax, grid.energies, grid.zero)
    ax.legend(fontsize=SMALL_FONT, frameon=False)


def reliability_figure(judgements: Mapping[str, Judgement]) -> Figure:
    """Reliability, and log loss by energy, of models side by side, by name.

    Raises ValueError without any.
    """
    if not judgements:
        raise ValueError("A figure of reliability needs judgements of at least one model; got none.")
    figure = Figure(figsize=(PAGE_WIDTH, COLUMN_WIDTH), layout="constrained")
    left, right = figure.subplots(1, 2)
    plot_reliability(left, {name: one.reliability for name, one in judgements.items()})
    grid = next(iter(judgements.values())).grid
    plot_log_loss(right, grid, {name: one.log_loss_by_energy for name, one in judgements.items()})
    return figure
