__version__: str

from . import (
    datasets as datasets,
    descriptors as descriptors,
    kresolved as kresolved,
    metrics as metrics,
    plotting as plotting,
    properties as properties,
    regression as regression,
    search as search,
    studies as studies,
)
from ._tasks import on_cluster as on_cluster
from .datasets import LDOSDataset as LDOSDataset, import_dataset as import_dataset, load_dataset as load_dataset
from .descriptors import (
    SOAP as SOAP,
    Joined as Joined,
    Precomputed as Precomputed,
    PretrainedFeatures as PretrainedFeatures,
    TightBindingSpectrum as TightBindingSpectrum,
    Whitened as Whitened,
)
from .energy import EnergyGrid as EnergyGrid
from .evaluation import Evaluation as Evaluation
from .fragments import Fragment as Fragment, cut_fragments as cut_fragments
from .metrics import normalized_loss as normalized_loss, rmse as rmse
from .pipeline import DOSModel as DOSModel
from .properties import (
    PropertyTable as PropertyTable,
    absorption_spectrum as absorption_spectrum,
    band_energy as band_energy,
    band_gap as band_gap,
    chemical_potential as chemical_potential,
    derive_properties as derive_properties,
    dos_at_fermi_level as dos_at_fermi_level,
    entropy as entropy,
    fermi_level as fermi_level,
    free_energy as free_energy,
    heat_capacity as heat_capacity,
    pauli_susceptibility as pauli_susceptibility,
    sommerfeld_coefficient as sommerfeld_coefficient,
)
from .regression import (
    LDOSKernelRidge as LDOSKernelRidge,
    LDOSRidge as LDOSRidge,
    RepresentedRegressor as RepresentedRegressor,
    SparseLDOSKernelRidge as SparseLDOSKernelRidge,
)
from .representations import (
    Cumulative as Cumulative,
    Pointwise as Pointwise,
    PrincipalComponents as PrincipalComponents,
)
from .search import search_settings as search_settings
from .smearing import smear_eigenvalues as smear_eigenvalues
from .spectra import DOS as DOS, LDOS as LDOS
from .streaming import Prediction as Prediction, predict_to as predict_to
