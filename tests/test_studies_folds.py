"""Predictions of structures left out, against plain loops; and their errors, against plain sums."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from studied import MODEL, REGRESSOR, SMALL, WHITENED, invented

from ldosml import (
    SOAP,
    DOSModel,
    EnergyGrid,
    Joined,
    LDOSKernelRidge,
    LDOSRidge,
    Whitened,
    normalized_loss,
)
from ldosml.bootstrap import group_draws, interval
from ldosml.evaluation import Evaluation
from ldosml.properties import dos_derivative
from ldosml.report.derived_properties import DerivedProperties
from ldosml.search import SearchedModel, search_settings
from ldosml.studies import Errors, Setup, compare_regressors, error_table, predict_left_out
from ldosml.studies.errors import PROPERTIES
from ldosml.studies.folds import Described, descriptor_rows, fold_of_each

TWO = Setup(n_splits=2, n_jobs=2)
JOINED = Joined([SOAP(r_cut=2.5, n_max=2, l_max=1), SMALL])


@pytest.fixture(scope="module")
def data():
    return invented()


@pytest.fixture(scope="module")
def folds(data):
    return data.folds(3, random_state=1)


def looped(data, model, folds, **window):
    """Predicted LDOS (n_environments, n_energies) by fitting for each fold from the start; NaN where none tests."""
    predicted = np.full((len(data.numbers), data.refer_to("fermi", **window).grid.size), np.nan)
    for train, test in folds:
        fitted = clone(model).set_params(**window).fit(data.select(train))
        part = fitted.evaluate(data.select(test)).predicted
        for place, s in enumerate(test):
            predicted[data.structure_index == s] = part.of_structure(place)
    return predicted


MODELS = {
    "default": DOSModel(),
    "SOAP": MODEL,
    "joined": DOSModel(JOINED, REGRESSOR),
    "whitened": WHITENED,
    "joined and whitened": DOSModel(Whitened(JOINED, n_jobs=1), REGRESSOR),
    "learns from the structures": DOSModel(make_pipeline(SMALL, PCA(3, svd_solver="full")), REGRESSOR),
    "structural": DOSModel(
        SMALL, LDOSKernelRidge("leave-one-group-out", learn="dos", kernel="matern", alphas=[1e-3, 1.0], gamma=1.0)
    ),
    "joint": DOSModel(
        Whitened(SMALL), LDOSKernelRidge(1e-3, learn="both", kernel="matern", ldos_weight=3.0, gamma=1.0)
    ),
}


class TestPredictLeftOut:
    @pytest.mark.parametrize("name", MODELS)
    def test_is_a_loop_over_the_folds(self, data, folds, name):
        evaluation = predict_left_out(data, MODELS[name], folds)
        np.testing.assert_allclose(evaluation.predicted.values, looped(data, MODELS[name], folds), atol=1e-10)
        np.testing.assert_array_equal(evaluation.true.values, data.ldos.values)
        np.testing.assert_allclose(evaluation.dos()[0].values, data.dos.values, atol=1e-12)
        np.testing.assert_allclose(evaluation.dos()[1].values, evaluation.predicted.total().values)
        assert not hasattr(MODELS[name], "grid_")

    def test_structures_come_in_the_order_of_the_dataset(self, data):
        shuffled = [(train, np.random.default_rng(0).permutation(test)) for train, test in data.folds(4, 2)][::-1]
        evaluation = predict_left_out(data, MODEL, shuffled)
        assert (evaluation.names, evaluation.kinds) == (data.names, data.kinds)
        np.testing.assert_array_equal(evaluation.predicted.numbers, data.numbers)
        np.testing.assert_array_equal(evaluation.predicted.structure_index, data.structure_index)
        np.testing.assert_array_equal(evaluation.n_electrons, data.n_electrons)
        np.testing.assert_allclose(evaluation.predicted.values, looped(data, MODEL, shuffled), atol=1e-10)

    def test_some_folds_give_some_structures(self, data, folds):
        some = [folds[2], folds[0]]
        evaluation, tested = predict_left_out(data, MODEL, some), np.sort(np.concatenate([folds[2][1], folds[0][1]]))
        assert evaluation.names == [data.names[s] for s in tested]
        expected = looped(data, MODEL, some)
        np.testing.assert_allclose(evaluation.predicted.values, expected[~np.isnan(expected[:, 0])], atol=1e-10)
        assert fold_of_each(some).tolist() == [0 if s in folds[2][1] else 1 for s in tested]

    def test_the_energies_are_those_of_the_whole_dataset_or_the_model_s(self, folds):
        fermi = np.linspace(-0.3, 0.25, 16)
        # A narrow width, so that the first states, not the first energies, are where the grid begins.
        data = invented(
            zero="code", fermi_energy=fermi, energy_max=fermi + np.linspace(2.0, 3.0, 16), smearing_width=0.1
        )
        starts = {data.select(train).refer_to("fermi").grid.start for train, _ in folds}
        assert len(starts) > 1
        model = clone(MODEL).set_params(regressor=LDOSKernelRidge(1e-3, kernel="polynomial", gamma=1.0))
        evaluation = predict_left_out(data, model, folds)
        assert evaluation.predicted.grid == data.refer_to("fermi").grid
        assert evaluation.predicted.grid.stop == pytest.approx(2.0)
        window = {"low": -3.0, "high": 1.5}
        evaluation = predict_left_out(data, clone(model).set_params(**window), folds)
        expected = data.refer_to("fermi", **window)
        assert evaluation.true.grid == expected.grid
        np.testing.assert_allclose(evaluation.true.values, expected.ldos.values, atol=1e-12)
        np.testing.assert_allclose(evaluation.predicted.values, looped(data, model, folds, **window), atol=1e-10)

    def test_total_dos_is_enough_for_structural_learning(self, data, folds):
        total = invented(total=True)
        for regressor in (LDOSKernelRidge(1e-3, learn="dos", kernel="matern", gamma=1.0), LDOSRidge(1e-3, learn="dos")):
            evaluation = predict_left_out(total, DOSModel(SMALL, regressor), folds)
            assert evaluation.true is None
            np.testing.assert_allclose(evaluation.dos()[0].values, data.dos.values, atol=1e-12)
            same = predict_left_out(data, DOSModel(SMALL, regressor), folds)
            np.testing.assert_allclose(evaluation.predicted.values, same.predicted.values, atol=1e-8)
            assert Errors.of(evaluation, fold_of_each(folds)).quantities == ["dos", "dos_derivative"]
        with pytest.raises(ValueError, match="needs the LDOS of every atom"):
            predict_left_out(total, MODEL, folds)

    def test_a_dos_that_is_not_the_sum_is_what_is_evaluated(self, data, folds):
        twice = replace(data, stored_dos=replace(data.dos, values=2 * data.dos.values))
        evaluation = predict_left_out(twice, MODEL, folds)
        np.testing.assert_allclose(evaluation.dos()[0].values, 2 * data.dos.values)
        assert Errors.of(evaluation, fold_of_each(folds)).loss("dos") > 0.5

    def test_a_search_sees_the_training_part_only(self, data, folds):
        grids = {
            "descriptor": [SMALL, Whitened(SMALL)],
            "regressor": [REGRESSOR, LDOSKernelRidge(kernel="gaussian", alpha=1e-3, gamma=1.0)],
        }
        evaluation = predict_left_out(data, SearchedModel(grids), folds)
        for train, test in folds:
            found = search_settings(data.select(train), grids, factor=1).model.fit(data.select(train))
            rows = np.isin(data.structure_index, test)
            expected = found.predict([data.structures[s] for s in test])
            np.testing.assert_allclose(evaluation.predicted.values[rows], expected.values, atol=1e-10)

    @pytest.mark.parametrize(
        ("chosen", "message"),
        [
            (lambda folds: [], "needs at least one fold"),
            (lambda folds: [folds[0], folds[1], folds[0]], "in one test part only"),
            (lambda folds: [(folds[0][0][:1], folds[0][1])], "1 environments in 1 groups"),
        ],
    )
    def test_impossible_folds_are_refused(self, data, folds, chosen, message):
        with pytest.raises(ValueError, match=message):
            predict_left_out(data, MODEL, chosen(folds))

    def test_an_element_that_a_training_part_lacks_is_named(self):
        data = invented()
        data.structures[0].symbols[:] = data.structures[1].symbols[:] = "Ge"
        with pytest.raises(
            ValueError,
            match=r"Ge is in the test part of fold . but not in its training part: 2 of 16 structures contain it, in "
            r"1 groups.*It needs at least two groups\. Add structures that contain it, or remove these structures",
        ):
            Setup(n_splits=3).folds(data)
        for s in (14, 15):
            data.structures[s].symbols[:] = "Ge"
        apart = [(np.arange(2, 14), np.array([0, 1, 14, 15]))]
        with pytest.raises(ValueError, match=r"in 2 groups that stay whole\. Use another random seed for the folds"):
            predict_left_out(data, MODEL, apart)


class TestDescribed:
    @pytest.mark.parametrize("name", ["default", "joined", "joined and whitened"])
    def test_rows_are_those_of_the_descriptor(self, data, folds, name):
        descriptor = MODELS[name].new_descriptor(data.structures)
        rows = descriptor_rows(data, MODELS[name])
        train, test = folds[0]
        X, X_test = rows.of_fold(data, folds[0])
        fitted = clone(descriptor).fit(data.select(train).structures)
        np.testing.assert_allclose(X, fitted.transform(data.select(train).structures), atol=1e-10)
        np.testing.assert_allclose(X_test, fitted.transform(data.select(test).structures), atol=1e-10)

    def test_descriptors_of_other_libraries_are_fitted_in_each_fold(self, data):
        assert descriptor_rows(data, MODELS["learns from the structures"]) is None

    def test_rows_are_computed_once_and_late(self, data, monkeypatch):
        calls, original = [], SOAP.transform
        monkeypatch.setattr(SOAP, "transform", lambda *given: calls.append(1) or original(*given))
        described = Described(data, MODEL)
        assert not calls
        for _ in range(3):
            assert described()[2].values.shape[0] == len(data.numbers)
        assert len(calls) == 1

    @pytest.mark.parametrize(
        "study",
        [lambda *given: compare_regressors(*given, {"kernel": REGRESSOR}, setup=TWO), partial(error_table, setup=TWO)],
        ids=["regressors", "elements"],
    )
    def test_rows_are_computed_before_joblib_sends_them(self, data, monkeypatch, study):
        """joblib pickles in a thread of its own, where descriptors that start processes would wait for ever."""
        calls, before, original = [], [], SOAP.transform

        def ordered(function, items, *, n_jobs):
            before.append((n_jobs, len(calls)))
            return map(function, items)

        monkeypatch.setattr(SOAP, "transform", lambda *given: calls.append(1) or original(*given))
        monkeypatch.setattr("ldosml.studies.cross_validation._tasks", SimpleNamespace(ordered=ordered))
        study(data, MODEL)
        assert before == [(2, 1)]
        assert len(calls) == 1


@pytest.fixture(scope="module")
def evaluation(data, folds):
    return predict_left_out(data, MODEL, folds)


@pytest.fixture(scope="module")
def errors(evaluation, folds):
    return Errors.of(evaluation, fold_of_each(folds), temperature=1000.0)


class TestErrors:
    def test_losses_are_those_of_the_pooled_evaluation(self, evaluation, errors):
        known = evaluation.losses()
        for name in ("ldos", "dos"):
            assert errors.loss(name) == pytest.approx(known[f"{name}_normalized_loss"], rel=1e-12)
            assert errors.mean_loss[name] == pytest.approx(known[f"{name}_mean_spectrum_loss"], rel=1e-12)
        assert errors.loss("ldos") == pytest.approx(normalized_loss(evaluation.true, evaluation.predicted))

    @pytest.mark.parametrize("window", [(-3.0, 1.0), (None, 0.0), (-1.0, None)])
    def test_spectra_are_evaluated_between_two_energies(self, evaluation, errors, folds, window):
        low, high = window
        cut = evaluation.cut(low, high)
        cut_errors = Errors.of(evaluation, fold_of_each(folds), low=low, high=high, temperature=1000.0)
        assert cut_errors.loss("ldos") == pytest.approx(cut.losses()["ldos_normalized_loss"], rel=1e-12)
        assert cut_errors.loss("dos") == pytest.approx(cut.losses()["dos_normalized_loss"], rel=1e-12)
        for name in PROPERTIES:  # which need all energies
            assert cut_errors.loss(name) == errors.loss(name)
        # Cut after the derivative, so that its ends are not extrapolated.
        kept = evaluation.predicted.grid.window(*cut.predicted.grid.energies[[0, -1]])
        slopes = [(dos_derivative(dos) / dos.n_atoms[:, None])[:, kept] for dos in evaluation.dos()]
        expected = np.sqrt(np.mean((slopes[1] - slopes[0]) ** 2)) / slopes[0].std()
        assert cut_errors.loss("dos_derivative") == pytest.approx(expected, rel=1e-12)

    def test_elements_have_their_own_rows_and_sigma(self, data, evaluation, errors):
        assert errors.elements == ["C", "Si"]
        for element, number in (("C", 6), ("Si", 14)):
            rows = data.numbers == number
            true, predicted = evaluation.true.values[rows], evaluation.predicted.values[rows]
            name = f"ldos {element}"
            assert errors.sigma[name] == pytest.approx(true.std(), rel=1e-12)
            rmse = np.sqrt(np.mean((predicted - true) ** 2))
            assert errors.rmse(name) == pytest.approx(rmse, rel=1e-12)
            assert errors.loss(name) == pytest.approx(rmse / true.std(), rel=1e-12)
            mean = np.sqrt(np.mean((true - true.mean(axis=0)) ** 2)) / true.std()
            assert errors.mean_loss[name] == pytest.approx(mean, rel=1e-12)
            each = errors.by_environment(f"ldos {element}")
            np.testing.assert_allclose(each, np.sqrt(np.mean((predicted - true) ** 2, axis=1)) / true.std())
            assert np.sqrt(np.mean(each**2)) == pytest.approx(errors.loss(name), rel=1e-12)

    def test_the_only_element_is_not_named_twice(self, folds):
        silicon = invented(symbols=("Si2", "Si3", "Si4", "Si5"))
        errors = Errors.of(predict_left_out(silicon, MODEL, folds), fold_of_each(folds))
        assert errors.quantities == ["ldos", "dos", "dos_derivative"]
        assert errors.loss("ldos Si") == errors.loss("ldos")

    @pytest.mark.parametrize("quantity", ["ldos", "ldos C", "dos", "dos_derivative", "fermi_level"])
    def test_folds_add_up_to_the_whole(self, data, errors, folds, quantity):
        by_fold = errors.by_fold(quantity)
        assert list(by_fold) == [0, 1, 2]
        rows = {"ldos": np.ones(len(data.numbers), bool), "ldos C": data.numbers == 6}.get(quantity)
        weights = [
            len(test) if rows is None else np.count_nonzero(rows & np.isin(data.structure_index, test))
            for _, test in folds
        ]
        squared = np.average([loss**2 for loss in by_fold.values()], weights=weights)
        assert errors.loss(quantity) == pytest.approx(np.sqrt(squared), rel=1e-12)
        assert errors.pooled_and_by_fold(quantity) == {
            "all": errors.loss(quantity),
            "0": by_fold[0],
            "1": by_fold[1],
            "2": by_fold[2],
        }

    def test_properties_are_compared_as_reports_do(self, evaluation, errors):
        tables = evaluation.properties([1000.0])
        comparisons = {c.name: c for c in DerivedProperties(*tables, 1000.0).comparisons(PROPERTIES)}
        assert set(comparisons) == set(PROPERTIES)
        for name, comparison in comparisons.items():
            assert errors.loss(name) == pytest.approx(comparison.normalized_loss, rel=1e-10)
            assert errors.rmse(name) == pytest.approx(comparison.rmse, rel=1e-10)
            assert errors.units[name] == comparison.unit
        assert errors.quantities == ["ldos", "ldos C", "ldos Si", "dos", "dos_derivative", *PROPERTIES]

    def test_properties_need_electrons(self, evaluation, folds):
        with pytest.raises(ValueError, match="Properties need the number of valence electrons"):
            Errors.of(replace(evaluation, n_electrons=None), fold_of_each(folds), temperature=300.0)

    @settings(deadline=None, max_examples=20)
    @given(counts=st.lists(st.integers(0, 3), min_size=16, max_size=16).filter(any))
    @pytest.mark.parametrize("quantity", ["ldos", "ldos Si", "dos", "band_energy"])
    def test_weights_repeat_structures(self, errors, quantity, counts):
        """The loss with weights is that of a set that holds each structure so many times."""
        if quantity.startswith("ldos"):
            structures, values = errors.structure_index, errors.squared["ldos"]
            if quantity == "ldos Si":
                structures, values = structures[errors.numbers == 14], values[errors.numbers == 14]
            repeated = np.concatenate([values[structures == s] for s in np.repeat(np.arange(16), counts)])
        else:
            repeated = np.repeat(errors.squared[quantity], counts)
        found = errors.loss(quantity, np.array(counts, dtype=float))
        assert found == pytest.approx(np.sqrt(repeated.mean()) / errors.sigma[quantity], rel=1e-10)

    def test_many_draws_are_one_after_another(self, data, errors):
        draws = group_draws(data.groups, 7, 0)
        for quantity in errors.quantities:
            one_by_one = [errors.loss(quantity, weights) for weights in draws]
            np.testing.assert_allclose(errors.losses(quantity, draws), one_by_one, rtol=1e-12)

    def test_what_some_structures_lack_is_left_out(self, errors):
        squared = errors.squared["band_energy"].copy()
        squared[[1, 4]] = np.nan
        some = replace(errors, squared={**errors.squared, "band_energy": squared})
        sigma = errors.sigma["band_energy"]
        assert some.loss("band_energy") == pytest.approx(np.sqrt(np.nanmean(squared)) / sigma)
        assert some.known("band_energy").tolist() == [s not in (1, 4) for s in range(16)]
        weights = np.zeros(16)
        weights[[1, 4]] = 1
        assert np.isnan(some.loss("band_energy", weights))
        assert np.isnan(some.losses("dos", np.zeros((2, 16)))).all()
        back = Errors.from_record(json.loads(json.dumps(some.as_record())))
        np.testing.assert_array_equal(np.isnan(back.squared["band_energy"]), np.isnan(squared))

    def test_what_is_the_same_for_all_has_an_error_but_no_loss(self, errors):
        constant = replace(errors, sigma={**errors.sigma, "fermi_level": 0.0})
        assert np.isnan(constant.loss("fermi_level"))
        assert constant.rmse("fermi_level") == errors.rmse("fermi_level") > 0

    def test_records_keep_six_digits(self, errors):
        record = errors.as_record()
        back = Errors.from_record(json.loads(json.dumps(record)))
        assert back.as_record() == record
        assert (back.sigma, back.units, back.mean_loss) == (errors.sigma, errors.units, errors.mean_loss)
        for name in ("numbers", "structure_index", "fold"):
            np.testing.assert_array_equal(getattr(back, name), getattr(errors, name))
        for quantity in errors.quantities:
            assert back.loss(quantity) == pytest.approx(errors.loss(quantity), rel=1e-5)
            np.testing.assert_allclose(
                back.losses(quantity, np.eye(16)), errors.losses(quantity, np.eye(16)), rtol=1e-5
            )

    def test_unknown_quantities_are_named(self, errors):
        for ask in (errors.loss, errors.by_fold, errors.known, errors.rmse):
            with pytest.raises(ValueError, match=r"quantity must be one of ldos, ldos C, ldos Si, dos.*; got 'colour'"):
                ask("colour")
        with pytest.raises(ValueError, match=r"quantity must be .*; got 'ldos Ge'"):
            errors.by_environment("ldos Ge")

    def test_predictions_below_zero_are_evaluated_without_a_warning(self, evaluation, folds):
        low = replace(evaluation, predicted=replace(evaluation.predicted, values=evaluation.predicted.values - 0.2))
        errors = Errors.of(low, fold_of_each(folds), temperature=1000.0)
        assert errors.loss("dos") == pytest.approx(low.losses()["dos_normalized_loss"], rel=1e-12)
        assert errors.loss("band_energy") > 0

    def test_constant_references_are_refused(self, evaluation, folds):
        flat = replace(evaluation.true, values=np.ones_like(evaluation.true.values))
        with pytest.raises(ValueError, match="All true values of 'ldos' are equal"):
            Errors.of(replace(evaluation, true=flat), fold_of_each(folds))


class TestDraws:
    def test_groups_are_drawn_whole_and_as_many_as_there_are(self):
        groups = ["a", "b", "b", "c", "a", "b", "d"]
        draws = group_draws(groups, 400, 3)
        assert draws.shape == (400, 7)
        np.testing.assert_array_equal(draws[:, 0], draws[:, 4])
        np.testing.assert_array_equal(draws[:, 1], draws[:, 5])
        np.testing.assert_array_equal(draws[:, [0, 1, 3, 6]].sum(axis=1), 4)
        np.testing.assert_allclose(draws.mean(axis=0), 1, atol=0.2)
        np.testing.assert_array_equal(draws, group_draws(groups, 400, 3))
        assert not np.array_equal(draws, group_draws(groups, 400, 4))

    def test_intervals(self):
        assert interval(np.arange(101.0)) == pytest.approx((2.5, 97.5))
        assert interval([np.nan, 1.0, 3.0, np.nan], coverage=0.5) == pytest.approx((1.5, 2.5))
        assert np.isnan(interval([np.nan])).all()
        assert np.isnan(interval([])).all()

    def test_an_interval_of_the_bootstrap_is_that_of_the_mean(self):
        """Of many groups of one structure each, it is 1.96 standard errors wide on either side."""
        rng = np.random.default_rng(0)
        squared = rng.normal(10.0, 1.0, 400)
        names = [str(s) for s in range(400)]
        nothing, grid = np.zeros(400, dtype=np.int64), EnergyGrid.from_range(-1.0, 1.0, 0.5, "fermi")
        errors = Errors({"dos": squared}, {"dos": 1.0}, {"dos": ""}, {}, nothing, np.arange(400), nothing, grid)
        low, high = interval(errors.losses("dos", group_draws(names, 2000, 0)) ** 2)
        width = 2 * 1.96 * squared.std() / 20
        assert high - low == pytest.approx(width, rel=0.1)
        assert low < squared.mean() < high


def test_evaluations_without_a_reference_say_so(evaluation):
    lost = Evaluation(None, evaluation.predicted, evaluation.names, evaluation.kinds)
    with pytest.raises(ValueError, match="got neither"):
        Errors.of(lost, np.zeros(16))


def test_the_invented_set_can_be_learned_but_not_wholly(errors):
    """So that what the other tests compare is neither zero nor chance."""
    assert 0.02 < errors.loss("ldos") < 0.5 * errors.mean_loss["ldos"]


KILLED = r"""
import os
import time

from ldosml.studies.cross_validation import _run

class Slow:
    def run(self):
        os.write(2, f"{os.getpid()}\n".encode())
        time.sleep(60)

if __name__ == "__main__":
    list(_run([Slow(), Slow()], 2))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes are not killed so here")
def test_processes_do_not_outlive_a_study_that_was_killed():
    with subprocess.Popen([sys.executable, "-c", KILLED], stderr=subprocess.PIPE, text=True) as study:
        processes = [psutil.Process(int(study.stderr.readline())) for _ in range(2)]
        assert all(process.ppid() == study.pid for process in processes)
        study.kill()
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
