"""Tables of results in files: CSV and JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ldosml._files import replacing

if TYPE_CHECKING:
    from pandas import DataFrame

PathLike = str | os.PathLike[str]

Rows = Sequence[Mapping[str, Any]] | Mapping[str, Any]
"""A dict for each row, or an array for each column."""


def save_table(path: PathLike, rows: Rows, *, overwrite: bool = False) -> Path:
    """Write a table as CSV or JSON; either the whole file appears, or nothing changes.

    Parameters
    ----------
    path : path
        .csv: a header and a line for each row. .json: a list with an object for each row.
    rows : sequence of dict, or dict of columns
        Numbers and texts. Numbers keep every digit. None and NaN become an empty cell in CSV and null in JSON.
    overwrite : bool
        Replace the file where it exists.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        When ``path`` has another ending, or there are no rows.
    FileExistsError
        When the file exists and ``overwrite`` is false.
    OSError
        When it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> path = save_table(f"{tempfile.mkdtemp()}/errors.csv", [{"fold": 1, "rmse": 0.25}, {"fold": 2, "rmse": None}])
    >>> print(path.read_text())
    fold,rmse
    1,0.25
    2,
    """
    path = Path(path)
    check_ending(path)
    frame = _frame(rows)
    if path.suffix == ".json":
        return save_json(path, frame.to_dict("records"), overwrite=overwrite)
    return _save(path, frame.to_csv(index=False, lineterminator="\n"), overwrite)


def check_ending(path: PathLike) -> None:
    """Raise ValueError unless ``save_table`` knows the ending of ``path``."""
    if Path(path).suffix not in (".csv", ".json"):
        raise ValueError(f"A table is written to .csv or .json; got {Path(path).name!r}.")


def save_json(path: PathLike, content: Any, *, overwrite: bool = False) -> Path:
    """Write numbers, texts, arrays, and lists and dicts of them as JSON, all of it or nothing.

    JSON has no NaN and no infinity: both become null, as does None.

    Raises
    ------
    TypeError
        When ``content`` holds anything else.
    FileExistsError
        When the file exists and ``overwrite`` is false.
    OSError
        When it cannot be written.
    """
    return _save(Path(path), json.dumps(_plain(content), indent=1, allow_nan=False), overwrite)


def _frame(rows: Rows) -> DataFrame:
    from pandas import DataFrame

    # As objects, integers beside None stay integers.
    frame = DataFrame(rows if isinstance(rows, Mapping) else list(rows), dtype=object)
    if frame.empty:
        raise ValueError("The table has no rows to write.")
    return frame


def _plain(content: Any) -> Any:
    """What JSON can hold; anything unknown is left for ``json`` to refuse."""
    if isinstance(content, Mapping):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, np.ndarray | np.generic):
        return _plain(content.tolist())
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    return None if isinstance(content, float) and not np.isfinite(content) else content


def _save(path: Path, text: str, overwrite: bool) -> Path:
    with replacing(path, overwrite) as file:
        file.write(text.encode())
    return path
