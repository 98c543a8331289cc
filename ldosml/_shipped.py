"""Files that come with the project: data sets, and models trained on them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path


def shipped_files(suffix: str) -> dict[str, Path]:
    """Files that end in ``suffix`` (with its dot) by their names without it."""
    return {path.stem: path for folder in _folders() for path in sorted(folder.glob(f"*{suffix}"))}


def shipped_file(name: str, suffix: str, what: str) -> Path:
    """The file of one name, or ValueError, which tells which there are; ``what`` is what it holds."""
    files = shipped_files(suffix)
    if name not in files:
        raise ValueError(f"No {what} {name!r} ships with ldosml; available: {', '.join(sorted(files)) or 'none'}.")
    return files[name]


def _folders() -> list[Path]:
    """The folder(s) of the package ``ldosml.shipped``, which is data/ in a source tree that is not installed."""
    try:
        return [Path(folder) for folder in import_module("ldosml.shipped").__path__]
    except ModuleNotFoundError:
        return [Path(__file__).parents[1] / "data"]
