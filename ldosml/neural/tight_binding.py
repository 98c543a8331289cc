"""Tight binding for any crystal: Harrison's universal matrix elements on atomic levels, or fitted parameters.

W. A. Harrison, *Electronic Structure and the Properties of Solids* (1980) and *Elementary Electronic Structure* (1999):
matrix elements between shells at a distance d are V_llm = eta_llm hbar^2 / (m d^2) among s and p, eta hbar^2 r_d^(3/2)
/ (m d^(7/2)) of d with these, and eta hbar^2 (r_d r_d')^(3/2) / (m d^5) among d, with the same eta for all elements;
the dependence on direction is from Slater and Koster, Phys. Rev. 94, 1498 (1954). Three things differ. Levels, and the
radii r_d of d shells (root-mean-square radii, within 10 % of Harrison's), are from PBE atoms (``atomic_shells``). Every
atom has s, p and d shells, and one more s and p shell, bound in the free atom or not (``basis_shells``). V is damped
beyond nearest neighbours by exp(-(d / 1.5 d0)^6), with d0 the sum of the covalent radii, for all crystals alike.

Universal bands have errors of 1.6 eV, but the right symmetry and the right number of electrons below the Fermi level.
Fitted bands (``fit_tight_binding``) have errors of 0.54 eV for crystals outside the fit, from E_F - 10 to E_F + 10 eV
(``benchmarks/tight_binding_errors.py``); a network learns the difference. In the fit each shell has a level, a
strength, a slope with distance and an overlap, and each element shifts the levels of its neighbours
(``TightBindingParameters``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, Self

import numpy as np
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list
from ase.units import _e, _hbar, _me
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ldosml.energy import EnergyGrid
from ldosml.kresolved import gamma_mesh
from ldosml.kresolved.meshes import irreducible
from ldosml.neural.crystals import Crystal, Floats, Integers, point_group
from ldosml.neural.shells import N_ELEMENTS, SHELLS, atomic_shells, basis_shells

HBAR2_M = _hbar**2 / _me / _e * 1e20  # eV angstrom^2

ETAS = {
    "ss sigma": -1.40,
    "sp sigma": 1.84,
    "pp sigma": 3.24,
    "pp pi": -0.81,
    "sd sigma": -3.16,
    "pd sigma": -2.95,
    "pd pi": 1.36,
    "dd sigma": -16.2,
    "dd pi": 8.75,
    "dd delta": 0.0,
}
"""Harrison's eta, the same for all elements."""

_CUT, _FURTHEST = 1.5, 2.0  # in sums of covalent radii: where V is damped to 1/e, and where it is cut off, at 0.4 %
_N_ORBITALS, _N_SHELLS = sum(SHELLS), len(SHELLS)
_P, _D = slice(1, 4), slice(4, 9)
_SHELL_OF = np.repeat(np.arange(_N_SHELLS), SHELLS)
_LIKE = np.array([*range(9), *range(4)])  # excited s and p have the same angular part
_WEAK = -1.4  # initial logarithm of the strength of empty s and p, about the mean after a fit
_AWAY = 30.0  # eV, and minus a logarithm
_AT_ONCE, _NUMBERS_AT_ONCE = 64, 4e6  # k-points, and matrix elements
MESH = 6
"""Number of k-points along each reciprocal lattice vector for the Fermi level; smaller for more than 8 atoms."""
WIDTHS = (0.2, 0.8)
"""Gaussian widths of ``first_guess``, eV."""
LARGEST = 64
"""Largest number of atoms for ``first_guess``: 100 k-points of 64 atoms take 23 s on one core; time grows as n^3."""

_ROOT = np.sqrt(3) / 2
_Q = np.zeros((5, 3, 3))  # n Q n are the real harmonics of l = 2; the sum of their squares is 1
for _place, (_i, _j) in enumerate(((0, 1), (1, 2), (0, 2))):
    _Q[_place, _i, _j] = _Q[_place, _j, _i] = _ROOT
_Q[3], _Q[4] = np.diag([_ROOT, -_ROOT, 0.0]), np.diag([-0.5, -0.5, 1.0])


BY_SHELL = ("shifts", "strengths", "slopes", "overlaps")
"""Names of the parameters of each shell of each element."""


@dataclass(frozen=True, eq=False)
class TightBindingParameters:
    """Parameters of tight binding. ``universal`` is Harrison's, on the levels of free atoms.

    Parameters
    ----------
    shifts : array (119, 5)
        Shifts of the levels of s, p, d, and excited s and p, eV, by atomic number.
    pulls : array (119,)
        Shift of all levels of an atom by a neighbour of each element, relative to a neighbour of its own element, eV:
        the potential of transferred charge. It is the value at the distance d0, and decays as d^-4.
    strengths : array (119, 5)
        Logarithms of factors; a matrix element is multiplied by the geometric mean of the factors of its two shells.
    slopes : array (119, 5)
        Relative change of a matrix element with ln(d / d0), in addition to the universal power of d; the mean over its
        two shells.
    overlaps : array (119, 5)
        1/eV; first-order correction for orbitals that are not orthogonal: squared matrix elements times the mean over
        the two shells.
    factors : array (n_etas,)
        Logarithms of factors of ``ETAS``.
    """

    shifts: Floats
    pulls: Floats
    strengths: Floats
    slopes: Floats
    overlaps: Floats
    factors: Floats

    @classmethod
    def universal(cls) -> Self:
        """Harrison's parameters for bound shells; unbound ones are decoupled and at high energy."""
        zeros = cls._zeros()
        zeros.shifts[~_bound()], zeros.strengths[~_bound()] = _AWAY, -_AWAY
        return zeros

    @classmethod
    def start(cls) -> Self:
        """Initial parameters of a fit: as ``universal``, with unbound shells at ``EMPTY_LEVEL``, their s and p weak."""
        zeros = cls._zeros()
        weak = ~_bound()
        weak[:, 2] = False
        zeros.strengths[weak] = _WEAK
        return zeros

    @classmethod
    def _zeros(cls) -> Self:
        shifts, strengths, slopes, overlaps = np.zeros((4, N_ELEMENTS, _N_SHELLS))
        return cls(shifts, np.zeros(N_ELEMENTS), strengths, slopes, overlaps, np.zeros(len(ETAS)))


def _bound() -> NDArray[np.bool_]:
    """Whether free atoms bind each shell, (119, 5)."""
    found = np.zeros((N_ELEMENTS, _N_SHELLS), dtype=bool)
    for number, shells in atomic_shells().items():
        found[number, :3] = [shell is not None for shell in shells]
    return found


def blocks(directions: Floats, distances: Floats, radii: Floats) -> Floats:
    """Contributions of each of ``ETAS`` to the matrix elements between the orbitals of two atoms, eV.

    Orbitals are s, p (x, y, z), d, excited s and p.

    Parameters
    ----------
    directions : array (n_pairs, 3)
        Unit vectors from the first atom, whose orbitals are rows, to the second.
    distances : array (n_pairs,)
        Angstrom.
    radii : array (n_pairs, 2)
        Radii of the d shells of both, angstrom.

    Returns
    -------
    array (n_etas, n_pairs, 13, 13)
    """
    n = directions
    along = np.einsum("ei,aij,ej->ea", n, _Q, n)  # (n_pairs, 5)
    turned = np.einsum("aij,ej->eai", _Q, n)  # (n_pairs, 5, 3)
    flat = HBAR2_M / distances**2
    to_d = HBAR2_M * radii**1.5 / distances[:, None] ** 3.5
    of_d = HBAR2_M * (radii[:, 0] * radii[:, 1]) ** 1.5 / distances**5
    found = np.zeros((len(ETAS), len(n), 9, 9))
    ss, sp, pps, ppp, sd, pds, pdp, dds, ddp, ddd = found
    ss[:, 0, 0] = flat
    sp[:, 0, _P] = flat[:, None] * n
    sp[:, _P, 0] = -sp[:, 0, _P]
    sigma = n[:, :, None] * n[:, None, :]
    pps[:, _P, _P] = flat[:, None, None] * sigma
    ppp[:, _P, _P] = flat[:, None, None] * (np.eye(3) - sigma)
    sd[:, 0, _D] = to_d[:, 1, None] * along
    sd[:, _D, 0] = to_d[:, 0, None] * along
    sigma = n[:, :, None] * along[:, None, :]
    pi = (2 / np.sqrt(3)) * (turned.transpose(0, 2, 1) - sigma)
    for part, shape in ((pds, sigma), (pdp, pi)):  # (n_pairs, 3, 5)
        part[:, _P, _D] = to_d[:, 1, None, None] * shape
        part[:, _D, _P] = -to_d[:, 0, None, None] * shape.transpose(0, 2, 1)
    sigma = along[:, :, None] * along[:, None, :]
    pi = 4 / 3 * (np.einsum("eai,ebi->eab", turned, turned) - sigma)
    for part, shape in ((dds, sigma), (ddp, pi), (ddd, np.eye(5) - sigma - pi)):
        part[:, _D, _D] = of_d[:, None, None] * shape
    found *= np.array(list(ETAS.values()))[:, None, None, None]
    return found[:, :, _LIKE][:, :, :, _LIKE]


def known_shells(crystal: Crystal) -> bool:
    """Whether there is tight binding: all levels are known, and the crystal has at most ``LARGEST`` atoms."""
    return len(crystal) <= LARGEST and {int(z) for z in crystal.numbers} <= set(atomic_shells())


@dataclass(frozen=True, eq=False)
class Orbitals:
    """Orbitals of one crystal, as NumPy arrays or tensors.

    Parameters
    ----------
    levels : array (n_orbitals,)
        Levels of the free atoms, eV.
    shell_of : array (n_orbitals,)
        Indices into flat arrays (119, 5).
    neighbors : array (n_orbitals, 119)
        Weight of the pull of each element on the atom of the orbital; the weights sum to zero.
    """

    levels: Any
    shell_of: Any
    neighbors: Any


def hamiltonian(orbitals: Orbitals, elements: Any, parameters: Any, xp: ModuleType) -> Any:
    """Hamiltonians (n_kpoints, n_orbitals, n_orbitals), eV, with NumPy or PyTorch (``xp``).

    ``elements`` (n_kpoints, n_orbitals, n_orbitals) are matrix elements with factors and slopes, but without strengths;
    ``parameters`` has the fields of ``TightBindingParameters``, with (119, 5) flattened.
    """
    shells = orbitals.shell_of
    roots = xp.exp(0.5 * parameters.strengths[shells])
    overlaps = 0.5 * parameters.overlaps[shells]
    levels = orbitals.levels + parameters.shifts[shells] + orbitals.neighbors @ parameters.pulls
    hopping = elements * (roots[:, None] * roots)
    return hopping + (overlaps[:, None] + overlaps) * (hopping @ hopping) + xp.diag(levels)


class TightBinding:
    """Tight binding of one crystal.

    Parameters
    ----------
    crystal : Crystal
        The standardised primitive cell.
    parameters : TightBindingParameters, optional
        Default: universal.

    Raises
    ------
    ValueError
        When the shells of an element are not known.
    """

    def __init__(self, crystal: Crystal, parameters: TightBindingParameters | None = None) -> None:
        shells = basis_shells()
        unknown = sorted({int(z) for z in crystal.numbers} - set(shells))
        if unknown:
            raise ValueError(f"The atomic levels of elements {unknown} are not known.")
        self.crystal = crystal
        each = [shells[int(z)] for z in crystal.numbers]
        self.n_electrons = float(sum(shell.electrons for atom in each for shell in atom))
        pulls = self._pairs(np.array([d.radius for _, _, d, *_ in each]))
        self.orbitals = Orbitals(
            np.concatenate([np.repeat([shell.energy for shell in atom], SHELLS) for atom in each]),
            (_N_SHELLS * crystal.numbers[:, None] + _SHELL_OF).ravel(),
            np.repeat(pulls, _N_ORBITALS, axis=0),
        )
        self._parameters = TightBindingParameters.universal() if parameters is None else parameters

    def _pairs(self, radii: Floats) -> Floats:
        """Find the pairs of neighbours; return the weight of the pull of each element on each atom, (n_atoms, 119)."""
        numbers, covalent = self.crystal.numbers, covalent_radii[self.crystal.numbers]
        atoms = self.crystal.atoms()
        i, j, d, D, S = neighbor_list("ijdDS", atoms, list(_FURTHEST * covalent))  # type: ignore[no-untyped-call]
        ratio = d / (covalent[i] + covalent[j])
        damped = np.exp(-((ratio / _CUT) ** 6))
        self._i, self._j, self._shifts, self._logs = i, j, S, np.log(ratio)
        self._blocks = damped[:, None, None] * blocks(D / d[:, None], d, np.stack([radii[i], radii[j]], axis=1))
        pulls = np.zeros((len(numbers), N_ELEMENTS))
        for elements, sign in ((numbers[j], 1), (numbers[i], -1)):
            np.add.at(pulls, (i, elements), sign * damped / ratio**4)
        return pulls

    @property
    def n_orbitals(self) -> int:
        """Number of orbitals in the cell, and of bands."""
        return len(self.orbitals.levels)

    def elements(self, kpoints: Floats) -> NDArray[np.complex128]:
        """Matrix elements of each of ``ETAS``, and the same times ln(d / d0), without levels and strengths, eV.

        k-points are fractions (n_kpoints, 3); the result is (2, n_etas, n_kpoints, n_orbitals, n_orbitals).
        """
        parts = np.concatenate([self._blocks, self._logs[:, None, None] * self._blocks])
        found = self._summed(parts, kpoints)
        return found.reshape(2, len(ETAS), *found.shape[1:])

    def _summed(self, parts: Floats, kpoints: Floats) -> NDArray[np.complex128]:
        """Bloch sums (n_parts, n_kpoints, n_orbitals, n_orbitals) of blocks (n_parts, n_pairs, 13, 13)."""
        n = len(self.crystal)
        found = np.empty((len(parts), len(kpoints), self.n_orbitals, self.n_orbitals), dtype=complex)
        rows = parts.transpose(1, 0, 2, 3).reshape(len(self._i), len(parts) * _N_ORBITALS**2)
        places = self._i * n + self._j
        for k, waves in enumerate(np.exp(2j * np.pi * kpoints @ self._shifts.T)):
            sums = csr_array((waves, (places, np.arange(len(places)))), shape=(n * n, len(places))) @ rows
            square = sums.reshape(n, n, len(parts), _N_ORBITALS, _N_ORBITALS).transpose(2, 0, 3, 1, 4)
            found[:, k] = square.reshape(len(parts), self.n_orbitals, self.n_orbitals)
        return found

    def eigenvalues(self, kpoints: Floats) -> Floats:
        """Eigenvalues (n_kpoints, n_orbitals), ascending, eV against the vacuum, at fractions (n_kpoints, 3)."""
        given = self._parameters
        slopes = 0.5 * given.slopes[self.crystal.numbers][:, _SHELL_OF]  # (n_atoms, 13)
        sloped = 1 + self._logs[:, None, None] * (slopes[self._i][:, :, None] + slopes[self._j][:, None, :])
        parts = sloped[None] * np.tensordot(np.exp(given.factors), self._blocks, axes=1)[None]
        flat = replace(given, **{name: getattr(given, name).ravel() for name in BY_SHELL})
        found = np.empty((len(kpoints), self.n_orbitals))
        at_once = max(1, min(_AT_ONCE, int(_NUMBERS_AT_ONCE / self.n_orbitals**2)))
        for start in range(0, len(kpoints), at_once):
            part = slice(start, start + at_once)
            elements = self._summed(parts, kpoints[part])[0]
            found[part] = np.linalg.eigvalsh(hamiltonian(self.orbitals, elements, flat, np))
        return found

    def on_mesh(self, n: int | None = None) -> tuple[Floats, Floats]:
        """Eigenvalues (n_kpoints, n_orbitals) on the irreducible part of a mesh, and its weights (n_kpoints,).

        By default ``MESH`` points along each reciprocal lattice vector, fewer in large cells.
        """
        along = n or int(np.ceil(MESH * min(1.0, (8 / len(self.crystal)) ** (1 / 3)) - 1e-9))
        kpoints, weights, _ = irreducible(gamma_mesh(along)[0], point_group(self.crystal))
        return self.eigenvalues(kpoints), weights

    def fermi_energy(self, energies: Floats, weights: Floats) -> float:
        """Energy up to which states ``on_mesh`` hold the electrons, eV; the middle of a gap."""
        first, second = frontier(energies, weights, self.n_electrons)
        return float(0.5 * (energies.ravel()[first] + energies.ravel()[second]))

    def electrons_above(self, low: float) -> float:
        """Valence electrons of the cell in states above ``low``, eV against the Fermi level."""
        energies, weights = self.on_mesh()
        deeper = energies - self.fermi_energy(energies, weights) < low
        return self.n_electrons - 2 * float(weights @ deeper.sum(axis=1))


def frontier(energies: Floats, weights: Floats, n_electrons: float) -> tuple[int, int]:
    """Indices into the flat ``energies`` (n_kpoints, n_bands) of the highest filled state, and of the next one."""
    order: Integers = np.argsort(energies, axis=None)
    held = 2 * np.cumsum(np.repeat(weights, energies.shape[1])[order])
    last = min(int(np.searchsorted(held, n_electrons - 1e-6)), len(order) - 1)
    return int(order[last]), int(order[min(last + 1, len(order) - 1)])


def first_guess(
    crystal: Crystal, kpoints: Floats, grid: EnergyGrid, parameters: TightBindingParameters
) -> tuple[Floats, Floats]:
    """First guess of the occupancy from tight binding: states at each k-point, and anywhere in the zone.

    The energy zero is the Fermi level of tight binding. The guess is zero for crystals without tight binding
    (``known_shells``).

    Returns
    -------
    guess : array (n_kpoints, n_widths, n_bins)
        Density of states (of one spin) with Gaussians of each of ``WIDTHS``, 1/eV.
    zone : array (n_widths, n_bins)
        Gaussian of the distance to the nearest band, which extends from its minimum to its maximum on a mesh, 1/eV.
    """
    if not known_shells(crystal):
        return np.zeros((len(kpoints), len(WIDTHS), grid.size)), np.zeros((len(WIDTHS), grid.size))
    model = TightBinding(crystal, parameters)
    energies, weights = model.on_mesh()
    zero = model.fermi_energy(energies, weights)
    bands = energies - zero
    beside = np.abs(np.clip(grid.energies[:, None], bands.min(axis=0), bands.max(axis=0)) - grid.energies[:, None])
    zone = np.stack([_gaussian(beside.min(axis=1), width) for width in WIDTHS])
    guess = np.zeros((len(kpoints), len(WIDTHS), grid.size))
    for band in (model.eigenvalues(kpoints) - zero).T:
        for place, width in enumerate(WIDTHS):
            guess[:, place] += _gaussian(grid.energies - band[:, None], width)
    return guess, zone


def _gaussian(off: Floats, width: float) -> Floats:
    """Normalised Gaussian of standard deviation ``width``."""
    found: Floats = np.exp(-0.5 * (off / width) ** 2) / (width * np.sqrt(2 * np.pi))
    return found
