"""The network that corrects the parameters of tight binding for the surroundings of each atom and each bond."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ldosml.neural.elements import ElementEmbedding
from ldosml.neural.optimization import check_weight, check_whole
from ldosml.neural.tight_binding_buffers import TightBindingBuffers
from ldosml.tightbinding.corrections import Corrections
from ldosml.tightbinding.shells import SHELLS
from ldosml.tightbinding.slater_koster import SYMMETRIES

# Correction of an output of one, and largest correction, which keeps matrices finite: eV, 1/eV, 1, eV.
_SCALES = {"levels": (1.0, 10.0), "overlaps": (0.02, 0.3), "factors": (0.3, 3.0), "fields": (0.3, 5.0)}


def _slots() -> tuple[int, Tensor]:
    """Number of matrix elements between two atoms, and the place of each in a list, (3, 5, 5).

    Shells of angular momenta l and l' have min(l, l') + 1 elements; places without one have the index after the last.
    """
    momenta = (np.array(SHELLS) - 1) // 2
    exists = np.arange(len(SYMMETRIES))[:, None, None] <= np.minimum(momenta[:, None], momenta)
    place = np.full(exists.shape, exists.sum())
    place[exists] = np.arange(exists.sum())
    return int(exists.sum()), torch.from_numpy(place)


@dataclass(frozen=True)
class CorrectionConfig:
    """Architecture of a network.

    Parameters
    ----------
    d : int
        Length of the features of atoms and bonds.
    n_layers : int
        How often atoms receive messages from their neighbours. 0: corrections depend on the elements and on the length
        of the bond only.
    fields : bool
        Also correct by the fields of neighbours; see ``Corrections``.
    dropout : float
        Fraction of the inner features that is left out at random in training.

    Raises
    ------
    ValueError
        When a number is out of its range.
    """

    d: int = 64
    n_layers: int = 1
    fields: bool = True
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_whole("d of a network", self.d, 1)
        check_whole("n_layers of a network", self.n_layers, 0)
        check_weight("dropout of a network", self.dropout)
        if self.dropout >= 1:
            raise ValueError(f"dropout of a network must be at least 0 and below 1; got {self.dropout!r}.")


@dataclass(frozen=True, eq=False)
class Bonds:
    """Atoms and pairs of neighbours of one structure, as tensors.

    Parameters
    ----------
    numbers : Tensor (n_atoms,)
        Atomic numbers.
    first, second : Tensor (n_pairs,)
        Atoms of each pair, both ways.
    logs : Tensor (n_pairs,)
        ln(d / d0).
    weights : Tensor (n_pairs,)
        Weight of a neighbour in sums: damped, and proportional to d^-4 as the pulls are.
    """

    numbers: Tensor
    first: Tensor
    second: Tensor
    logs: Tensor
    weights: Tensor


class CorrectionNetwork(nn.Module):
    """Corrections from elements, lengths of bonds, and sums over neighbours; all are zero before the training.

    Only invariants enter, and matrix elements depend on direction as Slater and Koster say, so the Hamiltonian has the
    symmetry of the structure. Sums over neighbours fall to zero smoothly where pairs end, so bands are continuous in
    the positions of atoms.

    Parameters
    ----------
    config : CorrectionConfig
        The architecture.
    seed : int
        Seed of the initial weights.
    """

    places: Tensor

    def __init__(self, config: CorrectionConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        d, n_slots, places = config.d, *_slots()
        self.register_buffer("places", places, persistent=False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.elements = ElementEmbedding(d, periodic=True)
            self.begin = nn.Sequential(nn.SiLU(), nn.Linear(d, d))
            self.messages = nn.ModuleList(_layers(2 * d + 2, d, d) for _ in range(config.n_layers))
            self.updates = nn.ModuleList(_layers(2 * d, d, d) for _ in range(config.n_layers))
            self.atom = _layers(d, d, 2 * len(SHELLS), config.dropout)
            self.bond = _layers(2 * d + 2, d, n_slots + 1, config.dropout, hidden=2)
            self.field = _layers(2 * d + 2, d, n_slots + 1, config.dropout) if config.fields else None
        for part in (self.atom, self.bond, self.field, *self.updates):
            if part is not None:
                nn.init.zeros_(part[-1].weight)
                nn.init.zeros_(part[-1].bias)

    def forward(self, bonds: Bonds) -> Corrections:
        """Corrections, as tensors."""
        atoms = self.begin(self.elements(bonds.numbers))
        lengths = torch.stack([bonds.logs, bonds.logs**2], dim=-1)
        for message, update in zip(self.messages, self.updates, strict=True):
            sent = message(self._joined(atoms, bonds, lengths)) * bonds.weights[:, None]
            received = torch.zeros_like(atoms).index_add(0, bonds.first, sent)
            atoms = atoms + update(torch.cat([atoms, received], dim=-1))
        levels, overlaps = self.atom(atoms).chunk(2, dim=-1)
        there = self.bond(self._joined(atoms, bonds, lengths))[:, self.places]
        back = self.bond(self._joined(atoms, bonds, lengths, swapped=True))[:, self.places]
        factors = there + back.transpose(2, 3)  # the pair the other way round has the transpose
        fields = self._fields(self._joined(atoms, bonds, lengths))
        found = {"levels": levels, "overlaps": overlaps, "factors": factors, "fields": fields}
        bounded = {name: _bounded(value, *_SCALES[name]) for name, value in found.items()}
        return Corrections(**bounded | {"fields": bounded["fields"] * bonds.weights[:, None, None, None]})

    def _fields(self, joined: Tensor) -> Tensor:
        if self.field is None:
            return joined.new_zeros(len(joined), *self.places.shape)
        found = self.field(joined)[:, self.places]
        symmetric: Tensor = found + found.transpose(2, 3)
        return symmetric

    @staticmethod
    def _joined(atoms: Tensor, bonds: Bonds, lengths: Tensor, swapped: bool = False) -> Tensor:
        """Features of both atoms of each pair, and of its length, (n_pairs, 2 d + 2)."""
        ends = (bonds.second, bonds.first) if swapped else (bonds.first, bonds.second)
        return torch.cat([atoms[ends[0]], atoms[ends[1]], lengths], dim=-1)


class CorrectionEnsemble(TightBindingBuffers):
    """Several networks, and the ``tight_binding`` to which their corrections are added.

    Parameters
    ----------
    networks : sequence of CorrectionNetwork
        Trained alike, from different first weights.
    """

    def __init__(self, networks: Sequence[CorrectionNetwork]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)


def _bounded(outputs: Tensor, scale: float, most: float) -> Tensor:
    """Outputs times ``scale``, bent so that none exceeds ``most``."""
    result: Tensor = most * (outputs * (scale / most)).tanh()
    return result


def _layers(d_in: int, d: int, d_out: int, dropout: float = 0.0, hidden: int = 1) -> nn.Sequential:
    """Linear layers with ``hidden`` inner ones."""
    parts: list[nn.Module] = []
    for number in range(hidden):
        parts += [nn.Linear(d_in if number == 0 else d, d), nn.SiLU()]
        parts += [nn.Dropout(dropout)] if dropout and number == 0 else []
    return nn.Sequential(*parts, nn.Linear(d, d_out))
