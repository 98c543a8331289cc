"""Times of learned tight binding: bands, DOS, gap and masses, Fermi surface, and large cells.

    OMP_NUM_THREADS=1 python benchmarks/band_speed.py [MODEL]

Processor time of one core; the best of three for small cells. "Bands" are 200 k-points by the mean of the networks; the
spread of the networks takes as long again for each of them. The large cell is rattled silicon.
"""

import time
import warnings

import machine
from ase.build import bulk

from ldosml._validation import Caution
from ldosml.neural import band_structure, load_crystal_model, local_dos, standardized
from ldosml.neural.structure import crystal_path
from ldosml.neural.tight_binding_regressor import mesh_bands
from ldosml.tightbinding.diagonalization_plan import plan_diagonalization

CRYSTALS = {"Si": bulk("Si"), "NaCl": bulk("NaCl", "rocksalt", a=5.64), "Mg": bulk("Mg")}


def best(function) -> float:
    return min(machine.seconds(function, time.process_time) for _ in range(3))


def small(results: machine.Results, model, name: str) -> None:
    """Times of one crystal."""
    crystal = standardized(CRYSTALS[name])
    atoms = crystal.atoms()
    line = crystal_path(crystal, "setyawan-curtarolo", 200)
    bound = model.tight_binding(atoms)
    mesh = mesh_bands(bound, crystal, 8)
    level = mesh.fermi_level(bound.n_electrons)
    found = band_structure(model, atoms, spread=False)
    results.add(
        "small crystals (s)",
        {
            "crystal": name,
            "atoms": len(crystal),
            "k-points": len(line),
            "Hamiltonian": best(lambda: model.tight_binding(atoms)),
            "bands": best(lambda: bound.eigenvalues(line.kpoints)),
            "DOS on 8 x 8 x 8": best(lambda: mesh_bands(bound, crystal, 8).dos(found.dos.grid, len(crystal), level)),
            "all with gap and masses": best(lambda: band_structure(model, atoms, spread=False)),
            "and the spread": best(lambda: band_structure(model, atoms)),
        },
    )


def large(results: machine.Results, model, repeats: int, n_kpoints: int) -> None:
    """Time of a large cell at some k-points along a path."""
    atoms = bulk("Si", cubic=True).repeat(repeats)
    atoms.rattle(0.05, seed=0)
    crystal = standardized(atoms)
    line = crystal_path(crystal, "setyawan-curtarolo", n_kpoints)
    bound = model.tight_binding(crystal.atoms())
    seconds = machine.seconds(lambda: bound.eigenvalues(line.kpoints), time.process_time)
    results.add(
        "large cells",
        {
            "atoms": len(crystal),
            "k-points": len(line),
            "bands (s)": seconds,
            "estimated (s)": plan_diagonalization(len(crystal), len(line), vectors=False).seconds,
            "memory (MB)": machine.memory("VmHWM") / 1e6,
        },
    )


def by_moments(results: machine.Results, model, repeats: int) -> None:
    """Time and memory of the local DOS of a large cell by moments."""
    atoms = bulk("Si", cubic=True).repeat(repeats)
    atoms.rattle(0.05, seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Caution)
        seconds = machine.seconds(lambda: local_dos(model, atoms, n_jobs=1), time.process_time)
    row = {"atoms": len(atoms), "local DOS (s)": seconds, "an atom (ms)": 1e3 * seconds / len(atoms)}
    results.add("by moments", row | {"memory (MB)": machine.memory("VmHWM") / 1e6})


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    parser.add_argument("model", nargs="?", default="tight-binding", help="file, or name of a shipped model")
    given = parser.parse_args(arguments)
    results, model = machine.Results(__file__, given), load_crystal_model(given.model)
    for name in ("Si",) if given.quick else CRYSTALS:
        small(results, model, name)
    large(results, model, 1 if given.quick else 2, 10 if given.quick else 200)
    for repeats in (1,) if given.quick else (3, 5):
        by_moments(results, model, repeats)


if __name__ == "__main__":
    main()
