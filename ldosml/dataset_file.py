"""A dataset file: HDF5, arrays in and arrays out, each field checked when it is read.

The flat fields ``numbers`` and ``positions`` hold the atoms of all structures one after another; structure s has
rows ``offsets[s]`` to ``offsets[s + 1]`` of them and of ``ldos``. Energies are eV in the zero that the attribute
``grid_zero`` states, lengths angstrom, densities states/eV and both spins. Reading runs no code of the file.

What is written has checksums, which are verified: see ``ldosml._seal``. In a prediction that ``predict_to`` wrote, the
fields ``ldos_crc32`` and ``dos_crc32`` hold the CRC-32 of each row of ``ldos`` and ``dos``.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ldosml._files import refuse_existing, write_buffer
from ldosml._seal import check_seal, seal
from ldosml._validation import check_finite
from ldosml.energy import EnergyGrid
from ldosml.file_sizes import check_hdf5, require_unpacked, scalar_attribute
from ldosml.stored_ldos import StoredLDOS, check_rows, file_stamp

FORMAT = "ldosml dataset"
FORMAT_VERSION = 2
SPIN = "both spins"

_CHUNK_BYTES = 2**18  # of an LDOS chunk: small enough to read one structure, large enough to compress
_STRUCTURE = 3000  # bytes of a structure in memory without its numbers
_PACKED = {"fletcher32": True, "shuffle": True, "compression": "gzip", "compression_opts": 6}

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DatasetFields:
    """The arrays and attributes of a dataset file.

    Parameters
    ----------
    grid : EnergyGrid
        The energies, eV, with their zero.
    smearing_width : float or None
        Standard deviation of the Gaussian that smeared the spectra, eV; None where not known.
    offsets : array (n_structures + 1,) of int
        Where the atoms of each structure begin.
    numbers : array (n_environments,) of int
        Atomic numbers.
    positions : array (n_environments, 3)
        angstrom.
    cell : array (n_structures, 3, 3)
        Rows are the vectors of the cells, angstrom.
    pbc : array (n_structures, 3) of bool
        Along which vectors a structure is periodic.
    n_electrons, fermi_energy, energy_max : array (n_structures,)
        As in ``LDOSDataset``; energies in eV.
    names, kinds, groups : list of str
        One for each structure.
    ldos : array (n_environments, n_energies), StoredLDOS or None
        states/eV/atom. Reading a file gives a ``StoredLDOS``, whose rows are not loaded yet.
    dos, projected_dos : array (n_structures, n_energies) or None
        states/eV.
    spin_difference : array (n_environments, n_energies), or (n_structures, n_energies) without an LDOS, or None
        Spectra of spin up minus spectra of spin down.
    provenance, label_noise : dict or None
        What JSON can hold.
    """

    grid: EnergyGrid
    smearing_width: float | None
    offsets: NDArray[np.int64]
    numbers: NDArray[Any]
    positions: Floats
    cell: Floats
    pbc: NDArray[np.bool_]
    n_electrons: Floats
    fermi_energy: Floats
    energy_max: Floats
    names: list[str]
    kinds: list[str]
    groups: list[str]
    ldos: Floats | StoredLDOS | None = None
    dos: Floats | None = None
    projected_dos: Floats | None = None
    spin_difference: Floats | None = None
    provenance: Any = None
    label_noise: Any = None


def write_fields(path: str | os.PathLike[str], fields: DatasetFields, *, overwrite: bool = False) -> Path:
    """Write a dataset file: either the whole file appears under ``path``, or nothing changes.

    Parameters
    ----------
    path : path
    fields : DatasetFields
        Spectra are stored in float32.
    overwrite : bool
        Replace the file where it exists.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FileExistsError
        When the file exists and ``overwrite`` is false.
    OSError
        When it cannot be written (disk full, no permission); what was there before is untouched.
    """
    path = Path(path)
    refuse_existing(path, overwrite)  # before the work is done, not after
    write_buffer(path, serialised(fields), overwrite)
    return path


def read_fields(path: str | os.PathLike[str]) -> DatasetFields:
    """Read a dataset file, but for the rows of its LDOS.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When it is not a dataset of this format, or damaged; the message names the field at fault.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no dataset file {path}. Was the path typed right, and from this folder?")
    with refusing(path), _open(path) as file:
        return _parse(file, path)


@contextmanager
def refusing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn errors about the content of a file into a ValueError that names the file."""
    try:
        yield
    except (PermissionError, BlockingIOError):
        raise
    except (ValueError, TypeError, KeyError, RuntimeError, OverflowError, MemoryError, OSError) as error:
        raise ValueError(f"{os.fspath(path)} cannot be read as an ldosml dataset: {error}") from error


def serialised(fields: DatasetFields) -> io.BytesIO:
    """The bytes of the file.

    Made in memory (compressed, they are smaller than the spectra that are there already), since HDF5 cannot close a
    file cleanly on a full disk.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        _write_attributes(file, fields)
        _write_structures(file, fields)
        _write_spectra(file, fields)
    seal(buffer)
    return buffer


def _write_attributes(file: h5py.File, fields: DatasetFields) -> None:
    grid = fields.grid
    file.attrs["format"] = FORMAT
    file.attrs["format_version"] = FORMAT_VERSION
    file.attrs["spin"] = SPIN
    file.attrs["grid_start"] = grid.start
    file.attrs["grid_step"] = grid.step
    file.attrs["grid_size"] = grid.size
    file.attrs["grid_zero"] = grid.zero
    file.attrs["smearing_width"] = np.nan if fields.smearing_width is None else fields.smearing_width
    file.attrs["provenance"] = json.dumps(fields.provenance)
    file.attrs["label_noise"] = json.dumps(fields.label_noise)


def _write_structures(file: h5py.File, fields: DatasetFields) -> None:
    for name in ("offsets", "cell", "pbc"):
        file[name] = getattr(fields, name)
    file.create_dataset("numbers", data=fields.numbers.astype(np.int16), **_PACKED)
    file.create_dataset("positions", data=fields.positions, **_PACKED)
    for name in ("n_electrons", "fermi_energy", "energy_max"):
        file[name] = getattr(fields, name)
    for name in ("names", "kinds", "groups"):
        file.create_dataset(name, data=getattr(fields, name), dtype=h5py.string_dtype())


def _write_spectra(file: h5py.File, fields: DatasetFields) -> None:
    ldos = fields.ldos.load() if isinstance(fields.ldos, StoredLDOS) else fields.ldos
    for name, values in (
        ("ldos", ldos),
        ("dos", fields.dos),
        ("projected_dos", fields.projected_dos),
        ("spin_difference", fields.spin_difference),
    ):
        if values is not None:
            rows = max(1, min(len(values), _CHUNK_BYTES // (4 * values.shape[1])))
            chunks = (rows, values.shape[1])
            file.create_dataset(name, data=values.astype(np.float32), chunks=chunks, **_PACKED)


@contextmanager
def _open(path: Path) -> Iterator[h5py.File]:
    check_seal(path)
    try:
        file = h5py.File(path, "r")
    except PermissionError:
        raise
    except BlockingIOError as error:
        why = "it is being written by another process. Wait for it"
        raise BlockingIOError(error.errno, why, str(path)) from error
    except OSError as error:
        raise ValueError(f"the file is truncated or not HDF5 ({error}). Copy or download it again.") from error
    with file:
        yield file


def _parse(file: h5py.File, path: Path) -> DatasetFields:
    _check_format(file)
    _check_links(file)
    check_hdf5(file, path)
    grid = EnergyGrid(*(_attribute(file, f"grid_{name}", cast) for name, cast in _GRID))
    offsets = _read_offsets(file)
    count, total = len(offsets) - 1, int(offsets[-1])
    require_unpacked(path, _STRUCTURE * count, f"Its {count:,} structures")
    numbers = _field(file, "numbers", "iu", (total,))
    if numbers.min() < 1 or numbers.max() > 118:
        raise ValueError("the field 'numbers' must hold atomic numbers from 1 to 118.")
    width = _read_width(file)
    return DatasetFields(
        grid,
        width,
        offsets,
        numbers,
        positions=_field(file, "positions", "f", (total, 3)),
        cell=_field(file, "cell", "f", (count, 3, 3)),
        pbc=_field(file, "pbc", "b", (count, 3)),
        ldos=_stored_ldos(file, path, grid, width, offsets),
        dos=_read_dos(file, "dos", grid, count),
        projected_dos=_read_dos(file, "projected_dos", grid, count),
        spin_difference=_read_dos(file, "spin_difference", grid, total if "ldos" in file else count),
        n_electrons=_field(file, "n_electrons", "fiu", (count,)),
        fermi_energy=_field(file, "fermi_energy", "fiu", (count,)),
        energy_max=_field(file, "energy_max", "fiu", (count,)),
        names=_read_labels(file, "names", (count,)),
        kinds=_read_labels(file, "kinds", (count,)),
        groups=_read_labels(file, "groups", (count,)),
        provenance=_attribute(file, "provenance", json.loads),
        label_noise=_attribute(file, "label_noise", json.loads),
    )


def _finite(value: Any) -> float:
    number = float(value)
    if not np.isfinite(number):
        raise ValueError(f"{number} is not a finite number")
    return number


_GRID: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("start", _finite),
    ("step", _finite),
    ("size", int),
    ("zero", str),
)


_EXPECTED: dict[Callable[[Any], Any], str] = {
    _finite: "a finite number",
    float: "a number",
    int: "a whole number",
    json.loads: "JSON",
    str: "a text",
}


def _check_format(file: h5py.File) -> None:
    kind = scalar_attribute(file, "format")
    if not isinstance(kind, str) or kind != FORMAT:
        raise ValueError(f"its attribute 'format' must be {FORMAT!r}; got {kind!r}. It is some other HDF5 file.")
    version = _attribute(file, "format_version", int)
    if version != FORMAT_VERSION:
        raise ValueError(
            f"its 'format_version' is {version}, and this ldosml reads {FORMAT_VERSION}. "
            f"{'Update ldosml.' if version > FORMAT_VERSION else 'Write it again with the present ldosml.'}"
        )
    spin = _attribute(file, "spin", str)
    if spin != SPIN:
        raise ValueError(f"the attribute 'spin' must be {SPIN!r}; got {spin!r}.")


def _check_links(file: h5py.File) -> None:
    """Refuse fields that are elsewhere, in this file or another: a dataset file holds all that it consists of."""
    for name in file:
        link = file.get(name, getlink=True)
        field = file.get(name) if isinstance(link, h5py.HardLink) else None
        elsewhere = isinstance(field, h5py.Dataset) and (field.is_virtual or field.external)
        if elsewhere or not isinstance(link, h5py.HardLink):
            raise ValueError(
                f"the field {name!r} must be in the file itself; it is a link to another place. "
                "Write the dataset again."
            )


def _attribute(file: h5py.File, name: str, cast: Callable[[Any], Any]) -> Any:
    if name not in file.attrs:
        raise ValueError(f"the attribute {name!r} is missing.")
    value = scalar_attribute(file, name)
    try:
        return cast(value)
    except (ValueError, TypeError, OverflowError) as error:
        came = repr(value) if isinstance(value, str) else value
        raise ValueError(f"the attribute {name!r} is not valid: it must be {_EXPECTED[cast]}; got {came}.") from error


def _dataset(file: h5py.File, name: str, kinds: str, shape: tuple[int, ...]) -> h5py.Dataset:
    """Give a field that exists, has one of the NumPy ``kinds`` of numbers ("" for texts), and has the shape."""
    field = file.get(name)
    if not isinstance(field, h5py.Dataset):
        raise ValueError(f"the field {name!r} is missing.")
    valid = field.dtype.kind in kinds if kinds else h5py.check_string_dtype(field.dtype) is not None
    if not valid:
        raise ValueError(f"the field {name!r} holds values of the wrong type, {field.dtype}.")
    if field.shape != shape:
        raise ValueError(f"the field {name!r} must have shape {shape}; got {field.shape}.")
    return field


def _field(file: h5py.File, name: str, kinds: str, shape: tuple[int, ...]) -> NDArray[Any]:
    field = _dataset(file, name, kinds, shape)
    try:
        return np.asarray(field[()] if kinds else field.asstr()[()])
    except (OSError, UnicodeDecodeError, MemoryError) as error:
        raise ValueError(f"the field {name!r} is damaged ({error}). Copy or download the file again.") from error


def _read_labels(file: h5py.File, name: str, shape: tuple[int, ...]) -> list[str]:
    return [str(label) for label in _field(file, name, "", shape)]


def _read_offsets(file: h5py.File) -> NDArray[np.int64]:
    field = file.get("offsets")
    if isinstance(field, h5py.Dataset) and (field.ndim != 1 or len(field) < 2):
        raise ValueError(f"the field 'offsets' must have shape (n_structures + 1,); got {field.shape}.")
    offsets = _field(file, "offsets", "iu", field.shape if isinstance(field, h5py.Dataset) else ()).astype(np.int64)
    numbers = file.get("numbers")
    count = numbers.shape[0] if isinstance(numbers, h5py.Dataset) and numbers.ndim else offsets[-1]
    if offsets[0] != 0 or offsets[-1] != count or (np.diff(offsets) <= 0).any():
        raise ValueError(f"the field 'offsets' must ascend from 0 to the number of atoms, {count}; it does not.")
    return offsets


def _read_width(file: h5py.File) -> float | None:
    width: float = _attribute(file, "smearing_width", float)
    if np.isnan(width):
        return None
    if not 0 <= width < np.inf:
        raise ValueError(f"the attribute 'smearing_width' must be a positive number of eV, or 0; got {width:g}.")
    return width


def _stored_ldos(
    file: h5py.File, path: Path, grid: EnergyGrid, width: float | None, offsets: NDArray[np.int64]
) -> StoredLDOS | None:
    if "ldos" not in file:
        return None
    _dataset(file, "ldos", "f", (int(offsets[-1]), grid.size))
    # Absolute, so that the rows are found after a change of folder.
    return StoredLDOS(path.absolute(), grid, width, offsets, np.arange(len(offsets) - 1), file_stamp(path))


def _read_dos(file: h5py.File, name: str, grid: EnergyGrid, count: int) -> Floats | None:
    if name not in file:
        return None
    stored = _field(file, name, "f", (count, grid.size))
    check_rows(file, name, 0, stored)
    values = stored.astype(np.float64)
    check_finite(f"the field {name!r}", values)
    return values
