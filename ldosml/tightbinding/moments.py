"""The share of each atom in the spectrum of tight binding, from Chebyshev moments, in time linear in the atoms.

The Gaussian-smeared spectrum of an atom is sum_m w_m(E) mu_m, where mu_m = tr_i T_m(H) are moments of the Hamiltonian,
scaled to [-1, 1], over the orbitals of the atom, and w_m(E) are Chebyshev coefficients of the Gaussian at E (A. Weisse
et al., Rev. Mod. Phys. 78, 275 (2006)). The coefficients fall as exp(-(m width / h)^2 / 2), with h half the spectral
range: their sum converges without a damping kernel.

H belongs to a region: all atoms within ``radius`` of one atom (``damped_region``). The recursion is damped in its outer
part: u_{m+1} = D (2 H u_m - D u_{m-1}), D = 1 inside and 0 at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.fft import dct

from ldosml import _tasks
from ldosml._validation import check_positive
from ldosml.regions import Region, cut_regions
from ldosml.tightbinding.binding import Binding, Uncorrected, reach
from ldosml.tightbinding.damped_region import DampedMatrix, Indices, Singles, damped_matrices
from ldosml.tightbinding.hamiltonian import N_ORBITALS, check_structure
from ldosml.tightbinding.local_spectrum import smeared, smeared_fermi_level
from ldosml.tightbinding.parameters import TightBindingParameters
from ldosml.tightbinding.slater_koster import Floats

_ROWS = 32  # of a matrix in one product: few enough for OpenBLAS not to copy them first, which takes longer
_WIDER = 6  # tries with wider ends
_BIN = 0.01  # eV, far below any width: states of all atoms are collected in such steps


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


@dataclass(frozen=True, eq=False)
class LocalMoments:
    """Chebyshev moments of every atom of a structure.

    Parameters
    ----------
    ends : array (n_atoms, 2)
        Bounds of the spectrum around each atom, eV against the vacuum.
    values : array (n_atoms, n_moments) of float32
        Moments between these bounds.
    width : float
        Gaussian width for which the moments suffice, eV.
    """

    ends: Floats
    values: Singles
    width: float

    def states(self) -> Iterator[tuple[Floats, Floats]]:
        """Yield energies (eV) and electrons of both spins, (n_states,) each, that stand for each atom's moments."""
        n = 3 * self.values.shape[1] // 2
        places = np.cos(np.pi * (np.arange(n) + 0.5) / n)  # Gauss-Chebyshev quadrature
        for (low, high), row in zip(self.ends, self.values, strict=True):
            yield 0.5 * (low + high) + 0.5 * (high - low) * places, 2 / n * dct(row.astype(np.float64), type=3, n=n)

    def fermi_level(self, n_electrons: float) -> float:
        """Energy up to which the smeared states of all atoms hold the electrons, eV; midway in a gap.

        Parameters
        ----------
        n_electrons : float
            Of the structure.
        """
        first = self.ends[:, 0].min()
        held = np.zeros(int((self.ends[:, 1].max() - first) / _BIN) + 2)
        for energies, electrons in self.states():
            place = (energies - first) / _BIN
            below = place.astype(np.int64)
            above = electrons * (place - below)
            held += np.bincount(below, electrons - above, len(held)) + np.bincount(below + 1, above, len(held))
        return smeared_fermi_level(first + _BIN * np.arange(len(held)), held, n_electrons, self.width)

    def spectra(self, energies: Floats) -> Floats:
        """Compute the smeared spectra.

        Parameters
        ----------
        energies : array (n_energies,)
            Ascending, eV against the vacuum.

        Returns
        -------
        array (n_atoms, n_energies)
            States/eV, both spins.
        """
        rows = [smeared(levels, electrons[None], energies, self.width)[0] for levels, electrons in self.states()]
        return np.array(rows)


def local_moments(
    structures: Sequence[Atoms],
    settings: Settings,
    binding: TightBindingParameters | Binding | None = None,
    *,
    n_jobs: int | None = None,
    batch_size: int = 500,
) -> Iterator[LocalMoments]:
    """Compute the moments of structures, one after another. Time is proportional to the number of atoms.

    Parameters
    ----------
    structures : sequence of ase.Atoms
        Periodic where ``pbc`` says so.
    settings : Settings
    binding : TightBindingParameters or Binding, optional
        Default: ``TightBindingParameters.fitted()``.
    n_jobs : int, optional
        Number of processes; the result depends on it by rounding only. None: what the surrounding ``on_cluster`` or
        ``joblib.parallel_config`` says.
    batch_size : int, default=500
        Number of atoms that one process works on at a time. Bonds between them are computed once; fewer atoms share
        fewer bonds.

    Yields
    ------
    LocalMoments

    Raises
    ------
    TypeError, ValueError
        As ``TightBinding``.
    """
    given = TightBindingParameters.fitted() if binding is None else binding
    bind = Uncorrected(given) if isinstance(given, TightBindingParameters) else given
    for atoms in structures:
        check_structure(atoms, bind.parameters)
    regions = (
        region
        for atoms in structures
        for region in cut_regions(atoms, reach(atoms, settings.radius, bind.n_steps), batch_size)
    )
    results = _tasks.ordered(partial(_of_region, settings, bind), regions, n_jobs=n_jobs)
    for atoms in structures:
        parts: list[tuple[Indices, LocalMoments]] = []
        while sum(len(rows) for rows, _ in parts) < len(atoms):
            parts.append(next(results))
        yield _joined(parts)


def _of_region(settings: Settings, binding: Binding, region: Region) -> tuple[Indices, LocalMoments]:
    """Rows of the centres of a region, and their moments."""
    found = [_ends_and_moments(one, settings) for one in damped_matrices(region, settings.radius, binding)]
    ends, values = np.array([ends for ends, _ in found]), [row for _, row in found]
    return region.rows, LocalMoments(ends, _padded(values), settings.width)


def _joined(parts: Sequence[tuple[Indices, LocalMoments]]) -> LocalMoments:
    """Moments of a structure from the moments of its regions."""
    order = np.argsort(np.concatenate([rows for rows, _ in parts]))
    ends = np.concatenate([part.ends for _, part in parts])
    values = _padded([row for _, part in parts for row in part.values])
    return LocalMoments(ends[order], values[order], parts[0][1].width)


def _padded(rows: Sequence[NDArray[Any]]) -> Singles:
    """Rows of different lengths as one array, with zeros at their ends."""
    padded = np.zeros((len(rows), max(map(len, rows))), dtype=np.float32)
    for place, row in enumerate(rows):
        padded[place, : len(row)] = row
    return padded


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
        Between which the spectrum lies, eV. Where it does not, moments grow without limit.
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
