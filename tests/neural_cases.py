"""Crystals and small networks that the tests of neural networks share."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell

from ldosml.kresolved import CrystalBands

# Whoever imports this is skipped where one is missing.
torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("safetensors", reason="safetensors is not installed")
pytest.importorskip("spglib", reason="spglib is not installed")

PEROVSKITE = [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)]

CRYSTALS = {
    "fcc": bulk("Cu", "fcc", a=3.6),
    "bcc": bulk("Na", "bcc", a=4.2),
    "hcp": bulk("Mg", "hcp", a=3.2, c=5.2),
    "zincblende": bulk("GaAs", "zincblende", a=5.65),
    "rocksalt": bulk("NaCl", "rocksalt", a=5.64),
    "perovskite": Atoms("SrZrO3", scaled_positions=PEROVSKITE, cell=[4.1] * 3, pbc=True),
    "polar": Atoms("LiFO", scaled_positions=[(0, 0, 0), (0.5, 0.5, 0.31), (0.5, 0, 0.12)], cell=[4, 5, 3.5], pbc=True),
}
CONVENTIONAL = {"fcc": [[-1, 1, 1], [1, -1, 1], [1, 1, -1]], "bcc": [[0, 1, 1], [1, 0, 1], [1, 1, 0]]}
LATTICES = {"zincblende": "fcc", "rocksalt": "fcc", "fcc": "fcc", "bcc": "bcc"}

TINY = {"d": 16, "n_layers": 2, "n_radial": 16, "n_neighbors": 8, "n_blocks": 1, "n_heads": 2, "n_bins": 32}


def conventional(name):
    """The cell that textbooks draw, or one repeated in a skew manner where that is the primitive one."""
    repeats = CONVENTIONAL.get(LATTICES.get(name), [[1, 1, 0], [-1, 1, 0], [0, 0, 2]])
    return make_supercell(CRYSTALS[name], repeats)


def disguised(atoms, seed=0):
    """The same crystal turned, shifted, with its atoms in another order and places."""
    random = np.random.default_rng(seed)
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    other = atoms[random.permutation(len(atoms))]
    other.set_cell(other.cell.array @ turn.T, scale_atoms=True)
    other.translate(random.uniform(-5, 5, 3))
    other.wrap()
    return other


def cosine_bands(n_kpoints=24, level=0.0, seed=0):
    """Two bands of a chain in each direction, with the symmetry of every cubic crystal in a simple cubic cell.

    The third, at infinity, says that there are no others.
    """
    k = np.random.default_rng(seed).uniform(-0.5, 0.5, (n_kpoints, 3))
    lower = level - 2.0 * np.cos(2 * np.pi * k).sum(axis=1)
    return CrystalBands(k, np.column_stack([lower, lower + 8.0, np.full(n_kpoints, np.inf)]), None, 0.0, 20.0, 2.0, 0.0)
