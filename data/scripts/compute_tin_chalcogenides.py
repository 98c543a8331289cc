"""Compute the Sn-S-Se set, one record per structure; the run may be stopped and started again.

    OMP_NUM_THREADS=1 nice python compute_tin_chalcogenides.py ../tin-chalcogenides/records

Needs GPAW under /usr/bin/python3 (see gpaw_bands.py). Structures that have a record are skipped. A structure that fails
is written to failures.log and skipped until its line is removed.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from gpaw_bands import GPAWSettings, compute_bands
from run_plan import run
from tin_chalcogenide_structures import COPIES, copies, plan

ENERGIES = np.round(np.arange(-20.0, 18.0, 0.05), 2)  # eV, the code's own zero


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path)
    parser.add_argument("--workers", type=int, default=2, help="structures computed side by side, one core each")
    arguments = parser.parse_args()
    # The first copy of every decoration first: a stopped run then contains every decoration.
    batches = ((base.names()[copy : copy + 1], partial(copies, base)) for copy in range(COPIES) for base in plan())
    run(batches, arguments.records, partial(compute_bands, settings=GPAWSettings()), arguments.workers, ENERGIES)


if __name__ == "__main__":
    main()
