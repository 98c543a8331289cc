"""Figures of the worst, median and best predictions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase.data import chemical_symbols
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ldosml import metrics
from ldosml._array import Array, to_numpy
from ldosml.evaluation import Evaluation
from ldosml.plotting.figure import Figure
from ldosml.plotting.panels import legend_above
from ldosml.plotting.spectrum import atom_name, draw_dos, draw_ldos, short
from ldosml.plotting.style import PAGE_WIDTH, mark_fermi_level

_ROOM = 30  # characters that fit above a third of the page's width

Headed = Sequence[tuple[str, int]]
"""First line of the title and row (of an atom or a structure) of each panel."""


def representatives(losses: Array) -> dict[str, int]:
    """Find the rows with the largest, the median and the smallest loss.

    Parameters
    ----------
    losses : array (n_rows,)
        One loss for each row, for example ``normalized_loss(..., per="structure")``.

    Returns
    -------
    dict of int
        Row of "worst", "median" and "best", in this order. For an even number of rows, the median is the better one
        of the middle two.
    """
    order = np.argsort(-to_numpy(losses), kind="stable")
    return {"worst": int(order[0]), "median": int(order[len(order) // 2]), "best": int(order[-1])}


def representatives_figure(evaluation: Evaluation) -> Figure:
    """Worst, median and best prediction: LDOS of atoms (above), DOS per atom of structures (below).

    Arranged like figure 6 of Aryanpour and Sadeghi (2025). Atoms and structures are ranked by L/sigma over their own
    energies; sigma is the standard deviation over the whole set. Atoms are counted from 0. Panels in a row share both
    axes. Without a true LDOS, only the lower row is drawn.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    matplotlib.figure.Figure
    """
    structures = to_numpy(metrics.normalized_loss(*evaluation.dos(), per="structure"))
    lower = [(_heading(rank, structures[row]), row) for rank, row in representatives(structures).items()]
    if evaluation.true is None:
        return _figure(evaluation, [], lower)
    atoms = to_numpy(metrics.normalized_loss(evaluation.true, evaluation.predicted, per="environment"))
    upper = [(_heading(rank, atoms[row]), row) for rank, row in representatives(atoms).items()]
    return _figure(evaluation, upper, lower)


def worst_by_element_figure(evaluation: Evaluation) -> Figure:
    """Worst LDOS of each element (above), worst and best DOS per atom (below).

    Arranged like figure 7 of Aryanpour and Sadeghi (2025). With three or more elements, the median DOS is drawn too.
    L/sigma averages over the energies of the one atom or structure. Sigma is the standard deviation over the atoms of
    the element, or over all structures. Panels in a row share both axes.

    Parameters
    ----------
    evaluation : Evaluation
        With a true LDOS and atomic numbers.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When the evaluation has no true LDOS or no atomic numbers.
    """
    worst = _worst_atoms(evaluation)
    losses = to_numpy(metrics.normalized_loss(*evaluation.dos(), per="structure"))
    ranks = representatives(losses)
    if len(worst) < len(ranks):
        del ranks["median"]
    upper = [(_heading(f"worst {symbol}", loss), row) for symbol, (row, loss) in worst.items()]
    lower = [(_heading(f"{rank} DOS", losses[row]), row) for rank, row in ranks.items()]
    return _figure(evaluation, upper, lower)


def _heading(what: str, loss: float) -> str:
    return f"{what}: L/σ = {loss:.3f}"


def _worst_atoms(evaluation: Evaluation) -> dict[str, tuple[int, float]]:
    """Row and L/sigma of the worst predicted atom of each element, by symbol."""
    true, predicted = evaluation.true, evaluation.predicted
    if true is None or predicted.numbers is None:
        raise ValueError("worst_by_element_figure needs a true LDOS and atomic numbers; the evaluation lacks one.")
    values, numbers = to_numpy(true.values), to_numpy(predicted.numbers)
    error = np.sqrt(((to_numpy(predicted.values) - values) ** 2).mean(axis=1))
    found = {}
    for number in np.unique(numbers):
        rows = np.flatnonzero(numbers == number)
        row = int(rows[np.argmax(error[rows])])
        found[chemical_symbols[number]] = row, float(error[row] / values[rows].std())
    return found


def _figure(evaluation: Evaluation, atoms: Headed, structures: Headed) -> Figure:
    """Panels of atoms above panels of structures; without atoms, only the structures."""
    counts = [len(row) for row in (atoms, structures) if row]
    figure = Figure(figsize=(PAGE_WIDTH, 0.6 + 2.0 * len(counts)), layout="constrained")
    axes = figure.subplots(len(counts), max(counts), sharex=True, sharey="row", squeeze=False)
    for ax, (heading, row) in zip(axes[0], atoms, strict=False):
        draw_ldos(ax, evaluation, row, f"{heading}\n{_atom_title(evaluation, row)}")
    for ax, (heading, structure) in zip(axes[-1], structures, strict=False):
        draw_dos(ax, evaluation, structure, f"{heading}\n{short(evaluation.names[structure], _ROOM)}")
    for ax in _used(axes, counts):
        mark_fermi_level(ax, evaluation.predicted.energies, evaluation.predicted.grid.zero)
        ax.label_outer()
    legend_above(figure, [axes[0, 0]], columns=3)
    return figure


def _atom_title(evaluation: Evaluation, row: int) -> str:
    atom = f", {atom_name(evaluation, row)}"
    structure = int(to_numpy(evaluation.predicted.structure_index)[row])
    return f"{short(evaluation.names[structure], _ROOM - len(atom))}{atom}"


def _used(axes: NDArray[np.object_], counts: Sequence[int]) -> list[Axes]:
    """Remove the empty panels at the end of each row, and give the others."""
    for row, count in zip(axes, counts, strict=True):
        for ax in row[count:]:
            ax.remove()
    return [ax for row, count in zip(axes, counts, strict=True) for ax in row[:count]]
