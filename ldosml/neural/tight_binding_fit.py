"""Tight binding fitted to the bands of crystals: a few hundred numbers, in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ldosml.kresolved import CrystalBands, gamma_mesh, irreducible
from ldosml.neural.atomic import N_ELEMENTS
from ldosml.neural.crystals import Crystal, Floats, point_group
from ldosml.neural.tight_binding import (
    ETAS,
    TightBinding,
    TightBindingParameters,
    frontier,
    known_shells,
)

_KPOINTS, _MESH = 10, 4  # of each crystal: compared; along each reciprocal lattice vector, for the Fermi level
_EPOCHS, _FALL = 15, 0.85  # of the learning rates, after each
_RATES = {"shifts": 0.1, "strengths": 0.02, "factors": 0.02}
_LOW, _HIGH, _BEND = -10.0, 5.0, 0.5  # eV: bands that are compared, and errors from which loss grows linearly
_HOLD_SHIFTS, _HOLD_STRENGTHS = 1e-3, 1e-2  # ridge


@dataclass(frozen=True, eq=False)
class _Case:
    """One crystal: matrix elements (n_etas, n_kpoints + n_mesh, n, n), and the bands that its own are to be."""

    elements: Tensor
    levels: Tensor
    shell_of: Tensor
    weights: Floats
    n_electrons: float
    first_band: int
    reference: Tensor


def fit_tight_binding(
    crystals: Sequence[Crystal], bands: Sequence[CrystalBands], seed: int = 0
) -> TightBindingParameters:
    """Fit levels and strengths of every shell, and the universal factors, to bands from E_F - 10 to E_F + 5 eV.

    Bands are matched by the electrons below them, since calculations differ in how many shells they take for core.
    Crystals that tight binding cannot describe, or whose electrons do not tell which band is which, are left out; where
    none is left, nothing is fitted. By Adam, a crystal a step.

    Parameters
    ----------
    crystals : sequence of Crystal
    bands : sequence of CrystalBands
        One for each, k-points in the crystal's own cell.
    seed : int
        Of the k-points that are drawn of each crystal, and of their order.
    """
    random = np.random.default_rng([seed, 1])
    cases = [case for pair in zip(crystals, bands, strict=True) if (case := _case(*pair, random)) is not None]
    shapes = {"shifts": 3 * N_ELEMENTS, "strengths": 3 * N_ELEMENTS, "factors": len(ETAS)}
    values = {name: torch.zeros(size, requires_grad=True) for name, size in shapes.items()}
    optimizer = torch.optim.Adam([{"params": [values[name]], "lr": rate} for name, rate in _RATES.items()])
    for _ in range(_EPOCHS):
        for place in random.permutation(len(cases)):
            _step(optimizer, cases[place], values)
        for group in optimizer.param_groups:
            group["lr"] *= _FALL
    shifts, strengths, factors = (value.detach().double().numpy() for value in values.values())
    return TightBindingParameters(shifts.reshape(-1, 3), strengths.reshape(-1, 3), factors)


def _case(crystal: Crystal, bands: CrystalBands, random: np.random.Generator) -> _Case | None:
    if not known_shells(crystal):
        return None
    model = TightBinding(crystal)
    beyond = bands.n_electrons - model.n_electrons  # in shells that only one of both has
    if abs(beyond / 2 - round(beyond / 2)) > 1e-3:
        return None
    skipped = round(beyond / 2)
    chosen = random.permutation(len(bands))[:_KPOINTS]
    mesh, weights, _ = irreducible(gamma_mesh(_MESH)[0], point_group(crystal))
    energies = np.sort(bands.relative[chosen], axis=1)[:, max(0, skipped) :]
    return _Case(
        torch.from_numpy(model.elements(np.concatenate([bands.kpoints[chosen], mesh])).astype(np.complex64)),
        torch.from_numpy(model.levels.astype(np.float32)),
        torch.from_numpy(model.shell_of),
        weights,
        model.n_electrons,
        max(0, -skipped),
        torch.from_numpy(energies.astype(np.float32)),
    )


def _step(optimizer: torch.optim.Optimizer, case: _Case, values: dict[str, Tensor]) -> None:
    """One step, unless its gradient is no number, as at an accidental degeneracy."""
    loss = _loss(case, values)
    optimizer.zero_grad()
    loss.backward()
    if all(bool(value.grad.isfinite().all()) for value in values.values() if value.grad is not None):
        optimizer.step()


def _loss(case: _Case, values: dict[str, Tensor]) -> Tensor:
    shifts, strengths = values["shifts"][case.shell_of], values["strengths"][case.shell_of]
    roots = torch.exp(0.5 * strengths)
    matrices = torch.einsum("c,ckij->kij", torch.exp(values["factors"]).to(torch.complex64), case.elements)
    matrices = matrices * (roots[:, None] * roots) + torch.diag(case.levels + shifts)
    found = torch.linalg.eigvalsh(matrices)
    n = len(case.reference)
    mesh = found[n:]
    first, second = frontier(mesh.detach().numpy(), case.weights, case.n_electrons)
    fermi = 0.5 * (mesh.flatten()[first] + mesh.flatten()[second])
    ours = found[:n, case.first_band :] - fermi
    n_bands = min(ours.shape[1], case.reference.shape[1])
    reference = case.reference[:, :n_bands]
    counted = (reference > _LOW) & (reference < _HIGH)
    off = functional.huber_loss(ours[:, :n_bands][counted], reference[counted], reduction="sum", delta=_BEND)
    held = _HOLD_SHIFTS * (shifts**2).mean() + _HOLD_STRENGTHS * (strengths**2).mean()
    loss: Tensor = off / counted.sum().clamp(min=1) + held
    return loss
