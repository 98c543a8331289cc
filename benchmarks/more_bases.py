"""What more base structures bring to silicon with carbon.

    python benchmarks/more_bases.py

The set grew from 81 bases to 118, with two copies each. Five folds of the first 81 that keep bases whole, 0.3 eV, from
E_F - 16 to E_F + 3.6 eV; the same test structures, trained on the other folds, and on these and the 37 later bases.
"""

import machine
import numpy as np
from descriptors import BASES, SETS, scaled
from paired_folds import compare

from ldosml import SOAP, Joined, LDOSKernelRidge, TightBindingSpectrum, Whitened, load_dataset


def main(arguments=None) -> None:
    given = machine.parser(__doc__).parse_args(arguments)
    results, n_splits = machine.Results(__file__, given), 2 if given.quick else 5
    r_cut, low, high = SETS["silicon-carbide"]
    data = load_dataset("silicon-carbide", smearing_width=0.3)
    data = data.select(slice(None, None, 6)) if given.quick else data
    bases = list(dict.fromkeys(data.groups))
    first = np.flatnonzero(np.isin(data.groups, bases[: BASES * len(bases) // 118]))
    later = np.setdiff1d(np.arange(len(data)), first)
    soap, spectrum = Whitened(SOAP(r_cut=r_cut)), scaled(TightBindingSpectrum())
    descriptors = {"SOAP": soap, "SOAP + tight binding": Joined([soap, spectrum], weights=[1.0, 1.0])}
    chosen = {name: [(descriptor, LDOSKernelRidge())] * n_splits for name, descriptor in descriptors.items()}
    folds = [(first[train], first[test]) for train, test in data.select(first).folds(n_splits, random_state=0)]
    for title, more in (("of 81 bases", later[:0]), ("with 37 more in training", later)):
        larger = [(np.concatenate([train, more]), test) for train, test in folds]
        compare(results, f"silicon-carbide {title}", data, larger, chosen, low, high)


if __name__ == "__main__":
    main()
