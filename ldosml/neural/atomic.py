"""Valence shells of free atoms, by element: what crystals are made of before they are crystals."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ase.data import atomic_numbers

N_ELEMENTS = 119
"""Atomic numbers, from 0, which is none."""


@dataclass(frozen=True)
class Shell:
    """The outermost bound shell of one l.

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
