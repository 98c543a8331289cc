"""The command ``ldosml compare``."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Annotated

import typer

from ldosml.cli.display import known, mean_text, results, table
from ldosml.cli.option_groups import with_groups
from ldosml.cli.options import Temperature, app
from ldosml.cli.study import Study
from ldosml.cli.study_options import STUDIES, Datasets, Learned, StudyOptions, targets

if TYPE_CHECKING:
    from ldosml._journal import Record
    from ldosml.studies import RegressorComparison

_COLUMNS = ("quantity", "learned", "L/sigma", "difference", "mean\nspectrum", "label\nnoise")
_WORDS = (
    "Differences are relative to the first row of each quantity, with 95 % intervals from a paired bootstrap over\n"
    "groups. A star (*) marks an interval that excludes zero. Whiskers in the figure are these intervals."
)


@app.command(
    rich_help_panel=STUDIES,
    examples=(
        "ldosml compare silicon --smearing 0.3 -o compare",
        "ldosml compare mine.h5 --learn ldos --learn both --no-properties -o compare",
    ),
)
@with_groups
def compare(
    datasets: Datasets,
    learn: Learned = None,
    temperature: Temperature = 300.0,
    properties: Annotated[
        bool, typer.Option("--properties/--no-properties", help="Evaluate derived properties as well as spectra.")
    ] = True,
    *,
    options: StudyOptions,
) -> None:
    """Compare learning from LDOS, from DOS and from both, on the same folds.

    The others are compared with the first --learn. If the command is stopped, run it again to continue.
    """
    from ldosml import plotting
    from ldosml.studies import compare_regressors

    study = Study("compare", options, learned=targets(learn), temperature=temperature if properties else None)
    data = study.read(datasets)
    study.announce(data, 1)
    with study.running("Comparison") as setup:
        found = compare_regressors(data, options.model.model(), study.regressors(), setup=setup)
    with study.stages("Bootstrap over groups"):
        records = _with_means(found)
    figures = {"comparison": plotting.comparison_figure(found)}
    study.finish(found, figures, {"errors": records}, lambda: _show(found, records), [_WORDS])


def _with_means(found: RegressorComparison) -> list[Record]:
    """The records, each with the L/sigma of the mean spectrum and whether the difference excludes zero."""
    return [
        {
            **row,
            "mean_spectrum_loss": found.errors[row["regressor"]].mean_loss.get(row["quantity"]),
            "excludes_zero": row["difference_low"] > 0 or row["difference_high"] < 0,
        }
        for row in found.records()
    ]


def _show(found: RegressorComparison, records: Sequence[Record]) -> None:
    at = "" if found.temperature is None else f", properties at {found.temperature:g} K"
    rows = [_row(record, record["regressor"] == found.regressors[0]) for record in records]
    results.print(table(f"Errors by what is learned{at}", _COLUMNS, rows))


def _row(record: Record, first: bool) -> list[str]:
    from ldosml.plotting.labels import quantity_name

    mark = " *" if record["excludes_zero"] else "  "
    span = f"{record['difference']:+.3f} ({record['difference_low']:+.3f} to {record['difference_high']:+.3f}){mark}"
    return [
        quantity_name(record["quantity"]) if first else "",
        record["regressor"],
        known(record["loss"]),
        "" if first else span if isfinite(record["difference"]) else "not known",
        mean_text(record["mean_spectrum_loss"]) if first else "",
        known(record["label_noise"]) if first else "",
    ]
