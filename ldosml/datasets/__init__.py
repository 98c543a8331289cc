"""Datasets: structures with their densities of states, in memory and on disk."""

from ldosml.datasets.chunks import HDF5Chunks, HDF5ChunkWriter
from ldosml.datasets.common_ground import CommonGroundWarning, join_alike, make_alike
from ldosml.datasets.crystal_splits import crystal_parts, split_crystals
from ldosml.datasets.crystals import CrystalSet, Material, load_crystals
from ldosml.datasets.dataset import LDOSDataset
from ldosml.datasets.foreign_files import Spectra, import_dataset, read_spectra
from ldosml.datasets.runs import ContradictoryRunWarning, ImportedRuns, ReadRun, UnreadRunWarning, import_runs
from ldosml.datasets.shipped_datasets import available_datasets, load_dataset

__all__ = [
    "CommonGroundWarning",
    "ContradictoryRunWarning",
    "CrystalSet",
    "HDF5ChunkWriter",
    "HDF5Chunks",
    "ImportedRuns",
    "LDOSDataset",
    "Material",
    "ReadRun",
    "Spectra",
    "UnreadRunWarning",
    "available_datasets",
    "crystal_parts",
    "import_dataset",
    "import_runs",
    "join_alike",
    "load_crystals",
    "load_dataset",
    "make_alike",
    "read_spectra",
    "split_crystals",
]
