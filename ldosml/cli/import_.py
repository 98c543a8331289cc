"""The command ``ldosml import``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ldosml.cli.display import Page, emit, messages
from ldosml.cli.options import (
    AsJson,
    Electrons,
    Overwrite,
    PrintOptions,
    StructuresFile,
    Zero,
    above_zero,
    app,
    refuse_existing,
    valence,
)


@app.command(
    "import",
    examples=(
        "ldosml import structures.xyz spectra.npz -o mine.h5 --smearing-width 0.1",
        "ldosml import structures.xyz spectra.npz -o mine.h5 --group-key trajectory --electrons Si=4",
    ),
)
def import_(
    structures: StructuresFile,
    arrays: Annotated[
        Path,
        typer.Argument(
            help=".npz with energies (eV) and ldos (states/eV/atom, a row per atom) or dos (states/eV, a row per "
            "structure); optional, one per structure: fermi_energy (eV), n_electrons, energy_max (eV)."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Dataset to write, .h5.")],
    zero: Zero = "fermi",
    smearing_width: Annotated[
        float | None,
        typer.Option(
            callback=above_zero("eV", " Leave the option out if it is not known."),
            help="Smearing width of the spectra, eV. Default: not known.",
        ),
    ] = None,
    energy_max: Annotated[
        float | None,
        typer.Option(
            help="Highest energy with enough bands computed, eV; the DOS above it is not used. Default: as the .npz "
            "says, or all energies."
        ),
    ] = None,
    fermi_energy: Annotated[
        float | None, typer.Option(help="Fermi level of all structures, eV. Default: as the .npz says.")
    ] = None,
    kind_key: Annotated[
        str | None,
        typer.Option(
            help="Entry of atoms.info with the kind (phase, material); splits keep the proportions of kinds. "
            "Default: one kind."
        ),
    ] = None,
    group_key: Annotated[
        str | None,
        typer.Option(
            help="Entry of atoms.info with the group (trajectory); splits keep groups together. "
            "Default: each frame by itself."
        ),
    ] = None,
    electrons: Electrons = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Make a dataset of structures and computed spectra.

    The spectra are LDOS or total DOS that another program computed.
    """
    from ldosml import import_dataset

    n_electrons = None if electrons is None else valence(electrons)
    refuse_existing(output, overwrite)
    data = import_dataset(
        structures,
        arrays,
        zero=zero,
        smearing_width=smearing_width,
        energy_max=energy_max,
        fermi_energy=fermi_energy,
        kind_key=kind_key,
        group_key=group_key,
        n_electrons=n_electrons,
    )
    data.save(output, overwrite=overwrite)
    if group_key is None and len(data) > 1:
        messages.print("Each frame is its own group: pass --group-key if some are snapshots of one trajectory.")
    result = {"file": str(output), **data.summary()}
    emit(result, PrintOptions(as_json=as_json), lambda: Page([], files=[f"{output}: {data!r}"]))
