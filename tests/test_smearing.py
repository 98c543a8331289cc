import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldosml import EnergyGrid, smear_eigenvalues
from ldosml._array import to_numpy
from ldosml.smearing import broaden, same_width

GRID = EnergyGrid.from_range(-12, 12, 0.05, zero="code")


def gaussians(eigenvalues, weights, grid, width):
    """The definition, state by state."""
    u = (grid.energies - eigenvalues[:, None]) / width
    return weights @ (np.exp(-0.5 * u**2) / (width * np.sqrt(2 * np.pi)))


@pytest.mark.parametrize("width", [0.05, 0.1, 0.3, 1.0])
def test_equals_the_sum_of_gaussians(xp, width):
    rng = np.random.default_rng(0)
    eigenvalues, weights = rng.uniform(-5, 5, 400), rng.uniform(0, 1, (3, 400))
    smeared = smear_eigenvalues(xp.asarray(eigenvalues), xp.asarray(weights), GRID.energies, width)
    exact = gaussians(eigenvalues, weights, GRID, width)
    np.testing.assert_allclose(to_numpy(smeared), exact, atol=1e-4 * exact.max())


@pytest.mark.parametrize("step", [0.002, 0.003, 0.29])
def test_energies_may_be_finer_than_the_bins_or_coarse(step):
    rng = np.random.default_rng(2)
    eigenvalues, weights = rng.uniform(-0.5, 0.5, 60), rng.uniform(0, 1, (2, 60))
    grid = EnergyGrid.from_range(-0.87, 0.87, step, zero="code")
    smeared = smear_eigenvalues(eigenvalues, weights, grid.energies, 0.1)
    exact = gaussians(eigenvalues, weights, grid, 0.1)
    assert smeared.shape == exact.shape
    np.testing.assert_allclose(smeared, exact, atol=1e-4 * exact.max())


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (0.1, 0.1, True),
        (0.1, 0.1 * (1 + 1e-8), True),  # a rounding of float32
        (0.1, 0.1001, False),
        (None, None, True),
        (None, 0.1, False),
        (0.1, None, False),
    ],
)
def test_widths_are_the_same_up_to_rounding(one, other, same):
    assert same_width(one, other) is same


def test_a_single_state_is_right_to_its_stated_error():
    for position in (0.0, 0.0131, -0.02):
        state, one = np.array([position]), np.ones((1, 1))
        exact = gaussians(state, one, GRID, 0.1)
        np.testing.assert_allclose(smear_eigenvalues(state, one, GRID.energies, 0.1), exact, atol=1.2e-4 * exact.max())


def test_area_is_the_number_of_electrons():
    rng = np.random.default_rng(1)
    weights = rng.uniform(0, 2, (2, 50))
    smeared = smear_eigenvalues(rng.uniform(-8, 8, 50), weights, GRID.energies, 0.2)
    np.testing.assert_allclose(smeared.sum(axis=1) * GRID.step, weights.sum(axis=1), rtol=1e-10)


def test_states_beyond_the_grid_only_leave_their_tail():
    states = np.array([-30.0, 12.1, 40.0])
    smeared = smear_eigenvalues(states, np.ones((1, 3)), GRID.energies, 0.1)
    np.testing.assert_allclose(smeared, gaussians(states, np.ones((1, 3)), GRID, 0.1), atol=1e-3)


@settings(max_examples=20, deadline=None)
@given(first=st.floats(0.05, 0.6), second=st.floats(0.05, 0.6))
def test_widths_add_in_quadrature(first, second):
    spectrum = gaussians(np.array([0.3]), np.ones((1, 1)), GRID, 0.1)
    twice = broaden(broaden(spectrum, GRID.step, first), GRID.step, second)
    np.testing.assert_allclose(twice, broaden(spectrum, GRID.step, np.hypot(first, second)), atol=1e-10)


def test_spectra_in_any_shape_are_broadened_one_by_one(xp):
    values = np.random.default_rng(4).uniform(0, 1, (2, 3, 41))
    whole = to_numpy(broaden(xp.asarray(values), 0.1, 0.4))
    assert whole.shape == values.shape
    for place in np.ndindex(2, 3):
        np.testing.assert_allclose(to_numpy(broaden(xp.asarray(values[place]), 0.1, 0.4)), whole[place], atol=1e-13)


def test_broadening_is_the_sum_of_gaussians():
    energies = 0.1 * np.arange(80)
    spectrum = np.exp(-0.5 * ((energies - 4) / 0.4) ** 2)
    kernel = np.exp(-0.5 * ((energies[:, None] - energies[None, :]) / 0.5) ** 2) / (0.5 * np.sqrt(2 * np.pi)) * 0.1
    np.testing.assert_allclose(broaden(spectrum, 0.1, 0.5), kernel @ spectrum, atol=1e-9)
    np.testing.assert_array_equal(broaden(spectrum, 0.1, 0.0), spectrum)


@pytest.mark.parametrize(("step", "width", "name"), [(0.0, 0.1, "step"), (0.1, -0.2, "width"), (0.1, np.nan, "width")])
def test_broadening_names_the_wrong_argument(step, width, name):
    with pytest.raises(ValueError, match=f"{name} must be a"):
        broaden(np.ones(5), step, width)


def test_shifting_the_states_shifts_the_spectrum(xp):
    states = xp.asarray([-1.0, 0.5, 0.7])
    weights = xp.asarray([[1.0, 0.5, 2.0]])
    here = to_numpy(smear_eigenvalues(states, weights, GRID.energies, 0.1))
    there = to_numpy(smear_eigenvalues(states + 10 * GRID.step, weights, GRID.energies, 0.1))
    np.testing.assert_allclose(there[:, 10:], here[:, :-10], atol=1e-9)


def test_bad_widths_and_shapes():
    states, weights = np.zeros(3), np.ones((2, 3))
    with pytest.raises(ValueError, match=r"a third of the energies' step"):
        smear_eigenvalues(states, weights, GRID.energies, 0.01)
    with pytest.raises(ValueError, match=r"width must be a positive number of eV"):
        smear_eigenvalues(states, weights, GRID.energies, -0.1)
    with pytest.raises(ValueError, match=r"weights must have shape \(any, 3\)"):
        smear_eigenvalues(states, np.ones((2, 4)), GRID.energies, 0.1)


@pytest.mark.parametrize(("step", "width"), [(0.1, 0.5), (0.5, 3.0), (1.0, 8.0)])
def test_nothing_comes_round_the_other_end(step, width):
    spectrum = np.zeros((1, 101))
    spectrum[0, -3:] = 1.0
    smooth = broaden(spectrum, step, width)
    far = round((101 - 3) - 7 * width / step)
    assert abs(smooth[0, :far]).max() < 1e-9


@pytest.mark.parametrize("width", [2.0, 5.0])
def test_states_within_six_widths_of_the_grid_are_counted(width):
    """Widths of several eV, and many states outside the grid."""
    eigenvalues = np.linspace(-12 - 5.9 * width, 12 + 5.9 * width, 40)
    smeared = smear_eigenvalues(eigenvalues, np.ones((1, 40)), GRID.energies, width)
    exact = gaussians(eigenvalues, np.ones((1, 40)), GRID, width)
    np.testing.assert_allclose(smeared, exact, atol=1e-4 * exact.max())


def test_binning_adds_no_width_on_average():
    rng = np.random.default_rng(0)
    positions = rng.uniform(-0.5, 0.5, 4000)
    spectra = smear_eigenvalues(positions, np.full((1, 4000), 1 / 4000), GRID.energies, 0.1)[0] * GRID.step
    variance = (spectra * GRID.energies**2).sum() - (spectra * GRID.energies).sum() ** 2
    assert variance - positions.var() == pytest.approx(0.01, rel=3e-5)


def test_missing_eigenvalues_are_refused(xp):
    with pytest.raises(ValueError, match=r"eigenvalues must be finite; 1 entries"):
        smear_eigenvalues(xp.asarray([0.0, np.nan]), xp.asarray([[2.0, 2.0]]), GRID.energies, 0.2)


STATES, ELECTRONS = np.array([0.0, 1.0]), np.array([[1.0, 2.0]])
E = GRID.energies


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"energies": np.where(np.arange(len(E)) == 5, E + 0.01, E)}, "energies must ascend in equal steps"),
        ({"energies": np.where(np.arange(len(E)) == 5, np.nan, E)}, "energies must be finite"),
        ({"energies": E[::-1]}, "energies must ascend"),
        ({"energies": E[:1]}, "energies must be a 1-D array of at least 2"),
        ({"energies": E * 1.602e-19}, "joule"),
        ({"weights": 1e300 * ELECTRONS}, "weights must be finite"),
        ({"weights": np.ones((1, 3))}, r"weights must have shape \(any, 2\)"),
        ({"eigenvalues": STATES[None]}, r"eigenvalues must have shape \(any\)"),
        ({"eigenvalues": [0.0, 1e300]}, "eigenvalues must be finite"),
        ({"width": 1e300}, "width must be at most 1000 eV"),
    ],
)
def test_what_cannot_be_smeared_is_refused(changes, message):
    given = {"eigenvalues": STATES, "weights": ELECTRONS, "energies": E, "width": 0.3} | changes
    with pytest.raises(ValueError, match=message):
        smear_eigenvalues(**given)
