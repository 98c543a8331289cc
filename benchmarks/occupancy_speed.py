"""Time and memory of the neural model, by numbers of atoms and k-points.

    python benchmarks/occupancy_speed.py [MODEL] [--epoch]

MODEL is a file or the name of a shipped model; default: crystals. Times are medians of several calls, from structure to
result. Goals on two cores: bands of a 2-atom crystal at 200 k-points in 1 s, its DOS on an 8x8x8 mesh in 3 s. Larger
cells are repeated diamond silicon with one displaced atom, so that the cell stays primitive. ``--epoch`` also times a
pass over the training crystals of the shipped set. Memory is the peak resident size of a process that does only this.
"""

import multiprocessing
import resource
import time

import machine
import numpy as np
from ase.build import bulk

from ldosml.datasets import load_crystals, split_crystals
from ldosml.kresolved import KPath, gamma_mesh
from ldosml.neural import KOccupancyRegressor, electronic_structure, load_crystal_model, standardized


def seconds(work, n: int = 5) -> float:
    """Median time of several calls, after a first one to warm up."""
    work()
    times = []
    for _ in range(n):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def two_atoms(results: machine.Results, model: KOccupancyRegressor, n_path: int, mesh: int) -> None:
    """Add a table: bands and DOS of Si2."""
    silicon = bulk("Si", a=5.47)
    crystal = standardized(silicon)
    path, full = KPath.from_cell(crystal.cell, n_path).kpoints, gamma_mesh(mesh)[0]
    calls = {
        f"bands at {len(path)} k-points": lambda: model.predict([crystal], path),
        f"DOS on {mesh}x{mesh}x{mesh}, with bands at {n_path // 2} k-points": lambda: (
            electronic_structure(model, silicon, n_path=n_path // 2, mesh=mesh).dos
        ),
        f"all {len(full)} k-points of the mesh, without symmetry": lambda: model.predict([crystal], full),
    }
    for name, work in calls.items():
        results.add("Si2", {"what": name, "seconds": seconds(work)})


def growth(name: str, repeats: int, n_kpoints: int, pipe) -> None:
    """Send time and memory of one crystal of 8 repeats^3 atoms."""
    import torch

    torch.set_num_threads(2)
    model = load_crystal_model(name)
    atoms = bulk("Si", a=5.47, cubic=True) * ((repeats,) * 3) if repeats else bulk("Si", a=5.47)
    if repeats:
        atoms.positions[0] += [0.11, 0.07, 0.03]
    kpoints = np.random.default_rng(0).uniform(-0.5, 0.5, (n_kpoints, 3))
    model.predict([bulk("Si", a=5.47)], kpoints[:2])  # warm up
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    found = model.predict([atoms], kpoints)[0]
    taken = time.perf_counter() - start
    assert len(found) == n_kpoints
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pipe.send((len(standardized(atoms)), taken, (most - before) / 1024, most / 1024))


def in_a_process(name: str, repeats: int, n_kpoints: int) -> tuple[int, float, float, float]:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=growth, args=(name, repeats, n_kpoints, sender))
    process.start()
    sender.close()
    found = receiver.recv()
    process.join()
    return found


def epoch(results: machine.Results) -> None:
    """Add a table: a pass over the training crystals, 8 k-points each."""
    training, validation, _ = split_crystals(load_crystals())
    times = [time.perf_counter()]
    KOccupancyRegressor(n_epochs=4, batch_size=8).fit(
        training.crystals,
        training.bands,
        validation=(validation.crystals, validation.bands),
        progress=lambda _: times.append(time.perf_counter()),
    )
    results.add("epoch", {"crystals": len(training), "seconds": float(np.median(np.diff(times)[1:]))})


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    parser.add_argument("model", nargs="?", default="crystals", help="file, or name of a shipped model")
    parser.add_argument("--epoch", action="store_true", help="also time training")
    given = parser.parse_args(arguments)
    results = machine.Results(__file__, given)
    two_atoms(results, load_crystal_model(given.model), *((20, 2) if given.quick else (200, 8)))
    cells = ((0, 100), (0, 1000), (1, 100), (2, 100), (3, 100), (4, 100))
    for repeats, n_kpoints in cells[: 1 if given.quick else None]:
        n_atoms, taken, more, most = in_a_process(given.model, repeats, n_kpoints)
        row = {"atoms": n_atoms, "k-points": n_kpoints, "seconds": taken, "more memory (MB)": more, "memory (MB)": most}
        results.add("growth", row)
    if given.epoch:
        epoch(results)


if __name__ == "__main__":
    main()
