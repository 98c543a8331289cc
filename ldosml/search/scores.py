"""Leave-out errors of a descriptor and a regressor on a dataset, LDOS and DOS, from one factorisation a species."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray
from sklearn.base import clone

from ldosml import kernels, solvers
from ldosml._array import Array, sum_by_index, to_numpy
from ldosml._validation import ParameterError
from ldosml.datasets import LDOSDataset
from ldosml.descriptors import SOAP, Joined, Precomputed, Whitened
from ldosml.kernel_matrices import EnvironmentKernel
from ldosml.regression import LDOSKernelRidge, LDOSRidge
from ldosml.regression._per_energy import DEFAULT_ALPHAS
from ldosml.search.expression import expression

_KEPT = 2**30
"""Bytes of descriptors that are kept for the next candidates."""

_GATHERED = 2**22
"""Numbers of eigenvectors that are gathered at a time (32 MB)."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Losses(NamedTuple):
    """Normalised losses L/sigma (see ``metrics.normalized_loss``), and what was found on the way."""

    ldos: float
    dos: float
    alpha: float
    """Median over the energies of the first species, as a fraction of the kernel's mean diagonal."""
    n_features: int


class LeaveOutScores:
    """Scores candidates on one dataset, whose groups are left out one at a time.

    Parameters
    ----------
    data : LDOSDataset
        With LDOS, moved to the zero of energy and cut to the energies of interest.
    n_energies : int
        Largest number of energies that are scored, evenly spaced: spectra vary little from one to the next.
    n_jobs : int, optional
        Number of processes for descriptors.
    """

    def __init__(self, data: LDOSDataset, n_energies: int, n_jobs: int | None) -> None:
        assert data.ldos is not None  # the caller has checked it
        self._structures: list[Atoms] = [atoms.copy() for atoms in data.structures]  # type: ignore[no-untyped-call]
        self._bounds, self._n_jobs = np.cumsum(data.n_atoms)[:-1], n_jobs
        self._step = max(1, data.grid.size // n_energies)
        self._Y: Floats = np.asarray(data.ldos.values[:, :: self._step], dtype=np.float64)
        self._numbers, self._structure = data.numbers, data.structure_index
        self._group = np.unique(data.groups, return_inverse=True)[1]
        self._kept: dict[str, int] = {}  # bytes of rows, which are arrays of the structures

    def __call__(self, descriptor: Any, regressor: LDOSKernelRidge | LDOSRidge, structures: Integers) -> Losses:
        """Score a candidate on some of the structures.

        Parameters
        ----------
        descriptor : SOAP, Joined, Whitened or the like
            Cloned and fitted on all structures, or taken from a former candidate.
        regressor : LDOSKernelRidge or LDOSRidge
            Cloned. Its alpha is chosen by leaving out groups.
        structures : array (n_structures,) of int
            The structures that count.

        Returns
        -------
        Losses

        Raises
        ------
        ValueError
            When the descriptor or the kernel refuses its parameters, or an element is in one group only.
        """
        X = self._described(descriptor)
        chosen = np.isin(self._structure, structures)
        residuals, alphas = np.empty_like(self._Y), []
        for number in np.unique(self._numbers[chosen]):
            rows = np.flatnonzero(chosen & (self._numbers == number))
            groups = self._group[self._structure[rows]]
            if len(set(groups)) < 2:
                raise ParameterError(
                    "factor",
                    f"is too large: {chemical_symbols[number]} is in one group only of the {len(structures)} "
                    "structures scored, and leaving it out leaves nothing to learn from. Take 1 to score all.",
                )
            residuals[rows], alpha = leave_out_residuals(regressor, X[rows], self._Y[rows], groups, self._step)
            alphas.append(alpha)
        ldos = _loss(residuals[chosen], self._Y[chosen])
        dos = _loss(self._per_atom(residuals, chosen), self._per_atom(self._Y, chosen))
        return Losses(ldos, dos, alphas[0], int(X.shape[1]))

    def _described(self, descriptor: Any) -> Floats:
        X: Floats = self._with_kept_rows(descriptor).fit_transform(self._structures)
        self._forget()  # not before: all parts of a joined descriptor must be there
        return X

    def _with_kept_rows(self, descriptor: Any) -> Any:
        """The descriptor, with rows that are computed once in the place of what computes them."""
        if isinstance(descriptor, Joined):
            return clone(descriptor).set_params(
                parts=[self._with_kept_rows(part) for part in descriptor.checked_parts()]
            )
        if isinstance(descriptor, Whitened):
            inner = SOAP() if descriptor.descriptor is None else descriptor.descriptor
            return clone(descriptor).set_params(descriptor=self._with_kept_rows(inner))
        if isinstance(descriptor, Precomputed):
            return clone(descriptor)
        name = expression(descriptor)
        if name not in self._kept:
            X = clone(descriptor).set_params(n_jobs=self._n_jobs).fit_transform(self._structures)
            self._kept[name] = X.nbytes
            for atoms, rows in zip(self._structures, np.split(X, self._bounds), strict=True):
                atoms.arrays[name] = rows
        return Precomputed(name)

    def _forget(self) -> None:
        """Forget the oldest rows until the others are few enough to be kept."""
        while sum(self._kept.values()) > _KEPT:
            oldest = next(iter(self._kept))
            del self._kept[oldest]
            for atoms in self._structures:
                del atoms.arrays[oldest]

    def _per_atom(self, values: Floats, chosen: NDArray[np.bool_]) -> Floats:
        """Sums over the chosen environments of each structure, per atom, (n_structures chosen, n_energies)."""
        _, index, counts = np.unique(self._structure[chosen], return_inverse=True, return_counts=True)
        return to_numpy(sum_by_index(values[chosen], index, len(counts))) / counts[:, None]


def check_closed_form(regressor: Any) -> None:
    """Refuse regressors whose leave-out error of the LDOS is not known in closed form.

    Parameters
    ----------
    regressor : object

    Raises
    ------
    TypeError
        Unless it is an LDOSKernelRidge or LDOSRidge that learns LDOS.
    """
    if not isinstance(regressor, LDOSKernelRidge | LDOSRidge):
        raise TypeError(
            f"The leave-out error of {type(regressor).__name__} is not known in closed form; search among "
            "LDOSKernelRidge and LDOSRidge."
        )
    if regressor.learn != "ldos":
        raise TypeError(f"A search scores the LDOS; got a regressor with learn={regressor.learn!r}. Give learn='ldos'.")


def leave_out_residuals(
    regressor: LDOSKernelRidge | LDOSRidge, X: Floats, Y: Floats, groups: Integers, step: int = 1
) -> tuple[Floats, float]:
    """What a regressor misses of the LDOS of each group when it is fitted without that group.

    Alpha is chosen and smoothed for each energy as ``fit`` does it with ``alpha="leave-one-group-out"``, and the mean
    of the targets is taken as known.

    Parameters
    ----------
    regressor : LDOSKernelRidge or LDOSRidge
        Its kernel, ``alphas``, ``alpha_smoothing`` and ``subtract_mean`` count; its ``alpha`` does not.
    X : array (n_environments, n_features)
        Environments of one centre species.
    Y : array (n_environments, n_energies)
        Their LDOS, states/eV/atom.
    groups : array (n_environments,)
        What is left out together.
    step : int
        Number of steps of the energy grid from one column of Y to the next: ``alpha_smoothing`` counts grid steps.

    Returns
    -------
    residuals : array (n_environments, n_energies)
        In the unit of Y.
    alpha : float
        Median over the energies, as a fraction of the kernel's mean diagonal.
    """
    targets = Y - Y.mean(axis=0) if regressor.subtract_mean else Y
    factors = _factors(regressor, X)
    scale = float(np.sum(to_numpy(factors.eigenvalues))) / len(X) or 1.0
    alphas = [a * scale for a in DEFAULT_ALPHAS] if regressor.alphas is None else _numbers(regressor.alphas)
    blocks = solvers.blocks_of(groups, targets)
    errors = solvers.errors_by_alpha(factors, targets, alphas, blocks)
    variance = np.mean(targets * targets, axis=0)
    width = None if regressor.alpha_smoothing is None else regressor.alpha_smoothing / step
    chosen = to_numpy(solvers.choose_alpha(errors, alphas, variance, width))
    return _residuals(factors, targets, chosen, blocks), float(np.median(chosen)) / scale


def _residuals(factors: solvers.Factorization, targets: Floats, alphas: Floats, blocks: Sequence[Array]) -> Floats:
    """Leave-out residuals (n, n_energies) with an alpha for each energy, (n_energies,)."""
    stacks = solvers.stack_blocks(blocks, _GATHERED // factors.basis.shape[1])
    residuals = np.empty_like(targets)
    for alpha in np.unique(alphas):
        energies = np.flatnonzero(alphas == alpha)
        left_out = solvers.LeaveOut(factors, targets[:, energies])
        for rows, missed in zip(stacks, left_out.residuals(float(alpha), stacks), strict=True):
            residuals[to_numpy(rows)[..., None], energies] = to_numpy(missed)
    return residuals


def _factors(regressor: LDOSKernelRidge | LDOSRidge, X: Floats) -> solvers.Factorization:
    if isinstance(regressor, LDOSRidge):
        return solvers.factorize_features(X)
    r = regressor
    function = partial(kernels.evaluate, r.kernel, degree=r.degree, gamma=r.gamma, coef0=r.coef0)
    return solvers.diagonalize(EnvironmentKernel(function, X))


def _numbers(alphas: Any) -> list[float]:
    return [float(alpha) for alpha in np.ravel(to_numpy(alphas))]


def _loss(residuals: Floats, values: Floats) -> float:
    return float(np.sqrt(np.mean(residuals * residuals)) / values.std())
