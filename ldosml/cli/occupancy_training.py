"""The command that trains neural models of the electronic structure of crystals."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ldosml.cli.display import Stages, emit, messages, results, table
from ldosml.cli.options import AsJson, Device, Overwrite, app, check_torch_device, refuse_existing

if TYPE_CHECKING:
    from ldosml.datasets import CrystalSet
    from ldosml.neural import Epoch, KOccupancyRegressor


class PresetName(StrEnum):
    """Networks."""

    small = "small"
    paper = "paper"


class SplitName(StrEnum):
    """What a test part differs in."""

    composition = "composition"
    prototype = "prototype"
    element = "element"


@app.command(name="train-occupancy")
def train_occupancy(
    crystals: Annotated[
        str,
        typer.Argument(
            help="Crystals with bands (.npz, as CrystalSet.write makes it: see data/README.md), or a shipped set."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="File for the model, .safetensors.")],
    preset: Annotated[
        PresetName,
        typer.Option(
            help="small: ours. paper: network, labels, symmetry and optimizer of Park et al., who took --epochs 600 "
            "--batch 64 and a GPU."
        ),
    ] = PresetName.small,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the crystals, at most.")] = 40,
    batch: Annotated[int, typer.Option(min=1, help="Crystals in a step.")] = 8,
    learning_rate: Annotated[float, typer.Option(min=1e-6, max=1.0, help="Largest step of the optimizer.")] = 1e-3,
    patience: Annotated[int, typer.Option(min=1, help="Epochs without a better one, after which to stop.")] = 10,
    split: Annotated[SplitName, typer.Option(help="What the test part differs in.")] = SplitName.composition,
    held_out: Annotated[
        list[str] | None,
        typer.Option(help="Formula, prototype or element, as --split says, of the test part; repeat for each."),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="File written after every epoch, from which the same command goes on after a stop."),
    ] = None,
    device: Device = "cpu",
    seed: Annotated[int, typer.Option(min=0, help="Of the split, and of everything random in training.")] = 0,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Train a neural model of which energies hold states, by k-point, on crystals whose bands are known.

    A tenth of the crystals (or those that --held-out names) is left for a test, which is never looked at, a tenth
    chooses the best epoch and the threshold of gaps.
    """
    from ldosml.datasets import open_crystals, split_crystals
    from ldosml.neural import AS_IN_THE_PAPER, KOccupancyRegressor, save_occupancy_model

    _check_files(output, checkpoint, overwrite)
    check_torch_device(device)
    stages = Stages()
    with stages(f"Reading {crystals}"):
        data = open_crystals(crystals)
        parts = split_crystals(data, split.value, held_out or (), random_state=seed)
    with stages("Checking cells"):
        _check_cells(parts)
    training, validation, _ = parts
    model = KOccupancyRegressor(
        **(AS_IN_THE_PAPER if preset == PresetName.paper else {}),
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
            told = f"loss {epoch.training_loss:.4f}, validation {epoch.validation_loss:.4f}"
            advance(epoch.number, epochs, told)
            if not messages.is_terminal:  # where there is no bar
                messages.print(f"epoch {epoch.number} of {epochs}: {told}")

        model.fit(
            training.crystals,
            training.bands,
            validation=(validation.crystals, validation.bands),
            progress=progress,
        )
    model.training_ = {
        "crystals": crystals,
        "names": training.names,
        "split": {"by": split.value, "held_out": list(held_out or ()), "random_state": seed},
        "seconds": stages.seconds,
    }
    save_occupancy_model(model, output, overwrite=overwrite)
    facts = _training_facts(model, parts, output)
    emit(facts, as_json, lambda: _show_training(facts))


def _check_files(output: Path, checkpoint: Path | None, overwrite: bool) -> None:
    """Refuse before the work is done, not after."""
    if output.suffix != ".safetensors":
        raise typer.BadParameter(f"The model is written to a .safetensors file; got {output.name!r}.")
    refuse_existing(output, overwrite)
    if checkpoint is not None:
        refuse_existing(checkpoint, overwrite=True)  # its folder must exist, and it be none
        if checkpoint.resolve() == output.resolve():
            raise typer.BadParameter("The checkpoint and the model need names of their own; both are the same file.")


def _check_cells(parts: Sequence[CrystalSet]) -> None:
    """Raise ValueError for a crystal that cannot be trained on, by its name."""
    from ldosml.neural.inputs import place_bands

    for material in (material for part in parts[:2] for material in part):
        try:
            place_bands([material.atoms], [material.bands])
        except ValueError as error:
            raise ValueError(str(error).replace("Crystal 0", material.name)) from error


def _training_facts(model: KOccupancyRegressor, parts: Sequence[CrystalSet], output: Path) -> dict[str, Any]:
    from ldosml.neural import best_epoch

    best = best_epoch(model.history_)
    return {
        "file": str(output),
        "training": len(parts[0]),
        "validation": len(parts[1]),
        "test": len(parts[2]),
        "epochs": len(model.history_),
        "best_epoch": best.number,
        "training_loss": best.training_loss,
        "validation_loss": best.validation_loss,
        "gap_threshold": model.gap_threshold_.threshold,
        "validation_gap_error": model.gap_threshold_.score,
        "parameters": sum(parameter.numel() for parameter in model.network_.parameters()),
    }


def _show_training(facts: dict[str, Any]) -> None:
    rows = [
        ["crystals: training, validation, test", f"{facts['training']}, {facts['validation']}, {facts['test']}"],
        ["best epoch", f"{facts['best_epoch']} of {facts['epochs']}"],
        ["loss: training, validation", f"{facts['training_loss']:.4f}, {facts['validation_loss']:.4f}"],
        ["error of gaps in validation", f"{facts['validation_gap_error']:.2f} eV"],
        ["parameters", f"{facts['parameters']:,}"],
    ]
    results.print(table("Training", ("quantity", "value"), rows))
    results.print(f"wrote {facts['file']}", soft_wrap=True)
