"""The commands that follow errors along something: cutoff radius, training environments, smearing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ldosml.cli.display import known, mean_text, messages, results, table, with_interval
from ldosml.cli.model_options import LearnName, with_options
from ldosml.cli.options import app
from ldosml.cli.study_run import StudyRun
from ldosml.cli.studying import (
    STUDIES,
    Dataset,
    Datasets,
    Learned,
    PropertyTemperature,
    StudyOptions,
    read_counts,
    read_numbers,
)

if TYPE_CHECKING:
    from ldosml._journal import Record
    from ldosml.fragments import CutMode
    from ldosml.studies import CutoffSweep, LearningCurve, SmearingStudy

TUNED: dict[str, Sequence[Any]] = {"n_max": [6, 8], "atom_sigma": [0.3, 0.5], "gamma": [0.1, 0.3, 1.0]}
"""What --tune chooses among at every radius."""

_HARDLY = 0.05  # neighbours, which the table shows as 0.0

_SWEEP_WORDS = (
    "Complete fragments end where the SOAP stops noticing, sharp ones at the radius itself. Beyond the saturation\n"
    "radius none of those tried lowers the error by more than 5 % (95 %: bootstrap over trajectories). Bands in the\n"
    "figure run from the best fold to the worst."
)
_LEARNING_WORDS = (
    "Training parts are nested and of whole trajectories. Slope: of log(L/sigma) against log(environments), its mean\n"
    "over the folds and their standard deviation. Bands in the figure run from the best fold to the worst."
)
_SMEARING_WORDS = (
    "Intervals hold 95 % of the loss: a bootstrap over trajectories. Bands in the figure run from the best fold to the "
    "worst."
)


class ModeName(StrEnum):
    """Where fragments end."""

    complete = "complete"
    sharp = "sharp"


@app.command(rich_help_panel=STUDIES)
@with_options(StudyOptions, without=("r_cut",))
def sweep(
    datasets: Datasets,
    r_cut: Annotated[
        str, typer.Option(help="Radii, angstrom: START:STOP:STEP with both ends, or with commas, as 3,4,6.")
    ] = "2:8:1",
    mode: Annotated[
        list[ModeName] | None,
        typer.Option(
            help="Where fragments end: where the SOAP of that radius stops noticing (complete), or at the radius "
            "itself (sharp); repeat for both. Default: both."
        ),
    ] = None,
    tune: Annotated[
        bool,
        typer.Option(
            "--tune",
            help="Choose n_max (6 or 8), atom_sigma (0.3 or 0.5) and gamma (0.1, 0.3 or 1) anew at every radius and in "
            "every fold, by leaving out trajectories of its training part.",
        ),
    ] = False,
    *,
    options: StudyOptions,
) -> None:
    """Find how far an atom sees: errors of the LDOS against the cutoff radius, and where they saturate.

    Run again after a kill, the same command goes on where it stopped.
    """
    from ldosml import plotting
    from ldosml.studies import sweep_cutoffs

    radii = read_numbers("--r-cut", r_cut)
    modes: list[CutMode] = [one.value for one in dict.fromkeys(mode or ModeName)]
    grid = _tuned(options) if tune else None
    run = StudyRun("sweep", options, radii=radii, modes=modes, tune=grid)
    data = run.read(datasets)
    candidates = 1
    for values in (grid or {}).values():
        candidates *= len(values)
    run.announce(data, len(radii) * len(modes) * candidates)
    with run.running("Sweep of radii") as setup:
        found = sweep_cutoffs(data, radii, options.model(), modes=modes, tune=grid, setup=setup)
    saturation = [row for one in modes for row in found.saturation(one)]
    lonely = [r for r, count in found.neighbors.items() if count < _HARDLY]
    numbers = {"errors": pooled(found.records()), "saturation": saturation, "radii_without_neighbors": lonely}
    if lonely:
        _caution_lonely(lonely)
    figures = {"sweep": plotting.sweep_figure(found)}
    run.finish(found, figures, numbers, lambda: _show_sweep(found, saturation), [_SWEEP_WORDS])


def _tuned(options: StudyOptions) -> dict[str, Sequence[Any]]:
    if options.inducing is not None:
        raise typer.BadParameter(
            "--tune judges settings in closed form, which inducing points have none of: give one of them."
        )
    return {name: values for name, values in TUNED.items() if name != "gamma" or options.kernel.value != "linear"}


def _caution_lonely(radii: Sequence[float]) -> None:
    several = ", ".join(f"{r:g}" for r in radii)
    messages.print(
        f"caution: at r = {several} angstrom hardly an atom has a neighbour, or none: what is learned there is the "
        "mean spectrum of an element, or what SOAP sees beyond the radius.",
        style="yellow",
        soft_wrap=True,
    )


def _show_sweep(found: CutoffSweep, saturation: Sequence[Record]) -> None:
    several = len(found.elements) > 1
    for element in found.elements:
        losses = {mode: found.losses(mode, element) for mode in found.modes}
        rows = [
            [f"{r_cut:g}", f"{found.neighbors[r_cut]:.1f}", *(known(losses[mode][place]) for mode in found.modes)]
            for place, r_cut in enumerate(found.radii)
        ]
        mean = next(iter(found.errors.values())).mean_loss[f"ldos {element}"]
        rows += _floors(mean, found.noise.get(f"ldos {element}"), 1, len(found.modes))
        title = f"L/sigma of the LDOS{f' of {element}' if several else ''}"
        results.print(table(title, ("r (angstrom)", "neighbours", *found.modes), rows))
    rows = [
        [
            f"{row['mode']}{', ' + row['element'] if several else ''}",
            _reached(row["r_sat"], found.radii),
            f"{known(row['low'], 'g')} to {known(row['high'], 'g')}",
            " ".join(known(one, "g") for one in row["folds"]),
        ]
        for row in saturation
    ]
    results.print(table("Saturation radius, angstrom", ("fragments", "all folds", "95 %", "each fold"), rows))


def _reached(r_sat: float, radii: Sequence[float]) -> str:
    """The saturation radius in words, where it is an end of what was tried."""
    if r_sat == radii[-1]:
        return f"not within {r_sat:g}"
    return f"{r_sat:g} or less" if r_sat == radii[0] else known(r_sat, "g")


def pooled(records: Sequence[Record]) -> list[Record]:
    """The rows of all folds together."""
    return [{key: value for key, value in row.items() if key != "fold"} for row in records if row["fold"] == "all"]


def _floors(mean: float | None, noise: float | None, gap: int, count: int) -> list[list[str]]:
    """What an error lies between, as the last two rows of a table with ``count`` columns of errors after a ``gap``."""
    return [
        ["mean spectrum", *[""] * gap, *[mean_text(mean)] * count],
        ["label noise", *[""] * gap, *[known(noise)] * count],
    ]


@app.command("learning-curve", rich_help_panel=STUDIES)
@with_options(StudyOptions, without=("learn",))
def learning_curve_(
    datasets: Datasets,
    sizes: Annotated[
        str | None,
        typer.Option(help="Training environments, as 100,300,1000. Default: up to five, in equal ratios."),
    ] = None,
    learn: Learned = None,
    temperature: PropertyTemperature = None,
    *,
    options: StudyOptions,
) -> None:
    """Find how errors fall with the number of training environments, and their slopes.

    Run again after a kill, the same command goes on where it stopped.
    """
    from ldosml import plotting
    from ldosml.studies import learning_curve, spaced_sizes

    asked = None if sizes is None else read_counts("--sizes", sizes)
    names = [one.value for one in dict.fromkeys(learn or LearnName)]
    run = StudyRun("learning-curve", options, sizes=asked, learned=names, temperature=temperature)
    data = run.read(datasets)
    regressors = run.regressors(data, names)
    chosen = spaced_sizes(data, 5, options.folds, random_state=options.seed) if asked is None else asked
    run.announce(data, len(chosen), regressors)
    with run.running("Learning curve", temperature=temperature) as setup:
        found = learning_curve(data, chosen, options.model(), regressors, setup=setup)
    slopes = [
        dict(
            zip(
                ("regressor", "quantity", "slope", "deviation"),
                (name, quantity, *found.slope(name, quantity)),
                strict=True,
            )
        )
        for quantity in found.quantities
        for name in names
    ]
    figures = {"learning-curve": plotting.learning_curve_figure(found, run.drawn(found.quantities))}
    numbers = {"errors": pooled(found.records()), "slopes": slopes}
    run.finish(found, figures, numbers, lambda: _show_learning(found), [_LEARNING_WORDS])


def _show_learning(found: LearningCurve) -> None:
    from ldosml.plotting import quantity_name

    first = next(iter(found.errors.values()))
    for quantity in found.quantities:
        rows = []
        for size in found.sizes:
            counts = found.n_environments[size]
            losses = [found.errors[name, size].loss(quantity) for name in found.regressors]
            rows.append([f"{sum(counts) / len(counts):.0f}", *map(known, losses)])
        slopes = [found.slope(name, quantity) for name in found.regressors]
        rows.append(["slope", *(f"{known(slope, '.2f')} ± {known(spread, '.2f')}" for slope, spread in slopes)])
        rows += _floors(first.mean_loss.get(quantity), found.noise.get(quantity), 0, len(found.regressors))
        title = f"L/sigma of {quantity_name(quantity)}"
        results.print(table(title, ("training environments", *found.regressors), rows))


@app.command(rich_help_panel=STUDIES)
@with_options(StudyOptions, without=("smearing",))
def smearing(
    dataset: Dataset,
    widths: Annotated[str, typer.Option(help="Smearing widths, eV: with commas, or START:STOP:STEP.")] = (
        "0.1,0.2,0.3,0.5"
    ),
    temperature: PropertyTemperature = None,
    *,
    options: StudyOptions,
) -> None:
    """Find how errors fall as spectra are smeared, on the same energies, beside the noise of the labels.

    Run again after a kill, the same command goes on where it stopped.
    """
    from dataclasses import replace

    from ldosml import plotting
    from ldosml.studies import common_energies, smearing_study

    asked = read_numbers("--widths", widths)
    if asked[0] <= 0:
        raise typer.BadParameter(f"--widths must be above 0 eV: a width of zero is no smearing; got {asked[0]:g}.")
    run = StudyRun("smearing", options, widths=asked, temperature=temperature)
    data = run.read([dataset], broaden=False)
    chosen = run.regressors(data)
    low, high = common_energies(data, asked, options.model())
    run.options = replace(options, low=low if options.low is None else max(low, options.low), high=high)
    run.announce(data, len(asked), chosen, ", ".join(f"{width:g}" for width in asked))
    with run.running("Study of smearing", temperature=temperature) as setup:
        found = smearing_study(data, asked, run.options.model(), setup=setup)
    quantities = next(iter(found.errors.values())).quantities
    figure = plotting.smearing_figure(found, run.drawn(quantities))
    numbers = {"errors": found.records()}
    run.finish(found, {"smearing": figure}, numbers, lambda: _show_smearing(found, quantities), [_SMEARING_WORDS])


def _show_smearing(found: SmearingStudy, quantities: Sequence[str]) -> None:
    from ldosml.plotting import quantity_name

    by_name: Mapping[tuple[str, float], Record] = {
        (row["quantity"], row["smearing_width"]): row for row in found.records()
    }
    rows = [
        [
            quantity_name(quantity) if place == 0 else "",
            f"{width:g}",
            with_interval(by_name[quantity, width]),
            mean_text(by_name[quantity, width]["mean_spectrum_loss"]),
            known(by_name[quantity, width]["label_noise"]),
        ]
        for quantity in quantities
        for place, width in enumerate(found.errors)
    ]
    columns = ("left out", "smearing (eV)", "L/sigma", "mean spectrum", "label noise")
    results.print(table("Errors by smearing", columns, rows))
