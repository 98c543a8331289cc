"""ldosml learns the electronic density of states from atomic structure, one energy at a time, one atom at a time."""

from ldosml._tasks import on_cluster
from ldosml.datasets import LDOSDataset, import_dataset, load_dataset
from ldosml.descriptors import SOAP
from ldosml.energy import EnergyGrid
from ldosml.evaluation import Evaluation
from ldosml.fragments import Fragment, cut_fragments
from ldosml.joined import JoinedSOAP
from ldosml.metrics import normalized_loss, rmse
from ldosml.pipeline import DOSModel
from ldosml.precomputed import Precomputed
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
from ldosml.regression import (
    LDOSKernelRidge,
    LDOSRidge,
    RepresentedRegressor,
    SparseLDOSKernelRidge,
)
from ldosml.representations import Cumulative, Pointwise, PrincipalComponents
from ldosml.search import search_settings
from ldosml.smearing import smear_eigenvalues
from ldosml.spectra import DOS, LDOS
from ldosml.streaming import Prediction, open_prediction, predict_to
from ldosml.whitening import Whitened

__version__ = "0.1.0"

__all__ = [
    "DOS",
    "LDOS",
    "SOAP",
    "Cumulative",
    "DOSModel",
    "EnergyGrid",
    "Evaluation",
    "Fragment",
    "JoinedSOAP",
    "LDOSDataset",
    "LDOSKernelRidge",
    "LDOSRidge",
    "Pointwise",
    "Precomputed",
    "Prediction",
    "PrincipalComponents",
    "PropertyTable",
    "RepresentedRegressor",
    "SparseLDOSKernelRidge",
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
    "on_cluster",
    "open_prediction",
    "pauli_susceptibility",
    "predict_to",
    "rmse",
    "search_settings",
    "smear_eigenvalues",
    "sommerfeld_coefficient",
]
