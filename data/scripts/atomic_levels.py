"""Energies, electrons and sizes of the valence shells of free atoms, the start of neural models of crystals.

    /usr/bin/python3 atomic_levels.py ../../ldosml/tightbinding/atomic_levels.json

The source are GPAW's PAW setups (apt-get install gpaw gpaw-data). They hold the PBE eigenvalues and orbitals of
spherical, spin-paired atoms. The table has the outermost bound shell for each l = 0, 1, 2; null where the setup has
none, or where the shell lies below -40 eV and is therefore core.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols
from ase.units import Bohr, Ha

LOWEST = -40.0  # eV; deeper shells are core


def shells(symbol: str) -> list[list[float] | None] | None:
    """Energy (eV), electrons and root mean square radius (angstrom) for s, p and d, or None where there is no setup."""
    from gpaw.setup_data import SetupData

    try:
        setup = SetupData(symbol, "PBE")
    except FileNotFoundError:
        return None
    found: list[list[float] | None] = []
    for wanted in range(3):
        bound = [
            (n, j)
            for j, (n, momentum, energy) in enumerate(zip(setup.n_j, setup.l_j, setup.eps_j, strict=True))
            if momentum == wanted and n > 0 and LOWEST / Ha < energy < 0
        ]
        if not bound:
            found.append(None)
            continue
        j = max(bound)[1]
        r = setup.rgd.r_g
        density = (setup.phi_jg[j] * r) ** 2 * setup.rgd.dr_g
        radius = np.sqrt((density * r**2).sum() / density.sum()) * Bohr
        found.append([round(setup.eps_j[j] * Ha, 3), float(setup.f_j[j]), round(float(radius), 3)])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    table = {symbol: found for symbol in chemical_symbols[1:] if (found := shells(symbol)) is not None}
    lines = ",\n".join(f'    "{symbol}": {json.dumps(found)}' for symbol, found in table.items())
    origin = "GPAW 22.8 PAW setups, PBE, spherical spin-paired atoms; by data/scripts/atomic_levels.py"
    columns = "for s, p and d: eigenvalue (eV), electrons, root mean square radius (angstrom)"
    arguments.output.write_text(
        f'{{\n  "origin": "{origin}",\n  "columns": "{columns}",\n  "shells": {{\n{lines}\n  }}\n}}\n'
    )
    print(len(table), "elements")


if __name__ == "__main__":
    main()
