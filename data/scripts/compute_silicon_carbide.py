"""Compute the silicon-carbon set, one record a structure; stop and start it at will.

    OMP_NUM_THREADS=1 nice python compute_silicon_carbide.py ../silicon-carbide/records

Needs what compute_silicon.py needs. Energies of the records run from -34 to 28 eV against the code's zero: with vacuum
in the cell that zero lies far above the bands.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from espresso import Settings, compute_bands
from run_plan import run
from silicon_carbide_structures import copies, plan

SETTINGS = Settings(
    pseudopotentials=(("C", "C.pbe-rrkjus.UPF"), ("Si", "Si.pbe-rrkj.UPF")),
    valence=(("C", 4), ("Si", 4)),
    ecutwfc=25.0,
    ecutrho=200.0,
    scf_k_density=1.8,
    dos_k_density=3.0,
    dos_mesh_even=False,
)
ENERGIES = np.round(np.arange(-34.0, 28.0, 0.05), 2)  # eV, the code's own zero


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path)
    parser.add_argument("--workers", type=int, default=2, help="structures computed side by side, one core each")
    arguments = parser.parse_args()
    # Two copies of every base first, a small and a large displacement: a run that is stopped has all structures in it.
    batches = ((base.names()[start::2], partial(copies, base)) for start in (0, 1) for base in plan())
    run(batches, arguments.records, partial(compute_bands, settings=SETTINGS), arguments.workers, ENERGIES)


if __name__ == "__main__":
    main()
