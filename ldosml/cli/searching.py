"""The command search: which descriptor and kernel suit a dataset."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ldosml.cli.display import Stages, emit, results, table
from ldosml.cli.options import (
    AsJson,
    Jobs,
    Overwrite,
    Smearing,
    ZeroName,
    an_energy,
    app,
    check_range,
    open_dataset,
    refuse_existing,
)

if TYPE_CHECKING:
    from ldosml.search import Search

_COLUMNS = ("descriptor and kernel", "structures", "LDOS", "DOS", "features", "seconds")
_WORDS = (
    "L/sigma of trajectories left out, alpha chosen per energy. The best looks a little better here than it is:\n"
    "to state its error, search in the training part only (--test-size) and judge on the structures held out."
)


class TargetName(StrEnum):
    """Spectra whose error decides."""

    ldos = "ldos"
    dos = "dos"


@app.command()
def search(
    dataset: Annotated[str, typer.Argument(help="A dataset (.h5), or the name of a shipped dataset.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Table to write, .csv or .json: every candidate.")],
    target: Annotated[TargetName, typer.Option(help="Whose error decides.")] = TargetName.ldos,
    log: Annotated[
        Path | None, typer.Option(help="Log to continue after a kill. Default: beside the table, .log.jsonl.")
    ] = None,
    factor: Annotated[
        int, typer.Option(min=1, help="All candidates on 1/FACTOR of the structures, the best 1/FACTOR of them on all.")
    ] = 4,
    smearing: Smearing = None,
    zero: Annotated[ZeroName, typer.Option(help="What an energy of zero means.")] = ZeroName.fermi,
    low: Annotated[
        float | None, typer.Option(callback=an_energy, help="Lowest energy to judge, eV against that zero.")
    ] = None,
    high: Annotated[
        float | None, typer.Option(callback=an_energy, help="Highest energy to judge, eV against that zero.")
    ] = None,
    test_size: Annotated[float, typer.Option(min=0.0, max=0.9, help="Fraction of structures to keep out of it.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the split and of the structures judged first.")] = 0,
    jobs: Jobs = 1,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Search descriptor, kernel and their parameters by leaving out trajectories; print the model to copy."""
    from ldosml.search import search_settings
    from ldosml.tables import check_ending

    check_range(low, high)
    check_ending(output)
    refuse_existing(output, overwrite)
    stages = Stages()
    with stages(f"Reading {dataset}"):
        data = open_dataset(dataset)
        data = data if smearing is None else data.broaden_to(smearing)
    train = data.split(test_size=test_size, random_state=seed)[0] if test_size else data
    with stages.counted("Judging candidates") as advance:
        found = search_settings(
            train,
            target=target.value,
            zero=zero.value,
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
    found.save(output, overwrite=overwrite)
    result = {"best": found.best, "model": found.expression, "file": str(output), "records": found.records}
    emit(result, as_json, lambda: _show(found, output))


def _show(found: Search, output: Path) -> None:
    rows = [
        [
            f"{record['descriptor']} {record['regressor']}",
            record["n_structures"],
            f"{record['ldos_loss']:.4f}",
            f"{record['dos_loss']:.4f}",
            record["n_features"],
            f"{record['seconds']:.1f}",
        ]
        for record in found.records
        if record["n_structures"] == found.best["n_structures"]
    ]
    results.print(table("Judged on all structures, the best first", _COLUMNS, rows))
    results.print(_WORDS, soft_wrap=True)
    results.print(found.expression, soft_wrap=True)
    results.print(f"wrote {output}", soft_wrap=True)
