"""Tables of the documentation that benchmarks' result files fill."""

import json
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="Sphinx is not installed")
DOCS = Path(__file__).parents[1] / "docs"
sys.path.insert(0, str(DOCS / "_extensions"))
import benchmark_table  # noqa: E402

RESULTS = {
    "script": "folds",
    "options": {"quick": False, "data": "FOLDER", "widths": [0.1, 0.3], "epoch": True},
    "hardware": "a machine",
    "versions": {"numpy": "2.4"},
    "date": "2026-11-30T09:41:41+00:00",
    "tables": {"errors": [{"model": "default", "LDOS": 0.17849, "note": None}, {"model": "other", "LDOS": 12.0}]},
}


def test_cells_have_four_digits_and_nothing_for_what_is_not_there():
    header, cells = benchmark_table.choose(RESULTS["tables"]["errors"], [])
    assert header == ["model", "LDOS", "note"]
    assert cells == [["default", "0.1785", ""], ["other", "12", ""]]
    assert benchmark_table.choose(RESULTS["tables"]["errors"], ["LDOS"]) == (["LDOS"], [["0.1785"], ["12"]])


@pytest.mark.parametrize(
    ("value", "shown"),
    [(True, "yes"), (False, "no"), (1.0, "1"), (3e4, "30,000"), (29723, "29,723"), (2346.4, "2346"), (1e-12, "1e-12")],
)
def test_cells_read_as_a_person_writes(value, shown):
    assert benchmark_table.cell(value) == shown


def test_columns_are_renamed():
    chosen = benchmark_table.choose(RESULTS["tables"]["errors"], ["LDOS as L/sigma", "model"])
    assert chosen == (["L/sigma", "model"], [["0.1785", "default"], ["12", "other"]])


def test_an_unknown_column_is_an_error():
    with pytest.raises(ValueError, match="no column DOS; it has model, LDOS, note"):
        benchmark_table.choose(RESULTS["tables"]["errors"], ["DOS as total"])


def test_tables_are_found_by_title_or_by_its_start():
    tables = {"errors": [{}], "errors, part": [{}], "times": [{}]}
    assert list(benchmark_table.wanted(tables, {})) == list(tables)
    assert list(benchmark_table.wanted(tables, {"table": "errors"})) == ["errors"]
    assert list(benchmark_table.wanted(tables, {"table": "err"})) == ["errors", "errors, part"]
    assert list(benchmark_table.wanted(tables, {"table": "err", "titles": "A; B"})) == ["A", "B"]
    with pytest.raises(ValueError, match="'memory'; there are 'errors', 'errors, part', 'times'"):
        benchmark_table.wanted(tables, {"table": "memory"})
    with pytest.raises(ValueError, match="1 titles for the 2 tables 'errors', 'errors, part'"):
        benchmark_table.wanted(tables, {"table": "err", "titles": "A"})


def test_tables_are_joined_and_spread():
    tables = {
        "left out: slabs": [{"method": "mean", "MAE": 0.2}, {"method": "SOAP", "MAE": 0.1}],
        "left out: hosts": [{"method": "mean", "MAE": 0.4}],
    }
    joined = {"table": "left out:", "join": "left out"}
    assert benchmark_table.wanted(tables, joined)["left out"][2] == {"left out": "hosts", "method": "mean", "MAE": 0.4}
    made = benchmark_table.wanted(tables, {**joined, "spread": "method; MAE"})
    assert benchmark_table.choose(made["left out"], []) == (
        ["left out", "mean", "SOAP"],
        [["slabs", "0.2", "0.1"], ["hosts", "0.4", ""]],
    )
    with pytest.raises(ValueError, match="no column RMSE"):
        benchmark_table.wanted(tables, {**joined, "spread": "method; RMSE"})


def test_the_origin_is_told():
    assert benchmark_table.origin(RESULTS) == "folds.json, 2026-11-30: a machine; numpy 2.4"


def test_a_missing_file_names_the_command(tmp_path):
    with pytest.raises(ValueError, match=r"folds\.json: run benchmarks/folds\.py --folder benchmarks/output"):
        benchmark_table.load("folds", tmp_path)
    (tmp_path / "folds.json").write_text(json.dumps(RESULTS))
    assert benchmark_table.load("folds", tmp_path) == RESULTS


def test_kept_results_are_of_whole_runs_and_name_no_folder_of_a_machine():
    """A quick run says nothing; a path says where somebody's files lie."""
    kept = sorted(benchmark_table.OUTPUT.glob("*.json"))
    assert kept
    for path in kept:
        results = json.loads(path.read_text())
        assert not results["options"].get("quick"), path.name
        assert not any("/" in str(value) for value in results["options"].values()), path.name


def test_every_table_that_a_page_asks_for_is_there():
    asked = [
        found
        for page in (DOCS / "benchmarks").glob("*.md")
        for found in re.findall(r"^```\{benchmark\} (\w+)\n((?::.+\n)*)```", page.read_text(), flags=re.MULTILINE)
    ]
    assert asked
    for script, lines in asked:
        options = dict(re.findall(r"^:(\w+): (.+)$", lines, flags=re.MULTILINE))
        columns = [part.strip() for part in options.get("columns", "").split(";") if part.strip()]
        for rows in benchmark_table.wanted(benchmark_table.load(script)["tables"], options).values():
            header, cells = benchmark_table.choose(rows, columns)
            assert header
            assert cells
