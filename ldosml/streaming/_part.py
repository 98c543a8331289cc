"""A prediction that is being written: rows in any order, each marked when it is on disk."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from ldosml._array import to_numpy
from ldosml._files import replacing, take_name
from ldosml._seal import check_seal, seal
from ldosml.dataset_file import serialised
from ldosml.datasets import LDOSDataset
from ldosml.datasets.fields import fields_of
from ldosml.energy import EnergyGrid
from ldosml.spectra import DOS
from ldosml.stored_ldos import row_checksums
from ldosml.streaming._sparse_buffer import SparseBuffer

_FIELDS = ("ldos", "ldos_crc32", "dos", "dos_crc32", "done")
_CHECKPOINT = 1.0  # seconds between two marks: what a kill costs at most
_BLOCK = 2**22  # numbers read at a time to be summed


class PartialPrediction:
    """The file that holds a prediction until it is complete.

    HDF5 cannot promise that a file whose fields change survives a kill. So all fields are laid out in advance, without
    chunks or compression, and only their bytes are written afterwards. ``done`` (n_environments,) marks the rows that
    are there; while some are not, ``dos`` holds NaN, which no reader takes for a spectrum. ``ldos_crc32``
    (n_environments,) and ``dos_crc32`` (n_structures,) are checksums of the rows. HDF5 itself only reads the file:
    on a full disk it cannot close one that it writes. Hold ``_files.sole_writer`` of the file while it is open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            check_seal(path)
            self._file = h5py.File(path, "r")
        except BlockingIOError as error:
            raise BlockingIOError(f"{path} is being written by another process. Wait for it.") from error
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} is damaged ({error}). Delete it to start anew.") from error
        try:
            self.facts: dict[str, Any] = json.loads(self._file.attrs["prediction"])
            self._fields = {name: self._file[name] for name in _FIELDS}
            self._places = {name: int(field.id.get_offset()) for name, field in self._fields.items()}
        except (KeyError, TypeError, ValueError) as error:
            self._file.close()
            raise ValueError(f"{path} is not an unfinished prediction ({error}). Choose another name.") from error
        self.done: NDArray[np.uint8] = self._fields["done"][()]
        self._bytes = open(path, "r+b")  # noqa: SIM115  closed by __exit__
        self._pending: list[NDArray[np.int64]] = []
        self._saved = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        with ExitStack() as stack:  # each runs whatever the others raise
            stack.callback(self._remove_if_empty)
            stack.callback(self._file.close)
            stack.callback(self._bytes.close)
            if self._pending:
                self.checkpoint()

    def _remove_if_empty(self) -> None:
        if not self.done.any():
            self.path.unlink(missing_ok=True)

    def differences(self, structures: Sequence[Atoms], parts: Mapping[str, str]) -> list[str]:
        """Name what differs from a prediction of these structures by a model with the fingerprint ``parts``."""
        theirs = self.facts["fingerprint"]
        found = [f"the model's {name}" for name in sorted({*theirs, *parts}) if theirs.get(name) != parts.get(name)]
        if self._file["offsets"][()].tolist() != _offsets(structures).tolist():
            return [*found, "the number of structures or of their atoms"]
        stored = {name: self._file[name][()] for name in ("numbers", "positions", "cell", "pbc")}
        return found + [name for name, ours in _arrays(structures).items() if not np.array_equal(stored[name], ours)]

    def write(self, rows: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        """Write the LDOS ``values`` (n, n_energies) of the environments ``rows`` (n,), ascending."""
        runs = np.flatnonzero(np.diff(rows) != 1) + 1
        width = values.dtype.itemsize * values.shape[1]
        with self._writing():
            for run, block in zip(np.split(rows, runs), np.split(values, runs), strict=True):
                stored = np.ascontiguousarray(block, dtype="<f4")
                self._bytes.seek(self._places["ldos"] + int(run[0]) * width)
                self._bytes.write(stored.data)
                self._bytes.seek(self._places["ldos_crc32"] + int(run[0]) * 4)
                self._bytes.write(row_checksums(stored).astype("<u4").data)
        self._pending.append(rows)
        if time.monotonic() - self._saved >= _CHECKPOINT:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Mark what was written, once it is on disk."""
        with self._writing():
            self._sync()
            self.done[np.concatenate(self._pending)] = 1
            self._bytes.seek(self._places["done"])
            self._bytes.write(self.done.data)
            self._sync()
        self._pending, self._saved = [], time.monotonic()

    def finish(self, path: Path, overwrite: bool) -> None:
        """Add up the DOS of what the file holds and give the file its name, as ``_files.take_name``."""
        if self._pending:
            self.checkpoint()
        offsets, (_, size) = self._file["offsets"][()], self._fields["ldos"].shape
        dos = np.stack([self._sum(int(a), int(b), size) for a, b in pairwise(offsets)])
        with self._writing():
            self._bytes.seek(self._places["dos"])
            self._bytes.write(dos.astype("<f8").data)
            self._bytes.seek(self._places["dos_crc32"])
            self._bytes.write(row_checksums(dos.astype("<f8")).astype("<u4").data)
            self._sync()
        take_name(self.path, path, overwrite)

    def _sum(self, start: int, stop: int, size: int) -> NDArray[np.float64]:
        total = np.zeros(size)
        for first in range(start, stop, max(1, _BLOCK // size)):
            count = min(max(1, _BLOCK // size), stop - first) * size
            self._bytes.seek(self._places["ldos"] + 4 * first * size)
            rows = np.frombuffer(self._bytes.read(4 * count), dtype="<f4").reshape(-1, size)
            self._bytes.seek(self._places["ldos_crc32"] + 4 * first)
            sums = np.frombuffer(self._bytes.read(4 * len(rows)), dtype="<u4")
            wrong = sums != row_checksums(rows)
            if wrong.any():
                row = first + int(np.argmax(wrong))
                raise ValueError(f"{self.path}: row {row} differs from its checksum. Delete the file to start anew.")
            total += rows.sum(axis=0, dtype=np.float64)
        return total

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            why = f"{error.strerror or error}; what was computed stays, and the same call goes on with it"
            raise OSError(error.errno, why, str(self.path)) from error

    def _sync(self) -> None:
        self._bytes.flush()
        os.fsync(self._bytes.fileno())


def create(
    path: Path,
    structures: Sequence[Atoms],
    grid: EnergyGrid,
    smearing_width: float | None,
    n_electrons: NDArray[np.float64] | None,
    provenance: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> None:
    """Lay out the file of a prediction: a dataset file with all rows still to come."""
    n_atoms = np.diff(_offsets(structures))
    nothing = DOS(grid, np.zeros((len(structures), grid.size)), smearing_width, n_atoms)
    data = LDOSDataset.from_arrays(
        structures,
        grid.energies,
        dos=to_numpy(nothing.values),
        zero=grid.zero,
        n_electrons=n_electrons,
        smearing_width=smearing_width,
        provenance=provenance,
    )
    laid_out = SparseBuffer(serialised(fields_of(replace(data, stored_dos=nothing))).getvalue())
    with h5py.File(laid_out, "r+") as file:
        del file["dos"]
        _lay_out(file, "ldos", (int(n_atoms.sum()), grid.size), "<f4")
        _lay_out(file, "ldos_crc32", (int(n_atoms.sum()),), "<u4")
        _lay_out(file, "dos", nothing.values.shape, "<f8")[...] = np.nan
        _lay_out(file, "dos_crc32", (len(structures),), "<u4")[...] = 0
        _lay_out(file, "done", (int(n_atoms.sum()),), "u1")[...] = 0
        file.attrs["prediction"] = json.dumps(facts)
    seal(laid_out, _FIELDS)
    with replacing(path) as out:
        laid_out.write_to(out)


def _lay_out(file: h5py.File, name: str, shape: tuple[int, ...], dtype: str) -> h5py.Dataset:
    """Reserve a field in one piece, without writing it: a sparse file takes no space for what is not there."""
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_layout(h5py.h5d.CONTIGUOUS)
    layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    return file.create_dataset(name, shape, np.dtype(dtype), dcpl=layout)


def _offsets(structures: Sequence[Atoms]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum([len(atoms) for atoms in structures])])


def _arrays(structures: Sequence[Atoms]) -> dict[str, NDArray[Any]]:
    return {
        "numbers": np.concatenate([atoms.numbers for atoms in structures]),
        "positions": np.concatenate([atoms.positions for atoms in structures]),
        "cell": np.array([atoms.cell.array for atoms in structures]),
        "pbc": np.array([atoms.pbc for atoms in structures]),
    }
