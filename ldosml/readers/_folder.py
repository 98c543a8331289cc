"""Files that lie beside the main file of a run."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import ase.io
from ase import Atoms

from ldosml.readers._text import COMPRESSED
from ldosml.readers.run import ReaderError


def beside(path: Path, *names: str) -> Path | None:
    """The first file of these names in the folder of ``path`` that is not empty, plain or compressed."""
    for name in names:
        for ending in ("", *COMPRESSED):
            found = path.with_name(name + ending)
            if found.is_file() and found.stat().st_size:
                return found
    return None


def structure_beside(path: Path, *names: str, format: str | None = None) -> Atoms:
    """Structure of the first such file.

    Raises ReaderError where there is none, or it cannot be read.
    """
    found = beside(path, *names)
    if found is None:
        raise ReaderError(f"{path} holds no structure, and beside it there is no {' or '.join(names)}.")
    try:
        return cast(Atoms, ase.io.read(found, format=format, do_not_split_by_at_sign=True))
    except Exception as error:  # ASE's readers raise anything
        raise ReaderError(f"{found} cannot be read as a structure ({type(error).__name__}: {error}).") from error
