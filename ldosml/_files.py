"""Files that appear under their names only when they are complete, and that one process writes at a time.

What a process writes is called ``.NAME.PID.THREAD.ldosml-tmp`` until it is complete, and is locked while its writer
lives; so is ``.NAME.ldosml-lock`` of a file that is written bit by bit. The first write of a process to a folder
deletes such files that nobody holds: their writers were killed.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir
from typing import BinaryIO

from filelock import FileLock, Timeout

_OURS = re.compile(r"\..+\.(\d+\.\d+\.ldosml-tmp|ldosml-lock)", re.DOTALL)
_LONGEST = 100  # characters of a name that its temporary keeps, since names end at 255 bytes

_swept: set[Path] = set()


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
        When ``path`` exists and ``overwrite`` is false, also when it appears while the block runs.
    OSError
        When the folder is missing, or writing fails, for instance on a full disk. The former file is untouched, and no
        part of the new one stays.
    """
    refuse_existing(path, overwrite)
    with _naming(path):
        sweep(path.parent)
        temporary, file = _opened(path)
        try:
            with file:
                yield file
                file.flush()
                os.fsync(file.fileno())
                # Named while it is still locked: no other process takes it for a leftover.
                take_name(temporary, path, overwrite)
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


def check_writable(path: Path) -> None:
    """Raise OSError when ``path`` could not be written, though its folder, or the next one above that is there, exists.

    A file is made there and deleted again: permissions do not tell of disks that are mounted for reading only.
    """
    folder = next((each for each in path.absolute().parents if each.is_dir()), Path("/"))
    try:
        temporary, file = _opened(folder / path.name)
        file.close()
        temporary.unlink()
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror or error}; choose another place", str(path)) from error


@contextmanager
def sole_writer(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock of a file, or of a folder, that is written bit by bit: a log, a stream, the folder of a study.

    The lock is the file ``.NAME.ldosml-lock`` beside ``path``; it ends with the process, however that ends.

    Parameters
    ----------
    path : Path
    wait : bool
        Wait for it as long as it takes.

    Raises
    ------
    BlockingIOError
        When another process, or another call in this one, holds it and ``wait`` is false.
    OSError
        When the lock cannot be made, for instance on a disk that is mounted for reading only.
    """
    seconds = -1 if wait else 0.5  # not at once: a sweep holds a lock for a moment
    lock = FileLock(path.with_name(f".{path.name[:_LONGEST]}.ldosml-lock"), timeout=seconds, thread_local=False)
    with _naming(path):
        sweep(path.parent)
        try:
            lock.acquire()
        except Timeout as error:
            raise BlockingIOError(
                errno.EAGAIN, "it is being written by another process. Wait for it, or choose another name", str(path)
            ) from error
        except NotImplementedError as error:
            raise OSError(
                errno.ENOLCK, "this disk knows no locks of files. Write to another disk", str(path)
            ) from error
    try:
        yield
    finally:
        # Deleted while it is held: who waits for the deleted file notices that its name is gone.
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def saved_or_kept(save: Callable[[Path], object], path: Path) -> None:
    """Call ``save(path)``; what cannot be written there is kept in the folder for temporary files.

    Raises
    ------
    OSError
        When ``save`` raises it; the message says where the content is, or that it could not be written there either.
    """
    try:
        save(path)
    except OSError as error:
        second = Path(gettempdir()) / f"{path.stem}-{os.getpid()}{path.suffix}"
        try:
            save(second)
        except OSError as again:
            raise OSError(f"{error}. Nor could it be kept in {second} ({again}): it is lost.") from error
        raise type(error)(f"{error}. What was to be written is kept: move it from {second}.") from error


def sweep(folder: Path) -> None:
    """Delete what killed writers left in a folder, once a process."""
    folder = folder.absolute()
    if folder in _swept or not folder.is_dir():
        return
    _swept.add(folder)
    with os.scandir(folder) as entries:
        left = [Path(entry.path) for entry in entries if _OURS.fullmatch(entry.name)]
    for temporary in left:
        # It may be gone meanwhile, alive (locked), or on a disk without locks, where nobody can tell.
        with suppress(OSError), open(temporary, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            temporary.unlink()


def _opened(path: Path) -> tuple[Path, BinaryIO]:
    """A new temporary file for ``path``, locked where the disk knows locks."""
    temporary = path.with_name(f".{path.name[:_LONGEST]}.{os.getpid()}.{threading.get_ident()}.ldosml-tmp")
    while True:
        file = open(temporary, "w+b")  # noqa: SIM115  closed by the caller
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            return temporary, file  # on such a disk no leftover is ever swept
        if temporary.exists():  # else it was swept between the two calls
            return temporary, file
        file.close()


def take_name(temporary: Path, path: Path, overwrite: bool) -> None:
    """Give a complete file its name; FileExistsError when there is one of that name and ``overwrite`` is false."""
    if overwrite:
        os.replace(temporary, path)
        return
    try:
        os.link(temporary, path)  # fails where the name is taken, whoever comes at the same time
        temporary.unlink()
    except FileExistsError:
        refuse_existing(path, overwrite=False)
        raise
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        # A disk without hard links: the name is taken first, by an empty file.
        with open(path, "xb"):
            pass
        os.replace(temporary, path)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let an OSError name the file that was asked for, not its temporary, and say what became of it."""
    try:
        yield
    except (FileExistsError, BlockingIOError):
        raise
    except OSError as error:
        missing = not path.parent.is_dir()
        reason = f"make the folder {path.parent} first" if missing else error.strerror or str(error)
        why = f"{reason}; it was not written and nothing else was changed"
        raise OSError(error.errno, why, str(path)) from error
