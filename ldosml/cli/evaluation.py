"""The evaluation of a fitted model as commands show it: figures, the HTML page, and the tables of errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ldosml.cli.display import Page, Stages, cautioning, emit, known, messages, noise_words, table
from ldosml.cli.options import PrintOptions

if TYPE_CHECKING:
    from ldosml.datasets import LDOSDataset
    from ldosml.evaluation import Evaluation
    from ldosml.pipeline import DOSModel
    from ldosml.properties import Comparison
    from ldosml.report import DerivedProperties

_ERROR_COLUMNS = ("spectrum", "L/sigma", "mean spectrum", "label noise")
_ERROR_WORDS = (
    "L/sigma: 0 is perfect. Compare it with the L/sigma of always predicting the mean spectrum, and with the label "
    "noise: what a denser k-mesh changes in the data. Compare only figures on the same energies."
)

FERMI_WORDS = (
    "Each DOS has its own chemical potential. Energies are relative to the DFT Fermi level, which hardly varies here, "
    "so use its RMSE, not L/sigma."
)
_PROPERTY_COLUMNS = ("property", "unit", "L/sigma", "RMSE", "label noise", "sigma")


def _property_errors(
    properties: DerivedProperties, noise: Mapping[str, float]
) -> dict[str, dict[str, float | str | None]]:
    return {
        c.name: {
            "normalized_loss": c.normalized_loss,
            "rmse": c.rmse,
            "label_noise": noise.get(c.name),
            "bias": c.bias,
            "sigma": c.sigma,
            "unit": c.unit,
        }
        for c in properties.comparisons()
    }


def _property_rows(properties: DerivedProperties, noise: Mapping[str, float]) -> list[list[str]]:
    return [_property_row(c, noise.get(c.name)) for c in properties.comparisons()]


def _property_row(comparison: Comparison, noise: float | None) -> list[str]:
    from ldosml.plotting.labels import power_of_ten, property_name, unit_text

    exponent = power_of_ten(comparison.true, comparison.predicted)
    scaled = (value and value / 10.0**exponent for value in (comparison.rmse, noise, comparison.sigma))
    return [
        property_name(comparison.name),
        unit_text(comparison.unit, exponent),
        f"{comparison.normalized_loss:.3f}",
        *(known(value, ".3g") for value in scaled),
    ]


def _error_rows(evaluation: Evaluation, noise: Mapping[str, float]) -> list[list[str]]:
    from ldosml.evaluation import NAMES

    losses = evaluation.losses()
    return [
        [
            NAMES[kind],
            f"{losses[f'{kind}_normalized_loss']:.3f}",
            f"{losses[f'{kind}_mean_spectrum_loss']:.3f}",
            known(noise.get(kind)),
            f"{losses[f'{kind}_rmse']:.3f}",
        ]
        for kind in evaluation.compared()
    ]


def remember_split(model: DOSModel, dataset: str, test_size: float, seed: int) -> None:
    """Keep in the model what it was trained on, so that ``ldosml report`` can find the structures held out."""
    model.training_["dataset"] = dataset
    model.training_["split"] = {"test_size": test_size, "random_state": seed}


def derive(evaluation: Evaluation, temperature: float) -> DerivedProperties | None:
    """Properties of both DOS at one temperature (K); None, with the reason on standard error, where there are none."""
    from ldosml.report import DerivedProperties

    try:
        with cautioning() as cautions:
            tables = evaluation.properties([temperature])
    except ValueError as error:
        messages.print(f"No derived properties: {error}", style="yellow", soft_wrap=True)
        return None
    return DerivedProperties(*tables, temperature, cautions)


def write_evaluation(
    folder: Path,
    title: str,
    model: DOSModel,
    evaluation: Evaluation,
    properties: DerivedProperties | None,
    train: LDOSDataset,
    seconds: Mapping[str, float],
) -> list[Path]:
    """Write figures and ``report.html`` into a folder that exists; gives the files."""
    from ldosml import plotting, report

    noise = _label_noise(train, evaluation)
    figures = {
        "representatives.png": plotting.representatives_figure(evaluation),
        "parity.png": plotting.parity_figure(evaluation),
        "loss-by-energy.png": plotting.loss_by_energy_figure(evaluation, noise),
    }
    if properties is not None:
        comparisons = properties.comparisons()
        figures["properties.png"] = plotting.property_parity_figure(comparisons)
        figures["property-losses.png"] = plotting.property_losses_figure(comparisons)
    for name in ("properties.png", "property-losses.png"):
        (folder / name).unlink(missing_ok=True)  # an earlier report may have left them, and this one may have none
    for name, figure in figures.items():
        plotting.save_figure(figure, folder / name, overwrite=True)
    report.save_report(
        folder / "report.html",
        evaluation,
        title=title,
        training=describe_training(model),
        provenance=train.provenance,
        label_noise=train.label_noise,
        timings=seconds,
        properties=properties,
        overwrite=True,
    )
    return [folder / "report.html", *[folder / name for name in figures]]


def _label_noise(data: LDOSDataset, evaluation: Evaluation) -> dict[str, float]:
    from ldosml.datasets.noise import label_noise_at

    predicted = evaluation.predicted
    return label_noise_at(data.label_noise, predicted.smearing_width, predicted.grid, evaluation.deviations())


def describe_training(model: DOSModel) -> dict[str, str]:
    """Say in words what a fitted model was trained on and how."""
    from sklearn import config_context

    regressor = next(iter(model.regressors_.values()))
    with config_context(print_changed_only=False):
        descriptor, ridge = (" ".join(repr(part).split()) for part in (model.descriptor_, regressor))
    return {
        "structures": f"{model.training_['n_structures']} in {model.training_['n_groups']} groups",
        "environments": f"{model.training_['n_environments']:,}",
        "descriptor": descriptor,
        "regressor, one per species": ridge,
        "energies": str(model.grid_),
        "smearing width": "not known" if model.smearing_width_ is None else f"{model.smearing_width_:g} eV",
    }


def report_errors(
    evaluation: Evaluation,
    properties: DerivedProperties | None,
    test: LDOSDataset,
    stages: Stages,
    files: Sequence[Path],
    printing: PrintOptions,
) -> None:
    """Print the errors on held-out structures beside the label noise, and the errors of derived properties."""
    from ldosml.datasets.noise import property_noise_at

    width = evaluation.predicted.smearing_width
    noise = _label_noise(test, evaluation)
    floor = {} if properties is None else property_noise_at(test.label_noise, width, properties.temperature)
    result = {
        "errors": evaluation.losses(),
        "properties": None if properties is None else _property_errors(properties, floor),
        "label_noise": noise or None,
        "smearing_width": width,
        "n_structures": len(test),
        "n_environments": len(evaluation.predicted),
        "energies": [evaluation.predicted.grid.start, evaluation.predicted.grid.stop],
        "seconds": stages.seconds,
        "files": [str(file) for file in files],
    }

    emit(result, printing, lambda: _page(evaluation, properties, noise, floor, files))


def _page(
    evaluation: Evaluation,
    properties: DerivedProperties | None,
    noise: Mapping[str, float],
    floor: Mapping[str, float],
    files: Sequence[Path],
) -> Page:
    from ldosml.plotting.labels import RMSE_UNIT

    predicted = evaluation.predicted
    grid, width = predicted.grid, predicted.smearing_width
    title = (
        f"{predicted.n_structures} structures, {len(predicted)} environments, {grid.start:g} to {grid.stop:g} eV, "
        f"smearing {'not known' if width is None else f'{width:g} eV'}"
    )
    tables = [table(title, (*_ERROR_COLUMNS, f"RMSE ({RMSE_UNIT})"), _error_rows(evaluation, noise))]
    words = [_ERROR_WORDS, *noise_words(tables)]
    if properties is not None:
        title = f"Derived from the DOS at {properties.temperature:g} K"
        tables.append(table(title, _PROPERTY_COLUMNS, _property_rows(properties, floor)))
        if grid.zero == "fermi":
            words = [FERMI_WORDS, *words]
    return Page(tables, words=words, files=files)
