"""Lists of numbers on the command line: a range, or numbers with commas."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import typer

_MOST = 1000  # numbers that one option may stand for

FORMS = "START:STOP:STEP (both ends included), or numbers with commas"
"""What the help of an option says of the numbers that it takes."""


def read_numbers(option: str, text: str) -> list[float]:
    """The numbers, ascending, of START:STOP:STEP (both ends included) or of a list with commas.

    Raises typer.BadParameter, naming the option, for anything else.
    """
    try:
        if ":" not in text:
            values = [float(part) for part in text.split(",")]
        else:
            start, stop, step = (float(part) for part in text.split(":"))
            count = int((stop - start) / step + 1e-9) + 1 if step > 0 else 0
            values = [round(start + step * number, 10) for number in range(min(count, _MOST + 1))]
    except (ValueError, OverflowError):
        values = []
    if not values or len(values) > _MOST or not all(map(isfinite, values)):
        raise typer.BadParameter(
            f"{option} takes a range START:STOP:STEP, such as 2:8:0.5, or numbers with commas, such as 3,4,6 "
            f"({_MOST} at most); got {text!r}."
        )
    return sorted(set(values))


def read_counts(option: str, text: str) -> list[int]:
    """The whole numbers above zero that ``read_numbers`` finds.

    Raises typer.BadParameter, naming the option, for anything else.
    """
    values = read_numbers(option, text)
    if not all(value >= 1 and value == int(value) for value in values):
        raise typer.BadParameter(f"{option} takes whole numbers above 0; got {text!r}.")
    return [int(value) for value in values]


def read_positive(option: str, texts: Sequence[str], unit: str, hint: str = "") -> list[float]:
    """The numbers of several texts together, ascending, in ``unit``.

    Raises typer.BadParameter, naming the option, for anything else, and for numbers that are not above zero.
    """
    values = sorted({value for text in texts for value in read_numbers(option, text)})
    if values[0] <= 0:
        raise typer.BadParameter(f"{option} must be above 0 {unit}{hint}; got {values[0]:g}.")
    return values
