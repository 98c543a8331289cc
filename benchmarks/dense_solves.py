"""Large dense kernel fits beside the bare LAPACK calls that they cannot do without, on the same arrays.

    python benchmarks/dense_solves.py                       # n 4,000 and 23,778 (5 GB, some 10 minutes)
    python benchmarks/dense_solves.py --size 4000 --choices 4000

252 features, 400 energies, kernel (x.z)^2, 12 environments to a structure. In one process, alternating:

- one alpha: ``LDOSKernelRidge(1e-3).fit`` against dgemm (X X^T) + dpotrf + dpotrs in place,
- 20 alphas by leave-one-group-out, and the fit: against dsyevd in place + the products that the method needs, two
  (n, n) by (n, 400) for the projection and the coefficients, and one for each alpha.

Peak memory is that of a process of its own which only fits (VmHWM, Linux), less what it held with its inputs. Beside it
stand the plan's estimates, and precision="float32" and solver="cholesky".
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import machine
import numpy as np
from scipy.linalg import blas, eigh, lapack

from ldosml import LDOSKernelRidge

N_FEATURES, N_ENERGIES, N_ALPHAS = 252, 400, 20
CHOICE = "leave-one-group-out"


def data(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit rows about ten directions, 12 alike to a structure, and targets that the kernel can learn, with noise."""
    rng = np.random.default_rng(0)
    index = np.arange(n) // 12
    latent = rng.normal(size=(index[-1] + 1, 10))[index] + 0.3 * rng.normal(size=(n, 10))
    X = latent @ rng.normal(size=(10, N_FEATURES)) + 0.2 * rng.normal(size=(n, N_FEATURES))
    X /= np.linalg.norm(X, axis=1)[:, None]
    Y = X @ rng.normal(size=(N_FEATURES, N_ENERGIES))
    Y *= Y
    Y += rng.normal(size=Y.shape) * 0.1
    return X, Y, index


clock = time.perf_counter


def timed(function: Callable[[], object]) -> float:
    """Seconds of a call, by the clock."""
    start = clock()
    function()
    return clock() - start


def kernel(X: np.ndarray) -> np.ndarray:
    """(x.z)^2 + 1e-3 on the diagonal, for LAPACK to factorise; not timed."""
    K = blas.dgemm(1.0, X.T, X.T, trans_a=True)
    K *= K
    K[np.diag_indices(len(X))] += 1e-3
    return K


def bare_one(X: np.ndarray, Y: np.ndarray) -> tuple[float, float, float]:
    """Seconds of dgemm, dpotrf and dpotrs, each in place."""
    product = timed(lambda: blas.dgemm(1.0, X.T, X.T, trans_a=True))
    K, rhs = kernel(X), np.array(Y - Y.mean(axis=0), order="F")
    factorised = timed(lambda: lapack.dpotrf(K, lower=1, clean=0, overwrite_a=1))
    return product, factorised, timed(lambda: lapack.dpotrs(K, rhs, lower=1, overwrite_b=1))


def bare_several(X: np.ndarray, Y: np.ndarray) -> tuple[float, float]:
    """Seconds of dsyevd in place, and of the products."""
    K = kernel(X)
    start = clock()
    _, vectors = eigh(K, lower=True, overwrite_a=True, check_finite=False, driver="evd")
    decomposed = clock() - start
    return decomposed, timed(lambda: [vectors @ Y for _ in range(N_ALPHAS + 2)])


def estimator(how: str) -> LDOSKernelRidge:
    """Our fit of that name."""
    options: dict[str, dict[str, object]] = {
        "one alpha": {"alpha": 1e-3},
        "one alpha, float32": {"alpha": 1e-3, "precision": "float32"},
        f"{N_ALPHAS} alphas": {"alpha": CHOICE, "solver": "eigh"},
        f"{N_ALPHAS} alphas, cholesky": {"alpha": CHOICE, "solver": "cholesky"},
    }
    return LDOSKernelRidge(kernel="polynomial", degree=2, gamma=1.0, **options[how])


def measure_alone(n: int, how: str) -> dict[str, float]:
    """Peak bytes beside the inputs, and seconds, of one fit in a process of its own."""
    command = [sys.executable, __file__, "--alone", how, "--size", str(n)]
    result: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result


def alone(n: int, how: str) -> None:
    """Print what ``measure_alone`` gives."""
    X, Y, index = data(n)
    model = estimator(how)
    plan = model.plan(n, N_FEATURES, N_ENERGIES)
    estimate = plan.seconds
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of making the inputs
    seconds = timed(lambda: model.fit(X, Y, groups=index))
    peak = resident("VmHWM") - before
    print(json.dumps({"peak": peak, "seconds": seconds, "planned": plan.bytes, "estimate": estimate}))


def resident(entry: str) -> int:
    """Bytes in memory, now (VmRSS) or at most (VmHWM); ru_maxrss would count the parent's before this process began."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(entry))


def row(*cells: object) -> None:
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def compare(n: int, how: str, bare: Callable[[np.ndarray, np.ndarray], tuple[float, ...]], repeats: int) -> None:
    """Print one row of the table: medians of alternating runs, and the peak of a run alone."""
    X, Y, index = data(n)
    pairs = [(bare(X, Y), timed(lambda: estimator(how).fit(X, Y, groups=index))) for _ in range(repeats)]
    ratios = [ours / sum(parts) for parts, ours in pairs]
    parts = " + ".join(f"{np.median(part):.2f}" for part in zip(*(p for p, _ in pairs), strict=True))
    spread = f"{np.median(ratios):.2f}" + (f" ({min(ratios):.2f} to {max(ratios):.2f})" if repeats > 1 else "")
    found = measure_alone(n, how)
    seconds = np.median([ours for _, ours in pairs])
    memory = f"{found['peak'] / 1e9:.2f} GB = {found['peak'] / (8 * n**2):.2f} n^2"
    planned = f"{found['planned'] / 1e9:.2f} GB, {found['estimate']:.1f} s"
    row(f"{n:,}", how, f"{seconds:.2f} s", f"{parts} s", spread, memory, planned)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs="*", default=[4000, 23_778], help="Rows, one alpha.")
    parser.add_argument("--choices", type=int, nargs="*", default=[4000], help="Rows, 20 alphas.")
    parser.add_argument("--repeats", type=int, default=3, help="Of sizes up to 10,000; larger ones run once.")
    parser.add_argument("--beside", action="store_true", help="Also float32, and 20 alphas by Cholesky.")
    parser.add_argument("--cpu", action="store_true", help="Processor time, for a shared machine: OMP_NUM_THREADS=1.")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.cpu:
        global clock
        clock = time.process_time
    if arguments.alone:
        alone(arguments.size[0], arguments.alone)
        return
    print(f"{machine.describe()}; {'processor' if arguments.cpu else 'wall'} time")
    row("n", "fit", "ours", "bare LAPACK", "ratio", "peak beside inputs", "planned")
    row(*["---"] * 7)
    for how, sizes, bare in (
        ("one alpha", arguments.size, bare_one),
        ("one alpha, float32", arguments.size if arguments.beside else [], bare_one),
        (f"{N_ALPHAS} alphas", arguments.choices, bare_several),
        (f"{N_ALPHAS} alphas, cholesky", arguments.choices if arguments.beside else [], bare_several),
    ):
        for n in sizes:
            compare(n, how, bare, arguments.repeats if n <= 10_000 else 1)


if __name__ == "__main__":
    main()
