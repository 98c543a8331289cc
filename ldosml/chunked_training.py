"""Training data on disk: descriptors and spectra in chunks of whole groups, written once and read by every pass."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from sklearn.base import clone

from ldosml._array import to_numpy
from ldosml._files import replacing
from ldosml.datasets.chunks import HDF5Chunks, HDF5ChunkWriter
from ldosml.datasets.fingerprint import fingerprint
from ldosml.regression._training_rows import Learn
from ldosml.training_data import TrainingData

DESCRIBED = 20_000
"""Environments by which a descriptor is fitted at most, in whole structures."""

_FACTS = "training.json"


@dataclass(frozen=True)
class ChunkedTraining:
    """A folder of training data, and of what is done with them.

    Parameters
    ----------
    folder : Path
        Made where it is missing; continued where it holds the same training data.
    learn : {"ldos", "dos", "both"}
    chunk_size : int
        Environments of a chunk; a larger group makes a larger chunk.
    """

    folder: Path
    learn: Learn
    chunk_size: int = 8192

    def write(self, training: TrainingData, groups: NDArray[np.int64], descriptor: Any) -> HDF5Chunks:
        """Write the chunks that are missing, and give all of them.

        ``groups`` (n_structures,) number the groups; ``descriptor`` is fitted.

        Raises ValueError when the folder belongs to other training data, or holds damaged files.
        """
        self._check_facts(training, groups, descriptor)
        chunks = self.folder / "chunks"
        parts = list(_parts(training, groups, self.chunk_size))
        if not (chunks / "complete.json").exists():
            with HDF5ChunkWriter(chunks, dtype="float64") as writer:
                for part in parts[writer.n_chunks :]:
                    writer.append(**self._chunk(training, groups, descriptor, part))
        return HDF5Chunks(chunks)

    def checkpoint(self, name: str) -> Path:
        """Where the sums of one fit are kept."""
        return self.folder / f"sums-{name}.npz"

    def _chunk(
        self, training: TrainingData, groups: NDArray[np.int64], descriptor: Any, part: NDArray[np.int64]
    ) -> dict[str, Any]:
        structures = [training.structures[s] for s in part]
        index = np.repeat(part, [len(atoms) for atoms in structures])
        chunk: dict[str, Any] = {
            "X": descriptor.transform(structures),
            "structure_index": index,
            "species": np.concatenate([atoms.numbers for atoms in structures]),
            "groups": groups[part] if self.learn == "dos" else groups[index],
        }
        dos = to_numpy(training.dos.values)[part]
        if self.learn == "dos":
            return chunk | {"Y": dos}
        rows = np.isin(training.structure_index, part)
        chunk["Y"] = to_numpy(training.require_ldos("learning from LDOS").values)[rows]
        return chunk | ({"dos": dos} if self.learn == "both" else {})

    def _check_facts(self, training: TrainingData, groups: NDArray[np.int64], descriptor: Any) -> None:
        """Refuse a folder of other training data; keep what tells these from others."""
        facts = {
            "descriptor": _known_as(descriptor),
            "learn": self.learn,
            "chunk_size": self.chunk_size,
            "training": fingerprint(replace(training, groups=groups.tolist())),
        }
        file = self.folder / _FACTS
        self.folder.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            if any(self.folder.iterdir()):
                raise ValueError(f"{self.folder} holds files, but no training data. Give an empty or a new folder.")
            with replacing(file) as out:
                out.write(json.dumps(facts, indent=1).encode())
            return
        try:
            found = dict(json.loads(file.read_text()))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{file} is damaged: {error}. Give another folder, or delete this one.") from error
        differing = [name for name, value in facts.items() if found.get(name) != value]
        if differing:
            raise ValueError(
                f"{self.folder} belongs to another fit: {', '.join(differing)} differ. Give another folder, or delete "
                "this one."
            )


@dataclass(frozen=True)
class SpeciesChunks:
    """The environments of one species, in chunks that can be read again and again."""

    chunks: HDF5Chunks
    number: int

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for chunk in self.chunks:
            rows = chunk["species"] == self.number
            if rows.any():
                yield {name: chunk[name][rows] for name in ("X", "Y", "groups")}


def _known_as(descriptor: Any) -> str:
    """Parameters of a descriptor as text, but not how many processes compute it."""
    jobs = {name: None for name in descriptor.get_params() if name.rpartition("__")[2] == "n_jobs"}
    return repr(clone(descriptor).set_params(**jobs))


def fitting_structures(structures: Sequence[Atoms], limit: int = DESCRIBED) -> list[Atoms]:
    """Choose structures, evenly spaced, by which a descriptor is fitted: ``limit`` environments, and every element.

    A descriptor that learns from its rows (``Whitened``) holds them in memory while it does.
    """
    counts = np.array([len(atoms) for atoms in structures])
    step = max(1, int(np.ceil(counts.sum() / limit)))
    chosen = list(range(0, len(structures), step))
    known = set().union(*(set(structures[s].numbers.tolist()) for s in chosen))
    for s, atoms in enumerate(structures):
        new = set(atoms.numbers.tolist()) - known
        if new:
            chosen.append(s)
            known |= new
    return [structures[s] for s in sorted(chosen)]


def _parts(training: TrainingData, groups: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    """Structures of each chunk: whole groups, up to ``size`` environments or one group."""
    counts = np.array([len(atoms) for atoms in training.structures])
    part: list[int] = []
    held = 0
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        if part and held + counts[members].sum() > size:
            yield np.sort(np.array(part))
            part, held = [], 0
        part += members.tolist()
        held += int(counts[members].sum())
    yield np.sort(np.array(part))


def as_folder(path: str | os.PathLike[str]) -> Path:
    """Give a path that is a folder, or is free."""
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file; give a folder for the training data.")
    return folder
