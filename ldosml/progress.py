"""What is shown while something runs: a bar on a terminal or in a notebook, elsewhere a line every half minute."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

PERIOD = 30.0
"""Seconds between two lines where there is no bar."""


class Advance(Protocol):
    """Tells how far the work is. The library's ``progress`` arguments take one."""

    def __call__(self, done: int, total: int, last: object = "", /) -> None:
        """Show how much is done, of how much, and the last result."""


@contextmanager
def progress(name: str, *, counted: bool = True, console: Console | None = None) -> Iterator[Advance]:
    """Show that something runs, for how long, and how far it is.

    A terminal and a notebook with ipywidgets get a bar, which is gone at the end. Anything else, such as the log file
    of a batch system, gets a line every 30 s.

    Parameters
    ----------
    name : str
        What runs.
    counted : bool
        Whether ``Advance`` will be called; False shows the time only.
    console : rich.console.Console, optional
        Where to show it. Default: standard error.

    Yields
    ------
    Advance
        Call it with the number of parts that are done, the number of all parts and, if there is one, a short text about
        the last part.

    Examples
    --------
    >>> with progress("Predicting") as advance:
    ...     for number in range(3):
    ...         advance(number + 1, 3)
    """
    shown = Console(stderr=True, markup=False, emoji=False, highlight=False) if console is None else console
    if _has_bars(shown):
        with _bar(name, counted, shown) as advance:
            yield advance
    else:
        with Lines(name, partial(shown.print, soft_wrap=True), period=PERIOD) as lines:
            yield lines.advance


def _has_bars(console: Console) -> bool:
    if console.is_jupyter:
        return find_spec("ipywidgets") is not None
    # FORCE_COLOR makes rich take a file for a terminal. A Jupyter kernel sets it for the commands of a notebook, and
    # the notebook keeps every state of a bar.
    return console.is_terminal and console.file.isatty() and "JPY_PARENT_PID" not in os.environ


class Lines:
    """Tells at regular times what runs, for how long, and how far it is.

    Parameters
    ----------
    name : str
        What runs.
    tell : callable
        Takes each line.
    period : float
        Seconds between two lines.
    clock : callable
        Gives the time, s.
    wait : callable, optional
        Takes a number of seconds, waits as long, and gives True once the work has ended. Default: waits for the
        event that ``__exit__`` sets.
    """

    def __init__(
        self,
        name: str,
        tell: Callable[[str], object],
        *,
        period: float = PERIOD,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._name, self._tell, self._period, self._clock = name, tell, period, clock
        self._ended = threading.Event()
        self._wait = self._ended.wait if wait is None else wait
        self._state: tuple[int, int, object] | None = None
        self._start = clock()

    def __enter__(self) -> Lines:
        """Start to tell."""
        self._thread = threading.Thread(target=self.run, name="ldosml progress", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop to tell."""
        self._ended.set()
        self._thread.join()

    def advance(self, done: int, total: int, last: object = "", /) -> None:
        """Keep how far it is for the next line."""
        self._state = done, total, last

    def run(self) -> None:
        """Tell until the work has ended."""
        while not self._wait(self._period):
            self._tell(self._line())

    def _line(self) -> str:
        parts = [f"{duration(self._clock() - self._start)} so far"]
        if self._state is not None:
            done, total, last = self._state
            parts = [f"{done:,} of {total:,} done", *parts, *([f"last: {last}"] if last else [])]
        return f"{self._name}: {'; '.join(parts)}"


def duration(seconds: float) -> str:
    """A time in words.

    Examples
    --------
    >>> duration(0.0512), duration(95), duration(3725)
    ('0.0512 s', '95 s', '1 h 2 min')
    """
    if seconds < 100:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def _bar(name: str, counted: bool, console: Console) -> Iterator[Advance]:
    text = TextColumn("{task.description}", markup=False)
    time_only: list[ProgressColumn] = [SpinnerColumn(), text, TimeElapsedColumn()]
    whole: list[ProgressColumn] = [
        text,
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    ]
    bar = Progress(*(whole if counted else time_only), console=console, transient=True)
    task = bar.add_task(name, total=None)
    with bar:
        yield partial(_move, bar, task, name)


def _move(bar: Progress, task: TaskID, name: str, done: int, total: int, last: object = "", /) -> None:
    bar.update(task, completed=done, total=total, description=f"{name}: {last}" if last else name)
