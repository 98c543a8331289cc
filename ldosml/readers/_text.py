"""Files of text as they come: plain or compressed, whole or cut off."""

from __future__ import annotations

import gzip
import lzma
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError, parse

import numpy as np
from numpy.typing import NDArray

from ldosml.file_sizes import open_unpacked
from ldosml.readers.run import ReaderError


def read_lines(path: Path) -> list[str]:
    """Lines of a file of text, without ends."""
    with unfinished(path), open_unpacked(path) as file:
        return file.read().decode(errors="replace").splitlines()


def parse_xml(path: Path) -> Element:
    """Root of an XML file."""
    with unfinished(path), open_unpacked(path) as file:
        return parse(file).getroot()


@contextmanager
def unfinished(path: Path) -> Iterator[None]:
    """Turn errors of a file that ends too early, or is damaged, into a ReaderError that names it."""
    try:
        yield
    except (ParseError, EOFError, gzip.BadGzipFile, lzma.LZMAError) as error:
        raise ReaderError(
            f"{path} is cut off or damaged ({error}). Did the run end, and was it copied whole?"
        ) from error


def numbers(path: Path, text: str | list[str], what: str) -> NDArray[Any]:
    """Numbers of a text; Fortran's D is read as E, and a column that overflowed (***) as NaN.

    Raises ReaderError naming the file where there is anything else.
    """
    words = text.split() if isinstance(text, str) else text
    try:
        return np.array(words, dtype=float)
    except ValueError:
        pass
    try:
        return np.array([float("nan") if "*" in word else float(word.upper().replace("D", "E")) for word in words])
    except ValueError as error:
        raise ReaderError(f"{path} holds {what} that are not numbers ({error}).") from error


def first_match(pattern: str, text: str) -> str | None:
    """The first group of the first place in a text that fits; ^ and $ are ends of lines. None without one."""
    found = re.search(pattern, text, flags=re.MULTILINE)
    return None if found is None else found[1].strip()


def required(path: Path, found: Any, what: str) -> Any:
    """What was found, or a ReaderError that names the file and what is missing."""
    if found is None:
        raise ReaderError(f"{path} holds no {what}. Did the run end?")
    return found
