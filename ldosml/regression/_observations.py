"""Rows of a fit on sums: the total DOS of structures, and the LDOS of environments beside it.

Every row is a weighted sum over environments: all atoms of a structure, or one atom.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, like, namespace
from ldosml.kernel_matrices import Sums
from ldosml.regression._training_rows import TrainingRows


@dataclass(frozen=True)
class Observations:
    """What a fit is to reproduce: ``weights * (sums of environments) = targets``.

    Parameters
    ----------
    targets : array (n_rows, n_energies)
        Times ``weights`` already.
    weights : array (n_rows,)
        Square roots of the weights in the sum of squares.
    sums : list of Sums
        The environments of each row, species by species.
    labels : ndarray (n_rows,)
        Which rows are left out together.
    """

    targets: Array
    weights: Array
    sums: list[Sums]
    labels: NDArray[Any]

    def composition(self) -> Array:
        """Weighted numbers of atoms of each species in each row, (n_rows, n_species)."""
        counts = np.stack([np.diff(sums.bounds) for sums in self.sums], axis=1)
        return like(self.targets, counts) * self.weights[:, None]

    def features(self, X: Array) -> Array:
        """Weighted sums of the features of each species, side by side: (n_rows, n_species * n_features)."""
        sides = [sums.of(X) * self.weights[:, None] for sums in self.sums]
        return namespace(X).concat(sides, axis=1)

    def without(self, mean: Array) -> Array:
        """Targets without the ``mean`` (n_species, n_energies) shares of their atoms."""
        return self.targets - self.composition() @ mean

    def mean_shares(self) -> Array:
        """The share of an atom of each species that comes closest to all targets, (n_species, n_energies).

        Where the numbers of atoms do not tell the species apart, the smallest such shares.
        """
        return namespace(self.targets).linalg.pinv(self.composition()) @ self.targets


def observe(rows: TrainingRows, *, ldos_weight: float, size_exponent: float) -> Observations:
    """Set up the rows of a fit: every environment where LDOS are learned, then every structure where DOS are.

    Parameters
    ----------
    rows : TrainingRows
    ldos_weight : float
        Weight of the squared error of an LDOS against the squared error of a structure's DOS, where both are learned.
    size_exponent : float
        The squared error of a DOS counts by n_atoms to the power of minus this.
    """
    index = rows.index
    n_atoms = np.bincount(index)
    by_structure, bounds = np.argsort(index, kind="stable"), np.concatenate([[0], np.cumsum(n_atoms)])
    together = np.arange(len(n_atoms)) if rows.groups is None else np.unique(rows.groups, return_inverse=True)[1]
    members, edges, weights, labels, targets = [], [np.zeros(1, dtype=np.int64)], [], [], []
    if rows.ldos is not None:
        weight = ldos_weight if rows.dos is not None else 1.0
        members.append(np.arange(len(index)))
        edges.append(np.arange(1, len(index) + 1))
        weights.append(np.full(len(index), np.sqrt(weight)))
        labels.append(together[index])
        targets.append(rows.ldos)
    if rows.dos is not None:
        members.append(by_structure)
        edges.append(int(edges[-1][-1]) + bounds[1:])
        weights.append(n_atoms ** (-0.5 * size_exponent))
        labels.append(together)
        targets.append(rows.dos)
    scale = like(rows.targets, np.concatenate(weights))
    values = namespace(rows.targets).concat(targets, axis=0)
    codes = np.unique(rows.species, return_inverse=True)[1]
    sums = _by_species(np.concatenate(members), np.concatenate(edges), codes)
    return Observations(values * scale[:, None], scale, sums, np.concatenate(labels))


def _by_species(members: NDArray[np.int64], bounds: NDArray[np.int64], codes: NDArray[np.int64]) -> list[Sums]:
    sums = []
    for code in range(int(codes.max()) + 1):
        here = codes[members] == code
        before = np.concatenate([[0], np.cumsum(here)])
        sums.append(Sums(members[here], before[bounds]))
    return sums
