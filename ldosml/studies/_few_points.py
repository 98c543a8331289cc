"""Sparse regression on training parts that may have fewer environments than ``n_inducing``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array
from ldosml.datasets import LDOSDataset
from ldosml.regression import SparseLDOSKernelRidge


class AtMost(SparseLDOSKernelRidge):
    """``SparseLDOSKernelRidge`` with ``n_inducing`` points at most: all environments where there are fewer.

    ``SparseLDOSKernelRidge`` itself raises an error there.
    """

    def fit(self, X: Array, Y: Array, **known: Any) -> Self:
        """Fit as ``SparseLDOSKernelRidge`` does."""
        asked = self.n_inducing
        try:
            if isinstance(asked, int) and asked > X.shape[0]:
                self.n_inducing = "all"
            return super().fit(X, Y, **known)
        finally:
            self.n_inducing = asked


def with_at_most(regressor: Any) -> Any:
    """Return the same regressor, as ``AtMost`` if its ``n_inducing`` is a number."""
    if type(regressor) is SparseLDOSKernelRidge and isinstance(regressor.n_inducing, int | np.integer):
        return AtMost(**{**regressor.get_params(deep=False), "n_inducing": int(regressor.n_inducing)})
    return regressor


def takes_all(regressor: Any, data: LDOSDataset, parts: Sequence[NDArray[np.int64]]) -> bool:
    """Whether a part (indices of structures) has fewer environments than the regressor's inducing points."""
    if not (isinstance(regressor, AtMost) and isinstance(regressor.n_inducing, int)):
        return False
    asked = regressor.n_inducing
    numbers = [np.concatenate([data.structures[s].numbers for s in part]) for part in parts]
    if regressor.learn == "ldos":  # one regressor for each element
        return any(np.unique(one, return_counts=True)[1].min() < asked for one in numbers)
    return any(len(one) < asked for one in numbers)
