"""Time and memory of deriving properties from many spectra, against code as it is commonly written.

    python benchmarks/properties.py

Synthetic DOS of silicon-like structures, smeared by 0.3 eV, at a step of 0.05 eV: metals, semiconductors whose gap the
smearing has filled, and one insulator in eight. All in one process; every time is a median of five runs.

The alternatives are timed on some structures, a fifth of these in each run, and scaled to all. Absorption: the double
loop over energies, in plain Python, and as a loop over photon energies with a sum over the others. Chemical potential:
brentq on a trapezoid sum, a structure at a time. Their results are compared with ours, first from the same energies,
where such sums are wrong while kT is below 1.5 steps, then from the exact DOS at a quarter of the step, where they are
right: absorption up to 12 eV as a fraction of its maximum, mu of all but the insulators in eV. Memory: allocated at the
peak of a run of its own (tracemalloc), on top of the spectra.
"""

import argparse
import statistics
import time
import tracemalloc
from collections.abc import Callable

import machine
import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from ldosml import DOS, EnergyGrid
from ldosml.properties import absorption_spectrum, chemical_potential, derive_properties
from ldosml.units import BOLTZMANN

WIDTH, STEP, START = 0.3, 0.05, -14.0
GAPS = (0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.2, 6.0)
TEMPERATURES = np.geomspace(10.0, 3000.0, 16)


def structures(n_structures: int, n_energies: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Levels (n_structures, 96), of which 16 are filled, numbers of atoms, and gaps."""
    rng = np.random.default_rng(0)
    gaps = rng.permuted(np.resize(GAPS, n_structures))
    half, top = gaps[:, None] / 2, START + STEP * n_energies
    # One in each of equal parts of a band, so that there are no gaps but those wanted.
    filled = -half - (np.arange(16) + rng.uniform(0, 1, (n_structures, 16))) / 16 * (12 - half)
    empty = half + (np.arange(80) + rng.uniform(0, 1, (n_structures, 80))) / 80 * (top - half)
    return np.concatenate([filled, empty], axis=1), rng.choice([2, 8, 16, 64], n_structures), gaps


def smeared(levels: np.ndarray, n_atoms: np.ndarray, n_energies: int, finer: int = 1) -> tuple[DOS, np.ndarray]:
    """The exact DOS, a quarter of a state an atom in each level, at steps ``finer`` times finer; and the electrons."""
    grid = EnergyGrid(START, STEP / finer, (n_energies - 1) * finer + 1, "code")
    values = np.empty((len(levels), grid.size))
    for row, own in enumerate(levels):
        u = (grid.energies[:, None] - own) / WIDTH
        values[row] = np.exp(-0.5 * u * u).sum(axis=1) * n_atoms[row] / (4 * WIDTH * np.sqrt(2 * np.pi))
    return DOS(grid, values, WIDTH, n_atoms), 4.0 * n_atoms


def seconds(function: Callable[[], object]) -> float:
    """Wall time, s."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def megabytes(function: Callable[[], object]) -> float:
    """Allocated at the peak, MB."""
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def double_loop(energies: np.ndarray, values: np.ndarray, mu: float, kT: float) -> np.ndarray:
    """A(w) = integral of D(e) f(e) D(e + w) (1 - f(e + w)) de, a pair of energies at a time; the trapezoid's ends."""
    step = energies[1] - energies[0]
    f = expit((mu - energies) / kT)
    absorption = np.zeros(len(values))
    for i in range(len(values)):
        for j in range(i, len(values)):
            absorption[j - i] += step * values[i] * f[i] * values[j] * (1 - f[j])
    for w in range(len(values)):
        first, last = values[0] * f[0] * values[w] * (1 - f[w]), values[-1 - w] * f[-1 - w] * values[-1] * (1 - f[-1])
        absorption[w] -= step * (first + last) / 2
    return absorption


def single_loop(energies: np.ndarray, values: np.ndarray, mu: float, kT: float) -> np.ndarray:
    """The same, a photon energy at a time."""
    f = expit((mu - energies) / kT)
    filled, empty = values * f, values * (1 - f)
    return np.array([np.trapezoid(filled[: len(f) - w] * empty[w:], energies[: len(f) - w]) for w in range(len(f))])


def root_of_a_sum(energies: np.ndarray, values: np.ndarray, n_electrons: float, kT: float) -> float:
    """The chemical potential by scipy's brentq."""

    def excess(mu: float) -> float:
        return float(np.trapezoid(values * expit((mu - energies) / kT), energies)) - n_electrons

    return float(brentq(excess, energies[0], energies[-1], xtol=1e-12))


def times(function: Callable[[], object], repeats: int) -> list[float]:
    """Wall times, s."""
    return [seconds(function) for _ in range(repeats)]


def line(what: str, function: Callable[[], object], target: float, repeats: int) -> tuple[str, float]:
    """The first cells of a line, and our time, s."""
    ours = times(function, repeats)
    cells = f"| {what} | {1e3 * statistics.median(ours):.0f} ms ({1e3 * min(ours):.0f} to {1e3 * max(ours):.0f})"
    return f"{cells} | {1e3 * target:.0f} ms | {megabytes(function):.0f} MB", statistics.median(ours)


def alternative(one: Callable[[int], object], count: int, n_structures: int, repeats: int) -> tuple[float, np.ndarray]:
    """Seconds for all structures, by the median over parts of the first ``count``; and the results of these."""
    found: list[object] = []
    parts = np.array_split(np.arange(count), repeats)
    each = [seconds(lambda part=part: found.extend(one(s) for s in part)) / len(part) for part in parts]
    return n_structures * statistics.median(each), np.array(found)


def derive(n_structures: int, repeats: int) -> None:
    levels, n_atoms, _ = structures(n_structures, 561)
    dos, n = smeared(levels, n_atoms, 561)
    what = f"derive_properties, {n_structures} x {len(TEMPERATURES)} temperatures x 561 energies"
    print(line(what, lambda: derive_properties(dos, n, TEMPERATURES), 1.0, repeats)[0], "| | | | |", flush=True)


def absorb(n_structures: int, repeats: int, sample: int) -> None:
    levels, n_atoms, _ = structures(n_structures, 778)
    dos, n = smeared(levels, n_atoms, 778)
    fine = smeared(levels[:sample], n_atoms[:sample], 778, finer=4)[0]
    for kelvin in (300.0, 1000.0):
        mu, kT = chemical_potential(dos, n, kelvin), BOLTZMANN * kelvin
        what = f"absorption_spectrum, {n_structures} x 778 energies, {kelvin:g} K"
        cells, ours = line(what, lambda mu=mu, kelvin=kelvin: absorption_spectrum(dos, mu, kelvin), 0.06, repeats)
        spectra = absorption_spectrum(dos, mu, kelvin)
        exact = np.array([single_loop(fine.energies, fine.values[s], mu[s], kT)[::4] for s in range(sample)])
        for name, loop, count in (("double loop", double_loop, repeats), ("loop and sum", single_loop, sample)):

            def one(s: int, loop=loop, mu=mu, kT=kT) -> np.ndarray:
                return loop(dos.energies, dos.values[s], mu[s], kT)

            theirs, found = alternative(one, count, n_structures, repeats)
            off = f"{apart(found, spectra):.0e} | {apart(exact, spectra):.0e}"
            print(f"{cells} | {name}: {theirs:.1f} s ({count} scaled) | {theirs / ours:.0f} | {off} |", flush=True)


def apart(theirs: np.ndarray, ours: np.ndarray) -> float:
    """The largest difference up to 12 eV, as a fraction of each structure's maximum; above, states are missing."""
    ours = ours[: len(theirs)]
    last = round(12 / STEP)
    return float((np.abs(theirs - ours)[:, :last].max(axis=1) / ours.max(axis=1)).max())


def solve(n_structures: int, repeats: int, sample: int) -> None:
    levels, n_atoms, gaps = structures(n_structures, 561)
    dos, n = smeared(levels, n_atoms, 561)
    fine = smeared(levels[:sample], n_atoms[:sample], 561, finer=4)[0]
    filled = gaps[:sample] < 2
    for kelvin in (300.0, 3000.0):
        kT = BOLTZMANN * kelvin
        what = f"chemical_potential, {n_structures} x 561 energies, {kelvin:g} K"
        cells, ours = line(what, lambda kelvin=kelvin: chemical_potential(dos, n, kelvin), 0.5, repeats)
        mu = chemical_potential(dos, n, kelvin)[:sample]

        def one(s: int, spectra: DOS = dos, kT=kT) -> float:
            return root_of_a_sum(spectra.energies, spectra.values[s], n[s], kT)

        theirs, found = alternative(one, sample, n_structures, repeats)
        exact = np.array([one(s, fine) for s in range(sample)])
        off = " | ".join(f"{np.abs(other - mu)[filled].max():.0e}" for other in (found, exact))
        print(f"{cells} | brentq: {theirs:.1f} s ({sample} scaled) | {theirs / ours:.1f} | {off} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--sample", type=int, default=200, help="structures that the alternatives are timed on")
    arguments = parser.parse_args()
    print(machine.describe())
    print("| what | median (range) | target | memory | alternative | ratio | difference | from exact sums |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    derive(1039, arguments.repeats)
    absorb(1039, arguments.repeats, arguments.sample)
    solve(10_000, arguments.repeats, arguments.sample)


if __name__ == "__main__":
    main()
