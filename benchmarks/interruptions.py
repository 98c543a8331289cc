"""Kills commands at many times, and runs two at once: nothing may be lost, torn or left.

    python benchmarks/interruptions.py [--kills 20] [--pairs 20] [--commands "fit; sweep"]

Each command first runs undisturbed. Then it is killed by SIGKILL, with its processes left to themselves, at times
spread over such a run, and the same command runs again to its end: it must exit with 0, what it writes must be that of
the undisturbed run (byte for byte, but for times in logs and in summaries), and no temporary and no lock may stay.
Pairs have the same output; the second starts with the first, or up to one run later. At least one must exit with 0,
none with a traceback or a signal, and the output must be as before.

Every command runs in a process forked from one that has imported everything, so that a run takes fractions of a second
and kills fall into the work. Nothing of the command itself has run there.
"""

from __future__ import annotations

import atexit
import hashlib
import multiprocessing
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import machine
import numpy as np
import psutil
from ase.build import bulk
from ase.io import write

from ldosml import SOAP, DOSModel, EnergyGrid, LDOSDataset, LDOSKernelRidge
from ldosml.cli import main as ldosml_command
from ldosml.datasets import CrystalSet, load_crystals

_TIMES = re.compile(rb'"?seconds"?: *(\{[^}]*\}|[\d.e-]+)|, "crc32": "\w+"|\d+(\.\d+)? (s|min|h)\b')
_SOAP = "--descriptor soap --r-cut 3 --n-max 3 --l-max 2"
_STUDY = f"{_SOAP} --folds 2"

COMMANDS = {
    "import": "import structures.xyz spectra.npz -o OUT/set.h5",
    "fit": f"fit set.h5 {_SOAP} -o OUT/model.ldosml",
    "fit, tight binding": "fit set.h5 --descriptor tight-binding --report OUT/report -o OUT/model.ldosml",
    "fit --stream": f"fit set.h5 {_SOAP} --inducing 40 --stream OUT/stream -o OUT/model.ldosml",
    "predict": "predict model.ldosml structures.xyz -o OUT/dos.npz",
    "predict, HDF5": "predict model.ldosml structures.xyz -o OUT/dos.h5",
    "predict --stream": "predict model.ldosml large.xyz --stream -o OUT/large.h5",
    "predict --stream --jobs 2": "predict model.ldosml large.xyz --stream --jobs 2 -o OUT/large.h5",
    "properties": "properties model.ldosml structures.xyz --electrons Si=4 -o OUT/properties.csv",
    "sweep": f"sweep set.h5 --r-cut 2.5,3 --mode complete {_STUDY.replace('--r-cut 3 ', '')} -o OUT/sweep",
    "learning-curve": f"learning-curve set.h5 --learn ldos {_STUDY} -o OUT/curve",
    "compare": f"compare set.h5 --learn ldos --learn dos {_STUDY} -o OUT/comparison",
    "errors": f"errors set.h5 {_STUDY} -o OUT/errors",
    "smearing": f"smearing set.h5 --widths 0.3,0.4 {_STUDY} -o OUT/smearing",
    "transfer": f"transfer set.h5 other.h5 {_SOAP} -o OUT/transfer",
    "search": "search small.h5 -o OUT/candidates.csv",
    "report": "report model.ldosml set.h5 -o OUT/report",
    "demo": "demo -o OUT/demo",
    "bands": "bands crystal.cif --n-kpoints 10 --mesh 2 -o OUT/bands",
    "dos": "dos crystal.cif --mesh 2 -o OUT/dos",
    "train-bands": "train-bands crystals.npz --networks 1 --epochs 2 --checkpoint OUT/run -o OUT/model.safetensors",
    "train-occupancy": "train-occupancy crystals.npz --epochs 2 --checkpoint OUT/run -o OUT/model.safetensors",
}
MODULES = tuple(f"ldosml.{name}" for name in ("plotting", "studies", "report", "streaming", "neural", "kresolved"))


def prepare(folder: Path) -> None:
    """Write what the commands read: invented sets, a model, a large structure, and a few crystals."""
    for name, n_structures, seed in (("set", 12, 0), ("other", 6, 50), ("small", 4, 0)):
        data, structures = invented(n_structures, seed)
        data.save(folder / f"{name}.h5")
        if name == "set":
            write(folder / "structures.xyz", structures)
            np.savez(folder / "spectra.npz", energies=data.grid.energies, ldos=data.ldos.values, smearing_width=0.3)
            regressor = LDOSKernelRidge(1e-2, kernel="polynomial", gamma=1.0)
            DOSModel(SOAP(r_cut=3.0, n_max=3, l_max=2), regressor).fit(data).save(folder / "model.ldosml")
    write(folder / "large.xyz", bulk("Si", cubic=True) * (8, 8, 8))
    write(folder / "crystal.cif", bulk("Si", "diamond", 5.43))
    crystals = [crystal for crystal in load_crystals("crystals") if len(crystal.atoms) <= 2]
    CrystalSet(tuple(crystals[::12])).save(folder / "crystals.npz")


def invented(n_structures: int, seed: int) -> tuple[LDOSDataset, list]:
    """A set of rattled silicon whose spectra mean nothing."""
    grid, structures = EnergyGrid.from_range(-5, 5, 0.1, zero="fermi"), []
    for number in range(n_structures):
        structures.append(bulk("Si", cubic=True))
        structures[-1].rattle(0.1, seed=seed + number)
    centres = np.random.default_rng(seed).normal(0, 0.2, 8 * n_structures)
    values = 2 * np.exp(-((grid.energies - centres[:, None]) ** 2)) + 0.2
    n_electrons = values.reshape(n_structures, 8, -1)[..., grid.energies < 0].sum(axis=(1, 2)) * grid.step
    data = LDOSDataset.from_arrays(
        structures, grid.energies, ldos=values, smearing_width=0.3, n_electrons=n_electrons, fermi_energy=0.0
    )
    return data, structures


@dataclass
class Run:
    """A command that runs; its messages go to a file."""

    process: multiprocessing.Process
    told: Path

    def fault(self) -> list[str]:
        """What is wrong with its end: a signal, or a traceback."""
        text = self.text()
        wrong = self.process.exitcode not in (0, 1) or "Traceback" in text
        return [f"exit {self.process.exitcode}: {text[-300:]}"] if wrong else []

    def text(self) -> str:
        """What it told."""
        return self.told.read_text(errors="replace")

    def ends(self) -> int | None:
        """Wait for its end; gives the exit code."""
        self.process.join()
        return self.process.exitcode


def run_command(words: list[str], folder: Path, told: Path) -> None:
    """Run a command in this process."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT), 2)
    os.chdir(folder)
    code = ldosml_command(words)
    atexit._run_exitfuncs()  # as at the end of an interpreter: joblib ends its processes
    sys.exit(code)


class Machine:
    """Starts commands in one folder, by processes forked from one that has imported what they need."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["interruptions", *MODULES])

    def start(self, command: str, out: Path) -> Run:
        """Start a command that writes to the folder ``out``."""
        words = [word.replace("OUT", str(out)) for word in command.split()]
        told = self.folder / f"{time.monotonic_ns()}.err"
        run = Run(self._context.Process(target=run_command, args=(words, self.folder, told)), told)
        run.process.start()
        return run

    def out(self) -> Path:
        """A new empty folder."""
        return Path(tempfile.mkdtemp(dir=self.folder))


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
    return sorted(
        f"{name} {'missing' if name not in found else 'left' if name not in expected else 'differs'}"
        for name in {*found, *expected}
        if found.get(name) != expected.get(name)
    )


def killed(command: str, at: float, expected: dict[str, str], machine: Machine) -> Iterator[str]:
    """Kill a command after ``at`` seconds and run it again; gives what is wrong afterwards."""
    out = machine.out()
    first = machine.start(command, out)
    first.process.join(at)
    alive = first.process.is_alive()
    children = psutil.Process(first.process.pid).children(recursive=True) if alive else []
    first.process.kill()
    first.process.join()
    _, outlived = psutil.wait_procs(children, timeout=5)
    yield from (f"outlived: {one}" for one in outlived if one.is_running() and one.status() != psutil.STATUS_ZOMBIE)
    again = machine.start(f"{command} --overwrite" if _complete(command, out) else command, out)
    if again.ends() or again.fault():
        yield f"exit {again.process.exitcode} when run again: {again.text()[-300:]}"
    yield from differing(content(out), expected)
    shutil.rmtree(out)


def _complete(command: str, out: Path) -> bool:
    """Whether the file that a command refuses to replace is there: it was killed after its last write."""
    if command.startswith("demo"):
        return False  # replaces what is there
    final = Path(command.split()[-1].replace("OUT", str(out)))
    named = ["report.html", "bands.csv", "dos.csv"]
    return final.is_file() or any((final / name).is_file() for name in named)


def paired(command: str, later: float, expected: dict[str, str], machine: Machine) -> Iterator[str]:
    """Run a command twice with one output, the second ``later``, s; gives what is wrong afterwards."""
    out = machine.out()
    both = [machine.start(command, out)]
    both[0].process.join(later)
    both.append(machine.start(command, out))
    codes = [run.ends() for run in both]
    yield from (fault for run in both for fault in run.fault())
    if all(codes):
        yield "both failed: " + both[0].text()[-300:]
    yield from differing(content(out), expected)
    shutil.rmtree(out)


def main(arguments: list[str] | None = None) -> int:
    """Run all and write a table; gives 1 where anything was wrong."""
    parser = machine.parser(__doc__)
    parser.add_argument("--kills", type=int, default=20, help="kills of each command")
    parser.add_argument("--pairs", type=int, default=20, help="pairs of each command")
    parser.add_argument("--commands", default="", help="titles of commands, separated by semicolons; default: all")
    given = parser.parse_args(arguments)
    if given.quick:
        given.kills = given.pairs = 1
    titles = [title.strip() for title in given.commands.split(";") if title] or list(COMMANDS)
    titles = ["import", "fit"] if given.quick and not given.commands else titles
    os.environ["OMP_NUM_THREADS"] = "1"
    results, faults = machine.Results(__file__, given), 0
    folder = Path(tempfile.mkdtemp())
    try:
        prepare(folder)
        starter = Machine(folder)
        starter.start("--help", folder).ends()  # the imports
        for title in titles:
            command, out = COMMANDS[title], starter.out()
            begun = time.perf_counter()
            reference = starter.start(command, out)
            if reference.ends() or reference.fault():
                raise SystemExit(f"{title}: {reference.text()}")
            seconds, expected = time.perf_counter() - begun, content(out)
            generator, wrong = random.Random(0), Counter[str]()
            for number in range(given.kills):
                at = seconds * (number + generator.random()) / given.kills
                wrong.update(killed(command, at, expected, starter))
            for number in range(given.pairs):
                later = seconds * number / given.pairs if number % 2 else 0.0  # every second pair at the same time
                wrong.update(paired(command, later, expected, starter))
            counts = {"kills": given.kills, "pairs": given.pairs, "files": len(expected), "faults": wrong.total()}
            results.add("Commands killed, and two at once", {"command": title, "seconds": seconds, **counts})
            for fault, count in wrong.items():
                print(f"    {count} x {fault}", flush=True)
            faults += wrong.total()
    finally:
        shutil.rmtree(folder)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
