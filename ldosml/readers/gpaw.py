"""GPAW's .gpw files: bands from the file itself, projections where gpaw is installed, which knows the projectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import ulm
from numpy.typing import NDArray

from ldosml.readers.run import ProjectedBands, ReaderError, Run, common_level


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
        with ulm.open(path) as file:  # type: ignore[no-untyped-call]
            return _run(path, file)
    except ReaderError:
        raise
    except (ulm.InvalidULMFileError, OSError, AttributeError, KeyError, ValueError, EOFError) as error:
        raise ReaderError(f"{path} is cut off, or no .gpw file ({error}). Did the run end?") from error


def _run(path: Path, file: Any) -> Run:
    atoms, states, known, levels = file.atoms.asdict(), file.wave_functions, file.parameters.asdict(), _levels(file)
    structure = Atoms(atoms["numbers"], positions=atoms["positions"], cell=atoms["cell"], pbc=atoms["pbc"])
    energies = np.asarray(states.eigenvalues, dtype=float)
    spinor = energies.ndim == 2  # non-collinear: one axis for both spins is left out of every array
    occupations = np.asarray(states.occupations, dtype=float)
    if spinor:
        energies, occupations = energies[None], occupations[None]
    if np.isnan(energies).all(axis=(0, 1)).any():
        raise ReaderError(f"{path} holds bands without energies. Did the run end?")
    weights = _weights(path, states, energies.shape[1])
    remarks = []
    try:
        projections = _projections(path, np.asarray(states.projections), spinor)
    except _NoSetupsError as error:
        projections = None
        remarks.append(f"without LDOS: {error}")
    bands = ProjectedBands(energies, weights, projections, occupations, spinor)
    settings = {
        "functional": _in_words(known.get("xc", "LDA")),
        "mode": _in_words(known.get("mode", "fd")),
        "k-mesh": _in_words(known.get("kpts", "one point")),
    }
    fermi, told = common_level(levels, energies)
    version = f"GPAW {file.gpaw_version}" if "gpaw_version" in file else "GPAW"
    return Run(path, version, structure, bands.occupied, fermi, bands, None, settings, (*remarks, *told))


def _in_words(setting: Any) -> str:
    """A parameter of GPAW, a word or a dictionary: 'PBE', 'pw, ecut 250.0', 'size 4 4 4'."""
    if isinstance(setting, dict):
        name = [str(setting["name"])] if "name" in setting else []
        return ", ".join(name + [f"{key} {_in_words(value)}" for key, value in setting.items() if key != "name"])
    return " ".join(map(str, setting)) if isinstance(setting, list | tuple | np.ndarray) else str(setting)


def _levels(file: Any) -> NDArray[np.float64]:
    """The Fermi level, eV; two levels where the moment was fixed. Files of GPAW 20 and newer hold them elsewhere."""
    if "fermi_levels" in file.wave_functions:
        return np.asarray(file.wave_functions.fermi_levels, dtype=float)
    level, split = file.occupations.fermilevel, file.occupations.asdict().get("split", 0.0)
    return np.array([level + split / 2, level - split / 2])


def _weights(path: Path, states: Any, n_kpoints: int) -> NDArray[np.float64]:
    if "kpts" in states:
        return np.asarray(states.kpts.weights, dtype=float)
    if n_kpoints > 1:
        raise ReaderError(
            f"{path} was written by an old GPAW, which left out the weights of its {n_kpoints} k-points. "
            "Open it with gpaw and write it again."
        )
    return np.ones(1)


class _NoSetupsError(Exception):
    """The setups of a calculation are not known here; the message says why."""


def _setups(path: Path) -> Any:
    try:
        from gpaw import GPAW
    except ImportError:
        raise _NoSetupsError("gpaw is not installed here, which knows the projectors") from None
    try:
        return GPAW(str(path), txt=None).wfs.setups
    except (AttributeError, LookupError, OSError, ValueError) as error:
        # The numbers were read already; what fails are keys that old files lack, or setups that are not installed.
        raise _NoSetupsError(
            f"the gpaw that is installed, which knows the projectors, cannot open it ({' '.join(str(error).split())})"
        ) from error


def _projections(path: Path, projections: NDArray[Any], spinor: bool) -> NDArray[np.float64]:
    """Squared projections on the bound partial waves of each atom, (n_atoms, n_spins, n_kpoints, n_bands).

    The file does not tell which projectors are of bound waves; the setups of gpaw do.
    """
    squares = np.abs(projections) ** 2
    if spinor:
        squares = squares.sum(axis=-2)[None]  # over the two components
    bound = [np.repeat(np.array(setup.n_j) > 0, 2 * np.array(setup.l_j) + 1) for setup in _setups(path)]
    ends = np.cumsum([len(each) for each in bound])
    if ends[-1] != squares.shape[-1]:
        raise ReaderError(
            f"{path} holds {squares.shape[-1]} projectors, but the setups that gpaw finds here have {ends[-1]}."
        )
    parts = np.split(squares, ends[:-1], axis=-1)
    return np.array([part[..., chosen].sum(axis=-1) for part, chosen in zip(parts, bound, strict=True)])
