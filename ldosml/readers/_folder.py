"""Files that lie beside the main file of a run."""

from __future__ import annotations

from pathlib import Path

from ase import Atoms

from ldosml.file_sizes import COMPRESSED
from ldosml.readers.run import ReaderError
from ldosml.structure_files import read_structures


def beside(path: Path, *names: str) -> Path | None:
    """The first file of these names in the folder of ``path`` that is not empty, plain or compressed."""
    for name in names:
        for ending in ("", *COMPRESSED):
            found = path.with_name(name + ending)
            if found.is_file() and found.stat().st_size:
                return found
    return None


def structure_beside(path: Path, *names: str) -> Atoms:
    """Structure of the first such file.

    Raises ReaderError where there is none, or it cannot be read.
    """
    found = beside(path, *names)
    if found is None:
        raise ReaderError(f"{path} holds no structure, and beside it there is no {' or '.join(names)}.")
    try:
        return read_structures(found)[-1]
    except ValueError as error:
        raise ReaderError(str(error)) from error
