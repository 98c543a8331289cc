"""The figure of one structure: its DOS, and the LDOS of the atom that was predicted worst."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ldosml import metrics
from ldosml._array import to_numpy
from ldosml.evaluation import Evaluation
from ldosml.plotting.labels import DOS_LABEL, LDOS_LABEL
from ldosml.plotting.spectra import atom_name, draw_spectrum, short
from ldosml.plotting.style import BLUE, PAGE_WIDTH, SMALL_FONT, VERMILLION, mark_fermi_level

_LONGEST_NAME = 70  # characters that fit across the page


def structure_figure(evaluation: Evaluation, structure: int, levels: tuple[float, float] | None = None) -> Figure:
    """DOS per atom of one structure above, below the LDOS of its worst atom: predicted (solid) over DFT (dashed).

    L/sigma averages over the energies of this one structure or atom, sigma that of the whole set; atoms are counted
    from 0.

    Parameters
    ----------
    evaluation : Evaluation
    structure : int
        Its place in the evaluation, from 0.
    levels : (float, float), optional
        Chemical potentials of the true and of the predicted DOS, eV on the energies of the evaluation; they are
        marked in place of the Fermi level. One that is NaN or beyond these energies is left out.

    Raises
    ------
    ValueError
        When there is no such structure.
    """
    count = evaluation.predicted.n_structures
    if not 0 <= structure < count:
        raise ValueError(f"structure must be a whole number from 0 to {count - 1}; got {structure}.")
    drawn = [_draw_total] if evaluation.true is None else [_draw_total, _draw_worst_atom]
    figure = Figure(figsize=(PAGE_WIDTH, 0.6 + 1.8 * len(drawn)), layout="constrained")
    axes = figure.subplots(len(drawn), 1, sharex=True, squeeze=False)[:, 0]
    for ax, draw in zip(axes, drawn, strict=True):
        draw(ax, evaluation, structure)
        _mark_levels(ax, evaluation, levels)
        ax.label_outer()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper center", ncols=4, frameon=False, fontsize=SMALL_FONT, columnspacing=1.4
    )
    return figure


def _draw_total(ax: Axes, evaluation: Evaluation, structure: int) -> None:
    true, predicted = evaluation.dos()
    loss = to_numpy(metrics.normalized_loss(true, predicted, per="structure"))[structure]
    curves = (to_numpy(dos.per_atom())[structure] for dos in (true, predicted))
    title, zero = f"{short(evaluation.names[structure], _LONGEST_NAME)}: L/σ = {loss:.3f}", true.grid.zero
    draw_spectrum(ax, true.energies, *curves, zero=zero, quantity=DOS_LABEL, title=title)


def _draw_worst_atom(ax: Axes, evaluation: Evaluation, structure: int) -> None:
    true, predicted = evaluation.true, evaluation.predicted
    assert true is not None  # or structure_figure would not draw it
    losses = to_numpy(metrics.normalized_loss(true, predicted, per="environment"))
    rows = true.rows(structure)
    worst = rows.start + int(np.argmax(losses[rows]))
    title, zero = f"its worst atom, {atom_name(evaluation, worst)}: L/σ = {losses[worst]:.3f}", true.grid.zero
    curves = (spectra.values[worst, :] for spectra in (true, predicted))
    draw_spectrum(ax, true.energies, *curves, zero=zero, quantity=LDOS_LABEL, title=title)


def _mark_levels(ax: Axes, evaluation: Evaluation, levels: tuple[float, float] | None) -> None:
    grid = evaluation.predicted.grid
    if levels is None:
        mark_fermi_level(ax, grid.energies, grid.zero)
        return
    looks = (("DFT", BLUE, (0, (4, 3))), ("predicted", VERMILLION, "-"))
    for level, (whose, color, style) in zip(levels, looks, strict=True):
        if grid.start <= level <= grid.stop:
            label = f"chemical potential, {whose}: {level:.3f} eV"
            ax.axvline(level, color=color, linestyle=style, linewidth=0.8, label=label, zorder=0)
