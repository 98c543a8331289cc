"""Training data in chunks of whole structures, from memory or from any source that can be read again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, as_float64, index_like, like, namespace, sum_segments, to_numpy
from ldosml._tasks import ordered
from ldosml._validation import check_finite, check_shape

Targets = Literal["ldos", "dos", "both"]
Result = TypeVar("Result")
Digest = tuple[float, ...]

DIGESTED = ("numbers of rows", "descriptors", "targets", "total DOS", "species or structures")
"""What each number of a digest tells of."""


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
        """Whichever targets there are."""
        return self.dos if self.ldos is None else self.ldos

    @property
    def n_atoms(self) -> NDArray[np.int64]:
        """Number of environments of each structure, (n_structures,)."""
        return np.diff(self.bounds)

    @property
    def n_groups(self) -> int:
        """Number of groups; that of structures, where each is on its own."""
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
            _take(self.X, rows),
            None if self.ldos is None else _take(self.ldos, rows),
            None if self.dos is None else _take(self.dos, structures),
            self.species[rows],
            self.labels[structures],
            np.concatenate([[0], np.cumsum(self.n_atoms[structures])]),
            np.concatenate([[0], np.cumsum(np.diff(self.group_bounds)[groups])]),
        )


def _ranges_of(bounds: NDArray[np.int64], which: NDArray[np.int64]) -> NDArray[np.int64]:
    """Members of some of the ranges that begin at ``bounds``, one range after another."""
    return np.concatenate([np.arange(bounds[i], bounds[i + 1]) for i in which])


def _take(values: Array, rows: NDArray[np.int64]) -> Array:
    return namespace(values).take(values, index_like(values, rows), axis=0)


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
    return values[rows, :] if isinstance(rows, slice) else _take(values, rows)


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
    """Chunks (X, targets[, structure_index[, species[, dos[, groups]]]]) of any source, checked, cut where too large.

    Parameters
    ----------
    source : iterable
        Can be iterated over again.
    targets : {"ldos", "dos", "both"}
    whole : bool
        Whether structures matter: then they must be named, and neither they nor groups be spread over two chunks.
    size : int
        Environments of a chunk.
    """

    source: Iterable[Any]
    targets: Targets
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
                    _refuse_repeated("structure", arrays.index, number, structures)
                    _refuse_repeated("group", arrays.groups, number, groups)
            except (ValueError, TypeError) as error:
                raise type(error)(f"Chunk {number} (counted from 0): {error}") from error
            shape = (int(arrays.X.shape[1]), _energies(arrays))
            yield from arrays

    def _checked(self, raw: Any, shape: tuple[int, int] | None) -> Arrays:
        if not (isinstance(raw, tuple | list) and 2 <= len(raw) <= 6):
            raise TypeError(
                "a chunk must be (X, targets), or with structure_index, species, dos and groups after them; got "
                f"{type(raw).__name__}{f' of {len(raw)}' if isinstance(raw, tuple | list) else ''}."
            )
        X, Y, index, species, dos, groups = (*raw, None, None, None, None)[:6]
        features, energies = shape or (None, None)
        X = checked("X", X, (None, features), "n_environments, n_features")
        Y = as_float64("Y", Y)
        Y = Y[:, None] if Y.ndim == 1 else Y
        count = int(X.shape[0])
        index = self._index(index, count)
        n_structures = len(np.unique(index))
        if dos is not None and self.targets != "both":
            raise ValueError(f"a dos beside the targets is for targets='both'; this fit has {self.targets!r}.")
        rows = n_structures if self.targets == "dos" else count
        Y = checked("Y", Y, (rows, energies), "n_structures, n_energies" if self.targets == "dos" else "n, n_energies")
        if dos is not None:
            dos = checked("dos", dos, (n_structures, Y.shape[1]), "n_structures, n_energies")
        kinds = labels_of("species", species, count)
        together = groups_of(groups, n_structures) if self.whole else None
        return with_sums(Arrays(X, Y, dos, kinds, index, self.size, together), self.targets)

    def _index(self, index: Array | None, count: int) -> NDArray[Any]:
        if not self.whole:
            return np.arange(count)
        if index is None:
            raise ValueError("structure_index is missing: the structure of each environment is needed for this fit.")
        return labels_of("structure_index", index, count)


def _energies(arrays: Arrays) -> int:
    targets: Array = arrays.dos if arrays.ldos is None else arrays.ldos
    return int(targets.shape[1])


def checked(name: str, values: Array, shape: tuple[int | None, int | None], axes: str) -> Array:
    """Check a table of finite numbers and give it in float64."""
    values = as_float64(name, values)
    check_shape(name, values, shape, axes)
    if 0 in values.shape:
        raise ValueError(f"{name} is empty: its shape is {tuple(values.shape)}.")
    check_finite(name, values)
    return values


def labels_of(name: str, values: Array | None, count: int) -> NDArray[Any]:
    """Check one label for each of ``count`` environments; None: all are 0."""
    if values is None:
        return np.zeros(count, dtype=np.int64)
    labels = to_numpy(values)
    check_shape(name, labels, (count,), "n_environments")
    return labels


def groups_of(groups: Array | None, n_structures: int) -> NDArray[Any] | None:
    """Check the group of each of ``n_structures``; None: each on its own."""
    if groups is None:
        return None
    labels = to_numpy(groups)
    check_shape("groups", labels, (n_structures,), "n_structures")
    return labels


def with_sums(arrays: Arrays, targets: Targets) -> Arrays:
    """Put the targets where they belong, and for ``both`` sum the LDOS where no DOS came with it."""
    if targets == "dos":
        return replace(arrays, ldos=None, dos=arrays.ldos)
    if targets == "ldos" or arrays.dos is not None:
        return arrays
    labels, place = np.unique(arrays.index, return_inverse=True)
    order = np.argsort(place, kind="stable")
    bounds = np.searchsorted(place[order], np.arange(len(labels) + 1))
    return replace(arrays, dos=sum_segments(_take(arrays.ldos, order), bounds))


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
