"""The commands that ask neural models of the electronic structure of crystals."""

from __future__ import annotations

import csv
import io
import json
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from ldosml._files import replacing
from ldosml.cli.display import Stages, cautioning, emit, print_cautions, results, strict, table
from ldosml.cli.options import (
    AsJson,
    Device,
    Overwrite,
    Temperature,
    above_zero,
    app,
    check_folder,
    check_torch_device,
    refuse_existing,
)
from ldosml.properties.spectrum_warnings import TruncatedDOSWarning

if TYPE_CHECKING:
    from ase import Atoms
    from matplotlib.figure import Figure

    from ldosml.kresolved import Isosurface
    from ldosml.neural import ElectronicStructure, KOccupancyRegressor
    from ldosml.properties import PropertyTable


class PathName(StrEnum):
    """Lines through the Brillouin zone."""

    setyawan_curtarolo = "setyawan-curtarolo"
    latimer_munro = "latimer-munro"


Structure = Annotated[Path, typer.Argument(help="One crystal: CIF, POSCAR, or another format that ASE reads.")]
Model = Annotated[
    str, typer.Option(help="A model that train-occupancy wrote (.safetensors), or the name of a shipped one.")
]
AllowUnknown = Annotated[
    bool, typer.Option("--allow-unknown", help="Guess, with a warning, where the model never saw an element.")
]
_N_PATH, _N_MESH = 200, 8  # k-points, for all commands the same, since where edges are looked for is told by them
Mesh = Annotated[int, typer.Option(min=1, max=64, help="k-points along each reciprocal lattice vector.")]
Depth = Annotated[
    float | None,
    typer.Option(
        callback=above_zero("eV"),
        help="Where there is a gap: how far within its two bands surfaces lie, eV. Default: a tenth of their widths.",
    ),
]


@app.command()
def bands(
    structure: Structure,
    model: Model = "crystals",
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for figure, CSV and JSON.")] = Path(
        "ldosml-bands"
    ),
    path: Annotated[
        PathName,
        typer.Option(
            help="Corners of the zone to join: the lattice's, or, which needs pymatgen, the Materials Project's."
        ),
    ] = PathName.setyawan_curtarolo,
    n_kpoints: Annotated[int, typer.Option(min=10, help="k-points along the path, up to rounding.")] = _N_PATH,
    mesh: Annotated[
        int,
        typer.Option(min=1, max=64, help="For DOS and edges: k-points along each reciprocal lattice vector."),
    ] = _N_MESH,
    allow_unknown: AllowUnknown = False,
    device: Device = "cpu",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Predict the bands of a crystal along a path: which energies hold states, by probability; gap, metal or not."""
    stages, files = Stages(), _files(output, ("bands.csv", "bands.json"), "bands", overwrite)
    loaded = _opened(model, device, stages)
    found, cautions = _asked(loaded, structure, n_kpoints, mesh, allow_unknown, stages, path)
    facts = _facts(structure, model, loaded, found, cautions)
    with stages("Drawing and writing"):
        from ldosml.plotting import band_figure

        figure = band_figure(found.along, found.path, dos=found.dos)
        _write(output, "bands", figure, {"bands.csv": _bands_csv(found), "bands.json": _json(facts)}, overwrite)
    emit({**facts, "files": files}, as_json, lambda: _show(facts, files))


@app.command()
def dos(
    structure: Structure,
    model: Model = "crystals",
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for report, figure, CSV and JSON.")] = Path(
        "ldosml-dos"
    ),
    mesh: Mesh = _N_MESH,
    temperature: Temperature = 300.0,
    allow_unknown: AllowUnknown = False,
    device: Device = "cpu",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Predict the DOS of a crystal around the Fermi level, and what follows from it; one HTML page.

    The shipped model knows states within 10 eV of it. Electrons below that are not counted, and so band and free
    energies are those of the states that are seen.
    """
    stages, files = Stages(), _files(output, ("dos.csv", "dos.json", "report.html"), "dos", overwrite)
    loaded = _opened(model, device, stages)
    found, cautions = _asked(loaded, structure, _N_PATH, mesh, allow_unknown, stages)
    with stages("Deriving properties"), cautioning() as of_properties:
        warnings.filterwarnings("ignore", ".*does not begin within the grid", TruncatedDOSWarning)  # as the page says
        derived = _derived(found, structure.stem, temperature)
    facts = _facts(structure, model, loaded, found, [*cautions, *of_properties])
    with stages("Drawing and writing"):
        from ldosml.plotting import band_figure, dos_figure
        from ldosml.report import write_crystal_report
        from ldosml.report.crystals import LEFT_OUT

        kept = {name: values for name, values in derived.columns.items() if name not in LEFT_OUT}
        facts["properties"] = {"of": "the primitive cell"} | replace(derived, columns=kept).to_dict()
        output.mkdir(parents=True, exist_ok=True)
        write_crystal_report(
            output / "report.html",
            title=f"{facts['formula']}: predicted electronic structure",
            facts=_words(facts),
            bands=band_figure(found.along, found.path, dos=found.dos),
            properties=derived,
            lowest=float(found.dos.grid.edges[0]),
            cautions=facts["cautions"],
        )
        texts = {"dos.csv": _dos_csv(found), "dos.json": _json(facts)}
        _write(output, "dos", dos_figure(found.dos), texts, overwrite)
    emit({**facts, "files": files}, as_json, lambda: _show(facts, files))


@app.command(name="fermi-surface")
def fermi_surface(
    structure: Structure,
    model: Model = "crystals",
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for figure, CSV and JSON.")] = Path(
        "ldosml-fermi-surface"
    ),
    mesh: Annotated[int, typer.Option(min=4, max=64, help="k-points along each reciprocal lattice vector.")] = 21,
    depth: Depth = None,
    allow_unknown: AllowUnknown = False,
    device: Device = "cpu",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Predict the Fermi surface of a metal; of a crystal with a gap, surfaces just within its two bands at the gap.

    The triangles are written in 1/angstrom, Gamma at the origin.
    """
    stages = Stages()
    files = _files(output, ("triangles.csv", "fermi-surface.json"), "fermi-surface", overwrite)
    loaded = _opened(model, device, stages)
    found, cautions = _asked(loaded, structure, _N_PATH, _N_MESH, allow_unknown, stages)
    with stages(f"Asking at {mesh} x {mesh} x {mesh} k-points, and finding surfaces"):
        from ldosml.neural import isosurfaces

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # said already, when the crystal was asked about
            surfaces = isosurfaces(
                loaded, found.crystal, metal=found.gap.is_metal, n=mesh, depth=depth, allow_unknown=allow_unknown
            )
    of_surfaces = _cautions_of_surfaces(found, surfaces, depth)
    print_cautions(of_surfaces)
    facts = _facts(structure, model, loaded, found, [*cautions, *of_surfaces])
    facts["surfaces"] = [
        {"label": one.label, "level": one.level, "triangles": len(one), "area": one.area} for one in surfaces
    ]
    with stages("Drawing and writing"):
        from ldosml.plotting import isosurface_figure

        figure = isosurface_figure({facts["formula"]: surfaces}, found.crystal.cell)
        texts = {"triangles.csv": _triangles_csv(surfaces), "fermi-surface.json": _json(facts)}
        _write(output, "fermi-surface", figure, texts, overwrite)
    emit({**facts, "files": files}, as_json, lambda: _show(facts, files))


def _opened(name: str, device: str, stages: Stages) -> KOccupancyRegressor:
    from ldosml.neural import open_occupancy_model

    check_torch_device(device)
    with stages(f"Reading {name}"):
        return open_occupancy_model(name, device=device)


def _asked(
    model: KOccupancyRegressor,
    structure: Path,
    n_path: int,
    mesh: int,
    allow_unknown: bool,
    stages: Stages,
    path: PathName = PathName.setyawan_curtarolo,
) -> tuple[ElectronicStructure, list[str]]:
    """The answer, and what was warned of, which is printed, too."""
    from ldosml.neural import electronic_structure

    atoms = _one_structure(structure)
    with stages(f"Asking for {_formula(atoms)}"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        found = electronic_structure(
            model, atoms, n_path=n_path, path=path.value, mesh=mesh, allow_unknown=allow_unknown
        )
    cautions = list(dict.fromkeys(str(warning.message) for warning in caught))
    print_cautions(cautions)
    return found, cautions


def _one_structure(path: Path) -> Atoms:
    from ldosml.structure_files import read_structures

    frames = read_structures(path)
    if len(frames) != 1:
        raise ValueError(f"{path} holds {len(frames)} structures; give a file of one crystal.")
    shared = {site: who for site, who in frames[0].info.get("occupancy", {}).items() if list(who.values()) != [1.0]}
    if shared:
        site, who = next(iter(shared.items()))
        raise ValueError(
            f"{path} has {len(shared)} sites that are shared or not full, such as site {site} with {who}. The model "
            "takes crystals with one atom on every site: give an ordered cell."
        )
    return frames[0]


def _formula(atoms: Atoms) -> str:
    return str(atoms.get_chemical_formula("metal"))  # type: ignore[no-untyped-call]


def _facts(
    structure: Path, model: str, loaded: KOccupancyRegressor, found: ElectronicStructure, cautions: list[str]
) -> dict[str, Any]:
    """What is known of a crystal, for JSON and for people."""
    gap, atoms = found.gap, found.crystal.atoms()
    valence, conduction = (None if k is None else k.round(6).tolist() for k in found.edges)
    return {
        "structure": str(structure),
        "model": model,
        "formula": _formula(atoms),
        "n_atoms": len(atoms),
        "cell": found.crystal.cell.tolist(),
        "metal": gap.is_metal,
        "gap": gap.gap,
        "valence_edge": gap.valence_edge,
        "valence_kpoint": valence,
        "conduction_edge": gap.conduction_edge,
        "conduction_kpoint": conduction,
        "validation_gap_error": error if np.isfinite(error := loaded.gap_threshold_.score) else None,
        "cautions": cautions,
    }


def _words(facts: dict[str, Any]) -> dict[str, str]:
    """Facts as the page tells them."""
    rows = {"formula": facts["formula"], "atoms in the primitive cell": str(facts["n_atoms"])}
    rows["lattice vectors (angstrom)"] = "; ".join(" ".join(f"{x:.4f}" for x in row) for row in facts["cell"])
    rows |= dict(_gap_rows(facts))
    return rows | {"read from": facts["structure"], "model": facts["model"]}


def _gap_rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Gap, and where its edges are, for people."""
    gap = f"{facts['gap']:.2f} eV" if np.isfinite(facts["gap"]) else "beyond the bins"
    rows = [("gap", "none: a metal" if facts["metal"] else gap)]
    for side in ("valence", "conduction"):
        kpoint = facts[f"{side}_kpoint"]
        if kpoint is not None:
            place = ", ".join(f"{x:.3f}" for x in kpoint)
            rows.append((f"{side} edge", f"{facts[f'{side}_edge']:+.2f} eV at k = ({place})"))
    if facts["validation_gap_error"] is not None:
        rows.append(("error of gaps in validation", f"{facts['validation_gap_error']:.2f} eV, metals included"))
    return rows


def _derived(found: ElectronicStructure, name: str, temperature: float) -> PropertyTable:
    """Properties of the DOS, with as many electrons as it has states below its Fermi level, which is at zero."""
    from ldosml.properties import derive_properties

    return derive_properties(found.dos, found.n_electrons, np.array([temperature]), names=[name])


def _cautions_of_surfaces(found: ElectronicStructure, surfaces: Sequence[Isosurface], depth: float | None) -> list[str]:
    if not found.gap.is_metal:
        return []
    said = ["--depth is for crystals with a gap, and was not used: this one is predicted to be a metal."]
    none = "No Fermi surface was found: no band is predicted to cross the Fermi level clearly enough."
    return (said if depth is not None else []) + ([none] if not surfaces else [])


def _files(output: Path, texts: Iterable[str], figure: str, overwrite: bool) -> list[str]:
    """Everything that will be written; refuses what exists before any work is done."""
    check_folder(output)
    files = [output / name for name in (*texts, f"{figure}.pdf", f"{figure}.png")]
    for file in files:
        if file.exists():
            refuse_existing(file, overwrite)
    return [str(file) for file in files]


def _write(output: Path, name: str, figure: Figure, texts: dict[str, str], overwrite: bool) -> None:
    from ldosml.plotting import save_figure

    output.mkdir(parents=True, exist_ok=True)
    save_figure(figure, output / name, overwrite=overwrite)
    for file, text in texts.items():
        with replacing(output / file, overwrite) as stream:
            stream.write(text.encode())


def _json(facts: dict[str, Any]) -> str:
    return json.dumps(strict(facts), indent=2, allow_nan=False) + "\n"


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _bands_csv(found: ElectronicStructure) -> str:
    """A row for each k-point: its place on the path, then the probability of each bin."""
    labels = dict(found.path.corners)
    energies = [f"{energy:.6g} eV" for energy in found.along.energies]
    rows = (
        [labels.get(i, ""), f"{x:.6f}", *(f"{part:.6f}" for part in k), *(f"{value:.4f}" for value in p)]
        for i, (x, k, p) in enumerate(
            zip(found.path.distances, found.along.kpoints, found.along.probabilities, strict=True)
        )
    )
    return _csv(["label", "distance (1/angstrom)", "k1", "k2", "k3", *energies], rows)


def _dos_csv(found: ElectronicStructure) -> str:
    values: NDArray[np.float64] = np.asarray(found.dos.values)[0]
    rows = ([f"{e:.6g}", f"{v:.6g}"] for e, v in zip(found.dos.energies, values, strict=True))
    return _csv(["energy against the Fermi level (eV)", "DOS (states/eV/cell)"], rows)


def _triangles_csv(surfaces: Sequence[Isosurface]) -> str:
    header = ["surface", *(f"{axis}{corner} (1/angstrom)" for corner in (1, 2, 3) for axis in "xyz")]
    return _csv(
        header,
        (
            [one.label, *(f"{x:.5f}" for x in triangle.ravel())]
            for one in surfaces
            for triangle in one.vertices[one.faces]
        ),
    )


def _show(facts: dict[str, Any], files: list[str]) -> None:
    areas = [(f"surface of {one['label']}", f"{one['area']:.3g} 1/angstrom^2") for one in facts.get("surfaces", [])]
    title = f"{facts['formula']}, primitive cell"
    results.print(table(title, ("quantity", "predicted"), [*_gap_rows(facts), *areas]))
    for file in files:
        results.print(f"wrote {file}", soft_wrap=True)
