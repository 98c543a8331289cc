"""Whitened descriptors: SOAP varies far more along a few directions than along the others, which this evens out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from ldosml._ranges import check_attributes
from ldosml._validation import check_finite, check_shape
from ldosml.descriptors.environments import Environments, EnvironmentTransformer, center_numbers, listed
from ldosml.descriptors.joined import Joined
from ldosml.descriptors.soap import SOAP
from ldosml.resources import DescriptorPlan, require_memory, speeds

_SMALLEST = 1e-12
"""Variance, as a fraction of the largest, below which a direction is left out: there it may be rounding."""

_ROUNDING = 1e-20
"""The same as a fraction of the mean squared length of the rows, for environments that are all alike."""


_SMALL = 1000  # features up to which maps take less than a second

_INSTEAD = "Give SOAP a smaller n_max or l_max: its features grow with the square of the elements. Or do not whiten it."


class Whitened(EnvironmentTransformer):
    r"""A descriptor with the variances along its principal directions drawn together.

    For each centre species, the rows x of its training environments have the mean m and the covariance
    :math:`C = V \Lambda V^T`. They become

    .. math::
        x' = (x - m)\, V \Lambda^{-p/2} V^T \big/ \sqrt{\operatorname{tr} \Lambda^{1-p}}

    so that the rows of each species have mean zero and mean squared length 1. ``power`` p = 0 only moves and scales; at
    1 all directions have the same variance (whitening: Kessy, Lewin and Strimmer, Am. Stat. 72, 309 (2018), ZCA).
    Distances after it are between the Euclidean and the Mahalanobis distance of the descriptors. Kernels of distances
    ("gaussian", "matern") go with it; x.z is no longer the kernel of SOAP.

    Parameters
    ----------
    descriptor : SOAP, TightBindingSpectrum, PretrainedFeatures, Precomputed or Joined, optional
        Cloned, not fitted itself; it must not learn from rows itself. Default: ``SOAP()``.
    power : float
        p, from 0 up to 1.
    n_jobs : int, optional
        Number of processes; None leaves the descriptor its own.

    Attributes
    ----------
    descriptor_ : transformer
        Fitted; not there after ``fit_rows`` alone.
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
        """Learn means and maps from the environments of some structures.

        Parameters
        ----------
        structures : ase.Atoms, Fragment, Region, or iterable of one of them
            What the descriptor takes.
        y : object
            Not used.

        Returns
        -------
        Whitened
            This object, fitted.

        Raises
        ------
        ValueError
            When ``power`` is not in 0..1 or the descriptor refuses the structures.
        TypeError
            When the descriptor is itself a Whitened, or joins one.
        """
        self.fit_transform(structures)
        return self

    def raw_rows(self, structures: Environments) -> NDArray[np.float64]:
        """Compute the rows of the descriptor that is whitened.

        Parameters
        ----------
        structures : ase.Atoms, Fragment, Region, or iterable of one of them
            What the descriptor takes.

        Returns
        -------
        ndarray (n_environments, n_features)
            Atom by atom, structure by structure.

        Raises
        ------
        ValueError
            When ``power`` is not in 0..1 or the descriptor refuses the structures.
        TypeError
            When the descriptor learns from rows itself, as Whitened does.
        MemoryError
            When rows and maps do not fit into the free memory; before they are computed.
        """
        self.check_parameters()
        items = listed(structures)
        self.descriptor_ = SOAP() if self.descriptor is None else clone(self.descriptor)
        self._plan_of(items, self.descriptor_, maps=True).require()  # before hours are spent on the rows
        X: NDArray[np.float64] = self._with_jobs().fit_transform(items)
        return X

    def plan(self, structures: Environments) -> DescriptorPlan:
        """Estimate memory and time before they are taken: a map for each element unless fitted, and the rows.

        Parameters
        ----------
        structures : ase.Atoms, Fragment, Region, or iterable of one of them

        Returns
        -------
        DescriptorPlan

        Raises
        ------
        ValueError, TypeError
            What ``fit`` of the descriptor raises.
        """
        if hasattr(self, "maps_"):
            return self._plan_of(listed(structures), self.descriptor_, maps=False)
        return self._plan_of(listed(structures), SOAP() if self.descriptor is None else self.descriptor, maps=True)

    def _plan_of(self, items: list[Any], descriptor: Any, *, maps: bool) -> DescriptorPlan:
        within = descriptor.plan(items)
        if not maps:
            return self._planned(items, within.n_features, within.bytes, within.seconds)
        n_species = len(np.unique(center_numbers(items)))
        seconds = within.seconds
        if within.n_features > _SMALL:
            seconds += n_species * float(within.n_features) ** 3 / speeds()[2]
        size = within.bytes + _maps_bytes(n_species, within.n_features)
        return self._planned(items, within.n_features, size, seconds)

    def fit_rows(self, X: ArrayLike, numbers: ArrayLike) -> Self:
        """Learn means and maps from rows that the descriptor gave before.

        In cross-validation the descriptor is computed once for all structures (``raw_rows``), and its rows are whitened
        in each fold by the training environments alone.

        Parameters
        ----------
        X : array (n_environments, n_features)
            Rows of the descriptor that is to be whitened.
        numbers : array (n_environments,) of int
            Atomic numbers of the centres.

        Returns
        -------
        Whitened
            This object, fitted.

        Raises
        ------
        ValueError
            When ``power`` is not in 0..1, there are no rows, rows are not finite, or shapes do not match.
        TypeError
            When the descriptor is itself a Whitened, or joins one.
        MemoryError
            When the maps do not fit into the free memory; before they are computed.

        Examples
        --------
        >>> from ase.build import bulk
        >>> structures = [bulk("Si", a=a) for a in (5.3, 5.4, 5.5)]
        >>> rows, numbers = SOAP(r_cut=4.0, n_max=4, l_max=3).fit_transform(structures), np.full(6, 14)
        >>> whitened = Whitened().fit_rows(rows[:4], numbers[:4])
        >>> whitened.transform_rows(rows[4:], numbers[4:]).shape
        (2, 40)
        """
        self.check_parameters()
        X, numbers = _check_rows(X, numbers, None)
        check_finite("rows of Whitened.fit_rows", X)
        size = _maps_bytes(len(np.unique(numbers)), X.shape[1])
        what = f"Whitened, with maps of {X.shape[1]:,} x {X.shape[1]:,} for {len(np.unique(numbers))} elements,"
        require_memory(what, size, _INSTEAD)
        self.species_ = np.unique(numbers)
        self.n_features_out_ = int(X.shape[1])
        fitted = [_moments(X[numbers == number], self.power) for number in self.species_]
        self.means_ = np.array([mean for mean, _ in fitted])
        self.maps_ = np.array([map_ for _, map_ in fitted])
        return self

    def transform(self, structures: Environments) -> NDArray[np.float64]:
        """Compute the rows of structures, fragments or regions.

        Parameters
        ----------
        structures : ase.Atoms, Fragment, Region, or iterable of one of them
            What the descriptor takes.

        Returns
        -------
        ndarray (n_environments, n_features_out)
            Atom by atom, structure by structure.

        Raises
        ------
        ValueError
            For a centre of an element that was not among the centres of ``fit``; and what the descriptor refuses.
        sklearn.exceptions.NotFittedError
            Before ``fit``, and after ``fit_rows`` alone, which fits no descriptor.
        """
        check_is_fitted(self, ["descriptor_", "maps_"])
        items = listed(structures)
        return self.transform_rows(self._with_jobs().transform(items), center_numbers(items))

    def transform_rows(self, X: ArrayLike, numbers: ArrayLike) -> NDArray[np.float64]:
        """Whiten rows that the descriptor gave before; they are not changed.

        Parameters
        ----------
        X : array (n_environments, n_features)
            Rows of the descriptor that is whitened.
        numbers : array (n_environments,) of int
            Atomic numbers of the centres.

        Returns
        -------
        ndarray (n_environments, n_features_out)
            A row for each row of X.

        Raises
        ------
        ValueError
            For a centre of an element that was not among the centres of the fit, and when shapes do not match.
        """
        check_is_fitted(self, "maps_")
        X, numbers = _check_rows(X, numbers, self.n_features_out_)
        unknown = np.setdiff1d(numbers, self.species_)
        if unknown.size:
            raise ValueError(
                f"Whitened was fitted on centres of atomic numbers {self.species_.tolist()}; it has no map for "
                f"{unknown.tolist()}. Fit on structures that hold every element."
            )
        whitened = np.empty_like(X)
        for number, mean, map_ in zip(self.species_, self.means_, self.maps_, strict=True):
            rows = numbers == number
            whitened[rows] = (X[rows] - mean) @ map_
        return whitened

    @property
    def reach(self) -> float | None:
        """The reach of the descriptor, angstrom; None if it needs the whole structure."""
        descriptor: Any = SOAP() if self.descriptor is None else self.descriptor
        reach: float | None = getattr(self, "descriptor_", descriptor).reach
        return reach

    def innermost(self) -> Iterator[EnvironmentTransformer]:
        """Yield the descriptors within the whitened one that compute rows from structures.

        Yields
        ------
        descriptor
            Not fitted.
        """
        yield from (SOAP() if self.descriptor is None else self.descriptor).innermost()

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Give the names of the descriptor's features: each whitened feature stays closest to its own.

        Parameters
        ----------
        input_features : object
            Not used.

        Returns
        -------
        ndarray (n_features_out,) of str
        """
        check_is_fitted(self, "descriptor_")
        names: NDArray[np.object_] = self.descriptor_.get_feature_names_out()
        return names

    def check_parameters(self) -> None:
        """Check the parameters, as ``fit`` does.

        Raises
        ------
        ValueError
            When ``power`` is not in 0..1, or a parameter of the descriptor is out of its range.
        TypeError
            When the descriptor is itself a Whitened, or joins one.
        """
        check_attributes(self)
        parts = self.descriptor.parts if isinstance(self.descriptor, Joined) else [self.descriptor]
        if any(isinstance(part, Whitened) for part in parts):
            raise TypeError("Whitened whitens rows that learned nothing, such as SOAP; got Whitened within it.")

    def _with_jobs(self) -> Any:
        if self.n_jobs is not None:
            self.descriptor_.set_params(n_jobs=self.n_jobs)
        return self.descriptor_


def _maps_bytes(n_species: int, n_features: int) -> int:
    """Memory of the maps, twice while they are joined, and of the eigenvectors of one covariance."""
    return 8 * n_features**2 * (2 * n_species + 3)


def _check_rows(
    X: ArrayLike, numbers: ArrayLike, n_features: int | None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Give rows (n_environments, n_features) and the atomic numbers of their centres (n_environments,) as arrays."""
    rows, centers = np.asarray(X, dtype=np.float64), np.asarray(numbers)
    check_shape("rows of Whitened", rows, (None, n_features), "n_environments, n_features")
    check_shape("numbers of Whitened", centers, (len(rows),), "n_environments")
    if not len(rows):
        raise ValueError("Whitened needs at least one environment; got none.")
    return rows, centers


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
