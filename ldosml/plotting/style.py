"""What all figures share: colours, sizes, the axis of energies, and the files."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from itertools import cycle
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ldosml._files import replacing
from ldosml.energy import Zero
from ldosml.plotting.labels import ENERGY_LABELS

# From the palette of Okabe and Ito, which colour-blind readers tell apart; line styles differ as well.
BLUE, VERMILLION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "0.45"
# Of series that stand beside each other, with a marker each; green is left to the noise of labels.
LOOKS = ((BLUE, "o"), (VERMILLION, "s"), ("#CC79A7", "^"), ("#E69F00", "D"), ("#56B4E9", "v"), ("black", "P"))
PAGE_WIDTH, COLUMN_WIDTH = 7.0, 3.4  # inches
FONT, SMALL_FONT = 9, 8  # points
DPI = 150  # of PNG files: a figure across the page has 1050 pixels


def png(figure: Figure, dpi: float = DPI) -> bytes:
    """The figure as a PNG file, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def write_figure(
    figure: Figure, path: str | os.PathLike[str], *, dpi: float = DPI, overwrite: bool = False
) -> tuple[Path, Path]:
    """Write a figure as PDF, whose text stays text, and as PNG.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : path-like
        Without ending; ".pdf" and ".png" are put behind it.
    dpi : float
        Dots an inch, of the PNG and of what is rasterised in the PDF.
    overwrite : bool
        Replace files that exist.

    Returns
    -------
    (pathlib.Path, pathlib.Path)
        Of PDF and PNG.

    Raises
    ------
    FileExistsError
        When one of them exists and ``overwrite`` is false.
    OSError
        When writing fails.
    """
    stem = os.fspath(path)
    files = Path(f"{stem}.pdf"), Path(f"{stem}.png")
    with mpl.rc_context({"pdf.fonttype": 42}), replacing(files[0], overwrite) as file:
        figure.savefig(file, format="pdf", dpi=dpi, metadata={"CreationDate": None})
    with replacing(files[1], overwrite) as file:
        file.write(png(figure, dpi))
    return files


def looks(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each name, in order; the seventh looks like the first."""
    return dict(zip(names, cycle(LOOKS)))


def finish_energy_axis(ax: Axes, energies: NDArray[np.float64], zero: Zero) -> None:
    """Name the axis, and end it with the ``energies`` (n_energies,), eV."""
    ax.set_xlim(energies[0], energies[-1])
    ax.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10]))
    ax.set_xlabel(ENERGY_LABELS[zero], fontsize=FONT)
    ax.tick_params(labelsize=SMALL_FONT)


def mark_fermi_level(ax: Axes, energies: NDArray[np.float64], zero: Zero) -> None:
    """Draw the Fermi level where it is the zero of energy and among the ``energies``."""
    if zero == "fermi" and energies[0] <= 0 <= energies[-1]:
        ax.axvline(0, color=GREY, linestyle=":", linewidth=1, label="Fermi level", zorder=0)
