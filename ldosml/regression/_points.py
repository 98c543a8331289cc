"""Inducing points for data in chunks: a random part of it that fits in memory, and a choice among that."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, as_float64, namespace, take_rows, to_numpy
from ldosml._validation import ParameterError, check_finite, check_shape
from ldosml.inducing import Selection, select_per_species
from ldosml.regression._chunks import Chunk

DEFAULT_POINTS = 1000
"""Inducing points where no number is given, or all environments if there are fewer."""

Count = int | Mapping[int, int] | Literal["all"] | None


class _Sample:
    """At most ``limit`` rows of one species, each row that was shown as likely as any other.

    Every row draws a number, and the rows with the smallest ones stay.
    """

    def __init__(self, limit: float) -> None:
        self._limit, self._bound = limit, np.inf
        self._keys: list[NDArray[np.float64]] = []
        self._rows: list[Array] = []
        self._held = 0

    def show(self, X: Array, here: NDArray[np.int64], generator: np.random.Generator) -> None:
        keys = generator.random(here.size)
        near = keys < self._bound
        if not near.any():
            return
        self._keys.append(keys[near])
        self._rows.append(take_rows(X, here[near]))
        self._held += int(near.sum())
        if self._held > 2 * self._limit:
            self._prune()

    def _prune(self) -> None:
        keys, rows = np.concatenate(self._keys), namespace(*self._rows).concat(self._rows, axis=0)
        if keys.size > self._limit:
            kept = np.sort(np.argpartition(keys, int(self._limit))[: int(self._limit)])
            keys, rows = keys[kept], take_rows(rows, kept)
            self._bound = float(keys.max())
        self._keys, self._rows, self._held = [keys], [rows], keys.size

    def rows(self) -> Array:
        """Rows in the order in which they were shown, (count, n_features)."""
        self._prune()
        return self._rows[0]


def sample_rows(
    chunks: Iterable[Chunk], limit: float, generator: np.random.Generator
) -> tuple[Array, NDArray[np.int64]]:
    """Take all rows of chunks, or ``limit`` random ones of each species that has more: rows and their species."""
    samples: dict[int, _Sample] = {}
    for chunk in chunks:
        for kind in np.unique(chunk.species).tolist():
            sample = samples.setdefault(kind, _Sample(limit))
            sample.show(chunk.X, np.flatnonzero(chunk.species == kind), generator)
    parts = {kind: samples[kind].rows() for kind in sorted(samples)}
    species = np.repeat(list(parts), [part.shape[0] for part in parts.values()])
    return namespace(*parts.values()).concat(list(parts.values()), axis=0), species


def choose_points(
    chunks: Iterable[Chunk], n: Count, method: Selection, limit: int, random_state: int | None
) -> tuple[Array, NDArray[np.int64]]:
    """Choose inducing points (m, n_features) and their species (m,), sorted by species.

    Warns where duplicates leave fewer than were asked for. Raises ValueError when there are fewer rows than points, or
    ``n`` is by species and lacks one. Species without environments are passed over.
    """
    if not (n is None or n == "all" or isinstance(n, int | np.integer | Mapping)):
        raise ValueError(
            f"n_inducing must be a whole number, one for each species, 'all' or None; got {n!r}. To give the points "
            "themselves, pass them as selection."
        )
    generator = np.random.default_rng(random_state)
    pool, species = sample_rows(chunks, np.inf if n == "all" else limit, generator)
    if n == "all":
        return pool, species
    wanted = min(DEFAULT_POINTS, len(species)) if n is None else n
    if isinstance(wanted, Mapping):
        wanted = {kind: _entry(wanted, kind) for kind in np.unique(species).tolist()}
    elif wanted > len(species):
        raise ParameterError(
            "n_inducing",
            f"must be at most the number of environments to choose points from, {len(species)}; got {wanted}."
            f"{'' if len(species) < limit else ' Or raise selection_rows.'}",
        )
    chosen = select_per_species(pool, species, wanted, method, random_state=generator)
    rows = np.concatenate(list(chosen.values()))
    asked = sum(wanted.values()) if isinstance(wanted, Mapping) else wanted
    if n is not None and rows.size < asked:
        warnings.warn(
            f"Only {rows.size} inducing points instead of {asked}: the other environments are duplicates.",
            stacklevel=5,
        )
    return take_rows(pool, rows), species[rows]


def _entry(numbers: Mapping[int, int], species: int) -> int:
    if species not in numbers:
        raise ValueError(
            f"n_inducing holds no number of points for the species {species}, only for {list(numbers)}. Its keys are "
            "atomic numbers, the species given to fit. Without species, give one number."
        )
    return numbers[species]


def given_points(selection: Any) -> tuple[Array, NDArray[np.int64]]:
    """Check points that the user gave, an array (m, n_features) or one for each species: points and their species."""
    by_species = dict(selection) if isinstance(selection, Mapping) else {0: selection}
    parts = {kind: as_float64("selection", by_species[kind]) for kind in sorted(by_species)}
    for part in parts.values():
        check_shape("selection", part, (None, None), "n_inducing, n_features")
        check_finite("selection", part)
    species = np.repeat(list(parts), [part.shape[0] for part in parts.values()])
    if species.size == 0:
        raise ValueError("selection holds no points. Give at least one for each species.")
    return namespace(*parts.values()).concat(list(parts.values()), axis=0), species


def fingerprint(points: Array, species: NDArray[np.int64]) -> str:
    """Tell points from others, for a checkpoint."""
    digest = hashlib.sha256(np.ascontiguousarray(to_numpy(points)).tobytes() + species.tobytes())
    return f"points with SHA-256 {digest.hexdigest()}"
