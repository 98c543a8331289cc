"""Datasets: structures with their densities of states, in memory and on disk."""

from ldosml.datasets.chunks import HDF5Chunks, HDF5ChunkWriter
from ldosml.datasets.dataset import LDOSDataset
from ldosml.datasets.hdf5 import append, read, write
from ldosml.datasets.importing import import_dataset
from ldosml.datasets.shipped import available_datasets, load_dataset

__all__ = [
    "HDF5ChunkWriter",
    "HDF5Chunks",
    "LDOSDataset",
    "append",
    "available_datasets",
    "import_dataset",
    "load_dataset",
    "read",
    "write",
]
