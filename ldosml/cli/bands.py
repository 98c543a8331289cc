"""The command ``ldosml bands``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ldosml.cli.crystal_prediction import (
    MODEL,
    N_MESH,
    N_PATH,
    AllowUnknown,
    Mesh,
    Model,
    StructureFile,
    band_picture,
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
    from ldosml.kresolved import KResolvedOccupancy
    from ldosml.neural import BandStructure, ElectronicStructure


@app.command(examples=("ldosml bands crystal.cif", "ldosml bands POSCAR -o bands --path latimer-munro --n-kpoints 400"))
@with_groups
def bands(
    structure: StructureFile,
    model: Model = MODEL,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for figure, CSV and JSON.")] = Path(
        "ldosml-bands"
    ),
    path: Annotated[
        Literal["setyawan-curtarolo", "latimer-munro"],
        typer.Option(help="Path through the Brillouin zone; latimer-munro, of the Materials Project, needs pymatgen."),
    ] = "setyawan-curtarolo",
    n_kpoints: Annotated[int, typer.Option(min=10, help="k-points along the path, up to rounding.")] = N_PATH,
    mesh: Mesh = N_MESH,
    probability: Annotated[
        bool, typer.Option("--probability", help="Draw the probability of states of the model crystals behind lines.")
    ] = False,
    allow_unknown: AllowUnknown = False,
    device: Device = "cpu",
    overwrite: Overwrite = False,
    *,
    printing: PrintOptions,
) -> None:
    """Predict the bands of a crystal along a path, and its gap.

    Bands are lines, and effective masses are told; a model of train-occupancy gives the probability of a state in
    each energy bin instead.
    """
    check_files(output, "bands", overwrite)
    stages = Stages()
    loaded = open_model(model, device, stages)
    found, cautions = predict_structure(
        loaded, structure, stages, allow_unknown=allow_unknown, n_path=n_kpoints, mesh=mesh, path=path
    )
    facts = facts_of(structure, model, loaded, found, cautions)
    behind = _behind(found, stages, device, allow_unknown) if probability else None
    with stages("Drawing and writing"):
        figure = band_picture(found, behind)
        files = save_results(output, "bands", figure, _columns(found), facts, overwrite)
    emit({**facts, "files": files}, printing, lambda: page(facts, files))


def _behind(
    found: BandStructure | ElectronicStructure, stages: Stages, device: str, allow_unknown: bool
) -> KResolvedOccupancy | None:
    """Occupancies at the k-points of lines, by the shipped model of occupancies; None where there are no lines."""
    from ldosml.neural import BandStructure, KOccupancyRegressor, load_crystal_model

    if not isinstance(found, BandStructure):
        return None
    with stages("Predicting probabilities"):
        model = load_crystal_model("crystals", device=device)
        assert isinstance(model, KOccupancyRegressor)
        return model.predict([found.crystal], found.path.kpoints, allow_unknown=allow_unknown)[0]


def _columns(found: BandStructure | ElectronicStructure) -> dict[str, Any]:
    """A row for each k-point: its distance along the path, and each band, or the probability of each bin."""
    from ldosml.neural import BandStructure

    labels = dict(found.path.corners)
    kpoints = found.path.kpoints.round(6)
    if isinstance(found, BandStructure):
        values = {f"band {n + 1} (eV)": band.round(5) for n, band in enumerate(found.energies.T)}
    else:
        names = (f"{e:.6g} eV" for e in found.along.energies)
        values = dict(zip(names, found.along.probabilities.T.round(4), strict=True))
    return {
        "label": [labels.get(i, "") for i in range(len(kpoints))],
        "distance (1/angstrom)": found.path.distances.round(6),
        **{f"k{axis + 1}": kpoints[:, axis] for axis in range(3)},
        **values,
    }
