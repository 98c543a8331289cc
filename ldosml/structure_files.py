"""Structures in the files of other programs."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.io import ParseError
from ase.io.formats import UnknownFileTypeError, filetype
from ase.utils import string2index

from ldosml._validation import shorten
from ldosml.structure_checks import check_formula, check_sites

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
    """Read frames of a file in a format that ASE knows.

    Parameters
    ----------
    path : path
        All frames of a file. Or some of them, in ASE's syntax: ``run.traj@-1`` is the last frame, ``run.traj@10:`` all
        from frame 10 on, ``run.traj@0:100:5`` every fifth of the first hundred. Frames are counted from 0. A file whose
        own name is ``path`` goes first, so a name may hold an @.

    Returns
    -------
    list of ase.Atoms

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When ASE cannot read it, it holds no structure, or the index is malformed or selects none; when sites are shared
        or partly occupied, atoms are closer than 0.5 angstrom, or a CIF states another number of atoms than it has.
    """
    return list(read_frames(path).values())


def read_frames(path: str | os.PathLike[str]) -> dict[int, Atoms]:
    """Read structures as ``read_structures`` does.

    Parameters
    ----------
    path : path
        A file, perhaps with an index.

    Returns
    -------
    dict of int to ase.Atoms
        By their place in the file, from 0.

    Raises
    ------
    FileNotFoundError, ValueError
        As ``read_structures``.
    """
    file, index = split_index(path)
    if not file.is_file():
        raise FileNotFoundError(f"There is no structure file {file}.")
    wanted = _parsed(os.fspath(path), index)
    frames = _read(file)
    if not frames:
        raise ValueError(f"{file} holds no structures.")
    try:
        places = range(len(frames))[wanted]
    except IndexError as error:
        raise ValueError(f"{os.fspath(path)}: {_holds(file, len(frames))}; there is no frame {wanted}.") from error
    chosen = [places] if isinstance(places, int) else places
    if not chosen:
        raise ValueError(f"{os.fspath(path)}: {_holds(file, len(frames))}; {index} selects none of them.")
    found = {place: frames[place] for place in chosen}
    if file.suffix.lower() == ".cif":
        check_formula(file, frames)
    _refuse_types(file, frames[0])
    one = len(frames) == 1
    check_sites(found.values(), [str(file) if one else f"{file}, frame {place}," for place in found])
    return found


def _refuse_types(file: Path, atoms: Atoms) -> None:
    """Raise ValueError where ASE took LAMMPS's numbers of types for atomic numbers."""
    types = atoms.arrays.get("type")
    if types is not None and np.array_equal(types, atoms.numbers):
        raise ValueError(
            f"{file} holds numbers of types ({', '.join(map(str, np.unique(types)))}), not elements. In LAMMPS, add "
            "the column element to the dump and name the elements by dump_modify; or read the file in Python, set the "
            "elements, and write it as extended XYZ."
        )


def split_index(path: str | os.PathLike[str]) -> tuple[Path, str]:
    """The file and the index of frames in it.

    Parameters
    ----------
    path : path
        A file, perhaps with an index after an @.

    Returns
    -------
    pathlib.Path, str
        The index is ":" where there is none: all frames.

    Examples
    --------
    >>> split_index("run.traj@10:")
    (PosixPath('run.traj'), '10:')
    """
    text = os.fspath(path)
    name, at, index = Path(text).name.rpartition("@")
    if not at or not name or Path(text).is_file():
        return Path(text), ":"
    return Path(text).with_name(name), index


def _parsed(path: str, index: str) -> int | slice:
    try:
        parsed = string2index(index)
        if isinstance(parsed, str):
            raise ValueError("a name, not a place")
        if isinstance(parsed, slice):
            range(1)[parsed]  # refuses a step of 0
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: {index!r} after the @ is no index of frames. Give one frame as @3 or @-1, or a range as @10:, "
            "@:100 or @0:100:5, counted from 0."
        ) from error
    return parsed


def _holds(file: Path, count: int) -> str:
    return f"{file} holds 1 frame, number 0" if count == 1 else f"{file} holds {count} frames, from 0 to {count - 1}"


def _read(file: Path) -> list[Atoms]:
    try:
        return list(ase.io.read(file, index=":", do_not_split_by_at_sign=True))
    except _READER_ERRORS as error:
        reason = ": ".join(filter(None, (type(error).__name__, str(error))))
        raise ValueError(
            f"{file} cannot be read as structures ({reason}). {_where(file)}"
            "Give a file that ase.io.read understands, such as extended XYZ."
        ) from error


class _CountedLines(io.StringIO):
    """A text that knows how many lines were read of it, and the last one."""

    count, last = 0, ""

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]  # as typeshed has it for text
        return self._counted(super().readline(-1 if size is None else size))

    def __next__(self) -> str:  # type: ignore[override]  # as typeshed has it for text
        return self._counted(super().__next__())

    def _counted(self, line: str) -> str:
        if line:
            self.count, self.last = self.count + 1, line.rstrip("\n")
        return line


def _where(file: Path) -> str:
    """The line at which ASE's reader stops, in a sentence; empty where that is not known."""
    try:
        kind = filetype(file)
        text = _CountedLines(file.read_text())
    except (*_READER_ERRORS, UnicodeDecodeError):
        return ""
    with suppress(*_READER_ERRORS):
        list(ase.io.read(text, index=":", format=kind))
    if not text.count:
        return ""
    ended = "" if text.read(1) else ", the last one"
    where = f"It was read as {kind!r}, up to line {text.count}: {shorten(text.last)}{ended}. "
    return where + (_POSCAR if kind == "vasp" else "")


_POSCAR = (
    "A POSCAR has a comment, a scale, three vectors, elements, their numbers, Direct or Cartesian, and a line for each "
    "atom; velocities follow after an empty line: leave them out. "
)
