"""Whether a structure is one that a reader understood: one atom on each site, none in the place of another."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.formula import Formula
from ase.io.cif import parse_cif
from ase.neighborlist import primitive_neighbor_list

CLOSEST = 0.5
"""Smallest distance of two atoms, angstrom; the bond of H2 is 0.74."""

_SAME = 0.1  # angstrom; atoms that are nearer stand for one


def check_sites(structures: Iterable[Atoms], names: Iterable[str] | None = None) -> None:
    """Raise ValueError where a structure has shared or partly occupied sites, or atoms that are too close.

    Parameters
    ----------
    structures : iterable of ase.Atoms
    names : iterable of str, optional
        For messages. Default: "structure 0" and so on.
    """
    listed = list(structures)
    called = [f"structure {place}" for place in range(len(listed))] if names is None else list(names)
    for atoms, name in zip(listed, called, strict=True):
        _check_occupancies(atoms, name)
        _check_distances(atoms, name)


def _check_occupancies(atoms: Atoms, name: str) -> None:
    """ASE keeps what a CIF says of each site, and takes the first element of a shared one."""
    told: dict[Any, Any] = atoms.info.get("occupancy", {}) or {}
    partial = {site: who for site, who in told.items() if len(who) != 1 or abs(next(iter(who.values())) - 1) > 1e-6}
    if partial:
        site, who = next(iter(partial.items()))
        raise ValueError(
            f"{name} has {len(partial)} sites with partial or mixed occupation, such as site {site} with {who}. One "
            "atom is needed on every site: give an ordered cell, such as a special quasirandom structure."
        )


def _check_distances(atoms: Atoms, name: str) -> None:
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        return  # refused elsewhere, with the field's name
    cell = atoms.cell.complete().array
    first, second, distances = primitive_neighbor_list("ijd", atoms.pbc, cell, atoms.positions, CLOSEST)  # type: ignore[no-untyped-call]
    if not len(distances):
        return
    worst = int(distances.argmin())
    i, j, distance = int(first[worst]), int(second[worst]), float(distances[worst])
    labels = [f"{place} ({atoms.symbols[place]})" for place in (i, j)]
    pair = f"atoms {labels[0]} and {labels[1]} are" if i != j else f"atom {labels[0]} and its image are"
    cause = (
        "A reader makes such pairs of fractions that a CIF rounds (0.333 for 1/3) or of the other origin choice: write "
        "the file again with more digits, or with all atoms and no symmetry."
        if distance < _SAME
        else "Is the unit not angstrom, or the cell too small?"
    )
    raise ValueError(f"{name}: {pair} {distance:.3g} angstrom apart, less than {CLOSEST}. {cause}")


def check_formula(path: Path, frames: list[Atoms]) -> None:
    """Raise ValueError where a CIF states another number of atoms in its cell than ASE made of it."""
    with path.open("rb") as file:
        blocks = [block for block in parse_cif(file) if block.has_structure()]  # type: ignore[no-untyped-call]
    if len(blocks) != len(frames):
        return
    for block, atoms in zip(blocks, frames, strict=True):
        stated, units = (block.get(key) for key in ("_chemical_formula_sum", "_cell_formula_units_z"))  # type: ignore[no-untyped-call]
        if not isinstance(stated, str) or not isinstance(units, int) or units < 1:
            continue
        try:
            one = Formula(stated.replace(" ", "")).count()
        except ValueError:
            continue  # fractions, as of alloys
        made = str(atoms.symbols)
        if {symbol: count * units for symbol, count in one.items()} != Formula(made).count():
            raise ValueError(
                f"{path} states {units} units of {stated}; its sites and symmetry give {made}, {len(atoms)} atoms. "
                "Rounded fractions (0.333 for 1/3), another origin choice or missing hydrogen do this: write the file "
                "again with all atoms and no symmetry."
            )
