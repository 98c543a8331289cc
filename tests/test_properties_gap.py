import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from ldosml import DOS, LDOS, EnergyGrid
from ldosml._array import to_numpy
from ldosml.properties.gap import band_gap, carrier_densities, hidden_gap
from ldosml.units import BOLTZMANN

GRID = EnergyGrid.from_range(-6.0, 6.0, 0.05, zero="code")


def bands(valence=-1.0, conduction=1.0, below=3.0, above=2.0, grid=GRID):
    """Two constant bands; the straight lines fall and rise over the cells inside the gap."""
    e = grid.energies
    return (below * (e < valence + 1e-9) + above * (e > conduction - 1e-9))[None]


def around(values, energy=0.0, grid=GRID):
    """The DOS that a state within about 5 eV has around it."""
    weight = np.exp(-(((grid.energies - energy) / 5.0) ** 2) / 2)
    return float((weight * values**2).sum() / (weight * values).sum())


def test_two_bands(xp):
    values = np.concatenate([bands(), bands(-0.35, 0.5), bands(-3.0, -2.0)])
    found = band_gap(DOS(GRID, xp.asarray(values)), xp.asarray([0.0, 0.2, -2.4]), tolerance=1e-9)
    np.testing.assert_allclose(to_numpy(found.gap), [1.9, 0.75, 0.9], atol=1e-7)
    np.testing.assert_allclose(to_numpy(found.valence_edge), [-0.95, -0.3, -2.95], atol=1e-7)
    np.testing.assert_allclose(to_numpy(found.conduction_edge), [0.95, 0.45, -2.05], atol=1e-7)


def test_edges_are_where_the_lines_cross_the_threshold():
    values = bands()
    scale = around(values)
    found = band_gap(DOS(GRID, values), 0.0, tolerance=0.25)
    assert found.valence_edge[0] == pytest.approx(-1.0 + 0.05 * (3.0 - 0.25 * scale) / 3.0)
    assert found.conduction_edge[0] == pytest.approx(0.95 + 0.05 * 0.25 * scale / 2.0)
    assert found.gap[0] == pytest.approx(found.conduction_edge[0] - found.valence_edge[0])


def test_a_metal_has_no_gap(xp):
    dos = DOS(GRID, xp.asarray(np.concatenate([bands(), bands()])))
    found = band_gap(dos, xp.asarray([0.0, 1.234]))
    np.testing.assert_allclose(to_numpy(found.gap), [1.9, 0.0], atol=0.01)
    assert float(found.valence_edge[1]) == float(found.conduction_edge[1]) == 1.234


def test_several_tolerances(xp):
    width = 0.2
    e = GRID.energies
    values = 2 * sum(np.exp(-0.5 * ((e - c) / width) ** 2) / (width * np.sqrt(2 * np.pi)) for c in (-2.0, 2.5))
    dos = DOS(GRID, xp.asarray(values[None]), width)
    tolerances = [1e-4, 1e-2, 0.5]
    found = band_gap(dos, 0.3, tolerance=tolerances)
    assert found.gap.shape == (1, 3)
    # Where a Gaussian has fallen to t times the DOS around.
    reach = width * np.sqrt(2 * np.log(values.max() / (np.array(tolerances) * around(values, 0.3))))
    np.testing.assert_allclose(to_numpy(found.valence_edge)[0], -2.0 + reach, atol=1e-2)
    np.testing.assert_allclose(to_numpy(found.conduction_edge)[0], 2.5 - reach, atol=1e-2)
    one = band_gap(dos, 0.3, tolerance=1e-2)
    assert float(one.gap[0]) == float(found.gap[0, 1])


def test_each_atom_has_its_gap(xp):
    values = np.concatenate([bands(-1, 1), bands(-0.5, 2.0), bands(-0.2, 0.2)])
    ldos = LDOS(GRID, xp.asarray(values), structure_index=xp.asarray([0, 0, 1]))
    np.testing.assert_allclose(to_numpy(band_gap(ldos, 0.0, tolerance=1e-9).gap), [1.9, 2.4, 0.3], atol=1e-7)
    np.testing.assert_allclose(to_numpy(band_gap(ldos.total(), 0.0, tolerance=1e-9).gap), [1.4, 0.3], atol=1e-7)


@settings(max_examples=40, deadline=None)
@given(
    shift=st.floats(-20, 20),
    fermi=st.floats(-0.9, 0.9),
    factor=st.floats(0.01, 100),
    tolerance=st.floats(1e-6, 0.3),
)
def test_shift_scale_and_place_in_the_gap(shift, fermi, factor, tolerance):
    moved = EnergyGrid(GRID.start + shift, GRID.step, GRID.size, GRID.zero)
    here = band_gap(DOS(GRID, bands()), 0.0, tolerance=tolerance)
    there = band_gap(DOS(moved, factor * bands()), shift, tolerance=tolerance)
    np.testing.assert_allclose(there.gap, here.gap, atol=1e-7)
    np.testing.assert_allclose(there.valence_edge, here.valence_edge + shift, atol=1e-7)
    # Another place in the gap weighs both bands a little differently, and the edge moves within its cell.
    elsewhere = band_gap(DOS(GRID, bands()), fermi, tolerance=tolerance)
    np.testing.assert_allclose(elsewhere.gap, here.gap, atol=0.1 * tolerance * GRID.step)


class TestLightBands:
    """Bands of few states: GaAs and ZnO, with heavy valence bands."""

    grid = EnergyGrid.from_range(-15.0, 12.0, 0.02, "code")

    def dos(self, edge, mass, volume, width):
        e = self.grid.energies
        ellipse = np.sqrt(np.clip(1 - ((e + 3.25) / 3.25) ** 2, 0, None))
        above = np.sqrt(np.clip(1 - ((e - edge - 4) / 3.5) ** 2, 0, None))
        light = volume / (2 * np.pi**2) * (mass / 3.80998) ** 1.5 * np.sqrt(np.clip(e - edge, 0, None))
        row = 6 * ellipse / (ellipse.sum() * 0.02) + 8 * above / (above.sum() * 0.02) + light * (e < 6)
        if width:
            row = gaussian_filter1d(row, width / 0.02, mode="constant", truncate=8)
        return DOS(self.grid, row[None], width or None)

    @pytest.mark.parametrize(("edge", "mass", "volume"), [(1.42, 0.067, 45.0), (3.4, 0.28, 24.0)])
    @pytest.mark.parametrize("width", [0.0, 0.05, 0.1])
    def test_the_gap_ends_where_the_light_band_begins(self, edge, mass, volume, width):
        found = band_gap(self.dos(edge, mass, volume, width), 0.7)
        assert found.gap[0] == pytest.approx(edge, abs=0.03 + 2.2 * width)

    def test_a_level_in_the_light_band_is_one_of_a_metal(self):
        assert band_gap(self.dos(1.42, 0.067, 45.0, 0.0), 1.7).gap[0] == 0

    def test_ripples_are_not_followed(self):
        rng = np.random.default_rng(3)
        dos = self.dos(3.4, 1.5, 45.0, 0.1)
        noisy = DOS(self.grid, dos.values + 2e-3 * np.abs(gaussian_filter1d(rng.normal(size=dos.values.shape), 5)), 0.1)
        assert band_gap(noisy, 1.7).gap[0] == pytest.approx(band_gap(dos, 1.7).gap[0], abs=0.1)

    def test_a_touching_pair_of_bands_is_no_gap(self):
        grid = EnergyGrid.from_range(-8.0, 8.0, 0.02, "code")
        assert band_gap(DOS(grid, 0.3 * np.abs(grid.energies)[None]), 0.0).gap[0] == 0


class TestTheWindow:
    """What lies far away, or nowhere, does not change a gap."""

    levels = np.stack(
        [-0.75 - 10 * np.sqrt(np.linspace(0, 1, 800)), 0.75 + 11 * np.sqrt(np.linspace(0, 1, 800))], axis=1
    )

    def gap(self, low, high, *more):
        grid = EnergyGrid.from_range(low, high, 0.05, "fermi")
        weights = np.ones((1, 800, 2 + len(more))) * [4.0, 6.0, *(states for _, states in more)]
        levels = np.concatenate([self.levels, *(np.full((800, 1), level) for level, _ in more)], axis=1)
        dos = LDOS.from_eigenvalues(levels, np.ones(800), weights, grid, 0.3).total()
        return band_gap(dos, 0.0).gap[0]

    @pytest.mark.parametrize(("low", "high"), [(-60, 80), (-150, 14), (-14, 200)])
    def test_empty_energies(self, low, high):
        assert self.gap(low, high) == pytest.approx(self.gap(-14, 14), abs=1e-9)

    @pytest.mark.parametrize(("level", "states"), [(-25.0, 10.0), (-100.0, 20.0), (60.0, 50.0)])
    def test_far_levels(self, level, states):
        assert self.gap(-150, 80, (level, states)) == pytest.approx(self.gap(-14, 14), abs=1e-3)

    def test_a_gap_far_wider_than_what_counts_as_near(self):
        grid = EnergyGrid.from_range(-400.0, 400.0, 0.5, "code")
        dos = DOS(grid, np.where(abs(grid.energies) > 300, 2.0, 0.0)[None])
        assert band_gap(dos, 10.0, tolerance=0.5).gap[0] == pytest.approx(600.5)


class TestHiddenGaps:
    grid = EnergyGrid.from_range(-15.0, 15.0, 0.05, "code")

    def smeared(self, density, width):
        fine = np.arange(-18, 18, 0.01)
        kernel = np.exp(-(((self.grid.energies[:, None] - fine) / width) ** 2) / 2) / (width * np.sqrt(2 * np.pi))
        taper = np.exp(-((fine / 9) ** 6))
        return DOS(self.grid, 0.01 * (kernel @ (density(fine) * taper))[None], width)

    @pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
    @pytest.mark.parametrize("width", [0.15, 0.3])
    @pytest.mark.parametrize("off", [-0.2, 0.0, 0.2])
    def test_two_bands_with_tails_between(self, xp, power, width, off):
        """A gap of some widths, between edges that jump, or rise like a root, or straight."""
        half = width * {0.0: 1.25, 0.5: 0.8, 1.0: 0.3}[power]
        dos = self.smeared(lambda e: np.clip(abs(e) - half, 0, None) ** power * (abs(e) > half), width)
        dos = DOS(dos.grid, xp.asarray(np.array(dos.values)), width)
        assert to_numpy(hidden_gap(dos, off * width)).all()
        assert float(band_gap(dos, off * width).gap[0]) == 0

    @pytest.mark.parametrize(
        "metal",
        [
            lambda e: np.ones_like(e),
            lambda e: np.sqrt(np.clip(e + 8, 0, None)),  # aluminium: free electrons
            lambda e: 1 + 0.5 * np.sin(3 * e),
            lambda e: 0.3 + np.clip(abs(e), 0, 2),  # a dip that does not reach zero
            lambda e: np.sqrt(abs(e)),  # two parabolic bands that touch
            lambda e: np.clip(2 - e, 0, None) * (e < 0.1),  # the edge of one band
        ],
    )
    @pytest.mark.parametrize("width", [0.15, 0.3])
    def test_no_metal(self, metal, width):
        dos = self.smeared(metal, width)
        for energy in np.arange(-0.3, 0.31, 0.1):
            assert not hidden_gap(dos, energy)[0]

    def test_not_without_smearing_and_not_a_gap_that_is_seen(self):
        values = bands()
        assert not hidden_gap(DOS(GRID, values), 0.0)[0]
        dos = self.smeared(lambda e: (abs(e) > 2.0) * 1.0, 0.2)
        assert not hidden_gap(dos, 0.0)[0]
        assert band_gap(dos, 0.0).gap[0] > 2

    def test_silicon_smeared(self):
        """The diamond structure without displacements, and structures that are metals."""
        import ldosml

        data = ldosml.load_dataset("silicon").broaden_to(0.3)
        found = hidden_gap(data.dos, ldosml.fermi_level(data.dos, data.n_electrons).energy)
        kinds = np.array(data.kinds)
        assert found[kinds == "diamond"].sum() > 20
        assert not found[kinds != "diamond"].any()


def pymatgen_dos(values, fermi, grid=GRID):
    dos = pytest.importorskip("pymatgen.electronic_structure.dos")
    spin = pytest.importorskip("pymatgen.electronic_structure.core").Spin
    return dos.Dos(fermi, grid.energies, {spin.up: values})


@pytest.mark.parametrize("tolerance", [1e-4, 1e-2, 0.2])
def test_gap_as_pymatgen_finds_it(tolerance):
    rng, compared = np.random.default_rng(1), 0
    for _ in range(10):
        valence, conduction = rng.uniform(-3, -1), rng.uniform(0.5, 3)
        e = GRID.energies
        width = rng.uniform(0.05, 0.3)
        edges = np.tanh((e - conduction) / width) - np.tanh((e - valence) / width) + 2
        values = edges * rng.uniform(0.5, 1, e.size)
        fermi = (valence + conduction) / 2
        gap, high, low = pymatgen_dos(values, fermi).get_interpolated_gap(tol=tolerance)
        if gap:
            compared += 1
            same = tolerance * values.mean() / around(values, fermi)  # its threshold is of the mean over the grid
            ours = band_gap(DOS(GRID, values[None]), fermi, tolerance=same)
            assert ours.gap[0] == pytest.approx(gap, abs=1e-9)
            assert ours.conduction_edge[0] == pytest.approx(high, abs=1e-9)
            assert ours.valence_edge[0] == pytest.approx(low, abs=1e-9)
    assert compared >= 5


def test_carriers_as_pymatgen_counts_them():
    dos = pytest.importorskip("pymatgen.electronic_structure.dos")
    structure = pytest.importorskip("pymatgen.core").Structure
    # A fine grid: FermiDos sums f over the energies, and begins beside the middle of the gap.
    grid = EnergyGrid.from_range(-4, 4, 0.002, zero="code")
    e = grid.energies
    values = 3 * np.sqrt(np.clip(-e - 0.5, 0, None)) + 2 * np.sqrt(np.clip(e - 0.6, 0, None))
    cell = structure(4.0 * np.eye(3), ["Si"], [[0, 0, 0]])
    count = float(np.trapezoid(values[e < 0], e[e < 0]))
    theirs = dos.FermiDos(pymatgen_dos(values, 0.0, grid), structure=cell, nelecs=count)
    for mu, temperature in ((0.0, 300.0), (0.3, 500.0), (-0.2, 1500.0), (0.7, 300.0)):
        ours = carrier_densities(DOS(grid, values[None]), mu, temperature, volumes=64.0, division=0.05)
        expected = theirs.get_e_h_concs(mu, temperature)
        assert ours.electrons[0] == pytest.approx(expected[0], rel=2e-3)
        assert ours.holes[0] == pytest.approx(expected[1], rel=2e-3)


def exact_electrons(energies, values, division, mu, kT):
    """Integral of the straight lines times f from ``division`` on, with 40 digits."""
    with mpmath.workdps(40):
        total = mpmath.mpf(0)
        kT, mu = mpmath.mpf(float(kT)), mpmath.mpf(float(mu))
        for a, b, left, right in zip(energies[:-1], energies[1:], values[:-1], values[1:], strict=True):
            if b <= division or left == right == 0:
                continue
            a, b, left, right = (mpmath.mpf(float(v)) for v in (a, b, left, right))
            slope, start = (right - left) / (b - a), max(a, mpmath.mpf(division))

            def at(energy, slope=slope, a=a, left=left):
                x = (energy - mu) / kT
                first, second = -mpmath.polylog(1, -mpmath.exp(-x)), -mpmath.polylog(2, -mpmath.exp(-x))
                return kT * first * (left + slope * (energy - a)) + kT**2 * slope * second

            total += at(start) - at(b)
        return float(mpmath.re(total))


@pytest.mark.parametrize("temperature", [30.0, 300.0, 30000.0])
@pytest.mark.parametrize(("mu", "step"), [(0.0, 0.1), (-0.4, 0.1), (0.9, 0.1), (1.3, 0.1), (-0.4, 1 / 12.7)])
def test_carriers_to_relative_rounding(xp, temperature, mu, step):
    """300 K in a gap of 2 eV is 1e-17 of a state; 30 K is 1e-160. Energies with many decimals count as they are."""
    grid = EnergyGrid.from_range(-2, 2, step, zero="code")
    energies = grid.start + grid.step * np.arange(grid.size)
    rng = np.random.default_rng(2)
    values = bands(grid=grid) * rng.uniform(0.5, 1, grid.size)
    kT = BOLTZMANN * temperature
    found = carrier_densities(DOS(grid, xp.asarray(values)), mu, temperature, division=0.03)
    electrons = exact_electrons(energies, values[0], 0.03, mu, kT)
    holes = exact_electrons(-energies[::-1], values[0, ::-1], -0.03, -mu, kT)
    assert float(found.electrons[0]) == pytest.approx(electrons, rel=1e-10)
    assert float(found.holes[0]) == pytest.approx(holes, rel=1e-10)


def test_constant_bands_in_closed_form():
    # A band of D from E_c on: n = D kT ln(1 + exp(-(E_c - mu)/kT)), for a steep edge, and in a gap D kT exp(...).
    grid = EnergyGrid.from_range(-1.5, 1.5, 1e-4, zero="code")
    kT, mu = BOLTZMANN * 300.0, 0.1
    found = carrier_densities(DOS(grid, bands(grid=grid)), mu, 300.0, division=0.0)
    assert found.electrons[0] == pytest.approx(2.0 * kT * np.exp(-(1.0 - 0.5e-4 - mu) / kT), rel=1e-5)
    assert found.holes[0] == pytest.approx(3.0 * kT * np.exp(-(mu + 1.0 - 0.5e-4) / kT), rel=1e-5)


@pytest.mark.parametrize("reduced", [-10.0, -1.0, 0.0, 3.0])
def test_a_square_root_band_is_half_order(reduced):
    # D = sqrt(e): n = (kT)^(3/2) Gamma(3/2) F_1/2(mu/kT), F_1/2 = -Li_3/2(-exp(mu/kT)).
    grid = EnergyGrid.from_range(-0.5, 2.5, 1e-3, zero="code")
    dos = DOS(grid, np.sqrt(np.clip(grid.energies, 0, None))[None])
    kT = BOLTZMANN * 300.0
    expected = kT**1.5 * float(mpmath.gamma(1.5) * -mpmath.re(mpmath.polylog(1.5, -mpmath.exp(reduced))))
    found = carrier_densities(dos, reduced * kT, 300.0, division=-0.3)
    assert found.electrons[0] == pytest.approx(expected, rel=5e-3)


def test_a_cold_gap_underflows_to_zero():
    found = carrier_densities(DOS(GRID, bands()), 0.0, 10.0)
    assert found.electrons[0] == 0
    assert found.holes[0] == 0


def test_electrons_equal_holes_where_mu_says_so():
    # mu of two bands: the middle + kT/2 ln(D_v/D_c).
    temperatures = np.array([200.0, 300.0, 800.0])
    mu = 0.5 * BOLTZMANN * temperatures * np.log(3.0 / 2.0)
    found = carrier_densities(DOS(GRID, bands()), mu[None, :], temperatures)
    assert found.electrons.shape == (1, 3)
    # ... up to exp(-E_gap/2kT), by which electrons exclude each other.
    np.testing.assert_allclose(found.electrons, found.holes, rtol=1e-6)


@pytest.mark.parametrize("shift", [-3.1, 1.7])
def test_the_zero_of_energy_moves_no_carriers(shift):
    """The energy between the bands is the middle of the gap, wherever the zero is."""
    kelvin, mu = np.array([200.0, 800.0]), np.array([[0.1, -0.2]])
    moved = DOS(EnergyGrid(GRID.start + shift, GRID.step, GRID.size, GRID.zero), bands())
    expected = carrier_densities(DOS(GRID, bands()), mu, kelvin, division=0.0)
    found = carrier_densities(moved, mu + shift, kelvin)
    np.testing.assert_allclose(found.electrons, expected.electrons, rtol=1e-9)
    np.testing.assert_allclose(found.holes, expected.holes, rtol=1e-9)


def test_a_metal_has_no_carriers_to_count(xp):
    dos = DOS(GRID, xp.asarray(np.concatenate([bands(), bands()])))
    found = carrier_densities(dos, xp.asarray([0.0, 2.0]), 300.0)
    assert np.isnan(to_numpy(found.electrons)).tolist() == [False, True]
    assert np.isnan(to_numpy(found.holes)).tolist() == [False, True]
    divided = carrier_densities(dos, xp.asarray([0.0, 2.0]), 300.0, division=0.0)
    # Two states/eV from 1 to 2 eV, and half of the cell where they begin.
    assert float(divided.electrons[1]) == pytest.approx(2.0 * 1.025, rel=1e-6)


def test_atoms_share_the_carriers_of_their_structure(xp):
    rng = np.random.default_rng(3)
    values = np.concatenate([bands()] * 3) * rng.uniform(0.2, 1, (3, GRID.size))
    ldos = LDOS(GRID, xp.asarray(values), structure_index=xp.asarray([0, 0, 1]))
    mu = xp.asarray([[0.1, 0.0], [-0.2, 0.1]])
    arguments = (mu, [300.0, 900.0])
    rows = carrier_densities(ldos, *arguments, volumes=xp.asarray([40.0, 20.0]))
    whole = carrier_densities(ldos.total(), *arguments, volumes=xp.asarray([40.0, 20.0]))
    for side in ("electrons", "holes"):
        each, total = to_numpy(getattr(rows, side)), to_numpy(getattr(whole, side))
        assert each.shape == (3, 2)
        np.testing.assert_allclose(each[:2].sum(axis=0), total[0], rtol=1e-12)
        np.testing.assert_allclose(each[2], total[1], rtol=1e-12)
    cell = carrier_densities(ldos.total(), *arguments)
    np.testing.assert_allclose(to_numpy(whole.electrons), to_numpy(cell.electrons) * 1e24 / np.array([[40.0], [20.0]]))


def test_silicon_as_it_ships():
    import ldosml

    data = ldosml.load_dataset("silicon")
    found = band_gap(data.dos, data.fermi_energy, tolerance=[0.01, 0.1])
    kinds = np.array(data.kinds)
    assert found.gap[kinds == "liquid"].max() == 0
    # Smearing by 0.1 eV fills most of a gap of half an eV; what is left of it needs a high threshold.
    assert found.gap[kinds == "diamond", 1].max() > 0.4
    assert (found.gap[:, 1] >= found.gap[:, 0]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tolerance": 0.0}, "tolerance must be a number above zero"),
        ({"tolerance": [0.1, np.nan]}, "tolerance must be"),
        ({"fermi_energy": 7.0}, "fermi_energy of structure 0 is 7 eV, beyond the grid"),
        ({"fermi_energy": [0.0]}, r"fermi_energy must have shape \(2\)"),
        ({"fermi_energy": np.nan}, "fermi_energy must be finite"),
    ],
)
def test_bad_gap_input(options, message):
    dos = DOS(GRID, np.concatenate([bands(), bands()]))
    with pytest.raises(ValueError, match=message):
        band_gap(dos, **({"fermi_energy": 0.0} | options))


def test_a_gap_wider_than_the_grid_is_named():
    dos = DOS(GRID, np.concatenate([bands(), bands(above=0.0)]))
    with pytest.raises(ValueError, match=r"structure 1 has a gap wider than the grid: .* upper end"):
        band_gap(dos, 0.0)
    with pytest.raises(ValueError, match="structure 1 has a gap wider"):
        carrier_densities(dos, 0.0, 300.0)
    ldos = LDOS(GRID, np.concatenate([bands(), bands(below=0.0)]), structure_index=np.array([0, 0]))
    with pytest.raises(ValueError, match=r"structure 0 \(atom in row 1\) has a gap wider .* lower end"):
        band_gap(ldos, 0.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1.0}, "above 0 K"),
        ({"mu": [0.0]}, r"mu must have shape \(2\)"),
        ({"volumes": [40.0, 0.0]}, "volumes must be above 0 .*got 0 at place 1 of 2"),
        ({"volumes": [40.0]}, r"volumes must have shape \(2\)"),
        ({"division": 9.0}, "division of structure 0 is 9 eV, beyond the grid"),
        ({"division": np.nan}, "division must be finite"),
    ],
)
def test_bad_carrier_input(options, message):
    dos = DOS(GRID, np.concatenate([bands(), bands()]))
    with pytest.raises(ValueError, match=message):
        carrier_densities(dos, **({"mu": 0.0, "temperature": 300.0} | options))
