"""Kernels on the same folds, beside scikit-learn's KernelRidge: shipped silicon, and silicon that others computed.

    python benchmarks/kernels.py [--data FOLDER]

A part of the shipped silicon set (``reference_sets.py``) at a smearing of 0.3 eV, and, with --data, the 240 frames of
si_vasp_ldos at their own smearing. Five folds, each structure (trajectory) whole on one side; -14 to 5 eV; SOAP 6
angstrom, n_max 8, l_max 6, 0.5 angstrom for all. Ours choose alpha by leave-one-group-out. KernelRidge has
one alpha for all energies, chosen among 13 by an inner grouped search on the training frames. L/sigma of equation 15 of
the LDOS paper, pooled over the folds. Compare only differences on the same folds.
"""

import machine
import numpy as np
from reference_sets import QUICK_FRACTION, Environments, add_vasp_option, load_part, load_vasp, vasp_folds
from sklearn.base import clone
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV, GroupKFold

from ldosml import LDOSKernelRidge
from ldosml.metrics import normalized_loss

KERNEL_RIDGE = KernelRidge(kernel="polynomial", degree=4, gamma=1.0, coef0=0.0)
METHODS = {
    "scikit-learn KernelRidge, polynomial 4": GridSearchCV(
        KERNEL_RIDGE, {"alpha": np.logspace(-7, -1, 13)}, cv=GroupKFold(5), scoring="neg_mean_squared_error"
    ),
    "LDOSKernelRidge, polynomial 2": LDOSKernelRidge(kernel="polynomial", gamma=1.0),
    "LDOSKernelRidge, polynomial 4": LDOSKernelRidge(kernel="polynomial", degree=4, gamma=1.0),
    "LDOSKernelRidge, gaussian": LDOSKernelRidge(kernel="gaussian", gamma=4.0),
    "LDOSKernelRidge, matern, gamma 1": LDOSKernelRidge(kernel="matern", gamma=1.0),
    "LDOSKernelRidge, matern (default)": LDOSKernelRidge(),
}


def compare(results: machine.Results, title: str, data, folds, methods) -> None:
    """Add a table: every method on the same folds."""
    rows = Environments.of(data, folds)
    for name, method in methods.items():
        predicted, X, Y, groups = np.empty_like(rows.Y), rows.X, rows.Y, rows.groups
        for train, test in rows.folds:
            predicted[test] = clone(method).fit(X[train], Y[train], groups=groups[train]).predict(X[test])
        by_fold = " ".join(f"{normalized_loss(Y[test], predicted[test]):.4f}" for _, test in rows.folds)
        row = {"method": name, **rows.losses(predicted), "LDOS by fold": by_fold}
        results.add(title, row)


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    add_vasp_option(parser)
    given = parser.parse_args(arguments)
    results, methods = machine.Results(__file__, given), METHODS
    part = load_part(*[QUICK_FRACTION] * given.quick, smearing_width=0.3)
    if given.quick:
        methods = {name: METHODS[name] for name in list(METHODS)[-2:]}
    compare(results, f"L/sigma on {part}", part, part.folds(2 if given.quick else 5, random_state=0), methods)
    if given.data is not None and not given.quick:
        frames = load_vasp(given.data)
        compare(results, f"L/sigma on {frames}", frames, vasp_folds(frames), methods)


if __name__ == "__main__":
    main()
