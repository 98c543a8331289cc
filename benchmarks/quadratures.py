"""Errors of each quadrature rule on smeared levels, by step, smearing and temperature.

    python benchmarks/quadratures.py

Twenty random structures of forty levels each: one level in each half electronvolt from -10 to 10 eV, with 0.3 to 2
states, and a chemical potential within half an electronvolt of zero. All states lie on the grid. The table gives, at
that chemical potential, the error of the number of electrons and the relative error of the heat capacity, the worst of
all structures. Errors are relative to the exact DOS (a sum of Gaussians; its integral is the sum of their cumulatives)
at steps of 0.0025 eV, or of kT/8 if that is smaller.
"""

import math

import machine
import numpy as np
from scipy.special import expit, ndtr

from ldosml import DOS, EnergyGrid
from ldosml.properties import electron_count, heat_capacity
from ldosml.properties.quadrature import choose, is_smooth
from ldosml.units import BOLTZMANN

STEPS = (0.01, 0.05, 0.2)
WIDTHS = (0.1, 0.3, 0.5)
TEMPERATURES = (1.0, 10.0, 100.0, 300.0, 3000.0, 30000.0)
RULES = ("auto", "gauss", "linear", "forced-trapezoid")
FINE = 0.0025


class Levels:
    """Levels (n_levels,) of a structure in eV, the states in each, and a chemical potential."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.energies = -10 + (np.arange(40) + rng.uniform(0, 1, 40)) / 2
        self.states = rng.uniform(0.3, 2.0, 40)
        self.mu = rng.uniform(-0.5, 0.5)

    def density(self, at: np.ndarray, width: float) -> np.ndarray:
        """The DOS at energies ``at`` (n,)."""
        u = (at[:, None] - self.energies) / width
        return np.exp(-0.5 * u * u) @ self.states / (width * math.sqrt(2 * math.pi))

    def below(self, at: np.ndarray, width: float) -> np.ndarray:
        """States below energies ``at`` (n,)."""
        return ndtr((at[:, None] - self.energies) / width) @ self.states

    def exact(self, width: float, kT: float) -> tuple[float, float]:
        """Electrons, and heat capacity at a fixed number of them, eV/K: averages with the weight -df/de."""
        step = min(FINE, kT / 8)
        at = self.mu + step * np.arange(-math.ceil(40 * kT / step), math.ceil(40 * kT / step) + 1)
        x = (at - self.mu) / kT
        weight = expit(x) * expit(-x) * step / kT
        density = self.density(at, width)
        j0, j1, j2 = (np.sum(weight * density * (at - self.mu) ** n) for n in (0, 1, 2))
        return float(weight @ self.below(at, width)), float((j2 - j1 * j1 / j0) * BOLTZMANN / kT)


def errors(structures: list[Levels], step: float, width: float, temperature: float) -> dict[str, float | None]:
    """Worst errors by each rule; None where a rule refuses the case."""
    grid = EnergyGrid.from_range(-15.0, 15.0, step, zero="code")
    dos = DOS(grid, np.array([levels.density(grid.energies, width) for levels in structures]), width)
    mu = np.array([levels.mu for levels in structures])
    count, heat = np.array([levels.exact(width, BOLTZMANN * temperature) for levels in structures]).T
    cells = {}
    for rule in RULES:
        try:
            n = electron_count(dos, mu, temperature, quadrature=rule)
            c = heat_capacity(dos, mu, temperature, quadrature=rule)
        except ValueError:
            cells |= {f"{rule}: N (electrons)": None, f"{rule}: C (relative)": None}
            continue
        cells[f"{rule}: N (electrons)"] = float(np.abs(n - count).max())
        cells[f"{rule}: C (relative)"] = float(np.abs(c / heat - 1).max())
    return cells


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    parser.add_argument("--structures", type=int, default=20)
    given = parser.parse_args(arguments)
    steps = STEPS[1:2] if given.quick else STEPS
    if given.quick:
        given.structures = 2
    structures = [Levels(np.random.default_rng(seed)) for seed in range(given.structures)]
    results = machine.Results(__file__, given)
    for step in steps:
        for width in (width for width in WIDTHS if is_smooth(width, step)):
            for temperature in TEMPERATURES:
                kT = BOLTZMANN * temperature
                row = {"smearing (eV)": width, "T (K)": temperature, "kT/step": kT / step}
                row["auto took"] = str(choose("auto", kT, step, width))
                results.add(f"step {step:g} eV", row | errors(structures, step, width, temperature))


if __name__ == "__main__":
    main()
