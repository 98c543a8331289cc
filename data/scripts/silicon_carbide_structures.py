"""The silicon-carbon set: silicon, carbon and both, from molecules to amorphous, each in several displaced copies.

    python silicon_carbide_structures.py        # counts

A base structure has a number, which seeds everything random in it: the disorder, and strain and displacements of its
copies. The copies share a ``group``, which splits keep whole. Directions without periodicity have vacuum.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from ase import Atoms, units
from ase.build import bulk, diamond100, graphene, nanotube
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from fast_tersoff import FastTersoffSiC

SEED = 20261124
BOND = {"Si": 2.36, "C": 1.54, "SiC": 1.89}  # angstrom, of tetrahedral neighbours, PBE
FLAT_BOND = {"Si": 2.27, "C": 1.42, "SiC": 1.79}  # of three neighbours in a sheet
VOLUME = {"Si": 20.4, "C": 6.6, "SiC": 11.5}  # angstrom^3 an atom, amorphous
ELEMENTS = {"Si": ("Si", "Si"), "C": ("C", "C"), "SiC": ("Si", "C")}
VACUUM = 5.0  # angstrom on either side
FIRST = 81  # base structures; the plan computes them before the others, which were added later
# Of the copies: standard deviation of displacements in bond lengths, and of the components of strain.
COPIES = ((0.01, 0.01), (0.02, 0.02), (0.035, 0.02), (0.05, 0.03))


@dataclass(frozen=True)
class Base:
    """One structure before it is displaced; ``build`` takes the random generator of its number."""

    number: int
    composition: str
    kind: str
    build: Callable[[np.random.Generator], Atoms]

    @property
    def name(self) -> str:
        return f"{self.composition}-{self.kind}"

    def names(self) -> list[str]:
        return [f"{self.name}-{copy}" for copy in range(len(COPIES))]


def isolated(atoms: Atoms) -> Atoms:
    """Vacuum along every direction without periodicity."""
    axes = tuple(np.flatnonzero(~atoms.pbc))
    if axes:
        atoms.center(vacuum=VACUUM, axis=axes)
    return atoms


def _diamond(composition: str, size: int) -> Atoms:
    a = BOND[composition] * 4 / np.sqrt(3)
    first, second = ELEMENTS[composition]
    name, structure = (first, "diamond") if first == second else (first + second, "zincblende")
    atoms = bulk(name, structure, a, cubic=size == 8)
    return atoms * (2, 2, 2) if size == 16 else atoms


def polytype(composition: str, stacking: str) -> Atoms:
    """Hexagonal stacking of tetrahedral double layers, e.g. "AB" (2H, lonsdaleite) or "ABCB" (4H)."""
    first, second = ELEMENTS[composition]
    bond = BOND[composition]
    a, height = bond * np.sqrt(8 / 3), bond * 4 / 3
    place = {"A": (0, 0), "B": (1 / 3, 2 / 3), "C": (2 / 3, 1 / 3)}
    symbols, positions = [], []
    for layer, letter in enumerate(stacking):
        above = stacking[(layer + 1) % len(stacking)]
        # The atom on top of a double layer carries the next one straight above it.
        symbols += [first, second]
        positions += [(*place[letter], layer * height), (*place[above], layer * height + bond / 3)]
    cell = [[a, 0, 0], [-a / 2, a * np.sqrt(0.75), 0], [0, 0, len(stacking) * height]]
    atoms = Atoms(symbols, cell=cell, pbc=True)
    atoms.positions = [[x * a - y * a / 2, y * a * np.sqrt(0.75), z] for x, y, z in positions]
    return atoms


def _sheet(composition: str, repeat: int, buckling: float = 0.0) -> Atoms:
    first, second = ELEMENTS[composition]
    atoms = graphene(first + second, a=FLAT_BOND[composition] * np.sqrt(3), thickness=buckling)
    atoms = isolated(atoms)
    return atoms * (repeat, repeat, 1)


def _graphite(stacking: str) -> Atoms:
    layer = _sheet("C", 1)
    a = FLAT_BOND["C"] * np.sqrt(3)
    shift = {"A": 0, "B": 1, "C": 2}
    layers = []
    for height, letter in enumerate(stacking):
        copy = layer.copy()
        copy.positions += shift[letter] * np.array([0, a / np.sqrt(3), 0]) + [0, 0, 3.35 * height]
        layers.append(copy)
    atoms = sum(layers[1:], layers[0])
    atoms.cell[2] = [0, 0, 3.35 * len(stacking)]
    atoms.pbc = True
    return atoms


def _tube(composition: str, n: int, m: int, periodic: bool = True) -> Atoms:
    first, second = ELEMENTS[composition]
    atoms = nanotube(n, m, bond=FLAT_BOND[composition], symbol="C")
    # Neighbours along a tube alternate, as in the sheet.
    atoms.numbers[:] = _alternating(atoms, first, second, 1.2 * FLAT_BOND[composition])
    atoms.pbc = (False, False, periodic)
    return isolated(atoms)


def _alternating(atoms: Atoms, first: str, second: str, cutoff: float) -> list[int]:
    """Atomic numbers such that neighbours differ (as far as rings of even length allow)."""
    colour = np.full(len(atoms), -1)
    neighbours = (atoms.get_all_distances(mic=True) < cutoff) & ~np.eye(len(atoms), dtype=bool)
    for start in range(len(atoms)):
        stack = [(start, 0)]
        while stack:
            atom, value = stack.pop()
            if colour[atom] < 0:
                colour[atom] = value
                stack += [(other, 1 - value) for other in np.flatnonzero(neighbours[atom])]
    return list(np.where(colour == 0, *(Atoms(symbol).numbers[0] for symbol in (first, second))))


def _chain(composition: str, size: int, periodic: bool) -> Atoms:
    bond = {"Si": 2.2, "C": 1.29, "SiC": 1.69}[composition]
    symbols = [ELEMENTS[composition][i % 2] for i in range(size)]
    atoms = Atoms(symbols, positions=[(0, 0, bond * i) for i in range(size)])
    atoms.cell[2] = [0, 0, bond * size]
    atoms.pbc = (False, False, periodic)
    return isolated(atoms)


def _ring(composition: str, size: int) -> Atoms:
    bond = FLAT_BOND[composition] * 0.95
    angle = 2 * np.pi * np.arange(size) / size
    radius = bond / 2 / np.sin(np.pi / size)
    symbols = [ELEMENTS[composition][i % 2] for i in range(size)]
    return isolated(Atoms(symbols, positions=np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], 1)))


def ball(composition: str, size: int, on_atom: bool) -> Atoms:
    """The ``size`` atoms of the crystal that are closest to an atom or to the middle of a bond."""
    crystal = _diamond(composition, 8) * (3, 3, 3)
    middle = crystal.positions.mean(axis=0)
    centre = crystal.positions[np.argmin(((crystal.positions - middle) ** 2).sum(axis=1))]
    if not on_atom:
        centre = centre + BOND[composition] / np.sqrt(12)
    order = np.argsort(((crystal.positions - centre) ** 2).sum(axis=1), kind="stable")
    return isolated(Atoms(crystal[order[:size]].symbols, positions=crystal.positions[order[:size]]))


def _flake(composition: str, size: int) -> Atoms:
    """Piece of the sheet: the ``size`` atoms closest to the middle of a hexagon, e.g. 6, 12 (six dimers) or 24."""
    sheet = _sheet(composition, 9)
    distances = ((sheet.positions - sheet.positions.mean(axis=0)) ** 2).sum(axis=1)
    atom = sheet.positions[np.argmin(distances)]
    near = sheet.positions[np.argsort(((sheet.positions - atom) ** 2).sum(axis=1), kind="stable")[1:4]]
    centre = atom + (near[0] - atom) + (near[1] - atom)
    order = np.argsort(((sheet.positions - centre) ** 2).sum(axis=1).round(3), kind="stable")
    return isolated(Atoms(sheet[order[:size]].symbols, positions=sheet.positions[order[:size]]))


def _dodecahedron(symbols: str) -> Atoms:
    golden = (1 + np.sqrt(5)) / 2
    corners = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    for x in (-1, 1):
        for y in (-1, 1):
            corners += [(0, x / golden, y * golden), (x / golden, y * golden, 0), (x * golden, 0, y / golden)]
    scale = 1.46 if "Si" not in symbols else 1.52
    return isolated(Atoms(symbols, positions=np.array(corners) * scale * golden / 2))


def _slab(composition: str, layers: int) -> Atoms:
    """Unreconstructed (100) surfaces, one atom a layer; elements alternate."""
    a = BOND[composition] * 4 / np.sqrt(3)
    atoms = diamond100("C", (1, 1, layers), a=a)
    order = np.argsort(np.argsort(atoms.positions[:, 2]))
    atoms.numbers[:] = Atoms(ELEMENTS[composition]).numbers[order % 2]
    atoms.pbc = (True, True, False)
    return isolated(atoms)


def _beta_tin() -> Atoms:
    fractions = [(0, 0, 0), (0.5, 0.5, 0.5), (0, 0.5, 0.25), (0.5, 0, 0.75)]
    return Atoms("Si4", scaled_positions=fractions, cell=[4.81, 4.81, 2.65], pbc=True)


def _without(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    del atoms[int(rng.integers(len(atoms)))]
    return atoms


def _alloy(size: int, carbon: int, rng: np.random.Generator) -> Atoms:
    """Diamond lattice with that many carbon atoms at random; its lattice constant follows the composition."""
    atoms = _diamond("SiC", size)
    part = carbon / size
    # Vegard's law from silicon over silicon carbide to carbon.
    bond = np.interp(part, [0, 0.5, 1], [BOND["Si"], BOND["SiC"], BOND["C"]])
    atoms.set_cell(atoms.cell * bond / BOND["SiC"], scale_atoms=True)
    atoms.numbers[:] = 14
    atoms.numbers[rng.permutation(len(atoms))[:carbon]] = 6
    return atoms


def _antisite(rng: np.random.Generator) -> Atoms:
    atoms = _diamond("SiC", 8)
    atoms.numbers[[0, 1]] = atoms.numbers[[1, 0]]
    return atoms


def _amorphous(composition: str, size: int, rng: np.random.Generator) -> Atoms:
    """Atoms at random in a nearly cubic box, melted and quenched with the Tersoff potential (6 ps)."""
    edges = (size * VOLUME[composition] * rng.normal(1.0, 0.05)) ** (1 / 3) * np.exp(rng.normal(0, 0.05, 3))
    symbols = [ELEMENTS[composition][i % 2] for i in range(size)]
    atoms = Atoms(symbols, positions=_apart(size, edges, 0.8 * BOND[composition], rng), cell=edges, pbc=True)
    atoms.calc = FastTersoffSiC()
    MaxwellBoltzmannDistribution(atoms, temperature_K=6000, rng=rng)
    run = Langevin(atoms, units.fs, temperature_K=6000, friction=0.02 / units.fs, rng=rng, fixcm=False)
    run.run(1000)
    for temperature in np.linspace(4500, 300, 60):
        run.set_temperature(temperature_K=temperature)
        run.run(100)
    atoms.calc = None
    return atoms


def _apart(size: int, edges: np.ndarray, distance: float, rng: np.random.Generator) -> np.ndarray:
    """Points at random in a periodic box, no two closer than ``distance``; begun anew when no more fit."""
    while True:
        points: list[np.ndarray] = []
        for _ in range(2000):
            trial = rng.random(3) * edges
            delta = np.array(points).reshape(-1, 3) - trial
            delta -= edges * np.round(delta / edges)
            if not points or (delta**2).sum(axis=1).min() > distance**2:
                points.append(trial)
            if len(points) == size:
                return np.array(points)
        distance *= 0.97


def _silicon() -> dict[str, Callable]:
    return {
        "diamond-2": lambda rng: _diamond("Si", 2),
        "diamond-8": lambda rng: _diamond("Si", 8),
        "diamond-16": lambda rng: _diamond("Si", 16),
        "diamond-15": lambda rng: _without(_diamond("Si", 16), rng),
        "lonsdaleite-4": lambda rng: polytype("Si", "AB"),
        "4H-8": lambda rng: polytype("Si", "ABCB"),
        "beta-tin-4": lambda rng: _beta_tin(),
        "bcc-2": lambda rng: bulk("Si", "bcc", 3.08, cubic=True),
        "fcc-4": lambda rng: bulk("Si", "fcc", 3.87, cubic=True),
        "silicene-2": lambda rng: _sheet("Si", 1, 0.45),
        "silicene-8": lambda rng: _sheet("Si", 2, 0.45),
        "chain-2": lambda rng: _chain("Si", 2, True),
        "slab-8": lambda rng: _slab("Si", 8),
        "ball-5": lambda rng: ball("Si", 5, True),
        "ball-8": lambda rng: ball("Si", 8, False),
        "ball-17": lambda rng: ball("Si", 17, True),
        "ring-6": lambda rng: _ring("Si", 6),
    }


def _carbon() -> dict[str, Callable]:
    return {
        "diamond-2": lambda rng: _diamond("C", 2),
        "diamond-8": lambda rng: _diamond("C", 8),
        "diamond-15": lambda rng: _without(_diamond("C", 16), rng),
        "lonsdaleite-4": lambda rng: polytype("C", "AB"),
        "4H-8": lambda rng: polytype("C", "ABCB"),
        "graphite-4": lambda rng: _graphite("AB"),
        "graphite-2": lambda rng: _graphite("A"),
        "graphite-6": lambda rng: _graphite("ABC"),
        "graphene-2": lambda rng: _sheet("C", 1),
        "graphene-8": lambda rng: _sheet("C", 2),
        "graphene-7": lambda rng: _without(_sheet("C", 2), rng),
        "graphene-17": lambda rng: _without(_sheet("C", 3), rng),
        "chain-2": lambda rng: _chain("C", 2, True),
        "chain-6": lambda rng: _chain("C", 6, False),
        "ring-10": lambda rng: _ring("C", 10),
        "tube-16": lambda rng: _tube("C", 4, 0),
        "tube-20": lambda rng: _tube("C", 5, 0),
        "tube-12": lambda rng: _tube("C", 3, 3),
        "tube-piece-20": lambda rng: _tube("C", 5, 0, periodic=False),
        "flake-6": lambda rng: _flake("C", 6),
        "flake-24": lambda rng: _flake("C", 24),
        "fullerene-20": lambda rng: _dodecahedron("C20"),
        "ball-17": lambda rng: ball("C", 17, True),
        "slab-8": lambda rng: _slab("C", 8),
    }


def _carbide() -> dict[str, Callable]:
    return {
        "3C-2": lambda rng: _diamond("SiC", 2),
        "3C-8": lambda rng: _diamond("SiC", 8),
        "3C-16": lambda rng: _diamond("SiC", 16),
        "3C-15": lambda rng: _without(_diamond("SiC", 16), rng),
        "2H-4": lambda rng: polytype("SiC", "AB"),
        "4H-8": lambda rng: polytype("SiC", "ABCB"),
        "6H-12": lambda rng: polytype("SiC", "ABCACB"),
        "antisite-8": _antisite,
        "rocksalt-2": lambda rng: bulk("SiC", "rocksalt", 4.05),
        "alloy-8-2": lambda rng: _alloy(8, 2, rng),
        "alloy-8-4": lambda rng: _alloy(8, 4, rng),
        "alloy-8-6": lambda rng: _alloy(8, 6, rng),
        "alloy-16-3": lambda rng: _alloy(16, 3, rng),
        "alloy-16-8": lambda rng: _alloy(16, 8, rng),
        "alloy-16-13": lambda rng: _alloy(16, 13, rng),
        "sheet-2": lambda rng: _sheet("SiC", 1),
        "sheet-8": lambda rng: _sheet("SiC", 2),
        "chain-2": lambda rng: _chain("SiC", 2, True),
        "tube-16": lambda rng: _tube("SiC", 4, 0),
        "slab-8": lambda rng: _slab("SiC", 8),
        "ring-6": lambda rng: _ring("SiC", 6),
        "ball-5": lambda rng: ball("SiC", 5, True),
        "ball-8": lambda rng: ball("SiC", 8, False),
        "ball-17": lambda rng: ball("SiC", 17, True),
        "fullerene-20": lambda rng: _dodecahedron("SiC9SiC9"),
    }


def _more_silicon() -> dict[str, Callable]:
    return {
        "diamond-7": lambda rng: _without(_diamond("Si", 8), rng),
        "6H-12": lambda rng: polytype("Si", "ABCACB"),
        "simple-cubic-2": lambda rng: bulk("Si", "sc", 2.52) * (1, 1, 2),
        "hcp-2": lambda rng: bulk("Si", "hcp", 2.73),
        "silicene-7": lambda rng: _without(_sheet("Si", 2, 0.45), rng),
        "slab-6": lambda rng: _slab("Si", 6),
        "slab-12": lambda rng: _slab("Si", 12),
        "chain-5": lambda rng: _chain("Si", 5, False),
        "ring-5": lambda rng: _ring("Si", 5),
        "ball-11": lambda rng: ball("Si", 11, True),
    }


def _more_carbon() -> dict[str, Callable]:
    return {
        "diamond-7": lambda rng: _without(_diamond("C", 8), rng),
        "6H-12": lambda rng: polytype("C", "ABCACB"),
        "graphite-8": lambda rng: _graphite("ABCB"),
        "graphene-18": lambda rng: _sheet("C", 3),
        "slab-6": lambda rng: _slab("C", 6),
        "chain-5": lambda rng: _chain("C", 5, False),
        "ring-14": lambda rng: _ring("C", 14),
        "tube-4-4-16": lambda rng: _tube("C", 4, 4),
        "flake-12": lambda rng: _flake("C", 12),
        "ball-8": lambda rng: ball("C", 8, False),
    }


def _more_carbide() -> dict[str, Callable]:
    return {
        "3C-7": lambda rng: _without(_diamond("SiC", 8), rng),
        "alloy-8-3": lambda rng: _alloy(8, 3, rng),
        "alloy-8-5": lambda rng: _alloy(8, 5, rng),
        "alloy-16-6": lambda rng: _alloy(16, 6, rng),
        "alloy-16-11": lambda rng: _alloy(16, 11, rng),
        "sheet-7": lambda rng: _without(_sheet("SiC", 2), rng),
        "slab-6": lambda rng: _slab("SiC", 6),
        "chain-6": lambda rng: _chain("SiC", 6, False),
        "ring-8": lambda rng: _ring("SiC", 8),
        "tube-12": lambda rng: _tube("SiC", 3, 3),
        "ball-11": lambda rng: ball("SiC", 11, True),
    }


def _numbered(tables: dict[str, dict[str, Callable]], sizes: tuple[int, ...], first: int) -> list[Base]:
    """The structures of each composition and its amorphous cells of these sizes; numbers begin at ``first``."""
    listed = []
    for composition, table in tables.items():
        amorphous = {f"amorphous-{size}": partial(_amorphous, composition, size) for size in sizes}
        listed += [(composition, kind, build) for kind, build in (table | amorphous).items()]
    return [Base(first + place, *item) for place, item in enumerate(listed)]


def bases() -> list[Base]:
    """Every base structure; numbers follow this order, so new ones come at the end."""
    first = _numbered({"Si": _silicon(), "C": _carbon(), "SiC": _carbide()}, (8, 12, 16, 20, 24), 0)
    more = {"Si": _more_silicon(), "C": _more_carbon(), "SiC": _more_carbide()}
    return first + _numbered(more, (10, 14), len(first))


def copies(base: Base) -> list[Atoms]:
    """The displaced copies of a base structure, with their origin in ``atoms.info``."""
    rng = np.random.default_rng([SEED, base.number])
    ideal = base.build(rng)
    frames = []
    for copy, (spread, strain) in enumerate(COPIES):
        atoms = Atoms(ideal.numbers, positions=ideal.positions, cell=ideal.cell, pbc=ideal.pbc)
        _strain(atoms, strain, rng)
        atoms.positions += rng.normal(0, spread * BOND[base.composition], atoms.positions.shape)
        atoms.wrap()
        atoms.info = {
            "name": f"{base.name}-{copy}",
            "kind": base.kind.rstrip("-0123456789"),
            "group": base.name,
            "rattle": spread * BOND[base.composition],
            "strain": strain,
        }
        frames.append(atoms)
    return frames


def _strain(atoms: Atoms, size: float, rng: np.random.Generator) -> None:
    """Random symmetric strain; vacuum keeps its width."""
    noise = rng.normal(0.0, size, (3, 3))
    noise[~atoms.pbc] = noise[:, ~atoms.pbc] = 0.0
    atoms.set_cell(np.array(atoms.cell) @ (np.eye(3) + np.triu(noise) + np.triu(noise, 1).T), scale_atoms=True)


def _interleaved(some: list[Base]) -> list[Base]:
    """Compositions and sizes mixed, so that any beginning is a fair sample."""
    order = np.random.default_rng(SEED).permutation(len(some))
    rank = Counter()
    ranked = []
    for base in (some[i] for i in order):
        rank[base.composition] += 1
        ranked.append((rank[base.composition], base.composition, base))
    return [base for *_, base in sorted(ranked, key=lambda item: item[:2])]


def plan() -> list[Base]:
    """The base structures in the order of computation: the first ones, then those that were added."""
    whole = bases()
    return _interleaved(whole[:FIRST]) + _interleaved(whole[FIRST:])


if __name__ == "__main__":
    whole = plan()
    print(len(whole), "base structures", dict(Counter(base.composition for base in whole)), end=" ")
    print(len(whole) * len(COPIES), "structures", end=" ")
    print(sum(len(atoms) for base in whole for atoms in copies(base)), "environments")
