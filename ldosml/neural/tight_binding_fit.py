"""Tight binding fitted to the bands of crystals: a few hundred numbers, in seconds."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ldosml.kresolved import CrystalBands, gamma_mesh, irreducible
from ldosml.neural.atomic import SHELLS
from ldosml.neural.crystals import Crystal, Floats, point_group
from ldosml.neural.tight_binding import (
    BY_SHELL,
    ETAS,
    Orbitals,
    TightBinding,
    TightBindingParameters,
    frontier,
    hamiltonian,
    known_shells,
)

_KPOINTS, _MESH = 10, 4  # of each crystal: compared; along each reciprocal lattice vector, for the Fermi level
_EPOCHS, _FALL = 20, 0.88  # of the learning rates, after each
_RATES = {"shifts": 0.1, "pulls": 0.02, "strengths": 0.02, "slopes": 0.03, "overlaps": 0.002, "factors": 0.02}
_MEMORY = 4e9  # bytes of matrix elements; 484 crystals of 1 to 5 atoms take 1.4e9
_LOW, _HIGH, _BEND = -10.0, 10.0, 0.5  # eV: bands that are compared, and errors from which loss grows linearly
_NEAR = 4.0  # eV from the Fermi level, where errors count half as much as there
_HOLD = {"shifts": 1e-3, "pulls": 1e-2, "strengths": 1e-2, "slopes": 1e-2, "overlaps": 1.0}  # ridge on what changes


@dataclass(frozen=True, eq=False)
class _Plan:
    """What will be compared of one crystal: k-points, those of the mesh last, and reference (n_kpoints, n_bands), eV.

    skipped: bands that only the reference has, or less than zero, that only tight binding has.
    """

    model: TightBinding
    kpoints: Floats
    weights: Floats
    skipped: int
    reference: Floats

    @property
    def size(self) -> int:
        """Bytes of its matrix elements."""
        return 2 * len(ETAS) * len(self.kpoints) * self.model.n_orbitals**2 * np.dtype(np.complex64).itemsize


@dataclass(frozen=True, eq=False)
class _Case:
    """One crystal: matrix elements (2, n_etas, n_kpoints + n_mesh, n, n), and the bands that its own are to be."""

    elements: Tensor
    orbitals: Orbitals
    weights: Floats
    n_electrons: float
    first_band: int
    reference: Tensor


def fit_tight_binding(
    crystals: Sequence[Crystal], bands: Sequence[CrystalBands], seed: int = 0
) -> TightBindingParameters:
    """Fit all parameters to bands from E_F - 10 to E_F + 10 eV, most of all to those near E_F.

    Bands are matched by the electrons below them, since calculations differ in how many shells they take for core.
    Crystals that tight binding cannot describe, or whose electrons do not tell which band is which, are left out; where
    none is left, nothing is fitted. By Adam, a crystal a step. Their matrix elements are kept, which for a crystal of
    low symmetry with 20 atoms takes 0.5 GB: up to 4 GB, from the smallest crystals on.

    Parameters
    ----------
    crystals : sequence of Crystal
    bands : sequence of CrystalBands
        One for each, k-points in the crystal's own cell.
    seed : int
        Of the k-points that are drawn of each crystal, and of their order.

    Warns
    -----
    UserWarning
        When crystals are left out for memory.
    """
    random = np.random.default_rng([seed, 1])
    plans = [plan for pair in zip(crystals, bands, strict=True) if (plan := _plan(*pair, random)) is not None]
    cases = [_case(plan) for plan in _within(_MEMORY, plans)]
    start = TightBindingParameters.start()
    begun = {f.name: torch.from_numpy(getattr(start, f.name).ravel().astype(np.float32)) for f in fields(start)}
    values = {name: value.clone().requires_grad_() for name, value in begun.items()}
    optimizer = torch.optim.Adam([{"params": [values[name]], "lr": rate} for name, rate in _RATES.items()])
    for _ in range(_EPOCHS):
        for place in random.permutation(len(cases)):
            _step(optimizer, cases[place], values, begun)
        for group in optimizer.param_groups:
            group["lr"] *= _FALL
    found = {name: value.detach().double().numpy() for name, value in values.items()}
    return TightBindingParameters(**{name: value.reshape(getattr(start, name).shape) for name, value in found.items()})


def _plan(crystal: Crystal, bands: CrystalBands, random: np.random.Generator) -> _Plan | None:
    if not known_shells(crystal):
        return None
    model = TightBinding(crystal)
    beyond = bands.n_electrons - model.n_electrons  # in shells that only one of both has
    if abs(beyond / 2 - round(beyond / 2)) > 1e-3:
        return None
    chosen = random.permutation(len(bands))[:_KPOINTS]
    relative = bands.relative[chosen]
    relative = np.where(relative + bands.fermi_energy <= bands.energy_max, relative, np.inf)
    mesh, weights, _ = irreducible(gamma_mesh(_MESH)[0], point_group(crystal))
    return _Plan(model, np.concatenate([bands.kpoints[chosen], mesh]), weights, round(beyond / 2), np.sort(relative))


def _within(memory: float, plans: list[_Plan]) -> list[_Plan]:
    """The smallest ones, in their order, whose matrix elements fit into ``memory`` (bytes)."""
    sizes = np.array([plan.size for plan in plans], dtype=np.float64)
    order = np.argsort(sizes, kind="stable")
    kept = np.sort(order[np.cumsum(sizes[order]) <= memory])
    if len(kept) < len(plans):
        warnings.warn(
            f"Tight binding is fitted to the {len(kept)} smallest of {len(plans)} crystals, whose matrix elements take "
            f"{memory / 1e9:.0f} GB.",
            UserWarning,
            stacklevel=4,
        )
    return [plans[i] for i in kept]


def _case(plan: _Plan) -> _Case:
    orbitals = plan.model.orbitals
    return _Case(
        torch.from_numpy(plan.model.elements(plan.kpoints).astype(np.complex64)),
        Orbitals(
            torch.from_numpy(orbitals.levels.astype(np.float32)),
            torch.from_numpy(orbitals.shell_of),
            torch.from_numpy(orbitals.neighbors.astype(np.float32)),
        ),
        plan.weights,
        plan.model.n_electrons,
        max(0, -plan.skipped),
        torch.from_numpy(plan.reference[:, max(0, plan.skipped) :].astype(np.float32)),
    )


def _step(optimizer: torch.optim.Optimizer, case: _Case, values: dict[str, Tensor], begun: dict[str, Tensor]) -> None:
    """One step, unless its gradient is no number, as at an accidental degeneracy."""
    loss = _loss(case, values, begun)
    optimizer.zero_grad()
    loss.backward()
    if all(bool(value.grad.isfinite().all()) for value in values.values() if value.grad is not None):
        optimizer.step()


def _loss(case: _Case, values: dict[str, Tensor], begun: dict[str, Tensor]) -> Tensor:
    given = TightBindingParameters(**values)
    shells = case.orbitals.shell_of
    slopes = 0.5 * values["slopes"][shells]
    factors = torch.exp(values["factors"]).to(torch.complex64)
    plain, sloped = torch.einsum("c,sckij->skij", factors, case.elements)
    elements = plain + (slopes[:, None] + slopes) * sloped
    found = torch.linalg.eigvalsh(hamiltonian(case.orbitals, elements, given, torch))
    n = len(case.reference)
    mesh = found[n:]
    first, second = frontier(mesh.detach().numpy(), case.weights, case.n_electrons)
    fermi = 0.5 * (mesh.flatten()[first] + mesh.flatten()[second])
    ours = found[:n, case.first_band :] - fermi
    n_bands = min(ours.shape[1], case.reference.shape[1])
    reference = case.reference[:, :n_bands]
    counted = (reference > _LOW) & (reference < _HIGH)
    known = reference[counted]
    off = functional.huber_loss(ours[:, :n_bands][counted], known, reduction="none", delta=_BEND)
    weights = 1 / (1 + (known / _NEAR) ** 2)
    held = _HOLD["pulls"] * (values["pulls"][shells // len(SHELLS)] ** 2).mean()
    for name in BY_SHELL:
        held = held + _HOLD[name] * ((values[name] - begun[name])[shells] ** 2).mean()
    loss: Tensor = (weights * off).sum() / weights.sum().clamp(min=1e-6) + held
    return loss
