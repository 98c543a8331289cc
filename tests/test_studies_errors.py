"""Tables of errors by element, smearing and transfer to another set, each against the same by hand."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from studied import ENERGIES, MODEL, REGRESSOR, SMALL, WHITENED, WIDTH, invented

from ldosml import SOAP, DOSModel, LDOSDataset, LDOSKernelRidge, LDOSRidge, Whitened
from ldosml.bootstrap import group_draws, interval
from ldosml.datasets.splits import group_folds
from ldosml.studies import Errors, Setup, common_energies, error_table, predict_left_out, smearing_study, transfer
from ldosml.studies import setup as studies_setup
from ldosml.studies.errors import PROPERTIES
from ldosml.studies.folds import as_environments, fold_of_each

THREE = Setup(n_splits=3)
RIDGE = DOSModel(SMALL, LDOSKernelRidge(1e-3, kernel="matern", gamma=1.0))


@pytest.fixture(scope="module")
def data():
    return invented()


@pytest.fixture
def nothing_computed(monkeypatch):
    monkeypatch.setattr(SOAP, "transform", lambda *given: pytest.fail("computed"))


def loss(residuals, values):
    return np.sqrt(np.mean(residuals**2)) / values.std()


@pytest.fixture(scope="module")
def table(data):
    return error_table(data, MODEL, leaking=True, setup=THREE)


@pytest.fixture(scope="module")
def other():
    return invented(4, seed=7, symbols=("Si2C2", "SiC"))


class TestErrorTable:
    def test_trajectories_left_out(self, data, table):
        evaluation = predict_left_out(data, MODEL, THREE.folds(data))
        assert list(table.errors) == ["groups", "environments"]
        assert [record["element"] for record in table.records()] == ["C", "Si", "all"] * 2
        for record in table.records()[:3]:
            rows = np.isin(data.numbers, {"C": [6], "Si": [14], "all": [6, 14]}[record["element"]])
            true = evaluation.true.values[rows]
            residuals = evaluation.predicted.values[rows] - true
            each = np.sqrt(np.mean(residuals**2, axis=1)) / true.std()
            assert record["split"] == "groups"
            assert record["n_environments"] == len(each)
            for name, expected in (
                ("min", each.min()),
                ("max", each.max()),
                ("mean", each.mean()),
                ("loss", loss(residuals, true)),
                ("mean_spectrum_loss", loss(true - true.mean(axis=0), true)),
            ):
                assert record[name] == pytest.approx(expected, rel=1e-5)
            assert record["low"] < record["loss"] < record["high"]
            assert record["min"] <= record["mean"] <= record["loss"] <= record["max"]

    def test_environments_left_out_are_rows_of_one_regression(self, data, table):
        """Folds of single rows, alpha by leaving out single rows: what comes of forgetting the groups."""
        X, Y, numbers = SMALL.fit(data.structures).transform(data.structures), data.ldos.values, data.numbers
        kinds = [data.kinds[s] for s in data.structure_index]
        residuals = np.full_like(Y, np.nan)
        for train, test in group_folds(kinds, [str(i) for i in range(len(Y))], 3, 0):
            for number in (6, 14):
                known, asked = train[numbers[train] == number], test[numbers[test] == number]
                fitted = clone(REGRESSOR).fit(X[known], Y[known], structure_index=np.arange(len(known)))
                residuals[asked] = fitted.predict(X[asked]) - Y[asked]
        for record in table.records()[3:5]:
            rows = numbers == {"C": 6, "Si": 14}[record["element"]]
            assert record["split"] == "environments"
            assert record["loss"] == pytest.approx(loss(residuals[rows], Y[rows]), rel=1e-5)

    def test_intervals_draw_whole_trajectories_in_both_splits(self, data, table):
        found = {(record["split"], record["element"]): record for record in table.records(n_draws=50, random_state=3)}
        atoms = [data.groups[s] for s in data.structure_index]
        for split, groups in (("groups", data.groups), ("environments", atoms)):
            assert table.groups[split] == groups
            drawn = table.errors[split].losses("ldos Si", group_draws(groups, 50, 3))
            assert (found[split, "Si"]["low"], found[split, "Si"]["high"]) == interval(drawn)

    def test_the_leak_shows_where_atoms_of_a_structure_are_near_copies(self):
        """Each crystal has spectra that nothing foretells, and atoms that differ from each other by next to nothing."""
        rng = np.random.default_rng(0)
        base, structures, rows = invented(1, 1, symbols=("Si2",)).structures[0], [], []
        for scale in np.linspace(0.9, 1.1, 12):
            chain = base.copy()
            chain.set_cell([8, 8, scale * 2.4])
            chain.positions[:] = [[4, 4, 0], [4, 4, scale * 1.2]]
            chain.pbc = (False, False, True)
            atoms = chain * (1, 1, 3)
            atoms.rattle(1e-5, rng=rng)
            structures.append(atoms)
            centre = rng.uniform(-2, 2)
            rows += [np.exp(-((ENERGIES - centre) ** 2))] * len(atoms)
        data = LDOSDataset.from_arrays(structures, ENERGIES, ldos=rows, smearing_width=WIDTH)
        narrow = DOSModel(Whitened(SMALL), LDOSKernelRidge(1e-6, kernel="matern", gamma=100.0))
        found = {record["split"]: record for record in error_table(data, narrow, leaking=True, setup=THREE).records()}
        assert found["environments"]["loss"] < 0.2 * found["groups"]["loss"]
        assert found["groups"]["loss"] > 0.8 * found["groups"]["mean_spectrum_loss"]

    def test_both_splits_are_evaluated_on_the_same_energies(self):
        fermi = np.linspace(-0.3, 0.25, 16)
        # A narrow width, so that the first states of a structure, or of an atom, are where the energies begin.
        data = invented(zero="code", fermi_energy=fermi, energy_max=fermi + 2.0, smearing_width=0.02, below=10)
        assert as_environments(data).refer_to("fermi").grid.start != data.refer_to("fermi").grid.start
        table = error_table(data, RIDGE, leaking=True, setup=THREE)
        groups, environments = table.errors.values()
        for element in ("C", "Si"):
            assert groups.sigma[f"ldos {element}"] == pytest.approx(environments.sigma[f"ldos {element}"], rel=1e-9)
        cut = error_table(data, RIDGE, leaking=True, setup=replace(THREE, low=-3.0, high=1.0))
        expected = data.refer_to("fermi", -3.0, 1.0).ldos.values[data.numbers == 6]
        for errors in cut.errors.values():
            assert errors.sigma["ldos C"] == pytest.approx(expected.std(), rel=1e-6)

    def test_no_properties_are_derived(self, data):
        warm = error_table(data, RIDGE, leaking=True, setup=replace(THREE, temperature=300.0))
        assert "band_energy" not in warm.errors["groups"].quantities

    def test_one_split_noise_and_the_file(self, data, table, tmp_path):
        noise = {"smearing_width": [0.3, 0.5], "ldos": [0.3, 0.1], "dos": [0.4, 0.2]}
        silicon = invented(symbols=("Si2", "Si3"), label_noise=noise)
        found = error_table(silicon, RIDGE, setup=THREE)
        (record,) = found.records()
        assert record["label_noise"] == pytest.approx(0.2)  # of the only element
        assert record["loss"] == pytest.approx(found.errors["groups"].loss("ldos"))
        assert [record["label_noise"] for record in table.records()] == [None] * 6
        path = table.save(tmp_path / "t.csv")
        assert path.read_text().startswith(
            "split,element,n_environments,min,max,mean,loss,low,high,mean_spectrum_loss,"
        )

    def test_it_goes_on_and_is_shared_out(self, data, table, tmp_path, elsewhere, monkeypatch):
        setup = replace(THREE, log=tmp_path / "t.jsonl", n_jobs=2)
        error_table(data, MODEL, setup=setup)
        assert error_table(data, MODEL, leaking=True, setup=setup).records() == table.records()
        assert elsewhere == [2, 2]
        monkeypatch.setattr(SOAP, "transform", lambda *given: pytest.fail("computed again"))
        assert error_table(data, MODEL, leaking=True, setup=setup).records() == table.records()
        with pytest.raises(ValueError, match="another table of errors: model differ"):
            error_table(data, RIDGE, setup=setup)

    def test_total_dos_is_refused(self, nothing_computed):
        with pytest.raises(ValueError, match="needs LDOS, one row per atom; this dataset has total DOS only"):
            error_table(invented(total=True), MODEL)

    def test_environments_bring_what_is_known_of_them(self, data):
        torn = as_environments(data)
        assert len(torn) == len(data.numbers) == len(set(torn.groups)) == len(set(torn.names))
        np.testing.assert_array_equal(torn.numbers, data.numbers)
        np.testing.assert_array_equal(torn.ldos.values, data.ldos.values)
        assert torn.kinds == [data.kinds[s] for s in data.structure_index]
        with pytest.raises(ValueError, match="needs LDOS, one row per atom"):
            as_environments(invented(total=True))


class TestSmearing:
    def test_each_width_is_cross_validation_of_what_is_broadened(self, data):
        setup = replace(THREE, low=-4.0, high=2.5, temperature=1000.0)
        study = smearing_study(data, [0.6, 0.4, 0.6], WHITENED, setup=setup)
        assert list(study.errors) == [0.4, 0.6]
        folds = THREE.folds(data)
        for width, errors in study.errors.items():
            evaluation = predict_left_out(data.broaden_to(width), WHITENED, folds)
            expected = Errors.of(evaluation, fold_of_each(folds), low=-4.0, high=2.5, temperature=1000.0)
            assert errors.quantities == expected.quantities
            for quantity in errors.quantities:
                assert errors.loss(quantity) == pytest.approx(expected.loss(quantity), rel=1e-5)
        assert len(study.records()) == 2 * (5 + len(PROPERTIES))
        draws = group_draws(data.groups, 1000, 0)
        for record in study.records():
            errors = study.errors[record["smearing_width"]]
            assert record["loss"] == errors.loss(record["quantity"])
            assert (record["low"], record["high"]) == interval(errors.losses(record["quantity"], draws))
            assert record["mean_spectrum_loss"] == errors.mean_loss.get(record["quantity"])

    def test_common_energies_are_what_every_width_allows(self):
        data = invented(energy_max=3.0, smearing_width=0.1, below=10)
        low, high = common_energies(data, [0.1, 0.2, 0.4], RIDGE)
        grids = [data.broaden_to(width).refer_to("fermi").grid for width in (0.1, 0.2, 0.4)]
        assert low == max(grid.start for grid in grids) > min(grid.start for grid in grids)
        assert high == min(grid.stop for grid in grids) == pytest.approx(3.0 - 3 * 0.3)
        study = smearing_study(data, [0.1, 0.4], RIDGE, setup=replace(THREE, low=low, high=high))
        narrow = data.refer_to("fermi", low, high).ldos.values
        assert study.errors[0.1].sigma["ldos"] == pytest.approx(narrow.std())

    def test_noise_falls_with_the_width(self):
        noise = {"smearing_width": [0.6, 0.4], "ldos": [0.1, 0.3], "dos": [0.2, 0.4]}
        study = smearing_study(invented(label_noise=noise), [0.4, 0.5, 0.8], RIDGE, setup=replace(THREE, high=2.0))
        found = {(r["smearing_width"], r["quantity"]): r["label_noise"] for r in study.records()}
        assert [found[width, "ldos"] for width in (0.4, 0.5, 0.8)] == [pytest.approx(0.3), pytest.approx(0.2), None]
        assert found[0.4, "dos_derivative"] is None

    def test_widths_may_be_added_and_descriptors_are_computed_once(self, data, tmp_path, monkeypatch):
        calls, original = [], SOAP.transform
        monkeypatch.setattr(SOAP, "transform", lambda *given: calls.append(1) or original(*given))
        setup = replace(THREE, log=tmp_path / "s.jsonl")
        first = smearing_study(data, [0.4, 0.5], RIDGE, setup=setup)
        assert len(calls) == 1
        more = smearing_study(data, [0.4, 0.5, 0.6], RIDGE, setup=setup)
        assert len(calls) == 2
        assert more.records()[: len(first.records())] == first.records()
        with pytest.raises(ValueError, match="another study of smearing: data differ"):
            smearing_study(invented(seed=2), [0.4], RIDGE, setup=setup)

    @pytest.mark.parametrize(
        ("data", "widths", "message"),
        [
            (invented(), [], "at least one width; got none"),
            (invented(), [0.5, 0.3], r"eV wide already"),
            (invented(), [0.5, -1.0], "widths must be above 0 eV and finite"),
            (invented(smearing_width=None), [0.5], "of unknown width"),
            (invented(energy_max=2.0), [0.5, 5.0], "share no energies"),
        ],
    )
    def test_impossible_widths_are_refused_at_once(self, nothing_computed, data, widths, message):
        with pytest.raises(ValueError, match=message):
            smearing_study(data, widths, MODEL, setup=THREE)


class TestTransfer:
    def test_both_errors_are_those_by_hand(self, data, other):
        found = transfer(data, other, WHITENED, setup=replace(THREE, low=-4.0, temperature=1000.0))
        folds = THREE.folds(data)
        evaluation = clone(WHITENED).fit(data).evaluate(other)
        options = {"low": -4.0, "temperature": 1000.0}
        expected = {
            "left_out": Errors.of(predict_left_out(data, WHITENED, folds), fold_of_each(folds), **options),
            "other": Errors.of(evaluation, np.zeros(len(other)), **options),
        }
        assert found.evaluation.names == other.names
        records = found.records()
        assert [record["quantity"] for record in records] == expected["other"].quantities
        for record in records:
            quantity = record["quantity"]
            inside, outside = expected["left_out"], expected["other"]
            assert record["left_out_loss"] == pytest.approx(inside.loss(quantity), rel=1e-5)
            assert record["loss"] == pytest.approx(outside.loss(quantity), rel=1e-9)
            drawn = outside.losses(quantity, group_draws(other.groups, 1000, 0))
            assert (record["low"], record["high"]) == pytest.approx(interval(drawn), rel=1e-9)
            assert record["left_out_rmse"] == pytest.approx(inside.rmse(quantity), rel=1e-5)
            assert record["rmse"] == pytest.approx(outside.rmse(quantity), rel=1e-9)
            assert record["ratio"] == pytest.approx(outside.rmse(quantity) / inside.rmse(quantity), rel=1e-5)
            assert record["mean_spectrum_loss"] == outside.mean_loss.get(quantity)
            assert record["unit"] == outside.units[quantity]
        assert not hasattr(WHITENED, "grid_")

    def test_what_was_trained_on_seems_easier_than_what_was_left_out(self, data):
        """Which is why groups of one name are refused: the same set under other names has a ratio below one."""
        renamed = replace(data, groups=[f"copy of {group}" for group in data.groups])
        found = {record["quantity"]: record for record in transfer(data, renamed, MODEL, setup=THREE).records()}
        assert found["ldos"]["ratio"] < 0.8
        assert found["ldos"]["mean_spectrum_loss"] == pytest.approx(
            predict_left_out(data, MODEL, THREE.folds(data)).losses()["ldos_mean_spectrum_loss"], rel=1e-6
        )

    def test_one_trajectory_has_no_interval(self, data, other):
        alone = replace(other, groups=["a"] * len(other))
        for record in transfer(data, alone, RIDGE, setup=THREE).records():
            assert record["loss"] > 0
            assert np.isnan([record["low"], record["high"]]).all()

    def test_unknown_surroundings_are_harder(self, data):
        far = invented(4, seed=7)
        for atoms in far.structures:
            atoms.positions *= 0.6
        found = {record["quantity"]: record for record in transfer(data, far, MODEL, setup=THREE).records()}
        assert found["ldos"]["ratio"] > 1.5

    def test_both_are_evaluated_where_both_are_complete(self, data, other):
        short = replace(other, energy_max=np.full(len(other), 1.5))
        found = transfer(data, short, RIDGE, setup=replace(THREE, low=-4.0))
        assert found.evaluation.predicted.grid.stop == pytest.approx(1.5)
        folds = THREE.folds(data)
        evaluation = predict_left_out(data, RIDGE, folds)
        expected = Errors.of(evaluation, fold_of_each(folds), low=-4.0, high=1.5)
        for quantity in found.left_out.quantities:
            assert found.left_out.rmse(quantity) == pytest.approx(expected.rmse(quantity), rel=1e-5)
        assert found.other.sigma["ldos"] == pytest.approx(other.refer_to("fermi", -4.0, 1.5).ldos.values.std())

    def test_total_dos_is_enough(self, other):
        train = invented(total=True)
        found = transfer(
            train,
            other,
            DOSModel(SMALL, LDOSKernelRidge(1e-3, learn="dos", kernel="polynomial", gamma=1.0)),
            setup=THREE,
        )
        assert [record["quantity"] for record in found.records()] == ["dos", "dos_derivative"]

    def test_noise_is_that_of_the_other_labels(self, data, other):
        noise = {"smearing_width": [0.4], "ldos": [0.1], "dos": [0.2]}
        noisy = replace(other, label_noise=noise)
        for test, expected in ((noisy, 0.2), (other, None)):
            found = {r["quantity"]: r for r in transfer(data, test, RIDGE, setup=THREE).records()}
            assert found["dos"]["label_noise"] == expected

    def test_the_cross_validation_goes_on(self, data, other, tmp_path):
        setup = replace(THREE, log=tmp_path / "t.jsonl")
        first = transfer(data, other, RIDGE, setup=setup)
        lines = (tmp_path / "t.jsonl").read_text().splitlines()
        again = transfer(data, other, RIDGE, setup=setup)
        assert again.records() == first.records()
        assert (tmp_path / "t.jsonl").read_text().splitlines() == lines
        with pytest.raises(ValueError, match="another transfer: high differ"):
            transfer(data, replace(other, energy_max=np.full(len(other), 1.5)), RIDGE, setup=setup)

    @pytest.mark.parametrize(
        ("train", "test", "message"),
        [
            (invented(), invented(), "8 groups are in both datasets, for example 'g0-0'.*Remove them from one dataset"),
            (
                invented(),
                invented(4, seed=7).broaden_to(0.6),
                r"smeared by 0\.4 eV, the other dataset by 0\.6 eV\. Broaden",
            ),
            (
                invented(symbols=("Si2", "Si3")),
                invented(4, seed=7),
                "other dataset contains C, which the training set lacks",
            ),
            (invented(), invented(4, seed=7, energy_max=-6.0), "No energies between -5 and -6 eV"),
        ],
    )
    def test_what_does_not_go_together_is_refused_first(self, monkeypatch, train, test, message):
        monkeypatch.setattr(studies_setup, "run_all", lambda *given, **rest: pytest.fail("cross-validated first"))
        with pytest.raises(ValueError, match=message):
            transfer(train, test, RIDGE, setup=THREE)


class TestSetup:
    def test_progress_is_told_and_results_are_in_order(self, data):
        told = []
        setup = replace(THREE, progress=lambda *given: told.append(given))
        smearing_study(data, [0.5, 0.4], DOSModel(SMALL, LDOSRidge(1e-3)), setup=setup)
        assert told == [(1, 2, "0.4"), (2, 2, "0.5")]

    def test_folds_are_those_of_the_dataset(self, data):
        for (train, test), (one, other) in zip(
            Setup(n_splits=4, random_state=3).folds(data), data.folds(4, 3), strict=True
        ):
            np.testing.assert_array_equal(train, one)
            np.testing.assert_array_equal(test, other)

    def test_an_error_in_the_midst_keeps_what_was_done(self, data, tmp_path, monkeypatch):
        setup = replace(THREE, log=tmp_path / "s.jsonl")
        original = LDOSDataset.broaden_to

        def broaden_to(self, width):
            if width == 0.6 and (tmp_path / "s.jsonl").exists():
                raise MemoryError("no room")
            return original(self, width)

        monkeypatch.setattr(LDOSDataset, "broaden_to", broaden_to)
        with pytest.raises(MemoryError):
            smearing_study(data, [0.4, 0.5, 0.6], RIDGE, setup=setup)
        assert len((tmp_path / "s.jsonl").read_text().splitlines()) == 1 + 2

    def test_strange_fold_counts(self, data):
        with pytest.raises(ValueError, match="n_splits must be at most the number of groups"):
            error_table(data, MODEL, setup=Setup(n_splits=9))
