"""SIESTA: eigenvalues of SystemLabel.EIG with the weights of .KP, divided among atoms as .PDOS.xml or .PDOS says.

Main file: SystemLabel.EIG, or without it SystemLabel.PDOS.xml or SystemLabel.PDOS. The structure is in SystemLabel.XV
or SystemLabel.STRUCT_OUT.

The PDOS of a run without spins counts one spin: SIESTA divides by the sum of the k-points' weights and multiplies by
nothing else (pdosk.F of versions 4 and 5). Its Gaussian is exp(-(E / width)^2).
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.units import Bohr, Hartree, Rydberg, kB

from ldosml.file_sizes import open_start
from ldosml.readers._folder import beside
from ldosml.readers._text import first_match, numbers, parse_xml, read_lines, required
from ldosml.readers.run import Floats, PrintedDOS, ProjectedBands, ReaderError, Run

_FIRST_BYTES = 200
_SUFFIXES = (".EIG", ".PDOS.xml", ".PDOS")
_UNITS = {"ev": 1.0, "mev": 1e-3, "ry": Rydberg, "ha": Hartree, "hartree": Hartree}
# A line of the block: [EF] from, to, width, number of energies, unit.
_BLOCK = re.compile(
    r"%block\s+(?:ProjectedDensityOfStates|Projected-Density-Of-States)\s*\n\s*(?:EF\s+)?\S+\s+\S+\s+(\S+)\s+\d+\s+(\w+)",
    re.IGNORECASE,
)


def is_main(path: Path) -> bool:
    """Whether a file is the one by which a run is known: a PDOS counts only where there is no .EIG beside it."""
    if path.name.endswith(".EIG"):
        return True
    label = _label(path)
    if beside(path, f"{label}.EIG") or (path.name.endswith(".PDOS") and beside(path, f"{label}.PDOS.xml")):
        return False
    with open_start(path) as file:
        return b"<pdos" in file.read(_FIRST_BYTES)


def _label(path: Path) -> str:
    return next((path.name.removesuffix(end) for end in _SUFFIXES if path.name.endswith(end)), path.stem)


def read_siesta(path: Path) -> Run:
    """Read the files of a SystemLabel.

    Parameters
    ----------
    path : Path
        Its .EIG, .PDOS.xml or .PDOS.

    Returns
    -------
    Run

    Raises
    ------
    ReaderError
        When a file is cut off or missing.
    """
    label, remarks = _label(path), []
    structure = _structure(path, label)
    xml, eig = beside(path, f"{label}.PDOS.xml", f"{label}.PDOS"), beside(path, f"{label}.EIG")
    printed, fermi = (None, float("nan")) if xml is None else _pdos(xml, len(structure))
    bands = None
    if eig is not None:
        bands, fermi, remark = _bands(eig, label)
        remarks += [remark] if remark else []
    if xml is None:
        remarks.append(f"without LDOS: there is no {label}.PDOS.xml or {label}.PDOS")
    n_electrons, settings, version = _listing(path, label)
    if printed is not None:
        printed = replace(printed, smearing_width=_width(path))
    return Run(
        path, f"SIESTA {version}".strip(), structure, n_electrons, fermi, bands, printed, settings, tuple(remarks)
    )


def _structure(path: Path, label: str) -> Atoms:
    found = beside(path, f"{label}.XV", f"{label}.STRUCT_OUT")
    if found is None:
        raise ReaderError(f"{path} holds no structure, and beside it there is no {label}.XV or {label}.STRUCT_OUT.")
    lines = [line for line in read_lines(found) if line.strip()]
    cell = np.array([numbers(found, line, "a cell")[:3] for line in lines[:3]])
    table = np.array([numbers(found, line, "positions") for line in lines[4:]])
    if len(lines) < 4 or len(table) != int(lines[3]) or not len(table):
        raise ReaderError(f"{found} is cut off: it does not hold as many atoms as it says.")
    species = table[:, 1].astype(int) % 200  # SIESTA adds 200 to synthetic atoms
    if found.name.endswith(".XV"):
        return Atoms(species, positions=table[:, 2:5] * Bohr, cell=cell * Bohr, pbc=True)
    return Atoms(species, scaled_positions=table[:, 2:5], cell=cell, pbc=True)


def _bands(path: Path, label: str) -> tuple[ProjectedBands, float, str | None]:
    words = numbers(path, " ".join(read_lines(path)), "eigenvalues")
    if words.size < 4:
        raise ReaderError(f"{path} holds no eigenvalues. Did the run end?")
    fermi, n_bands, components, n_kpoints = words[0], *words[1:4].astype(int)
    # Four components are of spinors, whose bands are listed once.
    n_spins = 2 if components == 2 else 1
    per_point = 1 + n_bands * n_spins
    if words.size != 4 + n_kpoints * per_point:
        raise ReaderError(
            f"{path} is cut off: it holds {words.size - 4} numbers for {n_kpoints} k-points of {per_point}."
        )
    table = words[4:].reshape(n_kpoints, per_point)[:, 1:].reshape(n_kpoints, n_spins, n_bands).transpose(1, 0, 2)
    points, remark = beside(path, f"{label}.KP"), None
    if points is None:
        if n_kpoints > 1:
            remark = f"there is no {label}.KP with the weights of its k-points, which count alike"
        weights = np.ones(n_kpoints)
    else:
        rows = [numbers(points, line, "k-points") for line in read_lines(points)[1:] if line.strip()]
        if len(rows) != n_kpoints:
            raise ReaderError(f"{points} holds {len(rows)} k-points, but {path.name} {n_kpoints}.")
        weights = np.array([row[4] for row in rows])
    return ProjectedBands(table, weights, spinor=components >= 4), float(fermi), remark


def _pdos(path: Path, n_atoms: int) -> tuple[PrintedDOS, float]:
    root = parse_xml(path)
    components = int(required(path, root.findtext("nspin"), "number of spins (nspin)"))
    energies = numbers(path, required(path, root.findtext("energy_values"), "energies"), "energies")
    n_spins = 2 if components == 2 else 1
    pdos: Floats = np.zeros((n_atoms, n_spins, energies.size))
    for orbital in root.iter("orbital"):
        atom = int(orbital.get("atom_index", "0")) - 1
        values = numbers(path, orbital.findtext("data", ""), "densities")
        # Rows of an energy hold its spins; of spinors, up and down come first.
        table = values.reshape(-1, components) if values.size == components * energies.size else None
        if table is None or not 0 <= atom < n_atoms:
            raise ReaderError(f"{path} holds {values.size} densities of atom {atom + 1}; expected {energies.size}.")
        columns = table[:, :2] if components >= 2 else table
        pdos[atom] += columns.T if n_spins == 2 else columns.sum(axis=1)
    if components == 1:
        pdos *= 2
    fermi = root.findtext("fermi_energy")
    return PrintedDOS(energies, None, None, pdos), float("nan") if fermi is None else float(fermi)


def _width(path: Path) -> float | None:
    """Standard deviation of the PDOS's Gaussian, eV, by the input or the listing that repeats it."""
    for file in sorted(path.parent.glob("*")):
        if file.suffix.lower() in (".fdf", ".out", ".log", "") and file.is_file():
            block = _BLOCK.search("\n".join(read_lines(file)))
            unit = None if block is None else _UNITS.get(block[2].lower())
            if block is not None and unit is not None:
                return float(numbers(file, block[1], "a width")[0]) * unit / math.sqrt(2)
    return None


def _listing(path: Path, label: str) -> tuple[float, dict[str, object], str]:
    """Electrons, settings and version, from the listing in the same folder that belongs to the label."""
    for file in sorted(path.parent.glob("*")):
        if file.suffix.lower() not in (".out", ".log", "") or not file.is_file():
            continue
        text = "\n".join(read_lines(file))
        if "siesta" not in text[:20000].lower() or (label not in text and "Total number of electrons" not in text):
            continue
        electrons = re.search(r"Total number of electrons:\s*([\d.]+)", text)
        if electrons is None:
            continue
        version = re.search(r"(?:Siesta Version\s*:\s*(?:siesta-)?|^Version\s*:\s*)(\S+)", text, flags=re.MULTILINE)
        return float(electrons[1]), _settings(text), "" if version is None else version[1]
    return float("nan"), {}, ""


def _settings(text: str) -> dict[str, object]:
    """Functional, mesh cutoff, k-mesh of the self-consistent run and electronic temperature, as the listing prints."""
    cutoff = first_match(r"redata: Mesh Cutoff\s*=\s*([\d.]+)\s*Ry", text)
    warmth = re.search(r"redata: Electronic Temperature\s*=\s*([\d.]+)\s*(K|Ry)", text)
    kelvin = None if warmth is None else float(warmth[1]) * (1.0 if warmth[2] == "K" else Rydberg / kB)
    # The first mesh is that of the density; the PDOS may have its own.
    mesh = first_match(r"((?:^siesta: k-grid:(?:\s+-?\d+){3}\s+-?\d+\.\d+[ \t]*(?:\n|\Z)){3})", text)
    return {
        "functional": first_match(r"xc_check: ((?:GGA|LDA|VDW|Ceperley|Perdew).*)", text),
        "mesh cutoff (eV)": None if cutoff is None else round(float(cutoff) * Rydberg, 3),
        "k-mesh": None if mesh is None else _mesh(mesh),
        "electronic temperature (K)": None if kelvin is None else float(f"{kelvin:.3g}"),
    }


def _mesh(block: str) -> str:
    """The diagonal of a supercell of k-points, or all of it where it has other entries."""
    rows = [[int(word) for word in line.split()[2:5]] for line in block.splitlines()]
    diagonal = [rows[n][n] for n in range(3)]
    whole = [row for n, row in enumerate(rows) if any(x for m, x in enumerate(row) if m != n)]
    return str(rows) if whole else " x ".join(map(str, diagonal))
