"""Energies of the valence orbitals of free atoms, which the neural model begins with.

    /usr/bin/python3 atomic_levels.py ../../ldosml/neural/atomic_levels.json

They are read from GPAW's PAW setups (apt-get install gpaw gpaw-data), which hold the PBE eigenvalues (eV) of the
spherical, spin-paired atoms that they were made for. Of each l = 0, 1, 2 the outermost bound shell is taken; null where
the setup has none, or where it lies so low that it is no valence shell.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ase.data import chemical_symbols
from ase.units import Ha

LOWEST = -40.0  # eV; deeper shells are core


def levels(symbol: str) -> list[list[float | None]] | None:
    """Energy (eV), and whether it is occupied, for s, p and d, or None where there is no setup."""
    from gpaw.setup_data import SetupData

    try:
        setup = SetupData(symbol, "PBE")
    except FileNotFoundError:
        return None
    found: list[list[float | None]] = []
    for wanted in range(3):
        states = [
            (n, eps * Ha, f > 0)
            for n, momentum, f, eps in zip(setup.n_j, setup.l_j, setup.f_j, setup.eps_j, strict=True)
            if momentum == wanted and n > 0 and eps < 0
        ]
        _, energy, occupied = max(states, default=(0, 0.0, False))
        valence = bool(states) and energy > LOWEST
        found.append([round(energy, 3), float(occupied)] if valence else [None, None])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    table = {symbol: found for symbol in chemical_symbols[1:] if (found := levels(symbol)) is not None}
    lines = ",\n".join(f'    "{symbol}": {json.dumps(found)}' for symbol, found in table.items())
    arguments.output.write_text(
        '{\n  "origin": "GPAW 22.8 PAW setups, PBE, spherical spin-paired atoms; by data/scripts/atomic_levels.py",\n'
        '  "columns": "for s, p and d: eigenvalue (eV), whether it is occupied",\n'
        f'  "levels": {{\n{lines}\n  }}\n}}\n'
    )
    print(len(table), "elements")


if __name__ == "__main__":
    main()
