"""What regressions with a kernel share: its parameters, the fit of a kernel matrix, predictions as sums of kernels."""

from __future__ import annotations

from functools import partial

import numpy as np

from ldosml import _tasks, kernels, resources, solvers
from ldosml._array import Array, free_device_memory, is_numpy, namespace, to_numpy
from ldosml._ranges import check_arguments
from ldosml.kernel_matrices import KernelFunction
from ldosml.regression._per_energy import DEFAULT_ALPHAS, PerEnergyRidge

_BLOCK = 2**25
"""Numbers of a kernel that prediction holds at a time (256 MB)."""

_ROWS = 2**12
"""Rows of a block at most, so that none is large to send."""


class KernelExpansion:
    """A kernel by name and parameters, and functions f(x) = sum_j k(x, z_j) c_j of it."""

    kernel: kernels.Kernel
    degree: int
    gamma: float
    coef0: float

    def _kernel(self) -> KernelFunction:
        """The kernel of rows (n, f) and (m, f), (n, m); it does not hold the estimator, so that it is small to send."""
        return partial(kernels.evaluate, self.kernel, degree=self.degree, gamma=self.gamma, coef0=self.coef0)

    def _expand(self, X: Array, Z: Array, coefficients: Array) -> Array:
        """Sum kernels of rows X (n, f) and centres Z (m, f), (m, n_energies) coefficients: (n, n_energies)."""
        xp = namespace(X)
        rows = min(max(1, _BLOCK // Z.shape[0]), _ROWS)
        blocks = (X[i : min(i + rows, X.shape[0]), :] for i in range(0, X.shape[0], rows))
        task = partial(_expanded, self._kernel(), Z, coefficients)
        # Arrays of other namespaces may live on a device, which the processes of a cluster need not have.
        return xp.concat(list(_tasks.ordered(task, blocks, n_jobs=None if is_numpy(xp) else 1)), axis=0)


def _expanded(function: KernelFunction, Z: Array, coefficients: Array, X: Array) -> Array:
    return function(X, Z) @ coefficients


class KernelFit(KernelExpansion, PerEnergyRidge):
    """Fits of a kernel matrix, whatever its rows are: dual coefficients, with alpha given or chosen.

    ``solver`` and ``precision`` are the estimator's parameters.
    """

    solver: resources.Solver
    precision: resources.Precision

    def plan(
        self, n_environments: int, n_features: int, n_energies: int, *, n_structures: int | None = None
    ) -> resources.FitPlan:
        """Say how NumPy arrays of that size would be fitted here and now: route, memory, time.

        Parameters
        ----------
        n_environments, n_features, n_energies : int
            Sizes of X and Y.
        n_structures : int, optional
            Rows of the DOS; needed with ``learn="dos"`` and ``learn="both"``.

        Returns
        -------
        FitPlan

        Raises
        ------
        MemoryError
            When the fit does not fit the memory that is free.
        ValueError
            When ``n_structures`` is missing.
        """
        check_arguments(
            n_environments=n_environments, n_features=n_features, n_energies=n_energies, n_structures=n_structures
        )
        if self.learn != "ldos" and n_structures is None:
            raise ValueError(f"A plan for learn={self.learn!r} needs n_structures, the number of rows of the DOS.")
        rows = {"ldos": n_environments, "dos": n_structures or 0, "both": n_environments + (n_structures or 0)}
        return resources.plan_kernel_fit(
            rows[self.learn],
            n_features,
            n_energies,
            self._n_alphas(),
            solver=self.solver,
            precision=self.precision,
            n_environments=n_environments,
        )

    def _n_alphas(self) -> int:
        """Factorisations that the alphas need; 1 only where one number serves all energies."""
        if isinstance(self.alpha, str):
            return max(2, len(DEFAULT_ALPHAS) if self.alphas is None else int(np.size(to_numpy(self.alphas))))
        given = np.asarray(to_numpy(self.alpha), dtype=float)
        return max(2, len(list(solvers.share(given)))) if given.ndim else 1

    def _fit_matrix(
        self, matrix: solvers.KernelMatrix, targets: Array, alpha: Array | float | None, blocks: list[Array] | None
    ) -> Array:
        """Dual coefficients (n, n_energies) of targets without their mean; sets ``alpha_``, chosen where None.

        Raises MemoryError, before anything is computed, when memory will not do; numpy.linalg.LinAlgError when
        K + alpha is not positive definite in floating point.
        """
        plan = self._plan_for(matrix, targets)
        plan.announce()
        if isinstance(alpha, float):
            self.alpha_: Array | float = alpha
            return self._with_one_alpha(matrix, targets, alpha, plan)
        if plan.route.endswith("per alpha"):
            if alpha is None:
                alpha = self._choose_by_cholesky(matrix, targets, blocks, plan.panel)
            self.alpha_ = alpha
            return solvers.coefficients_by_cholesky(matrix, targets, alpha, plan.panel)
        factors = solvers.diagonalize(matrix, roomy=plan.route == "eigh")
        self.alpha_ = self._choose_alpha(factors, targets, blocks) if alpha is None else alpha
        return solvers.dual_coefficients(factors, targets, self.alpha_)

    def _plan_for(self, matrix: solvers.KernelMatrix, targets: Array) -> resources.FitPlan:
        return resources.plan_kernel_fit(
            matrix.size,
            int(matrix.like.shape[1]),
            int(targets.shape[1]),
            self._n_alphas(),
            precision=self.precision,
            solver=self.solver,
            in_place=is_numpy(namespace(targets)),
            device_memory=free_device_memory(targets),
            n_environments=int(matrix.like.shape[0]),
        )

    def _with_one_alpha(
        self, matrix: solvers.KernelMatrix, targets: Array, alpha: float, plan: resources.FitPlan
    ) -> Array:
        if plan.route == "float32":
            return solvers.solve_in_float32(matrix, targets, alpha)
        if plan.panel:
            return solvers.factorize_streamed(matrix, alpha, plan.panel).solve(targets)
        return solvers.solve(matrix, targets, alpha)

    def _choose_by_cholesky(
        self, matrix: solvers.KernelMatrix, targets: Array, blocks: list[Array] | None, panel: int
    ) -> Array:
        candidates = self._candidates(solvers.mean_diagonal(matrix))
        errors = solvers.errors_by_cholesky(matrix, targets, candidates, blocks, panel)
        return self._choose(errors, targets)
