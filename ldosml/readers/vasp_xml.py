"""VASP's vasprun.xml, read as a stream: its arrays are kept, never its tree, which takes ten times the file's size."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, iterparse

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from ldosml.file_sizes import open_unpacked
from ldosml.readers._text import numbers, required, unfinished
from ldosml.readers.run import Floats, PrintedDOS, ProjectedBands, ReaderError, Run
from ldosml.readers.vasp import functional, is_true, refuse_lines, smearing

_ARRAYS = {
    ("eigenvalues",): "eigenvalues",
    ("projected", "array"): "projections",
    ("dos", "total"): "total",
    ("dos", "partial"): "partial",
}


@dataclass(eq=False)
class _Blocks:
    """Arrays of one shape after another, without the memory of as many objects."""

    shape: tuple[int, ...]
    kind: str = "d"
    count: int = 0
    content: array[float] = field(init=False)

    def __post_init__(self) -> None:
        self.content = array(self.kind)

    def append(self, path: Path, values: Floats) -> None:
        if values.shape != self.shape:
            raise ReaderError(f"{path} holds arrays of shapes {self.shape} and {values.shape} in one. Is it cut off?")
        self.content.frombytes(values.astype(self.kind).tobytes())
        self.count += 1

    def stacked(self) -> NDArray[Any]:
        """All of them, (count, ...)."""
        return np.frombuffer(self.content, dtype=self.kind).reshape(self.count, *self.shape)


@dataclass(eq=False)
class _Found:
    """What was read so far. Arrays are of the last ionic step that has them."""

    version: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    symbols: list[str] = field(default_factory=list)
    generation: str | None = None
    mesh: str | None = None
    kpoints: Floats | None = None
    weights: Floats | None = None
    cell: Floats | None = None
    positions: Floats | None = None
    fermi: float = float("nan")
    blocks: dict[str, _Blocks] = field(default_factory=dict)


def read_vasprun(path: Path) -> Run:
    """Read a vasprun.xml, plain or compressed.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Run
        Of the last ionic step.

    Raises
    ------
    ReaderError
        When the file is cut off, its k-points lie along lines, or it has no structure, eigenvalues or DOS.
    """
    found = _Found()
    with unfinished(path), open_unpacked(path, streamed=True) as file:
        for section, element in _elements(file):
            _take(path, found, section, element)
    symbols, cell, positions = found.symbols, found.cell, found.positions
    if not symbols or cell is None or positions is None:
        raise ReaderError(f"{path} holds no structure. Is it a vasprun.xml, and did the run start?")
    refuse_lines(path, found.generation == "listgenerated")
    spinor = is_true(found.parameters, "LNONCOLLINEAR") or is_true(found.parameters, "LSORBIT")
    n_spins = 2 if int(found.parameters.get("ISPIN", "1")) == 2 and not spinor else 1
    bands = _bands(path, found, n_spins, spinor, len(symbols))
    printed = _printed(path, found, n_spins, len(symbols))
    if bands is None and printed is None:
        raise ReaderError(f"{path} holds neither eigenvalues nor a DOS. Did the run end?")
    return Run(
        path,
        f"VASP {found.version}".strip(),
        Atoms(symbols, cell=cell, scaled_positions=positions, pbc=True),
        float(found.parameters.get("NELECT", "nan")),
        found.fermi,
        bands,
        printed,
        {
            "functional": functional(found.parameters),
            "k-mesh": found.mesh,
            "cutoff (eV)": float(found.parameters.get("ENMAX", found.parameters.get("ENCUT", "nan"))),
            "electron smearing": smearing(found.parameters)[0],
        },
    )


def _elements(file: Any) -> Iterator[tuple[tuple[str, ...], Element]]:
    """Complete elements with the tags that they stand in; each is dropped when the next one is asked for.

    Rows of arrays come as the set that holds them, not one by one.
    """
    open_elements: list[Element] = []
    for event, element in iterparse(file, events=("start", "end")):
        if event == "start":
            open_elements.append(element)
            continue
        open_elements.pop()
        if element.tag in ("r", "c", "rc", "v", "field", "dimension"):
            continue  # kept until the element that holds them is complete
        yield tuple(each.tag for each in open_elements), element
        if element.tag != "i" and open_elements:
            element.clear()
            open_elements[-1].remove(element)


def _take(path: Path, found: _Found, section: tuple[str, ...], element: Element) -> None:
    name = element.get("name", "")
    if element.tag == "i" and name:
        _take_entry(found, section, name, (element.text or "").strip())
    elif element.tag == "set":
        _take_rows(path, found, section, element)
    elif element.tag == "varray":
        _take_vectors(path, found, section, name, element)
    elif element.tag == "generation":
        found.generation = element.get("param")
        divisions = next((v.text for v in element.iter("v") if v.get("name") == "divisions" and v.text), None)
        found.mesh = None if divisions is None else " x ".join(divisions.split())


def _take_entry(found: _Found, section: tuple[str, ...], name: str, text: str) -> None:
    if "generator" in section and name == "version":
        found.version = text.split("-")[0].strip()
    elif "parameters" in section or "incar" in section:
        found.parameters[name] = text
    elif section[-1:] == ("dos",) and name == "efermi":
        found.fermi = float(text)


def _take_vectors(path: Path, found: _Found, section: tuple[str, ...], name: str, element: Element) -> None:
    if name not in ("basis", "positions", "kpointlist", "weights"):
        return
    values = np.array([numbers(path, v.text or "", name) for v in element.iter("v")])
    if name == "kpointlist":
        found.kpoints = values
    elif name == "weights":
        found.weights = values.ravel()
    elif name == "basis":
        found.cell = values
        if "calculation" in section:
            found.blocks = {}  # another ionic step begins
    elif "structure" in section:
        found.positions = values


def _take_rows(path: Path, found: _Found, section: tuple[str, ...], element: Element) -> None:
    if "atominfo" in section:
        cells = [[c.text or "" for c in row.iter("c")] for row in element.iter("rc")]
        if cells and not found.symbols:  # the array of atoms comes before the array of types
            found.symbols = [row[0].strip() for row in cells]
        return
    kind = next((kind for tags, kind in _ARRAYS.items() if _contains(section, tags)), None)
    rows = [row.text or "" for row in element.iter("r")]
    if kind is None or not rows or (kind == "eigenvalues" and "projected" in section):
        return
    values = numbers(path, " ".join(rows), kind).reshape(len(rows), -1)
    if kind == "projections":
        values = values.sum(axis=1)  # over the orbitals of each atom
    elif kind == "partial":
        values = np.stack([values[:, 0], values[:, 1:].sum(axis=1)])
    blocks = found.blocks.setdefault(kind, _Blocks(values.shape, "f" if kind == "projections" else "d"))
    blocks.append(path, values)


def _contains(section: tuple[str, ...], tags: tuple[str, ...]) -> bool:
    return any(section[i : i + len(tags)] == tags for i in range(len(section)))


def _bands(path: Path, found: _Found, n_spins: int, spinor: bool, n_atoms: int) -> ProjectedBands | None:
    blocks = found.blocks.get("eigenvalues")
    if blocks is None:
        return None
    weights = required(path, found.weights, "k-point weights")
    n_kpoints = len(weights)
    if blocks.count != n_spins * n_kpoints:
        raise ReaderError(
            f"{path} holds eigenvalues of {blocks.count} k-points and spins; {n_spins} x {n_kpoints} were expected. "
            "Is it cut off?"
        )
    table = blocks.stacked().reshape(n_spins, n_kpoints, -1, blocks.shape[1])
    projections = None
    if "projections" in found.blocks:
        rows = found.blocks["projections"]
        # With spinors three components of the magnetisation follow the projections.
        wanted = n_spins * n_kpoints * table.shape[2]
        if rows.count not in (wanted, 4 * wanted) or rows.shape != (n_atoms,):
            raise ReaderError(f"{path} holds projections of {rows.count} states; expected {wanted}. Is it cut off?")
        projections = rows.stacked()[:wanted].T.reshape(n_atoms, n_spins, n_kpoints, -1)
    return ProjectedBands(table[..., 0], weights, projections, table[..., 1], spinor)


def _printed(path: Path, found: _Found, n_spins: int, n_atoms: int) -> PrintedDOS | None:
    blocks = found.blocks.get("total")
    if blocks is None:
        return None
    total = blocks.stacked()[:n_spins]
    pdos = None
    if "partial" in found.blocks:
        rows = found.blocks["partial"].stacked()[:, 1]
        if len(rows) % n_atoms:
            raise ReaderError(f"{path} holds a partial DOS of {len(rows)} ions and spins for {n_atoms} ions.")
        # With spinors each ion has four blocks, of which the first is the density.
        pdos = rows.reshape(n_atoms, -1, rows.shape[1])[:, :n_spins]
    return PrintedDOS(total[0, :, 0], total[:, :, 1], total[:, :, 2], pdos, smearing(found.parameters)[1])
