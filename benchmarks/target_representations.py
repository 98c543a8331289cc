"""Targets in three representations on a part of the shipped silicon: five folds that keep trajectories whole.

    python benchmarks/target_representations.py

L/sigma of LDOS and of DOS per atom (equation 15 of the LDOS paper), pooled over the folds, from E_F - 14 to E_F + 5 eV
at 0.3 eV: pointwise, cumulative, and principal components, all of them or the first 5, 10, 20, 40. Each once with one
alpha for all columns, that of the least sum over columns of the squared leave-one-trajectory-out error in the
representation itself, and once with one alpha per column. The kernel is that of ``ldosml demo``.

"Lost" is L/sigma of the true LDOS itself after truncation to the components of the training folds: no fit does better.
The last column is the largest difference, over folds, energies and atoms, from the pointwise prediction with the same
single alpha for all representations (the pointwise choice).
"""

import argparse

import machine
import numpy as np
from si_vasp_folds import loss
from silicon_part import load_part
from sklearn.base import clone

from ldosml import SOAP, Cumulative, LDOSKernelRidge, Pointwise, PrincipalComponents, RepresentedRegressor

REGRESSOR = LDOSKernelRidge("leave-one-group-out", kernel="matern", gamma=1.0)
LOW, HIGH, WIDTH = -14.0, 5.0, 0.3


def representations(step: float) -> dict[str, object]:
    """All that are compared, by name."""
    truncated = {f"{k} components": PrincipalComponents(k) for k in (5, 10, 20, 40)}
    return {
        "pointwise": Pointwise(),
        "cumulative": Cumulative(step),
        "all components": PrincipalComponents(),
    } | truncated


def fit(representation, X, Y, groups, alpha=None) -> RepresentedRegressor:
    """Fit with the alpha given, or chosen per column."""
    regressor = clone(REGRESSOR) if alpha is None else clone(REGRESSOR).set_params(alpha=alpha)
    return RepresentedRegressor(regressor, representation).fit(X, Y, groups=groups)


def best_single_alpha(model: RepresentedRegressor) -> float:
    """The candidate of the least squared leave-out error, summed over columns."""
    chosen = model.regressor_
    return float(chosen.alphas_[np.argmin((chosen.cv_errors_**2).sum(axis=1))])


def sums(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """DOS per atom of each structure."""
    counts = np.bincount(index)
    total = np.zeros((len(counts), values.shape[1]))
    np.add.at(total, index, values)
    return total / counts[:, None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, default=5)
    n_splits = parser.parse_args().folds
    data = load_part(smearing_width=WIDTH).refer_to("fermi", LOW, HIGH)
    X = SOAP().fit_transform(data.structures)
    Y, index = data.ldos.values, np.asarray(data.ldos.structure_index)
    groups = np.asarray(data.groups)[index]
    compared = representations(data.grid.step)
    predicted: dict[tuple[str, str], list[np.ndarray]] = {}
    lost: dict[str, list[np.ndarray]] = {name: [] for name in compared}
    alphas: dict[str, list[float]] = {name: [] for name in compared}
    apart = dict.fromkeys(compared, 0.0)
    order = []
    for train, test in data.folds(n_splits, random_state=0):
        kept, out = np.flatnonzero(np.isin(index, train)), np.flatnonzero(np.isin(index, test))
        order.append(out)
        for name, representation in compared.items():
            per_column = fit(representation, X[kept], Y[kept], groups[kept])
            alphas[name].append(best_single_alpha(per_column))
            one = fit(representation, X[kept], Y[kept], groups[kept], alphas[name][-1])
            shared = fit(representation, X[kept], Y[kept], groups[kept], alphas["pointwise"][-1]).predict(X[out])
            if name == "pointwise":
                reference = shared
            apart[name] = max(apart[name], abs(shared - reference).max())
            predicted.setdefault((name, "one"), []).append(one.predict(X[out]))
            predicted.setdefault((name, "per column"), []).append(per_column.predict(X[out]))
            fitted = per_column.representation_
            lost[name].append(fitted.inverse_transform(fitted.transform(Y[out])))
    rows = np.concatenate(order)
    ranks = np.unique(index[rows], return_inverse=True)[1]
    true_ldos, true_dos = Y[rows], sums(Y[rows], ranks)
    print(machine.describe(), data, "", sep="\n")
    print("| representation | alpha | LDOS | DOS per atom | lost (LDOS) | one alpha, median | from pointwise |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for (name, kind), parts in predicted.items():
        values = np.concatenate(parts)
        errors = loss(values, true_ldos), loss(sums(values, ranks), true_dos)
        floor = loss(np.concatenate(lost[name]), true_ldos)
        alpha, difference = (f"{np.median(alphas[name]):.1e}", f"{apart[name]:.0e}") if kind == "one" else ("", "")
        print(f"| {name} | {kind} | {errors[0]:.4f} | {errors[1]:.4f} | {floor:.4f} | {alpha} | {difference} |")


if __name__ == "__main__":
    main()
