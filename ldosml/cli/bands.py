"""The command ``ldosml bands``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import typer

from ldosml.cli.crystal_prediction import (
    MODEL,
    N_PATH,
    SYMPREC,
    AllowUnknown,
    Mesh,
    Model,
    StructureFile,
    Symprec,
    band_picture,
    check_files,
    described,
    facts_of,
    formula_of,
    one_crystal,
    open_model,
    page,
    predict_structure,
    save_results,
)
from ldosml.cli.display import Page, Stages, cautioning, emit, table
from ldosml.cli.option_groups import with_groups
from ldosml.cli.options import Device, Overwrite, PrintOptions, Species, app

if TYPE_CHECKING:
    from ase import Atoms

    from ldosml.kresolved import KResolvedOccupancy
    from ldosml.kresolved.paths import PathKind
    from ldosml.neural import BandStructure, ElectronicStructure, UnfoldedBands
    from ldosml.neural.shipped import CrystalModel

_FAINT = 1e-3  # states of a smaller spectral weight are not written


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
    mesh: Mesh = None,
    probability: Annotated[
        bool, typer.Option("--probability", help="Draw the probability of states of the model crystals behind lines.")
    ] = False,
    unfold: Annotated[
        Path | None,
        typer.Option(
            help="File of the primitive cell of a supercell with defects or displaced atoms, oriented alike: shows the "
            "supercell's states in the zone of this cell, with their spectral weights. Default: none."
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
    """Predict the bands of a crystal along a path, and its gap.

    Bands are lines; the table has effective masses. A model of train-occupancy gives the probability of a state in
    each energy bin instead.
    """
    check_files(output, "bands", overwrite)
    stages = Stages()
    loaded = open_model(model, device, stages)
    if unfold is not None:
        supercell, primitive = (one_crystal(file, species) for file in (structure, unfold))
        states, of_states = _unfolded(loaded, supercell, primitive, stages, n_kpoints, path, symprec, allow_unknown)
        facts = {"structure": str(structure), "primitive": str(unfold), **of_states}
        facts["files"] = _save_unfolded(states, facts, output, stages, overwrite)
        emit(facts, printing, lambda: _unfolded_page(facts))
        return
    crystal, of_crystal = described(one_crystal(structure, species), symprec)
    found, cautions = predict_structure(
        loaded, crystal, stages, allow_unknown=allow_unknown, n_path=n_kpoints, mesh=mesh, path=path
    )
    facts = facts_of(structure, model, loaded, found, cautions, of_crystal)
    behind = _behind(found, stages, device, allow_unknown) if probability else None
    with stages("Drawing and writing"):
        figure = band_picture(found, behind)
        files = save_results(output, "bands", figure, _columns(found), facts, overwrite)
    emit({**facts, "files": files}, printing, lambda: page(facts, files))


def _unfolded(
    model: CrystalModel,
    supercell: Atoms,
    primitive: Atoms,
    stages: Stages,
    n_kpoints: int,
    path: PathKind,
    symprec: float,
    allow_unknown: bool,
) -> tuple[UnfoldedBands, dict[str, Any]]:
    """Predict the states of a supercell in the zone of its primitive cell; also returns the facts."""
    from ldosml.neural import TightBindingRegressor, plan_unfolding, unfolded_bands
    from ldosml.resources import duration_in_words

    if not isinstance(model, TightBindingRegressor):
        raise typer.BadParameter("--unfold needs a model of train-bands, such as tight-binding: only bands unfold.")
    time = duration_in_words(plan_unfolding(supercell, n_kpoints).seconds)
    with stages(f"Predicting {formula_of(supercell)}, roughly {time}"), cautioning() as cautions:
        found = unfolded_bands(
            model, supercell, primitive, n_path=n_kpoints, path=path, symprec=symprec, allow_unknown=allow_unknown
        )
    return found, {
        "formula": formula_of(supercell),
        "n_atoms": len(supercell),
        "gap": found.gap,
        "states": int(found.weights.size),
        "cautions": cautions,
    }


def _save_unfolded(
    found: UnfoldedBands, facts: dict[str, Any], output: Path, stages: Stages, overwrite: bool
) -> list[str]:
    from ldosml.plotting import unfolded_figure

    k, n = np.nonzero(found.weights > _FAINT)
    columns = {
        "k-point": k,
        "distance (1/angstrom)": found.path.distances[k].round(6),
        "energy (eV)": found.energies[k, n].round(5),
        "weight": found.weights[k, n].round(5),
    }
    with stages("Drawing and writing"):
        figure = unfolded_figure(found.path, found.energies, found.weights)
        return save_results(output, "bands", figure, columns, facts, overwrite)


def _unfolded_page(facts: Mapping[str, Any]) -> Page:
    gap = f"{facts['gap']:.2f} eV" if facts["gap"] else "none: a metal"
    rows = [("atoms", str(facts["n_atoms"])), ("gap of the supercell, states of defects included", gap)]
    return Page([table(facts["formula"], ("quantity", "predicted"), rows)], files=facts["files"])


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
