"""The weights that ship: of the crystals that ship, and as good as the README says, on a few of them."""

import numpy as np
import pytest
from ase.build import bulk
from neural_cases import CRYSTALS, conventional, disguised, torch  # noqa: F401  skips where torch is missing

from ldosml.datasets import crystal_parts, load_crystals
from ldosml.datasets.crystals import reduced_formula
from ldosml.kresolved import evaluate_occupancies
from ldosml.neural import (
    KOccupancyRegressor,
    electronic_structure,
    load_crystal_model,
    primitive_kpoints,
    standardized,
)
from ldosml.neural.tight_binding import CrystalTightBinding
from ldosml.tightbinding import TightBindingParameters


@pytest.fixture(scope="module")
def model():
    return load_crystal_model("crystals")


@pytest.fixture(scope="module")
def parts(model):
    return crystal_parts(model)


def test_they_were_trained_on_the_training_part(model, parts):
    training, _, test = parts
    assert model.training_["names"] == training.names
    assert set(test.elements) <= {symbol for m in training for symbol in m.atoms.symbols}


def test_crystals_that_were_not_trained_on(model, parts):
    some = parts[2][::4]
    mesh = model.predict(some.crystals, [m.mesh.kpoints for m in some], weights=[m.mesh.weights for m in some])
    path = model.predict(some.crystals, [m.path.kpoints for m in some])
    found = evaluate_occupancies(some, mesh, path, threshold=model.gap_threshold_, n_draws=10).estimates
    assert found["gap: MAE (eV)"].value < 0.4
    assert found["metal or not: accuracy"].value >= 0.85
    assert found["log loss of a bin"].value < 0.16
    assert found["DOS counted, smeared by 0.2 eV: MAE (states/eV/atom)"].value < 0.25


def test_the_parameters_that_need_no_torch_are_the_same(model):
    shipped, elements = TightBindingParameters.fitted(), list(model.elements_)
    for name in ("shifts", "strengths", "slopes", "overlaps", "pulls"):
        own = getattr(model.network_.tight_binding, name)[elements]
        np.testing.assert_array_equal(getattr(shipped, name)[elements].astype(np.float32), own)
    np.testing.assert_array_equal(shipped.factors.astype(np.float32), model.network_.tight_binding.factors)


def test_fitted_tight_binding_knows_the_electrons_of_crystals_that_it_was_not_fitted_to(model, parts):
    low, off = model.grid_.start, []
    for material in parts[2][::3]:
        mesh = material.mesh
        expected = mesh.n_electrons - 2 * mesh.weights @ (mesh.relative < low).sum(axis=1)
        found = CrystalTightBinding(standardized(material.atoms), model.network_.tight_binding).electrons_above(low)
        off.append(abs(found - expected))
    assert np.median(off) < 0.02
    assert np.mean(off) < 0.3


def test_fitted_tight_binding_has_conduction_bands_that_free_atoms_do_not_bind(model):
    """Those of alkaline earths are d."""
    off = []
    for name in ("rocksalt-CaS", "rocksalt-SrS", "rocksalt-BaS", "zincblende-CaS", "zincblende-SrSe"):
        material = load_crystals()[name]
        bound = CrystalTightBinding(standardized(material.atoms), model.network_.tight_binding)
        found = bound.eigenvalues(primitive_kpoints(material.atoms, material.mesh.kpoints))
        found = found - bound.fermi_energy(*bound.on_mesh())
        filled, there = round(bound.n_electrons) // 2, round(material.mesh.n_electrons) // 2
        bands = [found[:, filled : filled + 5], np.sort(material.mesh.relative, axis=1)[:, there : there + 5]]
        off.append(np.abs(bands[0] - bands[1]).mean())
    assert np.mean(off) < 1.0


@pytest.mark.parametrize(
    ("name", "gap"), [("NaCl", 5.0), ("GaAs", 0.2), ("Si", 0.6), ("Al", 0.0), ("Cu", 0.0)]
)  # PBE; whether they were trained on or not
def test_gaps_that_everyone_knows(model, name, gap):
    lattice = {"NaCl": ("rocksalt", 5.69), "GaAs": ("zincblende", 5.75)}
    found = electronic_structure(model, bulk(name, *lattice.get(name, ())), n_path=60, mesh=4)
    assert found.gap.gap == pytest.approx(gap, abs=0.6 if gap else 0)


def test_copper_has_eleven_electrons(model):
    assert electronic_structure(model, bulk("Cu"), n_path=60, mesh=4).n_electrons == pytest.approx(11, abs=1)


@pytest.mark.parametrize("name", ["rocksalt", "perovskite", "bcc"])
def test_any_cell_has_the_same_gap_and_dos(model, name):
    atoms = CRYSTALS[name]
    expected = electronic_structure(model, atoms, n_path=60, mesh=4)
    assert expected.gap.is_metal == (name == "bcc")
    for cell in (disguised(atoms), conventional(name), atoms * (2, 1, 1)):
        found = electronic_structure(model, cell, n_path=60, mesh=4)
        assert found.gap.gap == expected.gap.gap
        np.testing.assert_allclose(found.dos.values, expected.dos.values, atol=1e-3)
        if name != "bcc":
            assert (np.asarray(found.dos.values)[0] == 0).sum() >= round(expected.gap.gap / model.grid_.step) - 1


def test_edges_of_sodium_chloride_are_at_gamma(model):
    found = electronic_structure(model, bulk("NaCl", "rocksalt", a=5.69))
    for edge in found.edges:
        np.testing.assert_allclose(edge, 0, atol=0.1)


def test_the_valence_edge_of_silicon_is_at_gamma(model):
    """Its conduction edge, at 0.85 of the line to X by PBE, the model does not find."""
    found = electronic_structure(model, bulk("Si"))
    np.testing.assert_allclose(found.edges[0], 0, atol=0.1)


def test_the_split_of_a_model_can_be_made_again(model, parts):
    crystals = load_crystals()
    again = crystal_parts(model, crystals)
    assert [part.names for part in again] == [part.names for part in parts]
    with pytest.raises(ValueError, match="The crystals are not those the model was trained on"):
        crystal_parts(model, crystals[np.arange(100)])
    with pytest.raises(ValueError, match="does not know how its crystals were split"):
        crystal_parts(KOccupancyRegressor())


def test_the_test_part_of_later_crystals_has_no_formula_of_training():
    """Neither of the first set nor of copies."""
    training, _, test = crystal_parts(load_crystal_model())
    later = {m.name for m in load_crystals("more-crystals")}
    copies = [m for m in training if m.name.endswith(("strained", "sheared", "rattled"))]
    assert len(copies) > 50
    assert sum(name in later for name in test.names) >= 30
    assert not {reduced_formula(m.formula) for m in test} & {reduced_formula(m.formula) for m in training}
