"""What a fit will take, said before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ase.data import chemical_symbols

from ldosml.cli.display import messages

if TYPE_CHECKING:
    from ldosml import SOAP, LDOSKernelRidge
    from ldosml.datasets import LDOSDataset


def print_plans(regressor: LDOSKernelRidge, soap: SOAP, train: LDOSDataset) -> None:
    """Print how each element's kernel will be fitted, with memory and time, for the energies that are stored.

    Raises MemoryError when that does not fit the memory that is free.
    """
    structures = train.structures
    n_features = soap.fit(structures).n_features_out_
    numbers, counts = np.unique(np.concatenate([atoms.numbers for atoms in structures]), return_counts=True)
    for number, count in zip(numbers, counts, strict=True):
        plan = regressor.plan(int(count), n_features, train.grid.size)
        messages.print(f"{chemical_symbols[number]}: {plan}", soft_wrap=True)
