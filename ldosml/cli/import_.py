"""The command ``ldosml import``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ldosml.cli.display import Page, Stages, cautioning, emit, known, messages, table
from ldosml.cli.option_groups import with_groups
from ldosml.cli.options import (
    AsJson,
    Overwrite,
    PrintOptions,
    ZeroName,
    above_zero,
    app,
    elements_of_types,
    refuse_existing,
    valence,
)

if TYPE_CHECKING:
    from ldosml.datasets import LDOSDataset
    from ldosml.datasets.runs import ImportedRuns
    from ldosml.tables import ResultTable

_RUNS, _ARRAYS = "Output of DFT codes", "A structure file and an .npz file"
_COLUMNS = (
    "run",
    "code",
    "formula",
    "spectra",
    "electrons",
    "E_F (eV)",
    "gap (eV)",
    "moment",
    "projected",
    "complete to",
)
_WORDS = (
    "E_F and gap are of the code's bands. Projected is how much of the occupied states the code projected on atoms. "
    "The LDOS is scaled, state by state, to add up to the DOS. Complete to is the energy above E_F up to which there "
    "are enough bands. The DOS above it is not used."
)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """For output of DFT codes."""

    step: Annotated[
        float | None,
        typer.Option(rich_help_panel=_RUNS, callback=above_zero("eV"), help="Step of the energies, eV. Default: 0.05."),
    ] = None
    group_by: Annotated[
        Literal["folder", "run"],
        typer.Option(
            rich_help_panel=_RUNS,
            help="What splits keep together: runs in one folder (as of one trajectory), or nothing.",
        ),
    ] = "folder"


@dataclass(frozen=True, kw_only=True)
class ArrayOptions:
    """For a structure file and an .npz file."""

    zero: Annotated[
        ZeroName | None,
        typer.Option(rich_help_panel=_ARRAYS, help="Energy zero of the spectra. Default: as the .npz says, or fermi."),
    ] = None
    energy_max: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=_ARRAYS,
            help="Highest energy with enough bands computed, eV; the DOS above it is not used. Default: as the .npz "
            "says, or all energies.",
        ),
    ] = None
    fermi_energy: Annotated[
        float | None,
        typer.Option(rich_help_panel=_ARRAYS, help="Fermi level of all structures, eV. Default: as the .npz says."),
    ] = None
    kind_key: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_ARRAYS,
            help="Entry of atoms.info with the kind (phase, material); splits keep the proportions of kinds. "
            "Default: one kind.",
        ),
    ] = None
    group_key: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_ARRAYS,
            help="Entry of atoms.info with the group (trajectory); splits keep groups together. "
            "Default: each frame by itself.",
        ),
    ] = None
    name_key: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_ARRAYS,
            help="Entry of atoms.info with the name of a structure; frames that share a name are numbered. "
            "Default: name.",
        ),
    ] = None
    species: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_ARRAYS,
            metavar="ELEMENTS",
            help="Elements of the atom types 1, 2, ... of a LAMMPS file, as Si,C. Default: as the file says.",
        ),
    ] = None
    electrons: Annotated[
        list[str] | None,
        typer.Option(
            rich_help_panel=_ARRAYS,
            help="Valence electrons of an element, as Si=4; repeat for each element. Default: as the .npz says.",
        ),
    ] = None

    def given(self) -> list[str]:
        """Options that were given, as they are typed."""
        return [f"--{name.replace('_', '-')}" for name, value in vars(self).items() if value is not None]


@app.command(
    "import",
    examples=(
        "ldosml import runs/ -o mine.h5",
        "ldosml import structures.xyz spectra.npz -o mine.h5 --smearing-width 0.1 --group-key trajectory",
    ),
)
@with_groups
def import_(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            help="Output of DFT runs: files, or folders, which are walked. Or a structure file and an .npz file with "
            "energies (eV) and ldos (states/eV/atom, a row per atom) or dos (states/eV, a row per structure); "
            "optional, one per structure: fermi_energy (eV), n_electrons, energy_max (eV)."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Dataset to write, .h5.")],
    smearing_width: Annotated[
        float | None,
        typer.Option(
            callback=above_zero("eV", " Leave the option out if it is not known."),
            help="Smearing width of the spectra, eV. Default: 0.1 for bands of DFT runs; of arrays as the .npz says.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    *,
    runs: RunOptions,
    arrays: ArrayOptions,
) -> None:
    """Make a dataset of DFT runs, or of structures and spectra.

    Reads VASP, Quantum ESPRESSO, GPAW, FHI-aims, SIESTA, CP2K, CASTEP and LOBSTER. Bands and their projections are
    smeared by this command where the code wrote them; otherwise it takes what the code smeared.
    """
    n_electrons = None if arrays.electrons is None else valence(arrays.electrons)
    refuse_existing(output, overwrite)
    if _are_arrays(inputs):
        _from_arrays(inputs, output, smearing_width, n_electrons, overwrite, as_json, runs, arrays)
    else:
        _from_runs(inputs, output, smearing_width, overwrite, as_json, runs, arrays)


def _are_arrays(inputs: Sequence[Path]) -> bool:
    """Whether these are a structure file and spectra, and not runs."""
    if len(inputs) != 2 or inputs[1].suffix != ".npz" or inputs[0].is_dir():
        return False
    from ldosml.readers.arrays import is_run

    return not is_run(inputs[1])


def _from_arrays(
    inputs: Sequence[Path],
    output: Path,
    smearing_width: float | None,
    n_electrons: dict[str, float] | None,
    overwrite: bool,
    as_json: bool,
    runs: RunOptions,
    arrays: ArrayOptions,
) -> None:
    from ldosml import import_dataset

    if runs.step is not None:
        raise typer.BadParameter("--step is for bands of DFT runs; an .npz file has its own energies.")
    with cautioning():
        data = import_dataset(
            inputs[0],
            inputs[1],
            zero=arrays.zero,
            smearing_width=smearing_width,
            energy_max=arrays.energy_max,
            fermi_energy=arrays.fermi_energy,
            kind_key=arrays.kind_key,
            group_key=arrays.group_key,
            name_key=arrays.name_key or "name",
            species=elements_of_types(arrays.species),
            n_electrons=n_electrons,
        )
    data.save(output, overwrite=overwrite)
    if arrays.group_key is None and len(data) > 1:
        messages.print("Each frame is its own group: pass --group-key if some are snapshots of one trajectory.")
    _finish(data, output, as_json, {}, [])


def _from_runs(
    inputs: Sequence[Path],
    output: Path,
    smearing_width: float | None,
    overwrite: bool,
    as_json: bool,
    runs: RunOptions,
    arrays: ArrayOptions,
) -> None:
    from ldosml.datasets.runs import STEP, WIDTH, import_runs

    if arrays.given():
        raise typer.BadParameter(
            f"{', '.join(arrays.given())} belong to a structure file and an .npz file, not to DFT runs."
        )
    stages = Stages()
    with cautioning(), stages.counted("Reading runs") as progress:
        found = import_runs(
            inputs,
            smearing_width=WIDTH if smearing_width is None else smearing_width,
            step=STEP if runs.step is None else runs.step,
            groups=runs.group_by,
            progress=progress,
        )
    found.dataset.save(output, overwrite=overwrite)
    _finish(found.dataset, output, as_json, {"runs": found.rows()}, _tables(found))


def _finish(data: LDOSDataset, output: Path, as_json: bool, more: dict[str, Any], tables: list[ResultTable]) -> None:
    result = {"file": str(output), **data.summary(), **more}
    words = [_WORDS] if tables else []
    emit(result, PrintOptions(as_json=as_json), lambda: Page(tables, words=words, files=[f"{output}: {data!r}"]))


def _tables(found: ImportedRuns) -> list[ResultTable]:
    rows = found.rows()
    read = [_cells(row) for row in rows if "not read" not in row]
    failed = [[row["run"], row["not read"]] for row in rows if "not read" in row]
    tables = [table("Runs", _COLUMNS, read)]
    return [*tables, table("Not read", ("path", "why"), failed)] if failed else tables


def _cells(row: dict[str, Any]) -> list[str]:
    gap, fraction = row["gap"], row["projected_fraction"]
    gaps = gap if isinstance(gap, list) else [gap]
    return [
        row["run"],
        row["code"],
        row["formula"],
        row["spectra"],
        known(row["n_electrons"], ".4g"),
        known(row["fermi_energy"]),
        "; ".join(known(each, ".2f") for each in gaps),
        "" if row["moment"] is None else f"{row['moment']:.2f}",
        "" if fraction is None else f"{100 * fraction:.0f} %",
        known(row["complete_to"], "+.1f"),
    ]
