"""Quantum ESPRESSO: data-file-schema.xml of pw.x, with atomic_proj.xml or the pdos files of projwfc.x.

Main file: data-file-schema.xml, in the folder prefix.save or wherever it was copied. The pdos files and the listing of
projwfc.x are looked for there and in the three folders above.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.units import Bohr, Hartree, Rydberg
from numpy.typing import NDArray

from ldosml.readers._text import numbers, parse_xml, read_lines, required
from ldosml.readers.run import Floats, PrintedDOS, ProjectedBands, ReaderError, Run, common_level

_PDOS = re.compile(r"\.pdos_atm#(\d+)\(\w+\)_wfc#(\d+)\(([spdf])(?:_j([\d.]+))?\)$")
_STATE = re.compile(r"state #\s*\d+: atom\s*(\d+)")
_ABOVE = 3  # folders above the .save folder in which projwfc.x may have run


def read_espresso(path: Path) -> Run:
    """Read a data-file-schema.xml and the projections that belong to it.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Run

    Raises
    ------
    ReaderError
        When a file is cut off, the run did not end or went along lines, or the projections are of another run.
    """
    root = parse_xml(path)
    output = required(path, root.find("output"), "results (output)")
    if root.findtext("input/control_variables/calculation") == "bands":
        raise ReaderError(
            f"{path} holds bands along lines of k-points (calculation = 'bands'), which have no weights in a DOS. "
            "Give an nscf run on a mesh."
        )
    structure = _structure(path, output)
    states = required(path, output.find("band_structure"), "bands (band_structure)")
    bands = _bands(path, states)
    projections, printed, remark = _projections(path, bands, len(structure))
    if projections is not None:
        bands = ProjectedBands(bands.eigenvalues, bands.kpoint_weights, projections, bands.occupations, bands.spinor)
    level, told = _fermi_energy(states, bands.eigenvalues)
    creator = root.find("general_info/creator")
    return Run(
        path,
        f"Quantum ESPRESSO {'' if creator is None else creator.get('VERSION', '')}".strip(),
        structure,
        float(states.findtext("nelec", "nan")),
        level,
        bands,
        printed,
        _settings(root, output),
        (*([] if remark is None else [remark]), *told),
    )


def _structure(path: Path, output: Element) -> Atoms:
    found = required(path, output.find("atomic_structure"), "structure")
    cell = np.array([numbers(path, found.findtext(f"cell/{name}", ""), "a cell") for name in ("a1", "a2", "a3")])
    atoms = found.findall("atomic_positions/atom")
    positions = np.array([numbers(path, atom.text or "", "positions") for atom in atoms])
    symbols = [_element(path, atom.get("name", "")) for atom in atoms]
    return Atoms(symbols, positions=positions * Bohr, cell=cell * Bohr, pbc=True)


def _element(path: Path, name: str) -> str:
    """Element of a kind such as Fe1, fe_up or Si-2."""
    for length in (2, 1):
        symbol = name[:length].capitalize()
        if symbol in atomic_numbers and symbol != "X" and symbol.isalpha():
            return symbol
    raise ReaderError(f"{path} holds a kind of atoms {name!r}, whose element is not clear. Call it by its element.")


def _bands(path: Path, states: Element) -> ProjectedBands:
    blocks = states.findall("ks_energies")
    n_spins = 2 if states.findtext("lsda") == "true" else 1
    energies = [numbers(path, block.findtext("eigenvalues", ""), "eigenvalues") for block in blocks]
    if not energies or len({row.size for row in energies}) > 1 or energies[0].size % n_spins:
        raise ReaderError(f"{path} holds no eigenvalues of {n_spins} spins at each k-point. Did the run end?")
    occupations = [numbers(path, block.findtext("occupations", ""), "occupations") for block in blocks]
    weights = [float(point.get("weight", "nan")) for block in blocks for point in block.findall("k_point")]

    def by_spin(rows: list[NDArray[np.float64]]) -> Floats:
        return np.array(rows).reshape(len(blocks), n_spins, -1).transpose(1, 0, 2)

    return ProjectedBands(
        by_spin(energies) * Hartree,
        np.array(weights),
        occupations=by_spin(occupations) if all(row.size == energies[0].size for row in occupations) else None,
        spinor=states.findtext("noncolin") == "true" or states.findtext("spinorbit") == "true",
    )


def _fermi_energy(states: Element, eigenvalues: Floats) -> tuple[float, list[str]]:
    """As written, and remarks; of fixed occupations the highest occupied level."""
    for name in ("fermi_energy", "two_fermi_energies", "highestOccupiedLevel"):
        found = states.findtext(name)
        if found:
            return common_level(np.array(found.split(), dtype=float) * Hartree, eigenvalues)
    return float("nan"), []


def _settings(root: Element, output: Element) -> dict[str, object]:
    mesh = root.find("input/k_points_IBZ/monkhorst_pack")
    divisions = None if mesh is None else " x ".join(mesh.get(f"nk{axis}", "?") for axis in (1, 2, 3))
    shift = None if mesh is None else " ".join(mesh.get(f"k{axis}", "?") for axis in (1, 2, 3))
    cutoff = root.findtext("input/basis/ecutwfc")
    smearing = output.find("band_structure/smearing")
    kind = output.findtext("band_structure/occupations_kind")
    found: dict[str, object] = {
        "functional": output.findtext("dft/functional") or root.findtext("input/dft/functional"),
        "k-mesh": divisions if divisions is None else f"{divisions}, shift {shift}",
        "cutoff (eV)": None if cutoff is None else float(cutoff) * Hartree,
        "electron smearing": kind,
    }
    if smearing is not None:
        found["electron smearing"] = f"{smearing.text}, {float(smearing.get('degauss', 'nan')) * Hartree:g} eV"
    return found


def _folders(path: Path) -> Iterator[tuple[Path, str]]:
    """Folders in which the output of projwfc.x may lie, with the prefix of its files ("*": any)."""
    folder = path.absolute().parent
    yield folder, "*"
    if folder.suffix == ".save":
        for above in list(folder.parents)[:_ABOVE]:
            yield above, folder.stem


def _projections(
    path: Path, bands: ProjectedBands, n_atoms: int
) -> tuple[NDArray[np.float32] | None, PrintedDOS | None, str | None]:
    """Projections of the bands, or else the printed PDOS, or else a remark."""
    columns = next((files for folder, name in _folders(path) if (files := _pdos_files(folder, name))), [])
    xml = path.with_name("atomic_proj.xml")
    if xml.is_file():
        owners = _owners(path, columns, bands.spinor)
        if owners is not None:
            return _squared(xml, bands, owners, n_atoms), None, None
    elif columns:
        return None, _printed(columns, bands, n_atoms), None
    missing = (
        "pdos files or the listing of projwfc.x, which tell the atom of each orbital"
        if xml.is_file()
        else ("output of projwfc.x (atomic_proj.xml or pdos files)")
    )
    return None, None, f"without LDOS: there is no {missing}"


def _pdos_files(folder: Path, prefix: str) -> list[Path]:
    """Files of the orbitals in the order of projwfc.x: by atom, then by wave function."""
    escaped = prefix if prefix == "*" else re.sub(r"([\[*?])", r"[\1]", prefix)
    files = [(match, file) for file in folder.glob(f"{escaped}.pdos_atm#*") if (match := _PDOS.search(file.name))]
    return [file for _, file in sorted(files, key=lambda pair: (int(pair[0][1]), int(pair[0][2])))]


def _owners(path: Path, columns: list[Path], spinor: bool) -> NDArray[np.int64] | None:
    """Atom of each orbital of atomic_proj.xml, from the names of the pdos files or from the listing of projwfc.x."""
    owners: list[int] = []
    for file in columns:
        atom, _, letter, total = _PDOS.search(file.name).groups()  # type: ignore[union-attr]  # chosen by it
        momentum = "spdf".index(letter)
        spins = 2 if spinor else 1
        owners += [int(atom) - 1] * (round(2 * float(total) + 1) if total else spins * (2 * momentum + 1))
    if owners:
        return np.array(owners)
    for folder, _ in _folders(path):
        for listing in sorted(folder.glob("*.out")):
            found = [_STATE.search(line) for line in read_lines(listing)]
            owners = [int(match[1]) - 1 for match in found if match]
            if owners:
                return np.array(owners)
    return None


def _squared(path: Path, bands: ProjectedBands, owners: NDArray[np.int64], n_atoms: int) -> NDArray[np.float32]:
    """Squared projections summed over the orbitals of each atom, (n_atoms, n_spins, n_kpoints, n_bands)."""
    root = parse_xml(path)
    states = root.find("EIGENSTATES")
    if states is None:
        raise ReaderError(f"{path} is in the format before Quantum ESPRESSO 6.5. Run projwfc.x of a newer version.")
    n_spins, n_kpoints, n_bands = bands.eigenvalues.shape
    energies = [numbers(path, block.text or "", "eigenvalues") for block in states.findall("E")]
    blocks = states.findall("PROJS")
    if len(blocks) != n_spins * n_kpoints or len(energies) != len(blocks):
        raise ReaderError(f"{path} holds {len(blocks)} k-points and spins; pw.x wrote {n_spins} x {n_kpoints}.")
    found = np.zeros((n_atoms, n_spins, n_kpoints, n_bands), dtype=np.float32)
    written = [0] * n_spins
    for block, energy in zip(blocks, energies, strict=True):
        orbitals = block.findall("ATOMIC_WFC")
        if len(orbitals) != len(owners):
            raise ReaderError(
                f"{path} holds {len(orbitals)} orbitals, but the pdos files or the listing of projwfc.x {len(owners)}. "
                "Are they of the same run?"
            )
        spin = int(orbitals[0].get("spin", "1")) - 1 if n_spins == 2 else 0
        kpoint, written[spin] = written[spin], written[spin] + 1
        if energy.size != n_bands or abs(energy * Rydberg - bands.eigenvalues[spin, kpoint]).max() > 1e-3:
            raise ReaderError(f"{path} and the data-file-schema.xml beside it hold eigenvalues of different runs.")
        for owner, orbital in zip(owners, orbitals, strict=True):
            values = numbers(path, orbital.text or "", "projections").reshape(n_bands, -1)
            found[owner, spin, kpoint] += (values**2).sum(axis=1)  # real and imaginary part
    return found


def _printed(files: list[Path], bands: ProjectedBands, n_atoms: int) -> PrintedDOS:
    """The PDOS of each atom, from the files of its orbitals, and the DOS of pdos_tot."""
    n_spins = len(bands.eigenvalues)
    energies, first = _columns(files[0], n_spins)
    pdos = np.zeros((n_atoms, n_spins, energies.size))
    for file in files:
        axis, columns = (energies, first) if file == files[0] else _columns(file, n_spins)
        if axis.size != energies.size:
            raise ReaderError(f"{file} holds {axis.size} energies, other files of the run {energies.size}.")
        pdos[int(_PDOS.search(file.name)[1]) - 1] += columns  # type: ignore[index]  # chosen by it
    total = Path(re.sub(r"\.pdos_atm#.*$", ".pdos_tot", str(files[0])))
    return PrintedDOS(energies, _columns(total, n_spins)[1] if total.is_file() else None, None, pdos)


def _columns(file: Path, n_spins: int) -> tuple[Floats, Floats]:
    """Energies of a pdos file and its first column of each spin, (n_spins, n_energies)."""
    lines = read_lines(file)
    header = lines[0].split() if lines else []
    if not lines or "ik" in header:
        raise ReaderError(f"{file} is empty, or resolved by k-point. Run projwfc.x with kresolveddos = .false.")
    table = np.array([numbers(file, line, "densities") for line in lines[1:] if line.strip()]).T
    columns = table[1 : 3 if {"ldosup(E)", "dosup(E)"} & set(header) else 2]
    # With non-collinear magnetisation up and down are components, not spins of the bands.
    return table[0], columns if n_spins == 2 else columns.sum(axis=0, keepdims=True)
