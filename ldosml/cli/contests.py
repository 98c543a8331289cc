"""The commands that set errors side by side: of regressors, of elements, of two datasets."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Annotated

import typer

from ldosml.cli.display import known, mean_text, results, table, with_interval
from ldosml.cli.model_options import LearnName, with_options
from ldosml.cli.options import Temperature, app
from ldosml.cli.study_run import StudyRun
from ldosml.cli.studying import (
    STUDIES,
    Datasets,
    Learned,
    PropertyTemperature,
    StudyOptions,
)

if TYPE_CHECKING:
    from ldosml._journal import Record
    from ldosml.studies import ErrorTable, RegressorComparison, Transfer

_COMPARE_WORDS = (
    "Differences are to the first row of each quantity, with 95 % intervals: a paired bootstrap over trajectories.\n"
    "Where the interval excludes zero (*), one is better on this set beyond the chance of which trajectories it holds."
    "\nWhiskers in the figure are such intervals."
)
_ERROR_WORDS = (
    "Minimum, maximum and mean are of the L/sigma of single atoms; L/sigma is of all of them together, sigma that of\n"
    "the element. Intervals hold 95 % of it: a bootstrap over trajectories. In the figure boxes hold the middle half\n"
    "of the atoms, with the median; diamonds are means."
)
_LEAKING_WORDS = (
    "LEAKING: atoms are left out one by one, and others of their own structure give them away. Such errors say little\n"
    "of new structures; they are shown because others quote them."
)
_TRANSFER_WORDS = (
    "Left out: trajectories of the training set. Each L/sigma is in units of its own set's sigma; the ratio is that\n"
    "of root mean square errors, in which no sigma enters: above 1, the other set is harder. Intervals hold 95 % of\n"
    "the loss on the other set: a bootstrap over its trajectories."
)


@app.command(rich_help_panel=STUDIES)
@with_options(StudyOptions, without=("learn",))
def compare(
    datasets: Datasets,
    learn: Learned = None,
    temperature: Temperature = 300.0,
    properties: Annotated[
        bool, typer.Option("--properties/--no-properties", help="Judge properties derived from the DOS, too.")
    ] = True,
    *,
    options: StudyOptions,
) -> None:
    """Compare what to learn from: errors of spectra and properties on the same folds.

    The first --learn is what the others are compared with.

    Run again after a kill, the same command goes on where it stopped.
    """
    from ldosml import plotting
    from ldosml.studies import compare_regressors

    names = [one.value for one in dict.fromkeys(learn or LearnName)]
    kelvin = temperature if properties else None
    run = StudyRun("compare", options, learned=names, temperature=kelvin)
    data = run.read(datasets)
    chosen = run.regressors(data, names)
    run.announce(data, 1, chosen)
    with run.running("Comparison", temperature=kelvin) as setup:
        found = compare_regressors(data, options.model(), chosen, setup=setup)
    with run.stages("Bootstrap over trajectories"):
        records = _with_means(found)
    figures = {"comparison": plotting.comparison_figure(found)}
    run.finish(found, figures, {"errors": records}, lambda: _show_comparison(found, records), [_COMPARE_WORDS])


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


def _show_comparison(found: RegressorComparison, records: Sequence[Record]) -> None:
    from ldosml.plotting import quantity_name

    rows = []
    for row in records:
        first = row["regressor"] == found.regressors[0]
        mark = " *" if row["excludes_zero"] else "  "
        span = f"{row['difference']:+.3f} ({row['difference_low']:+.3f} to {row['difference_high']:+.3f}){mark}"
        rows.append(
            [
                quantity_name(row["quantity"]) if first else "",
                row["regressor"],
                known(row["loss"]),
                "" if first else span if isfinite(row["difference"]) else "not known",
                mean_text(row["mean_spectrum_loss"]) if first else "",
                known(row["label_noise"]) if first else "",
            ]
        )
    at = "" if found.temperature is None else f", properties at {found.temperature:g} K"
    columns = ("left out", "learned", "L/sigma", "difference", "mean\nspectrum", "label\nnoise")
    results.print(table(f"Errors by what is learned from{at}", columns, rows))


@app.command(rich_help_panel=STUDIES)
@with_options(StudyOptions)
def errors(
    datasets: Datasets,
    leaking: Annotated[
        bool,
        typer.Option(
            "--leaking",
            help="Also leave out atoms one by one, regardless of their structures, as the LDOS paper did, and tell how "
            "much smaller the errors look.",
        ),
    ] = False,
    *,
    options: StudyOptions,
) -> None:
    """Tabulate the errors of single atoms by element: minimum, maximum, mean and loss of the LDOS.

    Run again after a kill, the same command goes on where it stopped.
    """
    from ldosml import plotting
    from ldosml.studies import error_table

    run = StudyRun("errors", options, leaking=leaking)
    data = run.read(datasets)
    run.announce(data, 2 if leaking else 1)
    with run.running("Table of errors") as setup:
        found = error_table(data, options.model(), leaking=leaking, setup=setup)
    gains = _gains(found)
    numbers = {"errors": found.records(), "gains": gains}
    figures = {"errors": plotting.error_table_figure(found)}
    words = [*([_LEAKING_WORDS] if leaking else []), _ERROR_WORDS]
    run.finish(found, figures, numbers, lambda: _show_errors(found, gains), words)


def _gains(found: ErrorTable) -> list[Record]:
    """How much smaller the loss of each element looks when atoms leak; empty where only one split was made."""
    losses = {(row["split"], row["element"]): row["loss"] for row in found.records()}
    return [
        {"element": element, "loss": honest, "leaking_loss": losses["environments", element]}
        | {"ratio": honest / losses["environments", element]}
        for (split, element), honest in losses.items()
        if split == "groups" and ("environments", element) in losses
    ]


def _show_errors(found: ErrorTable, gains: Sequence[Record]) -> None:
    columns = ("LDOS of", "atoms", "minimum", "maximum", "mean", "L/sigma", "mean spectrum", "label noise")
    titles = {"groups": "Whole trajectories left out", "environments": "LEAKING: atoms left out one by one"}
    for split in found.errors:
        rows = [
            [row["element"], f"{row['n_environments']:,}"]
            + [known(row[name]) for name in ("min", "max", "mean")]
            + [with_interval(row)]
            + [known(row[name]) for name in ("mean_spectrum_loss", "label_noise")]
            for row in found.records()
            if row["split"] == split
        ]
        results.print(table(titles[split], columns, rows))
    if gains:
        rows = [
            [gain["element"], known(gain["loss"]), known(gain["leaking_loss"]), f"{known(gain['ratio'], '.2f')} times"]
            for gain in gains
        ]
        heads = ("LDOS of", "trajectories left out", "leaking", "smaller by leaking")
        results.print(table("What leaking gains", heads, rows))


@app.command("transfer", rich_help_panel=STUDIES)
@with_options(StudyOptions)
def transfer_(
    train: Annotated[str, typer.Argument(help="Dataset to learn from (.h5), or the name of a shipped one.")],
    test: Annotated[str, typer.Argument(help="Dataset to judge by, of which no trajectory is in the first.")],
    temperature: PropertyTemperature = None,
    *,
    options: StudyOptions,
) -> None:
    """Train on one dataset and judge on another, such as larger cells, beside trajectories left out of the first.

    Both are brought to one smearing, one zero and the same energies.

    Run again after a kill, the same command goes on where it stopped.
    """
    from ldosml import plotting
    from ldosml.studies import transfer

    run = StudyRun("transfer", options, temperature=temperature)
    first, second = run.read_alike([train, test])
    run.require_electrons(second)
    run.announce(first, 1, run.regressors(first))
    with run.running("Transfer", temperature=temperature) as setup:
        found = transfer(first, second, options.model(), setup=setup)
    evaluation = found.evaluation.cut(options.low, options.high)
    figures = {
        "representatives": plotting.representatives_figure(evaluation),
        "parity": plotting.parity_figure(evaluation),
    }
    numbers = {"errors": found.records()}
    run.finish(found, figures, numbers, lambda: _show_transfer(found, train, test), [_TRANSFER_WORDS])


def _show_transfer(found: Transfer, train: str, test: str) -> None:
    from ldosml.plotting import quantity_name

    rows = [
        [
            quantity_name(row["quantity"]),
            known(row["left_out_loss"]),
            with_interval(row),
            mean_text(row["mean_spectrum_loss"]),
            known(row["label_noise"]),
            f"{known(row['rmse'], '.3g')} {row['unit']}",
            known(row["ratio"], ".2f"),
        ]
        for row in found.records()
    ]
    columns = ("", "left\nout", "L/sigma", "mean\nspectrum", "label\nnoise", "RMSE", "ratio")
    results.print(table(f"{test}, learned from {train}", columns, rows))
