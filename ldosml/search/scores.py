"""Leave-out errors of a descriptor and a regressor on a dataset, LDOS and DOS, from one factorisation a species."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray
from sklearn.base import clone

from ldosml import kernels, solvers
from ldosml._array import to_numpy
from ldosml.datasets import LDOSDataset
from ldosml.regression import LDOSKernelRidge, LDOSRidge
from ldosml.regression._per_energy import DEFAULT_ALPHAS
from ldosml.search.spelling import spelled

_KEPT = 2**30
"""Bytes of descriptors that are kept for the next candidates."""

_GATHERED = 2**22
"""Numbers of eigenvectors that are gathered at a time (32 MB)."""

Floats = NDArray[np.float64]


class Losses(NamedTuple):
    """Normalised losses L/sigma (see ``metrics.normalized_loss``), and what was found on the way."""

    ldos: float
    dos: float
    alpha: float
    """Median over the energies of the first species, as a fraction of the kernel's mean diagonal."""
    n_features: int


class LeaveOutScores:
    """Judges candidates on one dataset, whose trajectories are left out one at a time.

    Parameters
    ----------
    data : LDOSDataset
        With LDOS, moved to the zero of energy and cut to the energies of interest.
    n_energies : int
        At most so many, evenly spaced, are judged: spectra vary little from one to the next.
    n_jobs : int, optional
        Number of processes for descriptors.
    """

    def __init__(self, data: LDOSDataset, n_energies: int, n_jobs: int | None) -> None:
        assert data.ldos is not None  # the caller has checked it
        self._structures, self._n_jobs = data.structures, n_jobs
        step = max(1, data.grid.size // n_energies)
        self._Y: Floats = np.asarray(data.ldos.values[:, ::step], dtype=np.float64)
        self._numbers, self._structure = data.numbers, data.structure_index
        self._group = np.unique(data.groups, return_inverse=True)[1]
        self._rows: dict[str, Floats] = {}

    def __call__(self, descriptor: Any, regressor: Any, structures: NDArray[np.int64]) -> Losses:
        """Judge on some of the structures.

        Raises ValueError when the descriptor or the kernel refuses its parameters, or an element is in one trajectory
        only.
        """
        X = self._described(descriptor)
        chosen = np.isin(self._structure, structures)
        residuals, alphas = np.empty_like(self._Y), []
        for number in np.unique(self._numbers[chosen]):
            rows = np.flatnonzero(chosen & (self._numbers == number))
            groups = self._group[self._structure[rows]]
            if len(set(groups)) < 2:
                raise ValueError(
                    f"{chemical_symbols[number]} is in one trajectory only of the {len(structures)} structures "
                    "judged; leaving that out leaves nothing to learn from. Judge all at once: factor=1."
                )
            residuals[rows], alpha = _left_out(regressor, X[rows], self._Y[rows], groups)
            alphas.append(alpha)
        ldos = _loss(residuals[chosen], self._Y[chosen])
        dos = _loss(self._per_atom(residuals, chosen), self._per_atom(self._Y, chosen))
        return Losses(ldos, dos, alphas[0], int(X.shape[1]))

    def _described(self, descriptor: Any) -> Floats:
        name = spelled(descriptor)
        if name not in self._rows:
            X: Floats = clone(descriptor).set_params(n_jobs=self._n_jobs).fit_transform(self._structures)
            while self._rows and sum(kept.nbytes for kept in self._rows.values()) + X.nbytes > _KEPT:
                del self._rows[next(iter(self._rows))]
            self._rows[name] = X
        return self._rows[name]

    def _per_atom(self, values: Floats, chosen: NDArray[np.bool_]) -> Floats:
        """Sums over the chosen environments of each structure, per atom, (n_structures chosen, n_energies)."""
        _, index, counts = np.unique(self._structure[chosen], return_inverse=True, return_counts=True)
        sums = np.zeros((len(counts), values.shape[1]))
        np.add.at(sums, index, values[chosen])
        return sums / counts[:, None]


def _left_out(regressor: Any, X: Floats, Y: Floats, groups: NDArray[np.int64]) -> tuple[Floats, float]:
    """Residuals (n, n_energies) with the alpha that is best at each energy, and the median of that."""
    targets = Y - Y.mean(axis=0) if regressor.subtract_mean else Y
    factors = _factors(regressor, X)
    scale = float(factors.eigenvalues.sum()) / len(X) or 1.0
    alphas = np.asarray(DEFAULT_ALPHAS) * scale if regressor.alphas is None else np.ravel(to_numpy(regressor.alphas))
    left_out = solvers.LeaveOut(factors, targets)
    stacks = solvers.stack_blocks(solvers.blocks_of(groups, targets), _GATHERED // factors.basis.shape[1])
    least, chosen = np.full(Y.shape[1], np.inf), np.full(Y.shape[1], np.nan)
    best, residuals = np.full_like(Y, np.inf), np.empty_like(Y)
    for alpha in alphas:
        for rows, missed in zip(stacks, left_out.residuals(float(alpha), stacks), strict=True):
            residuals[rows] = missed
        # Where alpha is too small for double precision the error is not a number, which is not less.
        errors = np.mean(residuals * residuals, axis=0)
        better = errors < least
        least[better], chosen[better], best[:, better] = errors[better], alpha, residuals[:, better]
    return best, float(np.median(chosen)) / scale


def check_closed_form(regressor: Any) -> None:
    """Raise TypeError unless the leave-out error of such a regressor is known in closed form."""
    if not isinstance(regressor, LDOSKernelRidge | LDOSRidge):
        raise TypeError(
            f"The leave-out error of {type(regressor).__name__} is not known in closed form; search among "
            "LDOSKernelRidge and LDOSRidge."
        )


def _factors(regressor: LDOSKernelRidge | LDOSRidge, X: Floats) -> solvers.Factorization:
    if isinstance(regressor, LDOSRidge):
        return solvers.factorize_features(X)
    r = regressor
    return solvers.factorize_kernel(kernels.evaluate(r.kernel, X, X, degree=r.degree, gamma=r.gamma, coef0=r.coef0))


def _loss(residuals: Floats, values: Floats) -> float:
    return float(np.sqrt(np.mean(residuals * residuals)) / values.std())
