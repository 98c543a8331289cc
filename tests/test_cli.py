"""The command line, run in this process as a user would type it."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest
from ase.io import write

import ldosml
from ldosml import SOAP, DOSModel, LDOSDataset, LDOSKernelRidge, persistence
from ldosml.cli import main, wording

SMALL = ["--r-cut", "3.5", "--n-max", "3", "--l-max", "2", "--jobs", "1", "--low", "-4"]


@pytest.fixture
def dataset(tmp_path, make_dataset):
    path = tmp_path / "data.h5"
    make_dataset((2, 3, 2, 2, 2, 3, 3, 2, 2, 3)).save(path)
    return path


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, " ".join(captured.err.replace("│", " ").split())  # without the box around usage errors


def test_fit_predict_and_info(capsys, tmp_path, dataset):
    model = tmp_path / "m.ldosml"
    command = ["fit", dataset, "-o", model, *SMALL, "--whiten", "--gamma", "0.3", "--report", tmp_path / "report"]
    code, out, _ = run(capsys, *command, "--json")
    assert code == 0
    result = json.loads(out)
    assert 0 < result["errors"]["ldos_normalized_loss"] < 2
    assert result["n_structures"] == 2
    assert (tmp_path / "report" / "report.html").stat().st_size > 10_000

    data = LDOSDataset.load(dataset)
    write(tmp_path / "new.xyz", data.structures[:3])
    code, out, _ = run(capsys, "predict", model, tmp_path / "new.xyz", "-o", tmp_path / "p.npz", "--jobs", 1, "--json")
    assert code == 0
    assert json.loads(out)["n_environments"] == 7
    expected = DOSModel.load(model).predict(data.structures[:3])
    with np.load(tmp_path / "p.npz") as file:
        np.testing.assert_allclose(file["ldos"], expected.values, atol=1e-6)
        np.testing.assert_allclose(file["dos"], expected.total().values, atol=1e-6)
        np.testing.assert_array_equal(file["n_atoms"], [2, 3, 2])

    code, _, _ = run(capsys, "predict", model, tmp_path / "new.xyz", "-o", tmp_path / "p.h5", "--jobs", 1)
    assert code == 0
    predicted = LDOSDataset.load(tmp_path / "p.h5")
    np.testing.assert_allclose(predicted.ldos.values, expected.values, atol=1e-5)
    assert predicted.provenance["model"] == str(model)

    code, out, _ = run(capsys, "info", model, "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["training"] == DOSModel.load(model).training_
    assert facts["training"]["split"] == {"test_size": 0.2, "random_state": 0}
    assert facts["training"]["provenance"]["code"] == "closed form"


@pytest.mark.parametrize("total", [True, False], ids=["DOS only", "LDOS"])
@pytest.mark.parametrize("learn", ["dos", "both", "ldos"])
def test_fit_learns_from_what_it_is_told(capsys, tmp_path, make_dataset, learn, total):
    make_dataset((2, 3, 2, 2, 2, 3, 3, 2, 2, 3), total=total).save(tmp_path / "data.h5")
    options = ["-o", tmp_path / "m.ldosml", *SMALL, "--learn", learn, "--json", "--report", tmp_path / "report"]
    code, out, err = run(capsys, "fit", tmp_path / "data.h5", *options)
    if total and learn != "dos":
        assert code != 0
        assert "holds total DOS only, from which --learn dos learns" in err
        return
    assert code == 0
    result = json.loads(out)
    assert 0 < result["errors"]["dos_normalized_loss"] < 2
    assert ("ldos_normalized_loss" in result["errors"]) is not total
    assert (tmp_path / "report" / "report.html").stat().st_size > 10_000
    kept = persistence.describe(tmp_path / "m.ldosml")["regressors"]["14"]
    assert (kept["class"], kept["parameters"]["learn"]) == ("LDOSKernelRidge", learn)
    assert kept["parameters"]["ldos_weight"] == 10.0


@pytest.mark.parametrize("learn", ["dos", "both", "ldos"])
def test_fit_on_inducing_points(capsys, tmp_path, dataset, learn):
    options = ["-o", tmp_path / "m.ldosml", *SMALL, "--learn", learn, "--inducing", 2, "--alpha", 0.01, "--json"]
    code, out, _ = run(capsys, "fit", dataset, *options, "--ldos-weight", 4)
    assert code == 0
    assert 0 < json.loads(out)["errors"]["dos_normalized_loss"] < 2
    kept = persistence.describe(tmp_path / "m.ldosml")["regressors"]["14"]["parameters"]
    assert (kept["n_inducing"], kept["learn"], kept["ldos_weight"], kept["alpha"]) == (2, learn, 4.0, 0.01)
    assert kept["n_jobs"] is None


@pytest.mark.parametrize("learn", ["dos", "both"])
def test_trajectories_choose_alpha_on_inducing_points(capsys, tmp_path, make_dataset, learn):
    make_dataset((2, 3, 2, 2, 2, 3, 3, 2, 2, 3)).save(tmp_path / "data.h5")
    options = ["-o", tmp_path / "m.ldosml", *SMALL, "--learn", learn, "--inducing", 4, "--json"]
    code, out, _ = run(capsys, "fit", tmp_path / "data.h5", *options)
    assert code == 0
    assert json.loads(out)["errors"]["dos_normalized_loss"] < 2
    assert DOSModel.load(tmp_path / "m.ldosml").regressors_[14].cv_errors_.ndim == 2


@pytest.mark.parametrize("extra", [[], ["--inducing", "2"]])
def test_a_joint_fit_needs_a_weight(capsys, tmp_path, dataset, extra):
    options = ["-o", tmp_path / "m.ldosml", *SMALL, "--learn", "both", "--ldos-weight", 0, "--alpha", 0.01, *extra]
    code, _, err = run(capsys, "fit", dataset, *options)
    assert code == 2
    assert "must be above 0 and finite; got 0" in " ".join(err.replace("│", " ").split())


def test_info_on_a_dataset(capsys, dataset):
    code, out, _ = run(capsys, "info", dataset, "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["provenance"]["code"] == "closed form"
    code, out, _ = run(capsys, "info", dataset)
    assert code == 0
    assert "closed form" in out


def test_import_makes_the_dataset_that_the_arrays_say(capsys, tmp_path, make_dataset):
    data = make_dataset()
    write(tmp_path / "s.xyz", data.structures)
    np.savez(tmp_path / "a.npz", energies=data.grid.energies, ldos=data.ldos.values)
    command = ["import", tmp_path / "s.xyz", tmp_path / "a.npz", "-o", tmp_path / "d.h5", "--zero", "fermi"]
    options = ["--energy-max", 4.0, "--electrons", "Si=4", "--electrons", "C=4", "--smearing-width", 0.3]
    code, _, _ = run(capsys, *command, *options)
    assert code == 0
    imported = LDOSDataset.load(tmp_path / "d.h5")
    np.testing.assert_allclose(imported.ldos.values, data.ldos.values, atol=1e-6)
    np.testing.assert_array_equal(imported.n_electrons, 4.0 * data.n_atoms)
    assert imported.energy_max.max() == 4.0
    code, _, err = run(capsys, *command, "--electrons", "Si:4")
    assert (code, "as Si=4; got 'Si:4'" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["info", "absent.h5"], 1, "There is no dataset file absent.h5"),
        (["info", "absent.ldosml"], 1, "There is no model file absent.ldosml"),
        (["fit", "absent.h5", "-o", "m.ldosml"], 1, "There is no dataset file"),
        (["fit", "{data}", "-o", "nowhere/m.ldosml"], 1, "There is no folder"),
        (["fit", "{data}", "-o", "m.ldosml", "--alpha", "-1"], 2, "must be a number above 0"),
        (["fit", "{data}", "-o", "m.ldosml", "--alpha", "best"], 2, "or leave-one-out; got 'best'"),
        (
            ["fit", "absent.h5", "-o", "m.ldosml", "--learn", "dos", "--alpha", "leave-one-out"],
            2,
            "works only with --learn ldos",
        ),
        (["fit", "absent.h5", "-o", "m.ldosml", "--gamma", "0"], 2, "must be above 0 and finite; got 0"),
        (["fit", "absent.h5", "-o", "m.ldosml", "--inducing", "0"], 2, "--inducing"),
        (["fit", "absent.h5", "-o", "m.ldosml", "--r-cut", "1e9"], 2, "SOAP must reach no further than 40 angstrom"),
        (["fit", "absent.h5", "-o", "m.ldosml", "--low", "nan"], 2, "must be an energy in eV; got nan"),
        (["fit", "absent.h5", "-o", "m.ldosml", "--low", "1", "--high", "0"], 2, "--low must be below --high"),
        (["fit", "absent.h5", "-o", "m.ldosml", "--jobs", "0"], 2, "must be a number of processes"),
        (["fit", "absent.h5", "-o", "m.ldosml", "--smearing", "0"], 2, "A width of zero is no smearing"),
        (["fit", "absent.h5", "-o", "m.ldosml", "--smearing", "nan"], 2, "must be above 0 eV and finite; got nan"),
        (["fit", "absent.h5", "-o", "m.ldosml", "-T", "0"], 2, "must be above 0 K and finite; got 0"),
        (["search", "absent.h5", "-o", "t.csv", "--smearing", "0"], 2, "A width of zero is no smearing"),
        (["search", "absent.h5", "-o", "t.csv", "--low", "nan"], 2, "must be an energy in eV; got nan"),
        (["properties", "absent.h5", "--smearing", "-1"], 2, "must be above 0 eV and finite; got -1"),
        (["properties", "absent.h5", "-T", "nan"], 2, "must be above 0 K and finite; got nan"),
        (["properties", "absent.h5", "--n-electrons", "-1"], 2, "must be above 0 and finite; got -1"),
        (["report", "absent.ldosml", "-T", "-5"], 2, "must be above 0 K and finite; got -5"),
        (["demo", "-T", "0"], 2, "must be above 0 K and finite; got 0"),
        (["demo", "--smearing", "0"], 2, "--smearing"),
        (["import", "a.xyz", "a.npz", "-o", "d.h5", "--smearing-width", "0"], 2, "must be above 0 eV and finite"),
        (["fit", "{data}", "-o", "m.ldosml", "--smearing", "0.1"], 1, "wide already"),
        (["fit", "{data}", "-o", "m.ldosml", "--high", "9"], 1, "energy_max"),
        (["fit", "{data}", "-o", "m.ldosml", "--kernel", "magic"], 2, "magic"),
        (["fit", "{data}"], 2, "--output"),
        (["predict", "absent.ldosml", "absent.xyz", "-o", "p.npz"], 1, "There is no model file"),
        (["predict", "absent.ldosml", "absent.xyz", "-o", "p.docx"], 2, "writes .h5 (a dataset), .npz or .xyz"),
        (["nonsense"], 2, "nonsense"),
        (["properties", "absent.h5"], 1, "There is no dataset file"),
        (["properties", "absent.npz"], 1, "There is no file absent.npz"),
        (["properties", "m.ldosml"], 2, "ldosml properties MODEL STRUCTURES"),
        (["properties", "absent.ldosml", "absent.xyz"], 1, "There is no model file"),
        (["properties", "{data}", "-o", "p.txt"], 1, "written to .csv, .json or .h5; got 'p.txt'"),
        (["properties", "{data}", "--quadrature", "trapezoid"], 1, "trapezoid is wrong where kT"),
        (["properties", "{data}", "--electrons", "Si=4"], 1, "--electrons says nothing of the elements"),
        (["properties", "{data}", "--electrons", "Xx=4"], 1, "there is no element Xx"),
        (["properties", "{data}", "--electrons", "Si=4", "--n-electrons", "3"], 2, "not both"),
        (["properties", "{data}", "--n-electrons", "3", "--n-electrons", "4"], 1, "or for each of 10 structures"),
        (["properties", "{data}", "--n-electrons", "3000"], 1, "of which 3000 electrons would leave none empty"),
        (["report", "absent.ldosml"], 1, "There is no model file"),
    ],
)
def test_errors_are_one_line_and_leave_nothing(capsys, tmp_path, monkeypatch, dataset, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    found, out, err = run(capsys, *[str(a).format(data=dataset) for a in arguments])
    assert found == code
    assert message in err
    assert out == ""
    assert "Traceback" not in err
    assert sorted(tmp_path.iterdir()) == before


def test_errors_name_options_where_the_library_names_arguments(capsys, tmp_path, monkeypatch, make_dataset):
    monkeypatch.chdir(tmp_path)
    make_dataset((2, 3, 2, 2), groups=["g"] * 4).save("one.h5")
    make_dataset((2, 3, 2, 2), fermi_energy=None).save("unknown.h5")
    make_dataset().save("data.h5")
    told = {
        ("fit", "one.h5", "-o", "m.ldosml"): "or import them without --group-key if these structures are independent",
        ("search", "one.h5", "-o", "t.csv"): "Import them without --group-key if they are independent",
        ("search", "data.h5", "-o", "t.csv"): "Pass --factor 1 to judge all on all",
        ("fit", "unknown.h5", "-o", "m.ldosml", *SMALL): "Pass another --zero, import it with its fermi_energy",
        ("errors", "data.h5", "-o", "e", "--zero", "vacuum"): "'vacuum' in it. Pass another --zero.",
        (
            "errors",
            "data.h5",
            "-o",
            "e",
            "--inducing",
            "50",
            "--alpha",
            "0.1",
            "--folds",
            "3",
        ): "--inducing 50 is more than the",
        ("properties", "data.h5", "--quadrature", "trapezoid"): "Use --quadrature auto",
    }
    for arguments, message in told.items():
        code, _, err = run(capsys, *arguments)
        assert (code, message in err) == (1, True), err


def test_the_library_says_what_the_command_line_says_otherwise():
    """Nothing of the table went stale when a message was changed."""
    package = Path(ldosml.__file__).parent
    files = [path for path in package.rglob("*.py") if path.parent.name != "cli"]
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text()))]
    said = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert not [words for words in wording.OPTIONS if not any(words in text for text in said)]


def test_nothing_is_overwritten_unasked(capsys, tmp_path, dataset):
    model = tmp_path / "m.ldosml"
    model.write_text("mine")
    code, _, err = run(capsys, "fit", dataset, "-o", model, *SMALL)
    assert (code, "--overwrite" in err, model.read_text()) == (1, True, "mine")
    code, _, _ = run(capsys, "fit", dataset, "-o", model, *SMALL, "--overwrite", "--test-size", 0)
    assert code == 0
    assert DOSModel.load(model).training_["n_structures"] == 10


@pytest.mark.parametrize("command", ["demo", "info", "import", "fit", "predict", "properties", "report"])
def test_help_says_what_each_option_is(capsys, command):
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert "Usage: ldosml " + command in out.replace("\n", " ")


def test_version(capsys):
    code, out, _ = run(capsys, "--version")
    assert (code, out) == (0, f"ldosml {ldosml.__version__}\n")


def test_import_takes_groups_kinds_and_fermi_level(capsys, tmp_path, make_dataset):
    data = make_dataset()
    for atoms, group, kind in zip(data.structures, data.groups, data.kinds, strict=True):
        atoms.info |= {"run": group, "phase": kind}
    write(tmp_path / "s.xyz", data.structures)
    np.savez(tmp_path / "a.npz", energies=data.grid.energies, ldos=data.ldos.values)
    command = ["import", tmp_path / "s.xyz", tmp_path / "a.npz", "--zero", "code", "--fermi-energy", 0.25]
    code, _, err = run(capsys, *command, "-o", tmp_path / "a.h5", "--group-key", "run", "--kind-key", "phase")
    imported = LDOSDataset.load(tmp_path / "a.h5")
    assert (code, imported.groups, imported.kinds) == (0, data.groups, data.kinds)
    assert set(imported.fermi_energy) == {0.25}
    assert "--group-key" not in err
    _, _, err = run(capsys, *command, "-o", tmp_path / "b.h5")
    assert "give --group-key" in err


def test_fit_at_another_zero(capsys, tmp_path, dataset):
    options = [*SMALL, "--zero", "code", "--test-size", 0]
    code, _, _ = run(capsys, "fit", dataset, "-o", tmp_path / "m.ldosml", *options)
    assert (code, DOSModel.load(tmp_path / "m.ldosml").grid_.zero) == (0, "code")


def test_fit_is_what_the_options_say(capsys, tmp_path, dataset):
    """The same in Python, step by step, gives the same numbers."""
    model = tmp_path / "m.ldosml"
    options = [
        "--no-whiten",
        "--kernel",
        "polynomial",
        "--degree",
        3,
        "--gamma",
        0.7,
        "--alpha",
        0.01,
        "--atom-sigma",
        0.4,
    ]
    split = ["--test-size", 0.4, "--seed", 3, "--smearing", 0.4, "--high", 1.5]
    code, out, _ = run(capsys, "fit", dataset, "-o", model, *SMALL, *options, *split, "--json")
    assert code == 0
    train, test = LDOSDataset.load(dataset).broaden_to(0.4).split(test_size=0.4, random_state=3)
    soap = SOAP(r_cut=3.5, n_max=3, l_max=2, atom_sigma=0.4)
    ridge = LDOSKernelRidge(0.01, kernel="polynomial", degree=3, gamma=0.7)
    expected = DOSModel(soap, ridge, low=-4, high=1.5).fit(train).evaluate(test).losses()
    assert json.loads(out)["errors"] == pytest.approx(expected)


def test_reports_are_not_overwritten_unasked(capsys, tmp_path, dataset):
    (tmp_path / "report.html").write_text("precious")
    code, _, err = run(capsys, "fit", dataset, "-o", tmp_path / "m.ldosml", *SMALL, "--report", tmp_path)
    assert (code, "--overwrite" in err, (tmp_path / "m.ldosml").exists()) == (1, True, False)
    assert (tmp_path / "report.html").read_text() == "precious"
    code, _, err = run(capsys, "fit", dataset, "-o", tmp_path / "m.ldosml", "--report", tmp_path, "--test-size", 0)
    assert (code, "--test-size 0 leaves none" in err) == (2, True)


def test_square_brackets_in_names_are_shown(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, "info", "run[bold]x[/nope].h5")
    assert (code, "run[bold]x[/nope].h5" in err) == (1, True)


def test_info_knows_a_model_by_its_content(capsys, tmp_path, dataset):
    run(capsys, "fit", dataset, "-o", tmp_path / "model", *SMALL)
    code, out, _ = run(capsys, "info", tmp_path / "model", "--json")
    assert (code, "descriptor" in json.loads(out)) == (0, True)


def test_import_keeps_the_code_s_own_zero(capsys, tmp_path, make_dataset):
    data = make_dataset()
    write(tmp_path / "s.xyz", data.structures)
    np.savez(tmp_path / "a.npz", energies=data.grid.energies, ldos=data.ldos.values, fermi_energy=data.fermi_energy)
    command = ["import", tmp_path / "s.xyz", tmp_path / "a.npz", "-o", tmp_path / "d.h5", "--zero", "code"]
    code, _, _ = run(capsys, *command)
    imported = LDOSDataset.load(tmp_path / "d.h5")
    assert (code, imported.grid.zero) == (0, "code")
    np.testing.assert_allclose(imported.fermi_energy, data.fermi_energy)
