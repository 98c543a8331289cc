"""The command ``ldosml search``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ldosml._files import saved_or_kept
from ldosml.cli.display import Page, Stages, cautioning, emit, table
from ldosml.cli.option_groups import with_groups
from ldosml.cli.options import (
    DatasetName,
    High,
    Jobs,
    Low,
    Overwrite,
    PrintOptions,
    Smearing,
    Zero,
    app,
    check_energies,
    open_dataset,
    refuse_existing,
)

if TYPE_CHECKING:
    from ldosml._journal import Record
    from ldosml.search import Search

_COLUMNS = ("descriptor and kernel", "structures", "LDOS", "DOS", "features", "seconds")
_WORDS = (
    "L/sigma of groups left out; alpha is chosen by leaving them out. The best candidate is slightly worse than it "
    "looks here. To state its error, hold structures out of the search (--test-size) and evaluate on them."
)


@app.command(
    examples=(
        "ldosml search silicon --smearing 0.3 -o candidates.csv",
        "ldosml search mine.h5 --target dos --test-size 0.2 -o candidates.csv --jobs -1",
    )
)
@with_groups
def search(
    dataset: DatasetName,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Table of all candidates to write: .csv, .json, .md or .tex.")
    ],
    target: Annotated[
        Literal["ldos", "dos"], typer.Option(help="Rank candidates by the error of the LDOS or of the DOS.")
    ] = "ldos",
    log: Annotated[
        Path | None, typer.Option(help="Log to continue from. Default: the name of the table with .log.jsonl.")
    ] = None,
    factor: Annotated[
        int,
        typer.Option(
            min=1, help="First try all on 1/FACTOR of the structures, then the best 1/FACTOR of them on all structures."
        ),
    ] = 4,
    smearing: Smearing = None,
    zero: Zero = "fermi",
    low: Low = None,
    high: High = None,
    test_size: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Fraction of structures to hold out of the search.")
    ] = 0.0,
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed of the split and of the structures of the first round.")
    ] = 0,
    jobs: Jobs = 1,
    overwrite: Overwrite = False,
    *,
    printing: PrintOptions,
) -> None:
    """Search for the best descriptor, kernel and parameters.

    Candidates are scored by cross-validation. The best model is printed as Python code. If the command is stopped,
    run it again to continue.
    """
    from ldosml.search import search_settings
    from ldosml.tables import check_ending

    check_energies(low, high)
    check_ending(output)
    refuse_existing(output, overwrite)
    stages = Stages()
    with stages(f"Reading {dataset}"):
        data = open_dataset(dataset)
        data = data if smearing is None else data.broaden_to(smearing)
    train = data.split(test_size=test_size, random_state=seed)[0] if test_size else data
    with cautioning(), stages.counted("Trying candidates") as advance:
        found = search_settings(
            train,
            target=target,
            zero=zero,
            low=low,
            high=high,
            factor=factor,
            log=output.with_suffix(".log.jsonl") if log is None else log,
            random_state=seed,
            n_jobs=jobs,
            progress=lambda done, total, record: advance(
                done, total, f"LDOS {record['ldos_loss']:.3f}, DOS {record['dos_loss']:.3f}"
            ),
        )
    saved_or_kept(lambda path: found.save(path, overwrite=overwrite), output)
    result = {"best": found.best, "model": found.expression, "file": str(output), "records": found.records}
    emit(result, printing, lambda: _page(found, output))


def _page(found: Search, output: Path) -> Page:
    whole = [_row(record) for record in found.records if record["n_structures"] == found.best["n_structures"]]
    title = "Candidates tried on all structures, best first"
    return Page([table(title, _COLUMNS, whole)], words=[_WORDS], code=found.expression, files=[output])


def _row(record: Record) -> list[object]:
    return [
        f"{record['descriptor']} {record['regressor']}",
        record["n_structures"],
        f"{record['ldos_loss']:.4f}",
        f"{record['dos_loss']:.4f}",
        record["n_features"],
        f"{record['seconds']:.1f}",
    ]
