"""README.md is one page whose Python runs and whose links lead somewhere; the Python of data/README.md runs, too."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

import ldosml
from ldosml.cli import main
from ldosml.datasets import CrystalSet
from ldosml.kresolved import KPath, gamma_mesh

README = Path(__file__).parents[1] / "README.md"
PART = slice(None, None, 12)
OWN_BANDS = (README.parent / "data" / "README.md").read_text().split("### Bands of your own")[-1]


def test_python_block_runs(capsys, tmp_path, monkeypatch):
    """On a part of the set, so that it takes seconds."""
    monkeypatch.chdir(tmp_path)
    whole = ldosml.load_dataset
    monkeypatch.setattr(ldosml, "load_dataset", lambda *names, **options: whole(*names, **options).select(PART))
    (block,) = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    names = {}
    exec(block, names)
    assert names["dos"].values.shape == (len(names["test"]), names["model"].grid_.size)
    assert (names["cv"] > 0).all()
    assert "ldos_normalized_loss" in capsys.readouterr().out


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", README.read_text())
    named = [*links, *re.findall(r"`((?:docs|data|benchmarks|examples)/[\w./-]+)`", README.read_text())]
    assert len(named) > 5
    assert [name for name in named if not (README.parent / name).exists()] == []


def test_it_stays_one_page():
    assert len(README.read_bytes()) <= 6000


def eigenvalues(kpoints, width, n_bands):
    """Bands of cosines, 6 eV from one to the next, each ``width`` wide."""
    lowest = -width / 6 * np.cos(2 * np.pi * np.asarray(kpoints)).sum(axis=1)
    return lowest[:, None] + 6.0 * np.arange(n_bands)


def computed(name, prototype, atoms, width, n_electrons=2):
    """What the table of data/README.md names; bands wider than 6 eV overlap."""
    kpoints, weights = gamma_mesh(3)
    path = KPath.from_cell(atoms.cell, 20)
    return {
        "name": name,
        "prototype": prototype,
        "atoms": atoms,
        "mesh": (kpoints, eigenvalues(kpoints, width, 4), weights),
        "path": (path.kpoints, eigenvalues(path.kpoints, width, 3)),
        "corners": path.corners,
        "fermi_energy": 0.5 * width + 0.01,
        "energy_max": 12.0 - 0.5 * width,
        "n_electrons": n_electrons,
    }


@pytest.fixture
def own_crystals(tmp_path, monkeypatch):
    """The set that the code of data/README.md writes."""
    monkeypatch.chdir(tmp_path)
    metals = [computed(f"bcc-{symbol}", "bcc", bulk(symbol, "bcc", a=4.0), 8.0) for symbol in ("Mg", "Ca", "Sr")]
    gapped = [computed(f"rocksalt-{name}", "rocksalt", bulk(name, "rocksalt", a=5.0), 2.0) for name in ("MgO", "CaS")]
    odd = [computed("fcc-Al", "fcc", bulk("Al"), 2.0, n_electrons=3)]
    (block,) = re.findall(r"```python\n(.*?)```", OWN_BANDS, flags=re.DOTALL)
    exec(block, {"runs": metals + gapped + odd})
    return CrystalSet.load("mine.npz")


def test_bands_of_ones_own_become_a_set(own_crystals):
    assert own_crystals.names == ["bcc-Mg", "bcc-Ca", "bcc-Sr", "rocksalt-MgO", "rocksalt-CaS", "fcc-Al"]
    np.testing.assert_allclose(own_crystals.gaps, [0, 0, 0, 4, 4, 0], atol=1e-6)
    magnesia = own_crystals["rocksalt-MgO"]
    assert magnesia.formula == "MgO"
    # The top of the filled band is on the path alone.
    assert {magnesia.mesh.fermi_energy, magnesia.path.fermi_energy} == {3.0}
    assert own_crystals["bcc-Mg"].mesh.fermi_energy == 4.01


def test_bands_of_ones_own_train_an_occupancy_model(own_crystals, capsys):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    pytest.importorskip("spglib", reason="spglib is not installed")
    tell, train = (shlex.split(line)[1:] for line in re.findall(r"^ldosml .*", OWN_BANDS, flags=re.MULTILINE)[:2])
    assert main(tell) == 0
    assert "which one, functional, cutoff, meshes" in capsys.readouterr().out
    assert main([*train, "--epochs", "1"]) == 0
    capsys.readouterr()
    assert main(["info", "mine.safetensors", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["training"]["crystals"] == ["mine.npz"]
