"""Choosing alpha per energy by leave-one-group-out, against scikit-learn fitting given alphas.

    python benchmarks/alpha_per_energy.py

1,500 environments in 125 structures, 252 features, 400 energies. Ours: 20 candidates, every one judged for every energy
by leaving out each structure, then the fit. scikit-learn's KernelRidge: merely the fit, with one alpha per target, for
which it factorises the kernel once a target. Both in one process, alternating.
"""

import argparse
import time

import machine
import numpy as np
from sklearn.kernel_ridge import KernelRidge

from ldosml import LDOSKernelRidge


def data(n: int, n_energies: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit rows about ten directions, 12 alike to a structure, and targets that the kernel can learn, with noise."""
    rng = np.random.default_rng(0)
    latent = np.repeat(rng.normal(size=(n // 12, 10)), 12, axis=0) + 0.3 * rng.normal(size=(n, 10))
    X = latent @ rng.normal(size=(10, 252)) + 0.2 * rng.normal(size=(n, 252))
    X /= np.linalg.norm(X, axis=1)[:, None]
    Y = (X @ rng.normal(size=(252, n_energies))) ** 2 + np.linspace(0.01, 1, n_energies) * rng.normal(
        size=(n, n_energies)
    )
    return X, Y, np.repeat(np.arange(n // 12), 12)


def timed(function) -> float:
    """Wall time, s."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    X, Y, index = data(1500, 400)
    ours = LDOSKernelRidge("leave-one-group-out", kernel="polynomial", degree=2, gamma=1.0)
    alphas = ours.fit(X, Y, groups=index).alpha_
    theirs = KernelRidge(kernel="polynomial", degree=2, gamma=1.0, coef0=0.0, alpha=alphas)
    pairs = [
        (timed(lambda: ours.fit(X, Y, groups=index)), timed(lambda: theirs.fit(X, Y - ours.target_mean_)))
        for _ in range(arguments.repeats)
    ]
    difference = np.abs(ours.predict(X) - theirs.predict(X) - ours.target_mean_).max()
    print(machine.describe())
    for mine, other in pairs:
        print(
            f"ldosml, 20 alphas chosen {mine:.2f} s; scikit-learn, given alphas {other:.2f} s; ratio {mine / other:.4f}"
        )
    print(f"median ratio {np.median([a / b for a, b in pairs]):.4f} (target 1/15 = 0.0667)")
    print(
        f"alpha from {alphas.min():.1e} to {alphas.max():.1e}; largest difference of the predictions {difference:.1e}"
    )


if __name__ == "__main__":
    main()
