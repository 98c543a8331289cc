"""The commands on data and models: what each takes, and which library functions it calls."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ldosml.cli.display import Stages, emit, messages, results
from ldosml.cli.judging import derive, report_errors, write_evaluation
from ldosml.cli.model_options import LearnName, ModelOptions, check_leave_out, with_options
from ldosml.cli.options import (
    AsJson,
    Electrons,
    Jobs,
    Overwrite,
    Scheduler,
    Seed,
    Smearing,
    Temperature,
    TestSize,
    ZeroName,
    above_zero,
    an_energy,
    app,
    check_folder,
    check_range,
    check_soap,
    open_dataset,
    refuse_existing,
    valence,
    workers,
)
from ldosml.cli.planning import print_plans
from ldosml.cli.telling import show, told


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for figures, report and model.")] = Path(
        "ldosml-demo"
    ),
    smearing: Annotated[float, typer.Option(min=0.1, help="Smearing width of the spectra, eV.")] = 0.3,
    test_size: TestSize = 0.2,
    seed: Seed = 0,
    temperature: Temperature = 300.0,
    jobs: Jobs = 1,
    as_json: AsJson = False,
) -> None:
    """Learn the shipped silicon set, predict structures held out of it, and report the errors."""
    from ldosml import load_dataset

    check_folder(output)
    stages = Stages()
    with stages("Reading the silicon set"):
        data = load_dataset("silicon", smearing_width=smearing)
    train, test = data.split(test_size=test_size, random_state=seed)
    with stages(f"Fitting {len(train)} structures"):
        model = ModelOptions(high=5.0).model(n_jobs=jobs).fit(train)
        model.training_["dataset"] = "silicon"
        model.training_["split"] = {"test_size": test_size, "random_state": seed}
    with stages(f"Predicting {len(test)} structures"):
        evaluation = model.evaluate(test)
    with stages("Deriving properties"):
        properties = derive(evaluation, temperature)
    evaluation = evaluation.cut(low=-14.0)  # below are no states
    with stages("Drawing figures and writing the report"):
        output.mkdir(parents=True, exist_ok=True)
        model.save(output / "model.ldosml", overwrite=True)
        title = "Silicon: LDOS and DOS of structures held out"
        files = write_evaluation(output, title, model, evaluation, properties, train, stages.seconds)
    report_errors(evaluation, properties, test, stages, [*files, output / "model.ldosml"], as_json)


@app.command()
def info(
    path: Annotated[
        str,
        typer.Argument(
            help="A dataset (.h5), a set of crystals (.npz), a model (.ldosml, .safetensors), or the name of what "
            "ships, such as silicon or crystals."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Say what a dataset, a set of crystals or a model holds, and where it came from.

    The name crystals is that of a set and of the weights trained on it: --json has them as crystals and model.
    """
    facts = told(path)
    emit(facts, as_json, lambda: show(path, facts))


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
    zero: Annotated[ZeroName, typer.Option(help="What an energy of zero means.")] = ZeroName.fermi,
    smearing_width: Annotated[
        float | None,
        typer.Option(
            callback=above_zero("eV", " Leave the option out if it is not known."), help="Of the spectra, eV, if known."
        ),
    ] = None,
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
    electrons: Electrons = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Turn structures and arrays that another program computed into a dataset."""
    from ldosml import import_dataset

    data = import_dataset(
        structures,
        arrays,
        zero=zero.value,
        smearing_width=smearing_width,
        energy_max=energy_max,
        fermi_energy=fermi_energy,
        kind_key=kind_key,
        group_key=group_key,
        n_electrons=None if electrons is None else valence(electrons),
    )
    data.save(output, overwrite=overwrite)
    if group_key is None and len(data) > 1:
        messages.print("Each frame counts as independent: give --group-key if some are snapshots of one trajectory.")
    emit({"file": str(output), **data.summary()}, as_json, lambda: results.print(f"wrote {output}: {data!r}"))


@app.command()
@with_options(ModelOptions)
def fit(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(help="A dataset (.h5), or the name of a shipped one.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Model to write, .ldosml.")],
    smearing: Smearing = None,
    low: Annotated[
        float | None, typer.Option(callback=an_energy, help="Lowest energy to learn, eV against that zero.")
    ] = None,
    test_size: TestSize = 0.2,
    seed: Seed = 0,
    report: Annotated[Path | None, typer.Option(help="Folder for figures and report.html of the errors.")] = None,
    temperature: Temperature = 300.0,
    jobs: Jobs = 1,
    scheduler: Scheduler = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    *,
    options: ModelOptions,
) -> None:
    """Fit a model to a dataset, evaluate it on whole structures held out, and save it."""
    check_range(low, options.high)
    check_leave_out(options.alpha, only_ldos=options.learn is LearnName.ldos)
    check_soap(options.soap())
    refuse_existing(output, overwrite)
    if report is not None:
        check_folder(report)
        if not test_size:
            raise typer.BadParameter(
                "--report shows the errors of structures held out, of which --test-size 0 leaves none."
            )
        report.mkdir(parents=True, exist_ok=True)
        refuse_existing(report / "report.html", overwrite)
    stages = Stages()
    n_jobs = workers(context, jobs, scheduler)
    with stages(f"Reading {dataset}"):
        data = open_dataset(dataset)
        data = data if smearing is None else data.broaden_to(smearing)
    train, test = data.split(test_size=test_size, random_state=seed) if test_size else (data, None)
    if options.learn is not LearnName.dos and data.ldos is None:
        raise ValueError(f"{dataset} holds total DOS only, from which --learn dos learns.")
    print_plans(options.regressor(), options.soap(), train)
    with stages(f"Fitting {len(train)} structures"):
        model = options.model(low=low, n_jobs=n_jobs).fit(train)
        model.training_["dataset"] = dataset
        model.training_["split"] = {"test_size": test_size, "random_state": seed}
    model.save(output, overwrite=overwrite)
    if test is None:
        emit({"file": str(output), **model.training_}, as_json, lambda: results.print(f"wrote {output}"))
        return
    with stages(f"Predicting {len(test)} structures"):
        evaluation = model.evaluate(test)
    with stages("Deriving properties"):
        properties = derive(evaluation, temperature)
    files = [output]
    if report is not None:
        title = f"{dataset}: structures held out"
        files += write_evaluation(report, title, model, evaluation, properties, train, stages.seconds)
    report_errors(evaluation, properties, test, stages, files, as_json)


@app.command()
def predict(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(help="A model that fit has written, .ldosml.")],
    structures: Annotated[Path, typer.Argument(help="Structures, any format that ASE reads.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write: .h5 (a dataset), .npz or .xyz (extended XYZ).")
    ],
    stream: Annotated[
        bool, typer.Option("--stream", help="Write the .h5 as it is computed: any size, resumed after a kill.")
    ] = False,
    jobs: Jobs = 1,
    scheduler: Scheduler = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Predict the LDOS and DOS of structures.

    .npz: energies (eV), zero (their zero), smearing_width (eV), ldos (states/eV/atom, atom by atom), dos
    (states/eV, a row a structure), n_atoms, numbers, n_electrons where the model knows them.

    --stream: memory does not depend on the number of atoms. Until it is complete the file is called OUTPUT.part; the
    same command goes on with it.
    """
    from ldosml import DOSModel, predict_to
    from ldosml.structure_files import read_structures

    refuse_existing(output, overwrite)
    _check_prediction_file(output, stream)
    stages = Stages()
    loaded = DOSModel.load(model)
    atoms = read_structures(structures)
    n_jobs = workers(context, jobs, scheduler)
    provenance = {"model": str(model), "structures": str(structures)}
    counts = {"n_structures": len(atoms), "n_environments": sum(map(len, atoms))}
    if stream:
        with stages.counted(f"Predicting {len(atoms)} structures") as progress:
            predict_to(
                loaded, atoms, output, n_jobs=n_jobs, overwrite=overwrite, provenance=provenance, progress=progress
            )
    else:
        loaded.descriptor_.set_params(n_jobs=n_jobs)
        with stages(f"Predicting {len(atoms)} structures"):
            ldos = loaded.predict(atoms)
        electrons = loaded.n_electrons(atoms) if loaded.training_.get("valence_electrons") else None
        ldos.save(
            output,
            structures=atoms,
            n_electrons=electrons,
            provenance={"code": "ldosml (predicted)", **provenance},
            overwrite=overwrite,
        )
    result = {"file": str(output), **counts, "seconds": stages.seconds}
    emit(result, as_json, lambda: results.print(f"wrote {output}: LDOS and DOS of {len(atoms)} structures"))


def _check_prediction_file(output: Path, stream: bool) -> None:
    """Refuse an ending that no prediction is written with, before anything is computed."""
    endings = [".h5"] if stream else [".h5", ".npz", ".xyz"]
    if output.suffix not in endings:
        what = "predict --stream writes .h5 (a dataset)" if stream else "predict writes .h5 (a dataset), .npz or .xyz"
        raise typer.BadParameter(f"{what}; got {output.name!r}.")
