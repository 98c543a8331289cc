"""Compute the silicon set, one record a structure; stop and start it at will.

    OMP_NUM_THREADS=1 nice python compute_silicon.py ../silicon/records
    OMP_NUM_THREADS=1 nice python compute_silicon.py --large ../silicon-large/records
    OMP_NUM_THREADS=1 nice python compute_silicon.py --validation ../silicon-validation/records

The second command computes the large amorphous cells, the third other cells, phases and defects; both only test what
was learned from the silicon set. Needs pw.x and projwfc.x (apt-get install quantum-espresso quantum-espresso-data
libopenblas0-serial; Debian installs the slower reference BLAS otherwise). A structure whose record exists is not
computed again; one that failed is named in failures.log, and skipped until its line is removed.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

from espresso import Settings, compute_bands
from run_plan import Batch, run
from silicon_structures import Trajectory, large_plan, plan, snapshots
from silicon_validation_structures import Base, structure
from silicon_validation_structures import plan as validation_plan

SETTINGS = Settings()
# 2 x 2 x 2 shifted points in cells of 48 to 64 atoms, twice as many along each edge cost eight times as much; the label
# noise tells what that would change.
LARGE_SETTINGS = replace(SETTINGS, dos_k_density=3.0)


def _batch(trajectory: Trajectory) -> Batch:
    names = [f"{trajectory.name}-{index}" for index in range(trajectory.snapshots)]
    return names, partial(snapshots, trajectory)


def _single(base: Base) -> Batch:
    return [base.name], lambda: [structure(base)]


def batches(large: bool = False, validation: bool = False) -> list[Batch]:
    """What is computed; the silicon set where neither is asked for."""
    if validation:
        return [_single(base) for base in validation_plan()]
    return [_batch(trajectory) for trajectory in (large_plan() if large else plan())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path)
    parser.add_argument("--workers", type=int, default=2, help="structures computed side by side, one core each")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--large", action="store_true", help="the amorphous cells of 48 to 64 atoms")
    which.add_argument("--validation", action="store_true", help="other cells, phases and defects")
    arguments = parser.parse_args()
    code = partial(compute_bands, settings=LARGE_SETTINGS if arguments.large else SETTINGS)
    run(batches(arguments.large, arguments.validation), arguments.records, code, arguments.workers)


if __name__ == "__main__":
    main()
