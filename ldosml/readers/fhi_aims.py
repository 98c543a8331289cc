"""FHI-aims: its eigenvalues, and the DOS that it prints in KS_DOS_total and atom_proj_dos files.

Energies of a printed DOS are against the vacuum (_raw) or the chemical potential; the header says which. Eigenvalues
are against the vacuum.

Main file: the listing, a .out file that begins with 'Invoking FHI-aims'. FHI-aims computes all electrons. Shells
below the printed energies, or more than 50 eV below the Fermi level, are left out.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase import Atoms

from ldosml.file_sizes import open_start
from ldosml.readers._text import first_match, numbers, read_lines
from ldosml.readers.fhi_aims_bands import NAME, read_eigenvalues, without_core
from ldosml.readers.run import Floats, PrintedDOS, ReaderError, Run

# The last four digits are the atom; the name of a species may have digits of its own.
_ATOM = re.compile(r"^atom_proj(?:ected)?_dos_(?:spin_(up|dn)_?)?[A-Z]\w*?(\d{4})(_raw)?\.dat$")
_NUMBER = r"([-+]?\d*\.\d+(?:[ED][-+]?\d+)?)"
_GREETING = b"Invoking FHI-aims"
_FIRST_BYTES = 4000
_NEAR, _GAP = 1.0, 1e-3  # eV around the Fermi level, and fraction of the largest DOS there that is a gap
_DEEPEST = 50.0  # eV below the Fermi level, where no printed DOS tells what the user wants
_ODD, _EVEN = 0.5, 0.1  # electrons that a DOS of one spin misses at least, and one of both spins at most


def is_main(path: Path) -> bool:
    """Whether a listing is of FHI-aims."""
    with open_start(path) as file:
        return _GREETING in file.read(_FIRST_BYTES)


def read_fhi_aims(path: Path) -> Run:
    """Read the listing and the DOS files beside it.

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
    text = "\n".join(read_lines(path))
    if "Have a nice day." not in text:
        raise ReaderError(f"{path} has no 'Have a nice day.' at its end. Did the run end?")
    structure = _structure(path, text)
    found = _last(r"number of electrons in the system[^:]*:\s*([\d.]+)", text)
    stated = _electrons(text) if found is None else float(found)
    eigenvalues = path.with_name(NAME)
    printed, fermi, remarks = _printed(path, text, structure, needed=not eigenvalues.is_file())
    bands, n_electrons = None, float("nan")
    if eigenvalues.is_file():
        level = _fermi_energy(path, text)
        if printed is not None and fermi == 0:
            printed = replace(printed, energies=printed.energies + level)
        fermi = level
        lowest = fermi - _DEEPEST if printed is None else printed.energies[0]
        bands, core = without_core(read_eigenvalues(eigenvalues, stated, _mesh(text)), lowest)
        n_electrons = float("nan") if stated is None else stated - core
    elif printed is not None and stated is not None and not np.isnan(fermi):
        printed, lowest, core, remark = _valence(printed, fermi, stated)
        n_electrons, remarks = stated - core, remarks + remark
    else:
        core = lowest = 0.0
    if round(core):
        remarks.append(f"{core:g} electrons of shells below {lowest:.1f} eV are left out")
    mesh = _mesh(text)
    version = first_match(r"^\s*Version\s+(\S+)", text) or ""
    settings = {
        "functional": first_match(r"^\s*xc\s+(\S+)", text),
        "k-mesh": None if mesh is None else " x ".join(map(str, mesh)),
    }
    return Run(
        path,
        f"FHI-aims {version}".strip(),
        structure,
        n_electrons,
        fermi,
        bands,
        printed,
        settings,
        tuple(remarks),
    )


def _printed(path: Path, text: str, structure: Atoms, *, needed: bool) -> tuple[PrintedDOS | None, float, list[str]]:
    """The printed DOS, the Fermi level in its zero, and remarks."""
    raw = path.with_name("KS_DOS_total_raw.dat")
    total = raw if raw.is_file() else path.with_name("KS_DOS_total.dat")
    if not total.is_file():
        if needed:
            raise ReaderError(
                f"{path} has no KS_DOS_total_raw.dat, KS_DOS_total.dat or {NAME} beside it: run with 'output dos'."
            )
        return None, float("nan"), ["without LDOS: there are no atom_proj_dos files"]
    energies, dos, level = _columns(total)
    width = re.search(rf"^\s*output\s+dos\s+\S+\s+\S+\s+(\d+)\s+{_NUMBER}", text, flags=re.MULTILINE)
    if width is not None and len(energies) != int(width[1]):
        raise ReaderError(f"{total} is cut off: it holds {len(energies)} of {width[1]} energies.")
    pdos, remarks = _atoms(path, structure, energies, dos.shape[0], raw=total == raw)
    printed = PrintedDOS(energies, dos, None, pdos, None if width is None else float(width[2]))
    return printed, 0.0 if level is not None else _fermi_energy(path, text), remarks


def _valence(printed: PrintedDOS, fermi: float, stated: float) -> tuple[PrintedDOS, float, float, list[str]]:
    """A printed DOS of both spins, its lowest energy, the electrons of shells below, and remarks."""
    assert printed.dos is not None
    n_spins, held, remarks = len(printed.dos), _held(printed, fermi), []
    if n_spins == 1 and _misses(stated, held) > _ODD and _misses(stated, 2 * held) < _EVEN:
        remarks.append(f"its DOS holds {held:.3f} electrons, as of one spin, and is doubled")
        printed = replace(printed, dos=2 * printed.dos, pdos=None if printed.pdos is None else 2 * printed.pdos)
        held *= 2
    return printed, printed.energies[0], _shell(n_spins) * round((stated - held) / _shell(n_spins)), remarks


def _fermi_energy(path: Path, text: str) -> float:
    """Chemical potential, from the header of KS_DOS_total.dat or from the listing; NaN where not known."""
    shifted = path.with_name("KS_DOS_total.dat")
    level = _columns(shifted)[2] if shifted.is_file() else None
    if level is None:
        found = _last(rf"Chemical potential \(Fermi level\)(?: in eV)?\s*:\s*{_NUMBER}", text)
        level = None if found is None else float(found)
    return float("nan") if level is None else level


def _mesh(text: str) -> tuple[int, ...] | None:
    found = re.search(r"^\s*k_grid\s+(\d+)\s+(\d+)\s+(\d+)", text, flags=re.MULTILINE)
    return None if found is None else tuple(map(int, found.groups()))


def _last(pattern: str, text: str) -> str | None:
    found = re.findall(pattern, text)
    return found[-1] if found else None


def _electrons(text: str) -> float | None:
    found = re.search(r"The structure contains\s+\d+ atoms,\s+and a total of\s+([\d.]+) electrons", text)
    return None if found is None else float(found[1])


def _structure(path: Path, text: str) -> Atoms:
    """The last structure that the listing shows: the relaxed structure, or the input."""
    place = text.rfind("Final atomic structure:")
    part = text[place:] if place >= 0 else text[text.find("Input geometry:") :]
    if place >= 0:
        vectors = re.findall(rf"lattice_vector\s+{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}", part)[:3]
        rows = re.findall(rf"^\s*atom\s+{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}\s+(\w+)", part, flags=re.MULTILINE)
        atoms = [(row[3], row[:3]) for row in rows]
    else:
        head = part[: part.find("Atomic structure:")]
        vectors = re.findall(rf"^\s*\|\s+{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}", head, flags=re.MULTILINE)[:3]
        found = re.findall(rf"\|\s*\d+: Species (\w+)\s+{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}", part)
        atoms = [(row[0], row[1:]) for row in found]
    if not atoms:
        raise ReaderError(f"{path} holds no structure ('Input geometry'). Did the run start?")
    symbols = [re.sub(r"[^A-Za-z].*$", "", name) for name, _ in atoms]
    places = np.array([[float(x) for x in row] for _, row in atoms])
    cell = np.array([[float(x) for x in row] for row in vectors]) if len(vectors) == 3 else None
    return Atoms(symbols, positions=places, cell=cell, pbc=cell is not None)


def _columns(path: Path) -> tuple[Floats, Floats, float | None]:
    """Energies, the columns after them, and the chemical potential that they are against, or None for the vacuum."""
    lines = read_lines(path)
    header = " ".join(line for line in lines if line.lstrip().startswith("#"))
    rows = [numbers(path, line, "densities") for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not rows or len({row.size for row in rows}) > 1 or rows[0].size < 2:
        raise ReaderError(f"{path} is cut off: its rows have different lengths.")
    level = re.search(rf"chemical potential, mu =\s*{_NUMBER}", header)
    if "vacuum" not in header and level is None:
        raise ReaderError(f"{path} does not say in its header what its energies are against.")
    table = np.array(rows).T
    return table[0], table[1:], None if level is None else float(level[1])


def _atoms(
    path: Path, structure: Atoms, energies: Floats, n_spins: int, *, raw: bool
) -> tuple[Floats | None, list[str]]:
    """PDOS of each atom, (n_atoms, n_spins, n_energies), or a remark that there is none."""
    pdos = np.full((len(structure), n_spins, energies.size), np.nan)
    for file in path.parent.glob("atom_proj*_dos_*.dat"):
        name = _ATOM.match(file.name)
        if name is None or (name[3] is not None) != raw:
            continue
        axis, columns, _ = _columns(file)
        atom = int(name[2]) - 1
        if axis.size != energies.size or not 0 <= atom < len(structure):
            raise ReaderError(f"{file} holds {axis.size} energies of atom {atom + 1}; expected {energies.size}.")
        pdos[atom, 1 if name[1] == "dn" else 0] = columns[0]
    if np.isnan(pdos).all():
        return None, ["without LDOS: there are no atom_proj_dos files, only the total DOS"]
    if np.isnan(pdos).any():
        missing = int(np.argmax(np.isnan(pdos).any(axis=(1, 2)))) + 1
        raise ReaderError(f"{path} has no atom_proj_dos file of atom {missing} and each spin beside it.")
    return pdos, []


def _held(printed: PrintedDOS, fermi: float) -> float:
    """Electrons within the printed energies. An insulator's are counted in its gap, since the level may be an edge."""
    assert printed.dos is not None
    energies, dos = printed.energies, printed.dos.sum(axis=0)
    place = min(int(np.searchsorted(energies, fermi)), len(energies) - 1)
    near = np.flatnonzero(np.abs(energies - fermi) < _NEAR)
    if near.size and dos[near].min() < _GAP * dos.max():
        place = int(near[np.argmin(dos[near])])
    return float(np.cumsum(dos * np.gradient(energies))[place])


def _shell(n_spins: int) -> float:
    """Electrons of the smallest filled shell."""
    return 2.0 if n_spins == 1 else 1.0


def _misses(stated: float, held: float) -> float:
    """Electrons by which a DOS without spins, and whole shells below it, miss the number of all."""
    rest = stated - held
    return abs(rest - 2 * round(rest / 2))
