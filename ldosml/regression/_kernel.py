"""What regressions with a kernel share: its parameters, and predictions as sums of kernels."""

from __future__ import annotations

from ldosml import kernels
from ldosml._array import Array, namespace

_BLOCK = 2**25
"""Numbers of a kernel that prediction holds at a time (256 MB)."""


class KernelExpansion:
    """A kernel by name and parameters, and functions f(x) = sum_j k(x, z_j) c_j of it."""

    kernel: kernels.Kernel
    degree: int
    gamma: float
    coef0: float

    def _kernel(self, X: Array, Z: Array) -> Array:
        """Kernel of rows (n, f) and (m, f): (n, m)."""
        return kernels.evaluate(self.kernel, X, Z, degree=self.degree, gamma=self.gamma, coef0=self.coef0)

    def _expand(self, X: Array, Z: Array, coefficients: Array) -> Array:
        """Sum kernels of rows X (n, f) and centres Z (m, f), (m, n_energies) coefficients: (n, n_energies)."""
        xp = namespace(X)
        rows = max(1, _BLOCK // Z.shape[0])
        starts = range(0, X.shape[0], rows)
        parts = [self._kernel(X[i : min(i + rows, X.shape[0]), :], Z) @ coefficients for i in starts]
        return xp.concat(parts, axis=0)
