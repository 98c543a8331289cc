"""Models of crystals by name or file, of whichever kind."""

from __future__ import annotations

from pathlib import Path

from ldosml._shipped import shipped_file
from ldosml.kresolved.model_files import BAND_FORMAT, model_format
from ldosml.neural.regressor import KOccupancyRegressor
from ldosml.neural.tight_binding_regressor import TightBindingRegressor

CrystalModel = KOccupancyRegressor | TightBindingRegressor


def load_crystal_model(name: str = "tight-binding", *, device: str = "cpu") -> CrystalModel:
    """Load a model that ships with the project, or the model in a file.

    Parameters
    ----------
    name : str
        "tight-binding", which predicts bands, "crystals", which predicts occupancies, or a file.
    device : str
        Where a model of occupancies predicts: "cpu", "cuda", or another device of PyTorch.

    Returns
    -------
    TightBindingRegressor or KOccupancyRegressor

    Raises
    ------
    FileNotFoundError, ValueError
        As ``KOccupancyRegressor.load``; ValueError when the name is neither a file nor a shipped model.
    """
    path = Path(name)
    if not (path.suffix or path.is_file()):
        try:
            path = shipped_file(name, ".safetensors", "model of crystals")
        except ValueError as error:
            raise ValueError(
                f"{error} Train a model with ldosml train-bands or ldosml train-occupancy, and give its file."
            ) from error
    if path.is_file() and model_format(path) == BAND_FORMAT:
        return TightBindingRegressor.load(path)
    return KOccupancyRegressor.load(path, device=device)
