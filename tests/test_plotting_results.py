"""The method ``plot`` of results, and the figures that have no test elsewhere."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from test_plotting_studies import assert_drawn, comparison, learning_curve, line, smearing_study, sweep
from test_reprs import GRID, error_table, evaluation, ldos, occupancy, properties

from ldosml import DOS, LDOS, plotting
from ldosml.kresolved import KPath, KResolvedOccupancy
from ldosml.studies import Transfer

PATH = KPath.from_cell(np.eye(3), 20)


def on_path():
    values = np.linspace(0, 1, len(PATH) * GRID.size).reshape(len(PATH), GRID.size)
    return KResolvedOccupancy(GRID, PATH.kpoints, values, PATH.cell)


def transferred():
    one, other = (sweep().errors[mode, 3.0] for mode in ("complete", "sharp"))
    return Transfer(one, other, ["a", "a", "b", "c", "c", "d"], evaluation(), {})


RESULTS = {
    "ldos": (ldos, {}),
    "one structure": (ldos, {"structure": 1}),
    "many ldos": (lambda: ldos(20), {}),
    "dos": (lambda: ldos().total(), {}),
    "many dos": (lambda: ldos(20).total(), {}),
    "at temperatures": (properties, {"name": "heat_capacity"}),
    "at one temperature": (properties, {"name": "heat_capacity", "temperature": 300.0}),
    "without temperature": (properties, {"name": "fermi_level"}),
    "absorption": (properties, {"name": "absorption_spectrum", "temperature": 300.0}),
    "evaluation": (evaluation, {}),
    "evaluated structure": (evaluation, {"structure": 2}),
    "mean occupancy": (occupancy, {}),
    "occupancy on a path": (on_path, {"path": PATH, "bands": np.zeros((len(PATH), 1))}),
    "sweep": (sweep, {}),
    "element": (lambda: sweep((6, 14)), {"element": "Si"}),
    "learning curve": (learning_curve, {"quantity": "band_energy"}),
    "smearing study": (smearing_study, {"quantity": "ldos"}),
    "comparison": (comparison, {}),
    "error table": (error_table, {}),
    "transfer": (transferred, {}),
}


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_draws_a_figure_of_its_own_or_into_axes(name):
    make, options = RESULTS[name]
    result = make()
    figure = result.plot(**options)
    assert isinstance(figure, plotting.plot(result, **options).__class__)
    assert_drawn(figure)
    canvas = Figure(figsize=(5, 4), layout="constrained")
    ax = canvas.subplots()
    drawn = result.plot(ax=ax, **options)
    assert isinstance(drawn, QuadMesh) if name == "occupancy on a path" else drawn is None
    assert canvas.axes == [ax]
    assert ax.has_data()
    assert ax.get_xlabel() or name == "occupancy on a path"  # whose corners are named
    assert ax.get_ylabel() or [label.get_text() for label in ax.get_yticklabels()]
    assert_drawn(canvas)


def test_a_result_is_drawn_without_its_figures_in_memory_before():
    code = (
        "import sys, numpy as np; from ldosml import DOS, EnergyGrid; "
        "dos = DOS(EnergyGrid.from_range(-1, 1, 0.1, zero='fermi'), np.ones((2, 21))); "
        "assert 'matplotlib' not in sys.modules; dos.plot(); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_has_no_plot_is_refused():
    with pytest.raises(TypeError, match="have a method plot; got list"):
        plotting.plot([1, 2])


class TestSpectra:
    def test_few_are_curves_with_their_names(self):
        (ax,) = ldos().plot().axes
        np.testing.assert_array_equal(line(ax, "C atom 1, structure 2").get_ydata(), ldos().values[5])
        assert line(ax, "Fermi level")
        assert ax.get_ylabel() == "LDOS (states/eV/atom)"

    def test_many_are_a_mean_and_a_band_by_element(self):
        given = ldos(20)
        (ax,) = given.plot().axes
        for place, (name, number) in enumerate((("20 C", 6), ("20 Si", 14))):
            rows = given.values[given.numbers == number]
            drawn = line(ax, f"{name}: mean and middle 90 %")
            np.testing.assert_allclose(drawn.get_ydata(), rows.mean(axis=0))
            vertices = ax.collections[place].get_paths()[0].vertices
            np.testing.assert_allclose(vertices[:, 1].max(), np.quantile(rows, 0.95, axis=0).max())

    def test_a_dos_is_drawn_per_atom_where_it_can_be(self):
        dos = ldos().total()
        for one, factor, label in ((dos, 2, "states/eV/atom"), (replace(dos, n_atoms=None), 1, "states/eV")):
            (ax,) = one.plot(structure=1).axes
            np.testing.assert_allclose(line(ax, "structure 1").get_ydata() * factor, dos.values[1])
            assert ax.get_ylabel() == f"DOS ({label})"

    def test_what_is_not_there_is_refused(self):
        for spectra in (ldos(), ldos().total()):
            for structure in (-1, 3):
                with pytest.raises(ValueError, match="structure must be a whole number from 0 to 2"):
                    spectra.plot(structure=structure)
        for none in (DOS(GRID, np.empty((0, GRID.size))), LDOS(GRID, np.empty((0, GRID.size)), None, np.empty(0, int))):
            with pytest.raises(ValueError, match="nothing to draw"):
                none.plot()


class TestProperties:
    def test_curves_hold_the_values_in_the_unit_of_the_axis(self):
        table = properties()
        (ax,) = table.plot("heat_capacity").axes
        assert ax.get_xlabel() == "temperature (K)"
        assert ax.get_ylabel() == "heat capacity (10⁻⁶ eV/K)"
        for row, name in enumerate("abc"):
            np.testing.assert_allclose(line(ax, name).get_ydata(), 1e6 * table.columns["heat_capacity"][row])

    @pytest.mark.filterwarnings("ignore::ldosml.properties.SpinConventionWarning")  # made-up spectra
    def test_many_rows_are_a_mean_or_a_histogram(self):
        table = properties([str(number) for number in range(30)])
        (ax,) = table.plot("band_energy").axes
        expected = table.columns["band_energy"].mean(axis=0)
        np.testing.assert_allclose(line(ax, "30 rows: mean and middle 90 %").get_ydata(), expected)
        (ax,) = table.plot("band_energy", temperature=1000.0).axes
        assert sum(bar.get_height() for bar in ax.patches) == 30
        assert ax.get_xlabel() == "band energy at 1000 K (eV)"

    def test_bars_are_named(self):
        table = properties(("a $ b", "b", "c"))
        (ax,) = table.plot("dos_at_fermi_level").axes
        np.testing.assert_allclose([bar.get_width() for bar in ax.patches], table.column("dos_at_fermi_level"))
        assert [label.get_text() for label in ax.get_yticklabels()] == ["a $ b", "b", "c"]

    def test_rows_without_a_value_are_left_out(self):
        table = properties()
        table.columns["fermi_level"][1] = np.nan
        (ax,) = table.plot("fermi_level").axes
        assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "c"]
        table.columns["fermi_level"][:] = np.nan
        with pytest.raises(ValueError, match="no row of the table has a value of fermi_level"):
            table.plot("fermi_level")

    def test_what_is_not_there_is_refused(self):
        with pytest.raises(ValueError, match="no 'mass'"):
            properties().plot("mass")
        with pytest.raises(ValueError, match=r"one of 300, 1000 K; got 5\.0"):
            properties().plot("heat_capacity", temperature=5.0)
        with pytest.raises(ValueError, match=r"one of 300, 1000 K; got None"):
            properties().plot("absorption_spectrum")


def test_an_evaluation_draws_the_median_structure_into_axes():
    given = evaluation(("a", "b", "c"))
    errors = np.array([0.3, 0.1, 0.2])
    values = given.true.values + np.repeat(errors, 2)[:, None]
    given = replace(given, predicted=replace(given.predicted, values=values))
    ax = Figure().subplots()
    given.plot(ax)
    assert ax.get_title().startswith("c: L/σ = ")
    np.testing.assert_allclose(line(ax, "predicted").get_ydata(), values[4:].mean(axis=0))
    with pytest.raises(ValueError, match="from 0 to 2; got 3"):
        given.plot(ax, structure=3)


def test_bands_need_a_path():
    with pytest.raises(ValueError, match="give the path"):
        on_path().plot(bands=np.zeros((len(PATH), 1)))


def test_the_mean_occupancy_is_weighted():
    probabilities = np.zeros((2, 8))
    probabilities[0] = 1.0
    given = replace(occupancy(weights=[0.75, 0.25]), probabilities=probabilities)
    (ax,) = given.plot().axes
    np.testing.assert_allclose(line(ax, "mean over the k-points").get_ydata(), 0.75)


def test_a_sweep_draws_one_element():
    given = sweep((6, 14))
    assert [ax.get_title() for ax in given.plot(element="Si").axes] == ["Si"]
    for draw in (given.plot, lambda **options: given.plot(Figure().subplots(), **options)):
        with pytest.raises(ValueError, match="element"):
            draw(element="Ge")


def test_a_transfer_draws_both_losses():
    given = transferred()
    (ax,) = given.plot().axes
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["LDOS", "DOS per atom", "dDOS/dE"]
    for bars, errors in zip(ax.containers, (given.left_out, given.other), strict=True):
        np.testing.assert_allclose([bar.get_width() for bar in bars], [errors.loss(q) for q in errors.quantities])
