"""Names and units of properties are the same on the command line, in reports, in figures and in files."""

import csv
import re

import numpy as np
import pytest

from ldosml import EnergyGrid
from ldosml.cli import main
from ldosml.plotting.labels import property_name, unit_text
from ldosml.properties import derive_properties
from ldosml.properties.quantities import PER_ATOM, PER_CELL, QUANTITIES
from ldosml.report import DerivedProperties
from ldosml.report.properties import properties_section
from ldosml.spectra import DOS

ENERGIES = np.arange(-8, 8.01, 0.05)
KELVIN = 300.0


@pytest.fixture(scope="module")
def table():
    """Properties of two structures of 2 and 3 atoms."""
    grid = EnergyGrid.from_array(ENERGIES, zero="fermi")
    values = np.exp(-((grid.energies / np.array([[2.0], [2.5]])) ** 2)) * np.array([[2.0], [3.0]])
    return derive_properties(DOS(grid, values, 0.3, n_atoms=np.array([2, 3])), [3.54, 6.65], KELVIN)


def test_names_differ_and_say_what_a_mole_is_of():
    assert len({quantity.words for quantity in QUANTITIES.values()}) == len(QUANTITIES)
    assert property_name(PER_CELL) == "Sommerfeld coefficient per mole of cells"
    assert property_name(PER_ATOM) == "Sommerfeld coefficient per mole of atoms"
    for name, quantity in QUANTITIES.items():
        assert ("/mol" in quantity.unit) == ("mole of" in quantity.words) == name.startswith("sommerfeld"), name


def test_a_mole_of_cells_holds_as_many_moles_of_atoms_as_a_cell_has_atoms(table):
    np.testing.assert_allclose(table.column(PER_CELL), table.column(PER_ATOM) * [2, 3])
    each = table.per_atom()
    assert PER_CELL not in each.columns
    np.testing.assert_array_equal(each.column(PER_ATOM), table.column(PER_ATOM))


def test_the_command_line_prints_them(table, tmp_path, capsys):
    np.savez(tmp_path / "d.npz", energies=ENERGIES, dos=np.exp(-((ENERGIES / 3) ** 2)), n_atoms=[2])
    assert main(["properties", str(tmp_path / "d.npz"), "--n-electrons", "2.5", "--format", "csv"]) == 0
    rows = csv.DictReader(capsys.readouterr().out.splitlines()[1:])
    printed = {row["property"]: re.sub(r"^10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+ ?", "", row["unit"]) for row in rows}
    known = {quantity.words: unit_text(quantity.unit) for quantity in QUANTITIES.values()}
    assert {PER_CELL, PER_ATOM} <= {name for name in QUANTITIES if property_name(name) in printed}
    assert printed == {words: known[words] for words in printed}


def test_reports_show_them(table, monkeypatch):
    monkeypatch.setattr("ldosml.report.properties._pictures", lambda comparisons: [])
    each = table.per_atom()
    (shown,) = properties_section(DerivedProperties(each, each, KELVIN), {}).tables
    expected = {property_name(name, KELVIN if each.columns[name].ndim > 1 else None): name for name in each.columns}
    for words, unit, *_ in shown.rows:
        assert re.sub(r"^10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+ ?", "", unit) == unit_text(each.unit(expected[words])), words
    assert property_name(PER_ATOM) in [row[0] for row in shown.rows]


def test_files_have_them(table, tmp_path):
    with open(table.save(tmp_path / "p.csv")) as file:
        header = next(csv.reader(file))
    assert {f"{PER_CELL} [mJ/mol/K^2]", f"{PER_ATOM} [mJ/mol/K^2]", "heat_capacity [eV/K]"} <= set(header)
