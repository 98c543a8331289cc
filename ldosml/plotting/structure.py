"""The figure of one structure: its DOS, and the LDOS of its worst predicted atom."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from ldosml import metrics
from ldosml._array import to_numpy
from ldosml.evaluation import Evaluation
from ldosml.plotting.figure import Figure
from ldosml.plotting.panels import legend_above
from ldosml.plotting.spectrum import atom_name, draw_dos, draw_ldos, short
from ldosml.plotting.style import BLUE, PAGE_WIDTH, VERMILLION, mark_fermi_level

_ROOM = 70  # characters of a name that fit above the panel


def structure_figure(evaluation: Evaluation, structure: int, levels: tuple[float, float] | None = None) -> Figure:
    """DOS per atom of one structure (above) and LDOS of its worst predicted atom (below).

    The prediction is solid, DFT is dashed. In the titles, L/sigma averages over the energies of this structure or
    atom; sigma is the standard deviation over the whole set. Atoms are counted from 0. Without a true LDOS, only the
    DOS is drawn.

    Parameters
    ----------
    evaluation : Evaluation
    structure : int
        Index in the evaluation, from 0.
    levels : (float, float), optional
        Chemical potentials of the true and of the predicted DOS, eV, on the energies of the evaluation. They are drawn
        in place of the Fermi level. A level that is NaN or outside these energies is not drawn.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When ``structure`` is not an index in the evaluation.
    """
    count = evaluation.predicted.n_structures
    if structure not in range(count):
        raise ValueError(f"structure must be a whole number from 0 to {count - 1}; got {structure!r}.")
    drawn = [_draw_dos] if evaluation.true is None else [_draw_dos, _draw_worst_atom]
    figure = Figure(figsize=(PAGE_WIDTH, 0.6 + 1.8 * len(drawn)), layout="constrained")
    axes = figure.subplots(len(drawn), 1, sharex=True, squeeze=False)[:, 0]
    for ax, draw in zip(axes, drawn, strict=True):
        draw(ax, evaluation, structure)
        _mark_levels(ax, evaluation, levels)
        ax.label_outer()
    legend_above(figure, axes[:1], columns=4)
    return figure


def _draw_dos(ax: Axes, evaluation: Evaluation, structure: int) -> None:
    loss = to_numpy(metrics.normalized_loss(*evaluation.dos(), per="structure"))[structure]
    draw_dos(ax, evaluation, structure, f"{short(evaluation.names[structure], _ROOM)}: L/σ = {loss:.3f}")


def _draw_worst_atom(ax: Axes, evaluation: Evaluation, structure: int) -> None:
    assert evaluation.true is not None  # structure_figure checks
    losses = to_numpy(metrics.normalized_loss(evaluation.true, evaluation.predicted, per="environment"))
    rows = evaluation.predicted.rows(structure)
    worst = rows.start + int(np.argmax(losses[rows]))
    draw_ldos(ax, evaluation, worst, f"worst predicted atom, {atom_name(evaluation, worst)}: L/σ = {losses[worst]:.3f}")


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
