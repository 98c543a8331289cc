"""Kills commands at random times, and runs two at once: nothing may be lost, torn or left.

    python benchmarks/interruptions.py [--kills 5] [--pairs 5]

Each command first
runs undisturbed. Then it is killed by SIGKILL, with its processes left to themselves, at a random time of such a run,
and the same command runs again to its end: it must exit with 0, what it writes must be that of the undisturbed run
(byte for byte, but for times in logs and in summaries), and no temporary and no lock may stay. Pairs start at the same
time with the same output: at least one must exit with 0, none with a traceback or a signal, and the output must be as
before.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
from ase.build import bulk
from ase.io import write

from ldosml import SOAP, DOSModel, EnergyGrid, LDOSDataset, LDOSKernelRidge

_TIMES = re.compile(rb'"?seconds"?: *(\{[^}]*\}|[\d.e-]+)|\d+(\.\d+)? (s|min|h)\b')

COMMANDS = {
    "import": "import structures.xyz spectra.npz -o OUT/set.h5",
    "fit": "fit set.h5 -o OUT/model.ldosml",
    "fit --stream": "fit set.h5 --inducing 40 --stream OUT/stream -o OUT/model.ldosml",
    "predict --stream": "predict model.ldosml large.xyz --stream --jobs 2 -o OUT/large.h5",
    "sweep": "sweep set.h5 --r-cut 2.5,3,3.5 -o OUT/sweep",
    "search": "search set.h5 -o OUT/candidates.csv",
    "report": "report model.ldosml set.h5 -o OUT/report",
}


def prepare(folder: Path) -> None:
    """Write what the commands read: an invented set, a model, and a large structure."""
    grid, structures = EnergyGrid.from_range(-5, 5, 0.1, zero="fermi"), []
    for seed in range(12):
        structures.append(bulk("Si", cubic=True))
        structures[-1].rattle(0.1, seed=seed)
    centres = np.random.default_rng(0).normal(0, 0.5, 96)
    values = np.exp(-((grid.energies - centres[:, None]) ** 2))
    data = LDOSDataset.from_arrays(structures, grid.energies, ldos=values, smearing_width=0.3)
    data.save(folder / "set.h5")
    regressor = LDOSKernelRidge(1e-2, kernel="polynomial", gamma=1.0)
    DOSModel(SOAP(r_cut=3.0, n_max=3, l_max=2), regressor).fit(data).save(folder / "model.ldosml")
    write(folder / "structures.xyz", structures)
    write(folder / "large.xyz", bulk("Si", cubic=True) * (14, 14, 14))
    np.savez(folder / "spectra.npz", energies=grid.energies, ldos=values, smearing_width=0.3)


def start(command: str, folder: Path, out: Path) -> subprocess.Popen[bytes]:
    """Start a command; its messages go to a file beside its output."""
    words = [word.replace("OUT", str(out)) for word in command.split()]
    with (folder / f"{time.monotonic_ns()}.err").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "ldosml.cli", *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=errors
        )
    process.told = Path(errors.name)  # type: ignore[attr-defined]
    return process


def content(out: Path) -> dict[str, str]:
    """What a command wrote, by file: the checksum of each without times; names of leftovers stand for themselves."""
    found = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        text = path.read_bytes().replace(str(out).encode(), b"OUT")
        if path.suffix in (".jsonl", ".json", ".csv", ".html"):
            text = _TIMES.sub(b"", text)
        if path.name == "candidates.csv":  # the last column is the time that a candidate took
            text = b"\n".join(line.rpartition(b",")[0] for line in text.splitlines())
        found[str(path.relative_to(out))] = hashlib.sha256(text).hexdigest()
    return found


def differing(found: dict[str, str], expected: dict[str, str]) -> list[str]:
    """Files that are missing, left over, or other than expected."""
    return sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))


def fault(process: subprocess.Popen[bytes]) -> list[str]:
    """What is wrong with the end of a process: a signal, or a traceback."""
    told = process.told.read_text(errors="replace")  # type: ignore[attr-defined]
    return (
        [f"exit {process.returncode}: {told[-300:]}"] if process.returncode not in (0, 1) or "Traceback" in told else []
    )


def killed(command: str, folder: Path, seconds: float, expected: dict[str, str], at: float) -> Iterator[str]:
    """Kill a command after ``at`` of its time and run it again; gives what is wrong afterwards."""
    out = Path(tempfile.mkdtemp(dir=folder))
    first = start(command, folder, out)
    time.sleep(at * seconds)
    children = psutil.Process(first.pid).children(recursive=True) if first.poll() is None else []
    first.send_signal(signal.SIGKILL)
    first.wait()
    _, alive = psutil.wait_procs(children, timeout=5)
    yield from (f"outlived: {one}" for one in alive if one.is_running() and one.status() != psutil.STATUS_ZOMBIE)
    again = start(f"{command} --overwrite" if _complete(command, out) else command, folder, out)
    again.wait()
    yield from fault(again)
    if again.returncode:
        yield f"exit {again.returncode} when run again: {again.told.read_text()[-300:]}"  # type: ignore[attr-defined]
    yield from differing(content(out), expected)
    shutil.rmtree(out)


def _complete(command: str, out: Path) -> bool:
    """Whether the file that a command refuses to replace is there: it was killed after its last write."""
    final = Path(command.split()[-1].replace("OUT", str(out)))
    return final.is_file() or (final / "report.html").is_file()


def paired(command: str, folder: Path, expected: dict[str, str]) -> Iterator[str]:
    """Run a command twice at once with one output; gives what is wrong afterwards."""
    out = Path(tempfile.mkdtemp(dir=folder))
    both = [start(command, folder, out) for _ in range(2)]
    for process in both:
        process.wait()
        yield from fault(process)
    if all(process.returncode for process in both):
        yield "both failed: " + both[0].told.read_text()[-300:]  # type: ignore[attr-defined]
    yield from differing(content(out), expected)
    shutil.rmtree(out)


def main() -> int:
    """Run all, print counts as JSON, and give 1 where anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--commands", default=",".join(COMMANDS))
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    faults: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        for title in options.commands.split(","):
            command = COMMANDS[title]
            out = Path(tempfile.mkdtemp(dir=folder))
            begun = time.perf_counter()
            reference = start(command, folder, out)
            if reference.wait():
                raise SystemExit(reference.told.read_text())  # type: ignore[attr-defined]
            seconds, expected = time.perf_counter() - begun, content(out)
            generator, wrong = random.Random(0), Counter[str]()
            for _ in range(options.kills):
                wrong.update(killed(command, folder, seconds, expected, generator.random()))
            for _ in range(options.pairs):
                wrong.update(paired(command, folder, expected))
            told = {"command": title, "seconds": round(seconds, 1), "kills": options.kills, "pairs": options.pairs}
            print(json.dumps(told | {"files": len(expected), "wrong": wrong}), flush=True)
            faults += wrong
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
