"""Inducing points: a million environments in bounded memory, and accuracy against cost on real data.

    python benchmarks/inducing_points.py accuracy [--data FOLDER]
    python benchmarks/inducing_points.py stream --rows 1000000

``stream`` fits random data (252 features, 400 energies, structures of 20 atoms) on 2,000 farthest points. The chunks
are made on the fly, so no disk is needed. The bound is the time of the method's floating-point operations, n M (2
n_features + 2 M + 2 n_energies), at the speed of a square matrix product, which is measured between chunks of the same
run. The time to make the data is subtracted. Times are processor times, so that other work on the machine does not
count (set OMP_NUM_THREADS=1; more threads also wait for each other); the clock is given too. Memory is the peak of the
process.

``accuracy`` compares the full kernel with inducing points on a part of the shipped silicon set (``reference_sets.py``),
and with --data on si_vasp_ldos: L/sigma of equation 15 of the LDOS paper, pooled over grouped folds. The fit's
processor time (points, alpha by leave-one-group-out among 20, and coefficients) is the median over the
folds.
"""

import time

import machine
import numpy as np
from reference_sets import QUICK_FRACTION, Environments, add_vasp_option, load_part, load_vasp, vasp_folds

from ldosml import LDOSKernelRidge, SparseLDOSKernelRidge

FEATURES, ENERGIES, ATOMS = 252, 400, 20
KERNEL = {"kernel": "matern", "gamma": 1.0}  # of plain SOAP


class Synthetic:
    """Chunks that are the same each time; counts the time to make them, and times matrix products in between."""

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
        """Arguments of a fit for one chunk: the spectra are a smooth function of the descriptors, with noise."""
        generator = np.random.default_rng([1, number])
        n = min(self.size, self.rows - start)
        X = 3 + generator.normal(size=(n, 60)) @ self.mix + 0.05 * generator.normal(size=(n, FEATURES))
        X /= np.linalg.norm(X, axis=1)[:, None]
        Y = np.sin(4 * X @ self.shape) + 0.1 * generator.normal(size=(n, ENERGIES))
        return {"X": X, "Y": Y, "groups": (start + np.arange(n)) // ATOMS}

    def speed(self) -> float:
        """Floating-point operations per second of a matrix product."""
        self.square @ self.square
        start = time.process_time()
        self.square @ self.square
        return 2 * len(self.square) ** 3 / (time.process_time() - start)


def stream(results: machine.Results, given) -> None:
    """Fit ``rows`` environments chunk by chunk."""
    rows, points, fraction = given.rows, given.points, given.alphas
    source = Synthetic(rows, given.chunk, max(1, rows // given.chunk // 20))
    model = SparseLDOSKernelRidge(
        "leave-one-group-out" if fraction else 1e-3,
        n_inducing=points,
        chunk_size=given.chunk,
        leave_out_fraction=fraction or 1.0,
        selection_rows=20_000,
        **KERNEL,
    )
    clock = machine.seconds(lambda: model.fit_chunks(source))
    marks = np.diff([*source.passes[1:], time.process_time() - source.aside])
    selecting, summing, leaving = [*marks, 0.0][:3]
    speed = float(np.median(source.speeds))
    work = rows * points * (2 * FEATURES + 2 * points + 2 * ENERGIES)
    row = {
        "rows": rows,
        "points": points,
        "rank": model.rank_,
        "alphas": f"20, by {fraction:g} of the structures" if fraction else "one",
        "choose points (s)": selecting,
        "sums and solution (s)": summing,
        "leave-out (s)": leaving,
        "bound of the sums (s)": work / speed,
        "ratio": summing * speed / work,
        "matrix product (Gflop/s)": speed / 1e9,
        "least": min(source.speeds) / 1e9,
        "most": max(source.speeds) / 1e9,
        "clock, data included (s)": clock,
        "peak (GiB)": machine.memory("VmHWM") / 2**30,
    }
    results.add("streamed fit", row)


def accuracy(results: machine.Results, data, folds, counts) -> None:
    """Add a table: the full kernel, and inducing points by number and selection."""
    rows = Environments.of(data, folds)
    X, Y, groups, folds = rows.X, rows.Y, rows.groups, rows.folds
    methods = {("all", None): LDOSKernelRidge(**KERNEL)}
    for count in counts:
        for selection in ("farthest-point", "cur", "random"):
            if count < min(len(train) for train, _ in folds):
                methods[count, selection] = SparseLDOSKernelRidge(n_inducing=count, selection=selection, **KERNEL)
    for (count, selection), model in methods.items():
        predicted, times, ranks = np.empty_like(Y), [], []
        for train, test in folds:
            fit = lambda train=train, model=model: model.fit(X[train], Y[train], groups=groups[train])  # noqa: E731
            times.append(machine.seconds(fit, time.process_time))
            predicted[test] = model.predict(X[test])
            ranks.append(getattr(model, "rank_", len(train)))
        row = {"points": count, "selection": selection, **rows.losses(predicted)}
        row |= {"fit, processor (s)": float(np.median(times)), "rank": f"{min(ranks)} to {max(ranks)}"}
        results.add(f"L/sigma on {data}", row)


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    parser.add_argument("part", choices=("accuracy", "stream"))
    parser.add_argument("--rows", type=int, default=100_000, help="of stream")
    parser.add_argument("--points", type=int, default=2000, help="of stream")
    parser.add_argument("--chunk", type=int, default=8000, help="rows of a chunk of stream")
    parser.add_argument("--alphas", type=float, default=0.0, help="choose alpha in stream, by this part of structures")
    add_vasp_option(parser)
    given = parser.parse_args(arguments)
    if given.quick:
        given.rows, given.points, given.chunk = 2000, 100, 500
    results = machine.Results(f"inducing_points_{given.part}", given)
    if given.part == "stream":
        stream(results, given)
        return
    counts = (100,) if given.quick else (250, 500, 1000, 2000)
    part = load_part(*[QUICK_FRACTION] * given.quick, smearing_width=0.3)
    accuracy(results, part, part.folds(2 if given.quick else 5, random_state=0), counts)
    if given.data is not None and not given.quick:
        frames = load_vasp(given.data)
        accuracy(results, frames, vasp_folds(frames), counts)


if __name__ == "__main__":
    main()
