"""Runs of all sets: several structures at a time, one record for each, failures in a log.

Structures that have a record are skipped. A structure that fails is written to failures.log beside the records and
skipped until its line is removed. A run may be stopped at any time and started again.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from ase import Atoms
from espresso import Bands
from records import ENERGIES, write_record

# Names of some structures, and a function that makes them, called when a record is missing.
Batch = tuple[list[str], Callable[[], list[Atoms]]]
# Computes the bands of a structure in an empty, temporary folder; raises RuntimeError, OSError or ValueError.
Code = Callable[[Atoms, Path], Bands]


def _failed(folder: Path) -> set[str]:
    log = folder / "failures.log"
    return {line.split("\t")[0] for line in log.read_text().splitlines()} if log.exists() else set()


def compute(atoms: Atoms, folder: Path, code: Code, energies: np.ndarray = ENERGIES) -> None:
    """Compute one structure; write its record, or a line in failures.log."""
    name = atoms.info["name"]
    start = time.time()
    try:
        with tempfile.TemporaryDirectory(prefix="ldos-") as scratch:
            bands = code(atoms, Path(scratch))
    except (RuntimeError, OSError, ValueError) as error:
        with open(folder / "failures.log", "a") as log:
            log.write(f"{name}\t{' '.join(str(error).split())[:500]}\n")
        print(f"{name}: FAILED, see failures.log", flush=True)
        return
    seconds = time.time() - start
    extra = {"seconds": round(seconds, 1), "date": datetime.now(UTC).date().isoformat()}
    write_record(folder / f"{name}.npz", atoms, bands, extra, energies)
    print(f"{name}: {len(atoms)} atoms, {seconds:.0f} s, E_F {bands.fermi_energy:.2f} eV", flush=True)


def _missing(batch: Batch, folder: Path, failed: set[str]) -> list[Atoms]:
    names, make = batch
    todo = {name for name in names if name not in failed and not (folder / f"{name}.npz").exists()}
    return [atoms for atoms in make() if atoms.info["name"] in todo] if todo else []


def run(batches: Iterable[Batch], folder: Path, code: Code, workers: int, energies: np.ndarray = ENERGIES) -> None:
    """Compute the missing structures of every batch, ``workers`` at a time, one core each."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")  # Debian 12's OpenBLAS is wrong on some newer processors
    failed = _failed(folder)
    with ThreadPoolExecutor(workers) as pool:
        waiting = []
        for batch in batches:
            waiting += [
                pool.submit(compute, atoms, folder, code, energies) for atoms in _missing(batch, folder, failed)
            ]
            while len([job for job in waiting if not job.done()]) > 2 * workers:
                time.sleep(0.5)
        for job in waiting:
            job.result()
