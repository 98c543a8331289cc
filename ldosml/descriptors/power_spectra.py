"""The power spectra of a few atoms, as DScribe computes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.geometry import wrap_positions
from dscribe.descriptors import SOAP as PowerSpectrum
from numpy.typing import NDArray


class Basis(NamedTuple):
    """What fixes the power spectrum of an environment."""

    r_cut: float
    n_max: int
    l_max: int
    atom_sigma: float
    species: tuple[int, ...]


class Centers(NamedTuple):
    """Atoms as plain arrays, of which the first ``n_centers`` are the centres.

    Plain arrays, because two ase.Atoms of the same atoms may differ in what else they carry, and the disk cache
    must not notice.
    """

    numbers: NDArray[np.int64]
    positions: NDArray[np.float64]
    cell: NDArray[np.float64]
    pbc: NDArray[np.bool_]
    n_centers: int


class Batch(NamedTuple):
    """What one task computes, and which rows of the result these are."""

    pieces: list[Centers]
    rows: NDArray[np.int64]


@lru_cache(maxsize=16)
def _power_spectrum(basis: Basis) -> PowerSpectrum:
    # Periodic: along which directions is up to the pbc of each structure, which may be none.
    return PowerSpectrum(
        r_cut=basis.r_cut,
        n_max=basis.n_max,
        l_max=basis.l_max,
        sigma=basis.atom_sigma,
        species=basis.species,
        periodic=True,
    )


def power_spectra(pieces: list[Centers], basis: Basis) -> NDArray[np.float64]:
    """Compute the power spectra of one batch, (n_centers, n_features)."""
    spectrum = _power_spectrum(basis)
    blocks = []
    for numbers, positions, cell, pbc, n_centers in pieces:
        atoms = Atoms(numbers=numbers, positions=positions, cell=cell, pbc=pbc)
        # Given as points: for atom indices DScribe copies all positions once per centre.
        blocks.append(spectrum.create_single(atoms, centers=list(positions[:n_centers])))
    return np.concatenate(blocks)


def spectra_of_batch(
    spectra: Callable[[list[Centers], Basis], NDArray[np.float64]], basis: Basis, normalize: bool, batch: Batch
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Compute the rows of one batch by ``spectra``: which rows they are, and the rows (n_centers, n_features)."""
    # joblib maps large arrays into memory; these would have other cache keys than the same arrays in one process.
    pieces = [
        Centers(np.asarray(p.numbers), np.asarray(p.positions), np.asarray(p.cell), np.asarray(p.pbc), p.n_centers)
        for p in batch.pieces
    ]
    rows = spectra(pieces, basis)
    return batch.rows, unit_rows(rows) if normalize else rows


def as_centers(atoms: Atoms, n_centers: int) -> Centers:
    """Give atoms as plain arrays, moved into their cell along the periodic directions."""
    # DScribe repeats the cell with its atoms where they are, so that they must lie inside along periodic directions,
    # and its cell must have a volume, along the other directions too.
    cell: NDArray[np.float64] = atoms.cell.complete().array
    positions: NDArray[np.float64] = atoms.positions
    if atoms.pbc.any():
        positions = wrap_positions(positions, cell, atoms.pbc)  # type: ignore[no-untyped-call]
    return Centers(atoms.numbers, positions, cell, atoms.pbc, n_centers)


def unit_rows(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale rows (n, n_features) to length 1; rows of zeros stay."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1.0)
