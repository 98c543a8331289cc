"""Scores of occupancies, against known bands, brute force, and scikit-learn."""

import json
from dataclasses import asdict, dataclass, replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import f1_score
from sklearn.metrics import log_loss as sklearn_log_loss

from ldosml.bootstrap import group_draws
from ldosml.kresolved import (
    CrystalBands,
    KResolvedOccupancy,
    choose_threshold,
    counted_dos,
    energy_bins,
    evaluate_occupancies,
    fit_dos_scale,
    occupancy_gap,
)
from ldosml.kresolved.dos import DOSScale
from ldosml.kresolved.evaluation import (
    Estimate,
    GapThreshold,
    composition_draws,
    reliability,
    score_dos,
    score_gaps,
    true_dos,
    true_occupancy,
)
from ldosml.kresolved.evaluation.dos import predicted_dos
from ldosml.kresolved.evaluation.gaps import best_threshold, gap_statistics, predicted_gaps
from ldosml.kresolved.evaluation.reliability import crystal_reliability, log_loss_of_bins
from ldosml.plotting import plot_log_loss, plot_reliability, reliability_figure

GRID = energy_bins(64, 8.0)
N_MESH, N_PATH = 12, 60


@dataclass(frozen=True)
class Chain:
    """A crystal with two bands, or four of which two are alike."""

    name: str
    atoms: Atoms
    mesh: CrystalBands
    path: CrystalBands

    @property
    def gap(self):
        return min(self.mesh.gap, self.path.gap)


def chain(name, gap, *, degeneracy=1, energy_max=20.0, width=6.0):
    """Bands like those of a chain, (gap) apart, or through the Fermi level where it is 0; the next is at infinity."""

    def bands(k, weights):
        rise = width / 2 * (1 - np.cos(2 * np.pi * k))
        levels = np.column_stack([-gap / 2 - rise, gap / 2 + rise] * degeneracy)
        if gap == 0:
            levels = np.column_stack([rise - width / 2, rise + width / 2] * degeneracy)
        levels = np.column_stack([levels, np.full(len(k), np.inf)])
        return CrystalBands(np.outer(k, [1, 0, 0]), levels + 3.0, weights, 3.0, 3.0 + energy_max, 2.0, gap)

    mesh = bands((np.arange(N_MESH) + 0.5) / N_MESH / 2, np.full(N_MESH, 1 / N_MESH))
    atoms = bulk("Si")
    atoms.numbers[:] = ord(name[0]) - 90  # each a composition of its own: those of one are drawn together
    return Chain(name, atoms, mesh, bands(np.linspace(0, 0.5, N_PATH), None))


CRYSTALS = [chain("a", 0.0), chain("b", 1.03), chain("c", 2.6, degeneracy=2), chain("d", 0.0), chain("e", 4.41)]


def exact(crystals, grid=GRID):
    return [[true_occupancy(getattr(c, part), grid, c.atoms.cell.array) for c in crystals] for part in ("mesh", "path")]


def blurred(crystals, seed=0, grid=GRID):
    """Probabilities that know something: labels mixed with chance."""
    rng = np.random.default_rng(seed)

    def mixed(one):
        noise = rng.random(one.probabilities.shape)
        return replace(one, probabilities=0.6 * one.probabilities + 0.4 * noise, counts=one.counts + noise)

    return [[mixed(one) for one in part] for part in exact(crystals, grid)]


class TestPerfectOccupancies:
    scores = evaluate_occupancies(CRYSTALS, *exact(CRYSTALS), smearing_widths=(0.0, 0.3))

    def test_gaps_are_right_to_a_bin_and_all_classes_are(self):
        values = {name: one.value for name, one in self.scores.estimates.items()}
        assert np.abs(self.scores.predicted_gaps - self.scores.true_gaps).max() <= GRID.step
        assert values["gap: MAE of non-metals (eV)"] <= GRID.step
        assert values["metal or not: accuracy"] == values["metal or not: F1 of non-metals"] == 1
        assert values["gap: r"] > 0.99

    def test_those_of_true_occupancies_stand_beside(self):
        for name, one in self.scores.estimates.items():
            if name.startswith("true occupancies: "):
                assert one == self.scores.estimates[name.removeprefix("true occupancies: ")]

    def test_the_dos_of_counts_is_exact(self):
        for width in ("", ", smeared by 0.3 eV"):
            assert self.scores.estimates[f"DOS counted{width}: MAE (states/eV)"] == Estimate(0, 0, 0)
            assert self.scores.estimates[f"DOS counted{width}: r"].value == pytest.approx(1)
        assert self.scores.dos_method == "counted"

    def test_presence_misses_states_of_bands_that_coincide(self):
        raw = score_dos(
            CRYSTALS[2:3], predicted_dos(CRYSTALS[2:3], exact(CRYSTALS[2:3])[0], "raw", tau=None), np.ones((1, 1))
        )
        true = true_dos(CRYSTALS[2], GRID).values
        assert raw["DOS: MAE (states/eV)"].value == pytest.approx(np.mean(true) / 2)
        assert raw["DOS: MAE (states/eV/atom)"].value == pytest.approx(np.mean(true) / 4)

    def test_nothing_is_lost_and_nothing_miscalibrated(self):
        assert self.scores.estimates["log loss of a bin"].value < 1.1e-6  # of probabilities kept 1e-6 from 0 and 1
        assert self.scores.estimates["expected calibration error"].value == 0

    def test_json_and_table(self):
        told = json.loads(json.dumps(self.scores.to_dict(), allow_nan=False))
        assert told["estimates"]["gap: r"]["value"] == self.scores.estimates["gap: r"].value
        assert [one["name"] for one in told["crystals"]] == list("abcde")
        assert told["threshold"] == {"threshold": 0.5, "statistic": "max", "score": None}
        assert "| metal or not: accuracy | 1.000 (1.000 to 1.000) |" in self.scores.table()


class TestLogLoss:
    def test_it_is_that_of_scikit_learn(self):
        mesh, path = blurred(CRYSTALS)
        scores = evaluate_occupancies(CRYSTALS, mesh, path)
        expected = [
            sklearn_log_loss(
                np.concatenate([c.mesh.labels(GRID).ravel(), c.path.labels(GRID).ravel()]),
                np.concatenate([m.probabilities.ravel(), p.probabilities.ravel()]),
            )
            for c, m, p in zip(CRYSTALS, mesh, path, strict=True)
        ]
        assert scores.estimates["log loss of a bin"].value == pytest.approx(np.mean(expected))
        assert scores.log_loss_by_energy.mean() == pytest.approx(np.mean(expected))

    def test_incomplete_bins_do_not_count(self):
        known = [chain("x", 1.03, energy_max=3.0), chain("y", 0.0, energy_max=2.0)]
        mesh, path = blurred(known)
        beyond = GRID.energies > 3.0

        def spoilt(occupancies):
            return [
                replace(
                    one,
                    probabilities=np.where(beyond, 0.5, one.probabilities),
                    counts=np.where(beyond, 9.0, one.counts),
                )
                for one in occupancies
            ]

        one, other = (evaluate_occupancies(known, *both) for both in ((mesh, path), (spoilt(mesh), spoilt(path))))
        for name in ("log loss of a bin", "expected calibration error", "DOS counted: MAE (states/eV)", "DOS raw: r"):
            # NaN, which an estimate without interval has, equals itself here.
            assert_array_equal(*(list(asdict(scores.estimates[name]).values()) for scores in (one, other)))
        assert_array_equal(np.isnan(one.log_loss_by_energy), beyond)
        assert one.reliability.counts.sum() == (N_MESH + N_PATH) * ((~beyond).sum() + (GRID.energies < 2.0).sum())

    def test_smearing_keeps_away_from_what_is_not_known(self):
        known = chain("x", 1.0, energy_max=3.0)
        (mesh,), _ = exact([known])
        full = counted_dos(mesh, 2)
        assert score_dos([known], [full], np.ones((1, 1)), 0.2)["DOS, smeared by 0.2 eV: MAE (states/eV)"].value == 0
        with pytest.raises(ValueError, match="No bin of x is complete"):
            score_dos([known], [full], np.ones((1, 1)), 10.0)


class TestReliability:
    def test_true_frequencies_have_no_error(self):
        p = np.repeat([0.1, 0.25, 0.5, 0.9], 20)
        y = np.concatenate([np.arange(20) < round(20 * f) for f in (0.1, 0.25, 0.5, 0.9)])
        found = reliability([p], [y], n_intervals=10)
        assert found.calibration_error == pytest.approx(0)
        assert_array_equal(found.counts[[1, 2, 5, 9]], [20, 20, 20, 20])

    def test_overconfidence_is_seen(self):
        found = reliability([[1.0, 1.0], [1.0, 1.0]], [[1, 0], [1, 1]])
        assert (found.observed[-1], found.predicted[-1]) == (0.75, 1)
        assert found.calibration_error == pytest.approx(0.25)

    def test_parts_add_up(self):
        rng = np.random.default_rng(0)
        p, y = rng.random((6, 50)), rng.integers(0, 2, (6, 50))
        whole, parts = reliability([p], [y]), reliability(list(p), list(y))
        assert_array_equal(whole.counts, parts.counts)
        assert_allclose(whole.observed, parts.observed)

    def test_what_does_not_fit_is_refused(self):
        with pytest.raises(ValueError, match="presence must have shape"):
            reliability([[0.5]], [[1, 0]])
        with pytest.raises(ValueError, match="got none"):
            reliability([[]], [[]])

    def test_figures(self):
        scores = evaluate_occupancies(CRYSTALS, *blurred(CRYSTALS))
        axes = Figure().subplots(1, 2)
        plot_reliability(axes[0], {"one": scores.reliability}, least=1)
        plot_log_loss(axes[1], scores.grid, {"one": scores.log_loss_by_energy})
        drawn = axes[0].get_lines()[1].get_xydata()
        kept = scores.reliability.counts >= 1
        assert_allclose(drawn, np.column_stack([scores.reliability.predicted, scores.reliability.observed])[kept])
        assert_allclose(axes[1].get_lines()[0].get_ydata(), scores.log_loss_by_energy)
        assert len(reliability_figure({"one": scores, "other": scores}).axes) == 2
        with pytest.raises(ValueError, match="at least one model"):
            reliability_figure({})


class TestThreshold:
    @pytest.mark.parametrize("statistic", ["max", "sum"])
    @pytest.mark.parametrize("criterion", ["mae", "accuracy"])
    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_no_other_is_better(self, statistic, criterion, seed):
        mesh, path = blurred(CRYSTALS, seed)
        chosen = choose_threshold(CRYSTALS, mesh, path, statistic=statistic, criterion=criterion)
        gaps = np.array([c.gap for c in CRYSTALS])

        def loss(threshold):
            found = predicted_gaps(mesh, path, GapThreshold(threshold, statistic))
            return np.abs(found - gaps).mean() if criterion == "mae" else np.mean((found == 0) != (gaps == 0))

        top = 1.0 if statistic == "max" else N_PATH
        tried = [loss(t) for t in np.linspace(1e-3, top, 800)]
        assert loss(chosen.threshold) == pytest.approx(chosen.score)
        assert chosen.score <= min(tried) + 1e-9

    @pytest.mark.parametrize(
        ("values", "gap", "threshold"),
        [
            ([0.9, 0.5, 0.1, 0.8], 2.0, 0.3),  # one best interval, 0.1 to 0.5
            ([0.9, 0.2, 0.1, 0.8], 2.5, 0.5),  # 0.1 to 0.2 gives 2 eV, 0.2 to 0.8 gives 3 eV: the second is wider
            ([0.9, 0.7, 0.1, 0.8], 2.5, 0.4),  # 0.1 to 0.7 gives 2 eV, 0.7 to 0.8 gives 3 eV: the first is wider
        ],
    )
    def test_of_equally_good_intervals_the_widest_is_taken(self, values, gap, threshold):
        found = best_threshold(np.array([values]), np.array([gap]), energy_bins(4, 2.0))
        assert found.threshold == pytest.approx(threshold)

    def test_gaps_are_those_of_occupancy_gap(self):
        mesh, path = blurred(CRYSTALS)
        for t in (0.3, 0.5, 0.7):
            together = [
                KResolvedOccupancy(
                    GRID,
                    np.concatenate([m.kpoints, p.kpoints]),
                    np.concatenate([m.probabilities, p.probabilities]),
                    m.cell,
                )
                for m, p in zip(mesh, path, strict=True)
            ]
            assert_allclose(
                predicted_gaps(mesh, path, GapThreshold(t)), [occupancy_gap(one, t).gap for one in together]
            )

    @pytest.mark.parametrize("t", [9.0, 12.0])
    def test_so_are_those_of_sums_where_there_are_edges(self, t):
        mesh, path = exact([chain(name, gap, width=0.5) for name, gap in (("a", 0.0), ("b", 1.0), ("c", 3.1))])
        summed = [occupancy_gap(one, t, "sum").gap for one in path]
        assert_allclose(predicted_gaps(mesh, path, GapThreshold(t, "sum")), summed)

    def test_an_edge_that_is_not_found_lies_beyond_the_bins(self):
        mesh, path = ([replace(one, probabilities=0 * one.probabilities) for one in part] for part in exact(CRYSTALS))
        assert_allclose(predicted_gaps(mesh, path, GapThreshold()), 16.0 + GRID.step)
        with pytest.raises(ValueError, match="All probabilities are zero"):
            choose_threshold(CRYSTALS, mesh, path)

    def test_the_sum_is_of_the_path(self):
        mesh, path = exact(CRYSTALS)
        assert_array_equal(gap_statistics(mesh, path, "sum")[0], path[0].probabilities.sum(axis=0))


class TestGaps:
    gaps, predicted = np.array([0, 0, 1.0, 2.0, 0.5]), np.array([0, 0.3, 1.4, 1.0, 0])
    draws = group_draws(list("abcde"), 200, 0)

    def test_errors_are_their_definitions(self):
        found = score_gaps(self.gaps, self.predicted, self.draws)
        assert found["gap: MAE (eV)"].value == pytest.approx(2.2 / 5)
        assert found["gap: MAE of non-metals (eV)"].value == pytest.approx(1.9 / 3)
        assert found["gap: r"].value == pytest.approx(np.corrcoef(self.gaps, self.predicted)[0, 1])
        assert found["metal or not: accuracy"].value == pytest.approx(3 / 5)
        f1 = f1_score(self.gaps > 0, self.predicted > 0)
        assert found["metal or not: F1 of non-metals"].value == pytest.approx(f1)
        for one in found.values():
            assert one.low <= one.value <= one.high

    def test_an_interval_is_that_of_drawing_crystals(self):
        """Against drawing indices, crystal by crystal."""
        found = score_gaps(self.gaps, self.predicted, self.draws)["gap: MAE of non-metals (eV)"]
        drawn = [np.repeat(np.arange(5), row.astype(int)) for row in self.draws]
        means = [np.abs(self.gaps - self.predicted)[rows][self.gaps[rows] > 0] for rows in drawn]
        low, high = np.percentile([one.mean() for one in means if one.size], [2.5, 97.5])
        assert (found.low, found.high) == pytest.approx((low, high))

    def test_without_non_metals_there_is_no_number(self):
        found = score_gaps([0, 0], [0, 0], group_draws(["a", "b"], 10, 0))
        assert found["metal or not: accuracy"] == Estimate(1, 1, 1)
        for name in ("gap: MAE of non-metals (eV)", "gap: r", "metal or not: F1 of non-metals"):
            assert np.isnan(found[name].value)
            assert found[name].to_dict() == {"value": None, "low": None, "high": None}


class TestScale:
    def test_it_makes_up_for_what_presence_misses(self):
        known = [chain(str(i), gap, degeneracy=1 + i % 2) for i, gap in enumerate((0.5, 1.0, 1.5, 2.0, 3.0, 0.0))]
        for i in range(1, 6, 2):
            known[i] = replace(known[i], mesh=replace(known[i].mesh, n_electrons=4.0))
        mesh, path = exact(known)
        scale = fit_dos_scale(known, mesh)
        assert isinstance(scale, DOSScale)
        scores = evaluate_occupancies(known, mesh, path, scale=scale).estimates
        assert scores["DOS scaled: MAE (states/eV)"].value < scores["DOS raw: MAE (states/eV)"].value
        areas = [
            [one.values.sum() for one in dos]
            for dos in (predicted_dos(known, mesh, "scaled", scale), [true_dos(c, GRID) for c in known])
        ]
        assert_allclose(*areas, rtol=0.05)

    def test_without_one_there_is_no_calibrated_dos(self):
        with pytest.raises(ValueError, match="fit_dos_scale on training"):
            predicted_dos(CRYSTALS, exact(CRYSTALS)[0], "scaled")


def test_crystals_of_one_composition_are_drawn_together():
    twice = [CRYSTALS[0], replace(CRYSTALS[1], atoms=CRYSTALS[0].atoms * 2), CRYSTALS[2]]
    draws = composition_draws(twice, 50)
    assert np.array_equal(draws[:, 0], draws[:, 1])
    assert not np.array_equal(draws[:, 0], draws[:, 2])


@settings(max_examples=8, deadline=None)
@given(st.permutations(range(len(CRYSTALS))), st.integers(0, 100))
def test_the_order_of_the_crystals_does_not_matter(order, seed):
    mesh, path = blurred(CRYSTALS, seed)
    shuffled = [[one[i] for i in order] for one in (CRYSTALS, mesh, path)]
    chosen = [choose_threshold(*one) for one in ((CRYSTALS, mesh, path), shuffled)]
    assert chosen[0].threshold == pytest.approx(chosen[1].threshold)
    first, second = (
        evaluate_occupancies(*one, threshold=chosen[0], n_draws=50) for one in ((CRYSTALS, mesh, path), shuffled)
    )
    for name, one in first.estimates.items():
        other = second.estimates[name]
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), nan_ok=True)
    assert first.ranked() == second.ranked()


class TestWhatDoesNotBelong:
    def test_numbers_of_crystals(self):
        mesh, path = exact(CRYSTALS)
        with pytest.raises(ValueError, match="got 5 crystals, 4 occupancies on meshes and 5 along paths"):
            evaluate_occupancies(CRYSTALS, mesh[:4], path)
        with pytest.raises(ValueError, match="one for each crystal's mesh"):
            fit_dos_scale(CRYSTALS, mesh[:4])
        with pytest.raises(ValueError, match="5 crystals and 1 DOS"):
            score_dos(CRYSTALS, [true_dos(CRYSTALS[0], GRID)], np.ones((1, 5)))

    def test_kpoints(self):
        mesh, path = exact(CRYSTALS)
        with pytest.raises(
            ValueError, match=r"k-points of its path, in the same order: expected 60 k-points; got 12.*crystal.path"
        ):
            evaluate_occupancies(CRYSTALS, mesh, mesh)
        turned = replace(mesh[1], kpoints=mesh[1].kpoints[::-1])
        with pytest.raises(ValueError, match=r"Occupancies of b .* k-point 0 has a length of"):
            evaluate_occupancies(CRYSTALS, [mesh[0], turned, *mesh[2:]], path)

    def test_kpoints_of_another_cell_of_the_crystal_are_the_same(self):
        mesh, path = exact(CRYSTALS)
        change = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]])  # of lattice vectors; those of k-points go with it

        def moved(one):
            return replace(one, cell=change @ one.cell, kpoints=one.kpoints @ change.T)

        scores = evaluate_occupancies(CRYSTALS, [moved(one) for one in mesh], [moved(one) for one in path])
        assert scores.estimates["metal or not: accuracy"].value == 1

    def test_weights(self):
        mesh, path = exact(CRYSTALS)
        for weights, told in ((None, "no weights"), (np.eye(N_MESH)[0], "other weights")):
            wrong = [replace(mesh[0], weights=weights), *mesh[1:]]
            with pytest.raises(ValueError, match=f"they have {told}. Predict with weights=crystal.mesh.weights"):
                evaluate_occupancies(CRYSTALS, wrong, path)

    def test_bins(self):
        mesh, _ = exact(CRYSTALS)
        with pytest.raises(ValueError, match="Occupancies of a and of the first crystal"):
            evaluate_occupancies(CRYSTALS, mesh, exact(CRYSTALS, energy_bins(32, 8.0))[1])


def test_single_functions_agree_with_the_whole():
    mesh, path = blurred(CRYSTALS)
    scores = evaluate_occupancies(CRYSTALS, mesh, path)
    assert_array_equal(crystal_reliability(CRYSTALS, mesh, path).counts, scores.reliability.counts)
    losses = [log_loss_of_bins(*each) for each in zip(CRYSTALS, mesh, path, strict=True)]
    assert_allclose(np.mean(losses, axis=0), scores.log_loss_by_energy)
