"""The table that every result of a study has."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path

from ldosml import _html
from ldosml._journal import Record
from ldosml.tables import save_table


class Tabulated(ABC):
    """A result of a study, with its table."""

    @abstractmethod
    def _facts(self) -> dict[str, object]:
        """What was studied, in a few words each."""

    def __repr__(self) -> str:
        """What was studied, in one line."""
        return f"{type(self).__name__}({'; '.join(f'{name}: {value}' for name, value in self._facts().items())})"

    def _repr_html_(self) -> str:
        """What a notebook shows: what was studied, the first records of all folds together, and cautions."""
        whole = (record for record in self.records() if record.get("fold", "all") == "all")
        rows = [{name: value for name, value in record.items() if name != "fold"} for record in whole]
        facts, cautions = self._facts(), self.cautions()
        if cautions:
            facts["caution"] = " ".join(cautions)
        return _html.page(type(self).__name__, facts, _html.records_table(rows))

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
            .csv, .json, .md or .tex.
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
