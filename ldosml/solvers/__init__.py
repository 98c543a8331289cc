"""Solves of many energies at once: arrays in, arrays out."""

from ldosml.solvers.factors import (
    Factorization,
    dual_coefficients,
    factorize_features,
    factorize_kernel,
    primal_coefficients,
    solve_kernel,
)
from ldosml.solvers.leave_out import LeaveOut, blocks_of, choose_alpha, errors_by_alpha
from ldosml.solvers.normal_equations import (
    InducedFeatures,
    NormalEquations,
    leave_out_basis,
    ridge_weights,
    smallest_alpha,
)

__all__ = [
    "Factorization",
    "InducedFeatures",
    "LeaveOut",
    "NormalEquations",
    "blocks_of",
    "choose_alpha",
    "dual_coefficients",
    "errors_by_alpha",
    "factorize_features",
    "factorize_kernel",
    "leave_out_basis",
    "primal_coefficients",
    "ridge_weights",
    "smallest_alpha",
    "solve_kernel",
]
