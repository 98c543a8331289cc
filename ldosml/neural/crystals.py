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

from ldosml._ranges import check_arguments
from ldosml._validation import Caution, check_finite, check_positive, check_shape
from ldosml.kresolved.vacuum import find_vacuum, upright
from ldosml.structure_checks import check_sites

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SYMPREC = 0.01
"""Default tolerance of the symmetry, angstrom. Files round positions and lattice vectors by less, and distortions that
change bands noticeably are larger. spglib finds the same symmetry of all shipped crystals at 1e-5 and at 0.01 angstrom;
at 0.03, some distorted copies would become perfect crystals."""

TRAINED = 1e-3
"""Tolerance for crystals whose bands were computed, angstrom: these belong to the cell as it is."""

_TIGHT = 1e-5  # angstrom; what is found here needs no word
_MANY = 2000  # atoms

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


def standardized(atoms: Atoms, *, symprec: float = SYMPREC) -> Crystal:
    """Find the standardised primitive cell of a crystal (spglib's, idealised).

    The result is the same for rotated, shifted, repeated or mirrored crystals, and for any order of the atoms. A layer
    or slab gets a lattice vector along its normal.

    Parameters
    ----------
    atoms : Atoms
        The crystal, in any cell.
    symprec : float
        Tolerance of the symmetry, angstrom: atoms may be this far from where a symmetric crystal has them, as in files
        that round. Where an atom would move farther, the crystal is taken as it is.

    Returns
    -------
    Crystal

    Raises
    ------
    TypeError
        When ``atoms`` is not ase.Atoms.
    ValueError
        When there are no atoms, the structure is not periodic in three directions, atoms are closer than 0.5 angstrom,
        sites are occupied partly, spglib finds no symmetry, or ``symprec`` is not positive.

    Warns
    -----
    UserWarning
        When the atoms have magnetic moments, which are ignored.
    Caution
        When the symmetry is higher, or the primitive cell smaller, than at a tolerance of 1e-5 angstrom; it tells how
        far atoms are moved.

    Examples
    --------
    >>> from ase.build import bulk
    >>> len(standardized(bulk("NaCl", "rocksalt", a=5.64, cubic=True)))
    2
    """
    check_arguments(symprec=symprec)
    return standardize(atoms, symprec)[0]


def primitive_kpoints(atoms: Atoms, kpoints: ArrayLike, *, symprec: float = SYMPREC) -> Floats:
    """Transform k-points from the cell of ``atoms`` to the cell of ``standardized(atoms)``.

    The vectors k = sum_j k_j b_j stay the same, up to the rotation of the crystal. If ``atoms`` is a repeated cell, its
    states at one k-point come from several k-points of the primitive cell; the result is one of them.

    Parameters
    ----------
    atoms : Atoms
        The crystal, in any cell.
    kpoints : array (n_kpoints, 3)
        Fractions of the reciprocal lattice vectors of ``atoms``.
    symprec : float
        As ``standardized``.

    Returns
    -------
    array (n_kpoints, 3)
        Fractions of the reciprocal lattice vectors of the standardised primitive cell.

    Raises
    ------
    ValueError
        As ``standardized``, and when ``kpoints`` has another shape.
    """
    check_arguments(symprec=symprec)
    return check_kpoints(kpoints) @ standardize(atoms, symprec)[1].T


def structure_type(crystal: Crystal) -> str:
    """The space group and the occupied Wyckoff positions, without elements: crystals of one prototype share it."""
    found = _asked(spglib.get_symmetry_dataset, (crystal.cell, crystal.fractions, crystal.numbers), TRAINED)
    occupied = sorted(zip(found.wyckoffs, found.equivalent_atoms.tolist(), strict=True))
    letters = "".join(letter for letter, _ in dict.fromkeys(occupied))
    return f"{found.number} {letters}"


def mesh_shape(crystal: Crystal, n: int) -> tuple[int, int, int]:
    """Number of k-points along each reciprocal lattice vector: ``n``, or 1 across a vacuum, where bands are flat."""
    first, second, third = (1 if flat else n for flat in find_vacuum(crystal.atoms()).axes)
    return first, second, third


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


def standardize(atoms: Atoms, symprec: float = SYMPREC) -> tuple[Crystal, Floats]:
    """The crystal of ``standardized``, and the matrix M with k_primitive = M k_given."""
    _check(atoms)
    check_positive("symprec", symprec, "angstrom")
    layer, to_layer = upright(atoms)
    crystal, to_primitive = _described(_symmetric(layer, symprec))
    return crystal, to_primitive @ to_layer


def standardize_trained(atoms: Atoms) -> tuple[Crystal, Floats]:
    """As ``standardize``, of a crystal whose bands were computed, which is taken as it is."""
    _check(atoms)
    return _described(_primitive(atoms, TRAINED))


def primitive_size(atoms: Atoms, symprec: float = SYMPREC) -> int:
    """Number of atoms of ``standardized``, which takes far longer for a large cell without symmetry."""
    _check(atoms)
    return len(_within(upright(atoms)[0], symprec).numbers)


def symmetric_lattice(atoms: Atoms, symprec: float = SYMPREC) -> Floats:
    """Lattice vectors (3, 3) of ``atoms``, angstrom, as the symmetry within a tolerance makes them."""
    _check(atoms)
    return _within(atoms, symprec).lattice


def _described(found: _Primitive) -> tuple[Crystal, Floats]:
    """The one description of a crystal, and the matrix that transforms k-points to it."""
    cell, fractions, numbers = found.cell, found.fractions, found.numbers
    turns = _rotations(cell, np.zeros((1, 3)), np.ones(1, dtype=np.int64))
    order, origin, turn = _canonical(fractions, numbers, turns)
    placed = _wrapped((fractions - fractions[origin]) @ turn.T)[order]
    # k.x is invariant: x -> W x implies k -> W^-T k
    return Crystal(numbers[order], placed @ cell, cell), np.linalg.inv(turn).T @ found.to_primitive


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
    check_sites([atoms], ["the crystal"])
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


@dataclass(frozen=True, eq=False)
class _Primitive:
    """The idealised primitive cell that spglib finds at a tolerance.

    ``to_primitive`` transforms k-points to it; ``lattice`` are the given lattice vectors, idealised; ``moved`` and
    ``stretched`` tell how far atoms and lattice vectors were from there, angstrom.
    """

    cell: Floats
    fractions: Floats
    numbers: Integers
    to_primitive: Floats
    space_group: str
    order: int
    lattice: Floats
    moved: float
    stretched: float

    def trivial(self, n_atoms: int) -> bool:
        """Whether a cell of this number of atoms has no symmetry."""
        return self.order == 1 and len(self.numbers) == n_atoms

    def better(self, other: _Primitive) -> bool:
        """Whether the cell is smaller, or of equal size and higher symmetry."""
        return (len(self.numbers), -self.order) < (len(other.numbers), -other.order)

    @property
    def words(self) -> str:
        """Size of the cell, and the space group."""
        atoms = "1 atom" if len(self.numbers) == 1 else f"{len(self.numbers)} atoms"
        return f"{atoms} in the primitive cell and space group {self.space_group}"


def _symmetric(atoms: Atoms, symprec: float) -> _Primitive:
    """The primitive cell at a tolerance; a warning where a tight one finds less symmetry."""
    found = _within(atoms, symprec)
    if found.trivial(len(atoms)):
        return found
    tight = _primitive(atoms, min(_TIGHT, symprec))
    if not found.better(tight):
        return tight
    farthest = max(found.moved, found.stretched)
    changes = [("atoms move", found.moved), ("lattice vectors change", found.stretched)]
    told = " and ".join(f"{what} by up to {by:.2g} angstrom" for what, by in changes if by >= _TIGHT)
    warnings.warn(
        f"Within {symprec:g} angstrom, the crystal has {found.words}; exactly, it has {tight.words}. The former is "
        f"used: {told}. "
        f"If the distortion is meant, give a symprec below {farthest:.2g}.",
        Caution,
        stacklevel=4,
    )
    return found


def _within(atoms: Atoms, symprec: float) -> _Primitive:
    """The highest symmetry for which no atom and no lattice vector moves by more than ``symprec``.

    spglib compares atoms in pairs, both of which may be off.
    """
    for tolerance in (2 * symprec, symprec):
        found = _primitive(atoms, tolerance)
        if max(found.moved, found.stretched) <= symprec or found.trivial(len(atoms)):
            return found
    return _primitive(atoms, min(_TIGHT, symprec))


def _primitive(atoms: Atoms, symprec: float) -> _Primitive:
    given = atoms.cell.array
    places = np.linalg.solve(given.T, atoms.positions.T).T
    found = _asked(spglib.get_symmetry_dataset, (given, places, atoms.numbers), symprec)
    centring = np.array(_CENTRING[found.international[0]])
    fractions = np.linalg.solve(centring, found.std_positions.T).T
    chosen = np.unique(found.std_mapping_to_primitive, return_index=True)[1]
    # a_standard = a_given P^-1, so k_standard = P^-T k_given; the same for the centring Q: k_primitive = Q^T k_standard
    to_primitive = centring.T @ np.linalg.inv(found.transformation_matrix).T
    numbers = np.asarray(found.std_types, dtype=np.int64)
    lattice = found.transformation_matrix.T @ found.std_lattice @ found.std_rotation_matrix
    return _Primitive(
        centring.T @ found.std_lattice,
        fractions[chosen],
        numbers[chosen],
        to_primitive,
        str(found.international),
        len(found.rotations) * len(chosen) // len(atoms),
        lattice,
        _moved(places, atoms.numbers, found),
        float(np.linalg.norm(lattice - given, axis=1).max()),
    )


def _moved(places: Floats, numbers: Integers, found: Any) -> float:
    """Largest distance of an atom, in the standardised cell, from the next place of its element, angstrom."""
    if len(found.std_types) >= len(numbers) > _MANY:  # no cell within this one: nothing was averaged
        return 0.0
    standard = places @ found.transformation_matrix.T + found.origin_shift
    farthest = 0.0
    for number in np.unique(numbers):
        ideal = found.std_positions[found.std_types == number]
        steps = standard[numbers == number][:, None] - ideal
        steps -= np.round(steps)
        distances = np.linalg.norm(steps @ found.std_lattice, axis=-1).min(axis=1)
        farthest = max(farthest, float(distances.max()))
    return farthest


def _rotations(cell: Floats, fractions: Floats, numbers: Integers) -> Integers:
    """Unique rotations W of the symmetry operations x -> W x + t, (n, 3, 3), of an idealised cell."""
    found = _asked(spglib.get_symmetry, (cell, fractions, numbers), TRAINED)
    return np.unique(np.asarray(found["rotations"], dtype=np.int64), axis=0)


def _asked(function: Any, cell: tuple[Any, ...], symprec: float) -> Any:
    """Call a function of spglib; where it fails, it returns None or raises an error, depending on its version."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "Set OLD_ERROR_HANDLING", DeprecationWarning
            )  # spglib 2.7 warns at every call
            found = function(cell, symprec=symprec)
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
