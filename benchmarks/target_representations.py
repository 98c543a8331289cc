"""Targets in three representations on a part of the shipped silicon: five folds that keep trajectories whole.

    python benchmarks/target_representations.py

L/sigma of LDOS and of DOS per atom (equation 15 of the LDOS paper), pooled over the folds, from E_F - 14 to E_F + 5 eV
at 0.3 eV: pointwise, cumulative, and principal components, all or the first 5, 10, 20, 40. Each has two rows. One has a
single alpha for all columns: the alpha with the least squared leave-one-trajectory-out error in the representation,
summed over columns. The other has one alpha per column. The descriptor is plain SOAP, the kernel Matern with gamma 1.

"Lost" is L/sigma of the true LDOS after truncation to the components of the training folds: no fit can do better. The
last column is the largest difference, over folds, energies and atoms, from the pointwise prediction; there all
representations have the same single alpha, the pointwise choice.
"""

import machine
import numpy as np
from reference_sets import QUICK_FRACTION, Environments, load_part
from sklearn.base import clone

from ldosml import Cumulative, LDOSKernelRidge, Pointwise, PrincipalComponents, RepresentedRegressor

REGRESSOR = LDOSKernelRidge(kernel="matern", gamma=1.0)


def representations(step: float) -> dict[str, object]:
    """Give all representations by name."""
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
    """Find the candidate with the least squared leave-out error, summed over columns."""
    chosen = model.regressor_
    return float(chosen.alphas_[np.argmin((chosen.cv_errors_**2).sum(axis=1))])


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    given = parser.parse_args(arguments)
    results = machine.Results(__file__, given)
    data = load_part(*[QUICK_FRACTION] * given.quick, smearing_width=0.3)
    rows = Environments.of(data, data.folds(2 if given.quick else 5, random_state=0))
    X, Y = rows.X, rows.Y
    pointwise: list[tuple[float, np.ndarray]] = []  # alpha and prediction of each fold
    for name, representation in representations(data.grid.step).items():
        one, per_column, truncated = np.empty_like(Y), np.empty_like(Y), np.empty_like(Y)
        alphas, apart = [], 0.0
        for fold, (train, test) in enumerate(rows.folds):
            part = X[train], Y[train], rows.groups[train]
            fitted = fit(representation, *part)
            alphas.append(best_single_alpha(fitted))
            per_column[test] = fitted.predict(X[test])
            one[test] = fit(representation, *part, alphas[-1]).predict(X[test])
            if name == "pointwise":
                pointwise.append((alphas[-1], one[test]))
            alpha, predicted = pointwise[fold]
            apart = max(apart, np.abs(fit(representation, *part, alpha).predict(X[test]) - predicted).max())
            truncated[test] = fitted.representation_.inverse_transform(fitted.representation_.transform(Y[test]))
        for kind, predicted in (("one", one), ("per column", per_column)):
            row = {"representation": name, "alpha": kind, **rows.losses(predicted)}
            row["lost (LDOS)"] = rows.losses(truncated)["LDOS"]
            row["one alpha, median"], row["from pointwise"] = float(np.median(alphas)), apart
            results.add(f"L/sigma on {data}", row)


if __name__ == "__main__":
    main()
