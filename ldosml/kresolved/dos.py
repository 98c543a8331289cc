"""The DOS from occupancies on a mesh: by the squashing of Park et al., or by expected counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LinearRegression

from ldosml._array import to_numpy
from ldosml._validation import check_positive
from ldosml.kresolved.gap import OccupancyGap
from ldosml.kresolved.occupancy import KResolvedOccupancy
from ldosml.spectra import DOS

Floats = NDArray[np.float64]

TAU = 0.2
"""Of the squashing, as Park et al. chose it."""

_SPINS = 2.0


def raw_dos(occupancy: KResolvedOccupancy, n_atoms: int, *, tau: float | None = TAU) -> DOS:
    r"""DOS of the occupancies on a mesh, as if every occupied bin held one state.

    D(E_l) = 2 / step * sum_k w_k p~_l(k), states/eV, with p~ = 1 / (1 + exp((0.5 - p) / tau)): equations 2 and 3 of
    Park et al. (who leave out 2 / step and the weights, which the scale of equation 4 makes up for). It underestimates
    where bands share a bin; see ``DOSScale`` and ``counted_dos``.

    Parameters
    ----------
    occupancy : KResolvedOccupancy
        With weights.
    n_atoms : int
        Of the primitive cell.
    tau : float or None
        Width of the squashing, which takes down improbable bins, but leaves 0.076 of the empty ones at 0.2; None:
        probabilities as they are.

    Raises
    ------
    ValueError
        When the occupancies have no weights.
    """
    values = occupancy.probabilities
    if tau is not None:
        check_positive("tau of the squashing", tau)
        values = expit((values - 0.5) / tau)
    return _summed(occupancy, values, n_atoms)


def counted_dos(occupancy: KResolvedOccupancy, n_atoms: int) -> DOS:
    """DOS of the expected numbers of states on a mesh, states/eV.

    Raises ValueError when the occupancies have no counts, or no weights.
    """
    if occupancy.counts is None:
        raise ValueError("These occupancies have no counts: the model was trained on presence only. Use raw_dos.")
    return _summed(occupancy, occupancy.counts, n_atoms)


def without_gap_states(dos: DOS, gap: OccupancyGap) -> DOS:
    """The DOS with none between the edges of a gap that was found with more certainty than it.

    A probability of one in a hundred at every k-point would otherwise make a poor metal of an insulator. Where an edge
    was not found, the DOS stays as it is.
    """
    if not np.isfinite(gap.gap):
        return dos
    energies = dos.energies
    empty = (energies > gap.valence_edge) & (energies < gap.conduction_edge)
    return replace(dos, values=np.where(empty, 0.0, to_numpy(dos.values)))


def _summed(occupancy: KResolvedOccupancy, values: Floats, n_atoms: int) -> DOS:
    if occupancy.weights is None:
        raise ValueError("A DOS needs the weights of a mesh; these occupancies are along a path, or were made without.")
    rows = (_SPINS / occupancy.grid.step) * (occupancy.weights @ values)[None, :]
    return DOS(occupancy.grid, rows, n_atoms=np.array([n_atoms]))


@dataclass(frozen=True)
class DOSScale:
    """Factor of a crystal's raw DOS: a linear function of its integral, its electrons and its atoms (equation 4).

    Parameters
    ----------
    coefficients : tuple of 3 floats
        Of the integral of the raw DOS, the number of electrons, and that of atoms.
    intercept : float
    """

    coefficients: tuple[float, float, float]
    intercept: float

    @classmethod
    def fit(cls, raw: Sequence[DOS], reference: Sequence[DOS], n_electrons: Sequence[float]) -> Self:
        """Learn the factors from crystals whose DOS is known, one raw and one reference DOS each, on one grid.

        The factor of a crystal is the ratio of the integrals of both.

        Raises ValueError when there are fewer than four crystals, which four numbers need, or numbers differ.
        """
        if not len(raw) == len(reference) == len(n_electrons) >= 4:
            raise ValueError(
                "A scale needs raw and reference DOS and numbers of electrons of as many crystals, at least 4; got "
                f"{len(raw)}, {len(reference)} and {len(n_electrons)}."
            )
        factors = [_integral(there) / _integral(here) for here, there in zip(raw, reference, strict=True)]
        features = [_features(here, electrons) for here, electrons in zip(raw, n_electrons, strict=True)]
        found = LinearRegression().fit(features, factors)
        first, second, third = (float(value) for value in found.coef_)
        return cls((first, second, third), float(found.intercept_))

    def factor(self, raw: DOS, n_electrons: float) -> float:
        """Factor of one crystal; not below zero."""
        return max(0.0, float(np.dot(_features(raw, n_electrons), self.coefficients)) + self.intercept)

    def apply(self, raw: DOS, n_electrons: float) -> DOS:
        """The raw DOS of one crystal times its factor."""
        return DOS(raw.grid, raw.values * self.factor(raw, n_electrons), raw.smearing_width, raw.n_atoms)


def _integral(dos: DOS) -> float:
    return float(to_numpy(dos.values).sum() * dos.grid.step)


def _features(raw: DOS, n_electrons: float) -> list[float]:
    if raw.n_atoms is None:
        raise ValueError("This DOS does not know its number of atoms; make it by raw_dos.")
    return [_integral(raw), float(n_electrons), float(raw.n_atoms[0])]
