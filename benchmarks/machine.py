"""What all scripts share: their options, their tables and result files, the machine, times and memory.

A script is a module with a docstring that says what it measures and gives its command, and a function ``main``::

    def main(arguments=None):
        parser = machine.parser(__doc__)
        given = parser.parse_args(arguments)
        results = machine.Results(__file__, given)
        results.add("fits", {"method": "ridge", "seconds": 0.2})

``Results`` prints Markdown tables and writes them, with the machine, versions and date, to a JSON file.
"""

import argparse
import datetime
import os
import platform
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy
import scipy
import sklearn
from threadpoolctl import threadpool_info

import ldosml
from ldosml.tables import save_json

RESULTS = Path(__file__).resolve().parent / "results"
T = TypeVar("T")


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that do the work."""
    packages = {module.__name__: module.__version__ for module in (ldosml, numpy, scipy, sklearn)}
    return {"python": platform.python_version(), **packages}


@cache
def hardware() -> str:
    """Processor, number of cores, and threads of the linear algebra."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    blas = ", ".join(sorted({f"{i['internal_api']} {i['version']} x{i['num_threads']}" for i in threadpool_info()}))
    return f"{model}, {os.cpu_count()} cores; {blas}"


def describe() -> str:
    """One line: the hardware and the versions."""
    return f"{hardware()}; {', '.join(f'{name} {version}' for name, version in versions().items())}"


def parser(description: str | None) -> argparse.ArgumentParser:
    """Make a parser with the options of every script."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--quick", action="store_true", help="a run of seconds that checks that the script works")
    made.add_argument("--folder", type=Path, default=RESULTS, help="folder for the results; default: %(default)s")
    return made


class Results:
    """Tables that a script prints as Markdown and writes to ``FOLDER/SCRIPT.json``, after every row.

    Parameters
    ----------
    script : str
        The script's ``__file__``.
    given : argparse.Namespace
        Its options; ``folder`` says where the file goes.
    """

    def __init__(self, script: str, given: argparse.Namespace) -> None:
        self.tables: dict[str, list[dict[str, Any]]] = {}
        self._start = time.perf_counter()
        self._path = given.folder / f"{Path(script).stem}.json"
        self._about = {
            "script": Path(script).stem,
            "options": {name: _plain(value) for name, value in vars(given).items() if name != "folder"},
            "hardware": hardware(),
            "versions": versions(),
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        print(describe())

    def add(self, table: str, row: Mapping[str, Any]) -> None:
        """Print one row of a table, after its header where it is the first, and write the file again."""
        rows = self.tables.setdefault(table, [])
        rows.append(dict(row))
        if len(rows) == 1:
            print(f"\n{table}\n\n| {' | '.join(row)} |\n|{' --- |' * len(row)}")
        print(f"| {' | '.join(_cell(value) for value in row.values())} |", flush=True)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        seconds = round(time.perf_counter() - self._start, 1)
        save_json(self._path, {**self._about, "seconds": seconds, "tables": self.tables}, overwrite=True)


def _plain(value: Any) -> Any:
    return value.name if isinstance(value, Path) else value  # where it lies concerns this machine alone


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float | numpy.floating) else str(value)


def seconds(function: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Time one call, s."""
    return timed(function, clock)[0]


def timed(function: Callable[[], T], clock: Callable[[], float] = time.perf_counter) -> tuple[float, T]:
    """Time one call, s, and give its result."""
    start = clock()
    result = function()
    return clock() - start, result


def alone(function: Callable[..., T], *arguments: Any) -> tuple[T, int]:
    """Call a function of a module in a process of its own: its result, and the peak memory of the process, bytes."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_with_peak, function, arguments).result()


def _with_peak(function: Callable[..., T], arguments: tuple[Any, ...]) -> tuple[T, int]:
    return function(*arguments), memory("VmHWM")


def memory(entry: str) -> int:
    """Resident memory of this process, bytes: now (VmRSS) or at most (VmHWM). Linux only.

    ``resource.getrusage`` would count what the parent held before this process started.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(entry))


def forget_peak() -> None:
    """Let the peak of memory start again from the present value. Linux only."""
    Path("/proc/self/clear_refs").write_text("5")
