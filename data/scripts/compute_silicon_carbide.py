"""Compute the silicon-carbon set, one record per structure; the run may be stopped and started again.

    OMP_NUM_THREADS=1 nice python compute_silicon_carbide.py ../silicon-carbide/records

Requirements: see compute_silicon.py. The energies of the records run from -34 to 28 eV from the code's zero: with
vacuum in the cell, this zero lies far above the bands.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

import espresso
import numpy as np
from ase import Atoms
from espresso import Bands, Settings
from run_plan import run
from silicon_carbide_structures import copies, plan

SETTINGS = Settings(
    pseudopotentials=(("C", "C.pbe-rrkjus.UPF"), ("Si", "Si.pbe-rrkj.UPF")),
    valence=(("C", 4), ("Si", 4)),
    ecutwfc=25.0,
    ecutrho=200.0,
    scf_k_density=1.8,
    dos_mesh_even=False,
)
# k-points per inverse angstrom of the spectra, by the number of periodic directions. With fewer periodic directions the
# DOS has sharper singularities, and k-points cost less. In three dimensions (largest number of atoms, density): large
# cells need fewer k-points.
DENSITY_1D, DENSITY_2D = 15.0, 6.0
DENSITY_3D = ((4, 5.0), (8, 4.0), (np.inf, 3.0))
ENERGIES = np.round(np.arange(-34.0, 28.0, 0.05), 2)  # eV, the code's own zero


def k_density(atoms: Atoms) -> float:
    """k-density of the spectra of a structure; molecules always have one k-point."""
    dimensions = int(atoms.pbc.sum())
    if dimensions < 3:
        return DENSITY_1D if dimensions < 2 else DENSITY_2D
    return next(density for most, density in DENSITY_3D if len(atoms) <= most)


def compute_bands(atoms: Atoms, folder: Path, factor: float = 1.0) -> Bands:
    """Bands of a structure on a mesh ``factor`` times as dense as the mesh of the set."""
    return espresso.compute_bands(atoms, folder, replace(SETTINGS, dos_k_density=factor * k_density(atoms)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path)
    parser.add_argument("--workers", type=int, default=2, help="structures computed side by side, one core each")
    arguments = parser.parse_args()
    # Two copies of every base first, a small and a large displacement: a stopped run then contains every base.
    batches = ((base.names()[start::2], partial(copies, base)) for start in (0, 1) for base in plan())
    run(batches, arguments.records, compute_bands, arguments.workers, ENERGIES)


if __name__ == "__main__":
    main()
