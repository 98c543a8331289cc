"""Tables on consoles of any width, and in the forms that --format gives."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table_text import assert_whole

from ldosml.cli import main
from ldosml.cli.display import noise_words, table
from ldosml.cli.layout import laid_out

WORDS = st.text("abc xyz", max_size=30).map(lambda text: " ".join(text.split()))


def wide(n_columns=9, name="absorption spectrum", n_keys=1):
    columns = ["quantity", *(f"number {place}" for place in range(n_columns))]
    rows = [[name, *(f"-{place}.{row:03d}e-10" for place in range(n_columns))] for row in range(3)]
    return table("Numbers", columns, rows, n_keys=n_keys)


@pytest.mark.parametrize("width", [40, 50, 60, 80, 100, 200])
@pytest.mark.parametrize("n_keys", [1, 2])
def test_a_table_too_wide_is_parted_and_nothing_is_cut(width, n_keys):
    assert_whole(wide(n_keys=n_keys), width)


def test_words_are_broken_before_a_table_is_parted():
    assert len(list(laid_out(wide(4), 70))) == 1
    assert len(list(laid_out(wide(9), 70))) > 1
    assert_whole(wide(4, name="x" * 60), 70)  # one word, longer than a column may be


@settings(max_examples=60, deadline=None)
@given(data=st.data(), width=st.sampled_from([60, 80]))
def test_any_table(data, width):
    size = data.draw(st.integers(2, 7))
    header = [f"{data.draw(WORDS)} {place}".strip() for place in range(size)]
    rows = data.draw(st.lists(st.lists(WORDS, min_size=size, max_size=size), min_size=1, max_size=4))
    assert_whole(table("", header, rows), width)


def test_label_noise_that_is_not_known_has_no_column_but_a_sentence():
    rows = [["LDOS", "0.1", "not known"]]
    columns = ("spectrum", "L/sigma", "label noise")
    unknown, known = table("", columns, rows), table("", columns, [*rows, ["DOS", "0.2", "0.012"]])
    assert list(unknown.columns) == ["spectrum", "L/sigma"]
    assert noise_words([unknown]) == ["The label noise of these spectra is not known."]
    assert list(known.columns) == list(columns)
    assert noise_words([unknown, known]) == []


@pytest.fixture
def arrays(tmp_path):
    energies = np.arange(-8, 8.01, 0.05)
    np.savez(tmp_path / "d.npz", energies=energies, dos=np.exp(-((energies / 3) ** 2)))
    return ["properties", str(tmp_path / "d.npz"), "--n-electrons", "2.5", "-T", "300:900:300"]


@pytest.mark.parametrize(
    ("form", "begin", "unit"),
    [
        ("markdown", "**Properties of 1", "eV/T²"),
        ("latex", r"\begin{table}", "eV/T$^{2}$"),
        ("csv", "# Properties", "eV/T²"),
    ],
)
def test_other_forms_give_the_tables_and_nothing_else(capsys, arrays, form, begin, unit):
    assert main([*arrays, "--format", form]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(begin)
    assert unit in out
    assert "Derived from" in err
    assert "Derived from" not in out
    if form == "csv":
        rows = list(csv.DictReader(out.splitlines()[1:]))
        assert [row["T (K)"] for row in rows if row["property"] == "heat capacity"] == ["300", "600", "900"]


def test_a_range_of_temperatures(capsys, arrays):
    assert main([*arrays, "-T", "50,900", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["temperatures"] == [50.0, 300.0, 600.0, 900.0]
