"""The scripts of benchmarks/, paper_figures/ and crystal_figures/: all are listed, and the runner runs them."""

import importlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "benchmarks" / "README.md").read_text()


@pytest.fixture
def script(monkeypatch):
    """Import a script by its name, as if started from its folder."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


@pytest.fixture
def run(script):
    return script("run")


def table(folder, name):
    """The rows that the runner wrote, or a table of a script."""
    return json.loads((folder / name).read_text())


def test_the_readme_lists_every_script_and_no_other(run):
    listed = re.findall(r"^\| `(\w+)\.py`", README, flags=re.MULTILINE)
    assert sorted(listed) == sorted(run.scripts())


def test_every_script_says_what_it_shows_and_how_it_is_started(run):
    for name, path in run.scripts().items():
        assert run.docstring(path).partition("\n")[0].endswith("."), name
        assert run.commands(path, None), name


def test_the_list_names_every_script(run, capsys):
    run.main(["--list"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0].partition("/")[2] for line in lines] == list(run.scripts())
    run.main(["--list", "paper_figures", "kernels"])
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed[0] == "benchmarks/kernels"
    assert {line.partition("/")[0] for line in listed[1:]} == {"paper_figures"}


def test_unknown_names_are_refused(run):
    with pytest.raises(SystemExit, match="No script or folder is named kernel;"):
        run.main(["kernel"])


def test_commands_come_without_optional_parts(run, tmp_path):
    path = tmp_path / "benchmarks" / "one.py"
    path.parent.mkdir()
    command = "OMP_NUM_THREADS=1 python benchmarks/one.py fast MODEL [--data FOLDER] [--seeds 0 1]  # minutes"
    path.write_text(f'"""What it shows.\n\n    {command}\n    python benchmarks/one.py slow\n"""\n')
    assert run.commands(path, None) == [["fast", "MODEL"], ["slow"]]
    assert run.commands(path, Path("a b")) == [["fast", "MODEL", "--data", "a b"], ["slow"]]


def test_the_runner_runs_scripts_and_collects_their_results(run, tmp_path, capsys):
    run.main(["quadratures", "dos_fit", "alloy_slabs", "--quick", "--folder", str(tmp_path)])
    assert "skipped: needs FOLDER" in capsys.readouterr().out
    runs = table(tmp_path, "runs.json")
    outcomes = {row["script"]: row["outcome"] for row in runs["tables"]["commands"]}
    assert outcomes == {"alloy_slabs": "skipped: needs FOLDER", "dos_fit": "done", "quadratures": "done"}
    assert {"hardware", "versions", "date", "seconds", "options"} <= set(runs)
    found = table(tmp_path, "quadratures/quadratures.json")
    assert found["options"]["quick"] is True
    (rows,) = found["tables"].values()
    rule = [row["auto: N (electrons)"] for row in rows]
    assert max(rule) < 1e-4
    assert "| 0.1 | 1 |" in (tmp_path / "quadratures" / "output.txt").read_text()
    fits = table(tmp_path, "dos_fit/dos_fit.json")["tables"]["fits"]
    assert all(row["peak memory (GB)"] > row["inputs (GB)"] for row in fits)


def test_the_runner_goes_on_after_a_failure_and_reports_it(run, tmp_path, monkeypatch):
    broken, other = tmp_path / "benchmarks" / "broken.py", tmp_path / "benchmarks" / "other.py"
    broken.parent.mkdir()
    broken.write_text('"""It fails.\n\n    python benchmarks/broken.py\n"""\nraise ValueError("no such axis")\n')
    other.write_text('"""It works.\n\n    python benchmarks/other.py\n"""\n')
    monkeypatch.setattr(run, "scripts", lambda: {"broken": broken, "other": other})
    with pytest.raises(SystemExit):
        run.main(["--folder", str(tmp_path / "results")])
    rows = table(tmp_path / "results", "runs.json")["tables"]["commands"]
    assert [row["outcome"] for row in rows] == ["failed: ValueError: no such axis", "done"]
    run.main(["--quick", "--folder", str(tmp_path / "quick")])
    rows = table(tmp_path / "quick", "runs.json")["tables"]["commands"]
    assert [row["outcome"] for row in rows] == ["skipped: has no quick run"] * 2


def test_results_are_kept_row_by_row(script, tmp_path, capsys):
    machine = script("machine")
    results = machine.Results("one.py", machine.parser("words").parse_args(["--folder", str(tmp_path)]))
    results.add("errors", {"fold": 1, "loss": 0.123456789, "note": None})
    assert table(tmp_path, "one.json")["tables"] == {"errors": [{"fold": 1, "loss": 0.123456789, "note": None}]}
    results.add("errors", {"fold": 2, "loss": np.float64(np.nan), "note": "worst"})
    assert table(tmp_path, "one.json")["tables"]["errors"][1] == {"fold": 2, "loss": None, "note": "worst"}
    printed = capsys.readouterr().out
    assert "| fold | loss | note |\n| --- | --- | --- |\n| 1 | 0.1235 |  |\n| 2 | nan | worst |" in printed


def test_memory_of_a_process_of_its_own_is_its_own(script):
    machine = script("machine")
    here = np.ones(30_000_000)  # 240 MB that the other process does not hold
    result, peak = machine.alone(np.sum, np.ones(10))
    assert result == 10
    assert peak < here.nbytes + 50e6
