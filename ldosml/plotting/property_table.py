"""The figure of one property of a table: of each row, against temperature, or against photon energy."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ldosml._ranges import check_arguments
from ldosml.plotting.figure import Figure
from ldosml.plotting.labels import power_of_ten, property_name, unit_text
from ldosml.plotting.panels import legend_above
from ldosml.plotting.spectra import MOST_CURVES, draw_rows
from ldosml.plotting.spectrum import short
from ldosml.plotting.style import BLUE, COLUMN_WIDTH, FONT, LOOKS, PAGE_WIDTH, SMALL_FONT
from ldosml.properties import PropertyTable

Floats = NDArray[np.float64]

_MOST_BARS = 20  # rows
_ROOM = 26  # characters of a name beside its bar


def plot_property(ax: Axes, table: PropertyTable, name: str, temperature: float | None = None) -> None:
    """Draw one property of all rows of a table, without the legend.

    A property at several temperatures is drawn against temperature, and spectra against the photon energy: a curve for
    each of up to six rows; of more the mean and the range of the middle 90 %. Other properties are drawn as a bar for
    each of up to 20 rows, and as a histogram of more. Rows without a value are left out.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    table : PropertyTable
    name : str
        Name of a column, or of spectra.
    temperature : float, optional
        K, one of the table: draw the values at this temperature. Needed for spectra at several temperatures.

    Raises
    ------
    ValueError
        When the table has no such property or temperature, or no row has a value.
    """
    check_arguments(temperature=temperature)
    if name in table.spectra:
        values, x = table.spectrum(name, temperature), table.photon_energies
    elif temperature is None and len(table.temperatures) > 1 and table.columns.get(name, np.empty(0)).ndim > 1:
        values, x = table.columns[name], table.temperatures
    else:
        values, x = table.column(name, temperature)[:, None], None
    known = np.asarray(np.isfinite(values).all(axis=1))
    if not known.any():
        raise ValueError(f"There is nothing to draw: no row of the table has a value of {name}.")
    exponent = power_of_ten(values[known])
    values, unit = values[known] / 10.0**exponent, unit_text(table.unit(name), exponent)
    label = f"{property_name(name, _shown(table, name, temperature, x))}{f' ({unit})' if unit else ''}"
    names = [row for row, there in zip(table.names, known, strict=True) if there]
    if x is None:
        _draw_numbers(ax, values[:, 0], names, label)
    else:
        _draw_curves(ax, x, values, names)
        ax.set_xlabel("photon energy (eV)" if name in table.spectra else "temperature (K)", fontsize=FONT)
        ax.set_ylabel(label, fontsize=FONT)
    ax.tick_params(labelsize=SMALL_FONT)


def property_figure(table: PropertyTable, name: str, temperature: float | None = None) -> Figure:
    """Draw one property of all rows of a table (see ``plot_property``).

    Parameters
    ----------
    table : PropertyTable
    name : str
        Name of a column, or of spectra.
    temperature : float, optional
        K, one of the table.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When the table has no such property or temperature, or no row has a value.
    """
    check_arguments(temperature=temperature)
    figure = Figure(figsize=(PAGE_WIDTH, COLUMN_WIDTH), layout="constrained")
    ax = figure.subplots()
    plot_property(ax, table, name, temperature)
    if ax.get_legend_handles_labels()[0]:
        legend_above(figure, [ax], columns=3)
    return figure


def _shown(table: PropertyTable, name: str, temperature: float | None, x: Floats | None) -> float | None:
    """Temperature in the label, if the values depend on it and share one."""
    thermal = name in table.spectra or table.columns[name].ndim > 1
    if not thermal or x is table.temperatures:
        return None
    return float(table.temperatures[0]) if temperature is None else temperature


def _draw_curves(ax: Axes, x: Floats, values: Floats, names: list[str]) -> None:
    if len(values) > MOST_CURVES:
        draw_rows(ax, x, values, f"{len(values)} rows", BLUE)
        return
    for row, name, (color, marker) in zip(values, names, LOOKS, strict=False):
        label = short(name, _ROOM).replace("$", r"\$")
        ax.plot(x, row, marker=marker if len(x) < 20 else "", markersize=4, color=color, linewidth=1.2, label=label)


def _draw_numbers(ax: Axes, values: Floats, names: list[str], label: str) -> None:
    ax.set_xlabel(label, fontsize=FONT)
    if len(values) > _MOST_BARS:
        ax.hist(values, bins=int(np.clip(2 * np.sqrt(len(values)), 11, 41)), color=BLUE)
        ax.set_ylabel(f"number of {len(values)} rows", fontsize=FONT)
        return
    ax.barh(range(len(values)), values, 0.7, color=BLUE)
    ax.set_yticks(range(len(values)), [short(name, _ROOM) for name in names], parse_math=False)
    ax.set_ylim(len(values) - 0.5, -0.5)  # the first on top
