"""Structures in the files of other programs."""

from __future__ import annotations

import os
from pathlib import Path

import ase.io
from ase import Atoms
from ase.io import ParseError
from ase.io.formats import UnknownFileTypeError

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


def read_structures(path: str | os.PathLike[str]) -> list[Atoms]:
    """Read all frames of a file in a format that ASE knows.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When ASE cannot read it, or it holds no structure.
    """
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
