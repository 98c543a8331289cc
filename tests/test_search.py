"""The search of settings: scores against refits, halving, resuming after a kill."""

import json

import numpy as np
import pytest
from ase.build import bulk
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import ldosml
from ldosml import SOAP, DOSModel, Joined, LDOSKernelRidge, LDOSRidge, Whitened
from ldosml.cli import main
from ldosml.datasets import LDOSDataset
from ldosml.search import default_candidates, search_settings
from ldosml.search.expression import expression
from ldosml.search.scores import LeaveOutScores, leave_out_residuals

NEAR, FAR = SOAP(r_cut=2.5, n_max=2, l_max=1), SOAP(r_cut=4.0, n_max=3, l_max=2)
MATERN, RIDGE = (
    LDOSKernelRidge(kernel="matern", alphas=[1e-4, 1e-2, 1.0], alpha=1e-3, gamma=1.0),
    LDOSRidge(alphas=[1e-3, 1.0], alpha=1e-3),
)
GRIDS = {"descriptor": [NEAR, FAR, Whitened(FAR)], "regressor": [MATERN, RIDGE]}


def invented(n_structures=24, per_group=2, symbols=("Si", "C"), seed=0):
    """Spectra that follow from the distances to all atoms, of rattled crystals."""
    rng = np.random.default_rng(seed)
    structures, rows, energies = [], [], np.linspace(-3, 3, 13)
    for s in range(n_structures):
        atoms = bulk("SiC", "zincblende", a=4.36) * (1, 1, 1 + s % 2)
        atoms.symbols[:] = np.resize(symbols, len(atoms))
        atoms.rattle(0.2, rng=rng)
        structures.append(atoms)
        near = np.exp(-atoms.get_all_distances(mic=True)).sum(axis=1)
        rows.append(np.exp(-((energies - near[:, None]) ** 2)) + 0.1 * rng.normal(size=(len(atoms), 13)))
    return LDOSDataset.from_arrays(
        structures,
        energies,
        ldos=np.concatenate(rows),
        groups=[f"g{s // per_group}" for s in range(n_structures)],
        kinds=["long" if s % 4 > 1 else "short" for s in range(n_structures)],
    )


@pytest.fixture(scope="module")
def data():
    return invented()


@pytest.fixture(scope="module")
def found(data):
    return search_settings(data, GRIDS, factor=1)


def refitted(data, descriptor, regressor):
    """L/sigma of LDOS and DOS by fitting again without each group, at the alpha that a fit of all chooses."""
    X, Y, index = descriptor.fit_transform(data.structures), data.ldos.values, data.structure_index
    group, residuals = np.array(data.groups)[index], np.zeros_like(Y)
    for number in np.unique(data.numbers):
        rows = np.flatnonzero(data.numbers == number)
        T = Y[rows] - Y[rows].mean(axis=0)
        chosen = clone(regressor).set_params(alpha="leave-one-group-out")
        alpha = chosen.fit(X[rows], Y[rows], groups=group[rows]).alpha_
        for one in np.unique(group[rows]):
            out = group[rows] == one
            model = clone(regressor).set_params(alpha=alpha, subtract_mean=False)
            residuals[rows[out]] = T[out] - model.fit(X[rows[~out]], T[~out]).predict(X[rows[out]])
    means = [np.array([part[index == s].mean(axis=0) for s in range(len(data))]) for part in (residuals, Y)]
    return np.sqrt(np.mean(residuals**2)) / Y.std(), np.sqrt(np.mean(means[0] ** 2)) / means[1].std()


@pytest.mark.parametrize("smoothing", [0.0, 2.0])
@pytest.mark.parametrize(("descriptor", "regressor"), [(FAR, MATERN), (Whitened(FAR), RIDGE)])
def test_scores_are_those_of_refitting_without_each_group(data, descriptor, regressor, smoothing):
    regressor = clone(regressor).set_params(alpha_smoothing=smoothing)
    candidates = {"descriptor": [descriptor], "regressor": [regressor]}
    (record,) = search_settings(data, candidates, factor=1).records
    expected = refitted(data, descriptor, regressor)
    assert (record["ldos_loss"], record["dos_loss"]) == pytest.approx(expected, rel=1e-7)


def test_smoothing_counts_steps_of_the_grid_when_energies_are_left_out(data):
    """Every second energy with a smoothing of 4 steps is scored as a grid twice as wide with a smoothing of 2."""
    Y, group = data.ldos.values, np.unique(np.array(data.groups)[data.structure_index], return_inverse=True)[1]
    X = clone(FAR).fit_transform(data.structures)
    thinned = leave_out_residuals(clone(MATERN).set_params(alpha_smoothing=4.0), X, Y[:, ::2], group, step=2)
    coarse = leave_out_residuals(clone(MATERN).set_params(alpha_smoothing=2.0), X, Y[:, ::2], group)
    np.testing.assert_array_equal(thinned[0], coarse[0])
    other = leave_out_residuals(clone(MATERN).set_params(alpha_smoothing=4.0), X, Y[:, ::2], group)
    assert not np.allclose(other[0], coarse[0])


def test_the_best_is_first_and_its_model_is_ready_to_fit(data, found):
    losses = [record["ldos_loss"] for record in found.records]
    assert losses == sorted(losses)
    assert repr(found.model.descriptor) == found.best["descriptor"]
    again = eval(found.expression, {"ldosml": ldosml})
    assert repr(again) == repr(found.model)
    assert again.regressor.alpha == "leave-one-group-out"
    assert isinstance(again.fit(data), DOSModel)


def test_the_spectra_decide(data):
    by_dos = search_settings(data, GRIDS, factor=1, target="dos")
    assert by_dos.best["dos_loss"] == min(record["dos_loss"] for record in by_dos.records)


def test_halving_evaluates_the_best_part_on_all(data):
    halved = search_settings(data, GRIDS, factor=3)
    first = [record for record in halved.records if record["n_structures"] < len(data)]
    last = [record for record in halved.records if record["n_structures"] == len(data)]
    assert (len(first), len(last)) == (6, 2)
    assert halved.records[:2] == last
    assert {(r["descriptor"], r["regressor"]) for r in last} == {(r["descriptor"], r["regressor"]) for r in first[:2]}
    # Whole groups of two structures, a third of all of them.
    assert {record["n_structures"] for record in first} == {8}


def test_few_candidates_are_scored_once_on_all(data):
    """Fewer than ``factor``: there is nothing to choose for a second round."""
    records = search_settings(data, {"descriptor": [NEAR, FAR], "regressor": [MATERN]}, factor=3).records
    assert [record["n_structures"] for record in records] == [len(data)] * 2


def without_time(records):
    return [{key: value for key, value in record.items() if key != "seconds"} for record in records]


def test_the_same_seed_gives_the_same_and_another_draws_others(data):
    grids = {"descriptor": [NEAR, FAR], "regressor": [MATERN]}
    one, same, other = (search_settings(data, grids, factor=2, random_state=seed) for seed in (0, 0, 1))
    assert without_time(one.records) == without_time(same.records)
    assert without_time(one.records) != without_time(other.records)


def test_a_killed_search_goes_on_where_it_stopped(data, tmp_path, monkeypatch):
    log = tmp_path / "s.jsonl"

    def kill(done, total, record):
        assert total == 6 + 2
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search_settings(data, GRIDS, factor=3, log=log, progress=kill)
    assert len(log.read_text().splitlines()) == 1 + 4
    log.write_bytes(log.read_bytes()[:-20])  # killed while it wrote the fourth
    evaluated = []
    scores = LeaveOutScores
    original = scores.__call__
    monkeypatch.setattr(scores, "__call__", lambda *arguments: evaluated.append(1) or original(*arguments))
    resumed = search_settings(data, GRIDS, factor=3, log=log)
    assert len(evaluated) == 8 - 3
    assert without_time(resumed.records) == without_time(search_settings(data, GRIDS, factor=3).records)
    evaluated.clear()
    assert search_settings(data, GRIDS, factor=3, log=log).records == resumed.records
    assert not evaluated


def test_a_log_belongs_to_its_data_and_seed(data, tmp_path):
    log = tmp_path / "s.jsonl"
    grids = {"descriptor": [NEAR], "regressor": [RIDGE]}
    search_settings(data, grids, factor=1, log=log)
    with pytest.raises(ValueError, match="another search: data differ"):
        search_settings(invented(seed=1), grids, factor=1, log=log)
    with pytest.raises(ValueError, match="another search: n_energies, random_state differ"):
        search_settings(data, grids, factor=1, log=log, n_energies=5, random_state=2)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"candidates": {"descriptor": [NEAR]}}, ValueError, "got one with descriptor"),
        ({"candidates": []}, ValueError, "at least one candidate"),
        ({"candidates": {"descriptor": [NEAR], "regressor": [DOSModel()]}}, TypeError, "not known in closed form"),
        ({"candidates": {"descriptor": [NEAR], "regressor": [LDOSRidge(learn="dos")]}}, TypeError, "learn='dos'"),
        (
            {"candidates": {"descriptor": [SOAP(r_cut=0.5)], "regressor": [RIDGE]}},
            ValueError,
            "r_cut of SOAP must be above 1 angstrom",
        ),
        ({"factor": 7}, ValueError, "factor must be at most 6 with 12 groups of structures, or 1 to"),
        ({"factor": 0}, ValueError, "factor must be a positive whole number"),
        ({"target": "gap"}, ValueError, "target must be one of"),
        ({"n_energies": 0}, ValueError, "n_energies must be a positive"),
    ],
)
def test_impossible_searches_are_refused(data, options, error, message):
    with pytest.raises(error, match=message):
        search_settings(data, **{"candidates": GRIDS, "factor": 1} | options)


def test_one_group_only_is_refused():
    with pytest.raises(ValueError, match="needs at least two; all 3 structures are of one group"):
        search_settings(invented(3, per_group=3), GRIDS, factor=1)


def test_an_element_of_one_group_is_named():
    data = invented(4)
    data.structures[0].symbols[:] = "Ge"
    grids = {"descriptor": [SOAP(r_cut=2.5, n_max=2, l_max=1)], "regressor": [RIDGE]}
    with pytest.raises(ValueError, match="Ge is in one group only"):
        search_settings(data, grids, factor=1)


def test_total_dos_alone_is_refused(make_dataset):
    with pytest.raises(ValueError, match="total DOS only"):
        search_settings(make_dataset(total=True), GRIDS, factor=1)


def test_the_table_is_written_whole(found, tmp_path):
    path = found.save(tmp_path / "t.csv")
    rows = path.read_text().splitlines()
    assert rows[0] == "descriptor,regressor,n_structures,ldos_loss,dos_loss,alpha,n_features,seconds"
    assert len(rows) == 1 + len(found.records)
    with pytest.raises(FileExistsError):
        found.save(path)


def test_default_candidates_name_closed_form_regressors():
    kinds = {type(regressor) for grid in default_candidates([bulk("Si")]) for regressor in grid["regressor"]}
    assert kinds == {LDOSKernelRidge}


def test_default_candidates_have_tight_binding_where_it_has_parameters():
    def spectra(structures):
        descriptors = [one for grid in default_candidates(structures) for one in grid["descriptor"]]
        return [text for text in map(expression, descriptors) if "TightBindingSpectrum" in text]

    assert len(spectra([bulk("Si")])) == 9
    assert not spectra([bulk("Si"), bulk("Ce", "fcc", a=5.2)])


def test_rows_are_computed_once_for_all_candidates(monkeypatch):
    data, computed = invented(8), []
    original = SOAP.transform

    def counting(self, structures):
        computed.append(self.r_cut)
        return original(self, structures)

    monkeypatch.setattr(SOAP, "transform", counting)
    joined = [Joined([Whitened(NEAR), Whitened(FAR, power=0.0)], weights=[1.0, weight]) for weight in (0.5, 1.0)]
    grid = {"descriptor": [NEAR, Whitened(NEAR), *joined], "regressor": [MATERN]}
    found = search_settings(data, grid, factor=1)
    assert sorted(computed) == sorted([NEAR.r_cut, FAR.r_cut])
    computed.clear()
    alone = search_settings(data, {"descriptor": joined[:1], "regressor": [MATERN]}, factor=1)
    same = next(record for record in found.records if record["descriptor"] == alone.best["descriptor"])
    assert same["ldos_loss"] == pytest.approx(alone.best["ldos_loss"], rel=1e-12)


def test_rows_that_are_too_many_to_be_kept_are_computed_again(monkeypatch):
    data = invented(8)
    grid = {"descriptor": [Joined([NEAR, FAR]), Joined([FAR, NEAR]), NEAR], "regressor": [MATERN]}
    kept = search_settings(data, grid, factor=1)
    monkeypatch.setattr("ldosml.search.scores._KEPT", 1000)
    forgotten = search_settings(data, grid, factor=1)
    for one, other in zip(kept.records, forgotten.records, strict=True):
        assert one["ldos_loss"] == other["ldos_loss"]


@pytest.mark.parametrize(
    "estimator",
    [
        SOAP(r_cut=4.0),
        DOSModel(Whitened(Joined([NEAR, FAR], weights=[1.0, 2.0])), MATERN, high=5.0),
        DOSModel(regressor=make_pipeline(StandardScaler(), RIDGE)),
    ],
)
def test_estimators_are_spelled_as_scikit_learn_prints_them(estimator):
    assert expression(estimator) == " ".join(estimator.__repr__(N_CHAR_MAX=10**6).split())


@pytest.mark.parametrize("kind", [list, np.array])
def test_long_parameters_are_spelled_whole(kind):
    alphas = np.logspace(-6, 2, 2000)
    again = eval(expression(LDOSKernelRidge(alphas=kind(alphas.tolist()), alpha=1e-3, kernel="polynomial", gamma=1.0)))
    np.testing.assert_array_equal(again.alphas, alphas)


def test_the_command(capsys, tmp_path, monkeypatch):
    data, output = invented(12), tmp_path / "t.csv"
    data.save(tmp_path / "d.h5")
    monkeypatch.setattr("ldosml.search.search.default_candidates", lambda _: {**GRIDS, "regressor": [MATERN]})
    arguments = ["search", str(tmp_path / "d.h5"), "-o", str(output), "--factor", "2", "--test-size", "0.25"]
    assert main([*arguments, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert len(output.read_text().splitlines()) == 1 + len(result["records"])
    train = data.split(test_size=0.25, random_state=0)[0]
    assert result["best"]["n_structures"] == len(train)
    assert eval(result["model"], {"ldosml": ldosml}).fit(train).regressors_
    assert main(arguments) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main([*arguments, "--overwrite"]) == 0
    shown = capsys.readouterr().out
    assert result["model"] in shown.replace("\n", " ")
