"""The command ``ldosml learning-curve``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ldosml.cli.display import floor_rows, known, table
from ldosml.cli.number_lists import FORMS, read_counts
from ldosml.cli.option_groups import with_groups
from ldosml.cli.options import app
from ldosml.cli.study import Study, pooled
from ldosml.cli.study_options import (
    STUDIES,
    Datasets,
    Learned,
    PropertyTemperature,
    StudyOptions,
    targets,
)

if TYPE_CHECKING:
    from ldosml._journal import Record
    from ldosml.studies import LearningCurve
    from ldosml.tables import ResultTable

_N_SIZES = 5
_WORDS = (
    "Training sets are nested and made of whole groups. Slope: of log(L/sigma) against log(environments); mean and "
    "standard deviation over the folds. Bands in the figure run from the best fold to the worst."
)


@app.command(
    "learning-curve",
    rich_help_panel=STUDIES,
    examples=(
        "ldosml learning-curve silicon --smearing 0.3 -o curve",
        "ldosml learning-curve mine.h5 --sizes 100,300,1000 --learn ldos -T 300 -o curve",
    ),
)
@with_groups
def learning_curve_(
    datasets: Datasets,
    sizes: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBERS", help=f"Numbers of training environments: {FORMS}. Default: up to five, in equal ratios."
        ),
    ] = None,
    learn: Learned = None,
    temperature: PropertyTemperature = None,
    *,
    options: StudyOptions,
) -> None:
    """Show how errors fall with the size of the training set.

    The slopes of log(L/sigma) against log(environments) are fitted. If the command is stopped, run it again to
    continue.
    """
    from ldosml import plotting
    from ldosml.studies import learning_curve, spaced_sizes

    asked = None if sizes is None else read_counts("--sizes", sizes)
    study = Study("learning-curve", options, learned=targets(learn), temperature=temperature, sizes=asked)
    data = study.read(datasets)
    chosen = spaced_sizes(data, _N_SIZES, options.folds, random_state=options.seed) if asked is None else asked
    model = study.model(data.structures)
    study.announce(data, model, len(chosen))
    with study.running("Learning curve") as setup:
        found = learning_curve(data, chosen, model, study.regressors(), setup=setup)
    figures = {"learning-curve": plotting.learning_curve_figure(found, study.drawn(found.quantities))}
    numbers = {"errors": pooled(found.records()), "slopes": _slopes(found)}
    study.finish(found, figures, numbers, lambda: _tables(found), [_WORDS])


def _slopes(found: LearningCurve) -> list[Record]:
    return [
        {"regressor": name, "quantity": quantity}
        | dict(zip(("slope", "deviation"), found.slope(name, quantity), strict=True))
        for quantity in found.quantities
        for name in found.regressors
    ]


def _tables(found: LearningCurve) -> list[ResultTable]:
    from ldosml.plotting.labels import quantity_name, regressor_name

    first = next(iter(found.errors.values()))
    tables = []
    for quantity in found.quantities:
        rows = [[_size(found, size), *_losses(found, size, quantity)] for size in found.sizes]
        slopes = [found.slope(name, quantity) for name in found.regressors]
        rows.append(["slope", *(f"{known(slope, '.2f')} ± {known(spread, '.2f')}" for slope, spread in slopes)])
        rows += floor_rows(first.mean_loss.get(quantity), found.noise.get(quantity), 0, len(found.regressors))
        columns = ("training environments", *map(regressor_name, found.regressors))
        tables.append(table(f"L/sigma of {quantity_name(quantity)}", columns, rows))
    return tables


def _size(found: LearningCurve, size: int) -> str:
    """Training environments, the mean of all folds."""
    counts = found.n_environments[size]
    return f"{sum(counts) / len(counts):.0f}"


def _losses(found: LearningCurve, size: int, quantity: str) -> list[str]:
    return [known(found.errors[name, size].loss(quantity)) for name in found.regressors]
