"""Features of atoms from the graph of their crystal, by attention along its edges.

After iComFormer (Yan, Fu, Qian, Qian and Ji, *Complete and efficient graph transformers for crystal material property
prediction*, ICLR 2024), as used by Park et al. Only distances and angles enter, so features do not change under
rotations, translations and permutations of the atoms. Two things differ from the paper: layer normalisation instead of
batch normalisation, so that the features of a crystal do not depend on the batch; and the three lattice vectors are
those to which k-points refer, not the three shortest, so that features contain the direction of k in the crystal.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ldosml.neural.elements import ElementEmbedding
from ldosml.neural.graph import GraphBatch

LARGEST_INVERSE = 1.5  # 1/angstrom; shorter distances are rare


class GaussianBasis(nn.Module):
    """Gaussians at ``n`` equal steps from ``low`` to ``high``, as wide as a step, then a linear layer: (..., d)."""

    centres: Tensor

    def __init__(self, n: int, low: float, high: float, d: int) -> None:
        super().__init__()
        self.register_buffer("centres", torch.linspace(low, high, n), persistent=False)
        self._step = (high - low) / (n - 1)
        self.linear = nn.Linear(n, d)

    def forward(self, values: Tensor) -> Tensor:
        """Features (..., d) of values (...)."""
        gaussians = torch.exp(-0.5 * ((values[..., None] - self.centres) / self._step) ** 2)  # (..., n)
        return functional.softplus(self.linear(gaussians))


def _two_layers(d_in: int, d: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(d_in, d), nn.SiLU(), nn.Linear(d, d))


class GatedMessage(nn.Module):
    """Message v' * sigmoid(norm(q * k' / sqrt(d))); k' and v' depend on receiver, sender and edge; one head."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.key, self.value = _two_layers(3 * d, d), _two_layers(3 * d, d)
        self.norm = nn.LayerNorm(d)
        self._scale = d**-0.5

    def forward(self, query: Tensor, keys: tuple[Tensor, Tensor], values: tuple[Tensor, Tensor], by: Tensor) -> Tensor:
        """Messages (..., d): query, keys and values of receiver and sender, and the edge ``by``, all (..., d)."""
        gate = query * self.key(torch.cat([*keys, by], dim=-1)) * self._scale
        message: Tensor = self.value(torch.cat([*values, by], dim=-1)) * torch.sigmoid(self.norm(gate))
        return message


class AtomLayer(nn.Module):
    """Atoms receive messages from their neighbours: h_i = softplus(h_i + norm(W sum_j message_ij))."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.query, self.key, self.value, self.edge, self.out = (nn.Linear(d, d) for _ in range(5))
        self.message, self.norm = GatedMessage(d), nn.LayerNorm(d)

    def forward(self, atoms: Tensor, edges: Tensor, graph: GraphBatch) -> Tensor:
        """New features of atoms from the features of atoms (n_atoms, d) and edges (n_edges, d)."""
        key, value = self.key(atoms), self.value(atoms)
        sources, targets = graph.sources, graph.targets
        messages = self.message(
            self.query(atoms)[targets], (key[targets], key[sources]), (value[targets], value[sources]), self.edge(edges)
        )
        received = torch.zeros_like(atoms).index_add(0, targets, messages)
        return functional.softplus(atoms + self.norm(self.out(received)))


class EdgeLayer(nn.Module):
    """Edges receive messages from the lattice vectors, which depend on the angles between both."""

    def __init__(self, d: int, n_radial: int) -> None:
        super().__init__()
        self.angles = GaussianBasis(n_radial, -1.0, 1.0, d)
        self.query, self.key, self.value, self.angle, self.out = (nn.Linear(d, d) for _ in range(5))
        self.lattice_keys = nn.ModuleList(nn.Linear(d, d) for _ in range(3))
        self.lattice_values = nn.ModuleList(nn.Linear(d, d) for _ in range(3))
        self.message, self.norm = GatedMessage(d), nn.LayerNorm(d)

    def forward(self, edges: Tensor, lattice: Tensor, graph: GraphBatch) -> Tensor:
        """New features of edges from the features of edges (n_edges, d) and lattice vectors (n_crystals, 3, d)."""
        crystal = graph.crystal[graph.targets]  # (n_edges,)

        def three(features: Tensor) -> Tensor:
            return features[:, None].expand(-1, 3, -1)

        keys, values = (
            torch.stack([layer(lattice[:, axis]) for axis, layer in enumerate(layers)], dim=1)[crystal]
            for layers in (self.lattice_keys, self.lattice_values)
        )  # (n_edges, 3, d)
        messages = self.message(
            three(self.query(edges)),
            (three(self.key(edges)), keys),
            (three(self.value(edges)), values),
            self.angle(self.angles(graph.cosines)),
        )
        return functional.softplus(edges + self.norm(self.out(messages).sum(dim=1)))


@dataclass(frozen=True, eq=False)
class Encoded:
    """Features of atoms (n_atoms, d), of their elements alone (n_atoms, d), and of distances alone (n_edges, d)."""

    atoms: Tensor
    elements: Tensor
    distances: Tensor


class CrystalEncoder(nn.Module):
    """Features of atoms: ``n_layers`` layers on atoms, and one on edges after the first of them.

    Distances and lengths enter as Gaussians of their inverses, as in iComFormer, so any length is covered.
    """

    def __init__(self, d: int, n_layers: int, n_radial: int, periodic_table: bool) -> None:
        super().__init__()
        self.elements = ElementEmbedding(d, periodic_table)
        self.radial = GaussianBasis(n_radial, 0.0, LARGEST_INVERSE, d)
        self.edge_layer = EdgeLayer(d, n_radial)
        self.layers = nn.ModuleList(AtomLayer(d) for _ in range(n_layers))

    def forward(self, graph: GraphBatch) -> Encoded:
        """Features of all atoms of a batch."""
        elements = self.elements(graph.numbers)
        distances = self.radial(1 / graph.distances)
        atoms, edges = elements, distances
        for number, layer in enumerate(self.layers):
            atoms = layer(atoms, edges, graph)
            if number == 0:
                edges = self.edge_layer(edges, self.radial(1 / graph.lengths), graph)
        return Encoded(atoms, elements, distances)
