"""Numbers of atoms that structure files declare, against their sizes: readers go on past the end of a file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ase.io.formats import open_with_compression

from ldosml.file_sizes import COMPRESSED, most_unpacked

_HEAD = 20_000  # characters of a file in which its number of atoms is
_FRAMES, _FRAME = 200_000, 100  # frames that any file may hold, and bytes of one in larger files
_AFTER = "ITEM: NUMBER OF ATOMS"

# Where formats have the number of atoms, or of each element.
_POSCAR = r"\A(?:.*\n){5,6}?[ \t]*(\d+(?:[ \t]+\d+)*)[ \t]*$"
_PLACES = {
    "cfg": r"^Number of particles\s*=\s*(\d+)",
    "cube": r"\A(?:.*\n){2}\s*-?(\d+)",
    "gen": r"\A\s*(\d+)",
    "gromacs": r"\A.*\n\s*(\d+)",
    "lammps-data": r"^\s*(\d+)\s+atoms",
    "vasp": _POSCAR,
    "vasp-xdatcar": _POSCAR,
    "xsf": r"^\s*PRIMCOORD.*\n\s*(\d+)",
}


def check_atom_counts(path: str | os.PathLike[str], kind: str) -> None:
    """Refuse a file that declares more atoms than it has bytes.

    Parameters
    ----------
    path : path
    kind : str
        Format in ASE's words. Formats without a number of atoms pass.

    Raises
    ------
    ValueError
        When it does, or holds hundreds of thousands of frames without much in them; the message has the numbers.
    """
    file = Path(path)
    most = most_unpacked(file) if file.suffix in COMPRESSED else os.path.getsize(file)
    frames = max(_FRAMES, most // _FRAME)
    for number, count in enumerate(_counts(file, kind)):
        if number == frames:
            raise ValueError(f"it holds more than {frames:,} frames, which take minutes to read. Cut it into parts")
        if count > most:
            raise ValueError(
                f"it declares {count:,} atoms, more than its {most:,} bytes can hold. Correct the number of atoms, or "
                "copy the file again"
            )


def _counts(file: Path, kind: str) -> Iterator[int]:
    """Numbers of atoms of all frames, or in the head of the file."""
    if kind not in (*_PLACES, "xyz", "extxyz", "lammps-dump-text"):
        return
    with open_with_compression(os.fspath(file), "rt") as opened:
        if kind in _PLACES:
            for found in re.finditer(_PLACES[kind], opened.read(_HEAD), re.MULTILINE):
                yield sum(map(int, found[1].split()))
        elif kind == "lammps-dump-text":
            yield from (int(next(opened)) for line in opened if line.startswith(_AFTER))
        else:
            yield from _xyz_counts(opened)


def _xyz_counts(lines: Iterator[str]) -> Iterator[int]:
    for line in lines:
        if not line.strip().isdigit():  # the end, cell vectors, or a fault that the reader tells
            continue
        count = int(line)
        yield count
        for _ in range(count + 1):
            if next(lines, None) is None:
                return
