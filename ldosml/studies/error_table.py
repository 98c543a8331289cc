"""Errors by element (Table I of the LDOS paper), and how much smaller they look when atoms of a structure leak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from sklearn.base import clone

from ldosml._journal import Record
from ldosml.bootstrap import group_draws, interval
from ldosml.datasets import LDOSDataset
from ldosml.pipeline import DOSModel
from ldosml.studies._table import Tabulated
from ldosml.studies.cross_validation import known_as
from ldosml.studies.errors import Errors
from ldosml.studies.folds import Described, DescriptorRows, as_environments
from ldosml.studies.noise import Floor, noise_floor
from ldosml.studies.setup import Setup

SPLITS = {
    "groups": "whole trajectories are left out",
    "environments": "atoms are left out one by one: others of their structure are in the training set, which leaks",
}
"""Ways to split, and what they mean."""


@dataclass(frozen=True, eq=False)
class ErrorTable(Tabulated):
    """Errors of LDOS by element, of one or both ways to split.

    Parameters
    ----------
    errors : dict of Errors
        By split, of ``SPLITS``.
    groups : dict of list of str
        By split, of each structure.
    noise : dict of float
        L/sigma of the labels' noise, by quantity; see ``noise_floor``.
    """

    errors: dict[str, Errors]
    groups: dict[str, list[str]]
    noise: Floor

    def records(self, *, n_draws: int = 1000, random_state: int = 0) -> list[Record]:
        """A row a split and element, and one of "all" where there are several.

        ``min``, ``max`` and ``mean`` are of the L/sigma of single environments (the root of the mean squared error over
        the energies), ``loss`` is L/sigma of all of them together (equation 15 of the LDOS paper), which is larger than
        their mean; sigma is the element's, and that of "all" runs over all. ``low`` and ``high`` hold 95 % of the loss
        when whole groups are drawn with replacement (bootstrap).

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
        rows = []
        for split, errors in self.errors.items():
            draws = group_draws(self.groups[split], n_draws, random_state)
            names = {element: f"ldos {element}" for element in errors.elements}
            for element, name in (names | ({"all": "ldos"} if len(names) > 1 else {})).items():
                each = errors.by_environment(name)
                low, high = interval(errors.losses(name, draws))
                rows.append(
                    {
                        "split": split,
                        "element": element,
                        "n_environments": len(each),
                        "min": float(each.min()),
                        "max": float(each.max()),
                        "mean": float(each.mean()),
                        "loss": errors.loss(name),
                        "low": low,
                        "high": high,
                        "mean_spectrum_loss": errors.mean_loss[name],
                        "label_noise": self.noise.get(name),
                    }
                )
        return rows


def error_table(data: LDOSDataset, model: DOSModel, *, leaking: bool = False, setup: Setup | None = None) -> ErrorTable:
    """Cross-validate a model and tabulate the errors of its LDOS by element.

    Parameters
    ----------
    data : LDOSDataset
        With LDOS.
    model : DOSModel
        That learns LDOS.
    leaking : bool
        Also split over environments regardless of their structures, as the LDOS paper did: an atom is then predicted
        from others of its own structure, and alpha is chosen so. Its errors say little of new structures.
    setup : Setup, optional
        Its ``temperature`` is not used.

    Raises
    ------
    ValueError
        When the dataset has no LDOS; and as ``Setup.folds``.
    """
    setup = replace(Setup() if setup is None else setup, temperature=None)
    if data.ldos is None:
        raise ValueError("A table of errors by element needs LDOS, one row per atom; this dataset has total DOS only.")
    splits: Sequence[str] = ("groups", "environments") if leaking else ("groups",)
    # The energies of whole structures, whichever way they are split.
    grid = data.refer_to(model.zero, model.low, model.high).grid
    described = Described(data, clone(model).set_params(low=grid.start, high=grid.stop))
    validations = []
    for split in splits:
        folds = setup.folds(data if split == "groups" else as_environments(data))
        validations.append(setup.validation({"split": split}, partial(_split, described, split), folds))
    records = setup.run("table of errors", data, validations, model=known_as(model))
    errors = {split: Errors.from_record(record) for split, record in zip(splits, records, strict=True)}
    groups = dict.fromkeys(splits, data.groups)
    if leaking:
        groups["environments"] = [data.groups[s] for s in np.repeat(np.arange(len(data)), data.n_atoms)]
    return ErrorTable(errors, groups, noise_floor(data, errors["groups"], data.smearing_width, None))


def _split(described: Described, split: str) -> tuple[LDOSDataset, DOSModel, DescriptorRows | None]:
    data, model, rows = described()
    if split == "groups":
        return data, model, rows
    if rows is None:
        raise TypeError(
            f"A split over environments needs descriptors that learn nothing from the structures, SOAP or JoinedSOAP, "
            f"whitened or not; got {type(model.descriptor).__name__}."
        )
    return as_environments(data), model, rows
