"""What is kept from earlier runs is reused only where everything that decides it is the same."""

from dataclasses import fields, replace

import numpy as np
import pytest
from studied import MODEL, SMALL, invented

from ldosml import LDOSDataset, LDOSKernelRidge, search_settings
from ldosml._digest import digest
from ldosml.datasets.fingerprint import _INCIDENTAL, fingerprint
from ldosml.studies import Setup, learning_curve
from ldosml.training_data import TrainingData


def rattled(atoms):
    moved = atoms.copy()
    moved.positions[0, 0] += 1e-12
    return moved


CHANGES = {
    "structures": lambda data: [rattled(data.structures[0]), *data.structures[1:]],
    "stored_ldos": lambda data: replace(data.ldos, values=data.ldos.values * (1 + 1e-15)),
    "stored_dos": lambda data: replace(data.dos, values=data.dos.values * 1.01),
    "n_electrons": lambda data: data.n_electrons + 1e-6,
    "fermi_energy": lambda data: data.fermi_energy + 1e-6,
    "energy_max": lambda data: data.energy_max - 1e-6,
    "names": lambda data: [f"{name}-x" for name in data.names],
    "kinds": lambda data: data.kinds[::-1],
    "groups": lambda data: ["other", *data.groups[1:]],
    "label_noise": lambda data: {"smearing_width": [0.4], "ldos": [0.1], "dos": [0.2]},
    "projected_dos": lambda data: data.dos,
    "stored_spin_difference": lambda data: data.ldos,
}


@pytest.fixture(scope="module")
def data():
    return invented(4, zero="code", fermi_energy=np.linspace(-0.1, 0.1, 8), energy_max=np.full(8, 3.0))


@pytest.mark.parametrize("name", [field.name for field in fields(LDOSDataset) if field.name not in _INCIDENTAL])
def test_every_field_of_a_dataset_counts(data, name):
    assert fingerprint(replace(data, **{name: CHANGES[name](data)})) != fingerprint(data)


def test_energies_and_smearing_count(data):
    shifted = replace(data.ldos, grid=replace(data.grid, start=data.grid.start + 1e-9))
    assert fingerprint(replace(data, stored_ldos=shifted)) != fingerprint(data)
    zero = replace(data.ldos, grid=replace(data.grid, zero="vacuum"))
    assert fingerprint(replace(data, stored_ldos=zero)) != fingerprint(data)
    smeared = replace(data.ldos, smearing_width=0.41)
    assert fingerprint(replace(data, stored_ldos=smeared)) != fingerprint(data)


def test_origin_and_place_do_not_count(data, tmp_path):
    assert fingerprint(replace(data, provenance={"date": "today"})) == fingerprint(data)
    path = data.save(tmp_path / "x.h5")
    assert fingerprint(LDOSDataset.load(path)) == fingerprint(LDOSDataset.load(path).select(slice(None)))


def test_every_field_of_training_data_counts(data):
    training = TrainingData(data.structures, data.ldos, data.dos, data.groups)
    changed = {
        "structures": CHANGES["structures"](data),
        "ldos": CHANGES["stored_ldos"](data),
        "dos": CHANGES["stored_dos"](data),
        "groups": ["other", *data.groups[1:]],
    }
    assert set(changed) == {field.name for field in fields(TrainingData)}
    for name, value in changed.items():
        assert fingerprint(replace(training, **{name: value})) != fingerprint(training)


@pytest.mark.parametrize("change", ["n_electrons", "fermi_energy", "energy_max", "kinds"])
def test_a_study_and_a_search_refuse_the_log_of_other_data(data, tmp_path, change):
    other = replace(data, **{change: CHANGES[change](data)})
    setup = Setup(n_splits=2, log=tmp_path / "curve.jsonl")
    learning_curve(data, [12], MODEL, {"kernel": MODEL.regressor}, setup=setup)
    with pytest.raises(ValueError, match="data"):
        learning_curve(other, [12], MODEL, {"kernel": MODEL.regressor}, setup=setup)
    candidates = {"descriptor": [SMALL], "regressor": [LDOSKernelRidge(1e-2)]}
    search_settings(data, candidates, factor=2, log=tmp_path / "search.jsonl")
    with pytest.raises(ValueError, match="data"):
        search_settings(other, candidates, factor=2, log=tmp_path / "search.jsonl")


def test_digests_of_values():
    assert digest([1, 2.0]) == digest(np.array([1.0, 2.0])) != digest([[1, 2.0]])
    assert digest({"a": 1, "b": None}) == digest({"b": None, "a": 1}) != digest({"a": 1})
    assert digest(["ab", "c"]) != digest(["a", "bc"])
