"""Triangles of a periodic surface, clipped to the first Brillouin zone, and joined to a mesh."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ldosml.kresolved.brillouin import BrillouinZone

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def clipped_to_zone(triangles: Floats, reciprocal: Floats, zone: BrillouinZone) -> Floats:
    """Clip a periodic surface to the first Brillouin zone, (n, 3, 3), 1/angstrom.

    Parameters
    ----------
    triangles : array (n, 3, 3)
        Corners of the triangles in one period, fractions from 0 to 1.
    reciprocal : array (3, 3)
        Reciprocal lattice vectors, rows, 1/angstrom.
    zone : BrillouinZone
    """
    reach = np.linalg.solve(reciprocal.T, zone.vertices.T)
    ranges = [
        range(int(np.floor(low)), int(np.ceil(high))) for low, high in zip(reach.min(1), reach.max(1), strict=True)
    ]
    shifts = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.concatenate([_clipped((triangles + shift) @ reciprocal, zone) for shift in shifts])


def _clipped(triangles: Floats, zone: BrillouinZone) -> Floats:
    """Parts of triangles (n, 3, 3) inside the zone."""
    for normal, distance in zip(zone.normals, zone.distances, strict=True):
        triangles = _cut(triangles, triangles @ normal - distance)
    return triangles


def _cut(triangles: Floats, heights: Floats) -> Floats:
    """Parts of triangles (n, 3, 3) below a plane; ``heights`` (n, 3) of their corners above it."""
    below = heights <= 0
    count = below.sum(axis=1)
    a, ab, _, ac, _ = _tip(triangles, heights, below, count == 1)
    _, de, e, df, f = _tip(triangles, heights, ~below, count == 2)
    parts = [(a, ab, ac), (de, e, f), (de, f, df)]
    return np.concatenate([triangles[count == 3], *(np.stack(part, axis=1) for part in parts)])


def _tip(triangles: Floats, heights: Floats, apart: NDArray[np.bool_], chosen: NDArray[np.bool_]) -> list[Floats]:
    """Of chosen triangles: the corner that is ``apart``, then the cut and the end of each of the two sides from it."""
    first = apart[chosen].argmax(axis=1)
    order = (first[:, None] + np.arange(3)) % 3  # cyclic, so that the orientation stays
    corners = np.take_along_axis(triangles[chosen], order[..., None], axis=1)
    h = np.take_along_axis(heights[chosen], order, axis=1)
    found = [corners[:, 0]]
    for end in (1, 2):
        weights = h[:, [end, 0]] / (h[:, end] - h[:, 0])[:, None]  # heights have opposite signs: linear interpolation
        cut = weights[:, :1] * corners[:, 0] - weights[:, 1:] * corners[:, end]
        found += [cut, corners[:, end]]
    return found


def welded(triangles: Floats, tolerance: float) -> tuple[Floats, Integers]:
    """Vertices (n, 3) and faces (m, 3) of triangles (m, 3, 3); corners closer than ``tolerance`` are merged.

    Degenerate and duplicate triangles are left out.
    """
    if not len(triangles):
        return np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64)
    corners, exact = np.unique(triangles.reshape(-1, 3), axis=0, return_inverse=True)
    pairs = cKDTree(corners).query_pairs(tolerance, output_type="ndarray")
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(corners),) * 2)
    _, group = connected_components(links, directed=False)
    faces = np.asarray(group[exact.reshape(-1)].reshape(-1, 3), dtype=np.int64)
    faces = faces[(faces != np.roll(faces, 1, axis=1)).all(axis=1)]
    _, once = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)
    used, renamed = np.unique(faces[np.sort(once)], return_inverse=True)
    vertices = corners[np.unique(group, return_index=True)[1]]
    return vertices[used], renamed.reshape(-1, 3)
