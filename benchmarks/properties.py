"""Time and memory of deriving properties from many spectra, against code as it is commonly written.

    OMP_NUM_THREADS=1 python benchmarks/properties.py

Synthetic DOS of silicon-like structures, smeared by 0.3 eV, at a step of 0.05 eV: metals, semiconductors whose gap the
smearing has filled, and one insulator in eight. Everything runs in one process; every time is a median of five runs.

The alternatives are timed on a sample of the structures, a fifth of it in each run, and scaled to all. Absorption: the
double loop over energies in plain Python, and a loop over photon energies with a sum over the other energies. Chemical
potential: brentq on a trapezoid sum, one structure at a time. Their results are compared with ours twice. "From the
same energies" their sums are wrong while kT is below 1.5 steps; "from exact sums" they use the exact DOS at a quarter
of the step, where they are right. Absorption: up to 12 eV, as a fraction of its maximum. mu: all structures but the
insulators, eV. Memory is the peak of the allocations of a separate run (tracemalloc), in addition to the spectra.
"""

import statistics
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
    """Levels (n_structures, 96), the lowest 16 filled; numbers of atoms; gaps, eV."""
    rng = np.random.default_rng(0)
    gaps = rng.permuted(np.resize(GAPS, n_structures))
    half, top = gaps[:, None] / 2, START + STEP * n_energies
    # One level in each of equal parts of a band, so that there is only the gap that is asked for.
    filled = -half - (np.arange(16) + rng.uniform(0, 1, (n_structures, 16))) / 16 * (12 - half)
    empty = half + (np.arange(80) + rng.uniform(0, 1, (n_structures, 80))) / 80 * (top - half)
    return np.concatenate([filled, empty], axis=1), rng.choice([2, 8, 16, 64], n_structures), gaps


def smeared(levels: np.ndarray, n_atoms: np.ndarray, n_energies: int, finer: int = 1) -> tuple[DOS, np.ndarray]:
    """The exact DOS, a quarter of a state per atom in each level, at steps ``finer`` times finer; and the electrons."""
    grid = EnergyGrid(START, STEP / finer, (n_energies - 1) * finer + 1, "code")
    values = np.empty((len(levels), grid.size))
    for row, own in enumerate(levels):
        u = (grid.energies[:, None] - own) / WIDTH
        values[row] = np.exp(-0.5 * u * u).sum(axis=1) * n_atoms[row] / (4 * WIDTH * np.sqrt(2 * np.pi))
    return DOS(grid, values, WIDTH, n_atoms), 4.0 * n_atoms


def megabytes(function: Callable[[], object]) -> float:
    """Peak of the allocations, MB."""
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


def ours(what: str, function: Callable[[], object], goal: float, repeats: int) -> dict[str, object]:
    """Start a row with our times and our memory; ``goal`` in ms."""
    runs = [1e3 * machine.seconds(function) for _ in range(repeats)]
    times = {"median (ms)": statistics.median(runs), "least (ms)": min(runs), "most (ms)": max(runs)}
    return {"what": what, **times, "goal (ms)": goal, "memory (MB)": megabytes(function)}


def alternative(one: Callable[[int], object], count: int, n_structures: int, repeats: int) -> tuple[float, np.ndarray]:
    """Time the first ``count`` structures: seconds scaled to all by the median over parts, and the results."""
    found: list[object] = []
    parts = np.array_split(np.arange(count), repeats)
    each = [machine.seconds(lambda part=part: found.extend(one(s) for s in part)) / len(part) for part in parts]
    return n_structures * statistics.median(each), np.array(found)


def beside(row: dict[str, object], name: str, seconds: float, same: float, exact: float) -> dict[str, object]:
    """Add an alternative to a row."""
    found = {"alternative": name, "its time (s)": seconds, "its time / ours": 1e3 * seconds / row["median (ms)"]}
    return row | found | {"difference": same, "from exact sums": exact}


def derive(results: machine.Results, n_structures: int, repeats: int) -> None:
    """Time the whole table of properties."""
    levels, n_atoms, _ = structures(n_structures, 561)
    dos, n = smeared(levels, n_atoms, 561)
    what = f"derive_properties, {n_structures} x {len(TEMPERATURES)} temperatures x 561 energies"
    results.add("all properties", ours(what, lambda: derive_properties(dos, n, TEMPERATURES), 1000.0, repeats))


def absorb(results: machine.Results, n_structures: int, repeats: int, sample: int) -> None:
    """Time absorption beside both loops."""
    levels, n_atoms, _ = structures(n_structures, 778)
    dos, n = smeared(levels, n_atoms, 778)
    fine = smeared(levels[:sample], n_atoms[:sample], 778, finer=4)[0]
    for kelvin in (300.0, 1000.0):
        mu, kT = chemical_potential(dos, n, kelvin), BOLTZMANN * kelvin
        what = f"absorption_spectrum, {n_structures} x 778 energies, {kelvin:g} K"
        row = ours(what, lambda mu=mu, kelvin=kelvin: absorption_spectrum(dos, mu, kelvin), 60.0, repeats)
        spectra = absorption_spectrum(dos, mu, kelvin)
        exact = np.array([single_loop(fine.energies, fine.values[s], mu[s], kT)[::4] for s in range(sample)])
        for name, loop, count in (("double loop", double_loop, repeats), ("loop and sum", single_loop, sample)):

            def one(s: int, loop=loop, mu=mu, kT=kT) -> np.ndarray:
                return loop(dos.energies, dos.values[s], mu[s], kT)

            theirs, found = alternative(one, count, n_structures, repeats)
            differences = apart(found, spectra), apart(exact, spectra)
            results.add("beside alternatives", beside(row, f"{name}, {count} scaled", theirs, *differences))


def apart(theirs: np.ndarray, spectra: np.ndarray) -> float:
    """The largest difference up to 12 eV, as a fraction of each structure's maximum; above 12 eV states are missing."""
    spectra, last = spectra[: len(theirs)], round(12 / STEP)
    return float((np.abs(theirs - spectra)[:, :last].max(axis=1) / spectra.max(axis=1)).max())


def solve(results: machine.Results, n_structures: int, repeats: int, sample: int) -> None:
    """Time the chemical potential beside brentq."""
    levels, n_atoms, gaps = structures(n_structures, 561)
    dos, n = smeared(levels, n_atoms, 561)
    fine = smeared(levels[:sample], n_atoms[:sample], 561, finer=4)[0]
    filled = gaps[:sample] < 2
    for kelvin in (300.0, 3000.0):
        kT = BOLTZMANN * kelvin
        what = f"chemical_potential, {n_structures} x 561 energies, {kelvin:g} K"
        row = ours(what, lambda kelvin=kelvin: chemical_potential(dos, n, kelvin), 500.0, repeats)
        mu = chemical_potential(dos, n, kelvin)[:sample]

        def one(s: int, spectra: DOS = dos, kT=kT) -> float:
            return root_of_a_sum(spectra.energies, spectra.values[s], n[s], kT)

        theirs, found = alternative(one, sample, n_structures, repeats)
        exact = np.array([one(s, fine) for s in range(sample)])
        differences = (float(np.abs(other - mu)[filled].max()) for other in (found, exact))
        results.add("beside alternatives", beside(row, f"brentq, {sample} scaled", theirs, *differences))


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--sample", type=int, default=200, help="structures that the alternatives are timed on")
    given = parser.parse_args(arguments)
    few, many = 1039, 10_000
    if given.quick:
        given.repeats, given.sample, few, many = 1, 10, 20, 20
    results = machine.Results(__file__, given)
    derive(results, few, given.repeats)
    absorb(results, few, given.repeats, given.sample)
    solve(results, many, given.repeats, given.sample)


if __name__ == "__main__":
    main()
