"""The command ``ldosml fermi-surface``."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from ldosml.cli.crystal_prediction import (
    MODEL,
    N_MESH,
    SYMPREC,
    AllowUnknown,
    Model,
    StructureFile,
    Symprec,
    check_files,
    described,
    facts_of,
    one_crystal,
    open_model,
    page,
    predict_structure,
    save_results,
)
from ldosml.cli.display import Stages, emit, print_cautions
from ldosml.cli.option_groups import with_groups
from ldosml.cli.options import Device, Overwrite, PrintOptions, Species, above_zero, app

if TYPE_CHECKING:
    from ldosml.kresolved import Isosurface
    from ldosml.neural import BandStructure, ElectronicStructure
    from ldosml.neural.shipped import CrystalModel


@app.command(
    name="fermi-surface",
    examples=("ldosml fermi-surface crystal.cif", "ldosml fermi-surface POSCAR -o surface --mesh 24 --depth 0.2"),
)
@with_groups
def fermi_surface(
    structure: StructureFile,
    model: Model = MODEL,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for figure, CSV and JSON.")] = Path(
        "ldosml-fermi-surface"
    ),
    mesh: Annotated[int, typer.Option(min=4, max=64, help="k-points along each reciprocal lattice vector.")] = 21,
    depth: Annotated[
        float | None,
        typer.Option(
            callback=above_zero("eV"),
            help="With a gap: distance of the surfaces from the band edges, eV. Default: a tenth of the band widths.",
        ),
    ] = None,
    symprec: Symprec = SYMPREC,
    species: Species = None,
    allow_unknown: AllowUnknown = False,
    device: Device = "cpu",
    overwrite: Overwrite = False,
    *,
    printing: PrintOptions,
) -> None:
    """Predict the Fermi surface of a crystal.

    For a crystal with a gap, these are the surfaces just within both band edges. The CSV file contains triangles in
    1/angstrom; Gamma is the origin.
    """
    check_files(output, "fermi-surface", overwrite)
    stages = Stages()
    loaded = open_model(model, device, stages)
    from ldosml.neural import TightBindingRegressor

    of_bands = isinstance(loaded, TightBindingRegressor)  # which are asked for once, on the fine mesh
    crystal, of_crystal = described(one_crystal(structure, species), symprec)
    found, cautions = predict_structure(
        loaded, crystal, stages, allow_unknown=allow_unknown, mesh=mesh if of_bands else N_MESH
    )
    with stages(f"Finding surfaces on {mesh} x {mesh} x {mesh} k-points"):
        surfaces = _surfaces(loaded, found, mesh, depth, allow_unknown)
    of_surfaces = _cautions(found, surfaces, depth)
    print_cautions(of_surfaces)
    facts = facts_of(structure, model, loaded, found, [*cautions, *of_surfaces], of_crystal)
    facts["surfaces"] = [
        {"label": one.label, "level": one.level, "triangles": len(one), "area": one.area} for one in surfaces
    ]
    with stages("Drawing and writing"):
        from ldosml.plotting import isosurface_figure

        figure = isosurface_figure({facts["formula"]: surfaces}, found.crystal.cell)
        files = save_results(output, "fermi-surface", figure, _columns(surfaces), facts, overwrite)
    emit({**facts, "files": files}, printing, lambda: page(facts, files))


def _surfaces(
    model: CrystalModel,
    found: BandStructure | ElectronicStructure,
    mesh: int,
    depth: float | None,
    allow_unknown: bool,
) -> Sequence[Isosurface]:
    from ldosml.neural import BandStructure, KOccupancyRegressor, isosurfaces

    if isinstance(found, BandStructure):
        return found.surfaces(depth)
    assert isinstance(model, KOccupancyRegressor)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # printed already, with the gap
        return isosurfaces(model, found.crystal, metal=found.is_metal, n=mesh, depth=depth, allow_unknown=allow_unknown)


def _cautions(
    found: BandStructure | ElectronicStructure, surfaces: Sequence[Isosurface], depth: float | None
) -> list[str]:
    if not found.is_metal:
        return []
    unused = ["--depth was not used: it is for crystals with a gap, and this one is predicted to be a metal."]
    none = ["No Fermi surface was found: no band clearly crosses the Fermi level."]
    return (unused if depth is not None else []) + ([] if surfaces else none)


def _columns(surfaces: Sequence[Isosurface]) -> dict[str, Any]:
    """A row for each triangle: the surface and the coordinates of its three corners."""
    triangles = np.concatenate([np.zeros((0, 9)), *(one.vertices[one.faces].reshape(-1, 9) for one in surfaces)])
    names = (f"{axis}{corner} (1/angstrom)" for corner in (1, 2, 3) for axis in "xyz")
    return {
        "surface": [one.label for one in surfaces for _ in range(len(one))],
        **dict(zip(names, triangles.T.round(5), strict=True)),
    }
