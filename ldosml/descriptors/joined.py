"""Several descriptors side by side: a fine SOAP and a coarse one, or geometry and physics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from ldosml._ranges import check_attributes
from ldosml._validation import check_finite, check_shape
from ldosml.descriptors.environments import Environments, EnvironmentTransformer, listed
from ldosml.resources import DescriptorPlan


class Joined(EnvironmentTransformer):
    r"""Several descriptors as one.

    .. math::
        x = \left(\sqrt{w_1}\, x_1, \sqrt{w_2}\, x_2, \dots\right) \Big/ \sqrt{w_1 + w_2 + \dots}

    so that the kernel x.z is the weighted mean of the kernels of the parts (Bartok, De, Poelking, Bernstein, Kermode,
    Csanyi and Ceriotti, Sci. Adv. 3, e1701816 (2017), on combining radii), and squared distances are the weighted mean
    of the squared distances in the parts. Weights mean something where the parts have rows of one length: SOAP has rows
    of length 1, ``Whitened`` has rows of mean squared length 1, also with ``power=0``, which does nothing else.

    Parameters
    ----------
    parts : sequence of descriptors
        At least one; they are cloned, not fitted themselves.
    weights : array (n_parts,), optional
        Above zero; only their ratios count. Default: equal.
    n_jobs : int, optional
        Number of processes for every part; None leaves each part its own.

    Attributes
    ----------
    parts_ : list of descriptors
        Fitted.
    n_features_out_ : int
        Features of all parts.

    Examples
    --------
    >>> from ase.build import bulk
    >>> from ldosml import SOAP
    >>> near, far = SOAP(r_cut=3.0, n_max=4, l_max=3, atom_sigma=0.3), SOAP(r_cut=6.0, n_max=3, l_max=2)
    >>> Joined([near, far], weights=[2.0, 1.0]).fit_transform(bulk("Si")).shape
    (2, 58)
    """

    def __init__(self, parts: Sequence[Any] = (), weights: ArrayLike | None = None, n_jobs: int | None = None) -> None:
        self.parts = parts
        self.weights = weights
        self.n_jobs = n_jobs

    def fit(self, structures: Environments, y: object = None) -> Self:
        """Fit every part.

        Parameters
        ----------
        structures : ase.Atoms, Fragment, Region, or iterable of one of them
            What all parts take.
        y : object
            Not used.

        Returns
        -------
        Joined
            This object, fitted.

        Raises
        ------
        TypeError
            When a part is no descriptor of ldosml.
        ValueError
            When there is no part, weights are not positive or not one for each part, or a part refuses the structures.
        """
        self.fit_transform(structures)
        return self

    def check_parameters(self) -> None:
        """Check the parameters of this descriptor and of all parts, as ``fit`` does.

        Raises
        ------
        ValueError, TypeError
            When one is out of its range, or there is no part.
        """
        self._roots()
        for part in self.checked_parts():
            part.check_parameters()

    def plan(self, structures: Environments) -> DescriptorPlan:
        """Estimate memory and time of ``fit_transform``, before it starts: of all parts together.

        Parameters
        ----------
        structures : ase.Atoms, Fragment, Region, or iterable of one of them

        Returns
        -------
        DescriptorPlan

        Raises
        ------
        ValueError, TypeError
            What ``fit`` of a part raises.
        """
        items = listed(structures)
        plans = [part.plan(items) for part in getattr(self, "parts_", None) or self.checked_parts()]
        beside, seconds = sum(plan.bytes for plan in plans), sum(plan.seconds for plan in plans)
        return self._planned(items, sum(plan.n_features for plan in plans), beside, seconds)

    def raw_rows(self, structures: Environments) -> NDArray[np.float64]:
        """Compute the raw rows of every part, side by side.

        Parameters
        ----------
        structures : ase.Atoms, Fragment, Region, or iterable of one of them
            What all parts take.

        Returns
        -------
        ndarray (n_environments, n_raw_features)
        """
        self._roots()
        items = listed(structures)
        self.parts_ = [clone(part) for part in self.checked_parts()]
        self.plan(items).require()
        blocks = [part.raw_rows(items) for part in self._with_jobs()]
        self._widths = [block.shape[1] for block in blocks]
        self.n_features_out_ = sum(self._widths)
        return np.concatenate(blocks, axis=1)

    def fit_rows(self, X: ArrayLike, numbers: ArrayLike) -> Self:
        """Let every part learn from its raw rows.

        Parameters
        ----------
        X : array (n_environments, n_raw_features)
            Of ``raw_rows``, all or some.
        numbers : array (n_environments,) of int
            Atomic numbers of the centres.

        Returns
        -------
        Joined
            This object, fitted.

        Raises
        ------
        ValueError
            When shapes do not match, and what the parts refuse.
        sklearn.exceptions.NotFittedError
            Before ``raw_rows``.
        """
        for part, block in zip(self.parts_, self._blocks(X), strict=True):
            part.fit_rows(block, numbers)
        return self

    def transform_rows(self, X: ArrayLike, numbers: ArrayLike) -> NDArray[np.float64]:
        """Turn raw rows into the rows that ``transform`` gives.

        Parameters
        ----------
        X : array (n_environments, n_raw_features)
            Of ``raw_rows``, all or some.
        numbers : array (n_environments,) of int
            Atomic numbers of the centres.

        Returns
        -------
        ndarray (n_environments, n_features_out)

        Raises
        ------
        ValueError
            When shapes do not match, and what the parts refuse.
        sklearn.exceptions.NotFittedError
            Before ``raw_rows``.
        """
        blocks = zip(self.parts_, self._roots(), self._blocks(X), strict=True)
        return np.concatenate([root * part.transform_rows(block, numbers) for part, root, block in blocks], axis=1)

    def transform(self, structures: Environments) -> NDArray[np.float64]:
        """Compute the rows of every part and join them.

        Parameters
        ----------
        structures : ase.Atoms, Fragment, Region, or iterable of one of them
            What all parts take.

        Returns
        -------
        ndarray (n_environments, n_features_out)
            Atom by atom, structure by structure.

        Raises
        ------
        ValueError, TypeError
            What the parts refuse.
        """
        check_is_fitted(self)
        items = listed(structures)
        parts = zip(self._with_jobs(), self._roots(), strict=True)
        return np.concatenate([root * part.transform(items) for part, root in parts], axis=1)

    @property
    def reach(self) -> float | None:
        """The longest reach of the parts, angstrom; None if a part needs the whole structure."""
        reaches = [part.reach for part in getattr(self, "parts_", self.checked_parts())]
        return None if None in reaches else max(reaches)

    def innermost(self) -> Iterator[EnvironmentTransformer]:
        """Yield the descriptors within the parts that compute rows from structures.

        Yields
        ------
        descriptor
            Not fitted.
        """
        for part in self.checked_parts():
            yield from part.innermost()

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Name the features: "1-Si0-C3-l2" is Si0-C3-l2 of the second part.

        Parameters
        ----------
        input_features : object
            Not used.

        Returns
        -------
        ndarray (n_features_out,) of str
        """
        check_is_fitted(self)
        names = [f"{place}-{name}" for place, part in enumerate(self.parts_) for name in part.get_feature_names_out()]
        return np.asarray(names, dtype=object)

    def checked_parts(self) -> list[EnvironmentTransformer]:
        """Give the parts as a list.

        Returns
        -------
        list of descriptors
            Not fitted.

        Raises
        ------
        TypeError
            When a part is no descriptor of ldosml.
        ValueError
            When there is none.
        """
        check_attributes(self)
        parts = [self.parts] if isinstance(self.parts, EnvironmentTransformer) else list(self.parts)
        foreign = [type(part).__name__ for part in parts if not isinstance(part, EnvironmentTransformer)]
        if foreign:
            raise TypeError(
                f"Joined joins descriptors of ldosml, such as SOAP(...); got {', '.join(foreign)}. Rows of another "
                "program come in by Precomputed."
            )
        if not parts:
            raise ValueError("Joined needs at least one part: Joined([SOAP(r_cut=3.0), SOAP(r_cut=6.0)]).")
        return parts

    def _roots(self) -> NDArray[np.float64]:
        """Give the factors of the parts' rows, (n_parts,)."""
        count = len(self.checked_parts())
        weights = np.ones(count) if self.weights is None else np.asarray(self.weights, dtype=float)
        check_shape("weights of Joined", weights, (count,), "n_parts")
        check_finite("weights of Joined", weights)
        if not (weights > 0).all():
            raise ValueError(f"weights of Joined must be positive; got {weights.tolist()}. Leave that part out.")
        factors: NDArray[np.float64] = np.sqrt(weights / weights.sum())
        return factors

    def _with_jobs(self) -> list[Any]:
        if self.n_jobs is not None:
            for part in self.parts_:
                part.set_params(n_jobs=self.n_jobs)
        return self.parts_

    def _blocks(self, X: ArrayLike) -> list[NDArray[np.float64]]:
        """Columns of the raw rows by part."""
        check_is_fitted(self, "parts_")
        widths = self._widths
        rows = np.asarray(X, dtype=np.float64)
        check_shape("rows of Joined", rows, (None, sum(widths)), "n_environments, n_raw_features")
        return np.split(rows, np.cumsum(widths)[:-1], axis=1)
