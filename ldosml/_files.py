"""Files that appear under their names only when they are complete."""

from __future__ import annotations

import io
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
        When the folder is missing, or writing fails, for instance on a full disk. The former file is untouched, and no
        part of the new one stays.
    """
    refuse_existing(path, overwrite)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        with open(temporary, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        refuse_existing(path, overwrite)  # it may have appeared meanwhile
        os.replace(temporary, path)
    except FileExistsError:
        raise
    except OSError as error:
        reason = error.strerror or str(error) if path.parent.is_dir() else f"make the folder {path.parent} first"
        why = f"{reason}; it was not written and nothing else was changed"
        raise OSError(error.errno, why, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_buffer(path: Path, buffer: io.BytesIO, overwrite: bool = True) -> None:
    """Write what ``buffer`` holds, with ``replacing``, whose errors it raises."""
    # An error keeps the view in its traceback. Collecting a view that outlives its buffer crashes Python 3.12.1, and
    # prints a BufferError in 3.13 (CPython issues 111049 and 111331).
    with replacing(path, overwrite) as file, buffer.getbuffer() as content:
        file.write(content)


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Raise FileExistsError when ``path`` exists and ``overwrite`` is false."""
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists already. Pass overwrite=True to replace it, or choose another name.")
