"""GPAW's .gpw files: bands from the file itself, projections where gpaw is installed, which knows the projectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import ulm
from numpy.typing import NDArray

from ldosml.readers.run import ProjectedBands, ReaderError, Run


def read_gpw(path: Path) -> Run:
    """Read a .gpw file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Run

    Raises
    ------
    ReaderError
        When the file is cut off, or has no bands, or old files do not tell the weights of several k-points.
    """
    try:
        file = ulm.open(path)  # type: ignore[no-untyped-call]
        parts = {name: getattr(file, name) for name in ("atoms", "wave_functions", "occupations", "parameters")}
    except (ulm.InvalidULMFileError, OSError, AttributeError, ValueError, EOFError) as error:
        raise ReaderError(f"{path} is cut off, or no .gpw file ({error}). Did the run end?") from error
    atoms = parts["atoms"].asdict()
    structure = Atoms(atoms["numbers"], positions=atoms["positions"], cell=atoms["cell"], pbc=atoms["pbc"])
    states = parts["wave_functions"]
    energies = np.asarray(states.eigenvalues, dtype=float)
    if np.isnan(energies).all(axis=(0, 1)).any():
        raise ReaderError(f"{path} holds bands without energies. Did the run end?")
    weights = _weights(path, states, energies.shape[1])
    setups = _setups(path)
    projections = None if setups is None else _projections(path, setups, np.asarray(states.projections))
    remarks = () if setups is not None else ("without LDOS: gpaw is not installed here, which knows the projectors",)
    bands = ProjectedBands(energies, weights, projections, np.asarray(states.occupations, dtype=float))
    known = parts["parameters"].asdict()
    settings = {
        "functional": str(known.get("xc", "LDA")),
        "mode": str(known.get("mode")),
        "k-mesh": str(known.get("kpts")),
    }
    fermi = np.mean(np.asarray(parts["occupations"].fermilevel, dtype=float))
    version = f"GPAW {file.gpaw_version}" if "gpaw_version" in file else "GPAW"
    return Run(path, version, structure, bands.occupied, float(fermi), bands, None, settings, remarks)


def _weights(path: Path, states: Any, n_kpoints: int) -> NDArray[np.float64]:
    if "kpts" in states:
        return np.asarray(states.kpts.weights, dtype=float)
    if n_kpoints > 1:
        raise ReaderError(
            f"{path} was written by an old GPAW, which left out the weights of its {n_kpoints} k-points. "
            "Open it with gpaw and write it again."
        )
    return np.ones(1)


def _setups(path: Path) -> Any:
    """The setups of a calculation; None where gpaw is not installed."""
    try:
        from gpaw import GPAW
    except ImportError:
        return None
    return GPAW(str(path), txt=None).wfs.setups


def _projections(path: Path, setups: Any, projections: NDArray[Any]) -> NDArray[np.float64]:
    """Squared projections on the bound partial waves of each atom, (n_atoms, n_spins, n_kpoints, n_bands)."""
    bound = [np.repeat(np.array(setup.n_j) > 0, 2 * np.array(setup.l_j) + 1) for setup in setups]
    ends = np.cumsum([len(each) for each in bound])
    if ends[-1] != projections.shape[-1]:
        raise ReaderError(
            f"{path} holds {projections.shape[-1]} projectors, but the setups that gpaw finds here have {ends[-1]}."
        )
    parts = np.split(np.abs(projections) ** 2, ends[:-1], axis=-1)
    return np.array([part[..., chosen].sum(axis=-1) for part, chosen in zip(parts, bound, strict=True)])
