"""Local spectra of tight binding on all cores, up to 100,000 atoms: time, its growth, and memory.

    OMP_NUM_THREADS=1 python benchmarks/large_tight_binding.py

``TightBindingSpectrum(r_cut=6.0)`` of rattled diamond by joblib, one process a core, with SOAP of the same structures
by one process beside it. Times are by the clock; memory is of the main process, which holds the rows of all atoms. The
exponent is from the smallest structure to the largest.
"""

import machine
import numpy as np
from joblib import cpu_count
from tight_binding_speed import diamond

from ldosml import SOAP, TightBindingSpectrum

REPEATS = ((5, 5, 5), (10, 11, 12), (15, 16, 16), (20, 25, 25))  # 1,000, 10,560, 30,720 and 100,000 atoms


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    parser.add_argument("--most", type=int, default=100_000, help="atoms of the largest structure")
    given = parser.parse_args(arguments)
    results = machine.Results(__file__, given)
    spectrum, soap = TightBindingSpectrum(r_cut=3.0 if given.quick else 6.0, n_jobs=-1), SOAP(n_jobs=1)
    times: dict[int, float] = {}
    sizes = ((1, 1, 2), (1, 2, 2)) if given.quick else REPEATS
    for repeats in (r for r in sizes if 8 * np.prod(r) <= given.most):
        atoms = diamond(repeats)
        soap_seconds = machine.seconds(lambda atoms=atoms: soap.fit_transform(atoms))
        times[len(atoms)] = machine.seconds(lambda atoms=atoms: spectrum.fit_transform(atoms))
        row = {"atoms": len(atoms), "cores": cpu_count(), "tight binding (s)": times[len(atoms)]}
        row |= {"milliseconds an atom and core": 1e3 * cpu_count() * times[len(atoms)] / len(atoms)}
        results.add(
            "on all cores", row | {"SOAP, one core (s)": soap_seconds, "memory (MB)": machine.memory("VmHWM") / 1e6}
        )
    first, last = min(times), max(times)
    exponent = np.log(times[last] / times[first]) / np.log(last / first)
    results.add("growth of the time", {"from (atoms)": first, "to (atoms)": last, "exponent": float(exponent)})


if __name__ == "__main__":
    main()
