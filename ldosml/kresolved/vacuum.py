"""Empty space in a periodic cell, by its shape: around layers, wires and molecules, however the cell is chosen.

Atoms are spheres of their covalent radii. A family of lattice planes (h k l) has vacuum between its planes if a slab of
the cell along its normal is empty of spheres. Layers have one such direction, wires two, molecules three.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.geometry import minkowski_reduce
from numpy.typing import NDArray
from scipy.spatial import KDTree

from ldosml._ranges import check_arguments

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

EMPTY = 4.0
"""Least width of empty space between covalent spheres that counts as vacuum, angstrom. Atoms across it are about 7
angstrom apart, and their states hardly overlap. By this measure, layers of graphite are 1.8 angstrom apart.
"""

PORE = 2.5
"""Least radius of an empty sphere that counts as a pore, angstrom; solid helium has 1.8, and xenon 1.7."""

SHAPES = {1: "a layer or slab", 2: "a wire", 3: "a molecule or cluster"}
"""What a structure is by the number of directions with empty space."""


@dataclass(frozen=True, eq=False)
class Vacuum:
    """Directions of a cell along which there is empty space; made by ``find_vacuum``.

    Parameters
    ----------
    planes : array (n_directions, 3) of int
        Indices h, k, l of the lattice planes with empty space between them, one for each independent direction. The
        normal is the reciprocal lattice vector of these indices.
    widths : array (n_directions,)
        Of the empty space, angstrom.
    offsets : array (n_directions,)
        Middle of the empty space, as a fraction of the distance of equal planes.
    """

    planes: Integers
    widths: Floats
    offsets: Floats

    def __len__(self) -> int:
        """Number of independent directions: 0 in bulk, 1 for layers, 2 for wires, 3 for molecules."""
        return len(self.widths)

    @property
    def axes(self) -> tuple[bool, bool, bool]:
        """Whether states are the same at all k-points along each reciprocal lattice vector.

        That is so for reciprocal lattice vectors that are combinations of the normals of empty directions.
        """
        rank = np.linalg.matrix_rank
        first, second, third = (
            bool(len(self)) and bool(rank([*self.planes, unit]) == len(self)) for unit in np.eye(3, dtype=np.int64)
        )
        return first, second, third

    @property
    def words(self) -> str:
        """What kind of structure it is, and how wide the vacuum is; empty for bulk."""
        if not len(self):
            return ""
        return f"{SHAPES[len(self)]} with {self.widths.min():.3g} angstrom of empty space"


def find_vacuum(atoms: Atoms, least: float = EMPTY) -> Vacuum:
    """Find the directions along which a cell has empty space.

    Parameters
    ----------
    atoms : ase.Atoms
        In a cell that spans a volume, periodic in three directions.
    least : float
        Least width that counts, angstrom.

    Returns
    -------
    Vacuum

    Examples
    --------
    >>> from ase.build import mx2
    >>> layer = mx2("MoS2", vacuum=8.0)
    >>> layer.pbc = True
    >>> found = find_vacuum(layer)
    >>> found.planes.tolist(), found.words
    ([[0, 0, 1]], 'a layer or slab with 13.9 angstrom of empty space')
    """
    check_arguments(least=least)
    reduced, operation = minkowski_reduce(atoms.cell.array)  # type: ignore[no-untyped-call]  # operation @ cell
    fractions = np.linalg.solve(reduced.T, atoms.positions.T).T
    radii, normals = covalent_radii[atoms.numbers], np.linalg.inv(reduced)
    planes: list[Integers] = []
    widths: list[float] = []
    offsets: list[float] = []
    # Of a reduced cell, the shortest reciprocal vectors have small indices. The simplest planes come first.
    for plane in sorted(_PLANES, key=lambda hkl: float(np.linalg.norm(normals @ hkl))):
        height = 1 / float(np.linalg.norm(normals @ plane))
        width, offset = _widest(np.asarray(fractions @ plane % 1.0), radii / height)
        if width * height >= least and np.linalg.matrix_rank([*planes, plane]) > len(planes):
            planes.append(plane)
            widths.append(width * height)
            offsets.append(offset)
    # h.x of reduced fractions x is (h W).x of fractions of the given cell, with reduced = W cell and x' = x W^-1
    inverse = np.rint(np.linalg.inv(operation)).astype(np.int64)
    given = np.array(planes, dtype=np.int64).reshape(-1, 3) @ inverse.T
    signs = np.array([np.sign(row[np.flatnonzero(row)[0]]) for row in given], dtype=np.int64)
    middle = np.where(signs < 0, -np.array(offsets, dtype=np.float64), offsets) % 1.0
    return Vacuum(signs[:, None] * given, np.array(widths, dtype=np.float64), middle)


def pore_radius(atoms: Atoms) -> float:
    """Radius of the largest sphere, angstrom, that no covalent sphere of a crystal reaches into.

    Its centre is looked for at points about 0.7 angstrom apart, so it may be 0.4 angstrom too small.

    Parameters
    ----------
    atoms : ase.Atoms
        In a cell that spans a volume, periodic in three directions.

    Returns
    -------
    float

    Examples
    --------
    >>> from ase.build import bulk
    >>> round(pore_radius(bulk("Si")), 1)
    1.2
    """
    cell = np.asarray(minkowski_reduce(atoms.cell.array)[0])  # type: ignore[no-untyped-call]
    lengths = np.linalg.norm(cell, axis=1)
    sides = [np.arange(n) / n for n in np.ceil(lengths / _SPACING).astype(int)]
    points = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, 3)
    places = np.linalg.solve(cell.T, atoms.positions.T).T % 1.0
    shifts = np.array(list(product((-1, 0, 1), repeat=3)))
    images = (places[None] + shifts[:, None]).reshape(-1, 3) @ cell
    numbers = np.tile(atoms.numbers, len(shifts))
    free = np.full(len(points), np.inf)
    for number in np.unique(numbers):
        near = KDTree(images[numbers == number]).query(points @ cell)[0] - covalent_radii[number]
        free = np.minimum(free, near)
    return max(0.0, float(free.max()))


_SPACING = 0.7  # angstrom

_PLANES = [np.array(hkl, dtype=np.int64) for hkl in product((-1, 0, 1), repeat=3) if hkl > (0, 0, 0)]


def _widest(places: Floats, halves: Floats) -> tuple[float, float]:
    """Width and middle of the widest part of a circle of length 1 that intervals around ``places`` leave uncovered."""
    shifts = np.array([-1.0, 0.0, 1.0])[:, None]
    starts, ends = (places - halves + shifts).ravel(), (places + halves + shifts).ravel()
    order = np.argsort(starts)
    reached = np.maximum.accumulate(ends[order])[:-1]
    gaps = starts[order][1:] - reached
    widest = int(gaps.argmax())
    return max(0.0, float(gaps[widest])), float(reached[widest] + 0.5 * gaps[widest]) % 1.0


def upright(atoms: Atoms) -> tuple[Atoms, Floats]:
    """A layer with a lattice vector along its normal, whatever vector its cell has across the vacuum.

    Layers on both sides of a vacuum do not see each other, so a shift of the next layer along the plane has no effect.

    Parameters
    ----------
    atoms : ase.Atoms
        Periodic in three directions.

    Returns
    -------
    atoms : ase.Atoms
        The same atoms, or those given if there is no tilted vacuum of one direction.
    matrix : array (3, 3)
        New lattice vectors in terms of those given, cell' = matrix @ cell; fractions of k-points transform alike.
    """
    found = find_vacuum(atoms)
    if len(found) != 1:
        return atoms, np.eye(3)
    plane = found.planes[0]
    whole = _in_plane_first(plane, atoms.cell.array)
    first, second, across = whole @ atoms.cell.array
    normal = np.cross(first, second) / np.linalg.norm(np.cross(first, second))
    straight = (across @ normal) * normal
    if np.linalg.norm(across - straight) < _TILT:
        return atoms, np.eye(3)
    fractions = np.linalg.solve(atoms.cell.array.T, atoms.positions.T).T
    # All atoms of the layer on one side of the vacuum
    layers = np.floor(fractions @ plane - found.offsets[0])
    cell = np.array([first, second, straight])
    moved = Atoms(atoms.numbers, atoms.positions - layers[:, None] * across, cell=cell, pbc=True)
    return moved, cell @ np.linalg.inv(atoms.cell.array)


_TILT = 1e-3  # angstrom


def _in_plane_first(plane: Integers, cell: Floats) -> Integers:
    """Whole combinations of lattice vectors: two within a lattice plane, short, and one to the next plane."""
    reduced, operation = minkowski_reduce(cell)  # type: ignore[no-untyped-call]
    combinations = np.array(sorted(product((-1, 0, 1), repeat=3), key=lambda n: float(np.linalg.norm(n @ reduced))))
    given = combinations[1:] @ operation
    steps = given @ plane
    within = given[steps == 0]
    first = within[0]
    second = next(one for one in within if np.linalg.norm(np.cross(first @ cell, one @ cell)) > _TILT)
    return np.array([first, second, given[steps == 1][0]])
