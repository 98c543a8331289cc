"""Train on one dataset and evaluate on another, such as small and large cells (set B of the LDOS paper)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from ase.data import chemical_symbols
from sklearn.base import clone

from ldosml._journal import Record
from ldosml._plots import drawn
from ldosml._ranges import check_arguments
from ldosml.bootstrap import group_draws, interval
from ldosml.datasets import LDOSDataset
from ldosml.evaluation import Evaluation
from ldosml.pipeline import DOSModel
from ldosml.smearing import same_width
from ldosml.studies._table import Tabulated
from ldosml.studies.cross_validation import known_as
from ldosml.studies.errors import Errors, without_properties
from ldosml.studies.folds import Described
from ldosml.studies.noise import Floor, noise_floor
from ldosml.studies.setup import Setup

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class Transfer(Tabulated):
    """Errors on another dataset, and errors of cross-validation on the training set.

    Parameters
    ----------
    left_out : Errors
        Errors on the training set, with trajectories left out.
    other : Errors
        Errors on the other set, of the model that learned the whole training set; sigma is of the other set.
    groups : list of str
        Group of each structure of the other set.
    evaluation : Evaluation
        Spectra of the other set, on the model's energies.
    noise : dict of float
        L/sigma of the label noise of the other set, by quantity; see ``noise_floor``.
    """

    left_out: Errors
    other: Errors
    groups: list[str]
    evaluation: Evaluation
    noise: Floor

    def _facts(self) -> dict[str, object]:
        return {
            "training structures, left out": len(self.left_out),
            "other structures": len(self.groups),
            "quantities": ", ".join(self.other.quantities),
        }

    def plot(self, ax: Axes | None = None) -> Figure | None:
        """Draw L/sigma of both sets, quantity by quantity; see ``plotting.transfer_figure``.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Draw here, and leave the legend to you.

        Returns
        -------
        matplotlib.figure.Figure or None
            None with ``ax``.
        """
        figure: Figure | None = drawn(self, ax)
        return figure

    def cautions(self) -> list[str]:
        """Say for how many structures no properties could be derived from the predictions.

        Returns
        -------
        list of str
            A text for each of the two sets that has such structures.
        """
        return without_properties({"left out": self.left_out, "the other set": self.other})

    def records(self, *, n_draws: int = 1000, random_state: int = 0) -> list[Record]:
        """Errors of each quantity on both sets, on the same energies.

        ``left_out_loss`` and ``loss`` are L/sigma, each with the sigma of its set. ``ratio`` is ``rmse``, on the other
        set, divided by ``left_out_rmse``; it does not depend on sigma. ``low`` and ``high`` are the 95 % interval of
        ``loss`` from a bootstrap over the groups of the other set.

        Parameters
        ----------
        n_draws : int
            Draws of the bootstrap.
        random_state : int
            Seed of the draws.

        Returns
        -------
        list of dict
            One row for each quantity.
        """
        check_arguments(n_draws=n_draws, random_state=random_state)
        draws = group_draws(self.groups, n_draws, random_state)
        rows = []
        for quantity in self.other.quantities:
            if quantity not in self.left_out.sigma:
                continue
            inside, outside = self.left_out.loss(quantity), self.other.loss(quantity)
            ratio = self.other.rmse(quantity) / self.left_out.rmse(quantity)
            low, high = interval(self.other.losses(quantity, draws))
            rows.append(
                {
                    "quantity": quantity,
                    "left_out_loss": inside,
                    "loss": outside,
                    "low": low,
                    "high": high,
                    "mean_spectrum_loss": self.other.mean_loss.get(quantity),
                    "label_noise": self.noise.get(quantity),
                    "left_out_rmse": self.left_out.rmse(quantity),
                    "rmse": self.other.rmse(quantity),
                    "ratio": ratio,
                    "unit": self.other.units[quantity],
                }
            )
        return rows


def transfer(train: LDOSDataset, test: LDOSDataset, model: DOSModel, *, setup: Setup | None = None) -> Transfer:
    """Fit on one dataset and evaluate on another; for comparison, cross-validate on the first.

    Parameters
    ----------
    train, test : LDOSDataset
        Datasets with the same smearing. Each is moved to the model's zero. Spectra are evaluated at the energies of the
        model where both are complete.
    model : DOSModel
        Cloned, not fitted itself.
    setup : Setup, optional
        Its folds are folds of ``train``.

    Returns
    -------
    Transfer

    Raises
    ------
    ValueError
        When the smearing differs, the sets share a group, ``test`` has an element that ``train`` lacks, the energies
        do not overlap, properties cannot be derived, or ``Setup.folds`` raises it.
    """
    setup = Setup() if setup is None else setup
    shared = set(train.groups) & set(test.groups)
    if shared:
        raise ValueError(
            f"{len(shared)} groups are in both datasets, for example {min(shared)!r}: the model would be evaluated on "
            "its training data. Remove them from one dataset, or rename them if they are different trajectories."
        )
    missing = sorted(set(test.numbers.tolist()) - set(train.numbers.tolist()))
    if missing:
        raise ValueError(
            f"The other dataset contains {', '.join(chemical_symbols[number] for number in missing)}, which the "
            "training set lacks. Remove these structures, or train on a set that contains these elements."
        )
    if not same_width(train.smearing_width, test.smearing_width):
        raise ValueError(
            f"The training set is smeared by {train.smearing_width} eV, the other dataset by {test.smearing_width} eV. "
            "Broaden the narrower one first."
        )
    folds = setup.folds(train)
    # Before the long cross-validation, because this may raise an error.
    evaluation = clone(model).fit(train).evaluate(test)
    grid = evaluation.cut(setup.low, setup.high).predicted.grid
    same = replace(setup, low=grid.start, high=grid.stop)
    (record,) = same.run(
        "transfer",
        train,
        [same.validation({"part": "left out"}, Described(train, model), folds)],
        model=known_as(model),
    )
    whole = np.zeros(len(test), dtype=np.int64)
    other = Errors.of(evaluation, whole, low=grid.start, high=grid.stop, temperature=setup.temperature)
    noise = noise_floor(test, other, evaluation.predicted.smearing_width, setup.temperature)
    return Transfer(Errors.from_record(record), other, test.groups, evaluation, noise)
