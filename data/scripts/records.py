"""Records: the result of one structure in a small npz file, written under a temporary name and renamed at the end."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
from ase import Atoms
from espresso import Bands

from ldosml import LDOS, EnergyGrid

ENERGIES = np.round(np.arange(-14.0, 18.0, 0.05), 2)  # eV, the code's own zero
SMEARING_WIDTH = 0.1  # eV
RESOLUTION = 2.0**-13  # states/eV/atom, a hundredth of the label noise


def spectra(bands: Bands, divide: bool, energies: np.ndarray = ENERGIES) -> LDOS:
    """LDOS of one structure on ``energies``; with ``divide`` the sum over atoms is the DOS."""
    weights = bands.atom_weights / bands.atom_weights.sum(axis=0) if divide else bands.atom_weights
    grid = EnergyGrid.from_array(energies, "code")
    return LDOS.from_eigenvalues(bands.eigenvalues, bands.kpoint_weights, weights, grid, SMEARING_WIDTH)


def _rounded(values: np.ndarray) -> np.ndarray:
    return (np.round(values / RESOLUTION) * RESOLUTION).astype(np.float32)


def write_record(
    path: Path, atoms: Atoms, bands: Bands, extra: dict[str, object], energies: np.ndarray = ENERGIES
) -> None:
    info = dict(atoms.info) | extra
    info |= {
        "n_electrons": bands.n_electrons,
        "fermi_energy": bands.fermi_energy,
        "energy_max": float(bands.eigenvalues[:, -1].min() - 3 * SMEARING_WIDTH),
        "n_kpoints": len(bands.kpoint_weights),
        "n_bands": int(bands.eigenvalues.shape[1]),
    }
    temporary = path.with_suffix(".tmp")
    with open(temporary, "wb") as file:
        np.savez_compressed(
            file,
            numbers=atoms.numbers.astype(np.int16),
            positions=atoms.positions,
            cell=np.array(atoms.cell),
            pbc=atoms.pbc,
            ldos=_rounded(spectra(bands, True, energies).values),
            projected_dos=_rounded(spectra(bands, False, energies).values.sum(axis=0)),
            info=np.frombuffer(json.dumps(info, default=float).encode(), dtype=np.uint8),
        )
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


def read_record(path: Path) -> tuple[Atoms, np.ndarray, np.ndarray, dict]:
    """The structure, its LDOS, the DOS before the weights were divided, and the other metadata."""
    with np.load(path) as file:
        info = json.loads(file["info"].tobytes())
        atoms = Atoms(file["numbers"], positions=file["positions"], cell=file["cell"], pbc=file["pbc"])
        return atoms, file["ldos"], file["projected_dos"], info
