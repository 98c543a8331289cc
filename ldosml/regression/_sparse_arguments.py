"""Arguments of a fit on inducing points, checked: its parameters, and data in memory."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np

from ldosml._array import Array, as_float64
from ldosml._validation import check_choice, check_positive, validate_fit
from ldosml.regression._chunks import Arrays, Targets, checked, groups_of, labels_of, with_sums
from ldosml.regression._observations import validate_sums


def check_parameters(estimator: Any) -> None:
    """Raise ValueError when a parameter of a ``SparseLDOSKernelRidge`` is out of range, or does not suit another."""
    for name in ("selection_rows", "chunk_size"):
        value = getattr(estimator, name)
        if not (isinstance(value, int | np.integer) and value >= 1):
            raise ValueError(f"{name} must be a whole number of at least 1; got {value!r}.")
    check_positive("dos_weight", estimator.dos_weight)
    if not -np.inf < estimator.size_exponent < np.inf:
        raise ValueError(f"size_exponent must be a number; got {estimator.size_exponent!r}.")
    if not 0 < estimator.leave_out_fraction <= 1:
        raise ValueError(f"leave_out_fraction must be above 0 and at most 1; got {estimator.leave_out_fraction!r}.")
    if estimator.targets != "ldos" and isinstance(estimator.alpha, str) and estimator.alpha == "leave-one-out":
        raise ValueError(
            f"alpha='leave-one-out' goes with targets='ldos'; with {estimator.targets!r} whole structures are left "
            "out: 'leave-one-group-out'."
        )


def leaves_out_structures(estimator: Any) -> bool:
    """Whether alpha is chosen by leaving out whole structures."""
    return isinstance(estimator.alpha, str) and estimator.alpha == "leave-one-group-out"


def needs_structures(estimator: Any) -> bool:
    """Whether rows belong to structures."""
    return estimator.targets != "ldos" or leaves_out_structures(estimator)


def given_arrays(
    estimator: Any,
    X: Array,
    Y: Array,
    structure_index: Array | None,
    species: Array | None,
    dos: Array | None,
    groups: Array | None,
) -> tuple[Arrays, bool]:
    """Check the arguments of ``SparseLDOSKernelRidge.fit``, and set ``n_features_in_``.

    Gives the data to be cut into chunks, and whether Y has one energy without an axis for it. Raises ValueError as
    that ``fit``.
    """
    check_choice("targets", estimator.targets, get_args(Targets))
    whole = needs_structures(estimator)
    if estimator.targets == "dos":
        X, Y, index = validate_sums(estimator, X, Y, structure_index)
    else:
        X, Y = validate_fit(estimator, X, Y)
        if structure_index is None and whole:
            raise ValueError(
                f"alpha={estimator.alpha!r} with targets={estimator.targets!r} needs structure_index, the structure "
                "of each environment: fit(X, Y, structure_index=index)."
            )
        count = int(X.shape[0])
        index = np.arange(count) if structure_index is None else labels_of("structure_index", structure_index, count)
    targets = Y[:, None] if Y.ndim == 1 else Y
    n_structures = len(np.unique(index))
    together = groups_of(groups, n_structures)
    if dos is not None:
        if estimator.targets != "both":
            raise ValueError(f"dos goes with targets='both'; this fit has targets={estimator.targets!r}.")
        dos = as_float64("dos", dos)
        shape = (n_structures, targets.shape[1])
        dos = checked("dos", dos[:, None] if dos.ndim == 1 else dos, shape, "n_structures, n_energies")
    data = Arrays(
        X,
        targets,
        dos,
        labels_of("species", species, int(X.shape[0])),
        index if whole else np.arange(len(index)),
        estimator.chunk_size,
        together if leaves_out_structures(estimator) else None,
    )
    return with_sums(data, estimator.targets), Y.ndim == 1
