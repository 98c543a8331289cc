"""Large dense kernel fits beside the bare LAPACK calls that they need, on the same arrays.

    python benchmarks/dense_solves.py        # n 4,000 and 23,778: 5 GB, about 10 minutes

252 features, 400 energies, kernel (x.z)^2, 12 environments in each structure. Both alternate in one process:

- one alpha: ``LDOSKernelRidge(1e-3).fit`` against dgemm (X X^T) + dpotrf + dpotrs in place,
- 20 alphas by leave-one-group-out, and the fit: against dsyevd in place + the products that the method needs. These are
  two (n, n) by (n, 400) products for the projection and the coefficients, and one product for each alpha.

The peak of the memory belongs to a process of its own that only fits (VmHWM, Linux), without its inputs. The table also
gives the estimates of the plan. --beside adds precision="float32" and solver="cholesky".
"""

import time
from collections.abc import Callable

import machine
import numpy as np
from reference_sets import random_environments
from scipy.linalg import blas, eigh, lapack

from ldosml import LDOSKernelRidge

N_FEATURES, N_ENERGIES, N_ALPHAS = 252, 400, 20
CHOSEN = {"alpha": "leave-one-group-out", "alphas": np.logspace(-6, 1, N_ALPHAS)}
Clock = Callable[[], float]


def data(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Descriptors, LDOS, and the structure of each environment."""
    index = np.arange(n) // 12
    return *random_environments(index, N_FEATURES, N_ENERGIES), index


def kernel(X: np.ndarray) -> np.ndarray:
    """(x.z)^2 + 1e-3 on the diagonal, for LAPACK to factorise; not timed."""
    K = blas.dgemm(1.0, X.T, X.T, trans_a=True)
    K *= K
    K[np.diag_indices(len(X))] += 1e-3
    return K


def bare_one(X: np.ndarray, Y: np.ndarray, clock: Clock) -> tuple[float, ...]:
    """Seconds of dgemm, dpotrf and dpotrs, each in place."""
    product = machine.seconds(lambda: blas.dgemm(1.0, X.T, X.T, trans_a=True), clock)
    K, rhs = kernel(X), np.array(Y - Y.mean(axis=0), order="F")
    factorised = machine.seconds(lambda: lapack.dpotrf(K, lower=1, clean=0, overwrite_a=1), clock)
    return product, factorised, machine.seconds(lambda: lapack.dpotrs(K, rhs, lower=1, overwrite_b=1), clock)


def bare_several(X: np.ndarray, Y: np.ndarray, clock: Clock) -> tuple[float, ...]:
    """Seconds of dsyevd in place, and of the products."""
    K = kernel(X)
    decomposed, (_, vectors) = machine.timed(
        lambda: eigh(K, lower=True, overwrite_a=True, check_finite=False, driver="evd"), clock
    )
    return decomposed, machine.seconds(lambda: [vectors @ Y for _ in range(N_ALPHAS + 2)], clock)


FITS: dict[str, tuple[dict[str, object], Callable[..., tuple[float, ...]]]] = {
    "one alpha": ({"alpha": 1e-3}, bare_one),
    f"{N_ALPHAS} alphas": ({**CHOSEN, "solver": "eigh"}, bare_several),
    "one alpha, float32": ({"alpha": 1e-3, "precision": "float32"}, bare_one),
    f"{N_ALPHAS} alphas, cholesky": ({**CHOSEN, "solver": "cholesky"}, bare_several),
}


def estimator(fit: str) -> LDOSKernelRidge:
    """Our regressor of that row."""
    return LDOSKernelRidge(kernel="polynomial", degree=2, gamma=1.0, **FITS[fit][0])


def peak_of_fit(n: int, fit: str) -> int:
    """Peak memory of a fit beside its inputs, bytes; for a process of its own."""
    X, Y, index = data(n)
    before = machine.memory("VmRSS")
    machine.forget_peak()  # of making the inputs
    estimator(fit).fit(X, Y, groups=index)
    return machine.memory("VmHWM") - before


def compare(n: int, fit: str, repeats: int, clock: Clock) -> dict[str, object]:
    """One row of the table: medians of alternating runs, and the peak of a run alone."""
    X, Y, index = data(n)
    bare = FITS[fit][1]
    pairs = [
        (bare(X, Y, clock), machine.seconds(lambda: estimator(fit).fit(X, Y, groups=index), clock))
        for _ in range(repeats)
    ]
    ratios = [ours / sum(parts) for parts, ours in pairs]
    peak, _ = machine.alone(peak_of_fit, n, fit)
    plan = estimator(fit).plan(n, N_FEATURES, N_ENERGIES)
    return {
        "n": n,
        "fit": fit,
        "ours (s)": float(np.median([ours for _, ours in pairs])),
        "bare LAPACK (s)": " + ".join(f"{np.median(part):.2f}" for part in zip(*(p for p, _ in pairs), strict=True)),
        "ratio": float(np.median(ratios)),
        "least": min(ratios),
        "largest": max(ratios),
        "peak beside inputs (GB)": peak / 1e9,
        "peak / 8 n^2": peak / (8 * n**2),
        "planned (GB)": plan.bytes / 1e9,
        "planned (s)": plan.seconds,
    }


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    parser.add_argument("--size", type=int, nargs="*", default=[4000, 23_778], help="rows of the fits with one alpha")
    parser.add_argument("--choices", type=int, nargs="*", default=[4000], help="rows of the fits with 20 alphas")
    parser.add_argument("--repeats", type=int, default=3, help="of up to 10,000 rows; larger ones run once")
    parser.add_argument("--beside", action="store_true", help="also float32, and 20 alphas by Cholesky")
    parser.add_argument("--cpu", action="store_true", help="processor time, for a shared machine: OMP_NUM_THREADS=1")
    given = parser.parse_args(arguments)
    if given.quick:
        given.size, given.choices, given.repeats = [600], [600], 1
    clock = time.process_time if given.cpu else time.perf_counter
    results = machine.Results(__file__, given)
    for fit, (_, bare) in list(FITS.items())[: None if given.beside else 2]:
        for n in given.size if bare is bare_one else given.choices:
            row = compare(n, fit, given.repeats if n <= 10_000 else 1, clock)
            results.add(f"fits, {'processor' if given.cpu else 'wall'} time", row)


if __name__ == "__main__":
    main()
