"""Kernels between environments: arrays in, arrays out.

With SOAP vectors of unit length a polynomial kernel without offset is the SOAP kernel of its degree
(Bartok, Kondor, Csanyi, Phys. Rev. B 87, 184115 (2013), eq. 36).
"""

from __future__ import annotations

from typing import Literal, get_args

from ldosml._array import Array, namespace
from ldosml._validation import check_choice, check_positive

Kernel = Literal["linear", "polynomial", "gaussian", "rbf", "matern"]
"""Name of a kernel; "rbf" is scikit-learn's name of "gaussian"."""


def linear(X: Array, Z: Array) -> Array:
    """Linear kernel, k(x, z) = x.z.

    Parameters
    ----------
    X : array (n, n_features)
    Z : array (m, n_features)

    Returns
    -------
    array (n, m)
    """
    return X @ Z.T


def polynomial(X: Array, Z: Array, *, degree: int = 2, gamma: float = 1.0, coef0: float = 0.0) -> Array:
    """Polynomial kernel, k(x, z) = (gamma x.z + coef0)^degree.

    Parameters
    ----------
    X : array (n, n_features)
    Z : array (m, n_features)
    degree : int
    gamma : float
    coef0 : float
        At least zero: with a negative offset the kernel is not positive semidefinite.

    Returns
    -------
    array (n, m)

    Raises
    ------
    ValueError
        If ``degree`` is not a positive integer, ``gamma`` is not positive, or ``coef0`` is negative.
    """
    if degree < 1 or int(degree) != degree:
        raise ValueError(f"degree of a polynomial kernel must be a positive integer; got {degree!r}.")
    check_positive("gamma of a polynomial kernel", gamma)
    if not 0 <= coef0 < float("inf"):  # with a negative offset the kernel is not positive semidefinite
        raise ValueError(f"coef0 of a polynomial kernel must be zero or a positive number; got {coef0!r}.")
    K = X @ Z.T
    if gamma != 1.0:
        K *= gamma
    if coef0 != 0.0:
        K += coef0
    # Products instead of a power: K**4 by pow() would cost more than the matrix product.
    power, result = int(degree), K
    kept = power & (power - 1)  # a power of two never needs K again
    for bit in bin(power)[3:]:
        if kept and result is K:
            result = K * K
        else:
            result *= result
        if bit == "1":
            result *= K
    return result


def gaussian(X: Array, Z: Array, *, gamma: float = 1.0) -> Array:
    """Gaussian kernel, ``k(x, z) = exp(-gamma |x-z|^2)``.

    Parameters
    ----------
    X : array (n, n_features)
    Z : array (m, n_features)
    gamma : float

    Returns
    -------
    array (n, m)

    Raises
    ------
    ValueError
        If ``gamma`` is not positive.
    """
    check_positive("gamma of a gaussian kernel", gamma)
    distances = _squared_distances(X, Z)
    distances *= -gamma
    return namespace(X, Z).exp(distances)


def matern(X: Array, Z: Array, *, gamma: float = 1.0) -> Array:
    """Matern kernel, ``k(x, z) = (1 + d) exp(-d)`` with ``d^2 = 3 gamma |x-z|^2``.

    Its smoothness is 3/2 and its length gamma^(-1/2) (Rasmussen and Williams, Gaussian Processes for Machine Learning
    (2006), eq. 4.17). The functions that it fits have one derivative; the functions of a Gaussian kernel have all.

    Parameters
    ----------
    X : array (n, n_features)
    Z : array (m, n_features)
    gamma : float

    Returns
    -------
    array (n, m)

    Raises
    ------
    ValueError
        If ``gamma`` is not positive.
    """
    check_positive("gamma of a matern kernel", gamma)
    xp = namespace(X, Z)
    d = xp.sqrt(3.0 * gamma * _squared_distances(X, Z))
    return (1.0 + d) * xp.exp(-d)


def _squared_distances(X: Array, Z: Array) -> Array:
    xp = namespace(X, Z)
    K = X @ Z.T
    K *= -2.0
    K += xp.sum(X * X, axis=1)[:, None]
    K += xp.sum(Z * Z, axis=1)[None, :]
    # Rounding leaves distances of equal rows slightly off zero, on either side.
    return xp.where(K > 0, K, xp.zeros_like(K))


def evaluate(kernel: Kernel, X: Array, Z: Array, *, degree: int, gamma: float, coef0: float) -> Array:
    """Evaluate a kernel by its name.

    Parameters
    ----------
    kernel : {"linear", "polynomial", "gaussian", "rbf", "matern"}
    X : array (n, n_features)
    Z : array (m, n_features)
    degree : int
        Of the polynomial kernel.
    gamma : float
        Of all kernels but the linear one.
    coef0 : float
        Of the polynomial kernel.

    Returns
    -------
    array (n, m)

    Raises
    ------
    ValueError
        If the name is unknown, or a parameter of the kernel is not allowed.
    """
    check_choice("kernel", kernel, get_args(Kernel))
    if kernel == "linear":
        return linear(X, Z)
    if kernel == "polynomial":
        return polynomial(X, Z, degree=degree, gamma=gamma, coef0=coef0)
    return (matern if kernel == "matern" else gaussian)(X, Z, gamma=gamma)
