"""Ridge and kernel ridge regression of LDOS, of DOS that is split over the atoms, or of both.

LDOS are learned by equation 12 of Aryanpour and Sadeghi (2025). The total DOS is learned by their equation 11, after
Ben Mahmoud, Anelli, Csanyi and Ceriotti, Phys. Rev. B 102, 235130 (2020): what is predicted are the contributions of
the atoms, and only their sums are compared with the true DOS.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from ldosml import kernels, solvers
from ldosml._array import Array, namespace, take_rows
from ldosml.kernel_matrices import EnvironmentKernel, SummedKernel
from ldosml.regression._kernel import KernelFit
from ldosml.regression._observations import Observations, observe
from ldosml.regression._per_energy import Alpha, PerEnergyRidge
from ldosml.regression._training_rows import Learn, TrainingRows, leaves_out_groups
from ldosml.resources import Precision, Solver


class LDOSRidge(PerEnergyRidge):
    r"""Linear ridge regression, one alpha per energy from one singular value decomposition.

    For every energy minimises, over weights w_z, one vector for each species z,

    .. math::
        \lambda \sum_i |D_i - x_i \cdot w_{z_i}|^2 + \sum_s n_s^{-p} \Big|D_s - \sum_{i \in s} x_i \cdot w_{z_i}\Big|^2
        + \alpha \sum_z |w_z|^2

    where lambda is ``ldos_weight`` and p ``size_exponent``. ``learn="ldos"`` has the first term only, with lambda = 1
    (equation 12 of Aryanpour and Sadeghi, 2025); ``learn="dos"`` the second (equation 11, for p = 0).

    Parameters
    ----------
    alpha : float, array (n_energies,), "leave-one-group-out" or "leave-one-out"
        Regularisation, in the unit of X^2; or how to choose it among ``alphas``, in closed form.
    learn : {"ldos", "dos", "both"}
        What ``fit`` is given; predictions are LDOS in any case.
    ldos_weight : float
        Weight of the squared error of one atom's LDOS relative to a structure's DOS, with ``learn="both"``.
    size_exponent : float
        The squared error of a structure's DOS counts by n_atoms^-size_exponent: 0 as in equation 11 of the paper, 2 for
        equal weight of the DOS per atom, 1 for errors of atoms that are independent.
    alphas : array, optional
        Candidates. By default 20 from 1e-8 to 30 times the mean squared length of a row of (summed) features.
    alpha_smoothing : float, optional
        Standard deviation, in numbers of energies, of the Gaussian that smooths the logarithm of the chosen alpha. By
        default all energies share one alpha, which keeps the number of electrons below the Fermi level.
    subtract_mean : bool
        Learn deviations from a mean LDOS of each species, which is not regularised. Where DOS are learned, it is the
        mean that comes closest to all targets. Leave-out errors take the mean as known.

    Attributes
    ----------
    coef_ : array (n_energies, n_features)
        Where several species were fitted, (n_species, n_energies, n_features).
    species_ : ndarray (n_species,)
    target_mean_ : array (n_species, n_energies)
    alpha_ : float or array (n_energies,)
    alphas_, cv_errors_ : arrays (n_alphas,), (n_alphas, n_energies)
        Candidates and their leave-out errors (root mean square of weighted rows); only where alpha was chosen.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> model = LDOSRidge(alpha=1e-9, subtract_mean=False).fit(X, X @ np.array([[2.0, 0.0], [1.0, 3.0]]))
    >>> model.predict(np.array([[1.0, 2.0]])).round(6)
    array([[4., 6.]])
    >>> sums = LDOSRidge(alpha=1e-9, learn="dos", subtract_mean=False)
    >>> X = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    >>> sums.fit(X, np.array([[5.0], [12.0]]), structure_index=[0, 0, 1, 1]).predict(X[:1]).round(4)
    array([[2.]])
    """

    def __init__(
        self,
        alpha: Alpha = "leave-one-group-out",
        *,
        learn: Learn = "ldos",
        ldos_weight: float = 10.0,
        size_exponent: float = 0.0,
        alphas: ArrayLike | None = None,
        alpha_smoothing: float | None = None,
        subtract_mean: bool = True,
    ) -> None:
        self.alpha = alpha
        self.learn = learn
        self.ldos_weight = ldos_weight
        self.size_exponent = size_exponent
        self.alphas = alphas
        self.alpha_smoothing = alpha_smoothing
        self.subtract_mean = subtract_mean

    def _fit(self, rows: TrainingRows) -> None:
        self.species_ = np.unique(rows.species)
        observed = observe(rows, ldos_weight=self.ldos_weight, size_exponent=self.size_exponent)
        self.target_mean_ = self._mean_or_zero(observed.mean_shares())
        targets = observed.without(self.target_mean_)
        factors = solvers.factorize_features(observed.features(rows.X))
        alpha = self._given_alpha(targets)
        blocks = _left_out(self, observed) if alpha is None else None
        self.alpha_ = self._choose_alpha(factors, targets, blocks) if alpha is None else alpha
        xp = namespace(targets)
        weights = solvers.primal_coefficients(factors, targets, self.alpha_ * xp.ones_like(targets[0, :]))
        shape = (len(self.species_), rows.X.shape[1], targets.shape[1])
        coef = xp.permute_dims(xp.reshape(weights, shape), (0, 2, 1))
        self.coef_ = coef if len(self.species_) > 1 else coef[0, :, :]

    def _of_code(self, code: int) -> Array:
        return self.coef_ if self.coef_.ndim == 2 else self.coef_[code, :, :]

    def _predict_species(self, X: Array, code: int) -> Array:
        return X @ self._of_code(code).T

    def _keep_only(self, part: Self, code: int) -> None:
        part.coef_ = self._of_code(code)


class LDOSKernelRidge(KernelFit):
    r"""Kernel ridge regression, all energies from one factorisation.

    For every energy minimises, over functions f_z of the kernel's space, one for each species z,

    .. math::
        \lambda \sum_i |D_i - f_{z_i}(x_i)|^2 + \sum_s n_s^{-p} \Big|D_s - \sum_{i \in s} f_{z_i}(x_i)\Big|^2
        + \alpha \sum_z \|f_z\|^2

    where lambda is ``ldos_weight`` and p ``size_exponent``. ``learn="ldos"`` has the first term only, with lambda = 1
    (equations 12 to 14 of Aryanpour and Sadeghi, 2025); ``learn="dos"`` the second (equation 11, for p = 0).

    The minimum is f(x) = sum_i k(x, x_i) sum_r w_r c_r, where r runs over the rows of the fit that contain environment
    i (its LDOS, its structure's DOS), w_r^2 is the weight of the row, and c = (S K S^T + alpha)^-1 y. S K S^T has as
    many rows as there are LDOS and DOS; for DOS it is summed block by block, so that K is never held. One alpha takes a
    Cholesky factorisation, otherwise the eigenvectors give every alpha and its leave-out error in closed form. Memory
    and time are estimated before anything is computed (``plan``), logged where the fit takes seconds (logger
    ``ldosml``, level INFO), and a fit that memory does not hold is refused by MemoryError; NumPy's peak is 1.1 n^2
    numbers for n rows with one alpha.

    Parameters
    ----------
    alpha : float, array (n_energies,), "leave-one-group-out" or "leave-one-out"
        Regularisation, in the unit of the kernel; or how to choose it among ``alphas``. "leave-one-out"
        splits the atoms of a structure and chooses far too little regularisation wherever they resemble each other.
    learn : {"ldos", "dos", "both"}
        What ``fit`` is given; predictions are LDOS in any case.
    ldos_weight : float
        Weight of the squared error of one atom's LDOS relative to a structure's DOS, with ``learn="both"``.
    size_exponent : float
        The squared error of a structure's DOS counts by n_atoms^-size_exponent: 0 as in equation 11 of the paper, 2 for
        equal weight of the DOS per atom, 1 for errors of atoms that are independent.
    kernel : {"matern", "gaussian", "rbf", "polynomial", "linear"}
        ``(1+d) exp(-d)`` with ``d^2 = 3 gamma |x-z|^2``, ``exp(-gamma |x-z|^2)`` by two names,
        ``(gamma x.z + coef0)^degree``, or ``x.z``.
    degree, gamma, coef0 : int, float, float
        Parameters of the kernel. The default of gamma suits whitened descriptors of unit length.
    alphas : array, optional
        Candidates for alpha. By default 20 from 1e-8 to 30 times the mean of the kernel matrix's diagonal.
    alpha_smoothing : float, optional
        Standard deviation, in numbers of energies, of the Gaussian that smooths the logarithm of the chosen alpha. By
        default all energies share one alpha, which keeps the number of electrons below the Fermi level.
    subtract_mean : bool
        Learn deviations from a mean LDOS of each species, which is not regularised. Where DOS are learned, it is the
        mean that comes closest to all targets. Leave-out errors take the mean as known.
    solver : {"auto", "eigh", "cholesky"}
        Where there are several alphas: eigenvectors of K once, which hold 2 to 3 n^2 numbers for n rows, or a
        factorisation in place for each alpha, n^2 numbers. By default eigenvectors where memory and LAPACK let them.
    precision : {"float64", "float32"}
        "float32" factorises in half the memory and refines the result in float64, where K is evaluated again and never
        stored. For one number as alpha, and refused where the condition number of K + alpha exceeds 1e6.

    Attributes
    ----------
    X_fit_, species_fit_ : arrays (n_environments, n_features), (n_environments,)
    dual_coef_ : array (n_environments, n_energies)
    species_ : ndarray (n_species,)
    target_mean_ : array (n_species, n_energies)
    alpha_ : float or array (n_energies,)
    alphas_, cv_errors_ : arrays (n_alphas,), (n_alphas, n_energies)
        Candidates and their leave-out errors (root mean square of weighted rows); only where alpha was chosen.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(0, 1, 12)[:, None]
    >>> Y = np.hstack([np.sin(3 * X), np.cos(3 * X)])
    >>> index = np.arange(12) // 2
    >>> model = LDOSKernelRidge(kernel="gaussian", gamma=4.0).fit(X, Y, groups=index)
    >>> model.alpha_.shape, bool(abs(model.predict(X) - Y).max() < 0.01)
    ((2,), True)
    >>> dos = np.add.reduceat(Y, np.arange(0, 12, 2))
    >>> split = LDOSKernelRidge(1e-8, learn="dos", kernel="gaussian", gamma=4.0).fit(X, dos, structure_index=index)
    >>> bool(abs(np.add.reduceat(split.predict(X), np.arange(0, 12, 2)) - dos).max() < 1e-4)
    True
    """

    def __init__(
        self,
        alpha: Alpha = "leave-one-group-out",
        *,
        learn: Learn = "ldos",
        ldos_weight: float = 10.0,
        size_exponent: float = 0.0,
        kernel: kernels.Kernel = "matern",
        degree: int = 2,
        gamma: float = 0.3,
        coef0: float = 0.0,
        alphas: ArrayLike | None = None,
        alpha_smoothing: float | None = None,
        subtract_mean: bool = True,
        solver: Solver = "auto",
        precision: Precision = "float64",
    ) -> None:
        self.alpha = alpha
        self.learn = learn
        self.ldos_weight = ldos_weight
        self.size_exponent = size_exponent
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.alphas = alphas
        self.alpha_smoothing = alpha_smoothing
        self.subtract_mean = subtract_mean
        self.solver = solver
        self.precision = precision

    def _fit(self, rows: TrainingRows) -> None:
        self.species_ = np.unique(rows.species)
        self.X_fit_, self.species_fit_ = rows.X, rows.species
        if self.learn == "ldos" and len(self.species_) == 1:
            self._fit_environments(rows)
        else:
            self._fit_sums(rows)

    def _fit_environments(self, rows: TrainingRows) -> None:
        """Fit the LDOS of one species, where the matrix is the kernel itself."""
        xp = namespace(rows.ldos)
        self.target_mean_ = self._mean_or_zero(xp.mean(rows.ldos, axis=0)[None, :])
        targets = rows.ldos - self.target_mean_
        alpha = self._given_alpha(targets)
        grouped = alpha is None and leaves_out_groups(self)
        blocks = solvers.blocks_of(rows.index, targets) if grouped else None
        self.dual_coef_ = self._fit_matrix(EnvironmentKernel(self._kernel(), rows.X), targets, alpha, blocks)

    def _fit_sums(self, rows: TrainingRows) -> None:
        observed = observe(rows, ldos_weight=self.ldos_weight, size_exponent=self.size_exponent)
        self.target_mean_ = self._mean_or_zero(observed.mean_shares())
        targets = observed.without(self.target_mean_)
        alpha = self._given_alpha(targets)
        blocks = _left_out(self, observed) if alpha is None else None
        matrix = SummedKernel(self._kernel(), rows.X, observed.sums, observed.weights)
        coefficients = self._fit_matrix(matrix, targets, alpha, blocks) * observed.weights[:, None]
        spread = [sums.spread(coefficients, rows.X.shape[0]) for sums in observed.sums]
        self.dual_coef_ = sum(spread[1:], start=spread[0])

    def _of_code(self, code: int) -> tuple[Array, Array]:
        """Training environments of one species and their coefficients."""
        if len(self.species_) == 1:
            return self.X_fit_, self.dual_coef_
        here = np.flatnonzero(self.species_fit_ == self.species_[code])
        return take_rows(self.X_fit_, here), take_rows(self.dual_coef_, here)

    def _predict_species(self, X: Array, code: int) -> Array:
        return self._expand(X, *self._of_code(code))

    def _keep_only(self, part: Self, code: int) -> None:
        part.X_fit_, part.dual_coef_ = self._of_code(code)
        part.species_fit_ = self.species_fit_[self.species_fit_ == self.species_[code]]


def _left_out(estimator: PerEnergyRidge, observed: Observations) -> list[Array] | None:
    """Rows that are left out together to choose alpha; None: each on its own."""
    return solvers.blocks_of(observed.labels, observed.targets) if leaves_out_groups(estimator) else None
