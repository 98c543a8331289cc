"""What every dataset must fulfil, each check naming the field and, where there is one, the structure at fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike, NDArray

from ldosml._validation import check_json, check_positive, shorten
from ldosml.array_files import real_numbers
from ldosml.structure_checks import check_sites

_LARGEST = 1e9  # electrons, or eV


def check_structures(structures: Sequence[Atoms], names: Sequence[str]) -> None:
    """Raise unless there are structures, each with atoms of known elements at sites of their own."""
    if not len(structures):
        raise ValueError("structures is empty; a dataset needs at least one structure.")
    for atoms, name in zip(structures, names, strict=True):
        if not isinstance(atoms, Atoms):
            raise TypeError(f"structures must be ase.Atoms; got {type(atoms).__name__} for structure {name!r}.")
        _check_elements(atoms, name)
    check_sites(structures, [f"structure {name!r}" for name in names])


def _check_elements(atoms: Atoms, name: str) -> None:
    unknown = np.flatnonzero((atoms.numbers < 1) | (atoms.numbers > 118))
    if unknown.size:
        raise ValueError(
            f"Atomic numbers must lie in 1 to 118; atom {unknown[0]} of structure {name!r} has "
            f"{atoms.numbers[unknown[0]]}. Leave ghost atoms and dummies ('X') out, with their rows of ldos."
        )


def check_labels(field: str, labels: Sequence[str], count: int) -> list[str]:
    """Give ``labels`` as a list of ``count`` texts, or raise ValueError naming the field."""
    if isinstance(labels, str) or len(labels) != count or not all(isinstance(label, str) for label in labels):
        raise ValueError(f"{field} must be a list of {count} texts, one for each structure; got {shorten(labels)}.")
    for label in labels:
        if "\0" in label:
            raise ValueError(f"{field} must not hold the character NUL, which ends a text in HDF5; got {label!r}.")
    return [str(label) for label in labels]


def check_unique(names: Sequence[str]) -> None:
    """Raise ValueError when two structures have one name."""
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise ValueError(
            f"names must be unique; {name!r} stands for {count} structures. Was a set added to itself? "
            "Otherwise rename one of them."
        )


def check_numbers(
    field: str, values: ArrayLike, names: Sequence[str], *, unknown: float, least: float = -np.inf
) -> NDArray[np.float64]:
    """Give one read-only number for each structure.

    ``unknown`` is the value that stands for "not known" (NaN, or infinity); otherwise numbers are at most 1e9 in size
    and not below ``least``. Raises ValueError naming the field and the first structure at fault.
    """
    numbers: NDArray[np.float64] = np.array(real_numbers(field, values))
    if numbers.shape != (len(names),):
        raise ValueError(f"{field} must have shape ({len(names)},) = (n_structures,); got {numbers.shape}.")
    allowed = (np.abs(numbers) <= _LARGEST) & (numbers >= least)
    allowed |= np.isnan(numbers) if np.isnan(unknown) else numbers == unknown
    if not allowed.all():
        worst = int(np.argmin(allowed))
        bound = "" if least == -np.inf else f" and not below {least:g}"
        size = f", at most {_LARGEST:g}" if _LARGEST < abs(numbers[worst]) < np.inf else ""
        raise ValueError(
            f"{field} must be finite{size}{bound} ({unknown} where not known); got {numbers[worst]} for structure "
            f"{names[worst]!r}."
        )
    numbers.setflags(write=False)
    return numbers


def check_width(field: str, width: object) -> float:
    """Give a width as a number, or raise TypeError or ValueError naming the field."""
    value = np.asarray(width)
    if value.ndim or value.dtype.kind not in "fiu":
        raise TypeError(f"{field} must be a positive number of eV; got {width!r}.")
    check_positive(field, float(value), "eV")
    return float(value)


def check_rows(field: str, rows: int, structures: Sequence[Atoms], per_atom: bool) -> None:
    """Raise ValueError unless spectra have one row for each atom (or for each structure)."""
    expected = sum(len(atoms) for atoms in structures) if per_atom else len(structures)
    if rows != expected:
        what = f"atoms in {len(structures)} structures" if per_atom else "structures"
        raise ValueError(
            f"{field} has {rows} rows, but there are {expected} {what}. Rows follow the structures"
            f"{' atom by atom' if per_atom else ''}; were all of them read?"
        )


def check_label_noise(label_noise: object) -> None:
    """Raise ValueError unless ``label_noise`` is None or has its lists of numbers; other keys may be there."""
    check_json("label_noise", label_noise)
    if not isinstance(label_noise, Mapping):
        return
    lists = {key: label_noise.get(key) for key in ("smearing_width", "ldos", "dos")}
    for key, values in lists.items():
        if not isinstance(values, list | tuple) or not values or not all(map(_is_number, values)):
            raise ValueError(
                f"{key!r} of label_noise must be a list of finite numbers, at least one; got {shorten(values)}."
            )
    lengths = {key: len(values) for key, values in lists.items() if values}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"The lists of label_noise must have one length; got {lengths}.")
    if "by_energy" in label_noise:
        _check_noise_by_energy(label_noise["by_energy"], len(label_noise["smearing_width"]))


def _check_noise_by_energy(by_energy: object, n_widths: int) -> None:
    expected = (
        "'by_energy' of label_noise must have numbers start and step (eV, above 0), and for each other key a list of "
        f"{n_widths} lists, one for each smearing width, of numbers or None, all of one length"
    )
    if not isinstance(by_energy, Mapping):
        raise ValueError(f"{expected}; got {shorten(by_energy)}.")
    for key, value in by_energy.items():
        if key in ("start", "step"):
            right = _is_number(value) and (key == "start" or value > 0)
        else:
            right = (
                isinstance(value, list | tuple)
                and len(value) == n_widths
                and all(isinstance(each, list | tuple) and len(each) == len(value[0]) for each in value)
                and all(number is None or _is_number(number) for each in value for number in each)
            )
        if not right:
            raise ValueError(f"{expected}; got {key!r}: {shorten(value)}.")
    if not {"start", "step"} <= set(by_energy):
        raise ValueError(f"{expected}; got only {', '.join(map(repr, by_energy))}.")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")
