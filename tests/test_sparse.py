"""Fits on inducing points against full kernels and brute force; streamed data, interrupted and damaged."""

import itertools
import shutil

import h5py
import numpy as np
import pytest
from joblib import parallel_config
from numpy.linalg import LinAlgError
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from ldosml import LDOSKernelRidge, SparseLDOSKernelRidge, kernels, solvers
from ldosml.datasets import HDF5Chunks, HDF5ChunkWriter
from ldosml.regression._chunks import Arrays
from ldosml.regression._points import sample_rows

RNG = np.random.default_rng(5)
N, N_STRUCTURES, N_FEATURES, N_ENERGIES = 80, 15, 5, 6
X = RNG.normal(size=(N, N_FEATURES))
X /= np.linalg.norm(X, axis=1)[:, None]
INDEX = RNG.permutation(np.concatenate([np.arange(N_STRUCTURES), RNG.integers(0, N_STRUCTURES, N - N_STRUCTURES)]))
SPECIES = RNG.choice([6, 14, 32], N)
SPECIES[INDEX == 0] = 14
Y = np.sin(3 * X @ RNG.normal(size=(N_FEATURES, N_ENERGIES))) + 0.1 * SPECIES[:, None]
S = (np.arange(N_STRUCTURES)[:, None] == INDEX[None, :]).astype(float)
DOS = S @ Y + 0.05 * RNG.normal(size=(N_STRUCTURES, N_ENERGIES))
GROUPS = 50 - 3 * (np.arange(N_STRUCTURES) % 4)  # of structures far apart, in another order than theirs
KERNEL = {"kernel": "gaussian", "gamma": 0.7}
POINTS = {"n_inducing": 21, "chunk_size": 13, **KERNEL}
CHOSEN = "leave-one-group-out"
SUMS = {"ldos_weight": 2.5, "size_exponent": 1.0}
PER_ENERGY = np.logspace(-4, 0, N_ENERGIES)


@parametrize_with_checks(
    [
        SparseLDOSKernelRidge(1e-3, **KERNEL),
        SparseLDOSKernelRidge(alpha="leave-one-out", selection="cur", coef0=1.0, kernel="polynomial", gamma=1.0),
        SparseLDOSKernelRidge(1e-3, n_inducing="all", selection="random", learn="dos", **KERNEL),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def host(array):
    return np.asarray(array)


def fit(xp, model, species=None, groups=None):
    """Fit to whatever targets the model has."""
    targets = DOS if model.learn == "dos" else Y
    dos = {"dos": xp.asarray(DOS)} if model.learn == "both" else {}
    groups = groups if groups is None or model.learn == "dos" else groups[INDEX]
    known = {"structure_index": INDEX, "species": species, "groups": groups}
    return model.fit(xp.asarray(X), xp.asarray(targets), **known, **dos)


class Named:
    """A source of chunks whose arguments are told by position."""

    def __init__(self, source):
        self._source = source

    def __iter__(self):
        names = ("X", "Y", "structure_index", "species", "dos", "groups")
        for chunk in self._source:
            if not isinstance(chunk, tuple | list):
                yield chunk
                continue
            yield {name: value for name, value in zip(names, chunk, strict=False) if value is not None}


def as_named(chunk):
    """One chunk of which all arguments are told by name."""
    return next(iter(Named([chunk])))


def named(source):
    """The same for what can be read again; anything else as it is."""
    return source if iter(source) is source else Named(source)


@pytest.fixture(params=["numpy", "array_api_strict", "torch"])
def xp(request):
    return pytest.importorskip({"numpy": "array_api_compat.numpy", "torch": "array_api_compat.torch"}.get(
        request.param, request.param
    ))  # fmt: skip


@pytest.mark.parametrize("alpha", [1e-3, PER_ENERGY, "leave-one-group-out", "leave-one-out"], ids=str)
def test_with_every_environment_it_is_the_full_kernel(xp, alpha):
    options = {"alpha": alpha, "alphas": [1e-3, 0.1, 1.0], **KERNEL}
    sparse = SparseLDOSKernelRidge(n_inducing="all", chunk_size=13, **options).fit(
        xp.asarray(X), xp.asarray(Y), structure_index=INDEX
    )
    full = LDOSKernelRidge(**options).fit(X, Y, structure_index=INDEX)
    np.testing.assert_allclose(host(sparse.predict(xp.asarray(X + 0.1))), full.predict(X + 0.1), atol=1e-7)
    np.testing.assert_allclose(host(sparse.alpha_), full.alpha_, rtol=1e-6)
    if isinstance(alpha, str):
        np.testing.assert_allclose(host(sparse.cv_errors_), full.cv_errors_, rtol=1e-6)


@pytest.mark.parametrize("species", [None, SPECIES], ids=["one species", "three species"])
@pytest.mark.parametrize("groups", [None, GROUPS, GROUPS.astype(str)], ids=["structures", "groups", "named groups"])
@pytest.mark.parametrize("learn", ["dos", "both"])
def test_with_every_environment_it_is_the_full_structural_fit(learn, groups, species):
    options = {"alphas": np.array([1e-2, 0.1, 1.0]), "learn": learn} | KERNEL | SUMS
    sparse = fit(np, SparseLDOSKernelRidge(n_inducing="all", chunk_size=20, **options), species, groups)
    full = fit(np, LDOSKernelRidge(**options), species, groups)
    np.testing.assert_allclose(sparse.cv_errors_, full.cv_errors_, rtol=1e-6)
    np.testing.assert_allclose(sparse.alpha_, full.alpha_, rtol=1e-6)
    np.testing.assert_allclose(sparse.target_mean_, full.target_mean_, atol=1e-9)
    np.testing.assert_allclose(sparse.predict(X, species=species), full.predict(X, species=species), atol=1e-6)


def design(model, species):
    """Kernel of the fit's rows with its points, its targets, structures and numbers of atoms, all weighted."""
    points, kinds = host(model.inducing_points_), model.inducing_species_
    K = kernels.gaussian(X, points, gamma=0.7) * (species[:, None] == kinds[None, :])
    penalty = kernels.gaussian(points, points, gamma=0.7) * (kinds[:, None] == kinds[None, :])
    counts = (species[:, None] == np.unique(species)[None, :]).astype(float)
    if model.learn == "ldos":
        return K, penalty, Y, INDEX, counts
    scale = np.sqrt(S.sum(axis=1) ** -model.size_exponent)
    matrix, targets, labels = scale[:, None] * S, scale[:, None] * DOS, np.arange(N_STRUCTURES)
    if model.learn == "both":
        root = np.sqrt(model.ldos_weight)
        matrix, targets = np.vstack([root * np.eye(N), matrix]), np.vstack([root * Y, targets])
        labels = np.concatenate([INDEX, labels])
    return matrix @ K, penalty, targets, labels, matrix @ counts


def brute_force(K, penalty, targets, alpha):
    """Least squares with the penalty as rows, by QR: no normal equations."""
    root = np.linalg.cholesky(penalty + 1e-13 * np.eye(len(penalty))).T
    rows = np.vstack([K, np.sqrt(alpha) * root])
    return np.linalg.lstsq(rows, np.vstack([targets, np.zeros((len(root), targets.shape[1]))]), rcond=1e-14)[0]


def left_out(K, penalty, targets, alphas, out):
    """Squared errors in the rows ``out`` of fits without them, (n_alphas, n_energies)."""
    fits = [brute_force(K[~out], penalty, targets[~out], alpha) for alpha in alphas]
    return np.array([((targets - K @ coefficients)[out] ** 2).sum(axis=0) for coefficients in fits])


@pytest.mark.parametrize(
    ("selection", "groups"),
    [("farthest-point", None), ("cur", None), ("random", None), ("farthest-point", GROUPS), ("random", GROUPS)],
    ids=["farthest-point", "cur", "random", "farthest-point, groups", "random, groups"],
)
@pytest.mark.parametrize("species", [None, SPECIES], ids=["one species", "three species"])
@pytest.mark.parametrize("learn", ["ldos", "dos", "both"])
def test_fit_and_leave_out_errors_equal_brute_force(xp, learn, species, selection, groups):
    alphas = [1e-2, 0.3]
    options = {"learn": learn, "selection": selection, "alphas": alphas, **POINTS, **SUMS}
    model = fit(xp, SparseLDOSKernelRidge("leave-one-group-out", alpha_smoothing=0, **options), species, groups)
    K, penalty, Y_rows, labels, counts = design(model, np.zeros(N, int) if species is None else species)
    mean = np.linalg.pinv(counts) @ Y_rows
    np.testing.assert_allclose(host(model.target_mean_), mean, atol=1e-10)
    rest = Y_rows - counts @ mean
    labels = labels if groups is None else groups[labels]
    errors = sum(left_out(K, penalty, rest, alphas, labels == label) for label in set(labels))
    np.testing.assert_allclose(host(model.cv_errors_), np.sqrt(errors / len(rest)), rtol=1e-7)
    chosen = np.asarray(alphas)[errors.argmin(axis=0)]
    np.testing.assert_allclose(host(model.alpha_), chosen, rtol=1e-12)
    expected = [brute_force(K, penalty, rest[:, [e]], chosen[e])[:, 0] for e in range(N_ENERGIES)]
    np.testing.assert_allclose(host(model.dual_coef_), np.transpose(expected), atol=1e-6)


@pytest.mark.parametrize("learn", ["ldos", "dos", "both"])
def test_chunks_processes_and_order_change_nothing(learn):
    options = {"learn": learn, "alpha": "leave-one-group-out", **POINTS} | SUMS
    whole = fit(np, SparseLDOSKernelRidge(**options | {"chunk_size": 10**6}), SPECIES)
    # Processes once, since they are slow to start.
    with parallel_config(backend="loky" if learn == "both" else "threading"):
        cut = fit(np, SparseLDOSKernelRidge(**options, n_jobs=2), SPECIES)
    again = fit(np, SparseLDOSKernelRidge(**options), SPECIES)
    np.testing.assert_allclose(cut.predict(X, species=SPECIES), whole.predict(X, species=SPECIES), atol=1e-9)
    np.testing.assert_array_equal(cut.dual_coef_, again.dual_coef_)


@pytest.mark.parametrize("piece", [1, 4, 13])
def test_the_kernel_with_the_points_comes_in_pieces(xp, monkeypatch, piece):
    """Whether their size divides the number of rows or not."""
    whole = fit(np, SparseLDOSKernelRidge(1e-2, **POINTS), SPECIES)
    monkeypatch.setattr("ldosml.regression._sparse_rows._PIECE", piece)
    evaluate, sizes = kernels.evaluate, []

    def watched(name, A, B, **parameters):
        sizes.append(0 if A is B else A.shape[0])  # not the kernel between the points
        return evaluate(name, A, B, **parameters)

    monkeypatch.setattr(kernels, "evaluate", watched)
    cut = fit(xp, SparseLDOSKernelRidge(1e-2, **POINTS), SPECIES)
    np.testing.assert_allclose(host(cut.dual_coef_), whole.dual_coef_, atol=1e-9)
    assert 0 < max(sizes) <= piece


@pytest.mark.parametrize("learn", ["ldos", "dos", "both"])
def test_groups_matter_to_leave_out_errors_only(learn):
    options = {"learn": learn, **POINTS, **SUMS}
    given = SparseLDOSKernelRidge(1e-2, **options)
    plain = fit(np, clone(given), SPECIES).dual_coef_
    np.testing.assert_array_equal(fit(np, clone(given), SPECIES, GROUPS).dual_coef_, plain)
    chosen = SparseLDOSKernelRidge("leave-one-group-out", alphas=[1e-2], **options)
    single, grouped = fit(np, clone(chosen), SPECIES), fit(np, clone(chosen), SPECIES, GROUPS)
    alone = fit(np, clone(chosen), SPECIES, np.arange(N_STRUCTURES)[::-1])
    np.testing.assert_allclose(grouped.dual_coef_, plain, atol=1e-6)
    np.testing.assert_allclose(alone.cv_errors_, single.cv_errors_, rtol=1e-7)
    assert abs(grouped.cv_errors_ / single.cv_errors_ - 1).min() > 1e-3


def test_structures_and_their_groups_in_chunks():
    """Chunks hold whole groups, whole structures within, and every row of DOS and LDOS where it belongs."""
    source = Arrays(X, Y, DOS, SPECIES, 7 - 2 * INDEX, 25, GROUPS)  # labels in the order opposite to INDEX
    seen = []
    for chunk in source:
        rows = np.concatenate([np.flatnonzero((x == X).all(axis=1)) for x in chunk.X])
        np.testing.assert_array_equal(chunk.ldos, Y[rows])
        np.testing.assert_array_equal(chunk.species, SPECIES[rows])
        np.testing.assert_array_equal(7 - 2 * INDEX[rows], np.repeat(chunk.labels, chunk.n_atoms))
        place = np.searchsorted(np.sort(7 - 2 * np.arange(N_STRUCTURES)), chunk.labels)
        np.testing.assert_array_equal(chunk.dos, DOS[place])
        groups = [set(GROUPS[place[a:b]]) for a, b in itertools.pairwise(chunk.group_bounds)]
        assert all(len(group) == 1 for group in groups)
        assert chunk.n_groups == 1 or len(rows) <= 25
        seen += [label for group in groups for label in group]
        part = chunk.select(np.array([chunk.n_groups - 1]))
        np.testing.assert_array_equal(part.dos, chunk.dos[chunk.group_bounds[-2] :])
        np.testing.assert_array_equal(part.X, chunk.X[chunk.bounds[chunk.group_bounds[-2]] :])
        assert part.group_bounds.tolist() == [0, len(part.labels)]
    assert sorted(seen) == sorted(set(GROUPS))


def test_sums_of_the_ldos_are_the_default_dos_of_a_joint_fit():
    options = {"learn": "both", **POINTS}
    default = SparseLDOSKernelRidge(**options).fit(X, Y, structure_index=INDEX)
    given = SparseLDOSKernelRidge(**options).fit(X, Y, structure_index=INDEX, dos=S @ Y)
    np.testing.assert_allclose(default.dual_coef_, given.dual_coef_, atol=1e-9)


def test_labels_may_have_gaps_where_they_only_group():
    options = {"alpha": "leave-one-group-out", **POINTS}
    plain = SparseLDOSKernelRidge(**options).fit(X, Y, structure_index=INDEX)
    gaps = SparseLDOSKernelRidge(**options).fit(X, Y, structure_index=100 - 7 * INDEX)
    np.testing.assert_allclose(gaps.cv_errors_, plain.cv_errors_, rtol=1e-9)


def test_the_part_of_one_species_predicts_its_atoms():
    model = fit(np, SparseLDOSKernelRidge(**POINTS), SPECIES)
    here = SPECIES == 14
    np.testing.assert_allclose(
        model.of_species(14).predict(X[here]), model.predict(X, species=SPECIES)[here], atol=1e-12
    )


def test_duplicates_lower_the_rank_and_the_answer_stays():
    twice = np.vstack([X[:20], X[:20], X[:20] * (1 + 1e-15)])
    double = SparseLDOSKernelRidge(1e-3, selection=twice, **KERNEL).fit(X, Y)
    single = SparseLDOSKernelRidge(1e-3, selection=X[:20], **KERNEL).fit(X, Y)
    assert double.rank_ == single.rank_ == 20
    assert len(double.inducing_points_) == 60
    assert 1e-12 < single.smallest_eigenvalue_ < 1
    np.testing.assert_allclose(double.predict(X), single.predict(X), atol=1e-8)
    with pytest.warns(UserWarning, match="Only 20 inducing points instead of 30"):
        SparseLDOSKernelRidge(1e-3, n_inducing=30, **KERNEL).fit(twice, np.zeros((60, 2)))


def test_the_stable_route_survives_where_normal_equations_of_the_kernel_break():
    """A kernel matrix of condition 1e12 and a small alpha; both against least squares without normal equations."""
    points = np.linspace(0, 1, 12)[:, None]
    x = np.linspace(0, 1, 400)[:, None]
    y = np.sin(9 * x) + x
    model = SparseLDOSKernelRidge(1e-9, selection=points, kernel="gaussian", gamma=3.0, subtract_mean=False).fit(x, y)
    K, K_mm = kernels.gaussian(x, points, gamma=3.0), kernels.gaussian(points, points, gamma=3.0)
    s, V = np.linalg.eigh(K_mm)
    A = (V / np.sqrt(s))[:, s > 1e-12 * s[-1]]
    rows = np.vstack([K @ A, np.sqrt(1e-9) * np.eye(A.shape[1])])
    best = K @ A @ np.linalg.lstsq(rows, np.vstack([y, np.zeros((A.shape[1], 1))]), rcond=None)[0]
    naive = K @ np.linalg.solve(K.T @ K + 1e-9 * K_mm, K.T @ y)
    ours = abs(model.predict(x) - best).max()
    assert ours < 1e-8
    assert abs(naive - best).max() > 100 * ours


@pytest.mark.parametrize("cutoff", [1e-30, 0.5], ids=["triangle", "eigenvectors"])
def test_both_routes_to_the_features_give_the_kernel_back(xp, cutoff):
    points = X[:9]
    K = kernels.gaussian(points, points, gamma=0.7)
    induced = solvers.InducedFeatures.of(xp.asarray(K), cutoff)
    features = host(induced.features(xp.asarray(kernels.gaussian(X, points, gamma=0.7))))
    s, V = np.linalg.eigh(K)
    kept = s > cutoff * s[-1]
    assert induced.rank == kept.sum() == features.shape[1]
    A = V[:, kept] / np.sqrt(s[kept])
    projected = kernels.gaussian(X, points, gamma=0.7) @ A
    np.testing.assert_allclose(features @ features.T, projected @ projected.T, atol=1e-9)
    identity = host(induced.coefficients(xp.asarray(np.eye(induced.rank))))
    np.testing.assert_allclose(kernels.gaussian(X, points, gamma=0.7) @ identity, features, atol=1e-7)


def test_a_part_of_the_structures_can_choose_alpha():
    options = {"alpha": "leave-one-group-out", "alphas": [0.1], **POINTS}
    full = SparseLDOSKernelRidge(**options).fit(X, Y, structure_index=INDEX)
    part = SparseLDOSKernelRidge(leave_out_fraction=0.5, **options).fit(X, Y, structure_index=INDEX)
    assert not np.allclose(part.cv_errors_, full.cv_errors_)
    np.testing.assert_allclose(part.cv_errors_, full.cv_errors_, rtol=0.4)
    np.testing.assert_allclose(part.dual_coef_, full.dual_coef_, atol=1e-12)
    with pytest.raises(ValueError, match="1e-09 of 15 groups left none to choose alpha by"):
        SparseLDOSKernelRidge(leave_out_fraction=1e-9, **options).fit(X, Y, structure_index=INDEX)
    with pytest.raises(ValueError, match="1e-09 of 4 groups left none to choose alpha by"):
        SparseLDOSKernelRidge(leave_out_fraction=1e-9, **options).fit(X, Y, structure_index=INDEX, groups=GROUPS[INDEX])


def test_a_part_of_the_groups_can_choose_alpha():
    options = {"learn": "both", "alphas": [0.1], **POINTS, "chunk_size": 1000} | SUMS
    model = SparseLDOSKernelRidge("leave-one-group-out", leave_out_fraction=0.5, random_state=2, **options)
    fit(np, model, groups=GROUPS)
    kept = np.unique(GROUPS)[np.random.default_rng(2).random(4) < 0.5]
    assert 0 < len(kept) < 4
    K, penalty, targets, labels, counts = design(model, np.zeros(N, int))
    labels, rest = GROUPS[labels], targets - counts @ (np.linalg.pinv(counts) @ targets)
    errors = sum(left_out(K, penalty, rest, [0.1], labels == label) for label in kept)
    np.testing.assert_allclose(model.cv_errors_, np.sqrt(errors / np.isin(labels, kept).sum()), rtol=1e-7)


def test_points_of_large_data_are_chosen_among_random_rows():
    options = {"alpha": 1e-3, "n_inducing": 10, "selection_rows": 15, "chunk_size": 7, **KERNEL}
    chosen = SparseLDOSKernelRidge(**options).fit(X, Y, species=SPECIES)
    assert np.bincount(chosen.inducing_species_)[[6, 14, 32]].max() == 4
    rows = [int(np.flatnonzero((z == X).all(axis=1))[0]) for z in chosen.inducing_points_]
    assert (SPECIES[rows] == chosen.inducing_species_).all()
    same = SparseLDOSKernelRidge(**options).fit(X, Y, species=SPECIES)
    np.testing.assert_array_equal(chosen.inducing_points_, same.inducing_points_)
    other = SparseLDOSKernelRidge(random_state=1, **options).fit(X, Y, species=SPECIES)
    assert not np.array_equal(chosen.inducing_points_, other.inducing_points_)


def test_points_may_be_counted_species_by_species():
    numbers = {32: 3, 6: 5, 14: 4, 79: 8}  # of gold there is nothing to choose from
    model = SparseLDOSKernelRidge(1e-3, n_inducing=numbers, **KERNEL).fit(X, Y, species=SPECIES)
    assert np.bincount(model.inducing_species_)[[6, 14, 32]].tolist() == [5, 4, 3]


def test_rows_are_sampled_uniformly():
    source = Arrays(np.arange(N)[:, None], Y, None, np.zeros(N, int), np.arange(N), 9)
    counts = np.zeros(N)
    for seed in range(400):
        rows, _ = sample_rows(source, 10, np.random.default_rng(seed))
        assert np.all(np.diff(rows[:, 0]) > 0)
        counts[rows[:, 0]] += 1
    assert abs(counts - 50).max() < 5 * np.sqrt(50)


# Chunks of two or three whole structures, labels unsorted inside, and what they are of.
ORDER = np.argsort(INDEX, kind="stable")
PARTS = [ORDER[np.isin(INDEX[ORDER], [a, a + 1, a + 2])] for a in range(0, N_STRUCTURES, 3)]
PARTS = [np.random.default_rng(a).permutation(rows) for a, rows in enumerate(PARTS)]


def chunks(learn):
    return [
        (X[p], DOS[np.unique(INDEX[p])] if learn == "dos" else Y[p], INDEX[p], SPECIES[p])
        + ((DOS[np.unique(INDEX[p])],) if learn == "both" else ())
        for p in PARTS
    ]


@pytest.mark.parametrize("learn", ["ldos", "dos", "both"])
def test_streamed_data_give_the_same_model(learn, tmp_path):
    options = {"learn": learn, "alpha": "leave-one-group-out", **POINTS} | SUMS
    model = fit(np, SparseLDOSKernelRidge(**options), SPECIES)
    streamed = SparseLDOSKernelRidge(**options).fit_chunks(named(chunks(learn)))
    with HDF5ChunkWriter(tmp_path / "data", dtype="float64") as writer:
        for chunk in chunks(learn):
            writer.append(**as_named(chunk))
    stored = SparseLDOSKernelRidge(**options).fit_chunks(HDF5Chunks(tmp_path / "data"))
    np.testing.assert_allclose(streamed.predict(X, species=SPECIES), model.predict(X, species=SPECIES), atol=1e-8)
    np.testing.assert_allclose(stored.predict(X, species=SPECIES), model.predict(X, species=SPECIES), atol=1e-8)
    np.testing.assert_allclose(streamed.cv_errors_, model.cv_errors_, rtol=1e-7)


@pytest.mark.parametrize("learn", ["ldos", "dos", "both"])
def test_chunks_may_carry_groups(learn, tmp_path):
    groups = np.arange(N_STRUCTURES) // 3 * 2 + (np.arange(N_STRUCTURES) % 3 == 1)  # two in each chunk
    options = {"learn": learn, "alpha": "leave-one-group-out", **POINTS} | SUMS
    model = fit(np, SparseLDOSKernelRidge(**options), SPECIES, groups)
    own = {True: lambda index: groups[np.unique(index)], False: lambda index: groups[index]}[learn == "dos"]
    data = [(*(*chunk, None)[:5], own(chunk[2])) for chunk in chunks(learn)]
    with HDF5ChunkWriter(tmp_path / "data", dtype="float64") as writer:
        for chunk in data:
            writer.append(**as_named(chunk))
    for source in (data, HDF5Chunks(tmp_path / "data")):
        streamed = SparseLDOSKernelRidge(**options).fit_chunks(named(source))
        np.testing.assert_allclose(streamed.cv_errors_, model.cv_errors_, rtol=1e-7)
        np.testing.assert_allclose(streamed.predict(X, species=SPECIES), model.predict(X, species=SPECIES), atol=1e-8)
    data[3] = (*data[3][:5], data[3][5] - 2)
    with pytest.raises(ValueError, match=r"Chunk 3 .*group 4 was in chunk 2 already. A group must be in one"):
        SparseLDOSKernelRidge(**options).fit_chunks(named(data))
    data[3] = (*data[3][:5], data[3][5][:2])
    with pytest.raises(ValueError, match=r"Chunk 3 .*groups must have shape"):
        SparseLDOSKernelRidge(**options).fit_chunks(named(data))


def test_groups_do_not_matter_to_a_checkpoint_of_the_same_chunks(tmp_path):
    """The sums are the same, whatever is left out together afterwards."""
    options = {"learn": "dos", **POINTS, "chunk_size": 100}
    data = [(*chunk, None, np.unique(chunk[2]) // 3) for chunk in chunks("dos")]
    SparseLDOSKernelRidge(1e-2, **options).fit_chunks(named(data), checkpoint=tmp_path / "sums.npz")
    source = Counting(chunks("dos"))
    model = SparseLDOSKernelRidge("leave-one-group-out", **options)
    model.fit_chunks(named(source), checkpoint=tmp_path / "sums.npz")
    fresh = fit(np, SparseLDOSKernelRidge("leave-one-group-out", **options), SPECIES)
    np.testing.assert_allclose(model.cv_errors_, fresh.cv_errors_, rtol=1e-6)


@pytest.fixture
def threads():
    with parallel_config(backend="threading"):
        yield


class Counting:
    """A source that can be read again, and remembers how often and how far; it fails at one chunk."""

    def __init__(self, data, fail_at=None, passes=2):
        self.data, self.fail_at, self.passes, self.read = data, fail_at, passes, []

    def __iter__(self):
        self.read.append(0)
        for number, chunk in enumerate(self.data):
            # Before the sums the first chunk is looked at, then all are shown for the choice of points.
            if number == self.fail_at and len(self.read) > self.passes:
                raise OSError(f"chunk file {number} is gone")
            self.read[-1] += 1
            yield chunk


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.usefixtures("threads")
def test_an_interrupted_fit_goes_on(tmp_path, n_jobs):
    options = {"alpha": 1e-3, "n_jobs": n_jobs, **POINTS, "chunk_size": 100}
    expected = SparseLDOSKernelRidge(**options).fit_chunks(named(chunks("ldos")))
    file = tmp_path / "sums.npz"
    with pytest.raises(OSError, match="chunk file 3 is gone"):
        SparseLDOSKernelRidge(**options).fit_chunks(named(Counting(chunks("ldos"), 3)), checkpoint=file)
    with np.load(file) as sums:
        assert len(sums["digests"]) == 3
        assert sums["n_rows"] == sum(len(p) for p in PARTS[:3])
    source = Counting(chunks("ldos"))
    model = SparseLDOSKernelRidge(**options).fit_chunks(named(source), checkpoint=file)
    assert source.read == [1, 5]  # no pass to choose points
    np.testing.assert_array_equal(model.dual_coef_, expected.dual_coef_)
    assert [f.name for f in tmp_path.iterdir()] == ["sums.npz"]


def test_checkpoints_are_written_on_the_way(tmp_path):
    class Killed(BaseException):
        pass

    class Source:
        def __iter__(self):
            for number, chunk in enumerate(chunks("ldos")):
                if number == 3 and (tmp_path / "sums.npz").exists():
                    raise Killed
                yield chunk

    options = {**POINTS, "chunk_size": 100}
    with pytest.raises(Killed):
        SparseLDOSKernelRidge(**options).fit_chunks(
            named(Source()), checkpoint=tmp_path / "sums.npz", checkpoint_every=1
        )
    with np.load(tmp_path / "sums.npz") as sums:
        assert len(sums["digests"]) == 3


def interrupted(tmp_path, **options):
    file = tmp_path / "sums.npz"
    model = SparseLDOSKernelRidge(**{**POINTS, "chunk_size": 100} | options)
    source = Counting(chunks(model.learn), 3, 1 if "selection" in options else 2)
    with pytest.raises(OSError, match="is gone"):
        clone(model).fit_chunks(named(source), checkpoint=file)
    return model, file


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    model, file = interrupted(tmp_path)
    with pytest.raises(ValueError, match=r"other settings: gamma was 0.7 and is 0.8"):
        clone(model).set_params(gamma=0.8).fit_chunks(named(chunks("ldos")), checkpoint=file)
    changes = {
        "targets of chunk 1": lambda X, Y: (X, Y + 1e-3),
        "targets of chunk 1 ": lambda X, Y: (X, Y[:, ::-1].copy()),
        "descriptors of chunk 1": lambda X, Y: (-X, Y),
        "descriptors of chunk 1 ": lambda X, Y: (X[:, ::-1].copy(), Y),
        "descriptors and targets of chunk 1": lambda X, Y: (X[::-1].copy(), Y[::-1].copy()),
    }
    for what, change in changes.items():
        changed = chunks("ldos")
        changed[1] = (*change(*changed[1][:2]), *changed[1][2:])
        with pytest.raises(ValueError, match=f"data changed .* {what.strip()}"):
            clone(model).fit_chunks(named(changed), checkpoint=file)
    with pytest.raises(ValueError, match="holds 3 chunks, the data only 2"):
        clone(model).fit_chunks(named(chunks("ldos")[:2]), checkpoint=file)
    whole = file.read_bytes()
    for damage in (whole[:-100], whole[: len(whole) // 2], b"", b"nonsense"):
        file.write_bytes(damage)
        with pytest.raises(ValueError, match=r"sums\.npz is damaged"):
            clone(model).fit_chunks(named(chunks("ldos")), checkpoint=file)
    np.savez(file, a=1)
    with pytest.raises(ValueError, match="no checkpoint of a sparse fit"):
        clone(model).fit_chunks(named(chunks("ldos")), checkpoint=file)


def relabelled(labels):
    """The first atom with the structure, or the species, of another atom."""
    return np.concatenate([labels[labels != labels[0]][:1], labels[1:]])


@pytest.mark.parametrize(
    ("place", "change", "what"),
    [
        (1, lambda ldos: ldos + 1e-3, "targets"),
        (2, relabelled, ".*species or structures"),
        (3, relabelled, "species or structures"),
        (4, lambda dos: dos + 1e-3, "total DOS"),
    ],
    ids=["LDOS", "structures", "species", "DOS"],
)
def test_all_that_a_joint_fit_sums_is_recognised_by_a_checkpoint(tmp_path, place, change, what):
    model, file = interrupted(tmp_path, learn="both")
    changed = [list(chunk) for chunk in chunks("both")]
    changed[1][place] = change(changed[1][place])
    with pytest.raises(ValueError, match=f"data changed since the checkpoint was written: {what} of chunk 1"):
        clone(model).fit_chunks(named(changed), checkpoint=file)
    clone(model).fit_chunks(named(chunks("both")), checkpoint=file)


def test_given_points_are_recognised_by_a_checkpoint(tmp_path):
    model, file = interrupted(tmp_path, selection={kind: X[kind == SPECIES][:4] for kind in (6, 14, 32)})
    clone(model).fit_chunks(named(chunks("ldos")), checkpoint=file)
    other = clone(model).set_params(selection={kind: X[kind == SPECIES][1:5] for kind in (6, 14, 32)})
    with pytest.raises(ValueError, match="other settings: selection"):
        other.fit_chunks(named(chunks("ldos")), checkpoint=file)


@pytest.fixture
def folder(tmp_path):
    with HDF5ChunkWriter(tmp_path / "data") as writer:
        for chunk in chunks("ldos"):
            writer.append(**as_named(chunk))
    return tmp_path / "data"


@pytest.mark.parametrize("damage", ["gone", "truncated", "bit", "other", "copied over"])
def test_a_damaged_chunk_file_is_named_and_the_rest_is_kept(folder, tmp_path, damage):
    source, victim = HDF5Chunks(folder), folder / "chunk-00003.h5"
    assert len(source) == 5
    good = victim.read_bytes()
    options = {**POINTS, "chunk_size": 100, "selection": {kind: X[kind == SPECIES][:4] for kind in (6, 14, 32)}}
    if damage == "gone":
        victim.unlink()
    elif damage == "truncated":
        victim.write_bytes(good[: len(good) - 200])
    elif damage == "bit":
        place = good.index(np.float32(X[PARTS[3]][0]).tobytes())
        victim.write_bytes(good[: place + 2] + bytes([good[place + 2] ^ 16]) + good[place + 3 :])
    else:
        # Without labels of structures to tell, a chunk would count twice, and another not at all.
        shutil.copy(folder / ("complete.json" if damage == "other" else "chunk-00001.h5"), victim)
    sums = tmp_path / "sums.npz"
    with pytest.raises((OSError, ValueError), match=r"chunk .*chunk-00003.h5 is (gone|truncated, damaged or)"):
        SparseLDOSKernelRidge(**options).fit_chunks(named(source), checkpoint=sums)
    victim.write_bytes(good)
    model = SparseLDOSKernelRidge(**options).fit_chunks(named(source), checkpoint=sums)
    expected = SparseLDOSKernelRidge(**options).fit_chunks(HDF5Chunks(folder))
    np.testing.assert_array_equal(model.dual_coef_, expected.dual_coef_)


def test_chunks_that_do_not_know_their_number_are_read(folder):
    with h5py.File(folder / "chunk-00001.h5", "r+") as file:
        del file.attrs["number"]
    assert [len(row["X"]) for row in HDF5Chunks(folder)] == [len(rows) for rows in PARTS]


def test_an_unfinished_folder_is_recognised_and_finished(tmp_path):
    data = tmp_path / "data"
    with pytest.raises(ZeroDivisionError), HDF5ChunkWriter(data) as writer:
        writer.append(**as_named(chunks("ldos")[0]))
        writer.append(**as_named(chunks("ldos")[1]))
        raise ZeroDivisionError
    (data / ".chunk-00002.h5.1.1.tmp").write_bytes(b"half")
    with pytest.raises(ValueError, match=r"not complete: .* after 2 chunks"):
        HDF5Chunks(data)
    with HDF5ChunkWriter(data) as writer:
        assert writer.n_chunks == 2
        for chunk in chunks("ldos")[2:]:
            writer.append(**as_named(chunk))
    read = list(HDF5Chunks(data))
    for (X_part, Y_part, index, species), row in zip(chunks("ldos"), read, strict=True):
        np.testing.assert_array_equal(row["X"], X_part.astype(np.float32))
        np.testing.assert_array_equal(row["Y"], Y_part.astype(np.float32))
        np.testing.assert_array_equal(row["structure_index"], index)
        np.testing.assert_array_equal(row["species"], species)
        assert len(row) == 4
    with pytest.raises(FileExistsError, match="complete already"):
        HDF5ChunkWriter(data)
    (data / "complete.json").unlink()
    (data / "chunk-00001.h5").unlink()
    with pytest.raises(ValueError, match=r"chunk-00001\.h5 is missing, but chunk-00002\.h5 is there"):
        HDF5ChunkWriter(data)


def changed(number, place, value):
    data = [list(chunk) for chunk in chunks("ldos")]
    data[number][place] = value
    return data


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ((c for c in chunks("ldos")), TypeError, "can be read only once"),
        ([], ValueError, "no chunks to fit"),
        ([X], TypeError, "Chunk 0 .* must be a mapping with X and Y.*got a ndarray"),
        (changed(1, 1, np.ones((3, 6))), ValueError, r"Chunk 1 .*Y must have shape"),
        (changed(1, 0, X[PARTS[1], :2]), ValueError, r"Chunk 1 .*X must have shape \(any, 5\)"),
        (changed(2, 1, np.full((len(PARTS[2]), 6), np.nan)), ValueError, "Chunk 2 .*Y must be finite"),
        (changed(2, 0, X[:0]), ValueError, "Chunk 2 .*X is empty"),
        (changed(4, 2, INDEX[PARTS[4]] - 3), ValueError, "Chunk 4 .*group 9 was in chunk 3 already"),
        (changed(0, 2, None), ValueError, "Chunk 0 .*groups are missing"),
        (changed(0, 3, SPECIES[:2]), ValueError, "Chunk 0 .*species must have shape"),
        ([*chunks("ldos"), (X, Y, INDEX + 50, SPECIES, DOS)], ValueError, "learn='both'"),
    ],
)
def test_bad_chunks_are_refused_by_number(source, error, message):
    with pytest.raises(error, match=message):
        SparseLDOSKernelRidge("leave-one-group-out", **POINTS).fit_chunks(named(source))


@pytest.mark.parametrize(
    ("options", "arguments", "message"),
    [
        (
            {"n_inducing": 81},
            {},
            "n_inducing must be at most the number of environments to choose points from, 80; got 81",
        ),
        ({"n_inducing": 50, "selection_rows": 40}, {}, "got 50. Or raise selection_rows"),
        ({"n_inducing": 0}, {}, "n must be"),
        (
            {"n_inducing": {6: 3, 14: 4}},
            {"species": SPECIES},
            r"no number of points for the species 32, only for \[6, 14",
        ),
        ({"n_inducing": {6: 3, 14: 4, 32: 2}}, {}, "for the species 0, only .* the species given to fit"),
        ({"n_inducing": "most"}, {}, "'all' or None; got 'most'"),
        ({"selection": "fps"}, {}, "selection must be one of"),
        ({"selection": X[:3, :2]}, {}, r"selection must have shape \(any, 5\)"),
        ({"selection": X[:0]}, {}, "holds no points"),
        ({"selection": X[:5]}, {"species": SPECIES}, r"species 6, but inducing points only for \[0\]"),
        ({"selection": np.zeros((3, 5)), "kernel": "linear"}, {}, "kernel between the inducing points is zero"),
        ({"learn": "pdos"}, {}, "learn must be one of"),
        ({"learn": "both"}, {"structure_index": None}, "needs structure_index"),
        ({"alpha": "leave-one-group-out"}, {"structure_index": np.zeros(N)}, "at least 2 groups; got 1"),
        ({"learn": "dos"}, {"Y": DOS, "structure_index": INDEX + (INDEX > 4)}, "0..14, the rows of the DOS; got 15"),
        ({"learn": "dos"}, {"Y": np.vstack([DOS, DOS[:1]])}, "never names structure 15"),
        ({"learn": "dos", "alpha": "leave-one-out"}, {"Y": DOS}, "rows are whole structures"),
        ({"learn": "both"}, {"dos": DOS[:3]}, "must lie in 0..2, the rows of the DOS"),
        ({}, {"dos": DOS}, "dos goes with learn='both'"),
        ({"alpha": CHOSEN}, {"groups": GROUPS[:3]}, r"groups must have shape \(80\) = \(n_environments\)"),
        ({"learn": "both"}, {"groups": np.arange(N)}, "has environments of several groups"),
        ({"learn": "dos"}, {"Y": DOS, "groups": INDEX}, r"groups must have shape \(15\) = \(n_structures\)"),
        ({"alpha": CHOSEN}, {"groups": np.zeros(N)}, "at least 2 groups; got 1"),
        ({"learn": "dos"}, {"Y": DOS, "structure_index": None}, "must say which row of Y, 0 to 14"),
        ({}, {"species": SPECIES[:4]}, "species must have shape"),
        ({"alpha": -1.0}, {}, "alpha of .* must be above 0"),
        ({"chunk_size": 0}, {}, "chunk_size of .* must be a positive whole number"),
        ({"ldos_weight": 0.0}, {}, "ldos_weight of .* must be a positive number"),
        ({"size_exponent": np.nan}, {}, "size_exponent of .* must be"),
        ({"leave_out_fraction": 1.5}, {}, "leave_out_fraction of .* must be above 0"),
    ],
)
def test_bad_input_is_refused(options, arguments, message):
    model = SparseLDOSKernelRidge(**{**POINTS} | options)
    with pytest.raises(ValueError, match=message):
        model.fit(**{"X": X, "Y": Y, "structure_index": INDEX} | arguments)


def test_an_indefinite_kernel_is_refused_with_its_eigenvalue():
    K = np.diag([1.0, 2.0, -0.3])
    with pytest.raises(ValueError, match=r"eigenvalue of -0.3 beside a largest of 2"):
        solvers.InducedFeatures.of(K)


def test_alpha_below_rounding_is_refused_or_never_chosen():
    with pytest.raises(LinAlgError, match=r"alpha = 1e-20 is less than the rounding of the sums"):
        SparseLDOSKernelRidge(1e-20, **POINTS).fit(X, Y)
    model = SparseLDOSKernelRidge("leave-one-group-out", alphas=[1e-20, 0.1], **POINTS).fit(X, Y, structure_index=INDEX)
    assert model.alphas_.tolist() == [0.1]
    assert model.cv_errors_.shape == (1, N_ENERGIES)
    np.testing.assert_allclose(model.alpha_, 0.1)
    with pytest.raises(LinAlgError, match="rounding"):
        SparseLDOSKernelRidge("leave-one-group-out", alphas=[1e-20], **POINTS).fit(X, Y, structure_index=INDEX)


def test_unknown_species_cannot_be_predicted():
    model = fit(np, SparseLDOSKernelRidge(**POINTS), SPECIES)
    with pytest.raises(ValueError, match=r"species \[6, 14, 32\]: predict"):
        model.predict(X)
    with pytest.raises(ValueError, match="got 8"):
        model.predict(X[:1], species=[8])
