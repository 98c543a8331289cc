"""Training, validation and test parts of a set of crystals, by composition, prototype or element."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ldosml._ranges import check_arguments
from ldosml._validation import ParameterError, check_choice
from ldosml.datasets.crystals import CrystalSet, Material, load_crystals, reduced_formula
from ldosml.datasets.splits import split_by_group

SplitBy = Literal["composition", "prototype", "element"]

_SHOWN = 120  # largest number of names in a message

_LEAST = 3  # formulas that can be in three parts

Parts = tuple[CrystalSet, CrystalSet, CrystalSet]


def split_crystals(
    crystals: CrystalSet | Sequence[CrystalSet],
    by: SplitBy = "composition",
    held_out: Sequence[str] = (),
    *,
    test_size: float | Sequence[float] = 0.1,
    validation_size: float = 0.1,
    random_state: int = 0,
) -> Parts:
    """Split crystals into a training, a validation and a test part.

    Of several sets, the parts of the first are those it has alone: later sets leave them as they are. Formulas of a
    later set that are in a part of earlier ones join this part, and only the others are drawn; fewer than three others
    are for training.

    Parameters
    ----------
    crystals : CrystalSet, or sequence of CrystalSet
        All crystals. Their names must differ.
    by : {"composition", "prototype", "element"}
        What distinguishes the test part: "composition" puts no formula into two parts, and keeps the proportions of
        prototypes, metals and non-metals; "prototype" tests on the prototypes ``held_out``; "element" tests on all
        crystals with an element of ``held_out``. The validation part always differs from training by composition.
    held_out : sequence of str
        Formulas, prototypes or chemical symbols of the test part. Without them, "composition" draws formulas at random.
    test_size, validation_size : float
        Fractions of the crystals of each set that are drawn; ``test_size`` may be given for each set, and is used only
        where formulas are drawn.
    random_state : int
        Seed of the draws.

    Returns
    -------
    training, validation, test : CrystalSet

    Raises
    ------
    TypeError
        When ``held_out`` is a single string.
    ValueError
        When a part would be empty, ``held_out`` names something that is not in the set, or two crystals have one name.
    """
    check_arguments(test_size=test_size, validation_size=validation_size, random_state=random_state)
    check_choice("by", by, get_args(SplitBy))
    if isinstance(held_out, str):
        raise TypeError(f"held_out must be a sequence of names; give a single name as [{held_out!r}].")
    sets = [crystals] if isinstance(crystals, CrystalSet) else list(crystals)
    sizes = [test_size] * len(sets) if isinstance(test_size, int | float) else list(test_size)
    if not len(sizes) == len(sets) > 0:
        raise ValueError(f"test_size must be one number, or one for each set of crystals; got {test_size!r}.")
    for name, size in (*(("test_size", size) for size in sizes), ("validation_size", validation_size)):
        if not 0 < size < 1:
            raise ValueError(f"{name} must be above 0 and below 1; got {size!r}.")
    if not held_out and by != "composition":
        raise ParameterError("held_out", f"must name the {by}s of the test part; got none.")
    whole = CrystalSet(tuple(m for one in sets for m in one), sets[0].provenance if len(sets) == 1 else {})
    if held_out:
        test = _held_out(whole, by, held_out)
        first = np.arange(len(whole))
        return _with_validation(whole, first[~test], first[test], validation_size, random_state)
    parts = _drawn(sets[0], sizes[0], validation_size, random_state)
    for one, size in zip(sets[1:], sizes[1:], strict=True):
        parts = _extended(parts, one, size, validation_size, random_state)
    return parts


def crystal_parts(model: Any, crystals: CrystalSet | Sequence[CrystalSet] | None = None) -> Parts:
    """Split crystals as they were split for a model of ``ldosml train-bands`` or ``train-occupancy``.

    Parameters
    ----------
    model : KOccupancyRegressor or TightBindingRegressor
        Fitted; its ``training_`` names the sets, and how they were split.
    crystals : CrystalSet, or sequence of CrystalSet, optional
        The sets, when they are no longer where they were.

    Returns
    -------
    training, validation, test : CrystalSet

    Raises
    ------
    ValueError
        When the model does not know its split, or the sets are not those it was trained on.
    FileNotFoundError
        When a set was a file that is not there.

    Examples
    --------
    >>> class Model:
    ...     training_ = {"crystals": ["crystals"], "split": {"by": "composition"}}
    >>> first = split_crystals(load_crystals())[0]
    >>> Model.training_["names"] = first.names
    >>> len(crystal_parts(Model())[0]) == len(first)
    True
    """
    known: Mapping[str, Any] = getattr(model, "training_", {})
    if "split" not in known:
        raise ValueError(
            "This model does not know how its crystals were split: it was not trained by ldosml train-bands or "
            "train-occupancy. Use split_crystals with the arguments that were used."
        )
    parts = split_crystals(crystals or [load_crystals(name) for name in known["crystals"]], **known["split"])
    if parts[0].names != known["names"]:
        raise ValueError(
            f"The crystals are not those the model was trained on ({', '.join(known['crystals'])}, "
            f"{len(known['names'])} crystals for training): their split has {len(parts[0])}, or others, for training."
        )
    return parts


def _drawn(crystals: CrystalSet, test_size: float, validation_size: float, random_state: int) -> Parts:
    rest, test = _composition_parts(crystals, test_size, random_state)
    return _with_validation(crystals, rest, test, validation_size, random_state)


def _with_validation(
    crystals: CrystalSet, rest: NDArray[np.int64], test: NDArray[np.int64], validation_size: float, random_state: int
) -> Parts:
    training, validation = _composition_parts(
        crystals[rest], min(0.99, validation_size * len(crystals) / len(rest)), random_state + 1
    )
    return crystals[rest[training]], crystals[rest[validation]], crystals[test]


def _extended(parts: Parts, more: CrystalSet, test_size: float, validation_size: float, random_state: int) -> Parts:
    """Parts with the crystals of another set: formulas stay in their part, and others are drawn."""
    part_of = {reduced_formula(m.formula): i for i, part in enumerate(parts) for m in part}
    found: list[list[Material]] = [list(part) for part in parts]
    new = [m for m in more if reduced_formula(m.formula) not in part_of]
    for m in more:
        if (place := part_of.get(reduced_formula(m.formula))) is not None:
            found[place].append(m)
    if len({reduced_formula(m.formula) for m in new}) < _LEAST:
        found[0] += new
    else:
        for materials, drawn in zip(
            found, _drawn(CrystalSet(tuple(new)), test_size, validation_size, random_state), strict=True
        ):
            materials += drawn
    training, validation, test = (CrystalSet(tuple(materials)) for materials in found)
    return training, validation, test


def _held_out(crystals: CrystalSet, by: SplitBy, held_out: Sequence[str]) -> NDArray[np.bool_]:
    """Mask of the crystals that are held out."""
    wanted = {_formula(name) if by == "composition" else name: name for name in held_out}
    belongs = np.array([bool(_values(m, by) & set(wanted)) for m in crystals], dtype=bool)
    known = {value for m in crystals for value in _values(m, by)}
    unknown = [name for value, name in wanted.items() if value not in known]
    if unknown or belongs.all():
        raise ParameterError(
            "held_out",
            f"must name some {by}s of the crystals, but not all; got {list(held_out)!r}. "
            + (f"Not in the set: {', '.join(sorted(unknown))}. " if unknown else "")
            + (f"The set has: {', '.join(sorted(known))}." if len(known) <= _SHOWN else ""),
        )
    return belongs


def _values(material: Material, by: SplitBy) -> set[str]:
    if by == "composition":
        return {reduced_formula(material.formula)}
    return {material.prototype} if by == "prototype" else set(material.atoms.symbols)


def _formula(formula: str) -> str:
    try:
        return reduced_formula(formula)
    except ValueError as error:
        raise ParameterError("held_out", f"must be formulas such as TiAlCu2; got {formula!r}.") from error


def _composition_parts(
    crystals: CrystalSet, size: float, random_state: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    kinds = [f"{m.prototype} {'gap' if m.gap else 'metal'}" for m in crystals]
    formulas = [reduced_formula(m.formula) for m in crystals]
    if len(set(formulas)) < 2:
        raise ValueError(
            f"Parts share no formula, so {len(set(formulas))} formula cannot be split into two parts. Give crystals of "
            "at least three formulas, at least two of which are not held out."
        )
    return split_by_group(kinds, formulas, size, random_state)
