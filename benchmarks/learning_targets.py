"""Learning from LDOS, from the total DOS, or from both: errors and cost on the same folds.

    python benchmarks/learning_targets.py [--data FOLDER]

A part of the shipped silicon set (``reference_sets.py``) at a smearing of 0.3 eV, from E_F - 14 to E_F + 5 eV, plain
SOAP, five folds that keep trajectories whole. L/sigma of LDOS and of DOS per atom, and of properties at 300 K derived
from the DOS, pooled over the folds. Differences from learning LDOS are paired by structure; their 95 % interval is a
bootstrap over trajectories. Seconds are for a fit and its predictions; the first row also computes all descriptors.
--data adds the 240 frames of si_vasp_ldos, whose LDOS are summed to a DOS.
"""

import time
import warnings

import machine
import numpy as np
from reference_sets import QUICK_FRACTION, add_vasp_option, load_part, load_vasp

from ldosml import SOAP, DOSModel, LDOSKernelRidge
from ldosml.studies import Setup, compare_regressors

OPTIONS = {"kernel": "matern", "gamma": 1.0}  # for plain SOAP
REGRESSORS = {
    "ldos": LDOSKernelRidge(**OPTIONS),
    "dos, equation 11": LDOSKernelRidge(learn="dos", **OPTIONS),
    "dos per atom": LDOSKernelRidge(learn="dos", size_exponent=2.0, **OPTIONS),
    "both, LDOS weight 1": LDOSKernelRidge(learn="both", ldos_weight=1.0, **OPTIONS),
    "both, LDOS weight 10": LDOSKernelRidge(learn="both", ldos_weight=10.0, **OPTIONS),
    "both, dos per atom, LDOS weight 0.1": LDOSKernelRidge(learn="both", size_exponent=2.0, ldos_weight=0.1, **OPTIONS),
}
SPECTRA = ("ldos", "dos")
PROPERTIES = ("band_energy", "heat_capacity")
TEMPERATURE = 300.0  # K


def compare(results: machine.Results, data, quantities: tuple[str, ...], n_splits: int) -> None:
    """Add a table: every regressor on the same folds."""
    ticks = [time.perf_counter()]
    setup = Setup(
        n_splits=n_splits,
        low=-14.0,
        temperature=TEMPERATURE if len(quantities) > len(SPECTRA) else None,
        progress=lambda *done: ticks.append(time.perf_counter()),
    )
    model = DOSModel(SOAP(), high=5.0)  # no lower bound: band energies need all states
    comparison = compare_regressors(data, model, REGRESSORS, setup=setup)
    found = {(row["regressor"], row["quantity"]): row for row in comparison.records(n_draws=500)}
    for name, seconds in zip(REGRESSORS, np.diff(ticks) / n_splits, strict=True):
        row: dict[str, object] = {"learned": name}
        for quantity in quantities:
            one = found[name, quantity]
            row[quantity] = one["loss"]
            change = f"{one['difference_low']:+.3f} to {one['difference_high']:+.3f}"
            row[f"{quantity}, difference"] = change if name != "ldos" else None
        results.add(f"L/sigma on {data}", row | {"seconds for a fold": float(seconds)})


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    add_vasp_option(parser)
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore")  # of dips below zero, which are repaired
    results, n_splits = machine.Results(__file__, given), 2 if given.quick else 5
    compare(results, load_part(*[QUICK_FRACTION] * given.quick, smearing_width=0.3), SPECTRA + PROPERTIES, n_splits)
    if given.data is not None and not given.quick:
        compare(results, load_vasp(given.data), SPECTRA, n_splits)


if __name__ == "__main__":
    main()
