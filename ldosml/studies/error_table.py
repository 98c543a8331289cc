"""Errors by element (Table I of the LDOS paper), also with the leak of a split over single atoms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import clone

from ldosml._journal import Record
from ldosml._plots import drawn
from ldosml._ranges import check_arguments
from ldosml.bootstrap import group_draws, interval
from ldosml.datasets import LDOSDataset
from ldosml.pipeline import DOSModel
from ldosml.studies._table import Tabulated
from ldosml.studies.cross_validation import known_as
from ldosml.studies.errors import Errors
from ldosml.studies.folds import Described, DescriptorRows, as_environments
from ldosml.studies.noise import Floor, noise_floor
from ldosml.studies.setup import Setup

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SPLITS = {
    "groups": "whole trajectories are left out",
    "environments": "single atoms are left out; other atoms of the same structure are in the training set, a leak",
}
"""Ways to split, with their meaning."""


@dataclass(frozen=True, eq=False, repr=False)
class ErrorTable(Tabulated):
    """Errors of LDOS by element, for one or both ways to split.

    Parameters
    ----------
    errors : dict of Errors
        By split, a key of ``SPLITS``.
    groups : dict of list of str
        By split: the group of each structure.
    noise : dict of float
        L/sigma of the label noise, by quantity; see ``noise_floor``.
    """

    errors: dict[str, Errors]
    groups: dict[str, list[str]]
    noise: Floor

    def _facts(self) -> dict[str, object]:
        return {
            "left out": ", ".join(self.errors),
            "elements": ", ".join(next(iter(self.errors.values())).elements),
            "structures": len(self.groups["groups"]),
        }

    def plot(self, ax: Axes | None = None) -> Figure | None:
        """Draw the distribution of the errors of single atoms; see ``plotting.error_table_figure``.

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

    def records(self, *, n_draws: int = 1000, random_state: int = 0) -> list[Record]:
        """Errors for each split and element, and for "all" elements if there are several.

        ``min``, ``max`` and ``mean`` are over L/sigma of single environments (the root mean squared error over the
        energies, divided by sigma). ``loss`` is L/sigma of all these environments together (equation 15 of the LDOS
        paper); it is larger than ``mean``. Sigma is the deviation of the element's LDOS, for "all" of the whole LDOS.
        ``low`` and ``high`` are the 95 % interval of ``loss`` from a bootstrap over whole groups.

        Parameters
        ----------
        n_draws : int
            Draws of the bootstrap.
        random_state : int
            Seed of the draws.

        Returns
        -------
        list of dict
            One row for each split and element.
        """
        check_arguments(n_draws=n_draws, random_state=random_state)
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
        A dataset with LDOS.
    model : DOSModel
        A model that learns LDOS.
    leaking : bool
        Also split over single environments, as the LDOS paper did. An atom is then predicted from other atoms of its
        own structure, and alpha is chosen in the same way. Such errors do not predict the error for new structures.
    setup : Setup, optional
        Its ``temperature`` is not used.

    Returns
    -------
    ErrorTable

    Raises
    ------
    ValueError
        When the dataset has no LDOS, or ``Setup.folds`` raises it.
    TypeError
        With ``leaking``, when the descriptor is not one of ldosml.
    """
    setup = replace(Setup() if setup is None else setup, temperature=None)
    if data.ldos is None:
        raise ValueError("A table of errors by element needs LDOS, one row per atom; this dataset has total DOS only.")
    splits: Sequence[str] = ("groups", "environments") if leaking else ("groups",)
    # Both splits use the energies of the whole structures.
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
            "A split over environments needs a descriptor of ldosml, which computes rows before the split; got "
            f" {type(model.descriptor).__name__}."
        )
    return as_environments(data), model, rows
