"""The commands of the studies, run in this process as a user would type them."""

import csv
import json

import numpy as np
import pytest
import typer

from ldosml import SOAP, DOSModel, LDOSDataset, LDOSKernelRidge, Whitened, studies
from ldosml._journal import _line
from ldosml.cli import main, plans
from ldosml.cli.number_lists import read_counts, read_numbers
from ldosml.cli.sweep import reached
from ldosml.datasets import join_alike
from ldosml.studies.cross_validation import CrossValidation

SIZES = (2, 3, 2, 2, 2, 3, 3, 2, 2, 3)
SMALL = ["--descriptor", "soap", "--n-max", "2", "--l-max", "1", "--low", "-4", "--folds", "3"]
SWEEP = ["--r-cut", "2,4", *SMALL]


@pytest.fixture
def dataset(tmp_path, make_dataset):
    path = tmp_path / "data.h5"
    make_dataset(SIZES).save(path)
    return path


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, " ".join(captured.err.replace("│", " ").split())  # without the box around usage errors


def ran(capsys, *arguments):
    """The summary that a study prints and writes."""
    code, out, err = run(capsys, *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def table(folder):
    with (folder / "records.csv").open() as file:
        return list(csv.DictReader(file))


def model(r_cut=6.0, gamma=0.3):
    soap = SOAP(r_cut=r_cut, n_max=2, l_max=1)
    return DOSModel(Whitened(soap), LDOSKernelRidge("leave-one-group-out", kernel="matern", gamma=gamma))


SETUP = studies.Setup(n_splits=3, low=-4)


def written(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_descriptor_without_tight_binding_is_a_caution_of_the_study(capsys, tmp_path, make_dataset):
    data = make_dataset(SIZES)
    for atoms in (structures := data.structures):
        atoms.numbers[:] = 58  # cerium
    path, folder = tmp_path / "cerium.h5", tmp_path / "c"
    LDOSDataset.from_arrays(structures, data.grid.energies, ldos=data.ldos.values, groups=data.groups).save(path)
    code, _, err = run(capsys, "errors", path, "-o", folder, *SMALL[2:])
    text = "Tight binding has no parameters of Ce: the descriptor is SOAP alone."
    assert (code, err.count(f"caution: {text}")) == (0, 1), err
    assert text in json.loads((folder / "summary.json").read_text())["cautions"]


def test_sweep(capsys, tmp_path, dataset):
    folder = tmp_path / "sweep"
    code, out, err = run(capsys, "sweep", dataset, "-o", folder, *SWEEP)
    assert code == 0
    assert written(folder) == ["log.jsonl", "records.csv", "summary.json", "sweep.pdf", "sweep.png"]
    expected = studies.sweep_cutoffs(LDOSDataset.load(dataset), [2, 4], model(), setup=SETUP)
    expected.save(tmp_path / "expected.csv")
    assert (folder / "records.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()
    for text in ("LDOS of Si", "LDOS of C", "complete", "sharp", "label noise", "not known", "Saturation radius"):
        assert text in out
    assert f"{expected.losses('sharp', 'C')[0]:.3f}" in out
    assert "caution: at r = 2 angstrom almost no atom has a neighbour" in err
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["results"]["radii_without_neighbors"] == [2.0]
    assert [row["r_sat"] for row in summary["results"]["saturation"]] == [
        row["r_sat"] for mode in ("complete", "sharp") for row in expected.saturation(mode)
    ]
    assert summary["settings"]["r_cut"] == [2.0, 4.0]
    assert summary["data"]["evaluated_energies"] == [-4.0, 2.7]
    assert {"ldosml", "numpy", "python"} <= set(summary["versions"])
    assert summary["seconds"]["Sweep of radii"] > 0


def test_one_element_needs_no_view_of_it(capsys, tmp_path, make_dataset):
    noise = {"smearing_width": [0.3], "ldos": [0.0123], "dos": [0.02]}
    make_dataset((2, 1, 2, 2, 2, 1, 1, 2), label_noise=noise).save(tmp_path / "si.h5")
    options = ["--r-cut", "4:5:1", *SMALL, "--mode", "sharp"]
    code, out, err = run(capsys, "sweep", tmp_path / "si.h5", "-o", tmp_path / "s", *options)
    assert code == 0
    assert "of Si" not in out
    assert "complete  " not in out
    assert "0.012" in out
    assert "caution" not in err
    summary = ran(capsys, "compare", tmp_path / "si.h5", "-o", tmp_path / "c", *SMALL, "--no-properties")
    assert {row["quantity"] for row in summary["results"]["errors"]} == {"ldos", "dos", "dos_derivative"}


def test_tuning_chooses_at_each_radius(capsys, tmp_path, dataset):
    options = ["--r-cut", "4", "--mode", "complete", *SMALL, "--tune", "--kernel", "linear", "--folds", "2"]
    summary = ran(capsys, "sweep", dataset, "-o", tmp_path / "s", *options)
    assert summary["settings"]["tune"] == {
        "n_max": [6, 8],
        "atom_sigma": [0.3, 0.5],
    }  # gamma is none of a linear kernel
    settings = {row["setting"] for row in table(tmp_path / "s") if row["fold"] != "all"}
    assert all("r_cut=4.0" in setting for setting in settings)


def test_learning_curve(capsys, tmp_path, make_dataset):
    folder, dataset = tmp_path / "curve", tmp_path / "data.h5"
    make_dataset((2, 3) * 8, stop=8.0).save(dataset)
    options = ["--sizes", "15,25", "--learn", "ldos", "--learn", "dos", *SMALL]
    code, out, err = run(capsys, "learning-curve", dataset, "-o", folder, *options)
    assert code == 0, err
    assert {"learning-curve.pdf", "learning-curve.png"} <= set(written(folder))
    regressors = {k: v for k, v in studies.regressors_by_learn().items() if k != "both"}
    expected = studies.learning_curve(LDOSDataset.load(dataset), [15, 25], model(), regressors, setup=SETUP)
    expected.save(tmp_path / "expected.csv")
    assert (folder / "records.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()
    slope, spread = expected.slope("dos", "dos")
    assert f"{slope:.2f} ± {spread:.2f}" in out
    assert "L/sigma of DOS per atom" in out
    slopes = json.loads((folder / "summary.json").read_text())["results"]["slopes"]
    assert {(row["regressor"], row["quantity"]): row["slope"] for row in slopes}["dos", "dos"] == slope


def test_slopes_and_points_to_be_cautious_of_are_told(capsys, tmp_path, make_dataset):
    make_dataset((2, 3) * 8, stop=8.0).save(tmp_path / "d.h5")
    command = ["learning-curve", tmp_path / "d.h5", "-o", tmp_path / "c", "--sizes", "15,25", "--inducing", 99, *SMALL]
    code, _, err = run(capsys, *command)
    assert code == 0, err
    cautions = json.loads((tmp_path / "c" / "summary.json").read_text())["cautions"]
    for text in ("inducing points: ldos at 15, 25 environments", "The largest size is only 1."):
        assert text in err
        assert sum(text in one for one in cautions) == 1, cautions
    assert err.count("caution: ") == len(cautions)


def test_sizes_are_found_where_none_are_given(capsys, tmp_path, make_dataset):
    data = make_dataset((1, 2) * 15, groups=[f"g{i}" for i in range(30)], stop=14.0)
    data.save(tmp_path / "d.h5")
    options = ["--learn", "dos", *SMALL, "--seed", 3, "-T", 300]
    summary = ran(capsys, "learning-curve", tmp_path / "d.h5", "-o", tmp_path / "c", *options)
    found = sorted({row["n_environments"] for row in summary["results"]["errors"]})
    assert len(found) == len(studies.spaced_sizes(data, 5, 3, random_state=3)) > 2
    assert "band_energy" in {row["quantity"] for row in summary["results"]["errors"]}


def test_compare(capsys, tmp_path, dataset):
    code, out, _ = run(capsys, "compare", dataset, "-o", tmp_path / "c", *SMALL)
    assert code == 0
    assert {"comparison.pdf", "comparison.png"} <= set(written(tmp_path / "c"))
    setup = studies.Setup(n_splits=3, low=-4, temperature=300.0)
    expected = studies.compare_regressors(
        LDOSDataset.load(dataset), model(), studies.regressors_by_learn(), setup=setup
    ).records()
    rows = table(tmp_path / "c")
    assert [(row["quantity"], row["regressor"]) for row in rows] == [(r["quantity"], r["regressor"]) for r in expected]
    np.testing.assert_allclose([float(row["loss"]) for row in rows], [r["loss"] for r in expected])
    assert {"ldos", "ldos Si", "ldos C", "dos", "band_energy", "heat_capacity"} <= {r["quantity"] for r in expected}
    marked = [row for row in expected if row["difference_low"] > 0 or row["difference_high"] < 0]
    assert out.count(") *") == len(marked)
    summary = json.loads((tmp_path / "c" / "summary.json").read_text())
    assert sum(row["excludes_zero"] for row in summary["results"]["errors"]) == len(marked)
    assert "properties at 300 K" in out
    assert "DFT Fermi level" in " ".join(out.split())  # lines break where they must


def test_the_first_target_is_what_others_are_compared_with(capsys, tmp_path, dataset):
    options = ["--learn", "dos", "--learn", "ldos", "--no-properties", *SMALL]
    summary = ran(capsys, "compare", dataset, "-o", tmp_path / "c", *options)
    rows = summary["results"]["errors"]
    assert [row["regressor"] for row in rows[:2]] == ["dos", "ldos"]
    assert {row["difference"] for row in rows if row["regressor"] == "dos"} == {0.0}


def test_errors_by_element(capsys, tmp_path, dataset):
    code, out, _ = run(capsys, "errors", dataset, "-o", tmp_path / "e", *SMALL)
    assert (code, "LEAKING" in out) == (0, False)
    code, out, _ = run(capsys, "errors", dataset, "-o", tmp_path / "l", *SMALL, "--leaking")
    assert code == 0
    assert "LEAKING: atoms left out one by one" in out
    assert "Effect of leaking" in out
    expected = studies.error_table(LDOSDataset.load(dataset), model(), leaking=True, setup=SETUP)
    expected.save(tmp_path / "expected.csv")
    assert (tmp_path / "l" / "records.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()
    (gain,) = (
        row
        for row in json.loads((tmp_path / "l" / "summary.json").read_text())["results"]["gains"]
        if row["element"] == "C"
    )
    honest, leaking = (expected.errors[split].loss("ldos C") for split in ("groups", "environments"))
    assert gain == pytest.approx({"element": "C", "loss": honest, "leaking_loss": leaking, "ratio": honest / leaking})


def test_smearing_judges_all_widths_on_the_same_energies(capsys, tmp_path, dataset):
    options = ["--descriptor", "soap", "--n-max", 2, "--l-max", 1, "--folds", 3]
    summary = ran(capsys, "smearing", dataset, "-o", tmp_path / "s", "--widths", "0.3:0.5:0.1", *options)
    data = LDOSDataset.load(dataset)
    low, high = summary["data"]["evaluated_energies"]
    assert (low, high) == studies.common_energies(data, [0.3, 0.4, 0.5], model())
    assert high == pytest.approx(3.0 - 3 * 0.2, abs=0.05)  # energy_max sinks with the smearing
    changed = model().set_params(high=high)
    expected = studies.smearing_study(data, [0.3, 0.4, 0.5], changed, setup=studies.Setup(n_splits=3, low=low))
    expected.save(tmp_path / "expected.csv")
    assert (tmp_path / "s" / "records.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()


def test_transfer(capsys, tmp_path, make_dataset, dataset):
    other = make_dataset((3, 2, 3), start=20, width=0.4)
    other.save(tmp_path / "other.h5")
    folder = tmp_path / "t"
    code, out, err = run(capsys, "transfer", dataset, tmp_path / "other.h5", "-o", folder, *SMALL, "--learn", "both")
    assert code == 0
    assert "data.h5: broadened from 0.3 to 0.4 eV" in err
    assert {"parity.pdf", "parity.png", "representatives.pdf", "representatives.png"} <= set(written(folder))
    assert "other.h5, learned from" in " ".join(out.split())  # a long path wraps the line
    rows = {row["quantity"]: row for row in table(folder)}
    for row in rows.values():
        assert float(row["rmse"]) == pytest.approx(float(row["ratio"]) * float(row["left_out_rmse"]))
    assert {"ldos Si", "ldos C", "dos"} <= set(rows)


def test_several_files_are_one_set(capsys, tmp_path, make_dataset):
    parts = [make_dataset((2, 3, 2, 2)), make_dataset((2, 3, 3, 2, 2, 3), start=4, width=0.4).refer_to("fermi")]
    paths = [tmp_path / name for name in ("a.h5", "b.h5")]
    for part, path in zip(parts, paths, strict=True):
        part.save(path)
    code, _, err = run(capsys, "errors", *paths, "-o", tmp_path / "e", *SMALL)
    assert code == 0
    assert "a.h5: broadened from 0.3 to 0.4 eV" in err
    assert "a.h5: energy zero moved from code to fermi" in err
    joined = join_alike([LDOSDataset.load(path) for path in paths])
    studies.error_table(joined, model(), setup=SETUP).save(tmp_path / "expected.csv")
    assert (tmp_path / "e" / "records.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()
    summary = json.loads((tmp_path / "e" / "summary.json").read_text())
    assert summary["data"]["structures"] == 10
    assert len(summary["data"]["changes"]) >= 2
    code, _, err = run(capsys, "errors", *paths, "-o", tmp_path / "f", *SMALL, "--zero", "code")
    assert (code, "for '--zero': cannot be 'code'" in err) == (2, True)


def test_what_files_share_and_lack_is_said(capsys, tmp_path, make_dataset):
    noise = {"smearing_width": [0.3], "ldos": [0.01], "dos": [0.02]}
    make_dataset((2, 3, 2, 2), label_noise=noise).save(tmp_path / "a.h5")
    make_dataset((2, 3, 3, 2), start=4, groups=["g0", "g0", "g5", "g5"]).save(tmp_path / "b.h5")
    _, _, err = run(capsys, "errors", tmp_path / "a.h5", tmp_path / "b.h5", "-o", tmp_path / "e", *SMALL)
    assert "1 groups have the same name in several files: each counts as one group" in err
    assert "differ in their label noise" in err


def test_cautions_are_said_again_with_the_result(capsys, tmp_path, make_dataset):
    """Electrons of one spin only: every run says so, though the second computes nothing."""
    make_dataset(SIZES, n_electrons=np.array(SIZES, dtype=float)).save(tmp_path / "d.h5")
    command = ["compare", tmp_path / "d.h5", "-o", tmp_path / "c", *SMALL, "--learn", "ldos"]
    for _ in range(2):
        code, _, err = run(capsys, *command)
        assert code == 0
        assert err.count("caution: ") == len(json.loads((tmp_path / "c" / "summary.json").read_text())["cautions"]) > 0


def killed_after(monkeypatch, count):
    """Let so many cross-validations run, and stop the next."""
    real, done = CrossValidation.run, []

    def stopping(self):
        if len(done) == count:
            raise OSError("pulled the plug")
        done.append(self.key)
        return real(self)

    monkeypatch.setattr(CrossValidation, "run", stopping)


def test_a_killed_sweep_goes_on(capsys, tmp_path, monkeypatch, dataset):
    command = ["sweep", dataset, *SWEEP]
    assert run(capsys, *command, "-o", tmp_path / "whole")[0] == 0
    folder = tmp_path / "killed"
    with monkeypatch.context() as patch:
        killed_after(patch, 2)
        code, _, err = run(capsys, *command, "-o", folder)
    assert (code, "pulled the plug" in err, written(folder)) == (1, True, ["log.jsonl"])
    with (folder / "log.jsonl").open("a") as file:
        file.write('{"mode": "comp')  # a line that the kill cut
    killed_after(monkeypatch, 2)  # two are left
    assert run(capsys, *command, "-o", folder)[0] == 0
    for name in ("records.csv", "sweep.png", "sweep.pdf"):
        assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    code, out, _ = run(capsys, *command, "-o", folder)  # nothing is left: the same is shown again
    assert (code, "Saturation radius" in out) == (0, True)


def test_a_folder_holds_one_study(capsys, tmp_path, monkeypatch, make_dataset, dataset):
    folder = tmp_path / "s"
    command = ["errors", dataset, "-o", folder, *SMALL]
    assert run(capsys, *command)[0] == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    code, _, err = run(capsys, *command, "--seed", 1)
    assert code == 1
    assert "holds a study of other settings (seed), which is finished. Give another folder, or pass --overwrite" in err
    code, _, err = run(capsys, "sweep", dataset, "-o", folder, *SWEEP)
    assert (code, "holds another study" in err) == (1, True)
    make_dataset((*SIZES, 2)).save(tmp_path / "more.h5")
    code, _, err = run(capsys, "errors", tmp_path / "more.h5", "-o", folder, *SMALL)
    assert (code, "is the log of another table of errors: data differ. Give another folder" in err) == (1, True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert run(capsys, "sweep", dataset, "-o", folder, *SWEEP, "--overwrite")[0] == 0
    assert "errors.png" not in written(folder)
    (folder / "log.jsonl").unlink()
    code, _, err = run(capsys, "sweep", dataset, "-o", folder, *SWEEP)
    assert (code, "but no log of a study" in err) == (1, True)


def test_a_study_that_was_killed_is_not_continued_as_another(capsys, tmp_path, monkeypatch, dataset):
    with monkeypatch.context() as patch:
        killed_after(patch, 1)
        assert run(capsys, "sweep", dataset, "-o", tmp_path / "s", *SWEEP)[0] == 1
    code, _, err = run(capsys, "sweep", dataset, "-o", tmp_path / "s", *SWEEP, "--seed", 2)
    assert code == 1
    assert "log of another sweep: random_state differ. Give another folder, or pass --overwrite" in err
    code, _, err = run(capsys, "errors", dataset, "-o", tmp_path / "s", *SMALL)
    assert (code, "is not the log of a table of errors" in err) == (1, True)
    assert run(capsys, "errors", dataset, "-o", tmp_path / "s", *SMALL, "--overwrite")[0] == 0


def test_nothing_stays_of_a_study_that_was_refused(capsys, tmp_path, dataset):
    options = [*SMALL, "--inducing", 100]  # more than there are environments
    assert run(capsys, "errors", dataset, "-o", tmp_path / "e", *options)[0] == 2
    assert not (tmp_path / "e").exists()
    assert run(capsys, "errors", dataset, "-o", tmp_path / "e", *SMALL)[0] == 0


def test_large_kernels_are_planned_and_not_changed(capsys, tmp_path, monkeypatch, make_dataset):
    monkeypatch.setattr(plans, "LARGE", 3)
    make_dataset((2, 1) * 5).save(tmp_path / "d.h5")
    command = ["learning-curve", tmp_path / "d.h5", *SMALL, "--sizes", 9]
    code, _, err = run(capsys, *command, "-o", tmp_path / "a", "--alpha", 0.01)
    assert code == 0, err
    assert "The largest training part has 12 environments. ldos: Si: Kernel of 12 rows" in err
    assert "dos: All elements: Kernel of 8 rows" in err
    assert "Each is fitted up to 3 times. With --inducing 1000 a fit takes a small part of that." in err
    options = ["--inducing", 2, "--learn", "ldos"]
    code, _, err = run(capsys, *command, *options, "-o", tmp_path / "b")
    assert (code, "largest training part" in err) == (0, False)
    header = json.loads((tmp_path / "b" / "log.jsonl").read_text().splitlines()[0])
    assert "SparseLDOSKernelRidge" in header["regressors"]["ldos"]


def test_options_reach_the_model(capsys, tmp_path, dataset):
    options = [
        "--no-whiten",
        "--kernel",
        "gaussian",
        "--alpha",
        "0.01",
        "--atom-sigma",
        0.4,
        "--high",
        2.0,
        "--seed",
        4,
    ]
    ran(capsys, "errors", dataset, "-o", tmp_path / "e", *SMALL, *options, "--r-cut", 4.5, "--smearing", 0.35)
    header = json.loads((tmp_path / "e" / "log.jsonl").read_text().splitlines()[0])
    plain = DOSModel(
        SOAP(r_cut=4.5, n_max=2, l_max=1, atom_sigma=0.4), LDOSKernelRidge(0.01, kernel="gaussian"), high=2.0
    )
    assert header["model"] == studies.sweep.expression(plain)
    assert (header["n_splits"], header["random_state"], header["low"]) == (3, 4, -4.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep", "{total}"], "for '--learn': can only be dos: the data hold the total DOS"),
        (["sweep", "{data}", "--folds", "6"], "for '--folds': must be at most the number of groups, 5; got 6"),
        (["sweep", "{data}", "--smearing", "0.1"], "Cannot broaden to 0.1 eV: the spectra are 0.3 eV wide already"),
        (["sweep", "absent.h5"], "There is no dataset file absent.h5"),
        (["sweep", "{rare}", "--folds", "2"], "C is in the test part of fold"),
        (["sweep", "{data}", "{data}"], "names must be unique"),
        (["sweep", "{data}", "{total}"], "ldos differs"),
        (["learning-curve", "{data}", "--sizes", "10,500"], "larger than a training part"),
        (["learning-curve", "{total}"], "for '--learn': can only be dos"),
        (["compare", "{total}"], "for '--learn': can only be dos"),
        (["compare", "{unknown}"], "pass --no-properties"),
        (["learning-curve", "{unknown}", "--temperature", "300"], "leave out --temperature"),
        (["smearing", "{unknown}", "--widths", "0.3", "--temperature", "300"], "leave out --temperature"),
        (["transfer", "{data}", "{unknown}", "--temperature", "300"], "leave out --temperature"),
        (
            ["errors", "{data}", "--low", "50"],
            "for '--low': must be below the highest energy learned, 2.7 eV; got 50 eV",
        ),
        (["compare", "{data}", "--high", "9"], "for '--high': must be at most 2.7 eV"),
        (["errors", "{total}"], "for '--learn': can only be dos"),
        (["errors", "{data}", "--zero", "vacuum"], "for '--zero': cannot be 'vacuum'"),
        (["smearing", "{data}", "--widths", "0.2,0.4"], "Cannot broaden to 0.2 eV"),
        (["transfer", "{data}", "{data}"], "groups are in both datasets"),
        (["transfer", "{silicon}", "{rare}", "--folds", "2"], "contains C, which the training set lacks"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(capsys, tmp_path, monkeypatch, make_dataset, arguments, message):
    monkeypatch.chdir(tmp_path)
    make_dataset(SIZES).save("data.h5")
    make_dataset(SIZES, total=True).save("total.h5")
    make_dataset((2, 2, 3, 2, 2, 2, 1, 1), start=30).save("rare.h5")
    make_dataset((2, 2, 1, 2, 2, 2)).save("silicon.h5")
    make_dataset(SIZES, n_electrons=None).save("unknown.h5")
    before = sorted(tmp_path.iterdir())
    names = {name: f"{name}.h5" for name in ("data", "total", "rare", "silicon", "unknown")}
    code, out, err = run(capsys, *[a.format(**names) for a in arguments], "-o", "study")
    assert (code, out) == (2 if "for '--" in message else 1, "")
    assert message in err
    assert "Traceback" not in err
    assert sorted(tmp_path.iterdir()) == before


STUDIES = {
    "sweep": ["absent.h5"],
    "learning-curve": ["absent.h5"],
    "compare": ["absent.h5"],
    "errors": ["absent.h5"],
    "smearing": ["absent.h5"],
    "transfer": ["absent.h5", "absent.h5"],
}


@pytest.mark.parametrize("command", STUDIES)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--gamma 0", "'--gamma': must be above 0 and finite; got 0"),
        ("--gamma nan", "'--gamma': must be above 0 and finite; got nan"),
        ("--alpha=-1", "'--alpha': must be a number above 0"),
        ("--alpha nan", "or leave-one-out; got 'nan'"),
        ("--alpha best", "or leave-one-out; got 'best'"),
        ("--inducing 0", "'--inducing'"),
        ("--n-max 0", "'--n-max'"),
        ("--l-max 40", "'--l-max'"),
        ("--atom-sigma 0", "'--atom-sigma': must be above 0 angstrom"),
        ("--atom-sigma 100", "for '--atom-sigma': is too large: with r_cut = "),
        ("--r-cut 1e9", "for '--r-cut': must be at most 1e+06 angstrom; got 1e+09"),
        ("--r-cut 0.8", "for '--r-cut': must be above 1 angstrom"),
        ("--low nan", "'--low': must be an energy in eV; got nan"),
        ("--high nan", "'--high': must be an energy in eV; got nan"),
        ("--low 1 --high -1", "for '--low': must be below high; got 1 and -1 eV"),
        ("--jobs 0", "'--jobs': must be a number of processes"),
    ],
)
def test_options_that_are_never_right_are_refused_before_data_are_read(capsys, tmp_path, command, arguments, message):
    code, out, err = run(capsys, command, *STUDIES[command], "-o", tmp_path / "study", *arguments.split())
    assert (code, out) == (2, "")
    assert message in err
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("sweep absent.h5 --r-cut 4,1e9", "for '--r-cut': must be at most 1e+06 angstrom; got 1e+09"),
        ("sweep absent.h5 --r-cut 2:8", "--r-cut takes a range START:STOP:STEP"),
        ("sweep absent.h5 --r-cut 8:2:1", "got '8:2:1'"),
        ("sweep absent.h5 --r-cut 3;4", "got '3;4'"),
        ("sweep absent.h5 --tune --inducing 3", "give --tune or --inducing"),
        ("sweep absent.h5 --smearing 0", "A width of zero is no smearing: leave the option out to keep"),
        ("errors absent.h5 --smearing=-1", "'--smearing': must be above 0 eV and finite; got -1"),
        ("compare absent.h5 --smearing nan", "'--smearing': must be above 0 eV and finite; got nan"),
        ("smearing absent.h5 --widths 0,0.3", "--widths must be above 0 eV: a width of zero is no smearing; got 0"),
        ("smearing absent.h5 --widths wide", "--widths takes a range"),
        ("learning-curve absent.h5 --sizes many", "--sizes takes a range"),
        ("learning-curve absent.h5 --sizes 2.5", "--sizes takes whole numbers"),
        ("compare absent.h5 -T 0", "must be above 0 K and finite; got 0"),
        ("learning-curve absent.h5 -T -5", "must be above 0 K and finite; got -5"),
        ("smearing absent.h5 -T nan", "must be above 0 K and finite; got nan"),
        ("transfer absent.h5 absent.h5 -T 0", "must be above 0 K and finite; got 0"),
        (
            "compare absent.h5 --alpha leave-one-out",
            "for '--alpha': leave-one-out works only where LDOS alone are learned",
        ),
        (
            "transfer absent.h5 absent.h5 --learn both --alpha leave-one-out",
            "for '--alpha': leave-one-out works only where",
        ),
    ],
)
def test_so_are_those_of_one_study(capsys, tmp_path, arguments, message):
    code, out, err = run(capsys, *arguments.split(), "-o", tmp_path / "study")
    assert (code, out) == (2, "")
    assert message in err


def test_energies_that_leave_nothing_are_refused_before_anything_is_fitted(capsys, tmp_path, dataset, monkeypatch):
    def refuse(self):
        raise AssertionError("fitted")

    monkeypatch.setattr(CrossValidation, "run", refuse)
    assert run(capsys, "errors", dataset, "-o", tmp_path / "e", "--low", "50")[0] == 2


def test_a_radius_at_an_end_of_the_sweep_is_told_as_a_bound():
    assert [reached(r, [2.0, 4.0, 6.0]) for r in (2.0, 4.0, 6.0)] == ["2 or less", "4", "not within 6"]


def test_a_log_whose_results_are_not_whole(capsys, tmp_path, dataset):
    ran(capsys, "errors", dataset, "-o", tmp_path / "e", *SMALL)
    header, line = (tmp_path / "e/log.jsonl").read_bytes().splitlines(keepends=True)
    record = json.loads(line)
    del record["squared"]
    del record["crc32"]
    (tmp_path / "e/log.jsonl").write_bytes(header + _line(record))
    code, _, err = run(capsys, "errors", dataset, "-o", tmp_path / "e", *SMALL)
    assert (code, "is damaged: it lacks squared" in err) == (1, True)


def test_total_dos_is_enough_for_structural_learning(capsys, tmp_path, make_dataset):
    make_dataset(SIZES, total=True).save(tmp_path / "d.h5")
    options = ["--learn", "dos", *SMALL]
    summary = ran(capsys, "compare", tmp_path / "d.h5", "-o", tmp_path / "c", *options, "--no-properties")
    assert {row["quantity"] for row in summary["results"]["errors"]} == {"dos", "dos_derivative"}


def test_a_file_is_no_folder(capsys, tmp_path, dataset):
    code, _, err = run(capsys, "errors", dataset, "-o", dataset, *SMALL)
    assert (code, "is a file; give a folder" in err) == (1, True)


def test_numbers_of_an_option():
    assert read_numbers("-x", "2:3:0.5") == [2.0, 2.5, 3.0]
    assert read_numbers("-x", "0.1:0.3:0.1") == [0.1, 0.2, 0.3]
    assert read_numbers("-x", "4,3,3.5,3") == [3.0, 3.5, 4.0]
    assert read_counts("-x", "100:300:100") == [100, 200, 300]
    for text in ("", "2:8:0", "1:2:3:4", "2:nan:1", "inf", "1:1e9:1e-9", "1,,2", "0:1:-1"):
        with pytest.raises(typer.BadParameter, match="-x takes a range"):
            read_numbers("-x", text)
