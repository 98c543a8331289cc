"""Errors against the smearing width, with the label noise, which also decreases with the width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ldosml._journal import Record
from ldosml._plots import drawn
from ldosml._ranges import check_arguments
from ldosml.bootstrap import group_draws, interval
from ldosml.datasets import LDOSDataset
from ldosml.pipeline import DOSModel
from ldosml.studies._table import Tabulated
from ldosml.studies.cross_validation import known_as
from ldosml.studies.errors import Errors, without_properties
from ldosml.studies.folds import Described, DescriptorRows
from ldosml.studies.noise import Floor, noise_floor
from ldosml.studies.setup import Setup

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class SmearingStudy(Tabulated):
    """Errors at several smearing widths.

    Parameters
    ----------
    errors : dict of Errors
        By width, eV.
    groups : list of str
        Group of each structure.
    noise : dict of dict of float
        L/sigma of the label noise, by width and quantity; see ``noise_floor``.
    """

    errors: dict[float, Errors]
    groups: list[str]
    noise: dict[float, Floor]

    def _facts(self) -> dict[str, object]:
        return {
            "smearing": f"{', '.join(f'{width:g}' for width in self.errors)} eV",
            "quantities": ", ".join(self.quantities),
            "structures": len(self.groups),
        }

    @property
    def quantities(self) -> list[str]:
        """What has errors."""
        return next(iter(self.errors.values())).quantities

    def plot(self, ax: Axes | None = None, *, quantity: str = "dos") -> Figure | None:
        """Draw L/sigma against the smearing width; see ``plotting.smearing_figure``.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Draw here, and leave the legend to you.
        quantity : str
            One of ``quantities``.

        Returns
        -------
        matplotlib.figure.Figure or None
            None with ``ax``.

        Raises
        ------
        ValueError
            When ``quantity`` is not one of ``quantities``.
        """
        figure: Figure | None = drawn(self, ax, quantity=quantity)
        return figure

    def cautions(self) -> list[str]:
        """Say for how many structures no properties could be derived from the predictions.

        Returns
        -------
        list of str
            A text for each width that has such structures.
        """
        return without_properties({f"smearing {width:g} eV": one for width, one in self.errors.items()})

    def records(self, *, n_draws: int = 1000, random_state: int = 0) -> list[Record]:
        """L/sigma of each width and quantity, with L/sigma of the mean spectrum and the label noise.

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
            One row for each width and quantity.
        """
        check_arguments(n_draws=n_draws, random_state=random_state)
        draws = group_draws(self.groups, n_draws, random_state)
        rows = []
        for width, errors in self.errors.items():
            for quantity in errors.quantities:
                low, high = interval(errors.losses(quantity, draws))
                rows.append(
                    {
                        "smearing_width": width,
                        "quantity": quantity,
                        "loss": errors.loss(quantity),
                        "low": low,
                        "high": high,
                        "mean_spectrum_loss": errors.mean_loss.get(quantity),
                        "label_noise": self.noise[width].get(quantity),
                    }
                )
        return rows


def smearing_study(
    data: LDOSDataset, widths: Sequence[float], model: DOSModel, *, setup: Setup | None = None
) -> SmearingStudy:
    """Cross-validate a model at several smearing widths, on the same folds.

    Parameters
    ----------
    data : LDOSDataset
        The dataset with its stored smearing, which must be known; it is broadened to each width.
    widths : sequence of float
        eV, not below the stored width.
    model : DOSModel
    setup : Setup, optional
        Sigma depends on the energies. To compare widths, choose ``high`` of the model and ``low`` of the setup such
        that every width has these energies; ``common_energies`` finds them.

    Returns
    -------
    SmearingStudy

    Raises
    ------
    ValueError
        When there is no width, a width is below the stored width, a width is so large that the energies of the model
        are lost, properties cannot be derived, or ``Setup.folds`` raises it.
    """
    check_arguments(widths=widths)
    setup = Setup() if setup is None else setup
    ordered = sorted({float(width) for width in widths})
    if not ordered:
        raise ValueError("A study of smearing needs at least one width; got none.")
    common_energies(data, [ordered[0], ordered[-1]], model)  # bad widths raise an error before the long work
    folds, described = setup.folds(data), Described(data, model)
    validations = [
        setup.validation({"smearing_width": width}, partial(_broadened, described, width), folds) for width in ordered
    ]
    records = setup.run("study of smearing", data, validations, model=known_as(model))
    errors = {width: Errors.from_record(record) for width, record in zip(ordered, records, strict=True)}
    noise = {width: noise_floor(data, one, width, setup.temperature) for width, one in errors.items()}
    return SmearingStudy(errors, data.groups, noise)


def common_energies(data: LDOSDataset, widths: Sequence[float], model: DOSModel) -> tuple[float, float]:
    """Lowest and highest energy that a model can learn at every one of several smearing widths.

    Parameters
    ----------
    data : LDOSDataset
    widths : sequence of float
        eV.
    model : DOSModel

    Returns
    -------
    low, high : float
        eV, relative to the zero of the model.

    Raises
    ------
    ValueError
        When ``broaden_to`` or ``refer_to`` of the dataset raises it.
    """
    check_arguments(widths=widths)
    grids = [data.broaden_to(width).refer_to(model.zero, model.low, model.high).grid for width in widths]
    return max(grid.start for grid in grids), min(grid.stop for grid in grids)


def _broadened(described: Described, width: float) -> tuple[LDOSDataset, DOSModel, DescriptorRows | None]:
    data, model, rows = described()
    return data.broaden_to(width), model, rows
