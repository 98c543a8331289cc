"""Hamiltonians of regions: all atoms within a radius of one atom, with waves damped in the outer part.

A sharp end would reflect waves back to the centre, where they focus. The recursion of ``moments`` is damped in the
outer part instead (V. A. Mandelshtam and H. S. Taylor, J. Chem. Phys. 103, 2903 (1995)). So an atom that crosses the
end has no weight, and spectra are continuous.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ldosml.regions import Region
from ldosml.tightbinding.binding import Binding, reach
from ldosml.tightbinding.hamiltonian import N_ORBITALS
from ldosml.tightbinding.slater_koster import Floats

Singles = NDArray[np.float32]
Indices = NDArray[np.int64]

_ZONE = 4.0  # angstrom, where waves are damped, and at most 60 % of the radius
_RATE = 2.5  # eV, of the damping; measured together with _ZONE, on a liquid and a rattled crystal
_BRIDGE = 16.0  # eV, half of a usual spectrum: for damping other than in the recursion
_PAIRS_AT_ONCE = 4096
_STEPS = 32  # of Lanczos, for the ends of a spectrum


def damping(distances: Floats, radius: float) -> Floats:
    """Rate at which waves are damped so far from the centre, eV; infinite at the end of the region."""
    zone = min(_ZONE, 0.6 * radius)
    x = np.clip((distances - radius) / zone + 1, 0, 1) ** 2
    with np.errstate(divide="ignore"):
        rate: Floats = _RATE * x / (1 - x)
    return rate


def damped_matrices(region: Region, radius: float, binding: Binding) -> Iterator[DampedMatrix]:
    """Build the Hamiltonian around each centre of a region, one after another.

    Parameters
    ----------
    region : Region
        Not periodic, cut at ``reach`` or farther out.
    radius : float
        Atoms this close to a centre are in its Hamiltonian, angstrom.
    binding : Binding
        Makes the tight binding of the region.

    Yields
    ------
    DampedMatrix

    Raises
    ------
    ValueError
        When the region is periodic or too small, and as ``TightBinding``.
    """
    needed = reach(region.atoms, radius, binding.n_steps)
    if region.atoms.pbc.any() or region.radius < needed:
        raise ValueError(
            f"Moments with radius = {radius:g} angstrom need regions that are not periodic, cut at {needed:g} "
            f"angstrom; this one was cut at {region.radius:g}. Use cut_regions with reach(atoms, radius, n_steps)."
        )
    bonds = _bonds(region, radius, binding)
    tree, place = cKDTree(bonds.positions), np.full(len(bonds.positions), -1)
    for center in range(len(region)):
        near = np.array(tree.query_ball_point(bonds.positions[center], radius))
        distances = np.linalg.norm(bonds.positions[near] - bonds.positions[center], axis=1)
        order = np.argsort(distances)
        near, distances = near[order], distances[order]
        place[near] = np.arange(len(near))
        yield _matrix(bonds, near, place, damping(distances, radius))
        place[near] = -1


@dataclass(frozen=True, eq=False)
class DampedMatrix:
    """Hamiltonian of a region around one atom, whose orbitals come first, with the damping.

    Parameters
    ----------
    elements : array (n, n) of float32
        eV.
    rates : array (n,)
        Rate of the damping at each orbital, eV.
    """

    elements: Singles
    rates: Floats

    def ends(self) -> tuple[float, float]:
        """Give bounds of the spectrum, eV, by Lanczos.

        The damping depends a little on them, so they must not depend on the first vector: the steps suffice for the
        ends to converge.
        """
        n = len(self.elements)
        # H - H_11 is damped: atoms at the end of the region must not count.
        damping = np.exp(-self.rates / _BRIDGE).astype(np.float32)
        roots, inside = np.sqrt(damping), self.elements[0, 0] * (1 - damping)
        previous, vector, beta = np.zeros(n, np.float32), np.cos(np.arange(1, n + 1), dtype=np.float32), 0.0
        vector /= np.linalg.norm(vector)
        diagonal, aside = [], []
        for _ in range(min(_STEPS, n)):
            after = roots * (self.elements @ (roots * vector)) + inside * vector - beta * previous
            diagonal.append(float(after @ vector))
            after -= diagonal[-1] * vector
            beta = float(np.linalg.norm(after))
            aside.append(beta)
            if beta < 1e-3:
                break
            previous, vector = vector, after / beta
        values = np.linalg.eigvalsh(np.diag(diagonal) + np.diag(aside[:-1], 1) + np.diag(aside[:-1], -1))
        margin = 0.5 + 0.02 * (values[-1] - values[0])
        return float(values[0] - margin), float(values[-1] + margin)


@dataclass(frozen=True, eq=False)
class _Bonds:
    """Atoms of a region with the matrix elements between them; the centres come first.

    Pairs are sorted by the first atom; ``starts`` (n_atoms + 1,) says where the pairs of each atom start.
    """

    positions: Floats
    levels: Singles  # (n_atoms, 13), eV
    overlaps: Singles  # (n_atoms, 13), 1/eV
    on_site: Singles | None  # (n_atoms, 13, 13), eV
    starts: Indices
    others: Indices  # (n_pairs,)
    blocks: Singles  # (n_pairs, 13, 13), eV


def _bonds(region: Region, radius: float, binding: Binding) -> _Bonds:
    """Matrix elements among the atoms within ``radius`` of a centre."""
    atoms = Atoms(region.atoms.numbers, region.atoms.positions)
    # In a cell, ASE finds neighbours in linear time.
    atoms.center(vacuum=1.0)  # type: ignore[no-untyped-call]
    model = binding(atoms)
    positions: Floats = atoms.positions
    away, _ = cKDTree(positions[: len(region)]).query(positions, distance_upper_bound=radius)
    kept = away < radius
    place = np.cumsum(kept) - 1
    given = model.by_orbital()
    roots = np.exp(0.5 * given.strengths).reshape(-1, N_ORBITALS)
    i, j = model.pairs
    order = np.argsort(i * len(model) + j)
    order = order[kept[i[order]] & kept[j[order]]]
    first, second = i[order], j[order]
    blocks = np.empty((len(order), N_ORBITALS, N_ORBITALS), dtype=np.float32)
    once = np.flatnonzero(first < second)  # the other half has transposed blocks
    mirrored = np.searchsorted(first * len(model) + second, second[once] * len(model) + first[once])
    for start in range(0, len(once), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        rows = once[part]
        blocks[rows] = roots[first[rows], :, None] * model.hopping(order[rows]) * roots[second[rows], None, :]
        blocks[mirrored[part]] = blocks[rows].transpose(0, 2, 1)
    starts = np.searchsorted(place[first], np.arange(kept.sum() + 1))
    each, on_site = (kept.size, N_ORBITALS), model.on_site()
    return _Bonds(
        positions[kept],
        given.levels.reshape(each)[kept].astype(np.float32),
        given.overlaps.reshape(each)[kept].astype(np.float32),
        None if on_site is None else on_site[kept].astype(np.float32),
        starts,
        place[second],
        blocks,
    )


def _matrix(bonds: _Bonds, near: Indices, place: Indices, rates: Floats) -> DampedMatrix:
    n = len(near)
    counts = bonds.starts[near + 1] - bonds.starts[near]
    pairs = np.arange(counts.sum()) + np.repeat(bonds.starts[near] - (np.cumsum(counts) - counts), counts)
    first, second = np.repeat(np.arange(n), counts), place[bonds.others[pairs]]
    inside = second >= 0
    square = np.zeros((n, N_ORBITALS, n, N_ORBITALS), dtype=np.float32)
    square[first[inside], :, second[inside], :] = bonds.blocks[pairs[inside]]
    hopping = square.reshape(n * N_ORBITALS, n * N_ORBITALS)
    overlaps, each = bonds.overlaps[near].ravel(), np.repeat(rates, N_ORBITALS)
    # An atom at the end of the region must not be a bridge between others either.
    bridged = hopping * np.exp(-0.5 / _BRIDGE * each).astype(np.float32)
    squared: Singles = bridged @ bridged.T  # NumPy computes half of it
    squared *= overlaps[:, None] + overlaps
    squared += hopping
    squared[np.diag_indices(len(squared))] += bonds.levels[near].ravel()
    if bonds.on_site is not None:
        atom = np.arange(n)
        squared.reshape(n, N_ORBITALS, n, N_ORBITALS)[atom, :, atom] += bonds.on_site[near]
    return DampedMatrix(squared, each)
