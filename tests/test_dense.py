"""Large dense kernels: built in blocks and factorised in place, against LAPACK on the whole matrix."""

import tracemalloc

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from ldosml import LDOSKernelRidge, solvers
from ldosml._array import cholesky, cholesky_inverse, cholesky_solve, eigenvectors, solve_triangular, to_numpy
from ldosml.kernel_matrices import EnvironmentKernel
from ldosml.kernels import evaluate as kernel_of
from ldosml.solvers import alphas, definiteness, matrix, panels

RNG = np.random.default_rng(11)
N, N_ENERGIES = 90, 7
X = RNG.normal(size=(N, 5))
X /= np.linalg.norm(X, axis=1)[:, None]
Y = np.sin(3 * X @ RNG.normal(size=(5, N_ENERGIES))) + 0.1 * RNG.normal(size=(N, N_ENERGIES))
INDEX = np.repeat(np.arange(30), [1, 2, 3, 4, 5, 3] * 5)
PARAMETERS = {"degree": 2, "gamma": 0.8, "coef0": 0.3}
KERNELS = ["linear", "polynomial", "gaussian", "matern"]


@pytest.fixture(params=["numpy", "array_api_strict", "torch", pytest.param("cupy", marks=pytest.mark.gpu)])
def xp(request):
    if request.param == "array_api_strict":
        return pytest.importorskip("array_api_strict")
    found = pytest.importorskip(f"array_api_compat.{request.param}", reason=f"{request.param} is not installed")
    if request.param == "cupy" and not found.cuda.is_available():
        pytest.skip("no CUDA device")
    return found


@pytest.fixture
def small_blocks(monkeypatch):
    """Matrices of these tests in many blocks, with ragged ends."""
    monkeypatch.setattr(matrix, "_TILE_HOST", (16, 24))
    monkeypatch.setattr(matrix, "_TILE_DEVICE", (32, 32))


def matrix_of(features, kernel="gaussian"):
    return EnvironmentKernel(lambda A, B: kernel_of(kernel, A, B, **PARAMETERS), features)


def whole(kernel="gaussian", features=X):
    return kernel_of(kernel, features, features, **PARAMETERS)


@given(size=st.integers(1, 70), rows=st.integers(1, 20), columns=st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_blocks_cover_the_lower_triangle_once(size, rows, columns):
    covered = np.zeros((size, size), dtype=int)
    for block in matrix.tiles(size, rows, columns):
        covered[block] += 1
    assert (covered[np.tril_indices(size)] == 1).all()
    assert covered.max() == 1


@pytest.mark.parametrize("kernel", KERNELS)
def test_solve_equals_lapack_on_the_whole_matrix(xp, kernel, small_blocks):
    found = solvers.solve(matrix_of(xp.asarray(X), kernel), xp.asarray(Y), 0.1)
    expected = scipy.linalg.solve(whole(kernel) + 0.1 * np.eye(N), Y, assume_a="pos")
    np.testing.assert_allclose(to_numpy(found), expected, rtol=1e-10, atol=1e-11)


def test_nothing_of_the_size_of_the_matrix_is_held_besides_it():
    n = 1200
    features, targets = RNG.normal(size=(n, 8)), RNG.normal(size=(n, 10))
    model = LDOSKernelRidge(0.1, kernel="polynomial", degree=3, coef0=0.2, gamma=1.0)
    tracemalloc.start()
    model.fit(features, targets)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    LDOSKernelRidge(0.1, kernel="gaussian", precision="float32", alphas=None, gamma=1.0).fit(features, targets)
    single = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    LDOSKernelRidge("leave-one-out", kernel="gaussian", solver="cholesky", alphas=[0.1, 1], gamma=1.0).fit(
        features, targets
    )
    several = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    square = 8 * n**2
    # Blocks of 256 rows are a fifth of this small matrix, and the kernel holds two or three of them.
    assert peak < 1.75 * square
    assert single < 1.25 * square
    assert several < 1.75 * square


def test_blocks_are_small_beside_a_matrix_of_size(small_blocks):
    n = 700
    features, targets = RNG.normal(size=(n, 4)), RNG.normal(size=(n, 3))
    tracemalloc.start()
    LDOSKernelRidge(0.1, kernel="matern", gamma=1.0).fit(features, targets)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.2 * 8 * n**2


@pytest.mark.parametrize("roomy", [True, False])
def test_eigenvectors_in_place(xp, roomy):
    K = whole()
    values, vectors = (to_numpy(a) for a in eigenvectors(xp.asarray(K.copy()), roomy=roomy))
    np.testing.assert_allclose(values, np.linalg.eigvalsh(K), atol=1e-12)
    np.testing.assert_allclose((vectors * values) @ vectors.T, K, atol=1e-12)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(N), atol=1e-12)


def test_eigenvectors_stand_in_the_matrix_and_only_its_lower_triangle_is_read():
    K = whole(features=RNG.normal(size=(300, 3)))  # several blocks of the transposition
    lower = np.tril(K)
    values, vectors = eigenvectors(lower)
    assert np.shares_memory(vectors, lower)
    assert vectors.flags.c_contiguous
    np.testing.assert_allclose((vectors * values) @ vectors.T, K, atol=1e-11)


def test_cholesky_works_in_place_on_the_lower_triangle():
    A = whole() + np.eye(N)
    lower = np.tril(A) + np.triu(np.full((N, N), np.nan), 1)
    factor = cholesky(lower)
    assert np.shares_memory(factor, lower)
    np.testing.assert_allclose(np.tril(factor), np.linalg.cholesky(A), atol=1e-12)
    np.testing.assert_allclose(cholesky_solve(factor, Y), np.linalg.solve(A, Y), atol=1e-12)
    inverse = cholesky_inverse(factor)
    assert np.shares_memory(inverse, lower)
    np.testing.assert_allclose(inverse, np.linalg.inv(A), atol=1e-12)


def test_triangles_and_inverses_in_every_namespace(xp):
    A = whole() + np.eye(N)
    factor, L = cholesky(xp.asarray(A.copy())), np.linalg.cholesky(A)
    for transposed in (False, True):
        solved = solve_triangular(factor, xp.asarray(Y), transposed=transposed)
        np.testing.assert_allclose((L.T if transposed else L) @ to_numpy(solved), Y, atol=1e-11)
    np.testing.assert_allclose(to_numpy(cholesky_inverse(factor)), np.linalg.inv(A), atol=1e-11)


@pytest.mark.parametrize("kind", ["leave-one-out", "leave-one-group-out"])
def test_several_alphas_by_cholesky_equal_eigenvectors(xp, kind, small_blocks):
    options = {"kernel": "gaussian", "alphas": np.logspace(-4, 1, 6), "alpha_smoothing": 1.5}
    arrays = {"X": xp.asarray(X), "Y": xp.asarray(Y), "structure_index": xp.asarray(INDEX)}
    spectral = LDOSKernelRidge(kind, solver="eigh", **options).fit(**arrays)
    factors = LDOSKernelRidge(kind, solver="cholesky", **options).fit(**arrays)
    for name in ("cv_errors_", "alphas_", "alpha_", "dual_coef_"):
        expected = to_numpy(getattr(spectral, name))
        np.testing.assert_allclose(to_numpy(getattr(factors, name)), expected, rtol=1e-8, atol=1e-8)
    assert len(set(to_numpy(factors.alpha_).tolist())) > 3  # between the candidates, not on them


def test_alphas_far_apart_by_cholesky_equal_a_solve_for_each():
    alpha = np.array([1e-3, 0.5, 1e-3, 40.0, 0.7, 2e-3, 0.5])
    model = LDOSKernelRidge(alpha, kernel="gaussian", solver="cholesky", subtract_mean=False, gamma=1.0).fit(X, Y)
    K = kernel_of("gaussian", X, X, degree=2, gamma=1.0, coef0=0.0)
    for energy in range(N_ENERGIES):
        expected = np.linalg.solve(K + alpha[energy] * np.eye(N), Y[:, energy])
        np.testing.assert_allclose(model.dual_coef_[:, energy], expected, rtol=1e-8, atol=1e-9)


@given(st.lists(st.floats(1e-12, 1e6), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_alphas_that_share_a_factorisation_are_near_its_centre(values):
    alpha, seen = np.array(values), []
    for centre, members in solvers.share(alpha):
        assert (np.abs(np.log10(alpha[members] / centre)) <= 0.25 + 1e-9).all()
        seen += members.tolist()
    assert sorted(seen) == list(range(len(values)))


def test_a_candidate_too_small_for_double_precision_is_never_chosen():
    twice = np.repeat(X[:20], 3, axis=0)
    options = {"kernel": "gaussian", "alphas": [1e-25, 1e-2], "alpha_smoothing": 0, "solver": "cholesky"}
    model = LDOSKernelRidge("leave-one-out", **options).fit(twice, Y[:60])
    np.testing.assert_allclose(model.alpha_, 1e-2)


@pytest.mark.parametrize("kernel", KERNELS)
def test_float32_refined_equals_float64(xp, kernel, small_blocks):
    kernel_matrix, targets = matrix_of(xp.asarray(X), kernel), xp.asarray(Y)
    expected = to_numpy(solvers.solve(kernel_matrix, targets, 1e-2))
    found = to_numpy(solvers.solve_in_float32(kernel_matrix, targets, 1e-2))
    assert found.dtype == np.float64
    assert np.linalg.norm(found - expected) <= 1e-10 * np.linalg.norm(expected)


def test_float32_at_the_edge_of_its_condition_and_beyond():
    K = matrix_of(X, "linear")  # of rank 5: the smallest eigenvalue of K + alpha is alpha
    alpha = np.linalg.eigvalsh(X @ X.T)[-1] / 8e5
    targets = Y * 10.0 ** RNG.uniform(-30, 30, N_ENERGIES)  # each energy has its own scale
    targets[:, 2] = 0.0
    found, expected = (solve(K, targets, alpha) for solve in (solvers.solve_in_float32, solvers.solve))
    difference = np.linalg.norm(found - expected, axis=0)
    assert (difference <= 1e-10 * np.linalg.norm(expected, axis=0)).all()
    for smaller in (alpha / 2, alpha / 10, 1e-12):
        with pytest.raises(np.linalg.LinAlgError, match=r"needs a condition number of at most 1e\+06; the kernel plus"):
            solvers.solve_in_float32(K, targets, smaller)


@pytest.mark.parametrize("unit", [1e-12, 1e12])
def test_float32_does_not_depend_on_the_unit_of_the_targets(unit):
    kernel_matrix = matrix_of(X)
    found = solvers.solve_in_float32(kernel_matrix, unit * Y, 1e-3)
    expected = unit * solvers.solve(kernel_matrix, Y, 1e-3)
    assert np.linalg.norm(found - expected) <= 1e-10 * np.linalg.norm(expected)


@pytest.mark.parametrize("alpha", [1e-1, 1e-3, 1e-5])
def test_the_condition_number_is_estimated(xp, alpha):
    K = whole("polynomial") + alpha * np.eye(N)
    largest = definiteness.largest_eigenvalue(xp.asarray(K), block=20)
    smallest = definiteness.smallest_eigenvalue(cholesky(xp.asarray(K.copy())))
    assert 0.8 * np.linalg.cond(K) <= largest / smallest <= 1.001 * np.linalg.cond(K)


def test_refinement_that_stalls_is_refused(monkeypatch):
    wrong = matrix_of(X * 1.3)  # residuals of another kernel than the one factorised
    monkeypatch.setattr(
        "ldosml.solvers.refinement.evaluate", lambda *_, **options: matrix.evaluate(wrong, 1e-3, **options)
    )
    with pytest.raises(np.linalg.LinAlgError, match="Refinement of precision='float32' stalls"):
        solvers.solve_in_float32(matrix_of(X), Y, 1e-3)


def test_float32_is_for_one_alpha():
    for alpha in ("leave-one-out", np.logspace(-3, 0, N_ENERGIES)):
        with pytest.raises(ValueError, match="Set alpha to one number, or use precision='float64'"):
            LDOSKernelRidge(alpha, precision="float32", kernel="polynomial", gamma=1.0).fit(X, Y)
    single, double = (
        LDOSKernelRidge(0.05, kernel="matern", precision=p, gamma=1.0).fit(X, Y) for p in ("float32", "float64")
    )
    np.testing.assert_allclose(single.predict(X), double.predict(X), atol=1e-10)


@pytest.mark.parametrize("columns", [1, 7, 30, 89, 90])
def test_streamed_panels_equal_the_whole_matrix(xp, columns):
    factor = solvers.factorize_streamed(matrix_of(xp.asarray(X)), 0.01, columns)
    assert all(isinstance(panel, np.ndarray) for panel in factor.panels)
    assert sum(panel.size for panel in factor.panels) <= N * (N + columns) / 2 + N * columns
    expected = np.linalg.solve(whole() + 0.01 * np.eye(N), Y)
    targets = xp.asarray(Y)
    np.testing.assert_allclose(to_numpy(factor.solve(targets)), expected, atol=1e-10)
    np.testing.assert_array_equal(to_numpy(targets), Y)


def test_streamed_panels_that_are_not_positive_definite(xp):
    twice = xp.asarray(np.repeat(X, 2, axis=0))
    with pytest.raises(np.linalg.LinAlgError, match=r"among its first \d+ rows .* Raise alpha"):
        solvers.factorize_streamed(matrix_of(twice), 1e-25, 16)


@pytest.mark.parametrize("alpha", [0.1, "leave-one-out", "leave-one-group-out", np.array([0.1, 0.2, 3.0])], ids=str)
def test_a_device_too_small_gets_the_panels(monkeypatch, alpha):
    torch = pytest.importorskip("array_api_compat.torch")
    n, asked = 400, []
    rng = np.random.default_rng(5)
    features, targets, index = rng.normal(size=(n, 4)), rng.normal(size=(n, 3)), np.arange(n) // 7
    options = {"alpha": alpha, "kernel": "gaussian", "alphas": [0.03, 0.3, 3.0]}
    expected = LDOSKernelRidge(**options).fit(features, targets, structure_index=index)
    monkeypatch.setattr("ldosml.regression._kernel.free_device_memory", lambda _: 2_500_000)
    for module in (solvers, alphas):
        monkeypatch.setattr(
            module, "factorize_streamed", lambda *a: asked.append(a[2]) or panels.factorize_streamed(*a)
        )
    arrays = [torch.asarray(array) for array in (features, targets, index)]
    model = LDOSKernelRidge(**options).fit(*arrays[:2], structure_index=arrays[2])
    assert asked
    assert 128 <= min(asked) <= max(asked) < n
    np.testing.assert_allclose(to_numpy(model.dual_coef_), expected.dual_coef_, atol=1e-10)
    np.testing.assert_allclose(to_numpy(model.alpha_), expected.alpha_, rtol=1e-9)


def test_a_kernel_that_repeats_rows_is_told_which_and_how_much_alpha_helps():
    twice = np.concatenate([X[:40], X[:15]])
    with pytest.raises(np.linalg.LinAlgError) as refused:
        LDOSKernelRidge(1e-20, kernel="gaussian", gamma=1.0).fit(twice, Y[:55])
    message = str(refused.value)
    assert "15 rows repeat others, first row 40, which is row 0 again" in message
    assert "its smallest eigenvalue is about" in message
    advised = float(message.split("Raise alpha, to ")[1].split()[0])
    assert 0 < advised < 1e-10
    LDOSKernelRidge(1.1 * advised, kernel="gaussian", gamma=1.0).fit(twice, Y[:55])


def test_a_kernel_nearly_singular_without_repeated_rows(xp):
    near = xp.asarray(np.linspace(0, 1, 60)[:, None])
    with pytest.raises(np.linalg.LinAlgError, match=r"No row repeats another, .* Raise alpha"):
        LDOSKernelRidge(1e-22, kernel="gaussian", gamma=0.1).fit(near, xp.asarray(Y[:60]))


def test_a_matrix_that_is_no_kernel_is_told_so():
    indefinite = EnvironmentKernel(lambda A, B: -(A @ B.T), X)
    with pytest.raises(np.linalg.LinAlgError, match="not positive semidefinite, no kernel"):
        solvers.solve(indefinite, Y, 1e-3)


def test_a_kernel_that_overflows_is_told_so():
    with pytest.raises(np.linalg.LinAlgError, match="The kernel overflows"), np.errstate(all="ignore"):
        LDOSKernelRidge(1.0, degree=12, kernel="polynomial", gamma=1.0).fit(1e29 * X, Y)


def test_structural_learning_by_every_solver():
    rng = np.random.default_rng(2)
    features, index = rng.normal(size=(60, 4)), np.repeat(np.arange(20), 3)
    dos = np.add.reduceat(np.sin(features @ rng.normal(size=(4, 5))), np.arange(0, 60, 3))
    options = {"kernel": "gaussian", "alphas": np.logspace(-3, 1, 5)}
    spectral, factors = (
        LDOSKernelRidge("leave-one-group-out", learn="dos", solver=solver, **options).fit(
            features, dos, structure_index=index
        )
        for solver in ("eigh", "cholesky")
    )
    np.testing.assert_allclose(factors.predict(features), spectral.predict(features), atol=1e-8)
    double, single = (
        LDOSKernelRidge(0.1, learn="dos", kernel="gaussian", precision=precision, gamma=1.0).fit(
            features, dos, structure_index=index
        )
        for precision in ("float64", "float32")
    )
    np.testing.assert_allclose(single.predict(features), double.predict(features), atol=1e-9)
