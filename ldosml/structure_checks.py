"""What every structure must fulfil: finite places, one atom on each site, and no two atoms on top of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray
from scipy.spatial import KDTree

from ldosml._validation import check_finite

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CLOSEST = 0.5
"""Least distance of two atoms, angstrom; H2 has 0.74."""

FARTHEST = 1e9
"""Largest coordinate, angstrom: beyond it, double precision holds no good distances."""

_WHOLE = 0.999  # occupancy from which a site counts as occupied; files round
_SAME = 0.1  # angstrom; atoms that are closer stand for one
_FLAT = 1e-6  # volume of a cell in units of a b c, below which its vectors span no volume
_BONDED = 0.6  # least distance in sums of covalent radii of atoms of one element; the shortest bonds have 0.63
_COPIES = (
    "The file gives the atoms by symmetry: are coordinates printed with too few digits (0.333 for 1/3), or do they "
    "belong to another origin or setting of the space group than its operations? Give five digits and the right "
    "origin, or all atoms of the cell without symmetry (P 1)."
)
_MOST_IMAGES = 20  # along one lattice vector


def check_places(atoms: Atoms, name: str) -> None:
    """Refuse a structure without atoms, or whose places are not known.

    Parameters
    ----------
    atoms : ase.Atoms
    name : str
        What the message calls it.

    Raises
    ------
    ValueError
        When there are no atoms, a position or lattice vector is not finite or has a coordinate above 1e9 angstrom, or a
        periodic direction has no lattice vector of its own.
    """
    if not len(atoms):
        raise ValueError(f"Expected atoms in {name}; got none. Leave it out.")
    for what, values in (("positions", atoms.positions), ("cell", atoms.cell.array)):
        check_finite(f"{what} of {name}", values, "Read or relax the structure again.")
        if np.abs(values).max() > FARTHEST:
            raise ValueError(
                f"{what} of {name} must not exceed {FARTHEST:g} angstrom; got {np.abs(values).max():g}. Is the unit "
                "angstrom, and the file whole?"
            )
    if atoms.pbc.any() and np.linalg.matrix_rank(atoms.cell.array[atoms.pbc]) < atoms.pbc.sum():
        raise ValueError(
            f"Every periodic direction needs a cell vector of its own; {name} has pbc={atoms.pbc.tolist()} and the "
            f"cell lengths {atoms.cell.lengths().round(3).tolist()} angstrom. Set its cell or its pbc."
        )


def check_sites(structures: Sequence[Atoms], names: Sequence[str] | None = None) -> None:
    """Refuse structures that a file or its reader mangled.

    Parameters
    ----------
    structures : sequence of ase.Atoms
    names : sequence of str, optional
        What the message calls each of them. Default: "structure 0" and so on.

    Raises
    ------
    ValueError
        As ``check_places``; when a site is occupied partly or by several species (``atoms.info["occupancy"]`` of ASE's
        CIF reader, or the array ``occupancy`` of its PDB reader), or two atoms are closer than 0.5 angstrom, also
        across periodic boundaries. The message has the structure, the site or the pair of atoms, the likely cause and
        the remedy.

    Examples
    --------
    >>> check_sites([Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.1]])], ["molecule"])
    Traceback (most recent call last):
    ...
    ValueError: molecule: atoms 0 (H) and 1 (H) are 0.1 angstrom apart, less than 0.5. Is an atom listed twice, or the
    unit not angstrom?
    """
    if names is None:
        names = [f"structure {index}" for index in range(len(structures))]
    for atoms, name in zip(structures, names, strict=True):
        check_places(atoms, name)
        _check_occupancies(atoms, name)
    found = _too_close(structures, names)
    if found is not None:
        raise ValueError(f"{names[found.structure]}: {found.words(structures[found.structure])}")
    for atoms, name in zip(structures, names, strict=True):
        if "spacegroup_kinds" in atoms.arrays:
            _check_copies(atoms, name)


def _check_copies(atoms: Atoms, name: str) -> None:
    """Refuse copies of one site far closer than any bond: of another origin, silicon at 1/8 becomes 16 atoms."""
    kinds = atoms.arrays["spacegroup_kinds"]
    radii = covalent_radii[atoms.numbers]
    first, second, distances = neighbor_list(  # type: ignore[no-untyped-call]
        "ijd", atoms, _BONDED * 2 * float(radii.max())
    )
    close = (kinds[first] == kinds[second]) & (distances < _BONDED * 2 * radii[first])
    if close.any():
        worst = int(np.where(close, distances / radii[first], np.inf).argmin())
        one, other = (f"{number} ({atoms.symbols[number]})" for number in (first[worst], second[worst]))
        raise ValueError(
            f"{name}: atoms {one} and {other}, copies of one site by symmetry, are {distances[worst]:.3g} angstrom "
            f"apart, far less than a bond. {_COPIES}"
        )


def _check_occupancies(atoms: Atoms, name: str) -> None:
    shared = _shared_sites(atoms)
    if shared:
        site, who = next(iter(shared.items()))
        occupants = ", ".join(f"{symbol} {_part(part):g}" for symbol, part in who.items())
        sites = "1 site" if len(shared) == 1 else f"{len(shared)} sites"
        raise ValueError(
            f"{name} has {sites} with partial or mixed occupation, such as site {site} with {occupants}. "
            "ldosml needs one atom on every site: give an ordered cell. If its atoms are ordered already, delete "
            'atoms.info["occupancy"].'
        )
    parts = atoms.arrays.get("occupancy")
    if parts is not None and parts.dtype.kind == "f" and parts.any() and parts.min() < _WHOLE:
        worst = int(parts.argmin())
        raise ValueError(
            f"{name}: atom {worst} ({atoms.symbols[worst]}) has the occupancy {parts[worst]:g}. ldosml needs one atom "
            'on every site: keep one of the alternatives, and delete atoms.arrays["occupancy"].'
        )


def _shared_sites(atoms: Atoms) -> dict[str, Mapping[str, float]]:
    """Sites that are not occupied by one whole atom, as ASE's CIF reader tells them."""
    given = atoms.info.get("occupancy")
    if not isinstance(given, Mapping):
        return {}
    kinds = atoms.arrays.get("spacegroup_kinds")
    present = None if kinds is None else {str(kind) for kind in np.unique(kinds)}
    return {
        str(site): who
        for site, who in given.items()
        if (present is None or str(site) in present)
        and isinstance(who, Mapping)
        and (len(who) != 1 or min(map(_part, who.values())) < _WHOLE)
    }


def _part(occupancy: object) -> float:
    """An occupancy as a number; those not given (? or . in a CIF file) are 1."""
    return float(occupancy) if isinstance(occupancy, int | float) else 1.0


@dataclass(frozen=True)
class _Pair:
    """The two closest atoms of a structure; one atom and its own image have the same number."""

    structure: int
    first: int
    second: int
    distance: float
    close: int  # atoms of the structure that have such a neighbour

    def words(self, atoms: Atoms) -> str:
        """What is wrong with them, the likely cause and the remedy."""
        one, other = (f"{number} ({atoms.symbols[number]})" for number in (self.first, self.second))
        who = f"atom {one} and its image in the next cell" if self.first == self.second else f"atoms {one} and {other}"
        wrong = f"{who} are {self.distance:.3g} angstrom apart, less than {CLOSEST:g}."
        if "spacegroup_kinds" in atoms.arrays:
            return f"{wrong} {_COPIES}"
        if len(atoms) > 2 and 2 * self.close > len(atoms):
            return (
                f"{wrong} So are {self.close} of its {len(atoms)} atoms: are the positions fractions or in another "
                "unit than angstrom, or is the cell too small?"
            )
        cause = "Is an atom listed twice, or the unit not angstrom?"
        if self.distance < _SAME:
            cause += " A reader of CIF also makes such pairs of rounded fractions (0.333 for 1/3)."
        return f"{wrong} {cause}"


def _too_close(structures: Sequence[Atoms], names: Sequence[str]) -> _Pair | None:
    """The closest pair of the first structure that has atoms too close to each other.

    One tree holds all structures, each at its own place on a fourth axis: many small trees would take far longer.
    """
    n_atoms = [len(atoms) for atoms in structures]
    owners = np.repeat(np.arange(len(structures)), n_atoms)
    if not len(owners):
        return None
    starts = np.cumsum(n_atoms) - n_atoms
    cells = np.array([_spanned(atoms) for atoms in structures])
    numbers, positions = _with_images(structures, names, owners, cells)
    points = np.column_stack([positions, 4 * CLOSEST * owners[numbers]])
    distances, neighbours = KDTree(points).query(points[: len(owners)], k=2, distance_upper_bound=CLOSEST)
    own = neighbours[:, 0] == np.arange(len(owners))  # of two atoms at one place, either may come first
    distance = np.where(own, distances[:, 1], distances[:, 0])
    close = np.isfinite(distance)
    if not close.any():
        return None
    structure = int(owners[close].min())
    rows = np.flatnonzero(close & (owners == structure))
    worst = rows[distance[rows].argmin()]
    other = neighbours[worst, 1] if own[worst] else neighbours[worst, 0]
    first, second = sorted(int(numbers[i] - starts[structure]) for i in (worst, other))
    return _Pair(structure, first, second, float(distance[worst]), len(rows))


def _spanned(atoms: Atoms) -> Floats:
    """Lattice vectors, with unit vectors where there are none; those that span no volume are another check's."""
    cell = np.asarray(atoms.cell.complete().array, dtype=np.float64)
    flat = abs(np.linalg.det(cell)) <= _FLAT * np.prod(np.linalg.norm(cell, axis=1))
    return np.eye(3) if flat or not atoms.pbc.any() else cell


def _with_images(
    structures: Sequence[Atoms], names: Sequence[str], owners: Integers, cells: Floats
) -> tuple[Integers, Floats]:
    """Number and position of each atom in its cell, and of its images that are within ``CLOSEST`` of the cell."""
    periodic = np.array([atoms.pbc & np.any(atoms.cell.array, axis=1) for atoms in structures])
    inverse = np.linalg.inv(cells)
    # CLOSEST as a fraction of the distance of opposite faces
    margins = np.where(periodic, CLOSEST * np.linalg.norm(inverse, axis=1), 0.0)
    if margins.max() > _MOST_IMAGES:
        worst = int(margins.max(axis=1).argmax())
        raise ValueError(
            f"{names[worst]}: its cell is {CLOSEST / margins[worst].max():.2g} angstrom thick. Is the unit angstrom?"
        )
    positions = np.concatenate([atoms.positions for atoms in structures])
    fractions = np.einsum("ij,ijk->ik", positions, inverse[owners])
    fractions -= np.where(periodic[owners], np.floor(fractions), 0.0)
    numbers = np.arange(len(owners))
    for axis in range(3):
        found = [(numbers, fractions)]
        margin = margins[owners[numbers], axis]
        n = int(np.ceil(margin.max()))
        for shift in (*range(-n, 0), *range(1, n + 1)):
            moved = fractions[:, axis] + shift
            near = (margin > 0) & (moved > -margin) & (moved < 1 + margin)
            image = fractions[near]
            image[:, axis] += shift
            found.append((numbers[near], image))
        numbers, fractions = (np.concatenate(part) for part in zip(*found, strict=True))
    return numbers, np.einsum("ij,ijk->ik", fractions, cells[owners[numbers]])
