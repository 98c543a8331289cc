"""Periodic graphs of crystals, and batches of them as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldosml.neighbors import find_neighbors
from ldosml.neural.crystals import Crystal

TIE = 1e-3
"""Tolerance of equal distances of neighbours, angstrom."""


@dataclass(frozen=True, eq=False)
class CrystalGraph:
    """Atoms and edges from their neighbours; two atoms may share many edges, and an atom may be its own neighbour.

    Parameters
    ----------
    numbers : array (n_atoms,)
        Atomic numbers.
    sources, targets : arrays (n_edges,)
        Atoms at the start and at the end of each edge.
    distances : array (n_edges,)
        Angstrom.
    cosines : array (n_edges, 3)
        Cosines of the angles between the edge, from target to source, and the three lattice vectors.
    directions : array (n_edges, 3)
        Unit vectors from target to source.
    shifts : array (n_edges, 3)
        Lattice vector from the cell of the target to the cell of the source, integers.
    lengths : array (3,)
        Lengths of the lattice vectors, angstrom.
    """

    numbers: NDArray[np.int64]
    sources: NDArray[np.int64]
    targets: NDArray[np.int64]
    distances: NDArray[np.float32]
    cosines: NDArray[np.float32]
    directions: NDArray[np.float32]
    shifts: NDArray[np.float32]
    lengths: NDArray[np.float32]


def crystal_graph(crystal: Crystal, n_neighbors: int) -> CrystalGraph:
    """Join every atom to its ``n_neighbors`` nearest neighbours, and to all others at the distance of the last one.

    Without the others, the graph would depend on the order of the atoms.
    """
    atoms = crystal.atoms()
    volume = abs(np.linalg.det(crystal.cell)) / len(crystal)
    radius = (1.5 * n_neighbors * volume / np.pi) ** (1 / 3)  # contains 2 n_neighbors on average
    while True:
        i, j, d, D, S = find_neighbors("ijdDS", atoms, radius)
        if np.bincount(i, minlength=len(atoms)).min() >= n_neighbors:
            break
        radius *= 1.25
    order = np.lexsort((d, i))
    i, j, d, D, S = i[order], j[order], d[order], D[order], S[order]
    last = d[np.searchsorted(i, np.arange(len(atoms))) + n_neighbors - 1]  # distance of neighbour n of each atom
    kept = d <= last[i] + TIE
    lengths = np.linalg.norm(crystal.cell, axis=1)
    cosines = (D @ crystal.cell.T) / (d[:, None] * lengths)
    d, cosines, directions, shifts = (array[kept].astype(np.float32) for array in (d, cosines, D / d[:, None], S))
    return CrystalGraph(crystal.numbers, j[kept], i[kept], d, cosines, directions, shifts, lengths.astype(np.float32))


@dataclass(frozen=True, eq=False)
class GraphBatch:
    """Several graphs joined into one; atoms also have a place in a table with one row for each crystal.

    numbers, crystal, place (n_atoms,): atomic number, and row and column in the table; sources, targets, distances
    (n_edges,); cosines, directions, shifts (n_edges, 3); pairs (n_edges,): index of the pair of target and source;
    pair_targets, pair_sources (n_pairs,): the pairs; lengths (n_crystals, 3); mask (n_crystals, n_most): places of the
    table with an atom.
    """

    numbers: Tensor
    crystal: Tensor
    place: Tensor
    sources: Tensor
    targets: Tensor
    distances: Tensor
    cosines: Tensor
    directions: Tensor
    shifts: Tensor
    pairs: Tensor
    pair_targets: Tensor
    pair_sources: Tensor
    lengths: Tensor
    mask: Tensor

    def to_rows(self, features: Tensor) -> Tensor:
        """Features of atoms (n_atoms, d) as a table (n_crystals, n_most, d), zero where there is no atom."""
        rows = features.new_zeros(*self.mask.shape, features.shape[1])
        return rows.index_put((self.crystal, self.place), features)


def batched(graphs: Sequence[CrystalGraph], device: str | torch.device = "cpu") -> GraphBatch:
    """Join graphs, on a device."""
    counts = np.array([len(graph.numbers) for graph in graphs])
    starts = np.cumsum(counts) - counts
    edges = np.array([len(graph.sources) for graph in graphs])
    place = np.arange(counts.sum()) - np.repeat(starts, counts)
    shift = np.repeat(starts, edges)

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(graph, name) for graph in graphs])

    sources, targets = joined("sources") + shift, joined("targets") + shift
    pairs, pair = np.unique(targets * counts.sum() + sources, return_inverse=True)
    arrays = (
        joined("numbers"),
        np.repeat(np.arange(len(graphs)), counts),
        place,
        sources,
        targets,
        joined("distances"),
        joined("cosines"),
        joined("directions"),
        joined("shifts"),
        pair,
        pairs // counts.sum(),
        pairs % counts.sum(),
        np.stack([graph.lengths for graph in graphs]),
        np.arange(counts.max()) < counts[:, None],
    )
    return GraphBatch(*(torch.from_numpy(array).to(device) for array in arrays))
