"""Predict in chunks of atoms and write each to the file when it is there."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils.validation import check_is_fitted

from ldosml import _tasks
from ldosml._array import to_numpy
from ldosml._digest import digest
from ldosml._files import refuse_existing, sole_writer
from ldosml._ranges import check_arguments
from ldosml._validation import check_finite
from ldosml.fragments import check_structures
from ldosml.pipeline import DOSModel
from ldosml.regions import Region, region_batches
from ldosml.streaming import _part
from ldosml.streaming.prediction import Prediction


def predict_to(
    model: DOSModel,
    structures: Atoms | Iterable[Atoms],
    path: str | os.PathLike[str],
    *,
    n_jobs: int | None = None,
    batch_size: int = 1000,
    overwrite: bool = False,
    provenance: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Prediction:
    """Predict LDOS and DOS of structures of any size, chunk by chunk, into an HDF5 file.

    Until it is complete the file is called ``path + ".part"``. After a kill, the same call continues where it stopped
    and ends with the same numbers; at most a second of work is lost. Memory does not grow with the structure, except
    for about 200 bytes an atom for the structure itself. With tight binding, and other descriptors without ``reach``,
    the descriptors of whole structures are computed and held at a time; these can be lost, too.

    The file is a dataset file (``LDOSDataset.load`` and ``ldosml properties`` take it; see ``ldosml.dataset_file``):
    ``numbers``, ``positions``, ``cell``, ``pbc``, ``offsets`` and ``n_electrons`` of the structures, the grid with its
    zero, ``smearing_width`` and ``provenance`` as attributes, and in one piece each, uncompressed, ``ldos`` (float32,
    n_environments, n_energies, states/eV/atom), ``dos`` (float64, n_structures, n_energies, states/eV: the sums of the
    rows as they are stored), ``done`` (n_environments,), ``ldos_crc32`` and ``dos_crc32`` (checksums of the rows), and
    the attribute ``prediction`` (which model made it).

    Parameters
    ----------
    model : DOSModel
        Fitted, with any regressor. A descriptor without ``reach``, such as tight binding or one of another library, is
        computed for a whole structure at a time, or for several of together at most ``batch_size`` atoms.
    structures : ase.Atoms or iterable of ase.Atoms
    path : path-like
        The file to write, .h5.
    n_jobs : int, optional
        Number of processes. None: one, or what the surrounding ``on_cluster`` or ``joblib.parallel_config`` says.
    batch_size : int
        Number of atoms in a chunk.
    overwrite : bool
        Replace ``path`` where it exists, once the new file is complete.
    provenance : dict, optional
        Entries to be added to the provenance of the file.
    progress : callable, optional
        Called after each chunk with the number of atoms that are done and the number of all atoms.

    Returns
    -------
    Prediction
        The file, opened.

    Raises
    ------
    FileExistsError
        When ``path`` exists and ``overwrite`` is false.
    ValueError
        When a structure is not valid, an element was not in the training set, a prediction is not finite, or the
        unfinished file belongs to another model or to other structures, or is damaged; the message says what differs.
    BlockingIOError
        When another process writes the same file.
    OSError
        When writing fails. The same call continues with what was written.

    Examples
    --------
    >>> import tempfile
    >>> from ase.build import bulk
    >>> from ldosml import EnergyGrid, LDOS, SOAP
    >>> grid = EnergyGrid.from_range(-5, 5, 0.1, zero="fermi")
    >>> ldos = LDOS(grid, np.ones((4, 101)), structure_index=[0, 0, 1, 1])
    >>> model = DOSModel(SOAP(r_cut=3.0, n_max=3, l_max=2)).fit([bulk("Si", a=a) for a in (5.4, 5.5)], ldos)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     prediction = predict_to(model, bulk("Si", cubic=True) * (3, 3, 3), f"{folder}/large.h5", batch_size=50)
    ...     prediction.ldos([5, 100]).values.shape, prediction.dos.values.max().round(6)
    ((2, 101), np.float64(216.0))
    """
    check_arguments(n_jobs=n_jobs, batch_size=batch_size)
    check_is_fitted(model)
    listed, path = check_structures(structures), Path(path)
    refuse_existing(path, overwrite)
    with sole_writer(path), _open_part(model, listed, path, provenance or {}, overwrite) as part:
        count = len(part.done)
        done = int(part.done.sum())
        if progress is not None:
            progress(done, count)
        described = _chunks(_with_jobs(model, n_jobs), listed, int(batch_size), part.done)
        chunks = (chunk for chunk in described if not part.done[chunk.rows].all())
        # Tasks start no processes of their own.
        for rows, values in _tasks.ordered(partial(_predict, _with_jobs(model, 1)), chunks, n_jobs=n_jobs):
            done += int((part.done[rows] == 0).sum())
            part.write(rows, values)
            if progress is not None:
                progress(done, count)
        try:
            part.finish(path, overwrite)
        except FileExistsError as error:
            why = f"{path} has appeared meanwhile; {part.path} is complete but for the name."
            raise FileExistsError(why) from error
    return Prediction.load(path)


def _open_part(
    model: DOSModel, structures: list[Atoms], path: Path, provenance: Mapping[str, Any], overwrite: bool
) -> _part.PartialPrediction:
    """Open the unfinished file of this very prediction, or lay out a new one."""
    refuse_existing(path, overwrite)  # another process may have finished it before this one had the lock
    name, parts = path.with_name(path.name + ".part"), _parts_of(model)
    if name.exists():
        with ExitStack() as opened:
            part = opened.enter_context(_part.PartialPrediction(name))
            differing = part.differences(structures, parts)
            if differing and part.done.any():
                raise ValueError(
                    f"{name} is part of another prediction: {', '.join(differing)} differ. Finish it with the model "
                    "and the structures that it was begun with, delete it, or choose another name."
                )
            if not differing:
                opened.pop_all()
                return part
    known = {"code": "ldosml (predicted)", "descriptor": repr(model.descriptor_), "training": model.training_}
    electrons = model.n_electrons(structures) if model.training_.get("valence_electrons") else None
    _part.create(
        name,
        structures,
        model.grid_,
        model.smearing_width_,
        electrons,
        {**known, **provenance},
        {"fingerprint": parts},
    )
    return _part.PartialPrediction(name)


@dataclass(frozen=True)
class _Chunk:
    """Atoms of one task: regions to be described, or descriptors."""

    rows: NDArray[np.int64]
    numbers: NDArray[np.int64]
    regions: list[Region]
    X: NDArray[np.float64] | None = None


def _chunks(model: DOSModel, structures: Sequence[Atoms], size: int, done: NDArray[np.uint8]) -> Iterator[_Chunk]:
    reach = _reach(model.descriptor_)
    if reach is not None:
        for batch in region_batches(structures, reach, size):
            rows, numbers = (np.concatenate(a) for a in ([r.rows for r in batch], [r.numbers for r in batch]))
            yield _Chunk(rows, numbers, batch)
        return
    first = 0
    for together in _whole(structures, size):
        numbers = np.concatenate([atoms.numbers for atoms in together])
        rows = np.arange(first, first + len(numbers))
        first += len(numbers)
        if done[rows].all():
            continue
        X = model.descriptor_.transform(together)
        for i in range(0, len(rows), size):
            piece = slice(i, i + size)
            yield _Chunk(rows[piece], numbers[piece], [], X[piece])


def _whole(structures: Sequence[Atoms], size: int) -> Iterator[list[Atoms]]:
    """Structures of together at most ``size`` atoms, or one that is larger."""
    part: list[Atoms] = []
    for atoms in structures:
        if part and sum(map(len, part)) + len(atoms) > size:
            yield part
            part = []
        part.append(atoms)
    if part:
        yield part


def _reach(descriptor: Any) -> float | None:
    """How far the descriptor of an atom looks, angstrom, where it can describe regions; None where it cannot."""
    if isinstance(descriptor, Pipeline):
        return _reach(descriptor.steps[0][1])
    if isinstance(descriptor, FeatureUnion):
        reaches = [_reach(part) for _, part in descriptor.transformer_list if part != "drop"]
        return None if None in reaches else max(reach for reach in reaches if reach is not None)
    return getattr(descriptor, "reach", None)


def _with_jobs(model: DOSModel, n_jobs: int | None) -> DOSModel:
    """The model with a descriptor that is computed by ``n_jobs`` processes."""
    descriptor: BaseEstimator = copy.deepcopy(model.descriptor_)
    jobs = {name: n_jobs for name in descriptor.get_params() if name.rpartition("__")[2] == "n_jobs"}
    result = copy.copy(model)
    result.descriptor_ = descriptor.set_params(**jobs)
    return result


def _predict(model: DOSModel, chunk: _Chunk) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    X = model.descriptor_.transform(chunk.regions) if chunk.X is None else chunk.X
    values = to_numpy(model.predict_rows(X, chunk.numbers))
    check_finite("the predicted LDOS", values, "The model is at fault: fit it again.")
    return chunk.rows, values.astype(np.float32)


def _parts_of(model: DOSModel) -> dict[str, str]:
    """A digest of each fitted part of a model, by its name."""
    parts = {name: value for name, value in vars(model).items() if name.endswith("_") and name != "training_"}
    return {name.rstrip("_"): digest(value) for name, value in sorted(parts.items())}
