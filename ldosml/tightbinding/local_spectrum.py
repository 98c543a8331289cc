"""The share of each atom in the spectrum of tight binding, by diagonalisation on a mesh of k-points."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.special import ndtr

from ldosml._validation import ParameterError
from ldosml.tightbinding.hamiltonian import N_ORBITALS, SHELL_OF, TightBinding
from ldosml.tightbinding.slater_koster import Floats

_MOST_KPOINTS = 1_000_000

NEARLY = 1e-4  # fraction of the electrons: in a gap, the Fermi level is midway between so many less and more


def shifted_mesh(atoms: Atoms, density: float) -> tuple[Floats, Floats]:
    """Make a mesh half a step away from Gamma, one of k and -k.

    Half a step away, few k-points do: a mesh of the same density around Gamma has larger errors (Monkhorst and Pack,
    Phys. Rev. B 13, 5188 (1976)). A cell that is repeated m times along each lattice vector has the mesh of the
    original cell, folded, where m divides the number of points.

    Parameters
    ----------
    atoms : ase.Atoms
        Directions without periodicity get one point, at zero.
    density : float
        Points per inverse angstrom of the reciprocal lattice vectors, which include 2 pi; rounded up.

    Returns
    -------
    kpoints : array (n_kpoints, 3)
        Fractions of the reciprocal lattice vectors.
    weights : array (n_kpoints,)
        Their sum is 1.

    Raises
    ------
    ValueError
        When there are more than a million k-points.
    """
    cell = atoms.cell.complete()
    lengths = 2 * np.pi * np.linalg.norm(cell.reciprocal().array, axis=1)
    shape = np.where(atoms.pbc, np.maximum(1, np.ceil(density * lengths - 1e-9)), 1).astype(int)
    if (count := np.prod(shape, dtype=float)) > _MOST_KPOINTS:
        raise ParameterError(
            "k_density of TightBindingSpectrum",
            f"must give at most {_MOST_KPOINTS:,} k-points; {density:g} points per inverse angstrom give {count:.3g}. "
            "A density of 2 to 8 is usual.",
        )
    places = np.indices(tuple(shape)).reshape(3, -1).T
    mirrored = np.where(atoms.pbc, shape - 1 - places, 0)
    own, other = (np.ravel_multi_index(tuple(p.T), tuple(shape)) for p in (places, mirrored))
    kept = own <= other
    kpoints = np.where(atoms.pbc, (places[kept] + 0.5) / shape, 0.0)
    return kpoints, np.where(own < other, 2.0, 1.0)[kept] / len(places)


def local_states(
    model: TightBinding, kpoints: Floats, weights: Floats, *, by_shell: bool = False
) -> tuple[Floats, Floats]:
    """Diagonalise, and share every state among the atoms by the squares of its coefficients.

    Returns
    -------
    energies : array (n_states,)
        eV against the vacuum, of all bands and k-points.
    shares : array (n_atoms, n_states), or (5 n_atoms, n_states) by shell
        Electrons that the state holds at the atom: 2 x weight of the k-point x squares of the coefficients.
    """
    n = model.n_orbitals
    energies, shares = np.empty((len(kpoints), n)), []
    starts = np.flatnonzero(np.diff(SHELL_OF, prepend=-1)) if by_shell else np.zeros(1, dtype=int)
    first = (np.arange(len(model))[:, None] * N_ORBITALS + starts).ravel()
    for part, matrices in model.hamiltonians(kpoints):
        for k, matrix in zip(range(part.start, part.stop), matrices, strict=False):
            energies[k], vectors = np.linalg.eigh(matrix)
            squares = vectors.real**2 + vectors.imag**2 if np.iscomplexobj(vectors) else vectors**2
            shares.append(2 * weights[k] * np.add.reduceat(squares, first, axis=0))
    return energies.ravel(), np.concatenate(shares, axis=1)


def smeared_fermi_level(energies: Floats, electrons: Floats, n_electrons: float, width: float) -> float:
    """Energy up to which smeared states hold the electrons, eV; midway in a gap.

    It moves continuously with the structure, and is the same for a spectrum on a grid.

    Parameters
    ----------
    energies, electrons : arrays (n_states,)
        eV, and how many electrons each state holds.
    n_electrons : float
    width : float
        Gaussian width of the states, eV.
    """
    below, above = frontier_energies(energies, electrons, n_electrons, width)
    return 0.5 * (below + above)


def frontier_energies(energies: Floats, electrons: Floats, n_electrons: float, width: float) -> tuple[float, float]:
    """Energies up to which smeared states hold a fraction ``NEARLY`` less, and more, than the electrons, eV.

    The Fermi level is midway between them. Parameters: see ``smeared_fermi_level``.
    """
    off = NEARLY * n_electrons
    order = np.argsort(energies)
    sorted_energies, sorted_electrons = energies[order], electrons[order]

    def level(count: float) -> float:
        low, high = sorted_energies[0] - 8 * width, sorted_energies[-1] + 8 * width
        for _ in range(60):
            middle = 0.5 * (low + high)
            first, last = np.searchsorted(sorted_energies, (middle - 8 * width, middle + 8 * width))
            partly = sorted_electrons[first:last] @ ndtr((middle - sorted_energies[first:last]) / width)
            if sorted_electrons[:first].sum() + partly < count:
                low = middle
            else:
                high = middle
        return float(0.5 * (low + high))

    return level(n_electrons - off), level(n_electrons + off)


def smeared(energies: Floats, shares: Floats, grid: NDArray[np.float64], width: float) -> Floats:
    """Spectra (n_atoms, n_energies), states/eV, of states with Gaussians of ``width`` at the energies ``grid``, eV."""
    inside = (energies > grid[0] - 7 * width) & (energies < grid[-1] + 7 * width)
    u = (energies[inside, None] - grid) / width
    found: Floats = shares[:, inside] @ (np.exp(-0.5 * u * u) / (width * np.sqrt(2 * np.pi)))
    return found
