"""Errors from the settings of the silicon set: LDOS and DOS against a tightly converged run on the same meshes.

    OMP_NUM_THREADS=1 python compare_settings.py

Prints, for one structure of each of two kinds, the root mean square differences of LDOS and DOS (0.3 eV) below
energy_max as fractions of their standard deviations, and the times.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from ase import Atoms
from espresso import Bands, Settings, compute_bands
from records import spectra
from silicon_structures import plan, snapshots

WIDTH = 0.3
VARIANTS = {
    "tight": Settings(conv_thr=1e-8, diago_thr_init=1e-8, diago_david_ndim=2),
    "as used": Settings(),
    "david_ndim 2": Settings(diago_david_ndim=2),
}


def _run(atoms: Atoms, settings: Settings) -> tuple[Bands, float]:
    start = time.time()
    with tempfile.TemporaryDirectory() as scratch:
        return compute_bands(atoms, Path(scratch), settings), time.time() - start


def main() -> None:
    for kind in ("diamond-8", "liquid-16"):
        atoms = snapshots(next(trajectory for trajectory in plan() if trajectory.kind == kind))[0]
        results = {name: _run(atoms, settings) for name, settings in VARIANTS.items()}
        top = min(bands.eigenvalues[:, -1].min() for bands, _ in results.values()) - 3 * WIDTH
        tight = spectra(results["tight"][0], divide=True).broaden_to(WIDTH).cut(high=top).values
        for name, (bands, seconds) in results.items():
            difference = spectra(bands, divide=True).broaden_to(WIDTH).cut(high=top).values - tight
            ldos = np.sqrt((difference**2).mean()) / tight.std()
            dos = np.sqrt((difference.sum(axis=0) ** 2).mean()) / tight.sum(axis=0).std()
            print(f"{kind:10} {name:13} {seconds:6.1f} s  LDOS {100 * ldos:.2f} %  DOS {100 * dos:.2f} %", flush=True)


if __name__ == "__main__":
    main()
