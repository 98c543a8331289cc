"""Structures of 1,000 to 100,000 atoms: descriptors by one process and by two, their growth, and prediction to a file.

    OMP_NUM_THREADS=1 python benchmarks/large_structures.py [speedup] [growth] [prediction]

1. SOAP of 10,648 atoms (rattled diamond; 6 angstrom, n_max 8, l_max 6: 252 features) by one process and by two, in
   turns; "cold" is the first call, which starts the processes.
2. SOAP of 1,000, 10,648 and 100,000 atoms by one process: the exponent of the time, from the least of several runs,
   and the largest resident size of a process that does nothing else.
3. LDOS and DOS of 100,800 atoms of amorphous silicon (a frame of the shipped set repeated, and rattled) by the default
   model fitted on all of the shipped set, streamed to a file by a process of its own; the same killed after a third,
   and run again. Resident sizes are the system's own count of these processes (Linux).
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import machine
import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.io import read
from silicon_part import load_part

from ldosml import SOAP, DOSModel, load_dataset, predict_to

SIZES = ((5, 5, 5), (11, 11, 11), (20, 25, 25))
PARTS = ("speedup", "growth", "prediction")


def diamond(repeats: tuple[int, int, int]) -> Atoms:
    """Rattled silicon, 8 atoms for each repeat."""
    atoms = bulk("Si", cubic=True) * repeats
    atoms.positions += np.random.default_rng(0).normal(0, 0.1, atoms.positions.shape)
    return atoms


def amorphous() -> Atoms:
    """100,800 atoms: a frame of 32 from the shipped set, repeated and rattled."""
    data = load_dataset("silicon")
    frames = (a for a, kind in zip(data.structures, data.kinds, strict=True) if kind == "amorphous" and len(a) == 32)
    atoms = next(frames) * (15, 15, 14)
    atoms.positions += np.random.default_rng(0).normal(0, 0.05, atoms.positions.shape)
    return atoms


def timed(atoms: Atoms, n_jobs: int) -> tuple[float, float]:
    """Wall time and processor time of this process, s."""
    soap = SOAP(n_jobs=n_jobs).fit(atoms)
    wall, processor = time.perf_counter(), time.process_time()
    soap.transform(atoms)
    return time.perf_counter() - wall, time.process_time() - processor


def speedup(rounds: int) -> None:
    """One process against two."""
    atoms = diamond(SIZES[1])
    timed(atoms, 1)
    cold = timed(atoms, 2)[0]
    pairs = np.array([[timed(atoms, n)[0] for n in (1, 2)] for _ in range(rounds)])
    one, two = np.median(pairs, axis=0)
    ratios = np.sort(pairs[:, 0] / pairs[:, 1])
    print(f"\n| SOAP of {len(atoms)} atoms | s | ratio to one process |\n| --- | --- | --- |")
    print(f"| one process | {one:.3f} | |")
    print(f"| two, started | {two:.3f} | {np.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) |")
    print(f"| two, with their start | {cold:.2f} | {one / cold:.2f} |")


def growth(rounds: int) -> None:
    """Exponent of the time in the number of atoms, and memory."""
    counts, least = [], []
    print("\n| atoms | s | processor s | ms an atom | peak memory MB | rows alone MB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for repeats in SIZES:
        atoms = diamond(repeats)
        repeated = rounds * round((1e5 / len(atoms)) ** 0.5)  # what is short is disturbed more
        times = np.array([timed(atoms, 1) for _ in range(repeated)]).min(axis=0)
        peak = int(child("soap", *map(str, repeats)).split()[-1])
        counts.append(len(atoms))
        least.append(times)
        each = 1e3 * times[1] / len(atoms)
        print(
            f"| {len(atoms)} | {times[0]:.3f} | {times[1]:.3f} | {each:.4f} | {peak} | {252 * 8e-6 * len(atoms):.0f} |"
        )
    wall, processor = (np.polyfit(np.log(counts), np.log(np.array(least)[:, i]), 1)[0] for i in (0, 1))
    print(f"\nExponent: {wall:.3f} of the wall time, {processor:.3f} of the processor time.")


def prediction(n_jobs: int) -> None:
    """To a file, at once and with a kill in between."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        atoms = amorphous()
        atoms.write(folder / "atoms.traj")
        data = load_part(smearing_width=0.3)
        model = DOSModel(high=5.0).fit(data)
        model.save(folder / "model.ldosml")
        n_fit, grid = len(model.regressors_[14].X_fit_), model.grid_
        print(f"\n{len(atoms)} atoms, {n_fit} training environments, {grid}; {n_jobs} process(es)\n")
        print("| run | s | atoms in the file | peak memory MB |\n| --- | --- | --- | --- |")
        for label, output, stop in (("at once", "a", "2"), ("killed", "b", "0.33"), ("run again", "b", "2")):
            start = time.perf_counter()
            said = child("predict", name, output, stop, str(n_jobs))
            seconds = time.perf_counter() - start
            with h5py.File(folder / (f"{output}.h5.part" if label == "killed" else f"{output}.h5")) as file:
                done = int(file["done"][()].sum())
            print(f"| {label} | {seconds:.1f} | {done} | {said.split()[-1]} |")
        with h5py.File(folder / "a.h5") as a, h5py.File(folder / "b.h5") as b:
            same = all(a[field][()].tobytes() == b[field][()].tobytes() for field in ("ldos", "dos"))
        size = (folder / "a.h5").stat().st_size / 1e6
        print(f"\nFile of {size:.0f} MB. After the kill the file is the same, bit for bit: {same}.")


def child(*arguments: str) -> str:
    """Output of this script in a process of its own, which says its largest resident size last, MB."""
    done = subprocess.run([sys.executable, __file__, "child", *arguments], capture_output=True, text=True, check=False)
    if done.returncode not in (0, -signal.SIGKILL):
        raise RuntimeError(done.stderr)
    return done.stdout


def peak() -> None:
    """Say the largest resident size so far; getrusage would count that of the parent, too."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(round(int(lines["VmHWM"].split()[0]) / 1e3), flush=True)


def soap_alone(*repeats: str) -> None:
    """SOAP of one structure, and the memory it took."""
    x, y, z = map(int, repeats)
    atoms = diamond((x, y, z))
    SOAP().fit(atoms).transform(atoms)
    peak()


def predict_alone(folder: str, output: str, stop: str, n_jobs: str) -> None:
    """Predict to a file; killed once more than the fraction ``stop`` is done."""

    def progress(done: int, total: int) -> None:
        if done > float(stop) * total:
            peak()
            os.kill(os.getpid(), signal.SIGKILL)

    model = DOSModel.load(Path(folder) / "model.ldosml")
    atoms = read(Path(folder) / "atoms.traj")
    predict_to(model, atoms, Path(folder) / f"{output}.h5", n_jobs=int(n_jobs), progress=progress)
    peak()


def main() -> None:
    if sys.argv[1:2] == ["child"]:
        {"soap": soap_alone, "predict": predict_alone}[sys.argv[2]](*sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=(*PARTS, []), help="all unless named")
    parser.add_argument("--rounds", type=int, default=5, help="of the timings of SOAP")
    parser.add_argument("--jobs", type=int, default=1, help="processes of the prediction")
    options = parser.parse_args()
    print(machine.describe())
    wanted = options.parts or PARTS
    if "speedup" in wanted:
        speedup(options.rounds)
    if "growth" in wanted:
        growth(options.rounds)
    if "prediction" in wanted:
        prediction(options.jobs)


if __name__ == "__main__":
    main()
