"""Structures and spectra that other programs wrote, to a dataset."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

import ase.io
import numpy as np
from ase import Atoms
from ase.io import ParseError
from ase.io.formats import UnknownFileTypeError
from numpy.typing import ArrayLike, NDArray

from ldosml._validation import check_choice
from ldosml.datasets._arrays import real_numbers
from ldosml.datasets.dataset import LDOSDataset
from ldosml.energy import EnergyGrid, Zero
from ldosml.spectra import DOS, LDOS

ARRAYS = ("energies", "ldos", "dos", "n_electrons", "fermi_energy", "energy_max")
"""Names that are looked for in an .npz file; others in it are left alone."""

_SPECTRA_EXTRA = ("smearing_width", "n_atoms", "numbers")

_DAMAGED = (ValueError, EOFError, OSError, RuntimeError, MemoryError, OverflowError, zipfile.BadZipFile, zlib.error)
"""What NumPy and zipfile raise for damaged files, and for headers that declare more than memory can hold."""

PathLike = str | os.PathLike[str]


def import_dataset(
    structures: PathLike,
    arrays: PathLike | Mapping[str, PathLike],
    *,
    zero: Zero = "fermi",
    n_electrons: ArrayLike | Mapping[str, float] | None = None,
    fermi_energy: ArrayLike | None = None,
    energy_max: ArrayLike | None = None,
    smearing_width: float | None = None,
    kind_key: str | None = None,
    group_key: str | None = None,
    names: Sequence[str] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> LDOSDataset:
    """Make a dataset of a structure file and of arrays in .npz, .npy, .txt or .csv files.

    Parameters
    ----------
    structures : path
        Any file that ASE reads; all its frames are taken, in order.
    arrays : path or dict of paths
        An .npz file with ``energies`` (n_energies,) and ``ldos`` (n_environments, n_energies) or ``dos``
        (n_structures, n_energies) or both, and perhaps ``n_electrons``, ``fermi_energy``, ``energy_max``; or one
        file for each such name. Units as in ``LDOSDataset.from_arrays``.
    zero, n_electrons, fermi_energy, energy_max, smearing_width, provenance
        As for ``LDOSDataset.from_arrays``; where given, they take the place of what the files hold.
    kind_key, group_key : str, optional
        Entries of ``atoms.info`` that tell kind and group. Default: one kind, each structure its own group.
    names : sequence of str, optional
        Default: ``atoms.info["name"]`` where all frames have it, otherwise the file's name and a running number.

    Raises
    ------
    FileNotFoundError
        When a file is not there.
    ValueError
        When a file cannot be read, or does not fit the others; the message names the file or field.
    """
    frames = read_structures(structures)
    fields: dict[str, Any] = dict(read_arrays(arrays))
    given = {"n_electrons": n_electrons, "fermi_energy": fermi_energy, "energy_max": energy_max}
    fields |= {name: value for name, value in given.items() if value is not None}
    for name in ("n_electrons", "fermi_energy", "energy_max"):
        if isinstance(fields.get(name), np.ndarray):
            fields[name] = fields[name].squeeze()  # text files give one column
    return LDOSDataset.from_arrays(
        frames,
        fields.pop("energies"),
        **fields,
        zero=zero,
        smearing_width=smearing_width,
        names=_names(frames, Path(structures)) if names is None else names,
        kinds=None if kind_key is None else _labels(frames, kind_key),
        groups=None if group_key is None else _labels(frames, group_key),
        provenance={"imported_from": _files(structures, arrays)} | dict(provenance or {}),
    )


# ASE's readers raise errors of every kind for files that they do not understand.
_READER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    StopIteration,
    SyntaxError,
    TypeError,
    ValueError,
    ParseError,
    UnknownFileTypeError,
)


def read_structures(path: PathLike) -> list[Atoms]:
    """Read all frames of a file in a format that ASE knows."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no structure file {os.fspath(path)}.")
    try:
        frames = ase.io.read(Path(path), index=":")
    except _READER_ERRORS as error:
        reason = ": ".join(filter(None, (type(error).__name__, str(error))))
        raise ValueError(
            f"{os.fspath(path)} cannot be read as structures ({reason}). "
            "Give a file that ase.io.read understands, such as extended XYZ."
        ) from error
    if not frames:
        raise ValueError(f"{os.fspath(path)} holds no structures.")
    return list(frames)


def read_arrays(arrays: PathLike | Mapping[str, PathLike]) -> dict[str, NDArray[np.float64]]:
    """Read energies and spectra, see ``import_dataset``; the names found of ``ARRAYS``, always with ``energies``."""
    found = _read_each(arrays) if isinstance(arrays, Mapping) else _read_npz(Path(arrays))
    where = f"The files {', '.join(arrays)}" if isinstance(arrays, Mapping) else os.fspath(arrays)
    if "energies" not in found:
        raise ValueError(f"{where} must hold 'energies', the energy axis in eV; got {_listed(found)}.")
    if "ldos" not in found and "dos" not in found:
        raise ValueError(f"{where} must hold 'ldos' or 'dos', or both; got {_listed(found)}.")
    return found


@dataclass(frozen=True, eq=False)
class Spectra:
    """What ``read_spectra`` finds: spectra without structures.

    ``numbers`` are the atomic numbers (n_environments,), ``n_electrons`` (n_structures,); None where not in the file,
    as ``ldos``.
    """

    dos: DOS
    ldos: LDOS | None
    numbers: NDArray[np.int64] | None
    n_electrons: NDArray[np.float64] | None


def read_spectra(path: PathLike) -> Spectra:
    """Read the spectra of an .npz file that has no structures beside it, such as ``ldosml predict`` writes.

    It holds ``energies`` (n_energies,), eV, and ``ldos`` (n_environments, n_energies) with ``n_atoms``
    (n_structures,), or ``dos`` (n_structures, n_energies) or (n_energies,), or both; perhaps ``zero`` (the zero of
    energy, "code" where it is not told), ``smearing_width`` (eV), ``n_atoms``, ``numbers``, ``n_electrons`` and
    ``energy_max``, at the lowest of which all are cut.

    Raises FileNotFoundError, and ValueError naming what is missing or does not fit.
    """
    found = read_arrays(path)
    with _opened(Path(path)) as file:
        extra = {name: _numeric(f"{name!r} in {path}", file, name) for name in _SPECTRA_EXTRA if name in file}
        zero = str(file["zero"]) if "zero" in file else "code"
    check_choice(f"'zero' in {path}", zero, get_args(Zero))
    grid = EnergyGrid.from_array(found["energies"], zero=cast(Zero, zero))
    said = np.ravel(extra.get("smearing_width", np.nan))
    if said.size != 1 or said[0] < 0:
        raise ValueError(f"'smearing_width' in {path} must be one number, not negative; got {said}.")
    width = float(said[0]) if np.isfinite(said[0]) else None
    n_atoms = _n_atoms(extra, path)
    numbers = None if "numbers" not in extra else extra["numbers"].astype(np.int64)
    electrons = None if "n_electrons" not in found else np.atleast_1d(found["n_electrons"])
    ldos = None
    if "ldos" in found and n_atoms is not None:
        index = np.repeat(np.arange(len(n_atoms)), n_atoms)
        ldos = LDOS(grid, found["ldos"], width, structure_index=index, numbers=numbers)
    if "dos" not in found and ldos is None:
        raise ValueError(f"{path} holds 'ldos' without 'n_atoms', the number of atoms of each structure.")
    dos = ldos.total() if ldos and "dos" not in found else DOS(grid, np.atleast_2d(found["dos"]), width, n_atoms)
    # Above energy_max a DOS is not complete.
    top = float(np.min(found.get("energy_max", np.inf)))
    return Spectra(dos.cut(high=top), None if ldos is None else ldos.cut(high=top), numbers, electrons)


def _n_atoms(extra: Mapping[str, NDArray[np.float64]], path: PathLike) -> NDArray[np.int64] | None:
    if "n_atoms" not in extra:
        return None
    counts = np.atleast_1d(extra["n_atoms"])
    if counts.ndim != 1 or (counts < 1).any() or (counts != counts.round()).any():
        raise ValueError(f"'n_atoms' in {path} must be whole numbers above zero, one a structure.")
    return counts.astype(np.int64)


def _listed(found: Mapping[str, object]) -> str:
    return ", ".join(map(repr, found)) or "none of the names that are looked for"


def _read_npz(path: Path) -> dict[str, NDArray[np.float64]]:
    if path.suffix != ".npz":
        raise ValueError(f"{path} must be an .npz file; for other files pass one for each name: {{'energies': ...}}.")
    with _opened(path) as file:
        return {name: _numeric(f"{name!r} in {path}", file, name) for name in ARRAYS if name in file}


def _read_each(paths: Mapping[str, PathLike]) -> dict[str, NDArray[np.float64]]:
    unknown = set(paths) - set(ARRAYS)
    if unknown:
        raise ValueError(f"arrays must be among {', '.join(ARRAYS)}; got {', '.join(sorted(unknown))}.")
    return {name: _read_one(Path(path)) for name, path in paths.items()}


def _read_one(path: Path) -> NDArray[np.float64]:
    if path.suffix == ".npy":
        with _opened(path) as values:
            return _numeric(str(path), {"": values}, "")
    if path.suffix not in (".txt", ".csv", ".dat"):
        raise ValueError(f"{path} must end in .npy, .txt, .dat or .csv (or pass one .npz file for all).")
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    if not path.stat().st_size:
        raise ValueError(f"{path} is empty.")
    try:
        return np.loadtxt(path, delimiter="," if path.suffix == ".csv" else None)
    except ValueError as error:
        raise ValueError(f"{path} must hold numbers only, and comments after '#': {error}") from error


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """What NumPy makes of a file. Object arrays, which can run code when opened, are refused."""
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    with open(path, "rb") as stream:
        try:
            content = np.load(stream, allow_pickle=False)
        except _DAMAGED as error:
            raise ValueError(f"{path} is truncated or not a NumPy file ({error}). Write it again.") from error
        yield content


def _numeric(what: str, file: Any, name: str) -> NDArray[np.float64]:
    try:
        return real_numbers("it", file[name])
    except (*_DAMAGED, TypeError) as error:
        raise ValueError(f"{what} cannot be read as numbers: {error}") from error


def _names(frames: Sequence[Atoms], path: Path) -> list[str]:
    if all("name" in atoms.info for atoms in frames):
        return [str(atoms.info["name"]) for atoms in frames]
    return [f"{path.stem}-{index}" for index in range(len(frames))]


def _labels(frames: Sequence[Atoms], key: str) -> list[str]:
    for index, atoms in enumerate(frames):
        if key not in atoms.info:
            raise ValueError(f"Frame {index} has no entry {key!r}; it has {_listed(atoms.info)}.")
    return [str(atoms.info[key]) for atoms in frames]


def _files(structures: PathLike, arrays: PathLike | Mapping[str, PathLike]) -> list[str]:
    paths = list(arrays.values()) if isinstance(arrays, Mapping) else [arrays]
    return [Path(path).name for path in [structures, *paths]]
