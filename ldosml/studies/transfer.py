"""A model trained on one dataset and judged on another: small cells to large ones (set B of the LDOS paper)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from ase.data import chemical_symbols
from sklearn.base import clone

from ldosml._journal import Record
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


@dataclass(frozen=True, eq=False)
class Transfer(Tabulated):
    """Errors on another dataset, beside those of the training set left out.

    Parameters
    ----------
    left_out : Errors
        Of the training set, trajectories left out.
    other : Errors
        Of the other set, by the model of the whole training set; L/sigma with its own deviations.
    groups : list of str
        Of each structure of the other set.
    evaluation : Evaluation
        The other set's spectra, on the model's energies.
    noise : dict of float
        L/sigma of the noise of the other set's labels, by quantity; see ``noise_floor``.
    """

    left_out: Errors
    other: Errors
    groups: list[str]
    evaluation: Evaluation
    noise: Floor

    def cautions(self) -> list[str]:
        """Of how many structures no properties could be derived from the predictions.

        Returns
        -------
        list of str
        """
        return without_properties({"left out": self.left_out, "the other set": self.other})

    def records(self, *, n_draws: int = 1000, random_state: int = 0) -> list[Record]:
        """A row a quantity: both errors.

        L/sigma of each with its own sigma, and ``ratio``, the root mean square error on the other set as a multiple of
        that on the training set left out, in which no sigma enters; both on the same energies. ``low`` and ``high``
        hold 95 % of the loss on the other set when its groups are drawn with replacement (bootstrap).

        Parameters
        ----------
        n_draws : int
            Draws of the bootstrap.
        random_state : int
            Seed of the draws.

        Returns
        -------
        list of dict
            A row each; see above for the columns.
        """
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
    """Fit on one dataset, judge on another, and cross-validate on the first for comparison.

    Parameters
    ----------
    train, test : LDOSDataset
        Smeared alike; each is moved to the model's zero. Judged are the energies of the model at which both are
        complete.
    model : DOSModel
        Cloned, not fitted itself.
    setup : Setup, optional
        Its folds are those of ``train``.

    Raises
    ------
    ValueError
        When the smearing differs, the other set has an element that the first lacks or a group of the same name, or
        energies do not overlap; as ``Setup.folds``, and where properties cannot be derived.
    """
    setup = Setup() if setup is None else setup
    shared = set(train.groups) & set(test.groups)
    if shared:
        raise ValueError(
            f"{len(shared)} groups are in both datasets, {min(shared)!r} for one: the model would be judged on what it "
            "was trained on. Leave them out of one, or rename the groups of one where they are others."
        )
    missing = sorted(set(test.numbers.tolist()) - set(train.numbers.tolist()))
    if missing:
        raise ValueError(
            f"The other dataset holds {', '.join(chemical_symbols[number] for number in missing)}, which the training "
            "set lacks. Leave such structures out, or train on a set that has them."
        )
    if not same_width(train.smearing_width, test.smearing_width):
        raise ValueError(
            f"The one dataset is smeared by {train.smearing_width} eV, the other by {test.smearing_width} eV. Broaden "
            "the narrower one first."
        )
    folds = setup.folds(train)
    # First, since it may be refused.
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
