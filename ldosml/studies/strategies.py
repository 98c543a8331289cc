"""Which way of learning predicts which property best (figure 4 of the LDOS paper)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ldosml._journal import Record
from ldosml.bootstrap import group_draws, interval
from ldosml.datasets import LDOSDataset
from ldosml.pipeline import DOSModel
from ldosml.regression import DOSKernelRidge, LDOSKernelRidge, SparseLDOSKernelRidge
from ldosml.studies._tabulated import Tabulated
from ldosml.studies.errors import Errors, without_properties
from ldosml.studies.folding import Described, taught_by
from ldosml.studies.noise import Floor, noise_floor
from ldosml.studies.running import known_as
from ldosml.studies.settings import Setup


@dataclass(frozen=True, eq=False)
class StrategyComparison(Tabulated):
    """Errors of several strategies on the same folds; the first one is what the others are compared with.

    Parameters
    ----------
    errors : dict of Errors
        By strategy.
    groups : list of str
        Of each structure.
    temperature : float or None
        K, of the properties.
    noise : dict of float
        L/sigma of the labels' noise, by quantity; see ``noise_floor``.
    """

    errors: dict[str, Errors]
    groups: list[str]
    temperature: float | None
    noise: Floor

    @property
    def strategies(self) -> list[str]:
        """Names, in the order given."""
        return list(self.errors)

    @property
    def quantities(self) -> list[str]:
        """What was judged."""
        return self.errors[self.strategies[0]].quantities

    def cautions(self) -> list[str]:
        """Of how many structures no properties could be derived from the predictions."""
        return without_properties(self.errors)

    def records(self, *, n_draws: int = 1000, random_state: int = 0) -> list[Record]:
        """A row a strategy and quantity: L/sigma, and its difference to the first strategy's.

        ``low`` and ``high`` hold 95 % of the loss, ``difference_low`` and ``difference_high`` of the difference, which
        is paired: both strategies are judged on the same draws of whole groups (bootstrap), and on the structures that
        have the quantity by both. Where zero lies outside, the one strategy is better on this set, beyond the chance of
        which trajectories it holds. The strategies are not fitted again: what another training set would change is not
        in it. ``n_structures`` have the quantity (see ``cautions``).
        """
        draws = group_draws(self.groups, n_draws, random_state)
        everything = np.ones((1, len(self.groups)))
        rows = []
        for quantity in self.quantities:
            first = self.errors[self.strategies[0]]
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
                        "strategy": name,
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


def default_strategies(n_inducing: int | None = None, **options: Any) -> dict[str, Any]:
    """Atomic, structural and joint learning with one kernel (equations 12 and 11 of the LDOS paper, and both).

    Parameters
    ----------
    n_inducing : int, optional
        On so many inducing points; None: with all environments.
    **options
        Of all three; by default a Matern kernel with ``gamma`` 0.3, for whitened SOAP, and alpha by leaving out
        structures.
    """
    given = {"alpha": "leave-one-group-out", "kernel": "matern", "gamma": 0.3, **options}
    if n_inducing is not None:
        sparse = partial(SparseLDOSKernelRidge, n_inducing=n_inducing)
        # A tenth of what the joint DOSKernelRidge below minimises, the regularisation included.
        alpha = given["alpha"]
        tenth = alpha if isinstance(alpha, str) else alpha / 10 if np.ndim(alpha) == 0 else np.asarray(alpha) / 10
        return {
            "atomic": sparse(targets="ldos", **given),
            "structural": sparse(targets="dos", **given),
            "joint": sparse(targets="both", dos_weight=0.1, **{**given, "alpha": tenth}),
        }
    return {
        "atomic": LDOSKernelRidge(**given),
        "structural": DOSKernelRidge(**given),
        "joint": DOSKernelRidge(ldos_weight=10.0, **given),
    }


def compare_strategies(
    data: LDOSDataset, model: DOSModel, strategies: Mapping[str, Any], *, setup: Setup | None = None
) -> StrategyComparison:
    """Cross-validate strategies on the same folds.

    Parameters
    ----------
    data : LDOSDataset
    model : DOSModel
        Its descriptor and energies are those of all strategies.
    strategies : mapping of str to regressor
        What ``model`` is given in turn, see ``default_strategies``; the first is what others are compared with.
    setup : Setup, optional
        With a ``temperature``, properties are compared, too.

    Raises
    ------
    ValueError
        When there is no strategy; as ``Setup.folds``, and where properties cannot be derived.
    """
    setup = Setup() if setup is None else setup
    if not strategies:
        raise ValueError("A comparison needs at least one strategy; got none.")
    folds, described = setup.folds(data), Described(data, model)
    validations = [
        setup.validation({"strategy": name}, partial(taught_by, described, regressor), folds)
        for name, regressor in strategies.items()
    ]
    spelling = {name: known_as(regressor) for name, regressor in strategies.items()}
    records = setup.run("comparison", data, validations, model=known_as(model), strategies=spelling)
    errors = {name: Errors.from_record(record) for name, record in zip(strategies, records, strict=True)}
    noise = noise_floor(data, next(iter(errors.values())), data.smearing_width, setup.temperature)
    return StrategyComparison(errors, list(data.groups), setup.temperature, noise)
