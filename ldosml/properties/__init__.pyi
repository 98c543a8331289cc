from .spectrum_warnings import (
    DopingWarning as DopingWarning,
    FermiLevelWarning as FermiLevelWarning,
    HiddenGapWarning as HiddenGapWarning,
    NegativeDOSWarning as NegativeDOSWarning,
    SpectrumWarning as SpectrumWarning,
    SpinConventionWarning as SpinConventionWarning,
    TruncatedDOSWarning as TruncatedDOSWarning,
)
from .comparison import Comparison as Comparison, compare_properties as compare_properties
from .derivation import derive_properties as derive_properties
from .gap import (
    BandGap as BandGap,
    Carriers as Carriers,
    band_gap as band_gap,
    carrier_densities as carrier_densities,
    hidden_gap as hidden_gap,
)
from .level import FermiLevel as FermiLevel, fermi_level as fermi_level
from .repair import negative_weight as negative_weight, nonnegative as nonnegative
from .optics import (
    absorption_spectrum as absorption_spectrum,
    emission_spectrum as emission_spectrum,
    photon_axis as photon_axis,
)
from .potential import chemical_potential as chemical_potential
from .shape import (
    Moments as Moments,
    band_center as band_center,
    d_band_center as d_band_center,
    dos_derivative as dos_derivative,
    integrated_dos as integrated_dos,
    moments as moments,
)
from .table import PropertyTable as PropertyTable
from .thermodynamics import (
    band_energy as band_energy,
    dos_at_fermi_level as dos_at_fermi_level,
    electron_count as electron_count,
    entropy as entropy,
    free_energy as free_energy,
    heat_capacity as heat_capacity,
    molar_susceptibility as molar_susceptibility,
    pauli_susceptibility as pauli_susceptibility,
    sommerfeld_coefficient as sommerfeld_coefficient,
    volume_susceptibility as volume_susceptibility,
)
