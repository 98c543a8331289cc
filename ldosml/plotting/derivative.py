"""The figure of dDOS/dE, which shows how well sharp features are predicted."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ldosml._array import to_numpy
from ldosml._ranges import check_arguments
from ldosml.evaluation import Evaluation
from ldosml.plotting.figure import Figure
from ldosml.plotting.labels import regressor_name
from ldosml.plotting.panels import legend_above
from ldosml.plotting.spectrum import short
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

_LINE = 46  # characters that fit above half the page
_DFT = "DFT"
_COLORS = tuple(color for color, _ in LOOKS if color != BLUE)  # blue is the colour of DFT
_STYLES = ("-", "-.", ":")


def derivative_figure(
    evaluations: Mapping[str, Evaluation],
    structures: Sequence[int],
    *,
    low: float | None = None,
    high: float | None = None,
) -> Figure:
    """dDOS/dE (above) and DOS (below) per atom of some structures: DFT (dashed) and the prediction of each model.

    Arranged like figure 5 of Aryanpour and Sadeghi (2025), one column per structure. Titles show the L/sigma of dDOS/dE
    over the energies of this structure; sigma is the standard deviation over the whole set.

    Parameters
    ----------
    evaluations : dict of Evaluation
        By the name of the model, with the same structures and energies. The names "ldos", "dos" and "both" are
        labelled by what the model learned from.
    structures : sequence of int
        Indices in the evaluations, from 0.
    low, high : float, optional
        Lowest and highest energy that is drawn and averaged over, eV. Energies outside still enter the finite
        differences at the ends.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When there are no evaluations or structures, an index is out of range, or the evaluations hold different
        structures or energies.
    """
    check_arguments(low=low, high=high)
    first = _check(evaluations, structures)
    width = COLUMN_WIDTH if len(structures) == 1 else PAGE_WIDTH
    figure = Figure(figsize=(width, 4.6), layout="constrained")
    axes = figure.subplots(2, len(structures), sharex=True, sharey="row", height_ratios=(3, 2), squeeze=False)
    curves = {_DFT: first.dos()[0]} | {name: evaluation.dos()[1] for name, evaluation in evaluations.items()}
    slopes = {name: replace(dos, values=dos_derivative(dos)) for name, dos in curves.items()}
    for row, of, quantity in (
        (axes[0], slopes, "dDOS/dE\n(states/eV²/atom)"),
        (axes[1], curves, "DOS\n(states/eV/atom)"),
    ):
        _draw_row(row, structures, {name: _cut(dos, low, high) for name, dos in of.items()}, quantity)
    derived = {name: to_numpy(_cut(dos, low, high).per_atom()) for name, dos in slopes.items()}
    losses = {name: _losses(derived[_DFT], derived[name]) for name in evaluations}
    for ax, structure in zip(axes[0], structures, strict=True):
        title = (
            f"{short(first.names[structure], _LINE)}\n{_told({name: loss[structure] for name, loss in losses.items()})}"
        )
        ax.set_title(title, fontsize=SMALL_FONT, parse_math=False)
    legend_above(figure, axes[0], columns=len(evaluations) + 2 if width == PAGE_WIDTH else 2)
    return figure


def _told(losses: Mapping[str, float]) -> str:
    """L/sigma of each model, in lines that do not part a name from its number."""
    told = ", ".join(
        f"{regressor_name(name)} {loss:.3f}".replace(" ", "\N{NO-BREAK SPACE}") for name, loss in losses.items()
    )
    return textwrap.fill(f"L/σ: {told}", _LINE).replace("\N{NO-BREAK SPACE}", " ")


def _check(evaluations: Mapping[str, Evaluation], structures: Sequence[int]) -> Evaluation:
    """Give the first evaluation after checking that all agree."""
    if not evaluations or not len(structures):
        raise ValueError("derivative_figure needs at least one evaluation and one structure.")
    first = next(iter(evaluations.values()))
    if _DFT in evaluations:
        raise ValueError(f"The name {_DFT!r} is taken by the true spectra: give this evaluation another name.")
    for name, other in evaluations.items():
        if other.names != first.names:
            raise ValueError(f"The evaluation {name!r} holds other structures than the first one.")
        other.predicted.grid.require_match(first.predicted.grid, f"The evaluation {name!r} and the first one")
    for structure in structures:
        if not 0 <= structure < len(first.names):
            raise ValueError(f"structures must hold whole numbers from 0 to {len(first.names) - 1}; got {structure}.")
    return first


def _cut(dos: DOS, low: float | None, high: float | None) -> DOS:
    return dos.cut(-np.inf if low is None else low, np.inf if high is None else high)


def _losses(true: Floats, predicted: Floats) -> Floats:
    """L/sigma of each structure, (n_structures,), with the sigma of the whole set."""
    losses: Floats = np.sqrt(((predicted - true) ** 2).mean(axis=1)) / true.std()
    return losses


def _draw_row(axes: Sequence[Axes], structures: Sequence[int], curves: Mapping[str, DOS], quantity: str) -> None:
    """Draw the curves of each structure, per atom; the first is DFT, drawn on top."""
    for ax, structure in zip(axes, structures, strict=True):
        for number, (name, dos) in enumerate(curves.items()):
            energies, values = dos.energies, to_numpy(dos.per_atom())[structure]
            if name == _DFT:
                ax.plot(energies, values, "--", color=BLUE, linewidth=1.4, label=name, zorder=3)
            else:
                color, style = _COLORS[number % len(_COLORS) - 1], _STYLES[number % len(_STYLES) - 1]
                ax.plot(energies, values, style, color=color, linewidth=1.0, label=regressor_name(name))
        mark_fermi_level(ax, energies, dos.grid.zero)
        finish_energy_axis(ax, energies, dos.grid.zero)
        ax.set_ylabel(quantity, fontsize=FONT)
        ax.label_outer()
