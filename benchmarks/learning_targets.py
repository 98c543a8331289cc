"""Learning from LDOS, from total DOS, or from both: errors and cost on the same folds.

    python benchmarks/learning_targets.py [--real FOLDER]

A part of the shipped silicon set (``silicon_part.py``) at a smearing of 0.3 eV, from E_F - 14 to E_F + 5 eV: five
folds that keep trajectories whole; L/sigma of LDOS and of DOS per atom, and of properties at 300 K derived from the
DOS, pooled over the folds. Differences to learning from LDOS are paired by structure; their 95 % interval is a
bootstrap over trajectories. Seconds are of a fit and its predictions, in the first row with all descriptors. With
FOLDER also the 240 frames of si_vasp_ldos (see si_vasp_folds.py), whose LDOS add up to what is taken as their DOS.
"""

import argparse
import time
import warnings
from pathlib import Path

import machine
import numpy as np
from silicon_part import load_part

from ldosml import SOAP, DOSModel, LDOSKernelRidge, import_dataset
from ldosml.studies import Setup, compare_regressors

OPTIONS = {"alpha": "leave-one-group-out", "kernel": "matern", "gamma": 1.0}
REGRESSORS = {
    "LDOS": LDOSKernelRidge(**OPTIONS),
    "DOS, equation 11": LDOSKernelRidge(learn="dos", **OPTIONS),
    "DOS per atom": LDOSKernelRidge(learn="dos", size_exponent=2.0, **OPTIONS),
    "both, LDOS weight 1": LDOSKernelRidge(learn="both", ldos_weight=1.0, **OPTIONS),
    "both, LDOS weight 10": LDOSKernelRidge(learn="both", ldos_weight=10.0, **OPTIONS),
    "both, DOS per atom, LDOS weight 0.1": LDOSKernelRidge(learn="both", size_exponent=2.0, ldos_weight=0.1, **OPTIONS),
}
SPECTRA, PROPERTIES = {"ldos": "LDOS", "dos": "DOS"}, {"band_energy": "band energy", "heat_capacity": "heat capacity"}
TEMPERATURE = 300.0  # K


def compare(data, properties: bool) -> None:
    """Print a table of the regressors."""
    shown = SPECTRA | PROPERTIES if properties else SPECTRA
    print(f"| trained on | {' | '.join(shown.values())} | seconds a fold |")
    print("| --- |" + " --- |" * (len(shown) + 1))
    ticks = [time.perf_counter()]
    setup = Setup(
        low=-14.0,
        temperature=TEMPERATURE if properties else None,
        progress=lambda *done: ticks.append(time.perf_counter()),
    )
    model = DOSModel(SOAP(), high=5.0)  # from the first states, which band energies need
    comparison = compare_regressors(data, model, REGRESSORS, setup=setup)
    rows = {(row["regressor"], row["quantity"]): row for row in comparison.records(n_draws=500)}
    for name, seconds in zip(REGRESSORS, np.diff(ticks) / setup.n_splits, strict=True):
        cells = []
        for row in (rows[name, quantity] for quantity in shown):
            change = f" ({row['difference_low']:+.3f} to {row['difference_high']:+.3f})"
            cells.append(f"{row['loss']:.3f}" + change * (name != comparison.regressors[0]))
        print(f"| {name} | {' | '.join(cells)} | {seconds:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, help="folder with si_vasp_ldos")
    real = parser.parse_args().real
    warnings.simplefilter("ignore")  # of dips below zero, which are repaired
    data = load_part(smearing_width=0.3)
    print(machine.describe(), data, sep="\n")
    compare(data, properties=True)
    if real is not None:
        folder = real / "si_vasp_ldos"
        frames = import_dataset(folder / "structures.xyz", folder / "ldos.npz", energy_max=5.0)
        print("", frames, sep="\n")
        compare(frames, properties=False)


if __name__ == "__main__":
    main()
