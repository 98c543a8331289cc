"""Time and memory of SOAP for one large cell of silicon, in one process and in two.

    python benchmarks/descriptors.py

Rattled diamond, SOAP 6 angstrom, n_max 8, l_max 6, 0.5 angstrom (252 features, 2 kB an environment). The second run
with two processes finds them started. Memory: the largest resident size of this process and of its children so far.
"""

import argparse
import resource
import time

import machine
import numpy as np
from ase.build import bulk

from ldosml import SOAP


def peak() -> str:
    """Largest resident sizes, MB."""
    sizes = [resource.getrusage(who).ru_maxrss / 1e3 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return f"peak {sizes[0]:.0f} MB here, {sizes[1]:.0f} MB in a child"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=18, help="cubic cells along each edge; 8 atoms each")
    repeats = parser.parse_args().repeats
    atoms = bulk("Si", cubic=True) * (repeats, repeats, repeats)
    atoms.positions += np.random.default_rng(0).normal(0, 0.1, atoms.positions.shape)
    print(machine.describe())
    reference = None
    for n_jobs in (1, 2, 2):
        start = time.perf_counter()
        X = SOAP(n_jobs=n_jobs).fit(atoms).transform(atoms)
        seconds = time.perf_counter() - start
        reference = X if reference is None else reference
        same = bool((reference == X).all())
        each = 1e3 * seconds / len(atoms)
        print(f"{len(atoms)} atoms, {n_jobs} processes: {seconds:.1f} s, {each:.3f} ms an atom, same {same}; {peak()}")


if __name__ == "__main__":
    main()
