"""The options that all studies take, and the models and folds that follow from them."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from ldosml.cli.options import (
    AsJson,
    ZeroName,
    a_number_of_processes,
    above_zero,
    above_zero_kelvin,
    above_zero_width,
    an_energy,
)
from ldosml.cli.regressors import KernelName, check_alpha, read_alpha

if TYPE_CHECKING:
    from ldosml import SOAP, DOSModel
    from ldosml.studies import Setup

STUDIES = "Studies, by leaving out trajectories; a folder with table, figures and summary each"
_MOST = 1000  # numbers that one option may stand for
_DATA, _MODEL, _RUNNING = "Data and energies", "Model", "Running"


class StrategyName(StrEnum):
    """What is learned from: LDOS, total DOS (which is split over the atoms), or both."""

    atomic = "atomic"
    structural = "structural"
    joint = "joint"


Datasets = Annotated[
    list[str],
    typer.Argument(
        help="A dataset (.h5), or the name of a shipped one. Several are joined: broadened to the widest smearing, "
        "moved to one zero and cut to the same energies where they differ, or refused where that would lose something."
    ),
]
Dataset = Annotated[str, typer.Argument(help="A dataset (.h5), or the name of a shipped one.")]
Strategies = Annotated[
    list[StrategyName] | None,
    typer.Option(
        "--strategy",
        help="What to learn from: atomic (LDOS), structural (total DOS, which is then split) or joint (both); repeat "
        "for each. Default: all three.",
    ),
]
Strategy = Annotated[
    StrategyName,
    typer.Option(
        help="What to learn from: atomic (LDOS), structural (total DOS, which is then split) or joint (both)."
    ),
]
PropertyTemperature = Annotated[
    float | None,
    typer.Option(
        "--temperature",
        "-T",
        callback=above_zero_kelvin,
        help="Judge derived properties, too, at so many K. Default: spectra only.",
    ),
]


@dataclass(frozen=True)
class StudyOptions:
    """What every study can be told; see ``with_options``."""

    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for records.csv, figures, summary.json and log.jsonl.")
    ]
    folds: Annotated[
        int, typer.Option(min=2, help="Parts to leave out in turn; trajectories stay whole.", rich_help_panel=_DATA)
    ] = 5
    seed: Annotated[int, typer.Option(min=0, help="Random state of the folds.", rich_help_panel=_DATA)] = 0
    smearing: Annotated[
        float | None,
        typer.Option(
            callback=above_zero_width,
            help="Broaden the spectra to this width first, eV. Default: as stored, the widest of several files.",
            rich_help_panel=_DATA,
        ),
    ] = None
    zero: Annotated[
        ZeroName,
        typer.Option(
            help="Zero of energy to learn at; fermi needs the Fermi level of each structure.", rich_help_panel=_DATA
        ),
    ] = ZeroName.fermi
    low: Annotated[
        float | None,
        typer.Option(
            callback=an_energy,
            help="Judge spectra from this energy on, eV against that zero; learned is all from the first states on.",
            rich_help_panel=_DATA,
        ),
    ] = None
    high: Annotated[
        float | None,
        typer.Option(
            callback=an_energy,
            help="Learn and judge up to this energy, eV against that zero. Default: as far as every DOS is complete.",
            rich_help_panel=_DATA,
        ),
    ] = None
    r_cut: Annotated[float, typer.Option(help="Cutoff radius of SOAP, angstrom.", rich_help_panel=_MODEL)] = 6.0
    n_max: Annotated[int, typer.Option(min=1, help="Radial functions of SOAP.", rich_help_panel=_MODEL)] = 8
    l_max: Annotated[int, typer.Option(min=0, max=20, help="Highest degree of SOAP.", rich_help_panel=_MODEL)] = 6
    atom_sigma: Annotated[
        float,
        typer.Option(
            callback=above_zero("angstrom"), help="Width of SOAP's Gaussians, angstrom.", rich_help_panel=_MODEL
        ),
    ] = 0.5
    whiten: Annotated[
        bool, typer.Option("--whiten/--no-whiten", help="Whiten the descriptor.", rich_help_panel=_MODEL)
    ] = True
    kernel: Annotated[KernelName, typer.Option(help="Similarity of two environments.", rich_help_panel=_MODEL)] = (
        KernelName.matern
    )
    degree: Annotated[int, typer.Option(min=1, help="Of a polynomial kernel.", rich_help_panel=_MODEL)] = 2
    gamma: Annotated[
        float | None,
        typer.Option(
            callback=above_zero(),
            help="Of a gaussian, matern or polynomial kernel. Default: 0.3, without whitening 1.",
            rich_help_panel=_MODEL,
        ),
    ] = None
    alpha: Annotated[
        str,
        typer.Option(
            callback=check_alpha,
            help="Regularisation: a number, leave-one-group-out or leave-one-out.",
            rich_help_panel=_MODEL,
        ),
    ] = "leave-one-group-out"
    inducing: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Expand the kernel on so many environments, not on all: fast with many.",
            rich_help_panel=_MODEL,
        ),
    ] = None
    jobs: Annotated[
        int,
        typer.Option(
            callback=a_number_of_processes,
            help="Cross-validations side by side, -1 for one per core.",
            rich_help_panel=_RUNNING,
        ),
    ] = 1
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Delete the study that the folder holds and begin anew.", rich_help_panel=_RUNNING
        ),
    ] = False
    as_json: AsJson = False

    def settings(self) -> dict[str, Any]:
        """What the result depends on, as JSON can hold it."""
        left_out = {"output", "jobs", "overwrite", "as_json"}
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if name not in left_out}

    def soap(self) -> SOAP:
        """The SOAP, before it is whitened."""
        from ldosml import SOAP

        return SOAP(r_cut=self.r_cut, n_max=self.n_max, l_max=self.l_max, atom_sigma=self.atom_sigma)

    def regressors(self) -> dict[str, Any]:
        """A regressor of each strategy, by its name."""
        from ldosml.studies import default_strategies

        gamma = self.gamma if self.gamma is not None else 0.3 if self.whiten else 1.0
        options = {"alpha": read_alpha(self.alpha), "kernel": self.kernel.value, "degree": self.degree, "gamma": gamma}
        return default_strategies(self.inducing, **options)

    def model(self, strategy: StrategyName = StrategyName.atomic) -> DOSModel:
        """The model to cross-validate."""
        from ldosml import DOSModel, Whitened

        descriptor = Whitened(self.soap()) if self.whiten else self.soap()
        regressor = self.regressors()[strategy.value]
        return DOSModel(descriptor, regressor, zero=self.zero.value, high=self.high)

    def setup(self, **more: Any) -> Setup:
        """How to run the study; ``more`` are other fields of the setup."""
        from ldosml.studies import Setup

        given = {"n_splits": self.folds, "random_state": self.seed, "low": self.low, "high": self.high}
        return Setup(**{**given, "n_jobs": self.jobs, **more})


def with_options(*, without: tuple[str, ...] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the fields of ``StudyOptions`` as options, but those ``without``; it takes them as ``options``."""

    def changed(command: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "options"]
        hints = get_type_hints(StudyOptions, include_extras=True)
        shared = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default,
                annotation=hints[field.name],
            )
            for field in dataclasses.fields(StudyOptions)
            if field.name not in without
        ]
        named = {parameter.name for parameter in own}

        @wraps(command)
        def run(**given: Any) -> None:
            options = StudyOptions(**{name: value for name, value in given.items() if name not in named})
            command(**{name: value for name, value in given.items() if name in named}, options=options)

        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + shared
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return changed


def read_numbers(option: str, text: str) -> list[float]:
    """The numbers, ascending, of START:STOP:STEP (both ends included) or of a list with commas.

    Raises typer.BadParameter, naming the option, for anything else.
    """
    try:
        if ":" not in text:
            values = [float(part) for part in text.split(",")]
        else:
            start, stop, step = (float(part) for part in text.split(":"))
            count = int((stop - start) / step + 1e-9) + 1 if step > 0 else 0
            values = [round(start + step * number, 10) for number in range(min(count, _MOST + 1))]
    except (ValueError, OverflowError):
        values = []
    if not values or len(values) > _MOST or not all(map(isfinite, values)):
        raise typer.BadParameter(
            f"{option} takes a range START:STOP:STEP, as 2:8:0.5, or numbers with commas, as 3,4,6 ({_MOST} at most); "
            f"got {text!r}."
        )
    return sorted(set(values))


def read_counts(option: str, text: str) -> list[int]:
    """The whole numbers above zero that ``read_numbers`` finds.

    Raises typer.BadParameter, naming the option, for anything else.
    """
    values = read_numbers(option, text)
    if not all(value >= 1 and value == int(value) for value in values):
        raise typer.BadParameter(f"{option} takes whole numbers above 0; got {text!r}.")
    return [int(value) for value in values]
