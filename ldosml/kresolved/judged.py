"""What occupancies are judged against: crystals whose bands are known, and predictions that belong to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ldosml.energy import EnergyGrid
from ldosml.kresolved.bands import CrystalBands
from ldosml.kresolved.occupancy import KResolvedOccupancy

Floats = NDArray[np.float64]

_SAME_LENGTH = 1e-2  # of k-points, 1/angstrom (without 2 pi): cells may be idealised


class KnownCrystal(Protocol):
    """A crystal with its bands, as ``ldosml.datasets.Material`` is one."""

    @property
    def name(self) -> str:
        """Differs from that of every other."""

    @property
    def atoms(self) -> Any:
        """ase.Atoms, in the cell that k-points are fractions of."""

    @property
    def mesh(self) -> CrystalBands:
        """Bands on a mesh, with weights."""

    @property
    def path(self) -> CrystalBands:
        """Bands along lines."""

    @property
    def gap(self) -> float:
        """Of mesh and path, eV; 0 for a metal."""


Crystals = Sequence[KnownCrystal]
Occupancies = Sequence[KResolvedOccupancy]


def labelled(bands: CrystalBands, grid: EnergyGrid, cell: Floats) -> KResolvedOccupancy:
    """The occupancy that eigenvalues have: probabilities 0 or 1 by presence, counts by number; the weights of a mesh.

    Examples
    --------
    >>> from ldosml.kresolved import energy_bins
    >>> bands = CrystalBands([[0, 0, 0]], [[-3.0, 4.0, 4.1, np.inf]], [1.0], 0.0, 20.0, 2.0, 7.0)
    >>> labelled(bands, energy_bins(4), np.eye(3)).counts.tolist()
    [[0.0, 1.0, 2.0, 0.0]]
    """
    presence, counts = bands.labels(grid, "presence"), bands.labels(grid, "counts")
    return KResolvedOccupancy(grid, bands.kpoints, presence, cell, bands.weights, counts, bands.anywhere(grid))


def check_predictions(crystals: Crystals, mesh: Occupancies, path: Occupancies) -> EnergyGrid:
    """Give the energy bins of all predictions.

    Raises ValueError unless there is one prediction on the mesh and one along the path for each crystal, all on the
    same bins, and at the crystal's own k-points with their weights. k-points may be given in another primitive cell of
    the crystal: their lengths are compared.
    """
    if not len(crystals) == len(mesh) == len(path) > 0:
        raise ValueError(
            "Judging needs crystals, and for each of them occupancies on its mesh and along its path; got "
            f"{len(crystals)} crystals, {len(mesh)} and {len(path)} occupancies."
        )
    for crystal, on_mesh, along_path in zip(crystals, mesh, path, strict=True):
        for occupancy, bands, where in ((on_mesh, crystal.mesh, "mesh"), (along_path, crystal.path, "path")):
            occupancy.grid.require_match(mesh[0].grid, f"Occupancies of {crystal.name} and of the first crystal")
            _check_kpoints(occupancy, bands, crystal, where)
        _check_weights(on_mesh, crystal)
    return mesh[0].grid


def check_mesh(crystals: Crystals, mesh: Occupancies) -> None:
    """Raise ValueError unless there is one prediction for each crystal, on its mesh and with its weights."""
    if len(crystals) != len(mesh):
        raise ValueError(f"Got {len(crystals)} crystals and {len(mesh)} occupancies; give one for each crystal's mesh.")
    for crystal, occupancy in zip(crystals, mesh, strict=True):
        _check_kpoints(occupancy, crystal.mesh, crystal, "mesh")
        _check_weights(occupancy, crystal)


def _check_kpoints(occupancy: KResolvedOccupancy, bands: CrystalBands, crystal: KnownCrystal, where: str) -> None:
    told = f"Occupancies of {crystal.name} must be at the k-points of its {where}, in their order"
    ask = f"Predict with kpoints=crystal.{where}.kpoints, crystals in the same order."
    if len(occupancy) != len(bands):
        raise ValueError(f"{told}: there are {len(bands)}; got {len(occupancy)}. {ask}")
    given, expected = _lengths(occupancy.kpoints, occupancy.cell), _lengths(bands.kpoints, crystal.atoms.cell)
    apart = np.abs(given - expected)
    if apart.max() > _SAME_LENGTH:
        worst = int(apart.argmax())
        raise ValueError(
            f"{told}: k-point {worst} has a length of {expected[worst]:.3f} 1/angstrom, the one of the prediction "
            f"{given[worst]:.3f}. {ask}"
        )


def _check_weights(occupancy: KResolvedOccupancy, crystal: KnownCrystal) -> None:
    given, expected = occupancy.weights, crystal.mesh.weights
    if expected is None:
        raise ValueError(f"Bands of {crystal.name} on its mesh have no weights, which a DOS needs.")
    if given is None or not np.allclose(given, expected, atol=1e-6):
        came = "none" if given is None else "other ones"
        raise ValueError(
            f"Occupancies of {crystal.name} on its mesh must have the weights of the mesh; they have {came}. Predict "
            "with weights=crystal.mesh.weights."
        )


def _lengths(kpoints: Floats, cell: Any) -> Floats:
    """Lengths of k-points (n_kpoints,), 1/angstrom without 2 pi; the same in any cell of a crystal, however turned."""
    reciprocal = np.linalg.inv(np.asarray(cell, dtype=np.float64)).T
    result: Floats = np.linalg.norm(kpoints @ reciprocal, axis=1)
    return result
