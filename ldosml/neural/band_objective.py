"""What the training of learned tight binding minimises: errors of bands, most of all near the Fermi level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ldosml.neural.band_examples import BandExample, fingerprint
from ldosml.neural.correction_network import CorrectionNetwork
from ldosml.neural.crystals import Integers
from ldosml.neural.optimization import check_weight, check_whole
from ldosml.tightbinding.corrections import Corrections

_LOW, _HIGH = -10.0, 10.5  # eV beyond valence and conduction edge: range of bands in the loss
_NEAR = 3.0  # eV beyond an edge at which an error has half weight
_BEND = 0.5  # eV; the loss of larger errors is linear


@dataclass(frozen=True)
class BandLoss:
    """Parameters of the loss; each is the parameter of ``TightBindingRegressor`` with the same name."""

    kpoints_per_crystal: int
    validation_kpoints: int
    gap_weight: float
    penalty: float

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("kpoints_per_crystal", "validation_kpoints"):
            check_whole(name, getattr(self, name), 3)  # two are for the edges of a gap
        for name in ("gap_weight", "penalty"):
            check_weight(name, getattr(self, name))


@dataclass(frozen=True, eq=False)
class BandObjective:
    """Mean of ``band_loss`` over crystals, and penalties on corrections: an ``Objective``.

    Parameters
    ----------
    network : CorrectionNetwork
    training, validation : sequence of BandExample
    settings : BandLoss
    """

    network: CorrectionNetwork
    training: Sequence[BandExample]
    validation: Sequence[BandExample]
    settings: BandLoss

    def __len__(self) -> int:
        """Number of training crystals."""
        return len(self.training)

    def loss(self, chosen: Integers, random: np.random.Generator) -> Tensor:
        """Mean loss at the edges and at random k-points of some crystals."""
        total = torch.zeros(())
        for example in (self.training[i] for i in chosen):
            loss, added = self._loss(example, _drawn(example, self.settings.kpoints_per_crystal, random))
            total = total + loss + self.settings.penalty * _size(added)
        return total / len(chosen)

    def validation_loss(self) -> float | None:
        """Mean loss at the same k-points in every epoch, without penalties; None without crystals."""
        if not self.validation:
            return None
        random = np.random.default_rng(0)
        each = [self._loss(e, _drawn(e, self.settings.validation_kpoints, random))[0] for e in self.validation]
        return float(torch.stack(each).mean())

    def describe(self) -> dict[str, Any]:
        """Architecture, loss and data."""
        data = {"training set": fingerprint(self.training), "validation set": fingerprint(self.validation)}
        return asdict(self.network.config) | asdict(self.settings) | data

    def _loss(self, example: BandExample, kpoints: Integers) -> tuple[Tensor, Corrections]:
        added = self.network(example.terms.bonds)
        matrices = example.terms.hamiltonians(example.kpoints[kpoints], added)
        # In single precision LAPACK fails for some matrices; double takes little longer.
        found = torch.linalg.eigvalsh(matrices.to(torch.complex128))[:, example.first_band :].float()
        loss = band_loss(found, example.bands[kpoints], example, self.settings.gap_weight)
        return loss, added


def band_loss(found: Tensor, true: Tensor, example: BandExample, gap_weight: float) -> Tensor:
    """Mean Huber loss of bands, whose weight falls with the distance from the edges, and losses of the gap.

    The mean difference is taken out, since only differences of energies mean anything. The gap is that between the two
    k-points of the edges, which come first, and that between all bands at all k-points: an edge elsewhere counts.

    Parameters
    ----------
    found, true : Tensor (n_kpoints, n_bands)
        eV.
    example : BandExample
    gap_weight : float
        Of the losses of the gap.
    """
    n_bands = min(found.shape[1], true.shape[1])
    found, true = found[:, :n_bands], true[:, :n_bands]
    half = 0.5 * example.gap
    included = (true > _LOW - half) & (true < _HIGH + half)
    known = torch.where(included, true, 0.0)
    weights = included / (1 + ((known.abs() - half).clamp(min=0) / _NEAR) ** 2)
    off = torch.where(included, found - known, 0.0)
    total = weights.sum().clamp(min=1e-6)
    off = off - (weights * off).sum() / total
    loss = (weights * functional.huber_loss(off, torch.zeros_like(off), reduction="none", delta=_BEND)).sum() / total
    n = example.n_filled
    if example.edges is None or not 0 < n < n_bands:
        return loss
    gaps = torch.stack([found[1, n] - found[0, n - 1], found[:, n].min() - found[:, n - 1].max()])
    return loss + gap_weight * functional.huber_loss(gaps, torch.full_like(gaps, example.gap), delta=_BEND)


def _size(added: Corrections) -> Tensor:
    """Mean squares of corrections, in units of what is usual."""
    return (added.levels**2).mean() + 10 * (added.factors**2).mean() + (added.fields**2).mean()


def _drawn(example: BandExample, n: int, random: np.random.Generator) -> Integers:
    """Indices of the k-points of the edges, if there are any, and of random ones."""
    edges = np.zeros(0, dtype=np.int64) if example.edges is None else example.edges
    return np.concatenate([edges, np.resize(random.permutation(len(example.kpoints)), n - len(edges))])
