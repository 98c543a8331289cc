"""The moments of a DOS against closed forms, mpmath and adaptive quadrature."""

from itertools import pairwise

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad

from ldosml import EnergyGrid
from ldosml._array import to_numpy
from ldosml.properties.fermi_dirac import (
    entropy_weight,
    log_occupation,
    occupation,
    polylogarithms,
    thermal_weight,
)
from ldosml.properties.interpolation import Interpolant, slopes
from ldosml.properties.quadrature import ALL_MOMENTS, choose, in_order, integrate, rules
from ldosml.properties.roots import increasing_root

RULES = ("trapezoid", "gauss", "equidistant", "linear")
WEIGHTS = {
    "count": lambda x, kT: occupation(x),
    "energy": lambda x, kT: kT * x * occupation(x),
    "entropy": lambda x, kT: entropy_weight(x),
    "j0": lambda x, kT: thermal_weight(x) / kT,
    "j1": lambda x, kT: x * thermal_weight(x),
    "j2": lambda x, kT: kT * x * x * thermal_weight(x),
}


def humps(energies):
    """A smooth DOS with a deep valley; two spectra."""
    centres, widths = np.array([-4.0, -1.0, 0.8, 3.0]), 0.5
    shapes = np.exp(-0.5 * ((energies[:, None] - centres) / widths) ** 2)
    return np.stack([shapes @ [1.0, 2.0, 1.5, 1.0], shapes @ [2.0, 0.5, 0.7, 2.0]])


def interpolant(xp, step, *, smooth=True):
    grid = EnergyGrid.from_range(-9.0, 8.0, step, zero="code")
    return Interpolant.of(grid, xp.asarray(humps(grid.energies)), smooth=smooth)


class TestFermiDirac:
    x = np.array([-800.0, -40.0, -3.0, -1e-9, 0.0, 0.2, 5.0, 40.0, 800.0])

    def test_against_mpmath(self, xp):
        mpmath.mp.dps = 400
        exact = [1 / (1 + mpmath.exp(mpmath.mpf(float(v)))) for v in self.x]
        x = xp.asarray(self.x)
        np.testing.assert_allclose(to_numpy(occupation(x)), [float(f) for f in exact], rtol=1e-15, atol=1e-320)
        np.testing.assert_allclose(to_numpy(log_occupation(x)), [float(mpmath.log(f)) for f in exact], rtol=1e-15)
        weight = [float(f * (1 - f)) for f in exact]
        np.testing.assert_allclose(to_numpy(thermal_weight(x)), weight, rtol=1e-15, atol=1e-320)
        disorder = [float(-f * mpmath.log(f) - (1 - f) * mpmath.log(1 - f)) for f in exact]
        np.testing.assert_allclose(to_numpy(entropy_weight(x)), disorder, rtol=1e-14, atol=1e-318)

    def test_polylogarithms_against_mpmath(self, xp):
        mpmath.mp.dps = 30
        y = np.array([0.0, 1e-12, 0.01, 0.3, 0.77, 0.999, 1.0])
        for n, series in enumerate(polylogarithms(xp.asarray(y)), 1):
            exact = [float(-mpmath.polylog(n, -mpmath.mpf(float(v))).real) for v in y]
            np.testing.assert_allclose(to_numpy(series), exact, rtol=4e-16)


class TestInterpolant:
    def test_passes_through_the_values_and_integrates_itself(self, xp):
        curve = interpolant(xp, 0.2)
        energies = curve.grid.energies
        density, count, second = curve.evaluate(xp.asarray(np.tile(energies, (2, 1))), "density", "count", "second")
        np.testing.assert_allclose(to_numpy(density), humps(energies), atol=1e-14)
        np.testing.assert_allclose(to_numpy(count), to_numpy(curve.counts), atol=1e-13)
        np.testing.assert_allclose(to_numpy(second), to_numpy(curve.second), atol=1e-12)
        at = 0.537
        one = curve.rows(xp.asarray([1]))

        def value(e, quantity):
            return float(one.evaluate(xp.asarray([[e]]), quantity)[0][0, 0])

        knots = energies[energies < at]
        exact = sum(quad(value, a, b, args=("density",))[0] for a, b in zip(knots, [*knots[1:], at], strict=True))
        assert value(at, "count") == pytest.approx(exact, abs=1e-12)
        twice = sum(quad(value, a, b, args=("count",))[0] for a, b in zip(knots, [*knots[1:], at], strict=True))
        assert value(at, "second") == pytest.approx(twice, abs=1e-11)

    @pytest.mark.parametrize(("step", "error"), [(0.2, 2e-3), (0.1, 2e-4), (0.05, 1e-5)])
    def test_follows_a_smooth_curve_to_fourth_order(self, xp, step, error):
        between = np.linspace(-5, 4, 777)
        found = interpolant(xp, step).density(xp.asarray(np.tile(between, (2, 1))))
        assert np.abs(to_numpy(found) - humps(between)).max() < error * 2

    def test_beyond_the_grid_there_are_no_states(self, xp):
        curve = interpolant(xp, 0.2)
        energies = xp.asarray([[-20.0, 20.0], [-20.0, 20.0]])
        density, count, second = (to_numpy(v) for v in curve.evaluate(energies, "density", "count", "second"))
        totals, seconds = to_numpy(curve.counts)[:, -1], to_numpy(curve.second)[:, -1]
        assert (density == 0).all()
        np.testing.assert_allclose(count, np.stack([0 * totals, totals], axis=1))
        np.testing.assert_allclose(second[:, 1], seconds + totals * (20 - curve.grid.stop))

    def test_a_jump_makes_no_negative_density(self, xp):
        grid = EnergyGrid.from_range(0.0, 2.0, 0.1, zero="code")
        values = np.where((grid.energies > 0.45) & (grid.energies < 1.55), 1.0, 0.0)[None, :]
        curve = Interpolant.of(grid, xp.asarray(values), smooth=True)
        fine = np.linspace(0, 2, 999)[None, :]
        assert to_numpy(curve.density(xp.asarray(fine))).min() >= 0
        assert np.diff(to_numpy(curve.count(xp.asarray(fine)))).min() >= -1e-15

    def test_parts_add_up_also_where_the_sum_was_raised(self, xp):
        grid = EnergyGrid.from_range(0.0, 2.0, 0.1, zero="code")
        rng = np.random.default_rng(0)
        whole = np.where((grid.energies > 0.45) & (grid.energies < 1.55), 1.0, 0.0)[None, :]
        parts = rng.normal(size=(3, grid.size))
        parts[2] = whole[0] - parts[0] - parts[1]
        sums = Interpolant.of(grid, xp.asarray(whole), smooth=True)
        shares = Interpolant.shares(
            grid, xp.asarray(parts), smooth=True, whole=xp.asarray(whole), index=xp.asarray([0, 0, 0])
        )
        fine = np.linspace(0, 2, 99)[None, :]
        total = to_numpy(shares.density(xp.asarray(np.tile(fine, (3, 1))))).sum(axis=0)
        np.testing.assert_allclose(total, to_numpy(sums.density(xp.asarray(fine)))[0], atol=1e-13)

    @pytest.mark.parametrize("size", [2, 3, 4, 5, 9])
    def test_slopes_of_a_straight_line(self, xp, size):
        line = xp.asarray(np.stack([3.0 + 2.0 * np.arange(size), -1.0 * np.arange(size)]))
        np.testing.assert_allclose(to_numpy(slopes(line, 0.5)), [[4.0] * size, [-2.0] * size], atol=1e-12)


class TestRules:
    @pytest.mark.parametrize("kT", [1e-4, 0.003, 0.05, 0.4])
    def test_linear_is_exact_for_straight_lines(self, xp, kT):
        curve = interpolant(xp, 0.2, smooth=False)
        mu = np.array([0.333, -2.01])
        found = integrate("linear", curve, xp.asarray(mu[:, None]), np.array([kT]), ALL_MOMENTS)
        for name in ALL_MOMENTS:
            for row in (0, 1):
                exact = adaptive(curve, row, mu[row], kT, WEIGHTS[name])
                assert float(found[name][row, 0]) == pytest.approx(exact, rel=2e-10, abs=1e-12), name

    # Smearing width 0.5 eV: to which relative error each rule gives each moment, and where.
    @pytest.mark.parametrize(
        ("rule", "step", "kT", "error"),
        [
            ("gauss", 0.05, 0.01, 6e-6),
            ("gauss", 0.05, 0.1, 2e-6),
            ("gauss", 0.2, 0.05, 1.2e-3),
            ("equidistant", 0.05, 0.3, 1e-6),
            ("equidistant", 0.2, 0.25, 2e-4),
            ("trapezoid", 0.05, 0.075, 1e-10),
            ("trapezoid", 0.05, 0.5, 2e-13),
            ("trapezoid", 0.2, 0.3, 1e-9),
            ("linear", 0.05, 0.1, 6e-3),
        ],
    )
    def test_error_on_a_smooth_dos(self, xp, rule, step, kT, error):
        curve = interpolant(xp, step, smooth=rule != "linear")
        mu = np.array([0.21, -2.5])
        found = integrate(rule, curve, xp.asarray(mu[:, None]), np.array([kT]), ALL_MOMENTS)
        for name in ALL_MOMENTS:
            for row in (0, 1):

                def integrand(e, row=row, name=name):
                    return humps(np.array([e]))[row, 0] * WEIGHTS[name](np.array((e - mu[row]) / kT), kT)

                points = np.clip(mu[row] + kT * np.arange(-30, 31, 6), -9, 8)
                exact = sum(
                    quad(integrand, a, b, epsabs=1e-14, epsrel=1e-13, limit=200)[0]
                    for a, b in zip([-9, *points], [*points, 8], strict=True)
                )
                scale = max(abs(exact), kT ** int(name[1]) if name[0] == "j" else 0)
                assert float(found[name][row, 0]) == pytest.approx(exact, abs=error * scale), name

    def test_trapezoid_at_low_temperature_is_wrong(self):
        """Why it is refused: half a step of states is counted or not."""
        curve = interpolant(np, 0.05)
        mu, kT = np.full((2, 1), -1.001), np.array([10 * 8.617e-5])
        wrong, right = (integrate(rule, curve, mu, kT, ["count"])["count"] for rule in ("trapezoid", "gauss"))
        assert np.abs(wrong - right).max() > 0.02

    @pytest.mark.parametrize("rule", RULES)
    def test_temperatures_do_not_mix(self, xp, rule):
        curve = interpolant(xp, 0.1)
        mu, kT = xp.asarray([[0.1, 0.2, 0.3], [-1.0, -2.0, -3.0]]), np.array([0.2, 0.15, 0.3])
        together = integrate(rule, curve, mu, kT, ALL_MOMENTS)
        for t in range(3):
            alone = integrate(rule, curve, mu[:, t : t + 1], kT[t : t + 1], ALL_MOMENTS)
            for name in ALL_MOMENTS:
                np.testing.assert_allclose(to_numpy(together[name])[:, t], to_numpy(alone[name])[:, 0], rtol=1e-12)


def adaptive(curve, row, mu, kT, weight):
    """Adaptive quadrature, a cell at a time, of straight lines through the values."""
    energies, values = curve.grid.energies, to_numpy(curve.values)[row]
    total = 0.0
    for e, d0, d1 in zip(energies[:-1], values[:-1], values[1:], strict=True):
        edges = np.unique(np.clip(mu + kT * np.arange(-40.0, 41.0, 5.0), e, e + curve.grid.step))
        edges = np.unique([e, *edges, e + curve.grid.step])
        for a, b in pairwise(edges):

            def integrand(x, e=e, d0=d0, d1=d1):
                density = d0 + (d1 - d0) * (x - e) / curve.grid.step
                return density * weight(np.array((x - mu) / kT), kT)

            total += quad(integrand, a, b, epsabs=1e-15, epsrel=1e-13)[0]
    return total


class TestChoice:
    @pytest.mark.parametrize(
        ("requested", "kT", "width", "chosen"),
        [
            ("auto", 0.01, 0.0, "linear"),
            ("auto", 1.0, 0.05, "linear"),
            ("auto", 0.01, 0.3, "gauss"),
            ("auto", 0.07, 0.3, "equidistant"),
            ("auto", 0.075, 0.3, "trapezoid"),
            ("gauss", 0.07, 0.0, "equidistant"),
            ("gauss", 0.3, 0.3, "equidistant"),
            ("linear", 0.5, 0.3, "linear"),
            ("trapezoid", 0.05, 0.0, "trapezoid"),
            ("forced-trapezoid", 0.001, 0.0, "trapezoid"),
        ],
    )
    def test_rule(self, requested, kT, width, chosen):
        assert choose(requested, kT, 0.05, width) == chosen

    def test_trapezoid_below_one_step_is_refused(self):
        with pytest.raises(ValueError, match="below the step of the energies"):
            choose("trapezoid", 0.049, 0.05, 0.3)
        with pytest.raises(ValueError, match="quadrature gauss has too few nodes"):
            choose("gauss", 0.4, 0.05, 0.3)
        with pytest.raises(ValueError, match="quadrature must be one of"):
            choose("simpson", 0.049, 0.05, 0.3)

    def test_columns_come_back_in_order(self, xp):
        groups = rules("auto", np.array([1.0, 0.01, 0.5, 0.02]), 0.05, 0.3)
        assert groups == {"trapezoid": [0, 2], "gauss": [1, 3]}
        values = in_order([0, 2, 1, 3], xp.asarray([[10.0, 12.0, 11.0, 13.0]]))
        np.testing.assert_array_equal(to_numpy(values), [[10, 11, 12, 13]])


class TestRoots:
    def test_all_elements_at_once(self, xp):
        targets = xp.asarray([[1e-9, 0.5], [3.0, 50.0]])
        zero = xp.zeros_like(targets)
        root = increasing_root(lambda x: (xp.exp(x) - targets, xp.exp(x)), zero - 40, zero + 40, zero, 1e-15 * targets)
        np.testing.assert_allclose(to_numpy(root), np.log(to_numpy(targets)), rtol=1e-13, atol=1e-13)

    def test_no_root_between_the_bounds_ends_at_one_of_them(self, xp):
        zero = xp.zeros(1)
        root = increasing_root(lambda x: (x + 5.0, xp.ones_like(x)), zero, zero + 1, zero + 0.5, 0.0)
        assert float(root[0]) == pytest.approx(0.0, abs=1e-12)
