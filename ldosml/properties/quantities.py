"""Names and units of the properties in a ``PropertyTable``, for tables, figures and reports alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Quantity:
    """A property.

    Parameters
    ----------
    words : str
        Its name for people.
    unit : str
        Unit for a cell; for an atom, see ``PropertyTable.unit``. Empty for a number.
    extensive : bool
        Whether it grows with the number of atoms; ``PropertyTable.per_atom`` divides these.
    """

    words: str
    unit: str
    extensive: bool = False


PER_CELL, PER_ATOM = "sommerfeld_coefficient_per_cell", "sommerfeld_coefficient_per_atom"
"""The same coefficient for a mole of cells and for a mole of atoms. Both have one unit, so there are two names."""

QUANTITIES: Mapping[str, Quantity] = MappingProxyType(
    {
        "n_electrons": Quantity("valence electrons", "", extensive=True),
        "negative_weight": Quantity("negative weight", "states", extensive=True),
        "fermi_level": Quantity("Fermi level", "eV"),
        "valence_edge": Quantity("valence band edge", "eV"),
        "conduction_edge": Quantity("conduction band edge", "eV"),
        "band_gap": Quantity("band gap", "eV"),
        "dos_at_fermi_level": Quantity("DOS at Fermi level", "states/eV", extensive=True),
        PER_CELL: Quantity("Sommerfeld coefficient per mole of cells", "mJ/mol/K^2", extensive=True),
        PER_ATOM: Quantity("Sommerfeld coefficient per mole of atoms", "mJ/mol/K^2"),
        "band_center": Quantity("band centre", "eV"),
        "band_width": Quantity("band width", "eV"),
        "chemical_potential": Quantity("chemical potential", "eV"),
        "band_energy": Quantity("band energy", "eV", extensive=True),
        "band_energy_from_mu": Quantity("band energy from μ", "eV", extensive=True),
        "entropy": Quantity("entropy", "eV/K", extensive=True),
        "free_energy": Quantity("free energy", "eV", extensive=True),
        "heat_capacity": Quantity("heat capacity", "eV/K", extensive=True),
        "pauli_susceptibility": Quantity("Pauli susceptibility", "eV/T^2", extensive=True),
        "electrons": Quantity("conduction electrons", "", extensive=True),
        "holes": Quantity("holes", "", extensive=True),
        "absorption_spectrum": Quantity("absorption spectrum", "states^2/eV"),
    }
)
"""Every column and every kind of spectra of a ``PropertyTable``."""
