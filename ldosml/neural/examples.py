"""Training examples (the graph of a crystal, its k-points and the labels of its bins), and batches of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldosml.energy import EnergyGrid
from ldosml.kresolved import CrystalBands
from ldosml.kresolved.occupancy import Labels
from ldosml.neural.crystals import Crystal, Floats, Integers
from ldosml.neural.decoder import MeanLabels
from ldosml.neural.graph import CrystalGraph, GraphBatch, batched, crystal_graph
from ldosml.neural.network import OccupancyConfig, kpoint_images, operations
from ldosml.neural.tight_binding import first_guess
from ldosml.tightbinding import TightBindingParameters

Halves = NDArray[np.float16]

REACH = 3.0
"""How far soft labels extend below their states, in widths."""


@dataclass(frozen=True, eq=False)
class Example:
    """One crystal of the training or validation part.

    guess (n_kpoints, n_widths, n_bins), zone_guess (n_widths, n_bins): from ``first_guess``; presence, counts
    (n_kpoints, n_bins): labels, in half precision, with errors of 0.0005; anywhere (n_bins,):
    ``CrystalBands.anywhere``; known (n_bins,): bins in which the bands are complete; gap: eV.
    """

    graph: CrystalGraph
    operations: Floats
    kpoints: Floats
    guess: Halves
    zone_guess: Halves
    presence: Halves
    counts: Halves | None
    anywhere: Halves
    known: NDArray[np.bool_]
    gap: float


def make_example(
    crystal: Crystal,
    bands: CrystalBands,
    config: OccupancyConfig,
    grid: EnergyGrid,
    kind: Labels,
    width: float,
    parameters: TightBindingParameters,
) -> Example:
    """Make the example of one crystal; the k-points of ``bands`` refer to the cell of ``crystal``."""
    presence = bands.labels(grid, kind, width).astype(np.float16)
    return Example(
        crystal_graph(crystal, config.n_neighbors),
        operations(crystal, config),
        bands.kpoints,
        *guessed(crystal, bands.kpoints, grid, config, parameters),
        presence,
        bands.labels(grid, "counts").astype(np.float16) if config.counts else None,
        bands.anywhere(grid, kind, width).astype(np.float16),
        bands.known_bins(grid, REACH * width if kind == "soft" else 0.0),
        bands.gap,
    )


def guessed(
    crystal: Crystal,
    kpoints: Floats,
    grid: EnergyGrid,
    config: OccupancyConfig,
    parameters: TightBindingParameters,
) -> tuple[Halves, Halves]:
    """The first guess in half precision; empty for a network without tight binding."""
    if config.tight_binding == "none":
        none = np.zeros((len(kpoints), 0, grid.size), dtype=np.float16)
        return none, none[0]
    guess, zone = first_guess(crystal, kpoints, grid, parameters)
    return guess.astype(np.float16), zone.astype(np.float16)


def with_zone(guess: Halves, zone: Halves) -> Halves:
    """The guess at k-points followed by the guess for the whole zone, (n_kpoints + 1, n_widths, n_bins)."""
    return np.concatenate([guess, zone[None]])


@dataclass(frozen=True, eq=False)
class Batch:
    """Several crystals with the same number of k-points each.

    images (n_crystals, n_kpoints, n_operations, 3); guess (n_crystals, n_kpoints + 1, n_widths, n_bins), with the guess
    for the whole zone last; labels by bin.
    """

    graph: GraphBatch
    images: Tensor
    guess: Tensor
    presence: Tensor
    counts: Tensor | None
    anywhere: Tensor
    known: Tensor


def make_batch(
    examples: Sequence[Example], chosen: Sequence[Integers], device: str, blind: NDArray[np.bool_] | None = None
) -> Batch:
    """Join examples at their chosen k-points, the same number of each; the guess of ``blind`` ones is set to zero."""
    pairs = list(zip(examples, chosen, strict=True))
    images = torch.stack([kpoint_images(e.kpoints[k], e.operations) for e, k in pairs])
    presence = np.stack([e.presence[k] for e, k in pairs])
    counts = [e.counts[k] for e, k in pairs if e.counts is not None]
    guess = np.stack([with_zone(e.guess[k], e.zone_guess) for e, k in pairs])
    guess[slice(0, 0) if blind is None else blind] = 0
    known = np.stack([e.known for e in examples])[:, None]  # (n_crystals, 1, n_bins)

    def placed(values: NDArray[np.float16] | NDArray[np.bool_]) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(device)

    return Batch(
        batched([e.graph for e in examples], device),
        images.to(device),
        placed(guess),
        placed(presence),
        placed(np.stack(counts)) if counts else None,
        placed(np.stack([e.anywhere for e in examples])),
        placed(known),
    )


def mean_labels(examples: Sequence[Example]) -> MeanLabels:
    """Mean labels of each bin over the crystals in which it is complete."""
    known = np.stack([e.known for e in examples]).astype(np.float64)
    weights = known / np.maximum(1.0, known.sum(axis=0))

    def mean(rows: list[Halves]) -> Tensor:
        each = np.stack([np.atleast_2d(row).mean(axis=0, dtype=np.float64) for row in rows])
        return torch.from_numpy((weights * each).sum(axis=0).astype(np.float32))

    counts = [e.counts for e in examples if e.counts is not None]
    return MeanLabels(
        mean([e.presence for e in examples]), mean(counts) if counts else None, mean([e.anywhere for e in examples])
    )


def random_subset(example: Example, n: int, random: np.random.Generator) -> Integers:
    """Indices of ``n`` random k-points, without repetition if there are enough."""
    return np.resize(random.permutation(len(example.kpoints)), n)


def evenly_spaced(example: Example, n: int) -> Integers:
    """Indices of ``n`` k-points at equal steps."""
    return np.arange(n) * len(example.kpoints) // n


def fingerprint(examples: Sequence[Example]) -> str:
    """Hash of graphs, k-points and labels. The first guess is left out: it is stored in the checkpoint."""

    def arrays(example: Example) -> Iterator[NDArray[Any]]:
        counts = () if example.counts is None else (example.counts,)
        yield from (getattr(example.graph, field.name) for field in fields(example.graph))
        yield from (example.kpoints, example.presence, *counts, example.anywhere, example.known)

    return hashed(array for example in examples for array in arrays(example))


def hashed(arrays: Iterable[NDArray[Any]]) -> str:
    """Hash of arrays, with their types and shapes."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
