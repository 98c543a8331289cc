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


def test_an_unknown_column_is_an_error():
    with pytest.raises(ValueError, match="no column DOS; it has model, LDOS, note"):
        benchmark_table.choose(RESULTS["tables"]["errors"], ["DOS"])


def test_the_origin_is_told():
    told = benchmark_table.origin(RESULTS)
    assert told.startswith("benchmarks/folds.py --data FOLDER --widths 0.1 0.3 --epoch")
    assert "a machine" in told
    assert told.endswith("2026-11-30")


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
        for found in re.findall(r"^```\{benchmark\} (\w+)\n(?::table: (.+)\n)?", page.read_text(), flags=re.MULTILINE)
    ]
    assert asked
    for script, table in asked:
        assert table in {"", *benchmark_table.load(script)["tables"]}
