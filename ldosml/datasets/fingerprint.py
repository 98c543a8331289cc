"""Short texts that tell a dataset from others: a file of results keeps the one that it belongs to."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from ldosml._digest import digest

if TYPE_CHECKING:
    from ldosml.datasets.dataset import LDOSDataset
    from ldosml.training_data import TrainingData

_INCIDENTAL = ("provenance",)  # what decides no result


def fingerprint(data: LDOSDataset | TrainingData) -> str:
    """Give a short text that no data have which differ in anything that decides a result.

    That is every field but the provenance: structures, spectra, electrons, Fermi energies, limits, kinds, groups ...
    """
    decisive = {field.name: getattr(data, field.name) for field in fields(data) if field.name not in _INCIDENTAL}
    if "stored_ldos" in decisive:  # it may be on disk
        decisive["stored_ldos"] = data.ldos
    return digest(decisive)[:16]
