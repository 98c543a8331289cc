"""The parts of a report: sections with paragraphs, tables and pictures, and the texts of table cells."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from ldosml.plotting import files
from ldosml.plotting.labels import NO_VARIATION

Cell = str | float | None
"""A text, a number (int or float), or None for a number that is not known."""

NONE: Final = "none"
"""Cell of a property that a structure does not have, such as the band gap of a metal."""

NOT_DERIVED: Final = "not derived"
"""Cell of a property that could not be computed from the predicted DOS."""

_IN_PLACE_OF_NUMBERS = (NONE, NOT_DERIVED, NO_VARIATION)


@dataclass(frozen=True)
class Table:
    """Rows under named columns.

    Parameters
    ----------
    caption : str
    columns : sequence of str
        Names of the columns. Without names, each row is a name (first cell) and its value.
    rows : sequence of sequence of (str, float or None)
        None means that a number is not known.
    sortable : bool
        The reader can sort the rows by a click on the name of a column.
    sorted_by : int, optional
        Index of the column by which the given rows are sorted, largest first.
    groups : sequence of (str, int)
        Names above groups of columns, from the left, with the number of columns: ("", 2) leaves two without a name.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    sortable: bool = False
    sorted_by: int | None = None
    groups: Sequence[tuple[str, int]] = ()

    @property
    def numeric(self) -> list[bool]:
        """Whether each column holds only numbers, or texts that stand in place of a number."""
        return [
            all(not isinstance(cell, str) or is_missing(cell) for cell in column)
            for column in zip(*self.rows, strict=True)
        ]


@dataclass(frozen=True)
class Picture:
    """A figure with a title above and a caption below.

    Parameters
    ----------
    title : str
    figure : matplotlib.figure.Figure
    caption : str
    """

    title: str
    figure: Figure
    caption: str

    @property
    def source(self) -> str:
        """The figure as a URL that contains the PNG."""
        return "data:image/png;base64," + base64.b64encode(files.png(self.figure)).decode()

    @property
    def width(self) -> int:
        """Width of the picture in pixels."""
        return round(self.figure.get_figwidth() * files.DPI)


@dataclass(frozen=True)
class Section:
    """A section of the report: a heading, then paragraphs, tables, pictures, and folded sections with their own links.

    Parameters
    ----------
    title : str
    paragraphs : sequence of str
    tables : sequence of Table
    pictures : sequence of Picture
    folded : sequence of Section
        Sections that the reader can open.
    """

    title: str
    paragraphs: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    folded: Sequence[Section] = ()


def count(number: int, what: str) -> str:
    """A number with its noun: 1 atom, 1,024 atoms."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def listing(caption: str, mapping: Mapping[str, object]) -> Table:
    """A table of the entries of nested mappings and lists, one row each."""
    return Table(caption, [], [[name, value] for name, value in _flat(mapping)])


def is_missing(value: Cell) -> bool:
    """Whether a cell has no number: it is None, NaN, or a text in place of a number."""
    return value is None or value in _IN_PLACE_OF_NUMBERS or (isinstance(value, float) and bool(np.isnan(value)))


def cell_text(value: Cell) -> str:
    """Text of a cell: three decimals, which align in a column, or three digits for very small and large numbers."""
    if not isinstance(value, float) or not np.isfinite(value):
        return _text(value)
    return f"{value:.3f}" if value == 0 or 0.01 <= abs(value) < 1000 else f"{value:#.3g}"


def _flat(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Names and texts of all entries of nested mappings. Lists of mappings are numbered from 1."""
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
