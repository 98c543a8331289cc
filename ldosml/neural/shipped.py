"""Models of crystals by name or file, of whichever kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ldosml._shipped import shipped_file
from ldosml.datasets import CrystalSet, load_crystals, split_crystals
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


def crystal_parts(
    model: CrystalModel, crystals: CrystalSet | Sequence[CrystalSet] | None = None
) -> tuple[CrystalSet, CrystalSet, CrystalSet]:
    """Split crystals as they were split for a model of ``ldosml train-bands`` or ``train-occupancy``.

    Parameters
    ----------
    model : KOccupancyRegressor or TightBindingRegressor
        Its ``training_`` names the sets, and how they were split.
    crystals : CrystalSet, or sequence of CrystalSet, optional
        The sets, when they are no longer where they were.

    Returns
    -------
    training, validation, test : CrystalSet

    Raises
    ------
    ValueError
        When the model does not know its split, or the sets are not those it was trained on.
    FileNotFoundError
        When a set was a file that is not there.

    Examples
    --------
    >>> training, validation, test = crystal_parts(load_crystal_model("crystals"))
    >>> len(test)
    61
    """
    known: dict[str, Any] = getattr(model, "training_", {})
    if "split" not in known:
        raise ValueError(
            "This model does not know how its crystals were split: it was not trained by ldosml train-bands or "
            "train-occupancy. Use split_crystals with the arguments that were used."
        )
    parts = split_crystals(crystals or [load_crystals(name) for name in known["crystals"]], **known["split"])
    if parts[0].names != known["names"]:
        raise ValueError(
            f"The crystals are not those the model was trained on ({', '.join(known['crystals'])}, "
            f"{len(known['names'])} crystals for training): their split has {len(parts[0])}, or others, for training."
        )
    return parts
