"""Descriptors whose directions weigh more evenly: SOAP varies along few directions far more than along the others."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from ldosml.descriptors import SOAP, Environments
from ldosml.fragments import Fragment
from ldosml.regions import Region

_SMALLEST = 1e-12
"""Variance, as a fraction of the largest, below which a direction is left out: there it may be rounding."""

_ROUNDING = 1e-20
"""The same as a fraction of the mean squared length of the rows, for environments that are all alike."""


class Whitened(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    r"""A descriptor with the variances along its principal directions drawn together.

    With the covariance :math:`C = V \Lambda V^T` of the rows x of the training environments of one centre species, and
    their mean m,

    .. math::
        x' = (x - m)\, V \Lambda^{-p/2} V^T \big/ \sqrt{\operatorname{tr} \Lambda^{1-p}}

    so that the rows of each species have mean zero and mean squared length 1. ``power`` p = 0 only moves and scales; at
    1 all directions have the same variance (whitening: Kessy, Lewin and Strimmer, Am. Stat. 72, 309 (2018), ZCA).
    Distances after it are between the Euclidean and the Mahalanobis distance of the descriptors. Kernels of distances
    ("gaussian", "matern") go with it; x.z is no longer the kernel of SOAP.

    Parameters
    ----------
    descriptor : SOAP, JoinedSOAP or Precomputed, optional
        Cloned, not fitted itself. Default: ``SOAP()``.
    power : float
        p, from 0 up to 1.
    n_jobs : int, optional
        Number of processes; None leaves the descriptor its own.

    Attributes
    ----------
    descriptor_ : transformer
        Fitted.
    species_ : ndarray (n_species,) of int
        Atomic numbers of the centres, ascending.
    means_ : ndarray (n_species, n_features)
    maps_ : ndarray (n_species, n_features, n_features)
        Symmetric.
    n_features_out_ : int
        As many as the descriptor has.

    Examples
    --------
    >>> from ase.build import bulk
    >>> structures = [bulk("Si", a=a) for a in (5.3, 5.4, 5.5)]
    >>> X = Whitened(SOAP(r_cut=4.0, n_max=4, l_max=3)).fit_transform(structures)
    >>> round(float((X**2).sum(axis=1).mean()), 6)
    1.0
    """

    def __init__(self, descriptor: Any = None, power: float = 0.5, n_jobs: int | None = None) -> None:
        self.descriptor = descriptor
        self.power = power
        self.n_jobs = n_jobs

    def fit(self, structures: Environments, y: object = None) -> Self:
        """Learn means and maps from the environments of some structures; ``y`` is not used.

        Raises ValueError when ``power`` is not in 0..1 or the descriptor refuses the structures.
        """
        self.fit_transform(structures)
        return self

    def fit_transform(self, structures: Environments, y: object = None) -> NDArray[np.float64]:
        """Fit, and give the rows of the same structures without computing them twice."""
        if isinstance(self.descriptor, Whitened):
            raise TypeError("Whitened whitens SOAP or JoinedSOAP; got Whitened, whose rows are white already.")
        listed = structures if isinstance(structures, Atoms | Fragment | Region) else list(structures)
        self._check_power()
        self.descriptor_ = SOAP() if self.descriptor is None else clone(self.descriptor)
        X, centers = self._described(listed, self.descriptor_.fit(listed)), _center_numbers(listed)
        return self.fit_rows(X, centers).transform_rows(X, centers)

    def fit_rows(self, X: NDArray[np.float64], numbers: NDArray[np.int64]) -> Self:
        """Learn means and maps from rows that the descriptor gave before.

        Parameters
        ----------
        X : array (n_environments, n_features)
            Rows of the descriptor within.
        numbers : array (n_environments,) of int
            Atomic numbers of the centres.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            When ``power`` is not in 0..1.
        """
        self._check_power()
        self.species_ = np.unique(numbers)
        self.n_features_out_ = int(X.shape[1])
        fitted = [_moments(X[numbers == number], self.power) for number in self.species_]
        self.means_ = np.array([mean for mean, _ in fitted])
        self.maps_ = np.array([map_ for _, map_ in fitted])
        return self

    def _check_power(self) -> None:
        if not 0 <= self.power <= 1:
            raise ValueError(f"power of Whitened must be a number from 0 to 1; got {self.power!r}.")

    def transform(self, structures: Environments) -> NDArray[np.float64]:
        """Compute the rows, (n_environments, n_features_out_), of structures or fragments.

        Takes and raises what ``transform`` of the descriptor does; and ValueError for a centre of an element that was
        not among those of ``fit``.
        """
        check_is_fitted(self, "descriptor_")
        listed = structures if isinstance(structures, Atoms | Fragment | Region) else list(structures)
        X = self._described(listed, self.descriptor_)
        return self.transform_rows(X, _center_numbers(listed))

    def transform_rows(self, X: NDArray[np.float64], numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Whiten rows that the descriptor gave before.

        Parameters
        ----------
        X : array (n_environments, n_features)
            Rows of the descriptor within.
        numbers : array (n_environments,) of int
            Atomic numbers of the centres.

        Returns
        -------
        array (n_environments, n_features)

        Raises
        ------
        ValueError
            For a centre of an element that was not among those of ``fit``.
        """
        check_is_fitted(self, "maps_")
        unknown = np.setdiff1d(numbers, self.species_)
        if unknown.size:
            raise ValueError(
                f"Whitened was fitted on centres of atomic numbers {self.species_.tolist()}; it has no map for "
                f"{unknown.tolist()}. Fit on structures that hold every element."
            )
        white = np.empty_like(X)
        for number, mean, map_ in zip(self.species_, self.means_, self.maps_, strict=True):
            rows = numbers == number
            white[rows] = (X[rows] - mean) @ map_
        return white

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Names of the descriptor's features, (n_features_out_,): each stays closest to its own."""
        check_is_fitted(self)
        names: NDArray[np.object_] = self.descriptor_.get_feature_names_out()
        return names

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that the input is structures, not a matrix."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        return tags

    def _described(self, listed: Environments, descriptor: Any) -> NDArray[np.float64]:
        if self.n_jobs is not None:
            descriptor.set_params(n_jobs=self.n_jobs)
        X: NDArray[np.float64] = descriptor.transform(listed)
        return X


def _center_numbers(listed: Environments) -> NDArray[np.int64]:
    """Atomic number of the centre of each environment, (n_environments,)."""
    items = [listed] if isinstance(listed, Atoms | Fragment | Region) else listed
    return np.concatenate([[item.number] if isinstance(item, Fragment) else item.numbers for item in items])


def _moments(X: NDArray[np.float64], power: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean (n_features,) and map (n_features, n_features) of rows (n_environments, n_features)."""
    mean = X.mean(axis=0)
    deviations = X - mean
    variances, directions = np.linalg.eigh(deviations.T @ deviations / len(X))
    kept = variances > max(_SMALLEST * variances[-1], _ROUNDING * np.mean(X * X) * X.shape[1])
    variances, directions = variances[kept], directions[:, kept]
    # Where all environments are alike, as in one perfect crystal, nothing is kept, and the map is zero.
    length = np.sqrt(np.sum(variances ** (1 - power))) or 1.0
    return mean, (directions * variances ** (-power / 2)) @ directions.T / length
