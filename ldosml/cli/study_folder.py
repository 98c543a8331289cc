"""The folder that a study writes: one study, its log, its table, its figures and its summary."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ldosml._files import replacing, sole_writer
from ldosml._journal import JournalError
from ldosml.cli.display import strict
from ldosml.cli.options import check_folder

_FIGURES = ("sweep", "learning-curve", "comparison", "errors", "smearing", "representatives", "parity")


class StudyFolder:
    """A folder for one study, which goes on from its log where it was stopped.

    Parameters
    ----------
    path : Path
    settings : mapping
        What the result depends on, as JSON can hold it.
    overwrite : bool
        Delete what is there.

    Raises
    ------
    FileExistsError
        When ``path`` is a file, or holds another study, or results without a log, unless they may be deleted.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], overwrite: bool) -> None:
        self._path, self._settings, self._overwrite = path, settings, overwrite
        self.records, self.log, self.summary = (path / name for name in ("records.csv", "log.jsonl", "summary.json"))
        self._lock = ExitStack()
        check_folder(path)
        if not overwrite:
            self._refuse_others()

    def figure(self, name: str) -> Path:
        """Path of a figure, without its ending."""
        return self._path / name

    def _results(self) -> list[Path]:
        """Every file but the log that a study may have written."""
        figures = [self._path / f"{name}.{ending}" for name in _FIGURES for ending in ("png", "pdf")]
        return [self.summary, self.records, *figures]

    def _refuse_others(self) -> None:
        written = [path.name for path in self._results() if path.exists()]
        if written and not self.log.exists():
            raise FileExistsError(
                f"{self._path} holds {', '.join(written)}, but no log of a study. Give another folder, or pass "
                "--overwrite to delete them."
            )
        differing = self._differing() if self.summary.name in written else []
        if differing:
            other = "another study" if "study" in differing else f"a study of other settings ({', '.join(differing)})"
            raise FileExistsError(
                f"{self._path} holds {other}, which is finished. Give another folder, or pass --overwrite to delete it "
                "and start again."
            )

    def _differing(self) -> list[str]:
        """Settings in which the finished study that is there differs from this one."""
        try:
            found = dict(json.loads(self.summary.read_text())["settings"])
        except (ValueError, KeyError, TypeError):
            found = {}
        names = dict.fromkeys(["study", *self._settings, *found])
        return [name for name in names if found.get(name) != self._settings.get(name)]

    @contextmanager
    def logging(self) -> Iterator[Path]:
        """Make the folder and give the log to keep results in; where nothing was done, nothing stays.

        Raises FileExistsError when the log is another study's.
        """
        made = not self._path.exists()
        self._path.mkdir(parents=True, exist_ok=True)
        self._lock.enter_context(sole_writer(self._path))
        if self._overwrite:
            for path in (*self._results(), self.log):
                path.unlink(missing_ok=True)
        self._discard_empty_log()
        try:
            yield self.log
        except BaseException as error:
            self._lock.close()
            if not isinstance(error, JournalError):
                raise
            raise FileExistsError(
                f"{self.log} {error.reason}. Give another folder, or pass --overwrite to delete the study in it and "
                "start again."
            ) from error
        finally:
            self._discard_empty_log()
            if made and not any(self._path.iterdir()):
                self._path.rmdir()

    def seconds(self) -> float:
        """What all cross-validations in the log took."""
        lines = self.log.read_bytes().splitlines()[1:]
        return round(sum(float(json.loads(line)["seconds"]) for line in lines), 2)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write the summary, which marks the study as finished, and let other processes write to the folder."""
        with self._lock, replacing(self.summary) as file:
            file.write(json.dumps(strict(summary), indent=2, default=str, allow_nan=False).encode())

    def _discard_empty_log(self) -> None:
        """Delete the log of a study in which nothing was done, so that the folder is free for another."""
        lines: Sequence[bytes] = self.log.read_bytes().splitlines() if self.log.is_file() else []
        if len(lines) == 1 and lines[0].startswith(b'{"format": "ldosml '):
            self.log.unlink()
