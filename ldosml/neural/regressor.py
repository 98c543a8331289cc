"""Occupancy of energy bins at any k-point of any crystal, in the manner of scikit-learn."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
import torch
from ase.data import chemical_symbols
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from ldosml._validation import check_choice, check_positive
from ldosml.kresolved import (
    CrystalBands,
    GapThreshold,
    KResolvedOccupancy,
    OccupancyGap,
    energy_bins,
    occupancy_gap,
)
from ldosml.kresolved.thresholds import best_threshold
from ldosml.neural.checkpoint import read_first_guess
from ldosml.neural.crystals import Crystal, Floats, check_kpoints
from ldosml.neural.examples import Example, Halves, guessed, make_example, mean_labels, with_zone
from ldosml.neural.graph import CrystalGraph, batched, crystal_graph
from ldosml.neural.inputs import (
    GivenCrystal,
    check_device,
    check_fermi_levels,
    check_sequence,
    describe,
    one_each,
    place_bands,
    set_aside,
)
from ldosml.neural.network import OccupancyConfig, OccupancyNetwork, Preset, kpoint_images, operations
from ldosml.neural.tight_binding import LARGEST, known_shells
from ldosml.neural.tight_binding_fit import fit_tight_binding
from ldosml.neural.training import Optimizer, Progress, Schedule, TrainingSettings, train

Given = tuple[Sequence[GivenCrystal], Sequence[CrystalBands]]

_AT_ONCE = 128  # k-points
_EDGES_AT_ONCE = 60_000  # edges times k-points, which the sums over neighbours go through: some 0.2 GB


AS_IN_THE_PAPER: dict[str, Any] = {
    "preset": "paper",
    "labels": "presence",
    "counts": False,
    "time_reversal": False,
    "point_group": False,
    "optimizer": "adam",
    "weight_decay": 0.0,
    "schedule": "constant",
}
"""Parameters of ``KOccupancyRegressor`` as Park et al. have them. They train for 600 epochs in batches of 64, and take
the epoch with the best gaps in validation; here it is the one with the least loss. What else is ours in every network:
``OccupancyConfig.preset``."""


class KOccupancyRegressor(BaseEstimator):
    """Learn which energies hold states at which k-points, from bands of many crystals.

    After Park et al., *Learning k-resolved electronic structure via soft energy occupancy prediction* (kRESForge): for
    a crystal and a k-point, the probability that a state lies in each of 256 energy bins over E_F +- 10 eV. Beyond the
    paper: soft labels, expected numbers of states, and symmetry in k by construction.

    Parameters
    ----------
    preset : {"small", "paper"} or OccupancyConfig
        Size of the network; see ``OccupancyConfig.preset``. Of a configuration, ``n_bins``, ``counts``,
        ``time_reversal`` and ``point_group`` are replaced by those given here.
    labels : {"soft", "presence"}
        See ``label_bins``: "presence" is the paper's.
    width : float
        eV, of soft labels.
    counts : bool
        Also learn the expected number of states in each bin, by Poisson losses (``count_loss``).
    time_reversal, point_group : bool
        Be symmetric in k, exactly, under k -> -k, and under the operations of each crystal. Without the latter the
        network must see k-points of the whole Brillouin zone, not of its irreducible part only.
    n_bins, half_width : int, float
        Energy bins over E_F +- ``half_width`` eV.
    n_epochs : int
        Passes over the crystals, at most.
    batch_size, kpoints_per_crystal : int
        Crystals in a step, and k-points drawn of each.
    learning_rate, weight_decay : float
        The paper: 1e-3, 0.
    optimizer, schedule : {"adamw", "adam"}, {"cosine", "plateau", "constant"}
        The paper: "adam".
    patience : int or None
        Stop when the validation loss has not improved for so many epochs.
    validation_fraction : float
        Of the crystals, set aside to choose the best epoch, unless ``fit`` gets others; those of one formula together.
        0: the last epoch is kept.
    validation_kpoints : int
        k-points of each of them, at equal steps.
    count_weight : float
        Of each Poisson loss against the cross-entropy.
    random_state : int
        Of weights, draws and the crystals set aside. Fits with the same one are the same on one machine with as many
        threads; on a GPU nearly.
    checkpoint : path or None
        File that is written after every epoch. If it exists, the fit goes on from there.
    device : str
        "cpu", "cuda", or another of PyTorch's.

    Attributes
    ----------
    network_ : OccupancyNetwork
    grid_ : EnergyGrid
        Centres of the bins.
    elements_ : tuple of int
        Atomic numbers that were trained on.
    history_ : list of Epoch
    gap_threshold_ : GapThreshold
        For the least error of the gaps of the validation crystals; without any, of the training crystals.
    training_ : dict
        What it was trained on, for whoever gets the file: empty, or what ``ldosml train-occupancy`` says of it.

    Examples
    --------
    >>> from ase.build import bulk
    >>> bands = CrystalBands([[0, 0, 0], [0.5, 0, 0]], [[-5.0, 16.0], [1.0, 17.0]], None, 0.0, 15.0, 1.0, 0.0)
    >>> tiny = OccupancyConfig(d=8, n_layers=1, n_radial=8, n_blocks=1, n_heads=1)
    >>> model = KOccupancyRegressor(tiny, n_bins=32, n_epochs=1, validation_fraction=0)
    >>> model.fit([bulk("Na")], [bands]).predict([bulk("Na")], [[0, 0, 0]])
    [KResolvedOccupancy(1 k-points, no weights; 32 energies from -9.6875 to 9.6875 eV, step 0.625, zero: fermi)]
    """

    def __init__(
        self,
        preset: Preset | OccupancyConfig = "small",
        *,
        labels: Literal["soft", "presence"] = "soft",
        width: float = 0.05,
        counts: bool = True,
        time_reversal: bool = True,
        point_group: bool = True,
        n_bins: int = 256,
        half_width: float = 10.0,
        n_epochs: int = 40,
        batch_size: int = 8,
        kpoints_per_crystal: int = 8,
        learning_rate: float = 1e-3,
        optimizer: Optimizer = "adamw",
        weight_decay: float = 1e-2,
        schedule: Schedule = "cosine",
        patience: int | None = 10,
        validation_fraction: float = 0.1,
        validation_kpoints: int = 16,
        count_weight: float = 0.1,
        random_state: int = 0,
        checkpoint: str | os.PathLike[str] | None = None,
        device: str = "cpu",
    ) -> None:
        self.preset = preset
        self.labels = labels
        self.width = width
        self.counts = counts
        self.time_reversal = time_reversal
        self.point_group = point_group
        self.n_bins = n_bins
        self.half_width = half_width
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.kpoints_per_crystal = kpoints_per_crystal
        self.learning_rate = learning_rate
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.validation_kpoints = validation_kpoints
        self.count_weight = count_weight
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

        Parameters
        ----------
        crystals : sequence of Atoms or Crystal
            In a primitive cell, the one that the k-points of their bands are fractions of.
        bands : sequence of CrystalBands
            One for each crystal; join those of its mesh and its path.
        validation : (crystals, bands), optional
            To choose the best epoch by, instead of a part of the crystals.
        progress : callable, optional
            Called with each ``Epoch``, when its checkpoint is written.

        Raises
        ------
        TypeError, ValueError
            When parameters or bands are not what they must be, a crystal is refused (see ``standardized``) or not given
            in a primitive cell, or the checkpoint is of another fit.
        FloatingPointError
            When the loss is no longer a number.

        Warns
        -----
        UserWarning
            When Fermi levels are not in the middle of gaps.
        """
        settings = self._settings()
        config = self._config()
        grid = energy_bins(config.n_bins, self.half_width)
        check_device(self.device)
        placed = place_bands(crystals, bands)
        given, aside = (
            set_aside(placed, self.validation_fraction, self.random_state)
            if validation is None
            else (placed, place_bands(*validation))
        )
        for part, name in ((given, "training"), (aside, "validation")):
            check_fermi_levels([b for _, b in part], name)
        path = None if self.checkpoint is None else Path(self.checkpoint)
        network = OccupancyNetwork(config, self.random_state)
        if path is not None and path.exists():
            read_first_guess(path, network)
        elif config.tight_binding == "fitted":
            network.tight_binding = fit_tight_binding([c for c, _ in given], [b for _, b in given], self.random_state)
        parameters = network.tight_binding
        training, judged = (
            [make_example(c, b, config, grid, self.labels, self.width, parameters) for c, b in part]
            for part in (given, aside)
        )
        network.decoder.start_at(mean_labels(training))
        network.to(self.device)
        history = train(network, training, judged, settings, device=self.device, checkpoint=path, progress=progress)
        self.grid_, self.history_ = grid, history
        self.training_: dict[str, Any] = {}
        self.elements_ = tuple(int(z) for z in np.unique(np.concatenate([e.graph.numbers for e in training])))
        self.network_ = network.eval()
        self.gap_threshold_ = self._threshold(judged or training)
        return self

    def gap(self, occupancy: KResolvedOccupancy) -> OccupancyGap:
        """Find the gap of one crystal, with the threshold of ``gap_threshold_``; see ``occupancy_gap``.

        Its k-points are best looked for on mesh and path together. So is the gap of a network without the query of
        anywhere (``OccupancyConfig.anywhere``); with it, which k-points there are does not matter.
        """
        check_is_fitted(self)
        return occupancy_gap(occupancy, self.gap_threshold_.threshold, self.gap_threshold_.statistic)

    @torch.no_grad()
    def predict(
        self,
        crystals: Sequence[GivenCrystal],
        kpoints: ArrayLike | Sequence[ArrayLike],
        *,
        weights: ArrayLike | Sequence[ArrayLike] | None = None,
        allow_unknown: bool = False,
    ) -> list[KResolvedOccupancy]:
        """Predict occupancies, one for each crystal.

        Parameters
        ----------
        crystals : sequence of Atoms or Crystal
        kpoints : array (n_kpoints, 3), or a sequence of them, one for each crystal
            Fractions of the reciprocal lattice vectors of the cell that each crystal is given in. The occupancies have
            them in the standardised primitive cell, in the same order.
        weights : array (n_kpoints,), or a sequence of them, optional
            Of a mesh, for ``counted_dos`` and ``raw_dos``.
        allow_unknown : bool
            Only warn of elements that were not trained on, of which the model knows no more than their atomic levels
            and places in the periodic table, if its network begins with these.

        Raises
        ------
        NotFittedError
        ValueError
            When k-points have the wrong shape, a crystal is refused (see ``standardized``), or has unknown elements.
        """
        check_is_fitted(self)
        described = [describe(crystal) for crystal in check_sequence(crystals)]
        self._check_elements([crystal for crystal, _ in described], allow_unknown)
        kpoints_of = one_each("kpoints", kpoints, len(described), ndim=2)
        weights_of = [None] * len(described) if weights is None else one_each("weights", weights, len(described), 1)
        return [
            self._predict_one(crystal, check_kpoints(k) @ to_primitive.T, w)
            for (crystal, to_primitive), k, w in zip(described, kpoints_of, weights_of, strict=True)
        ]

    def _predict_one(self, crystal: Crystal, kpoints: Floats, weights: ArrayLike | None) -> KResolvedOccupancy:
        config = self.network_.config
        if config.tight_binding != "none" and not known_shells(crystal):
            why = (
                f"of {len(crystal)} atoms: it is done for up to {LARGEST}"
                if len(crystal) > LARGEST
                else "with an element whose atomic levels are not known"
            )
            warnings.warn(
                f"The model begins from tight binding, left out for this crystal {why}. Expect larger errors.",
                UserWarning,
                stacklevel=3,
            )
        graph = crystal_graph(crystal, config.n_neighbors)
        images = kpoint_images(kpoints, operations(crystal, config))
        guess = guessed(crystal, kpoints, self.grid_, config, self.network_.tight_binding)
        placed = None if weights is None else np.asarray(weights, dtype=np.float64)
        probabilities, counts, anywhere = self._outputs(graph, images, *guess)
        return KResolvedOccupancy(self.grid_, kpoints, probabilities, crystal.cell, placed, counts, anywhere)

    def _outputs(
        self, one: CrystalGraph, images: Tensor, guess: Halves, zone_guess: Halves
    ) -> tuple[Floats, Floats | None, Floats | None]:
        """Probabilities and counts (n_kpoints, n_bins) of images (n_kpoints, n_images, 3); and those of anywhere."""
        graph = batched([one], self.device)
        encoded = self.network_.encoder(graph)
        at_once = max(1, min(_AT_ONCE, _EDGES_AT_ONCE // len(graph.sources)))
        parts = []
        for start in range(0, len(images), at_once):
            chosen = slice(start, start + at_once)
            given = torch.from_numpy(with_zone(guess[chosen], zone_guess).astype(np.float32))
            arrays = (part[None].to(self.device) for part in (images[chosen], given))
            parts.append(self.network_.decode(encoded, graph, *arrays))

        def joined(rows: list[Tensor]) -> Floats:
            return np.asarray(torch.cat(rows).double().cpu().numpy(), dtype=np.float64)

        anywhere = parts[0].anywhere
        return (
            joined([part.logits[0].sigmoid() for part in parts]),
            joined([part.counts[0] for part in parts]) if self.network_.config.counts else None,
            None if anywhere is None else joined([anywhere[0].sigmoid()]),
        )

    @torch.no_grad()
    def _threshold(self, examples: list[Example]) -> GapThreshold:
        """The best one for crystals: of probabilities anywhere, or else of the largest over all k-points."""
        found = [
            self._outputs(e.graph, kpoint_images(e.kpoints, e.operations), e.guess, e.zone_guess) for e in examples
        ]
        values = np.array([p.max(axis=0) if anywhere is None else anywhere for p, _, anywhere in found])
        gaps = np.array([e.gap for e in examples])
        return best_threshold(values, gaps, self.grid_, "anywhere" if self.network_.config.anywhere else "max")

    def _check_elements(self, crystals: Sequence[Crystal], allow_unknown: bool) -> None:
        present = {int(number) for crystal in crystals for number in crystal.numbers}
        unknown = [chemical_symbols[number] for number in sorted(present - set(self.elements_))]
        if not unknown:
            return
        message = f"The model was not trained on {', '.join(unknown)}"
        if not allow_unknown:
            raise ValueError(f"{message}. Train on crystals with them, or pass allow_unknown=True for a mere guess.")
        warnings.warn(f"{message}: occupancies of crystals with them are guesses.", UserWarning, stacklevel=3)

    def _config(self) -> OccupancyConfig:
        config = self.preset if isinstance(self.preset, OccupancyConfig) else OccupancyConfig.preset(self.preset)
        return replace(
            config,
            n_bins=self.n_bins,
            counts=self.counts,
            time_reversal=self.time_reversal,
            point_group=self.point_group,
        )

    def _settings(self) -> TrainingSettings:
        check_choice("labels", self.labels, ("soft", "presence"))
        check_choice("optimizer", self.optimizer, get_args(Optimizer))
        check_choice("schedule", self.schedule, get_args(Schedule))
        for name in ("n_epochs", "batch_size", "kpoints_per_crystal", "validation_kpoints"):
            _check_whole(name, getattr(self, name), 1)
        _check_whole("random_state", self.random_state, 0)  # None would forbid to go on from a checkpoint
        if self.patience is not None:
            _check_whole("patience", self.patience, 1)
        check_positive("learning_rate", self.learning_rate)
        for name in ("weight_decay", "count_weight"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be a finite number, not below 0; got {getattr(self, name)!r}.")
        if not 0 <= self.validation_fraction < 1:
            raise ValueError(f"validation_fraction must be from 0 to below 1; got {self.validation_fraction!r}.")
        return TrainingSettings(
            self.n_epochs,
            self.batch_size,
            self.kpoints_per_crystal,
            self.learning_rate,
            self.optimizer,
            self.weight_decay,
            self.schedule,
            self.patience,
            self.count_weight,
            self.validation_kpoints,
            self.random_state,
        )


def _check_whole(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} must be a whole number, at least {least}; got {value!r}.")
