"""What the commands on one crystal share: their options, the prediction, its facts, and the files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from ldosml.cli.display import Page, Stages, cautioning, strict, table
from ldosml.cli.options import check_folder, check_torch_device, refuse_existing
from ldosml.tables import save_json, save_table

if TYPE_CHECKING:
    from ase import Atoms
    from matplotlib.figure import Figure

    from ldosml.kresolved import KResolvedOccupancy
    from ldosml.kresolved.paths import PathKind
    from ldosml.neural import BandStructure, ElectronicStructure
    from ldosml.neural.shipped import CrystalModel

N_PATH, N_MESH = 200, 8
"""Default numbers of k-points; all commands use the same, because the gap depends on them."""

StructureFile = Annotated[
    Path,
    typer.Argument(
        help="One crystal: CIF, POSCAR, or another format that ASE reads; run.traj@3 is frame 3, counted from 0."
    ),
]
MODEL = "tight-binding"
"""The shipped model that the commands use by default."""

Model = Annotated[
    str,
    typer.Option(
        help="tight-binding: bands as lines. crystals: probabilities of states in energy bins. Or a model file of "
        "train-bands or train-occupancy (.safetensors)."
    ),
]
AllowUnknown = Annotated[
    bool, typer.Option("--allow-unknown", help="Predict, with a warning, elements that the model was not trained on.")
]
Mesh = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=64,
        help="k-points along each reciprocal lattice vector, for DOS and gap. Default: 8; of lines fewer in large "
        "cells.",
    ),
]


def open_model(name: str, device: str, stages: Stages) -> CrystalModel:
    """Load a model from a file or by name."""
    from ldosml.neural import load_crystal_model

    check_torch_device(device)
    with stages(f"Reading {name}"):
        return load_crystal_model(name, device=device)


def predict_structure(
    model: CrystalModel,
    structure: Path,
    stages: Stages,
    *,
    allow_unknown: bool,
    n_path: int = N_PATH,
    mesh: int | None = None,
    path: PathKind = "setyawan-curtarolo",
) -> tuple[BandStructure | ElectronicStructure, list[str]]:
    """The predicted electronic structure of a crystal in a file, and the warnings, which are also printed."""
    from ldosml.neural import TightBindingRegressor, band_structure, electronic_structure, plan_bands
    from ldosml.resources import duration_in_words

    atoms = one_crystal(structure)
    found: BandStructure | ElectronicStructure
    options: dict[str, Any] = {"n_path": n_path, "path": path}
    what = f"Predicting {formula_of(atoms)}"
    if isinstance(model, TightBindingRegressor) and (plan := plan_bands(model, atoms, n_path=n_path, mesh=mesh)).long:
        what += f", roughly {duration_in_words(plan.seconds)}"
    with stages(what), cautioning(UserWarning) as cautions:
        if isinstance(model, TightBindingRegressor):
            found = band_structure(model, atoms, mesh=mesh, allow_unknown=allow_unknown, **options)
        else:
            found = electronic_structure(model, atoms, mesh=mesh or N_MESH, allow_unknown=allow_unknown, **options)
    return found, cautions


def one_crystal(path: Path) -> Atoms:
    """The structure in a file, which must hold one."""
    from ldosml.structure_files import read_structures

    frames = read_structures(path)
    if len(frames) != 1:
        raise ValueError(
            f"{path} holds {len(frames)} structures; choose one of them, as {path}@0, or give a file of one crystal."
        )
    return frames[0]


def formula_of(atoms: Atoms) -> str:
    """Formula of all atoms, metals first."""
    return str(atoms.get_chemical_formula("metal"))  # type: ignore[no-untyped-call]


def facts_of(
    structure: Path,
    name: str,
    model: CrystalModel,
    found: BandStructure | ElectronicStructure,
    cautions: list[str],
) -> dict[str, Any]:
    """The crystal, its gap and its band edges, as JSON can hold them."""
    atoms = found.crystal.atoms()
    return {
        "structure": str(structure),
        "model": name,
        "formula": formula_of(atoms),
        "n_atoms": len(atoms),
        "cell": found.crystal.cell.tolist(),
        **found.facts(),
        **_expected_error(model, found.is_metal),
        "cautions": cautions,
    }


def _expected_error(model: CrystalModel, metal: bool) -> dict[str, Any]:
    """Mean error of the gap in validation: of non-metals for a non-metal, where it is known so."""
    from ldosml.neural import TightBindingRegressor

    if isinstance(model, TightBindingRegressor):
        kind = "metals" if metal else "non-metals"
        return {
            "validation_gap_error": model.gap_errors_[kind],
            "validation_gap_error_of": kind,
            "validation_gap_error_of_non_metals": model.gap_errors_["non-metals"],
        }
    error = model.gap_threshold_.score
    return {"validation_gap_error": error if np.isfinite(error) else None, "validation_gap_error_of": "all crystals"}


def gap_rows(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rows of a table with the gap, the energies and k-points of its edges, and what else is known of them."""
    doubtful = " (doubtful: see the cautions)" if facts["cautions"] else ""
    rows = [("gap", f"{_gap(facts)}{doubtful}")]
    if facts["validation_gap_error"] is not None:
        of = facts["validation_gap_error_of"]
        rows.append((f"mean error of the gap of {of} in validation", f"{facts['validation_gap_error']:.2f} eV"))
    if not facts["metal"] and facts.get("direct_gap") is not None:
        rows.append(("smallest gap at one k-point", f"{facts['direct_gap']:.2f} eV"))
    for side in ("valence", "conduction"):
        kpoint = facts[f"{side}_kpoint"]
        if kpoint is not None:
            place = ", ".join(f"{x:.3f}" for x in kpoint)
            rows.append((f"{side} edge", f"{facts[f'{side}_edge']:+.2f} eV at k = ({place})"))
            rows += _mass_rows(side, facts.get(f"{side}_masses"))
    rows += [
        (
            f"band {one['band']} at the Fermi level",
            f"{one['electrons']:.3f} electrons, {one['volume']:.3g} 1/angstrom^3",
        )
        for one in facts.get("sheets", ())
    ]
    return rows


def _gap(facts: Mapping[str, Any]) -> str:
    if facts["metal"]:
        overlap, error = facts.get("overlap"), facts.get("validation_gap_error_of_non_metals")
        if overlap is None or error is None or overlap >= error:
            return "none: a metal"
        return f"none; but bands overlap by {overlap:.2f} eV only, and gaps are off by {error:.2f} eV: it may have one"
    if not np.isfinite(facts["gap"]):
        return "beyond the energy bins"
    spread = facts.get("gap_spread")
    return f"{facts['gap']:.2f} eV" + ("" if spread is None else f", networks differ by {spread:.2f} eV")


def _mass_rows(side: str, masses: list[list[float]] | None) -> list[tuple[str, str]]:
    """Effective masses of each band of an edge, in free-electron masses."""
    of = {"valence": "holes", "conduction": "electrons"}[side]
    along = "principal axes" if masses and len(masses) == 1 else "x, y, z"
    return [(f"mass of {of}, {along}", ", ".join(f"{mass:.2f}" for mass in row)) for row in masses or ()]


def band_picture(found: BandStructure | ElectronicStructure, behind: KResolvedOccupancy | None = None) -> Figure:
    """Bands along the path and the DOS; lines may have probabilities behind them."""
    from ldosml.neural import BandStructure
    from ldosml.plotting import band_figure, band_line_figure

    if isinstance(found, BandStructure):
        return band_line_figure(found.path, found.energies, dos=found.dos, spread=found.spread, occupancy=behind)
    return band_figure(found.along, found.path, dos=found.dos)


def check_files(output: Path, name: str, overwrite: bool) -> None:
    """Refuse existing files before any work is done; see ``save_results``."""
    check_folder(output)
    for file in (*(output / f"{name}.{ending}" for ending in ("csv", "json", "pdf", "png")), output / "report.html"):
        if file.exists():
            refuse_existing(file, overwrite)


def save_results(
    output: Path, name: str, figure: Figure, columns: Mapping[str, Any], facts: dict[str, Any], overwrite: bool
) -> list[str]:
    """Save the columns as CSV, the facts as JSON, and the figure as PDF and PNG; return the files.

    There is no CSV file where there are no rows.
    """
    from ldosml.plotting import save_figure

    output.mkdir(parents=True, exist_ok=True)
    rows = output / f"{name}.csv"
    rows.unlink(missing_ok=True)
    written = [save_table(rows, columns)] if len(next(iter(columns.values()))) else []
    written.append(save_json(output / f"{name}.json", strict(facts), overwrite=overwrite))
    written += save_figure(figure, output / name, overwrite=overwrite)
    return [str(file) for file in written]


def page(facts: Mapping[str, Any], files: Iterable[str]) -> Page:
    """The gap, the areas of surfaces if there are any, and the files."""
    areas = [(f"surface of {one['label']}", f"{one['area']:.3g} 1/angstrom^2") for one in facts.get("surfaces", [])]
    title = f"{facts['formula']}, primitive cell"
    return Page([table(title, ("quantity", "predicted"), [*gap_rows(facts), *areas])], files=list(files))
