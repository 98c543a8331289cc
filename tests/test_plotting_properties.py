from dataclasses import replace

import numpy as np
import pytest

from ldosml import LDOS, EnergyGrid, normalized_loss, plotting
from ldosml.evaluation import Evaluation
from ldosml.plotting import files, labels
from ldosml.properties.comparison import Comparison

ERRORS = np.array([0.02, 0.05, 0.01, 0.04, 0.30, 0.03])


def comparison(name="heat_capacity", unit="eV/K/atom", temperature=300.0, n=40, scale=1e-6, noise=0.1, shape=()):
    rng = np.random.default_rng(n)
    true = scale * rng.uniform(1, 3, (n, *shape))
    return Comparison(name, unit, temperature, true, true + noise * scale * rng.normal(size=(n, *shape)))


@pytest.fixture(scope="module")
def six():
    return [
        comparison("band_energy", "eV/atom", scale=-100.0),
        comparison(),
        comparison("dos_at_fermi_level", "states/eV/atom", None, scale=0.3),
        comparison("pauli_susceptibility", "eV/T^2/atom", scale=1e-9),
        comparison("fermi_level", "eV", None, scale=0.01, noise=3.0),
        comparison("absorption_spectrum", "states^2/eV/atom^2", scale=1.0, shape=(30,)),
    ]


@pytest.fixture(scope="module")
def evaluation():
    """Two atoms, three atoms, one atom; all err by the same wave, the last of the second structure most."""
    grid = EnergyGrid.from_range(-6.0, 4.0, 0.1, zero="fermi")
    true = np.exp(-(((grid.energies + 2 + 0.1 * np.arange(6)[:, None]) / 1.5) ** 2))
    spectra = (true, true + ERRORS[:, None] * np.sin(2 * grid.energies))
    options = {"structure_index": [0, 0, 1, 1, 1, 2], "numbers": [14] * 6}
    return Evaluation(*(LDOS(grid, s, 0.3, **options) for s in spectra), ["a", "b" * 90, "c"], ["x", "x", "y"])


def panels(figure):
    return [ax for ax in figure.axes if ax.get_title()]


def line(ax, label):
    return next(drawn for drawn in ax.lines if drawn.get_label().startswith(label))


def test_parity_has_a_panel_a_property_with_its_loss(six):
    titles = [ax.get_title().splitlines() for ax in panels(plotting.property_parity_figure(six))]
    assert [name for name, _ in titles] == [
        "band energy at 300 K",
        "heat capacity at 300 K",
        "DOS at Fermi level",
        "Pauli susceptibility at 300 K",
        "Fermi level",
        "absorption spectrum at 300 K",
    ]
    told = [f"L/σ = {c.normalized_loss:.3f}" for c in six]
    told[4] = f"RMSE {six[4].rmse:.2g} eV, σ only {six[4].sigma:.2g} eV"  # far below kT at 300 K
    assert [loss for _, loss in titles] == told


def test_parity_axes_are_alike_and_name_the_unit(six):
    axes = panels(plotting.property_parity_figure(six))
    units = ["eV/atom", "10⁻⁶ eV/K/atom", "states/eV/atom", "10⁻⁹ eV/T²/atom", "10⁻³ eV", "states²/eV/atom²"]
    for ax, unit in zip(axes, units, strict=True):
        assert (ax.get_xlabel(), ax.get_ylabel()) == (f"DFT ({unit})", f"predicted ({unit})")
        assert ax.get_xlim() == ax.get_ylim()
        np.testing.assert_array_equal(*line(ax, "exact").get_data())


@pytest.mark.parametrize("n", [1, 12, 1039])
def test_parity_draws_every_structure_in_the_unit_of_the_axes(n):
    given = comparison(n=n)
    figure = plotting.property_parity_figure([given])
    points = figure.axes[0].collections[0].get_offsets()
    np.testing.assert_allclose(points, 1e6 * np.column_stack([given.true, given.predicted]))
    assert sum(bar.get_height() for bar in figure.axes[1].patches) == n
    files.png(figure, dpi=40)


def test_parity_counts_every_value_of_spectra(six):
    figure = plotting.property_parity_figure(six[-1:])
    assert figure.axes[0].collections[0].get_array().sum() == 40 * 30
    assert sum(bar.get_height() for bar in figure.axes[1].patches) == 40 * 30


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6])
def test_parity_of_any_number_of_properties_has_no_empty_axes(six, n):
    figure = plotting.property_parity_figure(six[:n])
    assert len(panels(figure)) == n
    assert len([ax for ax in figure.axes if ax.get_xlabel()]) == 2 * n
    assert figure.get_figwidth() <= 7
    assert all(ax.get_title() or ax.get_xlabel().startswith("error") for ax in figure.axes)


def test_parity_leaves_out_what_is_not_known():
    given = comparison("band_gap", "eV", None, n=5, scale=1.0)
    holes = replace(given, predicted=np.where(np.arange(5) == 2, np.nan, given.predicted))
    figure = plotting.property_parity_figure([holes])
    assert len(figure.axes[0].collections[0].get_offsets()) == 4
    known = np.arange(5) != 2
    loss = np.sqrt(np.mean((holes.predicted - holes.true)[known] ** 2)) / holes.true[known].std()
    assert figure.axes[0].get_title() == f"band gap\nL/σ = {loss:.3f}"


def test_parity_where_all_is_the_same():
    figure = plotting.property_parity_figure([Comparison("band_gap", "eV", None, np.ones(3), np.ones(3))])
    assert figure.axes[0].get_xlim()[0] < 1 < figure.axes[0].get_xlim()[1]
    files.png(figure, dpi=40)


@pytest.mark.parametrize("draw", [plotting.property_parity_figure, plotting.property_losses_figure])
def test_nothing_to_draw_is_refused(draw):
    with pytest.raises(ValueError, match="no comparisons"):
        draw([])
    with pytest.raises(ValueError, match="No structure has a band_gap from both"):
        draw([Comparison("band_gap", "eV", None, np.array([np.nan]), np.array([1.0]))])


def test_losses_are_bars_with_their_numbers(six):
    ax = plotting.property_losses_figure(six[:3]).axes[0]
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([c.normalized_loss for c in six[:3]])
    assert [text.get_text().strip() for text in ax.texts] == [f"{c.normalized_loss:.3f}" for c in six[:3]]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["band energy at 300 K", "heat capacity at 300 K", "DOS at Fermi level"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first one on top


def test_losses_of_two_models_stand_side_by_side(six):
    others = [replace(c, predicted=2 * c.predicted - c.true) for c in six]
    figure = plotting.property_losses_figure(six, others, labels=("one", "twice"))
    first, second = (container.patches for container in figure.axes[0].containers)
    widths = np.array([[bar.get_width() for bar in one] for one in (first, second)])
    drawn = np.arange(6) != 4  # the Fermi level
    assert widths[1, drawn] / widths[0, drawn] == pytest.approx([2] * 5)
    assert not widths[:, 4].any()
    assert not any(a.get_y() + a.get_height() > b.get_y() for a, b in zip(first, second, strict=True))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "twice"]
    files.png(figure, dpi=40)


def test_losses_beyond_the_mean_are_told_by_their_numbers(six):
    bad = comparison(noise=50.0)
    ax = plotting.property_losses_figure([six[0], bad]).axes[0]
    assert ax.get_xlim()[1] < 2 < bad.normalized_loss
    assert ax.texts[1].get_text() == f"{bad.normalized_loss:.3f} → "
    assert ax.lines[0].get_xdata()[0] == 1


def test_losses_without_a_deviation_say_so(six):
    same = Comparison("band_gap", "eV", None, np.full(7, 0.1), np.ones(7))
    assert same.sigma > 0  # by rounding
    for given in ([same], [six[0], same]):
        figure = plotting.property_losses_figure(given)
        assert figure.axes[0].texts[-1].get_text() == "no variation in this set"
        assert figure.axes[0].patches[-1].get_width() == 0
        files.png(figure, dpi=40)
    assert plotting.property_parity_figure([same]).axes[0].get_title() == "band gap\nno variation in this set"


@pytest.mark.parametrize(("scale", "drawn"), [(0.01, False), (0.2, True)])
def test_a_fermi_level_has_a_bar_only_where_it_varies(six, scale, drawn):
    """Of true values between 1 and 3 times the scale, sigma is 0.006 or 0.12 eV; kT at 300 K is 0.026 eV."""
    level = comparison("fermi_level", "eV", None, scale=scale)
    ax = plotting.property_losses_figure([level, six[0]]).axes[0]
    assert ax.patches[0].get_width() == (pytest.approx(level.normalized_loss) if drawn else 0)
    words = f"RMSE {level.rmse:.2g} eV, σ only {level.sigma:.2g} eV"
    assert ax.texts[0].get_text() == (f"{level.normalized_loss:.3f}" if drawn else words)


def test_losses_of_other_properties_are_refused(six):
    with pytest.raises(ValueError, match="same properties in the same order"):
        plotting.property_losses_figure(six[:2], six[1::-1])
    with pytest.raises(ValueError, match="same properties in the same order"):
        plotting.property_losses_figure(six[:1], [replace(six[0], temperature=1000.0)])


def test_structure_shows_its_dos_and_its_worst_atom(evaluation):
    upper, lower = plotting.structure_figure(evaluation, 1).axes
    for label, spectra in (("DFT", evaluation.true), ("predicted", evaluation.predicted)):
        np.testing.assert_allclose(line(upper, label).get_ydata(), spectra.of_structure(1).mean(axis=0))
        np.testing.assert_array_equal(line(lower, label).get_ydata(), spectra.values[4])
    losses = normalized_loss(evaluation.true, evaluation.predicted, per="environment")
    assert lower.get_title() == f"worst predicted atom, Si atom 2: L/σ = {losses[4]:.3f}"
    loss = normalized_loss(*evaluation.dos(), per="structure")[1]
    assert upper.get_title().endswith(f": L/σ = {loss:.3f}")
    assert len(upper.get_title()) < 90
    assert line(upper, "Fermi level").get_xdata()[0] == 0


def test_structure_marks_both_chemical_potentials(evaluation):
    figure = plotting.structure_figure(evaluation, 0, (0.02, -0.3))
    for ax in figure.axes:
        assert line(ax, "chemical potential, DFT: 0.020 eV").get_xdata()[0] == 0.02
        assert line(ax, "chemical potential, predicted: -0.300 eV").get_xdata()[0] == -0.3
        assert "Fermi level" not in [drawn.get_label() for drawn in ax.lines]
    files.png(figure, dpi=40)


def test_structure_leaves_out_levels_that_are_not_on_its_energies(evaluation):
    upper, _ = plotting.structure_figure(evaluation, 0, (np.nan, 99.0)).axes
    assert not [drawn for drawn in upper.lines if drawn.get_label().startswith("chemical")]
    assert upper.get_xlim() == (-6, 4)


@pytest.mark.parametrize("structure", [-1, 3])
def test_structure_that_is_not_there_is_refused(evaluation, structure):
    with pytest.raises(ValueError, match=f"from 0 to 2; got {structure}"):
        plotting.structure_figure(evaluation, structure)


@pytest.mark.parametrize(
    ("values", "exponent"),
    [([0.0], 0), ([np.nan], 0), ([0.12, -3000.0], 0), ([0.09], -3), ([-2e-7, 1e-9], -9), ([5e5], 3)],
)
def test_power_of_ten_leaves_short_numbers(values, exponent):
    assert labels.power_of_ten(np.array(values)) == exponent
