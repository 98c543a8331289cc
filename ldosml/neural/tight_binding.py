"""Tight binding of crystals as the first guess of the network: bands on symmetric meshes, the Fermi level, widths.

Universal bands have errors of 1.6 eV, but the right symmetry and the right number of electrons below the Fermi level.
Fitted bands (``fit_tight_binding``) have errors of 0.54 eV for crystals outside the fit, from E_F - 10 to E_F + 10 eV
(``benchmarks/tight_binding_errors.py``); a network learns the difference.
"""

from __future__ import annotations

import numpy as np

from ldosml.energy import EnergyGrid
from ldosml.kresolved import gamma_mesh
from ldosml.kresolved.meshes import irreducible
from ldosml.neural.crystals import Crystal, Floats, Integers, point_group
from ldosml.tightbinding import TightBinding, TightBindingParameters
from ldosml.tightbinding.shells import atomic_shells

MESH = 6
"""Number of k-points along each reciprocal lattice vector for the Fermi level; smaller for more than 8 atoms."""
WIDTHS = (0.2, 0.8)
"""Gaussian widths of ``first_guess``, eV."""
LARGEST = 64
"""Largest number of atoms for ``first_guess``: 100 k-points of 64 atoms take 23 s on one core; time grows as n^3."""


def known_shells(crystal: Crystal) -> bool:
    """Whether there is tight binding: all levels are known, and the crystal has at most ``LARGEST`` atoms."""
    return len(crystal) <= LARGEST and {int(z) for z in crystal.numbers} <= set(atomic_shells())


class CrystalTightBinding(TightBinding):
    """Tight binding of a standardised primitive cell, whose symmetry its meshes use.

    Parameters
    ----------
    crystal : Crystal
        The standardised primitive cell.
    parameters : TightBindingParameters

    Raises
    ------
    ValueError
        When an element has no parameters.
    """

    def __init__(self, crystal: Crystal, parameters: TightBindingParameters) -> None:
        self.crystal = crystal
        super().__init__(crystal.atoms(), parameters)

    def on_mesh(self, n: int | None = None) -> tuple[Floats, Floats]:
        """Eigenvalues (n_kpoints, n_orbitals) on the irreducible part of a mesh, and its weights (n_kpoints,).

        By default ``MESH`` points along each reciprocal lattice vector, fewer in large cells.
        """
        along = n or int(np.ceil(MESH * min(1.0, (8 / len(self)) ** (1 / 3)) - 1e-9))
        kpoints, weights, _ = irreducible(gamma_mesh(along)[0], point_group(self.crystal))
        return self.eigenvalues(kpoints), weights

    def fermi_energy(self, energies: Floats, weights: Floats) -> float:
        """Energy up to which states ``on_mesh`` hold the electrons, eV; the middle of a gap."""
        first, second = frontier(energies, weights, self.n_electrons)
        return float(0.5 * (energies.ravel()[first] + energies.ravel()[second]))

    def electrons_above(self, low: float) -> float:
        """Valence electrons of the cell in states above ``low``, eV against the Fermi level."""
        energies, weights = self.on_mesh()
        deeper = energies - self.fermi_energy(energies, weights) < low
        return self.n_electrons - 2 * float(weights @ deeper.sum(axis=1))


def frontier(energies: Floats, weights: Floats, n_electrons: float) -> tuple[int, int]:
    """Indices into the flat ``energies`` (n_kpoints, n_bands) of the highest filled state, and of the next one."""
    order: Integers = np.argsort(energies, axis=None)
    held = 2 * np.cumsum(np.repeat(weights, energies.shape[1])[order])
    last = min(int(np.searchsorted(held, n_electrons - 1e-6)), len(order) - 1)
    return int(order[last]), int(order[min(last + 1, len(order) - 1)])


def first_guess(
    crystal: Crystal, kpoints: Floats, grid: EnergyGrid, parameters: TightBindingParameters
) -> tuple[Floats, Floats]:
    """First guess of the occupancy from tight binding: states at each k-point, and anywhere in the zone.

    The energy zero is the Fermi level of tight binding. The guess is zero for crystals without tight binding
    (``known_shells``).

    Returns
    -------
    guess : array (n_kpoints, n_widths, n_bins)
        Density of states (of one spin) with Gaussians of each of ``WIDTHS``, 1/eV.
    zone : array (n_widths, n_bins)
        Gaussian of the distance to the nearest band, which extends from its minimum to its maximum on a mesh, 1/eV.
    """
    if not known_shells(crystal):
        return np.zeros((len(kpoints), len(WIDTHS), grid.size)), np.zeros((len(WIDTHS), grid.size))
    model = CrystalTightBinding(crystal, parameters)
    energies, weights = model.on_mesh()
    zero = model.fermi_energy(energies, weights)
    bands = energies - zero
    beside = np.abs(np.clip(grid.energies[:, None], bands.min(axis=0), bands.max(axis=0)) - grid.energies[:, None])
    zone = np.stack([_gaussian(beside.min(axis=1), width) for width in WIDTHS])
    guess = np.zeros((len(kpoints), len(WIDTHS), grid.size))
    for band in (model.eigenvalues(kpoints) - zero).T:
        for place, width in enumerate(WIDTHS):
            guess[:, place] += _gaussian(grid.energies - band[:, None], width)
    return guess, zone


def _gaussian(off: Floats, width: float) -> Floats:
    """Normalised Gaussian of standard deviation ``width``."""
    found: Floats = np.exp(-0.5 * (off / width) ** 2) / (width * np.sqrt(2 * np.pi))
    return found
