"""The epochs of a training: which one is best, and when the loss has stopped improving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True)
class Epoch:
    """One pass over the training crystals.

    Parameters
    ----------
    number : int
        From 1.
    training_loss : float
        Mean over the batches, while the weights change.
    validation_loss : float or None
        Loss after the epoch; None without validation crystals.
    learning_rate : float
        Learning rate of the last step.
    """

    number: int
    training_loss: float
    validation_loss: float | None
    learning_rate: float

    @property
    def loss(self) -> float:
        """The validation loss, or without validation crystals the training loss."""
        return self.training_loss if self.validation_loss is None else self.validation_loss


def best_epoch(history: Sequence[Epoch]) -> Epoch:
    """Find the epoch with the smallest validation loss.

    Parameters
    ----------
    history : sequence of Epoch
        All epochs of a training.

    Returns
    -------
    Epoch
        The last epoch where there are no validation crystals.
    """
    validated = [epoch for epoch in history if epoch.validation_loss is not None]
    return min(validated, key=lambda epoch: epoch.loss) if validated else history[-1]


def is_stopped(history: Sequence[Epoch], patience: int | None) -> bool:
    """Whether the last ``patience`` epochs did not improve on the best one."""
    return bool(history) and patience is not None and history[-1].number - best_epoch(history).number >= patience


def count_plateaus(history: Sequence[Epoch], wait: int) -> int:
    """How often the loss did not improve for ``wait`` consecutive epochs."""
    best, waited, plateaus = inf, 0, 0
    for epoch in history:
        waited = 0 if epoch.loss < best else waited + 1
        best = min(best, epoch.loss)
        if waited == wait:
            waited, plateaus = 0, plateaus + 1
    return plateaus
