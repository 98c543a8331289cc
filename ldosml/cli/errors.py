"""The command ``ldosml errors``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ldosml.cli.display import known, table, with_interval
from ldosml.cli.option_groups import with_groups
from ldosml.cli.options import app
from ldosml.cli.study import Study
from ldosml.cli.study_options import STUDIES, Datasets, StudyOptions

if TYPE_CHECKING:
    from ldosml._journal import Record
    from ldosml.studies import ErrorTable
    from ldosml.tables import ResultTable

_TITLES = {"groups": "Whole groups left out", "environments": "LEAKING: atoms left out one by one"}
_COLUMNS = ("LDOS of", "atoms", "minimum", "maximum", "mean", "L/sigma", "mean spectrum", "label noise")
_WORDS = (
    "Minimum, maximum and mean are over the L/sigma of single atoms. The next column is the L/sigma of all atoms of "
    "the element, with a 95 % interval from a bootstrap over groups. In the figure, boxes hold the middle half of the "
    "atoms, with the median; diamonds are means."
)
_LEAKING_WORDS = (
    "LEAKING: each atom is left out alone, so the model has seen other atoms of the same structure. Such errors say "
    "little about new structures. They are shown because they are often quoted."
)


@app.command(
    rich_help_panel=STUDIES,
    examples=("ldosml errors silicon --smearing 0.3 -o errors", "ldosml errors mine.h5 --leaking --low -10 -o errors"),
)
@with_groups
def errors(
    datasets: Datasets,
    leaking: Annotated[
        bool,
        typer.Option(
            "--leaking",
            help="Also leave out atoms one by one, as the LDOS paper did, and show how much smaller the errors look.",
        ),
    ] = False,
    *,
    options: StudyOptions,
) -> None:
    """Tabulate the LDOS errors of single atoms by element.

    The table has the minimum, maximum and mean of single atoms, and the L/sigma of all atoms. If the command is
    stopped, run it again to continue.
    """
    from ldosml import plotting
    from ldosml.studies import error_table

    study = Study("errors", options, leaking=leaking)
    data = study.read(datasets)
    model = study.model(data.structures)
    study.announce(data, model, 2 if leaking else 1)
    with study.running("Table of errors") as setup:
        found = error_table(data, model, leaking=leaking, setup=setup)
    gains = _gains(found)
    numbers = {"errors": found.records(), "gains": gains}
    words = [*([_LEAKING_WORDS] if leaking else []), _WORDS]
    study.finish(found, {"errors": plotting.error_table_figure(found)}, numbers, lambda: _tables(found, gains), words)


def _gains(found: ErrorTable) -> list[Record]:
    """How much smaller the loss of each element looks when atoms leak; empty where only one split was made."""
    losses = {(row["split"], row["element"]): row["loss"] for row in found.records()}
    return [
        {"element": element, "loss": honest, "leaking_loss": losses["environments", element]}
        | {"ratio": honest / losses["environments", element]}
        for (split, element), honest in losses.items()
        if split == "groups" and ("environments", element) in losses
    ]


def _tables(found: ErrorTable, gains: Sequence[Record]) -> list[ResultTable]:
    records = found.records()
    tables = [
        table(_TITLES[split], _COLUMNS, [_row(record) for record in records if record["split"] == split])
        for split in found.errors
    ]
    if gains:
        rows = [
            [gain["element"], known(gain["loss"]), known(gain["leaking_loss"]), known(gain["ratio"], ".2f")]
            for gain in gains
        ]
        columns = ("LDOS of", "L/sigma, groups left out", "L/sigma, leaking", "ratio")
        tables.append(table("Effect of leaking", columns, rows))
    return tables


def _row(record: Record) -> list[str]:
    return [
        record["element"],
        f"{record['n_environments']:,}",
        *(known(record[name]) for name in ("min", "max", "mean")),
        with_interval(record),
        *(known(record[name]) for name in ("mean_spectrum_loss", "label_noise")),
    ]
