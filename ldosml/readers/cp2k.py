"""CP2K: eigenvalues of the .pdos files; an LDOS where each atom has a list of its own (LDOS sections of one atom each).

Main file: PROJECT-list1-1.pdos or PROJECT-k1-1.pdos, of spin up PROJECT-ALPHA_list1-1.pdos. Those of the other atoms,
kinds and spin lie beside it, and so does PROJECT-1.restart with the structure and the atoms of the lists.

Since 2026 the header of an insulator gives the highest occupied level, E(HOCO), and some versions print a column of
a total before the orbitals. With k-points there is a broadened PDOS only, which is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.units import Hartree

from ldosml.readers._folder import beside
from ldosml.readers._text import first_match, numbers, read_lines
from ldosml.readers.run import Floats, ProjectedBands, ReaderError, Run

_NAME = re.compile(r"^(?P<project>.*?)-?(?P<spin>ALPHA_|BETA_)?(?P<kind>list|k)(?P<number>\d+)-(?P<step>[\d_]+)\.pdos$")
_HEADER = re.compile(r"Projected DOS for (?:list\s+(\d+)\s+of\s+(\d+)\s+atoms|atomic kind\s+(\S+))", re.IGNORECASE)
_FERMI = re.compile(r"E\((Fermi|HOCO)\)\s*=\s*([-+\d.]+)\s*\[?(a\.u\.|eV)", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class _File:
    """Columns of one .pdos file: energies and Fermi level in eV, occupations, sums over orbitals, size of its list."""

    energies: Floats
    occupations: Floats
    sums: Floats
    fermi: float
    n_listed: int | None


@dataclass(frozen=True)
class _Listing:
    """What a listing states: electrons, version, molecular orbitals of each spin, settings."""

    n_electrons: float
    version: str
    n_orbitals: tuple[int, ...]
    settings: dict[str, object]


def is_main(path: Path) -> bool:
    """Whether a .pdos file is the one by which a run is known; lists of atoms come before kinds."""
    name = _NAME.match(path.name)
    if name is None or name["number"] != "1" or name["spin"] == "BETA_":
        return False
    return name["kind"] == "list" or not list(
        path.parent.glob(f"{_escaped(name['project'])}*list1-{name['step']}.pdos")
    )


def read_cp2k(path: Path) -> Run:
    """Read the .pdos files of a project.

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
    name = _NAME.match(path.name)
    if name is None:
        raise ReaderError(f"{path} is not named as CP2K does, PROJECT-list1-1.pdos or PROJECT-k1-1.pdos.")
    project, step = name["project"], name["step"]
    structure = _structure(path, project)
    spins = ("ALPHA_", "BETA_") if name["spin"] else ("",)
    channels = [_files(path, project, spin, name["kind"], step) for spin in spins]
    remarks = []
    projections = None
    first = [files[0] for files in channels]
    sizes = {each.energies.size for files in channels for each in files}
    if len(sizes) > 1:
        raise ReaderError(
            f"{path}: the .pdos files of its atoms, kinds and spins hold {sorted(sizes)} states. Cut off?"
        )
    listed = [each.n_listed for files in channels for each in files]
    if name["kind"] == "list" and set(listed) == {1} and all(len(files) == len(structure) for files in channels):
        order, remark = _lists(path, project, len(structure))
        remarks += [remark] if remark else []
        projections = np.array([[files[place].sums for files in channels] for place in order])[:, :, None]
    elif name["kind"] == "list":
        remarks.append("its lists do not hold one atom each, so there is no LDOS: give an LDOS section for each atom")
    else:
        remarks.append("its PDOS is by kind, so there is no LDOS: give an LDOS section with the list of each atom")
    capacity = 1.0 if len(spins) == 2 else 2.0
    bands = ProjectedBands(
        np.array([each.energies for each in first])[:, None],
        np.ones(1),
        projections,
        np.array([each.occupations for each in first])[:, None] / capacity,
    )
    listing = _listing(path, project)
    if listing is None:
        remarks.append(f"there is no listing of {project}: nothing tells how many states its .pdos files should hold")
        listing = _Listing(float("nan"), "", (), {})
    for orbitals, each in zip(listing.n_orbitals, first, strict=False):
        if each.energies.size < orbitals:
            raise ReaderError(
                f"{path}: its .pdos files hold {each.energies.size} states, but the listing states {orbitals} "
                "molecular orbitals. Cut off?"
            )
    return Run(
        path,
        f"CP2K {listing.version}".strip(),
        structure,
        listing.n_electrons,
        max(each.fermi for each in first),  # of levels HOCO the higher one; a spin may have no electrons
        bands,
        None,
        {"k-mesh": "gamma", **listing.settings},
        tuple(remarks),
    )


def _escaped(name: str) -> str:
    return re.sub(r"([\[*?])", r"[\1]", name)


def _files(path: Path, project: str, spin: str, kind: str, step: str) -> list[_File]:
    """Files of one spin in the order of their numbers."""
    dash = "-" if project else ""
    found: list[_File] = []
    while (file := path.with_name(f"{project}{dash}{spin}{kind}{len(found) + 1}-{step}.pdos")).is_file():
        found.append(_read(file))
    if not found:
        raise ReaderError(f"{path} is of one spin; there is no {project}{dash}{spin}{kind}1-{step}.pdos of the other.")
    return found


def _read(path: Path) -> _File:
    """The last step in a file: with APPEND each step follows the one before."""
    lines = read_lines(path)
    starts = [n for n, line in enumerate(lines) if _HEADER.search(line)]
    lines = lines[starts[-1] :] if starts else lines
    header = "\n".join(line for line in lines if line.lstrip().startswith("#"))
    what, level = _HEADER.search(header), _FERMI.search(header)
    if what is None or level is None:
        raise ReaderError(f"{path} has no header of CP2K with 'Projected DOS for ...' and E(Fermi) or E(HOCO).")
    rows = [line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not rows or len({len(row) for row in rows}) > 1:
        raise ReaderError(f"{path} is cut off: its rows have different lengths.")
    table = np.array([numbers(path, row, "projections") for row in rows])
    if table.shape[1] < 4 or not np.array_equal(table[:, 0], np.arange(1, len(table) + 1)):
        raise ReaderError(
            f"{path} does not list states 1, 2, 3 ... with their energies and occupations. A broadened PDOS, which is "
            "all that CP2K writes with k-points, cannot be read."
        )
    unit = 1.0 if re.search(r"eigenvalue\s*\[eV\]", header, re.IGNORECASE) else Hartree
    energies, occupations = table[:, 1] * unit, table[:, 2]
    fermi = float(level[2]) * (Hartree if level[3].lower() == "a.u." else 1.0)
    if level[1].lower() == "hoco":
        # CP2K takes a state of 1e-6 electrons for occupied: count those that are at least half full.
        fermi = float(energies[occupations > 0.5 * occupations.max()].max(initial=-np.inf))
    orbitals = 4 if re.search(r"occupation\s+total\b", header, re.IGNORECASE) else 3
    return _File(
        energies, occupations, table[:, orbitals:].sum(axis=1), fermi, None if what[2] is None else int(what[2])
    )


def _lists(path: Path, project: str, n_atoms: int) -> tuple[list[int], str | None]:
    """The list of each atom, by the LDOS sections of the restart; without these in order, with a remark."""
    restart = beside(path, f"{project}-1.restart")
    text = "" if restart is None else "\n".join(read_lines(restart))
    sections = re.findall(r"&LDOS\b(.*?)&END LDOS", text, flags=re.DOTALL | re.IGNORECASE)
    listed = [re.findall(r"^\s*LIST\s+(\d+)\s*$", each, flags=re.MULTILINE | re.IGNORECASE) for each in sections]
    atoms = [int(found[0]) for found in listed if len(found) == 1]
    if not sections:
        return list(range(n_atoms)), "its restart has no LDOS sections; list 1 is taken for atom 1, and so on"
    if sorted(atoms) != list(range(1, n_atoms + 1)):
        raise ReaderError(f"{restart} holds LDOS sections that are not one LIST of one atom each.")
    return [atoms.index(atom) for atom in range(1, n_atoms + 1)], None


def _structure(path: Path, project: str) -> Atoms:
    restart = beside(path, f"{project}-1.restart")
    if restart is None:
        raise ReaderError(f"{path} holds no structure, and beside it there is no {project}-1.restart.")
    lines = [line.strip() for line in read_lines(restart)]
    cell = [numbers(restart, line[2:], "a cell") for line in _section(lines, "CELL") if re.match(r"[ABC]\s", line)]
    rows = [line.split() for line in _section(lines, "COORD")]
    scaled = any(row[0].upper() == "SCALED" and row[1:2] != ["F"] for row in rows)
    atoms = [row for row in rows if len(row) >= 4 and row[0].upper() not in ("SCALED", "UNIT")]
    if len(cell) != 3 or not atoms:
        raise ReaderError(f"{restart} is cut off: it holds no whole CELL with A, B and C, or no whole COORD.")
    symbols = [re.sub(r"[^A-Za-z].*$", "", row[0]).capitalize() for row in atoms]
    places = np.array([numbers(restart, row[1:4], "positions") for row in atoms])
    if scaled:
        return Atoms(symbols, scaled_positions=places, cell=cell, pbc=True)
    return Atoms(symbols, positions=places, cell=cell, pbc=True)


def _section(lines: list[str], name: str) -> list[str]:
    """Lines of the first section of a name."""
    upper = [line.upper() for line in lines]
    if f"&{name}" not in upper:
        return []
    start = upper.index(f"&{name}") + 1
    end = next((n for n in range(start, len(upper)) if upper[n].startswith("&END")), start)  # a file that is cut off
    return [line for line in lines[start:end] if line and not line.startswith(("!", "#", "&"))]


def _listing(path: Path, project: str) -> _Listing | None:
    """The listing of a project in the same folder; None without.

    Raises ReaderError where two listings of the project state different numbers.
    """
    found: dict[Path, _Listing] = {}
    for file in sorted(path.parent.glob("*.out")):
        text = "\n".join(read_lines(file))
        version = re.search(r"CP2K\| version string:\s*CP2K version (\S+)", text)
        name = re.search(r"GLOBAL\| Project name[ \t]*(.*)", text)
        if version is None or (name is not None and name[1].strip() != project):
            continue
        n_spins = 2 if re.search(r"DFT\| Number of spin states\s+2", text) else 1
        # One block for each spin, again for each step.
        electrons, orbitals = (
            [int(count) for count in re.findall(rf"^ Number of {what}:\s*(\d+)", text, flags=re.MULTILINE)[-n_spins:]]
            for what in ("electrons", "molecular orbitals")
        )
        number = float(sum(electrons)) if electrons else float("nan")
        found[file] = _Listing(number, version[1], tuple(orbitals), _settings(text))
    if len({(each.n_electrons, each.n_orbitals) for each in found.values()}) > 1:
        names = ", ".join(file.name for file in found)
        raise ReaderError(
            f"{path}: {names} state different numbers of electrons or orbitals. Keep the listing of this run."
        )
    return next(iter(found.values()), None)


def _settings(text: str) -> dict[str, object]:
    """Functional, cutoff and smearing as the listing prints them."""
    functionals = re.findall(r"^ FUNCTIONAL\|\s+(?!ROUTINE)([\w+-]+(?: [\w+-]+)*):\s*$", text, flags=re.MULTILINE)
    cutoff = first_match(r"^ QS\| Density cutoff \[a\.u\.\]:\s*([\d.]+)", text)
    kelvin = first_match(r"Electronic temperature \[K\]:\s*([\d.]+)", text)
    return {
        "functional": " + ".join(dict.fromkeys(functionals)) or None,
        "cutoff (eV)": None if cutoff is None else round(float(cutoff) * Hartree, 3),
        "smearing": first_match(r"Smear method:\s*(\S+)", text),
        "electronic temperature (K)": None if kelvin is None else float(kelvin),
    }
