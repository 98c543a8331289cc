"""Figures of errors: of spectra at each energy, and of derived properties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ldosml.evaluation import Evaluation
from ldosml.plotting.figure import Figure
from ldosml.plotting.labels import DOS_LABEL, LDOS_LABEL, LOSS_LABEL, property_name
from ldosml.plotting.panels import legend_above
from ldosml.plotting.parity import instead_of_loss, spectrum_values, with_both_values
from ldosml.plotting.style import (
    BLUE,
    FONT,
    GREEN,
    GREY,
    PAGE_WIDTH,
    PAPER,
    SMALL_FONT,
    VERMILLION,
    finish_energy_axis,
    mark_fermi_level,
)
from ldosml.properties.comparison import Comparison

Floats = NDArray[np.float64]

LONGEST_BAR = 1.5  # L/sigma; longer bars are cut off and show their number


def loss_by_energy_figure(evaluation: Evaluation, label_noise: Mapping[str, float] | None = None) -> Figure:
    """Root mean square error at each energy, beside the standard deviation of the true spectra at that energy.

    The standard deviation is the error of always predicting the mean spectrum: where both curves meet, nothing was
    learned. The LDOS panel averages over atoms. The DOS panel averages over structures and compares the DOS per atom.

    Parameters
    ----------
    evaluation : Evaluation
    label_noise : dict, optional
        {"ldos": ..., "dos": ...}: error of the labels at the smearing of these spectra, as a fraction of their standard
        deviation over the whole set. Drawn as a constant, because its dependence on energy is not known.

    Returns
    -------
    matplotlib.figure.Figure
    """
    grid, values = evaluation.predicted.grid, spectrum_values(evaluation)
    figure = Figure(figsize=(PAGE_WIDTH, 0.4 + 2.0 * len(values)), layout="constrained")
    axes = figure.subplots(len(values), 1, sharex=True, squeeze=False)[:, 0]
    for ax, (key, (true, predicted)) in zip(axes, values.items(), strict=True):
        _draw_errors(ax, grid.energies, true, predicted, (label_noise or {}).get(key))
        mark_fermi_level(ax, grid.energies, grid.zero)
        finish_energy_axis(ax, grid.energies, grid.zero)
        ax.set_ylabel(LDOS_LABEL if key == "ldos" else DOS_LABEL, fontsize=FONT)
        ax.label_outer()
    legend_above(figure, axes, columns=2)
    return figure


def property_losses_figure(
    comparisons: Sequence[Comparison],
    others: Sequence[Comparison] | None = None,
    labels: tuple[str, str] = ("learned from LDOS", "learned from DOS"),
) -> Figure:
    """L/sigma of each property as a bar: 0 is perfect; always predicting the mean of the true values gives 1 (line).

    Arranged like figure 4 of Aryanpour and Sadeghi (2025). Bars beyond 1.5 are cut off and show their number. Words
    stand in place of the bar where the true values are all the same, and where a Fermi level or chemical potential
    varies by less than kT at 300 K: L/sigma then compares the error with next to nothing.

    Parameters
    ----------
    comparisons : sequence of Comparison
        Drawn in this order, from the top.
    others : sequence of Comparison, optional
        The same properties from a second model, drawn beside the first.
    labels : (str, str)
        Names of the two models; used only with ``others``.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When there are no comparisons, no structure has both values of a property, or ``others`` holds different
        properties or temperatures.
    """
    series = [with_both_values(one) for one in ([comparisons] if others is None else [comparisons, others])]
    names = [[property_name(c.name, c.temperature) for c in one] for one in series]
    if names[0] != names[-1]:
        raise ValueError(f"others must hold the same properties in the same order: {names[0]}; got {names[-1]}.")
    height = 0.34 * len(names[0]) * (1 + 0.4 * (len(series) - 1))
    figure = Figure(figsize=(PAGE_WIDTH, 0.9 + height), layout="constrained")
    ax = figure.subplots()
    words = [[instead_of_loss(c) for c in one] for one in series]
    losses = np.array([[c.normalized_loss for c in one] for one in series])
    draw_bars(ax, losses, labels, words)
    ax.set_yticks(range(len(names[0])), names[0], fontsize=FONT)
    ax.set_ylim(len(names[0]) - 0.4, -0.6)
    if others is not None:
        legend_above(figure, [ax], columns=2)
    return figure


def _draw_errors(ax: Axes, energies: Floats, true: Floats, predicted: Floats, noise: float | None) -> None:
    error = np.sqrt(np.mean((predicted - true) ** 2, axis=0))
    ax.plot(energies, true.std(axis=0), "--", color=BLUE, linewidth=1.2, label="standard deviation of DFT")
    ax.plot(energies, error, "-", color=VERMILLION, linewidth=1.2, label="root mean square error")
    if noise is not None:
        level = noise * float(true.std())
        ax.axhline(level, color=GREEN, linestyle="-.", linewidth=1.2, label="label noise, averaged over energies")
    ax.set_ylim(bottom=0)


def draw_bars(ax: Axes, losses: Floats, labels: Sequence[str], words: Sequence[Sequence[str]]) -> None:
    """Draw the bars of ``losses`` (n_series, n_properties), each with its number, or ``words`` in place of a bar."""
    shown = np.where(np.array(words) == "", losses, np.nan)
    end = min(1.15 * np.nanmax(shown, initial=0.1), LONGEST_BAR)
    height = 0.7 / len(shown)
    for number, (row, told, color, label) in enumerate(zip(shown, words, (BLUE, VERMILLION), labels, strict=False)):
        places = np.arange(len(row)) + (number - (len(shown) - 1) / 2) * height
        ax.barh(places, np.nan_to_num(row), height * 0.92, color=color, label=label)
        for place, loss, text in zip(places, row, told, strict=True):
            if text:
                ax.text(0.01 * end, place, text, va="center", fontsize=SMALL_FONT, bbox=PAPER)
            else:
                _write_loss(ax, float(loss), float(place), end)
    if end > 1:
        ax.axvline(1, color=GREY, linestyle=":", linewidth=1)
    ax.set_xlim(0, end)
    ax.set_xlabel(LOSS_LABEL, fontsize=FONT)
    ax.tick_params(labelsize=SMALL_FONT)


def _write_loss(ax: Axes, loss: float, place: float, end: float) -> None:
    """Write the number of a bar: after the bar, or inside it where the bar is cut off."""
    if loss > end:
        ax.text(end, place, f"{loss:.3f} → ", color="white", ha="right", va="center", fontsize=SMALL_FONT)
    else:
        ax.text(loss + 0.01 * end, place, f"{loss:.3f}", va="center", fontsize=SMALL_FONT, bbox=PAPER)
