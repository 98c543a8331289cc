"""Figures of a whole evaluation: the worst and the best of it, parity, and errors by energy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ldosml import metrics
from ldosml._array import Array, to_numpy
from ldosml.evaluation import NAMES, Evaluation, Spectrum
from ldosml.plotting.labels import DOS_LABEL, LDOS_LABEL
from ldosml.plotting.parity import draw_counts, draw_error_counts
from ldosml.plotting.spectra import draw_environment, draw_total
from ldosml.plotting.style import (
    BLUE,
    FONT,
    GREEN,
    PAGE_WIDTH,
    SMALL_FONT,
    VERMILLION,
    finish_energy_axis,
    mark_fermi_level,
)
from ldosml.spectra import DOS

_UNIT = "states/eV/atom"


def representatives(losses: Array) -> dict[str, int]:
    """Give the indices of the worst, the median and the best of ``losses`` (n,), under these names, in this order.

    The median is a row itself: of an even number of rows, the better of the middle two.
    """
    order = np.argsort(-to_numpy(losses), kind="stable")
    return {"worst": int(order[0]), "median": int(order[len(order) // 2]), "best": int(order[-1])}


def representatives_figure(evaluation: Evaluation) -> Figure:
    """The worst, median and best prediction: LDOS of atoms above, DOS per atom of structures below.

    Arranged as figure 6 of Aryanpour and Sadeghi (2025). Rows are ranked by L/sigma over their own energies, sigma
    that of the whole set; atoms are counted from 0. Panels of one row share both axes. Without a true LDOS there
    is only the lower row.
    """
    drawn = [_draw_structures]
    if evaluation.true is not None:
        drawn.insert(0, _draw_environments)
    figure = Figure(figsize=(PAGE_WIDTH, 0.6 + 2.0 * len(drawn)), layout="constrained")
    axes = figure.subplots(len(drawn), 3, sharex=True, sharey="row", squeeze=False)
    for row, draw in zip(axes, drawn, strict=True):
        draw(row, evaluation)
    for ax in axes.flat:
        ax.label_outer()
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False, fontsize=FONT)
    return figure


def parity_figure(evaluation: Evaluation) -> Figure:
    """Predicted against true values: LDOS of all atoms and energies, DOS per atom of all structures and energies.

    Colours count the values, on a logarithmic scale; on the diagonal a prediction is exact. Below, the errors are
    counted, on a logarithmic scale too.
    """
    losses, values = evaluation.losses(), _values(evaluation)
    figure = Figure(figsize=(PAGE_WIDTH * len(values) / 2, 4.7), layout="constrained")
    upper, lower = figure.subplots(2, len(values), height_ratios=(3, 1), squeeze=False)
    for ax, below, (key, (true, predicted)) in zip(upper, lower, values.items(), strict=True):
        draw_counts(ax, true, predicted, _UNIT)
        ax.set_title(f"{NAMES[key]}, L/σ = {losses[f'{key}_normalized_loss']:.3f}", fontsize=FONT)
        draw_error_counts(below, predicted - true, _UNIT)
    return figure


def loss_by_energy_figure(evaluation: Evaluation, label_noise: Mapping[str, float] | None = None) -> Figure:
    """Root mean square error at each energy beside the standard deviation of the true spectra at that energy.

    The deviation is what predicting the mean spectrum would miss by: where both curves meet, nothing was learned. The
    panel of the LDOS averages over atoms, that of the DOS over structures, whose DOS per atom is compared.

    Parameters
    ----------
    evaluation : Evaluation
    label_noise : dict, optional
        {"ldos": ..., "dos": ...}: error of the labels at the smearing of these spectra as a fraction of their standard
        deviation over the whole set. Drawn as a line, since how it is spread over the energies is not known.
    """
    grid, values = evaluation.predicted.grid, _values(evaluation)
    figure = Figure(figsize=(PAGE_WIDTH, 0.4 + 2.0 * len(values)), layout="constrained")
    axes = figure.subplots(len(values), 1, sharex=True, squeeze=False)[:, 0]
    for ax, (key, (true, predicted)) in zip(axes, values.items(), strict=True):
        _draw_errors(ax, grid.energies, true, predicted, (label_noise or {}).get(key))
        mark_fermi_level(ax, grid.energies, grid.zero)
        finish_energy_axis(ax, grid.energies, grid.zero)
        ax.set_ylabel(LDOS_LABEL if key == "ldos" else DOS_LABEL, fontsize=FONT)
        ax.label_outer()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False, fontsize=SMALL_FONT)
    return figure


def _values(evaluation: Evaluation) -> dict[Spectrum, list[NDArray[np.float64]]]:
    """True and predicted values of the LDOS and of the DOS per atom, (n_rows, n_energies), states/eV/atom."""
    return {
        key: [to_numpy(s.per_atom() if isinstance(s, DOS) else s.values) for s in pair]
        for key, pair in evaluation.compared().items()
    }


def _draw_environments(axes: NDArray[np.object_], evaluation: Evaluation) -> None:
    true, predicted = evaluation.true, evaluation.predicted
    assert true is not None  # or representatives_figure would not draw them
    losses = to_numpy(metrics.normalized_loss(true, predicted, per="environment"))
    for ax, (rank, row) in zip(axes, representatives(losses).items(), strict=True):
        draw_environment(ax, evaluation, row, f"{rank}: L/σ = {losses[row]:.3f}")


def _draw_structures(axes: NDArray[np.object_], evaluation: Evaluation) -> None:
    losses = to_numpy(metrics.normalized_loss(*evaluation.dos(), per="structure"))
    for ax, (rank, row) in zip(axes, representatives(losses).items(), strict=True):
        draw_total(ax, evaluation, row, f"{rank}: L/σ = {losses[row]:.3f}")


def _draw_errors(
    ax: Axes,
    energies: NDArray[np.float64],
    true: NDArray[np.float64],
    predicted: NDArray[np.float64],
    noise: float | None,
) -> None:
    error = np.sqrt(np.mean((predicted - true) ** 2, axis=0))
    ax.plot(energies, true.std(axis=0), "--", color=BLUE, linewidth=1.2, label="standard deviation of DFT")
    ax.plot(energies, error, "-", color=VERMILLION, linewidth=1.2, label="root mean square error")
    if noise is not None:
        level = noise * float(true.std())
        ax.axhline(level, color=GREEN, linestyle="-.", linewidth=1.2, label="label noise, averaged over energies")
    ax.set_ylim(bottom=0)
