"""The estimator: occupancy of energy bins at any k-point of any crystal."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from ldosml._validation import check_choice
from ldosml.energy import EnergyGrid
from ldosml.kresolved import CrystalBands, KResolvedOccupancy, OccupancyGap, energy_bins, occupancy_gap
from ldosml.kresolved.evaluation.gaps import GapThreshold, best_threshold
from ldosml.kresolved.gap import Statistic
from ldosml.kresolved.model_files import FORMAT
from ldosml.neural.crystal_estimator import Given, NetworkEstimator
from ldosml.neural.crystals import Crystal, Floats, check_kpoints
from ldosml.neural.epochs import Epoch
from ldosml.neural.examples import Example, guessed, make_example, mean_labels
from ldosml.neural.graph import crystal_graph
from ldosml.neural.inputs import (
    GivenCrystal,
    check_device,
    check_elements,
    check_fermi_levels,
    check_sequence,
    check_shells,
    describe,
    one_each,
)
from ldosml.neural.network import OccupancyConfig, OccupancyNetwork, Preset, kpoint_images, operations
from ldosml.neural.occupancy_objective import Draws, OccupancyObjective
from ldosml.neural.optimization import Optimizer, Progress, Schedule, train
from ldosml.neural.prediction import predict_bins

PAPER_PARAMETERS: dict[str, Any] = {
    "preset": "paper",
    "labels": "presence",
    "counts": False,
    "time_reversal": False,
    "point_group": False,
    "optimizer": "adam",
    "weight_decay": 0.0,
    "schedule": "constant",
}
"""Parameters of ``KOccupancyRegressor`` as in Park et al. They train for 600 epochs in batches of 64, and choose the
epoch with the best gaps in validation; here the epoch with the smallest loss is chosen. For other differences see
``OccupancyConfig.preset``."""


class KOccupancyRegressor(NetworkEstimator):
    """Learn the occupancy of energy bins at k-points from the bands of many crystals.

    After Park et al., *Learning k-resolved electronic structure via soft energy occupancy prediction* (kRESForge): for
    a crystal and a k-point, the probability that each of 256 energy bins over E_F +- 10 eV holds a state. Added here:
    tight binding as a first guess, soft labels, expected numbers of states, and exact symmetry in k.

    Parameters
    ----------
    preset : {"small", "paper"} or OccupancyConfig
        The network; see ``OccupancyConfig.preset``. ``n_bins``, ``counts``, ``time_reversal`` and ``point_group`` of a
        configuration are replaced by the values given here.
    labels : {"soft", "presence"}
        See ``label_bins``; the paper uses "presence".
    width : float
        Width of soft labels, eV.
    counts : bool
        Also learn the expected number of states in each bin, by Poisson losses (``count_loss``).
    time_reversal, point_group : bool
        Be exactly symmetric under k -> -k, and under the point group of each crystal. Without the point group, train on
        k-points of the whole Brillouin zone, not only of its irreducible part.
    n_bins : int
        Number of energy bins.
    half_width : float
        The bins cover E_F +- ``half_width``, eV.
    n_epochs : int
        Largest number of passes over the crystals.
    batch_size, kpoints_per_crystal : int
        Crystals in one step, and k-points drawn for each of them.
    learning_rate, weight_decay : float
        Parameters of the optimizer; the paper uses 1e-3 and 0.
    optimizer : {"adamw", "adam"}
        The paper uses "adam".
    schedule : {"cosine", "plateau", "constant"}
        Schedule of the learning rate.
    patience : int or None
        Stop when the validation loss has not improved for this number of epochs.
    validation_fraction : float
        Fraction of the crystals that is held out to choose the best epoch, unless ``fit`` gets validation crystals.
        Crystals of one formula stay together. 0: keep the last epoch.
    validation_kpoints : int
        Number of k-points of each validation crystal, evenly spaced in their list.
    count_weight : float
        Weight of each Poisson loss of counts relative to the cross-entropy.
    random_state : int
        Seed of weights, draws and held-out crystals. Fits with the same seed are identical on one machine with the
        same number of threads, and nearly identical on a GPU.
    checkpoint : path or None
        File that is saved after every epoch. If it exists, the fit continues from it.
    device : str
        "cpu", "cuda", or another device of PyTorch.

    Attributes
    ----------
    network_ : OccupancyNetwork
        The trained network.
    grid_ : EnergyGrid
        Centres of the bins.
    elements_ : tuple of int
        Atomic numbers in the training crystals.
    history_ : list of Epoch
        Losses of every epoch.
    gap_threshold_ : GapThreshold
        Threshold with the smallest error of the gaps of the validation crystals, or else of the training crystals.
    training_ : dict
        Description of the training data, saved with the model; ``ldosml train-occupancy`` fills it.

    Examples
    --------
    >>> from ase.build import bulk
    >>> bands = CrystalBands([[0, 0, 0], [0.5, 0, 0]], [[-5.0, 16.0], [1.0, 17.0]], None, 0.0, 15.0, 1.0, 0.0)
    >>> tiny = OccupancyConfig(d=8, n_layers=1, n_radial=8, n_blocks=1, n_heads=1)
    >>> model = KOccupancyRegressor(tiny, n_bins=32, n_epochs=1, validation_fraction=0)
    >>> model.fit([bulk("Na")], [bands]).predict([bulk("Na")], [[0, 0, 0]])
    [KResolvedOccupancy(1 k-points, no weights; 32 energies from -9.6875 to 9.6875 eV, step 0.625, zero: fermi)]
    """

    _format = FORMAT

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
            In the primitive cell to which the k-points of their bands refer.
        bands : sequence of CrystalBands
            One for each crystal. Join the bands on the mesh and along the path (``CrystalBands.joined``).
        validation : (crystals, bands), optional
            Crystals that choose the best epoch. Default: a part of the crystals, see ``validation_fraction``.
        progress : callable, optional
            Called with each ``Epoch``, after its checkpoint is saved.

        Returns
        -------
        KOccupancyRegressor
            The fitted model itself.

        Raises
        ------
        TypeError, ValueError
            When parameters or bands are invalid, a crystal is invalid (see ``standardized``) or not in a primitive
            cell, or the checkpoint belongs to another fit.
        FloatingPointError
            When the loss becomes NaN or infinite.

        Warns
        -----
        UserWarning
            When Fermi levels are not in the middle of gaps.
        """
        check_choice("labels", self.labels, ("soft", "presence"))
        settings, draws, config = self._settings(), Draws(**self._named(Draws)), self._config()
        grid = energy_bins(config.n_bins, self.half_width)
        check_device(self.device)
        given, held_out = self._parts(crystals, bands, validation)
        for part, name in ((given, "training"), (held_out, "validation")):
            check_fermi_levels([b for _, b in part], name)
        network = OccupancyNetwork(config, self.random_state)
        parameters = self._prepare(network, config, given)
        training, validated = (
            [make_example(c, b, config, grid, self.labels, self.width, parameters) for c, b in part]
            for part in (given, held_out)
        )
        network.decoder.start_at(mean_labels(training))
        network.to(self.device)
        objective = OccupancyObjective(network, training, validated, draws, self.batch_size, self.device)
        history = train(objective, settings, device=self.device, checkpoint=self._checkpoint(), progress=progress)
        self.grid_, self.history_ = grid, history
        self._trained_on(given)
        self.network_ = network.eval()
        self.gap_threshold_ = self._threshold(validated or training)
        return self

    def gap(self, occupancy: KResolvedOccupancy) -> OccupancyGap:
        """Find the gap of one crystal with the threshold ``gap_threshold_``; see ``occupancy_gap``.

        Parameters
        ----------
        occupancy : KResolvedOccupancy
            From ``predict``, best at the k-points of a mesh and a path together: then the k-points of the edges are
            found, and without ``OccupancyConfig.anywhere`` also the gap.

        Returns
        -------
        OccupancyGap
        """
        check_is_fitted(self)
        return occupancy_gap(occupancy, self.gap_threshold_.threshold, self.gap_threshold_.statistic)

    def predict(
        self,
        crystals: Sequence[GivenCrystal],
        kpoints: ArrayLike | Sequence[ArrayLike],
        *,
        weights: ArrayLike | Sequence[ArrayLike] | None = None,
        allow_unknown: bool = False,
    ) -> list[KResolvedOccupancy]:
        """Predict the occupancies of crystals.

        Parameters
        ----------
        crystals : sequence of Atoms or Crystal
            In any cell.
        kpoints : array (n_kpoints, 3), or a sequence of them, one for each crystal
            Fractions of the reciprocal lattice vectors of the cell in which each crystal is given. In the result they
            refer to the standardised primitive cell, in the same order.
        weights : array (n_kpoints,), or a sequence of them, optional
            Weights of a mesh, for ``counted_dos`` and ``raw_dos``.
        allow_unknown : bool
            Predict, with a warning, also for elements that are not in the training crystals. The model then only uses
            their atomic levels and their places in the periodic table, if its network includes these.

        Returns
        -------
        list of KResolvedOccupancy
            One for each crystal.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            When k-points have the wrong shape, a crystal is invalid (see ``standardized``), or has unknown elements.
        """
        check_is_fitted(self)
        described = [describe(crystal) for crystal in check_sequence(crystals)]
        check_elements([crystal for crystal, _ in described], self.elements_, allow_unknown, "occupancies")
        kpoints_of = one_each("kpoints", kpoints, len(described), ndim=2)
        weights_of = [None] * len(described) if weights is None else one_each("weights", weights, len(described), 1)
        return [
            self._predict_one(crystal, check_kpoints(k) @ to_primitive.T, w)
            for (crystal, to_primitive), k, w in zip(described, kpoints_of, weights_of, strict=True)
        ]

    def _predict_one(self, crystal: Crystal, kpoints: Floats, weights: ArrayLike | None) -> KResolvedOccupancy:
        config = self.network_.config
        if config.tight_binding != "none":
            check_shells(crystal)
        graph = crystal_graph(crystal, config.n_neighbors)
        images = kpoint_images(kpoints, operations(crystal, config))
        guess = guessed(crystal, kpoints, self.grid_, config, self.network_.tight_binding)
        weights = None if weights is None else np.asarray(weights, dtype=np.float64)
        found = predict_bins(self.network_, graph, images, *guess)
        return KResolvedOccupancy(
            self.grid_, kpoints, found.probabilities, crystal.cell, weights, found.counts, found.anywhere
        )

    def _threshold(self, examples: list[Example]) -> GapThreshold:
        """The best threshold: for probabilities anywhere in the zone, or else for the largest over all k-points."""
        values = []
        for e in examples:
            images = kpoint_images(e.kpoints, e.operations)
            found = predict_bins(self.network_, e.graph, images, e.guess, e.zone_guess)
            values.append(found.probabilities.max(axis=0) if found.anywhere is None else found.anywhere)
        gaps = np.array([e.gap for e in examples])
        statistic: Statistic = "anywhere" if self.network_.config.anywhere else "max"
        return best_threshold(np.array(values), gaps, self.grid_, statistic)

    def _config(self) -> OccupancyConfig:
        config = self.preset if isinstance(self.preset, OccupancyConfig) else OccupancyConfig.preset(self.preset)
        own = ("n_bins", "counts", "time_reversal", "point_group")
        return replace(config, **{name: getattr(self, name) for name in own})

    def _spec(self) -> dict[str, Any]:
        return self._network_spec(self.network_.config) | {
            "grid": asdict(self.grid_),
            "gap_threshold": {name: value for name, value in asdict(self.gap_threshold_).items() if value == value},
            "history": [asdict(epoch) for epoch in self.history_],
        }

    @classmethod
    def _from_spec(cls, spec: Mapping[str, Any]) -> Self:
        parameters = dict(spec["parameters"])
        if isinstance(parameters["preset"], dict):
            parameters["preset"] = OccupancyConfig(**parameters["preset"])
        model = cls(**parameters)
        model.network_ = OccupancyNetwork(OccupancyConfig(**spec["config"]))
        model.grid_ = EnergyGrid(**spec["grid"])
        if model.grid_.size != model.network_.config.n_bins:
            raise ValueError(f"its grid has {model.grid_.size} bins, its network {model.network_.config.n_bins}")
        model._restore(spec)
        model.gap_threshold_ = GapThreshold(**spec["gap_threshold"])
        model.history_ = [Epoch(**epoch) for epoch in spec["history"]]
        return model
