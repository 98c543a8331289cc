"""Local spectra of tight binding from Chebyshev moments."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from scipy.spatial.transform import Rotation

from ldosml.regions import Region, cut_regions
from ldosml.tightbinding import TightBinding, TightBindingParameters
from ldosml.tightbinding.binding import Uncorrected, reach
from ldosml.tightbinding.damped_region import DampedMatrix, damped_matrices
from ldosml.tightbinding.diagonalization_plan import plan_diagonalization
from ldosml.tightbinding.local_spectrum import local_states, shifted_mesh, smeared, smeared_fermi_level
from ldosml.tightbinding.moments import Settings, local_moments, moments

GRID = np.arange(-30.0, 15.0, 0.1)
FINE = Settings(width=0.4, radius=9.0, tolerance=1e-6)
SMALL = Settings(width=0.5, radius=5.0)


def diagonalized(atoms, width, density=2.5):
    model = TightBinding(atoms)
    energies, shares = local_states(model, *shifted_mesh(atoms, density))
    return smeared(energies, shares, GRID, width)


def spectra_from_moments(atoms, settings, **options):
    (found,) = local_moments([atoms], settings, **options)
    return found.spectra(GRID)


def rattled(repeats=(1, 1, 1), seed=0):
    atoms = bulk("Si", cubic=True) * repeats
    atoms.rattle(0.1, seed=seed)
    return atoms


def test_an_isolated_atom_has_its_levels():
    levels = TightBinding(Atoms("Ge")).by_orbital().levels
    expected = 2 * np.exp(-0.5 * ((levels[:, None] - GRID) / 0.4) ** 2).sum(0) / (0.4 * np.sqrt(2 * np.pi))
    spectra = spectra_from_moments(Atoms("Ge"), FINE)
    np.testing.assert_allclose(spectra[0], expected, atol=1e-3)


@pytest.mark.parametrize(
    "atoms", [Atoms("Si2", positions=[[0, 0, 0], [0, 0, 2.35]]), Atoms("GaAs", positions=[[0, 0, 0], [1, 1, 2]]),
              molecule("CH3SiH3")], ids=["dimer", "compound", "molecule"],
)  # fmt: skip
def test_molecules_inside_the_undamped_part_equal_diagonalization(atoms):
    spectra = spectra_from_moments(atoms, FINE)
    np.testing.assert_allclose(spectra, diagonalized(atoms, 0.4), atol=2e-3)


def test_the_error_of_a_crystal_falls_with_the_radius():
    atoms, window = rattled(), (GRID > -19) & (GRID < 0)
    truth = diagonalized(atoms, 0.5, density=4.0)[:, window]
    errors = []
    for radius in (4.0, 5.5, 7.0):
        spectra = spectra_from_moments(atoms, Settings(0.5, radius))
        errors.append(np.sqrt(np.mean((spectra[:, window] - truth) ** 2)))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.05


def test_the_recursion_with_half_the_steps_gives_the_moments_of_all_steps():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(60, 60)).astype(np.float32)
    rates = np.concatenate([np.zeros(20), rng.uniform(0, 3, 35), np.full(5, np.inf)])
    matrix = DampedMatrix((A + A.T) / 2, rates)
    low, high = -12.0, 14.0
    middle, half = 1.0, 13.0
    D = np.exp(-rates / half)
    H = np.sqrt(D)[:, None] * (matrix.elements.astype(float) - middle * np.eye(60)) * np.sqrt(D) / half
    before, now, second = np.zeros((60, 13)), np.eye(60, 13), []
    for _ in range(51):
        second.append(np.trace(now))
        before, now = now, 2 * H @ now - (D**2)[:, None] * before
    second = np.array(second)
    expected = np.concatenate([[13.0], second[1:2] / 2, (second[2:] - second[:-2]) / 2])
    found = moments(matrix, (low, high), 51)
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_without_damping_moments_are_those_of_the_matrix():
    A = np.random.default_rng(1).normal(size=(40, 40)).astype(np.float32)
    matrix = DampedMatrix((A + A.T) / 2, np.zeros(40))
    ends = matrix.ends()
    values, vectors = np.linalg.eigh(matrix.elements.astype(float))
    assert ends[0] < values[0]
    assert values[-1] < ends[1]
    angles = np.arccos((values - sum(ends) / 2) / (ends[1] - ends[0]) * 2)
    expected = (np.cos(np.arange(30)[:, None] * angles) * (vectors[:13] ** 2).sum(0)).sum(1)
    np.testing.assert_allclose(moments(matrix, ends, 30), expected, atol=1e-4)


def test_ends_that_are_too_narrow_become_wider(monkeypatch):
    atoms = Atoms("Si2", positions=[[0, 0, 0], [0, 0, 2.35]])
    expected = spectra_from_moments(atoms, FINE)
    monkeypatch.setattr(DampedMatrix, "ends", lambda self: (-12.0, 3.0))
    np.testing.assert_allclose(spectra_from_moments(atoms, FINE), expected, atol=2e-3)
    monkeypatch.setattr(DampedMatrix, "ends", lambda self: (-1.0, 1.0))
    with pytest.raises(ArithmeticError, match="does not lie between"):
        spectra_from_moments(atoms, FINE)


def test_rotation_translation_permutation_and_repetition_change_nothing():
    atoms = rattled()
    atoms.numbers[3] = 6
    spectra = spectra_from_moments(atoms, SMALL)
    turned = atoms.copy()
    matrix = Rotation.from_rotvec([0.4, -0.7, 1.1]).as_matrix()
    turned.set_cell(atoms.cell.array @ matrix.T)
    turned.positions = atoms.positions @ matrix.T + [1.3, -0.2, 17.0]
    order = np.random.default_rng(0).permutation(len(atoms))
    for same, rows in ((turned, slice(None)), (atoms[order], order)):
        other = spectra_from_moments(same, SMALL)
        np.testing.assert_allclose(other, spectra[rows], atol=5e-4)
    repeated = spectra_from_moments(atoms * (1, 2, 1), SMALL)
    np.testing.assert_allclose(repeated, np.tile(spectra, (2, 1)), atol=5e-4)


def test_all_states_are_counted():
    (found,) = local_moments([rattled()], SMALL)
    electrons = np.array([electrons.sum() for _, electrons in found.states()])
    np.testing.assert_allclose(electrons, 26, atol=1e-4)
    np.testing.assert_allclose(0.1 * found.spectra(np.arange(-60.0, 60.0, 0.1)).sum(axis=1), 26, atol=1e-3)


def test_several_structures_give_what_each_gives():
    structures = [rattled(), molecule("CH3SiH3"), rattled((1, 1, 2), seed=1)]
    together = list(local_moments(structures, SMALL, batch_size=5))
    assert [len(found.ends) for found in together] == [8, 8, 16]
    for atoms, found in zip(structures, together, strict=True):
        np.testing.assert_allclose(found.spectra(GRID), spectra_from_moments(atoms, SMALL), atol=1e-4)


def test_an_atom_that_leaves_the_region_makes_no_step():
    def around(distance):
        atoms = Atoms("Si3", positions=[[0, 0, 0], [2.4, 0, 0], [distance, 0, 0]])
        return spectra_from_moments(atoms, SMALL)[0]

    inside, outside, farther_in = around(5 - 1e-5), around(5 + 1e-5), around(4.0)
    np.testing.assert_allclose(inside, outside, atol=1e-4)
    assert np.abs(farther_in - outside).max() > 1e-3


def test_processes_and_batches_change_nothing():
    atoms = rattled((1, 1, 2))
    one = spectra_from_moments(atoms, SMALL, n_jobs=1)
    two = spectra_from_moments(atoms, SMALL, n_jobs=2, batch_size=5)
    np.testing.assert_allclose(one, two, atol=1e-4)


@pytest.mark.parametrize(
    "atoms", [molecule("CH3SiH3"), Atoms("Na2", positions=[[0, 0, 0], [0, 0, 3.1]])], ids=["molecule", "metal"]
)
def test_the_fermi_level_of_moments_is_that_of_states(atoms):
    model = TightBinding(atoms)
    energies, shares = local_states(model, *shifted_mesh(atoms, 2.0))
    expected = smeared_fermi_level(energies, shares.sum(axis=0), model.n_electrons, 0.4)
    (found,) = local_moments([atoms], FINE)
    assert found.fermi_level(model.n_electrons) == pytest.approx(expected, abs=2e-3)


def test_a_region_must_reach_far_enough():
    atoms, binding = rattled(), Uncorrected(TightBindingParameters.fitted())
    with pytest.raises(ValueError, match=r"cut at 9\.44 angstrom; this one was cut at 6"):
        next(damped_matrices(next(cut_regions(atoms, 6.0, 10)), 5.0, binding))
    with pytest.raises(ValueError, match="not periodic"):
        next(damped_matrices(Region(atoms, np.arange(8), np.inf), 5.0, binding))
    near, far = (
        next(damped_matrices(next(cut_regions(atoms, reach(atoms, 5.0) + more, 10)), 5.0, binding)) for more in (0, 2)
    )
    np.testing.assert_allclose(near.elements, far.elements, atol=1e-4)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"width": 0.0}, "width"), ({"radius": -1.0}, "radius"), ({"tolerance": 1.0}, "between 0 and 1")],
)
def test_settings_are_checked(wrong, message):
    with pytest.raises(ValueError, match=message):
        Settings(**{"width": 0.3, **wrong})


def test_a_large_cell_is_not_diagonalized_where_memory_is_short(monkeypatch):
    monkeypatch.setattr("ldosml.tightbinding.diagonalization_plan.available_memory", lambda: int(8e9))
    small = plan_diagonalization(64, 4)
    assert small.fits
    large = plan_diagonalization(2000, 1)
    assert not large.fits
    with pytest.raises(MemoryError, match=r"2,000 atoms.*8 GB.*spectra_from_moments"):
        large.require()
    assert plan_diagonalization(500, 1, real=True).bytes < 0.6 * plan_diagonalization(500, 1).bytes
    assert plan_diagonalization(500, 8).bytes > plan_diagonalization(500, 1).bytes
