"""The command ``ldosml train-bands``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ldosml._files import saved_or_kept
from ldosml.cli.crystal_training import (
    Batch,
    Checkpoint,
    Crystals,
    Epochs,
    HeldOut,
    LearningRate,
    Output,
    Seed,
    Sets,
    Split,
    TestSize,
    check_training_files,
    losses_of,
    part_sizes,
)
from ldosml.cli.display import Page, Stages, cautioning, emit, known, table
from ldosml.cli.option_groups import with_groups
from ldosml.cli.options import Overwrite, PrintOptions, app

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ldosml.datasets import CrystalSet
    from ldosml.neural import Epoch, TightBindingRegressor


@app.command(
    name="train-bands",
    examples=(
        "ldosml train-bands crystals mine.npz -o mine.safetensors --checkpoint run",
        "ldosml train-bands mine.npz -o mine.safetensors --networks 5 --split element --held-out Ti",
    ),
)
@with_groups
def train_bands(
    crystals: Crystals,
    output: Output,
    networks: Annotated[int, typer.Option(min=1, help="Number of networks, whose differences are the spread.")] = 3,
    epochs: Epochs = 100,
    batch: Batch = 4,
    learning_rate: LearningRate = 3e-3,
    split: Split = "composition",
    held_out: HeldOut = None,
    test_size: TestSize = None,
    checkpoint: Checkpoint = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    *,
    printing: PrintOptions,
) -> None:
    """Train learned tight binding on crystals with known bands.

    Tight binding is fitted to the bands; then networks learn to correct its parameters. A tenth of the crystals, or
    the crystals of --held-out, is kept for a test and not used. Another tenth is for validation: it chooses the best
    epoch.
    """
    from ldosml.neural import TightBindingRegressor

    check_training_files(output, checkpoint, overwrite)
    stages = Stages()
    sets = Sets(crystals, split, held_out or (), test_size or (), seed)
    parts = sets.parts(stages)
    training, validation, _ = parts
    model = TightBindingRegressor(
        n_networks=networks,
        n_epochs=epochs,
        batch_size=batch,
        learning_rate=learning_rate,
        random_state=seed,
        checkpoint=checkpoint,
    )
    with stages.counted(f"Fitting and training on {len(training)} crystals") as advance, cautioning() as cautions:
        done = 0

        def progress(epoch: Epoch) -> None:
            nonlocal done
            done += 1
            advance(done, networks * epochs, losses_of(epoch))

        model.fit(
            training.crystals,
            training.bands,
            validation=(validation.crystals, validation.bands),
            progress=progress,
        )
    model.training_ = sets.record(training)
    saved_or_kept(lambda path: model.save(path, overwrite=overwrite), output)
    facts = _training_facts(model, parts, output) | {"cautions": cautions, "seconds": stages.seconds}
    emit(facts, printing, lambda: _page(facts))


def _training_facts(model: TightBindingRegressor, parts: Sequence[CrystalSet], output: Path) -> dict[str, Any]:
    from ldosml.neural import best_epoch

    best = [best_epoch(history) for history in model.history_]
    return {
        "file": str(output),
        **part_sizes(parts),
        "epochs": [len(history) for history in model.history_],
        "best_epochs": [epoch.number for epoch in best],
        "validation_losses": [epoch.validation_loss for epoch in best],
        "gap_errors": model.gap_errors_,
        "parameters": sum(parameter.numel() for parameter in model.network_.networks.parameters()),
    }


def _page(facts: dict[str, Any]) -> Page:
    errors = facts["gap_errors"]
    rows = [
        ["crystals: training, validation, test", f"{facts['training']}, {facts['validation']}, {facts['test']}"],
        ["best epoch of each network", ", ".join(str(n) for n in facts["best_epochs"])],
        ["validation loss of each network", ", ".join(f"{loss:.4f}" for loss in facts["validation_losses"])],
        ["mean error of gaps of non-metals in validation (eV)", known(errors["non-metals"], ".2f")],
        ["mean error of gaps of metals (eV)", known(errors["metals"], ".2f")],
        ["taken for the other, metals and non-metals", f"{errors['misjudged']:.1%}"],
        ["parameters", f"{facts['parameters']:,}"],
    ]
    return Page([table("Training", ("quantity", "value"), rows)], files=[facts["file"]])
