"""Silicon with vacuum: slabs of three faces, and clusters, as cut and relaxed with the Tersoff potential.

    python silicon_surface_structures.py        # counts

The number of a structure seeds everything random in it. Directions without periodicity have
the vacuum of the silicon-carbon set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
from ase import Atoms
from ase.build import diamond100, diamond111
from ase.calculators.lj import LennardJones
from ase.neighborlist import neighbor_list
from ase.optimize import FIRE
from distort import MIN_DISTANCE, closest, displaced, relaxed, strained
from silicon_carbide_structures import ball, isolated
from silicon_validation_structures import BOND_CUTOFF, LATTICE_CONSTANT, Base, Build, interleaved

SEED = 20261201
STRAIN = 0.03  # largest standard deviation of the components of strain within a slab
AREA_CHANGE = 0.04  # largest, a fraction
AMPLITUDES = (0.01, 0.15)  # angstrom, standard deviation of every displacement
DIMER = 2.35  # angstrom
BUCKLING = 0.35  # angstrom, of each atom of a pair, one up and one down
COMPACT_BOND = 2.45  # angstrom, of neighbours in close packing
LARGE = 12  # atoms; larger slabs and clusters come last in the plan

Sized = Callable[[int, np.random.Generator], Atoms]  # builds a structure of so many atoms


def _slab(atoms: Atoms) -> Atoms:
    atoms.pbc = (True, True, False)
    return isolated(atoms)


def _face_100(size: int) -> Atoms:
    """One atom a layer."""
    return _slab(diamond100("Si", (1, 1, size), a=LATTICE_CONSTANT))


def _face_111(size: int, cut_pairs: bool = False) -> Atoms:
    """Pairs of layers: one broken bond a surface atom, or three where the outer pairs are cut (``cut_pairs``)."""
    atoms = diamond111("Si", (1, 1, size + 2 * (not cut_pairs)), a=LATTICE_CONSTANT)
    if not cut_pairs:
        order = np.argsort(atoms.positions[:, 2])
        del atoms[[int(order[0]), int(order[-1])]]
    return _slab(atoms)


def _face_110(size: int) -> Atoms:
    """Two atoms a layer, in zigzag chains."""
    across, along, rise = LATTICE_CONSTANT, LATTICE_CONSTANT / np.sqrt(2), LATTICE_CONSTANT / np.sqrt(8)
    positions = []
    for layer in range(size // 2):
        x, y = layer % 2 * across / 2, layer % 2 * along / 2
        positions += [(x, y, layer * rise), (x + across / 4, y + along / 2, layer * rise)]
    return _slab(Atoms(f"Si{size}", positions=positions, cell=[across, along, 1.0]))


def _surfaces(atoms: Atoms) -> list[tuple[np.ndarray, int]]:
    """The atoms of the lowest and of the highest layer, and where outside is: -1 or 1 along z."""
    heights = atoms.positions[:, 2]
    lowest, highest = np.flatnonzero(heights < heights.min() + 0.1), np.flatnonzero(heights > heights.max() - 0.1)
    return [(lowest, -1), (highest, 1)]


def _dimers(size: int, alternate: bool = False) -> Atoms:
    """(100) with tilted dimers on both sides, 2x1; 2x2 where neighbouring dimers ``alternate`` in tilt.

    Bonds below a surface atom lie in one plane, and its dimer across that plane: for an even number of layers in the
    same direction on both sides.
    """
    atoms = _face_100(size // (4 if alternate else 2))
    first, bonds = neighbor_list("iD", atoms, BOND_CUTOFF)
    top = int(np.argmax(atoms.positions[:, 2]))
    axis = int(np.argmin(np.abs(bonds[first == top][0][:2])))
    repeat = np.array([1, 1, 1])
    repeat[axis], repeat[1 - axis] = 2, 1 + alternate
    step = atoms.cell.lengths()[0]
    atoms = atoms * tuple(repeat)
    for surface, outside in _surfaces(atoms):
        places = atoms.positions[surface]
        rows, columns = np.round((places - places.min(axis=0)) / step).astype(int)[:, [axis, 1 - axis]].T
        # Two rows move towards each other; one atom of a dimer goes up and the other down.
        atoms.positions[surface, axis] += (1 - 2 * rows) * (step - DIMER) / 2
        atoms.positions[surface, 2] += outside * (1 - 2 * ((rows + columns) % 2)) * BUCKLING
    return isolated(atoms)


def _buckled(size: int) -> Atoms:
    """(111) in a 2x1 cell, its surface atoms up and down in turn (D. Haneman, Phys. Rev. 121, 1093 (1961))."""
    atoms = _face_111(size // 2) * (2, 1, 1)
    for surface, outside in _surfaces(atoms):
        atoms.positions[surface, 2] += outside * np.array([BUCKLING, -BUCKLING]) / 2
    return isolated(atoms)


def _compact(size: int, rng: np.random.Generator) -> Atoms:
    """Points at random in a ball, drawn together by the Lennard-Jones potential."""
    while True:
        points = rng.normal(size=(size, 3))
        points /= np.linalg.norm(points, axis=1)[:, None]
        points *= COMPACT_BOND * (size * rng.random((size, 1))) ** (1 / 3)
        atoms = Atoms(f"Si{size}", positions=points)
        atoms.calc = LennardJones(sigma=COMPACT_BOND / 2 ** (1 / 6), rc=12.0)
        FIRE(atoms, logfile=None).run(fmax=0.01, steps=2000)
        atoms.calc = None
        if closest(atoms) > 2.1:
            return isolated(atoms)


def _cut(size: int, rng: np.random.Generator) -> Atoms:
    """Piece of diamond silicon around an atom or around the middle of a bond."""
    return ball("Si", size, on_atom=size % 2 == 1)


def _fixed(make: Callable[..., Atoms], **options) -> Sized:
    """A slab that has nothing random before its strain."""
    return lambda size, rng: make(size, **options)


def _then_relaxed(build: Sized) -> Sized:
    return lambda size, rng: isolated(relaxed(build(size, rng)))


def _table(rows: Iterable[tuple[str, Sized, tuple[int, ...], tuple[int, ...]]]) -> dict[str, Build]:
    """``rows``: a name, what builds it, sizes as built, and sizes that are relaxed afterwards."""
    table: dict[str, Build] = {}
    for name, build, plain, afterwards in rows:
        table |= {f"{name}-{size}": partial(build, size) for size in plain}
        table |= {f"{name}-relaxed-{size}": partial(_then_relaxed(build), size) for size in afterwards}
    return table


def _slabs() -> dict[str, Build]:
    return _table(
        (
            ("100", _fixed(_face_100), (6, 8, 12), (10,)),
            ("100-2x1", _fixed(_dimers), (8,), (12, 20)),
            ("100-2x2", _fixed(_dimers, alternate=True), (), (16,)),
            ("110", _fixed(_face_110), (4, 8, 12), (6, 10)),
            ("111", _fixed(_face_111), (2, 4, 12), (6,)),
            ("111-cut-pairs", _fixed(_face_111, cut_pairs=True), (6,), ()),
            ("111-2x1", _fixed(_buckled), (8, 16), ()),
        )
    )


def _clusters() -> dict[str, Build]:
    return _table(
        (
            ("cut", _cut, (2, 5, 8, 10, 14, 17), (4, 7, 12, 16, 20)),
            ("compact", _compact, (3, 6, 9, 13, 18), (7, 11, 15, 20)),
        )
    )


def bases() -> list[Base]:
    """Every structure before it is strained and displaced; numbers follow this order."""
    listed = [("slab", *item) for item in _slabs().items()] + [("cluster", *item) for item in _clusters().items()]
    return [Base(number, *item) for number, item in enumerate(listed)]


def group(base: Base) -> str:
    """Structures with the same surroundings of some atoms share a group.

    These are slabs of one face and one pattern (2x1 and 2x2 have the same dimers), pieces cut around an atom, and
    pieces cut around a bond. Every close-packed cluster is its own group.
    """
    pattern = base.label.replace("relaxed-", "").replace("2x2", "2x1").rpartition("-")[0]
    if pattern == "cut":
        pattern += "-atom" if base.n_atoms % 2 else "-bond"
    return base.name if pattern == "compact" else f"{base.kind}-{pattern}"


def structure(base: Base) -> Atoms:
    """A base structure strained and displaced, with its vacuum and its origin in ``atoms.info``."""
    rng = np.random.default_rng([SEED, base.number])
    size, change = rng.uniform(0.0, STRAIN), rng.uniform(-AREA_CHANGE, AREA_CHANGE)
    amplitude = rng.uniform(*AMPLITUDES)
    atoms = displaced(strained(base.build(rng), size, change, rng), amplitude, rng)
    atoms.wrap()
    atoms = isolated(atoms)
    atoms.info = {"name": base.name, "kind": base.kind, "group": group(base), "rattle": amplitude}
    if base.kind == "slab":
        atoms.info |= {"strain": size, "area_change": change}
    return atoms


def plan() -> list[Base]:
    """Every structure in the order of computation."""
    return interleaved(bases(), LARGE)


if __name__ == "__main__":
    frames = [structure(base) for base in plan()]
    print(len(frames), "structures", dict(Counter(atoms.info["kind"] for atoms in frames)), end=" ")
    print(sum(map(len, frames)), "environments", end=" ")
    print(f"closest {min(map(closest, frames)):.2f} angstrom (at least {MIN_DISTANCE})")
