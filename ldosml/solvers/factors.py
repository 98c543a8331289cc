r"""Ridge and kernel ridge regression of many energies at once: one factorisation serves them all.

Objective, for every energy with its own alpha (equations 12 to 14 of Aryanpour and Sadeghi, 2025, where
alpha = lambda^2): minimise |y - K c|^2 + alpha c.K c for a kernel K, |y - X w|^2 + alpha |w|^2 for features X.
"""

from __future__ import annotations

from dataclasses import dataclass

from ldosml._array import Array, add_to_diagonal, eigenvectors, is_numpy, namespace, solve_positive_definite


@dataclass(frozen=True)
class Factorization:
    """Eigenvectors and eigenvalues of a kernel K, or of X X^T for features X.

    Parameters
    ----------
    basis : array (n, r)
        Eigenvectors U; square for a kernel.
    eigenvalues : array (r,)
        s, at least zero.
    right : array (n_features, r), optional
        Right singular vectors of X; None for a kernel.
    """

    basis: Array
    eigenvalues: Array
    right: Array | None = None


def factorize_kernel(K: Array, *, roomy: bool = True, overwrite: bool = False) -> Factorization:
    """Diagonalise a kernel matrix.

    Parameters
    ----------
    K : array (n, n)
        Only its lower triangle is used. Eigenvalues that rounding makes negative are set to zero.
    roomy : bool, default=True
        True takes 3 n^2 numbers of memory with NumPy; False takes 2 n^2, and more time.
    overwrite : bool, default=False
        Whether K may be overwritten, which saves a copy.

    Returns
    -------
    Factorization

    Raises
    ------
    ValueError
        If an eigenvalue is more negative than rounding explains: the matrix is not a kernel.
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
    """Decompose features by a thin singular value decomposition.

    Parameters
    ----------
    X : array (n, n_features)

    Returns
    -------
    Factorization
        Of X X^T.
    """
    xp = namespace(X)
    basis, singular, right = xp.linalg.svd(X, full_matrices=False)
    return Factorization(basis, singular * singular, right.T)


def solve_kernel(K: Array, Y: Array, alpha: float) -> Array:
    """Coefficients (K + alpha)^-1 Y by Cholesky factorisation.

    Parameters
    ----------
    K : array (n, n)
        Overwritten.
    Y : array (n, n_energies)
        Targets.
    alpha : float
        Regularisation.

    Returns
    -------
    array (n, n_energies)

    Raises
    ------
    numpy.linalg.LinAlgError
        If K + alpha is not positive definite in double precision.
    """
    return solve_positive_definite(add_to_diagonal(K, alpha), Y)


def dual_coefficients(factors: Factorization, Y: Array, alpha: Array) -> Array:
    """Coefficients (K + alpha_e)^-1 y_e of a kernel fit, one alpha for each energy.

    Parameters
    ----------
    factors : Factorization
        Of K.
    Y : array (n, n_energies)
        Targets.
    alpha : array (n_energies,)
        Regularisation.

    Returns
    -------
    array (n, n_energies)
    """
    projected = factors.basis.T @ Y
    return factors.basis @ (projected / (factors.eigenvalues[:, None] + alpha[None, :]))


def primal_coefficients(factors: Factorization, Y: Array, alpha: Array) -> Array:
    """Weights (X^T X + alpha_e)^-1 X^T y_e, one alpha for each energy.

    Parameters
    ----------
    factors : Factorization
        Of X X^T.
    Y : array (n, n_energies)
        Targets.
    alpha : array (n_energies,)
        Regularisation.

    Returns
    -------
    array (n_features, n_energies)
    """
    assert factors.right is not None  # factors of features have it
    xp = namespace(Y)
    s = factors.eigenvalues[:, None]
    return factors.right @ (xp.sqrt(s) / (s + alpha[None, :]) * (factors.basis.T @ Y))
