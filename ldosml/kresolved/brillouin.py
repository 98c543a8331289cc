"""The first Brillouin zone: the points closer to the origin than to any other reciprocal lattice point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.geometry import minkowski_reduce
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import connected_components
from scipy.spatial import Voronoi

from ldosml._validation import check_finite, check_shape

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# In units of the radius of the zone. Rounding errors split one corner into several. Corners closer than the first are
# merged, and lie on all planes that one of them touches within the second.
_SAME, _ON_PLANE = 1e-5, 1e-7


@dataclass(frozen=True, eq=False, repr=False)
class BrillouinZone:
    """The first Brillouin zone, a convex polyhedron; made by ``brillouin_zone``.

    Parameters
    ----------
    vertices : array (n_vertices, 3)
        1/angstrom, 2 pi included.
    faces : tuple of tuple of int
        Indices of the vertices of each face, counterclockwise as seen from outside.
    edges : array (n_edges, 2)
        Indices of the vertices at both ends of each edge.
    normals : array (n_faces, 3)
        Unit vectors that point outwards.
    distances : array (n_faces,)
        Distances of the faces from the origin, 1/angstrom, 2 pi included.
    """

    vertices: Floats
    faces: tuple[tuple[int, ...], ...]
    edges: Integers
    normals: Floats
    distances: Floats

    def __repr__(self) -> str:
        """Numbers of faces, edges and vertices."""
        return f"BrillouinZone({len(self.faces)} faces, {len(self.edges)} edges, {len(self.vertices)} vertices)"

    @property
    def volume(self) -> float:
        """Volume, 1/angstrom^3: the sum of the pyramids from the origin to each face."""
        areas = [_area(self.vertices[list(face)]) for face in self.faces]
        return float(np.dot(areas, self.distances)) / 3


def reciprocal_lattice(cell: ArrayLike) -> Floats:
    """Reciprocal lattice vectors (3, 3) of lattice vectors (3, 3), rows, with a_i . b_j = 2 pi delta_ij, 1/angstrom.

    Raises ValueError when the shape is wrong, numbers are not finite, or the vectors span no volume.
    """
    vectors = np.asarray(cell, dtype=np.float64)
    check_shape("cell", vectors, (3, 3), "3 lattice vectors, 3")
    check_finite("cell", vectors)
    if abs(np.linalg.det(vectors)) < 1e-6:
        raise ValueError(f"The three lattice vectors must span a volume; got {vectors.tolist()}.")
    return np.asarray(2 * np.pi * np.linalg.inv(vectors).T, dtype=np.float64)


def brillouin_zone(cell: ArrayLike) -> BrillouinZone:
    """Find the first Brillouin zone of a crystal.

    It is the Voronoi cell of the origin among the reciprocal lattice points; its volume is (2 pi)^3 / V_cell.

    Parameters
    ----------
    cell : array (3, 3)
        Lattice vectors of the primitive cell, rows, angstrom.

    Returns
    -------
    BrillouinZone

    Raises
    ------
    ValueError
        When the lattice vectors span no volume.

    Examples
    --------
    >>> brillouin_zone([[0, 2, 2], [2, 0, 2], [2, 2, 0]])
    BrillouinZone(14 faces, 36 edges, 24 vertices)
    """
    points = _neighbours(reciprocal_lattice(cell))
    voronoi = Voronoi(points)  # the origin is the first
    found = voronoi.vertices[voronoi.regions[voronoi.point_region[0]]]
    lengths = np.linalg.norm(points[1:], axis=1)
    normals, distances = points[1:] / lengths[:, None], lengths / 2
    radius = np.abs(found).max()
    corners, which = _merged(found, _SAME * radius)
    on_plane = np.zeros((len(corners), len(normals)), dtype=bool)
    np.logical_or.at(on_plane, which, np.abs(found @ normals.T - distances) < _ON_PLANE * radius)
    planes = np.flatnonzero(on_plane.sum(axis=0) > 2)  # other planes touch at most an edge
    faces = tuple(_around(corners, np.flatnonzero(on_plane[:, plane]), normals[plane]) for plane in planes)
    pairs = [pair for face in faces for pair in zip(face, (*face[1:], face[0]), strict=True)]
    edges = np.unique(np.sort(np.array(pairs, dtype=np.int64), axis=1), axis=0)
    return BrillouinZone(corners, faces, edges, normals[planes], distances[planes])


def _neighbours(reciprocal: Floats) -> Floats:
    """The origin and its 26 neighbours in a reduced lattice, (27, 3): no other points bound the zone."""
    reduced, _ = minkowski_reduce(reciprocal)  # type: ignore[no-untyped-call]
    steps = np.indices((3, 3, 3)).reshape(3, -1).T - 1
    order = np.argsort(np.abs(steps).sum(axis=1), kind="stable")
    return np.asarray(steps[order] @ reduced, dtype=np.float64)


def _merged(points: Floats, tolerance: float) -> tuple[Floats, Integers]:
    """Replace points closer than ``tolerance`` by their mean; also return the new index of each point."""
    close = np.linalg.norm(points[:, None] - points, axis=2) < tolerance
    count, which = connected_components(close, directed=False)
    means = np.array([points[which == one].mean(axis=0) for one in range(count)])
    return means, np.asarray(which, dtype=np.int64)


def _around(corners: Floats, members: Integers, normal: Floats) -> tuple[int, ...]:
    """Corners of one face, sorted by angle around its normal."""
    arms = corners[members] - corners[members].mean(axis=0)
    across = np.cross(normal, arms[0])
    return tuple(int(i) for i in members[np.argsort(np.arctan2(arms @ across, arms @ arms[0]))])


def _area(loop: Floats) -> float:
    """Area of a planar polygon."""
    return float(np.linalg.norm(np.cross(loop, np.roll(loop, -1, axis=0)).sum(axis=0))) / 2
