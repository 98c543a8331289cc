"""Tables of results: every digit comes back, what is missing is told apart, and a file is whole or not there."""

import csv
import errno
import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldosml.tables import save_json, save_table

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


@pytest.mark.parametrize("name", ["t.txt", "t", "t.csv.gz", "t.CSV", "t.h5"])
def test_other_endings_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"written to \.csv or \.json; got 't"):
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
