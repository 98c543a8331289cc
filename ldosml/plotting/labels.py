"""Names and units as they appear in figures, tables and reports."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from ldosml.energy import Zero
from ldosml.properties.quantities import QUANTITIES
from ldosml.units import BOLTZMANN

LDOS_LABEL = "LDOS (states/eV/atom)"
DOS_LABEL = "DOS (states/eV/atom)"
RMSE_UNIT = "states/atom/√eV"
"""Unit of the RMSE of a spectrum per atom: squared errors are integrated over energy."""
ENERGY_LABELS: dict[Zero, str] = {
    "fermi": r"energy $- \, E_\mathrm{F}$ (eV)",
    "average_potential": "energy - average potential (eV)",
    "vacuum": "energy - vacuum level (eV)",
    "code": "energy in the DFT code's own zero (eV)",
}

_SPECTRUM_NAMES = {"ldos": "LDOS", "dos": "DOS per atom", "dos_derivative": "dDOS/dE"}
_REGRESSOR_NAMES = {"ldos": "learned from LDOS", "dos": "learned from DOS", "both": "learned from both"}
LOSS_LABEL = "normalised loss L/σ"
NO_VARIATION = "no variation in this set"
"""Stands in place of L/sigma where all true values are the same (sigma is 0)."""
_LEVELS = ("fermi_level", "chemical_potential")
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def property_name(name: str, temperature: float | None = None) -> str:
    """Name of a property in words, with its temperature (K) if given.

    >>> property_name("heat_capacity", 300.0)
    'heat capacity at 300 K'
    """
    words = QUANTITIES[name].words if name in QUANTITIES else name.replace("_", " ")
    return words if temperature is None else f"{words} at {temperature:g} K"


def quantity_name(name: str) -> str:
    """Name in words of a quantity in a study: a spectrum, the LDOS of an element, or a property.

    >>> quantity_name("ldos Si"), quantity_name("dos_derivative"), quantity_name("band_energy")
    ('LDOS of Si', 'dDOS/dE', 'band energy')
    """
    if name.startswith("ldos "):
        return f"LDOS of {name.removeprefix('ldos ')}"
    return _SPECTRUM_NAMES.get(name) or property_name(name)


def without_loss(name: str, sigma: float, rmse: float, unit: str) -> str:
    """Words in place of L/sigma where it says nothing; empty where it says something.

    Energies are usually against the Fermi level of DFT. Fermi levels and chemical potentials then vary by less than kT
    at 300 K, and L/sigma compares the error with next to nothing.

    >>> without_loss("fermi_level", 0.015, 0.035, "eV")
    'RMSE 0.035 eV, σ only 0.015 eV'
    >>> without_loss("band_energy", 0.015, 0.035, "eV")
    ''
    """
    if not sigma > 0:
        return NO_VARIATION
    if name in _LEVELS and sigma < BOLTZMANN * 300:
        return f"RMSE {rmse:.2g} {unit}, σ only {sigma:.2g} {unit}"
    return ""


def regressor_name(name: str) -> str:
    """Name of a regressor in words where it is named after what it learns; other names are returned unchanged.

    >>> regressor_name("dos"), regressor_name("Matern")
    ('learned from DOS', 'Matern')
    """
    return _REGRESSOR_NAMES.get(name, name)


def power_of_ten(*values: NDArray[np.float64]) -> int:
    """Exponent, a multiple of 3, of a power of ten that leaves few digits in the largest of ``values``. Ignores NaN.

    >>> power_of_ten(np.array([2.4e-6, 9.1e-8])), power_of_ten(np.array([-108.2]))
    (-6, 0)
    """
    largest = max((float(np.nanmax(np.abs(v), initial=0.0)) for v in values), default=0.0)
    return 0 if largest == 0 or 0.1 <= largest < 1e4 else 3 * int(np.floor(np.log10(largest) / 3))


def superscript(number: int) -> str:
    """A whole number in superscript digits."""
    return str(number).translate(_SUPERSCRIPTS)


def unit_text(unit: str, exponent: int = 0) -> str:
    """A unit with superscript powers, after the power of ten by which the values were divided.

    >>> unit_text("eV/T^2/atom", -6)
    '10⁻⁶ eV/T²/atom'
    >>> unit_text("")
    ''
    """
    raised = re.sub(r"\^(-?\d+)", lambda power: superscript(int(power[1])), unit)
    factor = f"10{superscript(exponent)}" if exponent else ""
    return " ".join(part for part in (factor, raised) if part)
