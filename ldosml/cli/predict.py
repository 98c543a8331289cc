"""The command ``ldosml predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ldosml._files import saved_or_kept
from ldosml.cli.display import Page, Stages, emit
from ldosml.cli.options import (
    AsJson,
    Jobs,
    ModelFile,
    Overwrite,
    PrintOptions,
    Scheduler,
    Species,
    StructuresFile,
    app,
    elements_of_types,
    refuse_existing,
    workers,
)
from ldosml.cli.plans import print_descriptor_plan

_ENDINGS = (".h5", ".npz", ".xyz")


@app.command(
    examples=(
        "ldosml predict silicon.ldosml new.xyz -o new.npz",
        "ldosml predict silicon.ldosml large.xyz -o large.h5 --stream --jobs -1",
    )
)
def predict(
    context: typer.Context,
    model: ModelFile,
    structures: StructuresFile,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="File to write: .h5 (a dataset), .npz (arrays) or .xyz (extended XYZ)."),
    ],
    stream: Annotated[
        bool, typer.Option("--stream", help="Write the .h5 while predicting; for any number of atoms.")
    ] = False,
    species: Species = None,
    jobs: Jobs = 1,
    scheduler: Scheduler = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Predict the LDOS and DOS of structures.

    .npz holds energies (eV), zero, smearing_width (eV), ldos (states/eV/atom, a row per atom), dos (states/eV, a row
    per structure), n_atoms, numbers, and n_electrons if the model knows them.

    With --stream, memory does not grow with the number of atoms. The unfinished file is called OUTPUT.part. If the
    command is stopped, run it again to continue.
    """
    from ldosml import DOSModel, predict_to
    from ldosml.structure_files import read_structures

    refuse_existing(output, overwrite)
    _check_ending(output, stream)
    stages = Stages()
    loaded = DOSModel.load(model)
    atoms = read_structures(structures, species=elements_of_types(species))
    print_descriptor_plan(loaded.descriptor_, atoms)
    n_jobs = workers(context, jobs, scheduler)
    provenance = {"code": "ldosml (predicted)", "model": str(model), "structures": str(structures)}
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
        known: dict[str, Any] = {"structures": atoms, "n_electrons": electrons, "provenance": provenance}
        saved_or_kept(lambda path: ldos.save(path, **known, overwrite=overwrite), output)
    counts = {"n_structures": len(atoms), "n_environments": sum(map(len, atoms))}
    result = {"file": str(output), **counts, "seconds": stages.seconds}
    written = f"{output}: LDOS and DOS of {len(atoms)} structures"
    emit(result, PrintOptions(as_json=as_json), lambda: Page([], files=[written]))


def _check_ending(output: Path, stream: bool) -> None:
    """Refuse before the work is done, not after."""
    if stream and output.suffix != ".h5":
        raise typer.BadParameter(f"predict --stream writes .h5 (a dataset); got {output.name!r}.")
    if output.suffix not in _ENDINGS:
        raise typer.BadParameter(
            f"predict writes .h5 (a dataset), .npz (arrays) or .xyz (extended XYZ); got {output.name!r}."
        )
