"""Neural networks for the electronic structure resolved by k-point, after kRESForge (Park et al.). Needs PyTorch."""

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

from ldosml.neural.checkpoint import Epoch, best_epoch
from ldosml.neural.crystals import Crystal, primitive_kpoints, standardized
from ldosml.neural.network import OccupancyConfig, OccupancyNetwork
from ldosml.neural.regressor import AS_IN_THE_PAPER, KOccupancyRegressor
from ldosml.neural.structure import ElectronicStructure, electronic_structure, full_mesh, isosurfaces
from ldosml.neural.weights import load_occupancy_model, open_occupancy_model, save_occupancy_model

__all__ = [
    "AS_IN_THE_PAPER",
    "Crystal",
    "ElectronicStructure",
    "Epoch",
    "KOccupancyRegressor",
    "OccupancyConfig",
    "OccupancyNetwork",
    "best_epoch",
    "electronic_structure",
    "full_mesh",
    "isosurfaces",
    "load_occupancy_model",
    "open_occupancy_model",
    "primitive_kpoints",
    "save_occupancy_model",
    "standardized",
]
