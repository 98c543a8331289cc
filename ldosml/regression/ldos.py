"""Ridge and kernel ridge regression fitted on the LDOS of every atom.

X (n_environments, n_features) are descriptors of environments, Y (n_environments, n_energies) their LDOS.
"""

from __future__ import annotations

from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from ldosml import kernels, solvers
from ldosml._array import Array, namespace
from ldosml._validation import validate_predict
from ldosml.kernel_matrices import EnvironmentKernel
from ldosml.regression._kernel import KernelFit
from ldosml.regression._per_energy import Alpha, EnvironmentRidge
from ldosml.resources import Precision, Solver


class LDOSRidge(EnvironmentRidge):
    r"""Linear ridge regression of the LDOS, one alpha per energy from one singular value decomposition.

    For every energy e minimises |y_e - mean_e - X w_e|^2 + alpha_e |w_e|^2.

    Parameters
    ----------
    alpha : float, array (n_energies,), "leave-one-out" or "leave-one-group-out"
        Regularisation, in the unit of X^2; or how to choose it per energy among ``alphas``, in closed form.
    alphas : array, optional
        Candidates. By default 20 from 1e-8 to 30 times the mean squared length of a row of X.
    alpha_smoothing : float
        Standard deviation, in numbers of energies, of the Gaussian that smooths the logarithm of the chosen alpha.
    subtract_mean : bool
        Learn deviations from the mean target, which is not regularised. Leave-out errors take the mean as known.

    Attributes
    ----------
    coef_ : array (n_features, n_energies)
    target_mean_ : array (n_energies,)
    alpha_ : float or array (n_energies,)
    alphas_, cv_errors_ : arrays (n_alphas,), (n_alphas, n_energies)
        Candidates and their leave-out errors (root mean square, in the unit of Y); only where alpha was chosen.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> model = LDOSRidge(alpha=1e-9, subtract_mean=False).fit(X, X @ np.array([[2.0, 0.0], [1.0, 3.0]]))
    >>> model.predict(np.array([[1.0, 2.0]])).round(6)
    array([[4., 6.]])
    """

    def __init__(
        self,
        alpha: Alpha = 1e-3,
        *,
        alphas: ArrayLike | None = None,
        alpha_smoothing: float = 5.0,
        subtract_mean: bool = True,
    ) -> None:
        self.alpha = alpha
        self.alphas = alphas
        self.alpha_smoothing = alpha_smoothing
        self.subtract_mean = subtract_mean

    def _solve(self, X: Array, targets: Array, alpha: Array | float | None, blocks: list[Array] | None) -> None:
        factors = solvers.factorize_features(X)
        self.alpha_ = self._choose_alpha(factors, targets, blocks) if alpha is None else alpha
        xp = namespace(targets)
        per_energy = self.alpha_ * xp.ones_like(targets[0, :])
        self.coef_ = solvers.primal_coefficients(factors, targets, per_energy)

    def predict(self, X: Array) -> Array:
        """Predict the LDOS, (n_environments, n_energies), of descriptors (n_environments, n_features)."""
        check_is_fitted(self)
        return self._finish(validate_predict(self, X) @ self.coef_)


class LDOSKernelRidge(KernelFit, EnvironmentRidge):
    r"""Kernel ridge regression of the LDOS, all energies from one factorisation.

    For every energy e minimises |y_e - mean_e - K c_e|^2 + alpha_e c_e.K c_e (equations 13 and 14 of Aryanpour and
    Sadeghi, 2025): a Cholesky factorisation of K + alpha if one alpha is given for all energies, else the eigenvectors
    of K, from which every alpha and its leave-out error follow in closed form. Memory and time are estimated before
    anything is computed (``plan``), logged where the fit takes seconds (logger ``ldosml``, level INFO), and a fit that
    memory does not hold is refused by MemoryError; NumPy's peak is 1.1 n^2 numbers with one alpha.

    Parameters
    ----------
    alpha : float, array (n_energies,), "leave-one-out" or "leave-one-group-out"
        Regularisation, in the unit of the kernel; or how to choose it per energy among ``alphas``. Leave-one-out splits
        the atoms of a structure and chooses far too little regularisation wherever they resemble each other.
    kernel : {"polynomial", "linear", "gaussian", "matern"}
        (gamma x.z + coef0)^degree, x.z, exp(-gamma |x-z|^2), or (1+d) exp(-d) with d^2 = 3 gamma |x-z|^2.
    degree, gamma, coef0 : int, float, float
        Parameters of the kernel; the defaults suit descriptors of unit length.
    alphas : array, optional
        Candidates for alpha. By default 20 from 1e-8 to 30 times the mean of the kernel's diagonal.
    alpha_smoothing : float
        Standard deviation, in numbers of energies, of the Gaussian that smooths the logarithm of the chosen alpha.
    subtract_mean : bool
        Learn deviations from the mean target, which is not regularised. Leave-out errors take the mean as known.
    solver : {"auto", "eigh", "cholesky"}
        Where there are several alphas: eigenvectors of K once, which hold 2 to 3 n^2 numbers for n environments, or a
        factorisation in place for each alpha, n^2 numbers. By default eigenvectors where memory and LAPACK let them.
    precision : {"float64", "float32"}
        "float32" factorises in half the memory and refines the result in float64, where K is evaluated again and never
        stored. For one number as alpha, and refused where the condition number of K + alpha exceeds 1e6.

    Attributes
    ----------
    X_fit_ : array (n_environments, n_features)
    dual_coef_ : array (n_environments, n_energies)
    target_mean_ : array (n_energies,)
    alpha_ : float or array (n_energies,)
    alphas_, cv_errors_ : arrays (n_alphas,), (n_alphas, n_energies)
        Candidates and their leave-out errors (root mean square, in the unit of Y); only where alpha was chosen.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(0, 1, 12)[:, None]
    >>> Y = np.hstack([np.sin(3 * X), np.cos(3 * X)])
    >>> model = LDOSKernelRidge(kernel="gaussian", gamma=4.0, alpha="leave-one-group-out")
    >>> model.fit(X, Y, structure_index=np.arange(12) // 2).alpha_.shape
    (2,)
    >>> bool(abs(model.predict(X) - Y).max() < 0.01)
    True
    """

    def __init__(
        self,
        alpha: Alpha = 1e-3,
        *,
        kernel: kernels.Kernel = "polynomial",
        degree: int = 2,
        gamma: float = 1.0,
        coef0: float = 0.0,
        alphas: ArrayLike | None = None,
        alpha_smoothing: float = 5.0,
        subtract_mean: bool = True,
        solver: Solver = "auto",
        precision: Precision = "float64",
    ) -> None:
        self.alpha = alpha
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.alphas = alphas
        self.alpha_smoothing = alpha_smoothing
        self.subtract_mean = subtract_mean
        self.solver = solver
        self.precision = precision

    def _solve(self, X: Array, targets: Array, alpha: Array | float | None, blocks: list[Array] | None) -> None:
        self.X_fit_ = X
        self.dual_coef_ = self._fit_matrix(EnvironmentKernel(self._kernel, X), targets, alpha, blocks)

    def predict(self, X: Array) -> Array:
        """Predict the LDOS, (n_environments, n_energies), of descriptors (n_environments, n_features)."""
        check_is_fitted(self)
        X = validate_predict(self, X)
        return self._finish(self._expand(X, self.X_fit_, self.dual_coef_))
