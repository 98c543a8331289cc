"""One crystal, one description: the standardised primitive cell, and k-points in it.

k-points are fractions of reciprocal lattice vectors, so a network that reads them must always see the same lattice
vectors for the same crystal. spglib's standardisation gives them up to rotations and reflections that leave the lattice
(but not the atoms) as it is, and up to the origin; here these are fixed too, by the order of the atoms' coordinates.
A crystal and its mirror image become the same, which is right: their bands are.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import spglib
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import ArrayLike, NDArray

from ldosml._validation import check_finite, check_shape

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SYMMETRY_TOLERANCE = 1e-3  # angstrom
CLOSEST = 0.5  # angstrom

# Columns: primitive lattice vectors in conventional ones, by the letter of the lattice, as spglib documents them.
_CENTRING: dict[str, list[list[float]]] = {
    "P": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "A": [[1, 0, 0], [0, 1 / 2, -1 / 2], [0, 1 / 2, 1 / 2]],
    "C": [[1 / 2, 1 / 2, 0], [-1 / 2, 1 / 2, 0], [0, 0, 1]],
    "R": [[2 / 3, -1 / 3, -1 / 3], [1 / 3, 1 / 3, -2 / 3], [1 / 3, 1 / 3, 1 / 3]],
    "I": [[-1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [1 / 2, 1 / 2, -1 / 2]],
    "F": [[0, 1 / 2, 1 / 2], [1 / 2, 0, 1 / 2], [1 / 2, 1 / 2, 0]],
}


@dataclass(frozen=True, eq=False)
class Crystal:
    """A crystal in its standardised primitive cell; made by ``standardized``.

    Parameters
    ----------
    numbers : array (n_atoms,)
        Atomic numbers.
    positions : array (n_atoms, 3)
        Angstrom.
    cell : array (3, 3)
        Lattice vectors, rows, angstrom.
    """

    numbers: Integers
    positions: Floats
    cell: Floats

    def __len__(self) -> int:
        """Count the atoms."""
        return len(self.numbers)

    @property
    def fractions(self) -> Floats:
        """Positions in lattice vectors, (n_atoms, 3)."""
        return np.asarray(np.linalg.solve(self.cell.T, self.positions.T).T, dtype=np.float64)

    @property
    def formula(self) -> str:
        """Composition in lowest terms: the same for all structures of it."""
        return str(self.atoms().symbols.formula.reduce()[0].format("hill"))

    def atoms(self) -> Atoms:
        """The crystal as ASE has it."""
        return Atoms(self.numbers, self.positions, cell=self.cell, pbc=True)


def standardized(atoms: Atoms) -> Crystal:
    """Describe a crystal by its standardised primitive cell (spglib's, idealised), whatever cell it is given in.

    Rotating, shifting, repeating or mirroring the crystal, or its atoms in another order, give the same.

    Raises
    ------
    ValueError
        When there are no atoms, the structure is not periodic in three directions, atoms are closer than 0.5 angstrom,
        or spglib finds no symmetry.

    Warns
    -----
    UserWarning
        That magnetic moments are left out, where the atoms have them.

    Examples
    --------
    >>> from ase.build import bulk
    >>> len(standardized(bulk("NaCl", "rocksalt", a=5.64, cubic=True)))
    2
    """
    return standardize(atoms)[0]


def primitive_kpoints(atoms: Atoms, kpoints: ArrayLike) -> Floats:
    """k-points (n_kpoints, 3) of the cell of ``atoms``, as fractions, in the cell of ``standardized(atoms)``.

    They are the same vectors (k = sum_j k_j b_j, turned as the crystal is). Where ``atoms`` is a repeated cell, its
    states at one k-point are those of several k-points of the primitive cell, of which this is one.

    Raises ValueError as ``standardized`` does, or when the shape is another one.
    """
    return check_kpoints(kpoints) @ standardize(atoms)[1].T


def check_kpoints(kpoints: ArrayLike) -> Floats:
    """Give k-points as an array (n_kpoints, 3); raise ValueError unless they are one, finite."""
    values = np.asarray(kpoints, dtype=np.float64)
    check_shape("kpoints", values, (None, 3), "n_kpoints, 3 fractions of reciprocal lattice vectors")
    check_finite("kpoints", values)
    if not len(values):
        raise ValueError("kpoints must hold at least one k-point; got none.")
    return values


def point_group(crystal: Crystal) -> Integers:
    """Operations that leave the bands as they are, (n_operations, 3, 3): E(R k) = E(k), k in fractions as a column.

    Without time reversal, which adds -R.
    """
    return _rotations(crystal.cell, crystal.fractions, crystal.numbers).transpose(0, 2, 1)


def standardize(atoms: Atoms) -> tuple[Crystal, Floats]:
    """The crystal of ``standardized``, and the matrix M of k_primitive = M k_given."""
    _check(atoms)
    cell, fractions, numbers, to_primitive = _spglib_primitive(atoms)
    turns = _rotations(cell, np.zeros((1, 3)), np.ones(1, dtype=np.int64))
    order, origin, turn = _canonical(fractions, numbers, turns)
    placed = _wrapped((fractions - fractions[origin]) @ turn.T)[order]
    # k.x stays: x -> W x goes with k -> W^-T k
    return Crystal(numbers[order], placed @ cell, cell), np.linalg.inv(turn).T @ to_primitive


def _check(atoms: Atoms) -> None:
    if not isinstance(atoms, Atoms):
        raise TypeError(f"A crystal must be given as ase.Atoms; got {type(atoms).__name__}.")
    if not len(atoms):
        raise ValueError("A crystal needs atoms; got none.")
    if not atoms.pbc.all():
        raise ValueError(
            f"A crystal must be periodic in three directions; got pbc {atoms.pbc.tolist()}. A molecule or a slab has "
            "no k-points in three directions; set pbc=True where only the flag is missing."
        )
    check_finite("positions and cell", np.concatenate([atoms.positions, atoms.cell.array]))
    cell = atoms.cell.array
    if abs(np.linalg.det(cell)) <= 1e-6 * np.prod(np.linalg.norm(cell, axis=1)):
        raise ValueError(f"The three lattice vectors must span a volume; got {cell.tolist()}.")
    first, second, distances = neighbor_list("ijd", atoms, CLOSEST)  # type: ignore[no-untyped-call]
    if len(distances):
        worst = distances.argmin()
        i, j = first[worst], second[worst]
        who = f"Atoms {i} and {j} are" if i != j else f"Atom {i} and its image in the next cell are"
        raise ValueError(
            f"{who} {distances[worst]:.3g} angstrom apart, less than {CLOSEST}. Is an atom listed twice, or the unit "
            "not angstrom?"
        )
    if not atoms.numbers.all():
        raise ValueError(
            f"A crystal needs chemical elements; atom {int(np.argmin(atoms.numbers))} is X, which is none."
        )
    if np.any(atoms.get_initial_magnetic_moments()):  # type: ignore[no-untyped-call]
        warnings.warn(
            "The magnetic moments of this crystal are left out: its bands are described without spin.",
            UserWarning,
            stacklevel=4,
        )


def _spglib_primitive(atoms: Atoms) -> tuple[Floats, Floats, Integers, Floats]:
    """Idealised primitive cell, fractions, numbers, and the matrix that takes k-points there."""
    places = np.linalg.solve(atoms.cell.array.T, atoms.positions.T).T
    given = (atoms.cell.array, places, atoms.numbers)
    found = _asked(spglib.get_symmetry_dataset, given)
    centring = np.array(_CENTRING[found.international[0]])
    fractions = np.linalg.solve(centring, found.std_positions.T).T
    chosen = np.unique(found.std_mapping_to_primitive, return_index=True)[1]
    # a_standard = a_given P^-1, so k_standard = P^-T k_given; the same for the centring Q: k_primitive = Q^T k_standard
    to_primitive = centring.T @ np.linalg.inv(found.transformation_matrix).T
    numbers = np.asarray(found.std_types, dtype=np.int64)
    return centring.T @ found.std_lattice, fractions[chosen], numbers[chosen], to_primitive


def _rotations(cell: Floats, fractions: Floats, numbers: Integers) -> Integers:
    """Rotations W of the symmetry operations x -> W x + t, without repetition, (n, 3, 3)."""
    found = _asked(spglib.get_symmetry, (cell, fractions, numbers))
    return np.unique(np.asarray(found["rotations"], dtype=np.int64), axis=0)


def _asked(function: Any, cell: tuple[Any, ...]) -> Any:
    """Symmetry by a function of spglib, which gives nothing or raises an error where it fails, by its version."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Set OLD_ERROR_HANDLING", DeprecationWarning)  # for every call, by 2.7
            found = function(cell, symprec=SYMMETRY_TOLERANCE)
    except spglib.SpglibError:
        found = None
    if found is None:
        raise ValueError(f"spglib finds no symmetry of this cell of {len(cell[2])} atoms. Is it reasonable?")
    return found


def _canonical(fractions: Floats, numbers: Integers, turns: Integers) -> tuple[Integers, int, Integers]:
    """Order of the atoms, atom at the origin, and turn for which the sorted coordinates are smallest."""
    species, counts = np.unique(numbers, return_counts=True)
    best: tuple[bytes, Integers, int, Integers] | None = None
    for origin in np.flatnonzero(numbers == species[counts.argmin()]):
        for turn in turns:
            places = _wrapped((fractions - fractions[origin]) @ turn.T)
            # Steps of 1e-4 that do not end at simple fractions, where rounding errors would decide.
            rows = np.column_stack([numbers, np.floor(places * 1e4 + 0.318)]).astype(">i8")
            order = np.lexsort(rows.T[::-1])
            key = rows[order].tobytes()
            if best is None or key < best[0]:
                best = key, order, int(origin), turn
    assert best is not None
    return best[1:]


def _wrapped(fractions: Floats) -> Floats:
    """Fractions from 0 to 1, those just below 1 (rounding) as just below 0."""
    wrapped: Floats = (fractions + 1e-5) % 1.0 - 1e-5
    return wrapped
