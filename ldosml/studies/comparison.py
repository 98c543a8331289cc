"""Errors of several regressors, property by property: learning from LDOS, DOS, or both (figure 4 of the LDOS paper)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from sklearn.base import clone

from ldosml._journal import Record
from ldosml._plots import drawn
from ldosml._ranges import check_arguments
from ldosml.bootstrap import group_draws, interval
from ldosml.datasets import LDOSDataset
from ldosml.pipeline import DOSModel
from ldosml.regression import LDOSKernelRidge
from ldosml.regression._training_rows import Learn
from ldosml.studies._table import Tabulated
from ldosml.studies.cross_validation import known_as
from ldosml.studies.errors import Errors, without_properties
from ldosml.studies.folds import Described, with_regressor
from ldosml.studies.noise import Floor, noise_floor
from ldosml.studies.setup import Setup

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class RegressorComparison(Tabulated):
    """Errors of several regressors on the same folds; the others are compared with the first.

    Parameters
    ----------
    errors : dict of Errors
        By name of the regressor.
    groups : list of str
        Group of each structure.
    temperature : float or None
        Temperature of the properties, K.
    noise : dict of float
        L/sigma of the label noise, by quantity; see ``noise_floor``.
    """

    errors: dict[str, Errors]
    groups: list[str]
    temperature: float | None
    noise: Floor

    def _facts(self) -> dict[str, object]:
        return {
            "regressors": ", ".join(self.regressors),
            "quantities": ", ".join(self.quantities),
            "structures": len(self.groups),
        }

    def plot(self, ax: Axes | None = None) -> Figure | None:
        """Draw L/sigma of every quantity, and the differences of the regressors; see ``plotting.comparison_figure``.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Draw only L/sigma, here, and leave the legend to you.

        Returns
        -------
        matplotlib.figure.Figure or None
            None with ``ax``.
        """
        figure: Figure | None = drawn(self, ax)
        return figure

    @property
    def regressors(self) -> list[str]:
        """Names of the regressors, in the order given."""
        return list(self.errors)

    @property
    def quantities(self) -> list[str]:
        """Quantities that have errors."""
        return self.errors[self.regressors[0]].quantities

    def cautions(self) -> list[str]:
        """Say for how many structures no properties could be derived from the predictions.

        Returns
        -------
        list of str
            One sentence or more for each regressor that has such structures.
        """
        return without_properties(self.errors)

    def records(self, *, n_draws: int = 1000, random_state: int = 0) -> list[Record]:
        """L/sigma of each regressor and quantity, and its difference from the first regressor.

        ``low`` and ``high`` are the 95 % interval of ``loss``; ``difference_low`` and ``difference_high`` are the
        interval of ``difference``. Both come from a bootstrap over whole groups. The difference is paired: both
        regressors are evaluated on the same draws, and on the structures that have the quantity from both. If the
        interval of the difference excludes zero, one regressor is better on this set by more than the choice of
        trajectories explains. The bootstrap does not fit the regressors again, so the interval does not include the
        effect of another training set. ``n_structures`` is the number of structures that have the quantity (see
        ``cautions``).

        Parameters
        ----------
        n_draws : int
            Draws of the bootstrap.
        random_state : int
            Seed of the draws.

        Returns
        -------
        list of dict
            One row for each quantity and regressor.
        """
        check_arguments(n_draws=n_draws, random_state=random_state)
        draws = group_draws(self.groups, n_draws, random_state)
        everything = np.ones((1, len(self.groups)))
        rows = []
        for quantity in self.quantities:
            first = self.errors[self.regressors[0]]
            for name, errors in self.errors.items():
                low, high = interval(errors.losses(quantity, draws))
                shared = first.known(quantity) & errors.known(quantity)
                whole, drawn = (
                    errors.losses(quantity, each * shared) - first.losses(quantity, each * shared)
                    for each in (everything, draws)
                )
                below, above = interval(drawn)
                rows.append(
                    {
                        "quantity": quantity,
                        "regressor": name,
                        "loss": errors.loss(quantity),
                        "low": low,
                        "high": high,
                        "label_noise": self.noise.get(quantity),
                        "n_structures": int(errors.known(quantity).sum()),
                        "rmse": errors.rmse(quantity),
                        "unit": errors.units[quantity],
                        "difference": float(whole[0]),
                        "difference_low": below,
                        "difference_high": above,
                    }
                )
        return rows


def regressors_by_learn(regressor: Any = None) -> dict[str, Any]:
    """Copy a regressor three times: learning from LDOS, from DOS, and from both.

    LDOS is equation 12 of the LDOS paper, DOS is equation 11, and "both" is the sum of the two objectives.

    Parameters
    ----------
    regressor : LDOSRidge, LDOSKernelRidge or SparseLDOSKernelRidge, optional
        Default: ``LDOSKernelRidge()``.

    Returns
    -------
    dict
        The regressors, with the keys "ldos", "dos" and "both".

    Examples
    --------
    >>> regressors_by_learn()["dos"]
    LDOSKernelRidge(learn='dos')
    """
    template = LDOSKernelRidge() if regressor is None else regressor
    return {learn: clone(template).set_params(learn=learn) for learn in get_args(Learn)}


def compare_regressors(
    data: LDOSDataset, model: DOSModel, regressors: Mapping[str, Any], *, setup: Setup | None = None
) -> RegressorComparison:
    """Cross-validate regressors on the same folds.

    Parameters
    ----------
    data : LDOSDataset
    model : DOSModel
        Its descriptor and energies are used with every regressor.
    regressors : mapping of str to regressor
        Regressors by name, see ``regressors_by_learn``. The others are compared with the first.
    setup : Setup, optional
        With a ``temperature``, properties are also compared.

    Returns
    -------
    RegressorComparison

    Raises
    ------
    ValueError
        When there is no regressor, properties cannot be derived, or ``Setup.folds`` raises it.
    """
    setup = Setup() if setup is None else setup
    if not regressors:
        raise ValueError("A comparison needs at least one regressor; got none.")
    folds, described = setup.folds(data), Described(data, model)
    validations = [
        setup.validation({"regressor": name}, partial(with_regressor, described, regressor), folds)
        for name, regressor in regressors.items()
    ]
    spelling = {name: known_as(regressor) for name, regressor in regressors.items()}
    records = setup.run("comparison", data, validations, model=known_as(model), regressors=spelling)
    errors = {name: Errors.from_record(record) for name, record in zip(regressors, records, strict=True)}
    noise = noise_floor(data, next(iter(errors.values())), data.smearing_width, setup.temperature)
    return RegressorComparison(errors, list(data.groups), setup.temperature, noise)
