"""The command ``ldosml transfer``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ldosml.cli.display import known, mean_text, table, with_interval
from ldosml.cli.option_groups import with_groups
from ldosml.cli.options import app
from ldosml.cli.plans import print_descriptor_plan
from ldosml.cli.study import Study
from ldosml.cli.study_options import STUDIES, PropertyTemperature, StudyOptions

if TYPE_CHECKING:
    from ldosml._journal import Record
    from ldosml.studies import Transfer
    from ldosml.tables import ResultTable

_COLUMNS = ("quantity", "L/sigma, left out", "L/sigma", "mean spectrum", "label noise", "RMSE", "unit", "RMSE ratio")
_WORDS = (
    "Left out: groups of the training set. Each L/sigma uses the sigma of its own set. The ratio of the RMSE uses no "
    "sigma: above 1, the other set is harder. Intervals are 95 %, from a bootstrap over the groups of the other set."
)


@app.command(
    "transfer",
    rich_help_panel=STUDIES,
    examples=(
        "ldosml transfer silicon silicon-large --smearing 0.3 -o transfer",
        "ldosml transfer small.h5 large.h5 --inducing 1000 -T 300 -o transfer",
    ),
)
@with_groups
def transfer_(
    train: Annotated[str, typer.Argument(help="Dataset to train on (.h5), or the name of a shipped one.")],
    test: Annotated[str, typer.Argument(help="Dataset to evaluate on; it shares no group with the first.")],
    temperature: PropertyTemperature = None,
    *,
    options: StudyOptions,
) -> None:
    """Train on one dataset and evaluate on another.

    The other may hold larger cells, for example. Its errors are compared with errors on left-out groups of the first.
    Both are brought to one smearing, one energy zero and the same energies. If the command is stopped, run it again to
    continue.
    """
    from ldosml import plotting
    from ldosml.studies import transfer

    study = Study("transfer", options, temperature=temperature)
    first, second = study.read_alike([train, test])
    study.require_electrons(second)
    model = study.model([*first.structures, *second.structures])
    study.announce(first, model, 1)
    print_descriptor_plan(model.descriptor, second.structures)
    with study.running("Transfer") as setup:
        found = transfer(first, second, model, setup=setup)
    evaluation = found.evaluation.cut(options.low, options.model.high)
    figures = {
        "representatives": plotting.representatives_figure(evaluation),
        "parity": plotting.parity_figure(evaluation),
    }
    study.finish(found, figures, {"errors": found.records()}, lambda: _tables(found, train, test), [_WORDS])


def _tables(found: Transfer, train: str, test: str) -> list[ResultTable]:
    return [table(f"{test}, learned from {train}", _COLUMNS, [_row(record) for record in found.records()])]


def _row(record: Record) -> list[str]:
    from ldosml.plotting.labels import quantity_name, unit_text

    return [
        quantity_name(record["quantity"]),
        known(record["left_out_loss"]),
        with_interval(record),
        mean_text(record["mean_spectrum_loss"]),
        known(record["label_noise"]),
        known(record["rmse"], ".3g"),
        unit_text(record["unit"]),
        known(record["ratio"], ".2f"),
    ]
