"""Fragments: a centre and the atoms around it, cut out of a structure.

A fragment shows how far an atom's LDOS depends on its surroundings: the rest of the structure is taken away. It knows
the radius at which it was cut, and refuses to be described with a larger one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from ldosml._ranges import check_arguments
from ldosml._validation import check_choice, check_finite, check_positive
from ldosml.neighbors import find_neighbors
from ldosml.structure_checks import check_sites

CutMode = Literal["sharp", "complete"]
"""Where a fragment ends: at ``r_cut``, or at the farthest atom that contributes to the SOAP of that ``r_cut``."""

SOAP_REACH = float(np.sqrt(-2 * np.log(1e-3)))
"""Distance beyond r_cut up to which an atom contributes to the SOAP, in units of atom_sigma: 3.717, where its Gaussian
falls to 1e-3 of its peak. DScribe leaves out the atoms beyond."""

# Neighbours that sit on the sphere by symmetry stay in, whatever rounding does to their distance (angstrom).
_ON_THE_SPHERE = 1e-8


def complete_radius(r_cut: float, atom_sigma: float) -> float:
    """Radius that holds every atom that contributes to the SOAP: r_cut + SOAP_REACH * atom_sigma, angstrom.

    Parameters
    ----------
    r_cut : float
        Cutoff radius of the SOAP, angstrom.
    atom_sigma : float
        Width of its Gaussians, angstrom.

    Returns
    -------
    float
        Angstrom.

    Raises
    ------
    ValueError
        Unless both are positive.

    Examples
    --------
    >>> round(complete_radius(6.0, 0.5), 3)
    7.858
    """
    check_positive("r_cut", r_cut, "angstrom")
    check_positive("atom_sigma", atom_sigma, "angstrom")
    return float(r_cut + SOAP_REACH * atom_sigma)


@dataclass(frozen=True, eq=False)
class Fragment:
    """An atom and what lies around it.

    Parameters
    ----------
    atoms : ase.Atoms
        Not periodic; the centre comes first, at the origin. Periodic images of an atom appear as atoms of their own.
    radius : float
        Where it was cut, angstrom: every atom this close to the centre is there, and no other.
    center : int
        Index of the centre in its structure.
    structure : int
        Index of the structure among the structures that were cut.
    """

    atoms: Atoms
    radius: float
    center: int = 0
    structure: int = 0

    def __post_init__(self) -> None:
        check_positive("radius of a Fragment", self.radius, "angstrom")
        if len(self.atoms) == 0 or self.atoms.pbc.any():
            raise ValueError(
                f"A Fragment needs its centre as first atom, and atoms that are not periodic; got {len(self.atoms)} "
                f"atoms with pbc={self.atoms.pbc.tolist()}. Use cut_fragments to make fragments of a structure."
            )
        check_finite("positions of a Fragment", self.atoms.positions)

    @property
    def number(self) -> int:
        """Atomic number of the centre."""
        return int(self.atoms.numbers[0])

    def __len__(self) -> int:
        return len(self.atoms)

    def crop(self, radius: float) -> Fragment:
        """Keep the atoms within a smaller radius of the centre.

        Parameters
        ----------
        radius : float
            Angstrom.

        Returns
        -------
        Fragment

        Raises
        ------
        ValueError
            When the fragment was cut at a smaller radius.
        """
        check_arguments(radius=radius)
        self.require_radius(radius, "crop")
        distances = np.linalg.norm(self.atoms.positions - self.atoms.positions[0], axis=1)
        return replace(self, atoms=self.atoms[distances <= radius + _ON_THE_SPHERE], radius=float(radius))

    def require_radius(self, r_cut: float, what: str) -> None:
        """Raise ValueError when a radius is larger than the fragment.

        Parameters
        ----------
        r_cut : float
            Angstrom.
        what : str
            Who asks for it, for the message.

        Raises
        ------
        ValueError
            When the fragment was cut at a smaller radius.
        """
        check_arguments(r_cut=r_cut)
        if r_cut > self.radius + _ON_THE_SPHERE:
            raise ValueError(
                f"r_cut larger than the fragment: {what} asks for {r_cut:g} angstrom, but the fragment of atom "
                f"{self.center} of structure {self.structure} was cut at {self.radius:g} angstrom. "
                f"Cut the fragments again with r_cut={r_cut:g} or more."
            )


def check_structures(structures: Atoms | Iterable[Atoms]) -> list[Atoms]:
    """Give the structures as a list, one structure as a list of one.

    Parameters
    ----------
    structures : ase.Atoms or iterable of ase.Atoms

    Returns
    -------
    list of ase.Atoms

    Raises
    ------
    TypeError
        For anything but ase.Atoms.
    ValueError
        When there are no structures, and as ``structure_checks.check_sites``.
    """
    listed = [structures] if isinstance(structures, Atoms) else list(structures)
    if not listed:
        raise ValueError("Expected at least one structure; got an empty list.")
    for s, atoms in enumerate(listed):
        if not isinstance(atoms, Atoms):
            raise TypeError(f"Structures must be ase.Atoms; structure {s} is of type {type(atoms).__name__}.")
    check_sites(listed)
    return listed


def cut_fragments(
    structures: Atoms | Iterable[Atoms],
    r_cut: float,
    *,
    mode: CutMode = "sharp",
    atom_sigma: float | None = None,
    centers: Sequence[Any] | NDArray[np.int64] | None = None,
) -> list[Fragment]:
    """Cut the surroundings of every atom, or of the chosen ones, out of their structures.

    Parameters
    ----------
    structures : ase.Atoms or iterable of ase.Atoms
        Periodic where their ``pbc`` says so, in cells of any size.
    r_cut : float
        Cutoff radius, angstrom.
    mode : {"sharp", "complete"}
        "sharp" keeps the atoms with ``|R_j - R_i| <= r_cut``: equation 9 of the LDOS learnability paper. Its SOAP of
        range r_cut differs from the SOAP of the whole structure, where the Gaussians of atoms a little further out
        reach into the sphere. "complete" keeps these atoms too, to ``complete_radius(r_cut, atom_sigma)``: its SOAP is
        the SOAP of the whole structure.
    atom_sigma : float, optional
        Width of the SOAP's Gaussians, angstrom; needed by mode "complete", not used by "sharp".
    centers : sequence of int, or of such sequences, optional
        Indices of the atoms to cut around: one sequence for one structure, a sequence per structure for a list of
        them. All atoms unless given.

    Returns
    -------
    list of Fragment
        Atom by atom, structure by structure; where ``centers`` is given, in its order.

    Raises
    ------
    ValueError
        When there are no structures or no atoms, positions are not finite, ``r_cut`` is not positive, "complete" comes
        without ``atom_sigma``, or ``centers`` names an atom that is not there.

    Examples
    --------
    >>> from ase.build import bulk
    >>> [len(fragment) for fragment in cut_fragments(bulk("Si"), 2.5)]
    [5, 5]
    """
    check_arguments(r_cut=r_cut, atom_sigma=atom_sigma)
    listed = check_structures(structures)
    check_choice("mode", mode, get_args(CutMode))
    if mode == "complete" and atom_sigma is None:
        raise ValueError('mode="complete" needs atom_sigma, the width of the SOAP to be completed, angstrom; got None.')
    radius = complete_radius(r_cut, atom_sigma) if mode == "complete" and atom_sigma is not None else float(r_cut)
    if centers is not None and isinstance(structures, Atoms):
        centers = [centers]
    if centers is not None and len(centers) != len(listed):
        raise ValueError(f"centers must hold one sequence per structure, {len(listed)}; got {len(centers)}.")
    fragments = []
    for s, atoms in enumerate(listed):
        chosen = np.arange(len(atoms)) if centers is None else _check_centers(f"structure {s}", centers[s], len(atoms))
        fragments.extend(_cut_structure(atoms, radius, chosen, s))
    return fragments


def _check_centers(name: str, centers: Sequence[int], n_atoms: int) -> NDArray[np.int64]:
    """Give the indices (n_centers,) of the centres in one structure."""
    chosen = np.asarray(centers)
    if chosen.ndim != 1 or not (chosen.size == 0 or np.issubdtype(chosen.dtype, np.integer)):
        raise ValueError(f"centers of {name} must be a sequence of atom indices; got {centers!r}.")
    outside = chosen[(chosen < 0) | (chosen >= n_atoms)]
    if outside.size:
        raise ValueError(f"centers of {name} must lie in 0..{n_atoms - 1}, its atoms; got {int(outside[0])}.")
    return chosen.astype(np.int64)


def _cut_structure(atoms: Atoms, radius: float, centers: NDArray[np.int64], structure: int) -> list[Fragment]:
    first, second, vectors = find_neighbors("ijD", atoms, radius + _ON_THE_SPHERE, f"structure {structure}")
    bounds = np.searchsorted(first, np.arange(len(atoms) + 1))
    fragments = []
    for center in centers.tolist():
        rows = slice(bounds[center], bounds[center + 1])
        numbers = np.concatenate([atoms.numbers[[center]], atoms.numbers[second[rows]]])
        positions = np.concatenate([np.zeros((1, 3)), vectors[rows]])
        fragments.append(Fragment(Atoms(numbers, positions), radius, center, structure))
    return fragments
