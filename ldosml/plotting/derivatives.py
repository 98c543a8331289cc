"""The figure of dD/de, which tells how well sharp features are predicted."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ldosml._array import to_numpy
from ldosml.evaluation import Evaluation
from ldosml.plotting.panels import legend_above
from ldosml.plotting.spectra import short
from ldosml.plotting.style import (
    BLUE,
    COLUMN_WIDTH,
    FONT,
    LOOKS,
    PAGE_WIDTH,
    SMALL_FONT,
    finish_energy_axis,
    mark_fermi_level,
)
from ldosml.properties import dos_derivative
from ldosml.spectra import DOS

Floats = NDArray[np.float64]

_LINE = 52  # characters that fit above half the page's width
_COLORS = tuple(color for color, _ in LOOKS if color != BLUE)  # which is DFT's
_STYLES = ("-", "-.", ":")


def derivative_figure(evaluations: Mapping[str, Evaluation], structures: Sequence[int]) -> Figure:
    """dD/de of some structures above, their DOS below, both per atom: DFT (dashed) and the prediction of each model.

    Arranged as figure 5 of Aryanpour and Sadeghi (2025), a column a structure. Titles tell the L/sigma of dD/de over
    the energies of this one structure, sigma that of the whole set.

    Parameters
    ----------
    evaluations : dict of Evaluation
        By the name of the model; all of the same structures, at the same energies.
    structures : sequence of int
        Their places in the evaluations, from 0.

    Raises
    ------
    ValueError
        When there is nothing to draw, a structure is not there, or the evaluations are of different ones.
    """
    first = _check(evaluations, structures)
    width = COLUMN_WIDTH if len(structures) == 1 else PAGE_WIDTH
    figure = Figure(figsize=(width, 4.6), layout="constrained")
    axes = figure.subplots(2, len(structures), sharex=True, sharey="row", height_ratios=(3, 2), squeeze=False)
    reference = first.dos()[0]
    slopes = {name: _slopes(evaluation.dos()[1]) for name, evaluation in evaluations.items()}
    totals = {name: to_numpy(evaluation.dos()[1].per_atom()) for name, evaluation in evaluations.items()}
    _draw_row(axes[0], structures, reference, _slopes(reference), slopes, "dDOS/dE\n(states/eV²/atom)")
    _draw_row(axes[1], structures, reference, to_numpy(reference.per_atom()), totals, "DOS\n(states/eV/atom)")
    losses = {name: _losses(_slopes(reference), values) for name, values in slopes.items()}
    for ax, structure in zip(axes[0], structures, strict=True):
        told = ", ".join(f"{name} {loss[structure]:.3f}" for name, loss in losses.items())
        title = f"{short(first.names[structure], _LINE)}\n{textwrap.fill(f'L/σ: {told}', _LINE)}"
        ax.set_title(title, fontsize=SMALL_FONT, parse_math=False)
    legend_above(figure, axes[0], columns=len(evaluations) + 2 if width == PAGE_WIDTH else 2)
    return figure


def _check(evaluations: Mapping[str, Evaluation], structures: Sequence[int]) -> Evaluation:
    """Give the first evaluation, once all agree."""
    if not evaluations or not len(structures):
        raise ValueError("A figure of derivatives needs an evaluation and a structure at least.")
    first = next(iter(evaluations.values()))
    for name, other in evaluations.items():
        if other.names != first.names:
            raise ValueError(f"The evaluation {name!r} is of other structures than the first one.")
        other.predicted.grid.require_match(first.predicted.grid, f"The evaluation {name!r} and the first one")
    for structure in structures:
        if not 0 <= structure < len(first.names):
            raise ValueError(f"structures must be whole numbers from 0 to {len(first.names) - 1}; got {structure}.")
    return first


def _slopes(dos: DOS) -> Floats:
    """dD/de per atom, (n_structures, n_energies), states/eV^2/atom."""
    slopes: Floats = to_numpy(dos_derivative(dos)) / to_numpy(dos.n_atoms)[:, None]
    return slopes


def _losses(reference: Floats, predicted: Floats) -> Floats:
    """L/sigma of each structure, (n_structures,), sigma that of the set."""
    losses: Floats = np.sqrt(((predicted - reference) ** 2).mean(axis=1)) / reference.std()
    return losses


def _draw_row(
    axes: Sequence[Axes],
    structures: Sequence[int],
    dos: DOS,
    reference: Floats,
    predicted: Mapping[str, Floats],
    quantity: str,
) -> None:
    for ax, structure in zip(axes, structures, strict=True):
        ax.plot(dos.energies, reference[structure], "--", color=BLUE, linewidth=1.4, label="DFT", zorder=3)
        for number, (name, values) in enumerate(predicted.items()):
            color, style = _COLORS[number % len(_COLORS)], _STYLES[number % len(_STYLES)]
            ax.plot(dos.energies, values[structure], style, color=color, linewidth=1.0, label=name)
        mark_fermi_level(ax, dos.energies, dos.grid.reference)
        finish_energy_axis(ax, dos.energies, dos.grid.reference)
        ax.set_ylabel(quantity, fontsize=FONT)
        ax.label_outer()
