"""Fit of the parameters of tight binding to the bands of crystals."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ldosml.kresolved import CrystalBands, gamma_mesh
from ldosml.kresolved.meshes import irreducible
from ldosml.neural.crystals import Crystal, Floats, point_group
from ldosml.neural.tight_binding import CrystalTightBinding, frontier, known_shells
from ldosml.tightbinding import TightBindingParameters
from ldosml.tightbinding.hamiltonian import ByOrbital, Orbitals, hamiltonian
from ldosml.tightbinding.parameters import BY_SHELL
from ldosml.tightbinding.shells import SHELLS
from ldosml.tightbinding.slater_koster import ETAS

_KPOINTS, _MESH = 10, 4  # k-points of each crystal in the fit; n of the n x n x n mesh for the Fermi level
_EPOCHS, _FALL = 20, 0.88  # factor of the learning rates after each epoch
_RATES = {"shifts": 0.1, "pulls": 0.02, "strengths": 0.02, "slopes": 0.03, "overlaps": 0.002, "factors": 0.02}
_MEMORY = 4e9  # bytes of matrix elements; 484 crystals of 1 to 5 atoms need 1.4e9
_LOW, _HIGH, _BEND = -10.0, 10.0, 0.5  # eV: range of bands in the fit, and error above which the loss is linear
_NEAR = 4.0  # eV from the Fermi level at which errors have half weight
_PENALTIES = {
    "shifts": 1e-3,
    "pulls": 1e-2,
    "strengths": 1e-2,
    "slopes": 1e-2,
    "overlaps": 1.0,
}  # ridge penalties on changes


@dataclass(frozen=True, eq=False)
class _Plan:
    """The k-points of one crystal (the mesh last) and the true bands (n_kpoints, n_bands), eV.

    skipped: number of deep bands that only the true bands have; negative if only tight binding has them.
    """

    model: CrystalTightBinding
    kpoints: Floats
    weights: Floats
    skipped: int
    true: Floats

    @property
    def size(self) -> int:
        """Memory of the matrix elements, bytes."""
        return 2 * len(ETAS) * len(self.kpoints) * self.model.n_orbitals**2 * np.dtype(np.complex64).itemsize


@dataclass(frozen=True, eq=False)
class _Case:
    """One crystal in the fit: matrix elements (2, n_etas, n_kpoints + n_mesh, n, n), and the true bands."""

    elements: Tensor
    orbitals: Orbitals
    weights: Floats
    n_electrons: float
    first_band: int
    true: Tensor


def fit_tight_binding(
    crystals: Sequence[Crystal], bands: Sequence[CrystalBands], seed: int = 0
) -> TightBindingParameters:
    """Fit all parameters to bands from E_F - 10 to E_F + 10 eV, with the largest weight near E_F.

    Bands are matched by the number of electrons below them, because calculations differ in the number of core shells.
    Crystals without tight binding, or whose numbers of electrons do not match, are left out; without crystals the
    parameters stay at their start. The optimizer is Adam, with one crystal in a step. Matrix elements are kept in
    memory, up to 4 GB, for the smallest crystals first; a crystal of low symmetry with 20 atoms needs 0.5 GB.

    Parameters
    ----------
    crystals : sequence of Crystal
        Standardised crystals.
    bands : sequence of CrystalBands
        One for each crystal; k-points refer to its standardised cell.
    seed : int
        Seed of the k-points that are drawn, and of the order of crystals.

    Returns
    -------
    TightBindingParameters

    Warns
    -----
    UserWarning
        When crystals are left out to save memory.
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
    model = CrystalTightBinding(crystal, TightBindingParameters.universal())
    beyond = bands.n_electrons - model.n_electrons  # in shells that only one of both includes
    if abs(beyond / 2 - round(beyond / 2)) > 1e-3:
        return None
    chosen = random.permutation(len(bands))[:_KPOINTS]
    relative = bands.relative[chosen]
    relative = np.where(relative + bands.fermi_energy <= bands.energy_max, relative, np.inf)
    mesh, weights, _ = irreducible(gamma_mesh(_MESH)[0], point_group(crystal))
    return _Plan(model, np.concatenate([bands.kpoints[chosen], mesh]), weights, round(beyond / 2), np.sort(relative))


def _within(memory: float, plans: list[_Plan]) -> list[_Plan]:
    """The smallest crystals whose matrix elements fit into ``memory`` (bytes), in their order."""
    sizes = np.array([plan.size for plan in plans], dtype=np.float64)
    order = np.argsort(sizes, kind="stable")
    kept = np.sort(order[np.cumsum(sizes[order]) <= memory])
    if len(kept) < len(plans):
        warnings.warn(
            f"Tight binding is fitted only to the {len(kept)} smallest of {len(plans)} crystals, to use at most "
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
        torch.from_numpy(plan.true[:, max(0, plan.skipped) :].astype(np.float32)),
    )


def _step(optimizer: torch.optim.Optimizer, case: _Case, values: dict[str, Tensor], begun: dict[str, Tensor]) -> None:
    """One step of the optimizer; skipped where the gradient is not finite, as at an accidental degeneracy."""
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
    found = torch.linalg.eigvalsh(hamiltonian(elements, ByOrbital.of(case.orbitals, given), torch))
    n = len(case.true)
    mesh = found[n:]
    first, second = frontier(mesh.detach().numpy(), case.weights, case.n_electrons)
    fermi = 0.5 * (mesh.flatten()[first] + mesh.flatten()[second])
    ours = found[:n, case.first_band :] - fermi
    n_bands = min(ours.shape[1], case.true.shape[1])
    true = case.true[:, :n_bands]
    included = (true > _LOW) & (true < _HIGH)
    known = true[included]
    errors = functional.huber_loss(ours[:, :n_bands][included], known, reduction="none", delta=_BEND)
    weights = 1 / (1 + (known / _NEAR) ** 2)
    penalty = _PENALTIES["pulls"] * (values["pulls"][shells // len(SHELLS)] ** 2).mean()
    for name in BY_SHELL:
        penalty = penalty + _PENALTIES[name] * ((values[name] - begun[name])[shells] ** 2).mean()
    loss: Tensor = (weights * errors).sum() / weights.sum().clamp(min=1e-6) + penalty
    return loss
