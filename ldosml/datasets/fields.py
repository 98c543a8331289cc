"""A dataset as the fields of its file, and back."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from ldosml._array import to_numpy
from ldosml.dataset_file import DatasetFields
from ldosml.spectra import DOS, LDOS

if TYPE_CHECKING:
    from ldosml.datasets.dataset import LDOSDataset


def fields_of(dataset: LDOSDataset) -> DatasetFields:
    """Give the fields of the file of a dataset, its LDOS loaded."""
    structures = dataset.structures
    ldos, dos, projected = dataset.ldos, dataset.stored_dos, dataset.projected_dos
    difference = dataset.stored_spin_difference
    return DatasetFields(
        dataset.grid,
        dataset.smearing_width,
        np.concatenate([[0], np.cumsum(dataset.n_atoms)]),
        dataset.numbers,
        positions=np.concatenate([atoms.positions for atoms in structures]),
        cell=np.array([np.array(atoms.cell) for atoms in structures]),
        pbc=np.array([atoms.pbc for atoms in structures]),
        ldos=None if ldos is None else to_numpy(ldos.values),
        dos=None if dos is None else to_numpy(dos.values),
        projected_dos=None if projected is None else to_numpy(projected.values),
        spin_difference=None if difference is None else to_numpy(difference.values),
        n_electrons=dataset.n_electrons,
        fermi_energy=dataset.fermi_energy,
        energy_max=dataset.energy_max,
        names=dataset.names,
        kinds=dataset.kinds,
        groups=dataset.groups,
        provenance=dataset.provenance,
        label_noise=dataset.label_noise,
    )


def arguments_from(fields: DatasetFields) -> dict[str, Any]:
    """Give the arguments of ``LDOSDataset`` for the fields of a file."""

    def total(values: NDArray[np.float64] | None) -> DOS | None:
        return None if values is None else DOS(fields.grid, values, fields.smearing_width, np.diff(fields.offsets))

    kept = ("n_electrons", "fermi_energy", "energy_max", "names", "kinds", "groups", "provenance", "label_noise")
    return {name: getattr(fields, name) for name in kept} | {
        "structures": _structures(fields),
        "stored_ldos": fields.ldos,
        "stored_dos": total(fields.dos),
        "projected_dos": total(fields.projected_dos),
        "stored_spin_difference": _difference(fields),
    }


def _difference(fields: DatasetFields) -> LDOS | DOS | None:
    rows, n_atoms = fields.spin_difference, np.diff(fields.offsets)
    if rows is None:
        return None
    if fields.ldos is None:
        return DOS(fields.grid, rows, fields.smearing_width, n_atoms)
    return LDOS(fields.grid, rows, fields.smearing_width, np.repeat(np.arange(len(n_atoms)), n_atoms))


def _structures(fields: DatasetFields) -> list[Atoms]:
    return [
        Atoms(fields.numbers[first:last], positions=fields.positions[first:last], cell=cell, pbc=pbc)
        for (first, last), cell, pbc in zip(pairwise(fields.offsets), fields.cell, fields.pbc, strict=True)
    ]  # the dataset checks that positions and cells are finite, and names the structure
