"""Errors on the shipped silicon set: five folds that keep trajectories whole, beside the noise of the labels.

    python benchmarks/silicon_folds.py

L/sigma of LDOS and of DOS per atom (equation 15 of the LDOS paper), pooled over the folds, from E_F - 14 to E_F + 5 eV,
with the default model of ``ldosml demo``; then, at 0.3 eV and on the same folds, with other kernels, and with another
zero of energy: the code's own, which does not jump when a defect moves the Fermi level through a gap. Both zeros are
compared on windows that hold the same states on average, and that every structure's DOS covers: to 0.5 eV above the
Fermi level, and to 10.5 eV in the code's zero.
"""

import argparse

import machine
import numpy as np

from ldosml import SOAP, DOSModel, LDOSKernelRidge, load_dataset
from ldosml.report import label_noise_at


def loss(predicted: list[np.ndarray], reference: list[np.ndarray]) -> float:
    """Equation 15, pooled."""
    a, b = np.concatenate(predicted), np.concatenate(reference)
    return float(np.sqrt(np.mean((a - b) ** 2)) / b.std())


def pooled(data, regressor, n_splits: int, reference="fermi", low=-14.0, high=5.0) -> tuple[float, float]:
    """L/sigma of LDOS and DOS per atom over all folds."""
    evaluations = []
    for train, test in data.folds(n_splits, random_state=0):
        model = DOSModel(SOAP(), regressor, reference=reference, low=low, high=high).fit(data.select(train))
        evaluations.append(model.evaluate(data.select(test)))
    ldos = loss([e.predicted.values for e in evaluations], [e.reference.values for e in evaluations])
    dos = [[spectra.per_atom() for spectra in e.dos()] for e in evaluations]
    return ldos, loss([predicted for _, predicted in dos], [reference for reference, _ in dos])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, default=5)
    n_splits = parser.parse_args().folds
    print(machine.describe(), load_dataset("silicon"), sep="\n")
    print(f"{'smearing':10} {'LDOS':>7} {'noise':>7} {'DOS':>7} {'noise':>7}")
    for width in (0.1, 0.2, 0.3, 0.5):
        data = load_dataset("silicon", smearing_width=width)
        ldos, dos = pooled(data, None, n_splits)
        noise = label_noise_at(data.label_noise, width) or {"ldos": np.nan, "dos": np.nan}
        print(f"{width:7} eV {ldos:7.3f} {noise['ldos']:7.3f} {dos:7.3f} {noise['dos']:7.3f}", flush=True)
    data = load_dataset("silicon", smearing_width=0.3)
    for options in (
        {"kernel": "polynomial"},
        {"kernel": "polynomial", "degree": 4},
        {"kernel": "gaussian", "gamma": 4.0},
    ):
        ldos, dos = pooled(data, LDOSKernelRidge("leave-one-structure-out", **options), n_splits)
        print(f"{options} at 0.3 eV: LDOS {ldos:.3f}, DOS {dos:.3f}", flush=True)

    for reference, low, high in (("fermi", -14.0, 0.5), ("code", -10.0, 10.5)):
        ldos, dos = pooled(data, None, n_splits, reference, low, high)
        print(f"zero {reference}, {low} to {high} eV, at 0.3 eV: LDOS {ldos:.3f}, DOS {dos:.3f}", flush=True)


if __name__ == "__main__":
    main()
