"""The command ``ldosml report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ldosml.cli.display import Stages, messages
from ldosml.cli.evaluation import derive, report_errors, write_evaluation
from ldosml.cli.option_groups import with_groups
from ldosml.cli.options import (
    High,
    Jobs,
    Low,
    ModelFile,
    Overwrite,
    PrintOptions,
    Temperature,
    app,
    check_energies,
    check_folder,
    open_dataset,
    refuse_existing,
)
from ldosml.cli.plans import print_descriptor_plan

if TYPE_CHECKING:
    from ldosml.datasets import LDOSDataset
    from ldosml.pipeline import DOSModel


@app.command(examples=("ldosml report silicon.ldosml", "ldosml report silicon.ldosml silicon-large -o report --high 3"))
@with_groups
def report(
    model: ModelFile,
    dataset: Annotated[
        str | None,
        typer.Argument(help="Dataset to evaluate on (.h5), or the name of a shipped one. Default: the training set."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for report.html and figures.")] = Path(
        "ldosml-report"
    ),
    temperature: Temperature = 300.0,
    low: Low = None,
    high: High = None,
    jobs: Jobs = 1,
    overwrite: Overwrite = False,
    *,
    printing: PrintOptions,
) -> None:
    """Evaluate a saved model and write an HTML report.

    The page shows errors, label noise, spectra, derived properties and the worst predictions. On the dataset it was
    trained on, the model is evaluated on the structures held out then; on any other, on all.
    """
    from ldosml import DOSModel

    check_energies(low, high)
    check_folder(output)
    if (output / "report.html").exists():
        refuse_existing(output / "report.html", overwrite)
    stages = Stages()
    loaded = DOSModel.load(model)
    loaded.descriptor_.set_params(n_jobs=jobs)
    name = dataset if dataset is not None else _trained_on(loaded)
    with stages(f"Reading {name}"):
        data = open_dataset(name)
        if loaded.smearing_width_ is not None:
            data = data.broaden_to(loaded.smearing_width_)
    data = _held_out(loaded, name, data)
    print_descriptor_plan(loaded.descriptor_, data.structures)
    with stages(f"Predicting {len(data)} structures"):
        evaluation = loaded.evaluate(data)
    with stages("Deriving properties"):
        derived = derive(evaluation, temperature)
    evaluation = evaluation.cut(low, high)
    with stages("Drawing figures and writing the report"):
        output.mkdir(parents=True, exist_ok=True)
        title = f"{model.name} evaluated on {name}"
        files = write_evaluation(output, title, loaded, evaluation, derived, data, stages.seconds)
    report_errors(evaluation, derived, data, stages, files, printing)


def _trained_on(model: DOSModel) -> str:
    name = model.training_.get("dataset")
    if name is None:
        raise ValueError("This model does not say which dataset it was trained on: name one to evaluate it on.")
    return str(name)


def _held_out(model: DOSModel, name: str, data: LDOSDataset) -> LDOSDataset:
    """The structures that the model has not seen; all, if it was trained on another dataset."""
    known: Any = model.training_.get("dataset")
    if known is None or (name != known and Path(name).absolute() != Path(str(known)).absolute()):
        messages.print(f"Evaluating on all {len(data)} structures: the model was trained on {known or 'other data'}.")
        return data
    split = model.training_.get("split")
    if not split or not split["test_size"]:
        raise ValueError(f"The model was trained on all of {name}; name another dataset to evaluate it on.")
    train, test = data.split(**split)
    if len(train) != model.training_["n_structures"]:
        raise ValueError(
            f"{name} has changed since the model was trained on {model.training_['n_structures']} of its structures "
            f"(now {len(train)}), so the structures held out are not known. Fit it again, or name another dataset."
        )
    return test
