"""Embedding of k-points by sums over neighbours with Bloch phases, like the elements of a tight-binding Hamiltonian.

A tight-binding Hamiltonian has the elements H_ij(k) = sum_S t_ij(R_ijS) exp(2 pi i k.S), with the sum over lattice
vectors S. Here t are learned functions of distance and of the two elements, times the real spherical harmonics of the
direction. The embedding uses only quantities that symmetry operations do not change: the power
sum_m |H_ij,lm(k)|^2 for l = 0, 1, 2, as in the power spectrum of SOAP (Bartok, Kondor and Csanyi, Phys. Rev. B 87,
184115 (2013)), and the real part of H_ii for l = 0. They are exactly periodic and even in k, and have the point group
of the crystal.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ldosml.neural.graph import GraphBatch

_L_OF = (0, 1, 1, 1, 2, 2, 2, 2, 2)  # l of each harmonic


def real_harmonics(directions: Tensor) -> Tensor:
    """Real spherical harmonics (n, 9) of unit vectors (n, 3), l = 0, 1, 2; the sum of squares for each l is 1."""
    x, y, z = directions.unbind(-1)
    root = 3.0**0.5
    second = (root * x * y, root * y * z, root * z * x, 0.5 * root * (x * x - y * y), 1.5 * z * z - 0.5)
    return torch.stack([torch.ones_like(x), x, y, z, *second], dim=-1)


class BlochEmbedding(nn.Module):
    """Embeddings of k-points, (n_crystals, n_kpoints, d), from ``n_channels`` functions t for each l.

    The features of pairs of atoms are summed, and divided by the number of atoms.
    """

    l_of: Tensor

    def __init__(self, d: int, n_channels: int) -> None:
        super().__init__()
        self.register_buffer("l_of", torch.tensor(_L_OF), persistent=False)
        self.hopping = nn.Sequential(nn.Linear(3 * d, d), nn.SiLU(), nn.Linear(d, 3 * n_channels))
        self.sums, self.pair = nn.Linear(4 * n_channels, d), nn.Linear(3 * d, d)
        self.out = nn.Sequential(nn.SiLU(), nn.Linear(d, d))
        self._n_channels = n_channels

    def forward(self, kpoints: Tensor, elements: Tensor, edges: Tensor, pooled: Tensor, graph: GraphBatch) -> Tensor:
        """Embeddings of k-points (n_crystals, n_kpoints, 3), fractions of reciprocal lattice vectors.

        elements (n_atoms, d): features of the elements alone; edges (n_edges, d): features of distances alone; pooled
        (n_crystals, d): features of crystals. Features of atoms depend on the lattice vectors, and would break the
        symmetry of the sums.
        """
        sums = functional.silu(self.sums(self._sums(kpoints, elements, edges, graph)))  # (n_pairs, n_kpoints, d)
        receiver, sender = graph.pair_targets, graph.pair_sources
        crystal = graph.crystal[receiver]
        kinds = torch.cat([elements[receiver], elements[sender], pooled[crystal]], dim=-1)
        found = self.out(sums * self.pair(kinds)[:, None])
        total = found.new_zeros(len(kpoints), *found.shape[1:]).index_add(0, crystal, found)
        return total / graph.mask.sum(dim=1)[:, None, None]

    def _sums(self, kpoints: Tensor, elements: Tensor, edges: Tensor, graph: GraphBatch) -> Tensor:
        """Power for each l, and the real part of the diagonal, (n_pairs, n_kpoints, 4 n_channels)."""
        sources, targets = graph.sources, graph.targets
        hopping = self.hopping(torch.cat([elements[targets], elements[sources], edges], dim=-1))
        hopping = hopping.unflatten(-1, (3, self._n_channels))  # (n_edges, l, channel)
        directed = hopping[:, self.l_of] * real_harmonics(graph.directions)[..., None]  # (n_edges, lm, channel)
        turns = 2 * torch.pi * torch.einsum("ekx,ex->ek", kpoints[graph.crystal[targets]], graph.shifts)
        shape = (len(graph.pair_targets), turns.shape[1], *directed.shape[1:])
        real, imaginary = (
            directed.new_zeros(shape).index_add(0, graph.pairs, wave[..., None, None] * directed[:, None])
            for wave in (turns.cos(), turns.sin())
        )  # (n_pairs, n_kpoints, lm, channel)
        squares = real**2 + imaginary**2
        power = torch.stack([squares[:, :, self.l_of == level].sum(dim=2) for level in range(3)], dim=2)
        alone = (graph.pair_targets == graph.pair_sources)[:, None, None] * real[:, :, 0]
        # The root is |H| for large sums, and smooth at zero.
        return torch.cat([((1 + power).sqrt() - 1).flatten(2), alone], dim=-1)
