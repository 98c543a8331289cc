"""Valence shells of free atoms by element, from which tight binding starts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ase.data import atomic_numbers, covalent_radii

N_ELEMENTS = 119
"""Atomic numbers 0 to 118; 0 is no element."""

EMPTY_LEVEL = 3.5
"""Initial energy of shells that free atoms do not bind, eV above the vacuum; about the mean after a fit."""

SHELLS = (1, 3, 5, 1, 3)
"""Orbitals of each shell of ``basis_shells``: s, p, d, and excited s and p."""


@dataclass(frozen=True)
class Shell:
    """One shell of an atom.

    Parameters
    ----------
    energy : float
        eV against the vacuum.
    electrons : float
        Number of electrons in the free atom.
    radius : float
        Root-mean-square radius, angstrom.
    """

    energy: float
    electrons: float
    radius: float


@cache
def atomic_shells() -> dict[int, tuple[Shell | None, Shell | None, Shell | None]]:
    """Shells of s, p and d by atomic number; None where the shell is not bound. Unknown elements are missing.

    PBE, spherical and spin-paired, from GPAW's setups; made by ``data/scripts/atomic_levels.py``.
    """
    with (files("ldosml.tightbinding") / "atomic_levels.json").open() as file:
        table = json.load(file)["shells"]
    found = {}
    for symbol, shells in table.items():
        s, p, d = (None if shell is None else Shell(*shell) for shell in shells)
        found[atomic_numbers[symbol]] = s, p, d
    return found


@cache
def basis_shells() -> dict[int, tuple[Shell, Shell, Shell, Shell, Shell]]:
    """All shells of an atom in a crystal by atomic number, in the order of ``SHELLS``, bound or not.

    Conduction bands come from shells that free atoms leave empty, and often do not bind: the d shell of calcium, the
    second p shell of potassium, the excited s shell of silicon (P. Vogl et al., J. Phys. Chem. Solids 44, 365 (1983)).
    These start at ``EMPTY_LEVEL``, with a radius of 0.6 covalent radii, the mean of the d shells of transition metals.
    """
    found = {}
    for number, (s, p, d) in atomic_shells().items():
        empty = Shell(EMPTY_LEVEL, 0.0, 0.6 * float(covalent_radii[number]))
        found[number] = (s or empty, p or empty, d or empty, empty, empty)
    return found


def valence_electrons(numbers: Iterable[int]) -> float:
    """Count the electrons in the shells of free atoms, by their atomic numbers."""
    shells = basis_shells()
    return float(sum(shell.electrons for number in numbers for shell in shells[int(number)]))
