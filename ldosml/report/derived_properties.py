"""Properties derived from the predicted and from the true spectra of the same structures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldosml.plotting.labels import power_of_ten, unit_text
from ldosml.properties.comparison import Comparison, compare_properties
from ldosml.properties.table import PropertyTable

PRINCIPAL = (
    "band_energy",
    "heat_capacity",
    "dos_at_fermi_level",
    "pauli_susceptibility",
    "fermi_level",
    "absorption_spectrum",
)
"""The properties in figures 2 and 4 of Aryanpour and Sadeghi (2025)."""


@dataclass(frozen=True, eq=False)
class Pair:
    """One property of all structures, (n_structures,), in ``unit``; NaN for a structure without it."""

    unit: str
    true: NDArray[np.float64]
    predicted: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DerivedProperties:
    """Properties of the same structures from the true and from the predicted DOS.

    Parameters
    ----------
    true, predicted : PropertyTable
        From ``Evaluation.properties``: per atom, with the rows in the same order. Absorption spectra are compared
        where both tables have them.
    temperature : float
        Temperature of the properties that are shown, K; both tables must have it.
    cautions : sequence of str
        Texts of the warnings given while the properties were derived.

    Raises
    ------
    ValueError
        When the rows differ or are atoms, values are not per atom, or a table lacks the temperature.
    """

    true: PropertyTable
    predicted: PropertyTable
    temperature: float
    cautions: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.true.names != self.predicted.names:
            raise ValueError("The two tables must have the same structures in the same order.")
        for whose, table in (("true", self.true), ("predicted", self.predicted)):
            if table.structure_index is not None or not table.facts.get("per_atom"):
                raise ValueError(f"The {whose} table must hold one row per structure, per atom: use its .per_atom().")
            if not np.isclose(table.temperatures, self.temperature, rtol=1e-9).any():
                known = ", ".join(f"{t:g}" for t in table.temperatures)
                raise ValueError(f"The {whose} table has no {self.temperature:g} K, only {known} K.")

    @property
    def columns(self) -> list[str]:
        """Columns that both tables have, those in ``PRINCIPAL`` first."""
        shared = [name for name in self.true.columns if name in self.predicted.columns]
        return sorted(shared, key=lambda name: PRINCIPAL.index(name) if name in PRINCIPAL else len(PRINCIPAL))

    @property
    def derived(self) -> NDArray[np.bool_]:
        """Whether properties could be derived from the prediction of each structure, (n_structures,).

        False where the predicted DOS does not hold the electrons within its energies: all its properties are NaN.
        """
        numbers = np.column_stack(list(self.predicted.columns.values()))
        derived: NDArray[np.bool_] = np.any(np.isfinite(numbers), axis=1)
        return derived

    def comparisons(self, names: Sequence[str] = PRINCIPAL) -> list[Comparison]:
        """Compare the properties that at least one structure has in both tables.

        Parameters
        ----------
        names : sequence of str
            Columns or spectra; names that are not in both tables are left out.

        Returns
        -------
        list of Comparison
            In the order of ``names``, in units per atom.
        """
        spectra = {name for name in self.true.spectra if name in self.predicted.spectra}
        shared = [name for name in names if name in {*self.columns, *spectra}]
        return compare_properties(self.true, self.predicted, shared, self.temperature)

    def pair(self, name: str) -> Pair:
        """One column of both tables, divided by a power of ten that the unit names where numbers are small or large.

        Parameters
        ----------
        name : str
            A property.

        Returns
        -------
        tuple of array (n_structures,)
            From the true and from the predicted DOS.
        """
        values = [table.column(name, self.temperature) for table in (self.true, self.predicted)]
        exponent = power_of_ten(*values)
        true, predicted = (v / 10.0**exponent for v in values)
        return Pair(unit_text(self.true.unit(name), exponent), true, predicted)

    def depends_on_temperature(self, name: str) -> bool:
        """Whether the column ``name`` has a value for each temperature.

        Parameters
        ----------
        name : str
            A property.

        Returns
        -------
        bool
        """
        return self.true.columns[name].ndim == 2
