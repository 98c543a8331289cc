"""Models that consist of one part for each centre species."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from ldosml._array import Array, index_like, namespace, to_numpy
from ldosml._validation import check_shape, validate_predict
from ldosml.regression._per_energy import PerEnergyRidge


class PerSpecies(PerEnergyRidge, ABC):
    """Predictions by species, and the part of a model that makes those of one species."""

    species_: NDArray[np.int64]
    target_mean_: Array

    def _codes(self, n_environments: int, species: Array | None) -> NDArray[np.int64]:
        """Position among ``species_`` of each environment that is to be predicted."""
        if species is None:
            if len(self.species_) > 1:
                raise ValueError(
                    f"This model was fitted with the species {self.species_.tolist()}: predict(X, species=...) needs "
                    "the one of each environment."
                )
            return np.zeros(n_environments, dtype=np.int64)
        centers = to_numpy(species)
        check_shape("species", centers, (n_environments,), "n_environments")
        unknown = np.setdiff1d(centers, self.species_)
        if unknown.size:
            raise ValueError(f"The model was fitted with the species {self.species_.tolist()}; got {unknown[0]}.")
        return np.searchsorted(self.species_, centers)

    def predict(self, X: Array, species: Array | None = None) -> Array:
        """Predict the share of each environment, states/eV/atom; the shares of a structure add up to its DOS.

        Descriptors (n_environments, n_features), and the ``species`` (n_environments,) of their centres where the model
        was fitted with several, give (n_environments, n_energies).
        """
        check_is_fitted(self)
        X = validate_predict(self, X)
        xp = namespace(X)
        codes = self._codes(X.shape[0], species)
        order = np.argsort(codes, kind="stable")
        bounds = np.searchsorted(codes[order], np.arange(len(self.species_) + 1))
        parts = [
            self._shares(xp.take(X, index_like(X, order[bounds[z] : bounds[z + 1]]), axis=0), z)
            for z in range(len(self.species_))
            if bounds[z + 1] > bounds[z]
        ]
        predicted = xp.take(xp.concat(parts, axis=0), index_like(X, np.argsort(order)), axis=0)
        return predicted[:, 0] if self._flat else predicted

    @abstractmethod
    def _shares(self, X: Array, code: int) -> Array:
        """Predict environments of one species: (n, n_energies)."""

    def of_species(self, species: int) -> Self:
        """Give the part of the fitted model that predicts the atoms of one species, a fitted model of its own.

        Raises ValueError when the model was not fitted with that species.
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
