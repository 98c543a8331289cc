"""Learning from LDOS, from total DOS, or from both: errors and cost on the same folds.

    python benchmarks/strategies.py [--real FOLDER]

The shipped silicon set at a smearing of 0.3 eV, from E_F - 14 to E_F + 5 eV: five folds that keep trajectories whole;
L/sigma of LDOS and of DOS per atom, and of properties at 300 K derived from the DOS, pooled over the folds. Differences
to atomic learning are paired by structure; their 95 % interval is a bootstrap over trajectories. With FOLDER also the
240 frames of si_vasp_ldos (see si_vasp_folds.py), whose LDOS add up to what is taken as their DOS.
"""

import argparse
import time
import warnings
from pathlib import Path

import machine
import numpy as np

from ldosml import SOAP, DOSKernelRidge, DOSModel, LDOSKernelRidge, import_dataset, load_dataset

OPTIONS = {"alpha": "leave-one-structure-out", "kernel": "matern"}
STRATEGIES = {
    "atomic: LDOS": LDOSKernelRidge(**OPTIONS),
    "structural: DOS, equation 11": DOSKernelRidge(**OPTIONS),
    "structural: DOS per atom": DOSKernelRidge(size_exponent=2.0, **OPTIONS),
    "joint, LDOS weight 1": DOSKernelRidge(ldos_weight=1.0, **OPTIONS),
    "joint, LDOS weight 10": DOSKernelRidge(ldos_weight=10.0, **OPTIONS),
    "joint, DOS per atom, LDOS weight 0.1": DOSKernelRidge(size_exponent=2.0, ldos_weight=0.1, **OPTIONS),
}
PROPERTIES = ("band_energy", "heat_capacity")
TEMPERATURE = 300.0  # K


def squared_errors(data, regressor, properties: bool) -> tuple[dict[str, np.ndarray], float]:
    """Mean squared error of each structure as a fraction of the set's variance, by quantity, and seconds of fitting."""
    rows: dict[str, np.ndarray] = {}
    seconds = 0.0
    for train, test in data.folds(5, random_state=0):
        model = DOSModel(SOAP(), regressor, high=5.0)  # from the first states, which band energies need
        start = time.perf_counter()
        model.fit(data.select(train))
        seconds += time.perf_counter() - start
        evaluation = model.evaluate(data.select(test))
        shown = evaluation.cut(low=-14.0)
        error = (shown.predicted.values - shown.reference.values) ** 2
        reference, predicted = shown.dos()
        found = {
            "LDOS": np.array([error[shown.reference.rows(s)].mean() for s in range(len(test))]),
            "DOS": ((predicted.per_atom() - reference.per_atom()) ** 2).mean(axis=1),
        }
        if properties:
            tables = evaluation.properties([TEMPERATURE], photon_energies=np.array([1.0]))
            for name in PROPERTIES:
                sides = [table.column(name, TEMPERATURE) for table in tables]
                found[name] = (sides[1] - sides[0]) ** 2
                rows.setdefault(f"{name} reference", np.empty(len(data)))[test] = sides[0]
        for name, values in found.items():
            rows.setdefault(name, np.empty(len(data)))[test] = values
    return rows, seconds / 5


def losses(rows: dict[str, np.ndarray], data, weights: np.ndarray) -> dict[str, float]:
    """L/sigma by quantity; ``weights`` count the structures. An LDOS counts once an atom."""
    aligned = data.refer_to("fermi", -14.0, 5.0)
    sigma = {"LDOS": aligned.ldos.values.std(), "DOS": aligned.dos.per_atom().std()}
    counts = {"LDOS": weights * data.n_atoms}
    result = {}
    for name in [key for key in rows if not key.endswith("reference")]:
        deviation = sigma[name] if name in sigma else rows[f"{name} reference"].std()
        result[name] = float(np.sqrt(np.average(rows[name], weights=counts.get(name, weights))) / deviation)
    return result


def compare(data, properties: bool) -> None:
    """Print a table of the strategies."""
    rng = np.random.default_rng(0)
    groups, members = np.unique(data.groups, return_inverse=True)
    draws = [np.bincount(rng.integers(0, len(groups), len(groups)), minlength=len(groups))[members] for _ in range(500)]
    baseline, ones = None, np.ones(len(data))
    for name, regressor in STRATEGIES.items():
        rows, seconds = squared_errors(data, regressor, properties)
        baseline = rows if baseline is None else baseline
        found = losses(rows, data, ones)
        if rows is baseline:
            print("| trained on | " + " | ".join(found) + " | seconds a fit |")
            print("| --- |" + " --- |" * (len(found) + 1))
        cells = []
        for key, value in found.items():
            text = f"{value:.3f}"
            if rows is not baseline:
                differences = [losses(rows, data, w)[key] - losses(baseline, data, w)[key] for w in draws]
                low, high = np.percentile(differences, [2.5, 97.5])
                text += f" ({low:+.3f} to {high:+.3f})"
            cells.append(text)
        print(f"| {name} | {' | '.join(cells)} | {seconds:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, help="folder with si_vasp_ldos")
    real = parser.parse_args().real
    warnings.simplefilter("ignore")  # of dips below zero, which are repaired
    data = load_dataset("silicon", smearing_width=0.3)
    print(machine.describe(), data, sep="\n")
    compare(data, properties=True)
    if real is not None:
        folder = real / "si_vasp_ldos"
        frames = import_dataset(folder / "structures.xyz", folder / "ldos.npz", energy_max=5.0)
        print("", frames, sep="\n")
        compare(frames, properties=False)


if __name__ == "__main__":
    main()
