"""Figures of the electronic structure by k-point: bands as occupancies along a path, DOS, and isosurfaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection
from mpl_toolkits.mplot3d.axes3d import Axes3D
from numpy.typing import ArrayLike, NDArray

from ldosml._array import to_numpy
from ldosml._ranges import check_arguments
from ldosml._validation import check_shape
from ldosml.kresolved import BrillouinZone, Isosurface, KPath, KResolvedOccupancy, brillouin_zone
from ldosml.plotting.figure import Figure
from ldosml.plotting.labels import DOS_LABEL, ENERGY_LABELS
from ldosml.plotting.style import (
    BLUE,
    COLUMN_WIDTH,
    FONT,
    GREY,
    LOOKS,
    PAGE_WIDTH,
    SMALL_FONT,
    VERMILLION,
    finish_energy_axis,
    mark_fermi_level,
)
from ldosml.spectra import DOS

Floats = NDArray[np.float64]

_COLORS = "Blues"  # perceptually uniform, from white to dark
_PANELS = 4  # largest number of isosurface panels in a row
_ELEVATION, _AZIMUTH = 18.0, 32.0  # degrees
_LETTER = 0.65 * SMALL_FONT  # points, width of a letter at the corner of a path
_ROOM = 0.85  # of the width of a panel, which labels and colour bar make narrower
_ZOOM = 1.5  # a sphere of this size then fills its panel


def plot_band_image(
    ax: Axes,
    occupancy: KResolvedOccupancy,
    path: KPath,
    *,
    bands: ArrayLike | None = None,
    bands_label: str = "DFT eigenvalues",
    low: float = -np.inf,
    high: float = np.inf,
) -> QuadMesh:
    """Draw the probabilities of energy bins along a path as an image, and eigenvalues as dots.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    occupancy : KResolvedOccupancy
        Occupancies at the k-points of the path, in the same order.
    path : KPath
        The path.
    bands : array (n_kpoints, n_bands), optional
        Eigenvalues with the energy zero of the bins, eV, in any order; infinite ones are left out.
    bands_label : str
        Label of the eigenvalues in the legend.
    low, high : float
        Range of energies, eV.

    Returns
    -------
    matplotlib.collections.QuadMesh
        For a colour bar.

    Raises
    ------
    ValueError
        When the occupancies or bands are not at the k-points of the path.
    """
    check_arguments(low=low, high=high)
    check_shape("kpoints of the occupancies", occupancy.kpoints, path.kpoints.shape, "n_kpoints of the path, 3")
    grid, x = occupancy.grid, path.distances
    ends = np.concatenate([x[:1], (x[1:] + x[:-1]) / 2, x[-1:]])
    edges = grid.edges
    image = ax.pcolormesh(ends, edges, occupancy.probabilities.T, cmap=_COLORS, vmin=0, rasterized=True)
    if bands is not None:
        _draw_bands(ax, x, np.asarray(bands, dtype=np.float64), bands_label)
    name_corners(ax, path)
    finish_energies(ax, max(low, edges[0]), min(high, edges[-1]))
    ax.set_ylabel(ENERGY_LABELS[grid.zero], fontsize=FONT)
    return image


def plot_mean_occupancy(ax: Axes, occupancy: KResolvedOccupancy) -> None:
    """Draw the mean probability of a state over the k-points against energy.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    occupancy : KResolvedOccupancy
        Weights of the k-points are used, if there are any.
    """
    ax.fill_between(occupancy.energies, occupancy.mean, color=VERMILLION, alpha=0.2, linewidth=0)
    ax.plot(occupancy.energies, occupancy.mean, color=VERMILLION, linewidth=1.2, label="mean over the k-points")
    mark_fermi_level(ax, occupancy.energies, occupancy.grid.zero)
    finish_energy_axis(ax, occupancy.energies, occupancy.grid.zero)
    ax.set_ylim(bottom=0)
    ax.set_ylabel("probability of a state", fontsize=FONT)


def mean_occupancy_figure(occupancy: KResolvedOccupancy) -> Figure:
    """Draw the mean probability of a state over the k-points against energy.

    Parameters
    ----------
    occupancy : KResolvedOccupancy
        Weights of the k-points are used, if there are any.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(PAGE_WIDTH, 2.8), layout="constrained")
    ax = figure.subplots()
    plot_mean_occupancy(ax, occupancy)
    ax.legend(frameon=False, fontsize=SMALL_FONT)
    return figure


def plot_occupancy_dos(ax: Axes, dos: DOS, *, true: DOS | None = None) -> None:
    """Draw the DOS per atom of one crystal beside its bands, with energies upwards.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    dos : DOS
        Predicted, one structure; solid.
    true : DOS, optional
        From DFT, one structure; dashed.

    Raises
    ------
    ValueError
        When there are several structures.
    """
    for one, color, style, name in ((true, BLUE, "--", "DFT"), (dos, VERMILLION, "-", "predicted")):
        if one is None:
            continue
        values = to_numpy(one.per_atom())
        check_shape("DOS per atom", values, (1, None), "1 structure, n_energies")
        ax.plot(values[0], one.energies, style, color=color, linewidth=1.2, label=name)
    ax.set_xlim(left=0)
    ax.xaxis.set_major_locator(MaxNLocator(3))
    ax.set_xlabel(DOS_LABEL, fontsize=FONT)
    finish_energies(ax, dos.energies[0], dos.energies[-1])


def dos_figure(dos: DOS) -> Figure:
    """Draw the predicted DOS per atom of one crystal.

    Parameters
    ----------
    dos : DOS
        One structure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When there are several structures.
    """
    values = to_numpy(dos.per_atom())
    check_shape("DOS per atom", values, (1, None), "1 structure, n_energies")
    figure = Figure(figsize=(PAGE_WIDTH, 2.8), layout="constrained")
    ax = figure.subplots()
    ax.fill_between(dos.energies, values[0], color=VERMILLION, alpha=0.2, linewidth=0)
    ax.plot(dos.energies, values[0], color=VERMILLION, linewidth=1.2, label="predicted")
    mark_fermi_level(ax, to_numpy(dos.energies), dos.grid.zero)
    finish_energy_axis(ax, to_numpy(dos.energies), dos.grid.zero)
    ax.set_ylim(bottom=0)
    ax.set_ylabel(DOS_LABEL, fontsize=FONT)
    ax.legend(frameon=False, fontsize=SMALL_FONT)
    return figure


def band_figure(
    occupancy: KResolvedOccupancy,
    path: KPath,
    *,
    bands: ArrayLike | None = None,
    bands_label: str = "DFT eigenvalues",
    dos: DOS | None = None,
    true_dos: DOS | None = None,
    low: float = -np.inf,
    high: float = np.inf,
) -> Figure:
    """Draw the occupancies along a path (``plot_band_image``), and the DOS beside them.

    Parameters
    ----------
    occupancy : KResolvedOccupancy
        Occupancies at the k-points of the path, in the same order.
    path : KPath
        The path.
    bands : array (n_kpoints, n_bands), optional
        Eigenvalues with the energy zero of the bins, eV, in any order; infinite ones are left out.
    bands_label : str
        Label of the eigenvalues in the legend.
    dos, true_dos : DOS, optional
        Predicted DOS, and DOS from DFT, of one structure. Without ``dos``, there is no panel for them.
    low, high : float
        Range of energies, eV.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When occupancies or bands are not at the k-points of the path.
    """
    check_arguments(low=low, high=high)
    figure, axes = band_panels(dos is not None)
    image = plot_band_image(axes[0], occupancy, path, bands=bands, bands_label=bands_label, low=low, high=high)
    handles, names = axes[0].get_legend_handles_labels()
    if dos is not None:
        limits = axes[0].get_ylim()
        plot_occupancy_dos(axes[1], dos, true=true_dos)
        axes[1].set_ylim(limits)
        handles, names = (a + b for a, b in zip((handles, names), axes[1].get_legend_handles_labels(), strict=True))
    add_bar(figure, image, axes, "probability of a state")
    if handles:
        figure.legend(
            handles, names, loc="outside upper center", ncols=3, frameon=False, fontsize=SMALL_FONT, markerscale=4
        )
    return figure


def band_panels(with_dos: bool) -> tuple[Figure, list[Axes]]:
    """An empty figure for bands, and a narrow panel beside them for a DOS."""
    figure = Figure(figsize=(PAGE_WIDTH, 3.6), layout="constrained")
    ratios = [3.0, 1.0] if with_dos else [1.0]
    return figure, list(figure.subplots(1, len(ratios), sharey=True, width_ratios=ratios, squeeze=False)[0])


def add_bar(figure: Figure, image: QuadMesh, axes: Sequence[Axes], label: str) -> None:
    """Explain the colours of an image beside its panels."""
    bar = figure.colorbar(image, ax=axes, pad=0.01, aspect=40)
    bar.set_label(label, fontsize=FONT)
    bar.ax.tick_params(labelsize=SMALL_FONT)


def plot_isosurfaces(
    ax: Axes3D, surfaces: Sequence[Isosurface], cell: ArrayLike, *, colors: Sequence[int] | None = None
) -> None:
    """Draw surfaces in the Brillouin zone, with Gamma in the centre; without surfaces, "no surface" is written.

    For the present direction of view of ``ax``, edges of the zone in front are drawn over the surfaces, and edges
    behind are dashed. The side of a surface on which the field is smaller (of a Fermi surface, the occupied side) is
    paler.

    Parameters
    ----------
    ax : mpl_toolkits.mplot3d.axes3d.Axes3D
        Made with ``computed_zorder=False``, so that edges are in front.
    surfaces : sequence of Isosurface
        Six colours are used in turn.
    cell : array (3, 3)
        Lattice vectors of the primitive cell, rows, angstrom.
    colors : sequence of int, optional
        Number of the colour of each surface. Default: in order.
    """
    zone = brillouin_zone(cell)
    triangles = [surface.vertices[surface.faces] for surface in surfaces]
    if sum(map(len, triangles)):
        chosen = [_rgb(n) for n in (range(len(surfaces)) if colors is None else colors)]
        faces = np.repeat(chosen, [len(t) for t in triangles], axis=0)
        # In one collection; otherwise whole surfaces would be drawn one behind another.
        together = np.concatenate(triangles)
        shown = Poly3DCollection(
            together, facecolors=_shaded(together, faces, _view(ax)), edgecolors="none", antialiased=False, zorder=2
        )
        shown.set_rasterized(True)
        ax.add_collection3d(shown)
    else:
        ax.text(0, 0, 0, "no surface", ha="center", va="center", fontsize=FONT, color=GREY)
    _draw_zone(ax, zone)


def isosurface_figure(surfaces: Mapping[str, Sequence[Isosurface]], cell: ArrayLike) -> Figure:
    """Draw isosurfaces of one crystal in panels, for instance from DFT and predicted.

    Parameters
    ----------
    surfaces : mapping of sequences of Isosurface
        Surfaces by the title of their panel. Surfaces with the same label have the same colour.
    cell : array (3, 3)
        Lattice vectors of the primitive cell, rows, angstrom.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When there is no panel to draw.
    """
    if not surfaces:
        raise ValueError("surfaces must have at least one panel; got none.")
    labels = list(dict.fromkeys(one.label for given in surfaces.values() for one in given))
    columns = min(_PANELS, len(surfaces))
    rows = -(-len(surfaces) // columns)
    width = COLUMN_WIDTH if columns == 1 else PAGE_WIDTH
    figure = Figure(figsize=(width, rows * min(COLUMN_WIDTH, width / columns * 1.1) + 0.4), layout="constrained")
    for place, (title, given) in enumerate(surfaces.items(), 1):
        ax = figure.add_subplot(rows, columns, place, projection="3d", computed_zorder=False)
        ax.view_init(elev=_ELEVATION, azim=_AZIMUTH)
        plot_isosurfaces(ax, given, cell, colors=[labels.index(one.label) for one in given])
        ax.set_title(title, fontsize=SMALL_FONT, parse_math=False)
    patches = [Patch(color=_rgb(n), label=label) for n, label in enumerate(labels)]
    if len(patches) > 1:
        figure.legend(handles=patches, loc="outside lower center", ncols=4, frameon=False, fontsize=SMALL_FONT)
    return figure


def _draw_bands(ax: Axes, x: Floats, bands: Floats, label: str) -> None:
    check_shape("bands", bands, (len(x), None), "n_kpoints of the path, n_bands")
    k, n = np.nonzero(np.isfinite(bands))
    ax.plot(x[k], bands[k, n], ".", color=VERMILLION, markersize=2.4, markeredgewidth=0, label=label)


def name_corners(ax: Axes, path: KPath) -> None:
    """Draw a line at each corner, with its name below; names that would touch another stand one line lower."""
    places, names = path.ticks
    length = max(float(path.distances[-1]), 1e-12)
    width = _ROOM * ax.get_window_extent().width * 72 / ax.figure.dpi  # points
    rows = _rows(places / length * width, [_LETTER * (len(name) + 1) for name in names])
    ax.set_xticks(places, ["\n" * row + name for row, name in zip(rows, names, strict=True)], fontsize=SMALL_FONT)
    ax.tick_params(axis="x", length=0)
    for place in places:
        ax.axvline(place, color=GREY, linewidth=0.6)
    ax.set_xlim(path.distances[0], path.distances[-1])


def _rows(centres: Floats, widths: Sequence[float]) -> list[int]:
    """Row of each text, from 0 downwards, so that none touches another; ``centres`` ascend."""
    ends: list[float] = []
    rows = []
    for centre, width in zip(centres.tolist(), widths, strict=True):
        start = centre - width / 2
        row = next((number for number, end in enumerate(ends) if end <= start), len(ends))
        ends[row : row + 1] = [start + width]
        rows.append(row)
    return rows


def finish_energies(ax: Axes, low: float, high: float) -> None:
    """Range of energies, and a line at the Fermi level."""
    ax.set_ylim(low, high)
    ax.axhline(0, color=GREY, linestyle=":", linewidth=1)
    ax.tick_params(labelsize=SMALL_FONT)


def _draw_zone(ax: Axes3D, zone: BrillouinZone) -> None:
    """Edges of the zone, without axes, with the same scale in all directions."""
    front = zone.normals @ _view(ax) > 0
    in_front = {side for face, faces_us in zip(zone.faces, front, strict=True) if faces_us for side in _sides(face)}
    lines = zone.vertices[zone.edges]
    seen = np.array([tuple(edge) in in_front for edge in zone.edges.tolist()])
    ax.add_collection3d(Line3DCollection(lines[~seen], colors=GREY, linewidths=0.6, linestyles="--", zorder=1))
    ax.add_collection3d(Line3DCollection(lines[seen], colors="black", linewidths=0.8, zorder=3))
    reach = np.linalg.norm(zone.vertices, axis=1).max()
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), zlim=(-reach, reach))
    ax.set_proj_type("ortho")
    ax.set_box_aspect((1, 1, 1), zoom=_ZOOM)
    ax.set_axis_off()


def _sides(face: tuple[int, ...]) -> list[tuple[int, int]]:
    """Edges around a face, the smaller vertex first."""
    return [(min(pair), max(pair)) for pair in zip(face, (*face[1:], face[0]), strict=True)]


def _shaded(triangles: Floats, colors: Floats, light: Floats) -> Floats:
    """Colours (n, 3) lit from the viewer: darker where the surface turns away, paler on the side of smaller values."""
    a, b, c = triangles.transpose(1, 0, 2)
    normals = np.cross(b - a, c - a)
    facing = normals @ light / np.maximum(np.linalg.norm(normals, axis=1), 1e-300)
    pale = np.where(facing < 0, 0.45, 0.0)[:, None]
    lit = (colors * (1 - pale) + pale) * (0.5 + 0.5 * np.abs(facing))[:, None]
    return np.asarray(lit, dtype=np.float64)


def _rgb(number: int) -> tuple[float, float, float]:
    """Colour of a surface by its number."""
    return to_rgb(LOOKS[number % len(LOOKS)][0])


def _view(ax: Axes3D) -> Floats:
    """Unit vector from the centre to the viewer."""
    elevation, azimuth = np.radians([ax.elev, ax.azim])
    flat = np.cos(elevation)
    return np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)])
