"""What a report consists of: sections of words, tables and pictures; and how cells are written."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from ldosml import plotting

Cell = str | float | None
"""A text, a number (int or float), or None for what is not known."""

NONE: Final = "none"
"""The cell of what a structure does not have, such as the band gap of a metal; among numbers it counts as one."""


@dataclass(frozen=True)
class Table:
    """Rows under named columns; without names of columns, a list of things (first cell) and what they are.

    ``sortable`` lets the reader sort by pressing the name of a column; ``sorted_by`` is the column by which the rows
    come sorted, largest first. ``groups`` are names above so many columns each, from the left: ("", 2) leaves two
    without.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    sortable: bool = False
    sorted_by: int | None = None
    groups: Sequence[tuple[str, int]] = ()

    @property
    def numeric(self) -> list[bool]:
        """Whether each column holds nothing but numbers, what is not known and what there is not."""
        return [
            all(not isinstance(cell, str) or cell == NONE for cell in column) for column in zip(*self.rows, strict=True)
        ]


@dataclass(frozen=True)
class Picture:
    """A figure and the words under it."""

    title: str
    figure: Figure
    caption: str

    @property
    def source(self) -> str:
        """The figure as a URL that holds the PNG itself."""
        return "data:image/png;base64," + base64.b64encode(plotting.png(self.figure)).decode()

    @property
    def width(self) -> int:
        """Pixels across, beyond which the picture would blur."""
        return round(self.figure.get_figwidth() * plotting.DPI)


@dataclass(frozen=True)
class Section:
    """A part of the report: a heading, paragraphs, then tables, then pictures; then parts to unfold, listed first."""

    title: str
    paragraphs: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    folded: Sequence[Section] = ()


def count(number: int, what: str) -> str:
    """A number of things: 1 atom, 1,024 atoms."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def listing(caption: str, mapping: Mapping[str, object]) -> Table:
    """A table of what nested mappings and lists hold, name by name."""
    return Table(caption, [], [[name, value] for name, value in _flat(mapping)])


def cell_text(value: Cell) -> str:
    """Three decimals, which align in a column, or three digits where those say too little or too much."""
    if not isinstance(value, float) or not np.isfinite(value):
        return _text(value)
    return f"{value:.3f}" if value == 0 or 0.01 <= abs(value) < 1000 else f"{value:#.3g}"


def _flat(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Names and texts of everything in nested mappings; lists of mappings are numbered from 1."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{name}: {key}" if name else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        for number, item in enumerate(value, 1):
            yield from _flat(item, f"{name} {number}")
    elif isinstance(value, list | tuple):
        yield name, ", ".join(map(_text, value))
    else:
        yield name, _text(value)


def _text(value: object) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " ".join(map(_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
