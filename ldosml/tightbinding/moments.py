"""The share of each atom in the spectrum of tight binding, from Chebyshev moments, in time linear in the atoms.

The Gaussian-smeared spectrum of an atom is sum_m w_m(E) mu_m, where mu_m = tr_i T_m(H) are moments of the Hamiltonian,
scaled to [-1, 1], over the orbitals of the atom, and w_m(E) are Chebyshev coefficients of the Gaussian at E (A. Weisse
et al., Rev. Mod. Phys. 78, 275 (2006)). The coefficients fall as exp(-(m width / h)^2 / 2), with h half the spectral
range: their sum converges without a damping kernel.

H belongs to a region: all atoms within ``radius`` of one atom. A sharp end would reflect waves back to the centre,
where they focus. The recursion is damped in the outer part instead (V. A. Mandelshtam and H. S. Taylor, J. Chem. Phys.
103, 2903 (1995)): u_{m+1} = D (2 H u_m - D u_{m-1}), D = 1 inside and 0 at the end. So an atom that crosses the end has
no weight, and spectra are continuous.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from numpy.typing import NDArray
from scipy.fft import dct
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq
from scipy.spatial import cKDTree
from scipy.special import ndtr

from ldosml import _tasks
from ldosml._validation import check_positive
from ldosml.regions import Region, cut_regions
from ldosml.tightbinding.hamiltonian import FURTHEST, N_ORBITALS, TightBinding, check_structure
from ldosml.tightbinding.local_spectrum import NEARLY
from ldosml.tightbinding.parameters import TightBindingParameters
from ldosml.tightbinding.slater_koster import Floats

Singles = NDArray[np.float32]
Indices = NDArray[np.int64]

_ZONE = 4.0  # angstrom, where waves are damped, and at most 60 % of the radius
_RATE = 2.5  # eV, of the damping; measured together with _ZONE, on a liquid and a rattled crystal
_BRIDGE = 16.0  # eV, half of a usual spectrum: for damping other than in the recursion
_PAIRS_AT_ONCE = 4096
_ROWS = 32  # of a matrix in one product: few enough for OpenBLAS not to copy them first, which takes longer
_STEPS = 32  # of Lanczos, for the ends of a spectrum
_WIDER = 6  # tries with wider ends


@dataclass(frozen=True)
class Settings:
    """What spectra from moments are to be.

    Parameters
    ----------
    width : float
        Gaussian width, eV.
    radius : float, default=6.0
        Of the region around each atom, angstrom.
    tolerance : float, default=1e-2
        The sum over moments ends where coefficients have fallen to this.

    Notes
    -----
    The radius sets the error. For silicon, against a dense mesh of k-points, in units of the standard deviation of
    spectra over environments (``benchmarks/tight_binding_speed.py``; processor time of a loaded machine):

    ======== ============ ============ ============ ============ ==========
    radius   liquid       liquid       crystal      crystal      ms an atom
    width    0.3 eV       0.5 eV       0.3 eV       0.5 eV       0.3 eV
    ======== ============ ============ ============ ============ ==========
    5        0.90         0.72         0.99         0.83         15
    6        0.41         0.30         0.88         0.79         32
    7        0.31         0.20         0.54         0.44         89
    8        0.19         0.12         0.43         0.33         175
    ======== ============ ============ ============ ============ ==========

    A mesh of 2 points per inverse angstrom has 0.36, 0.26, 0.32 and 0.19. Moments of a crystal lack waves that many
    distant atoms scatter in phase.
    """

    width: float
    radius: float = 6.0
    tolerance: float = 1e-2

    def __post_init__(self) -> None:
        check_positive("width of a spectrum", self.width, "eV")
        check_positive("radius of a region of tight binding", self.radius, "angstrom")
        if not 0 < self.tolerance < 1:
            raise ValueError(f"tolerance must be between 0 and 1, such as 1e-2; got {self.tolerance!r}.")

    def n_moments(self, half: float) -> int:
        """Number of moments for a spectrum that is 2 ``half`` wide, eV."""
        return 2 * int(np.ceil(half / self.width * np.sqrt(-0.5 * np.log(self.tolerance)))) + 2

    def damping(self, distances: Floats) -> Floats:
        """Rate at which waves are damped so far from the centre, eV; infinite at the end of the region."""
        zone = min(_ZONE, 0.6 * self.radius)
        x = np.clip((distances - self.radius) / zone + 1, 0, 1) ** 2
        with np.errstate(divide="ignore"):
            rate: Floats = _RATE * x / (1 - x)
        return rate


def reach(atoms: Atoms, radius: float) -> float:
    """How far from a centre atoms matter for a region of ``radius``: they shift levels at its end. Angstrom."""
    return radius + 2 * FURTHEST * float(covalent_radii[atoms.numbers].max())


def spectra_from_moments(
    atoms: Atoms,
    energies: Floats,
    settings: Settings,
    parameters: TightBindingParameters | None = None,
    *,
    n_jobs: int | None = None,
    batch_size: int = 500,
) -> tuple[Floats, Floats]:
    """Compute the share of each atom in the smeared spectrum. Time is proportional to the number of atoms.

    Parameters
    ----------
    atoms : ase.Atoms
        Periodic where ``pbc`` says so.
    energies : array (n_energies,)
        Ascending, eV against the vacuum.
    settings : Settings
    parameters : TightBindingParameters, optional
        Default: ``TightBindingParameters.fitted()``.
    n_jobs : int, optional
        Number of processes; the result does not depend on it. None: what the surrounding ``on_cluster`` or
        ``joblib.parallel_config`` says.
    batch_size : int, default=500
        Number of atoms that one process works on at a time. Bonds between them are computed once; fewer atoms share
        fewer bonds.

    Returns
    -------
    spectra : array (n_atoms, n_energies)
        States/eV, both spins.
    below : array (n_atoms,)
        Smeared states below the first energy.

    Raises
    ------
    TypeError, ValueError
        As ``TightBinding``.
    """
    given = TightBindingParameters.fitted() if parameters is None else parameters
    check_structure(atoms, given)
    spectra, below = np.empty((len(atoms), len(energies))), np.empty(len(atoms))
    regions = cut_regions(atoms, reach(atoms, settings.radius), batch_size)
    task = partial(_with_rows, np.asarray(energies, dtype=np.float64), settings, given)
    for rows, found, deeper in _tasks.ordered(task, regions, n_jobs=n_jobs):
        spectra[rows], below[rows] = found, deeper
    return spectra, below


def _with_rows(
    energies: Floats, settings: Settings, parameters: TightBindingParameters, region: Region
) -> tuple[Indices, Floats, Floats]:
    return region.rows, *spectra_of_region(region, energies, settings, parameters)


def spectra_of_region(
    region: Region, energies: Floats, settings: Settings, parameters: TightBindingParameters | None = None
) -> tuple[Floats, Floats]:
    """Compute the share of each centre of a region, as ``spectra_from_moments`` does for all atoms of a structure.

    Parameters
    ----------
    region : Region
        Cut at ``reach`` or farther out.
    energies : array (n_energies,)
        Ascending, eV against the vacuum.
    settings : Settings
    parameters : TightBindingParameters, optional
        Default: ``TightBindingParameters.fitted()``.

    Returns
    -------
    spectra : array (n_centers, n_energies)
        States/eV, both spins.
    below : array (n_centers,)
        Smeared states below the first energy.

    Raises
    ------
    ValueError
        When the region is periodic or too small, and as ``TightBinding``.
    """
    needed = reach(region.atoms, settings.radius)
    if region.atoms.pbc.any() or region.radius < needed:
        raise ValueError(
            f"Moments with radius = {settings.radius:g} angstrom need regions that are not periodic, cut at "
            f"{needed:g} angstrom; this one was cut at {region.radius:g}. Use cut_regions with reach(atoms, radius)."
        )
    bonds = _bonds(region, settings.radius, parameters)
    spectra, below = np.empty((len(region), len(energies))), np.empty(len(region))
    for center, matrix in _matrices(bonds, len(region), settings):
        ends, mu = _ends_and_moments(matrix, settings)
        spectra[center], below[center] = _smeared(mu, ends, energies, settings.width)
    return spectra, below


def fermi_level(energies: Floats, spectrum: Floats, below: float, n_electrons: float) -> float:
    """Energy up to which a smeared spectrum holds the electrons, eV; midway in a gap, as ``smeared_fermi_level``.

    Parameters
    ----------
    energies : array (n_energies,)
        Ascending, eV, in steps of the width at most.
    spectrum : array (n_energies,)
        Of the whole structure, states/eV: the sum over its atoms.
    below : float
        States below the first energy, summed over the atoms.
    n_electrons : float

    Raises
    ------
    ValueError
        When the level lies outside the energies.
    """
    filled = CubicSpline(energies, spectrum).antiderivative()
    counts, found = below + filled(energies), []
    for wanted in (n_electrons * (1 - NEARLY), n_electrons * (1 + NEARLY)):
        above = int(np.argmax(counts > wanted))
        if not counts[0] <= wanted < counts.max():
            raise ValueError(
                f"The Fermi level lies outside the energies: {counts[0]:.6g} states below {energies[0]:g} eV, "
                f"{counts[-1]:.6g} below {energies[-1]:g} eV, {n_electrons:g} electrons. Give a wider range."
            )
        found.append(brentq(lambda e, wanted=wanted: below + filled(e) - wanted, energies[above - 1], energies[above]))
    return float(np.mean(found))


@dataclass(frozen=True, eq=False)
class _Bonds:
    """Atoms of a region with the matrix elements between them; the centres come first.

    Pairs are sorted by the first atom; ``starts`` (n_atoms + 1,) says where the pairs of each atom start.
    """

    positions: Floats
    levels: Singles  # (n_atoms, 13), eV
    overlaps: Singles  # (n_atoms, 13), 1/eV
    starts: Indices
    others: Indices  # (n_pairs,)
    blocks: Singles  # (n_pairs, 13, 13), eV


def _bonds(region: Region, radius: float, parameters: TightBindingParameters | None) -> _Bonds:
    """Matrix elements among the atoms within ``radius`` of a centre."""
    atoms = Atoms(region.atoms.numbers, region.atoms.positions)
    # In a cell, ASE finds neighbours in linear time.
    atoms.center(vacuum=1.0)  # type: ignore[no-untyped-call]
    model = TightBinding(atoms, parameters)
    positions: Floats = atoms.positions
    away, _ = cKDTree(positions[: len(region)]).query(positions, distance_upper_bound=radius)
    kept = away < radius
    place = np.cumsum(kept) - 1
    strengths, overlaps, levels = model.by_orbital()
    roots = np.exp(0.5 * strengths).reshape(-1, N_ORBITALS)
    i, j = model.pairs
    order = np.argsort(i * len(model) + j)
    order = order[kept[i[order]] & kept[j[order]]]
    first, second = i[order], j[order]
    blocks = np.empty((len(order), N_ORBITALS, N_ORBITALS), dtype=np.float32)
    once = np.flatnonzero(first < second)  # the other half has transposed blocks
    mirrored = np.searchsorted(first * len(model) + second, second[once] * len(model) + first[once])
    for start in range(0, len(once), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        rows = once[part]
        blocks[rows] = roots[first[rows], :, None] * model.hopping(order[rows]) * roots[second[rows], None, :]
        blocks[mirrored[part]] = blocks[rows].transpose(0, 2, 1)
    starts = np.searchsorted(place[first], np.arange(kept.sum() + 1))
    each = (kept.size, N_ORBITALS)
    return _Bonds(
        positions[kept],
        levels.reshape(each)[kept].astype(np.float32),
        overlaps.reshape(each)[kept].astype(np.float32),
        starts,
        place[second],
        blocks,
    )


@dataclass(frozen=True, eq=False)
class DampedMatrix:
    """Hamiltonian of a region around one atom, whose orbitals come first, with the damping.

    Parameters
    ----------
    elements : array (n, n) of float32
        eV.
    rates : array (n,)
        Rate of the damping at each orbital, eV.
    """

    elements: Singles
    rates: Floats

    def ends(self) -> tuple[float, float]:
        """Give bounds of the spectrum, eV, by Lanczos.

        The damping depends a little on them, so they must not depend on the first vector: the steps suffice for the
        ends to converge.
        """
        n = len(self.elements)
        # H - H_11 is damped: atoms at the end of the region must not count.
        damping = np.exp(-self.rates / _BRIDGE).astype(np.float32)
        roots, inside = np.sqrt(damping), self.elements[0, 0] * (1 - damping)
        previous, vector, beta = np.zeros(n, np.float32), np.cos(np.arange(1, n + 1), dtype=np.float32), 0.0
        vector /= np.linalg.norm(vector)
        diagonal, aside = [], []
        for _ in range(min(_STEPS, n)):
            after = roots * (self.elements @ (roots * vector)) + inside * vector - beta * previous
            diagonal.append(float(after @ vector))
            after -= diagonal[-1] * vector
            beta = float(np.linalg.norm(after))
            aside.append(beta)
            if beta < 1e-3:
                break
            previous, vector = vector, after / beta
        values = np.linalg.eigvalsh(np.diag(diagonal) + np.diag(aside[:-1], 1) + np.diag(aside[:-1], -1))
        margin = 0.5 + 0.02 * (values[-1] - values[0])
        return float(values[0] - margin), float(values[-1] + margin)


def _matrices(bonds: _Bonds, n_centers: int, settings: Settings) -> Iterator[tuple[int, DampedMatrix]]:
    """Hamiltonian around each of the centres, with the centre."""
    tree, place = cKDTree(bonds.positions), np.full(len(bonds.positions), -1)
    for center in range(n_centers):
        near = np.array(tree.query_ball_point(bonds.positions[center], settings.radius))
        distances = np.linalg.norm(bonds.positions[near] - bonds.positions[center], axis=1)
        order = np.argsort(distances)
        near, distances = near[order], distances[order]
        place[near] = np.arange(len(near))
        yield center, _matrix(bonds, near, place, settings.damping(distances))
        place[near] = -1


def _matrix(bonds: _Bonds, near: Indices, place: Indices, rates: Floats) -> DampedMatrix:
    n = len(near)
    counts = bonds.starts[near + 1] - bonds.starts[near]
    pairs = np.arange(counts.sum()) + np.repeat(bonds.starts[near] - (np.cumsum(counts) - counts), counts)
    first, second = np.repeat(np.arange(n), counts), place[bonds.others[pairs]]
    inside = second >= 0
    square = np.zeros((n, N_ORBITALS, n, N_ORBITALS), dtype=np.float32)
    square[first[inside], :, second[inside], :] = bonds.blocks[pairs[inside]]
    hopping = square.reshape(n * N_ORBITALS, n * N_ORBITALS)
    overlaps, each = bonds.overlaps[near].ravel(), np.repeat(rates, N_ORBITALS)
    # An atom at the end of the region must not be a bridge between others either.
    bridged = hopping * np.exp(-0.5 / _BRIDGE * each).astype(np.float32)
    squared: Singles = bridged @ bridged.T  # NumPy computes half of it
    squared *= overlaps[:, None] + overlaps
    squared += hopping
    squared[np.diag_indices(len(squared))] += bonds.levels[near].ravel()
    return DampedMatrix(squared, each)


def _ends_and_moments(matrix: DampedMatrix, settings: Settings) -> tuple[tuple[float, float], Floats]:
    """Bounds of the spectrum, and moments between them; wider bounds where the moments show that it lies beyond."""
    low, high = matrix.ends()
    for _ in range(_WIDER):
        found = moments(matrix, (low, high), settings.n_moments(0.5 * (high - low)))
        if np.abs(found).max() < 1.01 * N_ORBITALS:  # false for NaN
            return (low, high), found
        more = 0.1 * (high - low)
        low, high = low - more, high + more
    raise ArithmeticError(f"The spectrum of tight binding does not lie between {low:g} and {high:g} eV.")


@np.errstate(over="ignore", invalid="ignore")
def moments(matrix: DampedMatrix, ends: tuple[float, float], n_moments: int) -> Floats:
    """Moments tr T_m over the orbitals of the centre, with damping, (n_moments,).

    With u_m for the damped recursion of the second kind and B = D^2, u_a^T u_b - u_(a-1)^T B u_(b-1) depends on a + b
    alone, so that m steps give 2 m moments. This holds for D^(1/2) H D^(1/2), which is symmetric.

    Parameters
    ----------
    matrix : DampedMatrix
    ends : tuple of two floats
        Between which the spectrum lies, eV.
        Where it does not, moments grow without limit.
    n_moments : int
    """
    middle, half = 0.5 * (ends[0] + ends[1]), 0.5 * (ends[1] - ends[0])
    damping = np.exp(-matrix.rates / half).astype(np.float32)
    roots = np.sqrt(damping)
    n = len(roots)
    padded = -(-n // _ROWS) * _ROWS
    doubled = np.zeros((padded, padded), dtype=np.float32)
    np.multiply(matrix.elements, 2 / half * roots[:, None], out=doubled[:n, :n])
    doubled[:n, :n] *= roots
    doubled[np.diag_indices(n)] -= 2 * middle / half * damping
    strips = doubled.reshape(-1, _ROWS, padded)
    squares = np.zeros((padded, 1), dtype=np.float32)
    squares[:n, 0] = damping * damping
    last = np.zeros((padded, N_ORBITALS), dtype=np.float32)
    now = np.eye(padded, N_ORBITALS, dtype=np.float32)
    damped_last, after = np.zeros_like(last), np.empty_like(last)
    second = np.empty(n_moments + n_moments % 2 + 1)  # moments of the second kind
    second[0] = N_ORBITALS
    for m in range((len(second) - 1) // 2):
        damped_now = squares * now
        np.matmul(strips, now, out=after.reshape(-1, _ROWS, N_ORBITALS))
        after -= damped_last
        second[2 * m + 1] = np.vdot(after, now) - np.vdot(damped_now, last)
        second[2 * m + 2] = np.vdot(after, after) - np.vdot(damped_now, now)
        last, now, after, damped_last = now, after, last, damped_now
    return np.concatenate([second[:1], 0.5 * second[1:2], 0.5 * (second[2:] - second[:-2])])[:n_moments]


def _smeared(mu: Floats, ends: tuple[float, float], energies: Floats, width: float) -> tuple[Floats, float]:
    """Spectrum of both spins (n_energies,) and states below it, from moments, by Gauss-Chebyshev quadrature."""
    middle, half = 0.5 * (ends[0] + ends[1]), 0.5 * (ends[1] - ends[0])
    n = 3 * len(mu) // 2
    nodes = middle + half * np.cos(np.pi * (np.arange(n) + 0.5) / n)
    states = 2 / n * dct(mu, type=3, n=n)
    u = (energies[:, None] - nodes) / width
    spectrum = np.exp(-0.5 * u * u) @ states / (width * np.sqrt(2 * np.pi))
    return spectrum, float(ndtr(u[0]) @ states)
