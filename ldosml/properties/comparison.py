"""Properties derived from predicted spectra beside those from the reference (figures 2 and 4 of the LDOS paper)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldosml.properties.table import PropertyTable


@dataclass(frozen=True)
class Comparison:
    """How far the properties from predicted spectra are from those of the reference ones.

    Parameters
    ----------
    name, unit : str
    temperature : float or None
        K, where the property depends on it.
    reference, predicted : array (n_rows,)
        What was compared; for spectra (n_rows, n_photon_energies).
    """

    name: str
    unit: str
    temperature: float | None
    reference: NDArray[np.float64]
    predicted: NDArray[np.float64]

    @property
    def sigma(self) -> float:
        """Standard deviation of the reference, in ``unit``: the error of its mean."""
        return float(np.std(self.reference))

    @property
    def normalized_loss(self) -> float:
        """L/sigma of equation 15 of the LDOS paper: 0 is perfect, 1 is what the mean of the reference achieves.

        NaN where the reference is the same for all.
        """
        return self.rmse / self.sigma if self.sigma > 0 else float("nan")

    @property
    def rmse(self) -> float:
        """Root mean square error, in ``unit``."""
        return float(np.sqrt(np.mean((self.predicted - self.reference) ** 2)))

    @property
    def bias(self) -> float:
        """Mean of predicted - reference, in ``unit``."""
        return float(np.mean(self.predicted - self.reference))


def compare_properties(
    reference: PropertyTable, predicted: PropertyTable, names: Sequence[str], temperature: float
) -> list[Comparison]:
    """Set properties of the same structures beside each other (figures 2 and 4 of the LDOS paper).

    Parameters
    ----------
    reference, predicted : PropertyTable
        Rows in the same order. Use ``per_atom()`` of both, so that sizes do not count as knowledge.
    names : sequence of str
        Columns or spectra. Rows where either table has no such thing (NaN) are left out; a property that no row has in
        both is left out altogether.
    temperature : float
        K, one of both tables'.

    Raises
    ------
    ValueError
        When rows, photon energies or temperatures differ, or a property is in neither.
    """
    if reference.names != predicted.names:
        raise ValueError("The two tables must have the same structures in the same order.")
    if bool(reference.facts.get("per_atom")) != bool(predicted.facts.get("per_atom")):
        raise ValueError("One table is per atom, the other is not: use per_atom() of both.")
    comparisons = []
    for name in names:
        tables = (reference, predicted)
        if name in reference.spectra:
            _check_photons(reference, predicted)
            a, b = (table.spectrum(name, temperature) for table in tables)
            thermal = True
        else:
            a, b = (table.column(name, temperature) for table in tables)
            thermal = reference.columns[name].ndim == 2
        both = (np.isfinite(a) & np.isfinite(b)).reshape(len(a), -1).all(axis=1)
        a, b = a[both], b[both]
        if len(a):
            comparisons.append(Comparison(name, reference.unit(name), temperature if thermal else None, a, b))
    return comparisons


def _check_photons(reference: PropertyTable, predicted: PropertyTable) -> None:
    axes = reference.photon_energies, predicted.photon_energies
    if axes[0] is None or axes[1] is None or axes[0].shape != axes[1].shape or not np.allclose(axes[0], axes[1]):
        raise ValueError("The two tables must have the same photon energies.")
