"""Valence shells of free atoms, by element: what crystals are made of before they are crystals."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ase.data import atomic_numbers, covalent_radii

N_ELEMENTS = 119
"""Atomic numbers, from 0, which is none."""


EMPTY_LEVEL = 3.5
"""eV above the vacuum: where shells begin that free atoms do not bind. About the mean of where a fit takes them."""

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
        In the free atom.
    radius : float
        Root mean square, angstrom.
    """

    energy: float
    electrons: float
    radius: float


@cache
def atomic_shells() -> dict[int, tuple[Shell | None, Shell | None, Shell | None]]:
    """Shells of s, p and d by atomic number, None where there is no bound one; elements that are not known are missing.

    PBE, spherical and spin-paired, from GPAW's setups, by ``data/scripts/atomic_levels.py``.
    """
    with (files("ldosml.neural") / "atomic_levels.json").open() as file:
        table = json.load(file)["shells"]
    found = {}
    for symbol, shells in table.items():
        s, p, d = (None if shell is None else Shell(*shell) for shell in shells)
        found[atomic_numbers[symbol]] = s, p, d
    return found


@cache
def basis_shells() -> dict[int, tuple[Shell, Shell, Shell, Shell, Shell]]:
    """All shells that an atom in a crystal has by atomic number, as ``SHELLS`` has them, bound or not.

    Conduction bands are made of shells that free atoms leave empty, and often do not bind: the d of calcium, the p of
    potassium above its filled one, an s beyond that of silicon (P. Vogl et al., J. Phys. Chem. Solids 44, 365 (1983)).
    They begin at ``EMPTY_LEVEL``, a d as large as 0.6 covalent radii, which those of transition metals are on average.
    """
    found = {}
    for number, (s, p, d) in atomic_shells().items():
        empty = Shell(EMPTY_LEVEL, 0.0, 0.6 * float(covalent_radii[number]))
        found[number] = (s or empty, p or empty, d or empty, empty, empty)
    return found
