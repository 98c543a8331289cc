"""One predicted spectrum beside its true, and what to call it."""

from __future__ import annotations

from ase.data import chemical_symbols
from matplotlib.axes import Axes

from ldosml._array import Array, to_numpy
from ldosml._validation import check_shape
from ldosml.energy import Zero
from ldosml.evaluation import Evaluation
from ldosml.plotting.labels import DOS_LABEL, LDOS_LABEL
from ldosml.plotting.style import BLUE, FONT, SMALL_FONT, VERMILLION, finish_energy_axis, mark_fermi_level

LONGEST_NAME = 30  # characters that fit above a third of the page's width


def plot_spectrum(
    ax: Axes,
    energies: Array,
    true: Array,
    predicted: Array,
    *,
    zero: Zero = "fermi",
    quantity: str = LDOS_LABEL,
    title: str | None = None,
) -> None:
    """Draw one predicted spectrum (solid) over its true (dashed), the difference shaded.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    energies, true, predicted : array (n_energies,)
        eV, and the unit that ``quantity`` tells.
    zero : {"fermi", "average_potential", "vacuum", "code"}
        The meaning of an energy of zero (``grid.zero``). With "fermi" the Fermi level is marked.
    quantity : str
        Label of the vertical axis, with its unit.
    title : str, optional
        Drawn as it is: a dollar sign does not begin a formula.

    Raises
    ------
    ValueError
        When the three arrays do not have the same length.
    """
    draw_spectrum(ax, energies, true, predicted, zero=zero, quantity=quantity, title=title)
    mark_fermi_level(ax, to_numpy(energies), zero)


def draw_spectrum(
    ax: Axes,
    energies: Array,
    true: Array,
    predicted: Array,
    *,
    zero: Zero,
    quantity: str,
    title: str | None,
) -> None:
    """As :func:`plot_spectrum`, the Fermi level left out."""
    x, y_ref, y = to_numpy(energies), to_numpy(true), to_numpy(predicted)
    for name, values in (("true", y_ref), ("predicted", y)):
        check_shape(name, values, x.shape, "n_energies")
    ax.fill_between(x, y_ref, y, color=VERMILLION, alpha=0.2, linewidth=0)
    ax.plot(x, y_ref, "--", color=BLUE, linewidth=1.2, label="DFT", zorder=3)
    ax.plot(x, y, "-", color=VERMILLION, linewidth=1.0, label="predicted")
    finish_energy_axis(ax, x, zero)
    ax.set_ylabel(quantity, fontsize=FONT)
    if title is not None:
        ax.set_title(title, fontsize=SMALL_FONT, parse_math=False)


def draw_environment(ax: Axes, evaluation: Evaluation, row: int, heading: str) -> None:
    """LDOS of the atom in a row of the evaluation, in a third of the page; below ``heading``, which atom it is."""
    true, predicted = evaluation.true, evaluation.predicted
    assert true is not None  # or there is nothing to draw
    structure = int(to_numpy(true.structure_index)[row])
    atom = f", {atom_name(evaluation, row)}"
    title = f"{heading}\n{short(evaluation.names[structure], LONGEST_NAME - len(atom))}{atom}"
    curves = true.values[row, :], predicted.values[row, :]
    plot_spectrum(ax, true.energies, *curves, zero=true.grid.zero, title=title)


def draw_total(ax: Axes, evaluation: Evaluation, structure: int, heading: str) -> None:
    """DOS per atom of a structure of the evaluation, in a third of the page; its name is below ``heading``."""
    true, predicted = evaluation.dos()
    title = f"{heading}\n{short(evaluation.names[structure], LONGEST_NAME)}"
    curves = (to_numpy(dos.per_atom())[structure] for dos in (true, predicted))
    zero = true.grid.zero
    plot_spectrum(ax, true.energies, *curves, zero=zero, quantity=DOS_LABEL, title=title)


def atom_name(evaluation: Evaluation, row: int) -> str:
    """Element, where it is known, and place in its structure of the atom in a row of the LDOS."""
    spectra = evaluation.predicted
    symbol = "" if spectra.numbers is None else f"{chemical_symbols[int(spectra.numbers[row])]} "
    return f"{symbol}atom {row - spectra.rows(int(spectra.structure_index[row])).start}"


def short(name: str, room: int) -> str:
    """The name on one line, its middle left out where it is longer than ``room`` characters, 9 at least."""
    line, room = " ".join(name.split()), max(room, 9)
    return line if len(line) <= room else f"{line[: room // 2]}…{line[-(room - room // 2 - 1) :]}"
