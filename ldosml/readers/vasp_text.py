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
from ldosml.readers.run import PrintedDOS, ProjectedBands, ReaderError, Run
from ldosml.readers.vasp import functional, is_true, refuse_lines, smearing


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
    return structure_beside(path, "CONTCAR", "POSCAR", format="vasp")


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
    try:
        from pymatgen.io.vasp.outputs import Procar
    except ImportError as error:
        raise ReaderError(f"{path} is read by pymatgen: pip install 'ldosml[dft]'.") from error
    try:
        found = Procar(path)
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        raise ReaderError(
            f"{path} cannot be read as a PROCAR ({type(error).__name__}: {error}). Did the run end?"
        ) from error
    spins = sorted(found.data, key=lambda spin: -spin.value)  # up, then down
    projections = np.array([found.data[spin].sum(axis=-1) for spin in spins])
    return ProjectedBands(
        np.array([found.eigenvalues[spin] for spin in spins]),
        np.asarray(found.weights, dtype=float),
        projections.transpose(3, 0, 1, 2).astype(np.float32),
        np.array([found.occupancies[spin] for spin in spins]),
        bool(found.is_soc),
    )


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
