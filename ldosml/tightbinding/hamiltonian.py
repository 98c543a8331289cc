"""Tight-binding Hamiltonians of any structure: bulk, surfaces, clusters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, Self

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from numpy.typing import NDArray
from scipy.linalg import block_diag
from scipy.sparse import csr_array

from ldosml._validation import check_finite
from ldosml.neighbors import find_neighbors
from ldosml.tightbinding.parameters import BY_SHELL, TightBindingParameters
from ldosml.tightbinding.shells import N_ELEMENTS, SHELLS, basis_shells, valence_electrons
from ldosml.tightbinding.slater_koster import ETAS, Floats, basic_blocks, with_excited

CLOSEST = 0.5
"""Smallest distance of two atoms, angstrom: Harrison's matrix elements mean nothing below it."""

N_ORBITALS = sum(SHELLS)
"""Orbitals of an atom: s, p, d, excited s and p."""

SHELL_OF = np.repeat(np.arange(len(SHELLS)), SHELLS)
"""Shell of each orbital of an atom, (13,)."""

_CUT, FURTHEST = 1.5, 2.0  # in sums of covalent radii: where V is damped to 1/e, and where it is cut off, at 0.4 %
_AT_ONCE, NUMBERS_AT_ONCE = 64, 4e6  # k-points, and matrix elements
_ALL = slice(None)

Pairs = slice | NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Orbitals:
    """Orbitals of one structure, as NumPy arrays or tensors.

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


@dataclass(frozen=True, eq=False)
class ByOrbital:
    """Parameters of each orbital of one structure, as NumPy arrays or tensors.

    Parameters
    ----------
    strengths : array (n_orbitals,)
        Logarithms of factors; a matrix element is multiplied by the geometric mean of two.
    overlaps : array (n_orbitals,)
        1/eV, halved: the sum of two multiplies squared matrix elements.
    levels : array (n_orbitals,)
        eV.
    """

    strengths: Any
    overlaps: Any
    levels: Any

    @classmethod
    def of(cls, orbitals: Orbitals, parameters: Any) -> Self:
        """Look up the fields of ``TightBindingParameters``, with (119, 5) flattened."""
        shells = orbitals.shell_of
        levels = orbitals.levels + parameters.shifts[shells] + orbitals.neighbors @ parameters.pulls
        return cls(parameters.strengths[shells], 0.5 * parameters.overlaps[shells], levels)


def hamiltonian(elements: Any, given: ByOrbital, xp: ModuleType) -> Any:
    """Hamiltonians (n_kpoints, n_orbitals, n_orbitals), eV, with NumPy or PyTorch (``xp``).

    ``elements`` (n_kpoints, n_orbitals, n_orbitals) are matrix elements with factors and slopes, but without strengths.
    """
    roots, overlaps = xp.exp(0.5 * given.strengths), given.overlaps
    hopping = elements * (roots[:, None] * roots)
    return hopping + (overlaps[:, None] + overlaps) * (hopping @ hopping) + xp.diag(given.levels)


@dataclass(frozen=True, eq=False)
class PairTerms:
    """What the matrix elements of one structure are made of, without parameters, as NumPy arrays or tensors.

    Parameters
    ----------
    first, second : array (n_pairs,) of int
        Atoms of each pair of neighbours, both ways.
    shifts : array (n_pairs, 3)
        Cell of the second atom, in lattice vectors.
    directions : array (n_pairs, 3)
        Unit vectors from the first atom to the second.
    logs : array (n_pairs,)
        ln(d / d0).
    damping : array (n_pairs,)
        Factor of the matrix elements, which falls to zero where pairs end.
    blocks : array (n_etas, n_pairs, 9, 9)
        Contributions of each of ``ETAS``, damped, eV.
    """

    first: Any
    second: Any
    shifts: Any
    directions: Any
    logs: Any
    damping: Any
    blocks: Any


class TightBinding:
    """Tight binding of one structure.

    Every atom has s, p and d shells, and one more s and p shell, bound in the free atom or not (``basis_shells``).
    Matrix elements are Harrison's (``ldosml.tightbinding.slater_koster``) times factors of the shells, damped beyond
    nearest neighbours by exp(-(d / 1.5 d0)^6), with d0 the sum of the covalent radii. Levels are from PBE atoms
    (``atomic_shells``).

    Parameters
    ----------
    atoms : ase.Atoms
        Periodic where ``pbc`` says so.
    parameters : TightBindingParameters, optional
        Default: ``TightBindingParameters.fitted()``.

    Attributes
    ----------
    n_orbitals : int
        Of the cell: 13 for each atom.
    n_electrons : float
        Valence electrons of the free atoms.

    Raises
    ------
    TypeError
        When ``atoms`` is not ase.Atoms.
    ValueError
        When there are no atoms, an element has no parameters, atoms are closer than 0.5 angstrom, or positions are not
        finite.

    Examples
    --------
    >>> from ase.build import bulk
    >>> model = TightBinding(bulk("Si"))
    >>> model.eigenvalues([[0.0, 0.0, 0.0]]).shape
    (1, 26)
    """

    def __init__(self, atoms: Atoms, parameters: TightBindingParameters | None = None) -> None:
        self.parameters = TightBindingParameters.fitted() if parameters is None else parameters
        check_structure(atoms, self.parameters)
        self.numbers = np.asarray(atoms.numbers, dtype=np.int64)
        shells = basis_shells()
        each = [shells[int(z)] for z in self.numbers]
        self.n_electrons = valence_electrons(self.numbers)
        pulls = self._pairs(atoms, np.array([d.radius for _, _, d, *_ in each]))
        self.orbitals = Orbitals(
            np.concatenate([np.repeat([shell.energy for shell in atom], SHELLS) for atom in each]),
            (len(SHELLS) * self.numbers[:, None] + SHELL_OF).ravel(),
            np.repeat(pulls, N_ORBITALS, axis=0),
        )

    def _pairs(self, atoms: Atoms, radii: Floats) -> Floats:
        """Find the pairs of neighbours; return the weight of the pull of each element on each atom, (n_atoms, 119)."""
        numbers, covalent = self.numbers, covalent_radii[self.numbers]
        i, j, d, D, S = find_neighbors("ijdDS", atoms, list(FURTHEST * covalent))
        _check_distances(i, j, d)
        ratio = d / (covalent[i] + covalent[j])
        damped = np.exp(-((ratio / _CUT) ** 6))
        self._i, self._j, self._shifts, self._logs = i, j, S, np.log(ratio)
        self._between = damped[:, None, None], D / d[:, None], d, np.stack([radii[i], radii[j]], axis=1)
        pulls = np.zeros((len(numbers), N_ELEMENTS))
        for elements, sign in ((numbers[j], 1), (numbers[i], -1)):
            np.add.at(pulls, (i, elements), sign * damped / ratio**4)
        return pulls

    def _blocks(self, pairs: Pairs = _ALL) -> Floats:
        """Contributions of each of ``ETAS`` to some pairs, damped, eV: (n_etas, n_pairs, 9, 9)."""
        damped, directions, distances, radii = (given[pairs] for given in self._between)
        return damped * basic_blocks(directions, distances, radii)

    def __len__(self) -> int:
        """Number of atoms."""
        return len(self.numbers)

    @property
    def n_orbitals(self) -> int:
        """Number of orbitals in the cell, and of bands."""
        return len(self.orbitals.levels)

    def elements(self, kpoints: Floats) -> Any:
        """Matrix elements of each of ``ETAS``, and the same times ln(d / d0), without levels and strengths, eV.

        k-points are fractions (n_kpoints, 3); the result is (2, n_etas, n_kpoints, n_orbitals, n_orbitals).
        """
        blocks = with_excited(self._blocks())
        parts = np.concatenate([blocks, self._logs[:, None, None] * blocks])
        found = self._summed(parts, kpoints)
        return found.reshape(2, len(ETAS), *found.shape[1:])

    def _summed(self, parts: Floats, kpoints: Floats) -> Any:
        """Bloch sums (n_parts, n_kpoints, n_orbitals, n_orbitals) of blocks (n_parts, n_pairs, 13, 13)."""
        n = len(self)
        waves = np.exp(2j * np.pi * kpoints @ self._shifts.T)
        if np.all(np.abs(2 * kpoints - np.rint(2 * kpoints)) < 1e-12):  # k and -k are the same: real matrices
            waves = np.rint(waves.real)
        found = np.empty((len(parts), len(kpoints), self.n_orbitals, self.n_orbitals), dtype=waves.dtype)
        rows = parts.transpose(1, 0, 2, 3).reshape(len(self._i), len(parts) * N_ORBITALS**2)
        places = self._i * n + self._j
        for k, wave in enumerate(waves):
            sums = csr_array((wave, (places, np.arange(len(places)))), shape=(n * n, len(places))) @ rows
            square = sums.reshape(n, n, len(parts), N_ORBITALS, N_ORBITALS).transpose(2, 0, 3, 1, 4)
            found[:, k] = square.reshape(len(parts), self.n_orbitals, self.n_orbitals)
        return found

    @property
    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Atoms of each pair of neighbours, both ways: two arrays (n_pairs,)."""
        return self._i, self._j

    def pair_terms(self) -> PairTerms:
        """What ``hopping`` multiplies with parameters, for those who need its derivative."""
        damping, directions, *_ = self._between
        return PairTerms(self._i, self._j, self._shifts, directions, self._logs, damping[:, 0, 0], self._blocks())

    def by_orbital(self) -> ByOrbital:
        """Parameters of each orbital."""
        given = self.parameters
        flat = replace(given, **{name: getattr(given, name).ravel() for name in BY_SHELL})
        return ByOrbital.of(self.orbitals, flat)

    def hopping(self, pairs: Pairs = _ALL) -> Floats:
        """Blocks (n_pairs, 13, 13) of the matrix elements with factors and slopes, but without strengths, eV."""
        given = self.parameters
        slopes = 0.5 * given.slopes[self.numbers][:, SHELL_OF]  # (n_atoms, 13)
        mean = slopes[self._i[pairs]][:, :, None] + slopes[self._j[pairs]][:, None, :]
        sloped = 1 + self._logs[pairs, None, None] * mean
        found: Floats = sloped * self._sized(pairs)
        return found

    def _sized(self, pairs: Pairs) -> Floats:
        """Matrix elements with factors, without slopes, (n_pairs, 13, 13), eV."""
        return with_excited(np.tensordot(np.exp(self.parameters.factors), self._blocks(pairs), axes=1))

    def on_site(self) -> Floats | None:
        """What acts at each atom beside its levels, (n_atoms, 13, 13), eV; None for nothing."""
        return None

    def hamiltonians(self, kpoints: Floats) -> Iterator[tuple[slice, Any]]:
        """Matrices of some k-points after another.

        Parameters
        ----------
        kpoints : array (n_kpoints, 3)
            Fractions of the reciprocal lattice vectors.

        Yields
        ------
        part : slice
            Which k-points.
        matrices : array (n_of_part, n_orbitals, n_orbitals)
            eV against the vacuum; real where k and -k are the same.
        """
        parts, given, on_site = self.hopping()[None], self.by_orbital(), self.on_site()
        beside = 0.0 if on_site is None else block_diag(*on_site)
        at_once = max(1, min(_AT_ONCE, int(NUMBERS_AT_ONCE / self.n_orbitals**2)))
        for start in range(0, len(kpoints), at_once):
            part = slice(start, start + at_once)
            yield part, hamiltonian(self._summed(parts, kpoints[part])[0], given, np) + beside

    def eigenvalues(self, kpoints: Any) -> Floats:
        """Diagonalise at k-points.

        Parameters
        ----------
        kpoints : array (n_kpoints, 3)
            Fractions of the reciprocal lattice vectors.

        Returns
        -------
        array (n_kpoints, n_orbitals)
            Ascending, eV against the vacuum.
        """
        fractions = np.asarray(kpoints, dtype=np.float64)
        found = np.empty((len(fractions), self.n_orbitals))
        for part, matrices in self.hamiltonians(fractions):
            found[part] = np.linalg.eigvalsh(matrices)
        return found


def check_structure(atoms: Atoms, parameters: TightBindingParameters) -> None:
    """Raise TypeError unless these are ase.Atoms, and ValueError where tight binding has nothing to say about them."""
    if not isinstance(atoms, Atoms):
        raise TypeError(f"Tight binding needs ase.Atoms; got {type(atoms).__name__}.")
    if not len(atoms):
        raise ValueError("Tight binding needs atoms; got none.")
    check_finite("positions", atoms.positions)
    unknown = parameters.missing(atoms.numbers)
    if unknown:
        raise ValueError(
            f"Tight binding has no parameters of {', '.join(unknown)}. Use a descriptor that needs none, such as SOAP, "
            "or fit parameters to crystals of these elements."
        )


def _check_distances(i: Any, j: Any, distances: Floats) -> None:
    if len(distances) and distances.min() < CLOSEST:
        worst = distances.argmin()
        pair = f"Atoms {i[worst]} and {j[worst]} are" if i[worst] != j[worst] else f"Atom {i[worst]} and its image are"
        raise ValueError(
            f"{pair} {distances[worst]:.3g} angstrom apart; tight binding needs at least {CLOSEST}. Is an atom listed "
            "twice, or the unit not angstrom?"
        )
