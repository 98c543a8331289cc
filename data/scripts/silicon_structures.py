"""The silicon set's trajectories: what each one is, and the snapshots that it yields.

A trajectory is one simulation cell followed through one molecular dynamics run (or one rattled crystal);
its snapshots are kin, so a split of the data keeps a trajectory whole. Everything is fixed by the
trajectory's number: it seeds the random generator that draws strain, velocities and displacements.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from fast_tersoff import FastTersoff

LATTICE_CONSTANT = 5.47  # diamond silicon, PBE, angstrom
BETA_TIN_A, BETA_TIN_C = 4.81, 2.65  # angstrom, PBE
LIQUID_VOLUME, AMORPHOUS_VOLUME = 18.6, 20.4  # angstrom^3 per atom
SEED = 20261123
TIME_STEP = 2.0  # fs
FRICTION = 0.01  # 1/fs
SNAPSHOT_STEPS = 200  # between two snapshots of one run
STRAIN = 0.03  # standard deviation of each of the six strain components

# kind: (trajectories, snapshots of each, every how many trajectories one has a vacancy; 0 = none)
KINDS: dict[str, tuple[int, int, int]] = {
    "diamond-2": (24, 3, 0),
    "diamond-8": (38, 3, 0),
    "diamond-16": (28, 3, 4),
    "beta-tin-4": (20, 3, 0),
    "beta-tin-8": (30, 3, 0),
    "liquid-16": (24, 3, 0),
    "liquid-32": (4, 2, 0),
    "amorphous-16": (36, 3, 5),
    "amorphous-32": (10, 2, 3),
}


@dataclass(frozen=True)
class Trajectory:
    """One run: ``number`` seeds it, ``name`` groups its snapshots."""

    number: int
    kind: str
    index: int
    snapshots: int
    vacancy: bool
    temperature: float  # K; of the snapshots
    rattle: float  # angstrom; 0 where molecular dynamics makes the displacements

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.index:03d}"

    @property
    def n_atoms(self) -> int:
        return int(self.kind.rsplit("-", 1)[1]) - self.vacancy


def _crystal(kind: str) -> Atoms:
    size = int(kind.rsplit("-", 1)[1])
    if kind.startswith("diamond"):
        if size == 8:
            return bulk("Si", a=LATTICE_CONSTANT, cubic=True)
        return bulk("Si", a=LATTICE_CONSTANT) * (1 if size == 2 else 2)
    fractions = [(0, 0, 0), (0.5, 0.5, 0.5), (0, 0.5, 0.25), (0.5, 0, 0.75)]
    cell = [BETA_TIN_A, BETA_TIN_A, BETA_TIN_C]
    return Atoms("Si4", scaled_positions=fractions, cell=cell, pbc=True) * (1, 1, size // 4)


def _strain(atoms: Atoms, rng: np.random.Generator) -> None:
    noise = rng.normal(0.0, STRAIN, (3, 3))
    strain = np.triu(noise) + np.triu(noise, 1).T
    atoms.set_cell(np.array(atoms.cell) @ (np.eye(3) + strain), scale_atoms=True)


def _random_box(kind: str, rng: np.random.Generator) -> Atoms:
    """Atoms at random, no two closer than 1.9 angstrom, in a nearly cubic box of the phase's density."""
    size = int(kind.rsplit("-", 1)[1])
    volume = LIQUID_VOLUME if kind.startswith("liquid") else AMORPHOUS_VOLUME
    edges = (size * volume * rng.normal(1.0, 0.03)) ** (1 / 3) * np.exp(rng.normal(0, 0.05, 3))
    edges *= (size * volume / edges.prod()) ** (1 / 3) * rng.normal(1.0, 0.01)
    positions: list[np.ndarray] = []
    while len(positions) < size:
        trial = rng.random(3) * edges
        delta = np.array(positions).reshape(-1, 3) - trial
        delta -= edges * np.round(delta / edges)
        if not len(delta) or (delta**2).sum(axis=1).min() > 1.9**2:
            positions.append(trial)
    return Atoms(f"Si{size}", positions=positions, cell=edges, pbc=True)


def _dynamics(atoms: Atoms, temperature: float, rng: np.random.Generator) -> Langevin:
    return Langevin(
        atoms, TIME_STEP * units.fs, temperature_K=temperature, friction=FRICTION / units.fs, rng=rng, fixcm=False
    )


def _prepare_disordered(trajectory: Trajectory, rng: np.random.Generator) -> Atoms:
    """Melt at 4,000 K; then equilibrate the liquid, or quench it (2,500 to 300 K in 12 ps) to a glass."""
    atoms = _random_box(trajectory.kind, rng)
    if trajectory.vacancy:
        del atoms[0]
    atoms.calc = FastTersoff()
    MaxwellBoltzmannDistribution(atoms, temperature_K=4000, rng=rng)
    run = _dynamics(atoms, 4000, rng)
    run.run(750)
    if trajectory.kind.startswith("liquid"):
        run.set_temperature(temperature_K=trajectory.temperature)
        run.run(750)
        return atoms
    for temperature in np.linspace(2500, 300, 60):
        run.set_temperature(temperature_K=temperature)
        run.run(100)
    return atoms


def snapshots(trajectory: Trajectory) -> list[Atoms]:
    """The structures of a trajectory, wrapped into the cell, with their origin in ``atoms.info``."""
    rng = np.random.default_rng([SEED, trajectory.number])
    if trajectory.kind.startswith(("diamond", "beta-tin")):
        atoms = _crystal(trajectory.kind)
        _strain(atoms, rng)
        if trajectory.vacancy:
            del atoms[int(rng.integers(len(atoms)))]
    else:
        atoms = _prepare_disordered(trajectory, rng)
    frames = []
    ideal = atoms.get_positions()
    for index in range(trajectory.snapshots):
        if trajectory.rattle:
            atoms.set_positions(ideal + rng.normal(0, trajectory.rattle, ideal.shape))
        else:
            if index == 0:
                atoms.calc = FastTersoff()
                MaxwellBoltzmannDistribution(atoms, temperature_K=trajectory.temperature, rng=rng)
                run = _dynamics(atoms, trajectory.temperature, rng)
            run.run(SNAPSHOT_STEPS)
        frame = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
        frame.wrap()
        frame.info = {
            "name": f"{trajectory.name}-{index}",
            "kind": trajectory.kind.rsplit("-", 1)[0],
            "group": trajectory.name,
            "temperature": trajectory.temperature,
            "rattle": trajectory.rattle,
            "vacancy": trajectory.vacancy,
        }
        frames.append(frame)
    return frames


def _trajectories_of(kind: str, first_number: int) -> list[Trajectory]:
    count, n_snapshots, vacancy_every = KINDS[kind]
    rng = np.random.default_rng([7, first_number])
    crystal = kind.startswith(("diamond", "beta-tin"))
    result = []
    for index in range(count):
        rattle = float(rng.uniform(0.1, 0.3)) if crystal and index % 6 == 5 else 0.0
        if rattle:
            temperature = 0.0
        elif kind.startswith("liquid"):
            temperature = (2000.0, 2500.0, 3000.0)[index % 3]
        else:
            temperature = (300.0, 800.0, 1500.0)[index % 3]
        vacancy = bool(vacancy_every) and index % vacancy_every == vacancy_every - 1
        result.append(Trajectory(first_number + index, kind, index, n_snapshots, vacancy, temperature, rattle))
    return result


def large_plan() -> list[Trajectory]:
    """Amorphous cells of 48 to 64 atoms for transfer from small cells; numbers far from those of the set."""
    sizes = (64, 48, 56, 64, 48, 56, 64, 48, 56, 64)
    return [
        Trajectory(10_000 + index, f"amorphous-{size}", index, 1, False, 300.0, 0.0) for index, size in enumerate(sizes)
    ]


def plan() -> list[Trajectory]:
    """Every trajectory of the set, the kinds interleaved so that any beginning of it is a fair sample."""
    queues, number = [], 0
    for kind in KINDS:
        trajectories = _trajectories_of(kind, number)
        number += len(trajectories)
        # The position of a trajectory in the whole: evenly spread over the plan.
        queues.append([((t.index + 0.5) / len(trajectories), t) for t in trajectories])
    ranked = sorted((item for queue in queues for item in queue), key=lambda item: (item[0], item[1].number))
    return [trajectory for _, trajectory in ranked]


if __name__ == "__main__":
    whole = plan()
    print(len(whole), "trajectories", sum(t.snapshots for t in whole), "structures", end=" ")
    print(sum(t.snapshots * t.n_atoms for t in whole), "environments")
