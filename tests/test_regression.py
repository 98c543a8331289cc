"""Ridge and kernel ridge against scikit-learn and against brute force."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from ldosml import LDOSKernelRidge, LDOSRidge, SparseLDOSKernelRidge, kernels, solvers
from ldosml._array import to_numpy
from ldosml.metrics import neg_normalized_loss, normalized_loss

RNG = np.random.default_rng(7)
N, N_FEATURES, N_ENERGIES = 40, 6, 9
X = RNG.normal(size=(N, N_FEATURES))
X /= np.linalg.norm(X, axis=1)[:, None]
Y = np.sin(3 * X @ RNG.normal(size=(N_FEATURES, N_ENERGIES))) + 0.1 * RNG.normal(size=(N, N_ENERGIES))
INDEX = np.sort(RNG.integers(0, 11, N))
PER_ENERGY = np.logspace(-4, 1, N_ENERGIES)
KERNELS = [
    {"kernel": "linear"},
    {"kernel": "polynomial", "degree": 3, "coef0": 0.5, "gamma": 0.8},
    {"kernel": "gaussian", "gamma": 0.7},
    {"kernel": "matern", "gamma": 0.5},
]


@parametrize_with_checks(
    [
        LDOSRidge(alpha=1e-3),
        LDOSRidge(alpha="leave-one-out"),
        LDOSKernelRidge(kernel="gaussian", alpha=1e-3, gamma=1.0),
        LDOSKernelRidge(kernel="matern", alpha="leave-one-out", gamma=1.0),
        LDOSKernelRidge(coef0=1.0, alpha=1e-3, kernel="polynomial", gamma=1.0),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def sklearn_kernel_ridge(parameters, alpha):
    name = parameters["kernel"]
    if name == "matern":
        return KernelRidge(alpha=alpha, kernel=lambda a, b: kernels.matern(a[None], b[None], gamma=0.5)[0, 0])
    names = {"polynomial": "polynomial", "gaussian": "rbf", "linear": "linear"}
    rest = {key: value for key, value in parameters.items() if key != "kernel"}
    return KernelRidge(alpha=alpha, kernel=names[name], **rest)


@pytest.mark.parametrize("alpha", [1e-3, PER_ENERGY], ids=["one alpha", "one per energy"])
@pytest.mark.parametrize("parameters", KERNELS, ids=lambda p: p["kernel"])
def test_kernel_ridge_equals_scikit_learn(xp, parameters, alpha):
    model = LDOSKernelRidge(alpha, subtract_mean=False, **parameters).fit(xp.asarray(X), xp.asarray(Y))
    new = X[::3] + 0.1
    expected = sklearn_kernel_ridge(parameters, alpha).fit(X, Y).predict(new)
    np.testing.assert_allclose(to_numpy(model.predict(xp.asarray(new))), expected, atol=1e-9)


@pytest.mark.parametrize("alpha", [1e-3, PER_ENERGY], ids=["one alpha", "one per energy"])
def test_ridge_equals_scikit_learn(xp, alpha):
    model = LDOSRidge(alpha, subtract_mean=False).fit(xp.asarray(X), xp.asarray(Y))
    expected = Ridge(alpha=alpha, fit_intercept=False).fit(X, Y)
    np.testing.assert_allclose(to_numpy(model.coef_), expected.coef_, atol=1e-9)


def test_the_mean_is_learned_without_regularisation():
    model = LDOSKernelRidge(1e6, kernel="gaussian", gamma=1.0).fit(X, Y + 5.0)
    np.testing.assert_allclose(model.predict(X[:3]), np.tile(Y.mean(axis=0) + 5.0, (3, 1)), atol=1e-3)


def blocks(kind):
    labels = np.arange(N) if kind.endswith("-one-out") else INDEX
    return [np.flatnonzero(labels == s) for s in set(labels)]


def brute_force_errors(make, alphas, kind):
    """Fit again without each block; the mean is the whole set's, as the estimator documents."""
    mean = Y.mean(axis=0)
    errors = np.zeros((len(alphas), N_ENERGIES))
    for row, alpha in enumerate(alphas):
        for out in blocks(kind):
            kept = np.setdiff1d(np.arange(N), out)
            model = make(alpha).fit(X[kept], Y[kept] - mean)
            errors[row] += ((model.predict(X[out]) - (Y[out] - mean)) ** 2).sum(axis=0)
    return np.sqrt(errors / N)


@pytest.mark.parametrize("kind", ["leave-one-out", "leave-one-group-out"])
@pytest.mark.parametrize(
    ("estimator", "make"),
    [
        (LDOSRidge(alpha=1e-3), lambda a: Ridge(alpha=a, fit_intercept=False)),
        (
            LDOSKernelRidge(alpha=1e-3, kernel="polynomial", gamma=1.0),
            lambda a: KernelRidge(alpha=a, kernel="poly", degree=2, gamma=1, coef0=0),
        ),
        (
            LDOSKernelRidge(kernel="gaussian", alpha=1e-3, gamma=1.0),
            lambda a: KernelRidge(alpha=a, kernel="rbf", gamma=1.0),
        ),
    ],
    ids=["ridge", "polynomial", "gaussian"],
)
def test_leave_out_errors_equal_brute_force(xp, estimator, make, kind):
    alphas = np.logspace(-5, 1, 4)
    model = clone(estimator).set_params(alpha=kind, alphas=alphas)
    model.fit(xp.asarray(X), xp.asarray(Y), structure_index=xp.asarray(INDEX))
    np.testing.assert_allclose(to_numpy(model.cv_errors_), brute_force_errors(make, alphas, kind), atol=1e-9)


def test_ridge_with_more_features_than_rows_leaves_out_correctly():
    wide = RNG.normal(size=(12, 30))
    targets = RNG.normal(size=(12, 2))
    model = LDOSRidge("leave-one-out", alphas=[0.3], subtract_mean=False).fit(wide, targets)
    missed = []
    for i in range(12):
        without = Ridge(alpha=0.3, fit_intercept=False).fit(np.delete(wide, i, 0), np.delete(targets, i, 0))
        missed.append(targets[i] - without.predict(wide[i : i + 1])[0])
    np.testing.assert_allclose(model.cv_errors_[0], np.sqrt(np.mean(np.square(missed), axis=0)), atol=1e-9)


def test_rows_of_a_structure_may_stand_anywhere():
    order = RNG.permutation(N)
    options = {"alpha": "leave-one-group-out", "kernel": "gaussian"}
    sorted_rows = LDOSKernelRidge(**options).fit(X, Y, structure_index=INDEX)
    shuffled = LDOSKernelRidge(**options).fit(X[order], Y[order], structure_index=INDEX[order])
    np.testing.assert_allclose(shuffled.cv_errors_, sorted_rows.cv_errors_, atol=1e-10)


def test_chosen_alpha_minimises_the_error_without_smoothing():
    model = LDOSKernelRidge("leave-one-group-out", kernel="gaussian", alpha_smoothing=0, gamma=1.0)
    model.fit(X, Y, structure_index=INDEX)
    np.testing.assert_allclose(model.alpha_, model.alphas_[model.cv_errors_.argmin(axis=0)], rtol=1e-12)
    refit = LDOSKernelRidge(model.alpha_, kernel="gaussian", gamma=1.0).fit(X, Y)
    np.testing.assert_allclose(refit.dual_coef_, model.dual_coef_, atol=1e-12)


def test_smoothing_ignores_energies_without_signal():
    errors = np.array([[1.0] * 5 + [9.0] * 5, [9.0] * 5 + [1.0] * 5])
    signal = np.array([1.0] * 5 + [0.0] * 5)
    alpha = solvers.choose_alpha(errors, [1e-4, 1.0], signal, width=3.0)
    np.testing.assert_allclose(alpha[:5], 1e-4, rtol=1e-3)


def test_structures_left_out_choose_more_regularisation_than_atoms():
    """Atoms of one structure are near copies: leaving one out says nothing, leaving all out does."""
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(15, 5))
    features = np.repeat(centres, 6, axis=0) + 0.01 * rng.normal(size=(90, 5))
    targets = np.repeat(np.sin(centres @ rng.normal(size=(5, 8))) + 0.5 * rng.normal(size=(15, 8)), 6, axis=0)
    index = np.repeat(np.arange(15), 6)
    options = {"kernel": "gaussian", "gamma": 0.1}
    atoms = LDOSKernelRidge("leave-one-out", **options).fit(features, targets)
    structures = LDOSKernelRidge("leave-one-group-out", **options).fit(features, targets, structure_index=index)
    assert np.median(structures.alpha_) > 10 * np.median(atoms.alpha_)
    assert atoms.cv_errors_.min() < 0.5 * structures.cv_errors_.min()


def test_grid_search_with_groups():
    """The groups reach the folds and the choice of alpha, and are said once."""
    grid = {"gamma": [0.1, 1.0]}
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(LDOSKernelRidge(), grid, cv=GroupKFold(3), scoring=neg_normalized_loss)
        search.fit(X, Y, groups=INDEX)
        scores = cross_val_score(LDOSKernelRidge(), X, Y, cv=GroupKFold(3), params={"groups": INDEX})
    expected, plain = [], []
    for train, test in GroupKFold(3).split(X, Y, INDEX):
        models = [LDOSKernelRidge(gamma=g).fit(X[train], Y[train], groups=INDEX[train]) for g in grid["gamma"]]
        expected.append([-normalized_loss(Y[test], model.predict(X[test])) for model in models])
        default = LDOSKernelRidge().fit(X[train], Y[train], groups=INDEX[train])
        plain.append(r2_score(Y[test], default.predict(X[test]), multioutput="variance_weighted"))
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], np.mean(expected, axis=0), rtol=1e-9)
    np.testing.assert_allclose(scores, plain, rtol=1e-9)


def test_without_groups_the_choice_of_alpha_is_warned_of():
    with pytest.warns(UserWarning, match="leaving out one environment at a time.*enable_metadata_routing"):
        alone = LDOSKernelRidge().fit(X, Y)
    np.testing.assert_allclose(alone.alpha_, LDOSKernelRidge("leave-one-out").fit(X, Y).alpha_, rtol=1e-10)
    with pytest.warns(UserWarning, match="leaving out one environment"):
        GridSearchCV(LDOSKernelRidge(), {"gamma": [0.3]}, cv=GroupKFold(3)).fit(X, Y, groups=INDEX)


def test_groups_and_structures_are_two_things():
    """Groups say what is left out; structures do so only where there are no groups."""
    trajectory = INDEX // 3
    by_group = LDOSKernelRidge().fit(X, Y, groups=trajectory)
    both = LDOSKernelRidge().fit(X, Y, structure_index=INDEX, groups=trajectory)
    by_structure = LDOSKernelRidge().fit(X, Y, structure_index=INDEX)
    np.testing.assert_array_equal(both.cv_errors_, by_group.cv_errors_)
    assert abs(by_structure.cv_errors_ - by_group.cv_errors_).max() > 1e-6


@pytest.mark.parametrize("make", [LDOSRidge, LDOSKernelRidge, SparseLDOSKernelRidge])
def test_the_score_weighs_energies_by_their_variance(make):
    """An energy with next to no states decides scikit-learn's default, and counts for nothing here."""
    faint = np.hstack([Y, 1e-6 * RNG.normal(size=(N, 1))])
    model = make(1e-2).fit(X, faint)
    predicted = model.predict(X)
    assert model.score(X, faint) == pytest.approx(r2_score(faint, predicted, multioutput="variance_weighted"))
    weights = RNG.uniform(size=N)
    expected = r2_score(faint, predicted, multioutput="variance_weighted", sample_weight=weights)
    assert model.score(X, faint, weights) == pytest.approx(expected)
    index = np.unique(INDEX, return_inverse=True)[1]
    sums = np.zeros((index.max() + 1, faint.shape[1]))
    np.add.at(sums, index, predicted)
    assert model.score(X, sums, structure_index=index) == pytest.approx(1.0)


def test_rbf_is_the_gaussian_kernel():
    rbf, gaussian = (LDOSKernelRidge(1e-3, kernel=name).fit(X, Y).predict(X) for name in ("rbf", "gaussian"))
    np.testing.assert_array_equal(rbf, gaussian)


def test_prediction_in_blocks_changes_nothing(monkeypatch):
    model = LDOSKernelRidge(1e-3, kernel="polynomial", gamma=1.0).fit(X, Y)
    whole = model.predict(X)
    monkeypatch.setattr("ldosml.regression._kernel._BLOCK", 3 * N)
    np.testing.assert_allclose(model.predict(X), whole, atol=1e-12)


@pytest.mark.parametrize(
    "estimator", [LDOSRidge(alpha=1e-3), LDOSKernelRidge(alpha=1e-3, kernel="polynomial", gamma=1.0)]
)
@pytest.mark.parametrize(
    ("alpha", "message"),
    [
        (0.0, "alpha of .* must be above 0 and finite"),
        (-1.0, "alpha of .* must be above 0 and finite"),
        (np.nan, "alpha of .* must be above 0 and finite"),
        (np.r_[PER_ENERGY[:-1], 0.0], "alpha of .* must be above 0 and finite"),
        (PER_ENERGY[:-1], r"alpha must have shape \(9\) = \(n_energies\); got \(8,\)"),
        ("best", "'leave-one-group-out' or 'leave-one-out'; got 'best'"),
    ],
)
def test_bad_alpha(estimator, alpha, message):
    with pytest.raises(ValueError, match=message):
        clone(estimator).set_params(alpha=alpha).fit(X, Y)


def test_other_bad_input(xp):
    model = LDOSKernelRidge("leave-one-group-out", kernel="polynomial", gamma=1.0)
    with pytest.raises(ValueError, match="needs at least 2 groups"):
        model.fit(xp.asarray(X), xp.asarray(Y), structure_index=xp.asarray(0 * INDEX))
    with pytest.raises(ValueError, match=r"structure_index must have shape \(40\)"):
        model.fit(xp.asarray(X), xp.asarray(Y), structure_index=xp.asarray(INDEX[:-1]))
    holed = Y.copy()
    holed[2, 3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        LDOSKernelRidge(alpha=1e-3, kernel="polynomial", gamma=1.0).fit(xp.asarray(X), xp.asarray(holed))
    with pytest.raises(ValueError, match="expecting 6 features"):
        LDOSKernelRidge(alpha=1e-3, kernel="polynomial", gamma=1.0).fit(xp.asarray(X), xp.asarray(Y)).predict(
            xp.asarray(X[:, :5])
        )
    with pytest.raises(ValueError, match=r"alphas of .* must be above 0"):
        LDOSKernelRidge("leave-one-out", alphas=[1.0, 0.0], kernel="polynomial", gamma=1.0).fit(
            xp.asarray(X), xp.asarray(Y)
        )


def test_repeated_environments_with_too_little_alpha_say_what_to_do():
    repeated = np.tile(X[:10], (4, 1))
    with pytest.raises(np.linalg.LinAlgError, match="Raise alpha"):
        LDOSKernelRidge(1e-18, kernel="polynomial", gamma=1.0).fit(repeated, Y)


def test_an_indefinite_matrix_is_refused():
    with pytest.raises(ValueError, match=r"eigenvalue of -1 beside a largest of 1: it is not positive semidefinite"):
        solvers.factorize_kernel(np.array([[0.0, 1.0], [1.0, 0.0]]))


def test_candidates_scale_with_the_kernel():
    small, large = (LDOSKernelRidge("leave-one-out", kernel="linear", gamma=1.0).fit(s * X, Y) for s in (1.0, 10.0))
    np.testing.assert_allclose(large.alphas_, 100 * small.alphas_)
    np.testing.assert_allclose(large.predict(10 * X), small.predict(X), atol=1e-8)


def test_an_error_that_is_not_a_number_is_never_the_best(xp):
    errors = xp.asarray([[np.nan, 1.0], [3.0, 2.0]])
    chosen = solvers.choose_alpha(errors, [1e-20, 1e-2], xp.asarray([1.0, 1.0]), 0.0)
    np.testing.assert_allclose(to_numpy(chosen), [1e-2, 1e-20])


def test_bad_smoothing_and_no_candidates():
    with pytest.raises(ValueError, match=r"alpha_smoothing of .* must be at least 0 and finite; got nan"):
        LDOSKernelRidge("leave-one-out", alpha_smoothing=np.nan, kernel="polynomial", gamma=1.0).fit(X, Y)
    with pytest.raises(ValueError, match="at least one"):
        LDOSKernelRidge("leave-one-out", alphas=[], kernel="polynomial", gamma=1.0).fit(X, Y)
