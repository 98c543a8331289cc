"""Fits on the total DOS, and on DOS and LDOS at once, against brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from ldosml import LDOSKernelRidge, LDOSRidge, kernels
from ldosml._array import to_numpy
from ldosml.kernel_matrices import SummedKernel, Sums

RNG = np.random.default_rng(11)
N, N_STRUCTURES, N_FEATURES, N_ENERGIES = 47, 12, 5, 7
X = RNG.normal(size=(N, N_FEATURES))
X /= np.linalg.norm(X, axis=1)[:, None]
INDEX = RNG.permutation(np.concatenate([np.arange(N_STRUCTURES), RNG.integers(0, N_STRUCTURES, N - N_STRUCTURES)]))
SPECIES = RNG.choice([6, 14, 32], N)
SPECIES[INDEX == 0] = 14  # a structure without carbon and germanium
LDOS = np.sin(3 * X @ RNG.normal(size=(N_FEATURES, N_ENERGIES))) + 0.1 * SPECIES[:, None]
S = (np.arange(N_STRUCTURES)[:, None] == INDEX[None, :]).astype(float)
DOS = S @ LDOS + 0.05 * RNG.normal(size=(N_STRUCTURES, N_ENERGIES))
GROUPS = np.arange(N_STRUCTURES) // 2
KERNEL = {"kernel": "gaussian", "gamma": 0.7}
JOINT = {"ldos_weight": 0.3, "size_exponent": 1.0}


@parametrize_with_checks(
    [
        LDOSRidge(learn="dos", alpha=1e-3),
        LDOSRidge(learn="dos", alpha="leave-one-group-out"),
        LDOSKernelRidge(learn="dos", kernel="gaussian", alpha=1e-3, gamma=1.0),
        LDOSKernelRidge(learn="dos", coef0=1.0, alpha=1e-3, kernel="polynomial", gamma=1.0),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def learning(options):
    """Parameters of a fit of the DOS, or of both where an LDOS has a weight."""
    return {"learn": "both" if "ldos_weight" in options else "dos", **options}


def fit(model, xp, species=None, groups=None):
    """Fit to what the model learns; ``groups`` are those of structures."""
    features, dos = xp.asarray(X), xp.asarray(DOS)
    if model.learn == "dos":
        return model.fit(features, dos, structure_index=INDEX, species=species, groups=groups)
    rows = None if groups is None else groups[INDEX]
    return model.fit(features, xp.asarray(LDOS), dos=dos, structure_index=INDEX, species=species, groups=rows)


def kernel(species=None):
    K = kernels.gaussian(X, X, gamma=0.7)
    return K if species is None else K * (species[:, None] == species[None, :])


def rows(joint, size_exponent=0.0):
    """The rows of the fit as a matrix (n_rows, n_environments), their targets and structures, all weighted."""
    scale = S.sum(axis=1) ** (-size_exponent / 2)
    matrix, targets, label = scale[:, None] * S, scale[:, None] * DOS, np.arange(N_STRUCTURES)
    if joint:
        root = np.sqrt(joint)
        matrix, targets = np.vstack([root * np.eye(N), matrix]), np.vstack([root * LDOS, targets])
        label = np.concatenate([INDEX, label])
    return matrix, targets, label


def brute_force(K, matrix, targets, alpha):
    """Coefficients of environments that minimise |targets - matrix K c|^2 + alpha c.K c, by the normal equations."""
    return matrix.T @ np.linalg.solve(matrix @ K @ matrix.T + alpha * np.eye(len(matrix)), targets)


@pytest.mark.parametrize("species", [None, SPECIES], ids=["one species", "three species"])
@pytest.mark.parametrize("options", [{}, {"size_exponent": 2.0}, JOINT], ids=["dos", "per atom", "joint"])
def test_kernel_fit_equals_brute_force(xp, options, species):
    model = LDOSKernelRidge(1e-2, subtract_mean=False, **KERNEL, **learning(options))
    fit(model, xp, species=species)
    K = kernel(species)
    expected = K @ brute_force(K, *rows(options.get("ldos_weight"), options.get("size_exponent", 0.0))[:2], 1e-2)
    np.testing.assert_allclose(to_numpy(model.predict(xp.asarray(X), species=species)), expected, atol=1e-9)


@pytest.mark.parametrize("species", [None, SPECIES], ids=["one species", "three species"])
@pytest.mark.parametrize("options", [{}, JOINT], ids=["dos", "joint"])
def test_ridge_is_the_linear_kernel(xp, options, species):
    """Primal and dual are two routes to one minimum, the mean shares included."""
    primal = fit(LDOSRidge(1e-2, **learning(options)), xp, species=species)
    dual = fit(LDOSKernelRidge(1e-2, kernel="linear", **learning(options)), xp, species=species)
    first, second = (to_numpy(model.predict(xp.asarray(X), species=species)) for model in (primal, dual))
    np.testing.assert_allclose(first, second, atol=1e-9)


@pytest.mark.parametrize("options", [{}, JOINT], ids=["dos", "joint"])
@pytest.mark.parametrize("groups", [None, GROUPS], ids=["structures", "groups"])
@pytest.mark.parametrize(
    "estimator",
    [
        LDOSKernelRidge(learn="dos", **KERNEL),
        LDOSKernelRidge(learn="dos", kernel="linear", alpha=1e-3, gamma=1.0),
        LDOSRidge(learn="dos", alpha=1e-3),
    ],
    ids=repr,
)
def test_leave_one_structure_out_equals_fitting_again(xp, estimator, options, groups):
    alphas = [1e-3, 0.1, 3.0]
    model = clone(estimator).set_params(
        alpha="leave-one-group-out", alphas=alphas, subtract_mean=False, **learning(options)
    )
    fit(model, xp, groups=groups)
    matrix, targets, label = rows(options.get("ldos_weight"), options.get("size_exponent", 0.0))
    label = label if groups is None else groups[label]
    K = kernel() if estimator.get_params().get("kernel") == "gaussian" else X @ X.T
    errors = np.zeros((3, N_ENERGIES))
    for a, alpha in enumerate(alphas):
        for out in set(label):
            kept = label != out
            shares = K @ brute_force(K, matrix[kept], targets[kept], alpha)
            errors[a] += ((targets[~kept] - matrix[~kept] @ shares) ** 2).sum(axis=0)
    np.testing.assert_allclose(to_numpy(model.cv_errors_), np.sqrt(errors / len(label)), atol=1e-9)


def test_structures_of_one_atom_are_environments():
    options = {"alpha": "leave-one-group-out", **KERNEL}
    summed = LDOSKernelRidge(learn="dos", **options).fit(X, LDOS)
    atomic = LDOSKernelRidge(**options).fit(X, LDOS, structure_index=np.arange(N))
    np.testing.assert_allclose(summed.predict(X), atomic.predict(X), atol=1e-10)
    np.testing.assert_allclose(summed.cv_errors_, atomic.cv_errors_, atol=1e-10)


def test_a_joint_fit_lies_between_its_parts():
    """A very large weight of the LDOS gives the atomic fit, a very small one the structural."""
    atomic = LDOSKernelRidge(1e-2, subtract_mean=False, **KERNEL).fit(X, LDOS).predict(X)
    structural = (
        LDOSKernelRidge(1e-2, learn="dos", subtract_mean=False, **KERNEL).fit(X, DOS, structure_index=INDEX).predict(X)
    )
    heavy = LDOSKernelRidge(1e-2 * 1e8, learn="both", ldos_weight=1e8, subtract_mean=False, **KERNEL)
    light = LDOSKernelRidge(1e-2, learn="both", ldos_weight=1e-10, subtract_mean=False, **KERNEL)
    np.testing.assert_allclose(heavy.fit(X, LDOS, dos=DOS, structure_index=INDEX).predict(X), atomic, atol=1e-5)
    np.testing.assert_allclose(light.fit(X, LDOS, dos=DOS, structure_index=INDEX).predict(X), structural, atol=1e-5)


@pytest.mark.parametrize(
    "estimator", [LDOSKernelRidge(1e-2, learn="dos", **KERNEL), LDOSRidge(1e-2, learn="dos")], ids=["kernel", "ridge"]
)
def test_shares_add_up_whatever_the_order(estimator):
    whole = clone(estimator).fit(X, DOS, structure_index=INDEX, species=SPECIES).predict(X, species=SPECIES)
    order = RNG.permutation(N)
    model = clone(estimator).fit(X[order], DOS, structure_index=INDEX[order], species=SPECIES[order])
    np.testing.assert_allclose(model.predict(X, species=SPECIES), whole, atol=1e-9)
    np.testing.assert_allclose(model.predict(X[order], species=SPECIES[order]), whole[order], atol=1e-9)


def test_the_mean_is_a_share_of_each_species():
    """With all structures made of one share an element, nothing is left to learn, however strong the regularisation."""
    shares = {6: 1.0, 14: 2.0, 32: 3.5}
    ldos = np.array([[shares[z]] for z in SPECIES]) * np.ones(N_ENERGIES)
    model = LDOSKernelRidge(1e9, learn="dos", **KERNEL).fit(X, S @ ldos, structure_index=INDEX, species=SPECIES)
    np.testing.assert_allclose(model.predict(X, species=SPECIES), ldos, atol=1e-6)


@pytest.mark.parametrize(
    "estimator", [LDOSKernelRidge(1e-2, learn="dos", **KERNEL), LDOSRidge(1e-2, learn="dos")], ids=["kernel", "ridge"]
)
def test_the_part_of_one_species(estimator):
    model = clone(estimator).fit(X, DOS, structure_index=INDEX, species=SPECIES)
    whole = model.predict(X, species=SPECIES)
    for z in (6, 14, 32):
        part = model.of_species(z)
        assert part.get_params() == model.get_params()
        np.testing.assert_allclose(part.predict(X[z == SPECIES]), whole[z == SPECIES], atol=1e-12)
    with pytest.raises(ValueError, match=r"fitted with the species \[6, 14, 32\]; got 8"):
        model.of_species(8)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(1, 7), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_summed_kernel_in_tiles_equals_the_whole(sizes, tile, seed):
    """Any sizes of the sums, none included; any tile; any block."""
    rng = np.random.default_rng(seed)
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    members = rng.integers(0, N, bounds[-1])
    matrix = np.zeros((len(sizes), N))
    for r in range(len(sizes)):
        np.add.at(matrix[r], members[bounds[r] : bounds[r + 1]], 1.0)
    weights = rng.uniform(0.5, 2, len(sizes))
    expected = weights[:, None] * (matrix @ kernel() @ matrix.T) * weights[None, :]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ldosml.kernel_matrices._TILE", tile)
        summed = SummedKernel(lambda a, b: kernels.gaussian(a, b, gamma=0.7), X, [Sums(members, bounds)], weights)
        first, last = sorted(rng.integers(0, len(sizes) + 1, 2))
        whole = slice(0, summed.size)
        np.testing.assert_allclose(summed.block(whole, whole), expected, atol=1e-10)
        part = summed.block(slice(first, last), whole)
        np.testing.assert_allclose(part, expected[first:last], atol=1e-10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"structure_index": INDEX + 1}, r"must lie in 0\.\.11"),
        ({"structure_index": np.where(INDEX == 3, 4, INDEX)}, "never names structure 3"),
        ({"structure_index": INDEX[:-1]}, r"structure_index must have shape \(47\)"),
        ({"structure_index": INDEX.astype(float)}, "got float64"),
        ({"structure_index": INDEX, "species": SPECIES[:-1]}, r"species must have shape \(47\)"),
        ({"structure_index": INDEX, "groups": GROUPS[:-1]}, r"groups must have shape \(12\)"),
        ({"structure_index": INDEX, "dos": DOS}, "dos goes with learn='both'"),
        ({"structure_index": None}, r"structure_index \(n_environments,\) must say which row of Y, 0 to 11"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        LDOSKernelRidge(learn="dos", alpha=1e-3, kernel="polynomial", gamma=1.0).fit(X, DOS, **arguments)


@pytest.mark.parametrize(
    "estimator",
    [LDOSKernelRidge(learn="dos", alpha=1e-3, kernel="polynomial", gamma=1.0), LDOSRidge(learn="dos", alpha=1e-3)],
    ids=["kernel", "ridge"],
)
def test_a_missing_structure_index_is_asked_for(xp, estimator):
    for x, y in ((X, DOS), (xp.asarray(X), xp.asarray(DOS)), (X.tolist(), DOS[:, 0].tolist())):
        with pytest.raises(ValueError, match="X has 47 rows, one an environment, and Y only 12: where these are the"):
            estimator.fit(x, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        estimator.fit(X[:4], DOS)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"ldos_weight": -1.0}, "ldos_weight of .* must be"),
        ({"learn": "mean"}, "learn must be"),
        ({"size_exponent": np.inf}, "size_exponent of .* must be at least -10"),
        ({"alpha": "leave-one-out"}, "rows are whole structures"),
        ({"alpha": 0.0}, "alpha of .* must be above 0"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        LDOSKernelRidge(**{"learn": "dos", **parameters}).fit(X, DOS, structure_index=INDEX)


def test_one_structure_only():
    zeros = np.zeros(N, dtype=int)
    with pytest.raises(ValueError, match="at least 2 groups"):
        LDOSKernelRidge(learn="dos").fit(X, DOS[:1], structure_index=zeros)
    predicted = LDOSKernelRidge(1e-6, learn="dos", **KERNEL).fit(X, DOS[:1], structure_index=zeros).predict(X)
    np.testing.assert_allclose(predicted.sum(axis=0), DOS[0], atol=1e-6)


def test_species_must_be_told():
    model = LDOSRidge(learn="dos", alpha=1e-3).fit(X, DOS, structure_index=INDEX, species=SPECIES)
    with pytest.raises(ValueError, match="needs the species of each environment"):
        model.predict(X)
    with pytest.raises(ValueError, match="got 8"):
        model.predict(X[:1], species=[8])
    atomic = LDOSRidge(alpha=1e-3).fit(X, LDOS)
    assert atomic.predict(X).shape == model.predict(X, species=SPECIES).shape
