"""The command ``ldosml fit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ldosml._files import saved_or_kept
from ldosml.cli.display import Page, Stages, cautioning, emit
from ldosml.cli.evaluation import derive, remember_split, report_errors, write_evaluation
from ldosml.cli.model_options import ModelOptions
from ldosml.cli.option_groups import with_groups
from ldosml.cli.options import (
    DatasetName,
    Jobs,
    Overwrite,
    PrintOptions,
    Scheduler,
    Seed,
    Smearing,
    Temperature,
    TestSize,
    app,
    check_folder,
    open_dataset,
    refuse_existing,
    workers,
)
from ldosml.cli.plans import print_descriptor_plan, print_plans


@app.command(
    examples=(
        "ldosml fit silicon --smearing 0.3 --high 5 -o silicon.ldosml",
        "ldosml fit mine.h5 --learn dos --inducing 1000 -o mine.ldosml --report report",
    )
)
@with_groups
def fit(
    context: typer.Context,
    dataset: DatasetName,
    output: Annotated[Path, typer.Option("--output", "-o", help="Model to write, .ldosml.")],
    smearing: Smearing = None,
    test_size: TestSize = 0.2,
    seed: Seed = 0,
    stream: Annotated[
        Path | None,
        typer.Option(
            help="Folder for intermediate results: memory stays bounded, and the same command continues a fit that was "
            "stopped. Needs --inducing. Default: in memory."
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Folder for figures and report.html of the errors. Default: none.")
    ] = None,
    temperature: Temperature = 300.0,
    jobs: Jobs = 1,
    scheduler: Scheduler = None,
    overwrite: Overwrite = False,
    *,
    options: ModelOptions,
    printing: PrintOptions,
) -> None:
    """Fit a model, evaluate it on held-out structures, save it.

    Without options this is the default model of ldosml. Whole groups, such as trajectories, are held out.
    """
    options.check()
    if stream is not None and options.inducing is None:
        raise typer.BadParameter("--stream needs --inducing: memory grows with a kernel on all environments.")
    refuse_existing(output, overwrite)
    if report is not None:
        _prepare_report(report, test_size, overwrite)
    stages = Stages()
    n_jobs = workers(context, jobs, scheduler)
    with stages(f"Reading {dataset}"):
        data = open_dataset(dataset)
        data = data if smearing is None else data.broaden_to(smearing)
    train, test = data.split(test_size=test_size, random_state=seed) if test_size else (data, None)
    options.require_spectra(train)
    with cautioning():
        model = options.model(data.structures, n_jobs=n_jobs)
    print_plans(options.regressor(), model.descriptor, train)
    print_descriptor_plan(model.descriptor, data.structures)
    with stages(f"Fitting {len(train)} structures"):
        model = model.fit(train) if stream is None else model.fit_stream(train, stream)
        remember_split(model, dataset, test_size, seed)
    saved_or_kept(lambda path: model.save(path, overwrite=overwrite), output)
    files = [output]
    if test is None:
        emit({"file": str(output), **model.training_}, printing, lambda: Page([], files=files))
        return
    with stages(f"Predicting {len(test)} structures"):
        evaluation = model.evaluate(test)
    with stages("Deriving properties"):
        properties = derive(evaluation, temperature)
    if report is not None:
        title = f"{dataset}: held-out structures"
        files += write_evaluation(report, title, model, evaluation, properties, train, stages.seconds)
    report_errors(evaluation, properties, test, stages, files, printing)


def _prepare_report(folder: Path, test_size: float, overwrite: bool) -> None:
    """Make the folder, unless it holds a report, or there will be nothing to report."""
    check_folder(folder)
    if not test_size:
        raise typer.BadParameter("--report shows the errors of held-out structures; --test-size 0 holds out none.")
    folder.mkdir(parents=True, exist_ok=True)
    refuse_existing(folder / "report.html", overwrite)
