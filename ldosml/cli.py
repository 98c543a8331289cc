"""The command line: ``ldosml demo | info | import | fit | predict``.

Results go to standard output (``--json``: one JSON object), progress and errors to standard error. Exit codes: 0 done,
1 the input or the disk is at fault (the message says what and what to do), 2 the command was misspelt.
"""

from __future__ import annotations

import json
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from ldosml.datasets import LDOSDataset
    from ldosml.pipeline import DOSModel, Evaluation

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
# Names of files may hold square brackets, which rich takes for its markup unless told otherwise.
_messages = Console(stderr=True, markup=False, highlight=False)
_results = Console(markup=False, highlight=False)


class KernelName(StrEnum):
    """Kernels that ``fit`` offers."""

    linear = "linear"
    polynomial = "polynomial"
    gaussian = "gaussian"
    matern = "matern"


class ReferenceName(StrEnum):
    """Meanings of an energy of zero."""

    fermi = "fermi"
    average_potential = "average_potential"
    vacuum = "vacuum"
    code = "code"


def _print_version(wanted: bool) -> None:
    if wanted:
        from ldosml import __version__

        print(f"ldosml {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Learn the electronic density of states from atomic structure."""


AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Jobs = Annotated[int, typer.Option(help="Processes for descriptors, -1 for one per core; starting them takes seconds.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]
Smearing = Annotated[
    float | None, typer.Option(min=0.0, help="Broaden the spectra to this width first, eV. Default: as stored.")
]
TestSize = Annotated[float, typer.Option(min=0.0, max=0.9, help="Fraction of structures held out to judge the model.")]
Seed = Annotated[int, typer.Option(min=0, help="Random state of the split.")]


class _Stages:
    """Shows what runs and for how long, and keeps the times."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=_messages,
            transient=True,
            disable=not _messages.is_terminal,
        )

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        task = self._progress.add_task(name, total=1)
        with self._progress:
            yield
            self._progress.update(task, completed=1)
        self._progress.remove_task(task)
        _messages.print(f"{name}: {time.perf_counter() - start:.1f} s", style="green")
        self.seconds[name] = round(time.perf_counter() - start, 2)


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right")
    for row in rows:
        table.add_row(*[str(cell) for cell in row])
    return table


def _emit(result: Mapping[str, Any], as_json: bool, show: Callable[[], None]) -> None:
    if as_json:
        print(json.dumps(result, indent=2, default=str))
    else:
        show()


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


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for figures, report and model.")] = Path(
        "ldosml-demo"
    ),
    smearing: Annotated[float, typer.Option(min=0.1, help="Smearing width of the spectra, eV.")] = 0.3,
    test_size: TestSize = 0.2,
    seed: Seed = 0,
    jobs: Jobs = 1,
    as_json: AsJson = False,
) -> None:
    """Learn the shipped silicon set, predict structures held out of it, and report the errors."""
    from ldosml import SOAP, DOSModel, load_dataset, persistence

    stages = _Stages()
    with stages("Reading the silicon set"):
        data = load_dataset("silicon", smearing_width=smearing)
    train, test = data.split(test_size=test_size, random_state=seed)
    with stages(f"Fitting {len(train)} structures"):
        model = DOSModel(SOAP(n_jobs=jobs), low=-14.0, high=5.0).fit(train)  # as the label noise was measured
        model.training_["split"] = {"test_size": test_size, "random_state": seed}
    with stages(f"Predicting {len(test)} structures"):
        evaluation = model.evaluate(test)
    with stages("Drawing figures and writing the report"):
        output.mkdir(parents=True, exist_ok=True)
        persistence.save(model, output / "model.ldosml", overwrite=True)
        files = _write_evaluation(
            output, "Silicon: LDOS and DOS of structures held out", model, evaluation, train, stages
        )
    _report_errors(evaluation, test, stages, [*files, output / "model.ldosml"], as_json)


def _write_evaluation(
    folder: Path, title: str, model: DOSModel, evaluation: Evaluation, train: LDOSDataset, stages: _Stages
) -> list[Path]:
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


def _report_errors(
    evaluation: Evaluation, test: LDOSDataset, stages: _Stages, files: Sequence[Path], as_json: bool
) -> None:
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
        _results.print(_table(title, _ERROR_COLUMNS, _error_rows(evaluation, noise)))
        _results.print(_ERROR_WORDS, soft_wrap=True)
        for file in files:
            _results.print(f"wrote {file}", soft_wrap=True)

    _emit(result, as_json, show)


@app.command()
def info(
    path: Annotated[str, typer.Argument(help="A dataset (.h5), a model (.ldosml), or the name of a shipped dataset.")],
    as_json: AsJson = False,
) -> None:
    """Say what a dataset or a model holds, and where it came from."""
    from ldosml import persistence

    if zipfile.is_zipfile(path) or path.endswith(".ldosml"):
        facts: Mapping[str, Any] = persistence.describe(path)
    else:
        data = _open_dataset(path)
        facts = {**data.summary(), "label_noise": data.label_noise, "provenance": data.provenance}

    def show() -> None:
        rows = list(_flattened(facts))
        table = _table(path, ("", "value"), rows)
        table.columns[1].justify = "left"
        _results.print(table)

    _emit(facts, as_json, show)


def _flattened(facts: Mapping[str, Any], prefix: str = "") -> Iterator[list[str]]:
    """One row a fact; facts within facts under both their names."""
    for key, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{prefix}{key}: ")
        else:
            many = isinstance(value, list)
            yield [f"{prefix}{key}", ", ".join(map(str, value)) if many else str(value)]


def _open_dataset(name: str) -> LDOSDataset:
    from ldosml.datasets import LDOSDataset, available_datasets, load_dataset

    if name in available_datasets():
        return load_dataset(name)
    return LDOSDataset.read(name)


@app.command("import")
def import_(
    structures: Annotated[Path, typer.Argument(help="Structures, any format that ASE reads.")],
    arrays: Annotated[
        Path,
        typer.Argument(
            help=".npz with energies (eV) and ldos (states/eV/atom, rows follow the atoms) or dos (states/eV); also "
            "fermi_energy, n_electrons, energy_max, one a structure."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Dataset to write, .h5.")],
    reference: Annotated[ReferenceName, typer.Option(help="What an energy of zero means.")] = ReferenceName.fermi,
    smearing_width: Annotated[float | None, typer.Option(help="Of the spectra, eV, if known.")] = None,
    energy_max: Annotated[
        float | None, typer.Option(help="Above this energy (eV) too few bands were computed; it is not used.")
    ] = None,
    fermi_energy: Annotated[
        float | None, typer.Option(help="Of all structures, eV in that zero; or give fermi_energy in the .npz.")
    ] = None,
    kind_key: Annotated[
        str | None, typer.Option(help="Entry of each frame (atoms.info) that names its kind; splits keep proportions.")
    ] = None,
    group_key: Annotated[
        str | None, typer.Option(help="Entry that names the frame's trajectory; splits keep trajectories whole.")
    ] = None,
    electrons: Annotated[
        list[str] | None, typer.Option(help="Valence electrons of an element, as Si=4; repeat for each.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Turn structures and arrays that another program computed into a dataset."""
    from ldosml import import_dataset

    data = import_dataset(
        structures,
        arrays,
        reference=reference.value,
        smearing_width=smearing_width,
        energy_max=energy_max,
        fermi_energy=fermi_energy,
        kind_key=kind_key,
        group_key=group_key,
        n_electrons=None if electrons is None else dict(_valence(entry) for entry in electrons),
    )
    data.write(output, overwrite=overwrite)
    if group_key is None and len(data) > 1:
        _messages.print("Each frame counts as independent: give --group-key if some are snapshots of one trajectory.")
    _emit({"file": str(output), **data.summary()}, as_json, lambda: _results.print(f"wrote {output}: {data!r}"))


def _valence(entry: str) -> tuple[str, float]:
    element, _, count = entry.partition("=")
    try:
        return element, float(count)
    except ValueError:
        raise ValueError(f"--electrons takes an element and a number, as Si=4; got {entry!r}.") from None


@app.command()
def fit(
    dataset: Annotated[str, typer.Argument(help="A dataset (.h5), or the name of a shipped one.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Model to write, .ldosml.")],
    kernel: Annotated[KernelName, typer.Option(help="Similarity of two environments.")] = KernelName.matern,
    degree: Annotated[int, typer.Option(min=1, help="Of a polynomial kernel.")] = 2,
    gamma: Annotated[float, typer.Option(help="Of a gaussian, matern or polynomial kernel.")] = 1.0,
    alpha: Annotated[
        str, typer.Option(help="Regularisation: a number, leave-one-structure-out or leave-one-out.")
    ] = "leave-one-structure-out",
    r_cut: Annotated[float, typer.Option(help="Cutoff radius of SOAP, angstrom.")] = 6.0,
    n_max: Annotated[int, typer.Option(help="Radial functions of SOAP.")] = 8,
    l_max: Annotated[int, typer.Option(help="Highest degree of SOAP.")] = 6,
    atom_sigma: Annotated[float, typer.Option(help="Width of SOAP's Gaussians, angstrom.")] = 0.5,
    smearing: Smearing = None,
    reference: Annotated[
        ReferenceName, typer.Option(help="Zero of energy to learn at; fermi needs the Fermi level of each structure.")
    ] = ReferenceName.fermi,
    low: Annotated[float | None, typer.Option(help="Lowest energy to learn, eV against that zero.")] = None,
    high: Annotated[float | None, typer.Option(help="Highest energy to learn, eV against that zero.")] = None,
    test_size: TestSize = 0.2,
    seed: Seed = 0,
    report: Annotated[Path | None, typer.Option(help="Folder for figures and report.html of the errors.")] = None,
    jobs: Jobs = 1,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Fit a model to a dataset, judge it on whole structures held out, and save it."""
    from ldosml import SOAP, DOSModel, LDOSKernelRidge, persistence

    _refuse_existing(output, overwrite)
    if report is not None:
        if not test_size:
            raise ValueError("--report shows the errors of structures held out, of which --test-size 0 leaves none.")
        report.mkdir(parents=True, exist_ok=True)
        _refuse_existing(report / "report.html", overwrite)
    stages = _Stages()
    with stages(f"Reading {dataset}"):
        data = _open_dataset(dataset)
        data = data if smearing is None else data.broaden_to(smearing)
    train, test = data.split(test_size=test_size, random_state=seed) if test_size else (data, None)
    regressor = LDOSKernelRidge(_alpha(alpha), kernel=kernel.value, degree=degree, gamma=gamma)
    soap = SOAP(r_cut=r_cut, n_max=n_max, l_max=l_max, atom_sigma=atom_sigma, n_jobs=jobs)
    with stages(f"Fitting {len(train)} structures"):
        model = DOSModel(soap, regressor, reference=reference.value, low=low, high=high).fit(train)
        model.training_["dataset"] = dataset
        model.training_["split"] = {"test_size": test_size, "random_state": seed}
    persistence.save(model, output, overwrite=overwrite)
    if test is None:
        _emit({"file": str(output), **model.training_}, as_json, lambda: _results.print(f"wrote {output}"))
        return
    with stages(f"Predicting {len(test)} structures"):
        evaluation = model.evaluate(test)
    files = [output]
    if report is not None:
        files += _write_evaluation(report, f"{dataset}: structures held out", model, evaluation, train, stages)
    _report_errors(evaluation, test, stages, files, as_json)


def _alpha(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text  # the regressor says which words it takes


def _refuse_existing(path: Path, overwrite: bool) -> None:
    """Refuse before the work is done, not after."""
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists already; pass --overwrite to replace it.")
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.absolute().parent} to write {path.name} in.")


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="A model that fit has written, .ldosml.")],
    structures: Annotated[Path, typer.Argument(help="Structures, any format that ASE reads.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .h5 (a dataset) or .npz.")],
    jobs: Jobs = 1,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Predict the LDOS and DOS of structures.

    .npz: energies (eV), reference (their zero), smearing_width (eV), ldos (states/eV/atom, atom by atom), dos
    (states/eV, a row a structure), n_atoms, numbers.
    """
    from ldosml import persistence
    from ldosml.datasets.importing import read_structures

    _refuse_existing(output, overwrite)
    writer = _prediction_writer(output)
    stages = _Stages()
    loaded = persistence.load(model)
    loaded.descriptor_.set_params(n_jobs=jobs)
    atoms = read_structures(structures)
    with stages(f"Predicting {len(atoms)} structures"):
        ldos = loaded.predict(atoms)
    writer(output, atoms, ldos, {"model": str(model), "structures": str(structures)}, overwrite)
    result = {"file": str(output), "n_structures": ldos.n_structures, "n_environments": len(ldos)}
    _emit(result, as_json, lambda: _results.print(f"wrote {output}: LDOS and DOS of {ldos.n_structures} structures"))


def _prediction_writer(output: Path) -> Callable[..., None]:
    if output.suffix not in (".h5", ".npz"):
        raise ValueError(f"predict writes .h5 (a dataset) or .npz (arrays); got {output.name!r}.")
    return _write_h5 if output.suffix == ".h5" else _write_npz


def _write_h5(path: Path, atoms: Any, ldos: Any, provenance: Mapping[str, str], overwrite: bool) -> None:
    from ldosml.datasets import LDOSDataset

    LDOSDataset.from_arrays(
        atoms,
        ldos.energies,
        ldos=ldos.values,
        reference=ldos.grid.reference,
        smearing_width=ldos.smearing_width,
        provenance={"code": "ldosml (predicted)", **provenance},
    ).write(path, overwrite=overwrite)


def _write_npz(path: Path, atoms: Any, ldos: Any, provenance: Mapping[str, str], overwrite: bool) -> None:
    import numpy as np

    from ldosml._files import replacing

    with replacing(path, overwrite) as file:
        np.savez_compressed(
            file,
            energies=ldos.energies,
            reference=ldos.grid.reference,
            smearing_width=np.nan if ldos.smearing_width is None else ldos.smearing_width,
            ldos=ldos.values,
            dos=ldos.total().values,
            n_atoms=ldos.n_atoms,
            numbers=ldos.numbers,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code (see the module's docstring)."""
    try:
        app(args=None if arguments is None else list(arguments), prog_name="ldosml")
    except SystemExit as stop:
        return int(stop.code or 0)
    except (ValueError, TypeError, OSError, ImportError) as error:
        _messages.print(f"ldosml: {error}", style="red", soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
