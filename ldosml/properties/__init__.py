"""Properties of a density of states.

Functions of a ``DOS``, with one row for each structure, or of an ``LDOS``, with one row for each atom, at one
temperature or at an array of them. ``derive_properties`` computes all of them at once.
"""

from ldosml.properties.comparison import Comparison, compare_properties
from ldosml.properties.derivation import derive_properties
from ldosml.properties.gap import BandGap, Carriers, band_gap, carrier_densities
from ldosml.properties.level import FermiLevel, fermi_level
from ldosml.properties.optics import absorption_spectrum, emission_spectrum, photon_axis
from ldosml.properties.potential import chemical_potential
from ldosml.properties.repair import negative_weight, nonnegative
from ldosml.properties.shape import (
    Moments,
    band_center,
    d_band_center,
    dos_derivative,
    integrated_dos,
    moments,
)
from ldosml.properties.spectrum_warnings import (
    NegativeDOSWarning,
    SpectrumWarning,
    SpinConventionWarning,
    TruncatedDOSWarning,
)
from ldosml.properties.table import PropertyTable
from ldosml.properties.thermodynamics import (
    band_energy,
    dos_at_fermi_level,
    electron_count,
    entropy,
    free_energy,
    heat_capacity,
    molar_susceptibility,
    pauli_susceptibility,
    sommerfeld_coefficient,
    volume_susceptibility,
)

__all__ = [
    "BandGap",
    "Carriers",
    "Comparison",
    "FermiLevel",
    "Moments",
    "NegativeDOSWarning",
    "PropertyTable",
    "SpectrumWarning",
    "SpinConventionWarning",
    "TruncatedDOSWarning",
    "absorption_spectrum",
    "band_center",
    "band_energy",
    "band_gap",
    "carrier_densities",
    "chemical_potential",
    "compare_properties",
    "d_band_center",
    "derive_properties",
    "dos_at_fermi_level",
    "dos_derivative",
    "electron_count",
    "emission_spectrum",
    "entropy",
    "fermi_level",
    "free_energy",
    "heat_capacity",
    "integrated_dos",
    "molar_susceptibility",
    "moments",
    "negative_weight",
    "nonnegative",
    "pauli_susceptibility",
    "photon_axis",
    "sommerfeld_coefficient",
    "volume_susceptibility",
]
