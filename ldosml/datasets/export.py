"""A dataset as other programs' objects: ASE, xarray, pymatgen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from ldosml._array import to_numpy

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure
    from pymatgen.electronic_structure.dos import Dos
    from xarray import Dataset

    from ldosml.datasets.dataset import LDOSDataset


def to_ase(dataset: LDOSDataset) -> list[Atoms]:
    """Give copies of the structures that carry their spectra.

    Returns
    -------
    list of ase.Atoms
        ``atoms.arrays["ldos"]`` (n_atoms, n_energies), states/eV/atom, where known. ``atoms.info`` holds ``energies``
        (n_energies,), eV, ``zero``, ``smearing_width`` (eV) where known, ``dos`` (n_energies,), states/eV,
        ``n_electrons``, ``fermi_energy`` and ``energy_max`` (eV), ``name``, ``kind`` and ``group``.
    """
    result = []
    for index, original in enumerate(dataset.structures):
        atoms: Atoms = original.copy()  # type: ignore[no-untyped-call]
        if dataset.ldos is not None:
            atoms.arrays["ldos"] = np.array(to_numpy(dataset.ldos.of_structure(index)))
        atoms.info |= _facts(dataset, index)
        result.append(atoms)
    return result


def _facts(dataset: LDOSDataset, index: int) -> dict[str, Any]:
    return {
        "name": dataset.names[index],
        "kind": dataset.kinds[index],
        "group": dataset.groups[index],
        "n_electrons": float(dataset.n_electrons[index]),
        "fermi_energy": float(dataset.fermi_energy[index]),
        "energy_max": float(dataset.energy_max[index]),
        "zero": dataset.grid.zero,
        "energies": dataset.grid.energies,
        "dos": np.array(to_numpy(dataset.dos.values[index])),
    } | ({} if dataset.smearing_width is None else {"smearing_width": dataset.smearing_width})


def to_xarray(dataset: LDOSDataset) -> Dataset:
    """Give everything as one labelled table of arrays.

    Returns
    -------
    xarray.Dataset
        With the dimensions structure, environment, energy, and axis for x, y, z. Units are in the attributes.

    Raises
    ------
    ImportError
        When xarray is missing; the message names the extra to install.
    """
    try:
        import xarray
    except ImportError as error:
        raise _missing("xarray") from error
    density = {"units": "states/eV, both spins"}
    variables: dict[str, Any] = {
        "dos": (("structure", "energy"), to_numpy(dataset.dos.values), density),
        "n_electrons": ("structure", dataset.n_electrons),
        "fermi_energy": ("structure", dataset.fermi_energy, {"units": "eV"}),
        "energy_max": ("structure", dataset.energy_max, {"units": "eV"}),
        "cell": (("structure", "vector", "axis"), _stack(dataset, "cell"), {"units": "angstrom"}),
        "pbc": (("structure", "vector"), _stack(dataset, "pbc")),
        "positions": (("environment", "axis"), _positions(dataset), {"units": "angstrom"}),
    }
    if dataset.ldos is not None:
        variables["ldos"] = (("environment", "energy"), to_numpy(dataset.ldos.values), density)
    if dataset.projected_dos is not None:
        variables["projected_dos"] = (("structure", "energy"), to_numpy(dataset.projected_dos.values), density)
    difference = dataset.stored_spin_difference
    if difference is not None:
        rows = "structure" if dataset.ldos is None else "environment"
        units = {"units": "states/eV, spin up less spin down"}
        variables["spin_difference"] = ((rows, "energy"), to_numpy(difference.values), units)
    coordinates = {
        "energy": ("energy", dataset.grid.energies, {"units": "eV", "zero": dataset.grid.zero}),
        "structure": dataset.names,
        "kind": ("structure", dataset.kinds),
        "group": ("structure", dataset.groups),
        "structure_index": ("environment", dataset.structure_index),
        "number": ("environment", dataset.numbers),
        "axis": list("xyz"),
    }
    attributes = {"smearing_width": dataset.smearing_width, "provenance": dataset.provenance}
    return xarray.Dataset(variables, coordinates, attributes)


def _stack(dataset: LDOSDataset, name: str) -> np.ndarray:
    return np.array([np.asarray(getattr(atoms, name)) for atoms in dataset.structures])


def _positions(dataset: LDOSDataset) -> np.ndarray:
    return np.concatenate([atoms.positions for atoms in dataset.structures])


def to_pymatgen(dataset: LDOSDataset) -> list[tuple[Structure, Dos]]:
    """Give pymatgen's structure and DOS of each structure.

    Returns
    -------
    list of (pymatgen.core.structure.Structure, pymatgen.electronic_structure.dos.Dos)
        Both spins are in ``Spin.up``, as pymatgen has it for calculations without spin. Energies and ``efermi`` are in
        the grid's zero. ``site_properties["ldos"]`` of a structure are its atoms' shares, where known.

    Raises
    ------
    ImportError
        When pymatgen is missing; the message names the extra to install.
    ValueError
        When a structure is not periodic in three directions, or its Fermi level is not known.
    """
    try:
        from pymatgen.core.lattice import Lattice
        from pymatgen.core.structure import Structure
        from pymatgen.electronic_structure.core import Spin
        from pymatgen.electronic_structure.dos import Dos
    except ImportError as error:
        raise _missing("pymatgen") from error
    result = []
    for index, atoms in enumerate(dataset.structures):
        _require_crystal(dataset, index)
        shares = {} if dataset.ldos is None else {"ldos": to_numpy(dataset.ldos.of_structure(index)).tolist()}
        structure = Structure(
            Lattice(np.array(atoms.cell)),
            list(atoms.symbols),
            atoms.positions,
            coords_are_cartesian=True,
            site_properties=shares,
        )
        densities = {Spin.up: to_numpy(dataset.dos.values[index])}
        result.append((structure, Dos(float(dataset.fermi_energy[index]), dataset.grid.energies, densities)))
    return result


def _require_crystal(dataset: LDOSDataset, index: int) -> None:
    name = dataset.names[index]
    if not dataset.structures[index].pbc.all():
        raise ValueError(f"Structure {name!r} is not periodic in three directions, as pymatgen's Structure must be.")
    if np.isnan(dataset.fermi_energy[index]):
        raise ValueError(f"fermi_energy of structure {name!r} is not known; pymatgen's Dos needs it.")


def _missing(package: str) -> ImportError:
    return ImportError(f"{package} is not installed; it comes with the extra 'dft': pip install ldosml[dft]")
