import itertools

import numpy as np
import pytest
from ase.data import chemical_symbols
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import ErrorbarContainer
from matplotlib.text import Text

from ldosml import LDOS, EnergyGrid, plotting
from ldosml.evaluation import Evaluation
from ldosml.plotting.style import COLUMN_WIDTH, PAGE_WIDTH
from ldosml.properties import dos_derivative
from ldosml.studies import CutoffSweep, ErrorTable, LearningCurve, RegressorComparison, SmearingStudy
from ldosml.studies.errors import PROPERTIES, Errors

GROUPS = ["a", "a", "b", "c", "c", "d"]
FOLD = np.array([0, 0, 1, 2, 2, 1])
N_ATOMS = [2, 3, 1, 3, 2, 4]
NAMES = {"ldos": "learned from LDOS", "dos": "learned from DOS", "both": "learned from both"}
GRID = EnergyGrid.from_range(-6.0, 4.0, 0.1, zero="fermi")


def errors(scale=0.2, *, elements=(14,), properties=(), seed=0):
    """Errors of six structures, about ``scale`` times the deviations, which are 1 and above."""
    rng = np.random.default_rng(seed)
    index = np.repeat(np.arange(6), N_ATOMS)
    numbers = np.array(list(itertools.islice(itertools.cycle(elements), len(index))))
    sizes = {"ldos": len(index)} | dict.fromkeys(("dos", "dos_derivative", *properties), 6)
    squared = {name: (scale * rng.uniform(0.8, 1.2, size)) ** 2 for name, size in sizes.items()}
    symbols = [f"ldos {chemical_symbols[z]}" for z in np.unique(numbers)]
    sigma = {name: 1 + 0.1 * i for i, name in enumerate(["ldos", *symbols, "dos", "dos_derivative", *properties])}
    mean_loss = {name: 0.5 * value for name, value in sigma.items() if name not in properties}
    return Errors(squared, sigma, dict.fromkeys(sigma, "eV"), mean_loss, numbers, index, FOLD, GRID)


def sweep(elements=(14,), noise=None):
    radii, modes = (2.0, 3.0, 4.0, 5.0), ("complete", "sharp")
    found = {
        (mode, r): errors(0.1 + 0.8 * (1 + i) / r**2, elements=elements, seed=3 * i)
        for r in radii
        for i, mode in enumerate(modes)
    }
    return CutoffSweep(found, dict.fromkeys(radii, 1.0), GROUPS, noise or {}, {key: [] for key in found})


def learning_curve(sizes=(10, 40, 160), noise=None):
    found = {
        (name, size): errors(scale * size**-0.25, properties=["band_energy"], seed=size)
        for size in sizes
        for name, scale in (("ldos", 1.0), ("dos", 1.5))
    }
    environments = {size: [size - 1, size, size + 4] for size in sizes}
    return LearningCurve(found, environments, environments, noise or {})


def comparison(scales=(0.2, 0.3, 0.25), noise=None, **options):
    names = ["ldos", "dos", "both"][: len(scales)]
    found = {
        name: errors(scale, properties=PROPERTIES, seed=i, **options)
        for i, (name, scale) in enumerate(zip(names, scales, strict=True))
    }
    return RegressorComparison(found, GROUPS, 300.0, noise or {})


def smearing_study(noise=True):
    widths = (0.1, 0.3, 0.5)
    found = {width: errors(0.05 / width, properties=["band_energy"]) for width in widths}
    return SmearingStudy(
        found, GROUPS, {width: {"ldos": 0.02 / width, "dos": 0.01 / width} if noise else {} for width in widths}
    )


@pytest.fixture(scope="module")
def evaluation():
    """Three structures of Sn, S and Se; the atoms err by one wave, each times its own factor."""
    numbers = np.array([50, 16, 34, 50, 16, 34, 16])
    centres, heights = np.linspace(-3, 1, 7)[:, None], (numbers / 10)[:, None]
    true = 1.0 + heights * np.exp(-((GRID.energies - centres) ** 2))
    factors = np.array([0.02, 0.05, 0.01, 0.30, 0.04, 0.03, 0.06])
    predicted = true + factors[:, None] * np.sin(2 * GRID.energies)
    options = {"structure_index": [0, 0, 0, 1, 1, 2, 2], "numbers": numbers}
    ldos = LDOS(GRID, true, 0.3, **options), LDOS(GRID, predicted, 0.3, **options)
    return Evaluation(*ldos, ["SnSSe", "SnS", "SSe"], ["x"] * 3)


def line(ax, label):
    return next(drawn for drawn in ax.lines if drawn.get_label() == label)


def labels(ax):
    return [drawn.get_label() for drawn in ax.lines]


def named_above(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def band(collection, place):
    """Least and largest value of a filled band at a place."""
    vertices = collection.get_paths()[0].vertices
    at = vertices[np.isclose(vertices[:, 0], place), 1]
    return at.min(), at.max()


def assert_drawn(figure):
    """The figure can be drawn, and every text in it lies within it."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    ends = np.array(canvas.get_width_height())
    ticks = [
        label for ax in figure.axes for axis in (ax.xaxis, ax.yaxis) for label in axis.get_ticklabels(which="both")
    ]
    for text in figure.findobj(Text):
        if text.get_text().strip() and text not in ticks:  # those beyond an axis are kept, and not drawn
            box = text.get_window_extent().get_points()
            assert (box[0] >= -1).all(), text
            assert (box[1] <= ends + 1).all(), text


def test_sweep_draws_the_losses_of_both_modes_and_the_range_of_the_folds():
    given = sweep(noise={"ldos Si": 0.06})
    figure = plotting.sweep_figure(given, n_draws=20)
    (ax,) = figure.axes
    for number, mode in enumerate(("complete", "sharp")):
        drawn = line(ax, f"{mode} fragments")
        np.testing.assert_array_equal(drawn.get_xdata(), [2, 3, 4, 5])
        np.testing.assert_array_equal(drawn.get_ydata(), given.losses(mode, "Si"))
        folds = given.errors[mode, 3.0].by_fold("ldos Si").values()
        assert band(ax.collections[2 * number], 3.0) == pytest.approx((min(folds), max(folds)))
    assert line(ax, "label noise").get_ydata()[0] == 0.06
    assert line(ax, "mean spectrum").get_ydata()[0] == given.errors["complete", 2.0].mean_loss["ldos Si"]
    assert figure.get_figwidth() == COLUMN_WIDTH
    assert (ax.get_title(), ax.get_xlabel()) == ("Si", "cutoff radius (Å)")
    assert ax.get_ylim()[0] == 0
    assert_drawn(figure)


def test_sweep_marks_the_saturation_radius_and_its_interval():
    given = sweep()
    (ax,) = plotting.sweep_figure(given, n_draws=50).axes
    marks = [container for container in ax.containers if isinstance(container, ErrorbarContainer)]
    assert [mark.get_label() for mark in marks] == ["saturation, complete", "saturation, sharp"]
    for mark, mode in zip(marks, given.modes, strict=True):
        (row,) = given.saturation(mode, n_draws=50)
        (point, _, (bar,)) = mark
        assert point.get_xdata() == [row["r_sat"]]
        drawn = line(ax, f"{mode} fragments")
        assert point.get_ydata() == drawn.get_ydata()[drawn.get_xdata() == row["r_sat"]]  # on its curve
        np.testing.assert_allclose(bar.get_segments()[0][:, 0], [row["low"], row["high"]])
    assert "label noise" not in labels(ax)


def test_sweeps_of_several_sets_have_a_panel_an_element_and_one_scale():
    given = {"Sn-S-Se": sweep((16, 34, 50)), "Si": sweep()}
    figure = plotting.sweep_figure(given, n_draws=5)
    assert [ax.get_title() for ax in figure.axes] == ["Sn-S-Se: S", "Sn-S-Se: Se", "Sn-S-Se: Sn", "Si: Si"]
    assert figure.get_figwidth() == PAGE_WIDTH
    assert len({ax.get_ylim() for ax in figure.axes}) == 1
    largest = max(
        one.get_ydata().max() for ax in figure.axes for one in ax.lines if "fragments" in str(one.get_label())
    )
    assert figure.axes[0].get_ylim()[1] > largest
    assert len(set(named_above(figure))) == len(named_above(figure)) == 5
    assert_drawn(figure)


def test_saturation_that_is_not_known_is_not_marked():
    given = sweep()
    given.errors["sharp", 4.0].squared["ldos"][:] = np.nan
    (ax,) = plotting.sweep_figure(given, n_draws=5).axes
    assert [c.get_label() for c in ax.containers] == ["saturation, complete"]


@pytest.mark.parametrize("draw", [plotting.sweep_figure, plotting.learning_curve_figure, plotting.error_table_figure])
def test_no_sets_are_refused(draw):
    with pytest.raises(ValueError, match="nothing to draw"):
        draw({})


def test_learning_curve_draws_pooled_losses_against_the_mean_size():
    given = learning_curve(noise={"dos": 0.1})
    figure = plotting.learning_curve_figure(given)
    (ax,) = figure.axes
    assert ax.get_xscale() == ax.get_yscale() == "log"
    for number, regressor in enumerate(given.regressors):
        drawn = line(ax, NAMES[regressor])
        np.testing.assert_allclose(drawn.get_xdata(), [11, 41, 161])
        np.testing.assert_array_equal(
            drawn.get_ydata(), [given.errors[regressor, size].loss("dos") for size in given.sizes]
        )
        _, folds = given.curve(regressor, "dos")
        assert band(ax.collections[number], 41) == pytest.approx((folds[1].min(), folds[1].max()))
    assert line(ax, "label noise").get_ydata()[0] == 0.1
    assert named_above(figure) == ["learned from LDOS", "learned from DOS", "label noise"]
    assert_drawn(figure)


def test_learning_curve_tells_the_slopes():
    given = learning_curve()
    (ax,) = plotting.learning_curve_figure(given).axes
    slopes = [given.slope(regressor, "dos") for regressor in given.regressors]
    told = [text.get_text() for text in ax.get_legend().get_texts()]
    assert told == [f"{mean:.2f} ± {deviation:.2f}" for mean, deviation in slopes]
    assert ax.get_ylim()[0] < min(one.get_ydata().min() for one in ax.lines) / 1.5  # room for them
    (ax,) = plotting.learning_curve_figure(learning_curve(sizes=(40,))).axes
    assert ax.get_legend() is None


def test_learning_curves_of_several_sets_and_quantities():
    given = {"Si": learning_curve(), "Si-C": learning_curve()}
    figure = plotting.learning_curve_figure(given, ("dos", "band_energy"))
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["Si: DOS per atom", "Si: band energy", "Si-C: DOS per atom", "Si-C: band energy"]
    assert_drawn(figure)
    with pytest.raises(ValueError, match="at least one quantity"):
        plotting.learning_curve_figure(given, ())
    with pytest.raises(ValueError, match="got 'gap'"):
        plotting.learning_curve_figure(given, ("gap",))


@pytest.mark.parametrize(
    ("limits", "ticks"),
    [((0.05, 2), [0.05, 0.1, 0.2, 0.5, 1, 2]), ((0.3, 0.55), [0.3, 0.4, 0.5]), ((9, 2000), [10, 100, 1000])],
)
def test_logarithmic_axes_have_plain_numbers(limits, ticks):
    figure = plotting.learning_curve_figure(learning_curve())
    ax = figure.axes[0]
    ax.set_ylim(*limits)
    plotting.panels.label_log_axis(ax.yaxis)
    np.testing.assert_allclose(ax.get_yticks(), ticks)
    figure.canvas.draw()
    assert [label.get_text() for label in ax.get_yticklabels()] == [f"{tick:g}" for tick in ticks]


def test_a_short_logarithmic_axis_has_ticks_too():
    ax = plotting.learning_curve_figure(learning_curve()).axes[0]
    ax.set_ylim(0.31, 0.33)
    plotting.panels.label_log_axis(ax.yaxis)
    assert len([tick for tick in ax.get_yticks() if 0.31 <= tick <= 0.33]) >= 2


def test_comparison_draws_losses_and_their_intervals():
    given = comparison(noise={"dos": 0.05}, elements=(6, 14))
    table = {(row["regressor"], row["quantity"]): row for row in given.records(n_draws=30)}
    figure = plotting.comparison_figure(given, n_draws=30)
    left = figure.axes[0]
    names = [label.get_text() for label in left.get_yticklabels()]
    assert names[:5] == ["LDOS", "LDOS of C", "LDOS of Si", "DOS per atom", "dDOS/dE"]
    assert names[5:7] == ["band energy", "absorption spectrum"]
    assert left.get_ylim()[0] > left.get_ylim()[1]  # the first one on top
    for bars, regressor in zip(left.containers, given.regressors, strict=True):
        rows = [table[regressor, quantity] for quantity in given.quantities]
        assert [bar.get_width() for bar in bars] == pytest.approx([row["loss"] for row in rows])
        for bar, row in zip(bars, rows, strict=True):
            place = bar.get_y() + bar.get_height() / 2
            (whisker,) = [w for w in left.lines if np.allclose(w.get_ydata(), place)]
            np.testing.assert_allclose(whisker.get_xdata(), [row["low"], row["high"]])
    texts = [text.get_text().strip() for text in left.texts]
    assert texts == [f"{table[key]['loss']:.3f}" for key in itertools.product(given.regressors, given.quantities)]
    assert line(left, "label noise").get_xdata()[0] == 0.05
    assert line(left, "label noise").get_ydata() == pytest.approx([2.55, 3.45])
    assert named_above(figure) == ["label noise", *NAMES.values()]
    assert_drawn(figure)


def test_comparison_draws_paired_differences_to_the_first():
    given = comparison()
    rows = [row for row in given.records(n_draws=30) if row["regressor"] == "dos"]
    _, right = plotting.comparison_figure(given, n_draws=30).axes
    points = [drawn for drawn in right.lines if drawn.get_label() == "learned from DOS"]
    np.testing.assert_allclose([p.get_xdata()[0] for p in points], [row["difference"] for row in rows])
    for point, row in zip(points, rows, strict=True):
        (bar,) = [b for b in right.lines if len(b.get_xdata()) == 2 and np.allclose(b.get_ydata(), point.get_ydata())]
        np.testing.assert_allclose(bar.get_xdata(), [row["difference_low"], row["difference_high"]])
        assert right.get_xlim()[0] < row["difference_low"] <= row["difference_high"] < right.get_xlim()[1]
    assert "learned from LDOS" not in labels(right)
    assert right.get_xlabel() == "L/σ − L/σ (learned from LDOS)"


def test_comparison_of_one_regressor_has_no_differences():
    figure = plotting.comparison_figure(comparison(scales=(0.2,)), n_draws=5)
    assert len(figure.axes) == 1
    assert_drawn(figure)


def test_comparison_tells_what_is_off_the_scale_by_numbers():
    given = comparison(noise={"fermi_level": 0.9})
    for name, factor in (("ldos", 20.0), ("dos", 30.0), ("both", 10.0)):
        given.errors[name].squared["fermi_level"][:] *= factor**2
    row = {(r["regressor"], r["quantity"]): r for r in given.records(n_draws=20)}["dos", "fermi_level"]
    figure = plotting.comparison_figure(given, n_draws=20)
    left, right = figure.axes
    assert left.get_xlim()[1] < 1 < row["loss"]
    assert f"{row['loss']:.3f} → " in [text.get_text() for text in left.texts]
    told = [text.get_text() for text in right.texts]
    assert f"{row['difference']:+.2f} ({row['difference_low']:+.2f} to {row['difference_high']:+.2f})" in told
    assert right.get_xlim()[1] < 1
    assert "label noise" not in labels(left)
    assert_drawn(figure)


def test_comparison_sets_a_fermi_level_apart_that_hardly_varies():
    given = comparison()
    for factor, one in enumerate(given.errors.values(), 1):
        one.sigma["fermi_level"] = 0.01
        one.squared["fermi_level"][:] = (0.02 * factor) ** 2
    figure = plotting.comparison_figure(given, n_draws=20)
    left, right = figure.axes
    words = [f"RMSE {0.02 * factor:.2g} eV, σ only 0.01 eV" for factor in (1, 2, 3)]
    assert [text.get_text() for text in left.texts if "RMSE" in text.get_text()] == words
    assert not right.texts
    assert left.get_xlim()[1] < 1
    assert_drawn(figure)


def test_comparison_writes_a_long_bars_number_within_the_axes():
    given = comparison(scales=(0.2, 0.21))
    given.errors["ldos"].squared["band_energy"][:] = 3.0
    given.errors["dos"].squared["band_energy"][:] = 0.085
    assert_drawn(plotting.comparison_figure(given, n_draws=20))


def test_comparison_says_why_a_loss_is_missing():
    given = comparison()
    for one in given.errors.values():
        one.squared["heat_capacity"][:] = np.nan
        one.sigma["band_energy"] = 0.0
    given.errors["dos"].squared["fermi_level"][:2] = np.nan
    figure = plotting.comparison_figure(given, n_draws=5)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts.count("no structure has it") == texts.count("no variation in this set") == 3
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert "heat capacity\n(0 of 6 structures)" in names
    assert "Fermi level\n(4 of 6 structures)" in names
    assert "band energy" in names
    assert_drawn(figure)


def test_smearing_draws_losses_noise_and_mean_spectrum():
    given = smearing_study()
    figure = plotting.smearing_figure(given)
    assert [ax.get_title() for ax in figure.axes] == ["LDOS", "DOS per atom"]
    for ax, name in zip(figure.axes, ("ldos", "dos"), strict=True):
        expected = {
            "trajectories left out": [one.loss(name) for one in given.errors.values()],
            "mean spectrum": [one.mean_loss[name] for one in given.errors.values()],
            "label noise": [noise[name] for noise in given.noise.values()],
        }
        for label, values in expected.items():
            np.testing.assert_array_equal(line(ax, label).get_xdata(), [0.1, 0.3, 0.5])
            np.testing.assert_array_equal(line(ax, label).get_ydata(), values)
    assert_drawn(figure)


def test_smearing_leaves_out_what_is_not_known():
    (ax,) = plotting.smearing_figure(smearing_study(noise=False), ("band_energy",)).axes
    assert labels(ax) == ["trajectories left out"]
    with pytest.raises(ValueError, match="at least one quantity"):
        plotting.smearing_figure(smearing_study(), ())


def test_error_table_draws_boxes_of_single_environments():
    groups, torn = errors(0.3, elements=(16, 34, 50)), errors(0.1, elements=(16, 34, 50), seed=1)
    figure = plotting.error_table_figure(ErrorTable({"groups": groups, "environments": torn}, {}, {"ldos S": 0.01}))
    (ax,) = figure.axes
    boxes = [drawn.get_ydata() for drawn in ax.lines]
    for one in (groups, torn):
        for element in ("S", "Se", "Sn"):
            values = one.by_environment(f"ldos {element}")
            for expected in (np.median(values), values.mean()):
                assert any(np.allclose(drawn, expected) for drawn in boxes)
            for end in (values.min(), values.max()):
                assert any(np.isclose(drawn[-1], end) for drawn in boxes)
    counts = {element: len(groups.by_environment(f"ldos {element}")) for element in ("S", "Se", "Sn")}
    assert [label.get_text() for label in ax.get_xticklabels()] == [f"{k}\n{n}" for k, n in counts.items()]
    assert named_above(figure) == [
        "whole trajectories left out",
        "single atoms left out (leaks information)",
        "mean spectrum",
        "label noise",
    ]
    assert ax.get_yscale() == "log"
    assert figure.get_figwidth() == COLUMN_WIDTH
    assert_drawn(figure)


def test_error_tables_of_several_sets():
    given = {
        "silicon": ErrorTable({"groups": errors()}, {}, {}),
        "Si-C": ErrorTable({"groups": errors(elements=(6, 14)), "environments": errors(0.1, elements=(6, 14))}, {}, {}),
        "Sn-S-Se": ErrorTable({"groups": errors(elements=(16, 34, 50))}, {}, {}),
    }
    figure = plotting.error_table_figure(given)
    assert [ax.get_title() for ax in figure.axes] == list(given)
    assert [len(ax.get_xticks()) for ax in figure.axes] == [1, 2, 3]
    assert_drawn(figure)


def test_derivatives_are_drawn_above_the_dos(evaluation):
    other = Evaluation(evaluation.true, evaluation.true, evaluation.names, evaluation.kinds)
    figure = plotting.derivative_figure({"ldos": evaluation, "perfect": other}, [1, 2])
    upper, lower = figure.axes[:2], figure.axes[2:]
    n_atoms = np.array([3, 2, 2])[:, None]
    true, predicted = evaluation.dos()
    for label, dos in (("DFT", true), ("learned from LDOS", predicted), ("perfect", true)):
        slopes = dos_derivative(dos) / n_atoms
        for column, structure in enumerate((1, 2)):
            np.testing.assert_allclose(line(upper[column], label).get_ydata(), slopes[structure])
            np.testing.assert_allclose(line(lower[column], label).get_ydata(), (dos.values / n_atoms)[structure])
    slopes = [dos_derivative(dos) / n_atoms for dos in (true, predicted)]
    loss = np.sqrt(((slopes[1] - slopes[0]) ** 2).mean(axis=1)) / slopes[0].std()
    assert upper[0].get_title() == f"SnS\nL/σ: learned from LDOS {loss[1]:.3f}, perfect 0.000"
    assert len({one.get_linestyle() + one.get_color() for one in upper[0].lines}) == 4
    assert_drawn(figure)
    assert_drawn(plotting.derivative_figure({"atomic": evaluation}, [0]))


def test_derivatives_are_taken_before_the_ends_are_cut_off(evaluation):
    upper, lower = plotting.derivative_figure({"atomic": evaluation}, [1], low=-3.0, high=1.0).axes
    inside = (evaluation.true.energies > -3.01) & (evaluation.true.energies < 1.01)
    for label, dos in zip(("DFT", "atomic"), evaluation.dos(), strict=True):
        np.testing.assert_allclose(line(upper, label).get_ydata(), dos_derivative(dos)[1, inside] / 2)
        np.testing.assert_allclose(line(lower, label).get_ydata(), dos.values[1, inside] / 2)
    assert upper.get_xlim() == (-3, 1)


def test_derivatives_of_what_is_not_there_are_refused(evaluation):
    with pytest.raises(ValueError, match="at least one evaluation and one structure"):
        plotting.derivative_figure({}, [0])
    with pytest.raises(ValueError, match="another name"):
        plotting.derivative_figure({"DFT": evaluation}, [0])
    with pytest.raises(ValueError, match="from 0 to 2; got 3"):
        plotting.derivative_figure({"a": evaluation}, [3])
    other = Evaluation(evaluation.true, evaluation.predicted, ["x", "y", "z"], evaluation.kinds)
    with pytest.raises(ValueError, match="'b' holds other structures"):
        plotting.derivative_figure({"a": evaluation, "b": other}, [0])
    with pytest.raises(ValueError, match="'b' and the first one"):
        plotting.derivative_figure({"a": evaluation, "b": evaluation.cut(high=3.0)}, [0])


def test_worst_by_element_shows_the_worst_atom_of_each(evaluation):
    figure = plotting.worst_by_element_figure(evaluation)
    upper, lower = figure.axes[:3], figure.axes[3:]
    true, predicted = evaluation.true.values, evaluation.predicted.values
    numbers = evaluation.true.numbers
    for ax, (symbol, z, row) in zip(upper, (("S", 16, 6), ("Se", 34, 5), ("Sn", 50, 3)), strict=True):
        np.testing.assert_array_equal(line(ax, "DFT").get_ydata(), true[row])
        np.testing.assert_array_equal(line(ax, "predicted").get_ydata(), predicted[row])
        loss = np.sqrt(((predicted[row] - true[row]) ** 2).mean()) / true[numbers == z].std()
        assert ax.get_title().startswith(f"worst {symbol}: L/σ = {loss:.3f}\n")
    assert [ax.get_title().split(":")[0] for ax in lower] == ["worst DOS", "median DOS", "best DOS"]
    assert [ax.get_title().splitlines()[1] for ax in lower] == ["SnS", "SSe", "SnSSe"]
    assert_drawn(figure)


@pytest.mark.parametrize(("numbers", "count"), [([14] * 7, 3), ([14, 6] * 3 + [14], 4), ([1, 6, 7, 8] * 2, 7)])
def test_worst_by_element_for_any_number_of_elements(evaluation, numbers, count):
    def changed(spectra):
        return LDOS(spectra.grid, spectra.values, 0.3, spectra.structure_index, np.array(numbers[:7]))

    given = Evaluation(changed(evaluation.true), changed(evaluation.predicted), evaluation.names, evaluation.kinds)
    figure = plotting.worst_by_element_figure(given)
    assert len(figure.axes) == count
    assert_drawn(figure)


def test_worst_by_element_needs_ldos(evaluation):
    total = Evaluation(None, evaluation.predicted, evaluation.names, evaluation.kinds, evaluation.true.total())
    with pytest.raises(ValueError, match="needs a true LDOS"):
        plotting.worst_by_element_figure(total)


def test_a_name_that_ends_in_pdf_or_png_chooses_the_format(tmp_path):
    figure = plotting.smearing_figure(smearing_study())
    for name, start in (("a.pdf", b"%PDF"), ("b.png", b"\x89PNG")):
        (file,) = plotting.save_figure(figure, tmp_path / name, dpi=40)
        assert (file, file.read_bytes()[:4]) == (tmp_path / name, start)
    assert len(list(tmp_path.iterdir())) == 2


def test_figures_are_saved_as_pdf_and_png(tmp_path):
    figure = plotting.smearing_figure(smearing_study())
    files = plotting.save_figure(figure, tmp_path / "figure.1", dpi=40)
    assert files == (tmp_path / "figure.1.pdf", tmp_path / "figure.1.png")
    before = [file.read_bytes() for file in files]
    assert [content[:4] for content in before] == [b"%PDF", b"\x89PNG"]
    figure = plotting.smearing_figure(smearing_study())
    with pytest.raises(FileExistsError, match="overwrite"):
        plotting.save_figure(figure, tmp_path / "figure.1")
    plotting.save_figure(figure, tmp_path / "figure.1", dpi=40, overwrite=True)
    assert [file.read_bytes() for file in files] == before
    assert len(list(tmp_path.iterdir())) == 2
