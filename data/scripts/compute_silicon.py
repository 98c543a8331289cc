"""Compute the silicon set, one record a structure; stop and start it at will.

    OMP_NUM_THREADS=1 nice python compute_silicon.py ../silicon/records

Needs pw.x and projwfc.x (apt-get install quantum-espresso quantum-espresso-data libopenblas0-serial; Debian installs
the slower reference BLAS otherwise). A structure whose record exists is not computed again; one that failed is named in
failures.log, and skipped until its line is removed.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from ase import Atoms
from espresso import Settings, compute_bands
from records import write_record
from silicon_structures import Trajectory, plan, snapshots


def _failed(folder: Path) -> set[str]:
    log = folder / "failures.log"
    return {line.split("\t")[0] for line in log.read_text().splitlines()} if log.exists() else set()


def compute(atoms: Atoms, folder: Path, settings: Settings) -> None:
    """One structure: its record, or a line in failures.log."""
    name = atoms.info["name"]
    start = time.time()
    try:
        with tempfile.TemporaryDirectory(prefix="silicon-") as scratch:
            bands = compute_bands(atoms, settings, Path(scratch))
    except (RuntimeError, OSError, ValueError) as error:
        with open(folder / "failures.log", "a") as log:
            log.write(f"{name}\t{' '.join(str(error).split())[:500]}\n")
        print(f"{name}: FAILED, see failures.log", flush=True)
        return
    seconds = time.time() - start
    extra = {"seconds": round(seconds, 1), "date": datetime.now(UTC).date().isoformat()}
    write_record(folder / f"{name}.npz", atoms, bands, extra)
    print(f"{name}: {len(atoms)} atoms, {seconds:.0f} s, E_F {bands.fermi_energy:.2f} eV", flush=True)


def _missing(trajectory: Trajectory, folder: Path, failed: set[str]) -> list[Atoms]:
    names = [f"{trajectory.name}-{index}" for index in range(trajectory.snapshots)]
    todo = {name for name in names if name not in failed and not (folder / f"{name}.npz").exists()}
    return [atoms for atoms in snapshots(trajectory) if atoms.info["name"] in todo] if todo else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path)
    parser.add_argument("--workers", type=int, default=2, help="structures computed side by side, one core each")
    arguments = parser.parse_args()
    arguments.records.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")  # Debian 12's OpenBLAS is wrong on some newer processors
    failed = _failed(arguments.records)
    settings = Settings()
    with ThreadPoolExecutor(arguments.workers) as pool:
        waiting = []
        for trajectory in plan():
            waiting += [
                pool.submit(compute, atoms, arguments.records, settings)
                for atoms in _missing(trajectory, arguments.records, failed)
            ]
            while len([job for job in waiting if not job.done()]) > 2 * arguments.workers:
                time.sleep(0.5)
        for job in waiting:
            job.result()


if __name__ == "__main__":
    main()
