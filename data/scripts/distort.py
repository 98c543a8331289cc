"""What generators of structures share: strain, displacements, relaxation, and how close atoms may come."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from ase.optimize import FIRE
from fast_tersoff import FastTersoff

MIN_DISTANCE = 1.9  # angstrom, of silicon atoms and their images
ATTEMPTS = 20_000


def closest(atoms: Atoms) -> float:
    """Shortest distance in angstrom between two atoms, images included; infinite above 4 angstrom."""
    return float(neighbor_list("d", atoms, 4.0).min(initial=np.inf))


def strained(atoms: Atoms, size: float, volume_change: float, rng: np.random.Generator) -> Atoms:
    """Random symmetric strain, components of standard deviation ``size``, and a change of volume, a fraction.

    Directions without periodicity keep their length: of a slab, ``volume_change`` is the change of its area.
    """
    noise = rng.normal(0.0, size, (3, 3))
    noise[~atoms.pbc] = noise[:, ~atoms.pbc] = 0.0
    strain = np.eye(3) + np.triu(noise) + np.triu(noise, 1).T
    dimensions = int(atoms.pbc.sum())
    if dimensions:
        strain[atoms.pbc] *= ((1 + volume_change) / np.linalg.det(strain)) ** (1 / dimensions)
    result = atoms.copy()
    result.set_cell(np.array(atoms.cell) @ strain, scale_atoms=True)
    return result


def displaced(atoms: Atoms, amplitude: float, rng: np.random.Generator) -> Atoms:
    """Every coordinate moved at random, standard deviation ``amplitude`` in angstrom, none closer than MIN_DISTANCE.

    An atom that comes too close to another is drawn anew, so large amplitudes are cut off on the side of short bonds.
    """
    result = atoms.copy()
    result.positions += rng.normal(0.0, amplitude, atoms.positions.shape)
    close = neighbor_list("i", result, MIN_DISTANCE)
    for _ in range(ATTEMPTS):
        if not len(close):
            return result
        atom = rng.choice(close)
        before = result.positions[atom].copy()
        result.positions[atom] = atoms.positions[atom] + rng.normal(0.0, amplitude, 3)
        now_close = neighbor_list("i", result, MIN_DISTANCE)
        if len(now_close) <= len(close):
            close = now_close
        else:
            result.positions[atom] = before
    raise RuntimeError(f"{len(close) // 2} pairs of {atoms} stay closer than {MIN_DISTANCE} angstrom")


def relaxed(atoms: Atoms, steps: int = 300, force: float = 0.02) -> Atoms:
    """Positions relaxed in the cell as it is, with the Tersoff potential of silicon; ``force`` in eV/angstrom."""
    result = atoms.copy()
    result.calc = FastTersoff()
    FIRE(result, logfile=None).run(fmax=force, steps=steps)
    result.calc = None
    return result
