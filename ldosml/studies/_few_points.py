"""Inducing points where a training part has fewer environments than were asked for: all of these are taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array
from ldosml.datasets import LDOSDataset
from ldosml.regression import SparseLDOSKernelRidge


class AtMost(SparseLDOSKernelRidge):
    """Takes ``n_inducing`` points, a number, or all environments where these are fewer, which is no error here."""

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
    """The same regressor, but as ``AtMost`` where it has a number of inducing points."""
    if type(regressor) is SparseLDOSKernelRidge and isinstance(regressor.n_inducing, int | np.integer):
        return AtMost(**{**regressor.get_params(deep=False), "n_inducing": int(regressor.n_inducing)})
    return regressor


def takes_all(regressor: Any, data: LDOSDataset, parts: Sequence[NDArray[np.int64]]) -> bool:
    """Tell whether some part, indices of structures, has fewer environments than the regressor has points."""
    if not (isinstance(regressor, AtMost) and isinstance(regressor.n_inducing, int)):
        return False
    asked = regressor.n_inducing
    numbers = [np.concatenate([data.structures[s].numbers for s in part]) for part in parts]
    if regressor.learn == "ldos":  # which is learned element by element
        return any(np.unique(one, return_counts=True)[1].min() < asked for one in numbers)
    return any(len(one) < asked for one in numbers)
