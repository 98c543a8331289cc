"""VASP's files of text: PROCAR for projected bands, EIGENVAL for bands alone, DOSCAR for a printed DOS.

Main file: PROCAR, else DOSCAR; the others are looked for beside it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase import Atoms

from ldosml.readers._folder import beside, structure_beside
from ldosml.readers._text import numbers, read_lines
from ldosml.readers.doscar import read_doscar
from ldosml.readers.run import Floats, PrintedDOS, ProjectedBands, ReaderError, Run
from ldosml.readers.vasp import functional, is_true, refuse_lines, smearing

_NUMBER = r"([-+.\dEe]+)"
_PROCAR_SIZES = re.compile(r"# of k-points:\s*(\d+)\s*# of bands:\s*(\d+)\s*# of ions:\s*(\d+)")
_PROCAR_POINT = re.compile(rf"^\s*k-point\s.*weight =\s*{_NUMBER}")
_PROCAR_BAND = re.compile(rf"^\s*band\s+\d+\s*# energy\s*{_NUMBER}\s*# occ\.\s*{_NUMBER}")


def read_procar(path: Path) -> Run:
    """Read a PROCAR, with POSCAR, and with EIGENVAL, DOSCAR or OUTCAR for electrons and the Fermi level.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Run

    Raises
    ------
    ReaderError
        When a file is cut off or missing, or the k-points lie along lines.
    """
    bands = _projected(path)
    eigenval = beside(path, "EIGENVAL")
    if eigenval is not None and len(_eigenvalues(eigenval, bands.spinor).eigenvalues) != len(bands.eigenvalues):
        raise ReaderError(f"{path} holds {len(bands.eigenvalues)} spin, {eigenval.name} another number. Is it cut off?")
    return _run(path, _structure(path), bands, None)


def read_vasp_doscar(path: Path) -> Run:
    """Read a DOSCAR, with POSCAR, and with EIGENVAL for the bands where it is there.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Run

    Raises
    ------
    ReaderError
        When a file is cut off or missing.
    """
    found, structure, tags = read_doscar(path), _structure(path), _tags(path)
    if found.atoms is not None and len(found.atoms) != len(structure):
        raise ReaderError(f"{path} holds the DOS of {len(found.atoms)} atoms, but the structure has {len(structure)}.")
    width = smearing(tags)[1] if "ISMEAR" in tags else None
    printed = PrintedDOS(found.energies, found.total, found.integrated, found.atoms, width)
    eigenval = beside(path, "EIGENVAL")
    spinor = found.spinor or _is_spinor(tags)
    bands = None if eigenval is None else _eigenvalues(eigenval, spinor)
    return _run(path, structure, bands, printed, found.fermi_energy)


def _run(
    path: Path,
    structure: Atoms,
    bands: ProjectedBands | None,
    printed: PrintedDOS | None,
    fermi_energy: float = float("nan"),
) -> Run:
    tags, outcar, doscar = _tags(path), beside(path, "OUTCAR"), beside(path, "DOSCAR")
    refuse_lines(path, _has_lines(path))
    n_electrons, version = float("nan"), ""
    eigenval = beside(path, "EIGENVAL")
    if eigenval is not None:
        n_electrons = float(numbers(eigenval, read_lines(eigenval)[5], "a header")[0])
    if outcar is not None:
        text = "\n".join(read_lines(outcar))
        version = _last(r"^ vasp\.([\d.]+\d)", text) or ""
        n_electrons = float(_last(r"NELECT =\s*([\d.]+)", text) or n_electrons)
        fermi_energy = float(_last(r"E-fermi\s*:\s*([-\d.]+)", text) or fermi_energy)
    if np.isnan(fermi_energy) and doscar is not None:
        fermi_energy = read_doscar(doscar).fermi_energy
    settings = {"functional": functional(tags) if tags else "not known"}
    if "ISMEAR" in tags:
        settings["electron smearing"] = smearing(tags)[0]
    return Run(path, f"VASP {version}".strip(), structure, n_electrons, fermi_energy, bands, printed, settings)


def _structure(path: Path) -> Atoms:
    return structure_beside(path, "CONTCAR", "POSCAR")


def _last(pattern: str, text: str) -> str | None:
    found = re.findall(pattern, text, flags=re.MULTILINE)
    return found[-1] if found else None


def _tags(path: Path) -> dict[str, str]:
    """Tags of the INCAR beside a file; none without it."""
    incar = beside(path, "INCAR")
    if incar is None:
        return {}
    text = "\n".join(line.split("#")[0].split("!")[0] for line in read_lines(incar))
    return {name.upper(): value.strip() for name, value in re.findall(r"(\w+)\s*=\s*([^;\n]+)", text)}


def _is_spinor(tags: dict[str, str]) -> bool:
    return is_true(tags, "LSORBIT") or is_true(tags, "LNONCOLLINEAR")


def _has_lines(path: Path) -> bool:
    kpoints = beside(path, "KPOINTS")
    lines = [] if kpoints is None else read_lines(kpoints)
    return len(lines) > 2 and lines[2].strip().upper().startswith("L")


def _projected(path: Path) -> ProjectedBands:
    """Bands of a PROCAR: of each state the first rows of its ions, of which the last column is the sum of orbitals.

    Rows that follow are of the magnetisation of spinors, or of phases.
    """
    sizes: list[tuple[int, int, int]] = []
    weights: list[float] = []
    states: list[tuple[float, float]] = []
    sums: list[Floats] = []
    rows: list[str] = []
    n_rows = 0
    n_ions = 0

    def finish() -> None:
        nonlocal rows, n_rows
        if states and rows:
            n_rows = max(n_rows, len(rows))
            sums.append(numbers(path, [row.split()[-1] for row in rows[:n_ions]], "projections"))
        rows = []

    taking = False
    for line in read_lines(path):
        if header := _PROCAR_SIZES.search(line):
            finish()
            sizes.append((int(header[1]), int(header[2]), int(header[3])))
            n_ions = sizes[-1][2]
        elif point := _PROCAR_POINT.search(line):
            finish()
            weights.append(float(point[1]))
        elif band := _PROCAR_BAND.search(line):
            finish()
            states.append((float(band[1]), float(band[2])))
            taking = True
        elif line.lstrip().startswith("ion"):
            taking = not rows  # a second header in the same band begins the phases
        elif taking and line.strip()[:1].isdigit():
            rows.append(line)
    finish()
    expected = sum(n_kpoints * n_bands for n_kpoints, n_bands, _ in sizes)
    if not sizes or len(states) != expected or len(sums) != expected or len({row.size for row in sums}) != 1:
        raise ReaderError(f"{path} is cut off: it holds projections of {len(sums)} of {expected} states.")
    (n_kpoints, n_bands, n_ions), n_spins = sizes[0], len(sizes)
    if sums[0].size != n_ions:
        raise ReaderError(f"{path} is cut off: it holds rows of {sums[0].size} of {n_ions} ions.")
    table = np.array(states).reshape(n_spins, n_kpoints, n_bands, 2)
    projections = np.array(sums, dtype=np.float32).T.reshape(n_ions, n_spins, n_kpoints, n_bands)
    spinor = n_rows == 4 * n_ions
    return ProjectedBands(table[..., 0], np.array(weights[:n_kpoints]), projections, table[..., 1], spinor)


def _eigenvalues(path: Path, spinor: bool) -> ProjectedBands:
    lines = read_lines(path)
    if len(lines) < 7:
        raise ReaderError(f"{path} holds no eigenvalues. Did the run end?")
    n_spins = int(numbers(path, lines[0], "a header")[3])
    _, n_kpoints, n_bands = numbers(path, lines[5], "a header").astype(int)
    body = numbers(path, " ".join(lines[6:]), "eigenvalues")
    # Each k-point has four numbers, then for each band its number, energies and, since VASP 5.4, occupations.
    per_band, rest = divmod(body.size - 4 * n_kpoints, n_kpoints * n_bands)
    if rest or per_band not in (1 + n_spins, 1 + 2 * n_spins):
        raise ReaderError(f"{path} is cut off: it holds {body.size} numbers for {n_kpoints} x {n_bands} states.")
    blocks = body.reshape(n_kpoints, -1)
    table = blocks[:, 4:].reshape(n_kpoints, n_bands, per_band).transpose(2, 0, 1)
    occupations = table[1 + n_spins :] if per_band > 1 + n_spins else None
    found = ProjectedBands(table[1 : 1 + n_spins], blocks[:, 3], None, occupations)
    return replace(found, spinor=True) if spinor else found
