"""Figures of bands as lines along a path."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from ldosml._array import to_numpy
from ldosml._ranges import check_arguments
from ldosml._validation import check_shape
from ldosml.kresolved import KPath, KResolvedOccupancy
from ldosml.plotting.figure import Figure
from ldosml.plotting.labels import DOS_LABEL, ENERGY_LABELS
from ldosml.plotting.occupancy import add_bar, band_panels, finish_energies, name_corners, plot_band_image
from ldosml.plotting.style import BLUE, FONT, SMALL_FONT, VERMILLION
from ldosml.spectra import DOS

Floats = NDArray[np.float64]

_LOW, _HIGH = -10.0, 8.0  # eV


def plot_band_lines(
    ax: Axes,
    path: KPath,
    energies: ArrayLike,
    *,
    spread: ArrayLike | None = None,
    true: ArrayLike | None = None,
    low: float = _LOW,
    high: float = _HIGH,
) -> None:
    """Draw bands along a path, interrupted where the path is.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    path : KPath
        The path.
    energies : array (n_kpoints, n_bands)
        Predicted, eV against the Fermi level; solid.
    spread : array (n_kpoints, n_bands), optional
        Standard deviation, eV; a shade of this half width. NaN: none.
    true : array (n_kpoints, n_true_bands), optional
        From DFT, eV against its Fermi level; dashed. Infinite ones are left out.
    low, high : float
        Range of energies, eV.

    Raises
    ------
    ValueError
        When bands are not at the k-points of the path.
    """
    check_arguments(low=low, high=high)
    values = np.asarray(energies, dtype=np.float64)
    check_shape("energies", values, (len(path), None), "n_kpoints of the path, n_bands")
    if spread is not None:
        widths = np.asarray(spread, dtype=np.float64)
        check_shape("spread", widths, values.shape, "n_kpoints of the path, n_bands")
        for part in _parts(path):
            for band, width in zip(values[part].T, widths[part].T, strict=True):
                ax.fill_between(
                    path.distances[part], band - width, band + width, color=VERMILLION, alpha=0.2, linewidth=0
                )
    for bands, color, style, name in ((true, BLUE, "--", "DFT"), (values, VERMILLION, "-", "predicted")):
        if bands is None:
            continue
        given = np.asarray(bands, dtype=np.float64)
        check_shape("bands", given, (len(path), None), "n_kpoints of the path, n_bands")
        ax.add_collection(
            LineCollection(_lines(path, given), colors=color, linestyles=style, linewidths=1.0, label=name)
        )
    name_corners(ax, path)
    finish_energies(ax, low, high)
    ax.set_ylabel(ENERGY_LABELS["fermi"], fontsize=FONT)


def band_line_figure(
    path: KPath,
    energies: ArrayLike,
    *,
    spread: ArrayLike | None = None,
    true: ArrayLike | None = None,
    dos: DOS | None = None,
    true_dos: DOS | None = None,
    occupancy: KResolvedOccupancy | None = None,
    low: float = _LOW,
    high: float = _HIGH,
) -> Figure:
    """Draw bands along a path (``plot_band_lines``), and the DOS beside them.

    Parameters
    ----------
    path : KPath
        The path.
    energies : array (n_kpoints, n_bands)
        Predicted, eV against the Fermi level.
    spread : array (n_kpoints, n_bands), optional
        Standard deviation, eV.
    true : array (n_kpoints, n_true_bands), optional
        From DFT, eV against its Fermi level.
    dos, true_dos : DOS, optional
        Predicted DOS, and DOS from DFT, of one structure. Without ``dos``, there is no panel for them.
    occupancy : KResolvedOccupancy, optional
        Probabilities of states at the k-points of the path, drawn behind the lines.
    low, high : float
        Range of energies, eV.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When bands or occupancies are not at the k-points of the path, or there are several structures.
    """
    check_arguments(low=low, high=high)
    figure, axes = band_panels(dos is not None)
    if occupancy is not None:
        image = plot_band_image(axes[0], occupancy, path, low=low, high=high)
        add_bar(figure, image, axes, "probability of a state")
    plot_band_lines(axes[0], path, energies, spread=spread, true=true, low=low, high=high)
    if dos is not None:
        _draw_dos(axes[1], dos, true_dos, low, high)
    if true is not None or true_dos is not None:
        handles, names = axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=3, frameon=False, fontsize=SMALL_FONT)
    return figure


def unfolded_figure(
    path: KPath, energies: ArrayLike, weights: ArrayLike, *, width: float = 0.1, low: float = _LOW, high: float = _HIGH
) -> Figure:
    """Draw the states of a supercell along a path of its primitive cell, as an image of their smeared weights.

    Parameters
    ----------
    path : KPath
        The path.
    energies, weights : arrays (n_kpoints, n_states)
        eV against the Fermi level, and spectral weights.
    width : float
        Standard deviation of the Gaussians, eV.
    low, high : float
        Range of energies, eV.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When states are not at the k-points of the path.
    """
    check_arguments(width=width, low=low, high=high)
    at, shares = (np.asarray(values, dtype=np.float64) for values in (energies, weights))
    check_shape("energies", at, (len(path), None), "n_kpoints of the path, n_states")
    check_shape("weights", shares, at.shape, "n_kpoints of the path, n_states")
    edges = np.linspace(low, high, int(np.ceil(2 * (high - low) / width)) + 1)
    centres = 0.5 * (edges[1:] + edges[:-1])
    values = np.stack(
        [np.exp(-0.5 * ((centres[:, None] - a) / width) ** 2) @ w for a, w in zip(at, shares, strict=True)]
    )
    figure, (ax,) = band_panels(with_dos=False)
    x = path.distances
    ends = np.concatenate([x[:1], (x[1:] + x[:-1]) / 2, x[-1:]])
    image = ax.pcolormesh(ends, edges, values.T / (width * np.sqrt(2 * np.pi)), cmap="Blues", vmin=0, rasterized=True)
    name_corners(ax, path)
    finish_energies(ax, low, high)
    ax.set_ylabel(ENERGY_LABELS["fermi"], fontsize=FONT)
    add_bar(figure, image, [ax], "spectral weight (1/eV)")
    return figure


def _parts(path: KPath) -> list[slice]:
    """Parts of a path without interruption."""
    places = [place for place, _ in path.corners]
    breaks = [b for a, b in pairwise(places) if b == a + 1]
    bounds = [0, *breaks, len(path)]
    return [slice(a, b) for a, b in pairwise(bounds)]


def _lines(path: KPath, bands: Floats) -> list[Floats]:
    """Points (n, 2) of each band within each part of the path; infinite ones are left out."""
    found = []
    for part in _parts(path):
        for band in bands[part].T:
            finite = np.isfinite(band)
            found.append(np.column_stack([path.distances[part][finite], band[finite]]))
    return found


def _draw_dos(ax: Axes, dos: DOS, true: DOS | None, low: float, high: float) -> None:
    """DOS per atom with energies upwards; its axis fits what is shown."""
    most = 0.0
    for one, color, style, name in ((true, BLUE, "--", "DFT"), (dos, VERMILLION, "-", "predicted")):
        if one is None:
            continue
        values = to_numpy(one.per_atom())
        check_shape("DOS per atom", values, (1, None), "1 structure, n_energies")
        energies = to_numpy(one.energies)
        ax.plot(values[0], energies, style, color=color, linewidth=1.0, label=name)
        most = max(most, float(values[0][(energies > low) & (energies < high)].max(initial=0.0)))
    ax.set_xlim(0, 1.05 * most or 1.0)
    ax.xaxis.set_major_locator(MaxNLocator(3))
    ax.set_xlabel(DOS_LABEL, fontsize=FONT)
    finish_energies(ax, low, high)
