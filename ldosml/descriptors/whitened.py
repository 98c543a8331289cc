"""Descriptors whose directions weigh more evenly: SOAP varies along few directions far more than along the others."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from ldosml.descriptors.environments import Environments, EnvironmentTransformer, center_numbers, listed
from ldosml.descriptors.soap import SOAP

_SMALLEST = 1e-12
"""Variance, as a fraction of the largest, below which a direction is left out: there it may be rounding."""

_ROUNDING = 1e-20
"""The same as a fraction of the mean squared length of the rows, for environments that are all alike."""


class Whitened(EnvironmentTransformer):
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
        if not 0 <= self.power <= 1:
            raise ValueError(f"power of Whitened must be a number from 0 to 1; got {self.power!r}.")
        if isinstance(self.descriptor, Whitened):
            raise TypeError("Whitened whitens SOAP or JoinedSOAP; got Whitened, whose rows are white already.")
        items = listed(structures)
        self.descriptor_ = SOAP() if self.descriptor is None else clone(self.descriptor)
        X = self._described(items, self.descriptor_.fit(items))
        centers = center_numbers(items)
        self.species_ = np.unique(centers)
        self.n_features_out_ = int(X.shape[1])
        fitted = [_moments(X[centers == number], self.power) for number in self.species_]
        self.means_ = np.array([mean for mean, _ in fitted])
        self.maps_ = np.array([map_ for _, map_ in fitted])
        return self._mapped(X, centers)

    def transform(self, structures: Environments) -> NDArray[np.float64]:
        """Compute the rows, (n_environments, n_features_out_), of structures or fragments.

        Takes and raises what ``transform`` of the descriptor does; and ValueError for a centre of an element that was
        not among those of ``fit``.
        """
        check_is_fitted(self)
        items = listed(structures)
        X = self._described(items, self.descriptor_)
        return self._mapped(X, center_numbers(items))

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Names of the descriptor's features, (n_features_out_,): each stays closest to its own."""
        check_is_fitted(self)
        names: NDArray[np.object_] = self.descriptor_.get_feature_names_out()
        return names

    def _described(self, items: list[Any], descriptor: Any) -> NDArray[np.float64]:
        if self.n_jobs is not None:
            descriptor.set_params(n_jobs=self.n_jobs)
        X: NDArray[np.float64] = descriptor.transform(items)
        return X

    def _mapped(self, X: NDArray[np.float64], centers: NDArray[np.int64]) -> NDArray[np.float64]:
        unknown = np.setdiff1d(centers, self.species_)
        if unknown.size:
            raise ValueError(
                f"Whitened was fitted on centres of atomic numbers {self.species_.tolist()}; it has no map for "
                f"{unknown.tolist()}. Fit on structures that hold every element."
            )
        for number, mean, map_ in zip(self.species_, self.means_, self.maps_, strict=True):
            rows = centers == number
            X[rows] = (X[rows] - mean) @ map_
        return X


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
