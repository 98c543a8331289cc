"""Our regressors against scikit-learn's KernelRidge on silicon LDOS that others computed with VASP.

    python benchmarks/si_vasp_folds.py FOLDER

FOLDER holds si_vasp_ldos/structures.xyz and ldos.npz: 240 frames of deepmodeling/deepmd-kit, examples/dos (not
shipped), as any import takes them, energies (250,) in eV against E_F and ldos (2400, 250) in states/eV/atom. Five
shuffled folds, each structure whole on one side; -14 to 5 eV, no extra smearing; SOAP 6 angstrom, n_max 8, l_max 6, 0.5
angstrom for all. KernelRidge: polynomial of degree 4, one alpha for all energies, chosen among 13 by an inner grouped
search on the training frames. L/sigma of equation 15 of the LDOS paper, pooled over the folds; only differences on the
same folds count.
"""

import argparse
from pathlib import Path

import machine
import numpy as np
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV, GroupKFold

from ldosml import SOAP, DOSModel, LDOSKernelRidge, import_dataset

INNER = {"alpha": np.logspace(-7, -1, 13)}


def scikit_learn(X, Y, index, new):
    """One alpha for all energies, chosen on the training frames."""
    ridge = KernelRidge(kernel="polynomial", degree=4, gamma=1.0, coef0=0.0)
    search = GridSearchCV(ridge, INNER, cv=GroupKFold(5), scoring="neg_mean_squared_error", n_jobs=2)
    return search.fit(X, Y, groups=index).predict(new)


def ours(**options):
    """Alpha per energy by leave-one-group-out."""

    def predict(X, Y, index, new):
        return LDOSKernelRidge(**{"gamma": 1.0, **options}).fit(X, Y, groups=index).predict(new)

    return predict


METHODS = {
    "scikit-learn KernelRidge, polynomial 4": scikit_learn,
    "LDOSKernelRidge, polynomial 4": ours(kernel="polynomial", degree=4),
    "LDOSKernelRidge, gaussian": ours(kernel="gaussian", gamma=4.0),
    "LDOSKernelRidge, matern (default of DOSModel)": ours(**{
        key: value for key, value in DOSModel()._new_regressor().get_params().items() if key in ("kernel", "gamma")
    }),
}  # fmt: skip


def loss(predicted: np.ndarray, reference: np.ndarray) -> float:
    """Equation 15."""
    return float(np.sqrt(np.mean((predicted - reference) ** 2)) / reference.std())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder / "si_vasp_ldos"
    data = import_dataset(folder / "structures.xyz", folder / "ldos.npz", energy_max=5.0).refer_to("fermi", -14, 5)
    X, Y, index = SOAP().fit(data.structures).transform(data.structures), data.ldos.values, data.structure_index
    folds = list(GroupKFold(5, shuffle=True, random_state=0).split(X, groups=index))
    mean = np.zeros((len(data), len(Y)))
    mean[index, np.arange(len(Y))] = 1 / data.n_atoms[index]
    print(machine.describe(), data, sep="\n")
    print(f"{'method':48} {'LDOS pooled':>12} {'DOS/atom':>9}   LDOS fold by fold")
    for name, predict in METHODS.items():
        predicted = np.empty_like(Y)
        for train, test in folds:
            predicted[test] = predict(X[train], Y[train], index[train], X[test])
        by_fold = " ".join(f"{loss(predicted[test], Y[test]):.4f}" for _, test in folds)
        print(f"{name:48} {loss(predicted, Y):12.4f} {loss(mean @ predicted, mean @ Y):9.4f}   {by_fold}", flush=True)


if __name__ == "__main__":
    main()
