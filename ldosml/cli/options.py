"""The program itself, and the options that several of its commands take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ldosml._files import check_writable
from ldosml.cli.program import Program, shown_examples

if TYPE_CHECKING:
    from ldosml.datasets import LDOSDataset

app = Program(
    no_args_is_help=True,
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog=shown_examples(("ldosml demo", "ldosml predict ldosml-demo/model.ldosml new.xyz -o new.npz")),
    add_completion=False,
    pretty_exceptions_enable=False,
)

# As ldosml.energy.Zero, which is not imported here: that would take long before a help is shown.
ZeroName = Literal["fermi", "average_potential", "vacuum", "code"]
FormatName = Literal["text", "markdown", "latex", "csv"]


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


Numbers = float | list[float] | None


def above_zero(unit: str = "", hint: str = "") -> Callable[[Numbers], Numbers]:
    """Make the check of an option that takes finite numbers above zero, for typer to call before a command begins."""

    def check(given: Numbers) -> Numbers:
        for value in given if isinstance(given, list) else [given]:
            if value is not None and not 0 < value < float("inf"):
                raise typer.BadParameter(f"must be above 0{unit and ' ' + unit} and finite; got {value:g}.{hint}")
        return given

    return check


above_zero_width = above_zero("eV", " A width of zero is no smearing: leave the option out to keep the stored width.")
above_zero_kelvin = above_zero("K")


def an_energy(given: float | None) -> float | None:
    """Check an option that takes an energy."""
    if given is not None and not isfinite(given):
        raise typer.BadParameter(f"must be an energy in eV; got {given:g}.")
    return given


def a_number_of_processes(given: int) -> int:
    """Check an option that takes a number of processes."""
    if given == 0:
        raise typer.BadParameter("must be a number of processes, or -1 for one per core; got 0.")
    return given


DatasetName = Annotated[str, typer.Argument(help="A dataset (.h5), or the name of a shipped one.")]
FRAMES = "run.traj@10: takes the frames from 10 on (counted from 0), @-1 the last, @::5 every fifth."
StructuresFile = Annotated[Path, typer.Argument(help=f"Structures, in any format that ASE reads. {FRAMES}")]
ModelFile = Annotated[Path, typer.Argument(help="A model that fit or demo wrote, .ldosml.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else, to standard output.")]
Jobs = Annotated[
    int,
    typer.Option(
        callback=a_number_of_processes,
        help="Number of processes for descriptors, -1 for one per core; starting them takes seconds.",
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        help="Address of a Dask scheduler (tcp://HOST:8786), whose workers run the parallel parts. Default: no cluster."
    ),
]
Species = Annotated[
    str | None,
    typer.Option(
        metavar="ELEMENTS",
        help="Elements of the atom types 1, 2, ... of a LAMMPS file, as Si,C. Default: as the file says.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]
Smearing = Annotated[
    float | None,
    typer.Option(callback=above_zero_width, help="Broaden the spectra to this width first, eV. Default: as stored."),
]
Zero = Annotated[ZeroName, typer.Option(help="Energy zero of the spectra.")]
Low = Annotated[
    float | None, typer.Option(callback=an_energy, help="Lowest energy to evaluate, eV. Default: the lowest there is.")
]
High = Annotated[
    float | None, typer.Option(callback=an_energy, help="Highest energy to evaluate, eV. Default: the highest.")
]
TestSize = Annotated[float, typer.Option(min=0.0, max=0.9, help="Fraction of structures to hold out and evaluate on.")]
Device = Annotated[str, typer.Option(help="Device of PyTorch: cpu, cuda, or another.")]
Seed = Annotated[int, typer.Option(min=0, help="Random seed of the split.")]
Temperature = Annotated[
    float,
    typer.Option("--temperature", "-T", callback=above_zero_kelvin, help="Temperature of derived properties, K."),
]
Electrons = Annotated[
    list[str] | None,
    typer.Option(help="Valence electrons of an element, as Si=4; repeat for each element. Default: as the data say."),
]


@dataclass(frozen=True, kw_only=True)
class PrintOptions:
    """How a command prints its result."""

    form: Annotated[
        FormatName,
        typer.Option(
            "--format",
            help="How to print tables. With all but text, only the tables go to standard output, everything else to "
            "standard error.",
        ),
    ] = "text"
    as_json: AsJson = False

    def __post_init__(self) -> None:
        """Refuse two forms at once."""
        if self.as_json and self.form != "text":
            raise typer.BadParameter("--json prints no table; give --json or --format.")


def valence(entries: list[str]) -> dict[str, float]:
    """Valence electrons by element, from texts such as Si=4."""
    result: dict[str, float] = {}
    for entry in entries:
        element, _, count = entry.partition("=")
        if element in result:
            raise typer.BadParameter(f"--electrons gives {element} twice.")
        try:
            result[element] = float(count)
        except ValueError:
            result[element] = float("nan")
        if not 0 <= result[element] < float("inf"):
            raise typer.BadParameter(f"--electrons takes an element and a number, as Si=4; got {entry!r}.")
    return result


def elements_of_types(species: str | None) -> list[str] | None:
    """Elements of the atom types of a LAMMPS file, from a text such as Si,C."""
    return None if species is None else [symbol.strip() for symbol in species.split(",")]


def workers(context: typer.Context, jobs: int, scheduler: str | None) -> int | None:
    """Number of processes; None if the scheduler runs the work, until the command ends."""
    if scheduler is None:
        return jobs
    if jobs != 1:
        raise typer.BadParameter("--jobs counts processes on this machine, --scheduler names others; give one of them.")
    from ldosml import on_cluster

    context.with_resource(on_cluster(scheduler))
    return None


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Refuse before the work is done, not after."""
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists already; pass --overwrite to replace it.")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give a name for the file.")
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.absolute().parent} to write {path.name} in.")
    check_writable(path)


def check_energies(low: float | None, high: float | None) -> None:
    """Raise ParameterError for energies in the wrong order, before data are read."""
    from ldosml._validation import check_order

    if low is not None and high is not None:
        check_order(low, high)


def check_folder(folder: Path) -> None:
    """Refuse a file where a folder is to be, and a folder that cannot be written."""
    for part in (folder, *folder.parents):
        if part.exists() and not part.is_dir():
            raise FileExistsError(f"{part} is a file; give a folder to write the report and its figures in.")
    check_writable(folder / "report.html")


def open_dataset(name: str) -> LDOSDataset:
    """A dataset file, or a shipped dataset by its name."""
    from ldosml.datasets import LDOSDataset, available_datasets, load_dataset

    if name in available_datasets():
        return load_dataset(name)
    return LDOSDataset.load(name)


def check_torch_device(device: str) -> None:
    """Refuse a device that is not there before data are read."""
    from ldosml.neural.inputs import check_device

    try:
        check_device(device)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
