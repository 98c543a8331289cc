"""Kernel matrices that are evaluated block by block, so that none has to be held to be used.

Rows are what is observed: the LDOS of an environment, or the DOS of a structure, which is the sum over its atoms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ldosml._array import Array

KernelFunction = Callable[[Array, Array], Array]
"""Shapes (n, f) and (m, f) give (n, m)."""


@dataclass(frozen=True)
class EnvironmentKernel:
    """k(x_i, x_j) between environments X (n, f)."""

    function: KernelFunction
    X: Array

    @property
    def size(self) -> int:
        """Number of rows, and of columns."""
        return int(self.X.shape[0])

    @property
    def like(self) -> Array:
        """An array where the matrix is to live."""
        return self.X

    def block(self, rows: slice, columns: slice) -> Array:
        """Give part of the matrix, both slices with a start and a stop."""
        return self.function(self.X[rows, :], self.X[columns, :])
