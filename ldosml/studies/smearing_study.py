"""How errors fall as spectra are smeared more widely, beside the noise of the labels, which falls, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ldosml._journal import Record
from ldosml.bootstrap import group_draws, interval
from ldosml.datasets import LDOSDataset
from ldosml.pipeline import DOSModel
from ldosml.studies._table import Tabulated
from ldosml.studies.cross_validation import known_as
from ldosml.studies.errors import Errors, without_properties
from ldosml.studies.folds import Described, DescriptorRows
from ldosml.studies.noise import Floor, noise_floor
from ldosml.studies.setup import Setup


@dataclass(frozen=True, eq=False)
class SmearingStudy(Tabulated):
    """Errors at several smearing widths.

    Parameters
    ----------
    errors : dict of Errors
        By width, eV.
    groups : list of str
        Of each structure.
    noise : dict of dict of float
        L/sigma of the labels' noise, by width and quantity; see ``noise_floor``.
    """

    errors: dict[float, Errors]
    groups: list[str]
    noise: dict[float, Floor]

    def cautions(self) -> list[str]:
        """Of how many structures no properties could be derived from the predictions.

        Returns
        -------
        list of str
        """
        return without_properties({f"smearing {width:g} eV": one for width, one in self.errors.items()})

    def records(self, *, n_draws: int = 1000, random_state: int = 0) -> list[Record]:
        """A row a width and quantity: L/sigma, that of the mean spectrum, and the noise of the labels.

        ``low`` and ``high`` hold 95 % of the loss when whole groups are drawn with replacement (bootstrap).

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
        As stored: it is broadened to each width.
    widths : sequence of float
        eV, none below the stored one.
    model : DOSModel
    setup : Setup, optional
        Give ``high`` of the model, and ``low``, such that every width allows them, as ``common_energies`` finds them:
        sigma depends on the energies.

    Raises
    ------
    ValueError
        When there is no width, one is below that of the dataset, which must be known, or so wide that the model's
        energies are not left; as ``Setup.folds``, and where properties cannot be derived.
    """
    setup = Setup() if setup is None else setup
    ordered = sorted({float(width) for width in widths})
    if not ordered:
        raise ValueError("A study of smearing needs at least one width; got none.")
    common_energies(data, [ordered[0], ordered[-1]], model)  # refuses widths before anything is computed
    folds, described = setup.folds(data), Described(data, model)
    validations = [
        setup.validation({"smearing_width": width}, partial(_broadened, described, width), folds) for width in ordered
    ]
    records = setup.run("study of smearing", data, validations, model=known_as(model))
    errors = {width: Errors.from_record(record) for width, record in zip(ordered, records, strict=True)}
    noise = {width: noise_floor(data, one, width, setup.temperature) for width, one in errors.items()}
    return SmearingStudy(errors, data.groups, noise)


def common_energies(data: LDOSDataset, widths: Sequence[float], model: DOSModel) -> tuple[float, float]:
    """Lowest and highest energy, eV against the model's zero, that it learns at each of several smearing widths (eV).

    Raises what ``broaden_to`` and ``refer_to`` of the dataset raise.

    Parameters
    ----------
    data : LDOSDataset
    widths : sequence of float
        eV.
    model : DOSModel

    Returns
    -------
    tuple of float
        Lowest and highest energy, eV.
    """
    grids = [data.broaden_to(width).refer_to(model.zero, model.low, model.high).grid for width in widths]
    return max(grid.start for grid in grids), min(grid.stop for grid in grids)


def _broadened(described: Described, width: float) -> tuple[LDOSDataset, DOSModel, DescriptorRows | None]:
    data, model, rows = described()
    return data.broaden_to(width), model, rows
