import numpy as np
import pytest
from matplotlib._pylab_helpers import Gcf
from matplotlib.figure import Figure

from ldosml import DOS, LDOS, EnergyGrid, normalized_loss, plotting
from ldosml.evaluation import Evaluation
from ldosml.plotting import files

ENVIRONMENT_ERRORS = np.array([0.02, 0.05, 0.01, 0.04, 0.30, 0.03, 0.06, 0.07, 0.08])
N_ATOMS = [2, 3, 1, 3]


@pytest.fixture(scope="module")
def evaluation():
    """Every atom errs by the same wave, times its own factor: atom 2 of the second structure most."""
    grid = EnergyGrid.from_range(-6.0, 4.0, 0.1, zero="fermi")
    energies, i = grid.energies, np.arange(9)[:, None]
    true = np.exp(-(((energies + 2 + 0.1 * i) / 1.5) ** 2)) + 0.1 * np.sin(energies + i) ** 2
    predicted = true + ENVIRONMENT_ERRORS[:, None] * np.sin(2 * energies)
    options = {"structure_index": np.repeat(np.arange(4), N_ATOMS), "numbers": np.array([14] * 8 + [6])}
    names = ["diamond", "liquid", "isolated", "a very long name of a structure, too long for a title"]
    ldos = LDOS(grid, true, 0.3, **options), LDOS(grid, predicted, 0.3, **options)
    return Evaluation(*ldos, names, ["crystal", "liquid", "atom", "crystal"])


def curve(ax, label):
    return next(line.get_ydata() for line in ax.lines if line.get_label() == label)


def labels(ax):
    return [line.get_label() for line in ax.lines]


def test_spectrum_draws_both_curves_with_units_and_the_fermi_level(evaluation):
    ax = Figure().subplots()
    ldos, predicted = evaluation.true.values[0], evaluation.predicted.values[0]
    plotting.plot_spectrum(ax, evaluation.true.energies, ldos, predicted, title="5 $ and $ more")
    np.testing.assert_array_equal(curve(ax, "DFT"), ldos)
    np.testing.assert_array_equal(curve(ax, "predicted"), predicted)
    styles = {line.get_label(): line.get_linestyle() for line in ax.lines}
    assert styles == {"DFT": "--", "predicted": "-", "Fermi level": ":"}
    assert "E_\\mathrm{F}" in ax.get_xlabel()
    assert "(eV)" in ax.get_xlabel()
    assert ax.get_ylabel() == "LDOS (states/eV/atom)"
    assert ax.get_title() == "5 $ and $ more"
    files.png(ax.figure)


@pytest.mark.parametrize("zero", ["average_potential", "vacuum", "code"])
def test_fermi_level_is_marked_only_where_it_is_the_zero(evaluation, zero):
    ax = Figure().subplots()
    rows = evaluation.true.values[:2]
    plotting.plot_spectrum(ax, evaluation.true.energies, *rows, zero=zero)
    assert "Fermi level" not in labels(ax)
    assert "(eV)" in ax.get_xlabel()


def test_fermi_level_outside_the_energies_does_not_widen_the_axis():
    ax = Figure().subplots()
    plotting.plot_spectrum(ax, np.array([1.0, 2.0]), np.zeros(2), np.ones(2))
    assert "Fermi level" not in labels(ax)
    assert ax.get_xlim() == (1, 2)


def test_spectrum_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"predicted must have shape \(5\)"):
        plotting.plot_spectrum(Figure().subplots(), np.arange(5.0), np.zeros(5), np.zeros(4))


def test_representatives_are_worst_median_best():
    assert plotting.representatives(np.array([0.2, 0.9, 0.1, 0.5, 0.3])) == {"worst": 1, "median": 4, "best": 2}
    assert list(plotting.representatives(np.array([1.0, 2.0]))) == ["worst", "median", "best"]
    assert plotting.representatives(np.array([1.0])) == {"worst": 0, "median": 0, "best": 0}


def test_representatives_figure_shows_the_environments_and_structures_chosen(evaluation):
    figure = plotting.representatives_figure(evaluation)
    assert len(figure.axes) == 6
    order = np.argsort(-ENVIRONMENT_ERRORS)
    for ax, row in zip(figure.axes[:3], order[[0, 4, 8]], strict=True):
        np.testing.assert_array_equal(curve(ax, "DFT"), evaluation.true.values[row])
        np.testing.assert_array_equal(curve(ax, "predicted"), evaluation.predicted.values[row])
    # Errors add up in phase, so that a structure's DOS per atom errs by the mean over its atoms.
    means = [errors.mean() for errors in np.split(ENVIRONMENT_ERRORS, np.cumsum(N_ATOMS)[:-1])]
    order = np.argsort(means)[::-1]
    for ax, s in zip(figure.axes[3:], order[[0, 2, 3]], strict=True):
        np.testing.assert_allclose(curve(ax, "DFT"), evaluation.true.of_structure(s).mean(axis=0))
        np.testing.assert_allclose(curve(ax, "predicted"), evaluation.predicted.of_structure(s).mean(axis=0))


def test_representatives_titles_name_the_atom_and_its_loss(evaluation):
    figure = plotting.representatives_figure(evaluation)
    losses = normalized_loss(evaluation.true, evaluation.predicted, per="environment")
    assert figure.axes[0].get_title() == f"worst: L/σ = {losses[4]:.3f}\nliquid, Si atom 2"
    assert figure.axes[2].get_title() == f"best: L/σ = {losses[2]:.3f}\nliquid, Si atom 0"
    titles = [ax.get_title() for ax in figure.axes]
    shown = [float(title.split("=")[1].split()[0]) for title in titles]
    assert shown[0] >= shown[1] >= shown[2]
    assert shown[3] >= shown[4] >= shown[5]
    assert max(len(line) for title in titles for line in title.splitlines()) <= 31
    assert [ax.get_ylabel() for ax in figure.axes[::3]] == ["LDOS (states/eV/atom)", "DOS (states/eV/atom)"]


def test_parity_counts_every_value(evaluation):
    figure = plotting.parity_figure(evaluation)
    left, right = [ax for ax in figure.axes if ax.get_title()]
    losses = evaluation.losses()
    assert left.get_title() == f"LDOS, L/σ = {losses['ldos_normalized_loss']:.3f}"
    assert right.get_title() == f"DOS per atom, L/σ = {losses['dos_normalized_loss']:.3f}"
    for ax, count in ((left, 9 * 101), (right, 4 * 101)):
        assert ax.collections[0].get_array().sum() == count
        diagonal = next(line for line in ax.lines if line.get_label() == "exact")
        np.testing.assert_array_equal(*diagonal.get_data())
        assert ax.get_xlabel() == "DFT (states/eV/atom)"
    histograms = [ax for ax in figure.axes if ax.get_xlabel().startswith("predicted - DFT")]
    assert [sum(bar.get_height() for bar in ax.patches) for ax in histograms] == [909, 404]


def test_parity_of_a_perfect_prediction_is_drawn(evaluation):
    perfect = Evaluation(evaluation.true, evaluation.true, evaluation.names, evaluation.kinds)
    files.png(plotting.parity_figure(perfect), dpi=40)


def test_loss_by_energy_is_that_of_each_column(evaluation):
    upper, lower = plotting.loss_by_energy_figure(evaluation).axes
    wave = np.abs(np.sin(2 * evaluation.true.energies))
    expected = np.sqrt(np.mean(ENVIRONMENT_ERRORS**2)) * wave
    np.testing.assert_allclose(curve(upper, "root mean square error"), expected, atol=1e-12)
    np.testing.assert_allclose(curve(upper, "standard deviation of DFT"), evaluation.true.values.std(axis=0))
    dos: DOS = evaluation.true.total()
    per_atom = dos.values / np.array(N_ATOMS)[:, None]
    np.testing.assert_allclose(curve(lower, "standard deviation of DFT"), per_atom.std(axis=0))
    assert "label noise, averaged over energies" not in labels(upper)


def test_label_noise_is_drawn_in_units_of_the_whole_set(evaluation):
    figure = plotting.loss_by_energy_figure(evaluation, {"ldos": 0.05, "dos": 0.02})
    level = curve(figure.axes[0], "label noise, averaged over energies")
    assert level == pytest.approx([0.05 * evaluation.true.values.std()] * 2)


def test_png_is_reproducible(evaluation):
    first, second = (files.png(plotting.loss_by_energy_figure(evaluation), dpi=40) for _ in range(2))
    assert first.startswith(b"\x89PNG")
    assert first == second


def test_no_figure_is_left_with_pyplot(evaluation):
    plotting.representatives_figure(evaluation)
    assert not Gcf.get_all_fig_managers()
