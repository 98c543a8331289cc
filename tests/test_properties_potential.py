"""Fermi level and chemical potential against closed forms, in metals and in gaps."""

import warnings

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import expit, log_ndtr, logsumexp

from ldosml import DOS, LDOS, EnergyGrid
from ldosml._array import to_numpy
from ldosml.properties import (
    SpinConventionWarning,
    TruncatedDOSWarning,
    chemical_potential,
    electron_count,
    fermi_level,
)
from ldosml.smearing import smear_eigenvalues
from ldosml.units import BOLTZMANN

# Many counts here are a little off on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::ldosml.properties.DopingWarning")

TEMPERATURES = np.array([1.0, 10.0, 100.0, 300.0, 3000.0, 30000.0])
STEPS = (0.01, 0.05, 0.2)


def constant(low, high, step, density=2.0, width=None):
    grid = EnergyGrid.from_range(low, high, step, zero="code")
    return DOS(grid, np.full((1, grid.size), density), width)


def two_bands(step, below=2.0, above=3.0, half_gap=1.0, xp=np):
    """Constant bands around a gap centred at zero, and the electrons that fill the lower one."""
    grid = EnergyGrid.from_range(-6, 6, step, zero="code")
    e = grid.energies
    lower = np.where((e > -5 + 1e-9) & (e < -half_gap + 1e-9), below, 0.0)
    upper = np.where((e > half_gap - 1e-9) & (e < 5 - 1e-9), above, 0.0)
    return DOS(grid, xp.asarray((lower + upper)[None, :])), step * lower.sum()


def gaussians(grid, centres, weights, width):
    shapes = np.exp(-0.5 * ((grid.energies - to_numpy(centres)[:, None]) / width) ** 2)
    return to_numpy(weights) @ shapes / (width * np.sqrt(2 * np.pi))


class TestFermiLevel:
    @pytest.mark.parametrize("step", STEPS)
    @pytest.mark.parametrize("width", [None, 0.3])
    def test_of_a_constant_dos(self, xp, step, width):
        grid = EnergyGrid.from_range(0.0, 10.0, step, zero="code")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TruncatedDOSWarning)  # it begins with a jump
            level = fermi_level(DOS(grid, xp.ones((2, grid.size)) * 2.0, width), xp.asarray([6.4, 10.0]))
        np.testing.assert_allclose(to_numpy(level.energy), [3.2, 5.0], atol=1e-12)
        assert not to_numpy(level.in_gap).any()
        np.testing.assert_array_equal(to_numpy(level.valence_edge), to_numpy(level.energy))

    @pytest.mark.parametrize("step", STEPS)
    def test_in_a_gap(self, xp, step):
        dos, n = two_bands(step, xp=xp)
        level = fermi_level(dos, n)
        assert bool(level.in_gap[0])
        # The straight lines end one step inside the gap, and the tolerance of 1e-6 ends before them.
        foot = np.sqrt(2 * step * 1e-6 * n / 2)
        assert float(level.valence_edge[0]) == pytest.approx(-1 + step - foot, abs=1e-6)
        assert float(level.conduction_edge[0]) == pytest.approx(1 - step + foot, abs=0.2 * foot + 1e-6)
        assert float(level.energy[0]) == pytest.approx(0.0, abs=0.2 * foot)

    def test_a_count_off_by_rounding_stays_in_the_gap(self):
        dos, n = two_bands(0.05)
        for off in (-4e-7, 4e-7):
            level = fermi_level(dos, n * (1 + off))
            assert level.in_gap[0]
            assert abs(level.energy[0]) < 2e-3
        off_by_more = fermi_level(dos, n * (1 - 1e-4))
        assert not off_by_more.in_gap[0]
        assert off_by_more.energy[0] < -0.95
        assert fermi_level(dos, n * (1 - 1e-4), tolerance=1e-3).in_gap[0]

    def test_atoms_share_the_level_of_their_structure(self):
        dos, n = two_bands(0.05)
        shares = np.array([[0.3], [0.7], [1.0]]) * dos.values
        ldos = LDOS(dos.grid, shares, structure_index=[0, 0, 1])
        np.testing.assert_allclose(
            fermi_level(ldos, [n - 1, n - 2]).energy, fermi_level(ldos.total(), [n - 1, n - 2]).energy
        )

    @pytest.mark.parametrize("at", [0.1, 0.137, 5.0])
    def test_inverts_the_cumulative_at_any_place_of_a_cell(self, at):
        grid = EnergyGrid.from_range(-4.0, 14.0, 0.1, zero="code")
        dos = DOS(grid, gaussians(grid, [0, 5, 9], [2, 3, 4], 0.8)[None, :], 0.8)
        exact = sum(w * mpmath.ncdf((at - c) / 0.8) for c, w in [(0, 2), (5, 3), (9, 4)])
        assert fermi_level(dos, float(exact)).energy[0] == pytest.approx(at, abs=1e-6)


class TestChemicalPotential:
    @pytest.mark.parametrize("step", STEPS)
    @pytest.mark.parametrize("width", [None, 0.3])
    def test_of_a_constant_dos(self, xp, step, width):
        """N = D kT (ln(1 + e^((mu-a)/kT)) - ln(1 + e^((mu-b)/kT))) from a to b."""
        grid = EnergyGrid.from_range(-50.0, 60.0, step, zero="code")
        dos = DOS(grid, xp.full((1, grid.size), 2.0), width)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TruncatedDOSWarning)
            mu = to_numpy(chemical_potential(dos, 106.74, xp.asarray(TEMPERATURES)))[0]
        for T, found in zip(TEMPERATURES, mu, strict=True):
            kT = BOLTZMANN * T

            def count(x, kT=kT):
                return 2 * kT * (np.logaddexp(0, (x + 50) / kT) - np.logaddexp(0, (x - 60) / kT)) - 106.74

            assert found == pytest.approx(brentq(count, -10, 20, xtol=1e-13), abs=1e-10), T

    @pytest.mark.parametrize("step", STEPS)
    @pytest.mark.parametrize("temperature", [1.0, 10.0, 100.0, 300.0])
    def test_of_two_bands(self, xp, step, temperature):
        """mu = middle + kT/2 ln(D_v/D_c)."""
        dos, n = two_bands(step, xp=xp)
        exact = BOLTZMANN * temperature / 2 * np.log(2 / 3)
        assert float(chemical_potential(dos, n, temperature)[0]) == pytest.approx(exact, abs=1e-6)

    def test_where_a_root_of_the_count_fails(self):
        """At 10 K the count is exact to the last bit half an electronvolt off: its root is arbitrary."""
        dos, n = two_bands(0.05)
        wrong = 0.5
        assert electron_count(dos, wrong, 10.0)[0] == pytest.approx(n, abs=1e-14 * n)
        assert abs(chemical_potential(dos, n, 10.0)[0] - wrong) > 0.4

    @pytest.mark.parametrize("below", [0.01, 2.0, 500.0])
    def test_of_unequal_bands_where_gap_and_kT_meet(self, below):
        """From deep in the gap to kT near it: one curve, whichever way it was solved."""
        dos, n = two_bands(0.02, below=below, above=1.0, half_gap=0.3)
        kelvin = np.geomspace(20, 4000, 60)
        mu = chemical_potential(dos, n, kelvin)[0]
        kT = BOLTZMANN * kelvin
        cold = kT < 0.02
        # Both ramps of the straight lines have their feet at +- 0.28 eV.
        np.testing.assert_allclose(
            mu[cold], (kT / 2 * np.log(below))[cold], atol=2e-3 * abs(np.log(below)) * 0.02 + 1e-6
        )
        exact = [root_of_sums(dos, n, t) for t in kT[~cold]]
        np.testing.assert_allclose(mu[~cold], exact, atol=1e-4 * (1 + abs(np.log(below))))

    def test_of_two_levels(self):
        """g1 electrons in levels of g1 and g2 states: a quadratic equation for e^(mu/kT)."""
        grid = EnergyGrid.from_range(-2.0, 2.0, 0.01, zero="code")
        values = np.zeros((1, grid.size))
        values[0, [100, 300]] = np.array([2.0, 6.0]) / 0.01
        dos = DOS(grid, values)
        for T in (300.0, 3000.0, 30000.0):
            kT = BOLTZMANN * T
            exact = brentq(lambda mu, kT=kT: 6 * expit((mu - 1) / kT) - 2 * expit((-1 - mu) / kT), -9, 9, xtol=1e-14)
            found = chemical_potential(dos, 2.0, T)[0]
            # A level here is a triangle one step wide on both sides.
            assert found == pytest.approx(exact, abs=1e-4 * kT)

    @pytest.mark.parametrize(("step", "error"), [(0.01, 4e-4), (0.05, 4e-3)])
    def test_of_a_square_root_band(self, step, error):
        """N = (kT)^(3/2) F_1/2(mu/kT), F_1/2(y) = -Gamma(3/2) Li_3/2(-e^y)."""
        grid = EnergyGrid.from_range(0.0, 40.0, step, zero="code")
        dos = DOS(grid, np.sqrt(grid.energies)[None, :])
        for T, mu in [(300.0, 1.0), (3000.0, 1.0), (30000.0, 2.0), (30000.0, -3.0)]:
            kT = BOLTZMANN * T
            integral = -mpmath.gamma(1.5) * mpmath.polylog(1.5, -mpmath.exp(mu / kT)).real
            n = float(kT**1.5 * integral)
            assert electron_count(dos, mu, T)[0] == pytest.approx(n, rel=error)
            assert chemical_potential(dos, n, T)[0] == pytest.approx(mu, abs=5 * error)

    @settings(max_examples=25, deadline=None)
    @given(
        st.floats(-30, 30),
        st.sampled_from([None, 0.1, 0.4]),
        st.lists(st.tuples(st.floats(-5, 5), st.floats(0.2, 3)), min_size=2, max_size=6),
        st.floats(0.1, 0.9),
    )
    def test_properties_of_every_dos(self, shift, width, levels, filling):
        """It holds its electrons; the zero of energy and the counting of spins move nothing else."""
        grid = EnergyGrid.from_range(-8.0, 8.0, 0.05, zero="code")
        values = gaussians(grid, [c for c, _ in levels], [w for _, w in levels], width or 0.1)[None, :]
        n = filling * sum(w for _, w in levels)
        kelvin = np.array([10.0, 300.0, 2000.0])
        dos = DOS(grid, values, width)
        mu = chemical_potential(dos, n, kelvin)
        np.testing.assert_allclose(electron_count(dos, mu, kelvin), n, rtol=3e-6)
        moved = EnergyGrid(grid.start + shift, grid.step, grid.size, "code")
        np.testing.assert_allclose(chemical_potential(DOS(moved, values, width), n, kelvin), mu + shift, atol=1e-7)
        one_spin = chemical_potential(DOS(grid, values / 2, width), n / 2, kelvin)
        np.testing.assert_allclose(one_spin, mu, atol=1e-7)

    def test_shapes(self, xp):
        grid = EnergyGrid.from_range(-8.0, 8.0, 0.05, zero="code")
        dos = DOS(grid, xp.asarray(np.stack([gaussians(grid, [-1, 1], [2, w], 0.5) for w in (3, 4, 5)])), 0.5)
        n = xp.asarray([2.0, 2.5, 3.0])
        one = chemical_potential(dos, n, 300.0)
        several = chemical_potential(dos, n, xp.asarray([900.0, 300.0]))
        assert one.shape == (3,)
        assert several.shape == (3, 2)
        np.testing.assert_allclose(to_numpy(several)[:, 1], to_numpy(one), atol=1e-13)
        assert type(one) is type(dos.values)

    def test_many_structures_are_solved_as_each_alone(self):
        rng = np.random.default_rng(1)
        grid = EnergyGrid.from_range(-9.0, 9.0, 0.05, zero="code")
        values = np.stack([gaussians(grid, rng.uniform(-6, 6, 5), [1.0] * 5, 0.2) for _ in range(300)])
        n, kelvin = rng.uniform(0.5, 4.5, 300).round(), np.array([10.0, 100.0, 3000.0])
        together = chemical_potential(DOS(grid, values, 0.2), n, kelvin)
        for s in (0, 17, 299):
            alone = chemical_potential(DOS(grid, values[s : s + 1], 0.2), n[s], kelvin)
            np.testing.assert_allclose(together[s], alone[0], atol=1e-12)


def root_of_sums(dos, n, kT):
    """The root of the count by brute force: fine sums over the straight lines between the values."""
    fine = np.linspace(dos.grid.start, dos.grid.stop, 20 * (dos.grid.size - 1) + 1)
    values = np.interp(fine, dos.energies, dos.values[0]) * (fine[1] - fine[0])
    electrons, below = values.sum(), fine < 0
    assert electrons > n

    def excess(mu):
        x = (fine - mu) / kT
        return np.sum(values[~below] * expit(-x[~below])) - np.sum(values[below] * expit(x[below]))

    return brentq(excess, -3, 3, xtol=1e-13)


class TestBadInput:
    dos = two_bands(0.05)[0]

    @pytest.mark.parametrize(
        ("n", "temperature", "message"),
        [
            (25.0, 300.0, "holds 20 states from -6 to 6 eV, and 25 electrons would fill"),
            (20.0, 300.0, "would fill all of them"),
            (0.0, 300.0, "n_electrons must be above 0 and finite; got 0"),
            (-3.0, 300.0, "n_electrons must be above 0"),
            (np.nan, 300.0, "n_electrons must be above 0 and finite"),
            ([4.0, 4.0], 300.0, r"n_electrons must have shape \(1\)"),
            (4.0, 0.0, "temperature must be above 0 K and finite; got 0. For T -> 0 use fermi_level"),
            (4.0, -10.0, "temperature must be above 0 K"),
            (4.0, [300.0, np.inf], "temperature must be above 0 K and finite"),
            (4.0, [], "temperature must be a number or a list"),
            (4.0, [[300.0]], "temperature must be a number or a list"),
        ],
    )
    def test_says_what_is_wrong(self, n, temperature, message):
        with pytest.raises(ValueError, match=message):
            chemical_potential(self.dos, n, temperature)

    def test_a_word_is_no_temperature(self):
        with pytest.raises(TypeError, match="temperature must be above 0 K and finite; got 'warm'"):
            chemical_potential(self.dos, 4.0, "warm")

    def test_a_gap_up_to_the_end_of_the_grid(self):
        dos, n = two_bands(0.05)
        cut = dos.cut(high=0.5)
        with pytest.raises(ValueError, match="the first states above its gap, lie above the grid"):
            fermi_level(cut, n)
        with pytest.raises(ValueError, match="the first states above its gap, lie above the grid"):
            chemical_potential(cut, n, 300.0)

    def test_an_empty_dos(self):
        grid = self.dos.grid
        with pytest.raises(ValueError, match="structure 1 holds no states"):
            chemical_potential(DOS(grid, np.stack([self.dos.values[0], 0 * self.dos.values[0]])), 4.0, 300.0)

    def test_trapezoid_at_low_temperature(self):
        with pytest.raises(ValueError, match="trapezoid is wrong because kT"):
            chemical_potential(self.dos, 4.0, 300.0, quadrature="trapezoid")

    def test_top_too_low(self):
        grid = EnergyGrid.from_range(-8.0, 5.0, 0.05, zero="code")
        dos = DOS(grid, gaussians(grid, [-5, -2, 1, 4], [2, 2, 2, 2], 1.0)[None, :], 1.0)
        chemical_potential(dos, 4.0, 1000.0)
        with pytest.warns(TruncatedDOSWarning, match=r"ends at 5 eV.*States above.*about 0.2\d+ electrons"):
            chemical_potential(dos, 4.0, 30000.0)

    def test_bottom_too_high(self):
        with pytest.warns(TruncatedDOSWarning, match="does not begin within the grid"):
            fermi_level(constant(-5.0, 5.0, 0.05), 4.0)

    @pytest.mark.parametrize(("factor", "word"), [(0.5, "half"), (2.0, "twice")])
    def test_one_spin_only(self, factor, word):
        grid = EnergyGrid.from_range(-9.0, 9.0, 0.05, zero="fermi")
        values = gaussians(grid, [-4, -3, 3, 4, 5], [4, 4, 4, 4, 4], 0.6)[None, :]
        chemical_potential(DOS(grid, values, 0.6), 8.0, 300.0)
        with pytest.warns(SpinConventionWarning, match=f"holds {word} the electrons"):
            chemical_potential(DOS(grid, factor * values, 0.6), 8.0, 300.0)


def log_density(energies, levels, width):
    """ln D of Gaussian levels {energy: states}, without their common norm."""
    return logsumexp([np.log(w) - 0.5 * ((energies - c) / width) ** 2 for c, w in levels.items()], axis=0)


def neutral(full, empty, width, temperature):
    """mu of ln n = ln p for Gaussian levels that are full and empty at T = 0: sums in the logarithm, on a fine grid."""
    kT = BOLTZMANN * temperature
    energies = np.arange(-12, 12, min(kT / 6, width / 8))
    electrons, holes = (log_density(energies, levels, width) for levels in (empty, full))

    def excess(mu):
        x = (energies - mu) / kT
        return logsumexp(electrons - np.logaddexp(0, x)) - logsumexp(holes - np.logaddexp(0, -x))

    return brentq(excess, -3 - 40 * kT, 3 + 40 * kT, xtol=1e-10)


def meeting(full, empty, width):
    """Energy at which the tails of full and empty Gaussian levels hold as many electrons."""

    def excess(energy):
        electrons = logsumexp([np.log(w) + log_ndtr((energy - c) / width) for c, w in empty.items()])
        return electrons - logsumexp([np.log(w) + log_ndtr((c - energy) / width) for c, w in full.items()])

    return brentq(excess, -3, 3, xtol=1e-12)


SMEARED = [  # half of the gap, width, step
    (0.7, 0.08, 0.02),
    (1.0, 0.1, 0.05),
    (1.0, 0.1, 0.0125),
    (1.5, 0.1, 0.05),
    (1.5, 0.2, 0.05),
    (1.5, 0.2, 0.1),
    (2.0, 0.05, 0.025),
]
COLD = np.array([2.0, 5.0, 20.0, 50.0, 100.0, 200.0, 300.0, 600.0])


class TestTheLimitOfLowTemperature:
    """In a smeared gap mu goes to the energy where the tails meet, which is the Fermi level."""

    @pytest.mark.parametrize(("half_gap", "width", "step"), SMEARED)
    @pytest.mark.parametrize("ratio", [0.2, 1.0, 10.0])
    def test_of_a_smeared_insulator(self, half_gap, width, step, ratio):
        full, empty = {-half_gap: 2.0, -half_gap - 1.1: 4.0}, {half_gap: 2.0 * ratio, half_gap + 0.7: 6.0}
        grid = EnergyGrid.from_range(-7.01, 7.0, step, zero="code")
        dos = DOS(grid, np.exp(log_density(grid.energies, full | empty, width))[None, :], width)
        n = 6.0 * width * np.sqrt(2 * np.pi)
        level = fermi_level(dos, n)
        assert level.in_gap[0]
        assert level.energy[0] == pytest.approx(meeting(full, empty, width), abs=1e-4)
        exact = [neutral(full, empty, width, temperature) for temperature in COLD]
        np.testing.assert_allclose(chemical_potential(dos, n, COLD)[0], exact, atol=2e-4)
        assert chemical_potential(dos, n, 0.5)[0] == pytest.approx(level.energy[0], abs=1e-4)

    @pytest.mark.parametrize(("width", "step"), [(0.05, 0.02), (0.1, 0.05)])
    @pytest.mark.parametrize("ratio", [1e-4, 0.2, 1e4])
    def test_of_unequal_bands_far_above_room_temperature(self, ratio, width, step):
        """Bands narrower than kT; mu leaves the gap, and goes many kT beyond the grid, up or down."""
        full, empty = {-1.0: 2.0}, {1.0: 2.0 * ratio}
        grid = EnergyGrid.from_range(-2.0, 2.0, step, zero="code")
        dos = DOS(grid, np.exp(log_density(grid.energies, full | empty, width))[None, :], width)
        kelvin = np.array([30000.0, 50.0, 500.0, 1500.0, 3000.0, 10000.0])
        mu = chemical_potential(dos, 2.0 * width * np.sqrt(2 * np.pi), kelvin)[0]
        exact = [neutral(full, empty, width, temperature) for temperature in kelvin]
        np.testing.assert_allclose(mu, exact, atol=2e-4)
        assert abs(mu[0]) > grid.stop + 5 * BOLTZMANN * kelvin[0] or ratio == 0.2

    def test_on_other_arrays(self, xp):
        full, empty = {-1.0: 2.0}, {1.0: 20.0}
        grid = EnergyGrid.from_range(-7.0, 7.0, 0.05, zero="code")
        values = np.exp(log_density(grid.energies, full | empty, 0.1))
        dos = DOS(grid, xp.asarray(np.stack([values, 3 * values])), 0.1)
        n = 2.0 * 0.1 * np.sqrt(2 * np.pi)
        mu = to_numpy(chemical_potential(dos, xp.asarray([n, 3 * n]), xp.asarray(COLD)))
        exact = [neutral(full, empty, 0.1, temperature) for temperature in COLD]
        np.testing.assert_allclose(mu, [exact, exact], atol=2e-4)

    @pytest.mark.parametrize("off", [0.0, 1e-8, -3e-7])
    def test_rounding_moves_nothing(self, off):
        """What a Fourier transform leaves in the gap, and a count that is not exact."""
        full, empty = {-1.3: 2.0, -2.4: 4.0}, {1.3: 12.0, 2.0: 6.0}
        grid = EnergyGrid.from_range(-7.0, 7.0, 0.05, zero="code")
        levels = full | empty
        energies, weights = np.array(list(levels)), np.array([list(levels.values())])
        dos = DOS(grid, np.clip(smear_eigenvalues(energies, weights, grid.energies, 0.15), 0, None), 0.15)
        mu = chemical_potential(dos, 6.0 * (1 + off), COLD)[0]
        exact = [neutral(full, empty, 0.15, temperature) for temperature in COLD]
        np.testing.assert_allclose(mu, exact, atol=5e-4)
        assert fermi_level(dos, 6.0 * (1 + off)).energy[0] == pytest.approx(meeting(full, empty, 0.15), abs=5e-4)

    def test_where_a_smaller_gap_is_no_gap_any_more(self):
        """The level moves little where the tails begin to hold more electrons than the tolerance."""
        grid = EnergyGrid.from_range(-7.0, 7.0, 0.02, zero="code")
        found, off = set(), []
        for half_gap in np.arange(0.55, 0.75, 0.01):
            full, empty = {-half_gap: 2.0}, {half_gap: 20.0}
            dos = DOS(grid, np.exp(log_density(grid.energies, full | empty, 0.12))[None, :], 0.12)
            level = fermi_level(dos, 2.0 * 0.12 * np.sqrt(2 * np.pi))
            found.add(bool(level.in_gap[0]))
            off.append(level.energy[0] - meeting(full, empty, 0.12))
        assert found == {True, False}
        np.testing.assert_allclose(off, 0, atol=5e-4)

    @pytest.mark.parametrize("step", STEPS)
    def test_of_a_true_gap(self, step):
        """Zero between unequal bands: the middle of the gap, and kT/2 ln(D_v/D_c) from it."""
        dos, n = two_bands(step, below=0.5, above=8.0)
        level, kelvin = fermi_level(dos, n), np.array([1.0, 3.0, 10.0])
        assert level.energy[0] == pytest.approx(0.0, abs=1e-9)
        mu = chemical_potential(dos, n, kelvin)[0]
        np.testing.assert_allclose(mu, BOLTZMANN * kelvin / 2 * np.log(0.5 / 8.0), atol=2e-6)

    @pytest.mark.parametrize("cells", [0.1, 0.5, 1.0, 2.0])
    def test_of_bands_that_begin_differently(self, cells):
        """A valence band that ends in a jump, a conduction band that rises from zero; kT in steps of the grid."""
        step, kT = 0.1, 0.1 * cells
        grid = EnergyGrid.from_range(-9.0, 9.0, step, zero="code")
        e = grid.energies
        values = np.where((e < -4 + 1e-9) & (e > -8), 2.0, np.where((e > 4) & (e < 8 - 1e-9), np.abs(e - 4), 0.0))
        fine = np.linspace(-9, 9, 180 * 400 + 1)
        logs = np.log(np.maximum(np.interp(fine, e, values), 1e-300))
        electrons, holes = (logsumexp(logs[side] - abs(fine[side]) / kT) for side in (fine > 0, fine < 0))
        dos = DOS(grid, values[None, :])
        middle = fermi_level(dos, step * values[e < 0].sum()).energy[0]
        mu = chemical_potential(dos, step * values[e < 0].sum(), kT / BOLTZMANN)[0]
        assert abs(middle) < 0.1
        assert mu == pytest.approx(kT / 2 * (holes - electrons), abs=1e-4 * kT)

    def test_of_metals_and_semimetals(self):
        grid = EnergyGrid.from_range(-6.0, 6.0, 0.02, zero="code")
        metal = 1.0 + 0.2 * np.tanh(grid.energies)
        semimetal = np.where(grid.energies < 0, 0.5, 1.5) * grid.energies**2
        overlap = np.clip(-grid.energies + 0.1, 0, None) + 3 * np.clip(grid.energies + 0.1, 0, None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TruncatedDOSWarning)
            for values, n in ((metal, 5.3), (semimetal, 0.5 * 6**3 / 3), (overlap, 18.0)):
                dos = DOS(grid, values[None, :])
                level = fermi_level(dos, n)
                assert not level.in_gap[0]
                mu = chemical_potential(dos, n, [0.5, 2.0, 8.0])[0]
                # At most in proportion to the temperature.
                assert (abs(mu - level.energy[0]) <= 1.5 * BOLTZMANN * np.array([0.5, 2.0, 8.0])).all()


class TestWhatOnceWentWrong:
    @pytest.mark.parametrize("n", [1e-2, 1e-4, 1e-9])
    def test_few_electrons_in_a_hot_band(self, n):
        """D = 1 from 0 to 1 eV: mu lies many kT below the grid, where N = e^(mu/kT) kT (1 - e^(-1/kT))."""
        grid = EnergyGrid.from_range(-0.1, 3.1, 0.001, zero="code")
        dos = DOS(grid, np.where((grid.energies > 1e-9) & (grid.energies < 1 - 1e-9), 1.0, 0.0)[None, :])
        for temperature in (3000.0, 11604.0):
            kT = BOLTZMANN * temperature
            exact = kT * np.log(np.expm1(n / kT) / (1 - np.exp((n - 1) / kT)))
            assert chemical_potential(dos, n, temperature)[0] == pytest.approx(exact, abs=3e-3 * kT)

    def test_mu_far_below_the_grid(self):
        """A band on a short grid, hot: by straight lines whose window must hold all of it."""
        grid = EnergyGrid.from_range(-0.5, 1.5, 0.01, zero="code")
        dos = DOS(grid, np.where((grid.energies >= 0) & (grid.energies <= 1), 1.0, 0.0)[None, :])
        for temperature, mu in ((11604.0, -1.7420), (23000.0, -3.894)):
            assert chemical_potential(dos, 0.1, temperature)[0] == pytest.approx(mu, abs=5e-4)
            assert electron_count(dos, mu, temperature)[0] == pytest.approx(0.1, rel=1e-3)

    @pytest.mark.parametrize("off", [0.0, 1e-9, 1e-7])
    def test_a_count_off_by_rounding_dopes_no_insulator(self, off):
        """Across the temperature at which the gap of 1 eV is 30 kT wide."""
        dos, n = two_bands(0.01, above=0.5, half_gap=0.5)
        kelvin = np.linspace(250, 600, 36)
        mu = chemical_potential(dos, n * (1 + off), kelvin)[0]
        np.testing.assert_allclose(mu, BOLTZMANN * kelvin / 2 * np.log(2 / 0.5), atol=2e-5)

    def test_smeared_insulators_too(self):
        grid = EnergyGrid.from_range(-9.0, 9.0, 0.05, zero="code")
        centres = [-4, -3.2, -2.5, -1.4, 1.3, 2.2, 3.1, 4.0, 5.0]
        dos = DOS(grid, gaussians(grid, centres, [2.0] * 9, 0.1)[None, :], 0.1)
        mu = chemical_potential(dos, 8.0, np.linspace(250, 700, 46))[0]
        np.testing.assert_allclose(mu, -0.05, atol=1e-5)

    def test_a_semimetal_is_no_insulator(self):
        """D = 0.1 |E| below and 0.3 E above, on a fine grid."""
        grid = EnergyGrid.from_range(-9.0, 9.0, 0.005, zero="code")
        values = np.where(grid.energies < 0, 0.1, 0.3) * abs(grid.energies)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TruncatedDOSWarning)
            dos = DOS(grid, values[None, :])
            level = fermi_level(dos, 0.05 * 81)
            mu = chemical_potential(dos, 0.05 * 81, [2.0, 7.0, 8.0])[0]
        assert not level.in_gap[0]
        assert level.energy[0] == pytest.approx(0.0, abs=1e-6)
        # mu is proportional to the temperature.
        np.testing.assert_allclose(mu / [2.0, 7.0, 8.0], mu[0] / 2.0, rtol=1e-2)
