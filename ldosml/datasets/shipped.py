"""The datasets that come with the project."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from ldosml.datasets.dataset import LDOSDataset
from ldosml.datasets.hdf5 import read


def load_dataset(name: str = "silicon", smearing_width: float | None = None) -> LDOSDataset:
    """Load a dataset that ships with the project.

    Parameters
    ----------
    name : str
        See :func:`available_datasets`.
    smearing_width : float, optional
        Broaden to this standard deviation, eV. Default: as stored.

    Raises
    ------
    ValueError
        For a name that does not exist, or a width below the stored one.
    """
    files = _files()
    if name not in files:
        raise ValueError(f"No dataset {name!r} ships with ldosml; available: {', '.join(sorted(files)) or 'none'}.")
    dataset = read(files[name])
    return dataset if smearing_width is None else dataset.broaden_to(smearing_width)


def available_datasets() -> list[str]:
    """Give the names that ``load_dataset`` knows."""
    return sorted(_files())


def _files() -> dict[str, Path]:
    return {path.stem: path for folder in _folders() for path in sorted(folder.glob("*.h5"))}


def _folders() -> list[Path]:
    """The folder(s) of the package ``ldosml.shipped``, which is data/ in a source tree that is not installed."""
    try:
        return [Path(folder) for folder in import_module("ldosml.shipped").__path__]
    except ModuleNotFoundError:
        return [Path(__file__).parents[2] / "data"]
