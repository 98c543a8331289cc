"""What the training of an occupancy network minimises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from torch import Tensor

from ldosml.neural.crystals import Integers
from ldosml.neural.examples import Example, evenly_spaced, fingerprint, make_batch, random_subset
from ldosml.neural.losses import occupancy_loss
from ldosml.neural.network import OccupancyNetwork
from ldosml.neural.optimization import check_weight, check_whole

_BLIND = 0.05  # fraction of the crystals whose first guess is hidden, so that the network can do without it


@dataclass(frozen=True)
class Draws:
    """What is drawn from each crystal; each is the parameter of ``KOccupancyRegressor`` with the same name."""

    kpoints_per_crystal: int
    validation_kpoints: int
    count_weight: float

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("kpoints_per_crystal", "validation_kpoints"):
            check_whole(name, getattr(self, name), 1)
        check_weight("count_weight", self.count_weight)


@dataclass(frozen=True, eq=False)
class OccupancyObjective:
    """Mean of ``occupancy_loss`` over crystals: an ``Objective``.

    Parameters
    ----------
    network : OccupancyNetwork
    training, validation : sequence of Example
    draws : Draws
    validation_batch : int
        Validation crystals at once.
    device : str
    """

    network: OccupancyNetwork
    training: Sequence[Example]
    validation: Sequence[Example]
    draws: Draws
    validation_batch: int
    device: str = "cpu"

    def __len__(self) -> int:
        """Number of training crystals."""
        return len(self.training)

    def loss(self, chosen: Integers, random: np.random.Generator) -> Tensor:
        """Mean loss at random k-points of some crystals; the first guess of a few crystals is hidden."""
        examples = [self.training[i] for i in chosen]
        kpoints = [random_subset(example, self.draws.kpoints_per_crystal, random) for example in examples]
        return self._loss(examples, kpoints, random.random(len(examples)) < _BLIND)

    def validation_loss(self) -> float | None:
        """Mean loss over crystals, always at the same k-points; None without crystals."""
        total = 0.0
        for start in range(0, len(self.validation), self.validation_batch):
            part = self.validation[start : start + self.validation_batch]
            kpoints = [evenly_spaced(example, self.draws.validation_kpoints) for example in part]
            total += float(self._loss(part, kpoints, None)) * len(part)
        return total / len(self.validation) if self.validation else None

    def describe(self) -> dict[str, Any]:
        """Architecture, draws and data."""
        data = {"training set": fingerprint(self.training), "validation set": fingerprint(self.validation)}
        return asdict(self.network.config) | asdict(self.draws) | data

    def _loss(self, examples: Sequence[Example], kpoints: Sequence[Integers], blind: Any) -> Tensor:
        batch = make_batch(examples, kpoints, self.device, blind)
        return occupancy_loss(self.network(batch.graph, batch.images, batch.guess), batch, self.draws.count_weight)
