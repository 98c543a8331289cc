"""The same fits with other packages, in one process: seconds, ratio, and how far the predictions differ.

    pip install himalaya skmatter
    python benchmarks/other_packages.py

Random environments in structures of ten; polynomial kernel of degree 2. Every method of a table solves the same
problem. The first is ours, and the ratio is its time over the time of the other. In "20 alphas" ours chooses alpha for
every energy by leaving out structures, in closed form; scikit-learn only fits the alphas that ours chose, and himalaya
fits again for every fold. Medians of three runs, or one run where it takes more than ten seconds. The table names
packages that are not installed.
"""

import machine
import numpy as np
from reference_sets import random_environments
from scipy.linalg import cho_factor, cho_solve
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV, GroupKFold, LeaveOneGroupOut

from ldosml import LDOSKernelRidge, LDOSRidge
from ldosml.inducing import farthest_points

N_FEATURES, PER_STRUCTURE, N_NEW = 252, 10, 200
ALPHAS = np.logspace(-6, 1, 20)
POLYNOMIAL = {"kernel": "polynomial", "degree": 2, "gamma": 1.0, "coef0": 0.0}


def bare_lapack(X, Y, new, alpha):
    """The least work: two products, a square, one factorisation, one solve."""
    K = (X @ X.T) ** 2
    K[np.diag_indices_from(K)] += alpha
    coefficients = cho_solve(cho_factor(K, overwrite_a=True, check_finite=False), Y, check_finite=False)
    return (new @ X.T) ** 2 @ coefficients


def ours(X, Y, new, **options):
    """Fit without subtracting the mean, as the others do."""
    return LDOSKernelRidge(**POLYNOMIAL, subtract_mean=False, **options).fit(X, Y).predict(new)


def ours_chosen(X, Y, index):
    """Alpha per energy by leave-one-group-out, in closed form."""
    model = LDOSKernelRidge(**POLYNOMIAL, alphas=ALPHAS, alpha_smoothing=0, subtract_mean=False)
    return model.fit(X, Y, groups=index)


def scikit_learn(X, Y, new, alpha):
    """One factorisation for one alpha; one for each energy where each has its alpha."""
    return KernelRidge(alpha=alpha, **POLYNOMIAL).fit(X, Y).predict(new)


def scikit_learn_searched(X, Y, new, index):
    """One alpha for all energies: fits again for every alpha and structure."""
    search = GridSearchCV(
        KernelRidge(**POLYNOMIAL), {"alpha": ALPHAS}, cv=LeaveOneGroupOut(), scoring="neg_mean_squared_error"
    )
    return search.fit(X, Y, groups=index).predict(new)


def himalaya(X, Y, new, index):
    """Alpha per energy by ten folds of structures; a fold for every structure would take hours."""
    from himalaya.kernel_ridge import KernelRidgeCV

    folds = list(GroupKFold(10).split(X, groups=index))
    ridge = KernelRidgeCV(alphas=ALPHAS, kernel="precomputed", cv=folds)
    return ridge.fit((X @ X.T) ** 2, Y).predict((new @ X.T) ** 2)


def ridge_cv(X, Y, new):
    """Linear; leave-one-out in closed form, alpha per energy."""
    return RidgeCV(alphas=ALPHAS, fit_intercept=False, alpha_per_target=True).fit(X, Y).predict(new)


def ours_ridge(X, Y, new):
    """Linear, the same way."""
    model = LDOSRidge("leave-one-out", alphas=ALPHAS, alpha_smoothing=0, subtract_mean=False)
    return model.fit(X, Y).predict(new)


def skmatter_fps(X, count):
    """Farthest points by scikit-matter."""
    from skmatter.sample_selection import FPS

    return FPS(n_to_select=count, initialize=0).fit(X).selected_idx_


def measured(function):
    """Seconds (median of three, or one long run) and the result; None and why where the package is not installed."""
    runs = []
    try:
        while not runs or (len(runs) < 3 and runs[0][0] < 10):
            runs.append(machine.timed(function))
    except ImportError as error:
        return None, f"not installed ({error.name})"
    return float(np.median([seconds for seconds, _ in runs])), runs[0][1]


def problems(n_environments: int, n_energies: int) -> dict[str, dict]:
    """All methods by problem."""
    index = np.arange(n_environments + N_NEW) // PER_STRUCTURE
    X, Y = random_environments(index, N_FEATURES, n_energies)
    new, X, Y, index = X[-N_NEW:], X[:-N_NEW], Y[:-N_NEW], index[:-N_NEW]
    each = np.logspace(-3, 0, n_energies)
    few, count = slice(0, n_environments // 4), min(400, n_environments // 2)
    alphas = ours_chosen(X, Y, index).alpha_
    return {
        "one alpha": {
            "LDOSKernelRidge": lambda: ours(X, Y, new, alpha=0.1),
            "scikit-learn KernelRidge": lambda: scikit_learn(X, Y, new, 0.1),
            "bare LAPACK": lambda: bare_lapack(X, Y, new, 0.1),
        },
        "an alpha for each energy, given": {
            "LDOSKernelRidge": lambda: ours(X, Y, new, alpha=each),
            "scikit-learn KernelRidge": lambda: scikit_learn(X, Y, new, each),
        },
        "20 alphas, whole structures left out": {
            "LDOSKernelRidge": lambda: ours_chosen(X, Y, index).predict(new),
            "scikit-learn KernelRidge, the chosen alphas given": lambda: scikit_learn(X, Y, new, alphas),
            "himalaya KernelRidgeCV, 10 folds": lambda: himalaya(X, Y, new, index),
        },
        f"20 alphas, {n_environments // 4} environments": {
            "LDOSKernelRidge, alpha per energy": lambda: ours_chosen(X[few], Y[few], index[few]).predict(new),
            "scikit-learn GridSearchCV(KernelRidge), one alpha": lambda: scikit_learn_searched(
                X[few], Y[few], new, index[few]
            ),
        },
        "linear, 20 alphas, one row left out": {
            "LDOSRidge": lambda: ours_ridge(X, Y, new),
            "scikit-learn RidgeCV": lambda: ridge_cv(X, Y, new),
        },
        f"{count} farthest points": {
            "farthest_points": lambda: farthest_points(X, count, start=0),
            "scikit-matter FPS": lambda: skmatter_fps(X, count),
        },
    }


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    parser.add_argument("--environments", type=int, default=2000)
    parser.add_argument("--energies", type=int, default=400)
    given = parser.parse_args(arguments)
    if given.quick:
        given.environments, given.energies = 200, 20
    results = machine.Results(__file__, given)
    for problem, methods in problems(given.environments, given.energies).items():
        first = None
        for name, function in methods.items():
            seconds, found = measured(function)
            first = first or (seconds, found)
            row = {"method": name, "seconds": found if seconds is None else seconds}
            row["ours / this"] = first[0] / seconds if seconds else None
            apart = None if seconds is None else np.abs(np.asarray(found) - first[1]).max()
            results.add(problem, row | {"largest difference": apart})


if __name__ == "__main__":
    main()
