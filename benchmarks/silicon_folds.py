"""Errors on the shipped silicon set: five folds that keep trajectories whole, beside the noise of the labels.

    python benchmarks/silicon_folds.py

L/sigma of LDOS and of DOS per atom (equation 15 of the LDOS paper), pooled over the folds, from E_F - 14 to E_F + 5 eV,
with the default model, and with the setting that a search on this set chose (``search_silicon.py``), on 1,000 and on
2,000 inducing points; then at 0.3 eV, on a part of the set
(``silicon_part.py``), with that setting and with one plain SOAP, dense, and several kernels; and with another zero of
energy: the code's own, which does not jump when a defect moves the Fermi level through a gap. Both zeros are compared
on windows that hold the same states on average, and that every structure's DOS covers: to 0.5 eV above the Fermi level,
and to 10.5 eV in the code's zero.
"""

import argparse

import machine
from silicon_part import load_part
from sklearn.base import clone

from ldosml import (
    SOAP,
    DOSModel,
    Evaluation,
    JoinedSOAP,
    LDOSKernelRidge,
    SparseLDOSKernelRidge,
    Whitened,
    load_dataset,
)
from ldosml.report import label_noise_at
from ldosml.studies import predict_left_out


def searched_model(n_inducing: int = 1000) -> DOSModel:
    """Two SOAPs, whitened, and a wide Matern kernel on inducing points."""
    near = SOAP(r_cut=3.0, n_max=8, l_max=6, atom_sigma=0.3)
    far = SOAP(r_cut=8.0, n_max=12, l_max=9, atom_sigma=0.4)
    return DOSModel(Whitened(JoinedSOAP([near, far])), SparseLDOSKernelRidge(n_inducing=n_inducing))


def judged(data, model: DOSModel, n_splits: int, zero="fermi", low=-14.0, high=5.0) -> Evaluation:
    """Every structure, predicted without its fold."""
    model = clone(model).set_params(zero=zero, low=low, high=high)
    return predict_left_out(data, model, data.folds(n_splits, random_state=0))


def pooled(evaluation: Evaluation) -> dict[str, float]:
    """L/sigma of LDOS and DOS per atom over all folds, and that of predicting the mean spectrum."""
    losses, result = evaluation.losses(), {}
    for key, name in (("ldos", "LDOS"), ("dos", "DOS")):
        result[name] = losses[f"{key}_normalized_loss"]
        result[f"{name}, mean spectrum"] = losses[f"{key}_mean_spectrum_loss"]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, default=5)
    n_splits = parser.parse_args().folds
    print(machine.describe(), load_dataset("silicon"), sep="\n")
    for width in (0.1, 0.2, 0.3, 0.5):
        data = load_dataset("silicon", smearing_width=width)
        evaluation = judged(data, searched_model(), n_splits)
        noise = label_noise_at(data.label_noise, width, evaluation.predicted.grid, evaluation.deviations())
        numbers = ", ".join(f"{name} {value:.3f}" for name, value in pooled(evaluation).items())
        print(f"{width} eV: {numbers}; label noise {noise}", flush=True)
        if width == 0.3:
            more = pooled(judged(data, DOSModel(), n_splits))
            print(f"  default model: LDOS {more['LDOS']:.3f}, DOS {more['DOS']:.3f}", flush=True)
            more = pooled(judged(data, searched_model(n_inducing=2000), n_splits))
            print(f"  2,000 inducing points: LDOS {more['LDOS']:.3f}, DOS {more['DOS']:.3f}", flush=True)
            rows = sorted(evaluation.by_structure(), key=lambda row: -row["dos_loss"])
            print(
                "  largest DOS errors:",
                *(f"{row['name']} ({row['n_atoms']} atoms) {row['dos_loss']:.2f};" for row in rows[:12]),
            )
    part = load_part(smearing_width=0.3)
    print(part)
    dense = searched_model()
    dense.regressor = LDOSKernelRidge()
    for name, model in (("searched", searched_model()), ("the same, dense", dense)):
        result = pooled(judged(part, model, n_splits))
        print(f"{name} at 0.3 eV: LDOS {result['LDOS']:.3f}, DOS {result['DOS']:.3f}", flush=True)
    for options in (
        {"kernel": "matern"},
        {"kernel": "polynomial"},
        {"kernel": "polynomial", "degree": 4},
        {"kernel": "gaussian", "gamma": 4.0},
    ):
        regressor = LDOSKernelRidge(**{"gamma": 1.0, **options})
        result = pooled(judged(part, DOSModel(SOAP(), regressor), n_splits))
        print(f"{options} at 0.3 eV: LDOS {result['LDOS']:.3f}, DOS {result['DOS']:.3f}", flush=True)
    data = load_dataset("silicon", smearing_width=0.3)
    for zero, low, high in (("fermi", -14.0, 0.5), ("code", -10.0, 10.5)):
        result = pooled(judged(data, searched_model(), n_splits, zero, low, high))
        print(
            f"zero {zero}, {low} to {high} eV, 0.3 eV: LDOS {result['LDOS']:.3f}, DOS {result['DOS']:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
