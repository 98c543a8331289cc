r"""Ridge and kernel ridge regression of many energies at once: one factorisation serves them all.

Objective, for every energy with its own alpha (equations 12 to 14 of Aryanpour and Sadeghi, 2025, where
alpha = lambda^2): minimise |y - K c|^2 + alpha c.K c for a kernel K, |y - X w|^2 + alpha |w|^2 for features X.
"""

from __future__ import annotations

from dataclasses import dataclass

from ldosml._array import Array, add_to_diagonal, eigenvectors, is_numpy, namespace, solve_positive_definite


@dataclass(frozen=True)
class Factorization:
    """Eigenvectors U (n, r) and eigenvalues s (r,) >= 0 of K or of X X^T.

    ``right`` (n_features, r) are the right singular vectors of X; None for a kernel, whose U is square.
    """

    basis: Array
    eigenvalues: Array
    right: Array | None = None


def factorize_kernel(K: Array, *, roomy: bool = True, overwrite: bool = False) -> Factorization:
    """Diagonalise a kernel matrix (n, n); eigenvalues that rounding makes negative are set to zero.

    The lower triangle counts, which is lost where ``overwrite`` spares a copy. It takes 3 n^2 numbers with NumPy, where
    not ``roomy`` 2 n^2 and more time. Raises ValueError when an eigenvalue is more negative than rounding explains:
    such a matrix is no kernel.
    """
    xp = namespace(K)
    eigenvalues, basis = eigenvectors(K if overwrite or not is_numpy(xp) else xp.asarray(K, copy=True), roomy=roomy)
    smallest, largest = float(eigenvalues[0]), float(eigenvalues[-1])
    if smallest < -1e-12 * K.shape[0] * max(largest, -smallest):
        raise ValueError(
            f"The kernel matrix has an eigenvalue of {smallest:.3g} beside a largest of {largest:.3g}: it is not "
            "positive semidefinite, so that no function space belongs to it."
        )
    return Factorization(basis, xp.where(eigenvalues > 0, eigenvalues, xp.zeros_like(eigenvalues)))


def factorize_features(X: Array) -> Factorization:
    """Decompose features (n, n_features) by a thin singular value decomposition."""
    xp = namespace(X)
    basis, singular, right = xp.linalg.svd(X, full_matrices=False)
    return Factorization(basis, singular * singular, right.T)


def solve_kernel(K: Array, Y: Array, alpha: float) -> Array:
    """Coefficients (K + alpha)^-1 Y, (n, n_energies), by Cholesky factorisation. K is overwritten.

    Raises numpy.linalg.LinAlgError when K + alpha is not positive definite in floating point.
    """
    return solve_positive_definite(add_to_diagonal(K, alpha), Y)


def dual_coefficients(factors: Factorization, Y: Array, alpha: Array) -> Array:
    """Coefficients (K + alpha_e)^-1 y_e of a kernel fit, (n, n_energies), one alpha per energy (n_energies,)."""
    projected = factors.basis.T @ Y
    return factors.basis @ (projected / (factors.eigenvalues[:, None] + alpha[None, :]))


def primal_coefficients(factors: Factorization, Y: Array, alpha: Array) -> Array:
    """Weights (X^T X + alpha_e)^-1 X^T y_e, (n_features, n_energies), one alpha per energy (n_energies,)."""
    assert factors.right is not None  # factors of features have it
    xp = namespace(Y)
    s = factors.eigenvalues[:, None]
    return factors.right @ (xp.sqrt(s) / (s + alpha[None, :]) * (factors.basis.T @ Y))
