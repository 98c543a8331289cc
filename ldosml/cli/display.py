"""What the commands print: results to standard output, progress and messages to standard error."""

from __future__ import annotations

import json
import math
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from ldosml._text import printable
from ldosml.progress import Advance, duration, progress

if TYPE_CHECKING:
    from ldosml.cli.options import PrintOptions
    from ldosml.tables import ResultTable


class _Harmless(Console):
    """A console that shows control characters in names of files and structures, and does not obey them."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Give the pieces of what is to be shown."""
        for piece in super().render(renderable, options):
            yield piece if piece.control else Segment(printable(piece.text), piece.style)


# Names of files may hold square brackets and :100:, which rich would take for its markup and for a picture.
messages = _Harmless(stderr=True, markup=False, emoji=False, highlight=False)
results = _Harmless(markup=False, emoji=False, highlight=False)
if not results.is_terminal and "COLUMNS" not in os.environ:
    results.width = 100  # a file has no width


@dataclass(frozen=True)
class Page:
    """What a command tells a person.

    Parameters
    ----------
    tables : sequence of ResultTable
    heading : str
        A line above the tables.
    words : sequence of str
        How to read them, paragraph by paragraph.
    code : str
        Python code to copy.
    files : sequence of path
        Files that were written.
    """

    tables: Sequence[ResultTable]
    heading: str = ""
    words: Sequence[str] = ()
    code: str = ""
    files: Sequence[str | Path] = ()


LABEL_NOISE, UNKNOWN = "label noise", "not known"


class Stages:
    """Shows what runs and for how long, and keeps the times."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Show and time what runs inside, under this name."""
        with self._timed(name, counted=False):
            yield

    @contextmanager
    def counted(self, name: str) -> Iterator[Advance]:
        """Show and time what runs inside; call the given function to report how far it is."""
        with self._timed(name, counted=True) as advance:
            yield advance

    @contextmanager
    def _timed(self, name: str, counted: bool) -> Iterator[Advance]:
        start = time.perf_counter()
        with progress(name, counted=counted, console=messages) as advance:
            yield advance
        seconds = time.perf_counter() - start
        messages.print(f"{name}: {duration(seconds)}", style="green", soft_wrap=True)
        self.seconds[name] = round(seconds, 2)


@contextmanager
def cautioning(category: type[Warning] | None = None) -> Iterator[list[str]]:
    """Print each warning of a category, by default ``Caution``, once to standard error; gives their texts."""
    from ldosml._validation import Caution

    said: list[str] = []
    told = Caution if category is None else category
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", told)
        yield said
    for warning in caught:
        if not issubclass(warning.category, told):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        elif str(warning.message) not in said:
            said.append(str(warning.message))
    print_cautions(said)


def print_cautions(texts: Iterable[str]) -> None:
    """Print cautions about a result to standard error."""
    for text in texts:
        messages.print(f"caution: {text}", style="yellow", soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, n_keys: int = 1) -> ResultTable:
    """A table of what the cells are as text; ``n_keys`` columns name the rows.

    There is no column of the label noise where it is not known of any row; see ``noise_words``.
    """
    from ldosml.tables import ResultTable

    cells = [[str(cell) for cell in row] for row in rows]
    unknown = {
        place
        for place, column in enumerate(columns)
        if column == LABEL_NOISE and all(row[place] == UNKNOWN for row in cells)
    }
    kept = [place for place in range(len(columns)) if place not in unknown]
    return ResultTable(
        title, [columns[place] for place in kept], [[row[place] for place in kept] for row in cells], n_keys
    )


def noise_words(tables: Iterable[ResultTable]) -> list[str]:
    """That the label noise is not known, where no table has it."""
    told = (
        text for one in tables for text in (*one.columns, *(row[0] for row in one.rows), *(row[1] for row in one.rows))
    )
    return [] if any(LABEL_NOISE in text for text in told) else ["The label noise of these spectra is not known."]


def known(value: float | None, form: str = ".3f") -> str:
    """The number as text, or "not known"."""
    return UNKNOWN if value is None or math.isnan(value) else format(value, form)


def with_interval(row: Mapping[str, Any]) -> str:
    """The loss of a record with its 95 % interval."""
    text = known(row["loss"])
    return f"{text} ({row['low']:.3f}–{row['high']:.3f})" if math.isfinite(row["low"]) else text


def mean_text(loss: float | None) -> str:
    """L/sigma of the mean spectrum; empty where the quantity is not a spectrum."""
    return "" if loss is None else known(loss)


def floor_rows(mean: float | None, noise: float | None, gap: int, count: int) -> list[list[str]]:
    """Rows of what an error lies between, where it is known: ``count`` columns of errors after a ``gap``."""
    rows = [["mean spectrum", *[""] * gap, *[mean_text(mean)] * count]]
    if known(noise) != UNKNOWN:
        rows.append([LABEL_NOISE, *[""] * gap, *[known(noise)] * count])
    return rows


def emit(result: Mapping[str, Any], printing: PrintOptions, page: Callable[[], Page]) -> None:
    """Print ``result`` as one JSON object, or the page for a person.

    In a markup language only tables go to standard output, the rest to standard error, so that a file takes the tables.
    """
    if printing.as_json:
        emit_json(result)
    elif printing.form == "text":
        _print_text(page())
    else:
        shown = page()
        if shown.tables:
            print("\n\n".join(one.text(printing.form) for one in shown.tables))
        if shown.heading:
            messages.print(shown.heading)
        _print_words(shown, messages)


def emit_json(result: Mapping[str, Any]) -> None:
    """Print one JSON object."""
    print(json.dumps(strict(result), indent=2, default=str, allow_nan=False))


def _print_text(page: Page) -> None:
    from ldosml.cli.layout import laid_out

    if page.heading:
        results.print(page.heading)
    for one in page.tables:
        if one.title:
            results.print(one.title, style="italic")
        for part in laid_out(one, results.width):
            results.print(part)
    _print_words(page, results)


def _print_words(page: Page, console: Console) -> None:
    for text in page.words:
        console.print(text)
    if page.code:
        console.print(page.code, soft_wrap=True)
    for file in page.files:
        console.print(f"wrote {file}", soft_wrap=True)


def strict(value: Any) -> Any:
    """The same with None for NaN and infinity, which JSON does not know."""
    if isinstance(value, Mapping):
        return {key: strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def flattened(facts: Mapping[str, Any], prefix: str = "") -> Iterator[list[str]]:
    """One row per fact; nested facts under both names."""
    for key, value in facts.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{key}: ")
        else:
            many = isinstance(value, list)
            yield [f"{prefix}{key}", ", ".join(map(str, value)) if many else str(value)]
