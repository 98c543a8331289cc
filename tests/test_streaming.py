"""Predictions written as they come: the numbers of DOSModel.predict, whatever happens on the way."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import h5py
import numpy as np
import pytest
from ase.build import bulk
from ase.io import write
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler

import ldosml
from ldosml import (
    SOAP,
    DOSModel,
    EnergyGrid,
    LDOSDataset,
    LDOSKernelRidge,
    LDOSRidge,
    TightBindingSpectrum,
    Whitened,
)
from ldosml.cli import main
from ldosml.streaming import Prediction, _part, predict_to, prediction_run
from ldosml.streaming.prediction_run import _parts_of as fingerprint

GRID = EnergyGrid.from_range(-3, 3, 0.1, zero="fermi")
SMALL = SOAP(r_cut=3.5, n_max=4, l_max=2)


def carbide(repeat, seed=0):
    atoms = bulk("SiC", "zincblende", a=4.36, cubic=True) * repeat
    atoms.rattle(0.1, seed=seed)
    return atoms


def fitted(descriptor=SMALL, regressor=None, seed=0):
    structures = [carbide((1, 1, 1), s) for s in range(6)]
    del structures[0][1]  # else the structures would not tell how many electrons are whose
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 0.5, 47)
    values = np.exp(-((GRID.energies - centres[:, None]) ** 2))
    data = LDOSDataset.from_arrays(
        structures, GRID.energies, ldos=values, smearing_width=0.3, n_electrons={"Si": 4, "C": 4}
    )
    return DOSModel(descriptor, regressor or LDOSKernelRidge(1e-2, kernel="polynomial", gamma=1.0)).fit(data)


@pytest.fixture(scope="module")
def model():
    return fitted()


@pytest.fixture(scope="module")
def large():
    return [carbide((3, 2, 2), 7), carbide((1, 1, 1), 8), carbide((2, 2, 3), 9)]


class Interrupted(Exception):
    pass


def interrupting(after):
    """A progress that stops the work at the ``after``-th call."""
    calls = []

    def progress(done, total):
        calls.append(done)
        if len(calls) == after:
            raise Interrupted

    return progress


@pytest.mark.parametrize("batch_size", [7, 20, 1000])
def test_the_file_holds_what_predict_gives(model, large, tmp_path, batch_size):
    expected = model.predict(large)
    seen = []
    prediction = predict_to(model, large, tmp_path / "p.h5", batch_size=batch_size, progress=lambda *a: seen.append(a))
    np.testing.assert_allclose(prediction.data.ldos.values, expected.values, atol=2e-7)
    np.testing.assert_allclose(prediction.dos.values, expected.total().values, atol=2e-5)
    # The DOS is the sum of the rows as stored, not of those that were rounded for it.
    np.testing.assert_allclose(prediction.dos.values, prediction.data.ldos.total().values, rtol=1e-13, atol=1e-13)
    assert prediction.grid.matches(model.grid_)
    assert prediction.dos.smearing_width == 0.3
    np.testing.assert_array_equal(prediction.n_electrons, [384, 32, 384])
    assert seen[0] == (0, 200)
    assert seen[-1] == (200, 200)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p.h5"]


def test_the_file_is_a_dataset_with_the_fields_that_the_docstring_names(model, large, tmp_path):
    predict_to(model, large, tmp_path / "p.h5", provenance={"purpose": "test"})
    data = LDOSDataset.load(tmp_path / "p.h5")
    assert data.provenance["code"] == "ldosml (predicted)"
    assert data.provenance["purpose"] == "test"
    assert data.provenance["training"] == model.training_
    np.testing.assert_array_equal(data.structures[2].positions, large[2].positions)
    with h5py.File(tmp_path / "p.h5") as file:
        assert file["ldos"].dtype == np.float32
        assert file["ldos"].chunks is None
        assert file["done"][()].all()
        assert file.attrs["grid_zero"] == "fermi"
        assert set(json.loads(file.attrs["prediction"])["fingerprint"]) >= {"descriptor", "regressors", "grid"}


def test_chosen_atoms_are_read_without_the_others(model, large, tmp_path, monkeypatch):
    predict_to(model, large, tmp_path / "p.h5")
    prediction = Prediction.load(tmp_path / "p.h5")
    monkeypatch.setattr("ldosml.stored_ldos.StoredLDOS.load", None)
    expected = model.predict(large)
    ldos = prediction.ldos([95, 3, 3, 4], structure=2)
    np.testing.assert_allclose(ldos.values, expected.of_structure(2)[[95, 3, 3, 4]], atol=2e-7)
    np.testing.assert_array_equal(ldos.numbers, large[2].numbers[[95, 3, 3, 4]])
    assert len(prediction.ldos([], structure=1)) == 0
    mu = ldosml.chemical_potential(prediction.dos, n_electrons=prediction.n_electrons / 4, temperature=300.0)
    assert mu.shape == (3,)
    for atoms, structure, match in (([96], 0, "0..95; got 96"), ([-1], 0, "got -1"), ([0], 3, "0..2; got 3")):
        with pytest.raises(IndexError, match=match):
            prediction.ldos(atoms, structure=structure)


# Interruptions


@pytest.mark.parametrize("checkpoint", [0.0, 1e9])
def test_it_goes_on_after_an_error_with_the_same_bytes(model, large, tmp_path, monkeypatch, checkpoint):
    monkeypatch.setattr(_part, "_CHECKPOINT", checkpoint)
    predict_to(model, large, tmp_path / "whole.h5", batch_size=20)
    with pytest.raises(Interrupted):
        predict_to(model, large, tmp_path / "p.h5", batch_size=20, progress=interrupting(5))
    assert (tmp_path / "p.h5.part").exists()
    assert not (tmp_path / "p.h5").exists()
    with pytest.raises(FileNotFoundError, match=r"not complete yet: .*p\.h5\.part is there"):
        Prediction.load(tmp_path / "p.h5")
    with pytest.raises(ValueError, match="not complete yet"):
        Prediction.load(tmp_path / "p.h5.part")
    with pytest.raises(ValueError, match="dos"):
        LDOSDataset.load(tmp_path / "p.h5.part")
    seen = []
    predict_to(model, large, tmp_path / "p.h5", batch_size=20, progress=lambda *a: seen.append(a))
    assert 40 < seen[0][0] < 200
    assert seen[-1] == (200, 200)
    same_fields(tmp_path / "p.h5", tmp_path / "whole.h5")


def same_fields(first, second):
    with h5py.File(first) as a, h5py.File(second) as b:
        for name in ("ldos", "dos", "done"):
            assert a[name][()].tobytes() == b[name][()].tobytes()


SCRIPT = """
import os, signal, sys
import ldosml
from ase.io import read
from ldosml.streaming import _part
_part._CHECKPOINT = 0.0
model = ldosml.DOSModel.load(sys.argv[1])

def kill(done, total):
    if done > total / 3:
        os.kill(os.getpid(), signal.SIGKILL)

ldosml.predict_to(model, read(sys.argv[2]), sys.argv[3], batch_size=10, progress=kill)
"""


def test_it_goes_on_after_a_kill_by_another_batch_size_and_the_command_line(model, tmp_path, capsys):
    model.save(tmp_path / "m.ldosml")
    carbide((3, 2, 2)).write(tmp_path / "s.xyz")
    arguments = [str(tmp_path / name) for name in ("m.ldosml", "s.xyz", "p.h5")]
    environment = os.environ | {"PYTHONPATH": str(Path(ldosml.__file__).parents[1])}
    script = SCRIPT.replace("import ldosml\n", "import ldosml, ldosml.persistence\n", 1)
    killed = subprocess.run([sys.executable, "-c", script, *arguments], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    with h5py.File(tmp_path / "p.h5.part") as file:
        assert 96 / 3 < file["done"][()].sum() < 96
    assert main(["predict", *arguments[:2], "-o", arguments[2], "--stream", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_environments"] == 96
    resumed = Prediction.load(arguments[2])
    # Positions as the file of structures has them, rounded.
    from ase.io import read

    expected = model.predict(read(arguments[1]))
    np.testing.assert_allclose(resumed.data.ldos.values, expected.values, atol=2e-7)
    np.testing.assert_allclose(resumed.dos.values, expected.total().values, atol=2e-5)


def test_a_part_of_another_prediction_is_refused_with_what_differs(model, large, tmp_path):
    path = tmp_path / "p.h5"
    with pytest.raises(Interrupted):
        predict_to(model, large, path, batch_size=20, progress=interrupting(4))
    before = (tmp_path / "p.h5.part").read_bytes()
    moved = [atoms.copy() for atoms in large]
    moved[1].positions[3, 0] += 1e-9
    cases = [
        (fitted(seed=1), large, "the model's regressors differ"),
        (fitted(SOAP(r_cut=3.5, n_max=4, l_max=3)), large, "the model's descriptor, the model's regressors differ"),
        (model, moved, "positions differ"),
        (model, large[::-1], "positions, cell differ"),
        (model, large[:2], "the number of structures or of their atoms differ"),
    ]
    for other, structures, match in cases:
        with pytest.raises(ValueError, match=rf"p\.h5\.part is part of another prediction: .*{match}"):
            predict_to(other, structures, path)
    assert (tmp_path / "p.h5.part").read_bytes() == before
    predict_to(model, large, path)


def test_a_part_with_nothing_in_it_is_no_obstacle(model, large, tmp_path):
    with pytest.raises(Interrupted):
        predict_to(model, large, tmp_path / "p.h5", progress=interrupting(1))
    assert list(tmp_path.iterdir()) == []
    _part.create(tmp_path / "p.h5.part", large[:1], GRID, None, None, {}, {"fingerprint": {}})
    predict_to(model, large, tmp_path / "p.h5")


def test_two_processes_do_not_write_one_file(model, large, tmp_path):
    with pytest.raises(Interrupted):
        predict_to(model, large, tmp_path / "p.h5", batch_size=20, progress=interrupting(4))
    holding = (
        "import pathlib, sys; from ldosml._files import sole_writer\n"
        "with sole_writer(pathlib.Path(sys.argv[1])): print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", holding, str(tmp_path / "p.h5")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(BlockingIOError, match="is being written by another process"):
            predict_to(model, large, tmp_path / "p.h5")
        other.stdin.close()
    predict_to(model, large, tmp_path / "p.h5")


def test_the_layout_of_a_file_fits_on_a_full_disk_or_is_refused(model, large, tmp_path):
    script = """
import resource, signal, sys
from ase.io import read
import ldosml
model, structures = ldosml.DOSModel.load(sys.argv[1]), read(sys.argv[2], ":")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]),) * 2)
try:
    ldosml.predict_to(model, structures, sys.argv[3])
except OSError as error:
    print(error)
"""
    model.save(tmp_path / "m.ldosml")
    write(tmp_path / "s.xyz", large)
    for limit in (100, 5_000, 20_000, 40_000, 60_000):
        arguments = [str(tmp_path / name) for name in ("m.ldosml", "s.xyz", "p.h5")]
        ended = subprocess.run(
            [sys.executable, "-c", script, *arguments, str(limit)], capture_output=True, text=True, check=False
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        assert "File too large" in ended.stdout
        assert "p.h5" in ended.stdout


def test_a_flipped_bit_of_a_prediction_is_told(model, large, tmp_path):
    path = predict_to(model, large, tmp_path / "p.h5").path
    content, generator = path.read_bytes(), np.random.default_rng(0)
    with h5py.File(path) as file:
        rows = [file[name].id.get_offset() for name in ("ldos", "dos")]
    for place in [*rows, *generator.integers(0, len(content), 100)]:
        damaged = bytearray(content)
        damaged[place] ^= 1 << generator.integers(8)
        path.write_bytes(damaged)
        try:
            found = Prediction.load(path)
            np.testing.assert_array_equal(found.ldos(range(96)).values, Prediction.load(path).data.ldos.values[:96])
        except ValueError as error:
            assert "p.h5" in str(error)  # noqa: PT017  done and the marks at the end change nothing
        else:
            assert place not in rows


def test_a_damaged_part_is_refused(model, large, tmp_path):
    _part.create(tmp_path / "p.h5.part", large, GRID, None, None, {}, {"fingerprint": {}})
    for content in (b"not HDF5 at all" * 100, (tmp_path / "p.h5.part").read_bytes()[:5000]):
        (tmp_path / "p.h5.part").write_bytes(content)
        with pytest.raises(ValueError, match=r"p\.h5\.part is damaged .*Delete it"):
            predict_to(model, large, tmp_path / "p.h5")
        assert (tmp_path / "p.h5.part").read_bytes() == content


def test_a_dataset_in_the_place_of_the_part_is_refused(model, large, tmp_path, make_dataset):
    make_dataset().save(tmp_path / "p.h5.part")
    with pytest.raises(ValueError, match="is not an unfinished prediction"):
        predict_to(model, large, tmp_path / "p.h5")
    make_dataset().save(tmp_path / "d.h5")
    with pytest.raises(ValueError, match="a dataset that predict_to has not written"):
        Prediction.load(tmp_path / "d.h5")


def test_nothing_is_overwritten_unasked(model, large, tmp_path):
    path = tmp_path / "p.h5"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        predict_to(model, large, path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p.h5"]
    predict_to(model, large, path, overwrite=True)
    path.unlink()

    def appearing(done, total):
        path.write_text("mine")

    with pytest.raises(FileExistsError, match="has appeared meanwhile"):
        predict_to(model, large, path, progress=appearing)
    assert path.read_text() == "mine"
    path.unlink()
    predict_to(model, large, path, progress=interrupting(2_000))


def test_a_full_disk_loses_nothing(model, large, tmp_path, monkeypatch):
    with pytest.raises(Interrupted):
        predict_to(model, large, tmp_path / "p.h5", batch_size=20, progress=interrupting(4))
    written = _part.PartialPrediction.write

    def full(part, rows, values):
        if part.done.sum() + sum(map(len, part._pending)) > 120:
            raise OSError(28, "No space left on device")
        written(part, rows, values)

    monkeypatch.setattr(_part.PartialPrediction, "write", full)
    with pytest.raises(OSError, match="No space left"):
        predict_to(model, large, tmp_path / "p.h5", batch_size=20)
    monkeypatch.undo()
    seen = []
    prediction = predict_to(model, large, tmp_path / "p.h5", batch_size=20, progress=lambda *a: seen.append(a[0]))
    assert seen[0] > 120
    np.testing.assert_allclose(prediction.data.ldos.values, model.predict(large).values, atol=2e-7)


def test_bad_input_leaves_nothing(model, large, tmp_path):
    with pytest.raises(ValueError, match="Ge"):
        predict_to(model, bulk("Ge"), tmp_path / "p.h5")
    with pytest.raises(ValueError, match="at least one structure"):
        predict_to(model, [], tmp_path / "p.h5")
    with pytest.raises(ValueError, match="batch_size must be a positive"):
        predict_to(model, large, tmp_path / "p.h5", batch_size=0)
    broken = fitted()
    broken.regressors_[14].dual_coef_[0, 0] = np.nan
    with pytest.raises(ValueError, match="the predicted LDOS must be finite"):
        predict_to(broken, large, tmp_path / "p.h5")
    assert list(tmp_path.iterdir()) == []


# Models


class Counting(TransformerMixin, BaseEstimator):
    """A descriptor that knows whole structures only: distances to the three next neighbours."""

    def fit(self, structures, y=None):
        self.n_features_out_ = 3
        return self

    def transform(self, structures):
        return np.concatenate([np.sort(a.get_all_distances(mic=True), axis=1)[:, 1:4] for a in structures])


@pytest.mark.parametrize(
    "descriptor",
    [
        FeatureUnion([("short", SOAP(r_cut=2.5, n_max=3, l_max=1)), ("long", SOAP(r_cut=4.0, n_max=3, l_max=1))]),
        make_pipeline(SMALL, StandardScaler()),
        FeatureUnion([("soap", SMALL), ("counting", Counting())]),
        Counting(),
    ],
    ids=["joined", "scaled", "joined with one of whole structures", "whole structures"],
)
def test_any_descriptor_serves(descriptor, large, tmp_path):
    model = fitted(descriptor, LDOSRidge(1e-3))
    prediction = predict_to(model, large, tmp_path / "p.h5", batch_size=30)
    np.testing.assert_allclose(prediction.data.ldos.values, model.predict(large).values, atol=2e-7)


class Recording(Counting):
    """It remembers how many structures it was asked for at a time."""

    asked: ClassVar[list[int]] = []

    def transform(self, structures):
        self.asked.append(len(structures))
        return super().transform(structures)


def test_descriptors_of_whole_structures_that_are_done_are_not_computed_again(tmp_path, monkeypatch):
    monkeypatch.setattr(_part, "_CHECKPOINT", 0.0)
    structures = [carbide((1, 1, 1), seed) for seed in range(5)]
    model = fitted(Recording(), LDOSRidge(1e-3))
    Recording.asked.clear()
    predict_to(model, structures, tmp_path / "whole.h5", batch_size=16)
    assert Recording.asked == [2, 2, 1]
    with pytest.raises(Interrupted):
        predict_to(model, structures, tmp_path / "p.h5", batch_size=16, progress=interrupting(3))
    Recording.asked.clear()
    predict_to(model, structures, tmp_path / "p.h5", batch_size=16)
    assert Recording.asked == [1]
    same_fields(tmp_path / "p.h5", tmp_path / "whole.h5")


def test_descriptors_of_whole_structures_are_computed_by_all_processes(tmp_path, monkeypatch):
    asked, original = [], TightBindingSpectrum.transform

    def watched(self, structures):
        asked.append(self.n_jobs)
        return original(self, structures)

    model = fitted(Whitened(TightBindingSpectrum(r_cut=3.0), n_jobs=1))
    monkeypatch.setattr(TightBindingSpectrum, "transform", watched)
    structures = [carbide((1, 1, 1), seed) for seed in (7, 8)]
    predict_to(model, structures, tmp_path / "p.h5", n_jobs=2)
    assert asked == [2]
    np.testing.assert_allclose(
        Prediction.load(tmp_path / "p.h5").data.ldos.values, model.predict(structures).values, atol=1e-5
    )


@pytest.mark.parametrize(
    "regressor",
    [
        LDOSKernelRidge(1e-2, learn="dos", kernel="polynomial", gamma=1.0),
        LDOSKernelRidge(1e-2, learn="both", ldos_weight=0.5, kernel="polynomial", gamma=1.0),
        LDOSRidge(1e-2, learn="dos"),
    ],
)
def test_models_that_split_the_dos_serve(regressor, large, tmp_path):
    model = fitted(regressor=regressor)
    model.save(tmp_path / "m.ldosml")
    loaded = DOSModel.load(tmp_path / "m.ldosml")
    assert fingerprint(loaded) == fingerprint(model)
    prediction = predict_to(loaded, large, tmp_path / "p.h5", batch_size=30)
    np.testing.assert_allclose(prediction.data.ldos.values, model.predict(large).values, atol=1e-6)


def test_a_fingerprint_survives_saving_and_tells_models_apart(model, tmp_path):
    model.save(tmp_path / "m.ldosml")
    loaded = DOSModel.load(tmp_path / "m.ldosml")
    assert fingerprint(loaded) == fingerprint(model) == fingerprint(fitted())
    loaded.descriptor_.set_params(n_jobs=2, batch_size=7)
    assert fingerprint(loaded) == fingerprint(model)
    loaded.regressors_[6].dual_coef_[1, 2] += 1e-12
    assert {k for k, v in fingerprint(loaded).items() if v != fingerprint(model)[k]} == {"regressors"}
    chosen = fitted(regressor=LDOSKernelRidge(alpha=np.full(61, 1e-2), kernel="polynomial", gamma=1.0))
    chosen.save(tmp_path / "c.ldosml")
    assert fingerprint(DOSModel.load(tmp_path / "c.ldosml")) == fingerprint(chosen) != fingerprint(model)


def test_the_command_line_streams(model, large, tmp_path, capsys):
    model.save(tmp_path / "m.ldosml")
    large[0].write(tmp_path / "s.xyz")
    command = ["predict", str(tmp_path / "m.ldosml"), str(tmp_path / "s.xyz"), "--stream", "-o"]
    assert main([*command, str(tmp_path / "p.npz")]) == 2
    assert "--stream writes .h5" in " ".join(capsys.readouterr().err.split())
    assert main([*command, str(tmp_path / "p.h5")]) == 0
    assert "wrote" in capsys.readouterr().out
    assert main([*command, str(tmp_path / "p.h5")]) == 1
    assert "--overwrite" in " ".join(capsys.readouterr().err.split())
    assert Prediction.load(tmp_path / "p.h5").provenance["model"] == str(tmp_path / "m.ldosml")


def test_tasks_start_no_processes_of_their_own():
    descriptor = FeatureUnion([("soap", SOAP(r_cut=2.5, n_max=2, l_max=1, n_jobs=1))], n_jobs=1)
    model = fitted(descriptor)
    model.descriptor_.set_params(n_jobs=3, soap__n_jobs=2)
    serial = prediction_run._with_jobs(model, 1).descriptor_.get_params()
    assert (serial["n_jobs"], serial["soap__n_jobs"]) == (1, 1)
    assert model.descriptor_.get_params()["soap__n_jobs"] == 2


def test_several_processes_write_the_same(model, large, tmp_path):
    predict_to(model, large, tmp_path / "one.h5", batch_size=20)
    predict_to(model, large, tmp_path / "two.h5", batch_size=20, n_jobs=2)
    same_fields(tmp_path / "one.h5", tmp_path / "two.h5")
