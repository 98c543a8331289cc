"""What descriptors are computed for: structures, fragments or regions, and the atoms in them that are centres."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone

from ldosml._ranges import check_attributes
from ldosml.fragments import Fragment, check_structures
from ldosml.regions import Region
from ldosml.resources import DescriptorPlan, available_memory

Environments = Atoms | Fragment | Region | Iterable[Atoms] | Iterable[Fragment] | Iterable[Region]
"""Structures, each of whose atoms is a centre, fragments, each with the one centre, or regions with some."""


class EnvironmentTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A scikit-learn transformer of structures: the input is not a matrix, and scikit-learn does not check it.

    What it computes from each structure alone (``raw_rows``) is apart from what it learns from rows of many structures
    (``fit_rows``), so that a cross-validation computes the first once, and repeats only the second in each fold.
    """

    @property
    def reach(self) -> float | None:
        """Distance from a centre up to which atoms matter, angstrom; None if the whole structure does."""
        return None

    def innermost(self) -> Iterator[EnvironmentTransformer]:
        """Yield the descriptors within this one that compute rows from structures; itself if there is none within.

        Yields
        ------
        descriptor
            Not fitted.
        """
        yield self

    def check_parameters(self) -> None:
        """Check the parameters, as ``fit`` does.

        Raises
        ------
        ValueError, TypeError
            When a parameter is out of its range, or of another type.
        """
        check_attributes(self)

    def plan(self, structures: Environments) -> DescriptorPlan:
        """Estimate the memory of ``fit_transform``, and its time where it is known, before it starts.

        Parameters
        ----------
        structures : ase.Atoms, Fragment, Region, or iterable of one of them

        Returns
        -------
        DescriptorPlan

        Raises
        ------
        ValueError, TypeError
            What ``fit`` raises.
        """
        items = listed(structures)
        n_features = int(clone(self).fit(items).n_features_out_)
        return self._planned(items, n_features, 0)

    def _planned(self, items: Sequence[Any], n_features: int, beside: int, seconds: float = 0.0) -> DescriptorPlan:
        """Give the plan of rows, twice in memory at the end, with ``beside`` more bytes."""
        count = sum(map(n_centers, items))
        size = 16 * count * n_features + beside
        return DescriptorPlan(type(self).__name__, count, n_features, size, available_memory(), seconds)

    def fit_transform(self, structures: Environments, y: object = None) -> NDArray[np.float64]:
        """Fit, and give the rows of the same structures without computing them twice.

        Parameters
        ----------
        structures : ase.Atoms, Fragment, Region, or iterable of one of them
            What ``fit`` takes.
        y : object
            Not used.

        Returns
        -------
        ndarray (n_environments, n_features_out)
            Atom by atom, structure by structure.

        Raises
        ------
        ValueError, TypeError
            What ``fit`` and ``transform`` raise.
        """
        items = listed(structures)
        X, numbers = self.raw_rows(items), center_numbers(items)
        return self.fit_rows(X, numbers).transform_rows(X, numbers)

    def raw_rows(self, structures: Environments) -> NDArray[np.float64]:
        """Compute the rows before anything is learned from them.

        Parameters
        ----------
        structures : ase.Atoms, Fragment, Region, or iterable of one of them
            All elements that will ever come.

        Returns
        -------
        ndarray (n_environments, n_raw_features)
            Atom by atom, structure by structure.
        """
        items = listed(structures)
        rows: NDArray[np.float64] = self.fit(items).transform(items)
        return rows

    def fit_rows(self, X: ArrayLike, numbers: ArrayLike) -> Self:
        """Learn from raw rows; here there is nothing to learn.

        Parameters
        ----------
        X : array (n_environments, n_raw_features)
            Of ``raw_rows``, all or some.
        numbers : array (n_environments,) of int
            Atomic numbers of the centres.

        Returns
        -------
        transformer
            This object.
        """
        return self

    def transform_rows(self, X: ArrayLike, numbers: ArrayLike) -> NDArray[np.float64]:
        """Turn raw rows into the rows that ``transform`` gives; here they are the same.

        Parameters
        ----------
        X : array (n_environments, n_raw_features)
            Of ``raw_rows``, all or some.
        numbers : array (n_environments,) of int
            Atomic numbers of the centres.

        Returns
        -------
        ndarray (n_environments, n_features_out)
        """
        return np.asarray(X, dtype=np.float64)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that the input is structures, not a matrix."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        return tags


def listed(structures: Environments) -> list[Any]:
    """Give environments as a list, so that they can be gone through more than once."""
    return [structures] if isinstance(structures, Atoms | Fragment | Region) else list(structures)


def check_environments(structures: Environments) -> list[Any]:
    """Give structures, fragments or regions as a list, after the checks of ``check_structures``.

    Raises TypeError when fragments, regions and structures stand in one list, and what ``check_structures`` raises.
    """
    items = listed(structures)
    for kind in (Fragment, Region):
        if items and all(isinstance(item, kind) for item in items):
            return items
    if any(isinstance(item, Fragment | Region) for item in items):
        raise TypeError(
            "Expected structures only, fragments only or regions only; got several in one list. Transform them "
            "separately."
        )
    return [*check_structures(items)]


def atoms_of(item: Atoms | Fragment | Region) -> Atoms:
    """Give the atoms of a structure, fragment or region."""
    return item if isinstance(item, Atoms) else item.atoms


def n_centers(item: Atoms | Fragment | Region) -> int:
    """Count the centres of a structure, fragment or region."""
    return 1 if isinstance(item, Fragment) else len(item)


def center_numbers(items: Sequence[Any]) -> NDArray[np.int64]:
    """Give the atomic number of the centre of each environment, (n_environments,)."""
    return np.concatenate([[item.number] if isinstance(item, Fragment) else item.numbers for item in items])
