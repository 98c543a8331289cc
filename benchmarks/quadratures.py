"""Errors of each quadrature rule on smeared levels, by step, smearing and temperature.

    python benchmarks/quadratures.py

Twenty random structures of forty levels each, one in each half electronvolt from -10 to 10 eV, of 0.3 to 2 states, with
a chemical potential within half an electronvolt of zero; all states lie on the grid. Errors of the number of electrons
and relative errors of the heat capacity at that chemical potential, the worst of all structures, against the exact DOS
(a sum of Gaussians; its integral, of their cumulatives) at steps of 0.0025 eV, or of kT/8 where that is less.
"""

import argparse
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


def errors(structures: list[Levels], step: float, width: float, temperature: float) -> list[str]:
    """Worst error of the electrons and worst relative error of the heat capacity by each rule that takes the case."""
    grid = EnergyGrid.from_range(-15.0, 15.0, step, zero="code")
    dos = DOS(grid, np.array([levels.density(grid.energies, width) for levels in structures]), width)
    mu = np.array([levels.mu for levels in structures])
    count, heat = np.array([levels.exact(width, BOLTZMANN * temperature) for levels in structures]).T
    cells = []
    for rule in RULES:
        try:
            n = electron_count(dos, mu, temperature, quadrature=rule)
            c = heat_capacity(dos, mu, temperature, quadrature=rule)
        except ValueError:
            cells.append("refused")
            continue
        cells.append(f"{np.abs(n - count).max():.0e}, {np.abs(c / heat - 1).max():.0e}")
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--structures", type=int, default=20)
    arguments = parser.parse_args()
    structures = [Levels(np.random.default_rng(seed)) for seed in range(arguments.structures)]
    print(machine.describe())
    for step in STEPS:
        print(f"\nStep {step:g} eV; by each rule: error of N (electrons), relative error of C\n")
        print(f"| smearing (eV) | T (K) | kT/step | auto took | {' | '.join(RULES)} |")
        print("| --- | --- | --- | --- |" + " --- |" * len(RULES))
        for width in (width for width in WIDTHS if is_smooth(width, step)):
            for temperature in TEMPERATURES:
                kT = BOLTZMANN * temperature
                cells = " | ".join(errors(structures, step, width, temperature))
                took = choose("auto", kT, step, width)
                print(f"| {width:g} | {temperature:g} | {kT / step:.2g} | {took} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
