"""Learning curves and comparisons of regressors: parts that grow by whole groups, known slopes, paired differences."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from studied import MODEL, REGRESSOR, SMALL, WHITENED, invented

from ldosml import SOAP, DOSModel, EnergyGrid, LDOSKernelRidge, LDOSRidge, SparseLDOSKernelRidge, load_dataset
from ldosml._validation import Caution
from ldosml.studies import (
    Errors,
    LearningCurve,
    RegressorComparison,
    Setup,
    compare_regressors,
    learning_curve,
    predict_left_out,
    regressors_by_learn,
    spaced_sizes,
)
from ldosml.studies import setup as studies_setup
from ldosml.studies.errors import PROPERTIES
from ldosml.studies.folds import fold_of_each

THREE = Setup(n_splits=3)
RIDGES = {"kernel": LDOSKernelRidge(1e-3, kernel="matern", gamma=1.0), "linear": LDOSRidge(1e-3)}


class Stopped(Exception):
    """Before anything is fitted."""


def sent(call, *given, run=False):
    """The cross-validations that a study would run, or runs, and its result."""
    caught, real = [], studies_setup.run_all
    with pytest.MonkeyPatch.context() as patch:

        def run_all(validations, **rest):
            caught.extend(validations)
            if not run:
                raise Stopped
            return real(validations, **rest)

        patch.setattr(studies_setup, "run_all", run_all)
        if run:
            return caught, call(*given)
        with pytest.raises(Stopped):
            call(*given)
    return caught


@pytest.fixture(scope="module")
def data():
    return invented(12)


@pytest.fixture(scope="module")
def grown(data):
    return sent(lambda: learning_curve(data, [40, 20, 48], MODEL, RIDGES, setup=THREE), run=True)


class TestParts:
    def test_they_are_nested_and_whole_and_the_same_for_all_regressors(self, data, grown):
        validations, curve = grown
        assert [tuple(v.key.values()) for v in validations] == [(s, n) for n in (20, 40, 48) for s in RIDGES]
        assert curve.sizes == [20, 40, 48]
        assert curve.regressors == ["kernel", "linear"]
        for number, (train, test) in enumerate(THREE.folds(data)):
            before: set[int] = set()
            for size in curve.sizes:
                parts = [v.folds[number] for v in validations if v.key["size"] == size]
                for one, kept in parts:
                    np.testing.assert_array_equal(one, parts[0][0])
                    np.testing.assert_array_equal(kept, test)
                part = set(parts[0][0].tolist())
                groups = {data.groups[s] for s in part}
                assert part == {s for s in train.tolist() if data.groups[s] in groups}
                assert before < part
                assert curve.n_environments[size][number] == data.n_atoms[sorted(part)].sum()
                assert curve.n_structures[size][number] == len(part)
                assert abs(curve.n_environments[size][number] - size) <= 4  # half of the largest group
                before = part

    def test_other_sizes_do_not_change_them(self, data, grown):
        validations, _ = grown
        alone = sent(lambda: learning_curve(data, [40], MODEL, RIDGES, setup=THREE))
        for one, other in zip(alone, [v for v in validations if v.key["size"] == 40], strict=True):
            for (train, _), (same, _) in zip(one.folds, other.folds, strict=True):
                np.testing.assert_array_equal(train, same)
        drawn = sent(lambda: learning_curve(data, [40], MODEL, RIDGES, setup=Setup(n_splits=3, random_state=5)))
        assert any(not np.array_equal(a[0], b[0]) for a, b in zip(alone[0].folds, drawn[0].folds, strict=True))

    def test_errors_are_those_of_the_parts(self, data, grown):
        validations, curve = grown
        for validation in (validations[0], validations[3]):
            name, size = validation.key["regressor"], validation.key["size"]
            model = clone(MODEL).set_params(regressor=RIDGES[name])
            expected = Errors.of(predict_left_out(data, model, validation.folds), fold_of_each(validation.folds))
            for quantity in curve.quantities:
                assert curve.errors[name, size].loss(quantity) == pytest.approx(expected.loss(quantity), rel=1e-5)

    def test_all_of_it_is_plain_cross_validation(self):
        alike = invented(6, symbols=("Si2C",))
        folds = THREE.folds(alike)
        curve = learning_curve(alike, [24], MODEL, {"kernel": RIDGES["kernel"]}, setup=THREE)
        assert curve.n_structures[24] == [len(train) for train, _ in folds] == [8, 8, 8]
        model = clone(MODEL).set_params(regressor=RIDGES["kernel"])
        expected = predict_left_out(alike, model, folds).losses()["ldos_normalized_loss"]
        assert curve.errors["kernel", 24].loss("ldos") == pytest.approx(expected, rel=1e-5)

    @settings(deadline=None, max_examples=25)
    @given(seed=st.integers(0, 1000), state=st.integers(0, 1000))
    def test_the_first_groups_hold_every_element_twice(self, seed, state):
        """Carbon is in four groups only, germanium in three: both are in the smallest part, in two groups each."""
        data = invented(14, 1, seed=seed, symbols=("Si2", "Si3"))
        rng = np.random.default_rng(seed)
        chosen = rng.permutation(14)
        for s in chosen[:4]:
            data.structures[s].symbols[0] = "C"
        for s in chosen[4:7]:
            data.structures[s].symbols[1] = "Ge"
        setup = Setup(n_splits=7, random_state=state)
        n_asked = [set(np.concatenate([data.structures[s].numbers for s in test])) for _, test in setup.folds(data)]
        needed = 2 + 2 * max(len(asked - {14}) for asked in n_asked)  # groups of at most 3 atoms
        validations = sent(lambda: learning_curve(data, [3 * needed], MODEL, RIDGES, setup=setup))
        for (part, _), asked, (whole, _) in zip(validations[0].folds, n_asked, setup.folds(data), strict=True):
            for number in asked:
                holding = [sum(number in data.structures[s].numbers for s in some) for some in (part, whole)]
                assert holding[0] >= min(2, holding[1])

    @pytest.mark.parametrize(
        ("sizes", "regressors", "message"),
        [
            ([], RIDGES, "at least one size and one regressor; got 0 and 2"),
            ([30], {}, "got 1 and 0"),
            ([0, 30], RIDGES, "sizes must be positive whole numbers; got 0"),
            ([30, 1000], RIDGES, r"A size of 1000 environments is larger than a training part, which has \d+\. Use a"),
            ([30, 31], RIDGES, "Sizes 30, 31 are too close: the first group has . environments"),
        ],
    )
    def test_impossible_sizes_are_refused(self, data, sizes, regressors, message):
        with pytest.raises(ValueError, match=message):
            learning_curve(data, sizes, MODEL, regressors, setup=THREE)

    def test_a_size_that_cannot_hold_every_element_is_refused(self):
        apart = invented(12, symbols=("Si2", "Si3", "C2"))
        with pytest.raises(
            ValueError, match=r"A size of 4 environments is too small: whole groups that contain every element"
        ):
            learning_curve(apart, [4, 30], MODEL, RIDGES, setup=THREE)


class TestSpacedSizes:
    @settings(deadline=None, max_examples=25)
    @given(
        counts=st.lists(st.integers(1, 9), min_size=4, max_size=40),
        n_sizes=st.integers(1, 8),
        n_splits=st.integers(2, 4),
        state=st.integers(0, 50),
    )
    def test_learning_curves_take_them(self, counts, n_sizes, n_splits, state):
        data = invented(1, sum(counts), symbols=("Si2",))
        groups = [f"g{g}" for g, count in enumerate(counts) for _ in range(count)]
        data = replace(data, groups=groups, kinds=["one"] * len(groups))
        try:
            folds = data.folds(n_splits, state)
        except ValueError:  # of such unequal groups that a fold stays empty
            return
        sizes = spaced_sizes(data, n_sizes, n_splits, random_state=state)
        assert sizes == sorted(set(sizes))
        assert 1 <= len(sizes) <= n_sizes
        assert sizes[-1] == min(data.n_atoms[train].sum() for train, _ in folds)
        sent(lambda: learning_curve(data, sizes, MODEL, RIDGES, setup=Setup(n_splits, state)))

    def test_of_silicon_they_grow_in_equal_ratios(self):
        data = load_dataset("silicon", smearing_width=0.3)
        sizes = spaced_sizes(data, 5, 5)
        assert len(sizes) == 5
        ratios = np.array(sizes[1:]) / sizes[:-1]
        assert ratios.max() / ratios.min() < 1.02
        sent(lambda: learning_curve(data, sizes, MODEL, RIDGES))

    def test_refusals(self, data):
        with pytest.raises(ValueError, match="n_sizes must be a positive whole number"):
            spaced_sizes(data, 0, 3)
        with pytest.raises(ValueError, match="n_splits must be at most the number of groups, 12; got 13"):
            spaced_sizes(data, 3, 13)


def power_law(exponents, sizes, prefactor=0.7):
    """A curve of one regressor whose L/sigma in fold f is prefactor * n^exponents[f]."""
    n_folds, grid = len(exponents), EnergyGrid.from_range(-1.0, 1.0, 0.5, "fermi")
    fold = np.arange(n_folds)
    counts = {size: [size + f for f in range(n_folds)] for size in sizes}
    errors = {}
    for size in sizes:
        squared = np.array([(prefactor * counts[size][f] ** exponents[f]) ** 2 for f in range(n_folds)])
        errors["only", size] = Errors(
            {"dos": 4.0 * squared}, {"dos": 2.0}, {"dos": "states/eV/atom"}, {"dos": 1.0}, fold, fold, fold, grid
        )
    return LearningCurve(errors, counts, counts, {"dos": 0.01})


class TestCurve:
    @given(exponents=st.lists(st.floats(-1.5, 0.5), min_size=2, max_size=6), prefactor=st.floats(0.01, 10))
    def test_slopes_of_power_laws_are_found(self, exponents, prefactor):
        curve = power_law(exponents, [10, 40, 160, 300], prefactor)
        slope, spread = curve.slope("only", "dos")
        assert slope == pytest.approx(np.mean(exponents), abs=1e-9)
        assert spread == pytest.approx(np.std(exponents, ddof=1), abs=1e-9)
        sizes, losses = curve.curve("only", "dos")
        assert sizes.shape == losses.shape == (4, len(exponents))
        assert sizes[2].tolist() == [160 + f for f in range(len(exponents))]
        np.testing.assert_allclose(losses, prefactor * sizes ** np.array(exponents), rtol=1e-10)

    def test_too_little_for_a_slope(self):
        assert np.isnan(power_law([-0.5, -0.5], [10]).slope("only", "dos")).all()
        slope, spread = power_law([-0.5], [10, 20]).slope("only", "dos")
        assert slope == pytest.approx(-0.5)
        assert np.isnan(spread)

    def test_unreliable_slopes_are_named(self):
        assert power_law([-0.5, -0.4], [10, 20, 80]).cautions() == []
        assert power_law([-0.5, -0.4], [10]).cautions() == []  # no slope at all
        (text,) = power_law([-0.5, -0.4], [20, 40]).cautions()
        assert text.startswith("The largest size is only 1.98 times the smallest")
        (text,) = power_law([-0.5, 0.4], [10, 20, 80]).cautions()
        assert text.endswith("so even their sign is uncertain: only (dos).")
        assert power_law([-0.5], [10, 80]).cautions() == []  # one fold has no deviation

    def test_records_are_tidy(self, grown, tmp_path):
        _, curve = grown
        records = curve.records()
        assert len(records) == 6 * len(curve.quantities) * 4
        assert curve.quantities == ["ldos", "ldos C", "ldos Si", "dos", "dos_derivative"]
        for record in records:
            (size,) = [
                n for n in curve.sizes if abs(np.mean(curve.n_environments[n]) - record["n_environments"]) < 5
            ] or [None]
            errors = curve.errors[record["regressor"], size]
            at = slice(None) if record["fold"] == "all" else int(record["fold"])
            assert record["n_environments"] == np.mean(np.array(curve.n_environments[size])[at])
            assert record["n_structures"] == np.mean(np.array(curve.n_structures[size])[at])
            assert record["loss"] == errors.pooled_and_by_fold(record["quantity"])[record["fold"]]
        assert len(curve.save(tmp_path / "t.csv").read_text().splitlines()) == 1 + len(records)

    def test_more_data_help(self, data):
        curve = learning_curve(data, [14, 48], MODEL, {"a": RIDGES["kernel"]}, setup=THREE)
        assert curve.slope("a", "ldos")[0] < -0.1

    def test_fewer_environments_than_inducing_points_are_all_taken(self, data):
        sparse = SparseLDOSKernelRidge(1e-3, n_inducing=18, kernel="matern", gamma=1.0)
        regressors = {"ldos": sparse, "dos": clone(sparse).set_params(learn="dos")}
        with pytest.warns(Caution, match="ldos at 14, 24 environments; dos at 14 environments") as caught:
            curve = learning_curve(data, [14, 24, 48], MODEL, regressors, setup=THREE)
        assert len(caught) == 1
        every = {name: clone(one).set_params(n_inducing="all") for name, one in regressors.items()}
        everywhere = learning_curve(data, [14, 24, 48], MODEL, every, setup=THREE)
        plain = {"ldos": sparse, "dos": regressors["dos"]}
        validations = sent(lambda: learning_curve(data, [48], MODEL, plain, setup=THREE))
        for name in regressors:
            assert curve.errors[name, 14].as_record() == everywhere.errors[name, 14].as_record()
            model = clone(MODEL).set_params(regressor=regressors[name])
            folds = next(v.folds for v in validations if v.key["regressor"] == name)
            expected = predict_left_out(data, model, folds).losses()["dos_normalized_loss"]
            assert curve.errors[name, 48].loss("dos") == pytest.approx(expected, rel=1e-5)
            assert curve.errors[name, 48].loss("dos") != everywhere.errors[name, 48].loss("dos")
        assert sparse.n_inducing == 18

    def test_a_killed_curve_goes_on(self, data, grown, tmp_path, monkeypatch, elsewhere):
        log = tmp_path / "c.jsonl"

        def kill(done, total, what):
            assert (total, what.split(", ")[0] in RIDGES) == (6, True)
            if done == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            learning_curve(data, [20, 40, 48], MODEL, RIDGES, setup=Setup(n_splits=3, log=log, progress=kill))
        found = learning_curve(data, [20, 40, 48], MODEL, RIDGES, setup=Setup(n_splits=3, log=log, n_jobs=2))
        assert elsewhere == [1, 1, 1, 2, 2, 2]
        assert found.records() == grown[1].records()
        monkeypatch.setattr(SOAP, "transform", lambda *given: pytest.fail("computed again"))
        assert learning_curve(data, [40], MODEL, RIDGES, setup=Setup(n_splits=3, log=log)).sizes == [40]
        with pytest.raises(ValueError, match="another learning curve: regressors differ"):
            learning_curve(data, [40], MODEL, {"kernel": LDOSRidge(alpha=1e-3)}, setup=Setup(n_splits=3, log=log))

    def test_descriptors_are_computed_once(self, data, monkeypatch):
        calls, original = [], SOAP.transform
        monkeypatch.setattr(SOAP, "transform", lambda *given: calls.append(1) or original(*given))
        learning_curve(data, [20, 40], WHITENED, RIDGES, setup=THREE)
        compare_regressors(data, WHITENED, RIDGES, setup=THREE)
        assert len(calls) == 2


REGRESSORS = {
    "ldos": REGRESSOR,
    "again": clone(REGRESSOR),
    "dos": LDOSKernelRidge(1e-3, learn="dos", kernel="matern", gamma=1.0),
}


@pytest.fixture(scope="module")
def compared(data):
    return compare_regressors(data, MODEL, REGRESSORS, setup=Setup(n_splits=3, temperature=1000.0))


def rows_of(records):
    return {(record["quantity"], record["regressor"]): record for record in records}


class TestComparison:
    def test_structures_without_properties_are_counted(self, data, compared):
        assert compared.cautions() == []
        errors = dict(compared.errors)
        squares = {name: values.copy() for name, values in errors["dos"].squared.items()}
        squares["band_energy"][[0, 3]] = np.nan
        errors["dos"] = replace(errors["dos"], squared=squares)
        lacking = replace(compared, errors=errors)
        (caution,) = lacking.cautions()
        assert caution.startswith(f"dos: the predicted DOS of 2 of {len(data)} structures does not contain")
        found = rows_of(lacking.records(n_draws=10))["band_energy", "dos"]
        known = np.ones((1, len(data)))
        known[0, [0, 3]] = 0
        first = compared.errors["ldos"].losses("band_energy", known)[0]
        assert found["difference"] == pytest.approx(found["loss"] - first)

    def test_errors_are_those_of_cross_validations(self, data, compared):
        folds = THREE.folds(data)
        for name, regressor in REGRESSORS.items():
            model = clone(MODEL).set_params(regressor=regressor)
            expected = Errors.of(predict_left_out(data, model, folds), fold_of_each(folds), temperature=1000.0)
            for quantity in compared.quantities:
                assert compared.errors[name].loss(quantity) == pytest.approx(expected.loss(quantity), rel=1e-5)
        assert compared.regressors == list(REGRESSORS)
        assert compared.quantities == ["ldos", "ldos C", "ldos Si", "dos", "dos_derivative", *PROPERTIES]
        assert compared.temperature == 1000.0

    def test_equal_regressors_do_not_differ(self, compared):
        for record in compared.records(n_draws=50):
            if record["regressor"] in ("ldos", "again"):
                assert record["difference"] == record["difference_low"] == record["difference_high"] == 0
            assert record["low"] <= record["loss"] * (1 + 1e-9)
            assert record["difference_low"] <= record["difference_high"]

    def test_differences_change_their_sign_with_the_order(self, compared):
        swapped = RegressorComparison(dict(reversed(compared.errors.items())), compared.groups, 1000.0, {})
        there, back = (rows_of(each.records(n_draws=80)) for each in (compared, swapped))
        for quantity in compared.quantities:
            one, other = there[quantity, "dos"], back[quantity, "ldos"]
            assert one["difference"] == -other["difference"]
            assert one["difference_low"] == pytest.approx(-other["difference_high"], rel=1e-12)
            assert one["difference_high"] == pytest.approx(-other["difference_low"], rel=1e-12)

    @pytest.mark.parametrize("quantity", ["ldos", "ldos Si", "dos", "band_energy"])
    def test_the_bootstrap_draws_whole_groups_for_both(self, data, compared, quantity):
        """By hand: groups drawn with replacement, their structures joined, both regressors evaluated on them."""
        labels = sorted(set(data.groups))
        rng, drawn = np.random.default_rng(4), []
        for _ in range(200):
            structures = [
                s for g in rng.integers(0, len(labels), len(labels)) for s in range(24) if data.groups[s] == labels[g]
            ]
            losses = []
            for name in ("ldos", "dos"):
                errors = compared.errors[name]
                if quantity.startswith("ldos"):
                    kept = errors.numbers == 14 if quantity == "ldos Si" else errors.numbers > 0
                    squared, index = errors.squared["ldos"][kept], errors.structure_index[kept]
                    values = np.concatenate([squared[index == s] for s in structures])
                else:
                    values = errors.squared[quantity][structures]
                losses.append(np.sqrt(values.mean()) / errors.sigma[quantity])
            drawn.append(losses)
        drawn = np.array(drawn)
        record = rows_of(compared.records(n_draws=200, random_state=4))[quantity, "dos"]
        expected = np.percentile(drawn[:, 1], [2.5, 97.5])
        assert (record["low"], record["high"]) == pytest.approx(tuple(expected), rel=1e-10)
        expected = np.percentile(drawn[:, 1] - drawn[:, 0], [2.5, 97.5])
        assert (record["difference_low"], record["difference_high"]) == pytest.approx(tuple(expected), abs=1e-12)

    def test_only_structures_that_both_have_are_compared(self, compared):
        """One whose property is missing in one regressor, and bad in the other, does not make a difference."""
        first = compared.errors["ldos"]
        bad, missing = first.squared["fermi_level"].copy(), first.squared["fermi_level"].copy()
        bad[3], missing[3] = 100.0, np.nan
        errors = {
            name: replace(first, squared={**first.squared, "fermi_level": values})
            for name, values in (("bad", bad), ("missing", missing))
        }
        comparison = RegressorComparison(errors, compared.groups, 1000.0, {})
        record = rows_of(comparison.records(n_draws=50))["fermi_level", "missing"]
        assert record["difference"] == record["difference_low"] == record["difference_high"] == 0
        assert comparison.errors["bad"].loss("fermi_level") > 10 * record["loss"]

    def test_a_clear_difference_excludes_zero(self, compared):
        record = rows_of(compared.records(n_draws=200))["ldos", "dos"]
        assert 0 < record["difference_low"] < record["difference"] < record["difference_high"]
        assert record["rmse"] == compared.errors["dos"].rmse("ldos")
        assert record["unit"] == "states/eV/atom"

    def test_noise_of_the_labels_stands_beside(self):
        properties = {"temperature": 1000.0, "rmse": {"fermi_level": [0.03, 0.01]}}
        noise = {"smearing_width": [0.5, 0.3], "ldos": [0.1, 0.3], "dos": [0.2, 0.4], "properties": properties}
        noisy = invented(label_noise=noise)
        for temperature, known in ((1000.0, True), (300.0, False), (None, False)):
            setup = Setup(n_splits=3, temperature=temperature)
            comparison = compare_regressors(noisy, MODEL, {"kernel": RIDGES["kernel"]}, setup=setup)
            found = {record["quantity"]: record["label_noise"] for record in comparison.records(n_draws=2)}
            assert (found["ldos"], found["dos"]) == (pytest.approx(0.2), pytest.approx(0.3))
            assert found["ldos Si"] is found["dos_derivative"] is None
            if known:
                sigma = comparison.errors["kernel"].sigma["fermi_level"]
                assert found["fermi_level"] == pytest.approx(0.02 / sigma)
            assert found.get("band_energy") is None
            assert ("band_energy" in found) == (temperature is not None)

    def test_total_dos_is_compared_without_ldos(self):
        ways = {
            "kernel": LDOSKernelRidge(1e-3, learn="dos", kernel="matern", gamma=1.0),
            "linear": LDOSRidge(1e-3, learn="dos"),
        }
        comparison = compare_regressors(invented(total=True), MODEL, ways, setup=THREE)
        assert comparison.quantities == ["dos", "dos_derivative"]

    def test_no_regressor_and_unknown_electrons_are_refused(self):
        with pytest.raises(ValueError, match="at least one regressor; got none"):
            compare_regressors(invented(), MODEL, {})
        setup = Setup(n_splits=3, temperature=300.0)
        with pytest.raises(ValueError, match="Properties need the number of valence electrons"):
            compare_regressors(invented(n_electrons=None), MODEL, {"linear": LDOSRidge(1e-3)}, setup=setup)

    def test_the_log_belongs_to_its_regressors(self, data, tmp_path):
        setup = Setup(n_splits=3, log=tmp_path / "c.jsonl")
        first = compare_regressors(data, MODEL, RIDGES, setup=setup)
        again = compare_regressors(data, MODEL, dict(reversed(RIDGES.items())), setup=setup)
        assert again.errors["linear"].as_record() == first.errors["linear"].as_record()
        assert again.regressors == ["linear", "kernel"]
        with pytest.raises(ValueError, match="another comparison: regressors differ"):
            compare_regressors(data, MODEL, RIDGES | {"linear": LDOSRidge(1e-2)}, setup=setup)
        with pytest.raises(ValueError, match="another comparison: temperature differ"):
            compare_regressors(data, MODEL, RIDGES, setup=replace(setup, temperature=300.0))


class TestRegressorsByLearn:
    def test_they_learn_from_ldos_dos_and_both(self):
        ways = regressors_by_learn(LDOSRidge(0.5, ldos_weight=3.0))
        assert {name: one.learn for name, one in ways.items()} == {"ldos": "ldos", "dos": "dos", "both": "both"}
        assert all((one.alpha, one.ldos_weight) == (0.5, 3.0) for one in ways.values())
        assert [repr(one) for one in regressors_by_learn().values()] == [
            "LDOSKernelRidge()",
            "LDOSKernelRidge(learn='dos')",
            "LDOSKernelRidge(learn='both')",
        ]

    def test_all_points_are_the_dense_ones(self, data):
        folds = THREE.folds(data)
        sparse = regressors_by_learn(SparseLDOSKernelRidge(1e-2, n_inducing="all"))
        for name, regressor in regressors_by_learn(LDOSKernelRidge(1e-2)).items():
            one, other = (
                predict_left_out(data, clone(MODEL).set_params(regressor=each), folds).predicted.values
                for each in (regressor, sparse[name])
            )
            np.testing.assert_allclose(one, other, atol=1e-6)

    @pytest.mark.parametrize(
        "regressor", [LDOSKernelRidge(alphas=[1e-3, 1.0]), SparseLDOSKernelRidge(1e-2, n_inducing=10)]
    )
    def test_they_can_be_compared(self, regressor):
        comparison = compare_regressors(invented(), WHITENED, regressors_by_learn(regressor), setup=THREE)
        assert all(errors.loss("dos") < 1 for errors in comparison.errors.values())


def test_models_that_are_taught_stay_as_they_are(data):
    model = DOSModel(SMALL, LDOSRidge(0.5))
    before = repr(model)
    compare_regressors(data, model, RIDGES, setup=THREE)
    learning_curve(data, [20], model, RIDGES, setup=THREE)
    assert repr(model) == before
    assert not hasattr(model, "grid_")
    assert not any(hasattr(regressor, "dual_coef_") for regressor in RIDGES.values())
