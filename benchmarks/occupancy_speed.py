"""Time and memory of the neural model, by numbers of atoms and k-points.

    python benchmarks/occupancy_speed.py [MODEL] [--epoch]

MODEL is a file or the name of a shipped model; default: crystals. Times are medians of several calls, from structure to
result. Targets on two cores: bands of a 2-atom crystal at 200 k-points in 1 s, its DOS on an 8x8x8 mesh in 3 s. Larger
cells are repeated diamond silicon with one displaced atom, so that the cell stays primitive. ``--epoch`` also times a
pass over the training crystals of the shipped set. Memory is the peak resident size of a process that does only this.
"""

import argparse
import multiprocessing
import resource
import time

import machine
import numpy as np
from ase.build import bulk

from ldosml.datasets import load_crystals, split_crystals
from ldosml.kresolved import KPath, gamma_mesh
from ldosml.neural import KOccupancyRegressor, electronic_structure, load_occupancy_model, standardized


def seconds(work, n: int = 5) -> float:
    """Median time of several calls, after a first one to warm up."""
    work()
    times = []
    for _ in range(n):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def two_atoms(model: KOccupancyRegressor) -> None:
    silicon = bulk("Si", a=5.47)
    path = KPath.from_cell(standardized(silicon).cell, 200).kpoints
    crystal = standardized(silicon)
    print(f"bands of Si2, {len(path)} k-points: {seconds(lambda: model.predict([crystal], path)):.3f} s")
    mesh = seconds(lambda: electronic_structure(model, silicon, n_path=100, mesh=8).dos)
    print(f"DOS of Si2 on 8x8x8, with bands at 100 k-points: {mesh:.3f} s")
    full = gamma_mesh(8)[0]
    print(f"all 512 k-points of it without symmetry: {seconds(lambda: model.predict([crystal], full), 3):.3f} s")


def growth(name: str, repeats: int, n_kpoints: int, pipe) -> None:
    """Send time and memory of one crystal of 8 repeats^3 atoms."""
    import torch

    torch.set_num_threads(2)
    model = load_occupancy_model(name)
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


def epoch() -> None:
    training, validation, _ = split_crystals(load_crystals())
    times = [time.perf_counter()]
    KOccupancyRegressor(n_epochs=4, batch_size=8).fit(
        training.crystals,
        training.bands,
        validation=(validation.crystals, validation.bands),
        progress=lambda _: times.append(time.perf_counter()),
    )
    each = np.median(np.diff(times)[1:])
    print(f"an epoch of {len(training)} crystals, 8 k-points each: {each:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="crystals", help="file, or name of a shipped model")
    parser.add_argument("--epoch", action="store_true", help="also time training")
    given = parser.parse_args()
    print(machine.describe())
    two_atoms(load_occupancy_model(given.model))
    print("atoms  k-points  seconds  MB more  MB in all")
    for repeats, n_kpoints in ((0, 100), (0, 1000), (1, 100), (2, 100), (3, 100), (4, 100)):
        n_atoms, taken, more, most = in_a_process(given.model, repeats, n_kpoints)
        print(f"{n_atoms:5d}  {n_kpoints:8d}  {taken:7.2f}  {more:7.0f}  {most:9.0f}")
    if given.epoch:
        epoch()


if __name__ == "__main__":
    main()
