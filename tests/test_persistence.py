"""Models on disk: they come back as they were, and a stranger's file runs nothing."""

import io
import json
import os
import zipfile

import numpy as np
import pytest
from ase.build import bulk
from sklearn.base import clone
from sklearn.pipeline import FeatureUnion

from ldosml import LDOS, SOAP, DOSModel, EnergyGrid, Joined, LDOSKernelRidge, LDOSRidge, SparseLDOSKernelRidge

GRID = EnergyGrid.from_range(-5, 5, 0.1, zero="fermi")
SMALL = SOAP(r_cut=3.5, n_max=4, l_max=3)


def crystals(count=6):
    return [bulk("SiC", "zincblende", a=a) for a in np.linspace(4.2, 4.5, count)]


def invented_ldos(structures):
    values = np.random.default_rng(0).uniform(0, 1, (2 * len(structures), GRID.size))
    return LDOS(GRID, values, 0.3, structure_index=np.repeat(np.arange(len(structures)), 2))


@pytest.fixture(scope="module")
def model():
    structures = crystals()
    return DOSModel(SMALL, LDOSKernelRidge(1e-6, kernel="polynomial", gamma=1.0)).fit(
        structures, invented_ldos(structures)
    )


@pytest.mark.parametrize(
    "regressor",
    [
        LDOSKernelRidge(1e-3, kernel="matern", gamma=1.0),
        LDOSKernelRidge("leave-one-group-out", kernel="gaussian", alphas=[1e-4, 1.0], gamma=1.0),
        LDOSRidge(np.full(GRID.size, 1e-3)),
        LDOSKernelRidge("leave-one-group-out", learn="dos", kernel="gaussian", alphas=[1e-4, 1.0], gamma=1.0),
        LDOSKernelRidge(1e-3, learn="both", ldos_weight=0.5, kernel="polynomial", gamma=1.0),
        LDOSRidge(1e-3, learn="dos"),
        SparseLDOSKernelRidge(1e-3, n_inducing=4, kernel="polynomial", gamma=1.0),
        SparseLDOSKernelRidge(1e-3, n_inducing=4, learn="dos", kernel="polynomial", gamma=1.0),
        SparseLDOSKernelRidge(1e-3, n_inducing={np.int64(6): 3, 14: 4}, learn="dos", kernel="polynomial", gamma=1.0),
    ],
    ids=["cholesky", "chosen", "ridge", "split", "joint", "split-ridge", "sparse", "sparse-split", "by-element"],
)
def test_saved_models_predict_the_same(tmp_path, regressor):
    structures = crystals()
    model = DOSModel(SMALL, regressor).fit(structures, invented_ldos(structures))
    path = model.save(tmp_path / "m.ldosml")
    loaded = DOSModel.load(path)
    np.testing.assert_array_equal(loaded.predict(structures).values, model.predict(structures).values)
    assert loaded.predict(structures).smearing_width == 0.3
    parameters = clone(loaded.regressors_[14]).get_params()
    assert parameters["alpha"] is not None
    assert parameters.get("n_inducing") == getattr(regressor, "n_inducing", None)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        model.save(path)


def test_a_model_file_is_readable_and_holds_no_pickle(model, tmp_path):
    path = model.save(tmp_path / "m.ldosml")
    with zipfile.ZipFile(path) as archive:
        spec = json.loads(archive.read("spec.json"))
        assert spec["regressors"]["14"]["parameters"]["alpha"] == 1e-6
        for name in archive.namelist():
            assert name == "spec.json" or archive.read(name)[:6] == b"\x93NUMPY"


def npy(name, array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return {f"arrays/{name}.npy": buffer.getvalue()}


def rewrite(path, change):
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    spec = json.loads(content["spec.json"])
    change(spec, content)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (content | {"spec.json": json.dumps(spec)}).items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda spec, content: spec.update(format_version=1), "has format 1.*reads format 2"),
        (lambda spec, content: spec.update(format="something"), "does not say that it is one"),
        (lambda spec, content: spec["descriptor"].update({"class": "os.system"}), "of class 'os.system'"),
        (lambda spec, content: spec.pop("grid"), "'grid' is missing"),
        (lambda spec, content: content.pop("arrays/regressor-14.dual_coef_.npy"), "dual_coef_.*is missing"),
        (lambda spec, content: spec["grid"].update(size=7), r"target_mean_ .* must have shape \(1, 7\)"),
        (lambda spec, content: spec["grid"].update(colour="red"), "damaged"),
        (lambda spec, content: spec["grid"].update(start=float("nan")), "start of an EnergyGrid"),
        (lambda spec, content: spec.update(regressors={}), "no regressor"),
        (lambda spec, content: spec.update(regressors=[]), "damaged"),
        (lambda spec, content: spec.update(training={}), "'n_structures' is missing"),
        (lambda spec, content: spec["descriptor"]["parameters"].update(memory="cache"), "sets memory"),
        (
            lambda spec, content: spec["descriptor"]["parameters"].update(colour=1),
            "colour differs. Train",
        ),
        (
            lambda spec, content: spec["regressors"]["14"]["parameters"].pop("gamma"),
            "different parameters.*gamma differs",
        ),
        (lambda spec, content: content.update(npy("regressor-14.dual_coef_", np.ones((6, 1)))), r"shape \(6, 101\)"),
        (lambda spec, content: content.update(npy("regressor-14.target_mean_", np.full(101, 1j))), "complex128"),
        (lambda spec, content: content.update(npy("regressor-14.target_mean_", np.full(101, np.nan))), "finite"),
    ],
)
def test_damaged_or_foreign_models_are_refused(model, tmp_path, change, message):
    path = model.save(tmp_path / "m.ldosml")
    rewrite(path, change)
    with pytest.raises(ValueError, match=message):
        DOSModel.load(path)


def test_truncated_missing_and_other_files(model, tmp_path):
    path = model.save(tmp_path / "m.ldosml")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match="not an ldosml model, or is truncated"):
        DOSModel.load(path)
    path.write_text("hello")
    with pytest.raises(ValueError, match="not an ldosml model, or is truncated"):
        DOSModel.load(path)
    with pytest.raises(ValueError, match="is a folder, not an ldosml model"):
        DOSModel.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="There is no model file"):
        DOSModel.load(tmp_path / "absent.ldosml")


def test_an_array_with_objects_is_refused(model, tmp_path):
    path = model.save(tmp_path / "m.ldosml")
    objects = tmp_path / "objects.npy"
    np.save(objects, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    rewrite(path, lambda spec, content: content.update({"arrays/regressor-14.target_mean_.npy": objects.read_bytes()}))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        DOSModel.load(path)


def test_a_full_disk_leaves_the_old_model(model, tmp_path, monkeypatch):
    path = model.save(tmp_path / "m.ldosml")
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        model.save(path, overwrite=True)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["m.ldosml"]


def test_what_cannot_be_saved_says_so(tmp_path):
    structures = crystals(3)
    joined = FeatureUnion([("short", SOAP(r_cut=3, n_max=3, l_max=2)), ("long", SMALL)])
    model = DOSModel(joined, LDOSRidge(alpha=1e-3)).fit(structures, invented_ldos(structures))
    assert model.predict(structures).values.shape == (6, GRID.size)
    with pytest.raises(TypeError, match="A FeatureUnion cannot be saved; known are SOAP"):
        model.save(tmp_path / "m.ldosml")
    assert not list(tmp_path.iterdir())


def test_flipped_bytes_are_noticed(model, tmp_path):
    path = model.save(tmp_path / "m.ldosml")
    data = bytearray(path.read_bytes())
    for start in range(200, len(data) - 400, 97):
        data[start] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"m\.ldosml"):
        DOSModel.load(path)


def test_a_model_file_does_not_say_how_many_processes_compute_it(tmp_path):
    structures = crystals()
    descriptor = Joined([clone(SMALL), clone(SMALL)], n_jobs=1)
    model = DOSModel(descriptor, LDOSRidge(1e-3)).fit(structures, invented_ldos(structures))
    assert [part.n_jobs for part in model.descriptor_.parts_] == [1, 1]
    loaded = DOSModel.load(model.save(tmp_path / "m.ldosml"))
    assert [part.n_jobs for part in (loaded.descriptor_, *loaded.descriptor_.parts_)] == [None] * 3


def test_parameters_may_be_numpy_numbers_and_energies_are_kept(tmp_path):
    structures = crystals()
    soap = SOAP(r_cut=3.5, n_max=4, l_max=3, species=list(np.unique(structures[0].numbers)), memory=None)
    ridge = LDOSRidge("leave-one-out", alphas=[np.float32(1e-3), np.float32(1.0)])
    model = DOSModel(soap, ridge, low=-3.0, high=np.float64(2.0)).fit(structures, invented_ldos(structures))
    loaded = DOSModel.load(model.save(tmp_path / "m.ldosml"))
    assert (loaded.low, loaded.high, loaded.grid_.start) == (-3.0, 2.0, -3.0)
    assert loaded.fit(structures, invented_ldos(structures)).grid_ == model.grid_
