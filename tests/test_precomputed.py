"""Descriptors that come with the structures stand wherever SOAP does."""

import json
import pickle
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from sklearn.base import clone

from ldosml import (
    LDOS,
    SOAP,
    DOSModel,
    EnergyGrid,
    Joined,
    LDOSDataset,
    LDOSKernelRidge,
    Precomputed,
    Whitened,
    cut_fragments,
    persistence,
    predict_to,
)
from ldosml.datasets.fingerprint import fingerprint

GRID = EnergyGrid.from_range(-2, 2, 0.25, zero="fermi")
NEAR, FAR = SOAP(r_cut=2.5, n_max=3, l_max=2), SOAP(r_cut=4.0, n_max=3, l_max=2)


def carbide(seed, repeat=(2, 1, 1)):
    atoms = bulk("SiC", "zincblende", a=4.36) * repeat
    atoms.rattle(0.15, seed=seed)
    return atoms


def described(structures, soap=FAR, key="mine"):
    fitted, result = clone(soap).fit(structures), []
    for atoms in structures:
        copy = atoms.copy()
        copy.set_array(key, fitted.transform(atoms))
        result.append(copy)
    return result


STRUCTURES = [carbide(seed, (1 + seed % 2, 1, 1)) for seed in range(8)]
DESCRIBED = described(STRUCTURES)
NEW = described([*STRUCTURES, carbide(20), carbide(21)])[-2:]


def invented_ldos(structures):
    rng = np.random.default_rng(0)
    counts = [len(atoms) for atoms in structures]
    values = rng.uniform(0, 1, (sum(counts), GRID.size))
    return LDOS(GRID, values, 0.3, structure_index=np.repeat(np.arange(len(counts)), counts))


class TestContract:
    def test_rows_follow_the_structures(self):
        transformer = Precomputed("mine")
        X = transformer.fit_transform(DESCRIBED)
        np.testing.assert_array_equal(X, clone(FAR).fit_transform(STRUCTURES))
        assert transformer.n_features_out_ == X.shape[1] == len(transformer.get_feature_names_out())
        np.testing.assert_array_equal(transformer.transform(DESCRIBED[1]), X[2:6])  # one structure alone
        np.testing.assert_array_equal(transformer.transform(iter(DESCRIBED)), X)

    def test_clone_and_parameters(self):
        assert clone(Precomputed("mine", n_jobs=2)).get_params() == {"key": "mine", "n_jobs": 2}
        assert (
            Precomputed().set_params(key="mine", n_jobs=3).fit(DESCRIBED).n_features_out_
            == DESCRIBED[0].arrays["mine"].shape[1]
        )
        assert repr(Precomputed("mine")) == "Precomputed(key='mine')"
        names = Precomputed("mine").fit(DESCRIBED).get_feature_names_out()
        assert (names[0], len(set(names))) == ("mine-0", len(names))

    def test_nothing_is_changed_by_whoever_takes_the_rows(self):
        before = [atoms.arrays["mine"].copy() for atoms in DESCRIBED]
        for structures in (DESCRIBED, DESCRIBED[:1]):  # the rows of one structure need no joining
            X = Precomputed("mine").fit_transform(structures)
            X += 1.0
            Whitened(Precomputed("mine")).fit_transform(structures)
        for atoms, rows in zip(DESCRIBED, before, strict=True):
            np.testing.assert_array_equal(atoms.arrays["mine"], rows)

    def test_whole_numbers_are_rows_too(self):
        dimer = Atoms("Si2", positions=[[0, 0, 0], [0, 0, 2]])
        dimer.set_array("count", np.array([[1], [2]]))
        X = Precomputed("count").fit_transform(dimer)
        assert X.dtype == np.float64
        assert X.tolist() == [[1.0], [2.0]]


def dimer(rows):
    atoms = Atoms("Si2", positions=[[0, 0, 0], [0, 0, 2]])
    atoms.arrays["mine"] = rows
    return atoms


@pytest.mark.parametrize(
    ("structures", "error", "message"),
    [
        (STRUCTURES, ValueError, r"Structure 0 has no descriptors in atoms.arrays\['mine'\], only numbers, positions"),
        ([DESCRIBED[0], STRUCTURES[1]], ValueError, "Structure 1 has no descriptors"),
        ([dimer(np.ones(2))], ValueError, r"must be \(n_atoms, n_features\), 2 rows .*; got shape \(2,\)"),
        ([dimer(np.ones((3, 4)))], ValueError, r"2 rows of at least one feature; got shape \(3, 4\)"),
        ([dimer(np.ones((2, 0)))], ValueError, r"at least one feature; got shape \(2, 0\)"),
        ([dimer(np.ones((2, 1, 1)))], ValueError, r"got shape \(2, 1, 1\)"),
        ([dimer(np.array([[1.0], [np.nan]]))], ValueError, r"of structure 0 must be finite"),
        ([dimer(np.ones((2, 1), dtype=complex))], ValueError, "must hold real numbers; got complex128"),
        ([dimer(np.array([["a"], ["b"]]))], ValueError, "must hold real numbers"),
        ([dimer(np.ones((2, 1))), dimer(np.ones((2, 2)))], ValueError, r"differ in length: \[1, 2\] features"),
        ([], ValueError, "at least one structure"),
        (["Si"], TypeError, "must be ase.Atoms"),
        (cut_fragments(DESCRIBED[0], 3.0), TypeError, "must be ase.Atoms; structure 0 is of type Fragment"),
    ],
)
def test_impossible_rows_are_refused(structures, error, message):
    with pytest.raises(error, match=message):
        Precomputed("mine").fit(structures)


def test_other_numbers_of_features_than_those_of_the_fit_are_refused():
    fitted = Precomputed("mine").fit(DESCRIBED)
    with pytest.raises(ValueError, match=r"fitted on 63 features; these structures have 1\. Compute them with the"):
        fitted.transform(dimer(np.ones((2, 1))))


@pytest.mark.parametrize(
    ("given", "wrap"),
    [(FAR, lambda inner: inner), (FAR, Whitened), (Joined([NEAR, FAR]), lambda inner: Whitened(inner, power=0.8))],
    ids=["plain", "whitened", "joined and whitened"],
)
@pytest.mark.parametrize(
    "regressor",
    [
        LDOSKernelRidge("leave-one-group-out", kernel="matern", gamma=1.0),
        LDOSKernelRidge(1e-3, learn="dos", kernel="polynomial", gamma=1.0),
    ],
)
def test_a_model_predicts_what_it_does_with_the_descriptor_itself(given, wrap, regressor, tmp_path):
    ldos = invented_ldos(STRUCTURES)
    structures = described([*STRUCTURES, carbide(20), carbide(21)], given)
    direct = DOSModel(wrap(given), regressor).fit(STRUCTURES, ldos)
    model = DOSModel(wrap(Precomputed("mine")), regressor).fit(structures[:-2], ldos)
    predicted = model.predict(structures[-2:]).values
    np.testing.assert_allclose(predicted, direct.predict([carbide(20), carbide(21)]).values, atol=1e-10)

    path = model.save(tmp_path / "m.ldosml")
    loaded = DOSModel.load(path)
    np.testing.assert_array_equal(loaded.predict(structures[-2:]).values, predicted)
    assert repr(loaded.descriptor_) == repr(model.descriptor_)
    assert "Precomputed" in json.dumps(persistence.describe(path)["descriptor"])
    with pytest.raises(ValueError, match="Structure 0 has no descriptors"):
        loaded.predict(STRUCTURES[:1])


def test_predictions_are_streamed_and_sent_to_other_processes(tmp_path):
    model = DOSModel(Precomputed("mine"), LDOSKernelRidge(1e-3, kernel="polynomial", gamma=1.0)).fit(
        DESCRIBED, invented_ldos(DESCRIBED)
    )
    expected = model.predict(NEW).values
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(NEW).values, expected)
    streamed = predict_to(model, NEW, tmp_path / "p.h5", batch_size=3)
    np.testing.assert_allclose(streamed.data.ldos.values, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda part: part["learnt"].update(n_features_out_=3), "must have shape .* n_features"),
        (lambda part: part["learnt"].clear(), "'n_features_out_' is missing"),
        (lambda part: part["parameters"].update(colour="red"), "damaged"),
    ],
)
def test_damaged_models_are_refused(tmp_path, change, message):
    model = DOSModel(Precomputed("mine"), LDOSKernelRidge(1e-3, kernel="polynomial", gamma=1.0)).fit(
        DESCRIBED, invented_ldos(DESCRIBED)
    )
    path = model.save(tmp_path / "m.ldosml")
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    spec = json.loads(content["spec.json"])
    change(spec["descriptor"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (content | {"spec.json": json.dumps(spec)}).items():
            archive.writestr(name, data)
    with pytest.raises(ValueError, match=message):
        DOSModel.load(path)


def test_other_descriptors_make_another_dataset():
    ldos = invented_ldos(DESCRIBED)
    plain = LDOSDataset.from_arrays(STRUCTURES, GRID.energies, ldos=ldos.values)
    whole = replace(plain, structures=DESCRIBED)
    scaled = [atoms.copy() for atoms in DESCRIBED]
    scaled[3].arrays["mine"] = 2 * scaled[3].arrays["mine"]
    renamed = described(STRUCTURES, key="other")
    prints = [fingerprint(replace(plain, structures=each)) for each in (STRUCTURES, DESCRIBED, scaled, renamed)]
    assert len(set(prints)) == 4
    assert fingerprint(whole) == fingerprint(replace(plain, structures=described(STRUCTURES)))
