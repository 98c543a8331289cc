"""The DOS from occupancies on a mesh: from probabilities as in Park et al., or from expected numbers of states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LinearRegression

from ldosml._array import to_numpy
from ldosml._ranges import check_arguments
from ldosml.kresolved.gap import OccupancyGap
from ldosml.kresolved.occupancy import KResolvedOccupancy
from ldosml.spectra import DOS

Floats = NDArray[np.float64]

TAU = 0.2
"""Width of the sigmoid in ``raw_dos``, as in Park et al."""

_SPINS = 2.0


def raw_dos(occupancy: KResolvedOccupancy, n_atoms: int, *, tau: float | None = TAU) -> DOS:
    r"""Compute the DOS from the probabilities on a mesh, as if every occupied bin held one state.

    D(E_l) = 2 / step * sum_k w_k p~_l(k), states/eV, with p~ = 1 / (1 + exp((0.5 - p) / tau)): equations 2 and 3 of
    Park et al. They leave out 2 / step and the weights; the scale of equation 4 (``DOSScale``) includes these. The DOS
    is too small where bands share a bin; ``counted_dos`` is better.

    Parameters
    ----------
    occupancy : KResolvedOccupancy
        On a mesh, with weights.
    n_atoms : int
        Number of atoms in the primitive cell.
    tau : float or None
        Width of the sigmoid, which suppresses improbable bins. With 0.2, an empty bin still counts 0.076. None: use the
        probabilities without the sigmoid.

    Returns
    -------
    DOS
        One row, states/eV of the cell, both spins.

    Raises
    ------
    ValueError
        When the occupancies have no weights.
    """
    check_arguments(n_atoms=n_atoms, tau=tau)
    values = occupancy.probabilities
    if tau is not None:
        values = expit((values - 0.5) / tau)
    return _summed(occupancy, values, n_atoms)


def counted_dos(occupancy: KResolvedOccupancy, n_atoms: int) -> DOS:
    """Compute the DOS from the expected numbers of states on a mesh.

    D(E_l) = 2 / step * sum_k w_k n_l(k), with n_l(k) the expected number of states of one spin.

    Parameters
    ----------
    occupancy : KResolvedOccupancy
        On a mesh, with weights and counts.
    n_atoms : int
        Number of atoms in the primitive cell.

    Returns
    -------
    DOS
        One row, states/eV of the cell, both spins.

    Raises
    ------
    ValueError
        When the occupancies have no counts, or no weights.
    """
    check_arguments(n_atoms=n_atoms)
    if occupancy.counts is None:
        raise ValueError("These occupancies have no counts: the model was trained on presence only. Use raw_dos.")
    return _summed(occupancy, occupancy.counts, n_atoms)


def without_gap_states(dos: DOS, gap: OccupancyGap) -> DOS:
    """The DOS with zeros between the edges of the gap, which is known more accurately.

    Without this, a probability of 1 % at every k-point would make an insulator a poor metal. The DOS is not changed
    where an edge was not found.
    """
    if not np.isfinite(gap.gap):
        return dos
    energies = dos.energies
    empty = (energies > gap.valence_edge) & (energies < gap.conduction_edge)
    return replace(dos, values=np.where(empty, 0.0, to_numpy(dos.values)))


def _summed(occupancy: KResolvedOccupancy, values: Floats, n_atoms: int) -> DOS:
    if occupancy.weights is None:
        raise ValueError("A DOS needs the weights of a mesh; these occupancies have none. Are they along a path?")
    rows = (_SPINS / occupancy.grid.step) * (occupancy.weights @ values)[None, :]
    return DOS(occupancy.grid, rows, n_atoms=np.array([n_atoms]))


@dataclass(frozen=True)
class DOSScale:
    """Scale factor for the raw DOS of a crystal (equation 4 of Park et al.).

    It is a linear function of the integral of the raw DOS, the number of electrons and the number of atoms.

    Parameters
    ----------
    coefficients : tuple of 3 floats
        For the integral of the raw DOS, the number of electrons, and the number of atoms.
    intercept : float
        Constant term.
    """

    coefficients: tuple[float, float, float]
    intercept: float

    @classmethod
    def fit(cls, raw: Sequence[DOS], true: Sequence[DOS], n_electrons: Sequence[float]) -> Self:
        """Fit the factors to crystals with known DOS; the factor of a crystal is the ratio of the two integrals.

        Parameters
        ----------
        raw, true : sequences of DOS
            One raw and one true DOS for each crystal, all on one grid.
        n_electrons : sequence of float
            Electrons in the cell of each crystal.

        Returns
        -------
        DOSScale

        Raises
        ------
        ValueError
            When there are fewer than four crystals, or the numbers of DOS and electrons differ.
        """
        if not len(raw) == len(true) == len(n_electrons) >= 4:
            raise ValueError(
                "A scale needs raw DOS, true DOS and numbers of electrons of the same crystals, at least 4; got "
                f"{len(raw)}, {len(true)} and {len(n_electrons)}."
            )
        factors = [_integral(one) / _integral(other) for one, other in zip(true, raw, strict=True)]
        features = [_features(one, electrons) for one, electrons in zip(raw, n_electrons, strict=True)]
        found = LinearRegression().fit(features, factors)
        first, second, third = (float(value) for value in found.coef_)
        return cls((first, second, third), float(found.intercept_))

    def factor(self, raw: DOS, n_electrons: float) -> float:
        """Factor of one crystal, at least zero."""
        return max(0.0, float(np.dot(_features(raw, n_electrons), self.coefficients)) + self.intercept)

    def apply(self, raw: DOS, n_electrons: float) -> DOS:
        """The raw DOS of one crystal times its factor."""
        return DOS(raw.grid, raw.values * self.factor(raw, n_electrons), raw.smearing_width, raw.n_atoms)


def _integral(dos: DOS) -> float:
    return float(to_numpy(dos.values).sum() * dos.grid.step)


def _features(raw: DOS, n_electrons: float) -> list[float]:
    if raw.n_atoms is None:
        raise ValueError("This DOS has no number of atoms; make it with raw_dos.")
    return [_integral(raw), float(n_electrons), float(raw.n_atoms[0])]
