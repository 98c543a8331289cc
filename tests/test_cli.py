"""The command line, run in this process as a user would type it."""

import json
from typing import get_args

import numpy as np
import pytest
import typer
from ase import Atoms
from ase.io import write
from sklearn import config_context

import ldosml
from ldosml import (
    SOAP,
    DOSModel,
    Joined,
    LDOSDataset,
    LDOSKernelRidge,
    SparseLDOSKernelRidge,
    TightBindingSpectrum,
    Whitened,
    persistence,
)
from ldosml.cli import main
from ldosml.cli.model_options import KernelName, LearnName, ModelOptions
from ldosml.cli.options import ZeroName, app
from ldosml.energy import Zero
from ldosml.kernels import Kernel
from ldosml.regression._training_rows import Learn

COMMANDS = typer.main.get_command(app).commands
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


def spelled(model):
    """Every parameter of a model."""
    with config_context(print_changed_only=False):
        return repr(model)


@pytest.fixture
def to_fit(monkeypatch, capsys):
    """What a command was about to fit: the model, the structures and their smearing."""
    seen = []

    def fit(self, data):
        seen.append((spelled(self), data.names, data.smearing_width))
        raise ValueError("enough")

    def ask(*arguments):
        monkeypatch.setattr(DOSModel, "fit", fit)
        code, _, err = run(capsys, *arguments)
        assert (code, "enough" in err) == (1, True), err
        return seen.pop()

    return ask


def test_fit_makes_the_model_that_the_demo_makes(to_fit, tmp_path):
    fitted = to_fit("fit", "silicon", "--smearing", 0.3, "--high", 5, "-o", tmp_path / "m.ldosml")
    assert fitted == to_fit("demo", "-o", tmp_path / "demo", "--jobs", 1)
    assert "high=5.0" in fitted[0]


def test_without_options_it_is_the_default_model(make_dataset):
    data = make_dataset()
    default, asked = (model.fit(data) for model in (DOSModel(), ModelOptions().model(data.structures)))
    assert spelled(asked.descriptor_) == spelled(default.descriptor_)
    for number, regressor in default.regressors_.items():
        assert spelled(asked.regressors_[number]) == spelled(regressor)
    for name in ("zero", "low", "high", "device"):
        assert getattr(asked, name) == getattr(default, name)


def test_every_option_of_the_model_reaches_it(to_fit, tmp_path, dataset):
    options = {
        "--learn": "both",
        "--ldos-weight": 3.0,
        "--tight-binding-weight": 2.0,
        "--tight-binding-cutoff": 4.0,
        "--r-cut": 4.5,
        "--n-max": 3,
        "--l-max": 2,
        "--atom-sigma": 0.4,
        "--kernel": "rbf",
        "--degree": 4,
        "--gamma": 0.7,
        "--alpha": 0.01,
        "--inducing": 7,
        "--zero": "code",
        "--low": -4.0,
        "--high": 1.5,
    }
    command = [part for option in options.items() for part in option]
    found = to_fit("fit", dataset, "-o", tmp_path / "m.ldosml", "--no-whiten", *command)[0]
    soap = SOAP(r_cut=4.5, n_max=3, l_max=2, atom_sigma=0.4)
    spectrum = Whitened(TightBindingSpectrum(r_cut=4.0), power=0.0)
    ridge = SparseLDOSKernelRidge(
        0.01, learn="both", ldos_weight=3.0, n_inducing=7, kernel="rbf", degree=4, gamma=0.7, n_jobs=None
    )
    both = Joined([soap, spectrum], weights=[1.0, 2.0], n_jobs=1)
    assert found == spelled(DOSModel(both, ridge, zero="code", low=-4.0, high=1.5))


def test_choices_are_those_of_the_library():
    assert set(get_args(ZeroName)) == set(get_args(Zero))
    assert set(get_args(KernelName)) == set(get_args(Kernel))
    assert set(LearnName) == set(get_args(Learn))


@pytest.mark.parametrize("total", [True, False], ids=["DOS only", "LDOS"])
@pytest.mark.parametrize("learn", ["dos", "both", "ldos"])
def test_fit_learns_from_what_it_is_told(capsys, tmp_path, make_dataset, learn, total):
    make_dataset((2, 3, 2, 2, 2, 3, 3, 2, 2, 3), total=total).save(tmp_path / "data.h5")
    options = ["-o", tmp_path / "m.ldosml", *SMALL, "--learn", learn, "--json", "--report", tmp_path / "report"]
    code, out, err = run(capsys, "fit", tmp_path / "data.h5", *options)
    if total and learn != "dos":
        assert code != 0
        assert "for '--learn': can only be dos: the data hold the total DOS" in err
        return
    assert code == 0
    result = json.loads(out)
    assert 0 < result["errors"]["dos_normalized_loss"] < 2
    assert ("ldos_normalized_loss" in result["errors"]) is not total
    assert (tmp_path / "report" / "report.html").stat().st_size > 10_000
    kept = persistence.describe(tmp_path / "m.ldosml")["regressors"]["14"]
    assert (kept["class"], kept["parameters"]["learn"]) == ("LDOSKernelRidge", learn)
    assert kept["parameters"]["ldos_weight"] == 10.0


def test_a_streamed_fit_goes_on_in_its_folder(capsys, tmp_path, make_dataset):
    make_dataset((2, 3, 2, 2, 2, 3, 3, 2, 2, 3)).save(tmp_path / "data.h5")
    fit = ["fit", tmp_path / "data.h5", *SMALL, "--learn", "dos", "--inducing", 4, "--alpha", 0.01, "--json"]
    code, out, err = run(capsys, *fit, "-o", tmp_path / "a.ldosml", "--stream", tmp_path / "work")
    assert code == 0, err
    assert (tmp_path / "work" / "sums-all.npz").exists()
    again = run(capsys, *fit, "-o", tmp_path / "b.ldosml", "--stream", tmp_path / "work")
    assert json.loads(again[1])["errors"] == json.loads(out)["errors"]
    code, _, err = run(capsys, "fit", "absent.h5", "-o", tmp_path / "c.ldosml", "--stream", tmp_path / "work")
    assert (code, "--stream needs --inducing" in err) == (2, True)


@pytest.mark.parametrize("learn", ["dos", "both", "ldos"])
def test_fit_on_inducing_points(capsys, tmp_path, dataset, learn):
    options = ["-o", tmp_path / "m.ldosml", *SMALL, "--learn", learn, "--inducing", 2, "--alpha", 0.01, "--json"]
    code, out, _ = run(capsys, "fit", dataset, *options, "--ldos-weight", 4)
    assert code == 0
    assert 0 < json.loads(out)["errors"]["dos_normalized_loss"] < 2
    kept = persistence.describe(tmp_path / "m.ldosml")["regressors"]["14"]["parameters"]
    assert (kept["n_inducing"], kept["learn"], kept["ldos_weight"], kept["alpha"]) == (2, learn, 4.0, 0.01)


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


def test_import_numbers_frames_that_share_a_name(capsys, tmp_path):
    frames = [Atoms("Si", positions=[[place, 0, 0]], info={"name": "bulk", "step": place}) for place in range(3)]
    write(tmp_path / "s.xyz", frames)
    np.savez(tmp_path / "a.npz", energies=np.linspace(-1, 1, 5), dos=np.ones((3, 5)))
    command = ["import", tmp_path / "s.xyz", tmp_path / "a.npz", "-o", tmp_path / "d.h5", "--overwrite"]
    code, _, err = run(capsys, *command)
    assert (code, "3 frames share the entry 'name'" in " ".join(err.split())) == (0, True)
    assert LDOSDataset.load(tmp_path / "d.h5").names == ["bulk-0", "bulk-1", "bulk-2"]
    assert run(capsys, *command, "--name-key", "step")[0] == 0
    assert LDOSDataset.load(tmp_path / "d.h5").names == ["0", "1", "2"]


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
            "for '--alpha': leave-one-out works only where LDOS alone are learned",
        ),
        (["fit", "absent.h5", "-o", "m.ldosml", "--gamma", "0"], 2, "must be above 0 and finite; got 0"),
        (["fit", "absent.h5", "-o", "m.ldosml", "--inducing", "0"], 2, "--inducing"),
        (
            ["fit", "absent.h5", "-o", "m.ldosml", "--tight-binding-cutoff", "13"],
            2,
            "for '--tight-binding-cutoff': must be at most 12 angstrom",
        ),
        (
            ["fit", "absent.h5", "-o", "m.ldosml", "--r-cut", "1e9"],
            2,
            "for '--r-cut': must be at most 1e+06 angstrom; got 1e+09",
        ),
        (["fit", "absent.h5", "-o", "m.ldosml", "--low", "nan"], 2, "must be an energy in eV; got nan"),
        (
            ["fit", "absent.h5", "-o", "m.ldosml", "--low", "1", "--high", "0"],
            2,
            "for '--low': must be below high; got 1 and 0 eV",
        ),
        (["fit", "absent.h5", "-o", "m.ldosml", "--jobs", "0"], 2, "must be a number of processes"),
        (["fit", "absent.h5", "-o", "m.ldosml", "--smearing", "0"], 2, "A width of zero is no smearing"),
        (["fit", "absent.h5", "-o", "m.ldosml", "--smearing", "nan"], 2, "must be above 0 eV and finite; got nan"),
        (["fit", "absent.h5", "-o", "m.ldosml", "-T", "0"], 2, "must be above 0 K and finite; got 0"),
        (["search", "absent.h5", "-o", "t.csv", "--smearing", "0"], 2, "A width of zero is no smearing"),
        (["search", "absent.h5", "-o", "t.csv", "--low", "nan"], 2, "must be an energy in eV; got nan"),
        (["properties", "absent.h5", "--smearing", "-1"], 2, "must be above 0 eV and finite; got -1"),
        (["properties", "absent.h5", "-T", "nan"], 2, "--temperature takes a range START:STOP:STEP"),
        (["properties", "absent.h5", "-T", "0:300:100"], 2, "--temperature must be above 0 K; got 0"),
        (["info", "absent.h5", "--json", "--format", "csv"], 2, "--json prints no table; give --json or --format"),
        (["properties", "absent.h5", "--n-electrons", "-1"], 2, "must be above 0 and finite; got -1"),
        (["report", "absent.ldosml", "-T", "-5"], 2, "must be above 0 K and finite; got -5"),
        (["demo", "-T", "0"], 2, "must be above 0 K and finite; got 0"),
        (["demo", "--smearing", "0"], 2, "--smearing"),
        (["import", "a.xyz", "a.npz", "-o", "d.h5", "--smearing-width", "0"], 2, "must be above 0 eV and finite"),
        (["fit", "{data}", "-o", "m.ldosml", "--smearing", "0.1"], 1, "wide already"),
        (["fit", "{data}", "-o", "m.ldosml", "--high", "9"], 2, "for '--high': must be at most 2.7 eV"),
        (["fit", "{data}", "-o", "m.ldosml", "--kernel", "magic"], 2, "magic"),
        (["fit", "{data}"], 2, "--output"),
        (["predict", "absent.ldosml", "absent.xyz", "-o", "p.npz"], 1, "There is no model file"),
        (
            ["predict", "absent.ldosml", "absent.xyz", "-o", "p.docx"],
            2,
            "writes .h5 (a dataset), .npz (arrays) or .xyz",
        ),
        (["nonsense"], 2, "nonsense"),
        (["properties", "absent.h5"], 1, "There is no dataset file"),
        (["properties", "absent.npz"], 1, "There is no file absent.npz"),
        (["properties", "m.ldosml"], 2, "ldosml properties MODEL STRUCTURES"),
        (["properties", "absent.ldosml", "absent.xyz"], 1, "There is no model file"),
        (["properties", "{data}", "-o", "p.txt"], 1, "written to .csv, .json or .h5; got 'p.txt'"),
        (["properties", "{data}", "--quadrature", "trapezoid"], 2, "for '--quadrature': trapezoid is wrong"),
        (["properties", "{data}", "--electrons", "Si=4"], 1, "--electrons lacks the elements of atomic number"),
        (["properties", "{data}", "--electrons", "Xx=4"], 1, "there is no element Xx"),
        (["properties", "{data}", "--electrons", "Si=4", "--n-electrons", "3"], 2, "not both"),
        (["properties", "{data}", "--n-electrons", "3", "--n-electrons", "4"], 1, "or for each of 10 structures"),
        (["properties", "{data}", "--n-electrons", "3000"], 1, "and 3000 electrons would fill all of them"),
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


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            "fit one.h5 -o m.ldosml",
            1,
            "take fewer parts, or more groups",
        ),
        ("fit one.h5 -o m.ldosml --test-size 0", 2, "alpha 'leave-one-group-out' needs at least 2 groups; got 1"),
        (
            "fit unknown.h5 -o m.ldosml",
            2,
            "'--zero': cannot be 'fermi': the fermi_energy of structure",
        ),
        ("errors data.h5 -o e --zero vacuum", 2, "'--zero': cannot be 'vacuum': the energies are relative to 'code'"),
        ("errors data.h5 -o e --folds 9", 2, "'--folds': must be at most the number of groups"),
        ("errors data.h5 -o e --inducing 50 --alpha 0.1 --folds 3", 2, "'--inducing': "),
        ("errors data.h5 -o e --inducing 50 --alpha 0.1 --folds 3", 2, "n_inducing must be at most the number of"),
        ("properties data.h5 --quadrature trapezoid", 2, "Use auto, or forced-trapezoid to see the error"),
        ("search data.h5 -o t.csv", 2, "'--factor': must be at most"),
        ("import s.xyz a.npz -o d.h5 --electrons Si=4", 2, "'--electrons': lacks the valence of C; it has {'Si': 4.0}"),
        ("import s.xyz a.npz -o d.h5 --fermi-energy 2", 2, "'--zero': 'fermi' means that every fermi_energy is 0"),
    ],
)
def test_errors_name_the_option_that_the_value_came_from(
    capsys, tmp_path, monkeypatch, make_dataset, arguments, code, message
):
    monkeypatch.chdir(tmp_path)
    data = make_dataset()
    make_dataset((2, 3, 2, 2), groups=["g"] * 4).save("one.h5")
    make_dataset((2, 3, 2, 2), fermi_energy=None).save("unknown.h5")
    data.save("data.h5")
    write("s.xyz", data.structures)
    np.savez("a.npz", energies=data.grid.energies, ldos=data.ldos.values)
    small = SMALL if arguments.startswith("fit") else []
    found, _, err = run(capsys, *arguments.split(), *small)
    assert found == code, err
    assert message in err
    assert ("Usage: ldosml" in err) == (code == 2)


def test_an_argument_that_is_no_option_is_not_the_command_s_fault(capsys, tmp_path):
    """A file holds a zero that is none; ``properties`` has no option for it."""
    np.savez(tmp_path / "d.npz", energies=np.arange(5.0), dos=np.ones((1, 5)), zero="sea level")
    code, _, err = run(capsys, "properties", tmp_path / "d.npz", "--n-electrons", 2)
    assert (code, "ldosml: 'zero' in" in err, "Usage" in err) == (1, True, False)


def test_nothing_is_overwritten_unasked(capsys, tmp_path, dataset):
    model = tmp_path / "m.ldosml"
    model.write_text("mine")
    code, _, err = run(capsys, "fit", dataset, "-o", model, *SMALL)
    assert (code, "--overwrite" in err, model.read_text()) == (1, True, "mine")
    code, _, _ = run(capsys, "fit", dataset, "-o", model, *SMALL, "--overwrite", "--test-size", 0)
    assert code == 0
    assert DOSModel.load(model).training_["n_structures"] == 10


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_each_option_is(capsys, command):
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert "Usage: ldosml " + command in out.replace("\n", " ")
    assert all(option.help for option in COMMANDS[command].params)


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_in_the_help_are_commands(command):
    examples = (COMMANDS[command].epilog or "").split("\n\n")[1:]
    assert len(examples) == 2
    for example in examples:
        program, name, *arguments = example.split()
        assert (program, name) == ("ldosml", command)
        assert COMMANDS[command].make_context(name, arguments).params  # an option that is none would raise


def test_defaults_of_the_library_are_shown(capsys):
    _, out, _ = run(capsys, "fit", "--help")
    assert f"[default: {LDOSKernelRidge().ldos_weight}]" in out
    assert "dynamic" not in out


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
    assert "pass --group-key" in err


def test_fit_at_another_zero(capsys, tmp_path, dataset):
    options = [*SMALL, "--zero", "code", "--test-size", 0]
    code, _, _ = run(capsys, "fit", dataset, "-o", tmp_path / "m.ldosml", *options)
    assert (code, DOSModel.load(tmp_path / "m.ldosml").grid_.zero) == (0, "code")


def test_fit_with_soap_alone(capsys, tmp_path, dataset):
    code, _, _ = run(capsys, "fit", dataset, "-o", tmp_path / "m.ldosml", *SMALL, "--descriptor", "soap")
    assert (code, DOSModel.load(tmp_path / "m.ldosml").descriptor_.descriptor_.r_cut) == (0, 3.5)


def test_commands_say_how_long_tight_binding_will_take(capsys, tmp_path, dataset, monkeypatch):
    monkeypatch.setattr("ldosml.descriptors.tight_binding_spectrum.ANNOUNCED_FROM", 0.0)
    model, structures = tmp_path / "m.ldosml", tmp_path / "s.xyz"
    LDOSDataset.load(dataset).structures[0].write(structures)
    for command in (
        ("fit", dataset, "-o", model, *SMALL),
        ("predict", model, structures, "-o", tmp_path / "p.npz"),
        ("report", model, dataset, "-o", tmp_path / "report"),
    ):
        code, _, err = run(capsys, *command)
        assert (code, " ".join(err.split()).count("atoms, by diagonalisation: roughly")) == (0, 1), err


def test_without_parameters_of_tight_binding_a_model_is_of_soap_and_says_so(capsys, tmp_path, make_dataset):
    data, path = make_dataset((2, 3, 2, 2)), tmp_path / "data.h5"
    for atoms in (structures := data.structures):
        atoms.numbers[:] = 58  # cerium
    LDOSDataset.from_arrays(structures, data.grid.energies, ldos=data.ldos.values).save(path)
    command = ["fit", path, "-o", tmp_path / "m.ldosml", *SMALL, "--test-size", 0]
    code, _, err = run(capsys, *command)
    assert (code, err.count("caution: Tight binding has no parameters of Ce: the descriptor is SOAP alone")) == (0, 1)
    assert DOSModel.load(tmp_path / "m.ldosml").descriptor_.descriptor_.r_cut == 3.5
    code, _, err = run(capsys, *command, "--overwrite", "--descriptor", "tight-binding")
    assert (code, "no parameters of Ce. Use a descriptor that needs none" in err) == (1, True)


def test_fit_with_tight_binding_beside_soap(capsys, tmp_path, dataset):
    options = [*SMALL, "--descriptor", "soap+tight-binding", "--tight-binding-weight", 2, "--test-size", 0]
    code, _, _ = run(capsys, "fit", dataset, "-o", tmp_path / "m.ldosml", *options)
    soap, spectrum = DOSModel.load(tmp_path / "m.ldosml").descriptor_.parts_
    assert (code, soap.descriptor_.r_cut, spectrum.power) == (0, 3.5, 0.0)
    assert isinstance(spectrum.descriptor_, TightBindingSpectrum)


def test_fit_is_what_the_options_say(capsys, tmp_path, dataset):
    """The same in Python, step by step, gives the same numbers."""
    model = tmp_path / "m.ldosml"
    options = [
        "--descriptor",
        "soap",
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
    assert (code, "--test-size 0 holds out none" in err) == (2, True)


def test_square_brackets_and_colons_in_names_are_shown(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, "info", "run[bold]x[/nope]@0:100:5.h5")
    assert (code, "run[bold]x[/nope]@0:100:5.h5" in err) == (1, True)


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


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "Interrupted"),
        (MemoryError(), 1, "Out of memory: an array does not fit"),
        (OSError(28, "No space left on device", "x\x1b[31m"), 1, "No space left on device: 'x"),
        (ZeroDivisionError("division"), 1, "division"),
    ],
)
def test_exit_codes_of_errors(monkeypatch, capsys, error, code, message):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("ldosml.cli.fit.open_dataset", fail)
    assert main(["fit", "silicon", "-o", "unwritten.ldosml"]) == code
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told
    assert "\x1b" not in told


def test_control_characters_are_shown_not_obeyed(capsys, tmp_path):
    assert main(["info", f"{tmp_path}/a\x1b[31m.h5"]) == 1
    told = capsys.readouterr().err
    assert "\\x1b[31m" in told
    assert "\x1b" not in told
