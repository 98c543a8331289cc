"""What per-energy regressions share: alpha or its choice, species, predictions and their score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin, clone
from sklearn.utils.validation import check_is_fitted

from ldosml import metrics, solvers
from ldosml._array import Array, like, namespace, sum_by_index, take_rows, to_numpy
from ldosml._validation import check_shape, validate_predict
from ldosml.regression._training_rows import (
    Learn,
    LeaveOut,
    TrainingRows,
    center_species,
    n_rows,
    rows_of_structures,
    training_rows,
)

Alpha = float | ArrayLike | LeaveOut

DEFAULT_ALPHAS = tuple(float(a) for a in np.logspace(-8, 1.5, 20))
"""Candidates for alpha, as multiples of the mean of the kernel's diagonal (of X X^T without a kernel)."""


class PerEnergyRidge(MultiOutputMixin, RegressorMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """A ridge regression for every energy, of LDOS, of DOS or of both, that predicts LDOS."""

    # Metadata routing gives these estimators the groups that a search or a cross-validation is given.
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"groups": True}

    alpha: Alpha
    alphas: ArrayLike | None
    alpha_smoothing: float | None
    learn: Learn
    ldos_weight: float
    size_exponent: float
    subtract_mean: bool

    species_: NDArray[np.int64]
    target_mean_: Array

    def fit(
        self,
        X: Array,
        Y: Array,
        *,
        dos: Array | None = None,
        structure_index: Array | None = None,
        species: Array | None = None,
        groups: Array | None = None,
    ) -> Self:
        """Fit all energies.

        Parameters
        ----------
        X : array (n_environments, n_features)
            Descriptors.
        Y : array (n_environments, n_energies) or (n_environments,)
            LDOS, states/eV/atom. With ``learn="dos"``, the total DOS (n_structures, n_energies), states/eV.
        dos : array (n_structures, n_energies), optional
            With ``learn="both"``: total DOS, states/eV. Default: the sums of ``Y``.
        structure_index : array (n_environments,) of int, optional
            The structure of each environment, 0 to n_structures - 1 in the order of the DOS. Needed with
            ``learn="dos"`` (unless each environment is a structure) and with ``learn="both"``.
        species : array (n_environments,) of int, optional
            Atomic number of each centre. Environments of different elements share nothing. Default: all are alike.
        groups : array, optional
            What is left out together where alpha is chosen by "leave-one-group-out": a value for each environment;
            with ``learn="dos"`` a value for each structure. Default: each structure is a group; without
            ``structure_index``, each environment, with a warning.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            When an array is not finite, shapes differ, a parameter is out of range, ``structure_index`` is missing or
            skips a structure, a structure belongs to two groups, or there are fewer than two groups to leave out.
        numpy.linalg.LinAlgError
            When alpha is so small that the fit is rounding.

        Warns
        -----
        UserWarning
            When alpha is chosen by leaving out single environments because nothing says which belong together.
        """
        rows = training_rows(self, X, Y, dos, structure_index, species, groups)
        self._flat = rows.flat
        self._fit(rows)
        return self

    @abstractmethod
    def _fit(self, rows: TrainingRows) -> None:
        """Fit checked data; set ``species_``, ``target_mean_``, ``alpha_`` and what the model consists of."""

    def predict(self, X: Array, *, species: Array | None = None) -> Array:
        """Predict the LDOS of each environment; the LDOS of a structure's atoms add up to its DOS.

        Parameters
        ----------
        X : array (n_environments, n_features)
            Descriptors.
        species : array (n_environments,) of int, optional
            Atomic number of each centre; needed where the model was fitted with several.

        Returns
        -------
        array (n_environments, n_energies)
            States/eV/atom; (n_environments,) where the targets of ``fit`` had no axis of energies.

        Raises
        ------
        ValueError
            When the number of features is not the same as in ``fit``, or a species is missing or unknown.
        """
        check_is_fitted(self)
        X = validate_predict(self, X)
        codes = self._codes(X.shape[0], species)
        order = np.argsort(codes, kind="stable")
        bounds = np.searchsorted(codes[order], np.arange(len(self.species_) + 1))
        parts = [
            self._predict_species(take_rows(X, order[bounds[z] : bounds[z + 1]]), z) + self.target_mean_[z, :][None, :]
            for z in range(len(self.species_))
            if bounds[z + 1] > bounds[z]
        ]
        predicted = take_rows(namespace(X).concat(parts, axis=0), np.argsort(order))
        return predicted[:, 0] if self._flat else predicted

    @abstractmethod
    def _predict_species(self, X: Array, code: int) -> Array:
        """Predict deviations from the mean of environments of one species: (n, n_energies)."""

    def score(
        self,
        X: Array,
        y: Array,
        sample_weight: Array | None = None,
        *,
        structure_index: Array | None = None,
        species: Array | None = None,
    ) -> float:
        """Score predictions by R2, the energies weighted by their variance.

        R2 = 1 - sum (y - f)^2 / sum (y - mean_e)^2, both sums over rows and energies, mean_e the mean at each energy.
        scikit-learn's default weighs all energies alike, so that energies with next to no states decide.

        Parameters
        ----------
        X : array (n_environments, n_features)
            Descriptors.
        y : array (n_environments, n_energies) or (n_environments,)
            True LDOS, states/eV/atom. With ``structure_index``, true DOS (n_structures, n_energies), states/eV.
        sample_weight : array (n_rows of y,), optional
            Weights of the rows of ``y``.
        structure_index : array (n_environments,) of int, optional
            Sum predictions over the atoms of each structure, and compare the sums with ``y``.
        species : array (n_environments,) of int, optional
            As in ``predict``.

        Returns
        -------
        float
            1 is perfect; 0 is the mean spectrum.

        Raises
        ------
        ValueError
            As ``predict``, and when shapes differ.
        """
        return score_ldos(self.predict(X, species=species), y, sample_weight, structure_index)

    def of_species(self, species: int) -> Self:
        """Give the part of the fitted model that predicts the atoms of one species.

        Parameters
        ----------
        species : int
            Atomic number.

        Returns
        -------
        estimator
            A fitted model of its own.

        Raises
        ------
        ValueError
            When the model was not fitted with that species.
        """
        check_is_fitted(self)
        code = int(self._codes(1, np.asarray([species]))[0])
        part: Self = clone(self)
        for name in vars(self).keys() - self.get_params().keys():
            setattr(part, name, getattr(self, name))
        part.species_ = self.species_[code : code + 1]
        part.target_mean_ = self.target_mean_[code : code + 1, :]
        self._keep_only(part, code)
        return part

    @abstractmethod
    def _keep_only(self, part: Self, code: int) -> None:
        """Leave in ``part`` what predicts one species."""

    def _codes(self, n_environments: int, species: Array | None) -> NDArray[np.int64]:
        """Position among ``species_`` of each environment that is to be predicted."""
        if species is None:
            if len(self.species_) > 1:
                raise ValueError(
                    f"This model was fitted with the species {self.species_.tolist()}: predict(X, species=...) needs "
                    "the species of each environment."
                )
            return np.zeros(n_environments, dtype=np.int64)
        centers = center_species(species, n_environments)
        unknown = np.setdiff1d(centers, self.species_)
        if unknown.size:
            raise ValueError(f"The model was fitted with the species {self.species_.tolist()}; got {unknown[0]}.")
        return np.searchsorted(self.species_, centers)

    def _mean_or_zero(self, mean: Array) -> Array:
        """What is subtracted from the targets, (n_species, n_energies)."""
        return mean if self.subtract_mean else namespace(mean).zeros_like(mean)

    def _given_alpha(self, targets: Array) -> Array | float | None:
        """Alpha as one number or (n_energies,); None where it is to be chosen. What a former fit chose is forgotten."""
        for name in ("alphas_", "cv_errors_"):
            self.__dict__.pop(name, None)
        if isinstance(self.alpha, str):
            return None  # the word was checked with the other parameters
        values = np.asarray(to_numpy(self.alpha), dtype=float)
        if values.ndim == 0:
            return float(values)
        check_shape("alpha", values, (targets.shape[1],), "n_energies")
        return like(targets, values)

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
            check_shape("alphas", self.alphas_, (None,), "n_alphas")
            if not (self.alphas_.size and np.isfinite(self.alphas_).all() and (self.alphas_ > 0).all()):
                raise ValueError(f"alphas must be positive and finite, at least one; got {self.alphas!r}.")
        return [float(a) for a in self.alphas_]

    def _choose(self, errors: Array, targets: Array) -> Array:
        """Set ``cv_errors_`` (n_alphas, n_energies) and give the alpha of each energy that they choose."""
        self.cv_errors_ = errors
        variance = namespace(targets).mean(targets * targets, axis=0)
        return solvers.choose_alpha(errors, self.alphas_, variance, self.alpha_smoothing)


def score_ldos(predicted: Array, y: Array, sample_weight: Array | None, structure_index: Array | None) -> float:
    """Score predicted LDOS, or with ``structure_index`` their sums, by R2, the energies weighted by their variance."""
    if structure_index is not None:
        index = rows_of_structures(structure_index, int(predicted.shape[0]), n_rows(y))
        rows = predicted[:, None] if predicted.ndim == 1 else predicted
        predicted = namespace(rows).reshape(sum_by_index(rows, index, n_rows(y)), (-1, *predicted.shape[1:]))
    return metrics.variance_weighted_r2(y, predicted, sample_weight)
