"""Surfaces of constant energy, or occupancy, in the first Brillouin zone: Fermi surfaces, and the edges of a gap.

After Park et al. (see ``occupancy``): a field on a 21 x 21 x 21 mesh is interpolated to 105 x 105 x 105, and its
isosurface found by marching cubes (Lewiner et al., J. Graph. Tools 8, 1 (2003), as scikit-image has it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import map_coordinates

from ldosml._validation import check_choice, check_finite, check_shape
from ldosml.kresolved.brillouin import brillouin_zone, reciprocal_lattice
from ldosml.kresolved.clipping import in_zone, welded
from ldosml.kresolved.fields import (
    WINDOW,
    counted_bands,
    counted_edges,
    edge_bands,
    highest_state,
    lowest_state,
    near_fermi,
)
from ldosml.kresolved.meshes import on_mesh
from ldosml.kresolved.occupancy import KResolvedOccupancy

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

UPSAMPLE = 5
"""Points of the fine mesh for one of the given, along each axis: 105 for the 21 of Park et al."""

ORDER: Literal[3] = 3
"""Of the spline between k-points. Of a tight-binding s band on 21 points an axis, energies on the surface are wrong by
up to 0.3 % of its width with 1 (lines), and 0.01 % with 3. Kinks, where bands cross, cost more, but with lines as well:
18 and 11 meV (root mean square), with bands 6 and 2 eV wide."""

SplineOrder = Literal[1, 2, 3, 4, 5]

FermiMethod = Literal["filling", "shell"]
"""Where the expected number of states below the Fermi level passes a half, which needs counts; or, as Park et al. do,
where the largest probability near the Fermi level passes a threshold: inside and outside of a shell."""


@dataclass(frozen=True, eq=False, repr=False)
class Isosurface:
    """Triangles in the first Brillouin zone, cut off at its planes.

    Parameters
    ----------
    vertices : array (n_vertices, 3)
        1/angstrom, 2 pi included, Gamma at the origin.
    faces : array (n_faces, 3)
        Vertices of each triangle, counterclockwise when seen from where the field is larger.
    level : float
        Of the field on the surface, in its unit.
    label : str
        What it is a surface of.
    """

    vertices: Floats
    faces: Integers
    level: float
    label: str = ""

    def __len__(self) -> int:
        """Count the triangles."""
        return len(self.faces)

    def __repr__(self) -> str:
        """Tell what it holds."""
        return f"Isosurface({self.label!r}: {len(self)} triangles at {self.level:g})"

    @property
    def area(self) -> float:
        """1/angstrom^2."""
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
    """Find where a periodic field has the value ``level``, in the first Brillouin zone.

    Parameters
    ----------
    field : array (n1, n2, n3)
        On a full mesh around Gamma, as ``on_mesh`` gives it.
    cell : array (3, 3)
        Lattice vectors of the primitive cell, rows, angstrom.
    level : float
        Between the smallest and the largest value, and not next to one of them.
    upsample : int
        Points of the finer mesh for one of the given, along each axis.
    order : {1, 2, 3, 4, 5}
        Of the spline between points: 1 for lines.
    label : str

    Raises
    ------
    ValueError
        When shapes do not fit, values are not finite, or none are on one side of the level.
    ImportError
        When scikit-image is missing.
    """
    values = np.asarray(field, dtype=np.float64)
    check_shape("field", values, (None, None, None), "n1, n2, n3")
    check_finite("field", values)
    if not values.min() < level < values.max():
        raise ValueError(
            f"The field is from {values.min():g} to {values.max():g}: it has no surface at {level:g}. Take a level "
            "in between."
        )
    reciprocal = reciprocal_lattice(cell)
    fine = _upsampled(values, upsample, order)
    triangles = _marching_cubes()(np.pad(fine, (0, 1), mode="wrap"), level)
    if np.linalg.det(reciprocal) < 0:
        triangles = triangles[:, ::-1]
    cut = in_zone(triangles / fine.shape, reciprocal, brillouin_zone(cell))
    step = np.max(np.linalg.norm(reciprocal, axis=1) / fine.shape)
    return Isosurface(*welded(cut, 1e-4 * step), float(level), label)


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
    """Find the sheets of the Fermi surface; of an insulator there are none.

    Parameters
    ----------
    occupancy : KResolvedOccupancy
        On a full mesh around Gamma.
    method : {"filling", "shell"}
        A sheet for each half that the number of states below the Fermi level passes (see ``counted_bands``), or one
        shell around all (see ``near_fermi``).
    low : float
        Where counting begins, eV, best in a gap: a band that passes it makes a false sheet. For "filling".
    deeper : int
        Bands below ``low``, for the numbers in the labels of the sheets. For "filling".
    threshold : float
        For "shell".
    window : float
        Around the Fermi level, eV; for "shell".
    upsample : int
    order : {1, 2, 3, 4, 5}
        See ``isosurface``.

    Raises
    ------
    ValueError
        When k-points are not a full mesh, or "filling" has no counts.
    """
    check_choice("method", method, get_args(FermiMethod))
    options: dict[str, Any] = {"upsample": upsample, "order": order}
    if method == "shell":
        shell = on_mesh(occupancy.kpoints, near_fermi(occupancy, window)[:, None])
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
    """Find the surface of constant energy of every band that reaches the level: the Fermi surface from eigenvalues.

    Parameters
    ----------
    eigenvalues : array (n_kpoints, n_bands)
        eV against the Fermi level. Bands that do not have all k-points (filled up with infinity) are left out.
    kpoints : array (n_kpoints, 3)
        Of a full mesh around Gamma, fractions of the reciprocal lattice vectors.
    cell : array (3, 3)
        Lattice vectors of the primitive cell, rows, angstrom.
    level : float
        eV.
    upsample : int
    order : {1, 2, 3, 4, 5}
        See ``isosurface``.
    """
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
    """Find where electrons of an insulator are highest and lowest: surfaces of its valence and conduction edges.

    They are at ``depth`` (eV) below the top of the highest states, and above the bottom of the lowest: those of
    ``counted_edges``, or without counts of ``highest_state`` and ``lowest_state``.

    Parameters
    ----------
    occupancy : KResolvedOccupancy
        On a full mesh around Gamma.
    depth : float or None
        eV; more than the resolution of the bins. None: a tenth of the width of each band.
    upsample : int
    order : {1, 2, 3, 4, 5}
        See ``isosurface``.

    Raises
    ------
    ValueError
        When k-points are not a full mesh, or a band does not reach that far.
    """
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
    """As ``edge_surfaces``, from eigenvalues as ``band_surfaces`` has them and the number of valence electrons."""
    return _edges(edge_bands(eigenvalues, n_electrons), kpoints, cell, depth, upsample=upsample, order=order)


def _sheets(
    mesh: Floats, cell: ArrayLike, level: float, name: str, first: int, **options: Any
) -> tuple[Isosurface, ...]:
    """Surfaces of those fields of a mesh (n1, n2, n3, n_fields) that pass the level, numbered from ``first`` on."""
    passing = [n for n in range(mesh.shape[-1]) if mesh[..., n].min() < level < mesh[..., n].max()]
    surfaces = (isosurface(mesh[..., n], cell, level, label=f"{name} {n + first}", **options) for n in passing)
    return tuple(surface for surface in surfaces if len(surface))


def _edges(
    edges: tuple[Floats, Floats], kpoints: ArrayLike, cell: ArrayLike, depth: float | None, **options: Any
) -> tuple[Isosurface, Isosurface]:
    """Surfaces at a depth from the top of the first field (n_kpoints,), and from the bottom of the second."""
    valence, conduction = (on_mesh(kpoints, edge) for edge in edges)
    depths = [_depth(field, depth, name) for field, name in ((valence, "valence"), (conduction, "conduction"))]
    return (
        isosurface(valence, cell, float(valence.max()) - depths[0], label="valence edge", **options),
        isosurface(conduction, cell, float(conduction.min()) + depths[1], label="conduction edge", **options),
    )


def _depth(band: Floats, depth: float | None, name: str) -> float:
    width = float(np.ptp(band))
    if width == 0:
        raise ValueError(f"The {name} band is flat, or no states are expected there: it has no surface.")
    if depth is None:
        return 0.1 * width
    if not 0 < depth < width:
        raise ValueError(
            f"The {name} band is {width:.3g} eV wide, so that no surface lies {depth:g} eV within it. Take a depth "
            f"between 0 and {width:.3g} eV."
        )
    return depth


def _upsampled(field: Floats, factor: int, order: SplineOrder) -> Floats:
    """The periodic field on a mesh that is finer by a factor along each axis, by splines."""
    if factor < 1 or int(factor) != factor:
        raise ValueError(f"upsample must be a whole number, at least 1; got {factor!r}.")
    if order not in get_args(SplineOrder):
        raise ValueError(f"order of the spline must be 1, 2, 3, 4 or 5; got {order!r}.")
    if factor == 1:
        return field
    places = np.indices([n * factor for n in field.shape]) / factor
    return np.asarray(map_coordinates(field, places, order=order, mode="grid-wrap"), dtype=np.float64)


def _marching_cubes() -> Any:
    """A function of a volume and a level that gives triangles (n, 3, 3), in steps of the volume."""
    try:
        from skimage.measure import marching_cubes
    except ModuleNotFoundError as error:
        raise ImportError("Isosurfaces need scikit-image. Install it by\n    pip install 'ldosml[neural]'") from error

    def triangles(volume: Floats, level: float) -> Floats:
        try:
            vertices, faces, _, _ = marching_cubes(volume, level)
        except RuntimeError as error:  # between points, by less than single precision
            raise ValueError(
                f"No surface was found at {level:g}, so near an end of the field, which is from {volume.min():g} to "
                f"{volume.max():g}. Take a level, or depth, further inside."
            ) from error
        return np.asarray(vertices[faces], dtype=np.float64)

    return triangles
