"""How a fitted model is reported: figures, the HTML page, and the table of errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ldosml.cli.display import Stages, emit, results, table

if TYPE_CHECKING:
    from ldosml.datasets import LDOSDataset
    from ldosml.pipeline import DOSModel, Evaluation

_ERROR_COLUMNS = ("held out", "L/sigma", "mean spectrum", "label noise", "RMSE (eV^-1/2)")
_ERROR_WORDS = (
    "L/sigma: 0 is perfect; predicting the mean spectrum for all achieves the second figure. Label noise: what a\n"
    "denser k-mesh changes in the data, an estimate of the floor. Compare such figures on the same energies only."
)


def _error_rows(evaluation: Evaluation, noise: Mapping[str, float] | None) -> list[list[str]]:
    losses = evaluation.losses()
    return [
        [
            name,
            f"{losses[f'{kind}_normalized_loss']:.3f}",
            f"{losses[f'{kind}_mean_spectrum_loss']:.3f}",
            "not known" if noise is None else f"{noise[kind]:.3f}",
            f"{losses[f'{kind}_rmse']:.3f}",
        ]
        for kind, name in (("ldos", "LDOS"), ("dos", "DOS per atom"))
    ]


def write_evaluation(
    folder: Path, title: str, model: DOSModel, evaluation: Evaluation, train: LDOSDataset, stages: Stages
) -> list[Path]:
    """Write figures and ``report.html`` into a folder that exists; gives the files."""
    from ldosml import plotting, report
    from ldosml._files import replacing

    noise = report.label_noise_at(train.label_noise, evaluation.reference.smearing_width)
    figures = {
        "representatives.png": plotting.representatives_figure(evaluation),
        "parity.png": plotting.parity_figure(evaluation),
        "loss-by-energy.png": plotting.loss_by_energy_figure(evaluation, noise),
    }
    for name, figure in figures.items():
        with replacing(folder / name) as file:
            file.write(plotting.png(figure))
    report.write_report(
        folder / "report.html",
        evaluation,
        title=title,
        training=describe_training(model),
        provenance=train.provenance,
        label_noise=train.label_noise,
        timings=stages.seconds,
    )
    return [folder / "report.html", *[folder / name for name in figures]]


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
    evaluation: Evaluation, test: LDOSDataset, stages: Stages, files: Sequence[Path], as_json: bool
) -> None:
    """Print the errors on held-out structures beside the noise of their labels."""
    from ldosml.report import label_noise_at

    width = evaluation.reference.smearing_width
    noise = label_noise_at(test.label_noise, width)
    result = {
        "errors": evaluation.losses(),
        "label_noise": noise,
        "smearing_width": width,
        "n_structures": len(test),
        "n_environments": len(evaluation.reference),
        "energies": [evaluation.reference.grid.start, evaluation.reference.grid.stop],
        "seconds": stages.seconds,
        "files": [str(file) for file in files],
    }

    def show() -> None:
        grid = evaluation.reference.grid
        title = (
            f"{len(test)} structures, {len(evaluation.reference)} environments, {grid.start:g} to {grid.stop:g} eV, "
            f"smearing {'not known' if width is None else f'{width:g} eV'}"
        )
        results.print(table(title, _ERROR_COLUMNS, _error_rows(evaluation, noise)))
        results.print(_ERROR_WORDS, soft_wrap=True)
        for file in files:
            results.print(f"wrote {file}", soft_wrap=True)

    emit(result, as_json, show)
