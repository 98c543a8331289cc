"""Tables of results: every digit comes back, what is missing is told apart, and a file is whole or not there."""

import csv
import errno
import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldosml.tables import ResultTable, result_table, save_json, save_table

RECORDS = [
    {"name": "a, b", "size": 10, "loss": 1 / 7, "low": None, "folds": [1 / 3, 2]},
    {"name": "Ω", "size": None, "loss": np.nan, "low": np.float64(0.1), "folds": []},
]


def test_csv(tmp_path):
    path = save_table(tmp_path / "t.csv", RECORDS)
    with open(path, newline="", encoding="utf-8") as file:
        header, *lines = csv.reader(file)
    assert header == ["name", "size", "loss", "low", "folds"]
    assert lines == [
        ["a, b", "10", "0.14285714285714285", "", "[0.3333333333333333, 2]"],
        ["Ω", "", "", "0.1", "[]"],
    ]


def test_json(tmp_path):
    path = save_table(str(tmp_path / "t.json"), RECORDS)
    expected = [RECORDS[0], RECORDS[1] | {"loss": None}]
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == expected


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_columns_are_rows_turned(tmp_path, ending):
    columns = {"size": np.array([1, 2]), "loss": np.array([0.1, np.nan]), "name": ["a", "b"], "log": [True, False]}
    rows = [{name: values[row] for name, values in columns.items()} for row in range(2)]
    written = [save_table(tmp_path / f"{i}.{ending}", each).read_text() for i, each in enumerate((columns, rows))]
    assert written[0] == written[1]


@settings(deadline=None, max_examples=40)
@given(numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_every_digit_comes_back(tmp_path_factory, numbers):
    folder = tmp_path_factory.mktemp("tables")
    columns = {"x": np.array(numbers)}
    with open(save_table(folder / "t.csv", columns), newline="") as file:
        assert [float(line["x"]) for line in csv.DictReader(file)] == numbers
    assert [row["x"] for row in json.loads(save_table(folder / "t.json", columns).read_text())] == numbers


def test_rows_that_differ_in_their_entries(tmp_path):
    path = save_table(tmp_path / "t.csv", [{"a": 1}, {"a": 2, "b": 3}])
    assert path.read_text() == "a,b\n1,\n2,3\n"


def test_json_of_nested_arrays(tmp_path):
    content = {"grid": np.array([[1.0, np.inf], [np.nan, -0.5]]), "n": np.int64(3), "of": ("a", None, True)}
    found = json.loads(save_json(tmp_path / "t.json", content).read_text(), parse_constant=pytest.fail)
    assert found == {"grid": [[1.0, None], [None, -0.5]], "n": 3, "of": ["a", None, True]}
    with pytest.raises(TypeError, match="not JSON serializable"):
        save_json(tmp_path / "u.json", {"a": {1}})
    assert [path.name for path in tmp_path.iterdir()] == ["t.json"]


SHOWN = ResultTable(
    "Errors of 100 % | C_2 & more",
    ["quantity", "χ (eV/T^2/atom)", "γ (10⁻³ mJ)", "L/sigma", "unit"],
    [["band_gap", "0.1 ± 0.2", "not known", "0.25 *", "eV^-1/2"], ["a|b\\c", "", "-1", "1", "#<1>~"]],
)


def test_latex_has_no_character_that_latex_takes_for_a_command():
    assert SHOWN.text("latex").splitlines() == [
        r"\begin{table}",
        r"\caption{Errors of 100 \% \textbar{} C\_2 \& more}",
        r"\begin{tabular}{lrrrl}",
        r"\toprule",
        r"quantity & χ (eV/T$^{2}$/atom) & γ (10$^{-3}$ mJ) & L/$\sigma$ & unit \\",
        r"\midrule",
        r"band\_gap & 0.1 $\pm$ 0.2 & not known & 0.25 * & eV$^{-1/2}$ \\",
        r"a\textbar{}b\textbackslash{}c &  & $-$1 & 1 & \#\textless{}1\textgreater{}\textasciitilde{} \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def test_markdown_shows_each_character_as_it_is():
    title, empty, header, rule, *rows = SHOWN.text("markdown").splitlines()
    assert (title, empty) == (r"**Errors of 100 % \| C\_2 & more**", "")
    assert [cell.strip() for cell in header.split("|")[1:-1]] == list(SHOWN.columns)
    assert [(cell[0] == ":", cell[-1] == ":") for cell in rule.split("|")[1:3]] == [(True, False), (False, True)]
    assert [cell.strip() for cell in rows[0].split("|")[1:-1]] == [
        r"band\_gap",
        "0.1 ± 0.2",
        "not known",
        r"0.25 \*",
        "eV^-1/2",
    ]
    assert rows[1].startswith(r"| a\|b\\c")


def test_csv_has_its_title_in_a_comment():
    title, *lines = SHOWN.text("csv").splitlines()
    assert title == "# Errors of 100 % | C_2 & more"
    assert list(csv.reader(lines)) == [SHOWN.columns, *SHOWN.rows]
    assert ResultTable("", ["a"], [["1"]]).text("csv") == "a\n1"


def test_records_as_a_table_for_people():
    shown = result_table(RECORDS, "Losses", digits=3)
    assert (shown.title, list(shown.columns)) == ("Losses", ["name", "size", "loss", "low", "folds"])
    assert shown.rows == [["a, b", "10", "0.143", "", "0.333, 2"], ["Ω", "", "", "0.1", ""]]
    assert shown.numeric == [False, True, True, True, True]


@pytest.mark.parametrize(("ending", "begin"), [("md", "| name"), ("tex", r"\begin{tabular}{lrrrr}")])
def test_records_in_a_file_for_people(tmp_path, ending, begin):
    text = save_table(tmp_path / f"t.{ending}", RECORDS).read_text()
    assert text.startswith(begin)
    assert "0.1429" in text
    assert text.endswith("\n")


def test_other_markup_is_refused():
    with pytest.raises(ValueError, match="must be one of 'markdown', 'latex', 'csv'; got 'html'"):
        SHOWN.text("html")


@pytest.mark.parametrize("name", ["t.txt", "t", "t.csv.gz", "t.CSV", "t.h5"])
def test_other_endings_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"written to \.csv, \.json, \.md or \.tex; got 't"):
        save_table(tmp_path / name, RECORDS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rows", [[], {}, {"a": []}])
def test_a_table_without_rows_is_refused(tmp_path, rows):
    with pytest.raises(ValueError, match="no rows to write"):
        save_table(tmp_path / "t.csv", rows)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_an_existing_file_is_kept_unless_asked(tmp_path, ending):
    path = tmp_path / f"t.{ending}"
    path.write_text("theirs")
    with pytest.raises(FileExistsError, match="exists already"):
        save_table(path, RECORDS)
    assert path.read_text() == "theirs"
    assert save_table(path, RECORDS, overwrite=True) == path
    assert "Ω" in path.read_text() or "\\u03a9" in path.read_text()


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch, ending):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device; it was not written"):
        save_table(tmp_path / f"t.{ending}", RECORDS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["=1+1", "+cmd|x", "-2+3+cmd|' /C calc'!A0", "@SUM(A1)", "\t=1"])
def test_names_are_no_formulas_and_no_commands(tmp_path, name):
    path = save_table(tmp_path / "t.csv", [{name: name, "x": -1.5, "y\x1b[31m": "-0.5"}])
    header, row = csv.reader(path.read_text().splitlines())
    assert header[0][0] == row[0][0] == "'"
    assert row[1:] == ["-1.5", "-0.5"]
    for markup in ("csv", "markdown", "latex"):
        assert "\x1b" not in result_table([{"a\x1b": "b\x9b"}]).text(markup)
    assert "\x1b" not in path.read_text()
