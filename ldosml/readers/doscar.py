"""DOSCAR, as VASP writes it and LOBSTER after it: a block of the total DOS, then one of each atom."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ldosml.readers._text import numbers, read_lines
from ldosml.readers.run import Floats, ReaderError

_HEADER = 5  # lines before the first block
_HEADER_WORDS = 5  # highest and lowest energy, number of energies, Fermi level, 1
_SPINORS = (12, 36, 64)  # columns of s p d, or of each orbital up to d or f, with three of the magnetisation each


@dataclass(frozen=True, eq=False)
class Doscar:
    """Content of a DOSCAR.

    Parameters
    ----------
    energies : array (n_energies,)
        eV.
    total, integrated : array (n_spins, n_energies)
        states/eV and electrons.
    atoms : array (n_blocks, n_spins, n_energies) or None
        states/eV/atom.
    fermi_energy : float
        eV, as the header says.
    spinor : bool
        The DOS is of spinors.
    """

    energies: Floats
    total: Floats
    integrated: Floats
    atoms: Floats | None
    fermi_energy: float
    spinor: bool


def read_doscar(path: Path) -> Doscar:
    """Read the blocks of a DOSCAR.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Doscar

    Raises
    ------
    ReaderError
        When the file is cut off, or holds no DOS.
    """
    lines = read_lines(path)
    if len(lines) < _HEADER + 2:
        raise ReaderError(f"{path} holds no DOS: it has {len(lines)} lines. Did the run end?")
    first = numbers(path, lines[0], "numbers of ions")
    n_atoms, components = int(first[0]), int(first[3]) if len(first) > 3 else 0
    size, fermi = _block_header(path, lines[_HEADER])
    blocks: list[Floats] = []
    for place in range(_HEADER, len(lines), size + 1):
        rows = lines[place + 1 : place + 1 + size]
        if not any(row.strip() for row in rows):
            break
        if len(rows) < size:
            raise ReaderError(
                f"{path} is cut off in block {len(blocks)} of {n_atoms + 1}: {len(rows)} of {size} energies are there."
            )
        blocks.append(numbers(path, " ".join(rows), "densities").reshape(size, -1))
    total = blocks[0].T
    if len(total) not in (3, 5):
        raise ReaderError(f"{path} must hold 3 columns of a total DOS, or 5 with spins; it has {len(total)}.")
    n_spins = 2 if len(total) == 5 else 1
    if len(blocks) not in (1, n_atoms + 1):
        raise ReaderError(f"{path} is cut off: it holds blocks of {len(blocks) - 1} of {n_atoms} atoms.")
    columns = blocks[1].shape[1] - 1 if len(blocks) > 1 else 0
    spinor = n_spins == 1 and (components == 4 or columns in _SPINORS)
    atoms = None
    if columns:
        # Columns of spin up and down, or of the density and three of the magnetisation, follow one another.
        stride = 4 if spinor else n_spins
        atoms = np.array([[block[:, 1 + s :: stride].sum(axis=1) for s in range(n_spins)] for block in blocks[1:]])
    return Doscar(total[0], total[1 : 1 + n_spins], total[1 + n_spins :], atoms, fermi, spinor)


def _block_header(path: Path, line: str) -> tuple[int, float]:
    """Number of energies and Fermi level: columns of 16, 16, 5 and 16 characters, which may touch one another."""
    words = line.split()
    if len(words) == _HEADER_WORDS:
        found = numbers(path, words[2:4], "a header")
    else:
        found = numbers(path, [line[32:37], line[37:53]], "a header")
    return int(found[0]), float(found[1])
