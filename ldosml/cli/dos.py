"""The command ``ldosml dos``."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from ldosml.cli.crystal_prediction import (
    MODEL,
    SYMPREC,
    AllowUnknown,
    Mesh,
    Model,
    StructureFile,
    Symprec,
    band_picture,
    check_files,
    facts_of,
    gap_rows,
    one_crystal,
    open_model,
    page,
    predict_structure,
    save_results,
)
from ldosml.cli.display import Page, Stages, cautioning, emit, table
from ldosml.cli.large_prediction import LargeStructure, crystal_of_bands, large_rows, predict_large
from ldosml.cli.option_groups import with_groups
from ldosml.cli.options import Device, Overwrite, PrintOptions, Species, Temperature, app
from ldosml.properties.spectrum_warnings import TruncatedDOSWarning

if TYPE_CHECKING:
    from ldosml.neural import BandStructure, ElectronicStructure
    from ldosml.properties import PropertyTable


@app.command(examples=("ldosml dos crystal.cif", "ldosml dos POSCAR -o dos --mesh 16 -T 1000 --json"))
@with_groups
def dos(
    structure: StructureFile,
    model: Model = MODEL,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for report, figure, CSV and JSON.")] = Path(
        "ldosml-dos"
    ),
    mesh: Mesh = None,
    temperature: Temperature = 300.0,
    symprec: Symprec = SYMPREC,
    species: Species = None,
    allow_unknown: AllowUnknown = False,
    device: Device = "cpu",
    overwrite: Overwrite = False,
    *,
    printing: PrintOptions,
) -> None:
    """Predict the DOS of a crystal, and properties from it.

    The command writes an HTML report. The DOS holds all valence electrons of the model. A model of train-occupancy
    knows only states within 10 eV of the Fermi level, so its band and free energies are of these only. Of cells of more
    than 150 atoms, tight binding gives a DOS smeared by 0.3 eV, from the surroundings of each atom, without bands.
    """
    check_files(output, "dos", overwrite)
    stages = Stages()
    loaded = open_model(model, device, stages)
    found: BandStructure | ElectronicStructure | LargeStructure
    atoms = one_crystal(structure, species)
    crystal, of_crystal = crystal_of_bands(loaded, atoms, symprec)
    if crystal is None:
        found, cautions = predict_large(loaded, atoms, stages, allow_unknown=allow_unknown)
    else:
        found, cautions = predict_structure(loaded, crystal, stages, allow_unknown=allow_unknown, mesh=mesh)
    with stages("Deriving properties"), cautioning() as of_properties:
        warnings.filterwarnings("ignore", ".*does not begin within the grid", TruncatedDOSWarning)  # the report says it
        derived = _properties(found, structure.stem, temperature)
    told = [*cautions, *of_properties]
    if isinstance(found, LargeStructure):
        facts = found.facts(structure, model, told)
    else:
        facts = facts_of(structure, model, loaded, found, told, of_crystal)
    with stages("Drawing and writing"):
        from ldosml.plotting import dos_figure
        from ldosml.report.crystals import LEFT_OUT

        kept = {name: values for name, values in derived.columns.items() if name not in LEFT_OUT}
        facts["properties"] = {
            "of": "the structure" if isinstance(found, LargeStructure) else "the primitive cell"
        } | replace(derived, columns=kept).to_dict()
        output.mkdir(parents=True, exist_ok=True)
        report = _save_report(output / "report.html", found, facts, derived)
        columns = {
            "energy against the Fermi level (eV)": found.dos.energies.round(6),
            "DOS (states/eV/cell)": np.asarray(found.dos.values)[0].round(6),
        }
        files = save_results(output, "dos", dos_figure(found.dos), columns, facts, overwrite)
        files.append(str(report))
    emit({**facts, "files": files}, printing, lambda: _page(facts, files))


def _page(facts: dict[str, Any], files: list[str]) -> Page:
    if "gap" in facts:
        return page(facts, files)
    return Page([table(facts["formula"], ("quantity", "predicted"), large_rows(facts))], files=files)


def _properties(
    found: BandStructure | ElectronicStructure | LargeStructure, name: str, temperature: float
) -> PropertyTable:
    """Properties of the DOS, with the number of electrons that puts its Fermi level at zero."""
    from ldosml.properties import derive_properties

    return derive_properties(found.dos, found.n_electrons, np.array([temperature]), names=[name])


def _save_report(
    path: Path,
    found: BandStructure | ElectronicStructure | LargeStructure,
    facts: dict[str, Any],
    properties: PropertyTable,
) -> Path:
    from ldosml.neural import BandStructure
    from ldosml.plotting import dos_figure
    from ldosml.report import save_crystal_report
    from ldosml.report.crystals import Source

    source: Source = "bands" if isinstance(found, BandStructure) else "occupancies"
    if isinstance(found, LargeStructure):
        source = "moments"
    return save_crystal_report(
        path,
        title=f"{facts['formula']}: predicted electronic structure",
        facts=_crystal_rows(facts),
        picture=dos_figure(found.dos) if isinstance(found, LargeStructure) else band_picture(found),
        source=source,
        properties=properties,
        lowest=float(found.dos.grid.edges[0]),
        cautions=facts["cautions"],
    )


def _crystal_rows(facts: dict[str, Any]) -> dict[str, str]:
    """Facts by the names under which the report shows them."""
    atoms = "atoms in the primitive cell" if "gap" in facts else "atoms"
    rows = {"formula": facts["formula"], atoms: str(facts["n_atoms"])}
    rows["lattice vectors (angstrom)"] = "; ".join(" ".join(f"{x:.4f}" for x in row) for row in facts["cell"])
    known = gap_rows(facts) if "gap" in facts else large_rows(facts)[1:]
    return rows | dict(known) | {"structure file": facts["structure"], "model": facts["model"]}
