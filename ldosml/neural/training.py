"""Training: binary cross-entropy of presence, Poisson loss of counts, epoch by epoch.

Everything random in an epoch follows from the seed and the epoch's number, and everything that a schedule or early
stopping remembers from the epochs before, so that a run which was stopped goes on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import cos, inf, pi
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn, optim
from torch.nn import functional

from ldosml.neural._tensors import Tensors
from ldosml.neural.checkpoint import Epoch, best_epoch, read_checkpoint, write_checkpoint
from ldosml.neural.decoder import Outputs
from ldosml.neural.examples import Batch, Example, drawn, fingerprint, make_batch, spread
from ldosml.neural.network import OccupancyNetwork

Optimizer = Literal["adam", "adamw"]
Schedule = Literal["cosine", "plateau", "constant"]
Progress = Callable[[Epoch], None]

_WARM = 0.03  # of all epochs, in which the learning rate rises from zero
_LAST = 0.01  # of the learning rate, where the cosine ends
_CLIP = 1.0  # norm of the gradient
_ANYWHERE = 0.1  # of its cross-entropy in the loss
_BLIND = 0.05  # of the crystals, whose first guess is hidden: there must be an answer without one
_SMALLEST = 1e-3  # count, in a logarithm
WINDOWS = (1, 4, 16, 64)
"""Widths of the windows, in bins, that counts are compared in."""


@dataclass(frozen=True)
class TrainingSettings:
    """How to train; the meaning of each is that of the parameter of ``KOccupancyRegressor`` with its name."""

    n_epochs: int
    batch_size: int
    kpoints_per_crystal: int
    learning_rate: float
    optimizer: Optimizer
    weight_decay: float
    schedule: Schedule
    patience: int | None
    count_weight: float
    validation_kpoints: int
    seed: int


def occupancy_loss(outputs: Outputs, batch: Batch, count_weight: float) -> Tensor:
    """Cross-entropy, the mean of -y log p - (1 - y) log(1 - p) over known bins, plus ``count_weight`` ``count_loss``.

    The latter for each of ``WINDOWS``, where counts are learned. Where it is asked whether a bin holds a state
    anywhere, the cross-entropy of that counts, too, by a tenth: it is some three times as large.
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
    """Poisson deviance, the mean of m - n - n log(m / n), of counts n in windows of so many bins, m expected in them.

    A bin says only that a band is not where it was expected; wide windows say how far away, and which way.
    """
    window = min(window, expected.shape[-1])
    m, n = (
        window * functional.avg_pool1d(values.flatten(0, 1)[:, None], window, max(1, window // 2), ceil_mode=True)
        for values in (expected, counts)
    )  # (n_crystals n_kpoints, 1, n_windows), overlapping by half; the last may be a part, which counts as a whole
    m = m + _SMALLEST
    return (m - n - n * torch.log(m / n.clamp(min=_SMALLEST))).mean()


def train(
    network: OccupancyNetwork,
    training: Sequence[Example],
    validation: Sequence[Example],
    settings: TrainingSettings,
    *,
    device: str = "cpu",
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> list[Epoch]:
    """Train a network in place; it ends with the weights of the epoch that validates best, or the last one's.

    Raises ValueError when ``checkpoint`` exists and belongs to another fit, FloatingPointError when the loss is no
    longer a number.
    """
    optimizer = _optimizer(network, settings)
    best: Tensors = {}
    history: list[Epoch] = []
    work = _work(network, training, validation, settings)
    if checkpoint is not None and checkpoint.exists():
        best, history = read_checkpoint(checkpoint, network, optimizer, work)
    while len(history) < settings.n_epochs and not _stops(history, settings.patience):
        history.append(_epoch(network, optimizer, training, validation, settings, history, device))
        if best_epoch(history) == history[-1] or not best:
            best = {name: value.detach().clone() for name, value in network.state_dict().items()}
        if checkpoint is not None:
            write_checkpoint(checkpoint, network, optimizer, best, history, work)
        if progress is not None:
            progress(history[-1])
    network.load_state_dict(best)
    return history


def _work(
    network: OccupancyNetwork, training: Sequence[Example], validation: Sequence[Example], settings: TrainingSettings
) -> dict[str, object]:
    """What makes two runs the same."""
    data = {"training set": fingerprint(training), "validation set": fingerprint(validation)}
    return asdict(network.config) | asdict(settings) | data


def _optimizer(network: nn.Module, settings: TrainingSettings) -> optim.Optimizer:
    kind = optim.AdamW if settings.optimizer == "adamw" else optim.Adam
    return kind(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)


def _epoch(
    network: OccupancyNetwork,
    optimizer: optim.Optimizer,
    training: Sequence[Example],
    validation: Sequence[Example],
    settings: TrainingSettings,
    history: Sequence[Epoch],
    device: str,
) -> Epoch:
    random = np.random.default_rng([settings.seed, len(history)])
    order = random.permutation(len(training))
    starts = range(0, len(order), settings.batch_size)
    total, rate = 0.0, 0.0
    network.train()
    with _seeded(int(random.integers(2**31)), device):  # what dropout leaves out
        for step, start in enumerate(starts):
            examples = [training[i] for i in order[start : start + settings.batch_size]]
            chosen = [drawn(example, settings.kpoints_per_crystal, random) for example in examples]
            rate = learning_rate(settings, history, (step + 1) / len(starts))
            batch = make_batch(examples, chosen, device, random.random(len(examples)) < _BLIND)
            loss = _step(network, optimizer, batch, rate, settings.count_weight)
            total += loss * len(examples)
    number = len(history) + 1
    if not np.isfinite(total):
        raise FloatingPointError(
            f"The loss is no longer a number in epoch {number}. Lower learning_rate, now {settings.learning_rate:g}."
        )
    return Epoch(number, total / len(training), validation_loss(network, validation, settings, device), rate)


@contextmanager
def _seeded(seed: int, device: str) -> Iterator[None]:
    """Torch's random numbers from a seed; afterwards they go on as if none had been drawn."""
    devices = [] if torch.device(device).type == "cpu" else [torch.device(device)]
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def _step(
    network: OccupancyNetwork, optimizer: optim.Optimizer, batch: Batch, rate: float, count_weight: float
) -> float:
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad()
    loss = occupancy_loss(network(batch.graph, batch.images, batch.guess), batch, count_weight)
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
    optimizer.step()
    return float(loss.detach())


@torch.no_grad()
def validation_loss(
    network: OccupancyNetwork, examples: Sequence[Example], settings: TrainingSettings, device: str = "cpu"
) -> float | None:
    """Mean loss over crystals at k-points that are the same every time, or None without crystals."""
    if not examples:
        return None
    network.eval()
    total = 0.0
    for start in range(0, len(examples), settings.batch_size):
        part = examples[start : start + settings.batch_size]
        batch = make_batch(part, [spread(example, settings.validation_kpoints) for example in part], device)
        loss = occupancy_loss(network(batch.graph, batch.images, batch.guess), batch, settings.count_weight)
        total += float(loss) * len(part)
    return total / len(examples)


def learning_rate(settings: TrainingSettings, history: Sequence[Epoch], within: float) -> float:
    """Learning rate of a step, ``within`` (0 to 1) of the epoch after ``history``.

    It rises in the first 3 % of all epochs; "cosine" then falls to a hundredth, "plateau" halves it whenever the loss
    has not improved for a quarter of ``patience`` epochs.
    """
    done = (len(history) + within) / settings.n_epochs
    rate = settings.learning_rate * min(1.0, done / _WARM)
    if settings.schedule == "cosine":
        return rate * (_LAST + (1 - _LAST) * 0.5 * (1 + cos(pi * done)))
    if settings.schedule == "plateau":
        return rate * 0.5 ** _plateaus(history, max(1, (settings.patience or 20) // 4))
    return rate


def _score(epoch: Epoch) -> float:
    return epoch.training_loss if epoch.validation_loss is None else epoch.validation_loss


def _plateaus(history: Sequence[Epoch], wait: int) -> int:
    """How often the loss did not improve for ``wait`` epochs in a row."""
    best, waited, plateaus = inf, 0, 0
    for epoch in history:
        waited = 0 if _score(epoch) < best else waited + 1
        best = min(best, _score(epoch))
        if waited == wait:
            waited, plateaus = 0, plateaus + 1
    return plateaus


def _stops(history: Sequence[Epoch], patience: int | None) -> bool:
    return bool(history) and patience is not None and history[-1].number - best_epoch(history).number >= patience
