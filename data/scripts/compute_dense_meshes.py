"""Compute bands of a few crystals of the set on a dense mesh, for isosurfaces; the run may be stopped and restarted.

    OMP_NUM_THREADS=1 nice /usr/bin/python3 compute_dense_meshes.py ../crystals/dense-records

Requirements and settings are the same as for ``compute_crystals.py``. ../crystals.npz provides the crystals with their
fitted volumes. The density comes from the 8x8x8 mesh; only the eigenvalues use more k-points, the 21x21x21 of Park et
al. The records have the format of ``compute_crystals.py``; ``pack_crystals.py --records ... --output ...`` packs them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import spglib
from ase import Atoms
from compute_crystals import SETTINGS, dated, describe, self_consistent, write_record
from crystal_structures import Material, plan

CRYSTALS = Path(__file__).resolve().parents[1] / "crystals.npz"
NAMES = ("heusler-TiAlCu2", "perovskite-SrZrO3")  # figure 4 of Park et al.
MESH = 21


def packed(name: str) -> Atoms:
    """Read a crystal from the packed file."""
    with np.load(CRYSTALS) as file:
        names = [material["name"] for material in json.loads(file["header"].tobytes())["materials"]]
        index = names.index(name)
        atoms = slice(*np.concatenate([[0], np.cumsum(file["n_atoms"])])[index : index + 2])
        cell = file["cells"].reshape(-1, 3, 3)[index]
        return Atoms(file["numbers"][atoms], file["positions"].reshape(-1, 3)[atoms], cell=cell, pbc=True)


def irreducible_mesh(atoms: Atoms, n: int) -> tuple[np.ndarray, np.ndarray]:
    """k-points (n_kpoints, 3), fractions, around Gamma, and their weights."""
    cell = (np.array(atoms.cell), atoms.get_scaled_positions(), atoms.numbers)
    mapping, places = spglib.get_ir_reciprocal_mesh([n] * 3, cell, is_shift=[0, 0, 0])
    first, counts = np.unique(mapping, return_counts=True)
    return places[first] / n, counts / n**3


def compute(material: Material, path: Path) -> None:
    atoms = self_consistent(packed(material.name))
    arrays, info = describe(material, atoms, *irreducible_mesh(atoms, MESH))
    write_record(path, atoms, arrays, info | dated({**SETTINGS, "mesh": [MESH] * 3, "density_mesh": SETTINGS["mesh"]}))
    print(f"{material.name}: {time.process_time():.0f} s, gap {info['gap']:.2f} eV", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path)
    parser.add_argument("--names", nargs="+", default=list(NAMES), help="of crystals in ../crystals.npz")
    arguments = parser.parse_args()
    arguments.records.mkdir(parents=True, exist_ok=True)
    materials = {material.name: material for material in plan()}
    for name in arguments.names:
        if name not in materials:
            sys.exit(f"{name} is not a crystal of the plan.")
        path = arguments.records / f"{name}.npz"
        if not path.exists():
            compute(materials[name], path)


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")  # Debian 12's OpenBLAS is wrong on some newer processors
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
