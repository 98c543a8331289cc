"""The loss of predicted occupancies: cross-entropy of presence, and Poisson deviance of counts."""

from __future__ import annotations

from torch import Tensor, log
from torch.nn import functional

from ldosml.neural.decoder import Outputs
from ldosml.neural.examples import Batch

_ANYWHERE = 0.1  # weight of the cross-entropy of presence anywhere in the zone, which is about three times as large
_SMALLEST = 1e-3  # smallest count in a logarithm
WINDOWS = (1, 4, 16, 64)
"""Widths of the windows, in bins, in which counts are compared."""


def occupancy_loss(outputs: Outputs, batch: Batch, count_weight: float) -> Tensor:
    """Cross-entropy of presence, plus the cross-entropy of presence anywhere, plus losses of counts.

    L = H(presence) + 0.1 H(anywhere) + ``count_weight`` sum over ``WINDOWS`` of ``count_loss``. A term that the network
    does not predict is left out, and so are bins that are not complete.
    """
    loss = cross_entropy(outputs.logits, batch.presence, batch.known)
    if outputs.anywhere is not None:
        loss = loss + _ANYWHERE * cross_entropy(outputs.anywhere, batch.anywhere, batch.known[:, 0])
    if outputs.counts is None or batch.counts is None:
        return loss
    expected, counts = outputs.counts * batch.known, batch.counts * batch.known
    return loss + count_weight * sum(count_loss(expected, counts, window) for window in WINDOWS)


def cross_entropy(logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
    """Mean of -y log p - (1 - y) log(1 - p) over known bins."""
    entropy = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    counted = known.expand_as(entropy)
    result: Tensor = (entropy * counted).sum() / counted.sum()
    return result


def count_loss(expected: Tensor, counts: Tensor, window: int) -> Tensor:
    """Poisson deviance, the mean of m - n - n log(m / n), of counts n in windows of bins, with m expected in them.

    With single bins, a band at a wrong energy gives the same loss however wrong it is; wide windows give the distance.
    """
    window = min(window, expected.shape[-1])
    m, n = (
        window * functional.avg_pool1d(values.flatten(0, 1)[:, None], window, max(1, window // 2), ceil_mode=True)
        for values in (expected, counts)
    )  # (n_crystals n_kpoints, 1, n_windows), overlapping by half; a partial last window counts like a full one
    m = m + _SMALLEST
    return (m - n - n * log(m / n.clamp(min=_SMALLEST))).mean()
