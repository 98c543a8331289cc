"""Energies, entropies, heat capacities and susceptibilities: closed forms, limits, and derivatives of one another."""

import math
import re
import warnings

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr

from ldosml import DOS, LDOS, EnergyGrid, units
from ldosml._array import to_numpy
from ldosml.properties import (
    TruncatedDOSWarning,
    band_energy,
    chemical_potential,
    dos_at_fermi_level,
    electron_count,
    entropy,
    fermi_level,
    free_energy,
    heat_capacity,
    molar_susceptibility,
    pauli_susceptibility,
    sommerfeld_coefficient,
    volume_susceptibility,
)
from ldosml.units import BOLTZMANN

TEMPERATURES = np.array([1.0, 10.0, 100.0, 300.0, 3000.0, 30000.0])
STEPS = (0.01, 0.05, 0.2)
THERMAL = (electron_count, band_energy, entropy, free_energy, heat_capacity, pauli_susceptibility)


def levels(grid, width, xp=np, *, scale=1.0):
    """Two smooth spectra with structure around the Fermi level, and their electrons."""
    rng = np.random.default_rng(5)
    centres, weights = rng.uniform(-7, 60, 150), rng.uniform(0.3, 1, (2, 150))
    shapes = np.exp(-0.5 * ((grid.energies[:, None] - centres) / width) ** 2) / (width * math.sqrt(2 * math.pi))
    return DOS(grid, xp.asarray(scale * weights @ shapes.T), width), xp.asarray([8.0, 9.5]) * scale


@pytest.fixture(params=STEPS)
def metal(request, xp):
    width = max(0.4, 2 * request.param)
    return levels(EnergyGrid.from_range(-11.0, 65.0, request.param, zero="code"), width, xp)


class TestConstant:
    """A constant DOS from a to b: everything in closed form, by mpmath."""

    @pytest.mark.parametrize("step", STEPS)
    @pytest.mark.parametrize("width", [None, 0.4])
    @pytest.mark.parametrize("temperature", TEMPERATURES)
    def test_closed_form(self, xp, step, width, temperature):
        a, b, density, mu = -40.0, 50.0, 3.0, 0.123
        grid = EnergyGrid.from_range(a, b, step, zero="code")
        dos = DOS(grid, xp.full((1, grid.size), density), width)
        kT = BOLTZMANN * temperature
        mpmath.mp.dps = 30

        def moments(n):
            """Integral of x^n f over the band, x = (e - mu)/kT, from primitives of f."""
            lo, hi = (a - mu) / kT, (b - mu) / kT
            # -ln(1 + e^-x), and x times it less Li_2(-e^-x)
            first = lambda x: -mpmath.log1p(mpmath.exp(-x))  # noqa: E731
            if n == 0:
                return first(hi) - first(lo)
            second = lambda x: x * first(x) + mpmath.polylog(2, -mpmath.exp(-x)).real  # noqa: E731
            if lo < -500:  # Li_2 of huge arguments: the asymptotic form, exact here
                at_lo = -(mpmath.mpf(lo) ** 2) * -1 * -1 - (mpmath.mpf(lo) ** 2 / 2 + mpmath.pi**2 / 6) + 2 * lo**2
                at_lo = lo * lo - (mpmath.mpf(lo) ** 2 / 2 + mpmath.pi**2 / 6)
            else:
                at_lo = second(lo)
            return second(hi) - at_lo

        count = density * kT * moments(0)
        energy = density * kT**2 * moments(1)
        assert float(electron_count(dos, mu, temperature)[0]) == pytest.approx(float(count), rel=1e-12)
        found = float(band_energy(dos, mu, temperature, relative_to="mu")[0])
        assert found == pytest.approx(float(energy), rel=1e-10)
        assert float(band_energy(dos, mu, temperature)[0]) == pytest.approx(float(energy + mu * count), rel=1e-10)
        # No edge is within reach: C, S and chi are those of an infinite band, at any temperature.
        if kT < 1:
            heat = density * math.pi**2 / 3 * BOLTZMANN * kT
            assert float(heat_capacity(dos, mu, temperature)[0]) == pytest.approx(heat, rel=1e-10)
            assert float(entropy(dos, mu, temperature)[0]) == pytest.approx(heat, rel=1e-9 if kT > 1e-3 else 1e-7)
            chi = units.BOHR_MAGNETON**2 * density
            assert float(pauli_susceptibility(dos, mu, temperature)[0]) == pytest.approx(chi, rel=1e-10)


class TestThermodynamics:
    def test_sommerfeld_limit(self, metal):
        """C -> gamma T, S -> gamma T, chi -> mu_B^2 D(E_F), mu -> E_F - pi^2/6 (kT)^2 D'/D, as T -> 0."""
        dos, n = metal
        at = fermi_level(dos, n).energy
        gamma = to_numpy(sommerfeld_coefficient(dos, at)) / units.MILLIJOULES_PER_MOLE
        for temperature in (1.0, 10.0):
            mu = chemical_potential(dos, n, temperature)
            np.testing.assert_allclose(to_numpy(mu), to_numpy(at), atol=1e-5)
            np.testing.assert_allclose(to_numpy(heat_capacity(dos, mu, temperature)), gamma * temperature, rtol=1e-4)
            np.testing.assert_allclose(to_numpy(entropy(dos, mu, temperature)), gamma * temperature, rtol=1e-4)
            chi = units.BOHR_MAGNETON**2 * to_numpy(dos_at_fermi_level(dos, at))
            np.testing.assert_allclose(to_numpy(pauli_susceptibility(dos, mu, temperature)), chi, rtol=1e-4)

    @pytest.mark.parametrize("temperature", TEMPERATURES[1:])
    def test_heat_capacity_is_the_slope_of_the_energy(self, metal, temperature):
        """With the chemical potential found anew: the number of electrons stays."""
        dos, n = metal
        step = 1e-3 * temperature
        around = temperature + step * np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
        mu = chemical_potential(dos, n, around)
        energies = to_numpy(band_energy(dos, mu, around))
        slope = energies @ np.array([1, -8, 0, 8, -1]) / (12 * step)
        heat = to_numpy(heat_capacity(dos, mu, around))[:, 2]
        # Nine digits of the energy and a thousandth of the temperature leave this much.
        rounding = 1e-13 * abs(energies[:, 2]) / step
        assert (abs(slope - heat) < 3e-5 * heat + rounding).all()
        entropies = to_numpy(entropy(dos, mu, around))
        assert temperature * (entropies @ np.array([1, -8, 0, 8, -1]) / (12 * step)) == pytest.approx(
            heat, rel=3e-5, abs=rounding.max()
        )

    def test_entropy_is_the_integral_of_heat_over_temperature(self, metal):
        dos, n = metal
        nodes, weights = np.polynomial.legendre.leggauss(12)
        for low, high in ((10.0, 300.0), (300.0, 3000.0)):
            kelvin = (high - low) / 2 * nodes + (high + low) / 2
            heat = to_numpy(heat_capacity(dos, chemical_potential(dos, n, kelvin), kelvin))
            gained = (heat / kelvin) @ weights * (high - low) / 2
            ends = np.array([low, high])
            rise = np.diff(to_numpy(entropy(dos, chemical_potential(dos, n, ends), ends)))[:, 0]
            np.testing.assert_allclose(gained, rise, rtol=2e-4)

    def test_free_energy(self, metal):
        """F = U - T S, and mu = dF/dN."""
        dos, n = metal
        kelvin = np.array([300.0, 3000.0])
        mu = chemical_potential(dos, n, kelvin)
        free = to_numpy(free_energy(dos, mu, kelvin))
        expected = to_numpy(band_energy(dos, mu, kelvin)) - kelvin * to_numpy(entropy(dos, mu, kelvin))
        np.testing.assert_allclose(free, expected, rtol=1e-13)
        more, less = (chemical_potential(dos, n + d, kelvin) for d in (1e-3, -1e-3))
        slope = (to_numpy(free_energy(dos, more, kelvin)) - to_numpy(free_energy(dos, less, kelvin))) / 2e-3
        np.testing.assert_allclose(slope, to_numpy(mu), atol=3e-4)
        grand = to_numpy(free_energy(dos, mu, kelvin, relative_to="mu"))
        np.testing.assert_allclose(free - to_numpy(mu) * to_numpy(n)[:, None], grand, rtol=1e-5)

    def test_keeping_mu_fixed_would_be_wrong(self, metal):
        """The term that most codes leave out, J_1^2/(J_0 T): above a percent at 3000 K."""
        dos, n = metal
        mu = chemical_potential(dos, n, 3000.0)
        step = 3.0
        fixed = (band_energy(dos, mu, 3000.0 + step) - band_energy(dos, mu, 3000.0 - step)) / (2 * step)
        fixed = fixed - mu * (electron_count(dos, mu, 3000.0 + step) - electron_count(dos, mu, 3000.0 - step)) / (
            2 * step
        )
        assert (to_numpy(abs(fixed / heat_capacity(dos, mu, 3000.0) - 1)) > 0.005).any()

    def test_the_zero_of_energy(self, metal):
        """Moves mu by d, the band energy by N d, and nothing else."""
        dos, n = metal
        d = 7.77
        grid = EnergyGrid(dos.grid.start + d, dos.grid.step, dos.grid.size, "code")
        moved = DOS(grid, dos.values, dos.smearing_width)
        kelvin = TEMPERATURES[:5]
        mu, shifted = chemical_potential(dos, n, kelvin), chemical_potential(moved, n, kelvin)
        np.testing.assert_allclose(to_numpy(shifted), to_numpy(mu) + d, atol=1e-10)
        for function in THERMAL:
            before, after = (to_numpy(function(s, m, kelvin)) for s, m in ((dos, mu), (moved, shifted)))
            extra = d * to_numpy(n)[:, None] if function in (band_energy, free_energy) else 0
            np.testing.assert_allclose(after, before + extra, rtol=1e-5, atol=1e-12)
        same = [to_numpy(band_energy(s, m, kelvin, relative_to="mu")) for s, m in ((dos, mu), (moved, shifted))]
        np.testing.assert_allclose(*same, rtol=1e-9)

    def test_both_spins_or_one(self, metal):
        dos, n = metal
        one = DOS(dos.grid, dos.values / 2, dos.smearing_width)
        mu = chemical_potential(dos, n, 300.0)
        np.testing.assert_allclose(to_numpy(chemical_potential(one, n / 2, 300.0)), to_numpy(mu), atol=1e-12)
        for function in THERMAL:
            np.testing.assert_allclose(
                to_numpy(function(one, mu, 300.0)) * 2, to_numpy(function(dos, mu, 300.0)), rtol=1e-12
            )

    def test_no_rule_is_better_than_another_where_all_hold(self, metal):
        dos, n = metal
        kelvin = np.array([40.0, 170.0]) * dos.grid.step / 0.01
        mu = chemical_potential(dos, n, kelvin)
        for function in THERMAL:
            gauss, linear = (to_numpy(function(dos, mu, kelvin, quadrature=rule)) for rule in ("gauss", "linear"))
            np.testing.assert_allclose(linear, gauss, rtol=0.03)

    def test_a_gap_freezes_everything(self, xp):
        grid = EnergyGrid.from_range(-6.0, 6.0, 0.05, zero="code")
        values = np.where((np.abs(grid.energies) > 1) & (np.abs(grid.energies) < 5), 2.0, 0.0)[None, :]
        for width in (None, 0.3):
            dos = DOS(grid, xp.asarray(values), width)
            n = float(electron_count(dos, 0.0, 1.0)[0])
            kelvin = np.array([1.0, 10.0, 100.0])
            mu = chemical_potential(dos, n, kelvin)
            assert np.abs(to_numpy(heat_capacity(dos, mu, kelvin))).max() < 1e-12
            assert np.abs(to_numpy(entropy(dos, mu, kelvin))).max() < 1e-12


class TestAtoms:
    def ldos(self, xp, *, dips):
        grid = EnergyGrid.from_range(-9.0, 9.0, 0.05, zero="code")
        rng = np.random.default_rng(3)
        centres, weights = rng.uniform(-7, 7, 9), rng.uniform(0.2, 1, (5, 9))
        if dips:
            weights[:, 4] = [-0.3, -0.2, 0.1, -0.4, 0.1]
        shapes = np.exp(-0.5 * ((grid.energies[:, None] - centres) / 0.3) ** 2) / (0.3 * math.sqrt(2 * math.pi))
        return LDOS(grid, xp.asarray(weights @ shapes.T), 0.3, structure_index=xp.asarray([0, 0, 0, 1, 1]))

    @pytest.mark.parametrize("dips", [False, True])
    @pytest.mark.filterwarnings("ignore::ldosml.properties.NegativeDOSWarning")
    def test_add_up_to_their_structure(self, xp, dips):
        ldos = self.ldos(xp, dips=dips)
        dos, n, kelvin = ldos.total(), xp.asarray([6.0, 3.0]), np.array([10.0, 300.0, 3000.0])
        mu = chemical_potential(ldos, n, kelvin)
        np.testing.assert_allclose(to_numpy(mu), to_numpy(chemical_potential(dos, n, kelvin)), rtol=1e-12)
        for function in THERMAL:
            atoms, whole = to_numpy(function(ldos, mu, kelvin)), to_numpy(function(dos, mu, kelvin))
            assert atoms.shape == (5, 3)
            summed = np.stack([atoms[:3].sum(axis=0), atoms[3:].sum(axis=0)])
            np.testing.assert_allclose(summed, whole, rtol=1e-9, atol=1e-13)
        at = fermi_level(ldos, n).energy
        assert to_numpy(dos_at_fermi_level(ldos, at))[:3].sum() == pytest.approx(
            float(dos_at_fermi_level(dos, at)[0]), rel=1e-12
        )


class TestUnits:
    def test_susceptibilities(self, xp):
        """1 state/eV: 3.233e-5 emu/mol, 2.3571 mJ/mol/K^2; 1 state/eV/angstrom^3: 6.746e-4."""
        grid = EnergyGrid.from_range(-5.0, 5.0, 0.05, zero="code")
        dos = DOS(grid, xp.ones((2, grid.size)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TruncatedDOSWarning)
            assert float(molar_susceptibility(dos, 0.0, 300.0)[0]) == pytest.approx(3.233e-5, rel=1e-4)
            si = to_numpy(volume_susceptibility(dos, 0.0, 300.0, xp.asarray([1.0, 20.0])))
            np.testing.assert_allclose(si, [6.746e-4, 6.746e-4 / 20], rtol=1e-4)
            assert float(pauli_susceptibility(dos, 0.0, 300.0)[0]) == pytest.approx(5.7883818e-5**2, rel=1e-7)
        assert float(sommerfeld_coefficient(dos, 0.0)[0]) == pytest.approx(2.3571, rel=1e-4)

    def test_volumes(self, xp):
        grid = EnergyGrid.from_range(-5.0, 5.0, 0.05, zero="code")
        dos = DOS(grid, xp.ones((2, grid.size)))
        with pytest.raises(ValueError, match="volumes must be above 0"):
            volume_susceptibility(dos, 0.0, 300.0, xp.asarray([0.0, 20.0]))


class TestInsulators:
    """In a wide gap the integrals are far below the rounding of sums over all electrons: never negative, or zero."""

    @pytest.mark.parametrize("width", [0.1, 0.3, None])
    @pytest.mark.parametrize("gap", [0.5, 1.0, 3.0, 6.0, 8.0])
    @pytest.mark.parametrize("quantity", [entropy, heat_capacity, pauli_susceptibility])
    def test_not_negative(self, width, gap, quantity):
        grid = EnergyGrid.from_range(-12.0, 12.0, 0.05, zero="code")
        dos = DOS(grid, self.two_bands(grid.energies, gap, width or 0.02)[None, :], width)
        found = to_numpy(quantity(dos, np.zeros((1, 5)), TEMPERATURES[:5])[0])
        assert (found >= 0).all()
        assert (np.diff(found) >= 0).all()

    @pytest.mark.parametrize(("gap", "temperature"), [(3.0, 1000.0), (6.0, 1000.0), (6.0, 3000.0), (8.0, 1500.0)])
    def test_small_values_are_those_of_the_straight_lines(self, gap, temperature):
        """Where a result is above the bound of rounding, it agrees with an integral in high precision."""
        grid = EnergyGrid.from_range(-12.0, 12.0, 0.05, zero="code")
        values = self.two_bands(grid.energies, gap, 0.02)
        kT = BOLTZMANN * temperature
        fine = np.linspace(-12, 12, 480 * 400 + 1)
        x = np.abs(fine) / kT
        y = np.exp(-x)
        weights = {
            entropy: BOLTZMANN * (np.log1p(y) + x * y / (1 + y)),
            pauli_susceptibility: units.BOHR_MAGNETON**2 * y / (1 + y) ** 2 / kT,
            heat_capacity: BOLTZMANN * x**2 * y / (1 + y) ** 2,
        }
        density = np.interp(fine, grid.energies, values)
        for quantity, weight in weights.items():
            found = float(quantity(DOS(grid, values[None, :]), 0.0, temperature)[0])
            assert found == pytest.approx(np.trapezoid(density * weight, fine), rel=1e-3)

    @staticmethod
    def two_bands(energies, gap, width):
        def edge(at):
            return ndtr((energies - at) / width)

        return 100 * (edge(-10) - edge(-gap / 2) + edge(gap / 2) - edge(10))


class TestReach:
    """A constant DOS of 1 state/eV that the grid cuts off at some distance from mu: what is missing is known."""

    KT = 0.1
    T = KT / BOLTZMANN

    def cut(self, top, bottom=10.0):
        grid = EnergyGrid.from_range(-bottom, top, 0.01, zero="code")
        return DOS(grid, np.ones((1, grid.size)))

    @pytest.mark.parametrize("side", ["above", "below"])
    @pytest.mark.parametrize("distance", [1.0, 2.5, 4.0])
    @pytest.mark.parametrize(
        ("function", "name", "weight"),
        [
            (heat_capacity, "heat capacity", lambda x: x**2 / (4 * np.cosh(x / 2) ** 2)),
            (entropy, "entropy", lambda x: np.logaddexp(0, x) - x / (1 + np.exp(-x))),
            (pauli_susceptibility, "susceptibility", lambda x: 1 / (4 * np.cosh(x / 2) ** 2)),
        ],
    )
    def test_the_fraction_that_is_missing(self, function, name, weight, side, distance):
        end = distance * self.KT
        dos = self.cut(end) if side == "above" else self.cut(10.0, end)
        missing = quad(weight, distance, 60)[0] / quad(weight, -60, 60)[0]
        with pytest.warns(TruncatedDOSWarning, match=f"{side} mu") as told:
            function(dos, 0.0, self.T)
        words = next(str(one.message) for one in told if side in str(one.message))
        assert float(re.search(rf"([\d.e-]+) of the {name}", words)[1]) == pytest.approx(missing, rel=0.06)

    def test_electrons_by_what_they_move_mu(self):
        with pytest.warns(TruncatedDOSWarning, match="electrons, which move mu by about"):
            electron_count(self.cut(0.3), 0.0, self.T)

    @pytest.mark.parametrize("function", THERMAL)
    def test_silent_where_the_grid_reaches_far_enough(self, function):
        function(self.cut(1.2, 1.2), 0.0, self.T)

    def test_silent_where_nothing_is_excited(self):
        """A semiconductor: carriers are at the edges of its gap, far below the end of the grid."""
        grid = EnergyGrid.from_range(-6.0, 3.0, 0.05, zero="code")
        values = ((np.abs(grid.energies) > 0.5) & (grid.energies > -5)).astype(float)[None, :]
        heat_capacity(DOS(grid, values), 0.0, 1000.0)


class TestBadInput:
    grid = EnergyGrid.from_range(-5.0, 5.0, 0.05, zero="code")
    dos = DOS(grid, np.exp(-((grid.energies / 2) ** 2) * np.ones((2, 1))), 0.3)

    @pytest.mark.parametrize("function", THERMAL)
    def test_shapes(self, function):
        with pytest.raises(ValueError, match=r"mu must have shape \(2\) = \(n_structures\); got \(3,\)"):
            function(self.dos, [0.0, 0.0, 0.0], 300.0)
        with pytest.raises(ValueError, match=r"mu must have shape \(2, 3\) = \(n_structures, n_temperatures\)"):
            function(self.dos, [0.0, 0.0], [300.0, 400.0, 500.0])
        with pytest.raises(ValueError, match="mu must be finite"):
            function(self.dos, [0.0, np.nan], 300.0)
        with pytest.raises(ValueError, match="temperature must be above 0 K"):
            function(self.dos, 0.0, 0.0)
        with pytest.raises(ValueError, match="trapezoid is wrong"):
            function(self.dos, 0.0, 300.0, quadrature="trapezoid")

    def test_relative_to(self):
        with pytest.raises(ValueError, match="relative_to must be one of 'grid', 'mu'"):
            band_energy(self.dos, 0.0, 300.0, relative_to="vacuum")

    def test_top_too_low(self):
        with pytest.warns(TruncatedDOSWarning, match="above mu.*0.02 of the heat capacity"):
            heat_capacity(self.dos, 2.0, 20000.0)


@pytest.mark.parametrize("function", [dos_at_fermi_level, sommerfeld_coefficient])
@pytest.mark.parametrize("level", [-40.0, 40.0])
def test_a_fermi_level_beyond_the_grid_is_refused(function, level):
    grid = EnergyGrid.from_range(-5.0, 5.0, 0.5, zero="code")
    with pytest.raises(ValueError, match=rf"fermi_energy of structure 0 is {level:g} eV, beyond the grid"):
        function(DOS(grid, np.ones((1, grid.size))), level)


@pytest.mark.parametrize("function", [band_energy, entropy, free_energy, heat_capacity, pauli_susceptibility])
def test_arrays_without_an_axis_are_refused(function):
    with pytest.raises(TypeError, match="Properties need a DOS or an LDOS; got ndarray"):
        function(np.ones((1, 5)), 0.0, temperature=300.0)
