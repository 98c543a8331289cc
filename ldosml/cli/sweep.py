"""The command ``ldosml sweep``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from math import prod
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ldosml.cli.display import floor_rows, known, messages, table
from ldosml.cli.number_lists import FORMS, read_numbers
from ldosml.cli.option_groups import with_groups
from ldosml.cli.options import app
from ldosml.cli.study import Study, pooled
from ldosml.cli.study_options import STUDIES, Datasets, StudyOptions

if TYPE_CHECKING:
    from ldosml._journal import Record
    from ldosml.fragments import CutMode
    from ldosml.studies import CutoffSweep
    from ldosml.tables import ResultTable

TUNED: dict[str, Sequence[Any]] = {"n_max": [6, 8], "atom_sigma": [0.3, 0.5], "gamma": [0.1, 0.3, 1.0]}
"""What --tune chooses among at every radius."""

_HARDLY = 0.05  # neighbours, which the table shows as 0.0

_WORDS = (
    "Complete fragments hold all atoms that the SOAP of that radius notices; sharp ones end at the radius. Beyond the "
    "saturation radius no larger one lowers the error by more than 5 % (95 %, bootstrap over groups). Bands in the "
    "figure run from the best fold to the worst."
)


class ModeName(StrEnum):
    """Where fragments end."""

    complete = "complete"
    sharp = "sharp"


@app.command(
    rich_help_panel=STUDIES,
    examples=(
        "ldosml sweep silicon --smearing 0.3 -o sweep",
        "ldosml sweep mine.h5 --r-cut 3,4,6 --mode sharp -o sweep --jobs -1",
    ),
)
@with_groups
def sweep(
    datasets: Datasets,
    r_cut: Annotated[str, typer.Option(metavar="NUMBERS", help=f"Cutoff radii, angstrom: {FORMS}.")] = "2:8:1",
    mode: Annotated[
        list[ModeName] | None,
        typer.Option(
            help="Where fragments end: complete ones hold all atoms that the SOAP notices, sharp ones end at the "
            "radius; repeat for both. Default: both."
        ),
    ] = None,
    tune: Annotated[
        bool,
        typer.Option(
            "--tune",
            help="Choose n_max (6 or 8), atom_sigma (0.3 or 0.5) and gamma (0.1, 0.3 or 1) at every radius and in "
            "every fold, by cross-validation within the training part.",
        ),
    ] = False,
    *,
    options: StudyOptions,
) -> None:
    """Show how errors depend on the cutoff radius.

    This tells how local the LDOS is: beyond the saturation radius, errors fall no further. The descriptor is SOAP
    alone. If the command is stopped, run it again to continue.
    """
    from ldosml import plotting
    from ldosml.studies import sweep_cutoffs

    if options.model.descriptor not in (None, "soap"):
        raise typer.BadParameter(
            f"A sweep changes the radius of SOAP: leave out --descriptor {options.model.descriptor}."
        )
    radii = read_numbers("--r-cut", r_cut)
    modes: list[CutMode] = [one.value for one in dict.fromkeys(mode or ModeName)]
    grid = _tuned(options) if tune else {}
    for radius in radii:
        replace(options.model, r_cut=radius).check()
    study = Study("sweep", options, r_cut=radii, modes=modes, tune=grid or None)
    data = study.read(datasets)
    model = options.model.soap_model()
    study.announce(data, model, len(radii) * len(modes) * prod(map(len, grid.values())))
    with study.running("Sweep of radii") as setup:
        found = sweep_cutoffs(data, radii, model, modes=modes, tune=grid or None, setup=setup)
    saturation = [row for one in modes for row in found.saturation(one)]
    numbers = {
        "errors": pooled(found.records()),
        "saturation": saturation,
        "radii_without_neighbors": _warn_of_lonely(found),
    }
    figures = {"sweep": plotting.sweep_figure(found)}
    study.finish(found, figures, numbers, lambda: _tables(found, saturation), [_WORDS])


def _tuned(options: StudyOptions) -> dict[str, Sequence[Any]]:
    if options.model.inducing is not None:
        raise typer.BadParameter("--tune works without inducing points only: give --tune or --inducing.")
    return {name: values for name, values in TUNED.items() if name != "gamma" or options.model.kernel != "linear"}


def _warn_of_lonely(found: CutoffSweep) -> list[float]:
    """Radii at which atoms have no neighbours, with a caution on standard error."""
    lonely = [radius for radius, count in found.neighbors.items() if count < _HARDLY]
    if lonely:
        several = ", ".join(f"{radius:g}" for radius in lonely)
        messages.print(
            f"caution: at r = {several} angstrom almost no atom has a neighbour. There the model learns the mean "
            "spectrum of each element, or what SOAP sees beyond the radius.",
            style="yellow",
            soft_wrap=True,
        )
    return lonely


def _tables(found: CutoffSweep, saturation: Sequence[Record]) -> list[ResultTable]:
    several = len(found.elements) > 1
    tables = []
    for element in found.elements:
        title = f"L/sigma of the LDOS{f' of {element}' if several else ''}"
        columns = ("radius (angstrom)", "neighbours", *(f"{mode} fragments" for mode in found.modes))
        tables.append(table(title, columns, _error_rows(found, element)))
    rows = [
        [
            f"{row['mode']}{', ' + row['element'] if several else ''}",
            reached(row["r_sat"], found.radii),
            f"{known(row['low'], 'g')} to {known(row['high'], 'g')}",
            ", ".join(known(one, "g") for one in row["folds"]),
        ]
        for row in saturation
    ]
    columns = ("fragments", "all folds", "95 % interval", "each fold")
    return [*tables, table("Saturation radius (angstrom)", columns, rows)]


def _error_rows(found: CutoffSweep, element: str) -> list[list[str]]:
    losses = {mode: found.losses(mode, element) for mode in found.modes}
    rows = [
        [f"{r_cut:g}", f"{found.neighbors[r_cut]:.1f}", *(known(losses[mode][place]) for mode in found.modes)]
        for place, r_cut in enumerate(found.radii)
    ]
    mean = next(iter(found.errors.values())).mean_loss[f"ldos {element}"]
    return rows + floor_rows(mean, found.noise.get(f"ldos {element}"), 1, len(found.modes))


def reached(r_sat: float, radii: Sequence[float]) -> str:
    """The saturation radius as text; a bound where it is the first or last radius tried."""
    if r_sat == radii[-1]:
        return f"not within {r_sat:g}"
    return f"{r_sat:g} or less" if r_sat == radii[0] else known(r_sat, "g")
