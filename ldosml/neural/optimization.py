"""Training of a network, epoch by epoch.

Random numbers depend only on the seed and the number of the epoch, and the learning rate and early stopping only on the
losses of the epochs before. A training that was interrupted therefore continues as if it had not been.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import cos, inf, pi
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from torch import nn, optim

from ldosml._validation import check_choice, check_positive
from ldosml.neural.checkpoint import load_checkpoint, save_checkpoint
from ldosml.neural.epochs import Epoch, best_epoch, count_plateaus, is_stopped
from ldosml.neural.examples import Batch, Example, evenly_spaced, fingerprint, make_batch, random_subset
from ldosml.neural.losses import occupancy_loss
from ldosml.neural.network import OccupancyNetwork
from ldosml.neural.tensor_files import Tensors

Optimizer = Literal["adam", "adamw"]
Schedule = Literal["cosine", "plateau", "constant"]
Progress = Callable[[Epoch], None]

_WARM = 0.03  # fraction of all epochs in which the learning rate rises from zero
_LAST = 0.01  # fraction of the learning rate at the end of the cosine
_CLIP = 1.0  # largest norm of the gradient
_BLIND = 0.05  # fraction of the crystals whose first guess is hidden, so that the network can do without it


@dataclass(frozen=True)
class TrainingSettings:
    """Parameters of the training; each is the parameter of ``KOccupancyRegressor`` with the same name."""

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
    random_state: int

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_choice("optimizer", self.optimizer, get_args(Optimizer))
        check_choice("schedule", self.schedule, get_args(Schedule))
        for name in ("n_epochs", "batch_size", "kpoints_per_crystal", "validation_kpoints"):
            _check_whole(name, getattr(self, name), 1)
        _check_whole("random_state", self.random_state, 0)  # with None, a checkpoint could not be continued
        if self.patience is not None:
            _check_whole("patience", self.patience, 1)
        check_positive("learning_rate", self.learning_rate)
        for name in ("weight_decay", "count_weight"):
            if not 0 <= getattr(self, name) < inf:
                raise ValueError(f"{name} must be a finite number, at least 0; got {getattr(self, name)!r}.")


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
    """Train a network in place; it ends with the weights of the best epoch (``best_epoch``).

    Raises ValueError when ``checkpoint`` belongs to another fit, FloatingPointError when the loss becomes NaN or
    infinite.
    """
    optimizer = _optimizer(network, settings)
    best: Tensors = {}
    history: list[Epoch] = []
    run = _run(network, training, validation, settings)
    if checkpoint is not None and checkpoint.exists():
        best, history = load_checkpoint(checkpoint, network, optimizer, run)
    while len(history) < settings.n_epochs and not is_stopped(history, settings.patience):
        history.append(_epoch(network, optimizer, training, validation, settings, history, device))
        if best_epoch(history) == history[-1] or not best:
            best = {name: value.detach().clone() for name, value in network.state_dict().items()}
        if checkpoint is not None:
            save_checkpoint(checkpoint, network, optimizer, best, history, run)
        if progress is not None:
            progress(history[-1])
    network.load_state_dict(best)
    return history


def _run(
    network: OccupancyNetwork, training: Sequence[Example], validation: Sequence[Example], settings: TrainingSettings
) -> dict[str, object]:
    """Everything that two runs must share to be the same."""
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
    random = np.random.default_rng([settings.random_state, len(history)])
    order = random.permutation(len(training))
    starts = range(0, len(order), settings.batch_size)
    total, rate = 0.0, 0.0
    network.train()
    with _seeded(int(random.integers(2**31)), device):  # for dropout
        for step, start in enumerate(starts):
            examples = [training[i] for i in order[start : start + settings.batch_size]]
            chosen = [random_subset(example, settings.kpoints_per_crystal, random) for example in examples]
            rate = learning_rate(settings, history, (step + 1) / len(starts))
            batch = make_batch(examples, chosen, device, random.random(len(examples)) < _BLIND)
            loss = _step(network, optimizer, batch, rate, settings.count_weight)
            total += loss * len(examples)
    number = len(history) + 1
    if not np.isfinite(total):
        raise FloatingPointError(
            f"The loss is not finite in epoch {number}. Lower learning_rate, which is {settings.learning_rate:g}."
        )
    return Epoch(number, total / len(training), validation_loss(network, validation, settings, device), rate)


@contextmanager
def _seeded(seed: int, device: str) -> Iterator[None]:
    """Seed torch's random numbers within the context; their state outside is not changed."""
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
    """Mean loss over crystals, always at the same k-points; None without crystals."""
    if not examples:
        return None
    network.eval()
    total = 0.0
    for start in range(0, len(examples), settings.batch_size):
        part = examples[start : start + settings.batch_size]
        batch = make_batch(part, [evenly_spaced(example, settings.validation_kpoints) for example in part], device)
        loss = occupancy_loss(network(batch.graph, batch.images, batch.guess), batch, settings.count_weight)
        total += float(loss) * len(part)
    return total / len(examples)


def learning_rate(settings: TrainingSettings, history: Sequence[Epoch], within: float) -> float:
    """Learning rate of a step at the fraction ``within`` (0 to 1) of the epoch after ``history``.

    It rises linearly in the first 3 % of all epochs. "cosine" then lowers it to a hundredth; "plateau" halves it
    whenever the loss has not improved for a quarter of ``patience`` epochs.
    """
    done = (len(history) + within) / settings.n_epochs
    rate = settings.learning_rate * min(1.0, done / _WARM)
    if settings.schedule == "cosine":
        return rate * (_LAST + (1 - _LAST) * 0.5 * (1 + cos(pi * done)))
    if settings.schedule == "plateau":
        return rate * 0.5 ** count_plateaus(history, max(1, (settings.patience or 20) // 4))
    return rate


def _check_whole(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} must be a whole number, at least {least}; got {value!r}.")
