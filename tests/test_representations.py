"""Representations of targets: there and back, and when a regression can tell them apart."""

import json
import zipfile

import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks

from ldosml import (
    LDOS,
    SOAP,
    Cumulative,
    DOSModel,
    EnergyGrid,
    LDOSKernelRidge,
    LDOSRidge,
    Pointwise,
    PrincipalComponents,
    RepresentedRegressor,
    SparseLDOSKernelRidge,
    persistence,
)
from ldosml._array import to_numpy

RNG = np.random.default_rng(11)
N, N_ENERGIES, STEP = 40, 25, 0.2
X = RNG.normal(size=(N, 6))
X /= np.linalg.norm(X, axis=1)[:, None]
ENERGIES = np.arange(N_ENERGIES) * STEP
Y = np.exp(-(((ENERGIES - 2 - np.sin(3 * X[:, :1])) / 0.4) ** 2)) * (1 + X[:, 1:2] ** 2)
Y += 0.05 * RNG.normal(size=Y.shape)
INDEX = np.sort(RNG.integers(0, 11, N))
NEW, NEW_SPECTRA = X[::3] + 0.1, Y[:5] * 1.3 + 0.1
LINEAR = [Pointwise(), Cumulative(STEP), PrincipalComponents(), PrincipalComponents(subtract_mean=False)]
CHOSEN = LDOSKernelRidge("leave-one-group-out", kernel="gaussian", gamma=1.0, alpha_smoothing=5.0)


def name(value):
    return str(value) if isinstance(value, BaseEstimator) else None


@parametrize_with_checks(
    [
        Pointwise(),
        Cumulative(STEP),
        PrincipalComponents(),
        RepresentedRegressor(LDOSKernelRidge(kernel="gaussian", alpha=1e-3, gamma=1.0)),
        RepresentedRegressor(LDOSRidge(alpha=1e-3), Cumulative()),
        RepresentedRegressor(LDOSRidge("leave-one-out"), PrincipalComponents()),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("representation", LINEAR, ids=name)
def test_there_and_back(xp, representation):
    fitted = clone(representation).fit(xp.asarray(Y[:10]))  # fewer spectra than energies
    np.testing.assert_allclose(to_numpy(fitted.inverse_transform(fitted.transform(xp.asarray(Y)))), Y, atol=1e-13)


@given(arrays(float, array_shapes(min_dims=2, max_dims=2, max_side=7), elements=st.floats(-1e3, 1e3)))
@settings(max_examples=50, deadline=None)
def test_there_and_back_whatever_the_spectra(spectra):
    for representation in LINEAR:
        fitted = clone(representation).fit(spectra)
        np.testing.assert_allclose(fitted.inverse_transform(fitted.transform(spectra)), spectra, atol=1e-9)


def test_cumulative_ends_at_the_number_of_electrons():
    counts = Cumulative(STEP).fit_transform(Y)
    np.testing.assert_allclose(counts[:, -1], Y.sum(axis=1) * STEP, rtol=1e-12)
    np.testing.assert_allclose(counts[:, 4], Y[:, :5].sum(axis=1) * STEP, rtol=1e-12)


def test_components_are_those_of_scikit_learn(xp):
    mine, theirs = PrincipalComponents(4).fit(xp.asarray(Y)), PCA(4, svd_solver="full").fit(Y)
    overlap = to_numpy(mine.components_) @ theirs.components_.T
    np.testing.assert_allclose(np.abs(overlap), np.eye(4), atol=1e-10)
    np.testing.assert_allclose(to_numpy(mine.variances_), theirs.explained_variance_ * (N - 1) / N, rtol=1e-10)
    restored = to_numpy(mine.inverse_transform(mine.transform(xp.asarray(NEW_SPECTRA))))
    np.testing.assert_allclose(restored, theirs.inverse_transform(theirs.transform(NEW_SPECTRA)), atol=1e-10)


@pytest.mark.parametrize("subtract_mean", [True, False])
def test_what_truncation_loses_is_the_variance_left_out(subtract_mean):
    every = PrincipalComponents(subtract_mean=subtract_mean).fit(Y)
    some = PrincipalComponents(5, subtract_mean=subtract_mean).fit(Y)
    lost = Y - some.inverse_transform(some.transform(Y))
    assert (lost**2).sum() / N == pytest.approx(every.variances_[5:].sum(), rel=1e-10)


@pytest.mark.parametrize("regressor", [LDOSRidge(0.3), LDOSKernelRidge(1e-3, kernel="matern", gamma=1.0)], ids=name)
@pytest.mark.parametrize("representation", LINEAR, ids=name)
def test_one_alpha_for_all_columns_predicts_the_same(xp, regressor, representation):
    alone = clone(regressor).fit(X, Y)
    represented = RepresentedRegressor(regressor, representation).fit(xp.asarray(X), xp.asarray(Y))
    np.testing.assert_allclose(to_numpy(represented.predict(xp.asarray(NEW))), alone.predict(NEW), atol=1e-10)


def test_one_alpha_and_truncation_is_a_projection():
    """With one alpha, components left out are the only difference."""
    full = LDOSKernelRidge(1e-3, kernel="polynomial", gamma=1.0).fit(X, Y).predict(NEW)
    truncated = RepresentedRegressor(LDOSKernelRidge(1e-3, kernel="polynomial", gamma=1.0), PrincipalComponents(3)).fit(
        X, Y
    )
    kept = truncated.representation_
    expected = kept.inverse_transform(kept.transform(full))
    np.testing.assert_allclose(truncated.predict(NEW), expected, atol=1e-10)
    assert abs(full - expected).max() > 0.01


@pytest.mark.parametrize("alpha", [np.logspace(-3, 1, 4), "leave-one-out"], ids=["given", "chosen"])
def test_an_alpha_per_component_equals_scikit_learns_detour(alpha):
    """Where the columns have their own alphas, the representation matters: an independent route to the same."""
    regressor = LDOSRidge(alpha, alpha_smoothing=0.0)
    theirs = TransformedTargetRegressor(regressor, transformer=PCA(4), check_inverse=False).fit(X, Y)
    mine = RepresentedRegressor(regressor, PrincipalComponents(4)).fit(X, Y)
    np.testing.assert_allclose(mine.predict(NEW), theirs.predict(NEW), atol=1e-10)
    one = RepresentedRegressor(LDOSRidge(1.0), PrincipalComponents(4)).fit(X, Y)
    assert abs(mine.predict(NEW) - one.predict(NEW)).max() > 1e-3


@pytest.mark.parametrize("representation", [Cumulative(STEP), PrincipalComponents()], ids=name)
def test_alpha_per_column_is_told_apart(representation):
    pointwise = clone(CHOSEN).fit(X, Y, structure_index=INDEX)
    other = RepresentedRegressor(CHOSEN, representation).fit(X, Y, structure_index=INDEX)
    assert abs(other.predict(NEW) - pointwise.predict(NEW)).max() > 1e-3


def test_leave_out_errors_of_the_cumulative_are_those_of_the_cumulative():
    model = RepresentedRegressor(CHOSEN, Cumulative(STEP)).fit(X, Y, structure_index=INDEX)
    expected = clone(CHOSEN).fit(X, STEP * np.cumsum(Y, axis=1), structure_index=INDEX)
    np.testing.assert_allclose(model.regressor_.cv_errors_, expected.cv_errors_, rtol=1e-10)
    np.testing.assert_allclose(model.regressor_.alpha_, expected.alpha_, rtol=1e-10)


def test_alpha_is_smoothed_over_energies_and_not_over_components():
    for representation, width in [(Pointwise(), 5.0), (Cumulative(), 5.0), (PrincipalComponents(6), 0.0)]:
        model = RepresentedRegressor(CHOSEN, representation).fit(X, Y, structure_index=INDEX)
        assert model.regressor_.alpha_smoothing == width
    chosen = model.regressor_
    np.testing.assert_allclose(chosen.alpha_, chosen.alphas_[chosen.cv_errors_.argmin(axis=0)], rtol=1e-12)
    assert CHOSEN.alpha_smoothing == 5.0


def test_any_regressor_will_do_and_parameters_are_reached():
    model = RepresentedRegressor(Ridge(0.3), PrincipalComponents(3)).set_params(representation__n_components=2)
    model.fit(X, Y, sample_weight=np.full(N, 2.0))
    plain = Ridge(0.3).fit(X, model.representation_.transform(Y), sample_weight=np.full(N, 2.0))
    np.testing.assert_allclose(model.predict(NEW), model.representation_.inverse_transform(plain.predict(NEW)))
    assert plain.coef_.shape == (2, 6)
    assert RepresentedRegressor(Ridge(), PrincipalComponents(1)).fit(X, Y).predict(NEW).shape == (len(NEW), N_ENERGIES)
    assert RepresentedRegressor(Ridge(), Cumulative()).fit(X, Y[:, 3]).predict(NEW).shape == (len(NEW),)


class SumRidge(RegressorMixin, BaseEstimator):
    """Learns sums over rows, predicts the shares: X W of the W for which S X W is Y."""

    def fit(self, X, Y, structure_index):
        sums = np.zeros((structure_index.max() + 1, X.shape[1]))
        np.add.at(sums, structure_index, X)
        self.coef_, self.n_features_in_ = np.linalg.lstsq(sums, Y)[0], X.shape[1]
        return self

    def predict(self, X):
        return X @ self.coef_


def test_sums_over_rows_need_a_linear_representation():
    index = np.repeat(np.arange(10), 4)
    totals = np.add.reduceat(Y, np.arange(0, N, 4))
    alone = SumRidge().fit(X, totals, index).predict(NEW)
    for representation in (Pointwise(), Cumulative(STEP), PrincipalComponents(subtract_mean=False)):
        model = RepresentedRegressor(SumRidge(), representation).fit(X, totals, structure_index=index)
        np.testing.assert_allclose(model.predict(NEW), alone, atol=1e-10)
    with pytest.raises(ValueError, match=r"sums over environments.*subtract_mean=False"):
        RepresentedRegressor(SumRidge(), PrincipalComponents()).fit(X, totals, structure_index=index)


@pytest.mark.parametrize("count", [0, -1, 2.5, N_ENERGIES + 1, np.nan])
def test_impossible_numbers_of_components(count):
    with pytest.raises(ValueError, match=r"n_components must be a whole number from 1 to .* 25; got"):
        PrincipalComponents(count).fit(Y)


def test_bad_input(xp):
    spectra, holed = xp.asarray(Y), Y.copy()
    holed[1, 2] = np.inf
    for step in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="step of Cumulative must be a positive number of eV"):
            Cumulative(step).fit(spectra)
    for representation in (Cumulative(), PrincipalComponents(2)):
        fitted = representation.fit(spectra)
        with pytest.raises(ValueError, match=r"24"):
            fitted.transform(spectra[:, :24])
        with pytest.raises(ValueError, match=r"must have shape \(any, \d+\)"):
            fitted.inverse_transform(spectra[:, :7])
        with pytest.raises(ValueError, match="infin"):
            fitted.transform(xp.asarray(holed))
        with pytest.raises(ValueError, match="infin"):
            RepresentedRegressor(LDOSRidge(alpha=1e-3), representation).fit(xp.asarray(X), xp.asarray(holed))
    with pytest.raises(ValueError, match="at least 2 groups"):
        RepresentedRegressor(CHOSEN, Cumulative()).fit(xp.asarray(X), spectra, groups=np.zeros(len(X)))
    with pytest.raises(ValueError, match=r"alpha must have shape \(2\)"):
        RepresentedRegressor(LDOSRidge(np.ones(25)), PrincipalComponents(2)).fit(xp.asarray(X), spectra)


@pytest.mark.parametrize("representation", [Cumulative(STEP), PrincipalComponents(subtract_mean=False)], ids=name)
@pytest.mark.parametrize("learn", ["dos", "both"])
def test_learning_from_the_total_dos_commutes_too(representation, learn):
    index, species = np.repeat(np.arange(10), 4), np.tile([6, 14], 20)
    totals = np.add.reduceat(Y, np.arange(0, N, 4))
    known = {"dos": totals} if learn == "both" else {}
    alone = LDOSKernelRidge(1e-2, learn=learn, kernel="gaussian", ldos_weight=0.7, gamma=1.0)
    model = RepresentedRegressor(alone, representation)
    for estimator in (alone, model):
        estimator.fit(X, totals if learn == "dos" else Y, structure_index=index, species=species, **known)
    expected = alone.predict(NEW, species=species[: len(NEW)])
    np.testing.assert_allclose(model.predict(NEW, species=species[: len(NEW)]), expected, atol=1e-10)
    np.testing.assert_allclose(model.of_species(14).predict(NEW), alone.of_species(14).predict(NEW), atol=1e-10)


@pytest.mark.parametrize("representation", [Cumulative(STEP), PrincipalComponents(subtract_mean=False)], ids=name)
@pytest.mark.parametrize("learn", ["ldos", "dos", "both"])
def test_inducing_points_commute_too(representation, learn):
    index, totals = np.repeat(np.arange(10), 4), 1.1 * np.add.reduceat(Y, np.arange(0, N, 4))
    known = {"dos": totals} if learn == "both" else {}
    alone = SparseLDOSKernelRidge(1e-2, n_inducing=15, kernel="gaussian", learn=learn, gamma=1.0)
    model = RepresentedRegressor(alone, representation)
    for estimator in (alone, model):
        estimator.fit(X, totals if learn == "dos" else Y, structure_index=index, **known)
    np.testing.assert_allclose(model.predict(NEW), alone.predict(NEW), atol=1e-9)
    if known:
        with pytest.raises(ValueError, match="must be linear"):
            RepresentedRegressor(alone, PrincipalComponents()).fit(X, Y, structure_index=index, **known)


GRID = EnergyGrid.from_range(-5, 5, 0.1, zero="fermi")


@pytest.fixture(scope="module")
def structures():
    return [bulk("SiC", "zincblende", a=a) for a in np.linspace(4.2, 4.5, 6)]


@pytest.fixture(scope="module")
def ldos():
    values = np.random.default_rng(0).uniform(0, 1, (12, GRID.size))
    return LDOS(GRID, values, 0.3, structure_index=np.repeat(np.arange(6), 2))


def fitted_model(structures, ldos, representation):
    regressor = RepresentedRegressor(
        LDOSKernelRidge("leave-one-group-out", kernel="polynomial", gamma=1.0), representation
    )
    return DOSModel(SOAP(r_cut=3.5, n_max=4, l_max=3), regressor).fit(structures, ldos)


@pytest.mark.parametrize("representation", [Pointwise(), Cumulative(0.1), PrincipalComponents(3)], ids=name)
def test_models_come_back_from_disk(structures, ldos, representation, tmp_path):
    model = fitted_model(structures, ldos, representation)
    path = model.save(tmp_path / "m.ldosml")
    loaded = DOSModel.load(path)
    for name in ("X_fit_", "dual_coef_", "target_mean_", "alpha_"):
        kept, read = (getattr(one.regressors_[14].regressor_, name) for one in (model, loaded))
        np.testing.assert_array_equal(read, kept)
    # Arrays read from a file may be aligned differently, and sums then round differently.
    expected = model.predict(structures).values
    np.testing.assert_allclose(loaded.predict(structures).values, expected, rtol=0, atol=1e-14)
    again = clone(loaded).fit(structures, ldos)
    np.testing.assert_allclose(again.predict(structures).values, model.predict(structures).values, atol=1e-10)
    part = persistence.describe(path)["regressors"]["14"]
    assert part["parameters"]["representation"]["class"] == type(representation).__name__
    assert part["parts"]["regressor_"]["parameters"]["alpha"] == "leave-one-group-out"
    assert "arrays" not in part["parts"]["regressor_"]


@pytest.mark.parametrize("learn", ["dos", "both"])
def test_models_of_the_total_dos_in_another_representation(structures, ldos, learn, tmp_path):
    soap, alone = (
        SOAP(r_cut=3.5, n_max=4, l_max=3),
        LDOSKernelRidge(1e-2, learn=learn, kernel="polynomial", gamma=1.0),
    )
    expected = DOSModel(soap, alone).fit(structures, ldos).predict(structures).values
    model = DOSModel(soap, RepresentedRegressor(alone, Cumulative(0.1))).fit(structures, ldos)
    np.testing.assert_allclose(model.predict(structures).values, expected, atol=1e-9)
    loaded = DOSModel.load(model.save(tmp_path / "m.ldosml"))
    np.testing.assert_array_equal(loaded.predict(structures).values, model.predict(structures).values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda part: part["parts"]["regressor_"].update({"class": "os.system"}), "of class 'os.system'"),
        (lambda part: part["parameters"]["regressor"].update({"class": "os.system"}), "of class 'os.system'"),
        (lambda part: part["parts"].update(representation_=part["parts"]["regressor_"]), "is a LDOSKernelRidge"),
        (lambda part: part["parts"].pop("regressor_"), "'regressor_' is missing"),
        (lambda part: part.pop("parts"), "'parts' is missing"),
        (lambda part: part["parts"]["representation_"]["learnt"].update(n_columns_=2), r"components_ .*\(2, 101\)"),
        (lambda part: part["parts"]["regressor_"]["arrays"].update(target_mean_="../x"), "is missing"),
    ],
)
def test_damaged_parts_are_refused(structures, ldos, change, message, tmp_path):
    path = fitted_model(structures, ldos, PrincipalComponents(3)).save(tmp_path / "m.ldosml")
    with zipfile.ZipFile(path) as archive:
        content = {member: archive.read(member) for member in archive.namelist()}
    spec = json.loads(content["spec.json"])
    change(spec["regressors"]["14"])
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in (content | {"spec.json": json.dumps(spec)}).items():
            archive.writestr(member, data)
    with pytest.raises(ValueError, match=message):
        DOSModel.load(path)


def test_a_regressor_of_another_package_within_cannot_be_saved(structures, ldos, tmp_path):
    model = DOSModel(SOAP(r_cut=3.5, n_max=4, l_max=3), RepresentedRegressor(Ridge(), Cumulative(0.1)))
    with pytest.raises(TypeError, match="takes a regressor of ldosml; got Ridge"):
        model.fit(structures, ldos)
