"""Rows of LDOS that are still in a dataset file."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ldosml._validation import check_finite
from ldosml.energy import EnergyGrid
from ldosml.resources import require_memory


@dataclass(frozen=True, eq=False)
class StoredLDOS:
    """Rows of the field ``ldos`` of a dataset file, not loaded yet.

    Parameters
    ----------
    path : Path
        The HDF5 file.
    grid : EnergyGrid
    smearing_width : float or None
        eV.
    offsets : array (n_structures of the file + 1,) of int
        Where each structure's rows begin in the file.
    chosen : array (n_structures,) of int
        The structures to load, in this order.
    stamp : tuple of int
        What ``file_stamp`` gave when the file was checked.
    """

    path: Path
    grid: EnergyGrid
    smearing_width: float | None
    offsets: NDArray[np.int64]
    chosen: NDArray[np.int64]
    stamp: tuple[int, int]

    @property
    def n_atoms(self) -> NDArray[np.int64]:
        """Number of atoms of each chosen structure, (n_structures,)."""
        return np.diff(self.offsets)[self.chosen]

    def __len__(self) -> int:
        """Count the rows."""
        return int(self.n_atoms.sum())

    def select(self, structures: NDArray[np.int64]) -> StoredLDOS:
        """Keep some of the chosen structures, without loading their rows.

        Parameters
        ----------
        structures : array (n_selected,) of int
            Places among the chosen structures.
        """
        return replace(self, chosen=self.chosen[structures])

    def load(self) -> NDArray[np.float64]:
        """Read the rows of the chosen structures.

        Returns
        -------
        array (n_environments, n_energies)
            states/eV/atom; float32 in the file, float64 in memory, as every calculation needs them.

        Raises
        ------
        ValueError
            When the file changed after it was checked, is damaged, or holds values that are not finite.
        OSError
            When the file is gone.
        MemoryError
            When the rows do not fit into the free memory; before they are read.
        """
        size = 12 * len(self) * self.grid.size  # float32 as they are read, then float64
        require_memory(f"The LDOS of {self.path}", size, "Load fewer structures at a time: data[indices].ldos.")
        if file_stamp(self.path) != self.stamp:
            raise ValueError(f"{self.path} changed after it was opened, and its rows may have moved. Load it again.")
        try:
            with h5py.File(self.path, "r") as file:
                values = self._read_rows(file)
        except (OSError, KeyError, RuntimeError, ValueError) as error:
            raise ValueError(f"The field 'ldos' of {self.path} is damaged: {error}. Copy the file again.") from error
        check_finite(f"The field 'ldos' of {self.path}", values)
        return values

    def _read_rows(self, file: h5py.File) -> NDArray[np.float64]:
        values = np.empty((len(self), self.grid.size))
        place = 0
        # Neighbouring structures are read in one piece: HDF5 is slow at picking single rows.
        for run in np.split(self.chosen, np.flatnonzero(np.diff(self.chosen) != 1) + 1):
            first, last = int(self.offsets[run[0]]), int(self.offsets[run[-1] + 1])
            values[place : place + last - first] = stored_rows(file, "ldos", first, last)
            place += last - first
        return values


def stored_rows(file: h5py.File, name: str, first: int, last: int) -> NDArray[Any]:
    """Read rows ``first`` to ``last`` of a field, (n, n_energies), as stored.

    Raises ValueError when a row differs from its checksum.
    """
    values: NDArray[Any] = file[name][first:last]
    check_rows(file, name, first, values)
    return values


def check_rows(file: h5py.File, name: str, first: int, values: NDArray[Any]) -> None:
    """Raise ValueError when rows of a field differ from their checksums, in the field ``NAME_crc32``, if it has any."""
    sums = file.get(f"{name}_crc32")
    if sums is None:
        return
    wrong = sums[first : first + len(values)] != row_checksums(values)
    if wrong.any():
        row = first + int(np.argmax(wrong))
        raise ValueError(f"row {row} of the field {name!r} differs from its checksum")


def row_checksums(values: NDArray[Any]) -> NDArray[np.uint32]:
    """CRC-32 of each row of an array (n, n_energies): (n,)."""
    return np.array([zlib.crc32(row.data) for row in np.ascontiguousarray(values)], dtype=np.uint32)


def file_stamp(path: Path) -> tuple[int, int]:
    """Give the time of the last change (ns) and the size of a file, which tell whether it is still the same."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size
