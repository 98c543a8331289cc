"""ldosml info: of datasets, sets of crystals, and models. Neural models are described without PyTorch."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from ldosml import load_dataset
from ldosml._shipped import shipped_file
from ldosml.cli import main
from ldosml.datasets import CrystalSet, load_crystals
from ldosml.kresolved.model_files import FORMAT_VERSION, describe_crystal_model

EXAMPLE = Path(__file__).parents[1] / "data" / "crystals" / "examples" / "rocksalt-BaO.cif"
SPEC = {
    "parameters": {"preset": {"d": 8}, "n_bins": 32},
    "config": {"d": 8, "n_bins": 32},
    "grid": {"start": -9.5, "step": 1.0, "size": 20, "zero": "fermi"},
    "elements": [11, 17],
    "gap_threshold": {"threshold": 0.5, "statistic": "max"},
    "training": {"crystals": "mine.npz", "names": ["a", "b"], "split": {"by": "composition"}},
    "history": [
        {"number": n + 1, "training_loss": 1.0 / (n + 1), "validation_loss": loss, "learning_rate": 1e-3}
        for n, loss in enumerate((0.5, 0.3, 0.4))
    ],
}


@pytest.fixture(autouse=True)
def without_torch(monkeypatch):
    """No module that the extra `neural` installs, nor what needs them."""
    for name in [name for name in sys.modules if name.startswith("ldosml.neural")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("torch", "safetensors", "spglib"):
        monkeypatch.setitem(sys.modules, name, None)


def run(capsys, *arguments):
    code = main(["info", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, " ".join(captured.err.split())


def facts_of(capsys, *arguments):
    code, out, _ = run(capsys, *arguments, "--json")
    assert code == 0
    return json.loads(out)


def content(spec, metadata=None, data=bytes(8)):
    """A file in the layout of safetensors that holds one tensor of two numbers."""
    said = {"format": "ldosml neural model", "format_version": str(FORMAT_VERSION), "spec": json.dumps(spec)}
    tensor = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    header = json.dumps({"__metadata__": said if metadata is None else metadata, "weight": tensor}).encode()
    return len(header).to_bytes(8, "little") + header + data


def test_one_name_for_a_set_and_its_weights(capsys):
    facts = facts_of(capsys, "crystals")
    assert set(facts) == {"crystals", "model"}
    crystals = load_crystals()
    assert facts["crystals"] == crystals.summary() | {"provenance": crystals.provenance}
    assert facts["crystals"]["materials"] == 606
    assert facts["model"]["training"]["n_crystals"] == 484
    code, out, _ = run(capsys, "crystals")
    assert code == 0
    assert "crystals: crystals" in out
    assert "crystals: model" in out
    assert "validation_loss" in out


def test_a_set_in_a_file(capsys, tmp_path):
    few = load_crystals()[:3]
    for name in ("few.npz", "few"):  # by what it holds, too
        facts = facts_of(capsys, (few.save(tmp_path / "few.npz", overwrite=True)).rename(tmp_path / name))
        assert facts == CrystalSet.load(tmp_path / name).summary() | {"provenance": few.provenance}
    code, out, _ = run(capsys, tmp_path / "few")
    assert (code, "prototypes: " in out, "GPAW 22.8" in out) == (0, True, True)


def test_a_neural_model_in_a_file(capsys, tmp_path):
    shipped = shipped_file("crystals", ".safetensors", "model")
    assert facts_of(capsys, shipped)["elements"][:2] == ["H", "Li"]
    for name in ("tiny.safetensors", "tiny"):
        (tmp_path / name).write_bytes(content(SPEC))
        facts = facts_of(capsys, tmp_path / name)
        assert facts["parameters"] == SPEC["parameters"]
        assert facts["network"] == SPEC["config"]
        assert facts["bins"] == "20 energies from -9.5 to 9.5 eV, step 1, zero: fermi"
        assert facts["elements"] == ["Na", "Cl"]
        assert facts["training"] == {
            "crystals": "mine.npz",
            "n_crystals": 2,
            "split": {"by": "composition"},
            "epochs": 3,
            "best_epoch": 2,
            "training_loss": 0.5,
            "validation_loss": 0.3,
        }


def test_a_neural_model_that_validated_on_nothing(tmp_path):
    history = [epoch | {"validation_loss": None} for epoch in SPEC["history"]]
    (tmp_path / "tiny.safetensors").write_bytes(content(SPEC | {"training": {}, "history": history}))
    facts = describe_crystal_model(tmp_path / "tiny.safetensors")
    assert facts["training"] == {
        "epochs": 3,
        "best_epoch": 3,
        "training_loss": pytest.approx(1 / 3),
        "validation_loss": None,
    }


def test_a_dataset_by_its_name(capsys):
    assert facts_of(capsys, "silicon-large")["structures"] == len(load_dataset("silicon-large"))


WHOLE = content(SPEC)


@pytest.mark.parametrize(
    ("file", "written", "message"),
    [
        ("a.safetensors", b"", "or is damaged"),
        ("a.safetensors", b"no tensors", "its header ends beyond its 10 bytes"),
        ("a.safetensors", WHOLE[:-3], f"damaged: ValueError: it has {len(WHOLE) - 3} bytes instead of {len(WHOLE)}"),
        ("a.safetensors", WHOLE[:100], "its header ends beyond its 100 bytes"),
        ("a.safetensors", WHOLE[:40] + b"\xff" + WHOLE[41:], "or is damaged: UnicodeDecodeError"),
        ("a.safetensors", (6).to_bytes(8, "little") + b"[1, 2]", "or is damaged"),
        ("a.safetensors", content({"parameters": {}}), "or is damaged: KeyError: 'training'"),
        ("a.safetensors", content(SPEC | {"elements": [900]}), "or is damaged: IndexError"),
        ("a.safetensors", content(SPEC | {"history": []}), "or is damaged: IndexError"),
        ("a.safetensors", content(SPEC, {"format": "pt"}), "is not a ldosml neural model; its format is 'pt'"),
        ("a.safetensors", content(SPEC, {}), "its format is 'unknown'"),
        ("a.safetensors", None, "There is no file"),
        ("a.npz", b"PK no archive", "cannot be read as ldosml crystals: it is damaged"),
        ("a.npz", None, "There is no file of crystals"),
        ("a.ldosml", b"PK no archive", "is not an ldosml model, or is truncated"),
        ("a", b"anything", "cannot be read as an ldosml dataset"),
        (
            "gold",
            None,
            "nothing of this name ships with ldosml; available: crystals, further-crystals, more-crystals, silicon,",
        ),
    ],
)
def test_what_is_no_such_file_or_damaged(capsys, tmp_path, monkeypatch, file, written, message):
    monkeypatch.chdir(tmp_path)
    if written is not None:
        (tmp_path / file).write_bytes(written)
    code, _, err = run(capsys, file)
    assert (code, message in err) == (1, True), err


def test_arrays_of_another_kind(capsys, tmp_path):
    np.savez(tmp_path / "dos.npz", energies=[0.0], dos=[[1.0]])
    code, _, err = run(capsys, tmp_path / "dos.npz")
    assert (code, "it has no header; its arrays are energies, dos" in err) == (1, True), err


def test_neural_says_what_to_install():
    with pytest.raises(ImportError, match=r"torch is missing|safetensors is missing") as caught:
        importlib.import_module("ldosml.neural")
    assert "pip install 'ldosml[neural]'" in str(caught.value)


def test_the_commands_say_it_too(capsys, tmp_path):
    assert main(["bands", str(EXAMPLE), "-o", str(tmp_path / "out")]) == 1
    assert "pip install 'ldosml[neural]'" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()
