"""Errors of properties from predicted spectra (figures 2 and 4 of the LDOS paper)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldosml._ranges import check_arguments
from ldosml.properties.table import PropertyTable

_ROUNDING = 1e-12  # deviation of values that are equal but for the rounding of how they were found, as a part of them


@dataclass(frozen=True, repr=False)
class Comparison:
    """One property from true and from predicted spectra.

    Parameters
    ----------
    name, unit : str
    temperature : float or None
        K, if the property depends on it.
    true, predicted : array (n_rows,)
        The values; for spectra (n_rows, n_photon_energies).
    """

    name: str
    unit: str
    temperature: float | None
    true: NDArray[np.float64]
    predicted: NDArray[np.float64]

    def __repr__(self) -> str:
        """Name, number of rows and errors."""
        at = "" if self.temperature is None else f" at {self.temperature:g} K"
        return (
            f"Comparison({self.name}{at} of {len(self.true)} rows; RMSE {self.rmse:.3g} {self.unit}, "
            f"L/sigma {self.normalized_loss:.3f})"
        )

    @property
    def sigma(self) -> float:
        """Standard deviation of the true values, in ``unit``: the error of their mean."""
        return float(np.std(self.true))

    @property
    def normalized_loss(self) -> float:
        """L/sigma, equation 15 of the LDOS paper: 0 is perfect, 1 is the error of always predicting the mean.

        NaN if all true values are equal, up to rounding.
        """
        return self.rmse / self.sigma if self.sigma > _ROUNDING * np.abs(self.true).max() else float("nan")

    @property
    def rmse(self) -> float:
        """Root mean square error, in ``unit``."""
        return float(np.sqrt(np.mean((self.predicted - self.true) ** 2)))

    @property
    def bias(self) -> float:
        """Mean of predicted - true, in ``unit``."""
        return float(np.mean(self.predicted - self.true))


def compare_properties(
    true: PropertyTable, predicted: PropertyTable, names: Sequence[str], temperature: float
) -> list[Comparison]:
    """Compare properties of the same structures (figures 2 and 4 of the LDOS paper).

    Parameters
    ----------
    true, predicted : PropertyTable
        Rows in the same order. Use ``per_atom()`` of both; otherwise the size of the structures dominates sigma.
    names : sequence of str
        Columns or spectra. Rows where either table has NaN are left out. A property that no row has in both tables is
        left out.
    temperature : float
        K; both tables must have it.

    Returns
    -------
    list of Comparison
        One for each name that is not left out.

    Raises
    ------
    ValueError
        If rows or photon energies differ, only one table is per atom, or a table lacks the property or the temperature.
    """
    check_arguments(temperature=temperature)
    if true.names != predicted.names:
        raise ValueError("The two tables must have the same structures in the same order.")
    if bool(true.facts.get("per_atom")) != bool(predicted.facts.get("per_atom")):
        raise ValueError("One table is per atom, the other is not: use per_atom() of both.")
    comparisons = []
    for name in names:
        tables = (true, predicted)
        if name in true.spectra:
            _check_photons(true, predicted)
            a, b = (table.spectrum(name, temperature) for table in tables)
            thermal = True
        else:
            a, b = (table.column(name, temperature) for table in tables)
            thermal = true.columns[name].ndim == 2
        both = (np.isfinite(a) & np.isfinite(b)).all(axis=tuple(range(1, a.ndim)))
        a, b = a[both], b[both]
        if len(a):
            comparisons.append(Comparison(name, true.unit(name), temperature if thermal else None, a, b))
    return comparisons


def _check_photons(true: PropertyTable, predicted: PropertyTable) -> None:
    axes = true.photon_energies, predicted.photon_energies
    if axes[0] is None or axes[1] is None or axes[0].shape != axes[1].shape or not np.allclose(axes[0], axes[1]):
        raise ValueError("The two tables must have the same photon energies.")
