"""A file in memory that holds what was written to it, and not the gaps."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

_PAGE = 2**12


class SparseBuffer(io.RawIOBase):
    r"""A file in memory of any size, which takes space only where something was written.

    HDF5 lays out a file in it that is larger than the memory; the disk gets it afterwards.

    Parameters
    ----------
    content : bytes
        What the file begins with.

    Examples
    --------
    >>> buffer = SparseBuffer(b"begin")
    >>> buffer.seek(10**12), buffer.write(b"end"), buffer.seek(3), buffer.read(4)
    (1000000000000, 3, 3, b'in\x00\x00')
    """

    def __init__(self, content: bytes = b"") -> None:
        self._pages: dict[int, bytearray] = {}
        self._place = self._size = 0
        self.write(content)
        self._place = 0

    def readable(self) -> bool:
        """True."""
        return True

    def writable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, and give it."""
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        return self._place

    def tell(self) -> int:
        """Give the place."""
        return self._place

    def truncate(self, size: int | None = None) -> int:
        """Cut or lengthen the file."""
        new = self._place if size is None else size
        for number in [number for number in self._pages if number * _PAGE >= new]:
            del self._pages[number]
        if new % _PAGE and new // _PAGE in self._pages:
            self._pages[new // _PAGE][new % _PAGE :] = bytes(_PAGE - new % _PAGE)
        self._size = new
        return new

    def write(self, content: Any) -> int:
        """Write at the place, and go on after it."""
        given = memoryview(content).cast("B")
        done = 0
        while done < len(given):
            number, first = divmod(self._place + done, _PAGE)
            count = min(_PAGE - first, len(given) - done)
            self._pages.setdefault(number, bytearray(_PAGE))[first : first + count] = given[done : done + count]
            done += count
        self._place += done
        self._size = max(self._size, self._place)
        return done

    def readinto(self, target: Any) -> int:
        """Read from the place, zeros where nothing was written."""
        wanted = memoryview(target).cast("B")
        count = max(0, min(len(wanted), self._size - self._place))
        done = 0
        while done < count:
            number, first = divmod(self._place + done, _PAGE)
            step = min(_PAGE - first, count - done)
            page = self._pages.get(number)
            wanted[done : done + step] = bytes(step) if page is None else page[first : first + step]
            done += step
        self._place += count
        return count

    def write_to(self, file: BinaryIO) -> None:
        """Write it to a file, which stays sparse."""
        for number, page in sorted(self._pages.items()):
            file.seek(number * _PAGE)
            file.write(page[: self._size - number * _PAGE])
        file.truncate(self._size)
