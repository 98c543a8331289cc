"""Memory and time of a diagonalisation, estimated before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ldosml.resources import available_memory, duration_in_words, in_words, speeds
from ldosml.tightbinding.hamiltonian import N_ORBITALS, NUMBERS_AT_ONCE

ANNOUNCED_FROM = 1e11
"""Operations above which commands print the time of a diagonalisation; measuring the speed takes time itself."""

# Bytes for each number of a matrix at the peak of local_states, measured: the matrix, its hopping, the square of this,
# vectors and LAPACK's work, and the matrix of the k-point before.
_COMPLEX, _REAL = 135, 80

# Eigenvectors of complex matrices take three times as long as of real ones, and all the rest a third of that, measured.
_SLOWER, _REST = 3.0, 4 / 3
_VALUES_ONLY = 0.5  # of this time, without eigenvectors, measured


@dataclass(frozen=True)
class DiagonalizationPlan:
    """Memory and time of ``local_states`` for one structure.

    Parameters
    ----------
    n_atoms, n_kpoints : int
    bytes : int
        Peak memory.
    available : int
        Free memory, bytes.
    operations : float
        n^3 of all matrices, for eigenvectors of real ones.
    """

    n_atoms: int
    n_kpoints: int
    bytes: int
    available: int
    operations: float

    @property
    def seconds(self) -> float:
        """Estimated time of one core, s, from the speed of small matrices; the error may be a factor of two."""
        return self.operations / speeds()[2]

    @property
    def fits(self) -> bool:
        """Whether the memory suffices."""
        return self.bytes <= self.available

    @property
    def long(self) -> bool:
        """Whether it takes more than some ten seconds."""
        return self.operations > ANNOUNCED_FROM

    def require(self, instead: str = "") -> None:
        """Raise MemoryError unless the memory suffices; it says what to do ``instead``, by default moments."""
        if not self.fits:
            raise MemoryError(
                f"Diagonalisation of tight binding of {self.n_atoms:,} atoms at {self.n_kpoints:,} k-points needs "
                f"about {in_words(self.bytes)}; {in_words(self.available)} of memory are free. "
                + (instead or "Compute moments (spectra_from_moments), whose memory does not grow with the cell.")
            )


def plan_diagonalization(
    n_atoms: int, n_kpoints: int, *, real: bool = False, vectors: bool = True
) -> DiagonalizationPlan:
    """Estimate the memory and the time of ``local_states``, or of ``TightBinding.eigenvalues`` without ``vectors``.

    Parameters
    ----------
    n_atoms, n_kpoints : int
        Atoms of the cell, and k-points, one of k and -k.
    real : bool, default=False
        Whether k and -k are the same at all k-points, so that matrices are real.
    vectors : bool, default=True
        Whether eigenvectors are computed.

    Returns
    -------
    DiagonalizationPlan

    Examples
    --------
    >>> plan_diagonalization(2000, 1).bytes / 1e9 > 90
    True
    """
    numbers = (N_ORBITALS * n_atoms) ** 2
    together = min(n_kpoints * numbers, max(numbers, int(NUMBERS_AT_ONCE)))
    shares = 16 * n_kpoints * n_atoms * N_ORBITALS * n_atoms  # and their copy when they are joined
    values = 8 * n_kpoints * N_ORBITALS * n_atoms
    size = (_REAL if real else _COMPLEX) * together + values + (shares if vectors else 0)
    slower = _REST * (1.0 if real else _SLOWER) * (1.0 if vectors else _VALUES_ONLY)
    operations = slower * n_kpoints * float(N_ORBITALS * n_atoms) ** 3
    return DiagonalizationPlan(n_atoms, n_kpoints, size, available_memory(), operations)


def require_together(plans: Sequence[DiagonalizationPlan], n_jobs: int) -> None:
    """Raise MemoryError unless the largest structures can be diagonalised side by side in ``n_jobs`` processes."""
    largest = sorted(plans, key=lambda plan: plan.bytes, reverse=True)[:n_jobs]
    total, available = sum(plan.bytes for plan in largest), available_memory()
    if total > available:
        raise MemoryError(
            f"Diagonalisation of tight binding of {len(largest)} structures side by side needs up to "
            f"{in_words(total)}; {in_words(available)} of memory are free. Give a smaller n_jobs: one structure alone "
            f"needs at most {in_words(largest[0].bytes)}."
        )


def in_total(plans: Sequence[DiagonalizationPlan]) -> str:
    """Describe the diagonalisation of several structures in one line."""
    seconds, largest = sum(plan.seconds for plan in plans), max(plan.n_atoms for plan in plans)
    return (
        f"Tight binding of {len(plans):,} structures of up to {largest:,} atoms, by diagonalisation: roughly "
        f"{duration_in_words(seconds)} on one core."
    )
