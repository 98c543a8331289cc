"""Training data in chunks of whole structures, from memory or from any source that can be read again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, as_float64, like, sum_by_index, take_rows
from ldosml._tasks import ordered
from ldosml._validation import check_shape
from ldosml.regression._training_rows import (
    Learn,
    center_species,
    checked_table,
    groups_of_structures,
    known_targets,
    labels,
)

Result = TypeVar("Result")
Digest = tuple[float, ...]

_OPTIONAL = "dos, structure_index, species, groups"
_ARGUMENTS = {"X", "Y", *_OPTIONAL.split(", ")}

DIGESTED = ("numbers of rows", "descriptors", "targets", "total DOS", "species or structures")
"""What each number of a digest belongs to."""


def _told_apart(values: Array) -> float:
    """A sum that changes with any value, its sign and its place: all terms are positive, so that rounding is small."""
    rows, columns = (like(values, 1.5 + 0.5 * np.cos(1.0 + np.arange(count))) for count in values.shape)
    shifted = values + 0.5
    return float(rows @ (shifted * shifted) @ columns)


@dataclass(frozen=True)
class Chunk:
    """Environments of whole structures, one structure after another, and whole groups of structures.

    Parameters
    ----------
    X : array (n, n_features)
    ldos : array (n, n_energies) or None
    dos : array (n_structures, n_energies) or None
    species : ndarray (n,)
        Atomic numbers of the centres, or zeros.
    labels : ndarray (n_structures,)
    bounds : ndarray (n_structures + 1,)
        Where each structure begins, and the last ends.
    group_bounds : ndarray (n_groups + 1,)
        At which structure each group begins that is left out as a whole, and where the last ends.
    """

    X: Array
    ldos: Array | None
    dos: Array | None
    species: NDArray[Any]
    labels: NDArray[Any]
    bounds: NDArray[np.int64]
    group_bounds: NDArray[np.int64]

    @property
    def targets(self) -> Array:
        """LDOS where they are learned, otherwise DOS."""
        return known_targets(self.ldos, self.dos)

    @property
    def n_atoms(self) -> NDArray[np.int64]:
        """Number of environments of each structure, (n_structures,)."""
        return np.diff(self.bounds)

    @property
    def n_groups(self) -> int:
        """Number of groups; the number of structures if each is its own group."""
        return len(self.group_bounds) - 1

    def digest(self) -> Digest:
        """What the chunk is recognised by, one number for each of ``DIGESTED``: how many rows, and sums over them."""
        beside = 0.0 if self.ldos is None or self.dos is None else _told_apart(self.dos)
        kinds, sizes = (_told_apart(np.asarray(v, dtype=np.float64)[:, None]) for v in (self.species, self.n_atoms))
        return float(len(self.species)), _told_apart(self.X), _told_apart(self.targets), beside, kinds + sizes

    def select(self, groups: NDArray[np.int64]) -> Chunk:
        """Keep some groups, in this order."""
        structures = _ranges_of(self.group_bounds, groups)
        rows = _ranges_of(self.bounds, structures)
        return Chunk(
            take_rows(self.X, rows),
            None if self.ldos is None else take_rows(self.ldos, rows),
            None if self.dos is None else take_rows(self.dos, structures),
            self.species[rows],
            self.labels[structures],
            np.concatenate([[0], np.cumsum(self.n_atoms[structures])]),
            np.concatenate([[0], np.cumsum(np.diff(self.group_bounds)[groups])]),
        )


def _ranges_of(bounds: NDArray[np.int64], which: NDArray[np.int64]) -> NDArray[np.int64]:
    """Members of some of the ranges that begin at ``bounds``, one range after another."""
    return np.concatenate([np.arange(bounds[i], bounds[i + 1]) for i in which])


@dataclass(frozen=True)
class Arrays:
    """Data in memory, cut into chunks at borders of structures, or of groups, each time that it is iterated over.

    Parameters
    ----------
    X : array (n_environments, n_features)
    ldos : array (n_environments, n_energies) or None
    dos : array (n_structures, n_energies) or None
        Structures in the order of their labels.
    species, index : ndarrays (n_environments,)
        Atomic numbers of the centres, and which structure each belongs to.
    size : int
        Environments of a chunk; a larger structure or group makes a larger chunk.
    groups : ndarray (n_structures,), optional
        Structures of one group stay together, and are left out together. Default: each on its own.
    """

    X: Array
    ldos: Array | None
    dos: Array | None
    species: NDArray[Any]
    index: NDArray[Any]
    size: int
    groups: NDArray[Any] | None = None

    def __iter__(self) -> Iterator[Chunk]:
        labels, place = np.unique(self.index, return_inverse=True)
        structures, group_bounds = self._grouped(len(labels))
        order = np.argsort(np.argsort(structures)[place], kind="stable")
        in_order = bool((order[1:] > order[:-1]).all())
        bounds = np.concatenate([[0], np.cumsum(np.bincount(place)[structures])])
        for first, last in _ranges(bounds[group_bounds], self.size):
            start, stop = int(group_bounds[first]), int(group_bounds[last])
            here = slice(int(bounds[start]), int(bounds[stop]))
            rows = here if in_order else order[here]
            listed = slice(start, stop) if self.groups is None else structures[start:stop]
            yield Chunk(
                _part(self.X, rows),
                None if self.ldos is None else _part(self.ldos, rows),
                None if self.dos is None else _part(self.dos, listed),
                self.species[rows],
                labels[listed],
                bounds[start : stop + 1] - bounds[start],
                group_bounds[first : last + 1] - start,
            )

    def _grouped(self, n_structures: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Structures (n_structures,), one group after another, and where among them each group begins and ends."""
        if self.groups is None:
            return np.arange(n_structures), np.arange(n_structures + 1)
        codes = np.unique(self.groups, return_inverse=True)[1]
        return np.argsort(codes, kind="stable"), np.concatenate([[0], np.cumsum(np.bincount(codes))])


def _part(values: Array, rows: slice | NDArray[np.int64]) -> Array:
    return values[rows, :] if isinstance(rows, slice) else take_rows(values, rows)


def _ranges(bounds: NDArray[np.int64], size: int) -> Iterator[tuple[int, int]]:
    """Ranges of structures (or groups) of at most ``size`` environments, or of one structure (or group)."""
    first, count = 0, len(bounds) - 1
    while first < count:
        last = int(np.searchsorted(bounds, bounds[first] + size, side="right")) - 1
        last = max(last, first + 1)
        yield first, last
        first = last


@dataclass(frozen=True)
class Streamed:
    """Chunks of any source, checked, and cut where they are too large.

    Parameters
    ----------
    source : iterable of mappings
        With the arguments of ``fit`` by name: X, Y and perhaps dos, structure_index, species, groups. Can be iterated
        over again.
    learn : {"ldos", "dos", "both"}
    whole : bool
        Whether structures (or groups, for LDOS) matter: then neither may be spread over two chunks.
    size : int
        Environments of a chunk.
    """

    source: Iterable[Mapping[str, Any]]
    learn: Learn
    whole: bool
    size: int

    def __iter__(self) -> Iterator[Chunk]:
        structures: dict[Any, int] = {}
        groups: dict[Any, int] = {}
        shape: tuple[int, int] | None = None
        for number, raw in enumerate(self.source):
            try:
                arrays = self._checked(raw, shape)
                if self.whole:
                    _refuse_repeated("group" if self.learn == "ldos" else "structure", arrays.index, number, structures)
                    _refuse_repeated("group", arrays.groups, number, groups)
            except (ValueError, TypeError) as error:
                raise type(error)(f"Chunk {number} (counted from 0): {error}") from error
            shape = (int(arrays.X.shape[1]), int(known_targets(arrays.ldos, arrays.dos).shape[1]))
            yield from arrays

    def _checked(self, raw: Any, shape: tuple[int, int] | None) -> Arrays:
        if not (isinstance(raw, Mapping) and {"X", "Y"} <= raw.keys() <= _ARGUMENTS):
            said = f"with {', '.join(map(str, raw))}" if isinstance(raw, Mapping) else f"a {type(raw).__name__}"
            raise TypeError(f"a chunk must be a mapping with X and Y, and perhaps {_OPTIONAL}; got {said}.")
        features, energies = shape or (None, None)
        X = _checked("X", raw["X"], (None, features), "n_environments, n_features")
        Y = as_float64("Y", raw["Y"])
        Y = Y[:, None] if Y.ndim == 1 else Y
        count = int(X.shape[0])
        index, groups = self._labels(raw, count)
        dos, n_structures = raw.get("dos"), len(np.unique(index))
        if dos is not None and self.learn != "both":
            raise ValueError(f"dos goes with learn='both'; this estimator has learn={self.learn!r}.")
        rows = n_structures if self.learn == "dos" else count
        Y = _checked("Y", Y, (rows, energies), "n_structures, n_energies" if self.learn == "dos" else "n, n_energies")
        if self.learn == "both":
            place = np.unique(index, return_inverse=True)[1]
            dos = sum_by_index(Y, place, n_structures) if dos is None else dos
            dos = _checked("dos", dos, (n_structures, Y.shape[1]), "n_structures, n_energies")
        ldos, total = (None, Y) if self.learn == "dos" else (Y, dos)
        return Arrays(X, ldos, total, center_species(raw.get("species"), count), index, self.size, groups)

    def _labels(self, raw: Mapping[str, Any], count: int) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Structure (group, for LDOS) of each environment, and the group of each structure where there are any."""
        if not self.whole:
            return np.arange(count), None
        structures, groups = raw.get("structure_index"), raw.get("groups")
        if self.learn == "ldos":
            together = structures if groups is None else groups
            if together is None:
                raise ValueError("groups are missing: alpha='leave-one-group-out' needs them, or structure_index.")
            return labels("groups", together, count), None
        if structures is None:
            raise ValueError(f"structure_index is missing: learn={self.learn!r} needs the structure of each row of X.")
        index = labels("structure_index", structures, count)
        place = np.unique(index, return_inverse=True)[1]
        if groups is None:
            return index, None
        if self.learn == "dos":
            return index, labels("groups", groups, int(place.max()) + 1, "n_structures")
        return index, groups_of_structures(labels("groups", groups, count), place)


def _checked(name: str, values: Array, shape: tuple[int | None, int | None], axes: str) -> Array:
    """Check a table of finite numbers and give it in float64."""
    values = as_float64(name, values)
    check_shape(name, values, shape, axes)
    return checked_table(name, values)


def _refuse_repeated(what: str, labels: NDArray[Any] | None, number: int, seen: dict[Any, int]) -> None:
    """Refuse a structure or group of an earlier chunk."""
    for label in [] if labels is None else np.unique(labels).tolist():
        if label in seen:
            raise ValueError(
                f"{what} {label!r} was in chunk {seen[label]} already. A {what} must be in one chunk: cut the data "
                f"between {what}s, and number them through all chunks."
            )
        seen[label] = number


def in_order(function: Callable[[Chunk], Result], chunks: Iterable[Chunk], n_jobs: int | None) -> Iterator[Result]:
    """Give ``function`` of each chunk in order; an error of reading waits until the chunks before it are done.

    So nothing of what could be read is lost, on any number of processes.
    """
    failures: list[Exception] = []

    def readable() -> Iterator[Chunk]:
        try:
            yield from chunks
        except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
            failures.append(error)

    yield from ordered(function, readable(), n_jobs=n_jobs)
    if failures:
        raise failures[0]
