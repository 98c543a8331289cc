"""Isosurfaces in the first Brillouin zone: Fermi surfaces, and surfaces near the edges of a gap.

As in Park et al. (see ``occupancy``), a field on a mesh of 21 x 21 x 21 k-points is interpolated to 105 x 105 x 105.
The isosurface is found by marching cubes (Lewiner et al., J. Graph. Tools 8, 1 (2003), as in scikit-image).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import map_coordinates

from ldosml._ranges import check_arguments
from ldosml._validation import ParameterError, check_choice, check_finite, check_shape
from ldosml.kresolved.bands import edge_bands
from ldosml.kresolved.brillouin import brillouin_zone, reciprocal_lattice
from ldosml.kresolved.meshes import on_mesh
from ldosml.kresolved.occupancy import KResolvedOccupancy
from ldosml.kresolved.states import (
    WINDOW,
    counted_bands,
    counted_edges,
    fermi_probability,
    highest_state,
    lowest_state,
)
from ldosml.kresolved.triangles import clipped_to_zone, welded

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

UPSAMPLE = 5
"""Refinement of the mesh along each axis: 21 k-points become 105, as in Park et al."""

ORDER: Literal[3] = 3
"""Order of the spline between k-points. For a tight-binding s band on 21 points along each axis, energies on the
surface are wrong by up to 0.3 % of the band width with order 1, and 0.01 % with order 3. Where bands cross, errors are
larger with either order: of the order of 10 meV for bands of a few eV."""

SplineOrder = Literal[1, 2, 3, 4, 5]

FermiMethod = Literal["filling", "shell"]
"""Where the expected number of states below the Fermi level passes n - 1/2, which needs counts; or, as in Park et al.,
where the largest probability near the Fermi level passes a threshold, which gives a shell around the surface."""


@dataclass(frozen=True, eq=False, repr=False)
class Isosurface:
    """A surface in the first Brillouin zone, made of triangles and clipped at the zone boundary.

    Parameters
    ----------
    vertices : array (n_vertices, 3)
        1/angstrom, 2 pi included; Gamma is the origin.
    faces : array (n_faces, 3)
        Indices of the vertices of each triangle, counterclockwise as seen from the side where the field is larger.
    level : float
        Value of the field on the surface.
    label : str
        Name of the surface, for legends.
    """

    vertices: Floats
    faces: Integers
    level: float
    label: str = ""

    def __len__(self) -> int:
        """Number of triangles."""
        return len(self.faces)

    def __repr__(self) -> str:
        """Label, number of triangles and level."""
        return f"Isosurface({self.label!r}: {len(self)} triangles at {self.level:g})"

    @property
    def area(self) -> float:
        """Area, 1/angstrom^2."""
        a, b, c = self.vertices[self.faces].transpose(1, 0, 2)
        return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum()) / 2


def isosurface(
    field: ArrayLike,
    cell: ArrayLike,
    level: float,
    *,
    upsample: int = UPSAMPLE,
    order: SplineOrder = ORDER,
    label: str = "",
) -> Isosurface:
    """Find the surface on which a periodic field has the value ``level``, in the first Brillouin zone.

    Parameters
    ----------
    field : array (n1, n2, n3)
        Values on a full mesh around Gamma; see ``on_mesh``.
    cell : array (3, 3)
        Lattice vectors of the primitive cell, rows, angstrom.
    level : float
        Between the smallest and the largest value, and not very close to one of them.
    upsample : int
        Refinement of the mesh along each axis.
    order : {1, 2, 3, 4, 5}
        Order of the spline between the points of the mesh.
    label : str
        Name of the surface.

    Returns
    -------
    Isosurface

    Raises
    ------
    ValueError
        When shapes do not fit, values are not finite, or all values are on one side of the level.
    ImportError
        When scikit-image is missing.
    """
    check_arguments(level=level, upsample=upsample)
    values = np.asarray(field, dtype=np.float64)
    check_shape("field", values, (None, None, None), "n1, n2, n3")
    check_finite("field", values)
    if not values.min() < level < values.max():
        raise ValueError(
            f"The field is from {values.min():g} to {values.max():g}, so it has no surface at {level:g}. Choose a "
            "level in between."
        )
    reciprocal = reciprocal_lattice(cell)
    fine = _upsampled(values, upsample, order)
    triangles = _marching_cubes()(np.pad(fine, (0, 1), mode="wrap"), level)
    if np.linalg.det(reciprocal) < 0:
        triangles = triangles[:, ::-1]
    clipped = clipped_to_zone(triangles / fine.shape, reciprocal, brillouin_zone(cell))
    step = np.max(np.linalg.norm(reciprocal, axis=1) / fine.shape)
    return Isosurface(*welded(clipped, 1e-4 * step), float(level), label)


def fermi_surface(
    occupancy: KResolvedOccupancy,
    *,
    method: FermiMethod = "filling",
    low: float = -np.inf,
    deeper: int = 0,
    threshold: float = 0.5,
    window: float = WINDOW,
    upsample: int = UPSAMPLE,
    order: SplineOrder = ORDER,
) -> tuple[Isosurface, ...]:
    """Find the sheets of the Fermi surface; an insulator has none.

    Parameters
    ----------
    occupancy : KResolvedOccupancy
        On a full mesh around Gamma.
    method : {"filling", "shell"}
        One sheet for each band that crosses the Fermi level (see ``counted_bands``), or one shell around all sheets
        (see ``fermi_probability``).
    low : float
        For "filling": energy from which states are counted, eV. It should lie in a gap, because a band that crosses it
        makes a false sheet.
    deeper : int
        For "filling": number of bands below ``low``; it only shifts the band numbers in the labels.
    threshold : float
        For "shell": the probability on the surface.
    window : float
        For "shell": half width of the window around the Fermi level, eV.
    upsample, order : int
        Interpolation; see ``isosurface``.

    Returns
    -------
    tuple of Isosurface

    Raises
    ------
    ValueError
        When k-points are not a full mesh, or "filling" has no counts.
    """
    check_arguments(low=low, deeper=deeper, threshold=threshold, window=window, upsample=upsample)
    check_choice("method", method, get_args(FermiMethod))
    options: dict[str, Any] = {"upsample": upsample, "order": order}
    if method == "shell":
        shell = on_mesh(occupancy.kpoints, fermi_probability(occupancy, window)[:, None])
        return _sheets(shell, occupancy.cell, threshold, "shell", 1, **options)
    bands = on_mesh(occupancy.kpoints, counted_bands(occupancy, low))
    return _sheets(bands, occupancy.cell, 0.0, "band", deeper + 1, **options)


def band_surfaces(
    eigenvalues: ArrayLike,
    kpoints: ArrayLike,
    cell: ArrayLike,
    *,
    level: float = 0.0,
    upsample: int = UPSAMPLE,
    order: SplineOrder = ORDER,
) -> tuple[Isosurface, ...]:
    """Find the surfaces of constant energy of eigenvalues, one for each band that crosses the level.

    Parameters
    ----------
    eigenvalues : array (n_kpoints, n_bands)
        eV against the Fermi level. Bands that are infinite at some k-points are left out.
    kpoints : array (n_kpoints, 3)
        A full mesh around Gamma, fractions of the reciprocal lattice vectors.
    cell : array (3, 3)
        Lattice vectors of the primitive cell, rows, angstrom.
    level : float
        eV against the Fermi level; 0 gives the Fermi surface.
    upsample, order : int
        Interpolation; see ``isosurface``.

    Returns
    -------
    tuple of Isosurface
    """
    check_arguments(level=level, upsample=upsample)
    values = np.sort(np.asarray(eigenvalues, dtype=np.float64), axis=1)
    known = values[:, np.isfinite(values).all(axis=0)]
    return _sheets(on_mesh(kpoints, known), cell, level, "band", 1, upsample=upsample, order=order)


def edge_surfaces(
    occupancy: KResolvedOccupancy,
    *,
    depth: float | None = None,
    upsample: int = UPSAMPLE,
    order: SplineOrder = ORDER,
) -> tuple[Isosurface, Isosurface]:
    """Find the surfaces just within the two edges of a gap: where holes and electrons would be.

    They lie ``depth`` below the maximum of the highest occupied state, and above the minimum of the lowest empty state.
    These states come from ``counted_edges``, or without counts from ``highest_state`` and ``lowest_state``.

    Parameters
    ----------
    occupancy : KResolvedOccupancy
        On a full mesh around Gamma.
    depth : float or None
        eV; it should be larger than the width of a bin. None: a tenth of the width of each band.
    upsample, order : int
        Interpolation; see ``isosurface``.

    Returns
    -------
    valence, conduction : Isosurface

    Raises
    ------
    ValueError
        When k-points are not a full mesh, or a band is narrower than ``depth``.
    """
    check_arguments(depth=depth, upsample=upsample)
    if occupancy.counts is None:
        edges = highest_state(occupancy), lowest_state(occupancy)
    else:
        edges = counted_edges(occupancy)
    return _edges(edges, occupancy.kpoints, occupancy.cell, depth, upsample=upsample, order=order)


def band_edge_surfaces(
    eigenvalues: ArrayLike,
    kpoints: ArrayLike,
    cell: ArrayLike,
    *,
    n_electrons: float,
    depth: float | None = None,
    upsample: int = UPSAMPLE,
    order: SplineOrder = ORDER,
) -> tuple[Isosurface, Isosurface]:
    """Find the surfaces just within the two edges of a gap from eigenvalues; see ``edge_surfaces``.

    Parameters
    ----------
    eigenvalues : array (n_kpoints, n_bands)
        eV, for one spin, in any order.
    kpoints : array (n_kpoints, 3)
        A full mesh around Gamma, fractions of the reciprocal lattice vectors.
    cell : array (3, 3)
        Lattice vectors of the primitive cell, rows, angstrom.
    n_electrons : float
        Valence electrons in the cell.
    depth : float or None
        eV. None: a tenth of the width of each band.
    upsample, order : int
        Interpolation; see ``isosurface``.

    Returns
    -------
    valence, conduction : Isosurface

    Raises
    ------
    ValueError
        When the number of electrons is odd, k-points are not a full mesh, or a band is narrower than ``depth``.
    """
    check_arguments(n_electrons=n_electrons, depth=depth, upsample=upsample)
    return _edges(edge_bands(eigenvalues, n_electrons), kpoints, cell, depth, upsample=upsample, order=order)


def _sheets(
    mesh: Floats, cell: ArrayLike, level: float, name: str, first: int, **options: Any
) -> tuple[Isosurface, ...]:
    """Surfaces of the fields (n1, n2, n3, n_fields) that cross the level, numbered from ``first``."""
    passing = [n for n in range(mesh.shape[-1]) if mesh[..., n].min() < level < mesh[..., n].max()]
    surfaces = (isosurface(mesh[..., n], cell, level, label=f"{name} {n + first}", **options) for n in passing)
    return tuple(surface for surface in surfaces if len(surface))


def _edges(
    edges: tuple[Floats, Floats], kpoints: ArrayLike, cell: ArrayLike, depth: float | None, **options: Any
) -> tuple[Isosurface, Isosurface]:
    """Surfaces at a depth below the maximum of the first field (n_kpoints,), and above the minimum of the second."""
    valence, conduction = (on_mesh(kpoints, edge) for edge in edges)
    depths = [_depth(field, depth, name) for field, name in ((valence, "valence"), (conduction, "conduction"))]
    return (
        isosurface(valence, cell, float(valence.max()) - depths[0], label="valence edge", **options),
        isosurface(conduction, cell, float(conduction.min()) + depths[1], label="conduction edge", **options),
    )


def _depth(band: Floats, depth: float | None, name: str) -> float:
    width = float(np.ptp(band))
    if width == 0:
        raise ValueError(f"The {name} band is flat, or has no states, so it has no surface.")
    if depth is None:
        return 0.1 * width
    if not 0 < depth < width:
        raise ParameterError(
            "depth", f"must be between 0 and {width:.3g} eV, the width of the {name} band; got {depth:g} eV."
        )
    return depth


def _upsampled(field: Floats, factor: int, order: SplineOrder) -> Floats:
    """Interpolate a periodic field by splines to a mesh that is finer by a factor along each axis."""
    if factor < 1 or int(factor) != factor:
        raise ValueError(f"upsample must be a whole number, at least 1; got {factor!r}.")
    if order not in get_args(SplineOrder):
        raise ValueError(f"order of the spline must be 1, 2, 3, 4 or 5; got {order!r}.")
    if factor == 1:
        return field
    places = np.indices([n * factor for n in field.shape]) / factor
    return np.asarray(map_coordinates(field, places, order=order, mode="grid-wrap"), dtype=np.float64)


def _marching_cubes() -> Any:
    """A function of a volume and a level that returns triangles (n, 3, 3), in grid units of the volume."""
    try:
        from skimage.measure import marching_cubes
    except ModuleNotFoundError as error:
        raise ImportError("Isosurfaces need scikit-image. Install it by\n    pip install 'ldosml[neural]'") from error

    def triangles(volume: Floats, level: float) -> Floats:
        try:
            vertices, faces, _, _ = marching_cubes(volume, level)
        except RuntimeError as error:  # the surface lies between grid points, by less than single precision
            raise ValueError(
                f"No surface was found at {level:g}: it is too close to an end of the field, which is from "
                f"{volume.min():g} to {volume.max():g}. Choose a level, or a depth, further inside."
            ) from error
        return np.asarray(vertices[faces], dtype=np.float64)

    return triangles
