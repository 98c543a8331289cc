"""The figure of spectra by themselves: each of a few, or the mean and the range of many."""

from __future__ import annotations

import numpy as np
from ase.data import chemical_symbols
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ldosml._array import to_numpy
from ldosml.plotting.figure import Figure
from ldosml.plotting.labels import DOS_LABEL, LDOS_LABEL
from ldosml.plotting.panels import legend_above
from ldosml.plotting.style import FONT, LOOKS, PAGE_WIDTH, finish_energy_axis, looks, mark_fermi_level
from ldosml.spectra import DOS, LDOS

Floats = NDArray[np.float64]

MOST_CURVES = len(LOOKS)
"""More rows than this are drawn as their mean and the range of their middle 90 %."""

_BAND_ROWS = 5000  # rows by which the range of more is drawn: quantiles of many take seconds


def plot_spectra(ax: Axes, spectra: LDOS | DOS, structure: int | None = None) -> None:
    """Draw spectra without comparing them with anything: up to six as curves; of more the mean and a band.

    The band holds the middle 90 % of the rows at each energy. From 10,000 rows on, it is estimated from at least
    5,000 evenly spaced rows. An LDOS of more than six atoms is drawn by element, if the elements are known. A DOS is
    drawn per atom, if the numbers of atoms are known.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    spectra : LDOS or DOS
    structure : int, optional
        Draw this structure only, counted from 0.

    Raises
    ------
    ValueError
        When there are no spectra, or ``structure`` is out of range.
    """
    rows = _rows(spectra, structure)
    drawn = _by_element(spectra, rows) if isinstance(spectra, LDOS) else {f"{len(rows)} structures": rows}
    if len(rows) <= MOST_CURVES:
        drawn = {name: rows[place : place + 1] for place, name in enumerate(_names(spectra, rows))}
    values = _values(spectra)
    for name, (color, _) in looks(drawn).items():
        draw_rows(ax, spectra.energies, values[drawn[name]], name, color)
    mark_fermi_level(ax, spectra.energies, spectra.grid.zero)
    finish_energy_axis(ax, spectra.energies, spectra.grid.zero)
    ax.set_ylabel(_label(spectra), fontsize=FONT)


def spectra_figure(spectra: LDOS | DOS, structure: int | None = None) -> Figure:
    """Draw spectra without comparing them with anything (see ``plot_spectra``).

    Parameters
    ----------
    spectra : LDOS or DOS
    structure : int, optional
        Draw this structure only, counted from 0.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When there are no spectra, or ``structure`` is out of range.
    """
    figure = Figure(figsize=(PAGE_WIDTH, 2.8), layout="constrained")
    ax = figure.subplots()
    plot_spectra(ax, spectra, structure)
    legend_above(figure, [ax], columns=4)
    return figure


def draw_rows(ax: Axes, x: Floats, rows: Floats, name: str, color: str) -> None:
    """Draw one row (n_rows, n) as a curve; of several the mean, and the range of the middle 90 %."""
    if len(rows) > 1:
        low, high = np.quantile(rows[:: max(1, len(rows) // _BAND_ROWS)], [0.05, 0.95], axis=0)
        ax.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)
        name = f"{name}: mean and middle 90 %"
    ax.plot(x, rows.mean(axis=0), color=color, linewidth=1.2, label=name)


def _rows(spectra: LDOS | DOS, structure: int | None) -> NDArray[np.int64]:
    """Rows of one structure, or of all."""
    count = spectra.n_structures if isinstance(spectra, LDOS) else len(spectra)
    if not count:
        raise ValueError("There is nothing to draw: no spectra were given.")
    if structure is None:
        return np.arange(len(spectra))
    if structure not in range(count):
        raise ValueError(f"structure must be a whole number from 0 to {count - 1}; got {structure!r}.")
    rows = spectra.rows(structure) if isinstance(spectra, LDOS) else slice(structure, structure + 1)
    return np.arange(rows.start, rows.stop)


def _by_element(spectra: LDOS, rows: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    if spectra.numbers is None:
        return {f"{len(rows)} atoms": rows}
    numbers = to_numpy(spectra.numbers)[rows]
    found = {number: rows[numbers == number] for number in np.unique(numbers)}
    return {f"{len(chosen)} {chemical_symbols[number]}": chosen for number, chosen in found.items()}


def _names(spectra: LDOS | DOS, rows: NDArray[np.int64]) -> list[str]:
    """Name of each row: structure, or element and place in its structure."""
    if isinstance(spectra, DOS):
        return [f"structure {row}" for row in rows]
    names = []
    for row in rows.tolist():
        structure = int(spectra.structure_index[row])
        symbol = "" if spectra.numbers is None else f"{chemical_symbols[int(spectra.numbers[row])]} "
        of = f", structure {structure}" if spectra.n_structures > 1 else ""
        names.append(f"{symbol}atom {row - spectra.rows(structure).start}{of}")
    return names


def _values(spectra: LDOS | DOS) -> Floats:
    per_atom = isinstance(spectra, DOS) and spectra.n_atoms is not None
    return np.asarray(to_numpy(spectra.per_atom() if per_atom else spectra.values))  # type: ignore[union-attr]


def _label(spectra: LDOS | DOS) -> str:
    if isinstance(spectra, LDOS):
        return LDOS_LABEL
    return DOS_LABEL if spectra.n_atoms is not None else "DOS (states/eV)"
