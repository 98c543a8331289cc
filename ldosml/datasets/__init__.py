"""Datasets: structures with their densities of states, in memory and on disk."""

from ldosml.datasets.chunks import HDF5Chunks, HDF5ChunkWriter
from ldosml.datasets.crystal_splits import split_crystals
from ldosml.datasets.crystals import CrystalSet, Material, load_crystals, open_crystals, read_crystals
from ldosml.datasets.dataset import LDOSDataset
from ldosml.datasets.importing import import_dataset
from ldosml.datasets.joining import join_alike
from ldosml.datasets.matching import make_alike
from ldosml.datasets.shipped import available_datasets, load_dataset

__all__ = [
    "CrystalSet",
    "HDF5ChunkWriter",
    "HDF5Chunks",
    "LDOSDataset",
    "Material",
    "available_datasets",
    "import_dataset",
    "join_alike",
    "load_crystals",
    "load_dataset",
    "make_alike",
    "open_crystals",
    "read_crystals",
    "split_crystals",
]
