"""Radii, cells, meshes and descriptors that would fill the memory are refused before they do."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from ldosml import SOAP, EnergyGrid, Joined, TightBindingSpectrum, Whitened, resources
from ldosml.descriptors.power_spectra import Basis, as_centers, power_spectra, unit_rows
from ldosml.fragments import Fragment, cut_fragments
from ldosml.kresolved import KPath, gamma_mesh
from ldosml.kresolved.meshes import irreducible
from ldosml.neighbors import expected_neighbors, find_neighbors, require_neighbors
from ldosml.properties import absorption_spectrum
from ldosml.regions import cut_regions
from ldosml.spectra import DOS
from ldosml.tightbinding import TightBinding

SI = bulk("Si")
TINY = Atoms("Si", cell=[0.05] * 3, pbc=True)
SKEWED = Atoms("Si", cell=[[5, 0, 0], [2e4, 5, 0], [0, 2e4, 5]], pbc=True)


@pytest.fixture
def memory(monkeypatch):
    """Set the free memory, bytes."""

    def free(size):
        monkeypatch.setattr(resources, "available_memory", lambda: size)
        for name in ("descriptors.environments",):
            monkeypatch.setattr(f"ldosml.{name}.available_memory", lambda: size)

    return free


class TestNeighbors:
    @pytest.mark.parametrize(
        "find",
        [
            lambda: cut_fragments(SI, r_cut=1000.0),
            lambda: TightBinding(TINY),
            lambda: list(cut_regions(SI, 1000.0, 10)),
        ],
    )
    def test_too_many(self, find):
        with pytest.raises(ValueError, match=r"at most 100,000 neighbours within .* Take a smaller radius"):
            find()

    @pytest.mark.parametrize("find", [lambda: cut_fragments(TINY, r_cut=6.0), lambda: SOAP().fit_transform(TINY)])
    def test_cells_of_no_thickness(self, find):
        with pytest.raises(ValueError, match=r"0\.05 angstrom (thick|apart)"):
            find()

    @pytest.mark.parametrize(
        "find",
        [lambda: cut_fragments(SKEWED, r_cut=6.0), lambda: SOAP().fit_transform(SKEWED), lambda: TightBinding(SKEWED)],
    )
    def test_cells_that_need_too_many_copies(self, find):
        with pytest.raises(ValueError, match=r"copies of a cell.*niggli_reduce"):
            find()

    @pytest.mark.parametrize(
        ("atoms", "radius"),
        [(SI * (3, 3, 3), 8.0), (bulk("Cu"), 10.0), (bulk("Si", cubic=True) * (3, 1, 1), 6.0)],
    )
    def test_the_estimate(self, atoms, radius):
        first = find_neighbors("i", atoms, radius)
        assert expected_neighbors(atoms, radius) == pytest.approx(len(first) / len(atoms) + 1, rel=0.1)

    def test_the_largest_radius_of_soap_is_allowed(self):
        require_neighbors("diamond", bulk("C"), 40.0)

    @pytest.mark.parametrize("pbc", [True, (True, True, False), (False, False, True), False])
    def test_the_estimate_in_a_large_cell(self, pbc):
        atoms = bulk("Si", cubic=True) * (6, 6, 6)
        atoms.pbc = pbc
        first = find_neighbors("i", atoms, 5.0)
        assert 0.9 < expected_neighbors(atoms, 5.0) / (len(first) / len(atoms) + 1) < 4

    def test_molecules_have_no_cell(self):
        assert expected_neighbors(molecule("H2O"), 50.0) == 3
        assert len(cut_fragments(molecule("H2O"), r_cut=1e4)) == 3

    def test_memory(self, memory):
        memory(2e7)
        with pytest.raises(MemoryError, match="list of neighbours of structure 0 within 6 angstrom needs about"):
            cut_fragments(SI * (12, 12, 12), r_cut=6.0)


class TestSparseStructures:
    """DScribe's memory grows with the volume; parts of a structure give the same spectra."""

    BOX = Atoms("SiO", [[1.0, 0.5, 0.2], [1.0, 0.5, 1.9]], cell=[2000.0] * 3, pbc=True)
    FILM = bulk("Si", cubic=True)
    FILM.set_cell(np.diag([5.43, 5.43, 8000.0]))
    FILM.rattle(0.1, seed=1)
    GAS = Atoms("Si30", np.random.default_rng(1).random((30, 3)) * 90, cell=[90.0] * 3, pbc=True)

    @pytest.mark.parametrize("atoms", [FILM, GAS, Atoms(GAS.numbers, GAS.positions)], ids=["film", "gas", "free"])
    def test_spectra_are_those_of_the_whole(self, atoms):
        soap = SOAP(r_cut=4.0, n_max=4, l_max=3).fit(atoms)
        basis = Basis(4.0, 4, 3, soap.atom_sigma, (14,))
        whole = unit_rows(power_spectra([as_centers(atoms, len(atoms))], basis))
        np.testing.assert_allclose(soap.transform(atoms), whole, rtol=0, atol=1e-12)

    def test_a_box_gives_what_the_molecule_gives(self):
        free = Atoms(self.BOX.numbers, self.BOX.positions)
        soap = SOAP(r_cut=4.0, n_max=4, l_max=3).fit(free)
        np.testing.assert_allclose(soap.transform(self.BOX), soap.transform(free), rtol=0, atol=1e-12)

    def test_atoms_very_far_apart(self):
        pair = Atoms("Si2", [[0, 0, 0], [1e9, 1e9, 1e9]])
        rows = SOAP(r_cut=4.0, n_max=4, l_max=3).fit_transform(pair)
        np.testing.assert_allclose(rows[0], rows[1], rtol=0, atol=1e-6)

    def test_a_chain_along_the_diagonal_of_a_box(self):
        chain = Atoms("Si300", np.arange(300)[:, None] * np.full(3, 7.0))
        regions = list(cut_regions(chain, 4.0, 500))
        assert sorted(row for region in regions for row in region.rows.tolist()) == list(range(300))
        for region in regions:
            assert np.prod(np.ptp(region.atoms.positions, axis=0) / 4 + 3) < 30_000

    def test_a_wide_fragment(self):
        near = cut_fragments(SI, r_cut=6.0, centers=[0])[0]
        far = Fragment(near.atoms + Atoms("Si", [[1e5, 1e5, 1e5]]), 1e6)
        soap = SOAP(r_cut=4.0, n_max=4, l_max=3).fit([near])
        np.testing.assert_allclose(soap.transform([far]), soap.transform([near]), rtol=0, atol=1e-12)


class TestDescriptors:
    def test_the_plan_of_soap(self):
        plan = SOAP().plan([SI] * 500)
        assert (plan.n_environments, plan.n_features) == (1000, 252)
        assert plan.bytes == 16 * 1000 * 252 + 24 * 500 * 252
        assert str(plan).startswith("SOAP of 1,000 environments, 252 features: about 7.06 MB of")
        assert not plan.long

    def test_the_plan_of_others(self):
        soap = SOAP(r_cut=4.0, n_max=2, l_max=1)
        assert Joined([soap, soap]).plan(SI).n_features == 12
        assert Whitened(soap).plan(SI).n_features == 6
        fitted = Whitened(soap).fit([SI, bulk("Si", a=5.5)])
        assert fitted.plan(SI).bytes < Whitened(soap).plan(SI).bytes
        assert TightBindingSpectrum(low=-12.0, high=4.0, width=0.5).plan(SI).n_features == 49

    def test_twelve_elements(self):
        atoms = Atoms(range(1, 13), [[5.0 * i, 0, 0] for i in range(12)])
        assert Whitened().plan(atoms).bytes > 200e9
        with pytest.raises(MemoryError, match=r"Whitened of 12 environments with 32,592 features .* smaller n_max"):
            Whitened().fit(atoms)
        with pytest.raises(MemoryError, match="smaller n_max"):
            Joined([Whitened()]).fit(atoms)

    def test_rows(self, memory):
        memory(2e7)
        with pytest.raises(MemoryError, match="SOAP of 20,000 environments with 252 features needs about"):
            SOAP().fit_transform([SI * (10, 10, 10)] * 10)

    def test_maps_of_given_rows(self, memory):
        memory(2e7)
        with pytest.raises(MemoryError, match="Whitened, with maps of 1,000 x 1,000 for 1 elements, needs about"):
            Whitened().fit_rows(np.ones((2, 1000)), [14, 14])

    def test_energies(self):
        with pytest.raises(ValueError, match="width of TightBindingSpectrum must give at most 100,000 energies"):
            TightBindingSpectrum(width=1e-6).fit(SI)

    def test_k_density(self):
        with pytest.raises(ValueError, match="k_density of TightBindingSpectrum must give at most 1,000,000 k-points"):
            TightBindingSpectrum(k_density=500.0).fit_transform(SI)


class TestMeshes:
    def test_mesh(self):
        with pytest.raises(ValueError, match=r"at most 10,000,000 k-points; 3000 x 3000 x 3000 are 2.7e\+10"):
            gamma_mesh(3000)

    def test_symmetry(self, memory):
        memory(2e7)
        with pytest.raises(MemoryError, match="Symmetry of 64,000 k-points needs about"):
            irreducible(gamma_mesh(40)[0], [np.eye(3, dtype=int)] * 48)

    def test_path(self):
        with pytest.raises(ValueError, match="n_kpoints must be at most 100,000 along a path; got 100,000,000"):
            KPath.from_cell(SI.cell.array, 100_000_000)

    def test_energies(self):
        with pytest.raises(ValueError, match="at most 10,000,000 energies"):
            EnergyGrid.from_range(-10, 10, 1e-9, "fermi")

    def test_photon_energies(self, memory):
        grid = EnergyGrid.from_range(-10, 10, 0.01, "fermi")
        memory(1e8)
        with pytest.raises(MemoryError, match="Interpolation to 1 photon energies of 2,001 needs about"):
            absorption_spectrum(DOS(grid, np.ones((1, grid.size))), 0.0, 300.0, photon_energies=[1.0])
