"""Tight binding without a fit: Slater and Koster's table, invariances, and what it knows of real crystals."""

from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from neural_cases import CRYSTALS, conventional, disguised, torch  # noqa: F401
from numpy.testing import assert_allclose

from ldosml.datasets import load_crystals
from ldosml.kresolved import CrystalBands, energy_bins, gamma_mesh
from ldosml.neural import OccupancyConfig, primitive_kpoints, standardized
from ldosml.neural.network import operations
from ldosml.neural.tight_binding import LARGEST, MESH, WIDTHS, CrystalTightBinding, first_guess
from ldosml.neural.tight_binding_fit import fit_tight_binding
from ldosml.tightbinding import TightBindingParameters
from ldosml.tightbinding.hamiltonian import ByOrbital, hamiltonian
from ldosml.tightbinding.shells import N_ELEMENTS, atomic_shells
from ldosml.tightbinding.slater_koster import ETAS, blocks
from ldosml.units import HBAR2_M

KPOINTS = np.random.default_rng(1).uniform(-0.5, 0.5, (4, 3))
GRID = energy_bins(64)
UNIVERSAL = TightBindingParameters.universal()
SS, SP, PPS, PPP, SD, PDS, PDP, DDS, DDP, DDD = ETAS.values()
S, X, Y, Z, XY, YZ, ZX, X2, Z2 = range(9)


def turn():
    return np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]


class TestBlocks:
    def elements(self, l, m, n):  # noqa: E741  as the table calls them
        """Some lines of Table I of Slater and Koster."""
        r3 = np.sqrt(3)
        return {
            (S, S): SS,
            (S, X): l * SP,
            (X, X): l**2 * PPS + (1 - l**2) * PPP,
            (X, Y): l * m * (PPS - PPP),
            (S, XY): r3 * l * m * SD,
            (S, X2): r3 / 2 * (l**2 - m**2) * SD,
            (S, Z2): (n**2 - (l**2 + m**2) / 2) * SD,
            (X, XY): r3 * l**2 * m * PDS + m * (1 - 2 * l**2) * PDP,
            (X, YZ): l * m * n * (r3 * PDS - 2 * PDP),
            (Z, Z2): n * (n**2 - (l**2 + m**2) / 2) * PDS + r3 * n * (l**2 + m**2) * PDP,
            (XY, XY): 3 * l**2 * m**2 * DDS + (l**2 + m**2 - 4 * l**2 * m**2) * DDP + (n**2 + l**2 * m**2) * DDD,
            (XY, X2): 1.5 * l * m * (l**2 - m**2) * DDS + 2 * l * m * (m**2 - l**2) * DDP,
            (Z2, Z2): (n**2 - (l**2 + m**2) / 2) ** 2 * DDS + 3 * n**2 * (l**2 + m**2) * DDP,
        }

    def test_they_are_those_of_the_table(self):
        direction = turn()[0]
        found = blocks(direction[None], np.ones(1), np.ones((1, 2))).sum(axis=0)[0] / HBAR2_M
        for (row, column), expected in self.elements(*direction).items():
            assert found[row, column] == pytest.approx(expected, abs=1e-12), (row, column)

    def test_there_and_back_are_each_others_transpose(self):
        directions, distances = turn(), np.array([1.5, 2.0, 3.0])
        radii = np.array([[1.0, 0.5], [0.0, 1.2], [0.8, 0.0]])
        there, back = (
            blocks(sign * directions, distances, r).sum(axis=0) for sign, r in ((1, radii), (-1, radii[:, ::-1]))
        )
        assert_allclose(there, back.transpose(0, 2, 1), atol=1e-12)
        assert_allclose(there[1, 4:9], 0.0)  # a d of no size

    def test_excited_shells_look_like_those_below(self):
        found = blocks(turn(), np.array([1.5, 2.0, 3.0]), np.ones((3, 2))).sum(axis=0)
        assert found.shape == (3, 13, 13)
        assert_allclose(found[:, 9:], found[:, :4])
        assert_allclose(found[:, :, 9:], found[:, :, :4])

    def test_distance_falls_off_as_harrison_says(self):
        near, far = (blocks(np.eye(3)[:1], np.array([d]), np.ones((1, 2))).sum(axis=0)[0] for d in (2.0, 4.0))
        assert near[S, S] / far[S, S] == pytest.approx(4)
        assert near[S, Z2] / far[S, Z2] == pytest.approx(2**3.5)
        assert near[Z2, Z2] / far[Z2, Z2] == pytest.approx(2**5)


@pytest.mark.parametrize("name", CRYSTALS)
class TestInvariance:
    def test_point_group_time_reversal_and_reciprocal_lattice(self, name):
        crystal = standardized(CRYSTALS[name])
        model = CrystalTightBinding(crystal, UNIVERSAL)
        expected = model.eigenvalues(KPOINTS)
        for operation in operations(crystal, OccupancyConfig())[::7]:
            assert_allclose(model.eigenvalues(KPOINTS @ operation.T + [1, 0, -2]), expected, atol=1e-9)

    def test_any_cell(self, name):
        atoms = CRYSTALS[name]
        expected = CrystalTightBinding(standardized(atoms), UNIVERSAL).eigenvalues(primitive_kpoints(atoms, KPOINTS))
        for cell in (disguised(atoms), disguised(conventional(name))):
            untouched = atoms if len(cell) == len(atoms) else conventional(name)
            fractions = KPOINTS @ atoms.cell.reciprocal() @ untouched.cell.array.T
            found = CrystalTightBinding(standardized(cell), UNIVERSAL).eigenvalues(primitive_kpoints(cell, fractions))
            assert_allclose(found, expected, atol=1e-6)


def anything():
    """Parameters of which none is zero."""
    random = np.random.default_rng(5)
    zero = TightBindingParameters.universal()
    scales = {"overlaps": 0.02}
    return replace(
        zero,
        **{
            field.name: random.normal(0, scales.get(field.name, 0.2), getattr(zero, field.name).shape)
            for field in fields(zero)
        },
    )


class TestParameters:
    def test_the_fit_has_the_hamiltonian_of_the_prediction(self):
        """By shells after the Bloch sums, as gradients need it, and by pairs before, which is faster."""
        given = anything()
        model = CrystalTightBinding(standardized(CRYSTALS["zincblende"]), given)
        plain, sloped = np.einsum("c,sckij->skij", np.exp(given.factors), model.elements(KPOINTS))
        slopes = 0.5 * given.slopes.ravel()[model.orbitals.shell_of]
        flat = SimpleNamespace(**{field.name: getattr(given, field.name).ravel() for field in fields(given)})
        matrices = hamiltonian(plain + (slopes[:, None] + slopes) * sloped, ByOrbital.of(model.orbitals, flat), np)
        assert_allclose(np.linalg.eigvalsh(matrices), model.eigenvalues(KPOINTS), atol=1e-10)

    def test_neighbours_of_the_same_element_pull_nothing(self):
        crystal = standardized(CRYSTALS["hcp"])
        pulled = replace(UNIVERSAL, pulls=anything().pulls)
        assert_allclose(
            CrystalTightBinding(crystal, pulled).eigenvalues(KPOINTS),
            CrystalTightBinding(crystal, UNIVERSAL).eigenvalues(KPOINTS),
        )

    def test_a_pull_takes_levels_up(self):
        crystal = standardized(CRYSTALS["rocksalt"])
        pulled = replace(UNIVERSAL, pulls=np.eye(N_ELEMENTS)[crystal.numbers[0]])
        here, there = (CrystalTightBinding(crystal, p).eigenvalues(KPOINTS).mean() for p in (pulled, UNIVERSAL))
        neighbors = CrystalTightBinding(crystal, UNIVERSAL).orbitals.neighbors
        assert here - there == pytest.approx(neighbors[:, crystal.numbers[0]].mean())
        assert_allclose(neighbors.sum(axis=1), 0, atol=1e-12)


class TestEmptyShells:
    """Those that free atoms do not bind."""

    def test_universal_tight_binding_does_not_know_them(self):
        """But for flat bands far above."""
        for name, n_bound in (("rocksalt", 8), ("zincblende", 8), ("bcc", 4)):
            model = CrystalTightBinding(standardized(CRYSTALS[name]), UNIVERSAL)
            energies = model.eigenvalues(KPOINTS)
            assert model.n_orbitals == 13 * len(model.crystal)
            assert energies[:, n_bound - 1].max() < 20
            assert_allclose(energies[:, n_bound:], 33.5, atol=1e-6)


def test_atoms_far_apart_keep_their_levels():
    alone = standardized(Atoms("Si", cell=[12.0] * 3, pbc=True))
    model = CrystalTightBinding(alone, UNIVERSAL)
    levels = [shell.energy for shell in atomic_shells()[14][:2]]
    assert_allclose(model.eigenvalues(KPOINTS)[:, :4], [[levels[0], *[levels[1]] * 3]] * len(KPOINTS))


class TestFermiLevel:
    def test_it_holds_the_electrons(self):
        model = CrystalTightBinding(standardized(CRYSTALS["zincblende"]), UNIVERSAL)
        assert model.n_electrons == 8
        energies, weights = model.on_mesh(4)
        level = model.fermi_energy(energies, weights)
        assert 2 * (weights @ (energies < level).sum(axis=1)) == pytest.approx(8)
        inside = energies[energies < level].max(), energies[energies > level].min()
        assert level == pytest.approx(np.mean(inside))
        assert inside[1] - inside[0] > 0.1  # GaAs is no metal

    def test_guesses_count_states(self):
        crystal = standardized(CRYSTALS["rocksalt"])
        guess, zone = first_guess(crystal, gamma_mesh(MESH)[0], energy_bins(768, 60.0), UNIVERSAL)
        n_orbitals = CrystalTightBinding(crystal, UNIVERSAL).n_orbitals
        step = 120.0 / 768
        assert_allclose(guess.sum(axis=2) * step, n_orbitals, rtol=1e-3)
        one_state = 1 / (np.array(WIDTHS) * np.sqrt(2 * np.pi))
        assert_allclose(zone.max(axis=1), one_state)
        assert np.all(zone >= guess.max(axis=0) / n_orbitals - 1e-12)

    def test_what_it_cannot_do_is_left_to_the_network(self):
        large = CRYSTALS["bcc"] * (5, 5, 3)
        large.positions[0] += 0.2  # or its primitive cell would be small
        assert len(large) > LARGEST
        assert not any(part.any() for part in first_guess(standardized(large), KPOINTS, GRID, UNIVERSAL))
        unknown = standardized(bulk("Ce", "fcc", a=5.2))
        assert 58 not in atomic_shells()
        assert np.abs(first_guess(unknown, KPOINTS, GRID, UNIVERSAL)[0]).max() == 0
        with pytest.raises(ValueError, match="no parameters of Ce"):
            CrystalTightBinding(unknown, UNIVERSAL)


def test_it_knows_real_crystals_without_having_seen_any():
    """Gaps of the shipped crystals; nothing was fitted to them."""
    gaps = []
    for material in load_crystals()[::4]:
        model = CrystalTightBinding(standardized(material.atoms), UNIVERSAL)
        energies, weights = model.on_mesh(4)
        level = model.fermi_energy(energies, weights)
        there = max(0.0, energies[energies > level].min() - energies[energies < level].max())
        gaps.append((material.gap, there))
    true, found = np.array(gaps).T
    assert np.corrcoef(true, found)[0, 1] > 0.5
    assert np.mean((found > 0.4) == (true > 0)) > 0.7


def test_all_electrons_are_above_what_is_deep():
    model = CrystalTightBinding(standardized(CRYSTALS["rocksalt"]), UNIVERSAL)
    energies, weights = model.on_mesh()
    relative = energies - model.fermi_energy(energies, weights)
    lowest, next_band = relative[:, 0].max(), relative[:, 1].min()
    assert lowest < next_band  # s of chlorine
    assert model.electrons_above(-100.0) == model.n_electrons
    assert model.electrons_above(0.5 * (lowest + next_band)) == pytest.approx(model.n_electrons - 2)
    assert model.electrons_above(0.0) == pytest.approx(0)


class TestFit:
    def test_it_finds_what_made_the_bands(self):
        """Bands of tight binding with other levels and strengths: the fit ends far nearer to them than it began."""
        truth = TightBindingParameters.universal()
        truth.shifts[:] = np.random.default_rng(3).normal(0, 1.0, truth.shifts.shape)
        truth.factors[:] = -0.3
        crystals = [standardized(CRYSTALS[name]) for name in ("zincblende", "rocksalt", "hcp", "bcc")]
        bands = [bands_of(crystal, truth) for crystal in crystals]
        found = fit_tight_binding(crystals, bands)
        errors = [[off(c, b, p) for c, b in zip(crystals, bands, strict=True)] for p in (UNIVERSAL, found)]
        assert np.mean(errors[1]) < 0.4 * np.mean(errors[0])
        again = fit_tight_binding(crystals, bands)
        assert_allclose(again.shifts, found.shifts)

    def test_shells_that_only_the_reference_has_are_skipped(self):
        crystal = standardized(CRYSTALS["rocksalt"])
        bands = bands_of(crystal, UNIVERSAL)
        core = np.full((len(bands), 3), -40.0)
        more = replace(
            bands, eigenvalues=np.concatenate([core, bands.eigenvalues], axis=1), n_electrons=bands.n_electrons + 6
        )
        here, there = (fit_tight_binding([crystal], [one]) for one in (bands, more))
        assert_allclose(here.shifts, there.shifts, atol=1e-5)

    def test_states_that_are_not_all_known_teach_nothing(self):
        crystal = standardized(CRYSTALS["zincblende"])
        bands = bands_of(crystal, UNIVERSAL)
        cut = replace(bands, energy_max=bands.fermi_energy + 2.0)
        other = replace(cut, eigenvalues=np.where(cut.relative > 2.0, cut.eigenvalues + 1.5, cut.eigenvalues))
        given, moved, all_known = (fit_tight_binding([crystal], [one]) for one in (cut, other, bands))
        assert_allclose(moved.shifts, given.shifts, atol=1e-12)
        assert np.abs(all_known.shifts - given.shifts).max() > 1e-4

    def test_crystals_beyond_the_memory_are_left_out(self, monkeypatch):
        crystals = [standardized(CRYSTALS[name]) for name in ("perovskite", "bcc")]
        bands = [bands_of(crystal, UNIVERSAL) for crystal in crystals]
        for one in bands:
            one.eigenvalues[:] += np.linspace(0, 1, one.eigenvalues.shape[1])
        monkeypatch.setattr("ldosml.neural.tight_binding_fit._MEMORY", 1e6)
        with pytest.warns(UserWarning, match="the 1 smallest of 2 crystals"):
            found = fit_tight_binding(crystals, bands)
        assert {int(z) for z in np.flatnonzero(found.shifts.any(axis=1))} == {11}

    def test_what_it_cannot_match_is_left_out(self):
        crystal = standardized(CRYSTALS["rocksalt"])
        odd = replace(bands_of(crystal, UNIVERSAL), n_electrons=9.0)
        assert not fit_tight_binding([crystal], [odd]).shifts.any()


def bands_of(crystal, parameters):
    model = CrystalTightBinding(crystal, parameters)
    energies, weights = model.on_mesh(4)
    kpoints = np.random.default_rng(4).uniform(-0.5, 0.5, (12, 3))
    level = model.fermi_energy(energies, weights)
    bands = np.column_stack([model.eigenvalues(kpoints), np.full(len(kpoints), np.inf)])
    return CrystalBands(kpoints, bands, None, level, level + 30, model.n_electrons, 0.0)


def off(crystal, bands, parameters):
    model = CrystalTightBinding(crystal, parameters)
    level = model.fermi_energy(*model.on_mesh(4))
    true = bands.relative[:, : model.n_orbitals]
    counted = (true > -10) & (true < 5)
    return np.abs(model.eigenvalues(bands.kpoints) - level - true)[counted].mean()
