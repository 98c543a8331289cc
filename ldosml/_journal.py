"""Results line by line on disk, so that interrupted work continues where it stopped."""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

Record = dict[str, Any]
"""One result: numbers, texts, and lists of them."""

_ABSENT = object()
_LINE = re.compile(rb'(\{.+), "crc32": "([0-9a-f]{8})"\}', re.DOTALL)


class JournalError(ValueError):
    """A file that is not the log of this work; ``reason`` says why not."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} {reason}. Use another file to start again.")
        self.reason = reason


class Journal:
    """Records by their keys, in memory, and in a file of JSON lines if ``path`` is given.

    Each line ends with the checksum of the rest of it.

    Parameters
    ----------
    path : path, optional
        The log. Its first line describes the work; each other line is a record. None: in memory only.
    work : str
        The kind of work, for messages.
    header : mapping
        Data, settings and seed; they must be equal for two runs to share a log.
    key : sequence of str
        The entries that identify a record.

    Raises
    ------
    JournalError
        When the file is not the log of such work, or belongs to other work.
    ValueError
        When a record in the file is damaged; the message says which line.
    OSError
        When the file cannot be read or written.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None, work: str, header: Mapping[str, Any], key: Sequence[str]
    ) -> None:
        self._path = None if path is None else Path(path)
        self._work, self._key = work, tuple(key)
        self._records: dict[tuple[Any, ...], Record] = {}
        if self._path is not None:
            self._open(self._path, {"format": f"ldosml {work}", **header})

    def find(self, **key: Any) -> Record | None:
        """Return the record with these entries, or None."""
        return self._records.get(tuple(key[name] for name in self._key))

    def add(self, record: Record) -> None:
        """Keep a record; it is on disk when this returns."""
        self._keep(record)
        if self._path is not None:
            _append(self._path, record)

    def _keep(self, record: Record) -> None:
        self._records[tuple(record[name] for name in self._key)] = record

    def _open(self, path: Path, header: Mapping[str, Any]) -> None:
        content = path.read_bytes() if path.exists() else b""
        # A last line without its line break was cut by a kill; its record is computed again.
        whole = content[: content.rfind(b"\n") + 1]
        lines = whole.split(b"\n")[:-1]
        wanted: Record = json.loads(json.dumps(header, default=_plain))  # a tuple comes back as a list
        if content:
            self._check_header(path, lines[0] if lines else None, content, wanted)
        for number, line in enumerate(lines[1:], 2):
            try:
                self._keep(_entry(line))
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(
                    f"{path}: line {number} is damaged ({error}). Delete this line: only its result is computed again."
                ) from error
        if len(whole) < len(content):
            with path.open("r+b") as file:
                file.truncate(len(whole))
        if not lines:
            _append(path, wanted)

    def _check_header(self, path: Path, line: bytes | None, content: bytes, header: Record) -> None:
        """Raise JournalError unless the first line, or what a kill left of it, is this header."""
        if line is None and _line(header).startswith(content):
            return
        try:
            found = _entry(content if line is None else line)
        except ValueError as error:
            raise JournalError(
                path, f"is not the log of a {self._work}, or its first line is damaged ({error})"
            ) from error
        if found.get("format") != header["format"]:
            raise JournalError(path, f"is not the log of a {self._work}, but of other work ({found.get('format')!r})")
        if found != header:
            differing = [key for key in {**header, **found} if found.get(key, _ABSENT) != header.get(key, _ABSENT)]
            raise JournalError(path, f"is the log of another {self._work}: {', '.join(differing)} differ")


def _plain(value: Any) -> Any:
    """Convert NumPy numbers and arrays to plain numbers and lists, for JSON."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"A journal cannot keep a {type(value).__name__}: {value!r}.")


def _line(entry: Mapping[str, Any]) -> bytes:
    """An entry as a line, which ends with the checksum of the rest."""
    text = json.dumps(entry)[:-1].encode()
    return text + f', "crc32": "{zlib.crc32(text):08x}"}}\n'.encode()


def _entry(line: bytes) -> Record:
    """The entry of a line without its line break; ValueError where it is not as it was written."""
    parts = _LINE.fullmatch(line)
    if parts is None:
        raise ValueError("not a JSON object that ends with its checksum")
    if zlib.crc32(parts[1]) != int(parts[2], 16):
        raise ValueError("differs from its checksum")
    return dict(json.loads(parts[1] + b"}"))


def _append(path: Path, entry: Mapping[str, Any]) -> None:
    try:
        with path.open("ab", buffering=0) as file:
            _write_whole(file, _line(entry))
            os.fsync(file.fileno())
    except OSError as error:
        why = f"{error.strerror or error}; what was done before is kept, and the same call goes on with it"
        raise OSError(error.errno, why, str(path)) from error


def _write_whole(file: BinaryIO, line: bytes) -> None:
    """Write a line, or nothing of it."""
    start = file.seek(0, os.SEEK_END)
    try:
        for place in iter(lambda: file.tell() - start, len(line)):
            file.write(line[place:])
    except OSError:
        file.truncate(start)
        raise
