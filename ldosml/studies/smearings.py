"""How errors fall as spectra are smeared more widely, beside the noise of the labels, which falls, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ldosml._journal import Record
from ldosml.datasets import LDOSDataset
from ldosml.pipeline import DOSModel
from ldosml.search.spelling import spelled
from ldosml.studies._tabulated import Tabulated
from ldosml.studies.errors import Errors
from ldosml.studies.noise import Floor, noise_floor
from ldosml.studies.settings import Setup


@dataclass(frozen=True, eq=False)
class SmearingStudy(Tabulated):
    """Errors at several smearing widths.

    Parameters
    ----------
    errors : dict of Errors
        By width, eV.
    noise : dict of dict of float
        L/sigma of the labels' noise, by width and quantity; see ``noise_floor``.
    """

    errors: dict[float, Errors]
    noise: dict[float, Floor]

    def records(self) -> list[Record]:
        """A row a width and quantity: L/sigma, that of the mean spectrum, and the noise of the labels."""
        rows = []
        for width, errors in self.errors.items():
            for quantity in errors.quantities:
                rows.append(
                    {
                        "smearing_width": width,
                        "quantity": quantity,
                        "loss": errors.loss(quantity),
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
        Give ``high`` of the model, and ``low``, such that every width allows them: sigma depends on the energies.

    Raises
    ------
    ValueError
        When there is no width, or one is below that of the dataset; and as ``Setup.folds``.
    """
    setup = Setup() if setup is None else setup
    ordered = sorted({float(width) for width in widths})
    if not ordered:
        raise ValueError("A study of smearing needs at least one width; got none.")
    data.broaden_to(ordered[0])  # refuses a width below the stored one before anything is computed
    folds = setup.folds(data)
    validations = [
        setup.validation({"smearing_width": width}, partial(_broadened, data, width, model), folds) for width in ordered
    ]
    records = setup.run("study of smearing", data, validations, model=spelled(model))
    errors = {width: Errors.from_record(record) for width, record in zip(ordered, records, strict=True)}
    noise = {width: noise_floor(data, one, width, setup.temperature) for width, one in errors.items()}
    return SmearingStudy(errors, noise)


def _broadened(data: LDOSDataset, width: float, model: DOSModel) -> tuple[LDOSDataset, DOSModel]:
    return data.broaden_to(width), model
