import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from ldosml import DOS, LDOS, EnergyGrid
from ldosml._array import to_numpy
from ldosml.properties.shape import band_center, d_band_center, dos_derivative, integrated_dos, moments

GRID = EnergyGrid.from_range(-8.0, 8.0, 0.05, zero="fermi")
WIDTH = 0.3


def gaussian(energies, center, width=WIDTH):
    u = (energies - center) / width
    return np.exp(-0.5 * u**2) / (width * np.sqrt(2 * np.pi))


def values_of(*levels):
    """One row of 2 states at ``levels``."""
    return sum(2 * gaussian(GRID.energies, level) for level in levels)[None]


def test_integrated_dos_is_the_normal_distribution(xp):
    counts = to_numpy(integrated_dos(DOS(GRID, xp.asarray(values_of(-2.0, 1.23)), WIDTH)))
    expected = 2 * (ndtr((GRID.energies + 2.0) / WIDTH) + ndtr((GRID.energies - 1.23) / WIDTH))
    assert counts.shape == (1, GRID.size)
    assert counts[0, 0] == 0
    np.testing.assert_allclose(counts[0], expected, rtol=0, atol=1e-5)
    # A level of two electrons is half full at its energy: not a step early or late.
    assert np.interp(1.0, counts[0], GRID.energies) == pytest.approx(-2.0, abs=1e-5)


def test_integrated_dos_of_atoms_adds_up(xp):
    values = np.concatenate([values_of(-2.0), values_of(1.0) - 0.1 * values_of(-2.0), values_of(0.0)])
    ldos = LDOS(GRID, xp.asarray(values), WIDTH, structure_index=xp.asarray([0, 0, 1]))
    rows, whole = to_numpy(integrated_dos(ldos)), to_numpy(integrated_dos(ldos.total()))
    np.testing.assert_allclose(rows[:2].sum(axis=0), whole[0], atol=1e-12)
    np.testing.assert_allclose(rows[2], whole[1], atol=1e-12)


def test_derivative_of_a_gaussian(xp):
    slope = to_numpy(dos_derivative(DOS(GRID, xp.asarray(values_of(0.513)), WIDTH)))[0]
    u = (GRID.energies - 0.513) / WIDTH
    expected = -u / WIDTH * 2 * gaussian(GRID.energies, 0.513)
    np.testing.assert_allclose(slope, expected, rtol=0, atol=1e-5 * abs(expected).max())
    # It changes sign at the centre, unlike the -u^2 g(u) of published codes.
    assert slope[u < -0.1].min() > -1e-3
    assert slope[u > 0.1].max() < 1e-3


def test_moments_of_a_gaussian(xp):
    found = moments(DOS(GRID, xp.asarray(np.concatenate([values_of(0.4), 3 * values_of(-1.71)])), WIDTH))
    for name, expected in [
        ("weight", [2.0, 6.0]),
        ("center", [0.4, -1.71]),
        ("width", [WIDTH, WIDTH]),
        ("skewness", [0.0, 0.0]),
        ("kurtosis", [3.0, 3.0]),
    ]:
        assert getattr(found, name).shape == (2,)
        np.testing.assert_allclose(to_numpy(getattr(found, name)), expected, atol=1e-9)


def test_moments_of_a_box():
    # Uniform from -1 to 2: width 3/sqrt(12), kurtosis 9/5. The limits need not be on the grid.
    dos = DOS(GRID, np.full((1, GRID.size), 5.0))
    found = moments(dos, low=-1.013, high=1.987)
    assert found.weight[0] == pytest.approx(15.0)
    assert found.center[0] == pytest.approx(0.487)
    assert found.width[0] == pytest.approx(3 / np.sqrt(12), rel=1e-3)
    assert found.skewness[0] == pytest.approx(0.0, abs=1e-5)
    assert found.kurtosis[0] == pytest.approx(1.8, rel=1e-3)


def test_limits_within_one_cell():
    found = moments(DOS(GRID, 4.0 + GRID.energies[None] / 4), low=0.01, high=0.03)
    assert found.weight[0] == pytest.approx(0.02 * 4.005)
    assert found.center[0] == pytest.approx(0.02, abs=1e-4)


def test_skewness_points_to_the_tail():
    found = moments(DOS(GRID, values_of(0.0) + 0.2 * values_of(3.0), WIDTH))
    # Two classes of 1/1.2 and 0.2/1.2 at 0 and 3, each as wide as WIDTH.
    p, q, d = 1 / 1.2, 0.2 / 1.2, 3.0
    width = np.sqrt(p * q * d**2 + WIDTH**2)
    assert found.center[0] == pytest.approx(q * d)
    assert found.width[0] == pytest.approx(width)
    assert found.skewness[0] == pytest.approx(p * q * (p - q) * d**3 / width**3)


@settings(max_examples=25, deadline=None)
@given(shift=st.floats(-20, 20), levels=st.lists(st.floats(-5, 5), min_size=1, max_size=5), factor=st.floats(0.1, 10))
def test_shift_and_scale(shift, levels, factor):
    values = values_of(*levels)
    moved = EnergyGrid(GRID.start + shift, GRID.step, GRID.size, GRID.zero)
    here, there = moments(DOS(GRID, values)), moments(DOS(moved, factor * values))
    np.testing.assert_allclose(there.center, here.center + shift, atol=1e-8)
    np.testing.assert_allclose(there.weight, factor * here.weight)
    for name in ("width", "skewness", "kurtosis"):
        np.testing.assert_allclose(getattr(there, name), getattr(here, name), atol=1e-5)


def test_center_of_a_structure_is_the_mean_of_its_atoms(xp):
    values = np.concatenate([values_of(-2.0), 3 * values_of(1.0)])
    ldos = LDOS(GRID, xp.asarray(values), WIDTH, structure_index=xp.asarray([0, 0]))
    atoms, whole = moments(ldos), moments(ldos.total())
    mean = np.sum(to_numpy(atoms.weight) * to_numpy(atoms.center)) / np.sum(to_numpy(atoms.weight))
    assert float(whole.center[0]) == pytest.approx(mean)


def test_a_single_energy_has_no_skewness():
    values = np.zeros((1, GRID.size))
    values[0, 100] = 1.0
    found = moments(DOS(GRID, values))
    assert found.width[0] == 0
    assert np.isnan(found.skewness[0])
    assert np.isnan(found.kurtosis[0])


def test_d_band_center_needs_the_fermi_level(xp):
    dos = DOS(GRID, xp.asarray(values_of(-2.0, 1.0)), WIDTH)
    assert float(d_band_center(dos)[0]) == pytest.approx(-0.5)
    assert float(d_band_center(dos, high=-0.5)[0]) == pytest.approx(-2.0, abs=1e-5)
    elsewhere = EnergyGrid(GRID.start, GRID.step, GRID.size, "code")
    assert float(band_center(DOS(elsewhere, dos.values))[0]) == pytest.approx(-0.5)
    with pytest.raises(ValueError, match="zero of the grid is 'code'"):
        d_band_center(DOS(elsewhere, dos.values))


def test_d_band_centers_of_others(real_data):
    """Of 188 alloy surfaces, over all energies as their authors did; they differ by up to 3 meV of rounding."""
    data = np.load(real_data / "alloy_slab_ddos" / "ddos.npz")
    dos = DOS(EnergyGrid.from_array(data["energies"], "fermi"), data["ddos"].astype(float))
    np.testing.assert_allclose(d_band_center(dos), data["d_band_center"], rtol=0, atol=0.003)
    np.testing.assert_allclose(moments(dos).weight, 1.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"low": 9.0}, "No energies between 9 and inf eV"),
        ({"high": -8.0}, "No energies between"),
        ({"low": 1.0, "high": 1.0}, "low must be below high; got 1 and 1"),
        ({"low": np.nan}, "low must be a number; got nan"),
        ({"low": 4.0, "high": 5.0}, "structure 1 has no states between 4 and 5 eV"),
    ],
)
def test_bad_limits(limits, message):
    values = np.concatenate([np.ones((1, GRID.size)), values_of(-2.0) * (GRID.energies < 0)])
    with pytest.raises(ValueError, match=message):
        moments(DOS(GRID, values), **limits)


def test_an_atom_without_states_is_named():
    ldos = LDOS(GRID, np.concatenate([values_of(0.0), 0 * values_of(0.0)]), structure_index=np.array([0, 0]))
    with pytest.raises(ValueError, match="atom in row 1, of structure 0, has no states"):
        moments(ldos)
