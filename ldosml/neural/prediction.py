"""Predictions of a trained network for one crystal, in batches of k-points that bound the memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ldosml.neural.crystals import Floats
from ldosml.neural.examples import Halves, with_zone
from ldosml.neural.graph import CrystalGraph, batched
from ldosml.neural.network import OccupancyNetwork

_AT_ONCE = 128  # k-points
_EDGES_AT_ONCE = 60_000  # edges times k-points in the sums over neighbours: about 0.2 GB


@dataclass(frozen=True, eq=False)
class PredictedBins:
    """Probabilities and counts (n_kpoints, n_bins), and probabilities anywhere in the zone (n_bins,), or None."""

    probabilities: Floats
    counts: Floats | None
    anywhere: Floats | None


@torch.no_grad()
def predict_bins(
    network: OccupancyNetwork, one: CrystalGraph, images: Tensor, guess: Halves, zone_guess: Halves
) -> PredictedBins:
    """Predict the bins of one crystal at images of k-points (n_kpoints, n_images, 3), on the device of the network.

    The encoder runs once, the decoder for batches of k-points. ``guess`` and ``zone_guess``: see ``guessed``.
    """
    device = next(network.parameters()).device
    graph = batched([one], device)
    encoded = network.encoder(graph)
    at_once = max(1, min(_AT_ONCE, _EDGES_AT_ONCE // len(graph.sources)))
    parts = []
    for start in range(0, len(images), at_once):
        chosen = slice(start, start + at_once)
        given = torch.from_numpy(with_zone(guess[chosen], zone_guess).astype(np.float32))
        arrays = (part[None].to(device) for part in (images[chosen], given))
        parts.append(network.decode(encoded, graph, *arrays))
    anywhere = parts[0].anywhere
    return PredictedBins(
        _joined([part.logits[0].sigmoid() for part in parts]),
        _joined([part.counts[0] for part in parts if part.counts is not None]) if network.config.counts else None,
        None if anywhere is None else _joined([anywhere[0].sigmoid()]),
    )


def _joined(rows: list[Tensor]) -> Floats:
    return np.asarray(torch.cat(rows).double().cpu().numpy(), dtype=np.float64)
