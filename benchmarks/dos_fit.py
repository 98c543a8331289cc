"""Time and memory of learning from the DOS, at the size of the LDOS paper's silicon set.

    python benchmarks/dos_fit.py        # add --square for the kernel of all environments: 7 GB and more, minutes

1,039 structures with 29,723 environments of 252 random features, 400 energies. ``LDOSKernelRidge(learn="dos")`` solves
a matrix with one row for each structure: with one alpha, and with 20 alphas by leave-one-group-out. --square adds a fit
of the LDOS, which factorises the kernel between all environments. Each runs in a process of its own.
"""

import machine
import numpy as np
from reference_sets import random_environments

from ldosml import LDOSKernelRidge

FITS = {
    "DOS, one alpha": {"alpha": 1e-2, "learn": "dos"},
    "DOS, 20 alphas by leave-one-group-out": {"alphas": np.logspace(-6, 1, 20), "learn": "dos"},
    "LDOS of all environments, one alpha": {"alpha": 1e-2},
}


def fit(options: dict[str, object], n_environments: int, n_structures: int) -> tuple[float, int]:
    """Seconds of a fit, and bytes of its descriptors and targets."""
    drawn = np.random.default_rng(0).integers(0, n_structures, n_environments - n_structures)
    index = np.sort(np.concatenate([np.arange(n_structures), drawn]))
    X, Y = random_environments(index)
    rows: dict[str, np.ndarray] = {}
    if options.get("learn") == "dos":
        Y = np.add.reduceat(Y, np.searchsorted(index, np.arange(n_structures)))
        rows = {"structure_index": index, "groups": np.arange(n_structures)}
    machine.forget_peak()  # of making the inputs
    return machine.seconds(lambda: LDOSKernelRidge(**options, gamma=1.0).fit(X, Y, **rows)), X.nbytes + Y.nbytes


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    parser.add_argument("--environments", type=int, default=29_723)
    parser.add_argument("--structures", type=int, default=1_039)
    parser.add_argument("--square", action="store_true", help="also the kernel between all environments")
    given = parser.parse_args(arguments)
    if given.quick:
        given.environments, given.structures = 1_500, 60
    results = machine.Results(__file__, given)
    for name, options in list(FITS.items())[: None if given.square or given.quick else 2]:
        (seconds, inputs), peak = machine.alone(fit, options, given.environments, given.structures)
        row = {"learned": name, "seconds": seconds, "peak memory (GB)": peak / 2**30, "inputs (GB)": inputs / 2**30}
        results.add("fits", row)


if __name__ == "__main__":
    main()
