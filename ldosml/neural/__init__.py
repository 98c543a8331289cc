"""Neural networks for the electronic structure by k-point, after kRESForge (Park et al.). Needs PyTorch."""

try:
    import safetensors  # noqa: F401
    import spglib  # noqa: F401
    import torch  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"ldosml.neural needs PyTorch, safetensors and spglib; {error.name} is missing. Install them by\n"
        "    pip install 'ldosml[neural]'",
        name=error.name,
    ) from error

from ldosml.neural.band_structure import BandStructure, Sheet, band_structure, plan_bands
from ldosml.neural.band_transformer import BandTransformer
from ldosml.neural.band_transformer_network import BandTransformerConfig
from ldosml.neural.band_transformer_targets import PathBands, path_bands
from ldosml.neural.correction_network import CorrectionConfig
from ldosml.neural.crystals import Crystal, primitive_kpoints, standardized
from ldosml.neural.epochs import Epoch, best_epoch
from ldosml.neural.large_structure import local_dos
from ldosml.neural.network import OccupancyConfig
from ldosml.neural.regressor import PAPER_PARAMETERS, KOccupancyRegressor
from ldosml.neural.shipped import load_crystal_model
from ldosml.neural.structure import ElectronicStructure, electronic_structure
from ldosml.neural.surfaces import isosurfaces
from ldosml.neural.tight_binding_ldos_fit import fit_tight_binding_to_ldos
from ldosml.neural.tight_binding_regressor import TightBindingRegressor
from ldosml.neural.unfolded_structure import UnfoldedBands, plan_unfolding, unfolded_bands

__all__ = [
    "PAPER_PARAMETERS",
    "BandStructure",
    "BandTransformer",
    "BandTransformerConfig",
    "CorrectionConfig",
    "Crystal",
    "ElectronicStructure",
    "Epoch",
    "KOccupancyRegressor",
    "OccupancyConfig",
    "PathBands",
    "Sheet",
    "TightBindingRegressor",
    "UnfoldedBands",
    "band_structure",
    "best_epoch",
    "electronic_structure",
    "fit_tight_binding_to_ldos",
    "isosurfaces",
    "load_crystal_model",
    "local_dos",
    "path_bands",
    "plan_bands",
    "plan_unfolding",
    "primitive_kpoints",
    "standardized",
    "unfolded_bands",
]
