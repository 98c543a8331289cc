"""What every result of a study can do."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path

from ldosml._journal import Record
from ldosml.tables import save_table


class Tabulated(ABC):
    """A result with a tidy table: one row a number."""

    @abstractmethod
    def records(self) -> list[Record]:
        """The rows, all with the same entries."""

    def cautions(self) -> list[str]:
        """What must be known of the numbers besides themselves, in words; empty where there is nothing."""
        return []

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the records as a table, .csv or .json, see :func:`ldosml.tables.save_table`.

        Parameters
        ----------
        path : path
            .csv or .json.
        overwrite : bool
            Replace the file where it exists.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ValueError
            When ``path`` has another ending.
        FileExistsError
            When the file exists and ``overwrite`` is false.
        OSError
            When it cannot be written.
        """
        return save_table(path, self.records(), overwrite=overwrite)
