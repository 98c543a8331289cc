"""Sums of a fit that is not finished, in a file: the fit goes on where it was interrupted."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, like, to_numpy
from ldosml._files import replacing
from ldosml.file_sizes import opened_arrays
from ldosml.regression._chunks import Digest
from ldosml.solvers.normal_equations import NormalEquations

_FORMAT = "ldosml sums of a sparse fit, 3"


@dataclass
class Progress:
    """Sums over the first chunks, and what is needed to know that they fit the rest.

    Parameters
    ----------
    points, point_species : array (m, n_features), ndarray (m,)
        Inducing points.
    sums : NormalEquations or None
        None before the first chunk.
    digests : list of tuples of float
        What each chunk so far is recognised by.
    """

    points: Array
    point_species: NDArray[np.int64]
    sums: NormalEquations | None = None
    digests: list[Digest] = field(default_factory=list)


@dataclass(frozen=True)
class Checkpoint:
    """A file of progress.

    Parameters
    ----------
    path : Path
    settings : dict
        What must be the same when a fit goes on.
    every : int
        Chunks between two writes.
    """

    path: Path
    settings: dict[str, Any]
    every: int

    def write(self, progress: Progress) -> None:
        """Write progress so that the file is whole or not there; arrays are copied to the host."""
        if progress.sums is None:
            return
        arrays: dict[str, Any] = {name: to_numpy(value) for name, value in progress.sums.arrays().items()}
        with replacing(self.path) as file:
            np.savez(
                file,
                format=_FORMAT,
                settings=json.dumps(self.settings, sort_keys=True),
                points=to_numpy(progress.points),
                point_species=progress.point_species,
                n_rows=progress.sums.n_rows,
                digests=np.asarray(progress.digests),
                **arrays,
            )

    def read(self, like_array: Array) -> Progress | None:
        """Read what was written before, as arrays beside ``like_array``; None where there is no file.

        Raises
        ------
        ValueError
            When the file is damaged, is something else, or belongs to a fit with other settings.
        """
        if not self.path.exists():
            return None
        try:
            with opened_arrays(self.path) as file:
                content = {name: file[name] for name in file.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            why = str(error).rstrip(".")
            raise ValueError(f"The checkpoint {self.path} is damaged: {why}. Delete it to start again.") from error
        if str(content.pop("format", "")) != _FORMAT:
            raise ValueError(
                f"{self.path} is no checkpoint of a sparse fit. Give another path, or delete it to start again."
            )
        self._check_settings(json.loads(str(content.pop("settings"))))
        digests = [tuple(map(float, digest)) for digest in content.pop("digests")]
        points, point_species = like(like_array, content.pop("points")), content.pop("point_species")
        n_rows = int(content.pop("n_rows"))
        sums = NormalEquations(**{name: like(like_array, value) for name, value in content.items()}, n_rows=n_rows)
        return Progress(points, point_species, sums, digests)

    def _check_settings(self, before: dict[str, Any]) -> None:
        now = json.loads(json.dumps(self.settings))
        changed = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
        if changed:
            raise ValueError(
                f"The checkpoint {self.path} belongs to a fit with other settings: {changed[0]} was "
                f"{before.get(changed[0])!r} and is {now.get(changed[0])!r}. Set it back, or delete the file."
            )
