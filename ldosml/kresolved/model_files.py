"""Headers of the files of neural models. Reading them needs neither PyTorch nor safetensors."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ase.data import chemical_symbols

from ldosml.energy import EnergyGrid

FORMAT = "ldosml neural model"
BAND_FORMAT = "ldosml learned tight binding"
FORMAT_VERSION = 5
"""Version of model files and of checkpoints."""

# Errors from reading a damaged header or specification.
_DAMAGE = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)


def describe_crystal_model(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the description of a neural model, without its weights.

    Parameters
    ----------
    path : path
        A file written by ``KOccupancyRegressor.save`` or ``TightBindingRegressor.save``.

    Returns
    -------
    dict
        Serializable as JSON: ``parameters`` of the regressor, ``network``, ``elements`` in the training crystals and
        ``training``, with the number of crystals and the losses of the best epoch. Of occupancies also ``bins`` and
        ``gap_threshold`` (with its score in eV), of bands ``gap_errors`` (eV).

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file is not a neural model, is damaged, or has another format version.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}. Is the path correct, relative to the current folder?")
    try:
        header = _read_header(path)
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    kind = BAND_FORMAT if header.get("format") == BAND_FORMAT else FORMAT
    check_header(path, kind, header)
    try:
        facts = (_band_facts if kind == BAND_FORMAT else _facts)(json.loads(header["spec"]))
        return {"format": kind, "format_version": FORMAT_VERSION, **facts}
    except _DAMAGE as error:
        raise _damaged(path, error) from error


def model_format(path: str | os.PathLike[str]) -> str | None:
    """The format of a safetensors file, or None where its header cannot be read."""
    try:
        return _read_header(Path(path)).get("format")
    except _DAMAGE:
        return None


def is_safetensors(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins like a safetensors file: with the length of a JSON object, then its opening brace."""
    with open(path, "rb") as file:
        start = file.read(9)
    return start[8:] == b"{" and _length(start) < os.path.getsize(path)


def check_header(path: Path, what: str, header: Mapping[str, str]) -> None:
    """Raise ValueError unless the metadata of a safetensors file have the format ``what`` and the current version."""
    if header.get("format") != what:
        raise ValueError(f"{path} is not a {what}; its format is {header.get('format', 'unknown')!r}.")
    if header.get("format_version") != str(FORMAT_VERSION):
        raise ValueError(
            f"{path} has format version {header.get('format_version')!r}; this version of ldosml reads "
            f"{FORMAT_VERSION}. Train the model again."
        )


def _damaged(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{path} is not a complete {FORMAT}, or is damaged: {type(error).__name__}: {str(error).rstrip('.')}. Copy or "
        "download the file again."
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
    expected = 8 + length + max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
    if expected != size:
        raise ValueError(f"it has {size} bytes instead of {expected}")
    return metadata


def _training(spec: Mapping[str, Any]) -> dict[str, Any]:
    training = dict(spec["training"])
    if "names" in training:
        training["n_crystals"] = len(training.pop("names"))
    return training


def _band_facts(spec: Mapping[str, Any]) -> dict[str, Any]:
    parameters = dict(spec["parameters"])
    losses = [_best(history) for history in spec["history"]]
    return {
        "network": dict(parameters.pop("config")),
        "parameters": parameters,
        "elements": [chemical_symbols[number] for number in spec["elements"]],
        "gap_errors": dict(spec["gap_errors"]),
        "training": {**_training(spec), **{name: [one[name] for one in losses] for name in losses[0]}},
    }


def _facts(spec: Mapping[str, Any]) -> dict[str, Any]:
    training = {**_training(spec), **_best(spec["history"])}
    return {
        "parameters": dict(spec["parameters"]),
        "network": dict(spec["config"]),
        "bins": str(EnergyGrid(**spec["grid"])),
        "elements": [chemical_symbols[number] for number in spec["elements"]],
        "gap_threshold": dict(spec["gap_threshold"]),
        "training": training,
    }


def _best(history: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The epoch whose weights were kept: the one with the smallest validation loss, or the last without validation."""
    validated = [epoch for epoch in history if epoch["validation_loss"] is not None]
    best = min(validated, key=lambda epoch: epoch["validation_loss"]) if validated else history[-1]
    return {
        "epochs": len(history),
        "best_epoch": best["number"],
        "training_loss": best["training_loss"],
        "validation_loss": best["validation_loss"],
    }
