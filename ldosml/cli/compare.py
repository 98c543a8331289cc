"""The command ``ldosml compare``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from math import isfinite
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated

import typer

from ldosml.cli.display import known, table
from ldosml.cli.option_groups import with_groups
from ldosml.cli.options import Temperature, app
from ldosml.cli.study import Study
from ldosml.cli.study_options import STUDIES, Datasets, Learned, StudyOptions, targets

if TYPE_CHECKING:
    from ldosml._journal import Record
    from ldosml.studies import RegressorComparison
    from ldosml.tables import ResultTable

_COLUMNS = ("quantity", "learned from", "L/sigma", "difference")
_WORDS = (
    "In parentheses: always predicting the mean spectrum, and the label noise where it is known. Differences are "
    "relative to the first row of each quantity, with 95 % intervals from a paired bootstrap over groups. A star (*) "
    "marks an interval that excludes zero. Whiskers in the figure are these intervals."
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
    """Compare learning from LDOS, from DOS and from both.

    All use the same folds. The others are compared with the first --learn. If the command is stopped, run it again
    to continue.
    """
    from ldosml import plotting
    from ldosml.studies import compare_regressors

    study = Study("compare", options, learned=targets(learn), temperature=temperature if properties else None)
    data = study.read(datasets)
    model = study.model(data.structures)
    study.announce(data, model, 1)
    with study.running("Comparison") as setup:
        found = compare_regressors(data, model, study.regressors(), setup=setup)
    with study.stages("Bootstrap over groups"):
        records = _with_means(found)
    figures = {"comparison": plotting.comparison_figure(found)}
    study.finish(found, figures, {"errors": records}, lambda: _tables(found, records), [_WORDS])


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


def _tables(found: RegressorComparison, records: Sequence[Record]) -> list[ResultTable]:
    at = "" if found.temperature is None else f", properties at {found.temperature:g} K"
    rows = [row for _, same in groupby(records, itemgetter("quantity")) for row in _rows(list(same))]
    return [table(f"Errors by what is learned{at}", _COLUMNS, rows, n_keys=2)]


def _rows(records: Sequence[Record]) -> Iterator[list[str]]:
    """The rows of one quantity: what was learned from, then what an error lies between, where it is known."""
    from ldosml.plotting.labels import quantity_name, regressor_name

    name = quantity_name(records[0]["quantity"])
    for record in records:
        learned = regressor_name(record["regressor"]).removeprefix("learned from ")
        yield [name, learned, known(record["loss"]), _difference(record) if record != records[0] else ""]
    for what, loss in (("mean spectrum", "mean_spectrum_loss"), ("label noise", "label_noise")):
        value = records[0][loss]
        if value is not None and isfinite(value):
            yield [name, f"({what})", known(value), ""]


def _difference(record: Record) -> str:
    if not isfinite(record["difference"]):
        return "not known"
    mark = " *" if record["excludes_zero"] else ""
    return f"{record['difference']:+.3f} ({record['difference_low']:+.3f}, {record['difference_high']:+.3f}){mark}"
