"""What a search has found, line by line on disk, so that a killed one goes on where it stopped."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ldosml.datasets import LDOSDataset

Record = dict[str, Any]
"""One judged candidate: plain numbers and texts."""

_KEY = ("descriptor", "regressor", "n_structures")


class SearchLog:
    """Records by candidate and number of structures, in memory, and in a file of JSON lines where one is named.

    Parameters
    ----------
    path : path, optional
        Its first line says of which search it is; the others are records.
    header : mapping
        What makes two searches comparable: data, energies, seed.

    Raises
    ------
    ValueError
        When the file is no such log, or belongs to another search.
    OSError
        When it cannot be read or written.
    """

    def __init__(self, path: str | os.PathLike[str] | None, header: Mapping[str, Any]) -> None:
        self._path = None if path is None else Path(path)
        self._records: dict[tuple[Any, ...], Record] = {}
        if self._path is not None:
            self._open(self._path, {"format": "ldosml search", **header})

    def find(self, **key: Any) -> Record | None:
        """The record of a descriptor, a regressor and a number of structures, if there is one."""
        return self._records.get(tuple(key[name] for name in _KEY))

    def add(self, record: Record) -> None:
        """Keep a record; it is on disk when this returns."""
        self._keep(record)
        if self._path is not None:
            _append(self._path, record)

    def _keep(self, record: Record) -> None:
        self._records[tuple(record[name] for name in _KEY)] = record

    def _open(self, path: Path, header: Mapping[str, Any]) -> None:
        content = path.read_bytes() if path.exists() else b""
        # Without its line break the last line was cut by a kill; what it said is found again.
        whole = content[: content.rfind(b"\n") + 1]
        try:
            lines = [json.loads(line) for line in whole.decode().splitlines()]
            found = lines[0] if lines else None
            for record in lines[1:]:
                self._keep(record)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is not the log of a search, or damaged: {error}. Name another file.") from error
        if content and found is None and not json.dumps(header).encode().startswith(content):
            raise ValueError(f"{path} is not the log of a search. Name another file.")
        if found is not None and found != header:
            differing = [key for key in header if not isinstance(found, dict) or found.get(key) != header[key]]
            raise ValueError(
                f"{path} is the log of another search: {', '.join(differing)} differ. Name another file to begin anew."
            )
        if len(whole) < len(content):
            with path.open("r+b") as file:
                file.truncate(len(whole))
        if found is None:
            _append(path, header)


def _append(path: Path, entry: Mapping[str, Any]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(entry) + "\n")
        file.flush()
        os.fsync(file.fileno())


def fingerprint(data: LDOSDataset) -> str:
    """Give a short text that other structures, groups or spectra would not have."""
    assert data.ldos is not None  # the caller has checked it
    digest = hashlib.sha256("\0".join([*data.groups, str(data.grid)]).encode())
    for atoms in data.structures:
        for part in (atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc):
            digest.update(np.ascontiguousarray(part).tobytes())
    digest.update(np.ascontiguousarray(data.ldos.values).tobytes())
    return digest.hexdigest()[:16]


def as_csv(records: Sequence[Record]) -> str:
    """The records as a table, a column for each of the first one's entries."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()
