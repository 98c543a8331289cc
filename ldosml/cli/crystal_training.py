"""What the commands that train models of crystals share: options, parts of the crystals, and checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ldosml.cli.display import Stages
from ldosml.cli.options import refuse_existing

if TYPE_CHECKING:
    from ldosml.datasets import CrystalSet
    from ldosml.neural import Epoch

Crystals = Annotated[
    list[str],
    typer.Argument(
        help="Crystals with bands: a .npz file of CrystalSet.save (see data/README.md), or a shipped set. Of several, "
        "later ones do not change the parts of the first."
    ),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="Model file to write, .safetensors.")]
Patience = Annotated[int, typer.Option(min=1, help="Stop after this number of epochs without improvement.")]
LearningRate = Annotated[float, typer.Option(min=1e-6, max=1.0, help="Learning rate.")]
Batch = Annotated[int, typer.Option(min=1, help="Crystals in one step.")]
Epochs = Annotated[int, typer.Option(min=1, help="Largest number of passes over the crystals.")]
Split = Annotated[
    Literal["composition", "prototype", "element"], typer.Option(help="What distinguishes the test part.")
]
HeldOut = Annotated[
    list[str] | None,
    typer.Option(
        help="Formula, prototype or element (see --split) of the test part; repeat for several. Default: a random "
        "tenth."
    ),
]
TestSize = Annotated[
    list[float] | None,
    typer.Option(help="Fraction of the crystals in a random test part; repeat for each set. Default: 0.1."),
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(help="File saved after every epoch; the same command continues from it. Default: none."),
]
Seed = Annotated[int, typer.Option(min=0, help="Random seed of split and training.")]


def check_training_files(output: Path, checkpoint: Path | None, overwrite: bool) -> None:
    """Refuse unusable files before any work is done."""
    if output.suffix != ".safetensors":
        raise typer.BadParameter(f"--output must be a .safetensors file; got {output.name!r}.")
    refuse_existing(output, overwrite)
    if checkpoint is not None:
        refuse_existing(checkpoint, overwrite=True)  # checks its folder
        if checkpoint.resolve() == output.resolve():
            raise typer.BadParameter("--checkpoint and --output must be different files.")


@dataclass(frozen=True)
class Sets:
    """Sets of crystals for training, and how they are split."""

    names: Sequence[str]
    split: Literal["composition", "prototype", "element"]
    held_out: Sequence[str]
    test_size: Sequence[float]
    seed: int

    def keywords(self) -> dict[str, Any]:
        """Arguments of ``split_crystals`` beside the sets."""
        sizes = list(self.test_size) or [0.1]
        size = sizes[0] if len(sizes) == 1 else sizes
        return {
            "by": self.split,
            "held_out": list(self.held_out),
            "test_size": size,
            "random_state": self.seed,
        }

    def parts(self, stages: Stages) -> tuple[CrystalSet, CrystalSet, CrystalSet]:
        """Training, validation and test part, whose cells can be used."""
        from ldosml.datasets import load_crystals, split_crystals

        with stages(f"Reading {', '.join(self.names)}"):
            parts = split_crystals([load_crystals(name) for name in self.names], **self.keywords())
        with stages("Checking cells"):
            _check_cells(parts)
        return parts

    def record(self, training: CrystalSet) -> dict[str, Any]:
        """What a model file says about its training data; the split can be made again from it.

        No times: equal trainings give equal files.
        """
        return {
            "crystals": list(self.names),
            "names": training.names,
            "split": self.keywords(),
        }


def losses_of(epoch: Epoch) -> str:
    """Losses of an epoch, for the line of progress."""
    return f"loss {epoch.training_loss:.4f}, validation {epoch.validation_loss:.4f}"


def part_sizes(parts: Sequence[CrystalSet]) -> dict[str, int]:
    """Number of crystals of each part, by its name."""
    return {name: len(part) for name, part in zip(("training", "validation", "test"), parts, strict=True)}


def _check_cells(parts: Sequence[CrystalSet]) -> None:
    """Raise ValueError, with its name, for a crystal that cannot be used."""
    from ldosml.neural.inputs import place_bands

    for material in (material for part in parts[:2] for material in part):
        try:
            place_bands([material.atoms], [material.bands])
        except ValueError as error:
            raise ValueError(str(error).replace("Crystal 0", material.name)) from error
