"""Lattices, and bands on them that are known in closed form."""

import numpy as np

from ldosml.kresolved.brillouin import reciprocal_lattice

CELLS = {
    "sc": 3.0 * np.eye(3),
    "fcc": 2.0 * (np.ones((3, 3)) - np.eye(3)),
    "bcc": 1.5 * (np.ones((3, 3)) - 2 * np.eye(3)),
    "hex": np.array([[3.0, 0, 0], [-1.5, 1.5 * np.sqrt(3), 0], [0, 0, 5.0]]),
}


def nearest_neighbours(cell):
    """Vectors to the nearest lattice points, (n, 3), in lattice vectors."""
    steps = np.indices((3, 3, 3)).reshape(3, -1).T - 1
    steps = steps[steps.any(axis=1)]
    lengths = np.linalg.norm(steps @ cell, axis=1)
    return steps[np.isclose(lengths, lengths.min())]


def s_band(kpoints, cell):
    """-sum over nearest neighbours of cos(k.R) / 2, eV, (n_kpoints,): -t exp(ik.R) with t = 1/2 eV."""
    return -np.cos(2 * np.pi * kpoints @ nearest_neighbours(cell).T).sum(axis=1) / 2


def fractions(vectors, cell):
    """Of the reciprocal lattice vectors."""
    return vectors @ np.linalg.inv(reciprocal_lattice(cell))


def lattice_operations(cell):
    """Integer matrices that act on k-points as fractions and leave the lattice as it is, (n, 3, 3)."""
    entries = np.stack(np.meshgrid(*[[-1, 0, 1]] * 9, indexing="ij"), axis=-1).reshape(-1, 3, 3)
    metric = np.linalg.inv(cell @ cell.T)
    return entries[np.isclose(np.einsum("oji,jk,okl->oil", entries, metric, entries), metric).all(axis=(1, 2))]
