"""Files of figures."""

from __future__ import annotations

import io
import os
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from ldosml._files import replacing
from ldosml._ranges import check_arguments

DPI = 150  # of PNG files: a figure as wide as a page has 1050 pixels


def save_figure(
    figure: Figure, path: str | os.PathLike[str], *, dpi: float = DPI, overwrite: bool = False
) -> tuple[Path, ...]:
    """Save a figure as PDF, as PNG, or as both.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : path-like
        A name that ends in ".pdf" or ".png" chooses the format. With any other name, both files are written, and the
        endings are appended to it.
    dpi : float
        Dots per inch of the PNG, and of the images within the PDF. Text and lines in the PDF stay text and lines.
    overwrite : bool
        Replace files that exist.

    Returns
    -------
    tuple of pathlib.Path
        The files: PDF first, then PNG.

    Raises
    ------
    FileExistsError
        When a file exists and ``overwrite`` is false.
    OSError
        When writing fails.
    """
    check_arguments(dpi=dpi)
    given = Path(path)
    both = [given.with_name(given.name + ending) for ending in (".pdf", ".png")]
    files = (given,) if given.suffix in (".pdf", ".png") else tuple(both)
    for file in files:
        with replacing(file, overwrite) as stream:
            stream.write(pdf(figure, dpi) if file.suffix == ".pdf" else png(figure, dpi))
    return files


def pdf(figure: Figure, dpi: float = DPI) -> bytes:
    """Content of a PDF file; the same figure gives the same bytes."""
    with mpl.rc_context({"pdf.fonttype": 42}):  # text that can be searched and edited
        return _content(figure, "pdf", dpi, "CreationDate")


def png(figure: Figure, dpi: float = DPI) -> bytes:
    """Content of a PNG file; the same figure gives the same bytes."""
    return _content(figure, "png", dpi, "Software")


def _content(figure: Figure, kind: str, dpi: float, without: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=dpi, metadata={without: None})
    return buffer.getvalue()
