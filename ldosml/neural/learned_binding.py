"""Tight binding of structures with the mean corrections of trained networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from ase import Atoms

from ldosml.neural.band_examples import bonds_of
from ldosml.neural.correction_network import CorrectionNetwork
from ldosml.tightbinding import TightBinding, TightBindingParameters
from ldosml.tightbinding.corrections import CorrectedTightBinding, Corrections


@dataclass(frozen=True, eq=False)
class LearnedBinding:
    """Makes tight binding with corrections; a ``Binding``.

    Parameters
    ----------
    parameters : TightBindingParameters
        To which corrections are added.
    networks : sequence of CorrectionNetwork
        Whose mean corrections are added.
    """

    parameters: TightBindingParameters
    networks: Sequence[CorrectionNetwork]

    @property
    def n_steps(self) -> int:
        """Of messages from neighbour to neighbour, and one more of fields and matrix elements."""
        return 1 + max(network.config.n_layers for network in self.networks)

    def __call__(self, atoms: Atoms) -> CorrectedTightBinding:
        """Tight binding of a structure."""
        return CorrectedTightBinding(atoms, self.parameters, self._correct)

    @torch.no_grad()
    def _correct(self, model: TightBinding) -> Corrections:
        bonds = bonds_of(model)
        each = [network(bonds) for network in self.networks]
        means = {f.name: torch.stack([getattr(one, f.name) for one in each]).mean(dim=0) for f in fields(Corrections)}
        return Corrections(**{name: value.double().numpy() for name, value in means.items()})
