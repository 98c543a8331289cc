"""Pack records of crystals into data/more-crystals.npz, and examples of a test part as CIF and CSV.

    python data/scripts/pack_crystals.py

Crystals that the file has already stay in it, so that only new records are needed; ``--anew`` begins anew.

Run it in an environment with ldosml (or with PYTHONPATH=. at the top of the repository). Reserved formulas are dropped.
Where a crystal has a gap, its Fermi level becomes the middle of the gap. With smeared occupations, the Fermi level of
the calculation lies anywhere in the gap, and a model would have to learn where.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import write as write_structure
from compute_crystals import SETTINGS
from crystal_structures import RESERVED, composition

from ldosml.datasets import CrystalSet, Material, split_crystals
from ldosml.kresolved import CrystalBands
from ldosml.kresolved.evaluation.gaps import SMALLEST_GAP

DATA = Path(__file__).resolve().parents[1]
N_EXAMPLES = 30


def read_material(path: Path) -> tuple[Material, dict[str, Any]]:
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    info = json.loads(arrays["info"].tobytes())
    gap = info["gap"] if info["gap"] >= SMALLEST_GAP else 0.0
    fermi = 0.5 * (info["vbm"] + info["cbm"]) if gap else info["fermi_energy"]
    facts = (fermi, info["energy_max"], info["n_electrons"], gap)
    weights = arrays["mesh_weights"] / arrays["mesh_weights"].sum()
    material = Material(
        info["name"],
        info["prototype"],
        info["formula"],
        Atoms(arrays["numbers"], arrays["positions"], cell=arrays["cell"], pbc=True),
        CrystalBands(arrays["mesh_kpoints"], arrays["mesh_eigenvalues"], weights, *facts),
        CrystalBands(arrays["path_kpoints"], arrays["path_eigenvalues"], None, *facts),
        tuple((int(index), str(label)) for index, label in info["path_corners"]),
    )
    return material, info


def pack(folder: Path, before: CrystalSet | None) -> CrystalSet:
    reserved = {composition(formula) for formula in RESERVED.split()}
    found = [read_material(path) for path in sorted(folder.glob("*.npz"))]
    kept = [(material, info) for material, info in found if composition(material.formula) not in reserved]
    if not kept:
        raise SystemExit(f"There are no records (*.npz) in {folder}.")
    known = before.provenance if before else {}
    old = {material.name: material for material in before or ()}
    hours = sum(info["seconds"] for material, info in kept if material.name not in old) / 3600
    dates = sorted({info["date"] for _, info in kept} | set(known.get("date", ())))
    provenance = {
        **SETTINGS,
        "copies and known structures": "coarser meshes, and 6 points per inverse angstrom along paths",
        "date": [dates[0], dates[-1]],
        "fermi_energy": "of occupations smeared on the mesh; the middle of the gap where there is one",
        "resolution": "eigenvalues rounded to 2^-13 eV",
        "core_hours": round(hours + known.get("core_hours", 0.0), 2),
        "reserved": RESERVED.split(),
    }
    new = {material.name: material for material, _ in kept}
    return CrystalSet(tuple(material for _, material in sorted((old | new).items())), provenance)


def write_examples(crystals: CrystalSet, folder: Path) -> list[str]:
    """Write materials of the test part, each prototype in turn: CIF, and CSV with the bands on the path from E_F."""
    test = split_crystals(crystals)[2]
    queues: dict[str, list[Material]] = {}
    for material in test:
        queues.setdefault(material.prototype, []).append(material)
    chosen: list[Material] = []
    while queues and len(chosen) < N_EXAMPLES:
        for prototype in sorted(queues):
            chosen.append(queues[prototype].pop(0))
            if not queues[prototype]:
                del queues[prototype]
    folder.mkdir(parents=True, exist_ok=True)
    for old in [*folder.glob("*.cif"), *folder.glob("*.csv")]:
        old.unlink()
    for material in chosen[:N_EXAMPLES]:
        write_structure(folder / f"{material.name}.cif", material.atoms)
        write_bands(folder / f"{material.name}.csv", material)
    return [material.name for material in chosen[:N_EXAMPLES]]


def write_bands(path: Path, material: Material) -> None:
    labels = dict(material.corners)
    energies = material.path.relative
    with open(path, "w") as file:
        file.write(f"label,k1,k2,k3,{','.join(f'band {n + 1} (eV)' for n in range(energies.shape[1]))}\n")
        for i, (k, row) in enumerate(zip(material.path.kpoints, energies, strict=True)):
            numbers = [*(f"{x:.6f}" for x in k), *(f"{e:.4f}" for e in row)]
            file.write(f"{labels.get(i, '')},{','.join(numbers)}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=Path, default=DATA / "crystals" / "records")
    parser.add_argument("--output", type=Path, default=DATA / "more-crystals.npz", help="the file, which is replaced")
    parser.add_argument("--anew", action="store_true", help="without the crystals that the file has")
    parser.add_argument("--examples", type=Path, help="folder to write examples to, e.g. data/crystals/examples")
    arguments = parser.parse_args()
    extended = arguments.output.exists() and not arguments.anew
    crystals = pack(arguments.records, CrystalSet.load(arguments.output) if extended else None)
    crystals.save(arguments.output, overwrite=True)
    print(crystals)
    print(f"{arguments.output.stat().st_size / 1e6:.2f} MB, {crystals.provenance['core_hours']} core-hours")
    if arguments.examples:
        print("examples:", ", ".join(write_examples(crystals, arguments.examples)))


if __name__ == "__main__":
    main()
