"""Local spectra of tight binding: time by number of atoms, and the error of moments by the radius of their regions.

    OMP_NUM_THREADS=1 python benchmarks/tight_binding_speed.py

- time: rattled diamond of 8 to 30,000 atoms by one process. Diagonalisation on a half-shifted mesh of 2 points per
  inverse angstrom up to 64 atoms, Chebyshev moments from 1,000 atoms. "CPU" is the processor's
  time, which other work disturbs less than the clock.
- growth: exponent of the CPU time of moments. ``TightBindingSpectrum(r_cut=6.0)`` is timed, Fermi level and all.
- error: moments against diagonalisation on a mesh of 4 points per inverse angstrom, from 14 eV below the Fermi level to
  5 eV above it: root-mean-square, over the standard deviation of the spectra over the environments of the silicon set
  (with diagonalisation, every tenth structure). A rattled crystal of 8 atoms, and a liquid frame of the set. The rows
  "mesh" are diagonalisation on coarser meshes.
"""

import time

import machine
import numpy as np
from ase import Atoms
from ase.build import bulk
from reference_sets import QUICK_FRACTION

from ldosml import TightBindingSpectrum, load_dataset
from ldosml.tightbinding import TightBinding
from ldosml.tightbinding.local_spectrum import local_states, shifted_mesh, smeared, smeared_fermi_level
from ldosml.tightbinding.moments import Settings, local_moments

PARTS = ("time", "error")
BELOW, ABOVE = 14.0, 5.0  # eV, from the Fermi level
GRID = np.arange(-24.0, 6.0, 0.1)  # eV, against the vacuum


def diamond(repeats: tuple[int, int, int], sigma: float = 0.1) -> Atoms:
    """Rattled silicon, 8 atoms for each repeat."""
    atoms = bulk("Si", cubic=True) * repeats
    atoms.positions += np.random.default_rng(0).normal(0, sigma, atoms.positions.shape)
    return atoms


def diagonalized(atoms: Atoms, widths: list[float], density: float) -> tuple[dict[float, np.ndarray], float]:
    """Spectra by width, and the Fermi level, eV."""
    model = TightBinding(atoms)
    energies, shares = local_states(model, *shifted_mesh(atoms, density))
    level = smeared_fermi_level(energies, shares.sum(axis=0), model.n_electrons, 0.3)
    return {width: smeared(energies, shares, GRID, width) for width in widths}, level


def times(results: machine.Results, given) -> None:
    """Time by number of atoms, and its exponent."""
    for repeats in given.small:
        atoms = diamond(repeats)
        cpu = machine.seconds(lambda atoms=atoms: diagonalized(atoms, [given.width], 2.0), time.process_time)
        add_time(results, "diagonalisation", atoms, cpu)
    counts, shortest = [], []
    for repeats in (r for r in given.large if 8 * np.prod(r) <= given.most):
        atoms = diamond(repeats)
        local = TightBindingSpectrum(width=given.width, r_cut=given.radius, n_jobs=1).fit(atoms)
        cpu = machine.seconds(lambda atoms=atoms, local=local: local.transform(atoms), time.process_time)
        add_time(results, f"moments, {given.radius:g} angstrom", atoms, cpu)
        counts.append(len(atoms))
        shortest.append(cpu)
    exponent = np.polyfit(np.log(counts), np.log(shortest), 1)[0]
    results.add("growth of the time", {"from (atoms)": counts[0], "to (atoms)": counts[-1], "exponent": exponent})


def add_time(results: machine.Results, method: str, atoms: Atoms, cpu: float) -> None:
    row = {"method": method, "atoms": len(atoms), "CPU (s)": cpu, "CPU (ms an atom)": 1e3 * cpu / len(atoms)}
    results.add("time by one process", row | {"memory (MB)": machine.memory("VmHWM") / 1e6})


def spread(given) -> dict[float, float]:
    """Standard deviation of the spectra over environments by width, states/eV."""
    relative = np.arange(-BELOW, ABOVE, 0.1)
    found: dict[float, list[np.ndarray]] = {width: [] for width in given.widths}
    for atoms in load_dataset("silicon").structures[:: given.every]:
        spectra, level = diagonalized(atoms, given.widths, 2.0)
        for width, rows in spectra.items():
            found[width] += [np.interp(relative, GRID - level, row) for row in rows]
    return {width: float(np.sqrt(np.var(rows, axis=0).mean())) for width, rows in found.items()}


def errors(results: machine.Results, given) -> None:
    """Errors of moments by radius, and of coarser meshes."""
    data, deviations = load_dataset("silicon"), spread(given)
    liquid = next(a for a, kind in zip(data.structures, data.kinds, strict=True) if kind == "liquid" and len(a) > 8)
    for name, atoms in (("rattled crystal", diamond((1, 1, 1))), ("liquid", liquid)):
        truth, level = diagonalized(atoms, given.widths, given.fine)
        window = (level - BELOW <= GRID) & (level + ABOVE >= GRID)

        def add(method: str, width: float, rows: np.ndarray, cpu: float | None = None) -> None:
            error = np.sqrt(np.mean((rows - truth[width])[:, window] ** 2))  # noqa: B023  used at once
            row = {"structure": name, "width (eV)": width, "method": method, "error (states/eV)": error}  # noqa: B023
            results.add("error", row | {"error / std": error / deviations[width], "CPU (ms an atom)": cpu})

        for density in given.meshes:
            spectra, _ = diagonalized(atoms, given.widths, density)
            for width in given.widths:
                add(f"mesh, {density:g} points per 1/angstrom", width, spectra[width])
        for radius in given.radii:
            for width in given.widths:
                settings = Settings(width, radius)
                cpu, (local,) = machine.timed(
                    lambda settings=settings, atoms=atoms: list(local_moments([atoms], settings, n_jobs=1)),
                    time.process_time,
                )
                add(f"moments, {radius:g} angstrom", width, local.spectra(GRID), 1e3 * cpu / len(atoms))


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    parser.add_argument("parts", nargs="*", choices=(*PARTS, []), help="default: all")
    parser.add_argument("--radius", type=float, default=6.0, help="of the regions, angstrom; for the times")
    parser.add_argument("--width", type=float, default=0.3, help="eV; for the times")
    parser.add_argument("--most", type=int, default=31000, help="atoms of the largest structure")
    given = parser.parse_args(arguments)
    given.small, given.large = ((1, 1, 1), (1, 2, 2), (2, 2, 2)), ((5, 5, 5), (6, 8, 10), (15, 16, 16))
    given.widths, given.radii, given.meshes, given.fine = [0.3, 0.5], [5.0, 6.0, 7.0, 8.0], [2.0, 3.0], 5.0
    given.every = 10
    if given.quick:
        given.small, given.large, given.radius = ((1, 1, 1),), ((1, 1, 1), (1, 1, 2)), 4.0
        given.radii, given.meshes, given.fine, given.every = [3.0, 4.0], [1.0], 1.5, round(10 / QUICK_FRACTION)
    results = machine.Results(__file__, given)
    for part in given.parts or PARTS:
        {"time": times, "error": errors}[part](results, given)


if __name__ == "__main__":
    main()
