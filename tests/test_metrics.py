from dataclasses import replace

import numpy as np
import pytest

from ldosml import DOS, LDOS, EnergyGrid, normalized_loss, rmse
from ldosml._array import to_numpy
from ldosml.metrics import ConstantSpectrumWarning, variance_weighted_r2

GRID = EnergyGrid.from_range(0, 4.9, 0.1, zero="fermi")
INDEX = np.array([0, 0, 1, 1, 1])
RNG = np.random.default_rng(5)
TRUE = RNG.uniform(0, 2, (5, GRID.size))
PREDICTED = TRUE + 0.1 * RNG.normal(size=TRUE.shape)


def spectra(values, xp=np):
    return LDOS(GRID, xp.asarray(values), structure_index=xp.asarray(INDEX))


@pytest.fixture
def pair(xp):
    return spectra(TRUE, xp), spectra(PREDICTED, xp)


def test_equation_15_written_out(pair):
    total, variance, count = 0.0, 0.0, TRUE.size
    mean = sum(TRUE.ravel()) / count
    for g_true, g in zip(TRUE.ravel(), PREDICTED.ravel(), strict=True):
        total += (g - g_true) ** 2 / count
        variance += (g_true - mean) ** 2 / count
    assert normalized_loss(*pair) == pytest.approx(np.sqrt(total / variance), rel=1e-12)


def test_perfect_and_constant_predictions(pair):
    true, _ = pair
    assert normalized_loss(true, true) == 0
    constant = spectra(np.full_like(TRUE, TRUE.mean()))
    assert normalized_loss(spectra(TRUE), constant) == pytest.approx(1.0, rel=1e-12)


def test_per_environment_squares_average_to_the_set(pair):
    losses = to_numpy(normalized_loss(*pair, per="environment"))
    assert losses.shape == (5,)
    assert np.sqrt(np.mean(losses**2)) == pytest.approx(normalized_loss(*pair))


def test_per_structure_is_the_mean_over_its_atoms(pair):
    losses = to_numpy(normalized_loss(*pair, per="structure"))
    environments = to_numpy(normalized_loss(*pair, per="environment"))
    expected = [np.sqrt(np.mean(environments[s == INDEX] ** 2)) for s in (0, 1)]
    np.testing.assert_allclose(losses, expected)


def test_own_scale_is_each_spectrum_s_deviation(pair):
    losses = to_numpy(normalized_loss(*pair, per="environment", scale="own"))
    expected = np.sqrt(((PREDICTED - TRUE) ** 2).mean(axis=1)) / TRUE.std(axis=1)
    np.testing.assert_allclose(losses, expected)


@pytest.mark.parametrize("per", ["environment", "structure"])
def test_own_scale_on_top_of_large_values(pair, per):
    """The variance is 1e-16 of the mean square."""
    true, predicted = (replace(spectra, values=spectra.values * 2.0**-10 + 2.0**20) for spectra in pair)
    found = to_numpy(normalized_loss(true, predicted, per=per, scale="own"))
    np.testing.assert_allclose(found, to_numpy(normalized_loss(*pair, per=per, scale="own")), rtol=1e-6)


def test_constant_spectra_are_told(xp):
    values = np.vstack([TRUE[:3], np.full((1, GRID.size), 0.7), TRUE[4:]])
    true, predicted = spectra(values, xp), spectra(PREDICTED, xp)
    with pytest.warns(ConstantSpectrumWarning, match="of 1 of 5 environments are constant"):
        found = to_numpy(normalized_loss(true, predicted, per="environment", scale="own"))
    assert np.isinf(found).tolist() == [False, False, False, True, False]


@pytest.mark.parametrize(("name", "change"), [("structure_index", [0, 0, 0, 1, 1]), ("numbers", [14, 14, 14, 14, 6])])
def test_spectra_of_other_structures_are_refused(name, change):
    true = LDOS(GRID, TRUE, None, INDEX, np.full(5, 14))
    with pytest.raises(ValueError, match=f"their {name} differ"):
        normalized_loss(true, replace(true, **{name: np.array(change)}), per="structure")
    with pytest.raises(ValueError, match="their n_atoms differ"):
        rmse(DOS(GRID, TRUE, None, [1, 2, 3, 4, 5]), DOS(GRID, TRUE, None, [1, 2, 3, 4, 6]))


def test_dos_is_compared_per_atom():
    true, predicted = spectra(TRUE).total(), spectra(PREDICTED).total()
    per_atom = [DOS(GRID, s.values / np.array([[2.0], [3.0]])) for s in (true, predicted)]
    assert normalized_loss(true, predicted) == pytest.approx(normalized_loss(*per_atom))
    assert rmse(true, predicted) == pytest.approx(rmse(*per_atom))


def test_rmse_is_an_integral_over_energy():
    # A constant error of 0.1 states/eV over 5 eV.
    assert rmse(spectra(TRUE), spectra(TRUE + 0.1)) == pytest.approx(0.1 * np.sqrt(5.0))


def test_losses_do_not_depend_on_the_unit():
    scaled = normalized_loss(spectra(7 * TRUE), spectra(7 * PREDICTED))
    assert scaled == pytest.approx(normalized_loss(spectra(TRUE), spectra(PREDICTED)))
    assert rmse(spectra(7 * TRUE), spectra(7 * PREDICTED)) == pytest.approx(7 * rmse(spectra(TRUE), spectra(PREDICTED)))


def test_refusals():
    true = spectra(TRUE)
    with pytest.raises(ValueError, match="share one energy grid"):
        normalized_loss(true, true.cut(0, 2))
    with pytest.raises(ValueError, match="Cannot compare a LDOS with a DOS"):
        normalized_loss(true, true.total())
    with pytest.raises(ValueError, match="has no environments"):
        normalized_loss(true.total(), true.total(), per="environment")
    with pytest.raises(ValueError, match="constant"):
        normalized_loss(spectra(np.ones_like(TRUE)), true)
    with pytest.raises(ValueError, match="'set', 'structure', 'environment'; got 'atom'"):
        normalized_loss(true, true, per="atom")


@pytest.mark.parametrize("weights", [[1.0, -1.0, 1.0], [0.0, 0.0, 0.0], [1.0, np.nan, 1.0], [1.0, 1e300, 1.0]])
def test_weights_that_weigh_nothing_are_refused(weights):
    with pytest.raises(ValueError, match="sample_weight must be"):
        variance_weighted_r2(np.eye(3), np.eye(3) + 0.1, weights)


def test_losses_of_numbers_that_overflow_are_refused():
    with pytest.raises(ValueError, match="predicted must be finite"):
        normalized_loss(np.eye(3), 1e300 * np.eye(3))
