"""What the training of a ``BandTransformer`` minimises: errors of centres and dispersions of bands along a path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldosml.kresolved import CrystalBands
from ldosml.neural.band_transformer_network import (
    BandNetwork,
    BandScale,
    BandTransformerConfig,
    images_of,
    starting_bands,
)
from ldosml.neural.band_transformer_targets import guessed_bands, path_bands, smoothed
from ldosml.neural.crystals import Crystal, Floats, Integers
from ldosml.neural.examples import hashed
from ldosml.neural.graph import CrystalGraph, GraphBatch, batched, crystal_graph
from ldosml.neural.network import kpoint_images
from ldosml.neural.optimization import check_weight, check_whole
from ldosml.tightbinding import TightBindingParameters

_BLIND = 0.05  # fraction of the crystals whose guess is hidden, so that the network can do without it
_LEAST = 0.1  # eV; otherwise flat bands, or a single crystal, could not be corrected


class PathGraph(NamedTuple):
    """What the network gets of one crystal: its graph, k-points of a path, their images by ``operations``, and a guess.

    guess (n_kpoints, n_guesses): bands of tight binding, eV, NaN where there are none.
    """

    graph: CrystalGraph
    operations: Floats
    kpoints: Floats
    guess: Floats


@dataclass(frozen=True, eq=False)
class PathExample:
    """One crystal of the training or validation part; bands (n_kpoints, n_bands) in eV, NaN where there is none."""

    given: PathGraph
    bands: Floats


@dataclass(frozen=True)
class PathDraws:
    """What is drawn from each crystal, and the weight in the loss; parameters of ``BandTransformer``."""

    kpoints_per_crystal: int | None
    dispersion_weight: float

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.kpoints_per_crystal is not None:
            check_whole("kpoints_per_crystal", self.kpoints_per_crystal, 2)
        check_weight("dispersion_weight", self.dispersion_weight)


def path_graph(
    crystal: Crystal, kpoints: Floats, config: BandTransformerConfig, parameters: TightBindingParameters
) -> PathGraph:
    """What the network gets of a crystal with a path."""
    graph = _within(crystal_graph(crystal, config.n_neighbors), config.radius)
    guess = np.zeros((len(kpoints), 0))
    if config.n_guesses:
        guess = guessed_bands(crystal, kpoints, config.n_guesses, parameters)
    return PathGraph(graph, images_of(crystal, config), kpoints, guess)


def make_path_example(
    crystal: Crystal, bands: CrystalBands, config: BandTransformerConfig, parameters: TightBindingParameters
) -> PathExample:
    """Make the example of one crystal; the k-points of ``bands`` refer to its cell."""
    found = path_bands(crystal, bands, n_kpoints=config.n_kpoints, n_bands=config.n_bands)
    given = path_graph(crystal, found.path.kpoints, config, parameters)
    return PathExample(given, smoothed(found.bands, config.smoothing).astype(np.float32))


def band_scale(examples: Sequence[PathExample]) -> BandScale:
    """Mean centres, and mean differences of centres and dispersions to the guess, at least ``_LEAST``.

    Raises ValueError when a band is in no crystal.
    """
    centers = np.stack([e.bands.mean(axis=0) for e in examples])
    missing = np.flatnonzero(np.isnan(centers).all(axis=0))
    if len(missing):
        raise ValueError(
            f"No training crystal has band {missing[0] + 1} of the {centers.shape[1]} around the Fermi level. Learn "
            "fewer bands (n_bands), or give bands to higher energies."
        )
    means = np.nanmean(centers, axis=0)
    # means of absolute values: a few crystals have deep bands
    rows = [means, *_differences(examples, [_guess(e, means) for e in examples])]
    rows += _differences(examples, [np.where(np.isfinite(e.bands), means, np.nan) for e in examples])
    return BandScale(*(torch.from_numpy(np.asarray(row, dtype=np.float32)) for row in rows))


def _guess(example: PathExample, centers: Floats) -> Floats:
    """The guess (n_kpoints, n_bands), NaN where there is none."""
    guess, means = (torch.from_numpy(np.asarray(array)) for array in (example.given.guess[None], centers))
    bands, guessed = (found[0].numpy() for found in starting_bands(guess, means))
    return np.where(guessed, bands, np.nan)


def _differences(examples: Sequence[PathExample], guesses: Sequence[Floats]) -> list[Floats]:
    """Mean difference of centres and of dispersions to guesses, at least ``_LEAST``, (n_bands,) each."""
    off = np.stack([e.bands - guess for e, guess in zip(examples, guesses, strict=True)])
    each = np.abs(off.mean(axis=1)), off.std(axis=1)  # (n_crystals, n_bands)
    known = np.isfinite(each[0])
    totals = (np.where(known, values, 0.0).sum(axis=0) for values in each)
    return [np.maximum(total / np.maximum(1, known.sum(axis=0)), _LEAST) for total in totals]


@dataclass(frozen=True, eq=False)
class PathObjective:
    """Mean over crystals of |centre error| + ``dispersion_weight`` |dispersion error|, eV: an ``Objective``.

    Parameters
    ----------
    network : BandNetwork
    training, validation : sequence of PathExample
    draws : PathDraws
    validation_batch : int
        Validation crystals at once.
    device : str
    """

    network: BandNetwork
    training: Sequence[PathExample]
    validation: Sequence[PathExample]
    draws: PathDraws
    validation_batch: int
    device: str = "cpu"

    def __len__(self) -> int:
        """Number of training crystals."""
        return len(self.training)

    def loss(self, chosen: Integers, random: np.random.Generator) -> Tensor:
        """Mean loss of some crystals, at k-points at equal steps along the path, from a random first one."""
        examples = [self.training[i] for i in chosen]
        kpoints = [drawn_kpoints(e, self.draws.kpoints_per_crystal, random) for e in examples]
        return self._loss(examples, kpoints, random.random(len(examples)) < _BLIND)

    def validation_loss(self) -> float | None:
        """Mean loss of crystals at all k-points of the path; None without crystals."""
        total = 0.0
        for start in range(0, len(self.validation), self.validation_batch):
            part = self.validation[start : start + self.validation_batch]
            total += float(self._loss(part, [np.arange(len(e.bands) - 1) for e in part], None)) * len(part)
        return total / len(self.validation) if self.validation else None

    def describe(self) -> dict[str, Any]:
        """Architecture, draws and data."""
        data = {"training set": path_fingerprint(self.training), "validation set": path_fingerprint(self.validation)}
        return asdict(self.network.config) | asdict(self.draws) | data

    def _loss(
        self, examples: Sequence[PathExample], kpoints: Sequence[Integers], blind: NDArray[np.bool_] | None
    ) -> Tensor:
        batch = path_batch([e.given for e in examples], kpoints, self.device, blind)
        rows = np.stack([e.bands[k] for e, k in zip(examples, kpoints, strict=True)]).astype(np.float32)
        centers, dispersions = self.network(*batch)
        return path_loss(centers, dispersions, torch.from_numpy(rows).to(self.device), self.draws)


def path_loss(centers: Tensor, dispersions: Tensor, bands: Tensor, draws: PathDraws) -> Tensor:
    """Mean absolute errors of centres and of dispersions, over the bands that exist."""
    true = bands.mean(dim=1)  # (n_crystals, n_bands)
    known = torch.isfinite(true)
    center_errors = (centers - true)[known].abs().mean()
    both = (dispersions - (bands - true[:, None])).transpose(1, 2)[known]  # (n_known, n_kpoints)
    return center_errors + draws.dispersion_weight * both.abs().mean()


def path_batch(
    given: Sequence[PathGraph],
    kpoints: Sequence[Integers],
    device: str | torch.device,
    blind: NDArray[np.bool_] | None = None,
) -> tuple[GraphBatch, Tensor, Tensor]:
    """Graphs, images and guesses at chosen k-points, the same number for each crystal; ``blind`` ones get no guess."""
    pairs = list(zip(given, kpoints, strict=True))
    images = torch.stack([kpoint_images(each.kpoints[k], each.operations) for each, k in pairs])
    guess = np.stack([each.guess[k] for each, k in pairs]).astype(np.float32)
    guess[slice(0, 0) if blind is None else blind] = np.nan
    return batched([each.graph for each in given], device), images.to(device), torch.from_numpy(guess).to(device)


def drawn_kpoints(example: PathExample, n: int | None, random: np.random.Generator) -> Integers:
    """Indices of ``n`` k-points at equal steps along the closed path, from a random first one; None: all.

    The last k-point of the path is never among them: it is the first one again.
    """
    total = len(example.bands) - 1
    if n is None or n >= total:
        return np.arange(total)
    steps = np.arange(n) * total / n
    return np.floor(steps + random.random() * total).astype(np.int64) % total


def path_fingerprint(examples: Sequence[PathExample]) -> str:
    """Hash of graphs, k-points and bands. The guess is left out: tight binding is stored in the checkpoint."""
    return hashed(
        array
        for example in examples
        for array in (*_arrays(example.given.graph).values(), example.given.kpoints, example.bands)
    )


def _arrays(graph: CrystalGraph) -> dict[str, Any]:
    return {field.name: getattr(graph, field.name) for field in fields(graph)}


def _within(graph: CrystalGraph, radius: float) -> CrystalGraph:
    """The graph without edges longer than ``radius``."""
    kept = graph.distances <= radius
    by_edge = ("sources", "targets", "distances", "cosines", "directions", "shifts")
    return CrystalGraph(**{name: part[kept] if name in by_edge else part for name, part in _arrays(graph).items()})
