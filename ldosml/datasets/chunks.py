"""Training data that do not fit in memory: a folder of HDF5 files, one for each chunk of whole structures.

The files ``chunk-00000.h5`` and so on hold what ``fit`` of a regressor takes, under the same names: ``X``
(n_environments, n_features), ``Y``, ``structure_index`` (n_environments,) and, where given, ``species``
(n_environments,), ``dos`` (n_structures, n_energies) and ``groups``. ``X``, ``Y`` and ``dos`` are float32 by default,
with a checksum on every piece. Each file holds its number, so a copy of another chunk is noticed. A file appears under
its name when it is complete, and ``complete.json`` appears when the last chunk is there. So an unfinished folder
is recognised, and can be finished.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ldosml._files import replacing, write_buffer
from ldosml._seal import check_seal, seal
from ldosml._validation import check_finite, check_shape
from ldosml.file_sizes import check_hdf5, scalar_attribute

FORMAT = "ldosml chunk"
FORMAT_VERSION = 2

_END = "complete.json"
_PIECE = 2**20
"""Bytes of a table that are stored, and checked, together."""

_TABLES = ("X", "Y", "dos")

Chunk = dict[str, NDArray[Any]]
"""The arrays of a chunk by the names that ``fit`` gives them."""


class HDF5ChunkWriter:
    """Writes chunks to a folder; where the folder is there already, it goes on after the last complete chunk.

    Parameters
    ----------
    path : path
        A folder, made if missing.
    dtype : {"float32", "float64"}
        Precision of ``X``, ``Y`` and ``dos`` in the files.

    Attributes
    ----------
    n_chunks : int
        Number of chunks that are complete.

    Raises
    ------
    ValueError
        When ``dtype`` is another one, or a chunk is missing between others.
    FileExistsError
        When the folder is complete already.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> with HDF5ChunkWriter(folder) as writer:
    ...     for start in range(writer.n_chunks, 3):  # from 0, or where it was interrupted
    ...         writer.append(np.ones((4, 2)), np.zeros((4, 5)), structure_index=np.full(4, start))
    >>> [chunk["X"].shape for chunk in HDF5Chunks(folder)]
    [(4, 2), (4, 2), (4, 2)]
    """

    def __init__(self, path: str | os.PathLike[str], *, dtype: str = "float32") -> None:
        if dtype not in ("float32", "float64"):
            raise ValueError(f"dtype must be 'float32' or 'float64'; got {dtype!r}.")
        self.path, self._dtype = Path(path), dtype
        self.path.mkdir(parents=True, exist_ok=True)
        if (self.path / _END).exists():
            raise FileExistsError(f"{self.path} holds chunks that are complete already. Choose another folder.")
        self.n_chunks = len(_numbered(self.path))

    def append(
        self,
        X: ArrayLike,
        Y: ArrayLike,
        *,
        structure_index: ArrayLike,
        species: ArrayLike | None = None,
        dos: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> None:
        """Add a chunk of whole structures.

        Parameters
        ----------
        X : array (n_environments, n_features)
            Descriptors.
        Y : array (n_environments, n_energies) or (n_structures, n_energies)
            LDOS of the environments, states/eV/atom, or DOS of the structures, states/eV.
        structure_index : array (n_environments,)
            The structure that each environment belongs to, by any label. Each structure must be in one chunk.
        species : array (n_environments,) of int, optional
            Atomic numbers.
        dos : array (n_structures, n_energies), optional
            DOS beside an LDOS ``Y``, states/eV. Its rows follow the structures in ascending order of their labels;
            a DOS ``Y`` and its ``groups`` have the same order.
        groups : array (n_environments,) of int, or (n_structures,) where Y is a DOS, optional
            What is left out together. Each group must be in one chunk.

        Raises
        ------
        ValueError
            When shapes do not fit, groups are not integers, or numbers are not finite in the precision of the file.
        OSError
            When writing fails, for instance on a full disk: the folder stays as it was.
        """
        given = {"X": X, "Y": Y, "structure_index": structure_index, "species": species, "dos": dos, "groups": groups}
        content = {
            name: np.asarray(values, self._dtype if name in _TABLES else None)
            for name, values in given.items()
            if values is not None
        }
        _check(content)
        buffer = io.BytesIO()  # HDF5 cannot close a file cleanly on a full disk
        with h5py.File(buffer, "w") as file:
            file.attrs["format"], file.attrs["format_version"] = FORMAT, FORMAT_VERSION
            file.attrs["number"] = self.n_chunks
            for name, values in content.items():
                rows = max(1, min(len(values), _PIECE // max(values[:1].nbytes, 1)))
                file.create_dataset(name, data=values, chunks=(rows, *values.shape[1:]), fletcher32=True)
        seal(buffer)
        write_buffer(_file(self.path, self.n_chunks), buffer, overwrite=False)
        self.n_chunks += 1

    def finish(self) -> None:
        """Mark the folder as complete.

        Raises
        ------
        ValueError
            When there is no chunk.
        OSError
            When writing fails.
        """
        if self.n_chunks == 0:
            raise ValueError(f"No chunk was written to {self.path}.")
        with replacing(self.path / _END, overwrite=False) as file:
            file.write(json.dumps({"format": FORMAT, "n_chunks": self.n_chunks}).encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Finish, unless something went wrong: then the folder stays open, to be gone on with."""
        if kind is None:
            self.finish()


class HDF5Chunks:
    """Chunks of a folder that ``HDF5ChunkWriter`` wrote: each iteration reads them one by one from the start.

    A chunk is a dict of arrays with the names that ``fit`` of a regressor gives them: ``X``, ``Y``, ``structure_index``
    and, where the file holds them, ``species``, ``dos`` and ``groups``.

    Parameters
    ----------
    path : path
        The folder.

    Raises
    ------
    FileNotFoundError
        When there is no such folder. While reading: when a file is gone; the message names it.
    ValueError
        When the folder is not complete. While reading: when a file is truncated, damaged, a copy of another chunk or
        something else; the message names it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise FileNotFoundError(f"There is no folder of chunks {self.path}.")
        if not (self.path / _END).is_file():
            raise ValueError(
                f"{self.path} is not complete: it has no {_END}, after {len(_numbered(self.path))} chunks. "
                f"Go on with HDF5ChunkWriter({str(self.path)!r}), which starts after them, and call finish()."
            )
        try:
            self._count = int(json.loads((self.path / _END).read_text())["n_chunks"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{self.path / _END} is damaged: {error}. Write the chunks again.") from error
        for number in range(self._count):
            _present(self.path, number)

    def __len__(self) -> int:
        """Count the chunks."""
        return self._count

    def __iter__(self) -> Iterator[Chunk]:
        for number in range(self._count):
            yield _read(_present(self.path, number), number)


def _file(folder: Path, number: int) -> Path:
    return folder / f"chunk-{number:05d}.h5"


def _numbered(folder: Path) -> list[Path]:
    """Chunks so far, refused where one is missing in between."""
    files = sorted(folder.glob("chunk-*.h5"))
    for number, file in enumerate(files):
        if file != _file(folder, number):
            raise ValueError(f"{_file(folder, number)} is missing, but {file.name} is there. Restore it.")
    return files


def _present(folder: Path, number: int) -> Path:
    file = _file(folder, number)
    if not file.is_file():
        raise FileNotFoundError(
            f"The chunk {file} is gone. Restore it; what was done with the chunks before it is kept."
        )
    return file


def _read(path: Path, number: int) -> Chunk:
    try:
        check_seal(path)
        with h5py.File(path, "r") as file:
            kept = {name: scalar_attribute(file, name) for name in ("format", "format_version", "number")}
            if (kept["format"], kept["format_version"]) != (FORMAT, FORMAT_VERSION):
                raise ValueError(f"it is no {FORMAT} of version {FORMAT_VERSION}")
            if kept["number"] not in (None, number):
                raise ValueError(f"it was written as chunk {kept['number']}, and stands here for another")
            check_hdf5(file, path)
            content = {name: field[...] for name, field in file.items()}
        _check(content)
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"The chunk {path} is truncated, damaged or misplaced: {error}. Copy it again, or write it anew; a fit "
            "with a checkpoint goes on from there."
        ) from error
    return content


def _check(content: Chunk) -> None:
    """Raise ValueError unless shapes fit each other and numbers are finite."""
    X, Y, index = content["X"], content["Y"], content["structure_index"]
    check_shape("X", X, (None, None), "n_environments, n_features")
    check_shape("structure_index", index, (len(X),), "n_environments")
    if "species" in content:
        check_shape("species", content["species"], (len(X),), "n_environments")
    n_structures = len(np.unique(index))
    rows = len(X) if len(Y) == len(X) else n_structures
    check_shape("Y", Y, (rows, None), "n_environments (LDOS) or n_structures (DOS), n_energies")
    if "dos" in content:
        check_shape("dos", content["dos"], (n_structures, Y.shape[1]), "n_structures, n_energies")
    if "groups" in content:
        axis = "n_structures" if len(Y) == n_structures < len(X) else "n_environments"
        check_shape("groups", content["groups"], (rows,), axis)
        if not np.issubdtype(content["groups"].dtype, np.integer):
            raise ValueError(f"groups of a chunk must be integers; got {content['groups'].dtype}. Number them.")
    for name in _TABLES:
        if name in content:
            check_finite(name, content[name])
