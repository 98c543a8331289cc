"""How a chunk of environments becomes rows of a fit on inducing points: sums for it, and errors of leaving out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from array_api_compat import device
from numpy.typing import NDArray

from ldosml._array import Array, index_like, like, namespace, sum_segments, take_rows
from ldosml.kernel_matrices import KernelFunction
from ldosml.regression._chunks import Chunk, Digest
from ldosml.regression._training_rows import Learn
from ldosml.solvers.factors import Factorization
from ldosml.solvers.leave_out import LeaveOut, stack_blocks
from ldosml.solvers.normal_equations import InducedFeatures, NormalEquations

_PIECE = 512
"""Environments whose kernel with the points is evaluated at a time."""

_GATHERED = 2**22
"""Numbers that are gathered at a time to leave out structures (32 MB)."""


@dataclass(frozen=True)
class SparseRows:
    """Rows of a sparse fit: the LDOS of environments, the DOS of structures, or both.

    Parameters
    ----------
    function : callable
        The kernel.
    points : list of arrays (m_z, n_features)
        Inducing points of each species.
    species : ndarray (n_species,)
        Sorted.
    learn : {"ldos", "dos", "both"}
    ldos_weight : float
        Weight of the squared error of an LDOS, with ``learn="both"``; otherwise 1.
    size_exponent : float
        The squared error of a structure's DOS counts by n_atoms^-size_exponent.
    """

    function: KernelFunction
    points: Sequence[Array]
    species: NDArray[np.int64]
    learn: Learn
    ldos_weight: float
    size_exponent: float

    def factorize(self) -> list[InducedFeatures]:
        """Factorise the kernel between the points of each species.

        Raises ValueError when one is not positive semidefinite.
        """
        return [InducedFeatures.of(self.function(Z, Z)) for Z in self.points]

    def _by_species(self, chunk: Chunk) -> Iterator[tuple[int, NDArray[np.int64], Array]]:
        """Position of each species of a chunk, its environments, and its kernel with its points."""
        unknown = np.setdiff1d(chunk.species, self.species)
        if unknown.size:
            raise ValueError(
                f"There are environments of species {unknown[0]}, but inducing points only for {self.species.tolist()}."
            )
        for code, kind in enumerate(self.species.tolist()):
            here = np.flatnonzero(chunk.species == kind)
            if here.size:
                yield code, here, self._kernel(take_rows(chunk.X, here), self.points[code])

    def _kernel(self, X: Array, Z: Array) -> Array:
        """Kernel (n, m) of rows with points, in pieces whose intermediate results stay in the cache."""
        xp, n = namespace(X), int(X.shape[0])
        if n <= _PIECE:
            return self.function(X, Z)
        K = xp.empty((n, Z.shape[0]), dtype=X.dtype, device=device(X))
        for start in range(0, n, _PIECE):
            rows = slice(start, min(start + _PIECE, n))
            K[rows, :] = self.function(X[rows, :], Z)
        return K

    def _weights(self, chunk: Chunk) -> NDArray[np.float64]:
        """Square roots of the weights of the structures' DOS."""
        weights: NDArray[np.float64] = chunk.n_atoms.astype(np.float64) ** (-0.5 * float(self.size_exponent))
        return weights

    @property
    def _ldos_scale(self) -> float:
        """Square root of the weight of an LDOS."""
        return float(np.sqrt(self.ldos_weight)) if self.learn == "both" else 1.0

    def sums(self, chunk: Chunk, induced: Sequence[InducedFeatures]) -> tuple[NormalEquations, Digest]:
        """Sums over the rows of a chunk, and what it is recognised by."""
        edges = np.concatenate([[0], np.cumsum([part.rank for part in induced])])
        n_energies, rank = int(chunk.targets.shape[1]), int(edges[-1])
        total = NormalEquations.zeros(rank, len(self.species), n_energies, chunk.X)
        shape = (0 if chunk.dos is None else len(chunk.labels), rank)
        summed, counts = like(chunk.X, np.zeros(shape)), np.zeros((shape[0], len(self.species)))
        for code, here, K in self._by_species(chunk):
            columns, bounds = slice(int(edges[code]), int(edges[code + 1])), np.searchsorted(here, chunk.bounds)
            if chunk.ldos is None:  # fewer rows to transform after summing
                features = induced[code].features(sum_segments(K, bounds))
            else:
                features = induced[code].features(K)
                scale = self._ldos_scale
                one = scale * self._one(code, here.size, chunk.X)
                total.add(scale * features, one, scale * take_rows(chunk.ldos, here), columns)
                features = features if chunk.dos is None else sum_segments(features, bounds)
            if chunk.dos is not None:
                summed[:, columns], counts[:, code] = features, np.diff(bounds)
        if chunk.dos is not None:
            weights = like(chunk.X, self._weights(chunk))[:, None]
            total.add(summed * weights, like(chunk.X, counts) * weights, chunk.dos * weights, slice(0, rank))
        return total, chunk.digest()

    def _one(self, code: int, count: int, like_array: Array) -> Array:
        """Numbers of atoms of each species in ``count`` rows of one atom."""
        ones = np.zeros((count, len(self.species)))
        ones[:, code] = 1.0
        return like(like_array, ones)

    def leave_out_errors(self, chunk: Chunk, task: LeaveOutTask) -> tuple[Array, int]:
        """Sum of squared leave-out residuals (n_alphas, n_energies) of a chunk, and its number of rows."""
        xp = namespace(chunk.X)
        order, parts = [], []
        for code, here, K in self._by_species(chunk):
            order.append(here)
            parts.append(K @ task.transforms[code])
        back = np.argsort(np.concatenate(order))
        basis = self._observed(chunk, take_rows(xp.concat(parts, axis=0), back))
        share = take_rows(task.mean, np.searchsorted(self.species, chunk.species))
        targets = self._targets(chunk) - self._observed(chunk, share)
        blocks = self._blocks(chunk) if task.whole else None
        stacks = None if blocks is None else stack_blocks(blocks, _GATHERED // int(basis.shape[1]))
        leave_out = LeaveOut(Factorization(basis, task.eigenvalues, right=task.projected), targets, task.projected)
        count = int(targets.shape[0])
        return xp.stack([leave_out.squared_errors(alpha, stacks) for alpha in task.alphas]) * count, count

    def _observed(self, chunk: Chunk, values: Array) -> Array:
        """Rows of the fit from ``values`` (n, m) of the environments: themselves, or weighted sums, or both."""
        rows = [] if chunk.ldos is None else [self._ldos_scale * values]
        if chunk.dos is not None:
            rows.append(sum_segments(values, chunk.bounds) * like(values, self._weights(chunk))[:, None])
        return namespace(values).concat(rows, axis=0)

    def _targets(self, chunk: Chunk) -> Array:
        rows = [] if chunk.ldos is None else [self._ldos_scale * chunk.ldos]
        if chunk.dos is not None:
            rows.append(chunk.dos * like(chunk.dos, self._weights(chunk))[:, None])
        return namespace(chunk.X).concat(rows, axis=0)

    def _blocks(self, chunk: Chunk) -> list[Array] | None:
        """Rows of each group of structures; None where each has one."""
        if chunk.ldos is None and chunk.n_groups == len(chunk.labels):
            return None
        n_ldos = 0 if chunk.ldos is None else len(chunk.species)
        parts = [] if chunk.ldos is None else [chunk.bounds[chunk.group_bounds]]
        parts += [] if chunk.dos is None else [n_ldos + chunk.group_bounds]  # the DOS come after all LDOS
        return [
            index_like(chunk.X, np.concatenate([np.arange(bounds[g], bounds[g + 1]) for bounds in parts]))
            for g in range(chunk.n_groups)
        ]


@dataclass(frozen=True)
class LeaveOutTask:
    """What the leave-out errors of a chunk need of the whole fit.

    Parameters
    ----------
    alphas : list of float
    transforms : list of arrays (m_z, q)
        From the kernels with the points of each species to columns that are orthonormal over all rows.
    eigenvalues, projected : arrays (q,), (q, n_energies)
        Of Phi^T Phi, and the targets in that basis.
    mean : array (n_species, n_energies)
    whole : bool
        Leave out whole structures; a group's structures together.
    """

    alphas: Sequence[float]
    transforms: Sequence[Array]
    eigenvalues: Array
    projected: Array
    mean: Array
    whole: bool
