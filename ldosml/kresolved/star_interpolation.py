"""Interpolation of bands in k by star functions: smooth, periodic, with the symmetry of the crystal.

D. D. Koelling and J. H. Wood, J. Comput. Phys. 67, 253 (1986); W. E. Pickett, H. Krakauer and P. B. Allen, Phys. Rev. B
38, 2721 (1988). BoltzTraP interpolates in the same way: G. K. H. Madsen and D. J. Singh, Comput. Phys. Commun. 175, 67
(2006).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve

from ldosml._ranges import check_arguments
from ldosml._validation import check_finite, check_shape
from ldosml.kresolved.brillouin import reciprocal_lattice

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_C1, _C2 = 0.75, 0.75  # of the roughness, as in Pickett et al.
_SAME = 1e-6  # relative difference of lengths of lattice vectors in one shell
_AT_ONCE = 4_000_000  # cosines


@dataclass(frozen=True, eq=False, repr=False)
class StarInterpolation:
    """Bands at any k-point, as a sum of star functions; made by ``interpolate_bands``.

    E_n(k) = sum_m c_mn S_m(k), with S_m(k) the mean of exp(2 pi i k.L) over all lattice vectors L in star m: vectors
    that the point group or inversion maps onto each other.

    Parameters
    ----------
    vectors : array (n_vectors, 3)
        Lattice vectors, in units of the vectors of the cell, star by star; one of each pair L and -L.
    starts : array (n_stars,)
        Index of the first vector of each star.
    coefficients : array (n_stars, n_bands)
        Of the star functions, eV. The first star is the zero vector.
    """

    vectors: Integers
    starts: Integers
    coefficients: Floats

    def __repr__(self) -> str:
        """Numbers of bands and star functions."""
        return f"StarInterpolation({self.coefficients.shape[1]} bands, {len(self.starts)} star functions)"

    def __call__(self, kpoints: ArrayLike) -> Floats:
        """Bands at k-points.

        Parameters
        ----------
        kpoints : array (n_kpoints, 3)
            Fractions of the reciprocal lattice vectors.

        Returns
        -------
        array (n_kpoints, n_bands)
            eV. Where interpolated bands cross by the error of the interpolation, they are not in order.

        Raises
        ------
        ValueError
            When the shape is wrong, or numbers are not finite.
        """
        return _stars(_checked(kpoints), self.vectors, self.starts) @ self.coefficients


def interpolate_bands(
    kpoints: ArrayLike,
    energies: ArrayLike,
    cell: ArrayLike,
    operations: ArrayLike,
    *,
    n_vectors: int = 16_000,
    alpha: float = 1e-5,
) -> StarInterpolation:
    """Find the smoothest bands through energies at k-points.

    Pickett et al. minimise a roughness, the sum of rho_m c_m^2 with rho = (1 - C1 x^2)^2 + C2 x^6 and x the length of L
    in units of the shortest, and fit the energies exactly. Here the sum of squared errors, divided by ``alpha``, is
    added to the roughness: k-points may then be equivalent to each other, and sharp crossings cause less ringing.

    Parameters
    ----------
    kpoints : array (n_kpoints, 3)
        Fractions of the reciprocal lattice vectors; any k-points, such as an irreducible mesh and a path.
    energies : array (n_kpoints, n_bands)
        eV, in order of energy at each k-point.
    cell : array (3, 3)
        Lattice vectors of the primitive cell, rows, angstrom.
    operations : array (n_operations, 3, 3)
        Integer matrices R of the point group that act on fractions of k-points as columns. Time reversal (-R) is added.
    n_vectors : int
        Number of lattice vectors, up to the last complete shell. It must be several times the number of k-points of a
        full mesh.
    alpha : float
        Weight of the roughness, relative to the mean square of the star functions at the k-points.

    Returns
    -------
    StarInterpolation

    Raises
    ------
    ValueError
        When shapes do not fit, numbers are not finite, lattice vectors span no volume, or a parameter is not positive.

    Examples
    --------
    >>> k = np.linspace(0, 0.5, 9)[:, None] * [1, 0, 0]
    >>> bands = interpolate_bands(k, np.cos(2 * np.pi * k[:, :1]), np.diag([2, 9, 9]), [np.eye(3)])
    >>> bands([[0.0, 0, 0], [0.17, 0, 0]]).round(3).ravel().tolist()
    [1.0, 0.482]
    """
    check_arguments(n_vectors=n_vectors, alpha=alpha)
    points, values, vectors = _checked(kpoints), np.asarray(energies, dtype=np.float64), np.asarray(cell, dtype=float)
    check_shape("energies", values, (len(points), None), "n_kpoints, n_bands")
    check_finite("energies", values)
    reciprocal_lattice(vectors)  # raises a clear error
    lattice, starts, lengths = _lattice_stars(vectors, operations, int(n_vectors))
    squared = (lengths[1:] / lengths[1]) ** 2
    rho = (1 - _C1 * squared) ** 2 + _C2 * squared**3
    stars = _stars(points, lattice, starts)[:, 1:]  # (n_kpoints, n_stars - 1)
    n = len(points)
    kernel = (stars / rho) @ stars.T
    # Lagrange multipliers of the fit, and the constant, which is not rough.
    system = np.zeros((n + 1, n + 1))
    system[:n, :n] = kernel + alpha * np.trace(kernel) / n * np.eye(n)
    system[:n, n] = system[n, :n] = 1.0
    found = solve(system, np.vstack([values, np.zeros(values.shape[1])]), assume_a="sym")
    return StarInterpolation(lattice, starts, np.vstack([found[n:], (stars / rho).T @ found[:n]]))


def _checked(kpoints: ArrayLike) -> Floats:
    points = np.asarray(kpoints, dtype=np.float64)
    check_shape("kpoints", points, (None, 3), "n_kpoints, 3 fractions of reciprocal lattice vectors")
    check_finite("kpoints", points)
    if not len(points):
        raise ValueError("An interpolation needs at least one k-point; got none.")
    return points


def _lattice_stars(cell: Floats, operations: ArrayLike, n: int) -> tuple[Integers, Integers, Floats]:
    """About ``n`` shortest lattice vectors, star by star, the first vector of each star, and the length of each star.

    Of L and -L only one is there, as both give the same cosine.
    """
    turns = np.rint(np.asarray(operations)).astype(np.int64)
    check_shape("operations", turns, (None, 3, 3), "n_operations, 3, 3")
    radius = (3 * n * abs(np.linalg.det(cell)) / (4 * np.pi)) ** (1 / 3)
    radius = max(radius, np.linalg.norm(cell, axis=1).min()) * (1 + _SAME)
    reach = np.ceil(radius * np.linalg.norm(np.linalg.inv(cell), axis=0)).astype(np.int64)
    box = np.indices(2 * reach + 1).reshape(3, -1).T - reach
    inside = box[np.linalg.norm(box @ cell, axis=1) <= radius]
    images = np.einsum("oji,vj->ovi", turns, inside)  # (R k).L = k.(R^T L)
    span = 2 * int(np.abs(images).max()) + 1
    digits = np.array([span * span, span, 1])
    own = inside @ digits  # differs for all vectors, and changes its sign with them
    names = np.abs(images @ digits).max(axis=0)  # of stars: the number of the largest image
    vectors, names = inside[own >= 0], names[own >= 0]
    lengths = np.linalg.norm(vectors @ cell, axis=1)
    _, first, star = np.unique(names, return_index=True, return_inverse=True)
    order = np.lexsort((star, lengths[first][star]))
    starts = np.flatnonzero(np.diff(star[order], prepend=-1))
    return vectors[order], starts, lengths[order][starts]


def _stars(kpoints: Floats, vectors: Integers, starts: Integers) -> Floats:
    """Star functions at k-points, (n_kpoints, n_stars)."""
    sizes = np.diff(np.append(starts, len(vectors)))
    step = max(1, _AT_ONCE // len(vectors))
    parts = [
        np.add.reduceat(np.cos(2 * np.pi * (kpoints[start : start + step] @ vectors.T)), starts, axis=1) / sizes
        for start in range(0, len(kpoints), step)
    ]
    return np.concatenate(parts)
