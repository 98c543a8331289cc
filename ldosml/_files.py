"""Files that appear under their names only when they are complete."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path, overwrite: bool = True) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``path``, which takes that name when the block ends without an error.

    Parameters
    ----------
    path : Path
    overwrite : bool
        Replace the file where it exists.

    Yields
    ------
    file
        Open for reading and writing bytes.

    Raises
    ------
    FileExistsError
        When ``path`` exists and ``overwrite`` is false.
    OSError
        When writing fails, for instance on a full disk. The former file is untouched, and no part of the new one stays.
    """
    _refuse_existing(path, overwrite)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        with open(temporary, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _refuse_existing(path, overwrite)  # it may have appeared meanwhile
        os.replace(temporary, path)
    except FileExistsError:
        raise
    except OSError as error:
        why = f"{error.strerror or error}; it was not written and nothing else was changed"
        raise OSError(error.errno, why, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _refuse_existing(path: Path, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists already. Ask for overwrite to replace it, or choose another name.")
