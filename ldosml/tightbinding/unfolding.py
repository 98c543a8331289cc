"""Bands of a supercell with defects or displaced atoms, seen in the zone of the primitive cell: spectral weights.

W. Ku, T. Berlijn and C.-C. Lee, Phys. Rev. Lett. 104, 216401 (2010), for local orbitals: a state of the
supercell counts at k by its projection on the Bloch sums of the orbitals of the primitive cell. It is 1 or 0 in a
perfect repetition.
"""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.geometry import find_mic
from numpy.typing import ArrayLike, NDArray

from ldosml._validation import check_finite, check_shape
from ldosml.tightbinding.hamiltonian import N_ORBITALS, TightBinding

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_WHOLE = 0.05  # how far a lattice vector of the supercell may be from a whole number of primitive ones: strain


def unfolded(model: TightBinding, supercell: Atoms, primitive: Atoms, kpoints: ArrayLike) -> tuple[Floats, Floats]:
    """Find the states of a supercell at k-points of the primitive cell, and their spectral weights.

    Every atom belongs to the nearest site of the perfect lattice, whichever element it is; sites may be empty, and may
    hold several atoms.

    Parameters
    ----------
    model : TightBinding
        Of the supercell.
    supercell : ase.Atoms
        Its lattice vectors are whole combinations of the lattice vectors of ``primitive``, up to strain.
    primitive : ase.Atoms
        The perfect crystal in its primitive cell, oriented as the supercell.
    kpoints : array (n_kpoints, 3)
        Fractions of the reciprocal lattice vectors of ``primitive``.

    Returns
    -------
    energies : array (n_kpoints, n_states)
        eV against the vacuum.
    weights : array (n_kpoints, n_states)
        From 0 to 1; their sum at each k-point is the number of orbitals of the primitive cell, if no site is empty.

    Raises
    ------
    ValueError
        When the supercell is no repetition of the primitive cell, or shapes do not fit.

    Examples
    --------
    >>> from ase.build import bulk
    >>> silicon = bulk("Si")
    >>> pair = silicon.repeat((2, 1, 1))
    >>> energies, weights = unfolded(TightBinding(pair), pair, silicon, [[0.1, 0.2, 0.0]])
    >>> found = energies[weights > 0.5]
    >>> bool(np.allclose(found, TightBinding(silicon).eigenvalues([[0.1, 0.2, 0.0]])[0]))
    True
    """
    fractions = np.asarray(kpoints, dtype=np.float64)
    check_shape("kpoints", fractions, (None, 3), "n_kpoints, 3 fractions of reciprocal lattice vectors")
    check_finite("kpoints", fractions)
    repeats = _repeats(supercell, primitive)
    sites, cells = _sites(supercell, primitive, repeats)
    n_cells = abs(round(float(np.linalg.det(repeats))))
    energies = np.empty((len(fractions), model.n_orbitals))
    weights = np.empty_like(energies)
    members = np.eye(len(primitive))[:, sites]  # (n_sites, n_atoms)
    for part, matrices in model.hamiltonians(fractions @ repeats.T):
        energies[part], states = np.linalg.eigh(matrices)
        waves = np.exp(-2j * np.pi * fractions[part] @ cells.T)  # (n_part, n_atoms)
        amplitudes = states.reshape(len(waves), len(supercell), N_ORBITALS, -1)
        found = np.einsum("sa,ka,kaon->kson", members, waves, amplitudes, optimize=True)
        weights[part] = (np.abs(found) ** 2).sum(axis=(1, 2)) / n_cells
    return energies, weights


def _repeats(supercell: Atoms, primitive: Atoms) -> Integers:
    """The supercell in terms of the primitive cell, (3, 3)."""
    given = supercell.cell.array @ np.linalg.inv(primitive.cell.array)
    whole = np.rint(given)
    if np.abs(given - whole).max() > _WHOLE or round(float(np.linalg.det(whole))) == 0:
        raise ValueError(
            "The lattice vectors of the supercell must be whole combinations of the primitive ones; they are "
            f"{given.round(3).tolist()}. Are both oriented alike?"
        )
    return np.asarray(whole, dtype=np.int64)


def _sites(supercell: Atoms, primitive: Atoms, repeats: Integers) -> tuple[Integers, Integers]:
    """Site (n_atoms,) and primitive cell (n_atoms, 3) of each atom."""
    # In the perfect lattice, strained as the supercell is.
    cell = np.linalg.inv(repeats) @ supercell.cell.array
    places = primitive.get_scaled_positions(wrap=False) @ cell  # type: ignore[no-untyped-call]
    between = supercell.positions[:, None] - places
    vectors, distances = find_mic(between.reshape(-1, 3), cell)  # type: ignore[no-untyped-call]
    sites = distances.reshape(len(supercell), -1).argmin(axis=1)
    rows = np.arange(len(supercell))
    lattice = (between - vectors.reshape(between.shape))[rows, sites] @ np.linalg.inv(cell)
    return sites, np.rint(lattice).astype(np.int64)
