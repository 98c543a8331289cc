"""The table that every result of a study has."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path

from ldosml._journal import Record
from ldosml.tables import save_table


class Tabulated(ABC):
    """A result of a study, with its table."""

    @abstractmethod
    def records(self) -> list[Record]:
        """Rows of the table, all with the same columns."""

    def cautions(self) -> list[str]:
        """What a reader must know to interpret the numbers; empty if nothing."""
        return []

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the records as a table; see :func:`ldosml.tables.save_table`.

        Parameters
        ----------
        path : path
            .csv or .json.
        overwrite : bool
            Replace an existing file.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ValueError
            When ``path`` ends neither in .csv nor in .json.
        FileExistsError
            When the file exists and ``overwrite`` is false.
        OSError
            When the file cannot be written.
        """
        return save_table(path, self.records(), overwrite=overwrite)
