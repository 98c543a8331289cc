"""Properties of predicted spectra beside those of the true spectra, as the report shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldosml.plotting import power_of_ten, unit_text
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
"""Those of figures 2 and 4 of Aryanpour and Sadeghi (2025)."""


@dataclass(frozen=True, eq=False)
class Pair:
    """One property of all structures, (n_structures,), in ``unit``; NaN where there is no such thing."""

    unit: str
    true: NDArray[np.float64]
    predicted: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DerivedProperties:
    """Properties of the same structures, from the true and from the predicted DOS.

    Parameters
    ----------
    true, predicted : PropertyTable
        Per atom (see ``PropertyTable.per_atom``), rows in the same order; with absorption spectra where these are to
        be compared.
    temperature : float
        K, one of both tables', at which properties are shown.
    cautions : sequence of str
        What was warned of while they were derived.

    Raises
    ------
    ValueError
        When the rows differ or are atoms, values are not per atom, or the temperature is not in both tables.
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
                raise ValueError(f"The {whose} table must hold one row a structure, per atom: use .per_atom() of it.")
            if not np.isclose(table.temperatures, self.temperature, rtol=1e-9).any():
                known = ", ".join(f"{t:g}" for t in table.temperatures)
                raise ValueError(f"The {whose} table has no {self.temperature:g} K, only {known} K.")

    @property
    def columns(self) -> list[str]:
        """Columns that both tables have: those of ``PRINCIPAL`` first."""
        shared = [name for name in self.true.columns if name in self.predicted.columns]
        return sorted(shared, key=lambda name: PRINCIPAL.index(name) if name in PRINCIPAL else len(PRINCIPAL))

    def comparisons(self, names: Sequence[str] = PRINCIPAL) -> list[Comparison]:
        """Compare the properties that both tables have and that some structure has in both, units per atom."""
        spectra = {name for name in self.true.spectra if name in self.predicted.spectra}
        shared = [name for name in names if name in {*self.columns, *spectra}]
        return compare_properties(self.true, self.predicted, shared, self.temperature)

    def pair(self, name: str) -> Pair:
        """One column of both tables, divided by a power of ten where numbers are small; the unit says by which."""
        values = [table.column(name, self.temperature) for table in (self.true, self.predicted)]
        exponent = power_of_ten(*values)
        true, predicted = (v / 10.0**exponent for v in values)
        return Pair(unit_text(self.true.unit(name), exponent), true, predicted)

    def depends_on_temperature(self, name: str) -> bool:
        """Whether a column has a value for each temperature."""
        return self.true.columns[name].ndim == 2
