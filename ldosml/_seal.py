"""A checksum at the end of an HDF5 file, which is verified before HDF5 opens the file: damaged ones can crash it.

After the last byte of HDF5 come JSON, its length (8 bytes) and a mark. The JSON holds the SHA-256 of the file without
the rows of its large fields, which are not read for it: they have checksums of their own, by chunk (the filter
fletcher32 of HDF5) or by row (a field ``NAME_crc32``). A program that changes the file cuts the end off. A file without
it is read as it is: then nothing tells whether a bit has changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import h5py

_MARK = b"\nldosml\n"
_BLOCK = 2**20

Range = tuple[int, int]
"""First byte, and number of bytes."""


def seal(stream: Any, by_row: Collection[str] = ()) -> None:
    """Append the checksum to an HDF5 file.

    Parameters
    ----------
    stream : file
        Open for reading and writing, and closed by HDF5.
    by_row : collection of str
        Fields in one piece whose bytes may change: their rows have checksums, or need none.
    """
    with h5py.File(stream, "r") as file:
        left_out = sorted(place for name, field in file.items() for place in _own(field, name in by_row))
    end = stream.seek(0, 2)
    content = json.dumps({"left_out": left_out, "sha256": _digest(stream, left_out, end)}).encode()
    stream.seek(end)
    stream.write(content + len(content).to_bytes(8, "little") + _MARK)
    stream.seek(0)


def check_seal(path: Path) -> None:
    """Raise ValueError when a file differs from the checksum at its end, if it has any."""
    with open(path, "rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - 8 - len(_MARK)))
        length, mark = int.from_bytes(stream.read(8), "little"), stream.read()
        end = size - len(mark) - 8 - length
        if mark != _MARK or end < 0:
            return
        stream.seek(end)
        try:
            known = json.loads(stream.read(length))
            same = known["sha256"] == _digest(stream, known["left_out"], end)
        except (ValueError, KeyError, TypeError):
            same = False
    if not same:
        raise ValueError("the file differs from its checksum: it is damaged. Copy or download it again.")


def _own(field: Any, by_row: bool) -> Iterator[Range]:
    """Where the bytes are that have checksums of their own."""
    if not isinstance(field, h5py.Dataset):
        return
    if by_row and field.chunks is None:
        yield int(field.id.get_offset()), int(field.nbytes)
    elif field.fletcher32 and h5py.check_string_dtype(field.dtype) is None:
        for number in range(field.id.get_num_chunks()):
            chunk = field.id.get_chunk_info(number)
            yield int(chunk.byte_offset), int(chunk.size)


def _digest(stream: BinaryIO, left_out: Sequence[Range], end: int) -> str:
    """SHA-256 of the bytes up to ``end`` that are not left out."""
    sums, start = hashlib.sha256(), 0
    for first, count in [*left_out, (end, 0)]:
        stream.seek(start)
        while start < first and (block := stream.read(min(_BLOCK, first - start))):
            sums.update(block)
            start += len(block)
        start = first + count
    return sums.hexdigest()
