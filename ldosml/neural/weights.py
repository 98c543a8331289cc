"""Trained models on disk: one safetensors file, whose metadata say in JSON what the tensors are. No pickle."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sklearn.utils.validation import check_is_fitted

from ldosml._shipped import shipped_file
from ldosml.energy import EnergyGrid
from ldosml.kresolved import GapThreshold
from ldosml.kresolved.model_files import FORMAT
from ldosml.neural._tensors import check_tensors, read_tensors, write_tensors
from ldosml.neural.checkpoint import Epoch
from ldosml.neural.inputs import check_device
from ldosml.neural.network import OccupancyConfig, OccupancyNetwork
from ldosml.neural.regressor import KOccupancyRegressor

_NOT_KEPT = ("checkpoint", "device")  # the reader's to say


def save_occupancy_model(model: KOccupancyRegressor, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a fitted model to one file, which appears under its name only when complete.

    Raises
    ------
    NotFittedError
    FileExistsError
        When the file exists and ``overwrite`` is false.
    OSError
        When writing fails; nothing is left behind.
    """
    check_is_fitted(model)
    parameters = {name: value for name, value in model.get_params(deep=False).items() if name not in _NOT_KEPT}
    if isinstance(model.preset, OccupancyConfig):
        parameters["preset"] = asdict(model.preset)
    spec = {
        "parameters": parameters,
        "config": asdict(model.network_.config),
        "grid": asdict(model.grid_),
        "elements": [int(number) for number in model.elements_],
        "gap_threshold": {name: value for name, value in asdict(model.gap_threshold_).items() if value == value},
        "training": model.training_,
        "history": [asdict(epoch) for epoch in model.history_],
    }
    write_tensors(Path(path), FORMAT, model.network_.state_dict(), spec, overwrite)
    return Path(path)


def load_occupancy_model(path: str | os.PathLike[str], *, device: str = "cpu") -> KOccupancyRegressor:
    """Read a model that ``save_occupancy_model`` wrote; it predicts on ``device``.

    Raises
    ------
    FileNotFoundError
    ValueError
        When the file is not such a model, is damaged, or was written by a version that this one cannot read.
    """
    check_device(device)
    path = Path(path)
    tensors, spec = read_tensors(path, FORMAT)
    try:
        model = _restored(spec)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is a damaged {FORMAT}: {type(error).__name__}: {str(error).rstrip('.')}.") from error
    check_tensors(path, tensors, model.network_.state_dict())
    model.network_.load_state_dict(tensors)
    model.network_.to(device).eval()
    model.device = device
    return model


def open_occupancy_model(name: str, *, device: str = "cpu") -> KOccupancyRegressor:
    """Read the model in a file, or the one of this name that ships with the project; see ``load_occupancy_model``.

    Raises ValueError for a name that is neither a file nor shipped.
    """
    path = Path(name)
    if path.suffix or path.is_file():
        return load_occupancy_model(path, device=device)
    try:
        found = shipped_file(name, ".safetensors", "occupancy model")
    except ValueError as error:
        raise ValueError(f"{error} Train one by ldosml train-occupancy, and give its file.") from error
    return load_occupancy_model(found, device=device)


def _restored(spec: Mapping[str, Any]) -> KOccupancyRegressor:
    """The model without its weights."""
    parameters = dict(spec["parameters"])
    if isinstance(parameters["preset"], dict):
        parameters["preset"] = OccupancyConfig(**parameters["preset"])
    model = KOccupancyRegressor(**parameters)
    model.network_ = OccupancyNetwork(OccupancyConfig(**spec["config"]))
    model.grid_ = EnergyGrid(**spec["grid"])
    if model.grid_.size != model.network_.config.n_bins:
        raise ValueError(f"its grid has {model.grid_.size} bins, its network {model.network_.config.n_bins}")
    model.elements_ = tuple(int(number) for number in spec["elements"])
    model.gap_threshold_ = GapThreshold(**spec["gap_threshold"])
    model.training_ = dict(spec["training"])
    model.history_ = [Epoch(**epoch) for epoch in spec["history"]]
    return model
