"""The formula that a CIF file states, against the atoms that a reader made of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import gcd
from typing import Any

import numpy as np
from ase import Atoms

_PART = re.compile(r"([A-Z][a-z]?)(\d*\.?\d*)")
_CHARGE = re.compile(r"\s\d*[+-]")
_ISOTOPES = {"D": "H", "T": "H"}

Composition = dict[str, float]


def check_formula(atoms: Atoms, tags: Mapping[str, Any], name: str) -> None:
    """Refuse a cell whose atoms contradict the formula of its CIF file.

    Parameters
    ----------
    atoms : ase.Atoms
        All atoms of the cell.
    tags : mapping
        Entries of the CIF file in lower case: ``_chemical_formula_sum`` or ``_chemical_formula_moiety``, and
        ``_cell_formula_units_z``. Without Z, only the proportions of the elements count.
    name : str
        What the message calls the structure.

    Raises
    ------
    ValueError
        When the numbers of atoms are others.

    Examples
    --------
    >>> tags = {"_chemical_formula_sum": "C Si", "_cell_formula_units_z": 2}
    >>> check_formula(Atoms("Si6C6"), tags, "2h.cif")
    Traceback (most recent call last):
    ...
    ValueError: 2h.cif: its formula C Si with Z = 2 means C2 Si2 in a cell, but reading it gave C6 Si6. Are coordinates
    printed with too few digits (0.333 for 1/3), do they belong to another origin than the symmetry operations, or are
    atoms missing, such as hydrogen? Give all atoms of the cell without symmetry (P 1), or correct the formula.
    """
    text = next((str(tags[key]) for key in FORMULAS if _given(tags.get(key))), "")
    stated = _composition(text)
    if not stated:
        return
    found: Composition = {symbol: float(count) for symbol, count in atoms.symbols.formula.count().items()}
    units = _units(tags.get("_cell_formula_units_z"))
    if units is None:
        ratio = len(atoms) / sum(stated.values())
        if _same(found, {symbol: ratio * count for symbol, count in stated.items()}):
            return
        means = f"its formula {text} has other proportions than {_written(found)}, which reading it gave"
        raise ValueError(f"{name}: {means}. {_CAUSES}")
    cell = {symbol: units * count for symbol, count in stated.items()}
    # Some programs write the formula of the whole cell, with Z beside it.
    whole = stated if _divisor(stated) == units else cell
    if not (_same(found, cell) or _same(found, whole)):
        raise ValueError(
            f"{name}: its formula {text} with Z = {units} means {_written(cell)} in a cell, but reading it gave "
            f"{_written(found)}. {_CAUSES}"
        )


FORMULAS = ("_chemical_formula_sum", "_chemical_formula_moiety")
"""Entries of a CIF file with a formula."""

_CAUSES = (
    "Are coordinates printed with too few digits (0.333 for 1/3), do they belong to another origin than the symmetry "
    "operations, or are atoms missing, such as hydrogen? Give all atoms of the cell without symmetry (P 1), or correct "
    "the formula."
)


def _given(tag: object) -> bool:
    return isinstance(tag, str) and tag.strip() not in ("", "?", ".")


def _units(tag: object) -> int | None:
    return int(tag) if isinstance(tag, int | float) and tag >= 1 else None


def _composition(text: str) -> Composition:
    """Atoms of each element in a formula; empty where it is none that is understood."""
    total: Composition = {}
    for part in _CHARGE.sub(" ", text).split(","):
        factor, inner = _factor(part.strip())
        if _PART.sub("", inner).strip():
            return {}
        for symbol, count in _PART.findall(inner):
            element = _ISOTOPES.get(symbol, symbol)
            total[element] = total.get(element, 0.0) + factor * float(count or 1)
    return total


def _factor(part: str) -> tuple[float, str]:
    """The multiplier and the rest of a part such as 2(H2 O)."""
    found = re.fullmatch(r"(\d*\.?\d*)\s*\((.*)\)", part)
    return (1.0, part) if found is None else (float(found[1] or 1), found[2])


def _same(one: Composition, other: Composition) -> bool:
    return one.keys() == other.keys() and all(np.isclose(one[key], other[key], rtol=0.005, atol=1e-6) for key in one)


def _divisor(counts: Composition) -> int:
    """Greatest common divisor of whole numbers; 0 for others."""
    whole = all(count == round(count) for count in counts.values())
    return gcd(*(round(count) for count in counts.values())) if whole else 0


def _written(counts: Composition) -> str:
    return " ".join(f"{symbol}{count:g}" for symbol, count in sorted(counts.items()))
