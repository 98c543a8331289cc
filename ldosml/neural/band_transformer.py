"""The estimator: bands around the Fermi level of any crystal, along a path through the Brillouin zone."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Self

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from ldosml.kresolved import CrystalBands, KPath
from ldosml.neural.band_transformer_network import BandNetwork, BandPreset, BandTransformerConfig
from ldosml.neural.band_transformer_objective import (
    PathDraws,
    PathObjective,
    band_scale,
    make_path_example,
    path_batch,
    path_graph,
)
from ldosml.neural.band_transformer_targets import PathBands
from ldosml.neural.crystal_estimator import Given, NetworkEstimator
from ldosml.neural.crystals import Crystal, Floats
from ldosml.neural.epochs import Epoch
from ldosml.neural.inputs import (
    GivenCrystal,
    check_device,
    check_elements,
    check_sequence,
    check_shells,
    describe,
)
from ldosml.neural.optimization import Optimizer, Progress, Schedule, train

FORMAT = "ldosml band transformer"


class BandTransformer(NetworkEstimator):
    """Learn bands around the Fermi level from the bands of many crystals, end to end.

    After *Graph Transformer Networks for Accurate Band Structure Prediction: An End-to-End Approach* (Bandformer). An
    encoder reads the crystal as a graph of atoms. A decoder reads the k-points of the closed path of Latimer and Munro
    as a sequence, with attention along the path and to the atoms, and gives centre and dispersion of six bands.

    Parameters
    ----------
    preset : {"small", "paper"} or BandTransformerConfig
        The network; see ``BandTransformerConfig.preset``.
    dispersion_weight : float
        Weight of the error of dispersions in the loss, relative to the error of centres. The paper searches it, and
        does not tell it.
    kpoints_per_crystal : int or None
        Number of k-points of each crystal in a step, at equal steps along the path from a random first one; None: all,
        as in the paper. Fewer are faster.
    n_epochs : int
        Largest number of passes over the crystals.
    batch_size : int
        Crystals in one step.
    learning_rate, weight_decay : float
        Parameters of the optimizer.
    optimizer : {"adamw", "adam"}
        The optimizer.
    schedule : {"cosine", "plateau", "constant"}
        Schedule of the learning rate.
    patience : int or None
        Stop when the validation loss has not improved for this number of epochs.
    validation_fraction : float
        Fraction of the crystals that is held out to choose the best epoch, unless ``fit`` gets validation crystals.
        Crystals of one formula stay together. 0: keep the last epoch.
    random_state : int
        Seed of weights, draws and held-out crystals. Fits with the same seed are identical on one machine with the
        same number of threads, and nearly identical on a GPU.
    checkpoint : path or None
        File that is saved after every epoch. If it exists, the fit continues from it.
    device : str
        "cpu", "cuda", or another device of PyTorch.

    Attributes
    ----------
    network_ : BandNetwork
        The trained network.
    elements_ : tuple of int
        Atomic numbers in the training crystals.
    history_ : list of Epoch
        Losses of every epoch, eV.
    training_ : dict
        Description of the training data, saved with the model; empty unless filled by hand.

    Examples
    --------
    >>> from ase.build import bulk
    >>> bands = CrystalBands([[0, 0, 0], [0.5, 0, 0]], [[-5.0, 16.0], [1.0, 17.0]], None, 0.0, 15.0, 1.0, 0.0)
    >>> tiny = BandTransformerConfig(n_bands=2, n_kpoints=24, d=8, n_layers=1, n_blocks=1, n_heads=1)
    >>> model = BandTransformer(tiny, n_epochs=1, validation_fraction=0)
    >>> (found,) = model.fit([bulk("Na")], [bands]).predict([bulk("Na")])
    >>> found.bands.shape, found.gap
    ((24, 2), 0.0)
    """

    _format = FORMAT

    def __init__(
        self,
        preset: BandPreset | BandTransformerConfig = "small",
        *,
        dispersion_weight: float = 1.0,
        kpoints_per_crystal: int | None = 16,
        n_epochs: int = 30,
        batch_size: int = 8,
        learning_rate: float = 1e-3,
        optimizer: Optimizer = "adamw",
        weight_decay: float = 5e-2,
        schedule: Schedule = "cosine",
        patience: int | None = 20,
        validation_fraction: float = 0.1,
        random_state: int = 0,
        checkpoint: str | os.PathLike[str] | None = None,
        device: str = "cpu",
    ) -> None:
        self.preset = preset
        self.dispersion_weight = dispersion_weight
        self.kpoints_per_crystal = kpoints_per_crystal
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.checkpoint = checkpoint
        self.device = device

    def fit(
        self,
        crystals: Sequence[GivenCrystal],
        bands: Sequence[CrystalBands],
        *,
        validation: Given | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Train on crystals and their bands.

        The bands may be at any k-points. They are interpolated to the path of the network by ``path_bands``, which also
        puts Fermi levels into the middle of gaps.

        Parameters
        ----------
        crystals : sequence of Atoms or Crystal
            In the primitive cell to which the k-points of their bands refer.
        bands : sequence of CrystalBands
            One for each crystal. Join the bands on the mesh and along the path (``CrystalBands.joined``): a mesh alone
            misses the sharp bends of bands.
        validation : (crystals, bands), optional
            Crystals that choose the best epoch. Default: a part of the crystals, see ``validation_fraction``.
        progress : callable, optional
            Called with each ``Epoch``, after its checkpoint is saved.

        Returns
        -------
        BandTransformer
            The fitted model itself.

        Raises
        ------
        TypeError, ValueError
            When parameters or bands are invalid (see ``path_bands``), a crystal is invalid (see ``standardized``) or
            not in a primitive cell, or the checkpoint belongs to another fit.
        FloatingPointError
            When the loss becomes NaN or infinite.
        ImportError
            When pymatgen is missing, for the path.
        """
        settings, draws, config = self._settings(), PathDraws(**self._named(PathDraws)), self._config()
        check_device(self.device)
        given, held_out = self._parts(crystals, bands, validation)
        network = BandNetwork(config, self.random_state)
        parameters = self._prepare(network, config, given)
        training, validated = (
            [make_path_example(c, b, config, parameters) for c, b in part] for part in (given, held_out)
        )
        network.start_at(band_scale(training))
        network.to(self.device)
        objective = PathObjective(network, training, validated, draws, self.batch_size, self.device)
        self.history_ = train(objective, settings, device=self.device, checkpoint=self._checkpoint(), progress=progress)
        self._trained_on(given)
        self.network_ = network.eval()
        return self

    def predict(self, crystals: Sequence[GivenCrystal], *, allow_unknown: bool = False) -> list[PathBands]:
        """Predict the bands of crystals along their closed paths of Latimer and Munro.

        Parameters
        ----------
        crystals : sequence of Atoms or Crystal
            In any cell; k-points in the result refer to the standardised primitive cell.
        allow_unknown : bool
            Predict, with a warning, also for elements that are not in the training crystals.

        Returns
        -------
        list of PathBands
            One for each crystal, with all bands.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            When a crystal is invalid (see ``standardized``), or has unknown elements.
        ImportError
            When pymatgen is missing, for the path.
        """
        check_is_fitted(self)
        described = [describe(crystal)[0] for crystal in check_sequence(crystals)]
        check_elements(described, self.elements_, allow_unknown, "bands")
        n = self.network_.config.n_kpoints
        paths = [KPath.latimer_munro(crystal.atoms(), n, eulerian=True) for crystal in described]
        return [
            PathBands(path, self._bands(crystal, path.kpoints)) for crystal, path in zip(described, paths, strict=True)
        ]

    @torch.no_grad()
    def _bands(self, crystal: Crystal, kpoints: Floats) -> Floats:
        """Bands (n_kpoints, n_bands) of one crystal along a closed path."""
        device = next(self.network_.parameters()).device
        config = self.network_.config
        if config.n_guesses:
            check_shells(crystal)
        given = path_graph(crystal, kpoints, config, self.network_.tight_binding)
        centers, dispersions = self.network_(*path_batch([given], [np.arange(len(kpoints) - 1)], device))
        found = (centers[:, None] + dispersions)[0].double().cpu().numpy()
        return np.asarray(np.concatenate([found, found[:1]]), dtype=np.float64)  # the path is closed

    def _config(self) -> BandTransformerConfig:
        return (
            self.preset if isinstance(self.preset, BandTransformerConfig) else BandTransformerConfig.preset(self.preset)
        )

    def _spec(self) -> dict[str, Any]:
        return self._network_spec(self.network_.config) | {"history": [asdict(epoch) for epoch in self.history_]}

    @classmethod
    def _from_spec(cls, spec: Mapping[str, Any]) -> Self:
        parameters = dict(spec["parameters"])
        if isinstance(parameters["preset"], dict):
            parameters["preset"] = BandTransformerConfig(**parameters["preset"])
        model = cls(**parameters)
        model.network_ = BandNetwork(BandTransformerConfig(**spec["config"]))
        model._restore(spec)
        model.history_ = [Epoch(**epoch) for epoch in spec["history"]]
        return model
