import numpy as np
import pytest
from sklearn.gaussian_process.kernels import Matern
from sklearn.metrics import pairwise

from ldosml import kernels
from ldosml._array import to_numpy

RNG = np.random.default_rng(0)
X, Z = RNG.normal(size=(7, 4)), RNG.normal(size=(5, 4))


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (kernels.linear, pairwise.linear_kernel),
        (
            lambda X, Z: kernels.polynomial(X, Z, degree=5, gamma=0.3, coef0=0.7),
            lambda X, Z: pairwise.polynomial_kernel(X, Z, degree=5, gamma=0.3, coef0=0.7),
        ),
        (
            lambda X, Z: kernels.polynomial(X, Z, degree=6),
            lambda X, Z: pairwise.polynomial_kernel(X, Z, degree=6, gamma=1, coef0=0),
        ),
        (lambda X, Z: kernels.gaussian(X, Z, gamma=0.4), lambda X, Z: pairwise.rbf_kernel(X, Z, gamma=0.4)),
        (lambda X, Z: kernels.matern(X, Z, gamma=0.25), Matern(length_scale=2.0, nu=1.5)),
    ],
    ids=["linear", "polynomial", "homogeneous", "gaussian", "matern"],
)
def test_equals_scikit_learn(xp, mine, theirs):
    np.testing.assert_allclose(to_numpy(mine(xp.asarray(X), xp.asarray(Z))), theirs(X, Z), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kernel", ["linear", "polynomial", "gaussian", "rbf", "matern"])
def test_is_positive_semidefinite_and_keeps_its_input(kernel):
    kept = X.copy()
    K = kernels.evaluate(kernel, X, X, degree=3, gamma=0.5, coef0=0.1)
    np.testing.assert_array_equal(X, kept)
    np.testing.assert_allclose(K, K.T, atol=1e-12)
    assert np.linalg.eigvalsh(K).min() > -1e-12


def test_distance_kernels_are_one_on_the_diagonal():
    # The square root of rounding: |x-x| comes out as 1e-8 at worst.
    for kernel in (kernels.gaussian, kernels.matern):
        np.testing.assert_allclose(np.diag(kernel(X, X)), 1.0, atol=1e-12)


def test_rbf_is_the_gaussian_kernel():
    options = {"degree": 2, "gamma": 0.7, "coef0": 0.0}
    np.testing.assert_array_equal(kernels.evaluate("rbf", X, Z, **options), kernels.gaussian(X, Z, gamma=0.7))


def test_bad_parameters():
    with pytest.raises(ValueError, match="'linear', 'polynomial', 'gaussian', 'rbf', 'matern'; got 'cosine'"):
        kernels.evaluate("cosine", X, Z, degree=2, gamma=1.0, coef0=0.0)
    with pytest.raises(ValueError, match="positive integer"):
        kernels.polynomial(X, Z, degree=0)
    with pytest.raises(ValueError, match="gamma of a gaussian kernel"):
        kernels.gaussian(X, Z, gamma=0.0)


@pytest.mark.parametrize("parameters", [{"gamma": -1.0}, {"gamma": np.nan}, {"coef0": -1.0}, {"coef0": np.inf}])
def test_what_is_no_kernel_is_refused(parameters):
    with pytest.raises(ValueError, match="of a polynomial kernel must be"):
        kernels.polynomial(X, Z, degree=3, **parameters)
