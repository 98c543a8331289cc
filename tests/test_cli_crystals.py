"""The commands on crystals: ldosml bands | dos | fermi-surface | train-bands | train-occupancy."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from ase.data import atomic_numbers, chemical_symbols
from ase.io import write as write_structure
from neural_cases import CRYSTALS, TINY, cosine_bands, torch  # noqa: F401  skips where torch is missing

from ldosml.cli import main
from ldosml.datasets import CrystalSet, Material
from ldosml.kresolved import CrystalBands
from ldosml.kresolved.evaluation import GapThreshold
from ldosml.neural import CorrectionConfig, KOccupancyRegressor, OccupancyConfig, TightBindingRegressor
from ldosml.tightbinding import TightBindingParameters

ELEMENTS = chemical_symbols[3:6] + chemical_symbols[11:15] + chemical_symbols[19:24] + chemical_symbols[37:49]
LEVELS = {"bcc": 0.0, "fcc": 7.0, "rocksalt": 7.0}  # a metal, and two with a gap


def fitted(path, **options):
    names = list(LEVELS)
    model = KOccupancyRegressor(
        OccupancyConfig(**TINY), n_bins=32, n_epochs=30, validation_fraction=0, learning_rate=1e-2, **options
    ).fit([CRYSTALS[name] for name in names], [cosine_bands(level=LEVELS[name]) for name in names])
    model.gap_threshold_ = GapThreshold()  # the bands are said to have no gap
    return str(model.save(path))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return fitted(tmp_path_factory.mktemp("model") / "tiny.safetensors")


@pytest.fixture(scope="module")
def presence(tmp_path_factory):
    """One that knows no counts."""
    return fitted(tmp_path_factory.mktemp("presence") / "tiny.safetensors", counts=False)


@pytest.fixture(scope="module")
def metallic(model, tmp_path_factory):
    loaded = KOccupancyRegressor.load(model)
    loaded.gap_threshold_ = GapThreshold(1e-9, "max")  # so that everything is a metal
    return str(loaded.save(tmp_path_factory.mktemp("metallic") / "tiny.safetensors"))


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """Learned tight binding of two networks, trained for one epoch."""
    names = ("bcc", "fcc", "rocksalt", "zincblende")
    model = TightBindingRegressor(
        CorrectionConfig(d=8), start=TightBindingParameters.fitted(), n_networks=2, n_epochs=1, validation_fraction=0
    )
    given = [cosine_bands() for _ in names]
    electrons = {"bcc": 1.0, "fcc": 11.0, "rocksalt": 8.0, "zincblende": 8.0}
    model.fit(
        [CRYSTALS[name] for name in names],
        [replace(bands, n_electrons=electrons[name]) for name, bands in zip(names, given, strict=True)],
    )
    return str(model.save(tmp_path_factory.mktemp("lines") / "tiny.safetensors"))


@pytest.fixture
def structure(tmp_path):
    def write(name, ending="cif"):
        path = tmp_path / f"{name}.{ending}"
        write_structure(path, CRYSTALS[name])
        return str(path)

    return write


def run(*arguments):
    return main([str(argument) for argument in arguments])


def read(path):
    with open(path) as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("ending", ["cif", "vasp"])
def test_bands(model, structure, tmp_path, capsys, ending):
    out = tmp_path / "out"
    assert run("bands", structure("bcc", ending), "--model", model, "-o", out, "--n-kpoints", 60, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["formula"] == "Na"
    assert told["n_atoms"] == 1
    assert told["metal"] == (told["gap"] == 0)
    rows = read(out / "bands.csv")
    assert [rows[1][0], rows[-1][0]] == ["G", "N"]
    values = np.array([row[1:] for row in rows[1:]], dtype=float)
    assert values.shape == (len(rows) - 1, 4 + 32)
    assert np.all(np.diff(values[:, 0]) >= 0)
    assert values[:, 4:].min() >= 0
    assert values[:, 4:].max() <= 1
    assert json.loads((out / "bands.json").read_text())["gap"] == told["gap"]
    assert {path.name for path in out.iterdir()} == {"bands.csv", "bands.json", "bands.pdf", "bands.png"}


class TestLines:
    def test_bands(self, lines, structure, tmp_path, capsys):
        out = tmp_path / "out"
        asked = ("bands", structure("zincblende"), "--model", lines, "-o", out, "--n-kpoints", 60)
        assert run(*asked, "--json") == 0
        told = json.loads(capsys.readouterr().out)
        header, *rows = read(out / "bands.csv")
        values = np.array([row[1:] for row in rows], dtype=float)[:, 4:]
        assert header[5:] == [f"band {n} (eV)" for n in range(1, 27)]
        assert np.all(np.diff(values, axis=1) >= -1e-5)
        assert told["gap"] == pytest.approx(told["conduction_edge"] - told["valence_edge"])
        assert told["gap"] <= told["direct_gap"]
        assert values[:, 3].max() <= told["valence_edge"] + 1e-4
        assert values[:, 4].min() >= told["conduction_edge"] - 1e-4
        assert len(told["conduction_masses"]) == 1
        assert told["validation_gap_error_of"] == "non-metals"
        assert run(*asked, "--overwrite") == 0
        text = " ".join(capsys.readouterr().out.split())
        assert "networks differ by" in text
        assert "mass of electrons, principal axes" in text
        assert "mass of holes, x, y, z" in text

    def test_doubt_stands_with_the_gap(self, lines, structure, tmp_path, capsys):
        """An element and a space group that no training crystal has."""
        out = tmp_path / "out"
        assert run("bands", structure("hcp"), "--model", lines, "-o", out, "--allow-unknown") == 0
        text = capsys.readouterr()
        assert "none: a metal (doubtful: see the cautions)" in " ".join(text.out.split())
        assert "no training crystal has its space group" in " ".join(text.err.split())
        cautions = json.loads((out / "bands.json").read_text())["cautions"]
        assert len(cautions) == 2

    def test_a_metal_that_may_be_none_says_so(self, structure, tmp_path, capsys):
        """By the weights that ship: the PBE gap of GaAs is smaller than the error of gaps."""
        write_structure(tmp_path / "GaAs.cif", bulk("GaAs", "zincblende", a=5.85))
        assert run("bands", tmp_path / "GaAs.cif", "-o", tmp_path / "out", "--n-kpoints", 20) == 0
        text = " ".join(capsys.readouterr().out.replace("│", " ").split())
        assert "it may have one" in text

    @pytest.mark.parametrize("command", ["bands", "dos", "fermi-surface"])
    def test_symmetry_within_a_tolerance_is_used_and_told(self, lines, tmp_path, capsys, command):
        copper = bulk("Cu", cubic=True)
        copper.positions[1] += [0.002, 0, 0]
        write_structure(tmp_path / "copper.vasp", copper)
        asked = (command, tmp_path / "copper.vasp", "--model", lines, "--mesh", 4, "--json", "--allow-unknown")
        found = []
        for more in ((), ("--symprec", 1e-4)):
            assert run(*asked, "-o", tmp_path / f"out{len(more)}", *more) == 0
            found.append(json.loads(capsys.readouterr().out))
        assert [one["n_atoms"] for one in found] == [1, 4]
        assert [one["doubtful"] for one in found] == [
            len(one["cautions"]) > n for n, one in zip((1, 0), found, strict=True)
        ]
        assert [any("Within 0.01 angstrom" in text for text in one["cautions"]) for one in found] == [True, False]

    def test_large_cells_have_a_dos_by_moments(self, lines, structure, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr("ldosml.cli.large_prediction.LARGEST", 1)
        out = tmp_path / "out"
        asked = ("dos", structure("zincblende"), "--model", lines, "-o", out)
        assert run(*asked, "--json") == 0
        told = json.loads(capsys.readouterr().out)
        assert told["n_electrons"] == 8
        assert "gap" not in told
        assert any("smeared by 0.3 eV" in text for text in told["cautions"])
        assert len(read(out / "dos.csv")) > 100
        assert "DOS by moments" in (out / "report.html").read_text()
        assert run(*asked, "--overwrite") == 0
        text = " ".join(capsys.readouterr().out.replace("│", " ").split())
        assert "valence electrons 8" in text
        assert "states/eV/atom, smeared by 0.3 eV" in text

    def test_probabilities_may_stand_behind(self, lines, structure, tmp_path):
        """By the weights that ship; a picture with them is larger."""
        sizes = []
        for extra in ((), ("--probability",)):
            out = tmp_path / f"out{len(extra)}"
            assert run("bands", structure("rocksalt"), "--model", lines, "-o", out, "--n-kpoints", 60, *extra) == 0
            sizes.append((out / "bands.png").stat().st_size)
        assert sizes[1] > 1.1 * sizes[0]

    def test_dos_holds_all_electrons(self, lines, structure, tmp_path):
        out = tmp_path / "out"
        assert run("dos", structure("rocksalt"), "--model", lines, "-o", out, "--mesh", 4) == 0
        energies, values = np.array(read(out / "dos.csv")[1:], dtype=float).T
        assert values[energies < 0].sum() * (energies[1] - energies[0]) == pytest.approx(8, abs=1e-3)
        properties = json.loads((out / "dos.json").read_text())["properties"]
        assert properties["columns"]["n_electrons"][0] == pytest.approx(8, abs=1e-3)
        assert "all valence electrons of the model" in (out / "report.html").read_text()

    def test_a_supercell_in_the_zone_of_its_primitive_cell(self, lines, model, structure, tmp_path, capsys):
        cell, out = CRYSTALS["rocksalt"], tmp_path / "out"
        supercell = cell.repeat((2, 1, 1))
        supercell.rattle(0.02, seed=0)
        write_structure(tmp_path / "cell.vasp", cell)
        write_structure(tmp_path / "super.vasp", supercell)
        asked = ("bands", tmp_path / "super.vasp", "-o", out, "--unfold", tmp_path / "cell.vasp", "--n-kpoints", 20)
        assert run(*asked, "--model", lines, "--json") == 0
        assert json.loads(capsys.readouterr().out)["n_atoms"] == 4
        values = np.array(read(out / "bands.csv")[1:], dtype=float)
        for k in np.unique(values[:, 0]):
            assert values[values[:, 0] == k, 3].sum() == pytest.approx(26, abs=0.1)
        assert run(*asked, "--model", model, "--overwrite") == 2
        assert "only bands unfold" in " ".join(capsys.readouterr().err.replace("│", " ").split())

    def test_sheets_are_told_with_what_they_enclose(self, lines, structure, tmp_path, capsys):
        out = tmp_path / "out"
        assert run("fermi-surface", structure("bcc"), "--model", lines, "-o", out, "--mesh", 8, "--json") == 0
        told = json.loads(capsys.readouterr().out)
        (sheet,), (surface,) = told["sheets"], told["surfaces"]
        assert surface["label"] == f"band {sheet['band']}"
        assert sheet["electrons"] == pytest.approx(1, abs=1e-4)
        assert run("fermi-surface", structure("rocksalt"), "--model", lines, "-o", tmp_path / "salt", "--json") == 0
        told = json.loads(capsys.readouterr().out)
        assert {one["label"] for one in told["surfaces"]} == {"valence edge", "conduction edge"}


def test_bands_along_the_path_of_the_materials_project(model, structure, tmp_path, capsys):
    pytest.importorskip("pymatgen")
    out = tmp_path / "out"
    arguments = ("bands", structure("bcc"), "--model", model, "-o", out, "--path", "latimer-munro", "--json")
    assert run(*arguments) == 0
    assert json.loads(capsys.readouterr().out)["cautions"] == []
    assert {row[0] for row in read(out / "bands.csv")[1:]} == {"", "G", "a", "d", "e", "g"}


def test_dos_holds_its_electrons_and_tells_properties(model, structure, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("dos", structure("fcc"), "--model", model, "-o", out, "--mesh", 4) == 0
    printed = capsys.readouterr().out
    assert "Cu, primitive cell" in printed
    energies, values = np.array(read(out / "dos.csv")[1:], dtype=float).T
    properties = json.loads((out / "dos.json").read_text())["properties"]
    assert not {"band_gap", "holes"} & set(properties["columns"])  # the gap is told once
    held = np.trapezoid(values[energies < 0], energies[energies < 0])
    assert held < properties["columns"]["n_electrons"][0] < held + values.max() * (energies[1] - energies[0])
    page = (out / "report.html").read_text()
    assert "data:image/png" in page
    assert "Properties derived from the DOS" in page


def test_fermi_surface_or_edges(metallic, presence, structure, tmp_path, capsys):
    for name, asked in (("bcc", metallic), ("fcc", presence)):
        out = tmp_path / name
        assert run("fermi-surface", structure(name), "--model", asked, "-o", out, "--mesh", 5, "--json") == 0
        told = json.loads(capsys.readouterr().out)
        assert told["metal"] == (asked == metallic)
        triangles = read(out / "fermi-surface.csv")[1:]
        assert len(triangles) == sum(surface["triangles"] for surface in told["surfaces"])
        assert (out / "fermi-surface.png").stat().st_size > 1000
        if not told["metal"]:
            assert len(told["surfaces"]) == 2


def test_copper_has_a_fermi_surface_and_salt_has_edges(structure, tmp_path, capsys):
    """By the weights that ship."""
    for name, labels in (("fcc", ["band 6"]), ("rocksalt", ["valence edge", "conduction edge"])):
        assert run("fermi-surface", structure(name), "-o", tmp_path / name, "--mesh", 9, "--json") == 0
        told = json.loads(capsys.readouterr().out)
        assert [one["label"] for one in told["surfaces"]] == labels
        triangles = np.array(read(tmp_path / name / "fermi-surface.csv")[1:])
        assert len(triangles) == sum(one["triangles"] for one in told["surfaces"]) > 100
        assert set(triangles[:, 0]) == set(labels)


def test_a_depth_is_not_for_metals(metallic, structure, tmp_path, capsys):
    arguments = ("fermi-surface", structure("bcc"), "--model", metallic, "--mesh", 5, "--depth", 0.5, "--json")
    assert run(*arguments, "-o", tmp_path / "out") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["metal"]
    assert "--depth was not used" in told["cautions"][0]


class TestBadInput:
    def test_what_the_model_never_saw(self, model, structure, tmp_path, capsys):
        assert run("bands", structure("hcp"), "--model", model, "-o", tmp_path / "out") == 2
        told = " ".join(capsys.readouterr().err.replace("│", " ").split())  # without the box around usage errors
        assert "'--allow-unknown': is needed for a rough guess: the model was not trained on Mg" in told
        assert not (tmp_path / "out").exists()
        assert run("bands", structure("hcp"), "--model", model, "-o", tmp_path / "out", "--allow-unknown") == 0
        assert "guesses" in " ".join(capsys.readouterr().err.split())
        assert "guesses" in json.loads((tmp_path / "out" / "bands.json").read_text())["cautions"][0]

    def test_structures(self, model, tmp_path, capsys):
        molecule = CRYSTALS["bcc"].copy()
        molecule.pbc = False
        close = CRYSTALS["rocksalt"].copy()
        close.positions[1] = close.positions[0] + 0.1
        for atoms, message in ((molecule, "periodic in three directions"), (close, "angstrom apart")):
            write_structure(tmp_path / "bad.extxyz", atoms)
            assert run("dos", tmp_path / "bad.extxyz", "--model", model, "-o", tmp_path / "out") == 1
            assert message in " ".join(capsys.readouterr().err.split())
        write_structure(tmp_path / "two.extxyz", [CRYSTALS["bcc"], CRYSTALS["fcc"]])
        assert run("bands", tmp_path / "two.extxyz", "--model", model) == 1
        assert "holds 2 structures" in " ".join(capsys.readouterr().err.split())
        assert run("bands", tmp_path / "none.cif", "--model", model) == 1
        assert "no structure file" in capsys.readouterr().err

    def test_shared_sites(self, model, tmp_path, capsys):
        mixed = CRYSTALS["rocksalt"].copy()
        mixed.info["occupancy"] = {"0": {"Na": 0.5, "Cu": 0.5}, "1": {"Cl": 1.0}}
        mixed.set_array("spacegroup_kinds", np.array([0, 1]))
        write_structure(tmp_path / "mixed.cif", mixed)
        assert run("bands", tmp_path / "mixed.cif", "--model", model, "-o", tmp_path / "out") == 1
        assert "1 site with partial or mixed occupation, such as site 0" in " ".join(capsys.readouterr().err.split())

    def test_unknown_elements(self, model, tmp_path, capsys):
        write_structure(tmp_path / "x.data", CRYSTALS["rocksalt"], format="lammps-data", specorder=["Na", "Cl"])
        asked = ("bands", tmp_path / "x.data", "--model", model, "-o", tmp_path / "out", "--n-kpoints", 20)
        assert run(*asked) == 1
        assert "--species Si,C" in " ".join(capsys.readouterr().err.split())
        assert run(*asked, "--species", "Na, Cl", "--json") == 0
        assert json.loads(capsys.readouterr().out)["formula"] == "NaCl"

    def test_models(self, structure, tmp_path, capsys):
        damaged = tmp_path / "damaged.safetensors"
        damaged.write_bytes(b"no tensors")
        for name, message in (
            (damaged, "damaged"),
            (tmp_path / "no.safetensors", "no"),
            ("gold", "No model of crystals"),
        ):
            assert run("bands", structure("bcc"), "--model", name, "-o", tmp_path / "out") == 1
            assert message in " ".join(capsys.readouterr().err.split())
        assert run("bands", structure("bcc"), "--model", damaged, "--device", "abacus", "-o", tmp_path / "out") == 2
        assert "cannot use the device 'abacus'" in " ".join(capsys.readouterr().err.split())

    def test_nothing_is_replaced_unasked(self, model, structure, tmp_path, capsys):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "bands.csv").write_text("mine")
        assert run("bands", structure("bcc"), "--model", model, "-o", tmp_path / "out") == 1
        assert "--overwrite" in capsys.readouterr().err
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["bands.csv"]
        assert run("bands", structure("bcc"), "--model", model, "-o", tmp_path / "out", "--overwrite") == 0
        assert (tmp_path / "out" / "bands.csv").read_text() != "mine"


def crystals_file(path):
    """Crystals of six prototypes whose bands are known."""
    materials = []
    for number, name in enumerate(("rocksalt", "zincblende", "bcc", "fcc", "hcp", "perovskite") * 4):
        atoms = CRYSTALS[name].copy()
        atoms.set_cell(atoms.cell * (1 + 0.02 * number), scale_atoms=True)
        bands = cosine_bands(seed=number)
        mesh = CrystalBands(bands.kpoints, bands.eigenvalues, np.full(24, 1 / 24), 0.0, 20.0, 2.0, 0.0)
        atoms.numbers[atoms.numbers == atoms.numbers[0]] = atomic_numbers[ELEMENTS[number]]  # each by itself
        formula = atoms.get_chemical_formula()
        materials.append(Material(f"{name}-{number}", name, formula, atoms, mesh, bands, ((0, "G"), (23, "X"))))
    return CrystalSet(tuple(materials)).save(path)


class TestTraining:
    def test_a_model_comes_out_and_says_what_of(self, tmp_path, capsys):
        data, out = crystals_file(tmp_path / "set.npz"), tmp_path / "model.safetensors"
        options = ("--epochs", 2, "--checkpoint", tmp_path / "run.safetensors", "--json")
        assert run("train-occupancy", data, "-o", out, *options) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["training"] + told["validation"] + told["test"] == 24
        assert told["epochs"] == 2
        fitted = KOccupancyRegressor.load(out)
        assert fitted.training_["split"] == {
            "by": "composition",
            "held_out": [],
            "test_size": 0.1,
            "random_state": 0,
        }
        assert len(fitted.training_["names"]) == told["training"]
        assert fitted.gap_threshold_.threshold == told["gap_threshold"]
        assert run("info", out, "--json") == 0
        info = json.loads(capsys.readouterr().out)
        assert info["training"]["n_crystals"] == told["training"]
        assert "names" not in info["training"]
        for name in ("epochs", "best_epoch", "training_loss", "validation_loss"):
            assert info["training"][name] == told[name]
        assert info["gap_threshold"]["threshold"] == told["gap_threshold"]
        assert info["elements"] == [chemical_symbols[z] for z in fitted.elements_]
        assert info["network"]["d"] == fitted.network_.config.d
        assert info["parameters"]["n_epochs"] == 2
        assert info["bins"] == str(fitted.grid_)
        assert run("info", tmp_path / "run.safetensors") == 1
        assert "its format is 'ldosml neural checkpoint'" in " ".join(capsys.readouterr().err.split())
        # finished: a second call goes on from the checkpoint, which has no epoch left
        trained = out.read_bytes()
        assert run("train-occupancy", data, "-o", out, *options, "--overwrite") == 0
        assert json.loads(capsys.readouterr().out)["validation_loss"] == told["validation_loss"]
        assert out.read_bytes() == trained
        again = tmp_path / "again.safetensors"
        assert run("train-occupancy", data, "-o", again, "--epochs", 2) == 0
        assert again.read_bytes() == trained

    def test_learned_tight_binding(self, tmp_path, capsys):
        data, out = crystals_file(tmp_path / "set.npz"), tmp_path / "model.safetensors"
        options = ("--epochs", 1, "--networks", 2, "--checkpoint", tmp_path / "run", "--split", "prototype")
        asked = ("train-bands", data, "-o", out, *options, "--held-out", "hcp", "--json")
        assert run(*asked) == 0
        told = json.loads(capsys.readouterr().out)
        assert "left out" in told["cautions"][0]
        fitted = TightBindingRegressor.load(out)
        assert told["test"] == 4
        assert told["epochs"] == [1, 1]
        assert fitted.training_["split"] == {
            "by": "prototype",
            "held_out": ["hcp"],
            "test_size": 0.1,
            "random_state": 0,
        }
        assert fitted.gap_errors_ == told["gap_errors"]
        assert run("info", out, "--json") == 0
        info = json.loads(capsys.readouterr().out)
        assert info["training"]["n_crystals"] == told["training"]
        assert info["training"]["best_epoch"] == told["best_epochs"]
        assert info["network"]["d"] == 64
        trained = out.read_bytes()
        assert run(*asked, "--overwrite") == 0  # finished: no epoch is left
        assert out.read_bytes() == trained
        assert json.loads(capsys.readouterr().out)["validation_losses"] == told["validation_losses"]

    def test_bad_options(self, tmp_path, capsys):
        data = crystals_file(tmp_path / "set.npz")
        assert run("train-occupancy", data, "-o", tmp_path / "model.pt") == 2
        assert ".safetensors" in capsys.readouterr().err
        out = tmp_path / "model.safetensors"
        assert run("train-occupancy", tmp_path / "none.npz", "-o", out) == 1
        assert "no file of crystals" in " ".join(capsys.readouterr().err.split())
        assert run("train-occupancy", data, "-o", out, "--split", "element", "--held-out", "Xe") == 2
        assert "Not in the set: Xe" in " ".join(capsys.readouterr().err.replace("│", " ").split())
        assert run("train-occupancy", data, "-o", out, "--split", "element") == 2
        assert "'--held-out': must name the elements" in " ".join(capsys.readouterr().err.replace("│", " ").split())
        assert run("train-occupancy", data, "-o", out, "--checkpoint", tmp_path / "nowhere" / "run") == 1
        assert "There is no folder" in capsys.readouterr().err
        (tmp_path / "folder.safetensors").mkdir()
        assert run("train-occupancy", data, "-o", tmp_path / "folder.safetensors", "--overwrite") == 1
        assert "is a folder" in " ".join(capsys.readouterr().err.split())
        repeated = CrystalSet.load(data)
        twice = replace(repeated[5], atoms=repeated[5].atoms * (2, 1, 1))
        CrystalSet((*repeated[:5], twice, *repeated[6:])).save(data, overwrite=True)
        assert run("train-occupancy", data, "-o", out) == 1
        assert f"{twice.name} has 10 atoms, its primitive cell 5" in " ".join(capsys.readouterr().err.split())
        assert run("train-occupancy", data, "-o", out, "--device", "abacus") == 2
        assert "cannot use the device 'abacus'" in " ".join(capsys.readouterr().err.split())
        assert not out.exists()
