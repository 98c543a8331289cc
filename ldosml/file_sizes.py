"""How much memory the content of a file takes, checked before it is read.

Compressed files, HDF5 fields that were never written and headers of arrays can declare terabytes in a few bytes. A file
may unpack to ``RATIO`` times its size, and to ``LEAST`` bytes in any case, with all numbers in double precision. Files
of ldosml unpack to two to ten times their size. The environment variable ``LDOSML_UNPACKED_GB`` raises the limit.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import math
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from ldosml._validation import is_number
from ldosml.resources import in_words, require_memory

LEAST = 100_000_000
"""Bytes that a file of any size may unpack to."""

RATIO = 25
"""How many times its size a file may unpack to."""

VARIABLE = "LDOSML_UNPACKED_GB"
"""Environment variable: gigabytes that any file may unpack to."""

_OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
COMPRESSED = tuple(_OPENERS)
"""Endings of compressed files."""

_PIECE = 2**20
_LINE = 60  # bytes of an object for a line or an element of XML
_VALUE = 72  # bytes of a value of JSON in a list
_STREAMED = 4  # times more that a file may unpack to that is read piece by piece
_NUMBER = 8  # bytes of a number in memory, however it is stored
_DEFLATE = 1032  # times its size to which deflate unpacks at most
_GZIP = 1  # the number of this filter in HDF5
_CHECKSUM = 4  # bytes that the filter fletcher32 adds


def most_unpacked(path: str | os.PathLike[str]) -> int:
    """Bytes that a file may unpack to.

    Parameters
    ----------
    path : path

    Returns
    -------
    int

    Raises
    ------
    ValueError
        When ``LDOSML_UNPACKED_GB`` is not a positive number.
    """
    most = max(LEAST, RATIO * os.path.getsize(path))
    given = os.environ.get(VARIABLE)
    if given is None:
        return most
    try:
        gigabytes = float(given)
    except ValueError:
        gigabytes = math.nan
    if not (is_number(gigabytes) and gigabytes > 0):
        raise ValueError(f"The environment variable {VARIABLE} must be a positive number of gigabytes; got {given!r}.")
    return max(most, int(1e9 * gigabytes))


def require_unpacked(path: str | os.PathLike[str], declared: int, what: str = "The file") -> None:
    """Refuse a file that declares more than it may unpack to, or than memory holds.

    Parameters
    ----------
    path : path
    declared : int
        Bytes.
    what : str
        What declares them, for the message.

    Raises
    ------
    ValueError
        When that is more than ``most_unpacked``.
    MemoryError
        When that is more than the free memory.
    """
    most = most_unpacked(path)
    if declared > most:
        size = os.path.getsize(path)
        raise ValueError(
            f"{what} should unpack to at most {in_words(most)}, since {Path(path).name} has {in_words(size)}; it "
            f"declares {in_words(declared)}. It is damaged or made to fill the memory. If you trust it, set the "
            f"environment variable {VARIABLE} to the gigabytes that it may take."
        )
    require_memory(f"{what} ({Path(path).name})", declared, "Free memory, or cut the file into parts.")


def check_archive(archive: zipfile.ZipFile, path: str | os.PathLike[str], what: str = "The file") -> None:
    """Refuse a zip archive whose members, or the arrays in them, declare too much.

    Parameters
    ----------
    archive : ZipFile
        Members named .npy are arrays.
    path : path
        The file in which the archive is.
    what : str
        What the archive is, for messages.

    Raises
    ------
    ValueError, MemoryError
        As ``require_unpacked``; ValueError when an array declares another size than its member.
    """
    members = archive.infolist()
    total = sum(member.file_size for member in members)
    require_unpacked(path, total, what)
    for member in members:
        if member.filename.endswith(".npy"):
            with archive.open(member) as stream:
                total += _check_array(stream, member.file_size, member.filename) - member.file_size
    require_unpacked(path, total, what)


def check_array_file(path: str | os.PathLike[str]) -> None:
    """Refuse an .npy file that declares another size than it has, by a ValueError."""
    with open(path, "rb") as stream:
        _check_array(stream, os.path.getsize(path), Path(path).name)


@contextmanager
def opened_arrays(path: str | os.PathLike[str]) -> Iterator[Any]:
    """Open an .npz file, or read an .npy file, after its sizes were checked. Arrays of objects are refused.

    Parameters
    ----------
    path : path

    Yields
    ------
    NpzFile or ndarray

    Raises
    ------
    ValueError, MemoryError
        As ``check_archive``, and what NumPy and zipfile raise for damaged files.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            check_archive(archive, path)
    else:
        check_array_file(path)
    with open(path, "rb") as stream:
        content = np.load(stream, allow_pickle=False)
        yield content


def check_hdf5(file: Any, path: str | os.PathLike[str]) -> None:
    """Refuse an HDF5 file whose fields, or their chunks, declare too much.

    Parameters
    ----------
    file : h5py.File or h5py.Group
        Links to other files are not followed.
    path : path
        The file on disk.

    Raises
    ------
    ValueError, MemoryError
        As ``require_unpacked``.
    """
    import h5py  # takes its time to start

    fields: list[Any] = []
    file.visititems(lambda _, field: fields.append(field) if isinstance(field, h5py.Dataset) else None)
    require_unpacked(path, sum(_field_bytes(field) for field in fields), "The file")
    for field in fields:
        if field.dtype.hasobject:
            _check_variable(field, path)
        if field.chunks is not None:
            _check_chunks(field, path)


def parsed_json(data: bytes, path: str | os.PathLike[str], what: str = "Its description") -> Any:
    """Parse JSON from a file, after a look at how many values it has.

    Parameters
    ----------
    data : bytes
    path : path
        The file from which they come.
    what : str
        What they are, for the message.

    Returns
    -------
    object

    Raises
    ------
    ValueError, MemoryError
        As ``require_unpacked``; ValueError for what is not JSON.
    """
    values = sum(data.count(mark) for mark in (b",", b"[", b"{"))
    require_unpacked(path, len(data) + _VALUE * values, what)
    return json.loads(data)


def scalar_attribute(file: Any, name: str, default: Any = None) -> Any:
    """Read an attribute of an HDF5 file; it must be one value, of which no file has many times its size.

    Parameters
    ----------
    file : h5py.File
    name : str
    default : object
        What to give where there is no such attribute.

    Returns
    -------
    object

    Raises
    ------
    ValueError
        When the attribute has several values.
    """
    if name not in file.attrs:
        return default
    shape = file.attrs.get_id(name).shape
    if shape != ():
        raise ValueError(f"the attribute {name!r} must be one value; got values of shape {shape}.")
    return file.attrs[name]


def open_start(path: str | os.PathLike[str]) -> IO[bytes]:
    """Open a file, plain or compressed, to read its start: its size is not checked."""
    return cast(IO[bytes], _OPENERS.get(Path(path).suffix, open)(path, "rb"))


def open_unpacked(path: str | os.PathLike[str], *, streamed: bool = False) -> IO[bytes]:
    """Open a file for reading bytes; unpack it by its ending .gz, .bz2 or .xz, after its size was checked.

    Parameters
    ----------
    path : path
    streamed : bool
        As for ``check_compressed``.

    Returns
    -------
    file

    Raises
    ------
    ValueError, MemoryError
        As ``require_unpacked``.
    EOFError, OSError, lzma.LZMAError
        When the file is damaged.
    """
    check_compressed(path, streamed=streamed)
    return open_start(path)


def check_compressed(path: str | os.PathLike[str], *, streamed: bool = False) -> None:
    """Refuse a file compressed by gzip, bzip2 or xz that unpacks to too much; others pass.

    Parameters
    ----------
    path : path
    streamed : bool
        Whether the file is read piece by piece, and may be larger. Otherwise each line, and each element of XML, counts
        for what it takes in memory.

    Raises
    ------
    ValueError, MemoryError
        As ``require_unpacked``.
    EOFError, OSError, lzma.LZMAError
        When the file is damaged.
    """
    opener = _OPENERS.get(Path(path).suffix)
    if opener is None:
        return
    size, total, most = 0, 0, most_unpacked(path)
    with opener(path, "rb") as file:
        while piece := file.read(_PIECE):
            size += len(piece)
            total = size if streamed else total + len(piece) + _LINE * (piece.count(b"\n") + piece.count(b"<"))
            if total > (_STREAMED if streamed else 1) * most:
                require_unpacked(path, total)


def _check_array(stream: IO[bytes], size: int, name: str) -> int:
    """Refuse an array whose header declares more than ``size`` bytes, as NumPy takes the memory before it reads.

    Returns its bytes in double precision.
    """
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    declared = math.prod(shape) * max(1, dtype.itemsize)
    if declared > size:
        raise ValueError(
            f"{name} declares an array of shape {shape}, {in_words(declared)}, but has {in_words(size)}. It is damaged "
            "or cut off."
        )
    return math.prod(shape) * max(_NUMBER, dtype.itemsize)


def _field_bytes(field: Any) -> int:
    """Bytes of a field in double precision; texts of variable length count as their references."""
    return math.prod(field.shape or ()) * max(_NUMBER, int(field.dtype.itemsize))


def _check_variable(field: Any, path: str | os.PathLike[str]) -> None:
    """Refuse values of variable length, such as texts, that are too long together: many may refer to the same bytes."""
    size, what = os.path.getsize(path), f"The field {field.name!r}"
    if field.size * size <= LEAST:  # no value is longer than the file
        return
    if field.ndim != 1 or field.dtype.kind != "O":
        require_unpacked(path, field.size * size, what)
        return
    at_once, total = max(1, LEAST // size), 0
    for start in range(0, len(field), at_once):
        total += sum(len(value) for value in field[start : start + at_once])
        require_unpacked(path, total, what)


def _check_chunks(field: Any, path: str | os.PathLike[str]) -> None:
    """Refuse chunks that are large in memory, or that unpack to more than a chunk, which HDF5 does not mind."""
    chunk, what = math.prod(field.chunks) * int(field.dtype.itemsize), f"A chunk of the field {field.name!r}"
    require_unpacked(path, chunk, what)
    layout = field.id.get_create_plist()
    filters = [layout.get_filter(number)[0] for number in range(layout.get_nfilters())]
    if filters.count(_GZIP) > 1:
        raise ValueError(f"The field {field.name!r} should be compressed once; it is compressed several times.")
    suspect: list[tuple[int, ...]] = []
    smallest = most_unpacked(path) // _DEFLATE  # what unpacks to too much
    field.id.chunk_iter(lambda stored: suspect.append(stored.chunk_offset) if stored.size > smallest else None)
    if _GZIP not in filters:
        return
    for place in suspect:
        _, packed = field.id.read_direct_chunk(place)
        found = len(zlib.decompressobj().decompress(packed, chunk + _PIECE))
        if found > chunk + _CHECKSUM:
            raise ValueError(f"{what} should have {in_words(chunk)}; it unpacks to more. Copy or write the file again.")
