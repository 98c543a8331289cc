"""The same fits with other packages, in one process: seconds, ratio, and how far the predictions differ.

    pip install himalaya skmatter
    python benchmarks/other_packages.py [--environments 2000] [--energies 400]

Invented environments in structures of ten; polynomial kernel of degree 2. Every method of a group solves the same
problem; the first is ours, and the ratio is its time over the other's. Medians of three runs, or one run where it takes
more than ten seconds. Packages that are not installed are left out, and the table says so.
"""

import argparse
import time

import machine
import numpy as np
from scipy.linalg import cho_factor, cho_solve
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut

from ldosml import LDOSKernelRidge, LDOSRidge
from ldosml.inducing import farthest_points

N_FEATURES, PER_STRUCTURE = 252, 10
ALPHAS = np.logspace(-6, 1, 20)


def invent(n_environments: int, n_energies: int):
    """Rows of unit length, smooth targets with noise, and structures."""
    rng = np.random.default_rng(0)
    X = np.abs(rng.normal(size=(6, N_FEATURES)))[rng.integers(0, 6, n_environments)]
    X += 0.3 * rng.normal(size=X.shape)
    X /= np.linalg.norm(X, axis=1)[:, None]
    Y = np.sin(3 * X @ rng.normal(size=(N_FEATURES, n_energies))) + 0.05 * rng.normal(size=(n_environments, n_energies))
    return X, Y, np.arange(n_environments) // PER_STRUCTURE


def bare_lapack(X, Y, new, alpha):
    """What cannot be left out: two products, a square, one factorisation, one solve."""
    K = (X @ X.T) ** 2
    K[np.diag_indices_from(K)] += alpha
    coefficients = cho_solve(cho_factor(K, overwrite_a=True, check_finite=False), Y, check_finite=False)
    return (new @ X.T) ** 2 @ coefficients


def ours(X, Y, new, **options):
    """Without a mean, as the others have none."""
    return LDOSKernelRidge(kernel="polynomial", gamma=1.0, subtract_mean=False, **options).fit(X, Y).predict(new)


def ours_chosen(X, Y, new, index):
    """Alpha per energy by leave-one-group-out, in closed form."""
    model = LDOSKernelRidge(kernel="polynomial", gamma=1.0, alphas=ALPHAS, alpha_smoothing=0, subtract_mean=False)
    return model.fit(X, Y, groups=index).predict(new)


def scikit_learn(X, Y, new, alpha):
    """One factorisation for one alpha, one for each energy for an alpha each."""
    return KernelRidge(alpha=alpha, kernel="polynomial", degree=2, gamma=1, coef0=0).fit(X, Y).predict(new)


def scikit_learn_searched(X, Y, new, index):
    """One alpha for all energies: fits again for every alpha and structure."""
    ridge = KernelRidge(kernel="polynomial", degree=2, gamma=1, coef0=0)
    search = GridSearchCV(ridge, {"alpha": ALPHAS}, cv=LeaveOneGroupOut(), scoring="neg_mean_squared_error")
    return search.fit(X, Y, groups=index).predict(new)


def himalaya(X, Y, new, index):
    """Alpha per energy, fitting again for every structure; here ten folds of structures, since it would take hours."""
    from himalaya.kernel_ridge import KernelRidgeCV
    from sklearn.model_selection import GroupKFold

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


def timed(function):
    """Seconds (median of three, or one long run) and the result; None where the package is not installed."""
    seconds = []
    try:
        while not seconds or (len(seconds) < 3 and seconds[0] < 10):
            start = time.perf_counter()
            result = function()
            seconds.append(time.perf_counter() - start)
    except ImportError as error:
        return None, f"not installed ({error.name})"
    return float(np.median(seconds)), result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environments", type=int, default=2000)
    parser.add_argument("--energies", type=int, default=400)
    arguments = parser.parse_args()
    X, Y, index = invent(arguments.environments + 200, arguments.energies)
    new, X, Y, index = X[-200:], X[:-200], Y[:-200], index[:-200]
    each = np.logspace(-3, 0, arguments.energies)
    few = slice(0, len(X) // 4)
    groups = {
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
            "LDOSKernelRidge": lambda: ours_chosen(X, Y, new, index),
            "himalaya KernelRidgeCV, 10 folds": lambda: himalaya(X, Y, new, index),
        },
        f"the same with {len(X[few])} environments": {
            "LDOSKernelRidge, alpha per energy": lambda: ours_chosen(X[few], Y[few], new, index[few]),
            "scikit-learn GridSearchCV(KernelRidge), one alpha": lambda: scikit_learn_searched(
                X[few], Y[few], new, index[few]
            ),
        },
        "linear, 20 alphas, one row left out": {
            "LDOSRidge": lambda: ours_ridge(X, Y, new),
            "scikit-learn RidgeCV": lambda: ridge_cv(X, Y, new),
        },
        "400 farthest points": {
            "farthest_points": lambda: farthest_points(X, 400, start=0),
            "scikit-matter FPS": lambda: skmatter_fps(X, 400),
        },
    }
    print(machine.describe(), f"{len(X)} environments, {N_FEATURES} features, {arguments.energies} energies", sep="\n")
    print("| problem | method | seconds | ours / this | largest difference |\n| --- | --- | --- | --- | --- |")
    for problem, methods in groups.items():
        first = None
        for name, function in methods.items():
            seconds, result = timed(function)
            if seconds is None:
                print(f"| {problem} | {name} | {result} | | |")
                continue
            first = first or (seconds, result)
            difference = "" if first[1] is result else f"{np.abs(np.asarray(result) - first[1]).max():.1e}"
            print(f"| {problem} | {name} | {seconds:.3g} | {first[0] / seconds:.3g} | {difference} |", flush=True)


if __name__ == "__main__":
    main()
