"""Meshes of k-points: the full mesh around Gamma, its irreducible part, and back."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ldosml._ranges import check_arguments
from ldosml._validation import ParameterError, check_finite, check_shape, shorten
from ldosml.kresolved.occupancy import KResolvedOccupancy
from ldosml.resources import require_memory

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_KPOINTS = 10_000_000
"""Largest number of k-points of a mesh; converged meshes have thousands."""

_TOLERANCE = 1e-4  # of fractions, which files round
_IMAGE = 100  # bytes of one image of a k-point
_CELLS = 100_000  # resolution of fractions; the offset keeps boundaries away from fractions of small integers
_OFFSET = 0.31830988618


def gamma_mesh(n: int | tuple[int, int, int]) -> tuple[Floats, Floats]:
    """Make all k-points of a mesh around Gamma, and their weights.

    Parameters
    ----------
    n : int or tuple of 3 int
        Number of k-points along each reciprocal lattice vector.

    Returns
    -------
    kpoints : array (n_kpoints, 3)
        Fractions of the reciprocal lattice vectors, from above -1/2 up to 1/2, in the order of ``on_mesh``.
    weights : array (n_kpoints,)
        All equal; their sum is 1.

    Raises
    ------
    ValueError
        When a number is not an integer, or below 1, or the mesh has more than 10,000,000 k-points.

    Examples
    --------
    >>> gamma_mesh((3, 1, 1))[0][:, 0].round(3)
    array([ 0.   ,  0.333, -0.333])
    """
    shape = _shape(n)
    if math.prod(shape) > MOST_KPOINTS:
        raise ParameterError(
            "mesh of k-points",
            f"must have at most {MOST_KPOINTS:,} k-points; {_times(shape)} are {math.prod(shape):.3g}. Take fewer "
            "along each reciprocal lattice vector; 8 to 40 are usual.",
        )
    kpoints = np.indices(shape).reshape(3, -1).T / shape
    kpoints[kpoints > 0.5 + 1e-9] -= 1
    return kpoints, np.full(len(kpoints), 1 / len(kpoints))


def on_mesh(kpoints: ArrayLike, values: ArrayLike) -> Floats:
    """Sort values at the k-points of a full mesh around Gamma into an array with three axes.

    Parameters
    ----------
    kpoints : array (n_kpoints, 3)
        Fractions of the reciprocal lattice vectors, in any order and in any period.
    values : array (n_kpoints, ...)
        Values at the k-points.

    Returns
    -------
    array (n1, n2, n3, ...)
        Element i, j, k belongs to the k-point (i / n1, j / n2, k / n3).

    Raises
    ------
    ValueError
        When shapes do not fit, or the k-points are not such a mesh: some are missing, or Gamma is.

    Examples
    --------
    >>> on_mesh([[-0.25, 0, 0], [0.5, 0, 0], [0, 0, 0], [0.25, 0, 0]], [3.0, 2.0, 0.0, 1.0]).ravel()
    array([0., 1., 2., 3.])
    """
    fractions, array = _given(kpoints, values)
    shape = np.array([_divisions(axis) for axis in fractions.T])
    return _filled(np.rint(fractions * shape).astype(np.int64), array, shape)


def unfolded(kpoints: ArrayLike, values: ArrayLike, operations: ArrayLike, n: int | tuple[int, int, int]) -> Floats:
    """Fill a full mesh around Gamma with values at its irreducible k-points.

    Parameters
    ----------
    kpoints : array (n_kpoints, 3)
        Fractions of the reciprocal lattice vectors.
    values : array (n_kpoints, ...)
        Values that are the same at k, R k and -k.
    operations : array (n_operations, 3, 3)
        Integer matrices R that act on fractions as columns.
    n : int or tuple of 3 int
        Number of k-points along each reciprocal lattice vector.

    Returns
    -------
    array (n1, n2, n3, ...)
        As from ``on_mesh``.

    Raises
    ------
    ValueError
        When shapes do not fit, a k-point is not on the mesh, or k-points of the mesh are missing.
    """
    fractions, array = _given(kpoints, values)
    shape = np.array(_shape(n))
    places = fractions * shape
    off = np.abs(places - np.rint(places)) > _TOLERANCE * shape
    if off.any():
        first = fractions[off.any(axis=1)][0]
        raise ValueError(f"k-points must lie on the mesh of {_times(shape)}; {first.tolist()} does not.")
    images = _images(fractions, operations)
    rows = np.tile(np.arange(len(array)), len(images))
    return _filled(np.rint(images.reshape(-1, 3) * shape).astype(np.int64), array[rows], shape)


def irreducible(kpoints: ArrayLike, operations: ArrayLike) -> tuple[Floats, Floats, Integers]:
    """Find the irreducible k-points: one of each set that symmetry or time reversal makes equivalent.

    Values at the irreducible k-points become values at all k-points by ``values[inverse]``.

    Parameters
    ----------
    kpoints : array (n_kpoints, 3)
        Fractions of the reciprocal lattice vectors.
    operations : array (n_operations, 3, 3)
        Integer matrices R of a group, which act on fractions as columns. Time reversal (-R) is added.

    Returns
    -------
    representatives : array (n_irreducible, 3)
        The irreducible k-points.
    weights : array (n_irreducible,)
        The fraction of all k-points that each represents.
    inverse : array (n_kpoints,)
        Index of the representative of each k-point.

    Raises
    ------
    ValueError
        When shapes do not fit.
    MemoryError
        When the images of the k-points do not fit into the free memory.

    Examples
    --------
    >>> representatives, weights, inverse = irreducible(gamma_mesh((4, 1, 1))[0], [np.eye(3)])
    >>> representatives[:, 0], weights
    (array([0.  , 0.25, 0.5 ]), array([0.25, 0.5 , 0.25]))
    """
    fractions = _checked(kpoints)
    size = _IMAGE * 2 * len(np.asarray(operations)) * len(fractions)
    require_memory(f"Symmetry of {len(fractions):,} k-points", size, "Take a smaller mesh.")
    cells = np.floor(_images(fractions, operations) * _CELLS + _OFFSET).astype(np.int64) % _CELLS
    keys = (cells[..., 0] * _CELLS + cells[..., 1]) * _CELLS + cells[..., 2]
    _, first, inverse, counts = np.unique(keys.min(axis=0), return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return fractions[first[order]], counts[order] / len(fractions), rank[inverse]


def from_irreducible(occupancy: KResolvedOccupancy, kpoints: ArrayLike, inverse: ArrayLike) -> KResolvedOccupancy:
    """Expand occupancies at irreducible k-points to all ``kpoints`` (n_kpoints, 3), with equal weights.

    ``inverse`` (n_kpoints,) comes from ``irreducible``.
    """
    index, places = np.asarray(inverse), _checked(kpoints)
    return replace(
        occupancy,
        kpoints=places,
        probabilities=occupancy.probabilities[index],
        weights=np.full(len(places), 1 / len(places)),
        counts=None if occupancy.counts is None else occupancy.counts[index],
    )


def _shape(n: int | tuple[int, int, int]) -> tuple[int, int, int]:
    """Three integers, at least 1 each."""
    numbers = np.broadcast_to(np.asarray(n), (3,)) if np.ndim(n) == 0 else np.asarray(n)
    numeric = numbers.dtype.kind in "iuf"
    if numbers.shape != (3,) or not numeric or not np.all((numbers >= 1) & (numbers == np.rint(numbers))):
        raise ParameterError("n", f"must be one or three positive whole numbers of k-points; got {shorten(n)}.")
    check_arguments(n=float(numbers.max()))
    return int(numbers[0]), int(numbers[1]), int(numbers[2])


def _checked(kpoints: ArrayLike) -> Floats:
    fractions = np.asarray(kpoints, dtype=np.float64)
    check_shape("kpoints", fractions, (None, 3), "n_kpoints, 3 fractions of reciprocal lattice vectors")
    check_finite("kpoints", fractions)
    if not len(fractions):
        raise ValueError("A mesh needs at least one k-point; got none.")
    return fractions


def _given(kpoints: ArrayLike, values: ArrayLike) -> tuple[Floats, Floats]:
    fractions, array = _checked(kpoints), np.asarray(values, dtype=np.float64)
    check_shape("values", array, (len(fractions), *(None,) * (array.ndim - 1)), "n_kpoints, ...")
    return fractions, array


def _divisions(fractions: Floats) -> int:
    """The smallest n such that all fractions are i / n."""
    for n in range(1, len(fractions) + 1):
        if np.all(np.abs(fractions * n - np.rint(fractions * n)) < _TOLERANCE * n):
            return n
    raise ValueError(
        "k-points must be a full mesh around Gamma, with fractions i / n along each reciprocal lattice vector. Is the "
        "mesh shifted, or are they a path?"
    )


def _images(fractions: Floats, operations: ArrayLike) -> Floats:
    """Images of k-points under each operation without and with time reversal, (2 n_operations, n_kpoints, 3)."""
    turns = np.asarray(operations)
    check_shape("operations", turns, (None, 3, 3), "n_operations, 3, 3")
    turned = np.einsum("oij,kj->oki", turns, fractions)
    return np.concatenate([turned, -turned])


def _filled(places: Integers, values: Floats, shape: Integers) -> Floats:
    """Array of values (n, ...) at integer places (n, 3), periodic with ``shape``."""
    flat = np.ravel_multi_index(tuple((places % shape).T), tuple(shape))
    reached, rows = np.unique(flat, return_index=True)
    total = int(np.prod(shape))
    if len(reached) < total:
        first = int(np.flatnonzero(np.append(reached, total) != np.arange(len(reached) + 1))[0])
        fractions = np.array(np.unravel_index(first, tuple(shape))) / shape
        raise ValueError(
            f"{total - len(reached)} of the {total} k-points of the mesh of {_times(shape)} are missing, the first at "
            f"{fractions.round(4).tolist()}. Unfold an irreducible mesh with all operations of its symmetry."
        )
    return np.asarray(values[rows].reshape(*shape, *values.shape[1:]), dtype=np.float64)


def _times(shape: Integers | tuple[int, ...]) -> str:
    return " x ".join(str(int(n)) for n in shape)
