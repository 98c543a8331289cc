"""One contract of the three estimators: which arguments they take, which they refuse, and how they say so."""

import numpy as np
import pandas as pd
import pytest
from sklearn import clone, config_context
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.neighbors import KNeighborsRegressor

from ldosml import (
    Cumulative,
    LDOSKernelRidge,
    LDOSRidge,
    Pointwise,
    PrincipalComponents,
    RepresentedRegressor,
    SparseLDOSKernelRidge,
)
from ldosml.metrics import variance_weighted_r2

RNG = np.random.default_rng(3)
X = RNG.normal(size=(24, 4))
Y = np.sin(X @ RNG.normal(size=(4, 6)))
INDEX = np.repeat(np.arange(8), 3)
DOS = np.add.reduceat(Y, np.arange(0, 24, 3))
SPECIES = np.tile([14, 14, 32], 8)
TRAJECTORY = np.repeat(np.arange(4), 2)
ESTIMATORS = [LDOSRidge(), LDOSKernelRidge(), SparseLDOSKernelRidge(n_inducing=8)]
EACH = pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda one: type(one).__name__)
LEARN = pytest.mark.parametrize("learn", ["ldos", "dos", "both"])


def arguments(learn, **changed):
    """What fit takes, everything told."""
    known = {"X": X, "Y": DOS if learn == "dos" else Y, "structure_index": INDEX, "species": SPECIES}
    known["groups"] = TRAJECTORY if learn == "dos" else TRAJECTORY[INDEX]
    return known | ({"dos": 1.1 * DOS} if learn == "both" else {}) | changed


def learning(estimator, learn):
    return type(estimator)(**{**estimator.get_params(), "learn": learn})


def read_only(values):
    copy = np.array(values)
    copy.setflags(write=False)
    return copy


def frame(values):
    return pd.DataFrame(values) if np.ndim(values) == 2 else pd.Series(values, index=range(100, 100 + len(values)))


@pytest.mark.parametrize("form", [np.ndarray.tolist, frame, read_only, np.asfortranarray], ids=lambda f: f.__name__)
@LEARN
@EACH
def test_lists_frames_and_read_only_arrays_are_arrays(estimator, learn, form):
    model, given = learning(estimator, learn), arguments(learn)
    expected = model.fit(**given).predict(X, species=SPECIES)
    told = {name: form(values) for name, values in given.items()}
    score = {"structure_index": form(INDEX)} if learn == "dos" else {}
    model.fit(**told)
    np.testing.assert_allclose(model.predict(told["X"], species=told["species"]), expected, atol=1e-9)
    sums = np.add.reduceat(expected, np.arange(0, 24, 3)) if learn == "dos" else expected
    found = model.score(told["X"], told["Y"], species=told["species"], **score)
    assert found == pytest.approx(variance_weighted_r2(given["Y"], sums), abs=1e-9)


@LEARN
@EACH
def test_arguments_are_left_as_they_were(estimator, learn):
    given = {name: np.array(values) for name, values in arguments(learn).items()}
    for alpha in ("leave-one-group-out", 1e-3):
        learning(estimator, learn).set_params(alpha=alpha).fit(**given)
    for name, values in arguments(learn).items():
        np.testing.assert_array_equal(given[name], values)


@pytest.mark.parametrize(
    ("learn", "changed", "message"),
    [
        ("ldos", {"groups": TRAJECTORY}, r"groups must have shape \(24\) = \(n_environments\); got \(8,\)"),
        ("dos", {"groups": TRAJECTORY[INDEX]}, r"groups must have shape \(8\) = \(n_structures\); got \(24,\)"),
        ("both", {"groups": TRAJECTORY}, r"groups must have shape \(24\) = \(n_environments\); got \(8,\)"),
        ("ldos", {"groups": np.where(INDEX == 0, np.nan, INDEX)}, "groups must be finite; 3 entries"),
        ("dos", {"groups": [None, *"abcdefg"]}, "groups must be numbers or texts, all of one type; got NoneType, str"),
        ("both", {"groups": np.where(INDEX == 0, np.nan, INDEX)}, "groups must be finite; 3 entries"),
        ("both", {"structure_index": INDEX * 1.0}, "whole numbers from 0 on; got float64"),
        ("both", {"structure_index": INDEX * 1.0, "dos": None}, "whole numbers from 0 on; got float64"),
        ("both", {"structure_index": INDEX.astype(str), "dos": None}, "whole numbers from 0 on; got <U"),
        ("both", {"structure_index": [], "dos": None}, r"structure_index must have shape \(24\)"),
        ("both", {"structure_index": INDEX - 1, "dos": None}, r"must lie in 0\.\.6"),
        ("both", {"dos": DOS[:, :2]}, r"dos must have shape \(any, 6\)"),
        ("both", {"dos": DOS[:5]}, r"must lie in 0\.\.4"),
        ("both", {"dos": np.full_like(DOS, np.nan)}, "dos must be finite"),
        ("ldos", {"dos": DOS}, "dos goes with learn='both'"),
        *[(learn, {"species": SPECIES * np.nan}, "species must be finite") for learn in ("ldos", "dos", "both")],
        *[(learn, {"species": SPECIES * 1.0}, "atomic numbers, as int; got float64") for learn in ("ldos", "dos")],
        *[(learn, {"species": ["Si"] * 24}, "atomic numbers, as int; got <U2") for learn in ("ldos", "both")],
    ],
)
@EACH
def test_arguments_that_do_not_fit_are_named(estimator, learn, changed, message):
    with pytest.raises(ValueError, match=message):
        learning(estimator, learn).fit(**arguments(learn, **changed))
    if isinstance(estimator, SparseLDOSKernelRidge) and "must lie in" not in message and "whole numbers" not in message:
        chunk = {name: values for name, values in arguments(learn, **changed).items() if values is not None}
        with pytest.raises(ValueError, match=r"Chunk 0 .*(must|goes)"):
            learning(estimator, learn).fit_chunks([chunk])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"ldos_weight": "10"}, "ldos_weight of .* must be a positive number; got '10'"),
        ({"size_exponent": "1"}, "size_exponent of .* must be .*; got '1'"),
        ({"alpha": 1.0, "alpha_smoothing": -1}, "alpha_smoothing of .* must be at least 0 and finite; got -1"),
        ({"alphas": [[1.0, 2.0], [3.0, 4.0]]}, r"alphas must have shape \(any\) = \(n_alphas\); got \(2, 2\)"),
    ],
)
@EACH
def test_parameters_of_another_kind_are_named(estimator, parameters, message):
    with pytest.raises((TypeError, ValueError), match=message):
        type(estimator)(**{**estimator.get_params(), **parameters}).fit(**arguments("ldos"))


@EACH
def test_numbers_that_overflow_are_refused(estimator):
    given = arguments("ldos")
    for name in ("X", "Y"):
        huge = given[name].copy()
        huge[3, 1] = 1e300
        with pytest.raises(ValueError, match=rf"{name} must be finite; 1 entries .* first at \[3, 1\]"):
            clone(estimator).fit(**given | {name: huge})
    with pytest.raises(ValueError, match="X must be finite"):
        clone(estimator).fit(**given).predict(1e300 * given["X"])


@EACH
def test_candidates_are_those_of_the_last_fit(estimator):
    model = type(estimator)(**estimator.get_params()).fit(**arguments("ldos"))
    assert model.cv_errors_.shape == (len(model.alphas_), 6)
    model.set_params(alpha=1e-3).fit(**arguments("ldos"))
    assert not hasattr(model, "alphas_")
    assert not hasattr(model, "cv_errors_")


@pytest.mark.parametrize(
    ("y", "known", "message"),
    [
        (DOS, {}, r"predicted must have shape \(8, 6\) = \(n_rows, n_energies\); got \(24, 6\)"),
        (DOS, {"structure_index": INDEX - 1}, r"must lie in 0\.\.7, the rows of the DOS; got -1"),
        (DOS, {"structure_index": INDEX + 1}, r"must lie in 0\.\.7, the rows of the DOS; got 8"),
        (DOS, {"structure_index": INDEX * 1.0}, "whole numbers from 0 on; got float64"),
        (DOS, {"structure_index": INDEX[:-1]}, r"structure_index must have shape \(24\)"),
        (Y, {"sample_weight": np.ones(3)}, r"sample_weight must have shape \(24\) = \(n_rows\); got \(3,\)"),
        (np.full_like(Y, np.nan), {}, "true must be finite"),
    ],
)
@EACH
def test_scores_of_what_does_not_fit_are_refused(estimator, y, known, message):
    model = type(estimator)(**estimator.get_params()).fit(X, Y, groups=INDEX)
    with pytest.raises(ValueError, match=message):
        model.score(X, y, **known)


@EACH
def test_groups_reach_the_regressor_of_represented_spectra(estimator):
    """Groups given to a search arrive: no warning that single environments are left out."""
    grid = {"representation": [Pointwise(), Cumulative(0.1), PrincipalComponents(3)]}
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(RepresentedRegressor(estimator), grid, cv=GroupKFold(4), error_score="raise")
        search.fit(X, Y, groups=TRAJECTORY[INDEX])
        plain = GridSearchCV(estimator, {"learn": ["ldos"]}, cv=GroupKFold(4)).fit(X, Y, groups=TRAJECTORY[INDEX])
        other = GridSearchCV(RepresentedRegressor(KNeighborsRegressor(3)), grid, cv=GroupKFold(4), error_score="raise")
        other.fit(X, Y, groups=TRAJECTORY[INDEX])
    assert search.cv_results_["mean_test_score"][0] == pytest.approx(plain.best_score_, abs=1e-9)


@LEARN
@EACH
def test_represented_spectra_are_scored_alike(estimator, learn):
    given, rows = arguments(learn), {"structure_index": INDEX} if learn == "dos" else {}
    model = learning(estimator, learn).fit(**given)
    represented = RepresentedRegressor(learning(estimator, learn), Pointwise()).fit(**given)
    found = represented.score(X, given["Y"], species=SPECIES, **rows)
    assert found == pytest.approx(model.score(X, given["Y"], species=SPECIES, **rows), abs=1e-9)


@pytest.mark.parametrize("learn", ["ldos", "dos", "both"])
@pytest.mark.parametrize(
    ("estimator", "options"), [(LDOSRidge, {}), (LDOSKernelRidge, {}), (SparseLDOSKernelRidge, {"n_inducing": 9})]
)
def test_what_all_spectra_share_is_predicted_exactly(estimator, options, learn):
    """A sum rule: where every LDOS has the same number of electrons below a level, so has every prediction.

    One alpha for all energies makes a prediction a linear map of the spectra, whose weights do not depend on energy.
    """
    rng = np.random.default_rng(3)
    X, index = rng.normal(size=(30, 4)), np.repeat(np.arange(10), 3)
    Y = X @ rng.normal(size=(4, 12))
    Y[:, 1::2] = rng.normal(size=(30, 6))  # half of the energies cannot be learned: their best alpha is larger
    below = np.arange(12) < 7
    Y[:, 3] += 4.0 - Y[:, below].sum(axis=1)
    sums = np.add.reduceat(Y, np.arange(0, 30, 3))
    given = {"ldos": (Y, {}), "dos": (sums, {}), "both": (Y, {"dos": sums})}[learn]
    new = rng.normal(size=(8, 4))

    def electrons(**more):
        model = estimator(learn=learn, **options, **more).fit(X, given[0], structure_index=index, **given[1])
        return model.predict(new)[:, below].sum(axis=1)

    np.testing.assert_allclose(electrons(), 4.0, rtol=1e-9)
    assert np.abs(electrons(alpha_smoothing=0) - 4.0).max() > 1e-3
