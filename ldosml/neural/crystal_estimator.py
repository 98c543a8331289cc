"""What estimators of crystals share: settings, parts of the crystals, and files."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import nn

from ldosml.kresolved import CrystalBands
from ldosml.neural.checkpoint import load_tight_binding
from ldosml.neural.inputs import GivenCrystal, Placed, check_device, hold_out, place_bands
from ldosml.neural.optimization import TrainingSettings
from ldosml.neural.tensor_files import load_fitted, save_tensors
from ldosml.neural.tight_binding_fit import fit_tight_binding
from ldosml.tightbinding import TightBindingParameters

Given = tuple[Sequence[GivenCrystal], Sequence[CrystalBands]]


class GuessConfig(Protocol):
    """Configuration of a network that may read tight binding."""

    @property
    def tight_binding(self) -> str:
        """Which tight binding."""
        ...


class CrystalEstimator(BaseEstimator):
    """An estimator that is trained on crystals and their bands, and saved to one file."""

    validation_fraction: float
    random_state: int
    checkpoint: str | os.PathLike[str] | None
    network_: nn.Module
    elements_: tuple[int, ...]
    training_: dict[str, Any]

    _format: ClassVar[str]
    _not_saved: ClassVar[tuple[str, ...]] = ("checkpoint",)  # parameters that depend on the machine

    def _named(self, settings: Any) -> dict[str, Any]:
        """The parameters that are fields of a dataclass."""
        return {field.name: getattr(self, field.name) for field in fields(settings)}

    def _settings(self) -> TrainingSettings:
        if not 0 <= self.validation_fraction < 1:
            raise ValueError(f"validation_fraction must be at least 0 and below 1; got {self.validation_fraction!r}.")
        return TrainingSettings(**self._named(TrainingSettings))

    def _parts(
        self, crystals: Sequence[GivenCrystal], bands: Sequence[CrystalBands], validation: Given | None
    ) -> tuple[list[Placed], list[Placed]]:
        """Crystals for training and for validation."""
        placed = place_bands(crystals, bands)
        if validation is None:
            return hold_out(placed, self.validation_fraction, self.random_state)
        return placed, place_bands(*validation)

    def _trained_on(self, given: Sequence[Placed]) -> None:
        """Keep what is known of the training crystals."""
        self.elements_ = tuple(int(z) for z in np.unique(np.concatenate([crystal.numbers for crystal, _ in given])))
        self.training_ = {}

    @abstractmethod
    def _spec(self) -> dict[str, Any]:
        """Description of the fitted model beside parameters, elements and training; may replace parameters."""

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Save the fitted model to one safetensors file, with its description as JSON; without pickle.

        Parameters
        ----------
        path : path
            An incomplete file never appears under this name.
        overwrite : bool
            Replace an existing file.

        Returns
        -------
        pathlib.Path

        Raises
        ------
        NotFittedError
            Before ``fit``.
        FileExistsError
            When the file exists and ``overwrite`` is false.
        OSError
            When writing fails; nothing is left behind.
        """
        check_is_fitted(self)
        own = self._spec()
        kept = {name: value for name, value in self.get_params(deep=False).items() if name not in self._not_saved}
        spec = {
            "elements": list(self.elements_),
            "training": self.training_,
            **own,
            "parameters": kept | own.get("parameters", {}),
        }
        save_tensors(Path(path), self._format, self.network_.state_dict(), spec, overwrite)
        return Path(path)

    @classmethod
    @abstractmethod
    def _from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """The model without its weights."""

    def _restore(self, spec: Mapping[str, Any]) -> None:
        """Restore what every model knows of its training."""
        self.elements_ = tuple(int(number) for number in spec["elements"])
        self.training_ = dict(spec["training"])


class NetworkEstimator(CrystalEstimator):
    """An estimator whose network has a preset, and runs on a device."""

    preset: Any
    device: str

    _not_saved = ("checkpoint", "device")

    def _checkpoint(self) -> Path | None:
        return None if self.checkpoint is None else Path(self.checkpoint)

    def _prepare(self, network: Any, config: GuessConfig, given: Sequence[Placed]) -> TightBindingParameters:
        """Give a new network its tight binding: of the fit that a checkpoint continues, or fitted to the crystals."""
        path = self._checkpoint()
        if path is not None and path.exists():
            load_tight_binding(path, network)
        elif config.tight_binding == "fitted":
            network.tight_binding = fit_tight_binding([c for c, _ in given], [b for _, b in given], self.random_state)
        found: TightBindingParameters = network.tight_binding
        return found

    def _network_spec(self, config: Any) -> dict[str, Any]:
        """Description of the network, whose preset may be a configuration."""
        preset = self.preset if isinstance(self.preset, str) else asdict(self.preset)
        return {"config": asdict(config), "parameters": {"preset": preset}}

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, device: str = "cpu") -> Self:
        """Load a model from a file of ``save``.

        Parameters
        ----------
        path : path
            The file.
        device : str
            Where the model predicts: "cpu", "cuda", or another device of PyTorch.

        Returns
        -------
        KOccupancyRegressor or BandTransformer
            Of the class that is asked.

        Raises
        ------
        FileNotFoundError
            When there is no such file.
        ValueError
            When the file is not such a model, is damaged, or has another format version.
        """
        check_device(device)
        return load_fitted(Path(path), cls._format, cls._from_spec, device)
