"""What every dataset must fulfil, each check naming the field and, where there is one, the structure at fault."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike, NDArray


def check_structures(structures: Sequence[Atoms], names: Sequence[str]) -> None:
    """Raise unless there are structures, each with atoms, finite positions and a finite cell."""
    if not len(structures):
        raise ValueError("structures is empty; a dataset needs at least one structure.")
    for atoms, name in zip(structures, names, strict=True):
        if not isinstance(atoms, Atoms):
            raise TypeError(f"structures must be ase.Atoms; got {type(atoms).__name__} for structure {name!r}.")
        if not len(atoms):
            raise ValueError(f"structures: {name!r} has no atoms. Leave it out.")
        for what, values in (("positions", atoms.positions), ("cell", np.asarray(atoms.cell))):
            if not np.isfinite(values).all():
                raise ValueError(f"{what} of structure {name!r} must be finite; some are NaN or infinite.")


def check_labels(field: str, labels: Sequence[str], count: int) -> list[str]:
    """Give ``labels`` as a list of ``count`` texts, or raise ValueError naming the field."""
    if isinstance(labels, str) or len(labels) != count or not all(isinstance(label, str) for label in labels):
        raise ValueError(f"{field} must be a list of {count} texts, one for each structure; got {_shorten(labels)}.")
    return [str(label) for label in labels]


def check_unique(names: Sequence[str]) -> None:
    """Raise ValueError when two structures have one name."""
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise ValueError(
            f"names must be unique; {name!r} stands for {count} structures. Was a set added to itself? "
            "Otherwise pass other names=..."
        )


def check_numbers(
    field: str, values: ArrayLike, names: Sequence[str], *, unknown: float, least: float = -np.inf
) -> NDArray[np.float64]:
    """Give one read-only number for each structure.

    ``unknown`` is the value that stands for "not known" (NaN, or infinity); otherwise numbers are finite and not
    below ``least``. Raises ValueError naming the field and the first structure at fault.
    """
    numbers = np.array(values, dtype=float)
    if numbers.shape != (len(names),):
        raise ValueError(f"{field} must have shape ({len(names)},) = (n_structures,); got {numbers.shape}.")
    allowed = np.isfinite(numbers) & (numbers >= least)
    allowed |= np.isnan(numbers) if np.isnan(unknown) else numbers == unknown
    if not allowed.all():
        worst = int(np.argmin(allowed))
        bound = "" if least == -np.inf else f" and not below {least:g}"
        raise ValueError(
            f"{field} must be finite{bound} ({unknown} where not known); got {numbers[worst]} for structure "
            f"{names[worst]!r}."
        )
    numbers.setflags(write=False)
    return numbers


def check_rows(field: str, rows: int, structures: Sequence[Atoms], per_atom: bool) -> None:
    """Raise ValueError unless spectra have one row for each atom (or for each structure)."""
    expected = sum(len(atoms) for atoms in structures) if per_atom else len(structures)
    if rows != expected:
        what = f"atoms in {len(structures)} structures" if per_atom else "structures"
        raise ValueError(
            f"{field} has {rows} rows, but there are {expected} {what}. Rows follow the structures"
            f"{' atom by atom' if per_atom else ''}; were all of them read?"
        )


def check_json(field: str, value: object) -> None:
    """Raise ValueError unless ``value`` is None or a mapping that JSON can hold (NaN excluded)."""
    if value is None:
        return
    if not isinstance(value, Mapping):
        raise ValueError(f"{field} must be a dictionary; got {type(value).__name__}.")
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{field} must hold only what JSON can: {error}. Convert such values first.") from error


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
