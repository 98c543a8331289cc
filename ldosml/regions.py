"""Regions: atoms that lie together, with all that surrounds them, cut out of a structure of any size.

A descriptor depends on the surroundings of an atom within a finite range. Its cost per atom stays the same in a large
cell only if no step looks at the whole structure. A region has some centres and all atoms within reach of them: for
these centres it gives what the whole structure gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.geometry import wrap_positions
from numpy.typing import NDArray

from ldosml.neighbors import require_neighbors

# Atoms at the very edge of the reach stay in, whatever rounding does to their distance (angstrom).
_MARGIN = 1e-6
_SPARSE = 1000  # cubes in which few atoms may lie
_MOST_CUBES = 1e6  # along one axis, so that the number of all fits into 64 bits


@dataclass(frozen=True, eq=False)
class Region:
    """Centres and what lies around them.

    Parameters
    ----------
    atoms : ase.Atoms
        The centres come first. Either a whole structure, all of whose atoms are centres, or a part of one: not
        periodic, with images of atoms as atoms of their own.
    rows : array (n_centers,) of int
        Which of all environments the centres are, counted atom by atom, structure by structure.
    radius : float
        Every atom this close to a centre is there, angstrom; infinite for a whole structure.
    """

    atoms: Atoms
    rows: NDArray[np.int64]
    radius: float

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Atomic numbers of the centres, (n_centers,)."""
        numbers: NDArray[np.int64] = self.atoms.numbers[: len(self.rows)]
        return numbers

    def __len__(self) -> int:
        return len(self.rows)


def region_batches(
    structures: Sequence[Atoms], radius: float, size: int, *, together: bool = True
) -> Iterator[list[Region]]:
    """Divide all environments into batches of at most ``size``, one for each task.

    Parameters
    ----------
    structures : sequence of ase.Atoms
        Structures of up to ``size`` atoms stay whole, larger ones are cut, and so are those that are mostly empty.
    radius : float
        Range of what is to be computed, angstrom.
    size : int
        Largest number of centres in a batch.
    together : bool
        Whether several small structures may share a batch.

    Yields
    ------
    list of Region
        One batch.
    """
    batch: list[Region] = []
    first = held = 0
    for number, atoms in enumerate(structures):
        require_neighbors(f"structure {number}", atoms, radius)
        count = len(atoms)
        if batch and (held + count > size or not together):
            yield batch
            batch, held = [], 0
        if count > size or _is_mostly_empty(atoms, radius):
            yield from ([region] for region in cut_regions(atoms, radius, size, first=first))
        else:
            batch.append(Region(atoms, np.arange(first, first + count), np.inf))
            held += count
        first += count
    if batch:
        yield batch


def _is_mostly_empty(atoms: Atoms, radius: float) -> bool:
    """Tell whether cubes of edge ``radius`` around atoms and their images would far outnumber the atoms.

    DScribe lists the atoms of each cube between the outermost atoms, so its memory grows with the volume.
    """
    cell = np.abs(atoms.cell.array[atoms.pbc]).sum(axis=0)  # of the box around a cell
    extent = np.maximum(np.ptp(atoms.positions, axis=0), cell)
    return bool(_cubes(extent, radius) > _SPARSE + 10 * len(atoms))


def _cubes(extent: NDArray[np.float64], edge: float) -> float:
    """Number of cubes in a box of some lengths (3,)."""
    return float(np.prod(extent / edge + 1))


def cut_regions(atoms: Atoms, radius: float, size: int, *, first: int = 0) -> Iterator[Region]:
    """Cut a structure into regions of at most ``size`` centres; every atom is a centre of one of them.

    Time and memory are proportional to the number of atoms. For one region they depend on ``size`` alone.

    Parameters
    ----------
    atoms : ase.Atoms
        Periodic where ``pbc`` says so, in a cell of any size and shape.
    radius : float
        What surrounds the centres is kept so far out, angstrom.
    size : int
        Largest number of centres in a region.
    first : int
        Number of the structure's first environment.

    Yields
    ------
    Region

    Examples
    --------
    >>> from ase.build import bulk
    >>> regions = list(cut_regions(bulk("Si") * (4, 4, 4), radius=3.0, size=50))
    >>> [len(region) for region in regions]
    [32, 32, 32, 32]
    >>> sorted(np.concatenate([region.rows for region in regions])) == [*range(128)]
    True
    """
    require_neighbors("the structure", atoms, radius)
    cell: NDArray[np.float64] = atoms.cell.complete().array
    positions: NDArray[np.float64] = atoms.positions
    if atoms.pbc.any():
        positions = wrap_positions(positions, cell, atoms.pbc)  # type: ignore[no-untyped-call]
    index, around = _with_images(positions, cell, atoms.pbc, radius + _MARGIN)
    bins, other = _Bins(around, radius), np.ones(len(around), dtype=bool)
    for centers in _compact_groups(positions, size, radius):
        chosen = positions[centers]
        near = bins.inside(chosen.min(axis=0) - radius - _MARGIN, chosen.max(axis=0) + radius + _MARGIN)
        other[centers] = False
        kept = np.concatenate([centers, near[other[near]]])
        other[centers] = True
        yield Region(Atoms(numbers=atoms.numbers[index[kept]], positions=around[kept]), first + centers, radius)


class _Bins:
    """Points sorted into cubes, so that those in a box are found without a look at the others."""

    def __init__(self, points: NDArray[np.float64], edge: float) -> None:
        edge = max(edge, float(np.ptp(points, axis=0).max()) / _MOST_CUBES)
        self._points, self._edge, self._origin = points, edge, points.min(axis=0)
        self._last = self._cubes(points.max(axis=0))
        cubes = self._cubes(points)
        keys = self._key(cubes[:, 0], cubes[:, 1], cubes[:, 2])
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def _cubes(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        cubes: NDArray[np.int64] = np.floor((points - self._origin) / self._edge).astype(np.int64)
        return cubes

    def _key(self, x: NDArray[np.int64], y: NDArray[np.int64], z: NDArray[np.int64]) -> NDArray[np.int64]:
        keys: NDArray[np.int64] = (x * (self._last[1] + 1) + y) * (self._last[2] + 1) + z
        return keys

    def inside(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.int64]:
        """Indices (n,) of the points in the box from ``low`` (3,) to ``high`` (3,)."""
        first, last = np.maximum(self._cubes(low), 0), np.minimum(self._cubes(high), self._last)
        x, y = (np.arange(first[axis], last[axis] + 1) for axis in (0, 1))
        x, y = np.repeat(x, len(y)), np.tile(y, len(x))
        starts = np.searchsorted(self._keys, self._key(x, y, first[2]), side="left")
        stops = np.searchsorted(self._keys, self._key(x, y, last[2]), side="right")
        found = np.concatenate([self._order[a:b] for a, b in zip(starts.tolist(), stops.tolist(), strict=True)])
        points = self._points[found]
        inside: NDArray[np.int64] = found[((points >= low) & (points <= high)).all(axis=1)]
        return inside


def _with_images(
    positions: NDArray[np.float64], cell: NDArray[np.float64], pbc: NDArray[np.bool_], radius: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Add the periodic images that may lie within ``radius`` of an atom: index (n,) of each and positions (n, 3).

    The atoms themselves come first, in their order.
    """
    inverse = np.linalg.inv(cell)
    index, fractional = np.arange(len(positions)), positions @ inverse
    shift = np.zeros_like(fractional)
    margins = radius * np.linalg.norm(inverse, axis=0)  # a plane of the cell is 1 / |reciprocal vector| away
    for axis in np.flatnonzero(pbc):
        low, high = fractional[:, axis].min() - margins[axis], fractional[:, axis].max() + margins[axis]
        last = int(np.ceil(high - low))
        kept = [(0, np.arange(len(index)))]
        for n in (n for n in range(-last, last + 1) if n):
            moved = fractional[:, axis] + n
            kept.append((n, np.flatnonzero((moved >= low) & (moved <= high))))
        rows = np.concatenate([inside for _, inside in kept])
        index, fractional, shift = index[rows], fractional[rows], shift[rows]
        shift[:, axis] = np.repeat([n for n, _ in kept], [len(inside) for _, inside in kept])
    return index, positions[index] + shift @ cell


def _compact_groups(positions: NDArray[np.float64], size: int, radius: float) -> Iterator[NDArray[np.int64]]:
    """Halve along the longest edge until at most ``size`` are left, and little empty space to be searched.

    Atoms farther than twice the radius from the rest share no surroundings with it.
    """
    waiting = [np.arange(len(positions))]
    while waiting:
        members = waiting.pop()
        extent = np.ptp(positions[members], axis=0)
        axis = int(np.argmax(extent))
        order = members[np.argsort(positions[members, axis], kind="stable")]
        steps = np.diff(positions[order, axis])
        apart = steps.max(initial=0.0) > 2 * radius
        sparse = _cubes(extent, radius) > _SPARSE + 10 * len(members) and len(members) > 1
        if len(members) <= size and not apart and not sparse:
            yield np.sort(members)
            continue
        half = int(np.argmax(steps)) + 1 if apart else len(members) // 2
        waiting += [order[half:], order[:half]]
