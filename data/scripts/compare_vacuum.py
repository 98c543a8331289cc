"""Errors from too little vacuum around molecules, chains and sheets of the silicon-carbon set.

    OMP_NUM_THREADS=1 nice python compare_vacuum.py

Computes three structures with the vacuum of the set and with 1.5 times as much. Prints the root mean square changes of
LDOS and DOS at 0.3 eV as fractions of their standard deviations: from E_F - 24 eV to E_F, and to E_F + 3 eV (less where
the bands of one run end below). The zero of each spectrum is its own Fermi level.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from ase import Atoms
from records import read_record, spectra
from sets import SETS
from silicon_carbide_structures import VACUUM

from ldosml.energy import EnergyGrid

NAMES = ("SiC-ball-5-0", "C-chain-2-0", "Si-silicene-2-0")
MORE = 1.5
WIDTH, LOW = 0.3, -24.0  # eV
HIGHS = (0.0, 3.0)  # eV from the Fermi level


def with_more_vacuum(atoms: Atoms) -> Atoms:
    wider = atoms.copy()
    wider.center(vacuum=MORE * VACUUM, axis=[axis for axis in range(3) if not atoms.pbc[axis]])
    return wider


def main() -> None:
    one = SETS["silicon-carbide"]
    for name in NAMES:
        atoms = read_record(one.records / f"{name}.npz")[0]
        found, tops = [], []
        for version in (atoms, with_more_vacuum(atoms)):
            with tempfile.TemporaryDirectory() as scratch:
                bands = one.code(1.0)(version, Path(scratch))
            tops.append(bands.eigenvalues[:, -1].min() - bands.fermi_energy - 3 * WIDTH)
            ldos = spectra(bands, divide=True, energies=one.energies).broaden_to(WIDTH)
            grid = EnergyGrid.from_range(LOW, max(HIGHS), 0.05, "fermi")
            found.append(ldos.refer_to(np.array([bands.fermi_energy]), grid).values)
        for high in HIGHS:
            end = min(high, *tops)
            few, more = (rows[:, : np.searchsorted(grid.energies, end + 1e-9)] for rows in found)
            ldos, dos = (
                np.sqrt(np.mean((b - a) ** 2)) / a.std()
                for a, b in ((few, more), (few.mean(axis=0), more.mean(axis=0)))
            )
            print(f"{name}, to E_F + {end:.2f} eV: LDOS {ldos:.4f}, DOS {dos:.4f}", flush=True)


if __name__ == "__main__":
    main()
