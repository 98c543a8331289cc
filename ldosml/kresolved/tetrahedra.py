"""Numbers of states by energy from bands on a mesh, which are linear within tetrahedra.

P. E. Bloechl, O. Jepsen and O. K. Andersen, Phys. Rev. B 49, 16223 (1994): every cell of the mesh is divided into six
tetrahedra along its shortest diagonal, and the number of states below an energy is the volume in which the linear band
lies below it (appendix A). Without their correction of curvature, which is for integrals and not for the DOS.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from ldosml._ranges import check_arguments
from ldosml._validation import check_finite, check_number, check_shape
from ldosml.energy import EnergyGrid
from ldosml.kresolved.brillouin import reciprocal_lattice
from ldosml.spectra import DOS

Floats = NDArray[np.float64]

_SPINS = 2.0
_FLAT = 1e-9  # eV; corners are kept apart by this, so that flat bands have a width


class MeshBands:
    """Bands on a full mesh around Gamma, linear between its points.

    Parameters
    ----------
    energies : array (n1, n2, n3, n_bands)
        eV, ascending at each k-point; see ``on_mesh``.
    cell : array (3, 3)
        Lattice vectors of the primitive cell, rows, angstrom.

    Raises
    ------
    ValueError
        When shapes do not fit, or energies are not finite.

    Examples
    --------
    >>> waves = np.cos(2 * np.pi * np.indices((16, 16, 16)) / 16).sum(axis=0)
    >>> bands = MeshBands(waves[..., None], np.eye(3))
    >>> bands.states_below([-4.0, 0.0, 4.0]).round(6).tolist()
    [0.0, 0.5, 1.0]
    >>> abs(round(bands.fermi_level(1.0), 6))
    0.0
    """

    def __init__(self, energies: ArrayLike, cell: ArrayLike) -> None:
        values = np.asarray(energies, dtype=np.float64)
        check_shape("energies", values, (None, None, None, None), "n1, n2, n3, n_bands")
        check_finite("energies", values)
        self.energies = values
        self.corners = _corners(values, reciprocal_lattice(cell) / np.array(values.shape[:3])[:, None])

    @property
    def kpoints(self) -> Floats:
        """Fractions of the reciprocal lattice vectors in the order of ``energies``, (n1 n2 n3, 3)."""
        shape = self.energies.shape[:3]
        return np.asarray(np.indices(shape).reshape(3, -1).T / shape, dtype=np.float64)

    def filling(self, level: float) -> Floats:
        """Find how much of each band lies below an energy.

        Parameters
        ----------
        level : float
            eV.

        Returns
        -------
        array (n_bands,)
            Fractions of the volume of the zone.
        """
        check_arguments(level=level)
        corners = self.corners.reshape(-1, self.energies.shape[3], 4)
        result = (corners[..., 3] <= level).astype(np.float64)
        partly = (corners[..., 0] < level) & (corners[..., 3] > level)
        result[partly] = _below(corners[partly], np.full(int(partly.sum()), level))
        return np.asarray(result.mean(axis=0), dtype=np.float64)

    def states_below(self, energies: ArrayLike) -> Floats:
        """Count the states of one spin below energies.

        Parameters
        ----------
        energies : array (n_energies,)
            Ascending, eV.

        Returns
        -------
        array (n_energies,)
            States of the cell.
        """
        at = np.asarray(energies, dtype=np.float64)
        bottom, top = (np.searchsorted(at, self.corners[:, side], side="right") for side in (0, 3))
        whole = np.cumsum(np.bincount(top, minlength=len(at) + 1))[: len(at)].astype(np.float64)
        counts = top - bottom  # energies within each tetrahedron
        which = np.repeat(np.arange(len(counts)), counts)
        place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + bottom[which]
        whole += np.bincount(place, _below(self.corners[which], at[place]), minlength=len(at))
        n_tetrahedra = 6 * int(np.prod(self.energies.shape[:3]))
        return np.asarray(whole / n_tetrahedra, dtype=np.float64)

    def dos(self, grid: EnergyGrid, n_atoms: int, zero: float = 0.0) -> DOS:
        """Average the DOS over each bin of a grid, so that its sum counts every state.

        Parameters
        ----------
        grid : EnergyGrid
            Centres of the bins.
        n_atoms : int
            Atoms of the cell.
        zero : float
            Energy of the bands at the zero of ``grid``, eV.

        Returns
        -------
        DOS
            One row, states/eV of the cell, both spins.
        """
        check_arguments(n_atoms=n_atoms)
        check_number("zero", zero)
        values = _SPINS * np.diff(self.states_below(grid.edges + zero)) / grid.step
        return DOS(grid, values[None], n_atoms=np.array([n_atoms]))

    def fermi_level(self, n_electrons: float) -> float:
        """Find the energy below which the bands hold the electrons, the middle of a gap where there is one.

        Parameters
        ----------
        n_electrons : float
            Of the cell, two in each state.

        Returns
        -------
        float
            eV.

        Raises
        ------
        ValueError
            When the bands cannot hold the electrons.
        """
        check_arguments(n_electrons=n_electrons)
        n_bands = self.energies.shape[3]
        if not n_electrons < _SPINS * n_bands:
            raise ValueError(f"{n_bands} bands hold at most {_SPINS * n_bands:g} electrons; got {n_electrons:g}.")
        filled = n_electrons / _SPINS
        if abs(filled - round(filled)) < 1e-6:  # no search finds the middle of a gap
            top = float(self.energies[..., round(filled) - 1].max())
            bottom = float(self.energies[..., round(filled)].min())
            if top <= bottom:
                return 0.5 * (top + bottom)
        low, high = float(self.energies.min()), float(self.energies.max())
        return float(brentq(lambda energy: self.states_below([energy])[0] - filled, low - 1e-6, high + 1e-6, xtol=1e-9))


def _corners(values: Floats, steps: Floats) -> Floats:
    """Energies at the corners of all tetrahedra of all bands, (6 n_kpoints n_bands, 4), ascending."""
    signs = np.array([[1, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]])
    sign = signs[np.linalg.norm(signs @ steps, axis=1).argmin()]  # the shortest of the four diagonals
    found = []
    for order in permutations(range(3)):
        place, corners = np.zeros(3, dtype=int), [values]
        for axis in order:
            place[axis] += sign[axis]
            corners.append(np.roll(values, tuple(-place), axis=(0, 1, 2)))
        found.append(np.stack(corners, axis=-1).reshape(-1, 4))
    ordered = np.sort(np.concatenate(found), axis=1)
    return np.asarray(ordered + _FLAT * np.arange(4), dtype=np.float64)


def _below(corners: Floats, energies: Floats) -> Floats:
    """Fraction of each tetrahedron (n, 4) below an energy (n,) between its lowest and highest corner."""
    e1, e2, e3, e4 = corners.T
    first, last = energies < e2, energies >= e3
    result = np.empty(len(energies))
    for part, formula in ((first, _lowest), (~first & ~last, _middle), (last & ~first, _highest)):
        result[part] = formula(energies[part], e1[part], e2[part], e3[part], e4[part])
    return result


def _lowest(e: Floats, e1: Floats, e2: Floats, e3: Floats, e4: Floats) -> Floats:
    return (e - e1) ** 3 / ((e2 - e1) * (e3 - e1) * (e4 - e1))


def _middle(e: Floats, e1: Floats, e2: Floats, e3: Floats, e4: Floats) -> Floats:
    x, e21 = e - e2, e2 - e1
    cubic = (e3 - e1 + e4 - e2) / ((e3 - e2) * (e4 - e2)) * x**3
    return (e21**2 + 3 * e21 * x + 3 * x**2 - cubic) / ((e3 - e1) * (e4 - e1))


def _highest(e: Floats, e1: Floats, e2: Floats, e3: Floats, e4: Floats) -> Floats:
    return 1 - (e4 - e) ** 3 / ((e4 - e1) * (e4 - e2) * (e4 - e3))
