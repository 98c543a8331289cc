"""Results line by line on disk, so that interrupted work continues where it stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

Record = dict[str, Any]
"""One result: numbers, texts, and lists of them."""

_ABSENT = object()


class JournalError(ValueError):
    """A file that is not the log of this work; ``reason`` says why not."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} {reason}. Use another file to start again.")
        self.reason = reason


class Journal:
    """Records by their keys, in memory, and in a file of JSON lines if ``path`` is given.

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
        try:
            lines = [json.loads(line) for line in whole.decode().splitlines()]
            found = lines[0] if lines else None
            for record in lines[1:]:
                self._keep(record)
        except (ValueError, KeyError, TypeError) as error:
            raise JournalError(path, f"is not the log of a {self._work}, or damaged: {error}") from error
        header = json.loads(json.dumps(header, default=_plain))  # a tuple comes back as a list
        if content and found is None and not json.dumps(header).encode().startswith(content):
            raise JournalError(path, f"is not the log of a {self._work}")
        if found is not None and found != header:
            kept = found if isinstance(found, dict) else {}
            differing = [key for key in {**header, **kept} if kept.get(key, _ABSENT) != header.get(key, _ABSENT)]
            raise JournalError(path, f"is the log of another {self._work}: {', '.join(differing)} differ")
        if len(whole) < len(content):
            with path.open("r+b") as file:
                file.truncate(len(whole))
        if found is None:
            _append(path, header)


def _plain(value: Any) -> Any:
    """Convert NumPy numbers and arrays to plain numbers and lists, for JSON."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"A journal cannot keep a {type(value).__name__}: {value!r}.")


def _append(path: Path, entry: Mapping[str, Any]) -> None:
    try:
        with path.open("ab", buffering=0) as file:
            _write_whole(file, (json.dumps(entry) + "\n").encode())
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
