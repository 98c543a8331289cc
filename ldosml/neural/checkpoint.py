"""Checkpoints: a training saved after every epoch, which continues exactly where it stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn, optim

from ldosml.neural.epochs import Epoch
from ldosml.neural.tensor_files import Tensors, as_json, check_tensors, load_tensors, save_tensors
from ldosml.neural.tight_binding_buffers import PREFIX

FORMAT = "ldosml neural checkpoint"


def save_checkpoint(
    path: Path,
    network: nn.Module,
    optimizer: optim.Optimizer,
    best: Tensors,
    history: Sequence[Epoch],
    run: Mapping[str, Any],
) -> None:
    """Save weights, the state of the optimizer, the best weights so far, and the epochs; an old file is replaced."""
    tensors = {f"weights/{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"best/{name}": value for name, value in best.items()}
    tensors |= _optimizer_state(optimizer)
    spec = {"run": run, "history": [asdict(epoch) for epoch in history]}
    save_tensors(path, FORMAT, tensors, spec, overwrite=True)


def load_checkpoint(
    path: Path, network: nn.Module, optimizer: optim.Optimizer, run: Mapping[str, Any]
) -> tuple[Tensors, list[Epoch]]:
    """Restore weights and optimizer from a checkpoint; return the best weights so far, and the epochs.

    Raises
    ------
    ValueError
        When the file is not a checkpoint, is damaged, or belongs to another fit; the message says what differs.
    """
    tensors, spec = load_tensors(path, FORMAT)
    _check_run(path, spec.get("run"), json.loads(as_json(run)))
    weights, best = _under("weights/", tensors), _under("best/", tensors)
    for found in (weights, best):
        check_tensors(path, found, {name: value.cpu() for name, value in network.state_dict().items()})
    network.load_state_dict(weights)
    _restore_optimizer(path, optimizer, _under("optimizer/", tensors))
    try:
        return best, [Epoch(**epoch) for epoch in spec["history"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is a damaged {FORMAT}: {error}.") from error


def load_tight_binding(path: Path, network: nn.Module) -> None:
    """Restore the fitted tight binding from a checkpoint; another machine would fit it slightly differently.

    Raises ValueError when the file is not a checkpoint, or is damaged.
    """
    tensors, _ = load_tensors(path, FORMAT)
    known = {name: value.cpu() for name, value in network.state_dict().items() if name.startswith(PREFIX)}
    found = {name: value for name, value in _under("weights/", tensors).items() if name.startswith(PREFIX)}
    check_tensors(path, found, known)
    network.load_state_dict(found, strict=False)


def _check_run(path: Path, found: Any, expected: Mapping[str, Any]) -> None:
    kept = found if isinstance(found, dict) else {}
    differing = [key for key in {**expected, **kept} if kept.get(key) != expected.get(key)]
    if differing:
        raise ValueError(
            f"{path} is the checkpoint of another fit: {', '.join(differing)} differ. Use the same settings, crystals "
            "and bands to continue, or another file to start again."
        )


def _under(prefix: str, tensors: Tensors) -> Tensors:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _optimizer_state(optimizer: optim.Optimizer) -> Tensors:
    """State of an optimizer, by the number of the parameter and the name of the tensor."""
    state = optimizer.state_dict()["state"]
    return {f"optimizer/{number}/{name}": value for number, kept in state.items() for name, value in kept.items()}


def _restore_optimizer(path: Path, optimizer: optim.Optimizer, tensors: Tensors) -> None:
    state: dict[int, Tensors] = {}
    for name, value in tensors.items():
        number, kept = name.split("/")
        state.setdefault(int(number), {})[kept] = value
    try:
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{path} is a damaged {FORMAT}: {error}.") from error
