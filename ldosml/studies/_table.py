"""What every result of a study can do."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path

from ldosml._journal import Record, write_csv


class Tabulated(ABC):
    """A result with a tidy table: one row a number."""

    @abstractmethod
    def records(self) -> list[Record]:
        """The rows, all with the same entries."""

    def cautions(self) -> list[str]:
        """What must be known of the numbers besides themselves, in words; empty where there is nothing."""
        return []

    def write_csv(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the records as a table.

        Raises FileExistsError when the file exists and ``overwrite`` is false, and OSError when writing fails.
        """
        return write_csv(self.records(), path, overwrite)
