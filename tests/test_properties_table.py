"""All properties at once against each alone, the table of them, its files, comparisons, and repaired spectra."""

import csv
import errno
import json
import os
import re
import warnings

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from ldosml import DOS, LDOS, EnergyGrid
from ldosml._array import to_numpy
from ldosml.properties import (
    Comparison,
    FermiLevelWarning,
    HiddenGapWarning,
    NegativeDOSWarning,
    PropertyTable,
    SpinConventionWarning,
    absorption_spectrum,
    band_energy,
    band_gap,
    carrier_densities,
    chemical_potential,
    compare_properties,
    derive_properties,
    dos_at_fermi_level,
    entropy,
    fermi_level,
    free_energy,
    heat_capacity,
    hidden_gap,
    moments,
    negative_weight,
    nonnegative,
    pauli_susceptibility,
    sommerfeld_coefficient,
)
from ldosml.properties.quantities import PER_ATOM, PER_CELL, QUANTITIES

# Random levels smeared by 0.3 eV leave some gaps that cannot be told.
pytestmark = pytest.mark.filterwarnings("ignore::ldosml.properties.HiddenGapWarning")

GRID = EnergyGrid.from_range(-10.0, 10.0, 0.05, zero="code")
WIDTH = 0.3
KELVIN = np.array([1.0, 10.0, 300.0, 700.0, 3000.0])  # Gauss, equidistant and trapezoid
PHOTONS = np.array([0.0, 0.31, 2.0, 7.5])
GAPS = (0.0, 5.0, 0.0, 6.0, 1.0)
N_ATOMS = (2, 1, 3, 2, 1)


def smeared(grid, levels, states, width=WIDTH):
    u = (grid.energies - to_numpy(levels)[:, None]) / width
    return to_numpy(states) @ np.exp(-0.5 * u * u) / (width * np.sqrt(2 * np.pi))


def spectra(xp=np, *, gaps=GAPS, n_atoms=N_ATOMS, dip=0.0, grid=GRID):
    """LDOS of metals and insulators, four electrons an atom; ``dip``: states that one atom lacks far above."""
    rng = np.random.default_rng(11)
    rows = []
    for gap, n in zip(gaps, n_atoms, strict=True):
        low = -gap / 2 - (8 - gap / 2) * (np.arange(8) + rng.uniform(0.2, 0.8, 8)) / 8
        high = gap / 2 + (8 - gap / 2) * (np.arange(12) + rng.uniform(0.2, 0.8, 12)) / 12
        shares = rng.uniform(0.5, 1.5, (n, 20))
        shares *= 0.5 * n / shares.sum(axis=0)
        rows += [smeared(grid, [*low, *high], share) for share in shares]
    rows[-1] = rows[-1] - dip * smeared(grid, [8.6], [1.0])
    index = np.repeat(np.arange(len(n_atoms)), n_atoms)
    return LDOS(grid, xp.asarray(np.stack(rows)), WIDTH, structure_index=xp.asarray(index))


def electrons(xp=np, n_atoms=N_ATOMS):
    return xp.asarray(4.0 * to_numpy(n_atoms))


def own_dips(s):
    """States that the negative values of each row add up to."""
    return np.clip(-to_numpy(s.values), 0, None).sum(axis=1) * s.grid.step


def alone(s, n, kelvin):
    """Every column of ``derive_properties`` by the function of its own."""
    rows = (lambda a: to_numpy(a)[to_numpy(s.structure_index)]) if isinstance(s, LDOS) else to_numpy
    level, mu, shape = fermi_level(s, n), chemical_potential(s, n, kelvin), moments(s)
    gap = band_gap(s.total() if isinstance(s, LDOS) else s, level.energy)
    metal = to_numpy(gap.gap) == 0
    gamma = sommerfeld_coefficient(s, level.energy)
    given = {} if isinstance(s, LDOS) else {"n_electrons": n}
    columns = given | {
        "negative_weight": own_dips(s),
        "fermi_level": rows(level.energy),
        "valence_edge": rows(np.where(metal, np.nan, to_numpy(gap.valence_edge))),
        "conduction_edge": rows(np.where(metal, np.nan, to_numpy(gap.conduction_edge))),
        "dos_at_fermi_level": dos_at_fermi_level(s, level.energy),
        "chemical_potential": rows(mu),
        "band_energy": band_energy(s, mu, kelvin),
        "band_energy_from_mu": band_energy(s, mu, kelvin, relative_to="mu"),
        "entropy": entropy(s, mu, kelvin),
        "free_energy": free_energy(s, mu, kelvin),
        "heat_capacity": heat_capacity(s, mu, kelvin),
        "pauli_susceptibility": pauli_susceptibility(s, mu, kelvin),
        **({} if isinstance(s, LDOS) else {PER_CELL: gamma}),
        PER_ATOM: gamma if isinstance(s, LDOS) else to_numpy(gamma) / to_numpy(s.n_atoms),
        "band_center": shape.center,
        "band_width": shape.width,
    }
    if isinstance(s, DOS):
        carriers = carrier_densities(s, mu, kelvin, division=(gap.valence_edge + gap.conduction_edge) / 2)
        columns |= {"band_gap": np.where(to_numpy(hidden_gap(s, level.energy)), np.nan, to_numpy(gap.gap))}
        columns |= {
            name: np.where(metal[:, None], np.nan, to_numpy(getattr(carriers, name))) for name in ("electrons", "holes")
        }
    return {name: to_numpy(values) for name, values in columns.items()}


def assert_same(found, expected, rtol=1e-9):
    """Columns alike, in order, and missing in the same places."""
    assert list(found) == list(expected)
    for name, values in expected.items():
        largest = np.nanmax(np.abs(values), initial=0.0)
        np.testing.assert_allclose(found[name], values, rtol=rtol, atol=1e-14 * largest, err_msg=name)


class TestDeriveProperties:
    @pytest.mark.parametrize("dip", [0.0, 0.03])
    @pytest.mark.parametrize("kind", [LDOS.total, lambda ldos: ldos], ids=["DOS", "LDOS"])
    def test_gives_what_each_function_gives(self, xp, kind, dip):
        s, n = kind(spectra(xp, dip=dip)), electrons(xp)
        table = derive_properties(s, n, xp.asarray(KELVIN), photon_energies=xp.asarray(PHOTONS))
        assert_same(table.columns, alone(s, n, KELVIN))
        mu = chemical_potential(s, n, KELVIN)
        absorbed = to_numpy(absorption_spectrum(s, mu, KELVIN, photon_energies=PHOTONS))
        np.testing.assert_allclose(table.spectra["absorption_spectrum"], absorbed, rtol=1e-9, atol=1e-13)
        everything = [table.temperatures, *table.columns.values(), *table.spectra.values(), table.photon_energies]
        assert all(type(values) is np.ndarray and values.dtype == np.float64 for values in everything)
        assert (table.column("negative_weight").max() > 0.01) == (dip > 0)

    @pytest.mark.parametrize("quadrature", ["gauss", "linear", "forced-trapezoid"])
    def test_by_every_rule(self, quadrature):
        s, kelvin = spectra().total(), np.array([900.0, 2000.0])
        table = derive_properties(s, electrons(), kelvin, quadrature=quadrature)
        mu = chemical_potential(s, electrons(), kelvin, quadrature=quadrature)
        np.testing.assert_allclose(table.columns["chemical_potential"], mu, rtol=1e-9, atol=1e-10)
        heat = heat_capacity(s, mu, kelvin, quadrature=quadrature)
        np.testing.assert_allclose(table.columns["heat_capacity"], heat, rtol=1e-8)

    def test_metals_have_no_edges_and_no_carriers(self):
        table = derive_properties(spectra().total(), electrons(), KELVIN)
        wide = np.array(GAPS) >= 5
        for name in ("valence_edge", "conduction_edge"):
            np.testing.assert_array_equal(np.isfinite(table.column(name)), wide)
        for name in ("electrons", "holes"):
            np.testing.assert_array_equal(np.isfinite(table.columns[name]), np.repeat(wide[:, None], 5, axis=1))
        np.testing.assert_array_equal(table.column("band_gap") > 0, wide)
        edges = table.column("conduction_edge") - table.column("valence_edge")
        np.testing.assert_array_equal(table.column("band_gap")[wide], edges[wide])
        for name in set(table.columns) - {"valence_edge", "conduction_edge", "band_gap", "electrons", "holes"}:
            assert np.isfinite(table.columns[name]).all(), name

    def test_a_gap_that_goes_on_to_the_end_of_the_grid(self):
        """The foot of a band, below the threshold of a gap, is enough for a chemical potential."""
        values = np.stack([smeared(GRID, [-3, -2, level], [2, 2, 2]) for level in (2.0, 11.2)])
        table = derive_properties(DOS(GRID, values, WIDTH), 4.0, KELVIN)
        # Where a Gaussian of two states falls to a hundredth of the DOS that its states have around them.
        weight = np.exp(-(((GRID.energies - table.column("fermi_level")[0]) / 5) ** 2) / 2)
        around = (weight * values[0] ** 2).sum() / (weight * values[0]).sum()
        reach = WIDTH * np.sqrt(2 * np.log(2 / (WIDTH * np.sqrt(2 * np.pi)) / (0.01 * around)))
        assert table.column("band_gap")[0] == pytest.approx(4 - 2 * reach, abs=0.01)
        assert np.isfinite(table.columns["chemical_potential"]).all()
        for name in ("band_gap", "electrons", "holes"):
            assert np.isfinite(table.columns[name][0]).all()
            assert np.isnan(table.columns[name][1]).all()

    def test_metals_only(self):
        one = LDOS(GRID, spectra().values[:2], WIDTH, structure_index=[0, 0])
        table = derive_properties(one.total(), 8.0, 300.0)
        assert np.isnan(table.column("holes")).all()

    def test_atoms_add_up_to_their_structures(self):
        ldos = spectra(dip=0.03)
        options = {"n_electrons": electrons(), "temperatures": KELVIN, "photon_energies": PHOTONS}
        atoms, whole = derive_properties(ldos, **options), derive_properties(ldos.total(), **options)
        assert list(atoms.columns) == [
            n for n in whole.columns if n not in ("n_electrons", "band_gap", "electrons", "holes", PER_CELL)
        ]
        first = np.searchsorted(ldos.structure_index, np.arange(len(N_ATOMS)))
        extensive = {name for name in atoms.columns if QUANTITIES[name].extensive}
        for name in extensive - {"negative_weight"}:
            summed, scale = np.add.reduceat(atoms.columns[name], first), np.abs(whole.columns[name]).max()
            np.testing.assert_allclose(summed, whole.columns[name], rtol=1e-8, atol=1e-13 * scale, err_msg=name)
        for name in ("fermi_level", "valence_edge", "chemical_potential"):
            each = whole.columns[name][ldos.structure_index]
            np.testing.assert_allclose(atoms.columns[name], each, rtol=1e-9, atol=1e-12, err_msg=name)
        absorbed = (table.spectra["absorption_spectrum"] for table in (atoms, whole))
        np.testing.assert_allclose(np.add.reduceat(next(absorbed), first), next(absorbed), rtol=1e-9, atol=1e-12)

    @settings(max_examples=15, deadline=None)
    @given(
        st.permutations(range(len(GAPS))),
        st.lists(st.floats(20, 4000), min_size=1, max_size=4),
        st.sampled_from([0.0, 0.03]),
    )
    def test_whatever_the_order(self, order, kelvin, dip):
        """Of structures and of temperatures; and each structure as if it were alone."""
        dos = spectra(dip=dip).total()
        once = derive_properties(dos, electrons(), kelvin)
        moved = DOS(GRID, dos.values[order], WIDTH, dos.n_atoms[order])
        again = derive_properties(moved, electrons()[order], kelvin[::-1])
        # Where a gap is 20 to 30 kT wide, rounding of the count moves mu by up to a microelectronvolt.
        for name, values in once.columns.items():
            back = values[order] if values.ndim == 1 else values[order][:, ::-1]
            largest = np.nanmax(np.abs(values), initial=0.0)
            np.testing.assert_allclose(again.columns[name], back, rtol=1e-4, atol=1e-7 * largest, err_msg=name)

    @pytest.mark.parametrize("kind", [LDOS.total, lambda ldos: ldos], ids=["DOS", "LDOS"])
    def test_many_structures_are_derived_as_each_alone(self, kind):
        """More than one block."""
        rng = np.random.default_rng(2)
        gaps, n_atoms = rng.choice([0.0, 0.0, 1.0, 6.0], 350), rng.choice([1, 1, 3], 350)
        ldos = spectra(gaps=gaps, n_atoms=n_atoms)
        n, kelvin = electrons(n_atoms=n_atoms), np.array([10.0, 300.0, 3000.0])
        together = derive_properties(kind(ldos), n, kelvin)
        for place in (0, 133, 349, int(gaps.argmax()), int(gaps.argmin())):
            one = derive_properties(kind(ldos.select([place])), n[place], kelvin)
            rows = ldos.rows(place) if together.structure_index is not None else slice(place, place + 1)
            for name, values in one.columns.items():
                np.testing.assert_allclose(together.columns[name][rows], values, rtol=1e-8, atol=1e-12, err_msg=name)

    @pytest.mark.parametrize("kind", [LDOS.total, lambda ldos: ldos], ids=["DOS", "LDOS"])
    def test_deep_dips_are_repaired_with_one_warning(self, kind):
        s = kind(spectra(dip=0.5))
        with pytest.warns(NegativeDOSWarning, match=r"4\.\d% of the DOS of structure 4") as caught:
            table = derive_properties(s, electrons(), KELVIN, photon_energies=PHOTONS)
        (told,) = [one for one in caught if one.category is NegativeDOSWarning]
        assert told.filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NegativeDOSWarning)
            repaired = nonnegative(s)
            expected = alone(repaired, electrons(), KELVIN)
            weight = to_numpy(negative_weight(s))
        expected["negative_weight"] = own_dips(s)
        assert weight[-1] == pytest.approx(0.4, abs=0.1)
        assert_same(table.columns, expected)

    def test_rows_have_names_and_atoms(self):
        ldos = spectra()
        names = ["a", "b", "c", "d", "e"]
        whole = derive_properties(ldos.total(), electrons(), 300.0, names=names)
        assert whole.names == names
        assert whole.n_atoms.tolist() == list(N_ATOMS)
        assert whole.structure_index is None
        atoms = derive_properties(ldos, electrons(), 300.0, names=names)
        assert atoms.names == ["a:0", "a:1", "b:0", "c:0", "c:1", "c:2", "d:0", "d:1", "e:0"]
        assert atoms.structure_index.tolist() == [0, 0, 1, 2, 2, 2, 3, 3, 4]
        assert derive_properties(ldos.total(), electrons(), 300.0).names == ["0", "1", "2", "3", "4"]
        nameless = derive_properties(DOS(GRID, ldos.values[:2], WIDTH), 4.0, 300.0)
        assert nameless.n_atoms is None

    def test_says_how_it_was_computed(self):
        table = derive_properties(spectra().total(), electrons(), KELVIN)
        assert table.facts["quadrature"] == ["gauss", "gauss", "gauss", "equidistant", "trapezoid"]
        assert table.facts["smearing_width"] == WIDTH
        assert table.facts["energies"] == str(GRID)
        assert json.loads(json.dumps(table.facts)) == table.facts

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"names": ["one"]}, "names must have one name for each of the 5 structures; got 1"),
            ({"temperatures": [300.0, 0.0]}, "temperatures must be above 0 K"),
            ({"n_electrons": [4.0, 4.0]}, r"n_electrons must have shape \(5\)"),
            ({"n_electrons": 400.0}, "holds .* states"),
            ({"tolerance": 0.0}, "tolerance"),
            ({"quadrature": "simpson"}, "quadrature must be one of"),
            ({"quadrature": "trapezoid"}, "trapezoid is wrong"),
            ({"photon_energies": [-1.0]}, "photon_energies must be at least 0 eV"),
        ],
    )
    def test_says_what_is_wrong(self, options, message):
        given = {"n_electrons": electrons(), "temperatures": 300.0} | options
        with pytest.raises(ValueError, match=message):
            derive_properties(spectra().total(), **given)


class TestTheLevelGiven:
    """Electrons against a level that came with the DOS."""

    grid = EnergyGrid.from_range(-18.0, 12.0, 0.02, "fermi")

    def band(self, low, high, states):
        d = np.clip((self.grid.energies - low) * (high - self.grid.energies), 0, None)
        return states * d / (d.sum() * self.grid.step)

    def insulator(self, valence=24.0, spike=0.0, top=-0.02):
        dos = self.band(-16, -14.5, 8.0) + self.band(-5, top, valence) + self.band(4.8, 11.9, 20.0)
        dos[50] += spike / self.grid.step
        return dos

    def derive(self, *rows, n=32.0, kelvin=300.0, **options):
        grid = options.pop("grid", self.grid)
        return derive_properties(DOS(grid, np.stack(rows)), n, kelvin, **options)

    def test_agreement_says_nothing(self):
        table = self.derive(self.insulator())
        assert table.column("band_gap")[0] == pytest.approx(4.82, abs=0.01)
        # Any level within the gap, as of the codes that put it at the valence edge.
        for level in (0.0, 2.0, 4.7):
            self.derive(self.insulator(), fermi_energy=level)

    @pytest.mark.parametrize(
        ("row", "words"),
        [
            ({"valence": 23.984}, r"from the electrons of structure 0 is 4\.9\d+ eV, and the level given is 0\.000 eV"),
            ({"valence": 23.984}, r"the DOS holds 32 and 31\.984 states; n_electrons is 32"),
            (
                {"valence": 23.984},
                r"in a gap from -0\.0\d+ to 4\.8\d+ eV.*differ from n_electrons by 0\.0005.*tolerance=0\.0007",
            ),
            ({"spike": 2.4}, r"is -0\.99\d eV.*a spike at -17 eV.*counts as 2\.4 states"),
        ],
    )
    def test_a_count_near_that_of_a_gap(self, row, words):
        with pytest.warns(FermiLevelWarning, match=words) as said:
            self.derive(self.insulator(**row))
        assert len(said) == 1
        assert said[0].filename == __file__
        enough = float(re.search(r"With tolerance=([\d.e-]+) ", str(said[0].message)).group(1))
        table = self.derive(self.insulator(**row), tolerance=enough)
        assert 0 < table.column("fermi_level")[0] < 4.8
        assert table.column("band_gap")[0] == pytest.approx(4.82, abs=0.01)
        assert table.column("heat_capacity")[0] < 1e-12

    @pytest.mark.parametrize(("factor", "word"), [(0.5, "half"), (2.0, "twice")])
    def test_one_spin(self, factor, word):
        with pytest.warns(SpinConventionWarning, match=f"holds {word} the electrons") as said:
            self.derive(factor * (self.insulator() + self.band(4.8, 11.9, 60.0)), fermi_energy=0.0)
        assert len(said) == 1

    def test_shells_that_the_window_leaves_out(self):
        above = self.grid.cut(low=-8.0)
        row = self.insulator()[self.grid.window(low=-8.0)]
        with pytest.warns(FermiLevelWarning, match=r"begin above 8 electrons of filled \(semicore\) shells"):
            self.derive(row, grid=above)
        self.derive(row, grid=above, n=24.0)
        with pytest.warns(FermiLevelWarning, match="leaves out 8 electrons of filled"):
            self.derive(self.insulator(), n=24.0)

    def test_a_metal_a_little_off(self):
        """Less than the step, the smearing or kT is no difference; more is one."""
        e = self.grid.energies
        values = 2 * np.exp(-((e / 4) ** 4))
        below = values[e < 0].sum() * 0.02
        derive_properties(DOS(self.grid, values[None], 0.1), below + 0.15, 300.0)
        with pytest.warns(FermiLevelWarning, match="do not belong together"):
            derive_properties(DOS(self.grid, values[None], 0.1), below + 0.3, 300.0)
        derive_properties(DOS(self.grid, values[None], 0.1), below + 0.3, 3000.0)

    @pytest.mark.parametrize("width", [0.05, 0.1, 0.3])
    @pytest.mark.parametrize("level", [-0.02, 2.0, 4.8])
    def test_edges_of_a_smeared_gap_are_in_it(self, width, level):
        """Codes give the highest occupied state, which the smearing leaves in the tail of a band."""
        row = gaussian_filter1d(self.insulator(), width / self.grid.step, mode="constant", truncate=8)
        derive_properties(DOS(self.grid, row[None], width), 32.0, 300.0, fermi_energy=level)

    @pytest.mark.parametrize("width", [0.0, 0.05, 0.3])
    @pytest.mark.parametrize("off", [-4e-4, 4e-4, 0.02])
    @pytest.mark.parametrize("level", [2.0, np.nan])
    def test_a_count_that_ends_in_the_tail_of_a_band(self, width, off, level):
        row = self.insulator() * np.where(self.grid.energies < 2, 1 + off, 1)
        if width:
            row = gaussian_filter1d(row, width / self.grid.step, mode="constant", truncate=8)
        dos = DOS(self.grid, row[None], width or None)
        if np.isnan(level) and off > 0.005:  # may be a metal
            return
        with pytest.warns(FermiLevelWarning, match="gap") as said:
            derive_properties(dos, 32.0, 300.0, fermi_energy=level)
        enough = float(re.search(r"With tolerance=([\d.e-]+) ", str(said[0].message)).group(1))
        table = derive_properties(dos, 32.0, 300.0, fermi_energy=level, tolerance=enough)
        assert table.column("fermi_level")[0] == pytest.approx(2.4, abs=0.2)

    @pytest.mark.parametrize("off", [-5e-5, 5e-5])
    @pytest.mark.parametrize("width", [0.0, 0.1])
    def test_a_rounding_of_the_count_keeps_a_whole_number_in_the_gap(self, off, width):
        row = self.insulator() * np.where(self.grid.energies < 2, 1 + off, 1)
        if width:
            row = gaussian_filter1d(row, width / self.grid.step, mode="constant", truncate=8)
        dos = DOS(self.grid, row[None], width or None)
        table = derive_properties(dos, 32.0, 300.0)
        assert table.column("fermi_level")[0] == pytest.approx(2.39, abs=0.1)
        assert table.column("chemical_potential")[0] == pytest.approx(2.39, abs=0.1)
        for n, options in ((32.0, {"tolerance": 1e-7}), (32.0 + 1e-3 * np.sign(off), {})):  # strict, and doped
            with pytest.warns(FermiLevelWarning):
                level = fermi_level(dos, n, **options).energy[0]
            assert abs(level - 2.39) > 2

    def test_every_function_compares_with_the_zero(self):
        dos = DOS(self.grid, self.insulator(23.984)[None])
        for derived in (lambda: fermi_level(dos, 32.0), lambda: chemical_potential(dos, 32.0, 300.0)):
            with pytest.warns(FermiLevelWarning, match=r"is 4\.9\d+ eV, and the level given is 0\.000 eV"):
                derived()

    def test_one_warning_for_all_and_only_for_known_levels(self):
        rows = [self.insulator(), self.insulator(23.984), self.insulator(spike=2.4), self.insulator(23.98)]
        with pytest.warns(FermiLevelWarning, match=r"structure 1 is .* in 2 of 4 structures") as said:
            self.derive(*rows, n=[32.0, 32.0, 32.0, 31.99], fermi_energy=[0.0, 0.0, 0.0, np.nan])
        assert len(said) == 1
        code = EnergyGrid.from_range(-18.0, 12.0, 0.02, "code")
        self.derive(rows[0], grid=code)
        with pytest.warns(FermiLevelWarning, match="in 3 of 4"):
            self.derive(*rows, grid=code, fermi_energy=0.0)

    @pytest.mark.parametrize(
        ("level", "message"),
        [(20.0, "beyond the grid"), ([0.0, 0.0], r"must have shape \(1\)"), (np.inf, "must be finite")],
    )
    def test_bad_levels(self, level, message):
        with pytest.raises(ValueError, match=message):
            self.derive(self.insulator(), fermi_energy=level)


class TestHiddenGap:
    def test_is_told_in_words(self, tmp_path):
        e = GRID.energies
        ndtr = pytest.importorskip("scipy.special").ndtr
        rows = [
            ndtr((e + 8) / 0.3) - ndtr((e + g) / 0.3) + ndtr((e - g) / 0.3) - ndtr((e - 8) / 0.3) for g in (0.35, 2)
        ]
        with pytest.warns(HiddenGapWarning, match=r"structure 0 is not resolvable \(smearing 0.3 eV\)"):
            found = derive_properties(DOS(GRID, np.stack(rows), 0.3), [7.65, 6.0], 300.0)
        assert np.isnan(found.column("band_gap")).tolist() == [True, False]
        assert found.notes == {"band_gap": ["not resolvable (smearing 0.3 eV)", ""]}
        assert found.to_dict()["notes"] == found.notes
        assert [record["band_gap_note"] for record in found.records()] == ["not resolvable (smearing 0.3 eV)", None]
        with open(found.save(tmp_path / "t.csv")) as file:
            assert next(csv.DictReader(file))["band_gap_note"] == "not resolvable (smearing 0.3 eV)"
        with h5py.File(found.save(tmp_path / "t.h5")) as file:
            assert file["notes/band_gap"][0] == b"not resolvable (smearing 0.3 eV)"
        among = found.spread(np.array([False, True, True]), ["a", "b", "c"], None)
        assert among.notes["band_gap"] == ["", "not resolvable (smearing 0.3 eV)", ""]
        assert "not resolvable" in found._repr_html_()


def table(**options):
    """Two structures, one of them a metal, at two temperatures."""
    return PropertyTable(
        **{
            "temperatures": np.array([300.0, 1000.0]),
            "columns": {
                "fermi_level": np.array([1.5, -0.25]),
                "valence_edge": np.array([1.0, np.nan]),
                "n_electrons": np.array([8.0, 16.0]),
                "heat_capacity": np.array([[1e-5, 2e-5], [3e-4, 4e-4]]),
            },
            "names": ["quartz, alpha", "silver"],
            "n_atoms": np.array([2, 4]),
            "photon_energies": np.array([0.5, 1.0, 1.5]),
            "spectra": {"absorption_spectrum": np.arange(12.0).reshape(2, 2, 3)},
            "facts": {"quadrature": ["gauss", "trapezoid"], "smearing_width": None},
        }
        | options
    )


class TestPropertyTable:
    def test_repr(self):
        text = "PropertyTable(2 structures; 300, 1000 K; fermi_level, valence_edge, n_electrons, heat_capacity, "
        assert repr(table()) == text + "absorption_spectrum)"
        assert repr(table(structure_index=np.array([0, 0]))).startswith("PropertyTable(2 atoms")
        assert len(table()) == 2

    def test_column(self):
        np.testing.assert_array_equal(table().column("heat_capacity", 1000.0), [2e-5, 4e-4])
        np.testing.assert_array_equal(table().column("heat_capacity", 300), [1e-5, 3e-4])
        np.testing.assert_array_equal(table().column("fermi_level"), [1.5, -0.25])
        np.testing.assert_array_equal(table().column("fermi_level", 300.0), [1.5, -0.25])
        one = table(temperatures=np.array([300.0]), columns={"heat_capacity": np.array([[1.0], [2.0]])})
        np.testing.assert_array_equal(one.column("heat_capacity"), [1.0, 2.0])

    def test_spectrum(self):
        np.testing.assert_array_equal(table().spectrum("absorption_spectrum", 1000.0), [[3, 4, 5], [9, 10, 11]])

    @pytest.mark.parametrize(
        ("ask", "message"),
        [
            (
                lambda t: t.column("magnetism"),
                "has no 'magnetism'; it has fermi_level, valence_edge, n_electrons, heat",
            ),
            (lambda t: t.column("absorption_spectrum", 300.0), "has no 'absorption_spectrum'"),
            (lambda t: t.column("heat_capacity", 301.0), "temperature must be one of 300, 1000 K; got 301"),
            (lambda t: t.column("heat_capacity"), "temperature must be one of 300, 1000 K; got None"),
            (lambda t: t.column("heat_capacity", float("nan")), "temperature must be above 0 K and finite; got nan"),
            (lambda t: t.spectrum("heat_capacity", 300.0), "no spectra 'heat_capacity'; ask derive_properties for"),
            (lambda t: t.spectrum("absorption_spectrum", 2.0), "temperature must be one of 300, 1000 K; got 2"),
            (lambda t: t.spectrum("absorption_spectrum"), "temperature must be one of"),
        ],
    )
    def test_unknown_names_and_temperatures(self, ask, message):
        with pytest.raises(ValueError, match=message):
            ask(table())

    def test_every_property_has_a_unit_and_only_these_grow(self):
        s, n = spectra().total(), electrons()
        options = {"photon_energies": PHOTONS}
        derived = derive_properties(s, n, KELVIN, **options)
        assert {*derived.columns, *derived.spectra} == set(QUANTITIES)
        twice = derive_properties(DOS(GRID, 2 * s.values, WIDTH, 2 * to_numpy(s.n_atoms)), 2 * n, KELVIN, **options)
        for name, values in derived.columns.items():
            factor = 2 if QUANTITIES[name].extensive else 1
            scale = 1e-6 * np.nanmax(np.abs(values))
            np.testing.assert_allclose(twice.columns[name], factor * values, rtol=1e-6, atol=scale, err_msg=name)
        four = 4 * derived.spectra["absorption_spectrum"]
        np.testing.assert_allclose(twice.spectra["absorption_spectrum"], four, rtol=1e-6)

    def test_per_atom(self):
        each = table().per_atom()
        np.testing.assert_allclose(each.column("heat_capacity", 300.0), [5e-6, 7.5e-5])
        np.testing.assert_array_equal(each.column("n_electrons"), [4.0, 4.0])
        np.testing.assert_array_equal(each.column("fermi_level"), [1.5, -0.25])
        np.testing.assert_allclose(each.spectrum("absorption_spectrum", 300.0)[1], np.array([6, 7, 8]) / 16)
        assert each.facts == table().facts | {"per_atom": True}
        assert each.per_atom() is each
        atoms = table(structure_index=np.array([0, 0]), n_atoms=None)
        assert atoms.per_atom() is atoms
        with pytest.raises(ValueError, match=r"make the DOS with n_atoms="):
            table(n_atoms=None).per_atom()

    def test_units(self):
        names = ("heat_capacity", "fermi_level", PER_ATOM, "absorption_spectrum")
        units = {
            "whole": ["eV/K", "eV", "mJ/mol/K^2", "states^2/eV"],
            "per atom": ["eV/K/atom", "eV", "mJ/mol/K^2", "states^2/eV/atom^2"],
            "atoms": ["eV/K/atom", "eV", "mJ/mol/K^2", "states^2/eV/atom"],
        }
        tables = (table(), table().per_atom(), table(structure_index=np.array([0, 0])))
        for t, expected in zip(tables, units.values(), strict=True):
            assert [t.unit(name) for name in names] == expected
        assert table().unit(PER_CELL) == "mJ/mol/K^2"
        assert (table().unit("n_electrons"), table().per_atom().unit("n_electrons")) == ("", "1/atom")

    def test_records(self):
        records = list(table().records())
        assert [(r["structure"], r["n_atoms"], r["temperature"]) for r in records] == [
            ("quartz, alpha", 2, 300.0),
            ("quartz, alpha", 2, 1000.0),
            ("silver", 4, 300.0),
            ("silver", 4, 1000.0),
        ]
        assert [r["heat_capacity"] for r in records] == [1e-5, 2e-5, 3e-4, 4e-4]
        assert [r["valence_edge"] for r in records] == [1.0, 1.0, None, None]
        assert {type(value) for record in records for value in record.values()} == {str, int, float, type(None)}
        assert "n_atoms" not in next(table(n_atoms=None).records())

    def test_to_pandas(self):
        frame = table().to_pandas()
        assert frame.shape == (4, 7)
        assert frame["heat_capacity"].tolist() == [1e-5, 2e-5, 3e-4, 4e-4]
        assert frame["valence_edge"].isna().tolist() == [False, False, True, True]
        assert frame.attrs["units"]["heat_capacity"] == "eV/K"
        assert table().per_atom().to_pandas().attrs["units"]["heat_capacity"] == "eV/K/atom"


class TestFiles:
    def test_csv(self, tmp_path):
        path = table().save(tmp_path / "a.csv")
        with open(path, newline="") as file:
            header, *lines = csv.reader(file)
        assert header == [
            "structure",
            "n_atoms",
            "temperature [K]",
            "fermi_level [eV]",
            "valence_edge [eV]",
            "n_electrons",
            "heat_capacity [eV/K]",
        ]
        assert lines[0] == ["quartz, alpha", "2", "300.0", "1.5", "1.0", "8.0", "1e-05"]
        assert lines[3] == ["silver", "4", "1000.0", "-0.25", "", "16.0", "0.0004"]
        assert len(lines) == 4

    def test_csv_keeps_every_digit(self, tmp_path):
        derived = derive_properties(spectra().total(), electrons(), KELVIN)
        with open(derived.save(tmp_path / "a.csv"), newline="") as file:
            lines = list(csv.DictReader(file))
        mu = np.array([float(line["chemical_potential [eV]"]) for line in lines]).reshape(5, 5)
        np.testing.assert_array_equal(mu, derived.columns["chemical_potential"])

    def test_json(self, tmp_path):
        text = table().save(tmp_path / "a.json").read_text()
        content = json.loads(text, parse_constant=pytest.fail)  # no NaN, which is not JSON
        assert content == table().to_dict()
        assert content["columns"]["valence_edge"] == [1.0, None]
        assert content["columns"]["heat_capacity"] == [[1e-5, 2e-5], [3e-4, 4e-4]]
        assert content["spectra"]["absorption_spectrum"][1][0] == [6, 7, 8]
        assert content["units"]["heat_capacity"] == "eV/K"
        assert content["facts"] == table().facts
        assert content["n_atoms"] == [2, 4]
        assert "structure_index" not in content

    def test_hdf5(self, tmp_path):
        names = ["Ω", "silver"]
        with h5py.File(table(names=names).save(tmp_path / "a.h5")) as file:
            assert file.attrs["format"] == "ldosml property table"
            assert json.loads(file.attrs["facts"]) == table().facts
            assert file["names"].asstr()[()].tolist() == names
            for name in ("temperatures", "n_atoms", "photon_energies"):
                np.testing.assert_array_equal(file[name][()], getattr(table(), name))
            assert "structure_index" not in file
            for group, arrays in (("columns", table().columns), ("spectra", table().spectra)):
                assert set(file[group]) == set(arrays)
                for name, values in arrays.items():
                    np.testing.assert_array_equal(file[group][name][()], values)
                    assert file[group][name].attrs["unit"] == table().unit(name)

    @pytest.mark.parametrize("ending", ["csv", "json", "h5"])
    def test_the_format_goes_by_the_ending(self, tmp_path, ending):
        path = table().save(str(tmp_path / f"a.{ending}"))
        assert path == tmp_path / f"a.{ending}"
        assert path.read_bytes()[:5] == {"csv": b"struc", "json": b'{\n "n', "h5": b"\x89HDF\r"}[ending]

    @pytest.mark.parametrize("name", ["a.txt", "a", "a.csv.gz", ".csv", "a.hdf5", "a.CSV"])
    def test_wrong_endings(self, tmp_path, name):
        with pytest.raises(ValueError, match=r"written to \.csv, \.json or \.h5; got '"):
            table().save(tmp_path / name)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("ending", ["csv", "json", "h5"])
    def test_refuses_to_overwrite(self, tmp_path, ending):
        path = tmp_path / f"a.{ending}"
        path.write_bytes(b"theirs")
        with pytest.raises(FileExistsError, match="exists already"):
            table().save(path)
        assert path.read_bytes() == b"theirs"
        assert table().save(path, overwrite=True) == path
        assert path.read_bytes() == table().save(tmp_path / f"b.{ending}").read_bytes()

    @pytest.mark.parametrize("existing", [False, True])
    @pytest.mark.parametrize("ending", ["csv", "json", "h5"])
    def test_leaves_nothing_half_written(self, tmp_path, monkeypatch, ending, existing):
        def full(descriptor):
            raise OSError(errno.ENOSPC, "No space left on device")

        path = tmp_path / f"a.{ending}"
        if existing:
            path.write_bytes(b"old")
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left on device; it was not written"):
            table().save(path, overwrite=True)
        assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"old"] * existing

    def test_an_error_within_leaves_nothing(self, tmp_path):
        """What JSON and HDF5 cannot hold shows only on the way."""
        wrong = table(facts={"grid": GRID})
        for ending in ("json", "h5"):
            with pytest.raises(TypeError):
                wrong.save(tmp_path / f"a.{ending}")
        with pytest.raises(KeyError):
            table(columns={"magnetism": np.ones(2)}).save(tmp_path / "a.h5")
        assert not list(tmp_path.iterdir())

    def test_no_such_folder(self, tmp_path):
        with pytest.raises(OSError, match="it was not written"):
            table().save(tmp_path / "none" / "a.csv")


class TestComparison:
    @settings(max_examples=50, deadline=None)
    @given(
        st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=2, max_size=8),
        st.floats(0.1, 10),
        st.floats(-3, 3),
    )
    def test_losses(self, pairs, scale, shift):
        a, b = np.array(pairs).T
        given = Comparison("band_gap", "eV", None, a, b)
        assert given.rmse == pytest.approx(np.linalg.norm(a - b) / np.sqrt(len(a)))
        assert given.bias == pytest.approx(b.mean() - a.mean(), abs=1e-12)
        assert given.sigma == pytest.approx(a.std())
        if given.sigma > 1e-3:
            assert given.normalized_loss == pytest.approx(given.rmse / a.std())
            mean = Comparison("band_gap", "eV", None, a, np.full(len(a), a.mean()))
            assert mean.normalized_loss == pytest.approx(1)
            # A unit and a zero of energy do not count.
            moved = Comparison("band_gap", "eV", None, scale * a + shift, scale * b + shift)
            assert moved.normalized_loss == pytest.approx(given.normalized_loss)
        assert Comparison("band_gap", "eV", None, a, a).rmse == 0

    def test_all_the_same(self):
        assert np.isnan(Comparison("band_gap", "eV", None, np.ones(3), np.arange(3.0)).normalized_loss)

    def test_values_that_are_equal_up_to_rounding_give_no_loss(self):
        level = 1.7 + 2.2e-16 * np.arange(5)
        assert level.std() > 0
        assert np.isnan(Comparison("fermi_level", "eV", None, level, level + 0.1).normalized_loss)

    def test_of_tables(self):
        true = table(names=["a", "b"])
        shifted = {name: values + 0.1 for name, values in true.columns.items()}
        predicted = table(names=["a", "b"], columns=shifted, spectra={"absorption_spectrum": np.ones((2, 2, 3))})
        names = ["fermi_level", "heat_capacity", "absorption_spectrum"]
        level, heat, absorbed = compare_properties(true, predicted, names, 1000.0)
        assert [c.name for c in (level, heat, absorbed)] == names
        assert [c.unit for c in (level, heat, absorbed)] == ["eV", "eV/K", "states^2/eV"]
        assert [c.temperature for c in (level, heat, absorbed)] == [None, 1000.0, 1000.0]
        np.testing.assert_array_equal(heat.true, [2e-5, 4e-4])
        np.testing.assert_allclose(heat.predicted, [0.10002, 0.1004])
        np.testing.assert_array_equal(absorbed.true, [[3, 4, 5], [9, 10, 11]])
        assert level.bias == pytest.approx(0.1)
        assert level.normalized_loss == pytest.approx(0.1 / 0.875)

    def test_what_either_has_not_is_left_out(self):
        nan = np.nan
        true = table(
            names=["a", "b", "c"],
            columns={"valence_edge": np.array([1.0, nan, 3.0]), "band_gap": np.array([nan, 1.0, nan])},
        )
        predicted = table(
            names=["a", "b", "c"],
            columns={"valence_edge": np.array([nan, 2.0, 4.0]), "band_gap": np.array([1.0, nan, nan])},
        )
        (edge,) = compare_properties(true, predicted, ["valence_edge", "band_gap"], 300.0)
        assert (edge.name, edge.true.tolist(), edge.predicted.tolist()) == ("valence_edge", [3.0], [4.0])
        assert np.isnan(edge.normalized_loss)

    @pytest.mark.parametrize(
        ("names", "temperature", "options", "message"),
        [
            (["fermi_level"], 300.0, {"names": ["silver", "quartz, alpha"]}, "same structures in the same order"),
            (["magnetism"], 300.0, {}, "has no 'magnetism'"),
            (["heat_capacity"], 400.0, {}, "temperature must be one of"),
            (["heat_capacity"], 300.0, {"temperatures": np.array([301.0, 1000.0])}, "temperature must be one of"),
            (["heat_capacity"], 300.0, {"columns": {}}, "has no 'heat_capacity'"),
            (["absorption_spectrum"], 300.0, {"spectra": {}}, "no spectra 'absorption_spectrum'"),
        ],
    )
    def test_tables_that_do_not_match(self, names, temperature, options, message):
        with pytest.raises(ValueError, match=message):
            compare_properties(table(), table(**options), names, temperature)

    def test_photon_energies_must_be_the_same(self):
        other = table(photon_energies=np.array([0.5, 1.0, 9.0]))
        with pytest.raises(ValueError, match="photon energies"):
            compare_properties(table(), other, ["absorption_spectrum"], 300.0)

    def test_predictions_against_their_reference(self):
        """From spectra to losses: a perfect prediction, and one that is a little off."""
        ldos = spectra(gaps=(0.0, 0.0, 0.3, 0.0, 0.5))
        off = LDOS(GRID, ldos.values * (1 + 0.005 * np.sin(GRID.energies)), WIDTH, structure_index=ldos.structure_index)
        true, same, predicted = (
            derive_properties(s.total(), electrons(), KELVIN).per_atom() for s in (ldos, ldos, off)
        )
        names = ["band_energy", "heat_capacity", "dos_at_fermi_level", "fermi_level"]
        assert [c.rmse for c in compare_properties(true, same, names, 300.0)] == [0, 0, 0, 0]
        losses = [c.normalized_loss for c in compare_properties(true, predicted, names, 300.0)]
        assert all(0 < loss < 0.2 for loss in losses)


SHORT = EnergyGrid.from_range(0.0, 0.3, 0.1, zero="fermi")


class TestNonnegative:
    @pytest.mark.parametrize(
        ("values", "repaired", "weight"),
        [
            ([0.0, 2.0, 2.02, -0.02], [0.0, 2.0, 2.0, 0.0], 0.002),
            ([-0.01, 3.0, -0.01, 1.0], [0.0, 2.985, 0.0, 0.995], 0.002),
            ([0.0, 1.0, 2.0, 0.0], [0.0, 1.0, 2.0, 0.0], 0.0),
            ([-1e-300, 1.0, 2.0, 0.0], [0.0, 1.0, 2.0, 0.0], 0.0),
        ],
    )
    def test_examples(self, xp, values, repaired, weight):
        dos = DOS(SHORT, xp.asarray([values]), WIDTH, xp.asarray([2]))
        found = nonnegative(dos)
        np.testing.assert_allclose(to_numpy(found.values), [repaired], rtol=1e-14)
        np.testing.assert_allclose(to_numpy(negative_weight(dos)), [weight], rtol=1e-12, atol=1e-15)
        assert (found.grid, found.smearing_width, int(found.n_atoms[0])) == (SHORT, WIDTH, 2)

    def test_gives_back_what_needs_no_repair(self, xp):
        for s in (spectra(xp), spectra(xp).total()):
            assert nonnegative(s) is s

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.lists(st.floats(-1, 3), min_size=4, max_size=4), min_size=1, max_size=4), st.floats(0.5, 3))
    @pytest.mark.filterwarnings("ignore::ldosml.properties.NegativeDOSWarning")
    def test_keeps_the_states_and_takes_only_from_what_is_there(self, rows, states):
        values = np.array(rows)
        values[:, 0] += np.clip(states - values.sum(axis=1), 0, None)
        dos = DOS(SHORT, values)
        found = nonnegative(dos).values
        assert found.min() >= 0
        np.testing.assert_allclose(found.sum(axis=1), values.sum(axis=1), rtol=1e-12)
        positive = np.clip(values, 0, None)
        np.testing.assert_allclose(negative_weight(dos), 0.1 * (positive - values).sum(axis=1), atol=1e-14)
        assert (found <= positive).all()
        again = nonnegative(DOS(SHORT, found))
        np.testing.assert_array_equal(again.values, found)

    def test_a_dip_far_above_moves_no_level_below(self):
        """0.9 % of the states negative above E_F: scaling the whole would raise the Fermi level by 0.1 eV."""
        grid = EnergyGrid.from_range(-15.0, 15.0, 0.05, zero="code")
        values = 2 * np.exp(-((grid.energies / 4) ** 2))
        dipped = values - 0.04 * ((grid.energies > 9.5) & (grid.energies < 12))
        expected, found = (fermi_level(DOS(grid, v[None], WIDTH), 7.0).energy for v in (values, dipped))
        np.testing.assert_allclose(found, expected, atol=1e-6)

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.lists(st.floats(-1, 3), min_size=4, max_size=4), min_size=5, max_size=5), st.floats(0.5, 3))
    @pytest.mark.filterwarnings("ignore::ldosml.properties.NegativeDOSWarning")
    def test_shares_add_up_to_the_repaired_dos(self, rows, states):
        values, index = np.array(rows), np.array([0, 0, 0, 1, 1])
        values[:, 1] += states + 4
        ldos = LDOS(SHORT, values, structure_index=index)
        found, whole = nonnegative(ldos), nonnegative(ldos.total())
        np.testing.assert_allclose(found.total().values, whole.values, atol=1e-12)
        np.testing.assert_array_equal(found.structure_index, index)
        np.testing.assert_allclose(negative_weight(ldos), negative_weight(ldos.total()), atol=1e-14)

    def test_single_shares_may_stay_negative(self, xp):
        values = [[-0.5, 1.0, 1.0, 0.1], [0.7, 1.0, 1.0, -0.11]]
        ldos = LDOS(SHORT, xp.asarray(values), structure_index=xp.asarray([0, 0]))
        found = to_numpy(nonnegative(ldos).values)
        # The dip of 0.01 takes all of it from the last state below, 2.0.
        factors = np.array([1, 1, 1.99 / 2, 0])
        np.testing.assert_allclose(found, factors * np.array(values), rtol=1e-12)

    def test_warns_above_a_hundredth(self, xp):
        fine, poor = [0.0, 5.0, 5.0, -0.099], [0.0, 5.0, 5.0, -0.101]
        nonnegative(DOS(SHORT, xp.asarray([fine])))
        with pytest.warns(NegativeDOSWarning, match=r"1\.0% of the DOS of structure 1 is negative") as caught:
            nonnegative(DOS(SHORT, xp.asarray([fine, poor, fine])))
        assert caught[0].filename == __file__
        index = xp.asarray([0, 1])
        with pytest.warns(NegativeDOSWarning, match="structure 1"):
            nonnegative(LDOS(SHORT, xp.asarray([fine, poor]), structure_index=index))

    @pytest.mark.parametrize("empty", [[0.0] * 4, [1.0, -1.0, 0.0, 0.0], [0.5, -2.0, 1.0, 0.0]])
    def test_no_states(self, xp, empty):
        good = [0.0, 1.0, 1.0, 0.0]
        with pytest.raises(ValueError, match="The DOS of structure 1 holds no states"):
            nonnegative(DOS(SHORT, xp.asarray([good, empty])))
        ldos = LDOS(SHORT, xp.asarray([good, empty]), structure_index=xp.asarray([0, 1]))
        with pytest.raises(ValueError, match="The DOS of structure 1 holds no states"):
            nonnegative(ldos)


def test_a_table_without_rows_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="no rows to write"):
        PropertyTable(np.array([300.0]), {}, []).save(tmp_path / "t.csv")


def test_numbers_of_any_precision_are_written(tmp_path):
    dos = DOS(GRID, spectra().total().values, np.float32(WIDTH))
    derive_properties(dos, electrons(), 300.0, tolerance=np.float32(1e-6)).save(tmp_path / "t.json")


def test_the_table_is_its_own(tmp_path):
    n = electrons()
    table = derive_properties(spectra().total(), n, 300.0)
    table.columns["n_electrons"][:] = 0
    np.testing.assert_array_equal(n, electrons())
