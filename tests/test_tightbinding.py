"""Tight binding of any structure: closed forms, invariances, electrons, parameters on disk, and the descriptor."""

import json
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.data import covalent_radii
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr
from sklearn.base import clone

from ldosml import LDOS, DOSModel, EnergyGrid, Fragment, Joined, TightBindingSpectrum, Whitened
from ldosml.descriptors.tight_binding_spectrum import mesh_density
from ldosml.persistence import describe
from ldosml.tightbinding import TightBinding, TightBindingParameters
from ldosml.tightbinding.diagonalization_plan import plan_diagonalization
from ldosml.tightbinding.local_spectrum import local_states, shifted_mesh, smeared, smeared_fermi_level
from ldosml.tightbinding.shells import atomic_shells
from ldosml.tightbinding.slater_koster import ETAS
from ldosml.units import HBAR2_M

GRID = np.linspace(-40.0, 20.0, 601)


def rattled(seed=0, repeats=(1, 1, 1), symbols="SiC"):
    atoms = bulk(symbols, "zincblende", a=4.8, cubic=True) * repeats
    atoms.rattle(0.1, seed=seed)
    return atoms


def spectra(atoms, mesh=None, width=0.3):
    model = TightBinding(atoms)
    states, shares = local_states(model, *(shifted_mesh(atoms, 1.5) if mesh is None else mesh))
    level = smeared_fermi_level(states, shares.sum(axis=0), model.n_electrons, width)
    return smeared(states - level, shares, GRID, width), level


class TestHarrison:
    """Bands of diamond-structure silicon from s and p in closed form, up to second neighbours.

    Harrison, Electronic Structure and the Properties of Solids (1980), section 6; D. J. Chadi and M. L. Cohen, phys.
    stat. sol. (b) 68, 405 (1975). Second neighbours add the sums over the fcc lattice.
    """

    def matrix_elements(self, distance):
        damped = np.exp(-((distance / (2 * covalent_radii[14]) / 1.5) ** 6))
        return {name: eta * HBAR2_M / distance**2 * damped for name, eta in ETAS.items() if "d" not in name.split()[0]}

    def eigenvalues(self, kpoint):
        silicon = bulk("Si", a=5.43)
        model = TightBinding(silicon, TightBindingParameters.universal())
        return model.eigenvalues([kpoint])[0][:8], *(self.matrix_elements(5.43 * f) for f in (3**0.5 / 4, 0.5**0.5))

    @property
    def levels(self):
        return [shell.energy for shell in atomic_shells()[14][:2]]

    def test_gamma(self):
        found, near, far = self.eigenvalues([0.0, 0.0, 0.0])
        s, p = self.levels
        s += 12 * far["ss sigma"]
        p += 4 * far["pp sigma"] + 8 * far["pp pi"]
        split = 4 / 3 * (near["pp sigma"] + 2 * near["pp pi"])
        bonds = [s + sign * 4 * near["ss sigma"] for sign in (1, -1)]
        np.testing.assert_allclose(found, sorted([*bonds, *[p - split] * 3, *[p + split] * 3]), atol=1e-10)

    def test_x(self):
        found, near, far = self.eigenvalues([0.5, 0.5, 0.0])
        s, p = self.levels
        s, along, across = s - 4 * far["ss sigma"], p - 4 * far["pp sigma"], p - 4 * far["pp pi"]
        mean, half = (s + along) / 2, (s - along) / 2
        root = np.hypot(half, 4 / 3**0.5 * near["sp sigma"])
        split = 4 / 3 * (near["pp sigma"] - near["pp pi"])
        expected = [mean - root, mean + root, across - split, across + split]
        np.testing.assert_allclose(found, np.repeat(sorted(expected), 2), atol=1e-10)


class TestInvariance:
    def test_rotated_and_moved(self):
        atoms = rattled()
        expected, level = spectra(atoms)
        turned = atoms.copy()
        turned.rotate(50, (1, 2, 3), rotate_cell=True)
        turned.translate([0.3, 1.7, -2.0])
        turned.wrap()
        found, other = spectra(turned)
        np.testing.assert_allclose(found, expected, atol=1e-8)
        assert other == pytest.approx(level, abs=1e-9)

    def test_permuted(self):
        atoms, order = rattled(), np.random.default_rng(1).permutation(8)
        np.testing.assert_allclose(spectra(atoms[order])[0], spectra(atoms)[0][order], atol=1e-8)

    @pytest.mark.parametrize("repeats", [(2, 1, 1), (1, 2, 2)])
    def test_repeated_at_the_same_k_points(self, repeats):
        atoms = rattled()
        expected, _ = spectra(atoms, shifted_mesh(atoms, 4.0))
        density = 4.0 - 1e-6  # both meshes have the same numbers along the cell of 8 atoms, divided by the repeats
        assert all(n % 2 == 0 for n in [np.ceil(density * 2 * np.pi / 4.8)])
        found, _ = spectra(atoms * repeats, shifted_mesh(atoms * repeats, density))
        np.testing.assert_allclose(found, np.tile(expected, (int(np.prod(repeats)), 1)), atol=1e-8)

    def test_half_the_mesh_is_the_whole_mesh(self):
        """Of k and -k one is kept; states at both are the same."""
        atoms = rattled()
        kept, weights = shifted_mesh(atoms, 2.0)
        whole = np.concatenate([kept, -kept])
        found, _ = spectra(atoms, (whole, np.concatenate([weights, weights]) / 2))
        np.testing.assert_allclose(found, spectra(atoms, (kept, weights))[0], atol=1e-8)
        assert weights.sum() == pytest.approx(1)
        assert len(np.unique(np.round(whole % 1, 9), axis=0)) == 27


def test_a_slab_has_one_point_across_and_a_cluster_is_real():
    slab = fcc111("Al", (1, 1, 3), vacuum=6.0)
    kpoints, weights = shifted_mesh(slab, 2.0)
    assert set(kpoints[:, 2]) == {0.0}
    assert len(np.unique(kpoints[:, 0])) > 1
    assert weights.sum() == pytest.approx(1)
    dimer = Atoms("Si2", positions=[[0, 0, 0], [0, 0, 2.3]])
    (_, matrices), *_ = TightBinding(dimer).hamiltonians(shifted_mesh(dimer, 2.0)[0])
    assert matrices.dtype == np.float64


class TestElectrons:
    @settings(deadline=None, max_examples=5)
    @given(seed=st.integers(0, 100))
    def test_all_states_are_shared_out(self, seed):
        atoms = rattled(seed)
        states, shares = local_states(TightBinding(atoms), *shifted_mesh(atoms, 1.0))
        np.testing.assert_allclose(shares.sum(axis=1), 26, atol=1e-9)
        by_shell = local_states(TightBinding(atoms), *shifted_mesh(atoms, 1.0), by_shell=True)[1]
        np.testing.assert_allclose(by_shell.reshape(8, 5, -1).sum(axis=1), shares, atol=1e-12)
        wide = np.linspace(states.min() - 3, states.max() + 3, 4001)
        assert smeared(states, shares, wide, 0.3).sum() * (wide[1] - wide[0]) == pytest.approx(26 * 8, rel=1e-9)

    def test_the_fermi_level_counts_them(self):
        atoms = bulk("Al")
        model = TightBinding(atoms)
        states, shares = local_states(model, *shifted_mesh(atoms, 2.0))
        level = smeared_fermi_level(states, shares.sum(axis=0), model.n_electrons, 0.3)
        assert shares.sum(axis=0) @ ndtr((level - states) / 0.3) == pytest.approx(3, abs=1e-3)

    def test_in_a_gap_it_is_in_the_middle(self):
        states, electrons = np.array([-5.0, 3.0]), np.array([2.0, 2.0])
        assert smeared_fermi_level(states, electrons, 2.0, 0.1) == pytest.approx(-1.0, abs=1e-6)

    def test_an_isolated_atom_keeps_its_levels(self):
        atom = Atoms("Si")
        found, level = spectra(atom)
        given, z = TightBindingParameters.fitted(), 14
        levels = [shell.energy for shell in atomic_shells()[z][:2]] + given.shifts[z, :2] - level
        for energy, electrons in zip(levels, (2, 6), strict=True):
            near = np.abs(GRID - energy).argmin()
            assert found[0, near] >= 0.95 * electrons / (0.3 * np.sqrt(2 * np.pi))


class TestParameters:
    def test_all_elements_of_the_shipped_crystals_are_there(self):
        from ldosml.datasets import load_crystals

        numbers = {int(z) for material in load_crystals() for z in material.atoms.numbers}
        assert len(numbers) >= 57
        assert not TightBindingParameters.fitted().missing(numbers)

    def test_a_file_gives_back_what_was_saved(self, tmp_path):
        given = TightBindingParameters.fitted()
        given.save(tmp_path / "own.json", [6, 14], {"by": "hand"})
        found = TightBindingParameters.load(tmp_path / "own.json")
        for name in ("shifts", "strengths", "slopes", "overlaps"):
            np.testing.assert_array_equal(getattr(found, name)[[6, 14]], getattr(given, name)[[6, 14]])
        np.testing.assert_array_equal(found.factors, given.factors)
        assert found.missing([14, 32]) == ["Ge"]
        with pytest.raises(FileExistsError):
            given.save(tmp_path / "own.json", [14])

    @pytest.mark.parametrize(
        "change",
        [
            lambda content: content.pop("factors"),
            lambda content: content.update(format="something else"),
            lambda content: content["elements"]["Si"].pop("shifts"),
            lambda content: content["elements"].update(Xx=content["elements"]["Si"]),
            lambda content: content["elements"]["Si"].update(slopes=[1.0]),
            lambda content: content["elements"]["Si"].update(slopes="steep"),
        ],
    )
    def test_damaged_files_are_refused(self, tmp_path, change):
        path = tmp_path / "own.json"
        TightBindingParameters.fitted().save(path, [14])
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))
        with pytest.raises(ValueError, match=r"own\.json holds no parameters of tight binding"):
            TightBindingParameters.load(path)


@pytest.mark.parametrize(
    ("atoms", "error", "message"),
    [
        (bulk("Ce", "fcc", a=5.2), ValueError, "no parameters of Ce. Use a descriptor that needs none, such as SOAP"),
        (Atoms("Si2", positions=[[0, 0, 0], [0, 0, 0.4]]), ValueError, "Atoms 0 and 1 are 0.4 angstrom apart"),
        (Atoms("Si", cell=[0.4, 5, 5], pbc=True), ValueError, "Atom 0 and its image are 0.4 angstrom apart"),
        (Atoms("X"), ValueError, "no parameters of X"),
        (Atoms(), ValueError, "needs atoms; got none"),
        ("Si", TypeError, "needs ase.Atoms; got str"),
    ],
)
def test_what_it_cannot_describe_is_refused(atoms, error, message):
    with pytest.raises(error, match=message):
        TightBinding(atoms)


class TestDescriptor:
    def test_rows_are_spectra_around_the_fermi_level(self):
        descriptor = TightBindingSpectrum(width=0.5, k_density=1.5)
        X = descriptor.fit_transform([rattled(), rattled(1)])
        assert X.shape == (16, len(descriptor.energies_)) == (16, len(descriptor.get_feature_names_out()))
        expected = spectra(rattled(1), width=0.5)[0]
        for energy in (-10.0, 0.0, 4.0):
            column = np.interp(energy, descriptor.energies_, np.arange(X.shape[1]))
            found = X[8:, round(column)]
            near = [np.interp(descriptor.energies_[round(column)], GRID, row) for row in expected]
            np.testing.assert_allclose(found, near, atol=5e-3)

    def test_processes_do_not_change_it(self):
        structures = [rattled(seed) for seed in range(3)]
        one, two = (TightBindingSpectrum(k_density=1.0, n_jobs=n).fit_transform(structures) for n in (1, 2))
        np.testing.assert_allclose(one, two, rtol=0, atol=1e-12)  # other threads round differently

    def test_with_a_radius_a_molecule_has_the_same_spectrum(self):
        silane = molecule("CH3SiH3")  # smaller than the part of the region where nothing is damped
        whole, local = (TightBindingSpectrum(r_cut=r_cut).fit_transform(silane) for r_cut in (None, 9.0))
        assert np.sqrt(np.mean((local - whole) ** 2)) < 0.02  # moments end where coefficients are 1e-2
        assert np.std(whole) > 0.3

    def test_with_a_radius_a_supercell_has_the_same_spectrum(self):
        descriptor = TightBindingSpectrum(r_cut=4.0).fit([rattled()])
        once, twice = descriptor.transform(rattled()), descriptor.transform(rattled() * (2, 1, 1))
        np.testing.assert_allclose(twice, np.tile(once, (2, 1)), atol=5e-4)  # single precision

    def test_with_a_radius_no_cell_is_too_large(self, monkeypatch):
        monkeypatch.setattr("ldosml.tightbinding.diagonalization_plan.available_memory", lambda: 0)
        large = rattled() * (3, 3, 3)
        X = TightBindingSpectrum(r_cut=3.0, n_jobs=1).fit_transform([large, rattled()])
        np.testing.assert_allclose(X[: len(large)], np.tile(X[-8:], (27, 1)), atol=5e-4)

    def test_small_cells_have_denser_meshes(self):
        assert [mesh_density(n) for n in (1, 8, 32, 500)] == [4, 4, 2, 2]

    def test_a_model_with_it_comes_back_from_a_file(self, tmp_path):
        structures = [rattled(seed) for seed in range(4)]
        grid = EnergyGrid.from_range(-5, 3, 0.5, zero="fermi")
        values = np.random.default_rng(0).uniform(0, 1, (32, grid.size))
        ldos = LDOS(grid, values, structure_index=np.repeat(range(4), 8))
        model = DOSModel(TightBindingSpectrum(k_density=1.0)).fit(structures, ldos, groups=range(4))
        model.save(tmp_path / "model.ldosml")
        found = DOSModel.load(tmp_path / "model.ldosml").predict([rattled(7)])
        np.testing.assert_array_equal(found.values, model.predict([rattled(7)]).values)

    def test_a_model_with_parameters_of_its_own_comes_back_from_a_file(self, tmp_path):
        """Exactly: also digits that a file of parameters does not keep."""
        random, given = np.random.default_rng(1), TightBindingParameters.fitted()
        own = replace(given, shifts=given.shifts + random.normal(size=given.shifts.shape))
        structures, descriptor = [rattled(seed) for seed in range(4)], TightBindingSpectrum(k_density=1.0)
        grid = EnergyGrid.from_range(-5, 3, 0.5, zero="fermi")
        ldos = LDOS(grid, random.uniform(0, 1, (32, grid.size)), structure_index=np.repeat(range(4), 8))
        changed = Joined([Whitened(clone(descriptor).set_params(parameters=own), power=0.0)])
        model = DOSModel(changed).fit(structures, ldos, groups=range(4))
        model.save(tmp_path / "model.ldosml")
        loaded = DOSModel.load(tmp_path / "model.ldosml")
        np.testing.assert_array_equal(loaded.predict([rattled(7)]).values, model.predict([rattled(7)]).values)
        (part,) = describe(tmp_path / "model.ldosml")["descriptor"]["parts"]["parts_"]
        assert set(part["parameters"]["descriptor"]["parameters"]["parameters"]) == {"elements"}
        shipped = descriptor.fit_transform([rattled(7)])
        assert np.abs(clone(descriptor).set_params(parameters=own).fit_transform([rattled(7)]) - shipped).max() > 0.1
        assert repr(loaded.descriptor_.parts_[0].descriptor_.parameters) == repr(own) != repr(given)

    def test_a_model_refuses_other_parameters_than_it_was_fitted_with(self, monkeypatch):
        given = TightBindingParameters.fitted()
        descriptor = TightBindingSpectrum(k_density=1.0).fit([rattled()])
        other = replace(given, shifts=given.shifts + 0.01)
        monkeypatch.setattr(TightBindingParameters, "fitted", lambda: other)
        with pytest.raises(ValueError, match=r"was fitted with TightBindingParameters\(\d+ elements, .*or fit again"):
            descriptor.transform([rattled()])

    def test_values_of_elements_without_parameters_do_not_tell_parameters_apart(self):
        given = TightBindingParameters.fitted()
        unknown = np.isnan(given.shifts).any(axis=1)
        other = replace(given, strengths=np.where(unknown[:, None], 1.0, given.strengths))
        assert repr(other) == repr(given) == repr(TightBindingParameters.from_json(other.to_json()))

    def test_foreign_parameters_in_a_model_file_are_refused(self):
        with pytest.raises(ValueError, match="holds no parameters of tight binding: its format is 'other'"):
            TightBindingParameters.from_json({"format": "other"})

    def test_elements_without_own_parameters_are_refused(self, tmp_path):
        TightBindingParameters.fitted().save(tmp_path / "own.json", [14])
        own = TightBindingParameters.load(tmp_path / "own.json")
        assert TightBindingSpectrum(parameters=own).fit([bulk("Si")]).n_features_out_ == 96
        with pytest.raises(ValueError, match="Tight binding has no parameters of C"):
            TightBindingSpectrum(parameters=own).fit([rattled()])
        with pytest.raises(TypeError, match=r"parameters of TightBindingSpectrum must be .* got PosixPath"):
            TightBindingSpectrum(parameters=tmp_path / "own.json").fit([bulk("Si")])

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"low": 3.0, "high": 1.0}, "low"),
            ({"width": 0.0}, "width of TightBindingSpectrum"),
            ({"k_density": 0.0}, "k_density of TightBindingSpectrum must be a positive number of points"),
            ({"k_density": float("nan")}, "k_density"),
            ({"r_cut": 0.0}, "r_cut of TightBindingSpectrum must be a positive number of angstrom"),
            ({"r_cut": 40.0}, "at most 12 angstrom, .*got 40. Leave it out"),
        ],
    )
    def test_impossible_parameters_are_refused(self, parameters, message):
        with pytest.raises(ValueError, match=message):
            TightBindingSpectrum(**parameters).fit([rattled()])

    def test_cells_too_large_for_memory_are_refused_before_they_are_tried(self, monkeypatch):
        monkeypatch.setattr("ldosml.tightbinding.diagonalization_plan.available_memory", lambda: 10**9)
        large = bulk("Si", cubic=True) * (6, 6, 6)
        with pytest.raises(
            MemoryError, match=r"1,728 atoms at 1 k-points needs .* fit a model on .*Spectrum\(r_cut=6\.0\)"
        ):
            TightBindingSpectrum(k_density=0.1).fit_transform([large])

    def test_processes_side_by_side_need_memory_together(self, monkeypatch):
        """Of two structures, each fits alone."""
        structures = [rattled(), rattled(1)]
        alone = plan_diagonalization(8, len(shifted_mesh(structures[0], 1.0)[0])).bytes
        monkeypatch.setattr("ldosml.tightbinding.diagonalization_plan.available_memory", lambda: int(1.5 * alone))
        assert TightBindingSpectrum(k_density=1.0).fit_transform(structures).shape[0] == 16
        with pytest.raises(MemoryError, match=r"2 structures side by side .*smaller n_jobs"):
            TightBindingSpectrum(k_density=1.0, n_jobs=2).fit_transform(structures)

    def test_a_long_diagonalisation_is_announced(self, caplog, monkeypatch):
        structures = [rattled(), rattled(1)]
        descriptor = TightBindingSpectrum(k_density=1.0)
        assert not descriptor.announcement(structures)
        monkeypatch.setattr("ldosml.descriptors.tight_binding_spectrum.ANNOUNCED_FROM", 1e6)
        assert "2 structures of up to 8 atoms, by diagonalisation: roughly" in descriptor.announcement(structures)
        assert not TightBindingSpectrum(r_cut=3.0).announcement(structures)
        with caplog.at_level("INFO", logger="ldosml"):
            descriptor.fit_transform(structures)
        assert "2 structures" in caplog.text

    def test_the_estimated_time_grows_as_the_cube(self):
        one, two = plan_diagonalization(50, 3), plan_diagonalization(100, 3)
        assert two.seconds == pytest.approx(8 * one.seconds)
        assert plan_diagonalization(50, 3, real=True).seconds == pytest.approx(one.seconds / 3)

    def test_fragments_are_refused(self):
        with pytest.raises(TypeError, match=r"must be ase\.Atoms"):
            TightBindingSpectrum().fit([rattled()]).transform([Fragment(Atoms("Si"), 3.0)])
