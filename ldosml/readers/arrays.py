"""Bands as arrays in an .npz file, for codes that are not read directly.

The file holds ``eigenvalues`` ([n_spins,] n_kpoints, n_bands), eV; ``kpoint_weights`` (n_kpoints,); ``numbers``,
``positions`` (angstrom), ``cell`` and perhaps ``pbc`` of the structure; perhaps ``atom_weights``
(n_atoms, [n_spins,] n_kpoints, n_bands), ``occupations`` as the eigenvalues, ``fermi_energy``, ``n_electrons`` and
``spinor``.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from ase import Atoms

from ldosml.array_files import read_npz
from ldosml.file_sizes import opened_arrays
from ldosml.readers.run import ProjectedBands, ReaderError, Run

_NEEDED = ("eigenvalues", "kpoint_weights", "numbers", "positions", "cell")
_FURTHER = ("atom_weights", "occupations", "fermi_energy", "n_electrons")


def is_run(path: Path) -> bool:
    """Whether an .npz file holds bands, and not only spectra."""
    try:
        with zipfile.ZipFile(path) as file:
            return "eigenvalues.npy" in file.namelist()
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return False


def read_band_arrays(path: Path) -> Run:
    """Read bands from an .npz file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Run

    Raises
    ------
    ReaderError
        When something is missing or does not fit.
    """
    found = read_npz(path, (*_NEEDED, *_FURTHER))
    missing = [name for name in _NEEDED if name not in found]
    if missing:
        raise ReaderError(f"{path} holds bands without {', '.join(missing)}.")
    energies = found["eigenvalues"]
    if energies.ndim == 2:
        energies = energies[None]
        for name in ("atom_weights", "occupations"):
            if name in found:
                found[name] = found[name][:, None] if name == "atom_weights" else found[name][None]
    with opened_arrays(path) as file:
        pbc, spinor = (
            file[name].astype(bool) if name in file else value for name, value in (("pbc", True), ("spinor", False))
        )
    return Run(
        path,
        "arrays",
        Atoms(found["numbers"].astype(int), positions=found["positions"], cell=found["cell"], pbc=pbc),
        float(found.get("n_electrons", np.array(np.nan))),
        float(found.get("fermi_energy", np.array(np.nan))),
        ProjectedBands(
            energies,
            found["kpoint_weights"],
            found.get("atom_weights"),
            found.get("occupations"),
            bool(spinor),
        ),
    )
