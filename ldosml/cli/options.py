"""The program itself, and the options that several of its commands take."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ldosml.datasets import LDOSDataset

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class ReferenceName(StrEnum):
    """Meanings of an energy of zero."""

    fermi = "fermi"
    average_potential = "average_potential"
    vacuum = "vacuum"
    code = "code"


def _print_version(wanted: bool) -> None:
    if wanted:
        from ldosml import __version__

        print(f"ldosml {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Learn the electronic density of states from atomic structure."""


AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Jobs = Annotated[int, typer.Option(help="Processes for descriptors, -1 for one per core; starting them takes seconds.")]
Scheduler = Annotated[
    str | None,
    typer.Option(help="Address of a Dask scheduler (tcp://HOST:8786), on whose workers to run what comes in chunks."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]
Smearing = Annotated[
    float | None, typer.Option(min=0.0, help="Broaden the spectra to this width first, eV. Default: as stored.")
]
TestSize = Annotated[float, typer.Option(min=0.0, max=0.9, help="Fraction of structures held out to judge the model.")]
Seed = Annotated[int, typer.Option(min=0, help="Random state of the split.")]
Temperature = Annotated[
    float, typer.Option("--temperature", "-T", min=0.0, help="Of the electrons, K, for the derived properties.")
]
Electrons = Annotated[list[str] | None, typer.Option(help="Valence electrons of an element, as Si=4; repeat for each.")]


def valence(entries: list[str]) -> dict[str, float]:
    """Valence electrons by element, from texts such as Si=4."""
    result: dict[str, float] = {}
    for entry in entries:
        element, _, count = entry.partition("=")
        if element in result:
            raise ValueError(f"--electrons gives {element} twice.")
        try:
            result[element] = float(count)
        except ValueError:
            raise ValueError(f"--electrons takes an element and a number, as Si=4; got {entry!r}.") from None
    return result


def workers(context: typer.Context, jobs: int, scheduler: str | None) -> int | None:
    """Number of processes; None for those of the scheduler, which is in charge until the command ends."""
    if scheduler is None:
        return jobs
    if jobs != 1:
        raise ValueError("--jobs counts processes on this machine, --scheduler names others; give one of them.")
    from ldosml import on_cluster

    context.with_resource(on_cluster(scheduler))
    return None


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Refuse before the work is done, not after."""
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists already; pass --overwrite to replace it.")
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.absolute().parent} to write {path.name} in.")


def check_temperature(temperature: float) -> None:
    """Refuse before the work is done, not after."""
    if not 0 < temperature < float("inf"):
        raise ValueError(f"--temperature must be above 0 K and finite; got {temperature:g}.")


def check_folder(folder: Path) -> None:
    """Refuse a file where a folder is to be."""
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file; give a folder to write the report and its figures in.")


def open_dataset(name: str) -> LDOSDataset:
    """A dataset file, or a shipped dataset by its name."""
    from ldosml.datasets import LDOSDataset, available_datasets, load_dataset

    if name in available_datasets():
        return load_dataset(name)
    return LDOSDataset.read(name)
