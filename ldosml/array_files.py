"""Energies and spectra in .npz, .npy, .txt and .csv files."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ldosml._array import as_float64, to_numpy
from ldosml.file_sizes import opened_arrays

ARRAYS = ("energies", "ldos", "dos", "n_electrons", "fermi_energy", "energy_max", "integrated_dos")
"""Names that are looked for in an .npz file; others in it are left alone."""

_DAMAGED = (ValueError, EOFError, OSError, RuntimeError, MemoryError, OverflowError, zipfile.BadZipFile, zlib.error)
"""What NumPy and zipfile raise for damaged files, and for headers that declare more than memory can hold."""

PathLike = str | os.PathLike[str]


def read_arrays(arrays: PathLike | Mapping[str, PathLike]) -> dict[str, NDArray[np.float64]]:
    """Read energies and spectra.

    Parameters
    ----------
    arrays : path or dict of paths
        An .npz file, or a file for each name: .npy, .txt, .dat or .csv.

    Returns
    -------
    dict of str to array
        The names of ``ARRAYS`` that were found, always with ``energies`` and ``ldos`` or ``dos``.

    Raises
    ------
    FileNotFoundError
        When a file is not there.
    ValueError
        When a file cannot be read, or what is needed is missing; the message names the file.
    """
    found = _read_each(arrays) if isinstance(arrays, Mapping) else read_npz(arrays, ARRAYS)
    where = f"The files {', '.join(arrays)}" if isinstance(arrays, Mapping) else os.fspath(arrays)
    if "energies" not in found:
        raise ValueError(f"{where} must hold 'energies', the energy axis in eV; got {listed(found)}.")
    if "ldos" not in found and "dos" not in found:
        raise ValueError(f"{where} must hold 'ldos' or 'dos', or both; got {listed(found)}.")
    return found


def read_npz(path: PathLike, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Read the arrays of these names that an .npz file holds, as real numbers.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file or an array cannot be read.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"{path} must be an .npz file; for other files pass one for each name: {{'energies': ...}}.")
    with _opened(path) as file:
        return {name: _numeric(f"{name!r} in {path}", file, name) for name in names if name in file}


def read_text(path: PathLike, name: str, default: str) -> str:
    """Read a text of an .npz file, or give the default where it has none of that name."""
    with _opened(Path(path)) as file:
        return str(file[name]) if name in file else default


def real_numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Give real numbers in float64; TypeError naming the field for complex ones, dates, truth values and objects."""
    return to_numpy(as_float64(name, to_numpy(values)))


def listed(found: Mapping[str, object]) -> str:
    """The names that were found, for a message."""
    return ", ".join(map(repr, found)) or "none of the names that are looked for"


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
    with ExitStack() as stack:
        try:
            content = stack.enter_context(opened_arrays(path))
        except _DAMAGED as error:
            why = str(error).rstrip(".")
            raise ValueError(f"{path} is truncated or not a NumPy file ({why}). Write it again.") from error
        yield content


def _numeric(what: str, file: Any, name: str) -> NDArray[np.float64]:
    try:
        return real_numbers("it", file[name])
    except (*_DAMAGED, TypeError) as error:
        raise ValueError(f"{what} cannot be read as numbers: {error}") from error
