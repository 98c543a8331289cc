"""Passes over chunks of training data: sums for a sparse fit, and its leave-out errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np

from ldosml._array import Array, namespace
from ldosml.regression._checkpoint import Checkpoint, Progress
from ldosml.regression._chunks import DIGESTED, Chunk, Digest, in_order
from ldosml.regression._sparse_rows import LeaveOutTask, SparseRows
from ldosml.solvers import InducedFeatures, NormalEquations


def sum_rows(
    chunks: Iterable[Chunk],
    rows: SparseRows,
    induced: Sequence[InducedFeatures],
    progress: Progress,
    checkpoint: Checkpoint | None,
    n_jobs: int | None,
) -> NormalEquations:
    """Sums over all chunks; chunks that ``progress`` holds already are only compared.

    Raises what reading a chunk raises, after the sums before it were written to ``checkpoint``.
    """
    try:
        for sums, digest in in_order(partial(rows.sums, induced=induced), _rest(chunks, progress), n_jobs):
            if progress.sums is None:
                progress.sums = sums
            else:
                progress.sums.merge(sums)
            progress.digests.append(digest)
            if checkpoint is not None and len(progress.digests) % checkpoint.every == 0:
                checkpoint.write(progress)
    finally:
        if checkpoint is not None:
            checkpoint.write(progress)
    if progress.sums is None:
        raise ValueError("There are no chunks to fit: the source is empty.")
    return progress.sums


def _rest(chunks: Iterable[Chunk], progress: Progress) -> Iterator[Chunk]:
    """Chunks after the ones that ``progress`` holds, which must not have changed."""
    done = list(progress.digests)
    count = 0
    for chunk in chunks:
        if count >= len(done):
            yield chunk
        elif not np.allclose(chunk.digest(), done[count], rtol=1e-9):
            raise ValueError(
                f"The data changed since the checkpoint was written: {_changed(done[count], chunk.digest())} of chunk "
                f"{count} (of chunk_size, counted from 0) differ. Restore the data, or delete the checkpoint."
            )
        count += 1
    if count < len(done):
        raise ValueError(
            f"The checkpoint holds {len(done)} chunks, the data only {count}. Restore the data, or delete it."
        )


def _changed(before: Digest, now: Digest) -> str:
    """Name what is not as it was."""
    together = zip(DIGESTED, before, now, strict=True)
    return " and ".join(name for name, a, b in together if not np.isclose(a, b, rtol=1e-9))


def leave_out_errors(
    chunks: Iterable[Chunk],
    rows: SparseRows,
    task: LeaveOutTask,
    fraction: float,
    random_state: int | None,
    n_jobs: int | None,
) -> Array:
    """Root mean square leave-out error over the chunks, (n_alphas, n_energies).

    ``fraction`` of the structures (groups, where structures are left out in groups; environments, where they are left
    out one by one) count, random ones.

    Raises ValueError when there are fewer than two, or none is among those that count.
    """
    part = _Part(chunks, fraction, random_state)
    total, count = None, 0
    for errors, n_rows in in_order(partial(rows.leave_out_errors, task=task), part, n_jobs):
        total, count = errors if total is None else total + errors, count + n_rows
    what = "groups" if task.whole else "environments"
    if part.shown < 2:
        raise ValueError(f"Choosing alpha by leaving out needs at least 2 {what}; got 1 sample. Give alpha a number.")
    if total is None:
        raise ValueError(
            f"leave_out_fraction={fraction:g} of {part.shown} {what} left none to choose alpha by. Raise it."
        )
    return namespace(total).sqrt(total / count)


class _Part:
    """A random part of the structures of chunks, or of their groups."""

    def __init__(self, chunks: Iterable[Chunk], fraction: float, random_state: int | None) -> None:
        self._chunks, self._fraction = chunks, fraction
        self._generator = np.random.default_rng(random_state)
        self.shown = 0

    def __iter__(self) -> Iterator[Chunk]:
        for chunk in self._chunks:
            self.shown += chunk.n_groups
            if self._fraction == 1:
                yield chunk
                continue
            kept = np.flatnonzero(self._generator.random(chunk.n_groups) < self._fraction)
            if kept.size:
                yield chunk.select(kept)
