"""Rows of a fit on sums: the total DOS of structures, and the LDOS of environments beside it.

Every row is a weighted sum over environments: all atoms of a structure, or one atom.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, validate_data

from ldosml._array import Array, like, namespace, to_numpy
from ldosml._validation import check_finite, check_shape, is_foreign, validate_fit
from ldosml.kernel_matrices import Sums


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


def validate_sums(
    estimator: Any, X: Array, Y: Array, structure_index: Array | None
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Check descriptors, the DOS of their structures, and which environment belongs to which.

    X (n_environments, n_features), Y (n_structures, n_energies) or (n_structures,), structure_index
    (n_environments,) with values 0 to n_structures - 1; None: each environment is a structure of its own.

    Raises ValueError when shapes do not fit, structure_index is missing, or a number is not finite.
    """
    if structure_index is None:
        _refuse_missing_index(X, Y)
        X, Y = validate_fit(estimator, X, Y)
        return X, Y, np.arange(X.shape[0])
    if is_foreign(X):
        xp = namespace(X, Y)
        X, Y = xp.astype(X, xp.float64), xp.astype(Y, xp.float64)
        check_shape("X", X, (None, None), "n_environments, n_features")
        estimator.n_features_in_ = int(X.shape[1])
        check_finite("X", X)
        check_finite("Y", Y)
    else:
        X = validate_data(estimator, X, dtype="float64")
        Y = check_array(Y, dtype="float64", ensure_2d=False, input_name="Y")
    index = to_numpy(structure_index)
    check_shape("structure_index", index, (X.shape[0],), "n_environments")
    return X, Y, _whole_numbers(index, Y.shape[0])


def _refuse_missing_index(X: Array, Y: Array) -> None:
    """Ask for structure_index where Y has fewer rows than X, and so must hold sums; the rest is checked later."""
    n_environments, n_structures = _n_rows(X), _n_rows(Y)
    if 0 < n_structures < n_environments:
        raise ValueError(
            f"X has {n_environments} rows, one an environment, and Y only {n_structures}: where these are the DOS of "
            f"structures, structure_index (n_environments,) must say which row of Y, 0 to {n_structures - 1}, each "
            "environment belongs to: fit(X, Y, structure_index=index)."
        )


def _n_rows(values: Array) -> int:
    """Number of rows of an array or a list; 0 where that is not known."""
    if isinstance(values, list | tuple):
        return len(values)
    shape: tuple[int, ...] = getattr(values, "shape", ())
    return int(shape[0]) if shape else 0


def validate_ldos(ldos: Array, targets: Array, n_environments: int) -> Array:
    """Check the LDOS of a joint fit, (n_environments, n_energies) like the ``targets`` (n_structures, n_energies)."""
    xp = namespace(targets)
    ldos = like(targets, ldos) if not is_foreign(ldos) else xp.astype(ldos, xp.float64)
    ldos = ldos[:, None] if ldos.ndim == 1 else ldos
    check_shape("ldos", ldos, (n_environments, targets.shape[1]), "n_environments, n_energies")
    check_finite("ldos", ldos)
    return ldos


def _whole_numbers(index: NDArray[Any], n_structures: int) -> NDArray[np.int64]:
    if not np.issubdtype(index.dtype, np.integer):
        raise ValueError(
            f"structure_index must hold the row of Y that each environment belongs to, 0 to {n_structures - 1}; got "
            f"{index.dtype}."
        )
    outside = index[(index < 0) | (index >= n_structures)]
    if outside.size:
        raise ValueError(
            f"structure_index must lie in 0..{n_structures - 1}, the rows of Y; got {int(outside[0])}. Number the "
            "structures in the order of their DOS."
        )
    missing = np.setdiff1d(np.arange(n_structures), index)
    if missing.size:
        raise ValueError(
            f"Every row of Y needs environments: structure_index never names structure {int(missing[0])} "
            f"({missing.size} of {n_structures} are missing). Leave those rows of Y out and number the rest anew."
        )
    return index.astype(np.int64)


def observe(
    dos: Array,
    index: NDArray[np.int64],
    codes: NDArray[np.int64],
    labels: NDArray[Any],
    *,
    size_exponent: float,
    ldos: Array | None = None,
    ldos_weight: float = 0.0,
) -> Observations:
    """Set up the rows: of every environment where ``ldos`` is given, then of every structure.

    Parameters
    ----------
    dos : array (n_structures, n_energies)
    index, codes : arrays (n_environments,)
        Structure and species of each environment, counted from 0.
    labels : array (n_structures,)
        Structures of one label are left out together.
    size_exponent : float
        A DOS counts by n_atoms to the power of minus this.
    ldos : array (n_environments, n_energies), optional
    ldos_weight : float
        Weight of an LDOS beside that of a DOS of one atom.
    """
    n_atoms = np.bincount(index)
    targets, weights = dos, n_atoms ** (-0.5 * size_exponent)
    members, bounds = np.argsort(index, kind="stable"), np.concatenate([[0], np.cumsum(n_atoms)])
    if ldos is not None:
        n_environments = len(index)
        members = np.concatenate([np.arange(n_environments), members])
        bounds = np.concatenate([np.arange(n_environments), n_environments + bounds])
        weights = np.concatenate([np.full(n_environments, np.sqrt(ldos_weight)), weights])
        labels = np.concatenate([labels[index], labels])
        targets = namespace(dos).concat([ldos, dos], axis=0)
    scale = like(dos, weights)
    return Observations(targets * scale[:, None], scale, _by_species(members, bounds, codes), labels)


def _by_species(members: NDArray[np.int64], bounds: NDArray[np.int64], codes: NDArray[np.int64]) -> list[Sums]:
    sums = []
    for code in range(int(codes.max()) + 1):
        here = codes[members] == code
        before = np.concatenate([[0], np.cumsum(here)])
        sums.append(Sums(members[here], before[bounds]))
    return sums
