"""Errors against the cutoff radius: what a radius sees, where more brings nothing, and settings chosen honestly."""

import json

import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from studied import ENERGIES, MODEL, REGRESSOR, SMALL, WHITENED, WIDTH, invented, levels

import ldosml
from ldosml import SOAP, DOSModel, Joined, LDOSDataset, LDOSKernelRidge, SparseLDOSKernelRidge, Whitened
from ldosml.bootstrap import group_draws, interval
from ldosml.fragments import cut_fragments
from ldosml.studies import Errors, Setup, predict_left_out, saturation_radius, sweep_cutoffs
from ldosml.studies.folds import fold_of_each

THREE = Setup(n_splits=3)
NAMES = {name: getattr(ldosml, name) for name in ldosml.__all__}  # vars(ldosml) lacks names not yet imported


@pytest.fixture(scope="module")
def data():
    return invented()


@pytest.fixture(scope="module")
def crystals():
    """Periodic, so that every radius cuts something off."""
    rng = np.random.default_rng(0)
    structures = [bulk("SiC", "zincblende", a=4.36 + 0.1 * rng.normal()) * (1, 1, 1 + s % 2) for s in range(8)]
    for atoms in structures:
        atoms.rattle(0.15, rng=rng)
    return LDOSDataset.from_arrays(structures, ENERGIES, ldos=levels(structures, rng), smearing_width=WIDTH)


@pytest.fixture(scope="module")
def swept(data):
    return sweep_cutoffs(data, [3.0, 2.2], WHITENED, setup=THREE)


class TestSaturation:
    @pytest.mark.parametrize(
        ("losses", "tolerance", "expected"),
        [
            ([1.0, 0.5, 0.41, 0.40], 0.05, 4.0),
            ([1.0, 0.5, 0.41, 0.40], 0.0, 5.0),
            ([1.0, 0.5, 0.41, 0.40], 0.2, 3.0),
            ([1.0, 0.5, 0.41, 0.40], 0.9, 2.0),
            ([1.0, 1.0, 1.0, 1.0], 0.0, 2.0),
            ([0.5, 0.6, 0.7, 0.8], 0.05, 2.0),
            ([1.0, 0.4, 0.6, 0.5], 0.05, 3.0),  # what is worse further out does not count
            ([0.5, 0.9, 0.1, 0.8], 0.05, 4.0),  # what is better further out does
        ],
    )
    def test_examples(self, losses, tolerance, expected):
        assert saturation_radius([2.0, 3.0, 4.0, 5.0], np.array(losses), tolerance) == expected

    @given(st.lists(st.floats(0.01, 10), min_size=1, max_size=8), st.floats(0, 0.9))
    def test_no_larger_radius_is_better_by_more_and_every_smaller_one_is_beaten(self, losses, tolerance):
        radii = [1.5 + place for place in range(len(losses))]
        place = radii.index(saturation_radius(radii, np.array(losses), tolerance))
        assert all(loss >= losses[place] * (1 - tolerance) for loss in losses[place:])
        for before in range(place):
            assert min(losses[before:]) < losses[before] * (1 - tolerance)

    @given(st.lists(st.floats(0.01, 10), min_size=1, max_size=8), st.floats(0, 0.9), st.floats(0.1, 10))
    def test_only_ratios_count_and_a_looser_tolerance_is_met_sooner(self, losses, tolerance, scale):
        radii, values = list(range(2, 2 + len(losses))), np.array(losses)
        strict, loose = (saturation_radius(radii, values, t) for t in (tolerance, tolerance + 0.09))
        assert loose <= strict
        if scale in (0.25, 0.5, 2.0, 4.0):  # without rounding
            assert saturation_radius(radii, scale * values, tolerance) == strict

    @given(st.lists(st.floats(0.01, 10), min_size=1, max_size=8, unique=True))
    def test_of_a_falling_curve_without_tolerance_it_is_the_last(self, losses):
        falling = np.sort(losses)[::-1]
        radii = list(range(1, 1 + len(falling)))
        assert saturation_radius(radii, falling, 0.0) == radii[-1]
        assert saturation_radius(radii, falling[::-1].copy(), 0.0) == radii[0]
        # A radius that repeats the last loss changes nothing.
        assert saturation_radius([*radii, 99], np.append(falling, falling[-1]), 0.0) == radii[-1]

    def test_unknown_losses_give_nothing(self):
        assert np.isnan(saturation_radius([2.0, 3.0], np.array([0.5, np.nan])))

    @pytest.mark.parametrize(
        ("radii", "losses", "tolerance", "message"),
        [
            ([], [], 0.05, "radii must ascend, at least one"),
            ([3.0, 2.0], [0.1, 0.2], 0.05, "must ascend"),
            ([2.0, 2.0], [0.1, 0.2], 0.05, "must ascend"),
            ([2.0, 3.0], [0.1], 0.05, r"losses must have shape \(2\)"),
            ([2.0, 3.0], [0.1, 0.2], 1.0, "at least 0 and below 1; got 1"),
            ([2.0, 3.0], [0.1, 0.2], -0.1, "at least 0 and below 1"),
        ],
    )
    def test_bad_input(self, radii, losses, tolerance, message):
        with pytest.raises(ValueError, match=message):
            saturation_radius(radii, np.array(losses), tolerance)


class TestRadii:
    @pytest.mark.parametrize(
        "model", [MODEL, WHITENED, DOSModel(regressor=REGRESSOR)], ids=["SOAP", "white", "default"]
    )
    def test_complete_fragments_are_the_model_with_that_radius(self, crystals, model):
        found = sweep_cutoffs(crystals, [2.5], model, modes=["complete"], setup=THREE)
        descriptor = Whitened(SOAP()) if model.descriptor is None else clone(model.descriptor)
        inner = descriptor.descriptor if isinstance(descriptor, Whitened) else descriptor
        inner.set_params(r_cut=2.5)
        folds = THREE.folds(crystals)
        expected = Errors.of(
            predict_left_out(crystals, clone(model).set_params(descriptor=descriptor), folds), fold_of_each(folds)
        )
        for element in ("C", "Si"):
            name = f"ldos {element}"
            assert found.losses("complete", element)[0] == pytest.approx(expected.loss(name), rel=1e-5)
            assert found.errors["complete", 2.5].by_fold(name) == pytest.approx(expected.by_fold(name), rel=1e-5)

    def test_sharp_fragments_are_rows_of_cut_ones(self, crystals):
        """Against ridge regression by hand of the SOAP of fragments, species by species."""
        alpha, r_cut = 1e-3, 2.5
        model = DOSModel(SMALL, LDOSKernelRidge(alpha, kernel="matern", gamma=1.0))
        found = sweep_cutoffs(crystals, [r_cut], model, modes=["sharp"], setup=THREE)
        soap = clone(SMALL).set_params(r_cut=r_cut).fit(crystals.structures)
        X, Y = soap.transform(cut_fragments(crystals.structures, r_cut)), crystals.ldos.values
        residuals = np.full_like(Y, np.nan)
        for train, test in THREE.folds(crystals):
            for number in (6, 14):
                a, b = (
                    (crystals.numbers == number) & np.isin(crystals.structure_index, part) for part in (train, test)
                )
                fitted = LDOSKernelRidge(alpha, kernel="matern", gamma=1.0).fit(X[a], Y[a])
                residuals[b] = fitted.predict(X[b]) - Y[b]
        for element, number in (("C", 6), ("Si", 14)):
            rows = crystals.numbers == number
            expected = np.sqrt(np.mean(residuals[rows] ** 2)) / Y[rows].std()
            assert found.losses("sharp", element)[0] == pytest.approx(expected, rel=1e-5)

    def test_both_modes_agree_beyond_the_molecule_only(self, data):
        found = sweep_cutoffs(data, [1.9, 6.0], MODEL, setup=THREE)
        for element in found.elements:
            sharp, complete = (found.losses(mode, element) for mode in ("sharp", "complete"))
            assert sharp[1] == pytest.approx(complete[1], rel=1e-6)
            assert sharp[0] != pytest.approx(complete[0], rel=1e-3)

    def test_radii_and_modes_in_any_order_and_twice(self, data, swept):
        again = sweep_cutoffs(data, [3, 2.2, 3.0], WHITENED, modes=("sharp", "complete", "sharp"), setup=THREE)
        assert (again.radii, swept.radii) == ([2.2, 3.0], [2.2, 3.0])
        assert (again.modes, swept.modes) == (["sharp", "complete"], ["complete", "sharp"])
        assert sorted(map(str, again.records())) == sorted(map(str, swept.records()))
        assert swept.elements == ["C", "Si"]

    def test_neighbours_are_counted(self, data, swept, crystals):
        for r_cut in swept.radii:
            pairs = [np.count_nonzero(atoms.get_all_distances() <= r_cut) - len(atoms) for atoms in data.structures]
            assert swept.neighbors[r_cut] == pytest.approx(sum(pairs) / len(data.numbers))
        perfect = LDOSDataset.from_arrays(
            [bulk("SiC", "zincblende", a=4.36)] * 2, ENERGIES, ldos=crystals.ldos.values[:4], smearing_width=WIDTH
        )
        shell = 4.36 * np.sqrt(3) / 4  # four atoms sit on this very sphere, whatever rounding does
        model = DOSModel(SMALL, LDOSKernelRidge(1e-3, kernel="polynomial", gamma=1.0))
        found = sweep_cutoffs(perfect, [shell], model, modes=["sharp"], setup=Setup(n_splits=2))
        assert found.neighbors == {shell: 4.0}
        assert len(cut_fragments(perfect.structures[0], shell)[0]) == 5

    def test_records_are_tidy(self, swept, tmp_path):
        records = swept.records()
        assert len(records) == 2 * 2 * 2 * 4  # modes, radii, elements, folds and their whole
        assert len({tuple(record) for record in records}) == 1
        for record in records:
            errors = swept.errors[record["mode"], record["r_cut"]]
            name = f"ldos {record['element']}"
            expected = errors.loss(name) if record["fold"] == "all" else errors.by_fold(name)[int(record["fold"])]
            assert record["ldos_loss"] == expected
            assert record["mean_spectrum_loss"] == errors.mean_loss[name]
            assert record["setting"] == ""
            assert record["label_noise"] is None
        path = swept.save(tmp_path / "t.csv")
        assert len(path.read_text().splitlines()) == 1 + len(records)
        with pytest.raises(FileExistsError):
            swept.save(path)

    def test_saturation_is_bootstrapped_over_groups(self, data, swept):
        draws = group_draws(data.groups, 60, 5)
        for mode in swept.modes:
            for row in swept.saturation(mode, n_draws=60, random_state=5):
                name = f"ldos {row['element']}"
                curves = [[swept.errors[mode, r].loss(name, weights) for r in (2.2, 3.0)] for weights in (None, *draws)]
                r_sat, *drawn = (saturation_radius([2.2, 3.0], np.array(curve)) for curve in curves)
                by_fold = [swept.errors[mode, r].by_fold(name) for r in (2.2, 3.0)]
                folds = [saturation_radius([2.2, 3.0], np.array([each[f] for each in by_fold])) for f in range(3)]
                assert row == {
                    "mode": mode,
                    "element": row["element"],
                    "r_sat": r_sat,
                    "low": interval(drawn)[0],
                    "high": interval(drawn)[1],
                    "folds": folds,
                }
        with pytest.raises(ValueError, match="mode must be one of 'complete', 'sharp'; got 'blunt'"):
            swept.saturation("blunt")

    def test_noise_of_the_labels_stands_beside(self, data):
        noise = {"smearing_width": [0.5, 0.3], "ldos": [0.1, 0.3], "dos": [0.2, 0.4]}
        known = [None, noise, noise | {"ldos_by_element": {"Si": [0.0, 0.2]}}]
        for label_noise, expected in zip(known, ({}, {}, {"Si": 0.1}), strict=True):
            noisy = invented(label_noise=label_noise)
            found = sweep_cutoffs(noisy, [2.0], MODEL, modes=["sharp"], setup=THREE)
            for record in found.records():
                assert record["label_noise"] == pytest.approx(expected.get(record["element"]))

    def test_no_properties_are_derived(self, data, swept):
        warm = sweep_cutoffs(data, [2.2], WHITENED, setup=Setup(n_splits=3, temperature=300.0))
        assert warm.errors["sharp", 2.2].quantities == swept.errors["sharp", 2.2].quantities


class TestTuning:
    TUNE = {"n_max": [1, 3], "gamma": [0.1, 1.0]}  # noqa: RUF012  read only

    def test_the_best_is_chosen_in_the_training_part(self, data):
        """By fitting each setting without each group of the training part of one fold."""
        found = sweep_cutoffs(data, [2.5], MODEL, modes=["complete"], tune=self.TUNE, setup=THREE)
        train, test = THREE.folds(data)[1]
        part = data.select(train)
        groups = np.asarray(part.groups)
        inner = [(np.flatnonzero(groups != g), np.flatnonzero(groups == g)) for g in np.unique(groups)]
        losses = {}
        for n_max in (1, 3):
            for gamma in (0.1, 1.0):
                soap, regressor = clone(SMALL).set_params(r_cut=2.5, n_max=n_max), clone(REGRESSOR)
                model = DOSModel(soap, regressor.set_params(gamma=gamma))
                losses[repr(model)] = best_of_alphas(part, model, inner)
        best = eval(found.settings["complete", 2.5][1], NAMES)
        assert repr(best.set_params(low=None, high=None)) == min(losses, key=losses.get)
        predicted = best.set_params(low=-5.0, high=4.5).fit(part).predict([data.structures[s] for s in test])
        squared = np.mean((predicted.values - data.select(test).ldos.values) ** 2, axis=1)
        errors = found.errors["complete", 2.5]
        np.testing.assert_allclose(errors.squared["ldos"][np.isin(errors.structure_index, test)], squared, rtol=1e-4)

    def test_the_test_part_has_no_say(self, data):
        """With noise for its spectra, the settings stay and so do the predictions."""
        _, test = THREE.folds(data)[1]
        rows = np.isin(data.structure_index, test)
        values = data.ldos.values.copy()
        values[rows] = np.random.default_rng(0).uniform(0, 3, values[rows].shape)
        noisy = LDOSDataset.from_arrays(
            data.structures, ENERGIES, ldos=values, groups=data.groups, kinds=data.kinds, smearing_width=WIDTH
        )
        before, after = (
            sweep_cutoffs(each, [2.2, 3.0], WHITENED, modes=["sharp"], tune=self.TUNE, setup=THREE)
            for each in (data, noisy)
        )
        for r_cut in (2.2, 3.0):
            assert before.settings["sharp", r_cut][1] == after.settings["sharp", r_cut][1]
        assert before.settings != after.settings  # since the noise is in the training parts of the other folds
        shown = [record for record in before.records() if record["fold"] == "1"]
        assert {record["setting"] for record in shown} == {before.settings["sharp", r][1] for r in (2.2, 3.0)}

    def test_a_single_choice_is_that_setting(self, data):
        fixed = DOSModel(Whitened(clone(SMALL).set_params(n_max=2)), clone(REGRESSOR).set_params(gamma=0.3))
        tuned = sweep_cutoffs(data, [2.2], WHITENED, tune={"n_max": [2], "gamma": [0.3]}, setup=THREE)
        plain = sweep_cutoffs(data, [2.2], fixed, setup=THREE)
        for mode in ("sharp", "complete"):
            for element in ("C", "Si"):
                assert tuned.losses(mode, element) == pytest.approx(plain.losses(mode, element), rel=1e-5)
            assert plain.settings[mode, 2.2] == []

    def test_settings_are_of_soap_however_it_is_quoted(self, data):
        model = DOSModel(Whitened(SOAP(species=["C", "Si"], l_max=1)), REGRESSOR)
        found = sweep_cutoffs(data, [2.0], model, modes=["sharp"], tune={"n_max": [1, 2]}, setup=THREE)
        for setting in found.settings["sharp", 2.0]:
            descriptor = eval(setting, NAMES).descriptor
            assert isinstance(descriptor, Whitened)
            assert isinstance(descriptor.descriptor, SOAP)
            assert (descriptor.descriptor.r_cut, descriptor.descriptor.species) == (2.0, ["C", "Si"])


def best_of_alphas(data, model, folds):
    """Squared errors with the best of the regressor's alphas at each energy of each element, groups left out."""
    squared = []
    for alpha in model.regressor.alphas:
        plain = clone(model).set_params(low=-5.0, high=4.5)
        plain.regressor.set_params(alpha=float(alpha))
        # As the closed form does: the mean of all, also of those left out, is what is learned about.
        aligned = data.ldos.values.copy()
        for number in (6, 14):
            aligned[data.numbers == number] -= aligned[data.numbers == number].mean(axis=0)
        plain.regressor.set_params(subtract_mean=False)
        centred = LDOSDataset.from_arrays(data.structures, ENERGIES, ldos=aligned, groups=data.groups)
        evaluation = predict_left_out(centred, plain, folds)
        squared.append((evaluation.predicted.values - evaluation.true.values) ** 2)
    total = 0.0
    for number in (6, 14):
        rows = data.numbers == number
        total += np.min([each[rows].sum(axis=0) for each in squared], axis=0).sum()
    return total


class TestLog:
    def test_a_killed_sweep_goes_on_where_it_stopped(self, data, swept, tmp_path):
        log, shown = tmp_path / "s.jsonl", []

        def kill(done, total, what):
            shown.append((done, total, what))
            if done == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            sweep_cutoffs(data, [2.2, 3.0], WHITENED, setup=Setup(n_splits=3, log=log, progress=kill))
        assert shown == [(1, 4, "complete, 2.2"), (2, 4, "sharp, 2.2")]
        log.write_bytes(log.read_bytes()[:-5])  # killed while it wrote the second
        resumed, shown[:] = Setup(n_splits=3, log=log, progress=lambda *given: shown.append(given)), []
        found = sweep_cutoffs(data, [2.2, 3.0], WHITENED, setup=resumed)
        assert shown == [(2, 4, "sharp, 2.2"), (3, 4, "complete, 3.0"), (4, 4, "sharp, 3.0")]
        assert found.records() == swept.records()

    def test_what_is_in_the_log_is_not_computed(self, data, tmp_path, monkeypatch):
        setup = Setup(n_splits=3, log=tmp_path / "s.jsonl")
        tune = {"n_max": [1, 2]}
        first = sweep_cutoffs(data, [2.2], MODEL, tune=tune, setup=setup)
        monkeypatch.setattr(SOAP, "transform", lambda *given: pytest.fail("computed again"))
        again = sweep_cutoffs(data, [2.2], MODEL, tune=tune, setup=setup)
        assert again.records() == first.records()
        assert again.settings == first.settings

    def test_radii_may_be_added_and_processes_changed(self, data, swept, tmp_path):
        setup = Setup(n_splits=3, log=tmp_path / "s.jsonl")
        sweep_cutoffs(data, [3.0], WHITENED, setup=setup)
        several = DOSModel(Whitened(clone(SMALL).set_params(n_jobs=1), n_jobs=1), REGRESSOR)
        assert sweep_cutoffs(data, [2.2, 3.0], several, setup=setup).records() == swept.records()

    @pytest.mark.parametrize(
        ("change", "differing"),
        [
            ({"model": MODEL}, "model"),
            ({"data": invented(seed=1)}, "data"),
            ({"tune": {"n_max": [3]}}, "tune"),
            ({"setup": {"n_splits": 4, "random_state": 2}}, "n_splits, random_state"),
            ({"setup": {"low": -2.0}}, "low"),
        ],
    )
    def test_other_work_is_refused(self, data, tmp_path, change, differing):
        log = tmp_path / "s.jsonl"
        options = {"data": data, "radii": [2.2], "model": WHITENED, "modes": ["sharp"]}
        sweep_cutoffs(**options, setup=Setup(n_splits=3, log=log))
        setup = Setup(**{"n_splits": 3, "log": log} | change.pop("setup", {}))
        with pytest.raises(ValueError, match=f"another sweep: {differing} differ"):
            sweep_cutoffs(**options | change, setup=setup)

    def test_numbers_of_numpy_are_numbers(self, data, tmp_path):
        for kind in (int, np.int64):
            setup = Setup(n_splits=kind(3), random_state=kind(0), log=tmp_path / "s.jsonl")
            sweep_cutoffs(data, np.array([2.2]), WHITENED, modes=["sharp"], setup=setup)
        header = json.loads((tmp_path / "s.jsonl").read_text().splitlines()[0])
        assert (header["format"], header["n_splits"]) == ("ldosml sweep", 3)

    def test_other_processes_give_the_same(self, data, swept, elsewhere):
        found = sweep_cutoffs(data, [2.2, 3.0], WHITENED, setup=Setup(n_splits=3, n_jobs=2))
        assert found.records() == swept.records()
        assert elsewhere == [2] * 4


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"radii": []}, ValueError, "at least one radius and one mode; got 0 and 2"),
        ({"modes": []}, ValueError, "got 1 and 0"),
        ({"modes": ["blunt"]}, ValueError, "mode must be one of"),
        ({"radii": [3.0, 0.9]}, ValueError, "r_cut of SOAP must be above 1 angstrom"),
        ({"radii": [-1.0]}, ValueError, "radii must be above 0 angstrom and finite"),
        ({"radii": [3.0, np.inf]}, ValueError, "radii must be above 0 angstrom and finite"),
        ({"radii": [np.nan]}, ValueError, "radii must be above 0 angstrom and finite"),
        ({"model": DOSModel(Joined([SMALL]))}, TypeError, "sets r_cut of SOAP or Whitened.SOAP.*got Joined"),
        ({"model": DOSModel(Whitened(Joined([SMALL])))}, TypeError, "got Joined"),
        ({"tune": {}}, ValueError, "got nothing"),
        ({"tune": {"n_max": [2], "r_cut": [2.0]}}, ValueError, "tune takes n_max, l_max, .* got r_cut"),
        ({"tune": {"alpha": [1e-3]}}, ValueError, "except alpha, which is chosen from its alphas; got alpha"),
        (
            {
                "tune": {"n_max": [2]},
                "model": DOSModel(SMALL, SparseLDOSKernelRidge(1e-3, n_inducing=5, kernel="polynomial", gamma=1.0)),
            },
            TypeError,
            "not known in closed form",
        ),
        ({"data": invented(total=True)}, ValueError, "has total DOS only"),
        ({"setup": Setup(n_splits=9)}, ValueError, "n_splits must be at most the number of groups"),
        ({"setup": Setup(n_splits=1)}, ValueError, "at least 2"),
    ],
)
def test_impossible_sweeps_are_refused_at_once(data, monkeypatch, options, error, message):
    monkeypatch.setattr(SOAP, "transform", lambda *given: pytest.fail("computed first"))
    with pytest.raises(error, match=message):
        sweep_cutoffs(**{"data": data, "radii": [2.0], "model": MODEL} | options)
