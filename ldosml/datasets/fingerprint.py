"""Short texts that tell a dataset from others: a file of results keeps the one that it belongs to."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from ldosml._array import to_numpy

if TYPE_CHECKING:
    from ldosml.datasets.dataset import LDOSDataset
    from ldosml.training_data import TrainingData


def fingerprint(data: LDOSDataset | TrainingData) -> str:
    """Give a short text that other structures, groups or spectra would not have, nor other arrays of the atoms."""
    digest = hashlib.sha256("\0".join([*map(str, data.groups), str(data.grid), str(data.smearing_width)]).encode())
    for atoms in data.structures:
        for part in (atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc):
            digest.update(np.ascontiguousarray(part).tobytes())
        for name in sorted(atoms.arrays.keys() - {"numbers", "positions"}):  # descriptors, for one
            digest.update(name.encode() + np.ascontiguousarray(atoms.arrays[name]).tobytes())
    for spectra in (data.ldos, data.dos):
        if spectra is not None:
            digest.update(np.ascontiguousarray(to_numpy(spectra.values)).tobytes())
    return digest.hexdigest()[:16]
