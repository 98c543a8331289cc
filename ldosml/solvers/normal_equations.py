r"""Ridge regression on few functions of many rows: sums over the rows are all that is kept of them.

A sparse kernel model f(x) = sum_m k(x, z_m) c_m of inducing points z_m (subset of regressors: Quinonero-Candela and
Rasmussen, J. Mach. Learn. Res. 6, 1939 (2005), section 5; Bartok and Csanyi, Int. J. Quantum Chem. 115, 1051 (2015) for
sums over atoms) minimises |y - K_nM c|^2 + alpha c.K_MM c. With K_MM = A^-T A^-1 and w = A^-1 c that is

.. math:: |y - \Phi w|^2 + \alpha |w|^2, \quad \Phi = K_{nM} A,

for which sums of Phi^T Phi and Phi^T y suffice. Solving with K_MM + K_Mn K_nM / alpha instead squares the condition
number of K_MM, which is why sparse kernel fits break (Foster et al., J. Mach. Learn. Res. 10, 857 (2009)); here it
enters by its square root.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ldosml._array import Array, like, namespace, solve_triangular
from ldosml.solvers.factors import Factorization, factorize_kernel

CUTOFF = 1e-12
"""Eigenvalues of K_MM below this part of the largest are left out: in double precision they are rounding."""


@dataclass(frozen=True)
class InducedFeatures:
    """The matrix A with K_MM = A^-T A^-1, without the smallest eigenvalues of K_MM.

    A has one of two forms: L^-T with the Cholesky factor L if no eigenvalue is left out (solving with a triangle takes
    half the operations of a product), or V s^-1/2.

    Parameters
    ----------
    eigenvalues : array (rank,)
        The eigenvalues of K_MM that are kept, ascending.
    lower : array (m, m), optional
        L.
    whitening : array (m, rank), optional
        V s^-1/2.
    """

    eigenvalues: Array
    lower: Array | None = None
    whitening: Array | None = None

    @classmethod
    def of(cls, K_mm: Array, cutoff: float = CUTOFF) -> Self:
        """Factorise the kernel between inducing points.

        Parameters
        ----------
        K_mm : array (m, m)
        cutoff : float
            Eigenvalues below this fraction of the largest are left out.

        Returns
        -------
        InducedFeatures

        Raises
        ------
        ValueError
            If an eigenvalue is more negative than rounding explains, or all are zero.
        """
        xp = namespace(K_mm)
        factors = factorize_kernel(K_mm)
        largest = float(factors.eigenvalues[-1])
        if largest <= 0:
            raise ValueError(
                "The kernel between the inducing points is zero: every one of them has a descriptor of zeros, and "
                "nothing can be expressed by them. Check the descriptors."
            )
        dropped = int(xp.sum(xp.astype(factors.eigenvalues <= cutoff * largest, xp.int64)))
        kept = factors.eigenvalues[dropped:]
        if dropped == 0:
            return cls(kept, lower=xp.linalg.cholesky(K_mm))
        return cls(kept, whitening=factors.basis[:, dropped:] / xp.sqrt(kept)[None, :])

    @property
    def rank(self) -> int:
        """Number of features."""
        return int(self.eigenvalues.shape[0])

    def features(self, K_nm: Array) -> Array:
        """Features of rows, Phi = K_nM A.

        Parameters
        ----------
        K_nm : array (n, m)
            Kernel between the rows and the inducing points; overwritten if the namespace can.

        Returns
        -------
        array (n, rank)
        """
        if self.whitening is not None:
            return K_nm @ self.whitening
        assert self.lower is not None  # one of them is there
        return solve_triangular(self.lower, K_nm.T, overwrite=True).T

    def coefficients(self, weights: Array) -> Array:
        """Coefficients of the inducing points, c = A w.

        Parameters
        ----------
        weights : array (rank, n_energies)

        Returns
        -------
        array (m, n_energies)
        """
        if self.whitening is not None:
            return self.whitening @ weights
        assert self.lower is not None  # one of them is there
        return solve_triangular(self.lower, weights, transposed=True)


@dataclass
class NormalEquations:
    r"""Sums over rows of features Phi (n, r), of what is not regularised N (n, a), and of targets Y (n, n_energies).

    Here N are the numbers of atoms of each species in each row, whose coefficients are the mean shares.

    Parameters
    ----------
    gram, cross : arrays (r, r), (r, n_energies)
        Phi^T Phi and Phi^T Y.
    plain_gram, mixed, plain_cross : arrays (a, a), (r, a), (a, n_energies)
        N^T N, Phi^T N and N^T Y.
    squares : array (n_energies,)
        Sum of Y^2.
    n_rows : int
    """

    gram: Array
    cross: Array
    plain_gram: Array
    mixed: Array
    plain_cross: Array
    squares: Array
    n_rows: int = 0

    @classmethod
    def zeros(cls, n_features: int, n_plain: int, n_energies: int, like_array: Array) -> Self:
        """Start with no rows.

        Parameters
        ----------
        n_features, n_plain, n_energies : int
            Columns of Phi, N and Y.
        like_array : array
            Array whose namespace and device the sums take.

        Returns
        -------
        NormalEquations
        """
        shapes = {
            "gram": (n_features, n_features),
            "cross": (n_features, n_energies),
            "plain_gram": (n_plain, n_plain),
            "mixed": (n_features, n_plain),
            "plain_cross": (n_plain, n_energies),
            "squares": (n_energies,),
        }
        zeros: dict[str, Any] = {name: like(like_array, np.zeros(shape)) for name, shape in shapes.items()}
        return cls(**zeros)

    def arrays(self) -> dict[str, Array]:
        """The sums by name.

        Returns
        -------
        dict of str to array
        """
        return {name: value for name, value in vars(self).items() if name != "n_rows"}

    def add(self, features: Array, plain: Array, Y: Array, columns: slice) -> None:
        """Add rows.

        Parameters
        ----------
        features : array (n, n_columns)
            Part of Phi; its other columns are zero.
        plain : array (n, a)
            N.
        Y : array (n, n_energies)
            Targets.
        columns : slice
            Columns of Phi.
        """
        xp = namespace(Y)
        self.gram[columns, columns] += features.T @ features
        self.cross[columns, :] += features.T @ Y
        self.mixed[columns, :] += features.T @ plain
        self.plain_gram += plain.T @ plain
        self.plain_cross += plain.T @ Y
        self.squares += xp.sum(Y * Y, axis=0)
        self.n_rows += int(Y.shape[0])

    def merge(self, other: Self) -> None:
        """Add the rows of another set of sums.

        Parameters
        ----------
        other : NormalEquations
        """
        for name, value in other.arrays().items():
            mine = getattr(self, name)
            mine += value
        self.n_rows += other.n_rows

    def plain_coefficients(self) -> Array:
        """Coefficients m of N alone that minimise ``|Y - N m|^2``.

        For LDOS they are the mean of each species, for DOS shares by least squares. If N does not determine them, the
        smallest ones are given.

        Returns
        -------
        array (a, n_energies)
        """
        # N^T N has the squared condition number of N, a table of small whole numbers.
        return namespace(self.gram).linalg.pinv(self.plain_gram, rtol=1e-10) @ self.plain_cross

    def without(self, plain: Array) -> tuple[Array, Array]:
        """Subtract N m from the targets.

        Parameters
        ----------
        plain : array (a, n_energies)
            m.

        Returns
        -------
        array (r, n_energies)
            Phi^T (Y - N m).
        array (n_energies,)
            Mean of (Y - N m)^2.
        """
        xp = namespace(self.gram)
        squares = self.squares + xp.sum(plain * (self.plain_gram @ plain - 2 * self.plain_cross), axis=0)
        mean = squares / self.n_rows
        return self.cross - self.mixed @ plain, xp.where(mean > 0, mean, xp.zeros_like(mean))

    def factorize(self) -> Factorization:
        """Diagonalise Phi^T Phi = U g U^T, once for every alpha and energy.

        Returns
        -------
        Factorization
        """
        return factorize_kernel(self.gram)


def ridge_weights(factors: Factorization, cross: Array, alpha: Array) -> Array:
    """Weights (Phi^T Phi + alpha_e)^-1 Phi^T y_e, one alpha for each energy.

    Parameters
    ----------
    factors : Factorization
        Of Phi^T Phi.
    cross : array (r, n_energies)
        Phi^T Y.
    alpha : array (n_energies,)
        Regularisation.

    Returns
    -------
    array (r, n_energies)
    """
    return factors.basis @ ((factors.basis.T @ cross) / (factors.eigenvalues[:, None] + alpha[None, :]))


def smallest_alpha(factors: Factorization) -> float:
    """The smallest regularisation that rounding allows: eps times the largest eigenvalue of Phi^T Phi.

    Parameters
    ----------
    factors : Factorization
        Of Phi^T Phi.

    Returns
    -------
    float
    """
    xp = namespace(factors.eigenvalues)
    return float(factors.eigenvalues[-1]) * float(xp.finfo(factors.eigenvalues.dtype).eps)


def leave_out_basis(factors: Factorization) -> tuple[Array, Array]:
    """The basis of a leave-out, B = Phi U g^-1/2.

    Its columns are orthonormal over all rows, so that the smoother is H = B diag(g/(g+alpha)) B^T.

    Parameters
    ----------
    factors : Factorization
        Of Phi^T Phi = U g U^T.

    Returns
    -------
    array (r, q)
        U g^-1/2, without eigenvalues that are rounding errors.
    array (q,)
        g.
    """
    xp = namespace(factors.eigenvalues)
    g = factors.eigenvalues
    lost = int(xp.sum(xp.astype(g <= g.shape[0] * smallest_alpha(factors), xp.int64)))
    return factors.basis[:, lost:] / xp.sqrt(g[lost:])[None, :], g[lost:]
