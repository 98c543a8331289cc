r"""Kernel matrices of thousands of rows: built block by block, factorised in place.

(K + alpha) c = y for all energies from one Cholesky factorisation, K + alpha = L L^T: n^3/3 operations, and 2 n^2 for
each energy. Of the symmetric K one triangle is evaluated, into the array that L then takes.
"""

from __future__ import annotations

from numpy.linalg import LinAlgError

from ldosml._array import Array, cholesky, cholesky_solve
from ldosml.solvers.definiteness import explain
from ldosml.solvers.factors import Factorization, factorize_kernel
from ldosml.solvers.matrix import KernelMatrix, evaluate


def factorize(kernel: KernelMatrix, alpha: float, *, out: Array | None = None) -> Array:
    """Cholesky factor L of K + alpha, (n, n), its lower triangle, in ``out`` if given.

    Raises numpy.linalg.LinAlgError, which says why and by how much, when K + alpha is not positive definite in floating
    point.
    """
    try:
        return cholesky(evaluate(kernel, alpha, out=out))
    except LinAlgError as error:
        raise LinAlgError(explain(kernel, alpha)) from error


def solve(kernel: KernelMatrix, Y: Array, alpha: float) -> Array:
    """Coefficients (K + alpha)^-1 Y, in n^2 + n n_energies numbers of memory.

    Parameters
    ----------
    kernel : KernelMatrix
        K, (n, n).
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
        If K + alpha is not positive definite in double precision. The message says why, and by how much.
    """
    return cholesky_solve(factorize(kernel, alpha), Y)


def diagonalize(kernel: KernelMatrix, *, roomy: bool = True) -> Factorization:
    """Eigenvectors and eigenvalues of a kernel matrix.

    Parameters
    ----------
    kernel : KernelMatrix
        (n, n).
    roomy : bool, default=True
        True takes 3 n^2 numbers of memory; False takes 2 n^2, and more time.

    Returns
    -------
    Factorization

    Raises
    ------
    ValueError
        If the matrix is not positive semidefinite.
    """
    return factorize_kernel(evaluate(kernel), roomy=roomy, overwrite=True)
