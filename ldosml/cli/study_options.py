"""The options that all studies take."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ldosml.cli.model_options import DATA, LearnName, ModelOptions
from ldosml.cli.options import PrintOptions, a_number_of_processes, above_zero_kelvin, above_zero_width, an_energy

if TYPE_CHECKING:
    from ldosml.studies import Setup

STUDIES = "Studies by cross-validation; each writes a folder of results"
_RUNNING = "Running"

Datasets = Annotated[
    list[str],
    typer.Argument(
        help="Datasets (.h5), or names of shipped ones. Several are joined: brought to the widest smearing, one energy "
        "zero and common energies, with a message. If information would be lost, the command stops."
    ),
]
Learned = Annotated[
    list[LearnName] | None,
    typer.Option("--learn", help="What to learn from; repeat to compare several. Default: all three."),
]
PropertyTemperature = Annotated[
    float | None,
    typer.Option(
        "--temperature",
        "-T",
        callback=above_zero_kelvin,
        help="Temperature of derived properties, K. Default: spectra only.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """How a study is run, and on which model."""

    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for records.csv, figures, summary.json and log.jsonl.")
    ]
    folds: Annotated[
        int,
        typer.Option(min=2, help="Number of folds; structures of one group stay together.", rich_help_panel=DATA),
    ] = 5
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the folds.", rich_help_panel=DATA)] = 0
    smearing: Annotated[
        float | None,
        typer.Option(
            callback=above_zero_width,
            help="Broaden the spectra to this width first, eV. Default: as stored; the widest of several files.",
            rich_help_panel=DATA,
        ),
    ] = None
    low: Annotated[
        float | None,
        typer.Option(
            callback=an_energy,
            help="Lowest energy to evaluate, eV. Training always uses all energies. Default: the lowest there is.",
            rich_help_panel=DATA,
        ),
    ] = None
    model: ModelOptions
    jobs: Annotated[
        int,
        typer.Option(
            callback=a_number_of_processes,
            help="Number of processes, for descriptors and then for cross-validations; -1 for one per core.",
            rich_help_panel=_RUNNING,
        ),
    ] = 1
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Delete the study in the folder and start again.", rich_help_panel=_RUNNING),
    ] = False
    printing: PrintOptions

    def settings(self) -> dict[str, Any]:
        """What the result depends on, by option, as JSON can hold it."""
        left_out = {"output", "model", "jobs", "overwrite", "printing"}
        return dataclasses.asdict(self.model) | {
            field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name not in left_out
        }

    def setup(self, **more: Any) -> Setup:
        """How to run the study; ``more`` are other fields of the setup."""
        from ldosml.studies import Setup

        given = {"n_splits": self.folds, "random_state": self.seed, "low": self.low, "high": self.model.high}
        return Setup(**{**given, "n_jobs": self.jobs, **more})


def targets(learned: list[LearnName] | None) -> list[LearnName]:
    """What to learn from, in the order given; all where nothing is given."""
    return list(dict.fromkeys(learned or LearnName))
