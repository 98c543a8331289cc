"""Inducing points: a million environments in bounded memory, and accuracy against cost on real data.

    python benchmarks/inducing_points.py stream --rows 1000000
    python benchmarks/inducing_points.py accuracy [FOLDER]

``stream`` fits synthetic data (252 features, 400 energies, structures of 20 atoms) that are made chunk by chunk, so
that no disk is needed, on 2,000 farthest points. The bound is the time of the method's floating-point operations, n M
(2 n_features + 2 M + 2 n_energies), at the speed of a square matrix product, which is measured between chunks of the
same run; making the data is not counted. Times are those of the processor, so that others on the machine do not count
(with OMP_NUM_THREADS=1; more threads also wait for each other), and of the clock. Memory is the largest resident size.

``accuracy`` compares the full kernel with inducing points on a part of the shipped silicon set (``silicon_part.py``),
and on si_vasp_ldos in FOLDER (see si_vasp_folds.py) if given: L/sigma of equation 15 of the LDOS paper, pooled over
grouped folds; the processor time to fit (points, alpha per energy by leave-one-group-out among 20, and
coefficients) is the median over the folds.
"""

import argparse
import resource
import time
from pathlib import Path

import machine
import numpy as np
from si_vasp_folds import loss
from silicon_part import load_part
from sklearn.model_selection import GroupKFold

from ldosml import SOAP, LDOSKernelRidge, SparseLDOSKernelRidge, import_dataset

FEATURES, ENERGIES, ATOMS = 252, 400, 20
KERNEL = {"kernel": "matern", "gamma": 1.0}


class Synthetic:
    """Chunks that are the same each time; counts what making them takes, and times matrix products in between."""

    def __init__(self, rows: int, size: int, probe: int) -> None:
        generator = np.random.default_rng(0)
        self.rows, self.size, self.probe = rows, size, probe
        self.mix = generator.normal(size=(60, FEATURES)) * 0.95 ** np.arange(60)[:, None]
        self.shape = generator.normal(size=(FEATURES, ENERGIES))
        self.square = generator.normal(size=(2000, 2000))
        self.passes: list[float] = []
        self.aside, self.speeds = 0.0, []

    def __iter__(self):
        self.passes.append(time.process_time() - self.aside)
        for number, start in enumerate(range(0, self.rows, self.size)):
            before = time.process_time()
            chunk = self.make(number, start)
            if number % self.probe == 0 and len(self.passes) > 2:
                self.speeds.append(self.speed())
            self.aside += time.process_time() - before
            yield chunk

    def make(self, number: int, start: int):
        """Rows of one chunk: spectra that are a smooth function of the descriptors, and noise."""
        generator = np.random.default_rng([1, number])
        n = min(self.size, self.rows - start)
        X = 3 + generator.normal(size=(n, 60)) @ self.mix + 0.05 * generator.normal(size=(n, FEATURES))
        X /= np.linalg.norm(X, axis=1)[:, None]
        Y = np.sin(4 * X @ self.shape) + 0.1 * generator.normal(size=(n, ENERGIES))
        return X, Y, (start + np.arange(n)) // ATOMS

    def speed(self) -> float:
        """Operations a second of a matrix product."""
        self.square @ self.square
        start = time.process_time()
        self.square @ self.square
        return 2 * len(self.square) ** 3 / (time.process_time() - start)


def stream(rows: int, points: int, chunk: int, fraction: float) -> None:
    source = Synthetic(rows, chunk, max(1, rows // chunk // 20))
    chosen = "leave-one-group-out" if fraction else 1e-3
    model = SparseLDOSKernelRidge(
        chosen, n_inducing=points, chunk_size=chunk, leave_out_fraction=fraction or 1.0, selection_rows=20_000, **KERNEL
    )
    clock = time.perf_counter()
    model.fit_chunks(source)
    clock = time.perf_counter() - clock
    marks = np.diff([*source.passes[1:], time.process_time() - source.aside])
    selecting, summing, leaving = [*marks, 0.0][:3]
    speed = float(np.median(source.speeds))
    work = rows * points * (2 * FEATURES + 2 * points + 2 * ENERGIES)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    low, high = min(source.speeds) / 1e9, max(source.speeds) / 1e9
    table = {
        "rows": f"{rows:,}",
        "points (rank)": f"{points:,} ({model.rank_:,})",
        "alphas": f"20, by {fraction:g} of the structures" if fraction else "one",
        "choose points, s": f"{selecting:.0f}",
        "sums and solution, s": f"{summing:.0f}",
        "leave-out, s": f"{leaving:.0f}",
        "bound of the sums, s": f"{work / speed:.0f}",
        "ratio": f"{summing * speed / work:.2f}",
        "matrix product, Gflop/s": f"{speed / 1e9:.0f} ({low:.0f} to {high:.0f})",
        "clock, data included, s": f"{clock:.0f}",
        "peak, GiB": f"{peak:.2f}",
    }
    for line in (table.keys(), ["---"] * len(table), table.values()):
        print("|", " | ".join(line), "|")


def accuracy(name: str, X, Y, index, folds) -> None:
    mean = np.zeros((index.max() + 1, len(Y)))
    mean[index, np.arange(len(Y))] = 1 / np.bincount(index)[index]
    print(
        f"\n{name}: {len(Y)} environments of {index.max() + 1} structures, {Y.shape[1]} energies, {len(folds)} folds\n"
    )
    print("| points | LDOS L/sigma | DOS per atom L/sigma | fit, s | rank |\n| --- | --- | --- | --- | --- |")
    options = {"alpha": "leave-one-group-out", **KERNEL}
    methods = [("all, full kernel", LDOSKernelRidge(**options))]
    for count in (250, 500, 1000, 2000):
        for selection in ("farthest-point", "cur", "random"):
            if count < min(len(train) for train, _ in folds):
                model = SparseLDOSKernelRidge(n_inducing=count, selection=selection, **options)
                methods.append((f"{count:,}, {selection}", model))
    for label, model in methods:
        predicted, times, ranks = np.empty_like(Y), [], []
        for train, test in folds:
            start = time.process_time()
            model.fit(X[train], Y[train], groups=index[train])
            times.append(time.process_time() - start)
            predicted[test] = model.predict(X[test])
            ranks.append(getattr(model, "rank_", len(train)))
        errors = f"{loss(predicted, Y):.4f} | {loss(mean @ predicted, mean @ Y):.4f}"
        print(f"| {label} | {errors} | {np.median(times):.1f} | {min(ranks)} to {max(ranks)} |", flush=True)


def silicon():
    data = load_part(smearing_width=0.3).refer_to("fermi", -14, 5)
    index = data.structure_index
    folds = [
        (np.flatnonzero(np.isin(index, a)), np.flatnonzero(np.isin(index, b))) for a, b in data.folds(5, random_state=0)
    ]
    return data, folds


def vasp(folder: Path):
    folder = folder / "si_vasp_ldos"
    data = import_dataset(folder / "structures.xyz", folder / "ldos.npz", energy_max=5.0).refer_to("fermi", -14, 5)
    index = data.structure_index
    return data, list(GroupKFold(5, shuffle=True, random_state=0).split(index, groups=index))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    first = commands.add_parser("stream")
    first.add_argument("--rows", type=int, default=100_000)
    first.add_argument("--points", type=int, default=2000)
    first.add_argument("--chunk", type=int, default=8000)
    first.add_argument("--alphas", type=float, default=0.0, help="choose alpha, by this part of the structures")
    commands.add_parser("accuracy").add_argument("folder", type=Path, nargs="?")
    options = parser.parse_args()
    print(machine.describe(), flush=True)
    if options.command == "stream":
        stream(options.rows, options.points, options.chunk, options.alphas)
        return
    sets = [("silicon, shipped", *silicon())] + ([("si_vasp_ldos", *vasp(options.folder))] if options.folder else [])
    for name, data, folds in sets:
        X = SOAP().fit(data.structures).transform(data.structures)
        accuracy(name, X, data.ldos.values, data.structure_index, folds)


if __name__ == "__main__":
    main()
