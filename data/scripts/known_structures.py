"""Structures with free coordinates beside the twelve prototypes: layers, stacks of layers, slabs, rutile and others.

    python3 known_structures.py        # list with numbers of atoms

Cells and coordinates are experimental ones, rounded, as tables of crystal structures give them (R. W. G. Wyckoff,
Crystal Structures, Interscience 1963 to 1971); layers are cut from their crystals. Nothing is relaxed: the set samples
electronic structure. Layers and slabs lie in the plane of the first two vectors, with ``VACUUM`` between their images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import spglib
from ase import Atoms
from ase.build import fcc100, mx2
from ase.spacegroup import crystal as build
from crystal_structures import NONMETALS, RESERVED, composition, reduced

VACUUM = 9.0  # angstrom between the images of a layer
ANTIMONIDE = [(0, 0, 0), (1 / 3, 2 / 3, 0.634), (1 / 3, 2 / 3, 0.228)]
SPACING = 24.0  # angstrom; a direction of length a gets SPACING / a points of the mesh, at most 8


@dataclass(frozen=True)
class Known:
    """One structure; ``prototype`` names its kind in the set."""

    prototype: str
    atoms: Atoms
    layered: bool = False  # vacuum along the third vector

    copy = ""

    @property
    def formula(self) -> str:
        counts: dict[str, int] = {}
        for symbol in self.atoms.symbols:
            counts[symbol] = counts.get(symbol, 0) + 1
        return reduced(counts)

    @property
    def name(self) -> str:
        return f"{self.prototype}-{self.formula}"

    @property
    def expected(self) -> str:
        return "gap" if NONMETALS & set(self.atoms.symbols) else "metal"

    def mesh(self) -> list[int]:
        """k-points along each vector: 8, or fewer along long ones; one across a vacuum."""
        sizes = [int(np.clip(np.ceil(SPACING / length), 2, 8)) for length in self.atoms.cell.lengths()]
        return [*sizes[:2], 1] if self.layered else sizes

    def path(self, density: float) -> tuple[np.ndarray, list[tuple[int, str]]]:
        """Fractional k-points along the path that ASE gives the lattice, and (index, label) of its corners."""
        bandpath = self.atoms.cell.bandpath(pbc=[True, True, not self.layered])
        reciprocal = 2 * np.pi * np.linalg.inv(np.array(self.atoms.cell)).T
        kpoints: list[np.ndarray] = []
        corners: list[tuple[int, str]] = []
        for line in bandpath.path.split(","):
            names = _names(line)
            corners.append((len(kpoints), names[0]))
            kpoints.append(np.array(bandpath.special_points[names[0]], dtype=float))
            for end in names[1:]:
                step = bandpath.special_points[end] - kpoints[-1]
                n = max(1, int(np.ceil(np.linalg.norm(step @ reciprocal) * density)))
                kpoints += [kpoints[-1] + step * i / n for i in range(1, n + 1)]
                corners.append((len(kpoints) - 1, end))
        return np.array(kpoints), corners


def _names(line: str) -> list[str]:
    """Labels of a line such as "GXA1": a capital letter, and the digits after it."""
    found: list[str] = []
    for letter in line:
        if letter.isdigit():
            found[-1] += letter
        else:
            found.append(letter)
    return found


def _primitive(atoms: Atoms) -> Atoms:
    raw = (np.array(atoms.cell), atoms.get_scaled_positions(), atoms.numbers)
    cell, positions, numbers = spglib.standardize_cell(raw, to_primitive=True, symprec=1e-4)
    return Atoms(numbers, scaled_positions=positions, cell=cell, pbc=True)


def _group(symbols: str, sites: list[tuple[float, float, float]], number: int, *cell: float, setting: int = 1) -> Atoms:
    """Primitive cell of a space group; ``cell`` is a, c of tetragonal and hexagonal, a of cubic, or a, b, c."""
    hexagonal = 143 <= number <= 194
    lengths = [cell[0]] * 3 if len(cell) == 1 else [cell[0], cell[0], cell[1]] if len(cell) == 2 else list(cell)
    angles = [90, 90, 120 if hexagonal else 90]
    names = symbols.split()
    return _primitive(build(names, sites, spacegroup=number, setting=setting, cellpar=[*lengths, *angles]))


def _rutile(metal: str, anion: str, a: float, c: float, u: float) -> Known:
    return Known("rutile", _group(f"{metal} {anion}", [(0, 0, 0), (u, u, 0)], 136, a, c))


def _iodide(metal: str, anion: str, a: float, c: float, z: float) -> Known:
    """CdI2: octahedral layers, one to a cell."""
    return Known("cadmium-iodide", _group(f"{metal} {anion}", [(0, 0, 0), (1 / 3, 2 / 3, z)], 164, a, c))


def _layer(atoms: Atoms, prototype: str) -> Known:
    """A layer with vacuum along the third vector, which is normal to it."""
    atoms = atoms.copy()
    atoms.center(vacuum=VACUUM / 2, axis=2)
    atoms.pbc = True
    return Known(prototype, atoms, layered=True)


def _sheet(symbols: str, a: float, buckling: float = 0.0) -> Known:
    """Honeycomb of one or two elements, ``buckling`` in angstrom between both."""
    places = np.array([[0, 0, 0], [0, a / np.sqrt(3), buckling]])
    cell = [[a, 0, 0], [-a / 2, a * np.sqrt(0.75), 0], [0, 0, 1]]
    return _layer(Atoms(symbols, places, cell=cell, pbc=True), "honeycomb-layer")


def _dichalcogenide(formula: str, kind: str, a: float, thickness: float) -> Known:
    return _layer(mx2(formula, kind=kind, a=a, thickness=thickness), f"{kind}-layer")


def _stacked(metal: str, anion: str, a: float, c: float, z: float) -> Known:
    """2H stacking of MoS2."""
    return Known("molybdenite", _group(f"{metal} {anion}", [(1 / 3, 2 / 3, 0.25), (1 / 3, 2 / 3, z)], 194, a, c))


def _salt_slab(cation: str, anion: str, a: float, layers: int) -> Known:
    """(001) layers of rocksalt, in the primitive square of the surface."""
    side = a / np.sqrt(2)
    atoms = Atoms(cell=[side, side, 1], pbc=True)
    for n in range(layers):
        places = [(0, 0), (side / 2, side / 2)]
        for symbol, (x, y) in zip((cation, anion) if n % 2 == 0 else (anion, cation), places, strict=True):
            atoms += Atoms(symbol, [(x, y, n * a / 2)])
    return _layer(atoms, f"rocksalt-slab{layers}")


def _metal_slab(symbol: str, a: float, layers: int) -> Known:
    return _layer(fcc100(symbol, (1, 1, layers), a=a, vacuum=1.0), f"fcc-slab{layers}")


def known() -> list[Known]:
    """Every structure, small ones of each kind first; the reserved formulas in none."""
    found = [
        _sheet("C2", 2.46),
        _rutile("Ti", "O", 4.594, 2.959, 0.305),
        Known("graphite", _group("C C", [(0, 0, 0.25), (1 / 3, 2 / 3, 0.25)], 194, 2.461, 6.708)),
        _dichalcogenide("MoS2", "2H", 3.16, 3.17),
        _rutile("Mg", "F", 4.623, 3.052, 0.303),
        _iodide("Sn", "S", 3.648, 5.899, 0.25),
        Known("cuprite", _group("O Cu", [(0, 0, 0), (0.25, 0.25, 0.25)], 224, 4.270)),
        _sheet("BN", 2.50),
        Known("arsenic", _group("As", [(0, 0, 0.227)], 166, 3.760, 10.548)),
        _salt_slab("Na", "Cl", 5.640, 2),
        Known("litharge", _group("Pb O", [(0, 0.5, 0.237), (0, 0, 0)], 129, 3.975, 5.023)),
        _dichalcogenide("WSe2", "2H", 3.29, 3.34),
        _rutile("Sn", "O", 4.737, 3.186, 0.307),
        _iodide("Ti", "S", 3.408, 5.701, 0.25),
        Known("selenium", _group("Te", [(0.2636, 0, 1 / 3)], 152, 4.457, 5.929)),
        Known("aluminium-boride", _group("Mg B", [(0, 0, 0), (1 / 3, 2 / 3, 0.5)], 191, 3.086, 3.524)),
        _metal_slab("Al", 4.05, 3),
        Known("white-tin", _group("Sn", [(0, 0.75, 0.125)], 141, 5.831, 3.182, setting=2)),
        Known("boron-nitride", _group("B N", [(1 / 3, 2 / 3, 0.25), (2 / 3, 1 / 3, 0.25)], 194, 2.504, 6.661)),
        Known("copper-gold-3", _group("Au Cu", [(0, 0, 0), (0, 0.5, 0.5)], 221, 3.748)),
        Known("tellurobismuthite", _group("Bi Te Te", [(0, 0, 0.4), (0, 0, 0), (0, 0, 0.211)], 166, 4.384, 30.49)),
        _rutile("Ge", "O", 4.395, 2.859, 0.307),
        _iodide("Mg", "Br", 3.810, 6.260, 0.25),
        _sheet("Si2", 3.86, 0.45),
        Known("rhenium-oxide", _group("Re O", [(0, 0, 0), (0.5, 0, 0)], 221, 3.742)),
        _rutile("Zn", "F", 4.703, 3.134, 0.303),
        _stacked("Mo", "S", 3.160, 12.295, 0.621),
        Known("black-phosphorus", _group("P", [(0, 0.1017, 0.0806)], 64, 3.3136, 10.478, 4.3763)),
        Known("magnesium-antimonide", _group("Mg Mg Sb", ANTIMONIDE, 164, 4.568, 7.229)),
        _iodide("Zr", "Se", 3.770, 6.138, 0.257),
        _salt_slab("Li", "Br", 5.501, 2),
        _rutile("Ru", "O", 4.492, 3.107, 0.306),
        Known("lithium-nitride", _group("Li Li N", [(0, 0, 0.5), (1 / 3, 2 / 3, 0), (0, 0, 0)], 191, 3.648, 3.875)),
        _iodide("Pb", "I", 4.557, 6.979, 0.265),
        Known("arsenic", _group("Bi", [(0, 0, 0.2341)], 166, 4.546, 11.862)),
        Known("anatase", _group("Ti O", [(0, 0, 0), (0, 0, 0.2081)], 141, 3.785, 9.514)),
        Known("indium", _group("In", [(0, 0, 0)], 139, 3.252, 4.946)),
    ]
    reserved = {composition(formula) for formula in RESERVED.split()}
    return [structure for structure in found if composition(structure.formula) not in reserved]


if __name__ == "__main__":
    for structure in known():
        path, corners = structure.path(6.0)
        group = spglib.get_spacegroup(
            (np.array(structure.atoms.cell), structure.atoms.get_scaled_positions(), structure.atoms.numbers)
        )
        volume = structure.atoms.get_volume() / len(structure.atoms)
        lines = " ".join(label for _, label in corners)
        print(
            f"{structure.name:36} {len(structure.atoms):3} atoms {volume:6.1f} A^3/atom  {group:14} mesh "
            f"{structure.mesh()} {len(path)} k-points {lines}"
        )
