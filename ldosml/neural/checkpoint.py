"""A training run on disk after every epoch, from which it goes on exactly where it stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn, optim

from ldosml.neural._tensors import Tensors, as_json, check_tensors, read_tensors, write_tensors

FORMAT = "ldosml neural checkpoint"
_FIRST_GUESS = "tight_binding_"  # how names of its buffers begin


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
        After it; None where nothing is set aside.
    learning_rate : float
        Of its last step.
    """

    number: int
    training_loss: float
    validation_loss: float | None
    learning_rate: float


def best_epoch(history: Sequence[Epoch]) -> Epoch:
    """The epoch that validates best; where nothing is set aside to tell, the last one."""
    validated = [epoch for epoch in history if epoch.validation_loss is not None]
    return min(validated, key=lambda epoch: epoch.validation_loss or 0.0) if validated else history[-1]


def write_checkpoint(
    path: Path,
    network: nn.Module,
    optimizer: optim.Optimizer,
    best: Tensors,
    history: Sequence[Epoch],
    work: Mapping[str, Any],
) -> None:
    """Write weights, the optimizer's memory, the best weights so far, and the epochs; replaces what is there."""
    tensors = {f"weights/{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"best/{name}": value for name, value in best.items()}
    tensors |= _memory(optimizer)
    spec = {"work": work, "history": [asdict(epoch) for epoch in history]}
    write_tensors(path, FORMAT, tensors, spec, overwrite=True)


def read_checkpoint(
    path: Path, network: nn.Module, optimizer: optim.Optimizer, work: Mapping[str, Any]
) -> tuple[Tensors, list[Epoch]]:
    """Take weights and the optimizer's memory from a checkpoint; give the best weights so far, and the epochs.

    Raises
    ------
    ValueError
        When the file is no checkpoint, damaged, or of another fit: it says what differs.
    """
    tensors, spec = read_tensors(path, FORMAT)
    _check_work(path, spec.get("work"), json.loads(as_json(work)))
    weights, best = _under("weights/", tensors), _under("best/", tensors)
    for found in (weights, best):
        check_tensors(path, found, {name: value.cpu() for name, value in network.state_dict().items()})
    network.load_state_dict(weights)
    _remember(path, optimizer, _under("optimizer/", tensors))
    try:
        return best, [Epoch(**epoch) for epoch in spec["history"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is a damaged {FORMAT}: {error}.") from error


def read_first_guess(path: Path, network: nn.Module) -> None:
    """Take the tight binding that a run began from; another machine would fit it a little otherwise, and take a minute.

    Raises ValueError when the file is no checkpoint, or damaged.
    """
    tensors, _ = read_tensors(path, FORMAT)
    known = {name: value.cpu() for name, value in network.state_dict().items() if name.startswith(_FIRST_GUESS)}
    found = {name: value for name, value in _under("weights/", tensors).items() if name.startswith(_FIRST_GUESS)}
    check_tensors(path, found, known)
    network.load_state_dict(found, strict=False)


def _check_work(path: Path, found: Any, expected: Mapping[str, Any]) -> None:
    there = found if isinstance(found, dict) else {}
    differing = [key for key in {**expected, **there} if there.get(key) != expected.get(key)]
    if differing:
        raise ValueError(
            f"{path} is the checkpoint of another fit: {', '.join(differing)} differ. Name another file to begin anew, "
            "or go on with the same settings, crystals and bands."
        )


def _under(prefix: str, tensors: Tensors) -> Tensors:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _memory(optimizer: optim.Optimizer) -> Tensors:
    """What an optimizer keeps for each parameter, by number and name."""
    state = optimizer.state_dict()["state"]
    return {f"optimizer/{number}/{name}": value for number, kept in state.items() for name, value in kept.items()}


def _remember(path: Path, optimizer: optim.Optimizer, tensors: Tensors) -> None:
    state: dict[int, Tensors] = {}
    for name, value in tensors.items():
        number, kept = name.split("/")
        state.setdefault(int(number), {})[kept] = value
    try:
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{path} is a damaged {FORMAT}: {error}.") from error
