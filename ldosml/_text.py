"""Texts of others, such as names in files, made harmless where they are shown."""

from __future__ import annotations

import re

# All but tab and line break: what a terminal would obey, and marks that turn the direction of writing.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]\.?\d[\d.,eE+\-–±() ]*|[+-](inf|nan)", re.IGNORECASE)


def printable(text: str) -> str:
    r"""The text with control characters as they are written in Python.

    Examples
    --------
    >>> printable("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def csv_cell(text: str) -> str:
    """The text with an apostrophe in front where a spreadsheet would take it for a formula; numbers stay.

    Examples
    --------
    >>> csv_cell("=1+1"), csv_cell("-0.5"), csv_cell("Si")
    ("'=1+1", '-0.5', 'Si')
    """
    shown = printable(text)
    return f"'{shown}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else shown
