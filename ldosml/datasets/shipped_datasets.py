"""The datasets that come with the project."""

from __future__ import annotations

from ldosml._ranges import check_arguments
from ldosml._shipped import shipped_file, shipped_files
from ldosml.datasets.dataset import LDOSDataset


def load_dataset(name: str = "silicon", smearing_width: float | None = None) -> LDOSDataset:
    """Load a dataset that ships with the project.

    Parameters
    ----------
    name : str
        See :func:`ldosml.datasets.available_datasets`.
    smearing_width : float, optional
        Broaden to this standard deviation, eV. Default: as stored.

    Returns
    -------
    LDOSDataset

    Raises
    ------
    ValueError
        For a name that does not exist, or a width below the stored one.
    """
    check_arguments(smearing_width=smearing_width)
    dataset = LDOSDataset.load(shipped_file(name, ".h5", "dataset"))
    return dataset if smearing_width is None else dataset.broaden_to(smearing_width)


def available_datasets() -> list[str]:
    """Give the names that ``load_dataset`` knows, sorted.

    Returns
    -------
    list of str
    """
    return sorted(shipped_files(".h5"))
