"""The command ``ldosml demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ldosml.cli.display import Stages
from ldosml.cli.evaluation import derive, remember_split, report_errors, write_evaluation
from ldosml.cli.model_options import ModelOptions
from ldosml.cli.option_groups import with_groups
from ldosml.cli.options import Jobs, PrintOptions, Seed, Temperature, TestSize, app, check_folder

_HIGHEST, _LOWEST_SHOWN = 5.0, -14.0  # eV; silicon has no states below


@app.command(examples=("ldosml demo", "ldosml demo -o silicon --smearing 0.2 --json"))
@with_groups
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for figures, report and model.")] = Path(
        "ldosml-demo"
    ),
    smearing: Annotated[float, typer.Option(min=0.1, help="Smearing width of the spectra, eV.")] = 0.3,
    test_size: TestSize = 0.2,
    seed: Seed = 0,
    temperature: Temperature = 300.0,
    jobs: Jobs = -1,
    *,
    printing: PrintOptions,
) -> None:
    """Fit a model to the shipped silicon set and report errors.

    The default model is evaluated on structures that were held out. Figures, an HTML report and the model are written
    to a folder; files of an earlier demo are replaced.
    """
    from ldosml import load_dataset

    check_folder(output)
    stages = Stages()
    with stages("Reading the silicon set"):
        data = load_dataset("silicon", smearing_width=smearing)
    train, test = data.split(test_size=test_size, random_state=seed)
    with stages(f"Fitting {len(train)} structures"):
        model = ModelOptions(high=_HIGHEST).model(train.structures, n_jobs=jobs).fit(train)
        remember_split(model, "silicon", test_size, seed)
    with stages(f"Predicting {len(test)} structures"):
        evaluation = model.evaluate(test)
    with stages("Deriving properties"):
        properties = derive(evaluation, temperature)
    evaluation = evaluation.cut(low=_LOWEST_SHOWN)
    with stages("Drawing figures and writing the report"):
        output.mkdir(parents=True, exist_ok=True)
        saved = model.save(output / "model.ldosml", overwrite=True)
        title = "Silicon: LDOS and DOS of held-out structures"
        files = write_evaluation(output, title, model, evaluation, properties, train, stages.seconds)
    report_errors(evaluation, properties, test, stages, [*files, saved], printing)
