"""Doped semiconductors against a root of n - p, and counts that hide a doping."""

import warnings

import numpy as np
import pytest
from scipy.optimize import brentq

from ldosml import DOS, EnergyGrid
from ldosml._array import to_numpy
from ldosml.properties import DopingWarning, carrier_densities, chemical_potential, derive_properties

V = 45.17
GRID = EnergyGrid.from_range(-4.0, 6.0, 0.005, "code")
KELVIN = np.array([30.0, 100.0, 300.0, 1000.0])


def semiconductor(electron_mass=0.067, hole_mass=0.5, gap=1.42):
    """Parabolic bands, and deep states that fill the valence band up to 8 electrons."""
    e = GRID.energies

    def band(mass, energy):
        return V / (2 * np.pi**2) * (mass / 3.80998) ** 1.5 * np.sqrt(np.clip(energy, 0, None))

    valence = band(hole_mass, -e) * np.clip((e + 3.0) / 0.5, 0, 1)
    deep = np.exp(-(((e + 2.0) / 0.2) ** 2) / 2)
    return valence + deep * (8 - np.trapezoid(valence, e)) / np.trapezoid(deep, e) + band(electron_mass, e - gap)


def exact(values, doping, temperature, division):
    """Root of n - p = doping, cm^-3, by bisection; n and p are exact for the straight lines."""
    dos = DOS(GRID, values[None])

    def excess(mu):
        found = carrier_densities(dos, mu, temperature, volumes=V, division=division)
        n, p = float(found.electrons[0]), float(found.holes[0])
        return np.log(n + max(-doping, 0) + 1e-300) - np.log(p + max(doping, 0) + 1e-300)

    return brentq(excess, -0.9, 2.2, xtol=1e-12)


@pytest.mark.parametrize("doping", [1e14, 1e16, 1e17, 1e18, -1e14, -1e16, -1e18])
@pytest.mark.parametrize("bands", [{}, {"electron_mass": 1.0, "hole_mass": 0.2, "gap": 0.7}])
def test_mu_of_n_minus_p(xp, doping, bands):
    values = semiconductor(**bands)
    middle = bands.get("gap", 1.42) / 2
    dos = DOS(GRID, xp.asarray(values[None]))
    mu = to_numpy(chemical_potential(dos, 8.0, KELVIN, doping=doping, volumes=V))[0]
    expected = [exact(values, doping, temperature, middle) for temperature in KELVIN]
    np.testing.assert_allclose(mu, expected, atol=1e-6)
    carriers = carrier_densities(dos, xp.asarray(mu[None]), KELVIN, volumes=V, division=middle)
    found = to_numpy(carriers.electrons)[0] - to_numpy(carriers.holes)[0]
    np.testing.assert_allclose(found[:3], doping, rtol=1e-6)


def test_per_cell_and_in_the_table():
    dos = DOS(GRID, np.stack([semiconductor(electron_mass=1.0)] * 3))
    doping = np.array([1e17, 0.0, -1e17])
    mu = chemical_potential(dos, 8.0, KELVIN, doping=doping, volumes=V)
    cells = chemical_potential(dos, 8.0, KELVIN, doping=doping * V * 1e-24)
    np.testing.assert_allclose(mu, cells, atol=1e-12)
    np.testing.assert_allclose(mu[1], chemical_potential(dos, 8.0, KELVIN)[1], atol=1e-9)
    table = derive_properties(dos, 8.0, KELVIN, doping=doping, volumes=V)
    np.testing.assert_allclose(table.columns["chemical_potential"], mu, atol=1e-12)
    np.testing.assert_allclose(table.column("electrons", 300.0)[0], 1e17 * V * 1e-24, rtol=1e-6)
    np.testing.assert_allclose(table.column("holes", 300.0)[2], 1e17 * V * 1e-24, rtol=1e-6)
    assert np.ptp(table.column("fermi_level")) == 0


def test_a_metal_has_more_electrons():
    grid = EnergyGrid.from_range(-9.0, 9.0, 0.05, "code")
    dos = DOS(grid, 2 * np.exp(-((grid.energies / 3) ** 2))[None], 0.3)
    np.testing.assert_allclose(
        chemical_potential(dos, 5.3, 300.0, doping=0.2), chemical_potential(dos, 5.5, 300.0), atol=1e-12
    )


@pytest.mark.parametrize("doping", [1e12, 1e16, 1e17, -1e17])
def test_a_doping_within_the_tolerance_is_not_lost_in_silence(doping):
    dos = DOS(GRID, semiconductor()[None])
    for derived in (chemical_potential, derive_properties):
        with pytest.warns(DopingWarning, match=r"counts as none.*doping=") as said:
            derived(dos, 8 + doping * V * 1e-24, 300.0)
        assert len(said) == 1
        assert said[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            derived(dos, 8.0, 300.0)
            derived(dos, 8.0 * (1 + 1e-14), 300.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"doping": np.nan}, "doping must be finite"),
        ({"doping": [1.0, 2.0]}, r"doping must have shape \(1\)"),
        ({"doping": 1e17, "volumes": -1.0}, "volumes must be above 0"),
        ({"doping": 100.0}, "would fill all of them"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        chemical_potential(DOS(GRID, semiconductor()[None]), 8.0, 300.0, **options)
