"""Training, validation and test parts of a set of crystals, as hard as one asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ldosml._validation import check_choice
from ldosml.datasets.crystals import CrystalSet, Material, reduced_formula
from ldosml.datasets.splits import split_by_group

SplitBy = Literal["composition", "prototype", "element"]

_SHOWN = 120  # names in a message, at most

Parts = tuple[CrystalSet, CrystalSet, CrystalSet]


def split_crystals(
    crystals: CrystalSet,
    by: SplitBy = "composition",
    held_out: Sequence[str] = (),
    *,
    test_size: float = 0.1,
    validation_size: float = 0.1,
    random_state: int = 0,
) -> Parts:
    """Divide crystals into a training, a validation and a test part.

    Parameters
    ----------
    crystals : CrystalSet
    by : {"composition", "prototype", "element"}
        What the test part differs in: no formula in two parts (those with a gap, those without, and prototypes in
        proportion); or only the prototypes of ``held_out``; or only crystals with an element of ``held_out``. The
        validation part is always divided from training by composition.
    held_out : sequence of str
        Formulas, prototypes or chemical symbols; without any, "composition" draws formulas at random.
    test_size, validation_size : float
        Parts of all crystals, the former of formulas that are drawn only.
    random_state : int

    Raises
    ------
    ValueError
        When a part would be empty, or ``held_out`` names what is not there.
    """
    check_choice("by", by, get_args(SplitBy))
    if isinstance(held_out, str):
        raise TypeError(f"held_out must be a sequence of names, one alone as [{held_out!r}].")
    for name, size in (("test_size", test_size), ("validation_size", validation_size)):
        if not 0 < size < 1:
            raise ValueError(f"{name} must be above 0 and below 1; got {size!r}.")
    if not held_out and by != "composition":
        raise ValueError(f"held_out names the {by}s of the test part; got none.")
    if not held_out:
        rest, test = _composition_parts(crystals, test_size, random_state)
    else:
        wanted = {_asked(name) if by == "composition" else name: name for name in held_out}
        belongs = np.array([bool(_values(m, by) & set(wanted)) for m in crystals])
        known = {value for m in crystals for value in _values(m, by)}
        unknown = [name for value, name in wanted.items() if value not in known]
        if unknown or belongs.all():
            raise ValueError(
                f"held_out must name some {by}s of the crystals, not all; got {list(held_out)!r}"
                + (f", of which {', '.join(sorted(unknown))} are not there. " if unknown else ". ")
                + (f"There are: {', '.join(sorted(known))}." if len(known) <= _SHOWN else "")
            )
        rest, test = np.flatnonzero(~belongs), np.flatnonzero(belongs)
    training, validation = _composition_parts(
        crystals[rest], min(0.99, validation_size * len(crystals) / len(rest)), random_state + 1
    )
    return crystals[rest[training]], crystals[rest[validation]], crystals[test]


def _values(material: Material, by: SplitBy) -> set[str]:
    if by == "composition":
        return {reduced_formula(material.formula)}
    return {material.prototype} if by == "prototype" else set(material.atoms.symbols)


def _asked(formula: str) -> str:
    try:
        return reduced_formula(formula)
    except ValueError as error:
        raise ValueError(f"A formula to hold out must be like TiAlCu2; got {formula!r}.") from error


def _composition_parts(
    crystals: CrystalSet, size: float, random_state: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    kinds = [f"{m.prototype} {'gap' if m.gap else 'metal'}" for m in crystals]
    formulas = [reduced_formula(m.formula) for m in crystals]
    if len(set(formulas)) < 2:
        raise ValueError(
            f"Parts share no formula, and {len(set(formulas))} cannot be divided into two. Give crystals of three "
            "formulas at least, two of them beside those that are held out."
        )
    return split_by_group(kinds, formulas, size, random_state)
