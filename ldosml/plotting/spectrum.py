"""One predicted spectrum and its true spectrum, and the names that titles give to atoms and structures."""

from __future__ import annotations

from ase.data import chemical_symbols
from matplotlib.axes import Axes

from ldosml._array import Array, to_numpy
from ldosml._validation import check_shape
from ldosml.energy import Zero
from ldosml.evaluation import Evaluation
from ldosml.plotting.labels import DOS_LABEL, LDOS_LABEL
from ldosml.plotting.style import BLUE, FONT, SMALL_FONT, VERMILLION, finish_energy_axis, mark_fermi_level


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
    """Draw a predicted spectrum (solid line) and its true spectrum (dashed line), with the difference shaded.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    energies : array (n_energies,)
        eV.
    true, predicted : array (n_energies,)
        In the unit that ``quantity`` names.
    zero : {"fermi", "average_potential", "vacuum", "code"}
        The energy zero (``grid.zero``). With "fermi" the Fermi level is marked.
    quantity : str
        Label of the vertical axis, with its unit.
    title : str, optional
        Drawn as given: a dollar sign does not start a formula.

    Raises
    ------
    ValueError
        When the three arrays do not have the same length.
    """
    draw_spectrum(ax, energies, true, predicted, zero=zero, quantity=quantity, title=title)
    mark_fermi_level(ax, to_numpy(energies), zero)


def draw_spectrum(
    ax: Axes, energies: Array, true: Array, predicted: Array, *, zero: Zero, quantity: str, title: str | None
) -> None:
    """As :func:`plot_spectrum`, without the Fermi level."""
    x, y_true, y = to_numpy(energies), to_numpy(true), to_numpy(predicted)
    for name, values in (("true", y_true), ("predicted", y)):
        check_shape(name, values, x.shape, "n_energies")
    ax.fill_between(x, y_true, y, color=VERMILLION, alpha=0.2, linewidth=0)
    ax.plot(x, y_true, "--", color=BLUE, linewidth=1.2, label="DFT", zorder=3)
    ax.plot(x, y, "-", color=VERMILLION, linewidth=1.0, label="predicted")
    finish_energy_axis(ax, x, zero)
    ax.set_ylabel(quantity, fontsize=FONT)
    if title is not None:
        ax.set_title(title, fontsize=SMALL_FONT, parse_math=False)


def draw_ldos(ax: Axes, evaluation: Evaluation, row: int, title: str) -> None:
    """Draw the LDOS of the atom in one row of an evaluation that has a true LDOS."""
    true, predicted = evaluation.true, evaluation.predicted
    assert true is not None
    curves = true.values[row, :], predicted.values[row, :]
    draw_spectrum(ax, true.energies, *curves, zero=true.grid.zero, quantity=LDOS_LABEL, title=title)


def draw_dos(ax: Axes, evaluation: Evaluation, structure: int, title: str) -> None:
    """Draw the DOS per atom of one structure of an evaluation."""
    pair = evaluation.dos()
    grid, curves = pair[0].grid, (to_numpy(dos.per_atom())[structure] for dos in pair)
    draw_spectrum(ax, grid.energies, *curves, zero=grid.zero, quantity=DOS_LABEL, title=title)


def atom_name(evaluation: Evaluation, row: int) -> str:
    """Element (if known) and index in its structure, from 0, of the atom in one row of the LDOS."""
    spectra = evaluation.predicted
    symbol = "" if spectra.numbers is None else f"{chemical_symbols[int(spectra.numbers[row])]} "
    return f"{symbol}atom {row - spectra.rows(int(spectra.structure_index[row])).start}"


def short(name: str, room: int) -> str:
    """Put a name on one line; if it is longer than ``room`` characters (at least 9), replace its middle by "…"."""
    line, room = " ".join(name.split()), max(room, 9)
    return line if len(line) <= room else f"{line[: room // 2]}…{line[-(room - room // 2 - 1) :]}"
