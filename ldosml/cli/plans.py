"""The plan of a fit: its memory and time, printed before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ldosml.cli.display import messages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from ldosml import LDOSKernelRidge, SparseLDOSKernelRidge
    from ldosml.datasets import LDOSDataset
    from ldosml.descriptors.environments import EnvironmentTransformer

LARGE = 4000
"""Environments of a training part from which a study prints plans."""


def print_plans(
    regressor: LDOSKernelRidge | SparseLDOSKernelRidge, descriptor: EnvironmentTransformer, train: LDOSDataset
) -> None:
    """Print how each kernel will be fitted, with memory and time, for the energies that are stored.

    Raises MemoryError when that does not fit the memory that is free.
    """
    import numpy as np
    from ase.data import chemical_symbols

    from ldosml.regression import SparseLDOSKernelRidge as Sparse

    if isinstance(regressor, Sparse):  # its memory does not grow with the data
        return
    n_features = _n_features(descriptor, train.structures)
    numbers, counts = np.unique(train.numbers, return_counts=True)
    rows = {"All elements": int(counts.sum())}
    if regressor.learn == "ldos":
        rows = {chemical_symbols[number]: int(count) for number, count in zip(numbers, counts, strict=True)}
    for name, n in rows.items():
        plan = regressor.plan(n, n_features, train.grid.size, n_structures=len(train))
        messages.print(f"{name}: {plan}", soft_wrap=True)


def print_study_plans(
    regressors: Mapping[str, LDOSKernelRidge | SparseLDOSKernelRidge],
    descriptor: EnvironmentTransformer,
    train: LDOSDataset,
    n_fits: int,
    n_jobs: int,
) -> None:
    """Print the plan of every dense kernel of a study, where its largest training part is large.

    Raises MemoryError when one does not fit the memory that is free.
    """
    from ldosml.regression import SparseLDOSKernelRidge as Sparse

    dense = {name: regressor for name, regressor in regressors.items() if not isinstance(regressor, Sparse)}
    n_environments = len(train.numbers)
    if n_environments <= LARGE or not dense:
        return
    messages.print(f"The largest training part has {n_environments:,} environments.")
    for name, regressor in dense.items():
        messages.print(f"{name}:")
        print_plans(regressor, descriptor, train)
    side_by_side = "" if n_jobs == 1 else f", {'as many as cores' if n_jobs < 0 else n_jobs} at a time"
    messages.print(
        f"Each is fitted up to {n_fits} times{side_by_side}. With --inducing 1000 a fit takes a small part of that.",
        soft_wrap=True,
    )


def print_descriptor_plan(descriptor: EnvironmentTransformer, structures: Sequence[Atoms]) -> None:
    """Print the plan of a descriptor where it takes long, and the time of tight binding.

    Raises MemoryError when rows, maps or a structure do not fit the memory that is free.
    """
    from ldosml import TightBindingSpectrum

    plan = descriptor.plan(structures)
    plan.require()
    if plan.long:
        messages.print(str(plan), soft_wrap=True)

    for part in descriptor.innermost():
        if isinstance(part, TightBindingSpectrum) and (text := part.announcement(structures)):
            messages.print(text, soft_wrap=True)


def _n_features(descriptor: EnvironmentTransformer, structures: Sequence[Atoms]) -> int:
    """Count the features that a descriptor will have, without computing one."""
    from sklearn.base import clone

    return sum(clone(part).fit(structures).n_features_out_ for part in descriptor.innermost())
