"""What per-energy regressions share: targets, their mean, and alpha or its choice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin

from ldosml import solvers
from ldosml._array import Array, like, namespace, to_numpy
from ldosml._validation import check_shape, validate_fit

LeaveOut = Literal["leave-one-out", "leave-one-group-out"]
Alpha = float | ArrayLike | LeaveOut

DEFAULT_ALPHAS = tuple(float(a) for a in np.logspace(-8, 1.5, 20))
"""Candidates for alpha, as multiples of the mean of the kernel's diagonal (of X X^T without a kernel)."""


class PerEnergyRidge(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """What all of them share: alpha and its choice, and the mean that predictions are given back."""

    alpha: Alpha
    alphas: ArrayLike | None
    alpha_smoothing: float
    subtract_mean: bool

    def _given_alpha(self, targets: Array) -> Array | float | None:
        """Alpha as one number or (n_energies,); None where it is to be chosen."""
        if isinstance(self.alpha, str):
            if self.alpha not in ("leave-one-out", "leave-one-group-out"):
                raise ValueError(
                    "alpha must be a positive number, an array with one per energy, 'leave-one-out' or "
                    f"'leave-one-group-out'; got {self.alpha!r}."
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
                "alpha='leave-one-group-out' needs structure_index, the structure of each environment: "
                "fit(X, Y, structure_index=index). Atoms of one structure on both sides would flatter the error."
            )
        index = to_numpy(structure_index)
        check_shape("structure_index", index, (targets.shape[0],), "n_environments")
        return solvers.blocks_of(index, targets)

    def _choose_alpha(self, factors: solvers.Factorization, targets: Array, blocks: list[Array] | None) -> Array:
        """Set ``alphas_``, ``cv_errors_`` and give alpha (n_energies,)."""
        candidates = self._candidates(float(namespace(targets).sum(factors.eigenvalues)) / targets.shape[0])
        return self._choose(solvers.errors_by_alpha(factors, targets, candidates, blocks), targets)

    def _candidates(self, scale: float) -> list[float]:
        """Set and give ``alphas_``: those given, or the default ones times ``scale``, the mean of the diagonal of K."""
        if self.alphas is None:
            self.alphas_ = np.asarray(DEFAULT_ALPHAS) * (scale or 1.0)
        else:
            self.alphas_ = np.atleast_1d(np.asarray(to_numpy(self.alphas), dtype=float))
            if not (self.alphas_.size and np.isfinite(self.alphas_).all() and (self.alphas_ > 0).all()):
                raise ValueError(f"alphas must be positive and finite, at least one; got {self.alphas!r}.")
        if not 0 <= self.alpha_smoothing < np.inf:
            raise ValueError(f"alpha_smoothing must be zero or a positive number; got {self.alpha_smoothing!r}.")
        return [float(a) for a in self.alphas_]

    def _choose(self, errors: Array, targets: Array) -> Array:
        """Set ``cv_errors_`` (n_alphas, n_energies) and give the alpha of each energy that they choose."""
        self.cv_errors_ = errors
        variance = namespace(targets).mean(targets * targets, axis=0)
        return solvers.choose_alpha(errors, self.alphas_, variance, self.alpha_smoothing)

    def _finish(self, predicted: Array) -> Array:
        predicted = predicted + self.target_mean_[None, :]
        return predicted[:, 0] if self._flat else predicted


class EnvironmentRidge(PerEnergyRidge, ABC):
    """Regressions whose targets are the LDOS of environments, one row each."""

    def fit(self, X: Array, Y: Array, structure_index: Array | None = None) -> Self:
        """Fit all energies.

        Parameters
        ----------
        X : array (n_environments, n_features)
        Y : array (n_environments, n_energies) or (n_environments,)
            Targets, states/eV/atom.
        structure_index : array (n_environments,), optional
            Which environments belong together; needed to choose alpha by leave-one-group-out.

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

    @abstractmethod
    def _solve(self, X: Array, targets: Array, alpha: Array | float | None, blocks: list[Array] | None) -> None:
        """Fit targets without their mean; set ``alpha_``, chosen among ``alphas`` where ``alpha`` is None."""
