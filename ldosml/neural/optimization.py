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
from typing import Any, Literal, Protocol, get_args

import numpy as np
import torch
from torch import Tensor, nn, optim

from ldosml._validation import check_choice, check_positive
from ldosml.neural.checkpoint import load_checkpoint, save_checkpoint
from ldosml.neural.crystals import Integers
from ldosml.neural.epochs import Epoch, best_epoch, count_plateaus, is_stopped
from ldosml.neural.tensor_files import Tensors

Optimizer = Literal["adam", "adamw"]
Schedule = Literal["cosine", "plateau", "constant"]
Progress = Callable[[Epoch], None]

_WARM = 0.03  # fraction of all epochs in which the learning rate rises from zero
_LAST = 0.01  # fraction of the learning rate at the end of the cosine
_CLIP = 1.0  # largest norm of the gradient


class Objective(Protocol):
    """A network, its training and validation examples, and the loss that a training minimises."""

    @property
    def network(self) -> nn.Module:
        """What is trained, in place."""

    def __len__(self) -> int:
        """Number of training examples."""

    def loss(self, chosen: Integers, random: np.random.Generator) -> Tensor:
        """Mean loss over some training examples, given by their indices, at random draws from each."""

    def validation_loss(self) -> float | None:
        """Mean loss over the validation examples, always at the same draws; None without examples."""

    def describe(self) -> dict[str, Any]:
        """Everything but ``TrainingSettings`` that two trainings must share to be the same; JSON can hold it."""


@dataclass(frozen=True)
class TrainingSettings:
    """Parameters of a training; each is the parameter of an estimator with the same name."""

    n_epochs: int
    batch_size: int
    learning_rate: float
    optimizer: Optimizer
    weight_decay: float
    schedule: Schedule
    patience: int | None
    random_state: int

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_choice("optimizer", self.optimizer, get_args(Optimizer))
        check_choice("schedule", self.schedule, get_args(Schedule))
        for name in ("n_epochs", "batch_size"):
            check_whole(name, getattr(self, name), 1)
        check_whole("random_state", self.random_state, 0)  # with None, a checkpoint could not be continued
        if self.patience is not None:
            check_whole("patience", self.patience, 1)
        check_positive("learning_rate", self.learning_rate)
        check_weight("weight_decay", self.weight_decay)


def train(
    objective: Objective,
    settings: TrainingSettings,
    *,
    device: str = "cpu",
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> list[Epoch]:
    """Train the network of an objective in place; it ends with the weights of the best epoch (``best_epoch``).

    Raises ValueError when ``checkpoint`` belongs to another fit, FloatingPointError when the loss becomes NaN or
    infinite.
    """
    network = objective.network
    optimizer = _optimizer(network, settings)
    best: Tensors = {}
    history: list[Epoch] = []
    run = objective.describe() | asdict(settings)
    if checkpoint is not None and checkpoint.exists():
        best, history = load_checkpoint(checkpoint, network, optimizer, run)
    while len(history) < settings.n_epochs and not is_stopped(history, settings.patience):
        history.append(_epoch(objective, optimizer, settings, history, device))
        if best_epoch(history) == history[-1] or not best:
            best = {name: value.detach().clone() for name, value in network.state_dict().items()}
        if checkpoint is not None:
            save_checkpoint(checkpoint, network, optimizer, best, history, run)
        if progress is not None:
            progress(history[-1])
    network.load_state_dict(best)
    return history


def _optimizer(network: nn.Module, settings: TrainingSettings) -> optim.Optimizer:
    kind = optim.AdamW if settings.optimizer == "adamw" else optim.Adam
    return kind(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)


def _epoch(
    objective: Objective,
    optimizer: optim.Optimizer,
    settings: TrainingSettings,
    history: Sequence[Epoch],
    device: str,
) -> Epoch:
    random = np.random.default_rng([settings.random_state, len(history)])
    order = random.permutation(len(objective))
    starts = range(0, len(order), settings.batch_size)
    total, rate = 0.0, 0.0
    objective.network.train()
    with _seeded(int(random.integers(2**31)), device):  # for dropout
        for step, start in enumerate(starts):
            chosen = order[start : start + settings.batch_size]
            rate = learning_rate(settings, history, (step + 1) / len(starts))
            total += len(chosen) * _step(objective, optimizer, chosen, random, rate)
    number = len(history) + 1
    if not np.isfinite(total):
        raise FloatingPointError(
            f"The loss is not finite in epoch {number}. Lower learning_rate, which is {settings.learning_rate:g}."
        )
    objective.network.eval()
    with torch.no_grad():
        validated = objective.validation_loss()
    return Epoch(number, total / len(objective), validated, rate)


@contextmanager
def _seeded(seed: int, device: str) -> Iterator[None]:
    """Seed torch's random numbers within the context; their state outside is not changed."""
    devices = [] if torch.device(device).type == "cpu" else [torch.device(device)]
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def _step(
    objective: Objective, optimizer: optim.Optimizer, chosen: Integers, random: np.random.Generator, rate: float
) -> float:
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad()
    loss = objective.loss(chosen, random)
    loss.backward()
    nn.utils.clip_grad_norm_(objective.network.parameters(), _CLIP)
    optimizer.step()
    return float(loss.detach())


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


def check_whole(name: str, value: object, least: int) -> None:
    """Raise ValueError unless a parameter is a whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} must be a whole number, at least {least}; got {value!r}.")


def check_weight(name: str, value: float) -> None:
    """Raise ValueError unless a parameter is a finite number of at least zero."""
    if not 0 <= value < inf:
        raise ValueError(f"{name} must be a finite number, at least 0; got {value!r}.")
