"""What a model says of one crystal: parts of one answer, on meshes that symmetry thins out."""

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from neural_cases import CRYSTALS, TINY, conventional, cosine_bands, disguised, torch  # noqa: F401
from numpy.testing import assert_allclose

from ldosml import _shipped
from ldosml.kresolved import counted_dos, gamma_mesh, occupancy_gap, raw_dos
from ldosml.kresolved.dos import without_gap_states
from ldosml.kresolved.meshes import from_irreducible
from ldosml.neural import (
    KOccupancyRegressor,
    OccupancyConfig,
    electronic_structure,
    load_crystal_model,
    standardized,
)
from ldosml.neural.surfaces import irreducible_mesh
from ldosml.neural.tight_binding import CrystalTightBinding
from ldosml.properties import integrated_dos

JOINED = ("kpoints", "probabilities", "counts")


def fitted(counts=True):
    names = ("bcc", "rocksalt", "zincblende", "polar")
    crystals, bands = [CRYSTALS[name] for name in names], [cosine_bands(seed=i) for i in range(4)]
    model = KOccupancyRegressor(OccupancyConfig(**TINY), n_bins=32, n_epochs=3, counts=counts)
    return model.fit(crystals, bands, validation=(crystals[:1], bands[:1]))


def full_mesh(model, crystal, n):
    """Occupancies at all k-points of a mesh, from those at the irreducible ones."""
    kpoints, _, inverse = irreducible_mesh(model, crystal, n)
    return from_irreducible(model.predict([crystal], kpoints)[0], gamma_mesh(n)[0], inverse)


@pytest.fixture(scope="module")
def model():
    return fitted()


@pytest.mark.parametrize("name", ["rocksalt", "polar"])
def test_the_mesh_is_the_full_one_thinned_out(model, name):
    found = electronic_structure(model, CRYSTALS[name], n_path=100, mesh=4)
    kpoints, weights = gamma_mesh(4)
    everywhere = model.predict([found.crystal], kpoints, weights=weights)[0]
    assert len(found.mesh) < len(everywhere)
    assert found.mesh.weights.sum() == pytest.approx(1)
    n_atoms = len(found.crystal)
    expected = without_gap_states(counted_dos(everywhere, n_atoms), found.gap)
    assert_allclose(found.dos.values, expected.values, atol=1e-5)
    expanded = full_mesh(model, found.crystal, 4)
    assert_allclose(expanded.kpoints, kpoints)
    assert_allclose(expanded.probabilities, everywhere.probabilities, atol=1e-5)


def test_the_gap_is_that_of_path_and_mesh_with_the_fitted_threshold(model):
    found = electronic_structure(model, CRYSTALS["rocksalt"], n_path=100, mesh=4)
    both = np.concatenate([found.along.kpoints, found.mesh.kpoints])
    threshold = model.gap_threshold_
    assert threshold.statistic == "anywhere"
    expected = occupancy_gap(model.predict([found.crystal], both)[0], threshold.threshold, threshold.statistic)
    assert found.gap == expected
    for edge, place in zip(found.edges, (expected.valence_kpoint, expected.conduction_kpoint), strict=True):
        assert (edge is None) == (place is None)
        assert edge is None or np.array_equal(edge, both[place])


@pytest.mark.parametrize(
    ("change", "message"),
    [(0.6, "sums of covalent radii apart"), (1.7, "sums of covalent radii apart|times the volume"), (1.0, None)],
)
def test_crystals_unlike_those_of_training_have_cautions(model, change, message):
    atoms = CRYSTALS["rocksalt"].copy()
    atoms.set_cell(atoms.cell * change, scale_atoms=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        electronic_structure(model, atoms, n_path=60, mesh=2)
    assert bool(caught) == (message is not None)
    assert message is None or re.search(message, str(caught[0].message))


def test_molecules_in_boxes_have_a_caution(model):
    with pytest.warns(UserWarning, match="a molecule or cluster with .* angstrom of empty space"):
        electronic_structure(model, Atoms("ClNa", [[0, 0, 0], [0, 0, 2.4]], cell=[12] * 3, pbc=True), n_path=60, mesh=2)


def test_any_cell_gives_the_same(model):
    atoms = CRYSTALS["rocksalt"]
    expected = electronic_structure(model, atoms, n_path=100, mesh=3)
    for cell in (disguised(atoms), conventional("rocksalt"), atoms * (2, 1, 1)):
        found = electronic_structure(model, cell, n_path=100, mesh=3)
        assert_allclose(found.along.probabilities, expected.along.probabilities, atol=1e-5)
        assert_allclose(found.dos.values, expected.dos.values, atol=1e-4)
        assert found.gap == expected.gap


def test_without_counts_the_dos_is_raw():
    found = electronic_structure(fitted(counts=False), CRYSTALS["bcc"], n_path=100, mesh=3)
    assert found.along.counts is None
    assert_allclose(found.dos.values, without_gap_states(raw_dos(found.mesh, 1, tau=None), found.gap).values)


class TestFermiLevel:
    def test_what_is_counted_holds_the_electrons(self, model):
        known = electronic_structure(model, CRYSTALS["bcc"], n_path=100, mesh=3)
        counted = electronic_structure(model, CRYSTALS["bcc"], n_path=100, mesh=3, fermi="counted")
        assert known.fermi_level == 0
        assert_allclose(counted.along.energies, known.along.energies - counted.fermi_level)
        assert counted.gap == model.gap(_both(counted))
        bound = CrystalTightBinding(known.crystal, model.network_.tight_binding)
        expected = bound.electrons_above(known.mesh.grid.start)
        assert 0 < expected <= bound.n_electrons
        held = np.interp(0, counted.mesh.grid.energies, integrated_dos(counted_dos(counted.mesh, 1))[0])
        assert held == pytest.approx(expected, rel=0.05)  # straight lines between bins of 0.6 eV

    def test_what_cannot_be_counted_is_refused(self, model):
        with pytest.raises(ValueError, match=r"fermi must be.*counted"):
            electronic_structure(model, CRYSTALS["bcc"], fermi="guessed")
        with pytest.raises(ValueError, match="no counts"):
            electronic_structure(fitted(counts=False), CRYSTALS["bcc"], n_path=100, mesh=2, fermi="counted")
        large = CRYSTALS["bcc"] * (5, 5, 3)
        large.positions[0] += 0.2
        with pytest.raises(ValueError, match="75 atoms"), pytest.warns(UserWarning, match="no tight binding"):
            electronic_structure(model, large, n_path=20, mesh=1, fermi="counted")


def _both(found):
    """Occupancies along the path and on the mesh together, as gaps are found from."""
    parts = {name: np.concatenate([getattr(found.along, name), getattr(found.mesh, name)]) for name in JOINED}
    return replace(found.along, **parts)


class TestThreshold:
    def test_it_is_chosen_on_validation_crystals(self, model):
        assert 0 < model.gap_threshold_.threshold < 1
        assert np.isfinite(model.gap_threshold_.score)

    def test_without_any_it_is_chosen_on_training_crystals(self):
        """As far as they were learned: of those with a gap it finds one, of the others none."""
        names, levels = ["bcc", "fcc", "rocksalt"], [0.0, 7.0, 7.0]
        placed = [cosine_bands(level=level) for level in levels]
        placed = [placed[0], *(replace(bands, gap=2.0) for bands in placed[1:])]
        model = KOccupancyRegressor(
            OccupancyConfig(**TINY), n_bins=32, n_epochs=60, learning_rate=1e-2, validation_fraction=0
        ).fit([CRYSTALS[name] for name in names], placed)
        assert model.gap_threshold_.statistic == "anywhere"
        assert model.gap_threshold_.score < 1.0
        found = model.predict([CRYSTALS[name] for name in names], [bands.kpoints for bands in placed])
        assert [model.gap(one).is_metal for one in found] == [True, False, False]


@pytest.mark.parametrize(("options", "share"), [({"point_group": False}, 0.5), ({"time_reversal": False}, 1.0)])
def test_a_network_without_symmetry_is_asked_at_every_kpoint_that_is_another_for_it(options, share):
    model = KOccupancyRegressor(
        OccupancyConfig(**TINY, n_bloch=0, tight_binding="none"),
        n_bins=32,
        n_epochs=1,
        validation_fraction=0,
        **options,
    ).fit([CRYSTALS["rocksalt"]], [cosine_bands()])
    crystal, (kpoints, weights) = standardized(CRYSTALS["rocksalt"]), gamma_mesh(4)
    everywhere = model.predict([crystal], kpoints, weights=weights)[0]
    found = electronic_structure(model, CRYSTALS["rocksalt"], n_path=60, mesh=4)
    assert len(found.mesh) >= share * len(kpoints)
    expected = without_gap_states(counted_dos(everywhere, 2), found.gap)
    assert_allclose(found.dos.values, expected.values, atol=1e-5)
    assert_allclose(full_mesh(model, crystal, 4).probabilities, everywhere.probabilities, atol=1e-5)


def test_models_are_opened_by_file_and_by_name(model, tmp_path, monkeypatch):
    monkeypatch.setattr(_shipped, "_folders", lambda: [tmp_path])
    model.training_ = {"crystals": "toy", "split": {"by": "composition"}}
    path = model.save(tmp_path / "toy.safetensors")
    kpoints = np.zeros((1, 3))
    expected = model.predict([standardized(CRYSTALS["bcc"])], kpoints)[0].probabilities
    for name in (str(path), "toy"):
        opened = load_crystal_model(name)
        assert_allclose(opened.predict([CRYSTALS["bcc"]], kpoints)[0].probabilities, expected)
        assert opened.gap_threshold_ == model.gap_threshold_
        assert opened.training_ == model.training_
    with pytest.raises(ValueError, match=r"No model of crystals 'gold' ships.*available: toy"):
        load_crystal_model("gold")
    with pytest.raises(FileNotFoundError):
        load_crystal_model("gold.safetensors")


def test_a_crystal_too_large_for_the_first_guess_has_a_caution():
    names = ("bcc", "rocksalt")
    model = KOccupancyRegressor(OccupancyConfig(**TINY), n_bins=32, n_epochs=1, validation_fraction=0)
    model.fit([CRYSTALS[name] for name in names], [cosine_bands(seed=i) for i in range(2)])
    large = CRYSTALS["bcc"] * (5, 5, 3)
    large.positions[0] += 0.2  # or its primitive cell would be small
    with pytest.warns(UserWarning, match="no tight binding for this crystal: it has 75 atoms"):
        model.predict([large], [[0, 0, 0]])
