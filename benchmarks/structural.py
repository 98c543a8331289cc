"""Structural learning at the size of the LDOS paper's silicon set: a matrix of structures, not of environments.

    python benchmarks/structural.py [--environments 29723] [--structures 1039] [--square]

1,039 structures with 29,723 environments of 252 invented features, 400 energies: time and peak memory of
LDOSKernelRidge, whose matrix has a row for each structure, with one alpha and with 20 by leave-one-group-out. Beside
it, with --square, the route that it avoids: the whole kernel between environments in memory, factorised for an LDOS fit
(7 GB and more; minutes). Each runs in a process of its own.
"""

import argparse
import resource
import subprocess
import sys
import time

import machine
import numpy as np

from ldosml import LDOSKernelRidge

N_FEATURES, N_ENERGIES = 252, 400


def invent(n_environments: int, n_structures: int):
    """Rows of unit length near a few centres, and spectra; the same every time."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(8, N_FEATURES))[rng.integers(0, 8, n_environments)]
    X += 0.5 * rng.normal(size=X.shape)
    X /= np.linalg.norm(X, axis=1)[:, None]
    index = np.sort(
        np.concatenate([np.arange(n_structures), rng.integers(0, n_structures, n_environments - n_structures)])
    )
    ldos = np.sin(X @ rng.normal(size=(N_FEATURES, N_ENERGIES)))
    return X, ldos, index


def run(route: str, n_environments: int, n_structures: int) -> None:
    """Fit once; print seconds, the peak memory, and that of the arrays alone."""
    X, ldos, index = invent(n_environments, n_structures)
    dos = np.add.reduceat(ldos, np.searchsorted(index, np.arange(n_structures)))
    arrays = (X.nbytes + dos.nbytes) / 2**30
    if route == "square":
        fit = LDOSKernelRidge(1e-2, kernel="matern", gamma=1.0).fit
        arguments, known = (X, ldos), {}
    else:
        del ldos
        alpha = 1e-2 if route == "one" else "leave-one-group-out"
        fit = LDOSKernelRidge(alpha, learn="dos", kernel="matern", gamma=1.0).fit
        arguments, known = (X, dos), {"structure_index": index}
    start = time.perf_counter()
    fit(*arguments, **known)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"| {seconds:.1f} | {peak:.2f} | {arrays:.2f} |")


ROUTES = {
    "one": "LDOSKernelRidge, one alpha",
    "many": "LDOSKernelRidge, 20 alphas by leave-one-group-out",
    "square": "LDOSKernelRidge on all environments, one alpha",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environments", type=int, default=29_723)
    parser.add_argument("--structures", type=int, default=1_039)
    parser.add_argument("--square", action="store_true", help="also the kernel between all environments")
    parser.add_argument("--route", choices=ROUTES, help="this one only, in this process")
    arguments = parser.parse_args()
    if arguments.route:
        run(arguments.route, arguments.environments, arguments.structures)
        return
    print(machine.describe())
    print("| route | seconds | peak memory (GB) | of which X and DOS |\n| --- | --- | --- | --- |")
    sizes = ["--environments", str(arguments.environments), "--structures", str(arguments.structures)]
    for route, name in ROUTES.items():
        if route != "square" or arguments.square:
            done = subprocess.run(
                [sys.executable, __file__, "--route", route, *sizes], check=True, capture_output=True, text=True
            )
            print(f"| {name} {done.stdout.strip()}", flush=True)


if __name__ == "__main__":
    main()
