"""Distorted copies of crystals of the set, so that the surroundings of an element vary: strained, sheared or rattled.

    python3 crystal_copies.py ../crystals/records        # what is planned

Copies are made only of formulas in the training part of crystals.npz (``training_formulas.txt``) with one or two atoms
in the primitive cell, in their own computed volume times 0.94 to 1.08. "strained" changes nothing else, "sheared" is a
random symmetric strain, and "rattled" moves the atoms too. The k-points of the path keep their fractions, so the lines
of a sheared or rattled copy begin and end where those of the crystal do.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase import Atoms
from crystal_structures import Material, plan

FORMULAS = Path(__file__).resolve().parents[1] / "crystals" / "training_formulas.txt"
VOLUMES = (0.94, 1.08)
SHEAR = 0.025  # standard deviation of the components of a random strain
DISPLACEMENT = 0.1  # angstrom, standard deviation of each coordinate
LARGEST = 2  # atoms
KINDS = ("strained", "rattled", "strained", "sheared")


def copies(folder: Path) -> list[Material]:
    """One copy of each crystal that has a record, in random order; without free coordinates, "rattled" is "sheared"."""
    training = set(FORMULAS.read_text().split())
    small = [m for m in plan() if m.n_atoms <= LARGEST and m.formula in training]
    order = np.random.default_rng(20261130).permutation(len(small))
    found = []
    for place, i in enumerate(order):
        kind = KINDS[place % len(KINDS)]
        if kind == "rattled" and small[i].n_atoms == 1:
            kind = "sheared"
        if (folder / f"{small[i].name}.npz").exists():
            found.append(replace(small[i], copy=kind))
    return found


def distorted(material: Material, folder: Path) -> Atoms:
    """Structure of a copy, from the record of its crystal in ``folder``; the seed is its name."""
    with np.load(folder / f"{replace(material, copy='').name}.npz") as record:
        atoms = Atoms(record["numbers"], record["positions"], cell=record["cell"], pbc=True)
    rng = np.random.default_rng(list(material.name.encode()))
    strain = np.eye(3)
    if material.copy != "strained":
        noise = rng.normal(0.0, SHEAR, (3, 3))
        strain += np.triu(noise) + np.triu(noise, 1).T
    strain *= (rng.uniform(*VOLUMES) / np.linalg.det(strain)) ** (1 / 3)
    atoms.set_cell(np.array(atoms.cell) @ strain, scale_atoms=True)
    if material.copy == "rattled":
        atoms.positions += rng.normal(0.0, DISPLACEMENT, atoms.positions.shape)
    return atoms


if __name__ == "__main__":
    planned = copies(Path(sys.argv[1]))
    print(len(planned), "copies:", ", ".join(material.name for material in planned[:20]), "...")
