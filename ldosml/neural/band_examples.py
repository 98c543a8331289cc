"""Training examples of learned tight binding: one crystal, its Hamiltonian without corrections, and its bands."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ldosml.kresolved import CrystalBands, edge_bands
from ldosml.neural.correction_network import Bonds
from ldosml.neural.crystals import Crystal, Floats, Integers
from ldosml.tightbinding import TightBinding, TightBindingParameters
from ldosml.tightbinding.corrections import Corrections, by_symmetry, field_shapes
from ldosml.tightbinding.hamiltonian import N_ORBITALS, SHELL_OF, ByOrbital, hamiltonian
from ldosml.tightbinding.slater_koster import with_excited

_SHELL = torch.from_numpy(SHELL_OF)
_SINGLE = np.float32


@dataclass(frozen=True, eq=False)
class UncorrectedTerms:
    """Tight binding of one structure as tensors in single precision, to which corrections are added.

    Parameters
    ----------
    bonds : Bonds
    shifts : Tensor (n_pairs, 3)
        Cell of the second atom, in lattice vectors.
    blocks, shapes : Tensor (3, n_pairs, 9, 9)
        Matrix elements between both atoms (eV), and shapes of fields, by symmetry.
    slopes : Tensor (n_atoms, 13)
        Halved, to be added.
    given : ByOrbital
    """

    bonds: Bonds
    shifts: Tensor
    blocks: Tensor
    shapes: Tensor
    slopes: Tensor
    given: ByOrbital

    @classmethod
    def of(cls, model: TightBinding) -> UncorrectedTerms:
        """Take the terms of a structure."""
        terms, given, parameters = model.pair_terms(), model.by_orbital(), model.parameters
        return cls(
            bonds_of(model),
            _tensor(terms.shifts),
            _tensor(by_symmetry(terms.blocks, parameters.factors)),
            _tensor(field_shapes(terms.directions)),
            _tensor(0.5 * parameters.slopes[model.numbers][:, SHELL_OF]),
            ByOrbital(_tensor(given.strengths), _tensor(given.overlaps), _tensor(given.levels)),
        )

    def hamiltonians(self, kpoints: Tensor, added: Corrections) -> Tensor:
        """Matrices (n_kpoints, n_orbitals, n_orbitals) at fractions (n_kpoints, 3), as ``CorrectedTightBinding``'s."""
        first, second = self.bonds.first, self.bonds.second
        n, size = len(self.bonds.numbers), N_ORBITALS
        sizes = torch.exp(added.factors)[:, :, _SHELL[:, None], _SHELL].transpose(0, 1)  # (3, n_pairs, 13, 13)
        sloped = 1 + self.bonds.logs[:, None, None] * (self.slopes[first][:, :, None] + self.slopes[second][:, None, :])
        hopping = (sizes * with_excited(self.blocks)).sum(dim=0) * sloped
        turns = 2 * torch.pi * kpoints @ self.shifts.T  # (n_kpoints, n_pairs)
        places = first * n + second
        # Sums over the pairs of two atoms as a product of matrices, which is several times faster than index_add.
        sums = []
        for waves in (turns.cos(), turns.sin()):
            chosen = waves.new_zeros(len(kpoints), n * n, len(first))
            chosen[:, places, torch.arange(len(first))] = waves
            found = (chosen.flatten(0, 1) @ hopping.flatten(1)).reshape(-1, n, n, size, size)
            sums.append(found.permute(0, 1, 3, 2, 4).reshape(-1, n * size, n * size))
        given = ByOrbital(
            self.given.strengths,
            self.given.overlaps + 0.5 * added.overlaps[:, _SHELL].flatten(),
            self.given.levels + added.levels[:, _SHELL].flatten(),
        )
        fields = added.fields[:, :, _SHELL[:, None], _SHELL].transpose(0, 1)
        each = (fields * with_excited(self.shapes)).sum(dim=0)
        on_site = each.new_zeros(n, size, size).index_add(0, first, each)
        return hamiltonian(torch.complex(*sums), given, torch) + torch.block_diag(*on_site)


def bonds_of(model: TightBinding) -> Bonds:
    """Atoms and pairs of a structure as the network needs them."""
    terms = model.pair_terms()
    return Bonds(
        torch.from_numpy(model.numbers),
        torch.from_numpy(np.asarray(terms.first, dtype=np.int64)),
        torch.from_numpy(np.asarray(terms.second, dtype=np.int64)),
        _tensor(terms.logs),
        _tensor(terms.damping * np.exp(-4 * terms.logs)),
    )


@dataclass(frozen=True, eq=False)
class BandExample:
    """One crystal of the training or validation part.

    Parameters
    ----------
    terms : UncorrectedTerms
    kpoints : Tensor (n_kpoints, 3)
        Fractions.
    bands : Tensor (n_kpoints, n_bands)
        eV against the Fermi level; infinite above ``energy_max``.
    first_band : int
        Deep bands that only tight binding has.
    n_filled : int
        Of ``bands``, filled by the electrons; rounded down.
    gap : float
        eV.
    edges : array (2,) of int, or None
        k-points of valence and conduction edge; None for a metal.
    """

    terms: UncorrectedTerms
    kpoints: Tensor
    bands: Tensor
    first_band: int
    n_filled: int
    gap: float
    edges: Integers | None


def make_band_example(crystal: Crystal, bands: CrystalBands, parameters: TightBindingParameters) -> BandExample | None:
    """Make the example of one crystal, whose k-points refer to its cell; None where the electrons do not match.

    Bands are matched by the number of electrons below them, because calculations differ in their number of core shells.
    """
    model = TightBinding(crystal.atoms(), parameters)
    beyond = 0.5 * (bands.n_electrons - model.n_electrons)
    if abs(beyond - round(beyond)) > 1e-3:
        return None
    deeper = round(beyond)
    relative = np.sort(bands.relative, axis=1)
    relative = np.where(relative + bands.fermi_energy <= bands.energy_max + 1e-9, relative, np.inf)
    edges = None
    if bands.gap:
        valence, conduction = edge_bands(bands.eigenvalues, bands.n_electrons)
        edges = np.array([valence.argmax(), conduction.argmin()])
    return BandExample(
        UncorrectedTerms.of(model),
        _tensor(bands.kpoints),
        _tensor(relative[:, max(0, deeper) :]),
        max(0, -deeper),
        int(bands.n_electrons / 2 + 1e-6) - max(0, deeper),
        bands.gap,
        edges,
    )


def fingerprint(examples: Sequence[BandExample]) -> str:
    """Hash of structures, their tight binding without corrections, k-points and bands."""
    digest = hashlib.sha256()
    for example in examples:
        bonds, given = example.terms.bonds, example.terms.given
        structure = (bonds.numbers, bonds.first, bonds.second, bonds.logs, example.terms.blocks, example.terms.slopes)
        orbitals = (given.strengths, given.overlaps, given.levels)
        for tensor in (*structure, *orbitals, example.kpoints, example.bands):
            digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
            digest.update(np.ascontiguousarray(tensor.numpy()).tobytes())
        digest.update(f"{example.first_band} {example.n_filled} {example.gap}".encode())
    return digest.hexdigest()


def _tensor(values: Floats) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=_SINGLE))
