"""The command ``ldosml info``."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ldosml._shipped import shipped_file, shipped_files
from ldosml.cli.display import Page, emit, flattened, table
from ldosml.cli.option_groups import with_groups
from ldosml.cli.options import PrintOptions, app, open_dataset

if TYPE_CHECKING:
    from ldosml.datasets import CrystalSet

Facts = dict[str, Any]

_SHIPPED = {"crystals": ".npz", "model": ".safetensors"}  # a set and its weights may share one name


@app.command(examples=("ldosml info silicon", "ldosml info model.ldosml --json"))
@with_groups
def info(
    path: Annotated[
        str,
        typer.Argument(
            help="A dataset (.h5), a set of crystals (.npz), a model (.ldosml, .safetensors), or the name of a shipped "
            "one, such as silicon or crystals."
        ),
    ],
    *,
    printing: PrintOptions,
) -> None:
    """Show what a dataset, crystal set or model holds.

    It also says where the content came from. If a set and a model ship under one name, both are shown.
    """
    facts = _facts(path)
    emit(facts, printing, lambda: _page(path, facts))


def _facts(name: str) -> Facts:
    """Facts of a file, or of a shipped dataset; under a heading each, of crystals and weights that share a name.

    Raises FileNotFoundError where there is neither, ValueError for a file that is damaged or something else.
    """
    path = Path(name)
    if name in shipped_files(".h5"):
        return _dataset(name)
    if path.suffix or path.is_file():
        return _of_file(path)
    return _shipped(name)


def _page(name: str, facts: Mapping[str, Any]) -> Page:
    """A table for each heading."""
    several = set(facts) <= set(_SHIPPED)
    parts = {f"{name}: {heading}": facts[heading] for heading in facts} if several else {name: facts}
    return Page([table(title, ("fact", "value"), _rows(part)) for title, part in parts.items()])


def _rows(facts: Mapping[str, Any]) -> Iterator[list[str]]:
    # By energy it is too much to read; --json has it.
    noise = {key: value for key, value in (facts.get("label_noise") or {}).items() if key != "by_energy"}
    return flattened({**facts, "label_noise": noise} if noise else facts)


def _of_file(path: Path) -> Facts:
    """By what the file begins with or holds; by its name where that tells nothing."""
    from ldosml import persistence
    from ldosml.datasets import CrystalSet
    from ldosml.kresolved.model_files import describe_crystal_model, is_safetensors

    if path.suffix == ".safetensors" or (path.is_file() and is_safetensors(path)):
        return describe_crystal_model(path)
    members = _members(path)
    if "spec.json" not in members and (path.suffix == ".npz" or "header.npy" in members):
        return _crystals(CrystalSet.load(path))
    if members or path.suffix == ".ldosml":
        return persistence.describe(path)
    return _dataset(str(path))


def _members(path: Path) -> list[str]:
    """Names in a zip file, which .npz and .ldosml are; none where it is not a whole one."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile):
        return []


def _shipped(name: str) -> Facts:
    from ldosml.datasets import load_crystals
    from ldosml.kresolved.model_files import describe_crystal_model

    found: Facts = {}
    if name in shipped_files(_SHIPPED["crystals"]):
        found["crystals"] = _crystals(load_crystals(name))
    if name in shipped_files(suffix := _SHIPPED["model"]):
        found["model"] = describe_crystal_model(shipped_file(name, suffix, "model of crystals"))
    if not found:
        known = {each for suffix in (".h5", *_SHIPPED.values()) for each in shipped_files(suffix)}
        raise FileNotFoundError(
            f"There is no file {name}, and nothing of this name ships with ldosml; available: "
            f"{', '.join(sorted(known))}."
        )
    return found


def _dataset(name: str) -> Facts:
    data = open_dataset(name)
    return {**data.summary(), "label_noise": data.label_noise, "provenance": data.provenance}


def _crystals(data: CrystalSet) -> Facts:
    return {**data.summary(), "provenance": data.provenance}
