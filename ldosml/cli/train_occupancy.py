"""The command ``ldosml train-occupancy``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ldosml.cli.display import Page, Stages, emit, table
from ldosml.cli.option_groups import with_groups
from ldosml.cli.options import Device, Overwrite, PrintOptions, app, check_torch_device, refuse_existing

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
    crystals: Annotated[
        str,
        typer.Argument(
            help="Crystals with bands (a .npz file of CrystalSet.save, see data/README.md), or a shipped set."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Model file to write, .safetensors.")],
    preset: Annotated[
        Literal["small", "paper"],
        typer.Option(
            help="small: the network for a CPU. paper: network, labels, symmetry and optimizer of Park et al., who "
            "used --epochs 600 --batch 64 on a GPU."
        ),
    ] = "small",
    epochs: Annotated[int, typer.Option(min=1, help="Largest number of passes over the crystals.")] = 40,
    batch: Annotated[int, typer.Option(min=1, help="Crystals in one step.")] = 8,
    learning_rate: Annotated[float, typer.Option(min=1e-6, max=1.0, help="Learning rate.")] = 1e-3,
    patience: Annotated[int, typer.Option(min=1, help="Stop after this number of epochs without improvement.")] = 10,
    split: Annotated[
        Literal["composition", "prototype", "element"], typer.Option(help="What distinguishes the test part.")
    ] = "composition",
    held_out: Annotated[
        list[str] | None,
        typer.Option(
            help="Formula, prototype or element (see --split) of the test part; repeat for several. Default: a random "
            "tenth."
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="File saved after every epoch; the same command continues from it. Default: none."),
    ] = None,
    device: Device = "cpu",
    seed: Annotated[int, typer.Option(min=0, help="Random seed of split and training.")] = 0,
    overwrite: Overwrite = False,
    *,
    printing: PrintOptions,
) -> None:
    """Train a neural model on crystals with known bands.

    The model predicts, for each k-point, the occupancy of energy bins. A tenth of the crystals, or the crystals
    of --held-out, is kept for a test and not used. Another tenth is for validation: it chooses the best epoch and
    the threshold of gaps.
    """
    from ldosml.datasets import load_crystals, split_crystals
    from ldosml.neural import PAPER_PARAMETERS, KOccupancyRegressor

    _check_files(output, checkpoint, overwrite)
    check_torch_device(device)
    stages = Stages()
    with stages(f"Reading {crystals}"):
        data = load_crystals(crystals)
        parts = split_crystals(data, split, held_out or (), random_state=seed)
    with stages("Checking cells"):
        _check_cells(parts)
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
            losses = f"loss {epoch.training_loss:.4f}, validation {epoch.validation_loss:.4f}"
            advance(epoch.number, epochs, losses)

        model.fit(
            training.crystals,
            training.bands,
            validation=(validation.crystals, validation.bands),
            progress=progress,
        )
    model.training_ = {
        "crystals": crystals,
        "names": training.names,
        "split": {"by": split, "held_out": list(held_out or ()), "random_state": seed},
        "seconds": stages.seconds,
    }
    model.save(output, overwrite=overwrite)
    facts = _training_facts(model, parts, output)
    emit(facts, printing, lambda: _page(facts))


def _check_files(output: Path, checkpoint: Path | None, overwrite: bool) -> None:
    """Refuse unusable files before any work is done."""
    if output.suffix != ".safetensors":
        raise typer.BadParameter(f"--output must be a .safetensors file; got {output.name!r}.")
    refuse_existing(output, overwrite)
    if checkpoint is not None:
        refuse_existing(checkpoint, overwrite=True)  # checks its folder
        if checkpoint.resolve() == output.resolve():
            raise typer.BadParameter("--checkpoint and --output must be different files.")


def _check_cells(parts: Sequence[CrystalSet]) -> None:
    """Raise ValueError, with its name, for a crystal that cannot be used."""
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


def _page(facts: dict[str, Any]) -> Page:
    rows = [
        ["crystals: training, validation, test", f"{facts['training']}, {facts['validation']}, {facts['test']}"],
        ["best epoch", f"{facts['best_epoch']} of {facts['epochs']}"],
        ["loss: training, validation", f"{facts['training_loss']:.4f}, {facts['validation_loss']:.4f}"],
        ["mean error of gaps in validation", f"{facts['validation_gap_error']:.2f} eV"],
        ["parameters", f"{facts['parameters']:,}"],
    ]
    return Page([table("Training", ("quantity", "value"), rows)], files=[facts["file"]])
