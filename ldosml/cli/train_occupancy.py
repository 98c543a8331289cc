"""The command ``ldosml train-occupancy``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
    Patience,
    Seed,
    Sets,
    Split,
    TestSize,
    check_training_files,
    losses_of,
    part_sizes,
)
from ldosml.cli.display import Page, Stages, emit, table
from ldosml.cli.option_groups import with_groups
from ldosml.cli.options import Device, Overwrite, PrintOptions, app, check_torch_device

if TYPE_CHECKING:
    from ldosml.datasets import CrystalSet
    from ldosml.neural import Epoch, KOccupancyRegressor


@app.command(
    name="train-occupancy",
    examples=(
        "ldosml train-occupancy crystals -o mine.safetensors",
        "ldosml train-occupancy mine.npz -o mine.safetensors --split element --held-out Ti --checkpoint mine.part",
    ),
)
@with_groups
def train_occupancy(
    crystals: Crystals,
    output: Output,
    preset: Annotated[
        Literal["small", "paper"],
        typer.Option(
            help="small: the network for a CPU. paper: network, labels, symmetry and optimizer of Park et al., who "
            "used --epochs 600 --batch 64 on a GPU."
        ),
    ] = "small",
    epochs: Epochs = 40,
    batch: Batch = 8,
    learning_rate: LearningRate = 1e-3,
    patience: Patience = 10,
    split: Split = "composition",
    held_out: HeldOut = None,
    test_size: TestSize = None,
    checkpoint: Checkpoint = None,
    device: Device = "cpu",
    seed: Seed = 0,
    overwrite: Overwrite = False,
    *,
    printing: PrintOptions,
) -> None:
    """Train a neural model on crystals with known bands.

    The model predicts, for each k-point, the occupancy of energy bins. A tenth of the crystals, or the crystals
    of --held-out, is kept for a test and not used. Another tenth is for validation: it chooses the best epoch and
    the threshold of gaps.
    """
    from ldosml.neural import PAPER_PARAMETERS, KOccupancyRegressor

    check_training_files(output, checkpoint, overwrite)
    check_torch_device(device)
    stages = Stages()
    sets = Sets(crystals, split, held_out or (), test_size or (), seed)
    parts = sets.parts(stages)
    training, validation, _ = parts
    model = KOccupancyRegressor(
        **(PAPER_PARAMETERS if preset == "paper" else {}),
        n_epochs=epochs,
        batch_size=batch,
        learning_rate=learning_rate,
        patience=patience,
        random_state=seed,
        checkpoint=checkpoint,
        device=device,
    )
    with stages.counted(f"Training on {len(training)} crystals") as advance:

        def progress(epoch: Epoch) -> None:
            advance(epoch.number, epochs, losses_of(epoch))

        model.fit(
            training.crystals,
            training.bands,
            validation=(validation.crystals, validation.bands),
            progress=progress,
        )
    model.training_ = sets.record(training)
    saved_or_kept(lambda path: model.save(path, overwrite=overwrite), output)
    facts = _training_facts(model, parts, output) | {"seconds": stages.seconds}
    emit(facts, printing, lambda: _page(facts))


def _training_facts(model: KOccupancyRegressor, parts: Sequence[CrystalSet], output: Path) -> dict[str, Any]:
    from ldosml.neural import best_epoch

    best = best_epoch(model.history_)
    return {
        "file": str(output),
        **part_sizes(parts),
        "epochs": len(model.history_),
        "best_epoch": best.number,
        "training_loss": best.training_loss,
        "validation_loss": best.validation_loss,
        "gap_threshold": model.gap_threshold_.threshold,
        "validation_gap_error": model.gap_threshold_.score,
        "parameters": sum(parameter.numel() for parameter in model.network_.parameters()),
    }


def _page(facts: dict[str, Any]) -> Page:
    rows = [
        ["crystals: training, validation, test", f"{facts['training']}, {facts['validation']}, {facts['test']}"],
        ["best epoch", f"{facts['best_epoch']} of {facts['epochs']}"],
        ["loss: training, validation", f"{facts['training_loss']:.4f}, {facts['validation_loss']:.4f}"],
        ["mean error of gaps in validation", f"{facts['validation_gap_error']:.2f} eV"],
        ["parameters", f"{facts['parameters']:,}"],
    ]
    return Page([table("Training", ("quantity", "value"), rows)], files=[facts["file"]])
