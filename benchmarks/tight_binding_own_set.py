"""Parameters of tight binding that are fitted to a set's own LDOS, as a descriptor, against the shipped ones.

    python benchmarks/tight_binding_own_set.py tin-chalcogenides
    python benchmarks/tight_binding_own_set.py silicon --steps 24

For each of the first folds, ``fit_tight_binding_to_ldos`` fits to the training part; the spectra of the fitted
parameters, alone and beside SOAP, then learn the training part and predict the groups left out. Sets and energies are
those of ``descriptors.py``; of silicon, every second structure. L/sigma, pooled over the folds; differences from the
shipped parameters, with 95 % intervals (``paired_folds.py``).
"""

import machine
import numpy as np
from descriptors import SETS, load, scaled
from paired_folds import compare

from ldosml import SOAP, Joined, LDOSDataset, LDOSKernelRidge, TightBindingSpectrum, Whitened
from ldosml.descriptors import Precomputed
from ldosml.neural.tight_binding_ldos_fit import fit_tight_binding_to_ldos
from ldosml.tightbinding import TightBindingParameters

SHARES = {"silicon": 0.25, "tin-chalcogenides": 1.0, "silicon-carbide": 0.25}
"""Fraction of the groups in each step of a fit."""


def keep(data: LDOSDataset, name: str, descriptor) -> Precomputed:
    """Compute the rows of a descriptor once; the structures carry them."""
    rows = descriptor.fit_transform(data.structures)
    for atoms, part in zip(data.structures, np.split(rows, np.cumsum(data.n_atoms)[:-1]), strict=True):
        atoms.set_array(name, part)
    return Precomputed(name)


def own_parameters(results: machine.Results, data: LDOSDataset, folds, low: float, high: float, **options) -> list:
    """Parameters fitted to the training part of each fold; adds a table of the fits."""
    found = []
    for number, (train, _) in enumerate(folds):
        part = data.select(train)
        arguments = part.structures, part.refer_to("fermi", low, high).ldos, part.groups
        seconds, fitted = machine.timed(lambda arguments=arguments: fit_tight_binding_to_ldos(*arguments, **options))
        change = np.nanmean(np.abs(fitted.shifts - TightBindingParameters.fitted().shifts))
        row = {"fold": number, "structures": len(part), "seconds": seconds, "mean change of a level (eV)": change}
        results.add("fits", row)
        found.append(fitted)
    return found


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    parser.add_argument("set", choices=list(SETS))
    parser.add_argument("--folds", type=int, default=2, help="how many of the five folds; default: %(default)s")
    parser.add_argument("--steps", type=int, default=30, help="of a fit; default: %(default)s")
    given = parser.parse_args(arguments)
    results = machine.Results(f"tight_binding_own_set_{given.set}", given)
    r_cut, low, high = SETS[given.set]
    data = load(given.set, given.quick)
    if given.set == "silicon" and not given.quick:
        data = data.select(slice(None, None, 2))
    folds = data.folds(2 if given.quick else 5, random_state=0)[: given.folds]
    options = {"share": SHARES[given.set], "n_steps": 2 if given.quick else given.steps}
    fitted = own_parameters(results, data, folds, low, high, **options)
    soap = Whitened(keep(data, "soap", SOAP(r_cut=r_cut)))
    shipped = [scaled(keep(data, "shipped", TightBindingSpectrum()))] * len(folds)
    own = [
        scaled(keep(data, f"fitted {number}", TightBindingSpectrum(parameters=parameters)))
        for number, parameters in enumerate(fitted)
    ]
    for weight in (None, 0.5, 2.0):
        title = f"{given.set}: " + ("tight binding" if weight is None else f"SOAP, tight binding of weight {weight:g}")
        rows = {
            name: [
                (part if weight is None else Joined([soap, part], weights=[1.0, weight]), LDOSKernelRidge())
                for part in parts
            ]
            for name, parts in (("shipped", shipped), ("fitted", own))
        }
        compare(results, title, data, folds, rows, low, high)


if __name__ == "__main__":
    main()
