"""CASTEP: seed.bands, with the projections of seed.pdos_bin.

Main file: seed.bands. The structure, whose order of atoms the projections follow, is in seed.castep.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.units import Hartree
from numpy.typing import NDArray

from ldosml.readers._folder import structure_beside
from ldosml.readers._text import first_match, numbers, read_lines
from ldosml.readers.run import Floats, ProjectedBands, ReaderError, Run, common_level

_HEADER = 9  # lines before the first k-point
_SAME = 1e-5  # fractions of reciprocal vectors by which two k-points may differ


def read_castep(path: Path) -> Run:
    """Read a .bands file and what lies beside it.

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
    lines = read_lines(path)
    if len(lines) < _HEADER + 2 or not lines[0].startswith("Number of k-points"):
        raise ReaderError(f"{path} holds no bands of CASTEP. Did the run end?")
    listing = path.with_suffix(".castep")
    text = "\n".join(read_lines(listing)) if listing.is_file() else ""
    structure = _structure(path, text)
    n_kpoints, n_spins = (int(line.split()[-1]) for line in lines[:2])
    electrons = float(numbers(path, lines[2].split("electrons")[1], "electrons").sum())
    n_bands = [int(x) for x in numbers(path, lines[3].split("eigenvalues")[1], "numbers of eigenvalues")]
    fermi = numbers(path, lines[4].split(")")[1], "Fermi levels") * Hartree
    points, weights, energies = _eigenvalues(path, lines[_HEADER:], n_kpoints, n_spins, n_bands)
    _refuse_lines(path, points, weights)
    spinor = "spin treatment : vector" in " ".join(text.lower().split())
    projections, remarks = _projections(path, points, energies.shape, structure if text else None)
    level, told = common_level(fermi, energies)
    version = first_match(r"CASTEP version\s+([\d.]+)", text) or ""
    cutoff = first_match(r"plane wave basis set cut-off\s*:\s*([\d.]+)\s*eV", text)
    return Run(
        path,
        f"CASTEP {version}".strip(),
        structure,
        electrons,
        level,
        ProjectedBands(energies, weights, projections, spinor=spinor),
        None,
        {
            "functional": first_match(r"using functional\s*:\s*(.+)", text),
            "cutoff (eV)": None if cutoff is None else float(cutoff),
        },
        (*remarks, *told),
    )


def _structure(path: Path, text: str) -> Atoms:
    """The last structure of the listing, or without it the structure of a .cell file."""
    vectors = re.findall(r"Real Lattice\(A\).*\n((?:.*\n){3})", text)
    rows = list(re.finditer(r"^\s*x\s+([A-Z][a-z]?)\s+(\d+)((?:\s+-?\d+\.\d+){3})\s+x\s*$", text, flags=re.MULTILINE))
    if vectors and rows:
        first = max(n for n, row in enumerate(rows) if row[2] == "1" and (n == 0 or rows[0][1] == row[1]))
        symbols = [row[1] for row in rows[first:]]
        places = np.array([numbers(path, row[3], "positions") for row in rows[first:]])
        cell = [numbers(path, line, "a cell")[:3] for line in vectors[-1].splitlines()]
        return Atoms(symbols, scaled_positions=places, cell=cell, pbc=True)
    return structure_beside(path, f"{path.stem}-out.cell", f"{path.stem}.cell")


def _eigenvalues(
    path: Path, lines: list[str], n_kpoints: int, n_spins: int, n_bands: list[int]
) -> tuple[Floats, Floats, Floats]:
    """K-points, their weights and energies (n_spins, n_kpoints, n_bands): as many bands as both spins have."""
    fewest = min(n_bands)
    if n_kpoints * n_spins * fewest > len(lines):  # a line for each energy
        raise ReaderError(f"{path} is cut off: it does not hold {n_kpoints} k-points.")
    points, weights = np.zeros((n_kpoints, 3)), np.zeros(n_kpoints)
    energies = np.full((n_spins, n_kpoints, fewest), np.nan)
    place = 0
    for _ in range(n_kpoints):
        head = lines[place].split() if place < len(lines) else []
        if len(head) < 6 or head[0] != "K-point":
            raise ReaderError(f"{path} is cut off: it does not hold {n_kpoints} k-points.")
        # Numbers of k-points tell their order; processes write them as they finish.
        number = int(head[1]) - 1
        points[number], weights[number] = numbers(path, head[2:5], "k-points"), float(head[5])
        place += 1
        for spin in range(n_spins):
            block = lines[place + 1 : place + 1 + n_bands[spin]]
            if len(block) < n_bands[spin]:
                raise ReaderError(f"{path} is cut off: it does not hold {n_kpoints} k-points.")
            energies[spin, number] = numbers(path, " ".join(block), "eigenvalues")[:fewest] * Hartree
            place += 1 + n_bands[spin]
    return points, weights, energies


def _refuse_lines(path: Path, points: Floats, weights: Floats) -> None:
    """Raise where many k-points with equal weights follow one another along a line."""
    steps = np.diff(points, axis=0)
    if len(points) < 4 or np.ptp(weights) > _SAME or np.linalg.norm(steps, axis=1).min() < _SAME:
        return
    directions = steps / np.linalg.norm(steps, axis=1)[:, None]
    along = np.abs((directions[1:] * directions[:-1]).sum(axis=1)) > 1 - _SAME
    if along.mean() > 0.7:
        raise ReaderError(
            f"{path} holds bands along lines of k-points, which have no weights in a DOS. Give the run on a mesh."
        )


def _projections(
    path: Path, points: Floats, shape: tuple[int, ...], structure: Atoms | None
) -> tuple[NDArray[np.float32] | None, list[str]]:
    file = path.with_suffix(".pdos_bin")
    if not file.is_file():
        return None, [f"without LDOS: there is no {file.name} (pdos_calculate_weights)"]
    if structure is None:
        return None, [f"without LDOS: there is no {path.stem}.castep, which tells the order of the atoms"]
    try:
        from castepxbin import read_pdos_bin
    except ImportError:
        return None, ["without LDOS: castepxbin reads the projections; pip install 'ldosml[dft]'"]
    try:
        found = read_pdos_bin(str(file))
    except (TypeError, ValueError, OSError, EOFError) as error:
        raise ReaderError(f"{file} is cut off or damaged ({error}).") from error
    owners = _owners(structure, found["species"], found["ion"])
    weights = found["pdos_weights"]  # (n_orbitals, n_bands, n_kpoints, n_spins)
    n_spins, n_kpoints, n_bands = shape
    if weights.shape[1] < n_bands or weights.shape[2:] != (n_kpoints, n_spins):
        raise ReaderError(f"{file} holds projections of shape {weights.shape}; the bands are of {shape}.")
    order = [int(np.argmin(np.abs(found["kpoints_positions"] - point).sum(axis=1))) for point in points]
    projections = np.zeros((len(structure), *shape), dtype=np.float32)
    for owner, orbital in zip(owners, weights[:, :n_bands, order].transpose(0, 3, 2, 1), strict=True):
        projections[owner] += orbital
    return projections, []


def _owners(structure: Atoms, species: NDArray[np.int64], ions: NDArray[np.int64]) -> list[int]:
    """Atom of each orbital: the given ion of the given species, in the order of the listing."""
    kinds = list(dict.fromkeys(structure.symbols))
    places = [[n for n, symbol in enumerate(structure.symbols) if symbol == kind] for kind in kinds]
    return [places[kind - 1][ion - 1] for kind, ion in zip(species, ions, strict=True)]
