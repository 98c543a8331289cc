from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import Memory
from scipy.spatial.transform import Rotation
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer

from ldosml.descriptors import SOAP, power_spectra
from ldosml.fragments import complete_radius, cut_fragments

few = settings(deadline=None, max_examples=10)
seeds = st.integers(0, 2**32 - 1)


def small_soap(**options):
    return SOAP(**{"r_cut": 4.0, "n_max": 4, "l_max": 3, "atom_sigma": 0.5, **options})


def carbide(repeat=(1, 1, 1)):
    atoms = bulk("SiC", crystalstructure="zincblende", a=4.36) * repeat
    atoms.rattle(0.1, seed=1)
    return atoms


def silicon(repeat=(1, 1, 1), seed=1):
    atoms = bulk("Si") * repeat
    atoms.rattle(0.1, seed=seed)
    return atoms


def slab(vacuum=10.0):
    atoms = fcc111("Cu", (1, 2, 3), vacuum=vacuum)
    atoms.rattle(0.05, seed=2)
    atoms.pbc = (True, True, False)
    return atoms


def cluster(seed=0, n=9):
    rng = np.random.default_rng(seed)
    sites = 2.0 * rng.permutation(np.indices((3, 3, 3)).reshape(3, -1).T)[:n]
    return Atoms(rng.choice([6, 14], n), sites + rng.uniform(-0.7, 0.7, (n, 3)))


STRUCTURES = {
    "bulk": silicon((2, 2, 2)),
    "two atoms, many images": silicon(),
    "two species": carbide(),
    "slab": slab(),
    "slab without a third cell vector": slab(vacuum=None),
    "molecule": molecule("C6H6"),
    "mixed cluster": cluster(),
}


# Fragments against whole structures


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("name", STRUCTURES)
def test_a_complete_fragment_has_the_soap_of_the_whole_structure(name, normalize):
    atoms = STRUCTURES[name]
    soap = small_soap(normalize=normalize).fit(atoms)
    fragments = cut_fragments(atoms, 4.0, mode="complete", atom_sigma=0.5)
    whole = soap.transform(atoms)
    np.testing.assert_allclose(soap.transform(fragments), whole, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("name", ["bulk", "two species", "slab"])
def test_a_sharp_fragment_has_another_soap(name):
    atoms = STRUCTURES[name]
    soap = small_soap().fit(atoms)
    sharp = soap.transform(cut_fragments(atoms, 4.0))
    assert np.abs(sharp - soap.transform(atoms)).max(axis=1).min() > 1e-4


def test_what_lies_beyond_the_complete_radius_does_not_matter_and_what_lies_within_does():
    soap = small_soap(species=["Si"], normalize=False)
    edge = complete_radius(4.0, 0.5)
    alone, beyond, within = (Atoms("Si2", [[0, 0, 0], [0, 0, z]]) for z in (edge + 50, edge + 1e-6, edge - 1e-6))
    rows = [soap.fit(atoms).transform(atoms)[0] for atoms in (alone, beyond, within)]
    np.testing.assert_array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[0], rows[2])


def test_one_row_per_fragment_for_its_centre():
    atoms = STRUCTURES["mixed cluster"]
    soap = small_soap().fit(atoms)
    fragments = cut_fragments(atoms, 4.0, mode="complete", atom_sigma=0.5, centers=[7, 2])
    X = soap.transform(fragments)
    np.testing.assert_allclose(X, soap.transform(atoms)[[7, 2]], atol=1e-10)
    np.testing.assert_array_equal(soap.transform(fragments[0]), X[:1])


def test_fragments_smaller_than_r_cut_are_refused():
    fragments = cut_fragments(silicon(), 3.9)
    with pytest.raises(ValueError, match=r"r_cut larger than the fragment: SOAP\(r_cut=4\) asks for 4 angstrom"):
        small_soap().fit(fragments).transform(fragments)


# Invariances


@given(seed=seeds)
@few
def test_rotating_moving_and_reordering_a_cluster_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    atoms = cluster(seed)
    order = rng.permutation(len(atoms))
    moved = atoms[order]
    moved.positions = moved.positions @ Rotation.from_quat(rng.normal(size=4)).as_matrix().T + rng.normal(
        scale=20, size=3
    )
    soap = small_soap(species=["C", "Si"]).fit(atoms)
    np.testing.assert_allclose(soap.transform(moved), soap.transform(atoms)[order], atol=1e-10)


@given(seed=seeds)
@few
def test_rotating_moving_and_wrapping_a_crystal_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    atoms = carbide()
    moved = atoms.copy()
    # Each atom goes to another image of its own: outside the cell, and not all by the same vector.
    moved.positions += rng.integers(-3, 4, size=(len(atoms), 3)) @ atoms.cell.array + rng.normal(size=3)
    rotation = Rotation.from_quat(rng.normal(size=4)).as_matrix()
    moved.set_cell(moved.cell.array @ rotation.T)
    moved.positions = moved.positions @ rotation.T
    soap = small_soap().fit(atoms)
    np.testing.assert_allclose(soap.transform(moved), soap.transform(atoms), atol=1e-10)


def test_wrapping_a_slab_leaves_the_direction_that_is_not_periodic_alone():
    atoms = slab()
    moved = atoms.copy()
    moved.positions += np.arange(len(atoms))[:, None] * atoms.cell.array[0] + [0, 0, 100]
    soap = small_soap().fit(atoms)
    np.testing.assert_allclose(soap.transform(moved), soap.transform(atoms), atol=1e-10)


@pytest.mark.parametrize("repeat", [(2, 1, 1), (1, 3, 2)])
def test_repeating_the_cell_repeats_the_rows(repeat):
    soap = small_soap().fit(carbide())
    X = soap.transform(carbide())
    np.testing.assert_allclose(soap.transform(carbide() * repeat), np.tile(X, (np.prod(repeat), 1)), atol=1e-10)


def test_soap_tells_apart_what_is_apart():
    soap = small_soap().fit(silicon())
    assert np.abs(soap.transform(silicon(seed=1)) - soap.transform(silicon(seed=2))).max() > 1e-3
    periodic, free = silicon(), silicon()
    free.pbc = False
    assert np.abs(soap.transform(periodic) - soap.transform(free)).max() > 1e-3


# Rows and features


def test_rows_come_atom_by_atom_structure_by_structure_with_mixed_periodicity():
    structures = [silicon(), cluster(), carbide((2, 1, 1)), molecule("CH4")]
    soap = small_soap(species=["H", "C", "Si"]).fit(structures)
    X = soap.transform(structures)
    assert X.dtype == np.float64
    assert X.shape == (2 + 9 + 4 + 5, soap.n_features_out_)
    np.testing.assert_array_equal(X, np.concatenate([soap.transform(atoms) for atoms in structures]))
    np.testing.assert_allclose(np.linalg.norm(X, axis=1), 1, atol=1e-14)


def test_rows_are_left_as_they_are_without_normalize():
    raw = small_soap(normalize=False).fit(carbide()).transform(carbide())
    norms = np.linalg.norm(raw, axis=1, keepdims=True)
    assert np.abs(norms - 1).min() > 0.1
    np.testing.assert_allclose(small_soap().fit(carbide()).transform(carbide()), raw / norms, atol=1e-14)


def test_a_zero_row_stays_zero():
    np.testing.assert_array_equal(power_spectra.unit_rows(np.array([[0.0, 0.0], [3.0, 4.0]])), [[0, 0], [0.6, 0.8]])


def test_features_do_not_depend_on_the_order_of_species():
    structures = [carbide(), cluster()]
    X = small_soap().fit(structures).transform(structures)
    for species in (["Si", "C"], ["C", "Si"], [14, 6], (6, "Si")):
        soap = small_soap(species=species).fit(structures)
        np.testing.assert_array_equal(soap.species_, [6, 14])
        np.testing.assert_array_equal(soap.transform(structures), X)
    np.testing.assert_array_equal(small_soap().fit(structures[::-1]).transform(structures), X)


def test_given_species_that_do_not_come_have_features_of_zero():
    soap = small_soap(species=["Si", "Ge"]).fit(silicon())
    names = soap.get_feature_names_out()
    X = soap.transform(silicon())
    without = np.array([not name.startswith("Si") or "-Si" not in name for name in names])
    assert np.all(X[:, without] == 0)
    np.testing.assert_allclose(X[:, ~without], small_soap().fit(silicon()).transform(silicon()), atol=1e-12)


def test_feature_names_state_the_order_of_the_features():
    """At l = 0 the spectrum is a product of the coefficients of its two channels: it can be taken apart by name."""
    soap = small_soap(normalize=False).fit(cluster())
    names = soap.get_feature_names_out()
    assert len(names) == len(set(names)) == soap.n_features_out_ == 4 * 8 * 9 // 2
    assert names[0] == "C0-C0-l0"
    assert names[-1] == "Si3-Si3-l3"
    for row in soap.transform(cluster()):
        value = dict(zip(names, row, strict=True))
        for n in range(4):
            for m in range(4):
                squares = value[f"C{n}-C{n}-l0"] * value[f"Si{m}-Si{m}-l0"]
                assert value[f"C{n}-Si{m}-l0"] ** 2 == pytest.approx(squares, rel=1e-9)
    # The features of l_max = 0 are among those of a larger one.
    flat = small_soap(l_max=0, normalize=False).fit(cluster())
    zero_degree = [name.endswith("-l0") for name in names]
    np.testing.assert_array_equal(names[zero_degree], flat.get_feature_names_out())
    np.testing.assert_allclose(soap.transform(cluster())[:, zero_degree], flat.transform(cluster()), atol=1e-12)


# Batches, processes, disk


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_batches_change_nothing(batch_size):
    structures = [silicon((2, 2, 2)), cluster()]
    soap = small_soap(species=["C", "Si"]).fit(structures)
    X = soap.transform(structures)
    fragments = cut_fragments(structures, 4.0)
    F = soap.transform(fragments)
    soap.set_params(batch_size=batch_size)
    # Regions hold the neighbours in another order, and sums differ by rounding.
    np.testing.assert_allclose(soap.transform(structures), X, atol=1e-12)
    np.testing.assert_array_equal(soap.transform(fragments), F)


def test_one_structure_is_shared_out_and_small_ones_share_a_task():
    soap = small_soap(batch_size=8).fit(silicon())
    batches = list(soap._batches([silicon((2, 2, 2)), silicon(), silicon(seed=2), silicon((2, 2, 1))]))
    assert [sum(piece.n_centers for piece in batch.pieces) for batch in batches] == [8, 8, 4, 8]
    assert sorted(np.concatenate([batch.rows for batch in batches])) == list(range(28))


def test_processes_change_nothing_and_share_the_disk_cache(tmp_path, monkeypatch):
    structures = [silicon((2, 2, 2)), cluster()]
    soap = small_soap(species=["C", "Si"]).fit(structures)
    serial = soap.transform(structures)
    np.testing.assert_array_equal(clone(soap).set_params(n_jobs=2).fit(structures).transform(structures), serial)
    cached = small_soap(species=["C", "Si"], n_jobs=2, memory=tmp_path).fit(structures)
    np.testing.assert_array_equal(cached.transform(structures), serial)
    monkeypatch.setattr(power_spectra, "_power_spectrum", None)
    np.testing.assert_array_equal(cached.set_params(n_jobs=1).transform(structures), serial)


@pytest.mark.parametrize("make", [str, Path, lambda path: Memory(path, verbose=0)], ids=["str", "Path", "Memory"])
def test_the_disk_cache_is_used(make, tmp_path, monkeypatch):
    computed = []
    original = power_spectra._power_spectrum

    def counting(basis):
        computed.append(basis)
        return original(basis)

    monkeypatch.setattr(power_spectra, "_power_spectrum", counting)
    structures = [silicon(seed=1), silicon(seed=2)]
    soap = small_soap(memory=make(tmp_path)).fit(structures)
    X = soap.transform(structures)
    assert len(computed) == 2
    labelled = structures[0].copy()
    labelled.info["energy"] = -1.0
    np.testing.assert_array_equal(soap.transform([structures[1], labelled]), X[[2, 3, 0, 1]])
    assert len(computed) == 2
    soap.transform(silicon(seed=3))
    assert len(computed) == 3
    soap.set_params(r_cut=4.5).transform(structures)
    assert len(computed) == 5


# scikit-learn


def test_it_is_a_scikit_learn_transformer():
    soap = small_soap(species=["Si", "C"])
    assert soap.get_params()["species"] == ["Si", "C"]
    assert clone(soap).get_params() == soap.get_params()
    np.testing.assert_array_equal(
        soap.fit_transform([carbide()]), small_soap(species=["Si", "C"]).fit([carbide()]).transform([carbide()])
    )
    defaults = SOAP().get_params()
    assert {key: defaults[key] for key in ("r_cut", "n_max", "l_max", "atom_sigma")} == {
        "r_cut": 6.0,
        "n_max": 8,
        "l_max": 6,
        "atom_sigma": 0.5,
    }


def test_several_soaps_can_be_joined():
    structures = [silicon(), cluster()]
    union = FeatureUnion([("short", small_soap()), ("long", small_soap(r_cut=8.0))]).fit(structures)
    X = union.transform(structures)
    short, long = (small_soap(r_cut=r).fit(structures).transform(structures) for r in (4.0, 8.0))
    np.testing.assert_array_equal(X, np.hstack([short, long]))
    assert union.get_feature_names_out()[[0, -1]].tolist() == ["short__C0-C0-l0", "long__Si3-Si3-l3"]


def test_it_works_in_a_pipeline():
    """The number of neighbours, weighted by distance, is in the spectrum: a linear fit finds it on new structures."""
    train, test = [silicon((2, 1, 1), seed) for seed in range(12)], [silicon((2, 1, 1), seed=50)]

    def target(structures):
        distances = (np.linalg.norm(f.atoms.positions[1:], axis=1) for f in cut_fragments(structures, 3.5))
        return np.array([np.exp(-d).sum() for d in distances])

    model = Pipeline([("soap", small_soap()), ("scale", FunctionTransformer()), ("ridge", Ridge(alpha=1e-8))])
    predicted = model.fit(train, target(train)).predict(test)
    spread = np.std(target(train))
    assert np.sqrt(np.mean((predicted - target(test)) ** 2)) < 0.5 * spread


# Errors


def test_unknown_species_are_named():
    soap = small_soap().fit([silicon()])
    with pytest.raises(ValueError, match=r"knows the species Si; item 1 contains C\. Fit on structures"):
        soap.transform([silicon(), carbide()])
    with pytest.raises(ValueError, match="knows the species Si; item 0 contains C"):
        soap.transform(cut_fragments(carbide(), 4.0))


def test_what_is_no_structure_is_refused():
    soap = small_soap().fit(silicon())
    broken = silicon()
    broken.positions[0, 1] = np.nan
    for method in (soap.fit, soap.transform):
        with pytest.raises(ValueError, match="at least one structure; got an empty list"):
            method([])
        with pytest.raises(ValueError, match=r"positions of structure 1 must be finite.*\[0, 1\]"):
            method([silicon(), broken])
        with pytest.raises(TypeError, match="structures only, fragments only or regions only"):
            method([silicon(), *cut_fragments(silicon(), 4.0)])
        with pytest.raises(TypeError, match="structure 0 is of type ndarray"):
            method(np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"r_cut": -1.0}, "r_cut of SOAP must be a positive"),
        ({"r_cut": 0.9}, "r_cut of SOAP must be above 1 angstrom"),
        ({"atom_sigma": 0.0}, "atom_sigma of SOAP must be a positive"),
        ({"n_max": 0}, "n_max of SOAP must be from 1 to 50, .*; got 0"),
        ({"n_max": 100_000}, "n_max of SOAP must be from 1 to 50, .*; got 100000"),
        ({"r_cut": 1e5}, "of SOAP is too large: .* The limit is 40"),
        ({"r_cut": 1e9}, "r_cut of SOAP must be at most 1e\\+06 angstrom"),
        ({"atom_sigma": 100.0}, "of SOAP is too large: .* The limit is 40"),
        ({"l_max": 21}, r"l_max of SOAP must be from 0 to 20; got 21"),
        ({"batch_size": 0}, "batch_size of SOAP must be a positive"),
        ({"species": []}, "species must be a list of symbols"),
        ({"species": "Si"}, "species must be a list of symbols"),
        ({"species": ["Si", "Xx"]}, "must be symbols or atomic numbers of elements; got 'Xx'"),
    ],
)
def test_wrong_parameters_are_refused(options, match):
    with pytest.raises(ValueError, match=match):
        small_soap(**options).fit(silicon())
