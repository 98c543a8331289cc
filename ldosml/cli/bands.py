"""The command ``ldosml bands``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ldosml.cli.crystal_prediction import (
    N_MESH,
    N_PATH,
    AllowUnknown,
    Mesh,
    Model,
    StructureFile,
    check_files,
    facts_of,
    open_model,
    page,
    predict_structure,
    save_results,
)
from ldosml.cli.display import Stages, emit
from ldosml.cli.option_groups import with_groups
from ldosml.cli.options import Device, Overwrite, PrintOptions, app

if TYPE_CHECKING:
    from ldosml.neural import ElectronicStructure


@app.command(examples=("ldosml bands crystal.cif", "ldosml bands POSCAR -o bands --path latimer-munro --n-kpoints 400"))
@with_groups
def bands(
    structure: StructureFile,
    model: Model = "crystals",
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for figure, CSV and JSON.")] = Path(
        "ldosml-bands"
    ),
    path: Annotated[
        Literal["setyawan-curtarolo", "latimer-munro"],
        typer.Option(help="Path through the Brillouin zone; latimer-munro, of the Materials Project, needs pymatgen."),
    ] = "setyawan-curtarolo",
    n_kpoints: Annotated[int, typer.Option(min=10, help="k-points along the path, up to rounding.")] = N_PATH,
    mesh: Mesh = N_MESH,
    allow_unknown: AllowUnknown = False,
    device: Device = "cpu",
    overwrite: Overwrite = False,
    *,
    printing: PrintOptions,
) -> None:
    """Predict the bands of a crystal along a path, and its gap.

    Bands are shown as the probability of a state in each energy bin.
    """
    check_files(output, "bands", overwrite)
    stages = Stages()
    loaded = open_model(model, device, stages)
    found, cautions = predict_structure(
        loaded, structure, stages, allow_unknown=allow_unknown, n_path=n_kpoints, mesh=mesh, path=path
    )
    facts = facts_of(structure, model, loaded, found, cautions)
    with stages("Drawing and writing"):
        from ldosml.plotting import band_figure

        figure = band_figure(found.along, found.path, dos=found.dos)
        files = save_results(output, "bands", figure, _columns(found), facts, overwrite)
    emit({**facts, "files": files}, printing, lambda: page(facts, files))


def _columns(found: ElectronicStructure) -> dict[str, Any]:
    """A row for each k-point: its distance along the path, and the probability of each bin."""
    labels = dict(found.path.corners)
    kpoints = found.along.kpoints.round(6)
    return {
        "label": [labels.get(i, "") for i in range(len(found.along))],
        "distance (1/angstrom)": found.path.distances.round(6),
        **{f"k{axis + 1}": kpoints[:, axis] for axis in range(3)},
        **dict(zip((f"{e:.6g} eV" for e in found.along.energies), found.along.probabilities.T.round(4), strict=True)),
    }
