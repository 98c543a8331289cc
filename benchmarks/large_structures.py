"""Structures of 1,000 to 100,000 atoms: descriptors by one process and by two, their growth, and prediction to a file.

    OMP_NUM_THREADS=1 python benchmarks/large_structures.py

Rattled diamond; SOAP 6 angstrom, n_max 8, l_max 6, 0.5 angstrom (252 features, 2 kB an environment).

- speedup: SOAP of 10,648 atoms by one process and by two, in turns. "Started" is the first call, which starts the
  processes.
- growth: SOAP of 1,000, 10,648 and 100,000 atoms by one process: the exponent of the time, from the shortest of several
  runs, and the peak memory of a process that does nothing else.
- prediction: LDOS and DOS of 100,800 atoms of amorphous silicon (a frame of the shipped set repeated, and rattled),
  streamed to a file by a process of its own; then the same killed after a third, and run again. The model is the
  model of whitened SOAP, fitted on a part of the shipped set (``reference_sets.py``).
"""

import os
import signal
import tempfile
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import h5py
import machine
import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.io import read
from reference_sets import QUICK_FRACTION, load_part

from ldosml import SOAP, DOSModel, Whitened, load_dataset, predict_to

PARTS = ("speedup", "growth", "prediction")


def diamond(repeats: tuple[int, int, int]) -> Atoms:
    """Rattled silicon, 8 atoms for each repeat."""
    atoms = bulk("Si", cubic=True) * repeats
    atoms.positions += np.random.default_rng(0).normal(0, 0.1, atoms.positions.shape)
    return atoms


def amorphous(repeats: tuple[int, int, int]) -> Atoms:
    """A frame of 32 atoms from the shipped set, repeated and rattled."""
    data = load_dataset("silicon")
    frames = (a for a, kind in zip(data.structures, data.kinds, strict=True) if kind == "amorphous" and len(a) == 32)
    atoms = next(frames) * repeats
    atoms.positions += np.random.default_rng(0).normal(0, 0.05, atoms.positions.shape)
    return atoms


def soap_seconds(atoms: Atoms, n_jobs: int) -> tuple[float, np.ndarray]:
    """Wall time, s, and the descriptors."""
    soap = SOAP(n_jobs=n_jobs).fit(atoms)
    return machine.timed(lambda: soap.transform(atoms))


def speedup(results: machine.Results, given) -> None:
    """One process against two."""
    atoms = diamond(given.sizes[1])
    _, X = soap_seconds(atoms, 1)
    started, same = soap_seconds(atoms, 2)
    pairs = np.array([[soap_seconds(atoms, n)[0] for n in (1, 2)] for _ in range(given.rounds)])
    (one, two), ratios = np.median(pairs, axis=0), pairs[:, 0] / pairs[:, 1]
    row = {"atoms": len(atoms), "one process (s)": one, "two (s)": two, "two, started (s)": started}
    row |= {"ratio": np.median(ratios), "least": ratios.min(), "largest": ratios.max()}
    results.add("SOAP by two processes", row | {"same descriptors": bool((same == X).all())})


def soap_alone(repeats: tuple[int, int, int]) -> None:
    """Compute SOAP and nothing else."""
    SOAP().fit_transform(diamond(repeats))


def growth(results: machine.Results, given) -> None:
    """Exponent of the time in the number of atoms, and memory."""
    counts, shortest = [], []
    for repeats in given.sizes:
        atoms = diamond(repeats)
        rounds = given.rounds * round((1e5 / len(atoms)) ** 0.5)  # other work disturbs short runs more
        shortest.append(min(soap_seconds(atoms, 1)[0] for _ in range(1 if given.quick else rounds)))
        counts.append(len(atoms))
        _, peak = machine.alone(soap_alone, repeats)
        row = {"atoms": len(atoms), "seconds": shortest[-1], "ms an atom": 1e3 * shortest[-1] / len(atoms)}
        results.add("SOAP by one process", row | {"peak (MB)": peak / 1e6, "rows alone (MB)": 252 * 8e-6 * len(atoms)})
    exponent = np.polyfit(np.log(counts), np.log(shortest), 1)[0]
    results.add("growth of the time", {"from (atoms)": counts[0], "to (atoms)": counts[-1], "exponent": exponent})


def predict_alone(folder: Path, output: str, stop: float, n_jobs: int) -> None:
    """Predict to a file; kill this process once more than the fraction ``stop`` is done."""

    def progress(done: int, total: int) -> None:
        if done > stop * total:
            os.kill(os.getpid(), signal.SIGKILL)

    model, atoms = DOSModel.load(folder / "model.ldosml"), read(folder / "atoms.traj")
    predict_to(model, atoms, folder / output, n_jobs=n_jobs, progress=progress)


def predict_or_die(*arguments) -> float | None:
    """Peak memory of the prediction in a process of its own, MB; None where it was killed."""
    try:
        return machine.alone(predict_alone, *arguments)[1] / 1e6
    except BrokenProcessPool:
        return None


def atoms_done(path: Path) -> int:
    """How many atoms a file, complete or not, holds."""
    with h5py.File(path) as file:
        return int(file["done"][()].sum())


def prediction(results: machine.Results, given) -> None:
    """Predict to a file, at once and with a kill in between."""
    with tempfile.TemporaryDirectory() as name:
        folder, atoms = Path(name), amorphous(given.repeats)
        atoms.write(folder / "atoms.traj")
        model = DOSModel(Whitened(SOAP()), high=5.0).fit(load_part(*[QUICK_FRACTION] * given.quick, smearing_width=0.3))
        model.save(folder / "model.ldosml")
        n_fit = len(model.regressors_[14].X_fit_)
        for label, output, stop in (("at once", "a.h5", 2.0), ("killed", "b.h5", 0.33), ("run again", "b.h5", 2.0)):
            seconds, peak = machine.timed(
                lambda output=output, stop=stop: predict_or_die(folder, output, stop, given.jobs)
            )
            file = folder / (output if peak else f"{output}.part")
            row = {"run": label, "atoms": len(atoms), "training environments": n_fit, "processes": given.jobs}
            row |= {"seconds": seconds, "atoms in the file": atoms_done(file), "peak (MB)": peak}
            results.add("prediction to a file", row)
        with h5py.File(folder / "a.h5") as a, h5py.File(folder / "b.h5") as b:
            same = all(a[field][()].tobytes() == b[field][()].tobytes() for field in ("ldos", "dos"))
        size = (folder / "a.h5").stat().st_size / 1e6
        results.add("files", {"size (MB)": size, "same after the kill, bit for bit": same})


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    parser.add_argument("parts", nargs="*", choices=(*PARTS, []), help="default: all")
    parser.add_argument("--rounds", type=int, default=5, help="of the timings of SOAP")
    parser.add_argument("--jobs", type=int, default=1, help="processes of the prediction")
    given = parser.parse_args(arguments)
    given.sizes, given.repeats = ((5, 5, 5), (11, 11, 11), (20, 25, 25)), (15, 15, 14)
    if given.quick:
        given.rounds, given.sizes, given.repeats = 1, ((1, 1, 2), (2, 2, 2), (3, 3, 3)), (4, 3, 3)
    results = machine.Results(__file__, given)
    for part in given.parts or PARTS:
        {"speedup": speedup, "growth": growth, "prediction": prediction}[part](results, given)


if __name__ == "__main__":
    main()
