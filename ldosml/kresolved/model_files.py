"""Files of neural models: what they say of themselves. PyTorch is not needed for that, nor safetensors."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ase.data import chemical_symbols

from ldosml.energy import EnergyGrid

FORMAT = "ldosml neural model"
FORMAT_VERSION = 5
"""Of checkpoints, too."""

# What reading a damaged header or specification may raise.
_DAMAGE = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)


def describe_occupancy_model(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Say what a file of a neural model holds, without its weights.

    Returns
    -------
    dict
        Numbers and texts that JSON can hold. ``parameters`` of the regressor, ``network``, ``bins``, ``elements`` that
        were trained on, ``gap_threshold`` (with its score in eV, where it was chosen) and ``training``: what the file
        says of it, with the number of crystals instead of their names, and the losses of the best epoch.

    Raises
    ------
    FileNotFoundError
    ValueError
        When the file is something else, is damaged, or was written by a version that this one cannot read.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}. Was the path typed right, and from this folder?")
    try:
        header = _read_header(path)
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    check_header(path, FORMAT, header)
    try:
        return {"format": FORMAT, "format_version": FORMAT_VERSION, **_facts(json.loads(header["spec"]))}
    except _DAMAGE as error:
        raise _damaged(path, error) from error


def is_safetensors(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file begins as one of safetensors does: the length of a JSON object, then its brace."""
    with open(path, "rb") as file:
        start = file.read(9)
    return start[8:] == b"{" and _length(start) < os.path.getsize(path)


def check_header(path: Path, what: str, header: Mapping[str, str]) -> None:
    """Raise ValueError unless the metadata of a safetensors file say that it is ``what``, in the version read here."""
    if header.get("format") != what:
        raise ValueError(f"{path} is not a {what}; it calls itself {header.get('format', 'nothing')!r}.")
    if header.get("format_version") != str(FORMAT_VERSION):
        raise ValueError(
            f"{path} has format {header.get('format_version')!r}; this version of ldosml reads {FORMAT_VERSION}. Train "
            "and save it again."
        )


def _damaged(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{path} is not a complete {FORMAT}, or is damaged: {type(error).__name__}: {str(error).rstrip('.')}. Copy or "
        "download it again."
    )


def _length(start: bytes) -> int:
    return int.from_bytes(start[:8], "little")


def _read_header(path: Path) -> dict[str, str]:
    """Metadata of a safetensors file: 8 bytes of length, JSON of that length, then the tensors up to its end."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        length = _length(file.read(8))
        if 8 + length > size:
            raise ValueError(f"its header ends beyond its {size} bytes")
        header = json.loads(file.read(length))
    metadata: dict[str, str] = dict(header.pop("__metadata__", {}))
    told = 8 + length + max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
    if told != size:
        raise ValueError(f"it has {size} bytes of {told}")
    return metadata


def _facts(spec: Mapping[str, Any]) -> dict[str, Any]:
    told = dict(spec["training"])
    if "names" in told:
        told["n_crystals"] = len(told.pop("names"))
    return {
        "parameters": dict(spec["parameters"]),
        "network": dict(spec["config"]),
        "bins": str(EnergyGrid(**spec["grid"])),
        "elements": [chemical_symbols[number] for number in spec["elements"]],
        "gap_threshold": dict(spec["gap_threshold"]),
        "training": {**told, **_best(spec["history"])},
    }


def _best(history: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The epoch whose weights were kept: that of the least validation loss; the last where nothing was set aside."""
    validated = [epoch for epoch in history if epoch["validation_loss"] is not None]
    best = min(validated, key=lambda epoch: epoch["validation_loss"]) if validated else history[-1]
    return {
        "epochs": len(history),
        "best_epoch": best["number"],
        "training_loss": best["training_loss"],
        "validation_loss": best["validation_loss"],
    }
