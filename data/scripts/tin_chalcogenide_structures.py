"""The Sn-S-Se set: mixed crystals of SnX and SnX2 (X = S, Se), each decoration in two displaced copies.

    python tin_chalcogenide_structures.py        # counts

A decoration says which anion sites hold Se. Its number is the seed of everything random in it: the sites, and the
strain and displacements of its copies. The copies share a ``group``, which splits keep whole. Lattice constants and
coordinates are experimental, interpolated linearly in the Se fraction.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from ase import Atoms

SEED = 20261125
COPIES = 2
STRAIN = 0.02  # standard deviation of each of the six strain components
RATTLE = (0.03, 0.12)  # angstrom; the standard deviation of the displacements of a copy is drawn from this range

# Sulfide, then selenide: lattice constants in angstrom, and (x, z) or y of each site.
# Pnma: SnS, H. G. von Schnering and H. Wiedemeier, Z. Kristallogr. 156, 143 (1981);
# SnSe, H. Wiedemeier and H. G. von Schnering, Z. Kristallogr. 148, 295 (1978).
PNMA = ((11.200, 3.987, 4.334), (11.501, 4.153, 4.445))
PNMA_SITES = (((0.1194, 0.1198), (0.8508, 0.4793)), ((0.1184, 0.1035), (0.8552, 0.4819)))
# Cmcm: the same two papers, above the transition (905 K and 829 K).
CMCM = ((4.148, 11.480, 4.177), (4.310, 11.705, 4.318))
CMCM_SITES = ((0.120, 0.349), (0.1248, 0.3558))
# P-3m1: SnS2, R. M. Hazen and L. W. Finger, Am. Mineral. 63, 289 (1978); SnSe2, R. W. G. Wyckoff, Crystal Structures.
P3M1 = ((3.648, 5.899), (3.811, 6.137))
P3M1_Z = 0.25

# kind: (decorations, phase, repeats of its cell)
KINDS: dict[str, tuple[int, str, tuple[int, int, int]]] = {
    "Pnma-8": (15, "Pnma", (1, 1, 1)),
    "Pnma-16": (4, "Pnma", (1, 2, 1)),
    "Cmcm-4": (12, "Cmcm-primitive", (1, 1, 1)),
    "Cmcm-8": (9, "Cmcm", (1, 1, 1)),
    "P-3m1-6": (10, "P-3m1", (2, 1, 1)),
    "P-3m1-6-stacked": (6, "P-3m1", (1, 1, 2)),
    "P-3m1-12": (7, "P-3m1", (2, 2, 1)),
}


@dataclass(frozen=True)
class Decoration:
    """Sn and S on a lattice with ``selenium`` of the anions exchanged at random."""

    number: int
    kind: str
    index: int
    selenium: float  # fraction of the anions

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.index:02d}"

    def names(self) -> list[str]:
        return [f"{self.name}-{copy}" for copy in range(COPIES)]


def _between(ends: tuple, fraction: float) -> np.ndarray:
    return (1 - fraction) * np.array(ends[0]) + fraction * np.array(ends[1])


def _pnma(fraction: float) -> Atoms:
    positions = []
    for x, z in _between(PNMA_SITES, fraction):
        positions += [(x, 0.25, z), (0.5 - x, 0.75, z + 0.5), (-x, 0.75, -z), (x + 0.5, 0.25, 0.5 - z)]
    return Atoms("Sn4S4", scaled_positions=positions, cell=_between(PNMA, fraction), pbc=True)


def _cmcm(fraction: float, primitive: bool) -> Atoms:
    a, b, c = _between(CMCM, fraction)
    cell = np.array([[a / 2, -b / 2, 0], [a / 2, b / 2, 0], [0, 0, c]]) if primitive else np.diag([a, b, c])
    positions = []
    for y in _between(CMCM_SITES, fraction):
        for shift in [(0, 0, 0)] if primitive else [(0, 0, 0), (a / 2, b / 2, 0)]:
            positions += [np.add(shift, (0, y * b, c / 4)), np.add(shift, (0, -y * b, 3 * c / 4))]
    size = len(positions) // 2
    return Atoms(f"Sn{size}S{size}", positions=positions, cell=cell, pbc=True)


def _p3m1(fraction: float) -> Atoms:
    a, c = _between(P3M1, fraction)
    cell = [[a, 0, 0], [-a / 2, a * np.sqrt(0.75), 0], [0, 0, c]]
    positions = [(0, 0, 0), (1 / 3, 2 / 3, P3M1_Z), (2 / 3, 1 / 3, 1 - P3M1_Z)]
    return Atoms("SnS2", scaled_positions=positions, cell=cell, pbc=True)


def _lattice(phase: str, fraction: float) -> Atoms:
    if phase == "Pnma":
        return _pnma(fraction)
    if phase.startswith("Cmcm"):
        return _cmcm(fraction, primitive=phase.endswith("primitive"))
    return _p3m1(fraction)


def ideal(decoration: Decoration, rng: np.random.Generator) -> Atoms:
    """The decorated lattice before strain and displacements."""
    _, phase, repeats = KINDS[decoration.kind]
    atoms = _lattice(phase, decoration.selenium) * repeats
    anions = np.flatnonzero(atoms.numbers == 16)
    chosen = rng.choice(anions, size=round(decoration.selenium * len(anions)), replace=False)
    atoms.numbers[chosen] = 34
    return atoms


def copies(decoration: Decoration) -> list[Atoms]:
    """The displaced copies, with their origin in ``atoms.info``."""
    rng = np.random.default_rng([SEED, decoration.number])
    lattice = ideal(decoration, rng)
    frames = []
    for name in decoration.names():
        atoms = lattice.copy()
        noise = rng.normal(0.0, STRAIN, (3, 3))
        atoms.set_cell(np.array(atoms.cell) @ (np.eye(3) + np.triu(noise) + np.triu(noise, 1).T), scale_atoms=True)
        rattle = float(rng.uniform(*RATTLE))
        atoms.positions += rng.normal(0, rattle, atoms.positions.shape)
        atoms.wrap()
        atoms.info = {
            "name": name,
            "kind": KINDS[decoration.kind][1].removesuffix("-primitive"),
            "group": decoration.name,
            "selenium": decoration.selenium,
            "rattle": rattle,
        }
        frames.append(atoms)
    return frames


def _anions(kind: str) -> int:
    _, phase, repeats = KINDS[kind]
    return int((_lattice(phase, 0.0).numbers == 16).sum() * np.prod(repeats))


def decorations() -> list[Decoration]:
    """Every decoration, the kinds one after the other; numbers follow this order. Each kind goes from S to Se."""
    result = []
    for kind, (count, *_) in KINDS.items():
        sites = _anions(kind)
        for index, selenium in enumerate(np.round(np.linspace(0, sites, count)) / sites):
            result.append(Decoration(len(result), kind, index, float(selenium)))
    return result


def plan() -> list[Decoration]:
    """The decorations, kinds and compositions interleaved, so a stopped run is a fair sample."""
    whole = [decorations()[i] for i in np.random.default_rng(SEED).permutation(len(decorations()))]
    rank: Counter = Counter()
    ranked = []
    for decoration in whole:
        rank[decoration.kind] += 1
        ranked.append(((rank[decoration.kind] - 0.5) / KINDS[decoration.kind][0], decoration.number, decoration))
    return [decoration for *_, decoration in sorted(ranked)]


if __name__ == "__main__":
    whole = plan()
    frames = [atoms for decoration in whole for atoms in copies(decoration)]
    print(len(whole), "decorations", len(frames), "structures", sum(len(atoms) for atoms in frames), "environments")
