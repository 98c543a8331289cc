"""What results print, and what a notebook shows of them: short, escaped, cheap, and without a picture library."""

import re
import subprocess
import sys
import time
from xml.etree import ElementTree

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from studied import MODEL, invented
from test_plotting_studies import comparison, learning_curve, smearing_study, sweep

from ldosml import DOS, LDOS, EnergyGrid, _html, derive_properties, search_settings
from ldosml.datasets import CrystalSet, LDOSDataset, Material
from ldosml.evaluation import Evaluation
from ldosml.kresolved import CrystalBands, KResolvedOccupancy, energy_bins
from ldosml.properties import compare_properties
from ldosml.studies import ErrorTable, Setup, Transfer, transfer

GRID = EnergyGrid.from_range(-5.0, 5.0, 0.1, zero="fermi")
ATTACK = "<script>alert('&')</script>"


def ldos(n_structures=3, n_atoms=2, **options):
    count = n_structures * n_atoms
    values = np.exp(-((GRID.energies - np.linspace(-2, 0, count)[:, None]) ** 2))
    index = np.repeat(np.arange(n_structures), n_atoms)
    return LDOS(GRID, values, 0.3, index, numbers=np.array([14, 6] * (count // 2)), **options)


def dataset(names=("a", "b", "c"), kinds=None):
    structures = [Atoms("SiC", [[0, 0, 0], [0, 0, 1.8]])] * len(names)
    spectra = ldos(len(names)).values
    return LDOSDataset.from_arrays(
        structures, GRID.energies, ldos=spectra, names=names, kinds=kinds, n_electrons=8 * np.ones(len(names))
    )


def evaluation(names=("a", "b", "c")):
    true = ldos(len(names))
    predicted = LDOS(GRID, 1.1 * true.values, 0.3, true.structure_index, true.numbers)
    return Evaluation(true, predicted, list(names), ["x"] * len(names))


def properties(names=("a", "b", "c")):
    grid = EnergyGrid.from_range(-10.0, 10.0, 0.05, zero="fermi")
    values = np.exp(-((grid.energies / 2) ** 2)) * (3 + 0.1 * np.arange(len(names)))[:, None]
    dos = DOS(grid, values, 0.3, n_atoms=np.full(len(names), 2))
    return derive_properties(
        dos, np.full(len(names), 5.0), [300.0, 1000.0], names=list(names), photon_energies=[1.0, 2.0]
    )


def occupancy(**options):
    grid = energy_bins(8, 4.0)
    return KResolvedOccupancy(grid, [[0, 0, 0], [0.5, 0, 0]], np.full((2, 8), 0.25), np.eye(3), **options)


def crystals(name="silicon"):
    kpoints, eigenvalues = [[0, 0, 0]], [[-12.0, -0.5, -0.4, -0.3, 0.7, 0.8]]
    mesh = CrystalBands(kpoints, eigenvalues, [1.0], 0.0, 0.8, 8.0, 1.0)
    path = CrystalBands(kpoints, eigenvalues, None, 0.0, 0.8, 8.0, 1.0)
    return CrystalSet((Material(name, "diamond", "Si", bulk("Si"), mesh, path, ((0, "G"),)),))


def error_table():
    found = sweep().errors["complete", 3.0]
    return ErrorTable({"groups": found}, {"groups": ["a", "a", "b", "c", "c", "d"]}, {})


@pytest.fixture(scope="module")
def searched():
    return search_settings(invented(), {"descriptor": [MODEL.descriptor], "regressor": [MODEL.regressor]})


@pytest.fixture(scope="module")
def transferred():
    return transfer(invented(4), invented(2, seed=1), MODEL, setup=Setup(n_splits=2))


RESULTS = {
    "grid": (lambda: GRID, ["101", "-5", "fermi"]),
    "ldos": (ldos, ["6", "-5", "5 eV", "0.3 eV"]),
    "dos": (lambda: ldos().total(), ["3", "-5", "5 eV", "0.3 eV"]),
    "dataset": (dataset, ["3", "6", "C, Si", "-5"]),
    "crystals": (crystals, ["1 material", "1 with a gap"]),
    "occupancy": (occupancy, ["2 k-points", "8 energies"]),
    "properties": (properties, ["3 structures", "300, 1000 K", "band_energy"]),
    "comparison of properties": (
        lambda: compare_properties(properties(), properties(), ["band_energy"], 300.0)[0],
        ["band_energy at 300 K", "3 rows", "RMSE 0 eV", "L/sigma 0.000"],
    ),
    "evaluation": (evaluation, ["LDOS and DOS", "3 structures", "6 environments", "-5"]),
    "errors": (lambda: sweep().errors["complete", 3.0], ["6 structures", "15 environments", "dos_derivative"]),
    "sweep": (sweep, ["2, 3, 4, 5 Å", "complete, sharp", "Si"]),
    "learning curve": (learning_curve, ["ldos, dos", "10, 40, 160"]),
    "smearing study": (smearing_study, ["0.1, 0.3, 0.5 eV", "band_energy"]),
    "comparison": (comparison, ["ldos, dos, both", "heat_capacity"]),
    "error table": (error_table, ["groups", "Si"]),
}


@pytest.mark.parametrize("name", RESULTS)
def test_a_repr_is_one_short_line_of_facts(name):
    make, parts = RESULTS[name]
    text = repr(make())
    assert len(text) < 500
    assert "\n" not in text
    assert "array(" not in text
    for part in parts:
        assert part in text


@pytest.mark.parametrize("name", [name for name in RESULTS if name not in ("errors", "comparison of properties")])
def test_a_notebook_shows_a_table(name):
    result = RESULTS[name][0]()
    page = ElementTree.fromstring(result._repr_html_())  # every element is closed, every text escaped
    assert page.find("strong").text == type(result).__name__
    assert page.findall(".//td")


def test_studies_of_models_show_themselves(searched, transferred):
    assert isinstance(transferred, Transfer)
    for result, part in ((searched, "SOAP("), (transferred, "other structures")):
        assert part in repr(result)
        assert part in result._repr_html_()
        ElementTree.fromstring(result._repr_html_())
        assert len(repr(result)) < 500


def test_a_study_tells_its_cautions_and_first_records():
    given = learning_curve(sizes=(10, 20))
    shown = given._repr_html_()
    assert given.cautions()[0] in " ".join(ElementTree.fromstring(shown).itertext())
    assert "fold" not in [cell.text for cell in ElementTree.fromstring(shown).findall(".//thead/tr/th")]
    many = sweep((6, 14, 16))
    cells = [cell.text for cell in ElementTree.fromstring(many._repr_html_()).findall(".//td")]
    assert "and 14 more rows" in cells  # of 2 modes, 4 radii, 3 elements


@pytest.mark.parametrize(
    "make",
    [
        lambda: dataset((ATTACK, "b"), kinds=[ATTACK, "b"]),
        lambda: properties((ATTACK, "b")),
        lambda: evaluation((ATTACK, "b")),
        lambda: crystals(ATTACK),
        lambda: comparison_named(ATTACK),
    ],
)
def test_names_from_files_are_escaped(make):
    shown = make()._repr_html_()
    assert "<script" not in shown
    ElementTree.fromstring(shown)


def comparison_named(name):
    found = comparison(scales=(0.2,))
    return type(found)({name: found.errors["ldos"]}, found.groups, 300.0, {})


def test_names_that_are_shown_are_shown_whole():
    for result in (dataset((ATTACK, "b"), kinds=[ATTACK, "b"]), crystals(ATTACK), comparison_named(ATTACK)):
        assert ATTACK in " ".join(ElementTree.fromstring(result._repr_html_()).itertext())
    drawn = _html.curves(np.arange(3.0), {ATTACK: np.ones(3)}, ATTACK, x_unit=ATTACK)
    assert "<script" not in drawn
    assert "".join(ElementTree.fromstring(drawn).itertext()).count(ATTACK) == 4


def points(svg, kind="polyline"):
    found = ElementTree.fromstring(svg).findall(f".//{{*}}{kind}")
    return [np.array([pair.split(",") for pair in one.get("points").split()], dtype=float) for one in found]


def test_curves_are_drawn_to_scale():
    """The highest value is at the top, zero at the bottom line; x runs from left to right."""
    x, y = np.linspace(-1, 3, 5), np.array([0.0, 1.0, 4.0, 2.0, np.nan])
    drawn = _html.curves(x, {"one": y, "half": y / 2}, "states")
    one, half = points(drawn)
    np.testing.assert_allclose(np.diff(one[:, 0]), np.diff(one[:, 0])[0], atol=0.11)
    assert len(one) == 4  # NaN is left out
    heights = one[0, 1] - one[:, 1]
    np.testing.assert_allclose(heights, y[:4] / 4 * heights[2], atol=0.11)
    np.testing.assert_allclose(half[0, 1] - half[:, 1], heights / 2, atol=0.11)
    assert "up to 4 states" in drawn
    assert "-1 eV" in drawn
    assert "3 eV" in drawn


def test_few_spectra_are_curves_and_many_a_mean_and_a_band():
    assert len(points(ldos()._repr_html_())) == 6
    many = ldos(40)
    shown = many._repr_html_()
    assert len(points(shown)) == len(points(shown, "polygon")) == 1
    assert "mean and middle 90 % of 80 environments" in shown
    assert "states/eV/atom" in many.total()._repr_html_()
    assert "states/eV<" in DOS(GRID, np.ones((1, GRID.size)))._repr_html_()


def test_spectra_of_other_namespaces_are_shown():
    xp = pytest.importorskip("array_api_strict")
    given = ldos()
    other = LDOS(GRID, xp.asarray(given.values), 0.3, xp.asarray(given.structure_index), xp.asarray(given.numbers))
    assert other._repr_html_() == given._repr_html_()
    assert other.total()._repr_html_() == given.total()._repr_html_()
    assert len(other.plot(structure=1).axes[0].lines) == 3


def test_no_spectra_are_told_without_a_picture():
    none = LDOS(GRID, np.empty((0, GRID.size)), 0.3, np.empty(0, dtype=int))
    assert "<svg" not in none._repr_html_()


def test_large_results_are_shown_quickly():
    """As quickly as rows are counted: a picture takes 1,000 of them."""
    count = 100_000
    large = LDOS(GRID, np.broadcast_to(ldos().values[:1], (count, GRID.size)), 0.3, np.repeat(np.arange(1000), 100))
    start = time.perf_counter()
    shown = large._repr_html_()
    assert time.perf_counter() - start < 1.0
    assert "1,000 of 100,000 environments" in shown
    assert len(shown) < 50_000


def test_errors_of_many_spectra_are_left_out(monkeypatch):
    shown = evaluation()._repr_html_()
    losses = evaluation().losses()
    for key in ("ldos", "dos"):
        for name in ("normalized_loss", "mean_spectrum_loss", "rmse"):
            assert f">{losses[f'{key}_{name}']:.4g}<" in shown
    monkeypatch.setattr("ldosml.evaluation._QUICK", 6 * GRID.size - 1)
    shown = evaluation()._repr_html_()
    assert f">{losses['dos_rmse']:.4g}<" in shown
    assert ">LDOS<" not in shown


def test_a_dataset_reads_few_structures_for_its_picture(tmp_path):
    dataset([str(number) for number in range(200)]).save(tmp_path / "set.h5")
    data = LDOSDataset.load(tmp_path / "set.h5")
    assert "50 of 200 structures" in data._repr_html_()
    assert "ldos" not in data.__dict__  # not loaded


def test_a_grid_prints_what_makes_it():
    grid = EnergyGrid.from_array(np.linspace(-16.4, 5, 429), "fermi")
    assert repr(grid) == "EnergyGrid(start=-16.4, step=0.05, size=429, zero='fermi')"
    assert eval(repr(GRID), {"EnergyGrid": EnergyGrid}).matches(GRID)


def test_a_model_shows_its_parts():
    shown = MODEL._repr_html_()
    for part in ("DOSModel", "SOAP", "LDOSKernelRidge"):
        assert re.search(rf">{part}<", shown)


def test_pictures_need_no_picture_library():
    code = (
        "import sys, numpy as np; from ldosml import DOS, EnergyGrid; "
        "dos = DOS(EnergyGrid.from_range(-1, 1, 0.1, zero='fermi'), np.ones((9, 21))); "
        "assert '<svg' in dos._repr_html_(); assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
