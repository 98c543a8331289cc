"""A model that searches its setting in its training part, so that its error on the test part is honest."""

from __future__ import annotations

from typing import Any, Self

from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ldosml.datasets import LDOSDataset
from ldosml.energy import Zero
from ldosml.evaluation import Evaluation
from ldosml.search.search import Candidates, search_settings


class SearchedModel(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A search for the setting of a DOSModel, then a fit of the best, both on the training part alone.

    Its cross-validation is nested: the search never sees the test part, so the errors are not too small.

    Parameters
    ----------
    candidates, factor, n_energies
        As ``search_settings`` takes them.
    zero, low, high
        As ``DOSModel`` takes them.

    Attributes
    ----------
    search_ : Search
        What was found.
    model_ : DOSModel
        The best, fitted.
    """

    def __init__(
        self,
        candidates: Candidates | None = None,
        *,
        zero: Zero = "fermi",
        low: float | None = None,
        high: float | None = None,
        factor: int = 1,
        n_energies: int = 100,
    ) -> None:
        self.candidates = candidates
        self.zero = zero
        self.low = low
        self.high = high
        self.factor = factor
        self.n_energies = n_energies

    def fit(self, data: LDOSDataset) -> Self:
        """Search, and fit the best model.

        Parameters
        ----------
        data : LDOSDataset
            The training part, with LDOS.

        Returns
        -------
        SearchedModel
            This object, fitted.

        Raises
        ------
        ValueError, TypeError
            What ``search_settings`` and ``DOSModel.fit`` raise.
        """
        self.search_ = search_settings(
            data,
            self.candidates,
            zero=self.zero,
            low=self.low,
            high=self.high,
            factor=self.factor,
            n_energies=self.n_energies,
        )
        self.model_ = self.search_.model.fit(data)
        return self

    def predict(self, structures: Any) -> Any:
        """Predict the LDOS of every atom by the best model.

        Parameters
        ----------
        structures : ase.Atoms or iterable of ase.Atoms
            As ``DOSModel.predict`` takes them.

        Returns
        -------
        LDOS
        """
        check_is_fitted(self)
        return self.model_.predict(structures)

    def evaluate(self, data: LDOSDataset) -> Evaluation:
        """Compare predictions of the best model with the spectra of a dataset.

        Parameters
        ----------
        data : LDOSDataset
            As ``DOSModel.evaluate`` takes it.

        Returns
        -------
        Evaluation
        """
        check_is_fitted(self)
        return self.model_.evaluate(data)
