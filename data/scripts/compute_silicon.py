"""Compute the silicon set, one record per structure; the run may be stopped and started again.

    OMP_NUM_THREADS=1 nice python compute_silicon.py ../silicon/records
    OMP_NUM_THREADS=1 nice python compute_silicon.py --large ../silicon-large/records
    OMP_NUM_THREADS=1 nice python compute_silicon.py --validation ../silicon-validation/records
    OMP_NUM_THREADS=1 nice python compute_silicon.py --surfaces ../silicon-surfaces/records

The second command computes the large amorphous cells, which only test models of the silicon set; the third other cells,
phases and defects, with which settings are chosen too; the fourth slabs and clusters, a set of their own. Needs pw.x
and projwfc.x (apt-get install quantum-espresso quantum-espresso-data libopenblas0-serial; without the last package,
Debian installs the slower reference BLAS). Structures that have a record are skipped. A structure that fails is written
to failures.log and skipped until its line is removed.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import silicon_surface_structures
import silicon_validation_structures
from ase import Atoms
from compute_silicon_carbide import ENERGIES as VACUUM_ENERGIES
from compute_silicon_carbide import k_density
from espresso import Bands, Settings, compute_bands
from records import ENERGIES
from run_plan import Batch, Code, run
from silicon_structures import Trajectory, large_plan, plan, snapshots

SETTINGS = Settings()
# 2 x 2 x 2 shifted points in cells of 48 to 64 atoms. Twice as many along each edge cost eight times as much; the label
# noise is the change that they would make.
LARGE_SETTINGS = replace(SETTINGS, dos_k_density=3.0)
# Bands soon fill the vacuum: without more of them, the DOS of clusters is complete up to E_F + 4.4 eV only, and models
# of both sets, which learn up to the lowest limit of all structures, would lose the energies above.
SURFACE_SETTINGS = replace(SETTINGS, bands_per_volume=0.012)
OPTIONS = {
    "large": "the amorphous cells of 48 to 64 atoms",
    "validation": "other cells, phases and defects",
    "surfaces": "slabs and clusters, with vacuum",
}
Run = tuple[list[Batch], Code, np.ndarray]


def _batch(trajectory: Trajectory) -> Batch:
    names = [f"{trajectory.name}-{index}" for index in range(trajectory.snapshots)]
    return names, partial(snapshots, trajectory)


def compute_surface_bands(atoms: Atoms, folder: Path, factor: float = 1.0) -> Bands:
    """Bands of a slab or a cluster; the k-density of the spectra is ``factor`` times that of the silicon-carbon set."""
    return compute_bands(atoms, folder, replace(SURFACE_SETTINGS, dos_k_density=factor * k_density(atoms)))


def _singles(module: ModuleType) -> list[Batch]:
    """The plan of a module, a batch for each structure."""
    return [([base.name], lambda base=base: [module.structure(base)]) for base in module.plan()]


def runs() -> dict[str, Run]:
    """Batches, code and energies of the records by option; "" is the silicon set."""
    usual, large = (partial(compute_bands, settings=settings) for settings in (SETTINGS, LARGE_SETTINGS))
    return {
        "": (list(map(_batch, plan())), usual, ENERGIES),
        "large": (list(map(_batch, large_plan())), large, ENERGIES),
        "validation": (_singles(silicon_validation_structures), usual, ENERGIES),
        "surfaces": (_singles(silicon_surface_structures), compute_surface_bands, VACUUM_ENERGIES),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path)
    parser.add_argument("--workers", type=int, default=2, help="structures computed side by side, one core each")
    which = parser.add_mutually_exclusive_group()
    for option, text in OPTIONS.items():
        which.add_argument(f"--{option}", dest="which", action="store_const", const=option, default="", help=text)
    arguments = parser.parse_args()
    batches, code, energies = runs()[arguments.which]
    run(batches, arguments.records, code, arguments.workers, energies)


if __name__ == "__main__":
    main()
