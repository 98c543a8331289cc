"""A prediction in its file: the DOS at once, the LDOS of the atoms that are asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from ldosml._validation import check_finite
from ldosml.datasets import LDOSDataset
from ldosml.energy import EnergyGrid
from ldosml.spectra import DOS, LDOS
from ldosml.stored_ldos import stored_rows


@dataclass(frozen=True, eq=False)
class Prediction:
    """LDOS and DOS of structures, in the file that ``predict_to`` has written; made by ``load``.

    Parameters
    ----------
    path : Path
    data : LDOSDataset
        The file as a dataset. ``data.ldos`` is the LDOS of all atoms, loaded when it is asked for.
    """

    path: Path
    data: LDOSDataset

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Open a file that ``predict_to`` has written, without reading the LDOS.

        Parameters
        ----------
        path : path
            The file, .h5.

        Returns
        -------
        Prediction

        Raises
        ------
        FileNotFoundError
            When there is no such file; the message says so if it is there unfinished.
        ValueError
            When it is unfinished, damaged, or not a prediction.
        """
        path = Path(path)
        part = path.with_name(path.name + ".part")
        if not path.exists() and part.exists():
            raise FileNotFoundError(f"{path} is not complete yet: {part} is there. Call predict_to again to finish it.")
        if path.suffix == ".part":
            raise ValueError(f"{path} is not complete yet. Call predict_to again to finish it.")
        data = LDOSDataset.load(path)
        with h5py.File(path, "r") as file:
            if "prediction" not in file.attrs:
                raise ValueError(f"{path} is a dataset that predict_to has not written. Open it with LDOSDataset.load.")
        return cls(path, data)

    @property
    def grid(self) -> EnergyGrid:
        """The energies, eV, with their zero."""
        return self.data.grid

    @property
    def structures(self) -> list[Atoms]:
        """The structures."""
        return self.data.structures

    @property
    def n_electrons(self) -> NDArray[np.float64]:
        """Valence electrons of each structure, NaN where the model does not know."""
        return self.data.n_electrons

    @property
    def provenance(self) -> dict[str, Any]:
        """What made it."""
        return self.data.provenance

    @cached_property
    def dos(self) -> DOS:
        """The DOS of every structure, states/eV; the properties of :mod:`ldosml.properties` follow from it."""
        return self.data.dos

    def ldos(self, atoms: Sequence[int] | NDArray[np.int64], structure: int = 0) -> LDOS:
        """Read the LDOS of some atoms of one structure.

        Parameters
        ----------
        atoms : sequence of int
            Indices of the atoms in the structure, in the order wanted.
        structure : int
            Index of the structure.

        Returns
        -------
        LDOS
            (n_chosen, n_energies), states/eV/atom.

        Raises
        ------
        IndexError
            When there is no such structure or atom.
        ValueError
            When the file is damaged.
        """
        if not 0 <= structure < len(self.data):
            raise IndexError(f"structure must lie in 0..{len(self.data) - 1}; got {structure}.")
        chosen = np.asarray(atoms, dtype=np.int64).reshape(-1)
        count = int(self.data.n_atoms[structure])
        outside = chosen[(chosen < 0) | (chosen >= count)]
        if outside.size:
            raise IndexError(f"Atoms of structure {structure} are 0..{count - 1}; got {int(outside[0])}.")
        try:
            values = self._rows(chosen + int(self.data.n_atoms[:structure].sum()))
        except (OSError, KeyError, RuntimeError, ValueError) as error:
            raise ValueError(f"The field 'ldos' of {self.path} is damaged: {error}. Copy the file again.") from error
        check_finite(f"The field 'ldos' of {self.path}", values)
        numbers = self.structures[structure].numbers[chosen]
        index = np.zeros(len(chosen), dtype=np.int64)
        return LDOS(self.grid, values, self.data.smearing_width, structure_index=index, numbers=numbers)

    def _rows(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        distinct, places = np.unique(rows, return_inverse=True)
        with h5py.File(self.path, "r") as file:
            values = np.empty((len(distinct), self.grid.size))
            start = 0
            for run in np.split(distinct, np.flatnonzero(np.diff(distinct) != 1) + 1):
                values[start : start + len(run)] = (
                    stored_rows(file, "ldos", int(run[0]), int(run[-1]) + 1) if len(run) else 0.0
                )
                start += len(run)
        return values[places]
