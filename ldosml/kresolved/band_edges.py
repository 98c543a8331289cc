"""Edges of a gap between the points of a mesh, and effective masses, from bands that are known at any k-point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ldosml._ranges import check_arguments
from ldosml._validation import ParameterError, check_choice, check_shape
from ldosml.kresolved.brillouin import reciprocal_lattice
from ldosml.units import HBAR2_M

Floats = NDArray[np.float64]

Bands = Callable[[Floats], Floats]
"""Energies (n_kpoints, n_bands), eV, ascending, at k-points (n_kpoints, 3), fractions of reciprocal lattice vectors."""

DEGENERATE = 1e-3
"""eV; bands closer to an edge than this belong to it."""

_TOLERANCE = 1e-4  # of a fraction: step at which the search ends; the energy is then right to about 1e-6 eV
_FLAT = 1e-4  # eV angstrom^2; rounding errors of energies give less
_STEP = 0.01  # 1/angstrom, of second derivatives: their error is 1e-4 where a band is parabolic over 0.1 / angstrom
_SAME = 1e-6  # eV; k-points with closer energies are taken for equivalent
_AROUND = np.indices((3, 3, 3)).reshape(3, -1).T - 1


@dataclass(frozen=True, eq=False)
class BandEdge:
    """The top of a valence band or the bottom of a conduction band.

    Parameters
    ----------
    energy : float
        eV.
    kpoint : array (3,)
        Fractions of the reciprocal lattice vectors, from -1/2 to 1/2.
    masses : array (degeneracy, 3)
        Effective masses of each band of the edge along ``axes``, in masses of the free electron: positive for electrons
        in a conduction band and for holes in a valence band. Infinite along a direction in which the band is flat.
    axes : array (3, 3)
        Unit vectors, rows: the principal axes of the mass tensor of a single band. Degenerate bands have no tensor
        (their energy is not a parabola), so the axes are Cartesian.
    """

    energy: float
    kpoint: Floats
    masses: Floats
    axes: Floats

    @property
    def degeneracy(self) -> int:
        """Number of bands that meet at the edge."""
        return len(self.masses)


def band_edge(
    bands: Bands, starts: ArrayLike, cell: ArrayLike, band: int, side: str, *, step: float = 0.06
) -> BandEdge:
    """Find the top or the bottom of a band between the points of a mesh.

    The search compares each point with the 26 around it, goes to the best, and halves the step where none is better: it
    needs no derivative, which bands do not have where they cross.

    Parameters
    ----------
    bands : callable
        Energies (n_kpoints, n_bands), eV, ascending, at k-points (n_kpoints, 3).
    starts : array (n_starts, 3)
        Where the search starts: fractions. One of them should be in the valley of the edge; see ``best_starts``.
    cell : array (3, 3)
        Lattice vectors, rows, angstrom.
    band : int
        Index of the band.
    side : {"top", "bottom"}
    step : float
        First step of the search, a fraction: about half the distance of the points of the mesh.

    Returns
    -------
    BandEdge

    Raises
    ------
    ValueError
        When shapes do not fit, there is no such side, or the step is not positive.

    Examples
    --------
    >>> def cosine(kpoints):
    ...     return -np.cos(2 * np.pi * (kpoints - 0.123)).sum(axis=1)[:, None]
    >>> edge = band_edge(cosine, [[0.0, 0.0, 0.0], [0.5, 0.0, 0.0]], 2 * np.eye(3), 0, "bottom")
    >>> edge.kpoint.round(4), round(edge.energy, 6)
    (array([0.123, 0.123, 0.123]), -3.0)
    >>> bool(np.allclose(edge.masses, 7.61996 / 2.0**2, rtol=1e-3))
    True
    """
    check_arguments(band=band, step=step)
    check_choice("side", side, ("top", "bottom"))
    given = np.asarray(starts, dtype=np.float64)
    check_shape("starts", given, (None, 3), "n_starts, 3 fractions of reciprocal lattice vectors")
    n_bands = bands(given[:1]).shape[1]
    if band >= n_bands:
        raise ParameterError("band", f"must be an index of the {n_bands} bands, from 0 on; got {band}.")
    sign = 1.0 if side == "bottom" else -1.0
    reciprocal = reciprocal_lattice(cell)

    def height(at: Floats) -> Floats:
        return sign * bands(at)[:, band]

    found = _descended(height, given, step)
    best = found[int(np.argmin(height(found)))]
    energies = bands(best[None])[0]
    together = np.flatnonzero(np.abs(energies - energies[band]) < DEGENERATE)
    if len(together) == 1:
        curvatures, axes = np.linalg.eigh(sign * _curvature_tensor(bands, best, reciprocal, band))
        masses, axes = _masses(curvatures)[None], axes.T
    else:
        axes = np.eye(3)
        masses = _masses(sign * _curvatures(bands, best, reciprocal, together))
    return BandEdge(float(energies[band]), best - np.rint(best), masses, axes)


def best_starts(kpoints: Floats, energies: Floats, side: str, n: int = 3) -> Floats:
    """The ``n`` best of k-points (n_kpoints, 3) for ``band_edge``, none equivalent to another: energies differ."""
    order = np.argsort(energies if side == "bottom" else -energies, kind="stable")
    apart = np.abs(np.diff(energies[order], prepend=np.inf)) > _SAME
    found: Floats = kpoints[order[apart][:n]]
    return found


def _descended(height: Callable[[Floats], Floats], starts: Floats, step: float) -> Floats:
    """Local minima (n_starts, 3) of a function of k-points, from all starts at once."""
    at, lowest = starts.copy(), height(starts)
    while step > _TOLERANCE:
        around = at[:, None] + step * _AROUND
        values = height(around.reshape(-1, 3)).reshape(len(at), -1)
        choice = values.argmin(axis=1)
        rows = np.arange(len(at))
        better = values[rows, choice] < lowest - 1e-12
        at[better], lowest[better] = around[rows, choice][better], values[rows, choice][better]
        if not better.any():
            step /= 2
    return at


def _masses(curvatures: Floats) -> Floats:
    """Effective masses; infinite for flat bands, as across a vacuum."""
    flat = np.abs(curvatures) < _FLAT
    return np.where(flat, np.inf, HBAR2_M / np.where(flat, 1.0, curvatures))


def _curvature_tensor(bands: Bands, kpoint: Floats, reciprocal: Floats, band: int) -> Floats:
    """Second derivatives (3, 3) of a single band, eV angstrom^2, by central differences."""
    pairs = [(a, b) for a in range(3) for b in range(a, 3)]
    moves = [np.eye(3)[a] + sign * np.eye(3)[b] for a, b in pairs for sign in (1, -1)]
    found = _second(bands, kpoint, reciprocal, np.array(moves), np.array([band]))[0].reshape(-1, 2)
    tensor = np.empty((3, 3))
    for (a, b), (plus, minus) in zip(pairs, found, strict=True):
        tensor[a, b] = tensor[b, a] = (plus - minus) / 4
    return tensor


def _curvatures(bands: Bands, kpoint: Floats, reciprocal: Floats, chosen: NDArray[np.int64]) -> Floats:
    """Second derivatives (n_bands, 3) of some bands along the Cartesian axes, eV angstrom^2."""
    return _second(bands, kpoint, reciprocal, np.eye(3), chosen)


def _second(bands: Bands, kpoint: Floats, reciprocal: Floats, moves: Floats, chosen: NDArray[np.int64]) -> Floats:
    """Second differences (n_bands, n_moves) along Cartesian moves, per squared length of ``_STEP``."""
    steps = _STEP * moves @ np.linalg.inv(reciprocal)
    at = np.concatenate([kpoint[None], kpoint + steps, kpoint - steps])
    middle, plus, minus = np.split(bands(at)[:, chosen], [1, 1 + len(moves)])
    return np.asarray(((plus + minus - 2 * middle) / _STEP**2).T, dtype=np.float64)
