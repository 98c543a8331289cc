"""The scripts behind the figures of the paper, on little data."""

import csv
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from ldosml import LDOS, EnergyGrid, Evaluation, LDOSKernelRidge, SparseLDOSKernelRidge, load_dataset

FOLDER = Path(__file__).parents[1] / "paper_figures"
SCRIPTS = (*(f"figure_{number}" for number in range(1, 8)), "table_1", "smearing", "transfer")


@pytest.fixture
def script(monkeypatch):
    """Import a script by its name, as if started from its folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module
    for name in ("settings", "check", *SCRIPTS):
        sys.modules.pop(name, None)


@pytest.fixture
def settings(script):
    return script("settings")


@pytest.fixture
def run(settings, tmp_path):
    """On a dozen of the silicon trajectories."""
    return settings.Run(quick=True, folder=tmp_path, jobs=1)


def test_the_kept_figures_are_for_the_structures_that_the_carbide_set_had(settings, tmp_path):
    carbide = settings.Run(folder=tmp_path, jobs=1).data(settings.CARBIDE, None)
    assert (len(carbide), len(set(carbide.groups)), len(carbide.numbers)) == (162, 81, 1684)
    assert set(load_dataset("silicon-carbide").groups) - set(carbide.groups) == settings.ADDED_CARBIDE


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_every_script_says_what_the_paper_shows_and_makes_it(script):
    made = [path.stem for path in FOLDER.glob("*.py") if path.stem not in ("settings", "check")]
    assert sorted(made) == sorted(SCRIPTS)
    for name in SCRIPTS:
        module = script(name)
        assert callable(module.make)
        assert "paper" in module.__doc__


@pytest.mark.filterwarnings("ignore::ldosml.properties.NegativeDOSWarning")
@pytest.mark.filterwarnings("ignore::ldosml.properties.HiddenGapWarning")
def test_figures_of_structures_left_out_are_made(script, run, settings):
    for name in ("figure_2", "figure_5"):
        script(name).make(run)
    output = run.folder
    names = {"figure-2.csv", "figure-2.pdf", "figure-2.png", "figure-2-losses.csv"}
    assert names | {"figure-5.csv", "figure-5.pdf", "figure-5.png"} == {path.name for path in output.iterdir()}
    losses = {row["name"]: float(row["normalized_loss"]) for row in rows(output / "figure-2-losses.csv")}
    assert list(losses) == ["band_energy", "dos_at_fermi_level", "heat_capacity", "pauli_susceptibility"]
    assert all(0 < loss < 1.2 for loss in losses.values())
    assert len(rows(output / "figure-2.csv")) == len(run.data(settings.SILICON))
    table = rows(output / "figure-5.csv")
    assert {row["structure"].rsplit("-", 3)[0] for row in table} == {"diamond", "amorphous"}
    assert float(table[0]["energy"]) == -14
    integral = {
        s: 0.05 * sum(float(r["derivative, DFT"]) for r in table if r["structure"] == s)
        for s in {row["structure"] for row in table}
    }
    for s, value in integral.items():
        ends = [float(row["dos, DFT"]) for row in table if row["structure"] == s]
        assert value == pytest.approx(ends[-1] - ends[0], abs=0.02)


def test_a_study_goes_on_where_it_stopped(script, run, monkeypatch, settings):
    smearing = script("smearing")
    monkeypatch.setattr(smearing, "SETS", (settings.SILICON,))
    monkeypatch.setattr(smearing, "WIDTHS", (0.5,))
    smearing.make(run)
    before = (run.folder / "smearing-silicon.csv").read_bytes()
    (log,) = (run.folder / ".logs").iterdir()
    written = log.stat().st_mtime_ns
    smearing.make(run)
    assert (run.folder / "smearing-silicon.csv").read_bytes() == before
    assert log.stat().st_mtime_ns == written


def test_a_quick_run_has_a_dozen_whole_trajectories(settings):
    data = settings.Run(quick=True).data(settings.SILICON)
    whole = settings.Run().data(settings.SILICON)
    assert 10 <= len(set(data.groups)) <= 14
    assert all(data.groups.count(group) == whole.groups.count(group) for group in set(data.groups))


def test_models_are_those_of_the_readme(settings):
    assert isinstance(settings.SILICON.model().regressor, SparseLDOSKernelRidge)
    assert settings.SILICON.model().regressor.n_inducing == 1000
    assert isinstance(settings.SILICON.model(quick=True).regressor, LDOSKernelRidge)
    assert isinstance(settings.TIN.model().regressor, LDOSKernelRidge)
    assert settings.TIN.model("dos").regressor.learn == "dos"
    told = " ".join(FOLDER.joinpath("README.md").read_text().split())
    for one in (settings.SILICON, settings.CARBIDE, settings.TIN):
        assert one.model().high == one.high
        assert f"E_F - {-one.low:g} to E_F + {one.high:g} eV ({one.title})" in told


def test_tables_are_compared_to_a_tolerance(script, tmp_path):
    fresh, kept = tmp_path / "fresh.csv", tmp_path / "kept.csv"
    kept.write_text("atom,loss,noise\na,1.0,nan\nb,0.01,\n")
    fresh.write_text("atom,loss,noise\na,1.009,nan\nb,0.0119,\n")
    assert script("check").differences(fresh, kept) == []
    fresh.write_text("atom,loss,noise\nc,1.011,0.1\nb,0.0121,\n")
    assert script("check").differences(fresh, kept) == [
        "kept.csv, line 2, atom: c, kept is a",
        "kept.csv, line 2, loss: 1.011, kept is 1.0",
        "kept.csv, line 2, noise: 0.1, kept is nan",
        "kept.csv, line 3, loss: 0.0121, kept is 0.01",
    ]
    fresh.write_text("atom,loss\n")
    assert script("check").differences(fresh, kept)[0].startswith("kept.csv: 1 lines")


def test_small_units_do_not_hide_differences(script, tmp_path):
    fresh, kept = tmp_path / "fresh.csv", tmp_path / "kept.csv"
    kept.write_text("quantity,rmse\nldos,0.5\nheat_capacity,2e-7\n")
    fresh.write_text("quantity,rmse\nldos,0.501\nheat_capacity,2.1e-7\n")
    (line,) = script("check").differences(fresh, kept)
    assert line == "kept.csv, line 3, rmse: 2.1e-7, kept is 2e-7"


def test_kept_tables_are_made_again(script, settings, tmp_path, monkeypatch):
    """Those of Sn-S-Se in figure 7, which take seconds."""
    monkeypatch.setattr(script("figure_7"), "SETS", (settings.TIN,))
    script("figure_7").make(settings.Run(folder=tmp_path, jobs=1))
    made = sorted(tmp_path.glob("*.csv"))
    assert [path.name for path in made] == [f"figure-7-tin-chalcogenides{end}.csv" for end in ("-atoms", "")]
    for path in made:
        assert script("check").differences(path, FOLDER / "output" / path.name) == []


def test_a_quick_run_does_not_replace_the_kept_files(settings):
    for given, folder in (([], "output"), (["--quick"], ".quick")):
        assert settings.parse("words", given).folder == FOLDER / folder
    assert settings.parse("words", ["--quick", "--folder", "x"]).folder == Path("x")


def test_atoms_are_told_with_their_elements_sigma(settings):
    grid = EnergyGrid.from_range(-1.0, 1.0, 0.5, zero="fermi")
    true = np.array([[0.0, 1, 2, 1, 0], [0, 2, 4, 2, 0], [1, 1, 2, 1, 1]])
    predicted = true + np.array([0.1, 0.2, 0.3])[:, None]
    options = {"structure_index": [0, 1, 1], "numbers": [14, 14, 6]}
    evaluation = Evaluation(*(LDOS(grid, v, 0.3, **options) for v in (true, predicted)), ["a", "b"], ["x", "x"])
    atoms = settings.atoms_of(evaluation)
    assert [(row["structure"], row["atom"], row["element"]) for row in atoms] == [
        ("a", 0, "Si"),
        ("b", 0, "Si"),
        ("b", 1, "C"),
    ]
    sigma = true[:2].std()
    assert [row["loss"] for row in atoms] == pytest.approx([0.1 / sigma, 0.2 / sigma, 0.3 / true[2].std()])


def test_compositions_are_told_apart(settings):
    run = settings.Run()
    parts = [run.data(one) for one in (settings.CARBIDE_SI, settings.CARBIDE_C, settings.CARBIDE_BOTH)]
    assert [set(np.unique(part.numbers)) for part in parts] == [{14}, {6}, {6, 14}]
    assert sum(map(len, parts)) == len(run.data(settings.CARBIDE))
