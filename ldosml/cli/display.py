"""What the commands print: results to standard output, progress and messages to standard error."""

from __future__ import annotations

import json
import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

# Names of files may hold square brackets, which rich takes for its markup unless told otherwise.
messages = Console(stderr=True, markup=False, highlight=False)
results = Console(markup=False, highlight=False)
if not results.is_terminal:
    results = Console(markup=False, highlight=False, width=100)  # a file has no width; 80 would cut numbers


class Advance(Protocol):
    """Moves a bar."""

    def __call__(self, done: int, total: int, last: str = "") -> None:
        """Show how much is done, of how much, and the last result."""


class Stages:
    """Shows what runs and for how long, and keeps the times."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=messages,
            transient=True,
            disable=not messages.is_terminal,
        )

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time what runs inside, under this name."""
        start = time.perf_counter()
        task = self._progress.add_task(name, total=1)
        with self._progress:
            yield
            self._progress.update(task, completed=1)
        self._progress.remove_task(task)
        messages.print(f"{name}: {time.perf_counter() - start:.1f} s", style="green")
        self.seconds[name] = round(time.perf_counter() - start, 2)

    @contextmanager
    def counted(self, name: str) -> Iterator[Advance]:
        """Time what runs inside, with a bar that the given function moves."""
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        bar = Progress(
            *columns, TimeRemainingColumn(), console=messages, transient=True, disable=self._progress.disable
        )
        task = bar.add_task(name, total=None)
        start = time.perf_counter()
        with bar:
            yield partial(_advance, bar, task, name)
        messages.print(f"{name}: {time.perf_counter() - start:.1f} s", style="green")
        self.seconds[name] = round(time.perf_counter() - start, 2)


def _advance(bar: Progress, task: TaskID, name: str, done: int, total: int, last: str = "") -> None:
    bar.update(task, completed=done, total=total, description=f"{name}: {last}" if last else name)


@contextmanager
def cautioning() -> Iterator[list[str]]:
    """Print each warning once to standard error; gives their texts."""
    from ldosml.properties.spectrum_warnings import Caution

    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", Caution)
        yield said
    for warning in caught:
        if not issubclass(warning.category, Caution):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        elif str(warning.message) not in said:
            said.append(str(warning.message))
    print_cautions(said)


def print_cautions(texts: Iterable[str]) -> None:
    """Print cautions about a result to standard error."""
    for text in texts:
        messages.print(f"caution: {text}", style="yellow", soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A table whose first column is text and whose others are numbers."""
    result = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        result.add_column(column, justify="left" if index == 0 else "right", no_wrap=index > 0)
    for row in rows:
        result.add_row(*[str(cell) for cell in row])
    return result


def known(value: float | None, form: str = ".3f") -> str:
    """The number as text, or "not known"."""
    return "not known" if value is None or math.isnan(value) else format(value, form)


def with_interval(row: Mapping[str, Any]) -> str:
    """The loss of a record with its 95 % interval."""
    text = known(row["loss"])
    return f"{text} ({row['low']:.3f} to {row['high']:.3f})" if math.isfinite(row["low"]) else text


def mean_text(loss: float | None) -> str:
    """L/sigma of the mean spectrum; empty where the quantity is not a spectrum."""
    return "" if loss is None else known(loss)


def floor_rows(mean: float | None, noise: float | None, gap: int, count: int) -> list[list[str]]:
    """The last two rows of a table with ``count`` columns of errors after a ``gap``: what an error lies between."""
    return [
        ["mean spectrum", *[""] * gap, *[mean_text(mean)] * count],
        ["label noise", *[""] * gap, *[known(noise)] * count],
    ]


def emit(result: Mapping[str, Any], as_json: bool, show: Callable[[], None]) -> None:
    """Print ``result`` as one JSON object, or let ``show`` print it for a person."""
    if as_json:
        print(json.dumps(strict(result), indent=2, default=str, allow_nan=False))
    else:
        show()


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
