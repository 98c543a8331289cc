"""Neighbours of atoms within a radius; their number is estimated before they are looked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

from ldosml.resources import require_memory

MOST_NEIGHBORS = 100_000
"""Neighbours of one atom. Within 40 angstrom, an atom of diamond has 47,000."""

MOST_COPIES = 200_000
"""Copies of a cell. Within 40 angstrom, the primitive cell of diamond needs 70,000."""

MOST_ATOMS = 5_000_000
"""Atoms in the copies of a cell, where these are many."""

_USUAL_COPIES = 343
_PAIR = 1600  # bytes of one pair of neighbours while ASE looks for all of them, measured in large cells
_BALLS = (1.0, 2.0, math.pi, 4 / 3 * math.pi)  # volume of a ball of radius 1 in 0 to 3 dimensions


def find_neighbors(quantities: str, atoms: Atoms, cutoff: float | Sequence[float], name: str = "the structure") -> Any:
    """Find all pairs of neighbours, as ASE's ``neighbor_list``, after ``require_neighbors``.

    Parameters
    ----------
    quantities : str
        As for ``ase.neighborlist.neighbor_list``.
    atoms : ase.Atoms
    cutoff : float or sequence of float
        Distance up to which atoms are neighbours, angstrom, or a radius for each atom, of which two are added.
    name : str
        What the structure is called in messages.

    Returns
    -------
    array, or tuple of arrays
        One for each letter of ``quantities``.

    Raises
    ------
    ValueError, MemoryError
        As ``require_neighbors``; MemoryError when the pairs do not fit into the free memory.
    """
    radius = 2 * float(np.mean(cutoff)) if isinstance(cutoff, Sequence) else float(cutoff)
    require_neighbors(name, atoms, radius)
    size = _PAIR * len(atoms) * expected_neighbors(atoms, radius)
    require_memory(f"The list of neighbours of {name} within {radius:g} angstrom", size, "Take a smaller radius.")
    return neighbor_list(quantities, atoms, cutoff)  # type: ignore[no-untyped-call]


def require_neighbors(name: str, atoms: Atoms, radius: float) -> None:
    """Refuse a radius within which a periodic structure has too many neighbours, or too many copies of its cell.

    Parameters
    ----------
    name : str
        What the structure is called in the message.
    atoms : ase.Atoms
    radius : float
        angstrom.

    Raises
    ------
    ValueError
        When an atom has more than 100,000 neighbours, or the radius needs more than 200,000 copies of the cell.
    """
    if not atoms.pbc.any():
        return
    cell = f"{name}, with the cell lengths {_words(atoms)} angstrom,"
    neighbors, copies = expected_neighbors(atoms, radius), _copies(atoms, radius)
    if neighbors > MOST_NEIGHBORS and neighbors > len(atoms):
        raise ValueError(
            f"An atom should have at most {MOST_NEIGHBORS:,} neighbours within {radius:g} angstrom; in {cell} it has "
            f"about {neighbors:.3g}. Take a smaller radius. Is the unit of the cell angstrom?"
        )
    # In cells of usual shape, the atoms of all copies are a few times the neighbours; in skewed ones most are far away.
    if copies > MOST_COPIES or (copies > _USUAL_COPIES and copies * len(atoms) > MOST_ATOMS):
        raise ValueError(
            f"Within {radius:g} angstrom there should be at most {MOST_COPIES:,} copies of a cell, and {MOST_ATOMS:,} "
            f"atoms in them; {cell} has {copies:.3g} copies of {len(atoms):,} atoms, since its cell is small, thin or "
            "skewed. Give the reduced cell (ase.build.niggli_reduce), or take a smaller radius. Is the unit of the "
            "cell angstrom?"
        )


def expected_neighbors(atoms: Atoms, radius: float) -> float:
    """Estimate the number of atoms within a radius of one atom, itself included, from the density.

    Parameters
    ----------
    atoms : ase.Atoms
        Of any periodicity. Where atoms fill a part of the cell only, the estimate is too small.
    radius : float
        angstrom.

    Returns
    -------
    float
    """
    vectors: NDArray[np.float64] = atoms.cell.array[atoms.pbc]
    count = float(len(atoms))
    if len(vectors):
        volume = math.sqrt(max(0.0, float(np.linalg.det(vectors @ vectors.T))))
        if not volume:
            return math.inf
        count *= _BALLS[len(vectors)] * radius ** len(vectors) / volume
    # Along the other directions, the atoms within the radius are a part of all.
    others = np.linalg.svd(vectors)[2][len(vectors) :] if len(vectors) else np.eye(3)  # (n_directions, 3)
    extent = np.maximum(np.ptp(atoms.positions @ others.T, axis=0), 2 * radius)
    return max(1.0, count * float(np.prod(2 * radius / extent)))


def _copies(atoms: Atoms, radius: float) -> float:
    """Count the copies of a cell that hold all neighbours of its atoms within a radius, angstrom."""
    # Distances between opposite faces are the reciprocals of the lengths of the reciprocal vectors.
    lengths = np.linalg.norm(np.linalg.pinv(atoms.cell.array[atoms.pbc]), axis=0)
    return float(np.prod(2 * np.ceil(radius * lengths) + 1))


def _words(atoms: Atoms) -> str:
    return ", ".join(f"{length:.4g}" for length in atoms.cell.lengths()[atoms.pbc])
