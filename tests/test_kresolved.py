"""Occupancy of energy bins by k-point, and gap and DOS that follow: against eigenvalues that are known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from ldosml.energy import EnergyGrid
from ldosml.kresolved import (
    CrystalBands,
    KResolvedOccupancy,
    OccupancyGap,
    counted_dos,
    energy_bins,
    occupancy_gap,
    raw_dos,
)
from ldosml.kresolved.dos import DOSScale, without_gap_states
from ldosml.kresolved.evaluation.gaps import gaps_of_bins
from ldosml.kresolved.gap import fermi_bins
from ldosml.kresolved.occupancy import label_bins
from ldosml.spectra import DOS

GRID = energy_bins()
CELL = 3.0 * np.eye(3)


def occupancy(eigenvalues, kind="presence", **options):
    n = len(eigenvalues)
    labels = {name: label_bins(eigenvalues, GRID, name) for name in ("presence", "counts")}
    kpoints = np.zeros((n, 3))
    kpoints[:, 0] = np.arange(n) / n
    given = {"weights": np.full(n, 1 / n), "counts": labels["counts"]} | options
    return KResolvedOccupancy(GRID, kpoints, labels[kind], CELL, **given)


class TestBins:
    def test_they_are_those_of_the_paper(self):
        assert (GRID.size, GRID.zero) == (256, "fermi")
        assert GRID.step == pytest.approx(0.078125)
        assert_allclose(GRID.energies[[0, -1]], [-10 + 0.0390625, 10 - 0.0390625])

    @given(st.lists(st.floats(-12, 12), min_size=1, max_size=30))
    def test_counts_are_those_of_a_histogram(self, values):
        expected = np.histogram(np.array(values), np.linspace(-10, 10, 257))[0]
        counts = label_bins([values], GRID, "counts")[0]
        at_the_end = np.sum(np.array(values) == 10)  # which a histogram counts in, as the last bin alone is closed
        expected[-1] -= at_the_end
        assert_array_equal(counts, expected)
        assert_array_equal(label_bins([values], GRID)[0], expected > 0)

    def test_soft_labels_are_those_of_many_draws(self):
        rng = np.random.default_rng(0)
        grid, levels = energy_bins(8, 2.0), np.array([-0.4, 0.1, 0.2])
        drawn = label_bins(levels + rng.normal(0, 0.3, (20_000, 3)), grid).mean(axis=0)
        assert_allclose(label_bins([levels], grid, "soft", 0.3)[0], drawn, atol=0.012)

    def test_soft_labels_become_presence_as_the_width_vanishes(self):
        values = np.random.default_rng(1).uniform(-11, 11, (4, 9))
        assert_allclose(label_bins(values, GRID, "soft", 1e-6), label_bins(values, GRID), atol=1e-9)

    def test_missing_bands_are_infinite(self):
        assert label_bins([[np.inf, 0.0], [-np.inf, np.inf]], GRID, "counts").sum(axis=1).tolist() == [1, 0]
        assert label_bins([[np.inf, 0.0]], GRID, "soft", 0.1).sum() == pytest.approx(1)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (([[np.nan]], GRID), "NaN.*infinity"),
            (([[0.0]], GRID, "soft"), "width of soft labels must be"),
            (([[0.0]], GRID, "hard"), "kind of labels must be one of"),
            (([0.0], GRID), "n_kpoints, n_bands"),
        ],
    )
    def test_bad_input(self, given, message):
        with pytest.raises(ValueError, match=message):
            label_bins(*given)

    def test_bad_bins(self):
        with pytest.raises(ValueError, match="n_bins must be a whole number at least 2; got 1"):
            energy_bins(1)
        with pytest.raises(ValueError, match="half_width"):
            energy_bins(4, -1.0)


class TestOccupancy:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"probabilities": np.full((1, 256), 1.5)}, "probabilities must be from 0 to 1; got 1.5"),
            ({"probabilities": np.zeros((1, 255))}, "n_kpoints, n_bins"),
            ({"kpoints": np.zeros((1, 2))}, "n_kpoints, 3"),
            ({"weights": np.array([0.5])}, "must sum to 1; their sum is 0.5"),
            ({"counts": np.full((1, 256), -1.0)}, "counts must not be negative"),
            ({"cell": np.eye(2)}, "cell"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, changes, message):
        right = {"kpoints": np.zeros((1, 3)), "probabilities": np.zeros((1, 256)), "cell": CELL}
        assert len(KResolvedOccupancy(GRID, **right)) == 1
        with pytest.raises(ValueError, match=message):
            KResolvedOccupancy(GRID, **right | changes)

    def test_it_tells_what_it_holds(self):
        assert repr(occupancy(np.zeros((2, 1)))).startswith("KResolvedOccupancy(2 k-points, with weights; 256 energies")


def two_bands(n=200, gap=1.0):
    """A valence band that ends at -gap/2 and a conduction band from gap/2 on, each 1.5 eV wide, (n, 2)."""
    dispersion = 0.75 * (1 - np.cos(2 * np.pi * (np.arange(n) + 0.5) / n))
    return np.stack([-gap / 2 - dispersion, gap / 2 + dispersion[::-1]], axis=1)


class TestGap:
    @pytest.mark.parametrize("statistic", ["max", "sum"])
    @pytest.mark.parametrize("gap", [0.3, 1.0, 2.47])
    def test_it_is_that_of_the_bands_to_a_bin(self, gap, statistic):
        found = occupancy_gap(occupancy(two_bands(gap=gap)), 0.5, statistic)
        assert found.gap == pytest.approx(gap, abs=GRID.step)
        assert found.conduction_edge == pytest.approx(gap / 2, abs=0.51 * GRID.step)
        assert found.valence_edge == pytest.approx(-gap / 2, abs=0.51 * GRID.step)
        assert not found.is_metal

    def test_edges_know_their_kpoints(self):
        bands = two_bands(50)
        bands[:, 1] = np.roll(bands[:, 1], 20)
        found = occupancy_gap(occupancy(bands))
        for edge, band, kpoint in (
            (found.valence_edge, 0, found.valence_kpoint),
            (found.conduction_edge, 1, found.conduction_kpoint),
        ):
            assert bands[kpoint, band] == pytest.approx(edge, abs=0.51 * GRID.step)

    def test_counts_inside_the_gap_do_not_move_the_kpoints_of_the_edges(self):
        """A network expects a few hundredths of a state in every bin of a gap, and more at some k-points."""
        bands = two_bands(50)
        bands[:, 1] = np.roll(bands[:, 1], 20)
        clean = occupancy(bands)
        expected = occupancy_gap(clean)
        wrong = 30
        assert wrong not in (expected.valence_kpoint, expected.conduction_kpoint)
        inside = (GRID.energies > expected.valence_edge) & (GRID.energies < expected.conduction_edge)
        counts = clean.counts.copy()
        counts[wrong, inside] = 0.1  # 0.6 of a state on either side of the Fermi level
        assert occupancy_gap(replace(clean, counts=counts)) == expected

    def test_bands_across_the_fermi_level_are_a_metal(self):
        metal = occupancy_gap(occupancy(two_bands() + 1.2))
        assert metal.is_metal
        assert (metal.gap, metal.valence_kpoint) == (0, None)

    def test_the_largest_does_not_depend_on_the_number_of_kpoints(self):
        """The paper's sum does: a threshold of 9 finds nothing on a short path."""
        few, many = (occupancy(two_bands(n)) for n in (20, 2000))
        assert occupancy_gap(few).gap == pytest.approx(occupancy_gap(many).gap, abs=1.1 * GRID.step)
        assert occupancy_gap(many, 9.0, "sum").gap == pytest.approx(1.0, abs=2 * GRID.step)
        assert occupancy_gap(few, 9.0, "sum").gap == np.inf

    def test_bands_on_one_side_only_leave_the_other_edge_open(self):
        found = occupancy_gap(occupancy(two_bands()[:, :1]))
        assert (found.gap, found.conduction_edge, found.conduction_kpoint) == (np.inf, np.inf, None)

    def test_no_kpoints(self):
        empty = KResolvedOccupancy(GRID, np.zeros((0, 3)), np.zeros((0, 256)), CELL)
        with pytest.raises(ValueError, match="needs k-points; these occupancies have none"):
            occupancy_gap(empty)


class TestDOS:
    def test_counts_give_the_dos_of_the_bands(self):
        """Two electrons a band, and the van Hove singularities of a chain, integrated over each bin."""
        dos = counted_dos(occupancy(two_bands(20_000)), 1)
        assert dos.values.sum() * GRID.step == pytest.approx(4)
        edges = np.linspace(-10, 10, 257)
        filled = np.arccos(1 - np.clip((edges - 0.5) / 0.75, 0, 2)) / np.pi
        assert_allclose(dos.values[0][GRID.energies > 0], 2 * np.diff(filled)[GRID.energies > 0] / GRID.step, atol=0.03)

    def test_presence_misses_bands_that_share_a_bin(self):
        bands = two_bands(400)
        doubled = occupancy(np.concatenate([bands, bands], axis=1))
        assert_allclose(2 * raw_dos(doubled, 1, tau=None).values, counted_dos(doubled, 1).values)

    def test_squashing_is_that_of_equation_2(self):
        one = occupancy(np.zeros((1, 1)))
        values = raw_dos(one, 1).values[0] * GRID.step / 2
        assert values.max() == pytest.approx(1 / (1 + np.exp(-2.5)))
        assert values.min() == pytest.approx(1 / (1 + np.exp(2.5)))
        assert raw_dos(one, 3).n_atoms.tolist() == [3]

    def test_the_scale_of_equation_4_is_found_again(self):
        rng = np.random.default_rng(0)
        raw = [DOS(GRID, rng.uniform(0, n, (1, 256)), n_atoms=[n]) for n in (1, 2, 3, 4, 5, 6)]
        electrons = [4.0, 9.0, 11.0, 20.0, 18.0, 30.0]
        true = DOSScale((0.01, 0.02, -0.1), 1.5)
        scaled = [true.apply(one, n) for one, n in zip(raw, electrons, strict=True)]
        found = DOSScale.fit(raw, scaled, electrons)
        assert found.coefficients == pytest.approx(true.coefficients)
        assert found.intercept == pytest.approx(true.intercept)
        assert DOSScale((0.0, 0.0, 0.0), -1.0).factor(raw[0], 4.0) == 0

    def test_what_is_missing_is_said(self):
        path = occupancy(two_bands(10), weights=None, counts=None)
        with pytest.raises(ValueError, match="weights of a mesh"):
            raw_dos(path, 1)
        with pytest.raises(ValueError, match="no counts"):
            counted_dos(path, 1)
        with pytest.raises(ValueError, match="at least 4; got 1, 1 and 1"):
            DOSScale.fit([raw_dos(occupancy(two_bands(10)), 1)], [raw_dos(occupancy(two_bands(10)), 1)], [4.0])
        with pytest.raises(ValueError, match="tau"):
            raw_dos(occupancy(two_bands(10)), 1, tau=0.0)


class TestBinAroundZero:
    """Where bins are such that one lies around the Fermi level: it belongs to both sides."""

    GRID = energy_bins(5, 2.5)  # centres -2, -1, 0, 1, 2

    @pytest.mark.parametrize(
        ("states", "gap", "edges"),
        [([2], 0.0, (0, 0)), ([1, 3], 2.0, (-1, 1)), ([0, 3], 3.0, (-2, 1)), ([0, 2], 0.0, (0, 0))],
    )
    def test_gap(self, states, gap, edges):
        values = np.zeros((1, 5))
        values[0, states] = 1.0
        found = occupancy_gap(KResolvedOccupancy(self.GRID, np.zeros((1, 3)), values, np.eye(3)))
        assert (found.gap, found.valence_edge, found.conduction_edge) == (gap, *edges)
        assert gaps_of_bins(values[0], self.GRID, np.array([0.5])).tolist() == [gap]


class TestFermiBins:
    """The bins that touch the Fermi level, where an edge of a bin is at zero but for rounding."""

    @pytest.mark.parametrize("rounding", [-1e-12, 0.0, 1e-12])
    @pytest.mark.parametrize(("n_bins", "expected"), [(4, (1, 2)), (5, (2, 2)), (256, (127, 128))])
    def test_rounding_does_not_matter(self, n_bins, expected, rounding):
        grid = energy_bins(n_bins, 2.0)
        moved = replace(grid, start=grid.start + rounding * grid.step)
        assert fermi_bins(moved) == expected

    @pytest.mark.parametrize(("shift", "expected"), [(1e-6, (2, 2)), (-1e-6, (1, 1))])
    def test_a_fermi_level_next_to_an_edge_is_inside_a_bin(self, shift, expected):
        grid = energy_bins(4, 2.0)
        assert fermi_bins(replace(grid, start=grid.start - shift)) == expected

    @pytest.mark.parametrize("rounding", [-1e-12, 0.0, 1e-12])
    @pytest.mark.parametrize(("states", "gap", "edges"), [([1, 3], 2.0, (-0.5, 1.5)), ([0, 2], 2.0, (-1.5, 0.5))])
    def test_a_band_that_touches_it_is_on_one_side_only(self, states, gap, edges, rounding):
        grid = energy_bins(4, 2.0)  # centres -1.5, -0.5, 0.5, 1.5
        values = np.zeros((1, 4))
        values[0, states] = 1.0
        moved = replace(grid, start=grid.start + rounding)
        found = occupancy_gap(KResolvedOccupancy(moved, np.zeros((1, 3)), values, np.eye(3)))
        assert found.gap == pytest.approx(gap)
        assert (found.valence_edge, found.conduction_edge) == pytest.approx(edges)


class TestAnywhere:
    def test_it_is_a_statistic_of_its_own(self):
        known = occupancy([[-1.0, 2.0]], anywhere=label_bins([[-0.5, 1.0]], GRID)[0])
        assert occupancy_gap(known).gap == pytest.approx(3.0, abs=GRID.step)
        assert occupancy_gap(known, statistic="anywhere").gap == pytest.approx(1.5, abs=GRID.step)

    def test_it_must_be_known_and_a_probability(self):
        with pytest.raises(ValueError, match='statistic="max"'):
            occupancy_gap(occupancy([[-1.0, 2.0]]), statistic="anywhere")
        with pytest.raises(ValueError, match="anywhere must be from 0 to 1"):
            occupancy([[-1.0, 2.0]], anywhere=np.full(GRID.size, 1.5))
        with pytest.raises(ValueError, match="anywhere must have shape"):
            occupancy([[-1.0, 2.0]], anywhere=np.zeros(3))


def test_a_gap_leaves_no_states_in_the_dos():
    dos = DOS(EnergyGrid(-1.5, 1.0, 4, "fermi"), np.ones((1, 4)), n_atoms=np.array([1]))
    assert without_gap_states(dos, OccupancyGap(2.0, -1.5, 0.5, 0, 0)).values.tolist() == [[1.0, 0.0, 1.0, 1.0]]
    for gap in (OccupancyGap(0.0, 0.0, 0.0, None, None), OccupancyGap(np.inf, -np.inf, np.inf, None, None)):
        assert without_gap_states(dos, gap).values.tolist() == dos.values.tolist()


class TestJoined:
    """Of mesh and path together."""

    def bands(self, top, bottom):
        return CrystalBands([[0, 0, 0]], [[top, bottom, 12.0]], None, 1.2, 11.0, 2.0, max(0.0, bottom - top))

    @pytest.mark.parametrize(
        ("mesh", "path", "gap"),
        [((1.0, 2.0), (0.2, 1.5), 0.5), ((1.0, 2.0), (-3.0, 0.9), 0.0), ((1.0, 2.0), (0.9, 2.1), 1.0)],
    )
    def test_each_may_have_an_edge_of_the_gap(self, mesh, path, gap):
        assert self.bands(*mesh).joined(self.bands(*path)).gap == pytest.approx(gap)

    def test_what_is_said_to_be_a_metal_stays_one(self):
        metal = replace(self.bands(1.0, 2.0), gap=0.0)
        assert metal.joined(self.bands(1.0, 2.0)).gap == 0


class TestBandsAnywhere:
    """Bands are continuous, however few k-points there are."""

    def bands(self, eigenvalues, energy_max=11.0):
        kpoints = np.zeros((len(eigenvalues), 3))
        eigenvalues = np.column_stack([eigenvalues, np.full(len(eigenvalues), np.inf)])
        return CrystalBands(kpoints, eigenvalues, None, 0.0, energy_max, 2.0, 0.0)

    def test_a_band_fills_the_bins_that_it_passes(self):
        """k-points far apart: the label is that of k-points as dense as one likes."""
        k = np.linspace(0, np.pi, 20001)
        exact = self.bands(np.stack([-3 * np.cos(k), 5.5 + 2 * np.cos(k)], axis=1))
        few = self.bands(exact.eigenvalues[::4000])
        assert_array_equal(few.anywhere(GRID), exact.labels(GRID).max(axis=0))
        assert few.labels(GRID).max(axis=0).sum() < 0.2 * few.anywhere(GRID).sum()

    def test_soft_labels_are_certain_within_a_band_and_not_at_its_ends(self):
        """Against ends drawn at random, each band's by itself."""
        bands, width = self.bands([[-1.01, 0.51, 4.01], [1.01, 3.01, 4.01]]), 0.05
        soft = bands.anywhere(GRID, "soft", width)
        random = np.random.default_rng(0)
        bottoms, tops = (
            random.normal(ends, width, (20_000, 1, 3)) for ends in ([-1.01, 0.51, 4.01], [1.01, 3.01, 4.01])
        )
        reached = (tops > GRID.edges[:-1, None]) & (bottoms < GRID.edges[1:, None])
        assert_allclose(soft, reached.any(axis=2).mean(axis=0), atol=0.02)
        assert soft[(GRID.energies > -0.8) & (GRID.energies < 2.8)].min() > 0.999
        assert_allclose(bands.anywhere(GRID, "soft", 1e-9), bands.anywhere(GRID))
        with pytest.raises(ValueError, match="not counted"):
            bands.anywhere(GRID, "counts")

    def test_bands_that_cross_are_sorted(self):
        crossing = self.bands([[-1.0, 1.0], [1.0, -1.0]])  # at both k-points -1 and 1: nothing in between is known of
        assert crossing.anywhere(GRID).sum() == 2

    def test_bands_that_are_known_in_part_go_up_to_where_all_are(self):
        partly = self.bands([[-1.0, 3.0], [-1.0, np.inf]], energy_max=6.0)
        between = (GRID.energies > 3.1) & partly.known_bins(GRID)
        assert partly.anywhere(GRID)[between].all()
        assert not partly.anywhere(GRID)[(GRID.energies > -0.9) & (GRID.energies < 2.9)].any()


class TestCentred:
    def bands(self, gap):
        return CrystalBands(np.zeros((2, 3)), [[-3.0, 1.0, 12.0], [-2.0, 2.0, 12.0]], None, 0.9, 11.0, 2.0, gap)

    def test_the_fermi_level_becomes_the_middle_of_the_gap(self):
        assert self.bands(3.0).centred().fermi_energy == -0.5
        assert self.bands(0.0).centred().fermi_energy == 0.9

    def test_a_gap_that_is_not_there(self):
        with pytest.raises(
            ValueError, match="gap is 1 eV, but the eigenvalues at the 2 k-points have no gap above 1 bands"
        ):
            replace(self.bands(1.0), eigenvalues=np.array([[-3.0, 1.0, 12.0], [2.0, 3.0, 12.0]])).centred()
