"""Crystals whose bands are known, and the checks that predictions belong to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ldosml.energy import EnergyGrid
from ldosml.kresolved.bands import CrystalBands
from ldosml.kresolved.occupancy import KResolvedOccupancy

Floats = NDArray[np.float64]

_SAME_LENGTH = 1e-2  # 1/angstrom without 2 pi; k-points are compared by length, and predicted cells are idealised


class KnownCrystal(Protocol):
    """A crystal with its bands. ``ldosml.datasets.Material`` is one."""

    @property
    def name(self) -> str:
        """Unique name."""

    @property
    def atoms(self) -> Any:
        """``ase.Atoms`` in the primitive cell to which the k-points refer."""

    @property
    def mesh(self) -> CrystalBands:
        """Bands on a mesh, with weights."""

    @property
    def path(self) -> CrystalBands:
        """Bands along a path."""

    @property
    def gap(self) -> float:
        """Gap over mesh and path, eV; 0 for a metal."""


Crystals = Sequence[KnownCrystal]
Occupancies = Sequence[KResolvedOccupancy]


def true_occupancy(bands: CrystalBands, grid: EnergyGrid, cell: Floats) -> KResolvedOccupancy:
    """Occupancy of eigenvalues: the probability of a bin is 0 or 1, its count the number of states in it.

    Parameters
    ----------
    bands : CrystalBands
        Eigenvalues; weights are kept.
    grid : EnergyGrid
        Centres of the bins; zero is the Fermi level.
    cell : array (3, 3)
        Lattice vectors, rows, angstrom.

    Returns
    -------
    KResolvedOccupancy
        At the k-points of ``bands``.

    Examples
    --------
    >>> from ldosml.kresolved import energy_bins
    >>> bands = CrystalBands([[0, 0, 0]], [[-0.6, 0.8, 0.9, np.inf]], [1.0], 0.0, 20.0, 2.0, 1.4)
    >>> true_occupancy(bands, energy_bins(4, 2.0), np.eye(3)).counts.tolist()
    [[0.0, 1.0, 2.0, 0.0]]
    """
    presence, counts = bands.labels(grid, "presence"), bands.labels(grid, "counts")
    return KResolvedOccupancy(grid, bands.kpoints, presence, cell, bands.weights, counts, bands.anywhere(grid))


def check_predictions(crystals: Crystals, mesh: Occupancies, path: Occupancies) -> EnergyGrid:
    """Return the energy bins that all predictions share.

    Raises ValueError unless each crystal has one prediction on its mesh and one along its path, all on the same bins,
    at the k-points of the crystal, in their order and with their weights. The k-points may be given in another
    primitive cell of the crystal: only their lengths are compared.
    """
    if not len(crystals) == len(mesh) == len(path) > 0:
        raise ValueError(
            "Evaluation needs one occupancy on the mesh and one along the path for each crystal; got "
            f"{len(crystals)} crystals, {len(mesh)} occupancies on meshes and {len(path)} along paths."
        )
    for crystal, on_mesh, along_path in zip(crystals, mesh, path, strict=True):
        for occupancy, bands, where in ((on_mesh, crystal.mesh, "mesh"), (along_path, crystal.path, "path")):
            occupancy.grid.require_match(mesh[0].grid, f"Occupancies of {crystal.name} and of the first crystal")
            _check_kpoints(occupancy, bands, crystal, where)
        _check_weights(on_mesh, crystal)
    return mesh[0].grid


def check_mesh(crystals: Crystals, mesh: Occupancies) -> None:
    """Raise ValueError unless each crystal has one prediction on its mesh, with its weights."""
    if len(crystals) != len(mesh):
        raise ValueError(f"Got {len(crystals)} crystals and {len(mesh)} occupancies; give one for each crystal's mesh.")
    for crystal, occupancy in zip(crystals, mesh, strict=True):
        _check_kpoints(occupancy, crystal.mesh, crystal, "mesh")
        _check_weights(occupancy, crystal)


def _check_kpoints(occupancy: KResolvedOccupancy, bands: CrystalBands, crystal: KnownCrystal, where: str) -> None:
    rule = f"Occupancies of {crystal.name} must be at the k-points of its {where}, in the same order"
    advice = f"Predict with kpoints=crystal.{where}.kpoints, with the crystals in the same order."
    if len(occupancy) != len(bands):
        raise ValueError(f"{rule}: expected {len(bands)} k-points; got {len(occupancy)}. {advice}")
    given, expected = _lengths(occupancy.kpoints, occupancy.cell), _lengths(bands.kpoints, crystal.atoms.cell)
    difference = np.abs(given - expected)
    if difference.max() > _SAME_LENGTH:
        worst = int(difference.argmax())
        raise ValueError(
            f"{rule}: k-point {worst} has a length of {given[worst]:.3f} 1/angstrom instead of {expected[worst]:.3f}. "
            f"{advice}"
        )


def _check_weights(occupancy: KResolvedOccupancy, crystal: KnownCrystal) -> None:
    given, expected = occupancy.weights, crystal.mesh.weights
    if expected is None:
        raise ValueError(f"The mesh of {crystal.name} has no weights; a DOS needs them.")
    if given is None or not np.allclose(given, expected, atol=1e-6):
        what = "no weights" if given is None else "other weights"
        raise ValueError(
            f"Occupancies of {crystal.name} on its mesh must have the weights of the mesh; they have {what}. Predict "
            "with weights=crystal.mesh.weights."
        )


def _lengths(kpoints: Floats, cell: Any) -> Floats:
    """Lengths of k-points (n_kpoints,), 1/angstrom without 2 pi; independent of the choice of the cell."""
    reciprocal = np.linalg.inv(np.asarray(cell, dtype=np.float64)).T
    result: Floats = np.linalg.norm(kpoints @ reciprocal, axis=1)
    return result
