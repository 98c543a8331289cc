"""The figure of the worst predictions of a compound, element by element."""

from __future__ import annotations

import numpy as np
from ase.data import chemical_symbols
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ldosml import metrics
from ldosml._array import to_numpy
from ldosml.evaluation import Evaluation
from ldosml.plotting.evaluations import representatives
from ldosml.plotting.panels import legend_above
from ldosml.plotting.spectra import draw_environment, draw_total
from ldosml.plotting.style import PAGE_WIDTH


def worst_by_element_figure(evaluation: Evaluation) -> Figure:
    """The worst LDOS of each element above; below, the worst and the best DOS.

    Arranged as figure 7 of Aryanpour and Sadeghi (2025); the median DOS is there, too, where three elements make room
    for it. L/sigma over the energies of the one atom or structure; sigma
    is that of the element's atoms, or of all structures. Panels of one row share both axes.

    Raises
    ------
    ValueError
        When the evaluation has no true LDOS, or its elements are not known.
    """
    worst = _worst(evaluation)
    losses = to_numpy(metrics.normalized_loss(*evaluation.dos(), per="structure"))
    ranks = representatives(losses)
    columns = max(2, len(worst))
    drawn = list(ranks.items()) if columns >= len(ranks) else [(rank, ranks[rank]) for rank in ("worst", "best")]
    figure = Figure(figsize=(PAGE_WIDTH, 4.6), layout="constrained")
    axes = figure.subplots(2, columns, sharex=True, sharey="row", squeeze=False)
    for ax, (symbol, (row, loss)) in zip(axes[0], worst.items(), strict=False):
        draw_environment(ax, evaluation, row, f"worst {symbol}: L/σ = {loss:.3f}")
    for ax, (rank, structure) in zip(axes[1], drawn, strict=False):
        draw_total(ax, evaluation, structure, f"{rank} DOS: L/σ = {losses[structure]:.3f}")
    _finish(axes, [len(worst), len(drawn)])
    legend_above(figure, [axes[0, 0]], columns=3)
    return figure


def _worst(evaluation: Evaluation) -> dict[str, tuple[int, float]]:
    """Row of the worst atom of each element, by symbol, and its L/sigma."""
    true, predicted = evaluation.true, evaluation.predicted
    if true is None or predicted.numbers is None:
        raise ValueError("The worst atoms of each element need a true LDOS and atomic numbers; one is missing.")
    values, numbers = to_numpy(true.values), to_numpy(predicted.numbers)
    error = np.sqrt(((to_numpy(predicted.values) - values) ** 2).mean(axis=1))
    found = {}
    for number in np.unique(numbers):
        rows = np.flatnonzero(numbers == number)
        row = int(rows[np.argmax(error[rows])])
        found[chemical_symbols[number]] = row, float(error[row] / values[rows].std())
    return found


def _finish(axes: NDArray[np.object_], counts: list[int]) -> None:
    """Take away what is empty, and labels that the neighbours have."""
    for row, count in zip(axes, counts, strict=True):
        for ax in row[count:]:
            ax.remove()
    shown: list[Axes] = [ax for row, count in zip(axes, counts, strict=True) for ax in row[:count]]
    for ax in shown:
        ax.label_outer()
