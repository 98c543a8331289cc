"""The standardised primitive cell of a crystal, and k-points in it: one description for each crystal.

k-points are fractions of reciprocal lattice vectors, so a network must always see the same lattice vectors for the same
crystal. spglib's standardisation leaves two things open: operations that map the lattice (but not the atoms) onto
itself, and the origin. Here both are fixed by sorting the coordinates of the atoms. A crystal and its mirror image get
the same description; their bands are the same.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import spglib
from ase import Atoms
from numpy.typing import ArrayLike, NDArray

from ldosml._validation import check_finite, check_shape
from ldosml.structure_checks import check_sites

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SYMMETRY_TOLERANCE = 1e-3  # angstrom

# Columns: primitive lattice vectors in terms of conventional ones, by the letter of the lattice, as in spglib.
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
        """Number of atoms."""
        return len(self.numbers)

    @property
    def fractions(self) -> Floats:
        """Positions as fractions of the lattice vectors, (n_atoms, 3)."""
        return np.asarray(np.linalg.solve(self.cell.T, self.positions.T).T, dtype=np.float64)

    @property
    def formula(self) -> str:
        """Chemical formula in lowest terms and Hill order."""
        return str(self.atoms().symbols.formula.reduce()[0].format("hill"))

    def atoms(self) -> Atoms:
        """Convert to ASE.

        Returns
        -------
        ase.Atoms
        """
        return Atoms(self.numbers, self.positions, cell=self.cell, pbc=True)


def standardized(atoms: Atoms) -> Crystal:
    """Find the standardised primitive cell of a crystal (spglib's, idealised).

    The result is the same for rotated, shifted, repeated or mirrored crystals, and for any order of the atoms.

    Parameters
    ----------
    atoms : Atoms
        The crystal, in any cell.

    Returns
    -------
    Crystal

    Raises
    ------
    TypeError
        When ``atoms`` is not ase.Atoms.
    ValueError
        When there are no atoms, the structure is not periodic in three directions, atoms are closer than 0.5 angstrom,
        or spglib finds no symmetry.

    Warns
    -----
    UserWarning
        When the atoms have magnetic moments, which are ignored.

    Examples
    --------
    >>> from ase.build import bulk
    >>> len(standardized(bulk("NaCl", "rocksalt", a=5.64, cubic=True)))
    2
    """
    return standardize(atoms)[0]


def primitive_kpoints(atoms: Atoms, kpoints: ArrayLike) -> Floats:
    """Transform k-points from the cell of ``atoms`` to the cell of ``standardized(atoms)``.

    The vectors k = sum_j k_j b_j stay the same, up to the rotation of the crystal. If ``atoms`` is a repeated cell, its
    states at one k-point come from several k-points of the primitive cell; the result is one of them.

    Parameters
    ----------
    atoms : Atoms
        The crystal, in any cell.
    kpoints : array (n_kpoints, 3)
        Fractions of the reciprocal lattice vectors of ``atoms``.

    Returns
    -------
    array (n_kpoints, 3)
        Fractions of the reciprocal lattice vectors of the standardised primitive cell.

    Raises
    ------
    ValueError
        As ``standardized``, and when ``kpoints`` has another shape.
    """
    return check_kpoints(kpoints) @ standardize(atoms)[1].T


def structure_type(crystal: Crystal) -> str:
    """The space group and the occupied Wyckoff positions, without elements: crystals of one prototype share it."""
    found = _asked(spglib.get_symmetry_dataset, (crystal.cell, crystal.fractions, crystal.numbers))
    occupied = sorted(zip(found.wyckoffs, found.equivalent_atoms.tolist(), strict=True))
    letters = "".join(letter for letter, _ in dict.fromkeys(occupied))
    return f"{found.number} {letters}"


def check_kpoints(kpoints: ArrayLike) -> Floats:
    """k-points as an array (n_kpoints, 3); raises ValueError for another shape, and unless they are finite."""
    values = np.asarray(kpoints, dtype=np.float64)
    check_shape("kpoints", values, (None, 3), "n_kpoints, 3 fractions of reciprocal lattice vectors")
    check_finite("kpoints", values)
    if not len(values):
        raise ValueError("kpoints must hold at least one k-point; got none.")
    return values


def point_group(crystal: Crystal) -> Integers:
    """Operations R of the point group, (n_operations, 3, 3), with E(R k) = E(k) for fractions k as a column.

    Time reversal, which adds -R, is not included.
    """
    return _rotations(crystal.cell, crystal.fractions, crystal.numbers).transpose(0, 2, 1)


def standardize(atoms: Atoms) -> tuple[Crystal, Floats]:
    """The crystal of ``standardized``, and the matrix M with k_primitive = M k_given."""
    _check(atoms)
    cell, fractions, numbers, to_primitive = _spglib_primitive(atoms)
    turns = _rotations(cell, np.zeros((1, 3)), np.ones(1, dtype=np.int64))
    order, origin, turn = _canonical(fractions, numbers, turns)
    placed = _wrapped((fractions - fractions[origin]) @ turn.T)[order]
    # k.x is invariant: x -> W x implies k -> W^-T k
    return Crystal(numbers[order], placed @ cell, cell), np.linalg.inv(turn).T @ to_primitive


def _check(atoms: Atoms) -> None:
    if not isinstance(atoms, Atoms):
        raise TypeError(f"A crystal must be ase.Atoms; got {type(atoms).__name__}.")
    if not len(atoms):
        raise ValueError("A crystal needs atoms; got none.")
    if not atoms.pbc.all():
        raise ValueError(
            f"A crystal must be periodic in three directions; got pbc {atoms.pbc.tolist()}. Molecules and slabs are "
            "not supported; if only the flag is missing, set pbc=True."
        )
    check_finite("positions and cell", np.concatenate([atoms.positions, atoms.cell.array]))
    cell = atoms.cell.array
    if abs(np.linalg.det(cell)) <= 1e-6 * np.prod(np.linalg.norm(cell, axis=1)):
        raise ValueError(f"The three lattice vectors must span a volume; got {cell.tolist()}.")
    check_sites([atoms], ["This crystal"])
    if not atoms.numbers.all():
        raise ValueError(
            f"A crystal needs chemical elements; atom {int(np.argmin(atoms.numbers))} is X, which is not an element."
        )
    if np.any(atoms.get_initial_magnetic_moments()):  # type: ignore[no-untyped-call]
        warnings.warn(
            "The magnetic moments of this crystal are ignored: its bands are predicted without spin.",
            UserWarning,
            stacklevel=4,
        )


def _spglib_primitive(atoms: Atoms) -> tuple[Floats, Floats, Integers, Floats]:
    """Idealised primitive cell, fractions, numbers, and the matrix that transforms k-points to it."""
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
    """Unique rotations W of the symmetry operations x -> W x + t, (n, 3, 3)."""
    found = _asked(spglib.get_symmetry, (cell, fractions, numbers))
    return np.unique(np.asarray(found["rotations"], dtype=np.int64), axis=0)


def _asked(function: Any, cell: tuple[Any, ...]) -> Any:
    """Call a function of spglib; where it fails, it returns None or raises an error, depending on its version."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "Set OLD_ERROR_HANDLING", DeprecationWarning
            )  # spglib 2.7 warns at every call
            found = function(cell, symprec=SYMMETRY_TOLERANCE)
    except spglib.SpglibError:
        found = None
    if found is None:
        raise ValueError(
            f"spglib finds no symmetry of this cell of {len(cell[2])} atoms. Are cell and positions reasonable?"
        )
    return found


def _canonical(fractions: Floats, numbers: Integers, turns: Integers) -> tuple[Integers, int, Integers]:
    """Order of the atoms, atom at the origin, and rotation, for which the sorted coordinates are smallest."""
    species, counts = np.unique(numbers, return_counts=True)
    best: tuple[bytes, Integers, int, Integers] | None = None
    for origin in np.flatnonzero(numbers == species[counts.argmin()]):
        for turn in turns:
            places = _wrapped((fractions - fractions[origin]) @ turn.T)
            # Rounded to 1e-4, with an offset so that simple fractions are not at the boundary of a step.
            rows = np.column_stack([numbers, np.floor(places * 1e4 + 0.318)]).astype(">i8")
            order = np.lexsort(rows.T[::-1])
            key = rows[order].tobytes()
            if best is None or key < best[0]:
                best = key, order, int(origin), turn
    assert best is not None
    return best[1:]


def _wrapped(fractions: Floats) -> Floats:
    """Fractions from 0 to 1; those just below 1, from rounding, become just below 0."""
    wrapped: Floats = (fractions + 1e-5) % 1.0 - 1e-5
    return wrapped
