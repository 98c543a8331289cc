"""Ridge and kernel ridge regression fitted on the total DOS, which they split over the atoms.

Structural learning (Ben Mahmoud, Anelli, Csanyi and Ceriotti, Phys. Rev. B 102, 235130 (2020); equation 11 of
Aryanpour and Sadeghi, 2025): the shares D_i of the atoms are what is predicted, and only their sums are compared with a
reference. Where the LDOS of some kind is known, too, both can be fitted at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ldosml import kernels, solvers
from ldosml._array import Array, index_like, namespace, to_numpy
from ldosml._validation import check_shape
from ldosml.kernel_matrices import SummedKernel
from ldosml.regression._kernel import KernelFit
from ldosml.regression._observations import Observations, observe, validate_ldos, validate_sums
from ldosml.regression._per_energy import Alpha
from ldosml.regression._species import PerSpecies
from ldosml.resources import Precision, Solver


class StructureRidge(PerSpecies, ABC):
    """What fitting on sums over atoms shares, with and without a kernel."""

    ldos_weight: float
    size_exponent: float

    def fit(
        self,
        X: Array,
        Y: Array,
        structure_index: Array | None = None,
        *,
        species: Array | None = None,
        ldos: Array | None = None,
        groups: Array | None = None,
    ) -> Self:
        """Fit all energies.

        Parameters
        ----------
        X : array (n_environments, n_features)
        Y : array (n_structures, n_energies) or (n_structures,)
            Total DOS of each structure, states/eV.
        structure_index : array (n_environments,), optional
            The row of ``Y`` that each environment belongs to. Default: each environment is a structure.
        species : array (n_environments,) of int, optional
            Atomic number of each centre: environments of different elements have nothing to do with each other.
            Default: all are alike.
        ldos : array (n_environments, n_energies), optional
            To be fitted together with ``Y``; needed where ``ldos_weight`` is not zero.
        groups : array (n_structures,), optional
            Structures of one group (snapshots of a trajectory) are left out together where alpha is chosen. Default:
            each on its own.

        Raises
        ------
        ValueError
            When an array is not finite, shapes differ, structure_index is missing though ``Y`` has fewer rows than
            ``X``, a structure has no environments, alpha is not positive, or only one of ``ldos`` and ``ldos_weight``
            is given.
        """
        X, Y, index = validate_sums(self, X, Y, structure_index)
        self._flat = Y.ndim == 1
        targets = Y[:, None] if self._flat else Y
        centers = np.zeros(len(index), dtype=np.int64) if species is None else to_numpy(species)
        check_shape("species", centers, (len(index),), "n_environments")
        self.species_, codes = np.unique(centers, return_inverse=True)
        labels = np.arange(targets.shape[0]) if groups is None else to_numpy(groups)
        check_shape("groups", labels, (targets.shape[0],), "n_structures")
        self._check_weights(ldos)
        rows = observe(
            targets,
            index,
            codes,
            labels,
            size_exponent=self.size_exponent,
            ldos=None if ldos is None else validate_ldos(ldos, targets, len(index)),
            ldos_weight=self.ldos_weight,
        )
        mean = rows.mean_shares()
        self.target_mean_ = mean if self.subtract_mean else namespace(mean).zeros_like(mean)
        self._solve(X, codes, rows)
        return self

    def _check_weights(self, ldos: Array | None) -> None:
        if not (0 <= self.ldos_weight < np.inf and -np.inf < self.size_exponent < np.inf):
            raise ValueError(
                "ldos_weight must be zero or a positive number and size_exponent a number; got "
                f"{self.ldos_weight!r} and {self.size_exponent!r}."
            )
        if (ldos is not None) != (self.ldos_weight > 0):
            raise ValueError(
                "A joint fit needs both ldos and a weight for it: "
                f"got ldos_weight={self.ldos_weight:g} {'with' if ldos is not None else 'without'} ldos."
            )

    def _leave_out(self, rows: Observations) -> list[Array] | None:
        """Rows that are left out together, where alpha is to be chosen."""
        if self.alpha == "leave-one-out":
            raise ValueError(
                f"alpha of {type(self).__name__} must be a number, an array with one per energy, or "
                "'leave-one-group-out'; got 'leave-one-out'. Its rows are whole structures."
            )
        if rows.targets.shape[0] < 2:
            raise ValueError("alpha='leave-one-group-out' needs at least 2 structures; got 1 sample.")
        return self._blocks(rows.labels, rows.targets)

    @abstractmethod
    def _solve(self, X: Array, codes: NDArray[np.int64], rows: Observations) -> None:
        """Fit ``rows`` without the mean; set ``alpha_`` and what the model consists of."""


class DOSKernelRidge(KernelFit, StructureRidge):
    r"""Kernel ridge regression of the total DOS, split over the atoms; all energies from one factorisation.

    For every energy minimises, over functions f_z of the kernel's space, one for each species z,

    .. math::
        \sum_s n_s^{-p} \Big|D_s - \sum_{i \in s} f_{z_i}(x_i)\Big|^2 + w \sum_i |D_i - f_{z_i}(x_i)|^2
        + \alpha \sum_z \|f_z\|^2

    (equation 11 of Aryanpour and Sadeghi, 2025, for w = 0 and p = 0; joint with equation 12 for w > 0). The minimum is
    f(x) = sum_i k(x, x_i) sum_r w_r c_r, where r runs over the rows that contain environment i, and c = (K_s +
    alpha)^-1 y with K_s = S K S^T: a matrix of as many rows as there are structures (and, in a joint fit,
    environments), summed block by block, so that K is never held.

    Parameters
    ----------
    alpha : float, array (n_energies,) or "leave-one-group-out"
        Regularisation, in the unit of K_s; or how to choose it per energy among ``alphas``, in closed form.
    kernel : {"polynomial", "linear", "gaussian", "matern"}
        (gamma x.z + coef0)^degree, x.z, exp(-gamma |x-z|^2), or (1+d) exp(-d) with d^2 = 3 gamma |x-z|^2.
    degree, gamma, coef0 : int, float, float
        Parameters of the kernel; the defaults suit descriptors of unit length.
    ldos_weight : float
        Weight of the squared error of one atom's LDOS in a joint fit; 0 for structural learning.
    size_exponent : float
        The squared error of a structure's DOS counts by n_atoms^-size_exponent: 0 as in equation 11 of the paper, 2 for
        equal weight of the DOS per atom, 1 for errors of atoms that are independent.
    alphas : array, optional
        Candidates for alpha. By default 20 from 1e-8 to 30 times the mean of the diagonal of K_s.
    alpha_smoothing : float
        Standard deviation, in numbers of energies, of the Gaussian that smooths the logarithm of the chosen alpha.
    subtract_mean : bool
        Learn deviations from a mean share of the atoms of each species, which is not regularised: the shares that come
        closest to all targets in the same sum of squares, the smallest ones where the compositions do not tell the
        species apart. Leave-out errors take it as known.
    solver : {"auto", "eigh", "cholesky"}
    precision : {"float64", "float32"}
        As in ``LDOSKernelRidge``.

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
    >>> index = np.arange(12) // 2
    >>> dos = np.add.reduceat(np.hstack([np.sin(3 * X), np.cos(3 * X)]), np.arange(0, 12, 2))
    >>> model = DOSKernelRidge(1e-8, kernel="gaussian", gamma=4.0).fit(X, dos, structure_index=index)
    >>> bool(abs(np.add.reduceat(model.predict(X), np.arange(0, 12, 2)) - dos).max() < 1e-4)
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
        ldos_weight: float = 0.0,
        size_exponent: float = 0.0,
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
        self.ldos_weight = ldos_weight
        self.size_exponent = size_exponent
        self.alphas = alphas
        self.alpha_smoothing = alpha_smoothing
        self.subtract_mean = subtract_mean
        self.solver = solver
        self.precision = precision

    def _solve(self, X: Array, codes: NDArray[np.int64], rows: Observations) -> None:
        matrix = SummedKernel(self._kernel, X, rows.sums, rows.weights)
        targets = rows.without(self.target_mean_)
        alpha = self._given_alpha(targets)
        blocks = self._leave_out(rows) if alpha is None else None
        coefficients = self._fit_matrix(matrix, targets, alpha, blocks) * rows.weights[:, None]
        spread = [sums.spread(coefficients, X.shape[0]) for sums in rows.sums]
        self.dual_coef_ = sum(spread[1:], start=spread[0])
        self.X_fit_, self.species_fit_ = X, self.species_[codes]

    def _shares(self, X: Array, code: int) -> Array:
        xp, here = namespace(X), index_like(X, np.flatnonzero(self.species_fit_ == self.species_[code]))
        fitted, coefficients = xp.take(self.X_fit_, here, axis=0), xp.take(self.dual_coef_, here, axis=0)
        return self._expand(X, fitted, coefficients) + self.target_mean_[code, :][None, :]

    def _keep_only(self, part: Self, code: int) -> None:
        xp, here = namespace(self.X_fit_), np.flatnonzero(self.species_fit_ == self.species_[code])
        part.species_fit_ = self.species_fit_[here]
        part.X_fit_ = xp.take(self.X_fit_, index_like(self.X_fit_, here), axis=0)
        part.dual_coef_ = xp.take(self.dual_coef_, index_like(self.X_fit_, here), axis=0)


class DOSRidge(StructureRidge):
    r"""Linear ridge regression of the total DOS, split over the atoms.

    For every energy minimises

    .. math::
        \sum_s n_s^{-p} \Big|D_s - \sum_{i \in s} x_i \cdot w_{z_i}\Big|^2 + w \sum_i |D_i - x_i \cdot w_{z_i}|^2
        + \alpha \sum_z |w_z|^2

    by a singular value decomposition of the summed features (equation 11 of Aryanpour and Sadeghi, 2025, for w = 0 and
    p = 0).

    Parameters
    ----------
    alpha : float, array (n_energies,) or "leave-one-group-out"
        Regularisation, in the unit of X^2; or how to choose it per energy among ``alphas``, in closed form.
    ldos_weight : float
        Weight of the squared error of one atom's LDOS in a joint fit; 0 for structural learning.
    size_exponent : float
        The squared error of a structure's DOS counts by n_atoms^-size_exponent: 0 as in equation 11 of the paper, 2 for
        equal weight of the DOS per atom, 1 for errors of atoms that are independent.
    alphas : array, optional
        Candidates for alpha. By default 20 from 1e-8 to 30 times the mean squared length of a row of summed features.
    alpha_smoothing : float
        Standard deviation, in numbers of energies, of the Gaussian that smooths the logarithm of the chosen alpha.
    subtract_mean : bool
        Learn deviations from a mean share of the atoms of each species, which is not regularised: the shares that come
        closest to all targets in the same sum of squares, the smallest ones where the compositions do not tell the
        species apart. Leave-out errors take it as known.

    Attributes
    ----------
    coef_ : array (n_species, n_features, n_energies)
    species_ : ndarray (n_species,)
    target_mean_ : array (n_species, n_energies)
    alpha_ : float or array (n_energies,)
    alphas_, cv_errors_ : arrays (n_alphas,), (n_alphas, n_energies)
        Candidates and their leave-out errors (root mean square of weighted rows); only where alpha was chosen.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    >>> dos = np.array([[5.0], [12.0]])
    >>> model = DOSRidge(1e-9, subtract_mean=False).fit(X, dos, structure_index=[0, 0, 1, 1])
    >>> model.predict(X[:1]).round(4)
    array([[2.]])
    """

    def __init__(
        self,
        alpha: Alpha = 1e-3,
        *,
        ldos_weight: float = 0.0,
        size_exponent: float = 0.0,
        alphas: ArrayLike | None = None,
        alpha_smoothing: float = 5.0,
        subtract_mean: bool = True,
    ) -> None:
        self.alpha = alpha
        self.ldos_weight = ldos_weight
        self.size_exponent = size_exponent
        self.alphas = alphas
        self.alpha_smoothing = alpha_smoothing
        self.subtract_mean = subtract_mean

    def _solve(self, X: Array, codes: NDArray[np.int64], rows: Observations) -> None:
        targets = rows.without(self.target_mean_)
        factors = solvers.factorize_features(rows.features(X))
        alpha = self._given_alpha(targets)
        self.alpha_ = self._choose_alpha(factors, targets, self._leave_out(rows)) if alpha is None else alpha
        xp = namespace(targets)
        per_energy = self.alpha_ * xp.ones_like(targets[0, :])
        weights = solvers.primal_coefficients(factors, targets, per_energy)
        self.coef_ = xp.reshape(weights, (len(self.species_), X.shape[1], targets.shape[1]))

    def _shares(self, X: Array, code: int) -> Array:
        return X @ self.coef_[code, :, :] + self.target_mean_[code, :][None, :]

    def _keep_only(self, part: Self, code: int) -> None:
        part.coef_ = self.coef_[code : code + 1, :, :]
