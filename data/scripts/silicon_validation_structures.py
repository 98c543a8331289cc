"""Silicon structures to validate with: cells, phases and defects that the silicon set does not have.

    python silicon_validation_structures.py        # counts

No molecular dynamics: every structure is a crystal or a random packing, strained and displaced at random. Its number
seeds everything random in it, and it is its own group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.cell import Cell
from ase.geometry import minkowski_reduce
from ase.neighborlist import neighbor_list
from ase.spacegroup import crystal
from distort import MIN_DISTANCE, closest, displaced, relaxed, strained
from silicon_carbide_structures import polytype

SEED = 20261130
LATTICE_CONSTANT = 5.47  # diamond silicon, PBE, angstrom
BOND_CUTOFF = 2.6  # angstrom
STRAIN = 0.05  # largest standard deviation of the components of strain
VOLUME_CHANGE = 0.08  # largest, a fraction
AMPLITUDES = (0.01, 0.35)  # angstrom, standard deviation of every displacement
RANDOM_VOLUMES = (15.0, 22.0)  # angstrom^3 an atom, of random packings
LARGE = 16  # atoms; larger cells come last in the plan

Build = Callable[[np.random.Generator], Atoms]


@dataclass(frozen=True)
class Base:
    """One structure before it is strained and displaced; ``build`` takes the random generator of its number."""

    number: int
    kind: str
    label: str
    build: Build

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.label}"

    @property
    def n_atoms(self) -> int:
        return int(self.label.split("-")[-1])


def _supercell_matrix(primitive: np.ndarray, multiple: int, slimness: float, rng: np.random.Generator) -> np.ndarray:
    """Random integer matrix of that determinant; the longest edge is at most ``slimness`` times the shortest."""
    while True:
        matrix = rng.integers(-2, 4, (3, 3))
        if round(np.linalg.det(matrix)) != multiple:
            continue
        reduced, operation = minkowski_reduce(matrix @ primitive)
        lengths = np.linalg.norm(reduced, axis=1)
        angles = Cell(reduced).angles()
        # Equal edges and equal angles: the cells of 8 and 16 atoms that the silicon set has.
        plain = multiple > 1 and np.ptp(lengths) < 1e-6 and np.ptp(np.minimum(angles, 180 - angles)) < 1e-6
        if lengths.max() <= slimness * lengths.min() and not plain:
            return operation @ matrix


def _diamond(size: int, rng: np.random.Generator, slimness: float = 2.5) -> Atoms:
    """Diamond silicon in a cell of random shape."""
    atoms = bulk("Si", a=LATTICE_CONSTANT)
    matrix = _supercell_matrix(np.array(atoms.cell), size // 2, slimness, rng)
    return make_supercell(atoms, matrix)


def _vacancy(size: int, rng: np.random.Generator) -> Atoms:
    """Diamond without one atom, ``size`` are left."""
    atoms = _diamond(size + 1, rng, slimness=1.8)
    del atoms[int(rng.integers(len(atoms)))]
    return atoms


def _interstitial(size: int, rng: np.random.Generator) -> Atoms:
    """Diamond with one atom more, at a random place that is 2.2 angstrom from all others at least."""
    host = _diamond(size - 1, rng, slimness=1.8)
    while True:
        atoms = host + Atoms("Si", positions=[rng.random(3) @ np.array(host.cell)])
        if closest(atoms) > 2.2:
            return atoms


def _switched(size: int, rng: np.random.Generator) -> Atoms:
    """Diamond in which one pair of neighbours was turned by 90 degrees about its middle, then relaxed.

    The bonds that are exchanged by it are those of F. Wooten, K. Winer and D. Weaire, Phys. Rev. Lett. 54, 1392 (1985).
    """
    perfect = _diamond(size, rng, slimness=1.8)
    first, second, bonds = neighbor_list("ijD", perfect, BOND_CUTOFF)
    while True:
        bond = int(rng.integers(len(bonds)))
        across = np.cross(bonds[bond], rng.normal(size=3))
        # Half the bond before and after: from the middle along the bond, and across it.
        shift = (bonds[bond] - across / np.linalg.norm(across) * np.linalg.norm(bonds[bond])) / 2
        atoms = perfect.copy()
        atoms.positions[first[bond]] += shift
        atoms.positions[second[bond]] -= shift
        atoms = relaxed(atoms)
        if _bonds(atoms) != _bonds(perfect) and closest(atoms) > 2.1:
            return atoms


def _bonds(atoms: Atoms) -> set[tuple[int, ...]]:
    """Bonds as pairs of atoms and the cell in which the second one lies."""
    first, second, cell = neighbor_list("ijS", atoms, BOND_CUTOFF)
    return {(i, j, *offset) for i, j, offset in zip(first, second, cell.tolist(), strict=True)}


def _random_packing(size: int, rng: np.random.Generator) -> Atoms:
    """Atoms at random in a cell of random shape, relaxed with the Tersoff potential."""
    while True:
        lengths = np.exp(rng.normal(0.0, 0.15, 3))
        cell = Cell.fromcellpar([*lengths, *rng.uniform(70.0, 110.0, 3)])
        volume = size * rng.uniform(*RANDOM_VOLUMES)
        cell = Cell(np.array(cell) * (volume / cell.volume) ** (1 / 3))
        atoms = Atoms(f"Si{size}", scaled_positions=rng.random((size, 3)), cell=cell, pbc=True)
        atoms = relaxed(atoms)
        if closest(atoms) > 2.1:
            return atoms


def _group(number: int, sites: list[tuple[float, float, float]], cellpar: list[float]) -> Atoms:
    """Primitive cell of silicon with these sites in a space group."""
    atoms = crystal(["Si"] * len(sites), sites, spacegroup=number, cellpar=cellpar, primitive_cell=True)
    return Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)


def _orthorhombic(a: float, b: float, c: float, height: float) -> Atoms:
    """Body-centred pairs: beta-tin where a = b and ``height`` is 0.25, simple hexagonal at 0.5, Imma in between."""
    fractions = [(0, 0, 0), (0.5, 0.5, 0.5), (0, 0.5, height), (0.5, 0, 0.5 + height)]
    return Atoms("Si4", scaled_positions=fractions, cell=[a, b, c], pbc=True)


def _bc8() -> Atoms:
    return _group(206, [(0.1003, 0.1003, 0.1003)], [6.64, 6.64, 6.64, 90, 90, 90])


def _st12() -> Atoms:
    return _group(96, [(0.0912, 0.0912, 0.0), (0.1730, 0.3784, 0.2486)], [5.69, 5.69, 6.75, 90, 90, 90])


def _r8() -> Atoms:
    """R. O. Piltz et al., Phys. Rev. B 52, 4072 (1995), in a rhombohedral cell."""
    u, (x, y, z) = 0.2922, (0.4597, -0.0353, 0.2641)
    half = [(u, u, u), (x, y, z), (z, x, y), (y, z, x)]
    fractions = half + [tuple(-value for value in site) for site in half]
    cell = Cell.fromcellpar([5.74, 5.74, 5.74, 110.07, 110.07, 110.07])
    return Atoms("Si8", scaled_positions=fractions, cell=cell, pbc=True)


def _bct() -> Atoms:
    """Rings of four in columns, the silicon analogue of body-centred tetragonal carbon."""
    return _group(139, [(0.1803, 0.1803, 0.0)], [6.62, 6.62, 3.80, 90, 90, 90])


def _open() -> Atoms:
    """Si24, D. Y. Kim et al., Nature Materials 14, 169 (2015)."""
    sites = [(0, 0.2430, 0.5549), (0, 0.5713, 0.3412), (0, 0.0284, 0.5903)]
    return _group(63, sites, [3.83, 10.70, 12.63, 90, 90, 90])


def _clathrate() -> Atoms:
    """The framework of type VIII clathrates, coordinates relaxed with the Tersoff potential."""
    sites = [(0, 0, 0), (0.1364, 0.1364, 0.1364), (0.25, 0.5, 0), (0.0841, 0.0841, 0.3552)]
    return _group(217, sites, [10.05, 10.05, 10.05, 90, 90, 90])


def _fixed(make: Callable[..., Atoms], *arguments, repeat: tuple[int, int, int] = (1, 1, 1)) -> Build:
    """A crystal that has nothing random before its strain."""
    return lambda rng: make(*arguments) * repeat


def _polytypes() -> dict[str, Build]:
    return {
        "2H-4": _fixed(polytype, "Si", "AB"),
        "2H-8": _fixed(polytype, "Si", "AB", repeat=(2, 1, 1)),
        "2H-16": _fixed(polytype, "Si", "AB", repeat=(2, 2, 1)),
        "4H-8": _fixed(polytype, "Si", "ABCB"),
        "6H-12": _fixed(polytype, "Si", "ABCACB"),
        "9R-18": _fixed(polytype, "Si", "ABCBCACAB"),
    }


def _networks() -> dict[str, Build]:
    return {
        "bc8-8": _fixed(_bc8),
        "st12-12": _fixed(_st12),
        "r8-8": _fixed(_r8),
        "bct-4": _fixed(_bct),
        "bct-8": _fixed(_bct, repeat=(1, 1, 2)),
        "open-12": _fixed(_open),
        "clathrate-23": _fixed(_clathrate),
    }


def _dense() -> dict[str, Build]:
    hexagonal = Atoms("Si", cell=[2.65, 2.65, 2.49, 90, 90, 120], pbc=True)
    return {
        "hexagonal-2": _fixed(hexagonal.copy, repeat=(1, 1, 2)),
        "hexagonal-6": _fixed(hexagonal.copy, repeat=(3, 1, 2)),
        "cubic-2": _fixed(bulk, "Si", "sc", 2.52, repeat=(1, 1, 2)),
        "cubic-8": _fixed(bulk, "Si", "sc", 2.52, repeat=(2, 2, 2)),
        "bcc-4": _fixed(bulk, "Si", "bcc", 3.08, repeat=(2, 2, 1)),
        "bcc-12": _fixed(bulk, "Si", "bcc", 3.08, repeat=(2, 3, 2)),
        "fcc-2": _fixed(bulk, "Si", "fcc", 3.87, repeat=(1, 1, 2)),
        "fcc-6": _fixed(bulk, "Si", "fcc", 3.87, repeat=(3, 2, 1)),
        "hcp-2": _fixed(bulk, "Si", "hcp", 2.73, repeat=(1, 1, 1)),
        "imma-8": _fixed(_orthorhombic, 4.75, 4.55, 2.56, 0.35, repeat=(1, 1, 2)),
        "beta-tin-12": _fixed(_orthorhombic, 4.81, 4.81, 2.65, 0.25, repeat=(1, 1, 3)),
    }


def _sized(build: Callable[[int, np.random.Generator], Atoms], *sizes: int) -> dict[str, Build]:
    return {str(size): partial(build, size) for size in sizes}


def bases() -> list[Base]:
    """Every structure before it is strained and displaced; numbers follow this order."""
    tables = {
        "diamond": _sized(_diamond, 2, 4, 6, 8, 10, 12, 16, 24, 32),
        "polytype": _polytypes(),
        "network": _networks(),
        "dense": _dense(),
        "vacancy": _sized(_vacancy, 11, 15, 23, 31),
        "interstitial": _sized(_interstitial, 9, 13, 17, 25),
        "switched": _sized(_switched, 16, 24, 32),
        "random": _sized(_random_packing, 6, 8, 12, 16),
    }
    listed = [(kind, *item) for kind, table in tables.items() for item in table.items()]
    return [Base(number, *item) for number, item in enumerate(listed)]


def structure(base: Base) -> Atoms:
    """A base structure strained and displaced, wrapped into the cell, with its origin in ``atoms.info``."""
    rng = np.random.default_rng([SEED, base.number])
    size, change = rng.uniform(0.0, STRAIN), rng.uniform(-VOLUME_CHANGE, VOLUME_CHANGE)
    amplitude = rng.uniform(*AMPLITUDES)
    ideal = strained(base.build(rng), size, change, rng)
    atoms = displaced(ideal, amplitude, rng)
    moved = float(np.sqrt(np.mean((atoms.positions - ideal.positions) ** 2)))
    atoms.wrap()
    atoms.info = {
        "name": base.name,
        "kind": base.kind,
        "group": base.name,
        "rattle": amplitude,
        "moved": moved,
        "strain": size,
        "volume_change": change,
    }
    return atoms


def _evenly(whole: list[Base]) -> list[tuple[float, int, Base]]:
    """Each structure with its place in a sequence from 0 to 1, kinds spread evenly over it."""
    rng = np.random.default_rng(SEED)
    ranked = []
    for kind in dict.fromkeys(base.kind for base in whole):
        members = [base for base in whole if base.kind == kind]
        order = rng.permutation(len(members))
        ranked += [((place + 0.5) / len(members), members[i].number, members[i]) for place, i in enumerate(order)]
    return ranked


def interleaved(whole: list[Base], large: int) -> list[Base]:
    """Kinds spread evenly and sizes mixed, so that any beginning is a fair sample of the cells up to ``large`` atoms.

    The larger ones, which cost most, come after them, again with their kinds spread evenly.
    """
    parts = [[base for base in whole if (base.n_atoms > large) == late] for late in (False, True)]
    return [base for part in parts for *_, base in sorted(_evenly(part), key=lambda item: item[:2])]


def plan() -> list[Base]:
    """Every structure in the order of computation."""
    return interleaved(bases(), LARGE)


if __name__ == "__main__":
    frames = [structure(base) for base in plan()]
    print(len(frames), "structures", dict(Counter(atoms.info["kind"] for atoms in frames)), end=" ")
    print(sum(map(len, frames)), "environments", end=" ")
    print(f"closest {min(map(closest, frames)):.2f} angstrom (at least {MIN_DISTANCE})")
