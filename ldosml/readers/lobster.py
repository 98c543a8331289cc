"""LOBSTER's DOSCAR.lobster: an LDOS by projection on local orbitals, against the Fermi level.

Main file: DOSCAR.lobster, or DOSCAR.LSO.lobster of orthonormalised orbitals.
"""

from __future__ import annotations

import re
from pathlib import Path

from ldosml.readers._folder import beside, structure_beside
from ldosml.readers._text import read_lines
from ldosml.readers.doscar import read_doscar
from ldosml.readers.run import PrintedDOS, ReaderError, Run


def read_lobster(path: Path) -> Run:
    """Read a DOSCAR.lobster, with the structure of the VASP run in the same folder.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Run

    Raises
    ------
    ReaderError
        When the file is cut off, holds no DOS of atoms, or there is no structure beside it.
    """
    found = read_doscar(path)
    structure = structure_beside(path, "CONTCAR", "POSCAR")
    if found.atoms is None:
        raise ReaderError(f"{path} holds no DOS of atoms.")
    if len(found.atoms) != len(structure):
        raise ReaderError(f"{path} holds the DOS of {len(found.atoms)} atoms, but the structure has {len(structure)}.")
    remarks, n_electrons = [], float("nan")
    listing = beside(path, "lobsterout")
    version = ""
    if listing is not None:
        text = "\n".join(read_lines(listing))
        stated = re.search(r"LOBSTER\s+v?([\d.]+)", text)
        version = stated.group(1) if stated else ""
        spilling = re.search(r"abs\. charge spilling:\s*([\d.]+)\s*%", text)
        if spilling:
            remarks.append(f"LOBSTER's absolute charge spilling is {spilling.group(1)} %")
    printed = PrintedDOS(found.energies, found.total, found.integrated, found.atoms)
    # Energies are against the Fermi level; the header has that level in VASP's zero.
    settings = {"Fermi level in VASP's zero (eV)": found.fermi_energy}
    return Run(path, f"LOBSTER {version}".strip(), structure, n_electrons, 0.0, None, printed, settings, tuple(remarks))
