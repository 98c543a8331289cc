"""ASE's Tersoff potential for one element or two, vectorised over bonds and triplets.

ASE's calculator loops over atoms, bonds and triplets in Python and rebuilds its neighbor list at every step. This
subclass takes ASE's parameters and gives the same energy and forces. ``python fast_tersoff.py`` compares the results
and the times of both.

Source: J. Tersoff, Phys. Rev. B 39, 5566 (1989), eqs. 1 to 3.
"""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.tersoff import Tersoff, TersoffParameters
from ase.neighborlist import primitive_neighbor_list

SILICON = TersoffParameters(
    m=3.0, gamma=1.0, lambda3=0.0, c=100390.0, d=16.217, h=-0.59825, n=0.78734, beta=1.1e-6,
    lambda2=1.73222, B=471.18, R=2.85, D=0.15, lambda1=2.4799, A=1830.8,
)  # fmt: skip


# Table I of the source; CHI strengthens bonds of unlike atoms.
CARBON = TersoffParameters(
    m=3.0, gamma=1.0, lambda3=0.0, c=38049.0, d=4.3484, h=-0.57058, n=0.72751, beta=1.5724e-7,
    lambda2=2.2119, B=346.74, R=1.95, D=0.15, lambda1=3.4879, A=1393.6,
)  # fmt: skip
CHI = 0.9776


class FastTersoff(Tersoff):
    """Tersoff energy (eV) and forces (eV/angstrom) of a one-element system; ``skin`` in angstrom."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012, as ASE has it

    def __init__(self, parameters: TersoffParameters = SILICON, symbol: str = "Si", skin: float = 0.6):
        super().__init__({(symbol,) * 3: parameters}, skin=skin)
        self._p = parameters
        self._range = parameters.R + parameters.D
        self._reference: np.ndarray | None = None

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        Calculator.calculate(self, atoms, properties, system_changes)
        positions = self.atoms.positions
        self._refresh_neighbors(positions, system_changes)
        energy, forces = self._evaluate(positions)
        self.results = {"energy": energy, "forces": forces}

    def _refresh_neighbors(self, positions, system_changes):
        stale = (
            self._reference is None
            or self._reference.shape != positions.shape
            or {"cell", "pbc", "numbers"} & set(system_changes)
            or ((positions - self._reference) ** 2).sum(axis=1).max() > (self.cutoff_skin / 2) ** 2
        )
        if not stale:
            return
        cutoff = self._range + self.cutoff_skin
        i, j, shift = primitive_neighbor_list(
            "ijS", self.atoms.pbc, np.array(self.atoms.cell), positions, cutoff, use_scaled_positions=False
        )
        self._i, self._j = i, j
        self._offset = shift @ np.array(self.atoms.cell)
        # Pairs (p, q) of bonds that start at the same atom: i comes sorted, so each atom's bonds are contiguous.
        counts = np.bincount(i, minlength=len(positions))
        first = np.concatenate([[0], np.cumsum(counts)])[:-1]
        p = np.repeat(np.arange(len(i)), counts[i])
        q = np.arange(len(p)) - np.repeat(np.cumsum(counts[i]) - counts[i], counts[i]) + first[i[p]]
        keep = p != q
        self._p_index, self._q_index = p[keep], q[keep]
        self._reference = positions.copy()

    def _cutoff_function(self, r):
        inner, outer = self._p.R - self._p.D, self._p.R + self._p.D
        phase = np.clip((r - inner) / (outer - inner), 0.0, 1.0) * np.pi
        return 0.5 * (1 + np.cos(phase)), -0.5 * np.pi / (outer - inner) * np.sin(phase)

    def _angular_parameters(self, p):
        """Parameters c, d, h of the triplets whose first bond is ``p``."""
        return self._p.c, self._p.d, self._p.h

    def _evaluate(self, positions):
        a = self._p
        vector = positions[self._j] + self._offset - positions[self._i]
        r = np.sqrt((vector**2).sum(axis=1))
        unit = vector / r[:, None]
        fc, dfc = self._cutoff_function(r)

        p, q = self._p_index, self._q_index
        near = r < a.R + a.D
        near = near[p] & near[q]
        p, q = p[near], q[near]
        cosine = (unit[p] * unit[q]).sum(axis=1)
        c, d, h = self._angular_parameters(p)
        u = h - cosine
        denominator = d**2 + u**2
        g = 1 + (c / d) ** 2 - c**2 / denominator
        dg = -2 * c**2 * u / denominator**2
        zeta = np.bincount(p, fc[q] * g, minlength=len(r))

        x = (a.beta * np.maximum(zeta, 1e-12)) ** a.n
        bond_order = (1 + x) ** (-1 / (2 * a.n))
        d_bond_order = -0.5 * bond_order / (1 + x) * x / np.maximum(zeta, 1e-12)
        repulsive = a.A * np.exp(-a.lambda1 * r)
        attractive = -a.B * np.exp(-a.lambda2 * r)
        energy = 0.5 * (fc * (repulsive + bond_order * attractive)).sum()

        radial = dfc * (repulsive + bond_order * attractive)
        radial += fc * (-a.lambda1 * repulsive - a.lambda2 * bond_order * attractive)
        gradient = 0.5 * radial[:, None] * unit  # of the energy with respect to each bond vector
        d_zeta = (0.5 * fc * attractive * d_bond_order)[p]
        angular = d_zeta * fc[q] * dg
        along_p = (angular / r[p])[:, None] * (unit[q] - cosine[:, None] * unit[p])
        along_q = (angular / r[q])[:, None] * (unit[p] - cosine[:, None] * unit[q])
        along_q += (d_zeta * dfc[q] * g)[:, None] * unit[q]
        forces = np.empty_like(positions)
        for axis in range(3):
            total = gradient[:, axis] + np.bincount(p, along_p[:, axis], minlength=len(r))
            total += np.bincount(q, along_q[:, axis], minlength=len(r))
            forces[:, axis] = np.bincount(self._i, total, minlength=len(positions))
            forces[:, axis] -= np.bincount(self._j, total, minlength=len(positions))
        return energy, forces


def _mixed(first: TersoffParameters, second: TersoffParameters) -> dict[str, float]:
    """Parameters of a bond from an atom of the first element to one of the second (eq. 3 of the source)."""
    inner = np.sqrt((first.R - first.D) * (second.R - second.D))
    outer = np.sqrt((first.R + first.D) * (second.R + second.D))
    return {name: getattr(first, name) for name in ("beta", "n", "c", "d", "h")} | {
        "A": np.sqrt(first.A * second.A),
        "B": (1.0 if first is second else CHI) * np.sqrt(first.B * second.B),
        "lambda1": (first.lambda1 + second.lambda1) / 2,
        "lambda2": (first.lambda2 + second.lambda2) / 2,
        "R": (outer + inner) / 2,
        "D": (outer - inner) / 2,
    }


class FastTersoffSiC(FastTersoff):
    """The same for silicon and carbon in one structure: every bond has its own parameters."""

    def __init__(self, skin: float = 0.6):
        super().__init__(skin=skin)
        elements = {6: CARBON, 14: SILICON}
        self._pairs = {(i, j): _mixed(elements[i], elements[j]) for i in elements for j in elements}

    def _refresh_neighbors(self, positions, system_changes):
        before = self._reference
        super()._refresh_neighbors(positions, system_changes)
        if self._reference is not before:
            numbers = self.atoms.numbers
            bonds = [self._pairs[pair] for pair in zip(numbers[self._i], numbers[self._j], strict=True)]
            self._p = SimpleNamespace(**{name: np.array([bond[name] for bond in bonds]) for name in self._pairs[6, 6]})

    def _angular_parameters(self, p):
        return self._p.c[p], self._p.d[p], self._p.h[p]


def _compare() -> None:
    from ase.build import bulk

    rng = np.random.default_rng(0)
    for size, spread in ((1, 0.1), (2, 0.1), (2, 0.3)):
        atoms = bulk("Si", cubic=True) * (1, 1, size)
        atoms.positions += rng.normal(0, spread, atoms.positions.shape)
        values, seconds = [], []
        for calculator in (Tersoff({("Si",) * 3: SILICON}), FastTersoff()):
            atoms.calc = calculator
            start = time.perf_counter()
            for _ in range(5):
                atoms.positions += 1e-9  # invalidates the results that the calculator keeps
                value = atoms.get_potential_energy(), atoms.get_forces()
            seconds.append((time.perf_counter() - start) / 5)
            values.append(value)
        (e0, f0), (e1, f1) = values
        print(
            f"{len(atoms)} atoms, spread {spread}: dE {abs(e0 - e1):.1e} eV, dF {abs(f0 - f1).max():.1e} eV/A", end=", "
        )
        print(f"{1e3 * seconds[0]:.1f} ms (ASE), {1e3 * seconds[1]:.1f} ms")


if __name__ == "__main__":
    _compare()
