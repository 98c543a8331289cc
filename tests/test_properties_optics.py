import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from ldosml import DOS, LDOS, EnergyGrid
from ldosml._array import to_numpy
from ldosml.properties import derive_properties
from ldosml.properties.optics import absorption_spectrum, emission_spectrum, photon_axis
from ldosml.properties.repair import nonnegative
from ldosml.units import BOLTZMANN

GRID = EnergyGrid.from_range(-8.0, 8.0, 0.05, zero="code")
LEVELS = np.array([-6.0, -4.1, -2.3, -1.0, 0.2, 1.7, 3.0, 5.0])
STATES = np.array([2.0, 3.0, 4.0, 3.0, 1.5, 3.0, 4.0, 5.0])


def smeared(energies, width, states=STATES):
    u = (energies[..., None] - LEVELS) / width
    return np.exp(-0.5 * u**2) @ states / (width * np.sqrt(2 * np.pi))


def fermi(x):
    """The occupation, from elsewhere."""
    return 0.5 * (1 - np.tanh(x / 2))


def integrand(energy, w, mu, kT, curve, sign=1):
    """Equation A10 with the delta function used up; sign +1: absorption, -1: emission."""
    x, y = (energy - mu) / kT, (energy + sign * w - mu) / kT
    return curve(energy) * fermi(x) * curve(energy + sign * w) * fermi(-y)


def integral(w, mu, kT, curve, kinks=(), sign=1):
    """Gauss's rule with 12 nodes between all energies where something begins or bends."""
    steps = kT * np.array([0, 2, 4, 8, 12, 20, 30, 45])
    edges = [mu + s * steps - d for s in (1, -1) for d in (0.0, sign * w)]
    points = np.concatenate([np.arange(-10, 10, 0.1), *edges, to_numpy(kinks), to_numpy(kinks) - sign * w])
    points = np.unique(np.clip(points, -10, 10))
    nodes, weights = np.polynomial.legendre.leggauss(12)
    half = np.diff(points)[:, None] / 2
    energy = points[:-1, None] + half * (nodes + 1)
    return float((half * weights * integrand(energy, w, mu, kT, curve, sign)).sum())


def atoms(xp, width=0.3):
    """Three atoms of two structures; the second one's LDOS goes below zero, their sums do not."""
    first = smeared(GRID.energies, width)
    second = smeared(GRID.energies, width, STATES[::-1])
    part = 0.3 * np.sin(GRID.energies) * second
    values = np.stack([first + part, -part, second])
    return LDOS(GRID, xp.asarray(values), width, structure_index=xp.asarray([0, 0, 1]))


def test_the_reference_is_adaptive_quadrature():
    kT, mu, w = 0.03, 0.1, 1.3
    curve = lambda e: smeared(to_numpy(e), 0.3)  # noqa: E731
    expected = quad(integrand, -10, 10, (w, mu, kT, curve), points=[mu, mu - w], limit=400, epsabs=1e-10)[0]
    assert integral(w, mu, kT, curve) == pytest.approx(expected, abs=1e-9)


def test_equals_the_double_loop(xp):
    dos = atoms(xp).total()
    mu, kT = np.array([0.1, -0.43]), 1.5 * GRID.step
    spectrum = to_numpy(absorption_spectrum(dos, xp.asarray(mu), kT / BOLTZMANN))
    for values, level, got in zip(to_numpy(dos.values), mu, spectrum, strict=True):
        x = (GRID.energies - level) / kT
        filled, empty = values / (1 + np.exp(x)), values / (1 + np.exp(-x))
        expected = [np.trapezoid(filled[: GRID.size - m] * empty[m:], dx=GRID.step) for m in range(GRID.size)]
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-13 * max(expected))
        assert got.min() >= 0


@pytest.mark.parametrize(("temperature", "tolerance"), [(1.0, 1e-9), (300.0, 1e-9), (3000.0, 1e-6)])
def test_constant_dos(xp, temperature, tolerance):
    # Integral of f(e) (1 - f(e + w)) de = w/(1 - exp(-w/kT)), kT at w = 0; w as T -> 0.
    kT = BOLTZMANN * temperature
    dos = DOS(GRID, xp.asarray(np.full((1, GRID.size), 3.0)))
    spectrum = to_numpy(absorption_spectrum(dos, 0.013, temperature))[0, :80]
    w = photon_axis(GRID)[:80]
    expected = 9 * np.concatenate([[kT], w[1:] / -np.expm1(-w[1:] / kT)])
    np.testing.assert_allclose(spectrum, expected, rtol=0, atol=tolerance * 9 * 8)
    if temperature == 1.0:
        np.testing.assert_allclose(spectrum[1:], 9 * w[1:], rtol=1e-9)


@pytest.mark.parametrize("temperature", [1.0, 10.0, 300.0, 3000.0, 30000.0])
@pytest.mark.parametrize(("step", "tolerance"), [(0.01, 6e-8), (0.05, 2e-5), (0.2, 5e-4)])
def test_error_against_the_integral(step, tolerance, temperature):
    """The errors that the module states, of 30, 6 and 1.5 steps of smearing; mu at any place within a cell."""
    grid, kT = EnergyGrid.from_range(-9, 9, step, zero="code"), BOLTZMANN * temperature
    curve = lambda e: smeared(e, 0.3)  # noqa: E731
    dos = DOS(grid, curve(grid.energies)[None], 0.3)
    places = [0, 1, 2, 7, round(1.0 / step), round(5.0 / step)]
    tolerance = 1e-9 if kT >= 1.5 * step else tolerance
    for mu in (0.0, 0.013, -0.0721, 0.4, -1.2):
        spectrum = absorption_spectrum(dos, mu, temperature)[0]
        expected = [integral(photon_axis(grid)[m], mu, kT, curve) for m in places]
        np.testing.assert_allclose(spectrum[places], expected, rtol=0, atol=tolerance * spectrum.max())


@pytest.mark.parametrize(
    ("step", "temperature", "tolerance"),
    [(0.01, t, 2e-4) for t in (1.0, 300.0, 3000.0)]
    + [(0.05, t, 1e-3) for t in (1.0, 300.0, 3000.0)]
    + [(0.2, t, 5e-4) for t in (1.0, 300.0, 3000.0)]
    + [(0.2, 30000.0, 2e-2)],
)
def test_error_of_a_dos_with_kinks(step, tolerance, temperature):
    """Against the integral of the straight lines: the errors that the module states."""
    grid = EnergyGrid.from_range(-9, 9, step, zero="code")
    e, kT = grid.energies, BOLTZMANN * temperature
    values = 2.0 * ((e > -5) & (e < -1.3)) + np.sqrt(np.clip(e + 0.8, 0, None)) * (e < 4)
    curve = lambda energy: np.interp(energy, e, values, 0, 0)  # noqa: E731
    places = [0, 1, 3, round(1.0 / step), round(5.0 / step)]
    for mu in (0.013, -1.2):
        spectrum = absorption_spectrum(DOS(grid, values[None]), mu, temperature)[0]
        expected = [integral(photon_axis(grid)[m], mu, kT, curve, e) for m in places]
        np.testing.assert_allclose(spectrum[places], expected, rtol=0, atol=tolerance * spectrum.max())


@pytest.mark.parametrize("temperature", [10.0, 300.0, 1000.0])
@pytest.mark.parametrize("wanted", [[0.0, 0.0123, 0.71, 5.003], np.linspace(0.31, 12, 17)])
def test_given_photon_energies(xp, temperature, wanted):
    dos, kT = atoms(xp).total().broaden(0.1), BOLTZMANN * temperature
    spectrum = to_numpy(absorption_spectrum(dos, 0.013, temperature, photon_energies=xp.asarray(np.array(wanted))))
    curve = lambda e: smeared(e, np.hypot(0.3, 0.1))  # noqa: E731
    expected = np.array([integral(w, 0.013, kT, curve) for w in wanted])
    np.testing.assert_allclose(spectrum[0], expected, rtol=0, atol=1e-5 * 60)
    on_the_axis = absorption_spectrum(dos, 0.013, temperature, photon_energies=photon_axis(GRID))
    np.testing.assert_allclose(
        to_numpy(on_the_axis), to_numpy(absorption_spectrum(dos, 0.013, temperature)), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("temperature", [10.0, 300.0, 4000.0])
def test_atoms_add_up_to_the_structure(xp, temperature):
    ldos = atoms(xp)
    mu = xp.asarray([0.02, -0.3])
    rows = to_numpy(absorption_spectrum(ldos, mu, temperature))
    whole = to_numpy(absorption_spectrum(ldos.total(), mu, temperature))
    assert rows.shape == (3, GRID.size)
    np.testing.assert_allclose(rows[:2].sum(axis=0), whole[0], rtol=0, atol=1e-13 * whole.max())
    np.testing.assert_allclose(rows[2], whole[1], rtol=0, atol=1e-13 * whole.max())


def test_an_atom_gets_half_of_the_pairs_at_either_end():
    ldos, kT, mu = atoms(np), 0.1, 0.02
    x = (GRID.energies - mu) / kT
    own, whole = ldos.values[0], ldos.total().values[0]
    m = 37
    pairs = own[:-m] * whole[m:] + whole[:-m] * own[m:]
    expected = np.sum(pairs * fermi(x[:-m]) * fermi(-x[m:])) * GRID.step / 2
    assert absorption_spectrum(ldos, mu, kT / BOLTZMANN)[0, m] == pytest.approx(expected, rel=1e-9)


def test_many_atoms_of_one_structure():
    # More than are taken at a time.
    rng = np.random.default_rng(0)
    grid = EnergyGrid.from_range(-2, 2, 0.1, zero="fermi")
    ldos = LDOS(grid, rng.uniform(0, 1, (1100, grid.size)), 0.3, structure_index=np.zeros(1100, dtype=int))
    for temperature in (100.0, 3000.0):
        rows, whole = (absorption_spectrum(d, 0.0, temperature) for d in (ldos, ldos.total()))
        np.testing.assert_allclose(rows.sum(axis=0), whole[0], rtol=1e-11, atol=1e-12 * whole.max())


@pytest.mark.parametrize("temperature", [200.0, 3000.0])
def test_emission_is_equation_a10_as_printed(xp, temperature):
    kT, mu = BOLTZMANN * temperature, 0.113
    dos = atoms(xp).total()
    spectrum = to_numpy(emission_spectrum(dos, mu, temperature))[1]
    curve = lambda e: smeared(e, 0.3, STATES[::-1])  # noqa: E731
    places = [0, 1, 3, 10, 40]
    expected = [integral(photon_axis(GRID)[m], mu, kT, curve, sign=-1) for m in places]
    np.testing.assert_allclose(spectrum[places], expected, rtol=1e-2, atol=2e-5 * spectrum.max())
    absorbed = to_numpy(absorption_spectrum(dos, mu, temperature))[1]
    np.testing.assert_allclose(spectrum, absorbed * np.exp(-photon_axis(GRID) / kT), rtol=1e-12)


def test_temperatures_in_any_order(xp):
    dos = atoms(xp).total()
    temperatures = np.array([3000.0, 5.0, 400.0])
    mu = np.array([[0.1, 0.0, 0.05], [-0.1, 0.0, 0.07]])
    together = to_numpy(absorption_spectrum(dos, xp.asarray(mu), temperatures))
    assert together.shape == (2, 3, GRID.size)
    for column, temperature in enumerate(temperatures):
        alone = to_numpy(absorption_spectrum(dos, xp.asarray(mu[:, column]), float(temperature)))
        np.testing.assert_array_equal(together[:, column], alone)


@settings(max_examples=20, deadline=None)
@given(
    shift=st.floats(-30, 30),
    temperature=st.floats(1, 20000),
    mu=st.floats(-7, 7),
    states=st.lists(st.floats(0, 5), min_size=8, max_size=8).filter(lambda s: sum(s) > 0.1),
)
def test_the_zero_of_energy_does_not_matter(shift, temperature, mu, states):
    values = smeared(GRID.energies, 0.3, np.array(states))[None]
    moved = EnergyGrid(GRID.start + shift, GRID.step, GRID.size, GRID.zero)
    here = absorption_spectrum(DOS(GRID, values, 0.3), mu, temperature)
    there = absorption_spectrum(DOS(moved, values, 0.3), mu + shift, temperature)
    assert here.min() >= 0
    scale = (values**2).sum() * GRID.step
    np.testing.assert_allclose(there, here, rtol=0, atol=1e-8 * scale)


@pytest.mark.parametrize("temperature", [1.0, 100.0, 290.0])
def test_an_insulator_is_transparent_below_its_gap(temperature):
    e = GRID.energies
    dos = DOS(GRID, (3.0 * ((e < -1.0) | (e > 1.0)))[None])
    spectrum = absorption_spectrum(dos, 0.0, temperature)[0]
    # The straight lines begin at -1 and 1.
    below = photon_axis(GRID) < 2.0 - 1e-9
    assert spectrum[below].max() < 1e-12 * spectrum.max()
    assert spectrum[~below][1] > 0


def test_negative_values_are_repaired_first():
    values = smeared(GRID.energies, 0.3)[None] - 0.01
    dos = DOS(GRID, values, 0.3)
    np.testing.assert_array_equal(absorption_spectrum(dos, 0, 300.0), absorption_spectrum(nonnegative(dos), 0, 300.0))


def test_per_squared_frequency(xp):
    dos = atoms(xp).total()
    axis = photon_axis(GRID, per_squared_frequency=True)
    assert axis[0] == GRID.step
    assert len(axis) == GRID.size - 1
    plain = to_numpy(absorption_spectrum(dos, 0.0, 300.0))
    divided = to_numpy(absorption_spectrum(dos, 0.0, 300.0, per_squared_frequency=True))
    np.testing.assert_allclose(divided, plain[:, 1:] / axis**2)
    one = to_numpy(emission_spectrum(dos, 0.0, 300.0, photon_energies=[2.0], per_squared_frequency=True))
    np.testing.assert_allclose(one, to_numpy(emission_spectrum(dos, 0.0, 300.0))[:, 40:41] / 4)


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_few_energies(size):
    grid = EnergyGrid(-1.0, 0.5, size, "fermi")
    dos = DOS(grid, np.ones((1, size)), 1.0)
    for temperature in (10.0, 20000.0):
        spectrum = absorption_spectrum(dos, 0.0, temperature)
        assert spectrum.shape == (1, size)
        assert np.isfinite(spectrum).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "above 0 K"),
        ({"temperature": [[300.0]]}, "a number or a list"),
        ({"mu": [0.0, 0.0]}, r"mu must have shape \(1\)"),
        ({"mu": np.nan}, "mu must be finite"),
        ({"photon_energies": [-0.1, 1.0]}, "at least 0 eV and finite; got -0.1 at place 0"),
        ({"photon_energies": [16.1]}, "the length of the grid"),
        ({"photon_energies": [np.nan]}, "photon_energies must be at least 0 eV and finite"),
        ({"photon_energies": []}, "must be a list of numbers"),
        ({"photon_energies": [0.0, 1.0], "per_squared_frequency": True}, "no value at w = 0"),
    ],
)
def test_bad_input(options, message):
    dos = DOS(GRID, smeared(GRID.energies, 0.3)[None], 0.3)
    with pytest.raises(ValueError, match=message):
        absorption_spectrum(dos, **({"mu": 0.0, "temperature": 300.0} | options))


def test_interpolation_needs_four_energies():
    with pytest.raises(ValueError, match="at least 4 energies"):
        absorption_spectrum(
            DOS(EnergyGrid(0, 1, 3, "fermi"), np.ones((1, 3))), 0.0, 300.0, photon_energies=np.array([0.5])
        )


def test_pairs_of_one_spin_are_half():
    """Both spins have D/2: the sum of D_s D_s over them, against all pairs."""
    grid = EnergyGrid.from_range(-6.0, 6.0, 0.05, zero="code")
    values = np.exp(-((grid.energies / 2) ** 2))[None]
    options = {"mu": 0.3, "temperature": 900.0}
    one = absorption_spectrum(DOS(grid, values / 2, 0.3), **options)  # a spin alone, as if it were all
    for kind in (absorption_spectrum, emission_spectrum):
        assert kind(DOS(grid, values, 0.3), **options).max() > 0
    both = absorption_spectrum(DOS(grid, values, 0.3), **options, spin_conserving=True)
    np.testing.assert_allclose(both, 2 * one, rtol=1e-12)
    table = derive_properties(DOS(grid, values, 0.3), 2.0, 900.0, photon_energies=[1.0], spin_conserving=True)
    whole = derive_properties(DOS(grid, values, 0.3), 2.0, 900.0, photon_energies=[1.0])
    np.testing.assert_allclose(
        table.spectrum("absorption_spectrum"), whole.spectrum("absorption_spectrum") / 2, rtol=1e-12
    )
