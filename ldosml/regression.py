"""Per-energy ridge and kernel ridge regression with scikit-learn's manners.

X (n_environments, n_features) are descriptors of environments, Y (n_environments, n_energies) their LDOS.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, Self

import numpy as np
from numpy.linalg import LinAlgError
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from ldosml import kernels, solvers
from ldosml._array import Array, like, namespace, to_numpy
from ldosml._validation import check_shape, validate_fit, validate_predict

LeaveOut = Literal["leave-one-out", "leave-one-structure-out"]
Alpha = float | ArrayLike | LeaveOut

DEFAULT_ALPHAS = tuple(float(a) for a in np.logspace(-8, 1.5, 20))
"""Candidates for alpha, as multiples of the mean of the kernel's diagonal (of X X^T without a kernel)."""

_BLOCK = 2**25
"""Numbers of a kernel that prediction holds at a time (256 MB)."""


class _PerEnergyRidge(MultiOutputMixin, RegressorMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """What fitting with and without a kernel share: targets, alpha, and its choice."""

    alpha: Alpha
    alphas: ArrayLike | None
    alpha_smoothing: float
    subtract_mean: bool

    def fit(self, X: Array, Y: Array, structure_index: Array | None = None) -> Self:
        """Fit all energies.

        Parameters
        ----------
        X : array (n_environments, n_features)
        Y : array (n_environments, n_energies) or (n_environments,)
            Targets, states/eV/atom.
        structure_index : array (n_environments,), optional
            Which environments belong together; needed to choose alpha by leave-one-structure-out.

        Raises
        ------
        ValueError
            When an array is not finite, shapes differ, alpha is not positive, or structure_index is missing.
        """
        X, Y = validate_fit(self, X, Y)
        targets = Y[:, None] if Y.ndim == 1 else Y
        xp = namespace(targets)
        mean = xp.mean(targets, axis=0)
        self.target_mean_ = mean if self.subtract_mean else xp.zeros_like(mean)
        self._flat = Y.ndim == 1
        alpha = self._given_alpha(targets)
        blocks = self._blocks(structure_index, targets) if alpha is None else None
        self._solve(X, targets - self.target_mean_[None, :], alpha, blocks)
        return self

    def _given_alpha(self, targets: Array) -> Array | float | None:
        """Alpha as one number or (n_energies,); None where it is to be chosen."""
        if isinstance(self.alpha, str):
            if self.alpha not in ("leave-one-out", "leave-one-structure-out"):
                raise ValueError(
                    "alpha must be a positive number, an array with one per energy, 'leave-one-out' or "
                    f"'leave-one-structure-out'; got {self.alpha!r}."
                )
            return None
        values = np.asarray(to_numpy(self.alpha), dtype=float)
        if not (np.isfinite(values).all() and (values > 0).all()):
            raise ValueError(
                f"alpha must be positive and finite; got {self.alpha!r}. Without regularisation the fit is singular as "
                "soon as two environments are alike."
            )
        if values.ndim == 0:
            return float(values)
        check_shape("alpha", values, (targets.shape[1],), "n_energies")
        return like(targets, values)

    def _blocks(self, structure_index: Array | None, targets: Array) -> list[Array] | None:
        if self.alpha == "leave-one-out":
            if targets.shape[0] < 2:
                raise ValueError("alpha='leave-one-out' needs at least 2 environments; got 1 sample.")
            return None
        if structure_index is None:
            raise ValueError(
                "alpha='leave-one-structure-out' needs structure_index, the structure of each environment: "
                "fit(X, Y, structure_index=index). Atoms of one structure on both sides would flatter the error."
            )
        index = to_numpy(structure_index)
        check_shape("structure_index", index, (targets.shape[0],), "n_environments")
        return solvers.blocks_of(index, targets)

    def _choose_alpha(self, factors: solvers.Factorization, targets: Array, blocks: list[Array] | None) -> Array:
        """Set ``alphas_``, ``cv_errors_`` and give alpha (n_energies,)."""
        xp = namespace(targets)
        if self.alphas is None:
            scale = float(xp.sum(factors.eigenvalues)) / targets.shape[0]
            self.alphas_ = np.asarray(DEFAULT_ALPHAS) * (scale or 1.0)
        else:
            self.alphas_ = np.atleast_1d(np.asarray(to_numpy(self.alphas), dtype=float))
            if not (self.alphas_.size and np.isfinite(self.alphas_).all() and (self.alphas_ > 0).all()):
                raise ValueError(f"alphas must be positive and finite, at least one; got {self.alphas!r}.")
        if not 0 <= self.alpha_smoothing < np.inf:
            raise ValueError(f"alpha_smoothing must be zero or a positive number; got {self.alpha_smoothing!r}.")
        self.cv_errors_ = solvers.errors_by_alpha(factors, targets, [float(a) for a in self.alphas_], blocks)
        variance = xp.mean(targets * targets, axis=0)
        return solvers.choose_alpha(self.cv_errors_, self.alphas_, variance, self.alpha_smoothing)

    @abstractmethod
    def _solve(self, X: Array, targets: Array, alpha: Array | float | None, blocks: list[Array] | None) -> None:
        """Fit targets without their mean; set ``alpha_``, chosen among ``alphas`` where ``alpha`` is None."""

    def _finish(self, predicted: Array) -> Array:
        predicted = predicted + self.target_mean_[None, :]
        return predicted[:, 0] if self._flat else predicted


class LDOSRidge(_PerEnergyRidge):
    r"""Linear ridge regression of the LDOS, one alpha per energy from one singular value decomposition.

    For every energy e minimises |y_e - mean_e - X w_e|^2 + alpha_e |w_e|^2.

    Parameters
    ----------
    alpha : float, array (n_energies,), "leave-one-out" or "leave-one-structure-out"
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


class LDOSKernelRidge(_PerEnergyRidge):
    r"""Kernel ridge regression of the LDOS, all energies from one factorisation.

    For every energy e minimises |y_e - mean_e - K c_e|^2 + alpha_e c_e.K c_e (equations 13 and 14 of Aryanpour and
    Sadeghi, 2025): a Cholesky factorisation of K + alpha if one alpha is given for all energies, else the eigenvectors
    of K, from which every alpha and its leave-out error follow in closed form.

    Parameters
    ----------
    alpha : float, array (n_energies,), "leave-one-out" or "leave-one-structure-out"
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
    >>> model = LDOSKernelRidge(kernel="gaussian", gamma=4.0, alpha="leave-one-structure-out")
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
    ) -> None:
        self.alpha = alpha
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.alphas = alphas
        self.alpha_smoothing = alpha_smoothing
        self.subtract_mean = subtract_mean

    def _kernel(self, X: Array, Z: Array) -> Array:
        return kernels.evaluate(self.kernel, X, Z, degree=self.degree, gamma=self.gamma, coef0=self.coef0)

    def _solve(self, X: Array, targets: Array, alpha: Array | float | None, blocks: list[Array] | None) -> None:
        K = self._kernel(X, X)
        self.X_fit_ = X
        if isinstance(alpha, float):
            self.alpha_ = alpha
            self.dual_coef_ = self._cholesky(K, targets, alpha)
            return
        factors = solvers.factorize_kernel(K)
        self.alpha_ = self._choose_alpha(factors, targets, blocks) if alpha is None else alpha
        self.dual_coef_ = solvers.dual_coefficients(factors, targets, self.alpha_)

    def _cholesky(self, K: Array, targets: Array, alpha: float) -> Array:
        try:
            return solvers.solve_kernel(K, targets, alpha)
        except LinAlgError as error:
            raise LinAlgError(
                f"The kernel plus alpha = {alpha:g} is not positive definite in double precision, as when environments "
                "are repeated, or nearly so. Raise alpha."
            ) from error

    def predict(self, X: Array) -> Array:
        """Predict the LDOS, (n_environments, n_energies), of descriptors (n_environments, n_features)."""
        check_is_fitted(self)
        X = validate_predict(self, X)
        xp = namespace(X)
        rows = max(1, _BLOCK // self.X_fit_.shape[0])
        parts = [
            self._kernel(X[i : min(i + rows, X.shape[0]), :], self.X_fit_) @ self.dual_coef_
            for i in range(0, X.shape[0], rows)
        ]
        return self._finish(xp.concat(parts, axis=0))
