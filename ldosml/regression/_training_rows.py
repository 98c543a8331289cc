"""Training data of a regression in memory: checked, with the structure and the group of each environment."""

from __future__ import annotations

import warnings
from collections.abc import Sized
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, validate_data

from ldosml._array import Array, as_float64, namespace, sum_by_index, to_numpy
from ldosml._ranges import check_attributes
from ldosml._validation import (
    ParameterError,
    check_choice,
    check_finite,
    check_same_place,
    check_shape,
    is_foreign,
    validate_fit,
)

Learn = Literal["ldos", "dos", "both"]
LeaveOut = Literal["leave-one-group-out", "leave-one-out"]


@dataclass(frozen=True)
class TrainingRows:
    """What a regression is fitted on.

    Parameters
    ----------
    X : array (n_environments, n_features)
    ldos : array (n_environments, n_energies) or None
    dos : array (n_structures, n_energies) or None
    species : ndarray (n_environments,)
        Atomic numbers, or zeros.
    index : ndarray (n_environments,) of int
        The structure of each environment, from 0 on. Where only LDOS are learned, structures do not matter: it is what
        is left out together.
    groups : ndarray (n_structures,) or None
        Structures of one value are left out together; None: each on its own.
    flat : bool
        Whether the targets had no axis of energies.
    """

    X: Array
    ldos: Array | None
    dos: Array | None
    species: NDArray[Any]
    index: NDArray[np.int64]
    groups: NDArray[Any] | None
    flat: bool

    @property
    def targets(self) -> Array:
        """LDOS where they are learned, otherwise DOS."""
        return known_targets(self.ldos, self.dos)


def known_targets(ldos: Array | None, dos: Array | None) -> Array:
    """Give the LDOS where they are learned, otherwise the DOS."""
    targets = dos if ldos is None else ldos
    assert targets is not None  # one of them is there
    return targets


def check_parameters(estimator: Any) -> None:
    """Raise ValueError when a parameter that says what is learned, or what is left out, is out of range."""
    check_choice("learn", estimator.learn, get_args(Learn))
    check_attributes(estimator, but=("alpha",) if isinstance(estimator.alpha, str) else ())
    if isinstance(estimator.alpha, str):
        if estimator.alpha not in get_args(LeaveOut):
            raise ParameterError(
                "alpha",
                "must be a positive number, an array with one per energy, 'leave-one-group-out' or 'leave-one-out'; "
                f"got {estimator.alpha!r}.",
            )
        if estimator.alpha == "leave-one-out" and estimator.learn != "ldos":
            raise ParameterError(
                "alpha",
                f"'leave-one-out' works only where ldos is learned; where {estimator.learn} is learned, rows are whole "
                "structures. Use 'leave-one-group-out'.",
            )


def leaves_out_groups(estimator: Any) -> bool:
    """Whether alpha is chosen by leaving out groups."""
    return isinstance(estimator.alpha, str) and estimator.alpha == "leave-one-group-out"


def needs_structures(estimator: Any) -> bool:
    """Whether environments must be told apart by structure or group."""
    return estimator.learn != "ldos" or leaves_out_groups(estimator)


def training_rows(
    estimator: Any,
    X: Array,
    Y: Array,
    dos: Array | None,
    structure_index: Array | None,
    species: Array | None,
    groups: Array | None,
) -> TrainingRows:
    """Check the parameters of an estimator and the arguments of its ``fit``; set ``n_features_in_``."""
    check_parameters(estimator)
    if dos is not None and estimator.learn != "both":
        raise ValueError(f"dos goes with learn='both'; this estimator has learn={estimator.learn!r}.")
    if estimator.learn == "both":
        rows = _joint_rows(estimator, X, Y, dos, structure_index, species, groups)
    else:
        check = _ldos_rows if estimator.learn == "ldos" else _dos_rows
        rows = check(estimator, X, Y, structure_index, species, groups)
    if leaves_out_groups(estimator):
        _require_two_groups(rows)
    return rows


def _ldos_rows(
    estimator: Any,
    X: Array,
    Y: Array,
    structure_index: Array | None,
    species: Array | None,
    groups: Array | None,
) -> TrainingRows:
    X, Y = validate_fit(estimator, X, Y)
    count = int(X.shape[0])
    structures = None if structure_index is None else labels("structure_index", structure_index, count)
    together = structures if groups is None else labels("groups", groups, count)
    if together is None and leaves_out_groups(estimator):
        warnings.warn(
            "alpha is chosen by leaving out one environment at a time, because neither groups nor structure_index was "
            "given. Atoms of one structure resemble each other, so that alpha may be far too small. Pass groups, one "
            "value for each row of X; within scikit-learn's GridSearchCV and cross_val_score, switch on "
            "sklearn.set_config(enable_metadata_routing=True). alpha='leave-one-out' does the same without a warning.",
            stacklevel=4,
        )
    index = np.arange(count)
    if together is not None and leaves_out_groups(estimator):
        index = np.unique(together, return_inverse=True)[1]
    return TrainingRows(X, _table(Y), None, center_species(species, count), index, None, Y.ndim == 1)


def _dos_rows(
    estimator: Any,
    X: Array,
    Y: Array,
    structure_index: Array | None,
    species: Array | None,
    groups: Array | None,
) -> TrainingRows:
    if structure_index is None:
        _refuse_missing_index(X, Y)
        X, Y = validate_fit(estimator, X, Y)
        index = np.arange(X.shape[0])
    else:
        X, Y = _validate_sums(estimator, X, Y)
        index = rows_of_structures(structure_index, int(X.shape[0]), int(Y.shape[0]))
    together = None if groups is None else labels("groups", groups, int(Y.shape[0]), "n_structures")
    return TrainingRows(X, None, _table(Y), center_species(species, int(X.shape[0])), index, together, Y.ndim == 1)


def _joint_rows(
    estimator: Any,
    X: Array,
    Y: Array,
    dos: Array | None,
    structure_index: Array | None,
    species: Array | None,
    groups: Array | None,
) -> TrainingRows:
    X, Y = validate_fit(estimator, X, Y)
    count, ldos = int(X.shape[0]), _table(Y)
    if structure_index is None:
        raise ValueError(
            "learn='both' needs structure_index, the structure of each environment: fit(X, Y, structure_index=index)."
        )
    if dos is None:
        index = rows_of_structures(structure_index, count, None)
        total = sum_by_index(ldos, index, int(index.max()) + 1)
    else:
        check_same_place("dos", dos, "Y", Y)
        total = checked_table("dos", _table(as_float64("dos", dos)))
        check_shape("dos", total, (None, ldos.shape[1]), "n_structures, n_energies")
        index = rows_of_structures(structure_index, count, int(total.shape[0]))
    together = None if groups is None else groups_of_structures(labels("groups", groups, count), index)
    return TrainingRows(X, ldos, total, center_species(species, count), index, together, Y.ndim == 1)


def _require_two_groups(rows: TrainingRows) -> None:
    found = len(np.unique(rows.index)) if rows.groups is None else len(np.unique(rows.groups))
    if found < 2:
        sample = " (1 sample)" if rows.X.shape[0] == 1 else ""
        raise ParameterError(
            "alpha",
            f"'leave-one-group-out' needs at least 2 groups; got 1{sample}. Give alpha a number, or say with groups "
            "which rows belong together.",
        )


def checked_table(name: str, values: Array) -> Array:
    """Refuse a table that is empty or holds anything but finite numbers."""
    if 0 in values.shape:
        raise ValueError(f"{name} is empty: its shape is {tuple(values.shape)}.")
    check_finite(name, values)
    return values


def labels(name: str, values: Array, count: int, axis: str = "n_environments") -> NDArray[Any]:
    """Check ``count`` labels, one for each environment (or structure): numbers or texts."""
    found = to_numpy(values)
    check_shape(name, found, (count,), axis)
    if found.dtype.kind == "f":
        check_finite(name, found)
    kinds = {type(label).__name__ for label in found} if found.dtype.kind == "O" else set()
    if len(kinds) > 1 or "NoneType" in kinds:
        raise ValueError(f"{name} must be numbers or texts, all of one type; got {', '.join(sorted(kinds))}.")
    return found


def center_species(species: Array | None, count: int) -> NDArray[np.int64]:
    """Check the atomic number of each centre, (n_environments,); zeros where none is given."""
    if species is None:
        return np.zeros(count, dtype=np.int64)
    found = labels("species", species, count)
    if found.dtype.kind not in "iu":
        raise ValueError(f"species must be atomic numbers, as int; got {found.dtype}. For Si pass 14.")
    return found.astype(np.int64)


def _table(values: Array) -> Array:
    return values[:, None] if values.ndim == 1 else values


def groups_of_structures(groups: NDArray[Any], index: NDArray[np.int64]) -> NDArray[Any]:
    """Give the group of each structure from the groups of its environments."""
    first = np.unique(index, return_index=True)[1]
    divided = np.flatnonzero(groups != groups[first][index])
    if divided.size:
        raise ValueError(
            f"Structure {int(index[divided[0]])} has environments of several groups. Its DOS can be left out only as a "
            "whole: give all its environments one group."
        )
    return groups[first]


def _validate_sums(estimator: Any, X: Array, Y: Array) -> tuple[Array, Array]:
    """Check descriptors and DOS, whose rows differ in number, as scikit-learn does; set ``n_features_in_``."""
    if not is_foreign(X):
        X = validate_data(estimator, X, dtype="float64")
        return X, check_array(Y, dtype="float64", ensure_2d=False, input_name="Y")
    xp = namespace(X, Y)
    X, Y = xp.astype(X, xp.float64), xp.astype(Y, xp.float64)
    check_shape("X", X, (None, None), "n_environments, n_features")
    estimator.n_features_in_ = int(X.shape[1])
    check_finite("X", X)
    check_finite("Y", Y)
    return X, Y


def _refuse_missing_index(X: Array, Y: Array) -> None:
    """Ask for structure_index where Y has fewer rows than X, and so must hold sums; the rest is checked later."""
    n_environments, n_structures = n_rows(X), n_rows(Y)
    if 0 < n_structures < n_environments:
        raise ValueError(
            f"X has {n_environments} rows, one an environment, and Y only {n_structures}: where these are the DOS of "
            f"structures, structure_index (n_environments,) must say which row of Y, 0 to {n_structures - 1}, each "
            "environment belongs to: fit(X, Y, structure_index=index)."
        )


def n_rows(values: Array) -> int:
    """Number of rows of an array or a list; 0 where that is not known."""
    shape = getattr(values, "shape", None)
    if shape is not None:
        return int(shape[0]) if len(shape) else 0
    return len(values) if isinstance(values, Sized) else 0


def rows_of_structures(structure_index: Array, count: int, n_structures: int | None) -> NDArray[np.int64]:
    """Check the structure of each environment: whole numbers from 0 to ``n_structures`` - 1, all of them.

    Without ``n_structures`` the largest number counts the structures.
    """
    index = labels("structure_index", structure_index, count)
    if index.dtype.kind not in "iu":
        raise ValueError(
            "structure_index must hold the row of the DOS that each environment belongs to, whole numbers from 0 on; "
            f"got {index.dtype}."
        )
    n_structures = int(index.max()) + 1 if n_structures is None else n_structures
    outside = index[(index < 0) | (index >= n_structures)]
    if outside.size:
        raise ValueError(
            f"structure_index must lie in 0..{n_structures - 1}, the rows of the DOS; got {int(outside[0])}. Number "
            "the structures in the order of their DOS."
        )
    missing = np.setdiff1d(np.arange(n_structures), index)
    if missing.size:
        raise ValueError(
            f"Every row of the DOS needs environments: structure_index never names structure {int(missing[0])} "
            f"({missing.size} of {n_structures} are missing). Leave those rows out and number the rest anew."
        )
    return index.astype(np.int64)
