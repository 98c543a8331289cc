"""The command ``ldosml smearing``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from ldosml.cli.display import known, mean_text, table, with_interval
from ldosml.cli.number_lists import FORMS, read_positive
from ldosml.cli.option_groups import with_groups
from ldosml.cli.options import DatasetName, app
from ldosml.cli.study import Study
from ldosml.cli.study_options import STUDIES, PropertyTemperature, StudyOptions

if TYPE_CHECKING:
    from ldosml.datasets import LDOSDataset
    from ldosml.studies import SmearingStudy
    from ldosml.tables import ResultTable

_COLUMNS = ("quantity", "smearing (eV)", "L/sigma", "mean spectrum", "label noise")
_WORDS = "Intervals are 95 %, from a bootstrap over groups. Bands in the figure run from the best fold to the worst."


@app.command(
    "smearing",
    rich_help_panel=STUDIES,
    examples=("ldosml smearing silicon -o smearing", "ldosml smearing mine.h5 --widths 0.1:0.5:0.1 -T 300 -o smearing"),
)
@with_groups
def smearing_(
    dataset: DatasetName,
    smearing: Annotated[
        str, typer.Option("--widths", metavar="NUMBERS", help=f"Smearing widths, eV: {FORMS}.")
    ] = "0.1,0.2,0.3,0.5",
    temperature: PropertyTemperature = None,
    *,
    options: StudyOptions,
) -> None:
    """Show how errors fall as the smearing of spectra grows.

    All widths are compared on the same energies, with the label noise. If the command is stopped, run it again to
    continue.
    """
    from ldosml import plotting
    from ldosml.studies import smearing_study

    widths = read_positive("--widths", [smearing], "eV", ": a width of zero is no smearing")
    study = Study("smearing", options, temperature=temperature, widths=widths)
    data = study.read([dataset], broaden=False)
    study.options = _at_common_energies(options, data, widths)
    model = study.model(data.structures)
    study.announce(data, model, len(widths), ", ".join(f"{width:g}" for width in widths))
    with study.running("Study of smearing") as setup:
        found = smearing_study(data, widths, model, setup=setup)
    quantities = next(iter(found.errors.values())).quantities
    figures = {"smearing": plotting.smearing_figure(found, study.drawn(quantities))}
    study.finish(found, figures, {"errors": found.records()}, lambda: _tables(found, quantities), [_WORDS])


def _at_common_energies(options: StudyOptions, data: LDOSDataset, widths: Sequence[float]) -> StudyOptions:
    """The options with the energies that spectra of all widths have."""
    from ldosml.studies import common_energies

    low, high = common_energies(data, widths, options.model.soap_model())
    lowest = low if options.low is None else max(low, options.low)
    return replace(options, low=lowest, model=replace(options.model, high=high))


def _tables(found: SmearingStudy, quantities: Sequence[str]) -> list[ResultTable]:
    from ldosml.plotting.labels import quantity_name

    records = {(row["quantity"], row["smearing_width"]): row for row in found.records()}
    rows = [
        [
            quantity_name(quantity),
            f"{width:g}",
            with_interval(records[quantity, width]),
            mean_text(records[quantity, width]["mean_spectrum_loss"]),
            known(records[quantity, width]["label_noise"]),
        ]
        for quantity in quantities
        for width in found.errors
    ]
    return [table("Errors by smearing", _COLUMNS, rows, n_keys=2)]
