"""Tables on a console of any width: names stay whole, numbers are never cut, and a table too wide is shown in parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal

from rich.cells import cell_len
from rich.table import Table

from ldosml.tables import ResultTable

_BORDER, _PADDING = 1, 3  # the left border of a table; the padding and the right border of each column
_SHORT = 10  # a cell that is not broken, such as a number
_LONG = 24  # a longer word may be broken


def laid_out(table: ResultTable, width: int) -> Iterator[Table]:
    """The table in as many parts as the width takes, each with the columns that name the rows.

    Words of headers and cells move to further lines before the table is parted.
    """
    columns = [_Column(*texts) for texts in zip(table.columns, *table.rows, strict=True)]
    for places in _parts(columns, table.n_keys, width - _BORDER):
        room = width - _BORDER - _PADDING * len(places)
        widths = _widened([columns[place] for place in places], room)
        yield _part(table, places, widths)


class _Column:
    """How wide a column is at least, without a break in a cell, and without a break in the header."""

    def __init__(self, header: str, *cells: str) -> None:
        self.cells = max(map(cell_len, cells), default=0)
        self.full = max(self.cells, cell_len(header))
        words = [word for text in (header, *cells) for word in text.split()]
        short = [cell for cell in cells if cell_len(cell) <= _SHORT]
        self.least = max([1, *(min(cell_len(text), _LONG) for text in (*words, *short))])


def _parts(columns: Sequence[_Column], n_keys: int, room: int) -> Iterator[list[int]]:
    """Places of the columns of each part."""
    keys, others = list(range(n_keys)), range(n_keys, len(columns))
    needed = [column.least + _PADDING for column in columns]
    part: list[int] = []
    for place in others:
        if part and sum(needed[one] for one in (*keys, *part, place)) > room:
            yield keys + part
            part = []
        part.append(place)
    yield keys + part


def _widened(columns: Sequence[_Column], room: int) -> list[int]:
    """Widths of columns: the least, and what room is left, to cells before headers and to those that lack least."""
    widths = [column.least for column in columns]
    for wanted in ([column.cells for column in columns], [column.full for column in columns]):
        lacking = [max(0, one - width) for one, width in zip(wanted, widths, strict=True)]
        for place in sorted(range(len(columns)), key=lacking.__getitem__):
            widths[place] += max(0, min(lacking[place], room - sum(widths)))
    return widths


def _part(table: ResultTable, places: Sequence[int], widths: Sequence[int]) -> Table:
    result = Table()
    for place, width in zip(places, widths, strict=True):
        justify: Literal["left", "right"] = "right" if table.numeric[place] else "left"
        result.add_column(table.columns[place], justify=justify, width=width, overflow="fold")
    for above, row in pairwise([[""], *table.rows]):
        first = "" if table.n_keys > 1 and row[0] == above[0] else row[0]  # a name that rows share is shown once
        result.add_row(first, *(row[place] for place in places[1:]))
    return result
