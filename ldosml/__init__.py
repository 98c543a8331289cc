"""ldosml learns the electronic density of states from atomic structure, one energy at a time, one atom at a time."""

from ldosml.datasets import LDOSDataset, import_dataset, load_dataset
from ldosml.descriptors import SOAP
from ldosml.energy import EnergyGrid
from ldosml.evaluation import Evaluation
from ldosml.fragments import Fragment, cut_fragments
from ldosml.joined import JoinedSOAP
from ldosml.metrics import normalized_loss, rmse
from ldosml.pipeline import DOSModel
from ldosml.properties import (
    PropertyTable,
    absorption_spectrum,
    band_energy,
    band_gap,
    chemical_potential,
    derive_properties,
    dos_at_fermi_level,
    entropy,
    fermi_level,
    free_energy,
    heat_capacity,
    pauli_susceptibility,
    sommerfeld_coefficient,
)
from ldosml.regression import DOSKernelRidge, DOSRidge, LDOSKernelRidge, LDOSRidge
from ldosml.smearing import smear_eigenvalues
from ldosml.spectra import DOS, LDOS
from ldosml.whitening import Whitened

__version__ = "0.1.0"

__all__ = [
    "DOS",
    "LDOS",
    "SOAP",
    "DOSKernelRidge",
    "DOSModel",
    "DOSRidge",
    "EnergyGrid",
    "Evaluation",
    "Fragment",
    "JoinedSOAP",
    "LDOSDataset",
    "LDOSKernelRidge",
    "LDOSRidge",
    "PropertyTable",
    "Whitened",
    "absorption_spectrum",
    "band_energy",
    "band_gap",
    "chemical_potential",
    "cut_fragments",
    "derive_properties",
    "dos_at_fermi_level",
    "entropy",
    "fermi_level",
    "free_energy",
    "heat_capacity",
    "import_dataset",
    "load_dataset",
    "normalized_loss",
    "pauli_susceptibility",
    "rmse",
    "smear_eigenvalues",
    "sommerfeld_coefficient",
]
