"""What regressions with a kernel share: its parameters, and predictions as sums of kernels."""

from __future__ import annotations

from numpy.linalg import LinAlgError

from ldosml import kernels, solvers
from ldosml._array import Array, namespace
from ldosml.kernel_matrices import EnvironmentKernel, SummedKernel
from ldosml.regression._per_energy import PerEnergyRidge

_BLOCK = 2**25
"""Numbers of a kernel that prediction holds at a time (256 MB)."""


class KernelExpansion(PerEnergyRidge):
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

    def _fit_matrix(
        self,
        matrix: EnvironmentKernel | SummedKernel,
        targets: Array,
        alpha: Array | float | None,
        blocks: list[Array] | None,
    ) -> Array:
        """Set ``alpha_``, chosen where it is None, and give the coefficients (n_rows, n_energies) of the rows."""
        everything = slice(0, matrix.size)
        K = matrix.block(everything, everything)
        if isinstance(alpha, float):
            self.alpha_ = alpha
            return self._cholesky(K, targets, alpha)
        factors = solvers.factorize_kernel(K)
        self.alpha_ = self._choose_alpha(factors, targets, blocks) if alpha is None else alpha
        return solvers.dual_coefficients(factors, targets, self.alpha_)

    def _cholesky(self, K: Array, targets: Array, alpha: float) -> Array:
        try:
            return solvers.solve_kernel(K, targets, alpha)
        except LinAlgError as error:
            raise LinAlgError(
                f"The kernel plus alpha = {alpha:g} is not positive definite in double precision, as when environments "
                "are repeated, or nearly so. Raise alpha."
            ) from error
