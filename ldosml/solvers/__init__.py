"""Solves of many energies at once: arrays in, arrays out."""

from ldosml.solvers.alphas import coefficients_by_cholesky, errors_by_cholesky, share
from ldosml.solvers.cholesky import diagonalize, solve
from ldosml.solvers.factors import (
    Factorization,
    dual_coefficients,
    factorize_features,
    factorize_kernel,
    primal_coefficients,
    solve_kernel,
)
from ldosml.solvers.leave_out import LeaveOut, blocks_of, choose_alpha, errors_by_alpha, stack_blocks
from ldosml.solvers.matrix import KernelMatrix, mean_diagonal
from ldosml.solvers.normal_equations import (
    InducedFeatures,
    NormalEquations,
    leave_out_basis,
    ridge_weights,
    smallest_alpha,
)
from ldosml.solvers.panels import StreamedFactor, factorize_streamed
from ldosml.solvers.refinement import solve_in_float32

__all__ = [
    "Factorization",
    "InducedFeatures",
    "KernelMatrix",
    "LeaveOut",
    "NormalEquations",
    "StreamedFactor",
    "blocks_of",
    "choose_alpha",
    "coefficients_by_cholesky",
    "diagonalize",
    "dual_coefficients",
    "errors_by_alpha",
    "errors_by_cholesky",
    "factorize_features",
    "factorize_kernel",
    "factorize_streamed",
    "leave_out_basis",
    "mean_diagonal",
    "primal_coefficients",
    "ridge_weights",
    "share",
    "smallest_alpha",
    "solve",
    "solve_in_float32",
    "solve_kernel",
    "stack_blocks",
]
