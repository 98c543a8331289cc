"""The crystal set: its materials, their order, and the start volume of each.

    python3 crystal_structures.py        # counts

Twelve prototypes of one to five atoms without free coordinates (wurtzite and hcp keep ideal axes), named
``prototype-formula``. Many of the materials are hypothetical: the set samples electronic structure, not stability. This
module needs only ASE and spglib, so GPAW's own Python can import it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import reduce
from itertools import product
from math import gcd

import numpy as np
import spglib
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii, reference_states
from ase.formula import Formula

# Reserved for tests on other data: in no structure of this set.
RESERVED = (
    "GaP InSb AlSb ZnTe CdS BeS CuI MgO KCl RbI LiF CaSe SrTe ScN ZrC HfN TaC AgBr PbS CsBr TiPd MgAg Ge Pd Ca Mo K Zn "
    "Y KTaO3 BaHfO3 CsSnI3 LiZnP ZrPdSn ScInPd2 CaF2 Mg2Si Na2S"
)

IDEAL_RATIO = np.sqrt(8 / 3)
F_CELL = 0.5 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
I_CELL = 0.5 * np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
P_CELL = np.eye(3)
HEX_CELL = np.array([[1, 0, 0], [-0.5, np.sqrt(0.75), 0], [0, 0, IDEAL_RATIO]])


def _corner(x: float) -> tuple[float, float, float]:
    return (x, x, x)


# Unit cell, fractional positions by species, and the place in the plan of the first material (0 = start).
PROTOTYPES: dict[str, tuple[np.ndarray, list[list[tuple[float, float, float]]], float]] = {
    "fcc": (F_CELL, [[_corner(0)]], 0.0),
    "bcc": (I_CELL, [[_corner(0)]], 0.0),
    "hcp": (HEX_CELL, [[(1 / 3, 2 / 3, 0.25), (2 / 3, 1 / 3, 0.75)]], 0.0),
    "diamond": (F_CELL, [[_corner(0), _corner(0.25)]], 0.0),
    "rocksalt": (F_CELL, [[_corner(0)], [_corner(0.5)]], 0.0),
    "zincblende": (F_CELL, [[_corner(0)], [_corner(0.25)]], 0.0),
    "cscl": (P_CELL, [[_corner(0)], [_corner(0.5)]], 0.0),
    "wurtzite": (
        HEX_CELL,
        [[(1 / 3, 2 / 3, 0), (2 / 3, 1 / 3, 0.5)], [(1 / 3, 2 / 3, 0.375), (2 / 3, 1 / 3, 0.875)]],
        0.3,
    ),
    "fluorite": (F_CELL, [[_corner(0)], [_corner(0.25), _corner(0.75)]], 0.15),
    "half-heusler": (F_CELL, [[_corner(0)], [_corner(0.25)], [_corner(0.5)]], 0.15),
    "heusler": (F_CELL, [[_corner(0)], [_corner(0.5)], [_corner(0.25), _corner(0.75)]], 0.3),
    "perovskite": (P_CELL, [[_corner(0)], [_corner(0.5)], [(0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)]], 0.35),
}
# Fractions of the standardised primitive cell, the lines of its path in the notation of SeeK-path (Hinuma et al.,
# Comput. Mater. Sci. 128, 140 (2017)); the cells above are the ones that these points belong to.
PATHS: dict[str, tuple[dict[str, tuple[float, float, float]], str]] = {
    "F": (
        {
            "G": (0, 0, 0),
            "X": (0.5, 0, 0.5),
            "U": (0.625, 0.25, 0.625),
            "K": (0.375, 0.375, 0.75),
            "L": (0.5, 0.5, 0.5),
            "W": (0.5, 0.25, 0.75),
        },
        "GXU,KGLWX",
    ),
    "I": ({"G": (0, 0, 0), "H": (0.5, -0.5, 0.5), "N": (0, 0, 0.5), "P": (0.25, 0.25, 0.25)}, "GHNGPH,PN"),
    "P": ({"G": (0, 0, 0), "X": (0, 0.5, 0), "M": (0.5, 0.5, 0), "R": (0.5, 0.5, 0.5)}, "GXMGRX,RM"),
    "H": (
        {
            "G": (0, 0, 0),
            "A": (0, 0, 0.5),
            "K": (1 / 3, 1 / 3, 0),
            "H": (1 / 3, 1 / 3, 0.5),
            "M": (0.5, 0, 0),
            "L": (0.5, 0, 0.5),
        },
        "GMKGALHA,LM,HK",
    ),
}
LATTICE = {"bcc": "I", "hcp": "H", "wurtzite": "H", "cscl": "P", "perovskite": "P"}  # F for all others
# Computed first: examples from publications.
FIRST = ("rocksalt-NaCl", "zincblende-GaAs", "hcp-Mg", "perovskite-SrZrO3", "heusler-TiAlCu2")

# Species in the order of the prototype's sites; a space separates alternatives, every combination is a candidate.
# Without partly filled 3d shells that are magnetic (Cr, Mn, Fe, Co, Ni) and without lanthanides.
METALS = (
    "Li Be Na Mg Al K Ca Sc Ti V Cu Zn Ga Rb Sr Y Zr Nb Mo Ru Rh Pd Ag Cd "
    "In Sn Cs Ba Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi"
)
ALKALI, HALOGENS, CHALCOGENS = "Li Na K Rb Cs", "F Cl Br I", "O S Se Te"
GAPPED: list[tuple[str, ...]] = [
    ("diamond", "C Si Sn"),
    ("rocksalt", ALKALI, HALOGENS),
    ("rocksalt", ALKALI, "H"),
    ("rocksalt", "Mg Ca Sr Ba Cd", CHALCOGENS),
    ("rocksalt", "Be Zn Hg", CHALCOGENS),
    ("rocksalt", "Ge Sn Pb", CHALCOGENS),
    ("rocksalt", "Ag Cu Tl In", HALOGENS),
    ("rocksalt", "Sc Y Al In", "N P As Sb"),
    ("zincblende", "B Al Ga In", "N P As Sb Bi"),
    ("zincblende", "Be Mg Zn Cd Hg", CHALCOGENS),
    ("zincblende", "Ca Sr Ba", CHALCOGENS),
    ("zincblende", "Cu Ag", HALOGENS),
    ("zincblende", "Li Na K Rb", HALOGENS),
    ("zincblende", "Si Ge Sn", "C"),
    ("zincblende", "Si", "Ge Sn"),
    ("zincblende", "Sc Y", "N P As"),
    ("cscl", ALKALI, HALOGENS),
    ("cscl", "Tl Ag Cu", HALOGENS),
    ("cscl", "Mg Ca Sr Ba", CHALCOGENS),
    ("wurtzite", "B Al Ga In", "N P As Sb"),
    ("wurtzite", "Be Mg Zn Cd", CHALCOGENS),
    ("wurtzite", "Cu Ag Li Na", HALOGENS),
    ("wurtzite", "Si", "C"),
    ("fluorite", "Be Mg Ca Sr Ba Zn Cd Hg Pb Sn", "F Cl"),
    ("fluorite", "Ca Sr Ba Mg Cd", "Br I H"),
    ("fluorite", "Si Ge Sn Pb Ti Zr Hf", "O"),
    ("fluorite", "Zr Hf Sn Ti", "S Se"),
    ("fluorite", CHALCOGENS, "Li Na K Rb"),
    ("fluorite", "Si Ge Sn Pb", "Mg"),
    ("fluorite", "C", "Be"),
    ("fluorite", "Si Ge Sn", "Ca Sr"),
    ("half-heusler", "Li", "Mg Zn Cd Be", "N P As Sb Bi"),
    ("half-heusler", "Na K", "Mg Zn Cd", "N P As Sb"),
    ("half-heusler", "Mg Ca", "Cu Ag Li", "N P As Sb"),
    ("half-heusler", "Li", "Al Ga In", "C Si Ge Sn"),
    ("half-heusler", "Ti Zr Hf", "Pd Pt", "Si Ge Sn Pb"),
    ("half-heusler", "Ti Zr Hf", "Rh Ir", "P As Sb Bi"),
    ("half-heusler", "V Nb Ta", "Ru Os", "P As Sb Bi"),
    ("half-heusler", "V Nb Ta", "Rh Ir", "Si Ge Sn Pb"),
    ("half-heusler", "Sc Y", "Pd Pt", "P As Sb Bi"),
    ("half-heusler", "Sc Y", "Cu Au Ag", "Si Ge Sn"),
    ("half-heusler", "Mo W", "Ru Os", "Te Se"),
    ("heusler", "V Nb Ta", "Al Ga In", "Ru Os"),
    ("heusler", "Ti Zr Hf", "Si Ge Sn", "Ru"),
    ("heusler", "K Rb Cs Na Li", "Sb Bi As", "Na K Li Rb"),
    ("perovskite", "Ca Sr Ba Pb Cd Mg", "Ti Zr Hf", "O"),
    ("perovskite", "Ca Sr Ba Pb", "Si Ge Sn", "O"),
    ("perovskite", "Li Na K Rb Cs Ag Tl", "Nb Ta", "O"),
    ("perovskite", "Y Bi In Sc", "Al Ga Sc In", "O"),
    ("perovskite", "Li Na K Rb Cs", "Mg Ca Sr Ba Zn Cd Hg Be", "F"),
    ("perovskite", "K Rb Cs", "Ca Mg Cd Hg", "Cl"),
    ("perovskite", "Na K Rb Cs", "Ge Sn Pb", "F Cl Br I"),
    ("perovskite", "Ca Sr Ba", "Zr Hf", "S"),
    ("perovskite", "N P As Sb Bi", "N P As Sb Bi", "Mg Ca Sr"),
]
METALLIC: list[tuple[str, ...]] = [
    ("fcc", METALS),
    ("bcc", METALS),
    ("hcp", METALS),
    ("diamond", "Al Pb Li Mg Be"),
    ("rocksalt", "Ti V Zr Nb Hf Ta", "C N"),
    ("rocksalt", "Ti V Zr Nb", "O B"),
    ("rocksalt", "Sc Y Mo W", "C"),
    ("rocksalt", "Ti Zr Sc Y", "S Se P"),
    ("rocksalt", "Sn Ga Mo Re Bi", "P As N"),
    ("zincblende", "Ti V Nb Ru Pt Ir", "C N"),
    ("cscl", "Be", "Cu Pd Rh Ru"),
    ("cscl", "Mg", "Au Pd Rh Tl Sr Hg Sc Y"),
    ("cscl", "Al", "Sc Ru Rh Pd Os Ir"),
    ("cscl", "Li", "Ag Au Hg Tl Pt Pd Zn Cd"),
    ("cscl", "Ti Zr Hf", "Ru Os Ir Pt Au Be Zn Rh"),
    ("cscl", "Sc Y", "Cu Ag Au Zn Cd Hg Rh Ir Pd Pt Ru"),
    ("cscl", "Ca Sr Ba", "Zn Cd Hg Tl Pd In"),
    ("cscl", "Cu Ag Au", "Zn Cd"),
    ("cscl", "Ga In", "Rh Ru Ir Pd"),
    ("cscl", "V Nb Ta", "Ru Os Rh Ir Pt"),
    ("wurtzite", "Ti Nb Au Pt Al", "C O"),
    ("fluorite", "Au Pt Pd Ir", "Al Ga In"),
    ("fluorite", "Sc Ti V Y Zr Nb Hf Ta Pd", "H"),
    ("fluorite", "P As", "Ir Rh"),
    ("fluorite", "Pt Ir Au", "Sn Mg"),
    ("fluorite", "Mo W Ru Re", "O N"),
    ("half-heusler", "Mg", "Cu Ag Pd", "Sb Sn Bi"),
    ("half-heusler", "Ti Zr Nb", "Cu Ag Au", "Sn Sb Al"),
    ("half-heusler", "Li", "Pd Pt Au", "Sb Sn Ge Bi"),
    ("half-heusler", "Mg Ca", "Au Pt", "Sn Sb Al"),
    ("half-heusler", "Hf Ta", "Ir Pd Pt", "Al Ga In"),
    ("heusler", "Ti Zr Hf Sc", "Al In Ga Sn", "Cu Pd Au"),
    ("heusler", "Mg Li", "Al Ga In Sn", "Cu Ag Pd"),
    ("heusler", "Zr Nb Y", "Al Sn In", "Pd Ir Rh"),
    ("heusler", "Ca Li", "Sn Pb Zn", "Au Pt Pd"),
    ("perovskite", "Ca Sr Ba", "V Nb Mo Ru Ir", "O"),
    ("perovskite", "K Na Rb", "W Re", "O"),
    ("perovskite", "C N B", "Al In Sn Tl", "Sc Ti Zr"),
    ("perovskite", "C N", "Pt Rh Ga", "Sc Y Mg"),
    ("perovskite", "O", "Sn Pb", "Ca Sr Ba"),
    ("perovskite", "B C", "Mg Y Zr", "Rh Pd Pt"),
]
NONMETALS = {"H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Ge", "As", "Se", "Br", "Sb", "Te", "I"}


@dataclass(frozen=True)
class Material:
    """One crystal of the plan, or a distorted copy of it; ``expected`` (gap or metal) only orders it."""

    prototype: str
    species: tuple[str, ...]
    expected: str
    copy: str = ""  # "strained", "sheared" or "rattled"; see crystal_copies.py

    @property
    def formula(self) -> str:
        sites = PROTOTYPES[self.prototype][1]
        counts = Counter()
        for symbol, positions in zip(self.species, sites, strict=True):
            counts[symbol] += len(positions)
        return reduced(counts)

    @property
    def name(self) -> str:
        return f"{self.prototype}-{self.formula}" + (f"-{self.copy}" if self.copy else "")

    @property
    def n_atoms(self) -> int:
        return sum(len(positions) for positions in PROTOTYPES[self.prototype][1])


def reduced(counts: Counter[str] | dict[str, int]) -> str:
    """Formula with the smallest integers, elements in the given order."""
    divisor = reduce(gcd, counts.values())
    return "".join(symbol + (str(n // divisor) if n > divisor else "") for symbol, n in counts.items())


def composition(formula: str) -> frozenset[tuple[str, int]]:
    """Composition of a formula, the same for all ways to write it."""
    counts = Formula(formula).count()
    divisor = reduce(gcd, counts.values())
    return frozenset((symbol, n // divisor) for symbol, n in counts.items())


def start_volume(material: Material) -> float:
    """Volume of the cell (angstrom^3) from the elements' lattice constants; with a nonmetal, from covalent radii."""
    shape, sites, _ = PROTOTYPES[material.prototype]
    if not NONMETALS & set(material.species):
        volumes = [_volume_per_atom(symbol) * len(at) for symbol, at in zip(material.species, sites, strict=True)]
        return 0.95 * sum(volumes)
    trial = Atoms(_symbols(material), scaled_positions=_fractions(material), cell=shape, pbc=True) * (3, 3, 3)
    oxide = material.prototype == "perovskite" and "O" in material.species
    radii = (0.9 if oxide else 1.03) * covalent_radii[trial.numbers]
    ratio = trial.get_all_distances(mic=True) / (radii[:, None] + radii)
    closest = np.min(ratio + 1e3 * np.eye(len(trial)))
    return abs(np.linalg.det(shape)) / closest**3


def _volume_per_atom(symbol: str) -> float:
    state = reference_states[atomic_numbers[symbol]]
    if state and state["symmetry"] in ("fcc", "bcc", "hcp", "diamond"):
        atoms = {"fcc": 4, "bcc": 2, "diamond": 8}
        if state["symmetry"] == "hcp":
            return np.sqrt(0.75) * state["a"] ** 3 * state["c/a"] / 2
        return state["a"] ** 3 / atoms[state["symmetry"]]
    return 6.0 * covalent_radii[atomic_numbers[symbol]] ** 3


def _symbols(material: Material) -> list[str]:
    return [s for s, at in zip(material.species, PROTOTYPES[material.prototype][1], strict=True) for _ in at]


def _fractions(material: Material) -> list[tuple[float, float, float]]:
    return [position for at in PROTOTYPES[material.prototype][1] for position in at]


def crystal(material: Material, volume: float) -> Atoms:
    """The standardised primitive cell (spglib) with this volume, angstrom^3."""
    shape = PROTOTYPES[material.prototype][0]
    cell = shape * (volume / abs(np.linalg.det(shape))) ** (1 / 3)
    atoms = Atoms(_symbols(material), scaled_positions=_fractions(material), cell=cell)
    raw = (np.array(atoms.cell), atoms.get_scaled_positions(), atoms.numbers)
    lattice, positions, numbers = spglib.standardize_cell(raw, to_primitive=True, symprec=1e-5)
    return Atoms(numbers, scaled_positions=positions, cell=lattice, pbc=True)


def band_path(material: Material, cell: np.ndarray, density: float) -> tuple[np.ndarray, list[tuple[int, str]]]:
    """Fractional k-points along the prototype's path, ``density`` points per inverse angstrom (2 pi included).

    Also (index, label) of the corners; a comma in PATHS is a jump, with both of its sides in the path.
    """
    points, lines = PATHS[LATTICE.get(material.prototype, "F")]
    reciprocal = 2 * np.pi * np.linalg.inv(cell).T
    kpoints, corners = [], []
    for line in lines.split(","):
        corners.append((len(kpoints), line[0]))
        kpoints.append(np.array(points[line[0]], dtype=float))
        for end in line[1:]:
            step = np.array(points[end]) - kpoints[-1]
            n = max(1, int(np.ceil(np.linalg.norm(step @ reciprocal) * density)))
            kpoints += [kpoints[-1] + step * i / n for i in range(1, n + 1)]
            corners.append((len(kpoints) - 1, end))
    return np.array(kpoints), corners


def candidates() -> list[Material]:
    """Every material once, in the order of the tables; the reserved formulas in no structure."""
    reserved = {composition(formula) for formula in RESERVED.split()}
    found: dict[tuple[str, frozenset[tuple[str, int]]], Material] = {}
    for expected, table in (("gap", GAPPED), ("metal", METALLIC)):
        for prototype, *choices in table:
            for species in product(*(choice.split() for choice in choices)):
                material = Material(prototype, species, expected)
                key = composition(material.formula)
                # A material that repeats a species belongs to a prototype of fewer species.
                if key not in reserved and len(set(species)) == len(species):
                    found.setdefault((prototype, key), material)
    return list(found.values())


def _interleaved(queue: list[Material], rng: np.random.Generator) -> list[tuple[float, Material]]:
    """Spread the materials of one prototype and class at random over the plan, so that elements mix."""
    late = PROTOTYPES[queue[0].prototype][2]
    order = rng.permutation(len(queue))
    return [(late + (1 - late) * (place + 0.5) / len(queue), queue[i]) for place, i in enumerate(order)]


def plan() -> list[Material]:
    """Every candidate, prototypes and classes interleaved; expensive prototypes start a little later."""
    rng = np.random.default_rng(20261123)
    queues: dict[tuple[str, str], list[Material]] = {}
    for material in candidates():
        queues.setdefault((material.prototype, material.expected), []).append(material)
    ranked = [item for queue in queues.values() for item in _interleaved(queue, rng)]
    ranked.sort(key=lambda item: (item[1].name not in FIRST, item[0], item[1].name))
    return [material for _, material in ranked]


if __name__ == "__main__":
    whole = plan()
    print(len(whole), "materials,", len({m.name for m in whole}), "names,", Counter(m.expected for m in whole))
    print(
        len({s for m in whole for s in m.species}),
        "elements,",
        len({composition(m.formula) for m in whole}),
        "formulas",
    )
    for size in (100, 300, 600, len(whole)):
        print(size, dict(Counter(m.prototype for m in whole[:size])), Counter(m.expected for m in whole[:size])["gap"])
