"""What all figures share: colours, sizes, the axis of energies, and the PNG file."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ldosml.energy import Reference
from ldosml.plotting.labels import ENERGY_LABELS

# From the palette of Okabe and Ito, which colour-blind readers tell apart; line styles differ as well.
BLUE, VERMILLION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "0.45"
PAGE_WIDTH = 7.0  # inches
FONT, SMALL_FONT = 9, 8  # points
DPI = 150  # of PNG files: a figure across the page has 1050 pixels


def png(figure: Figure, dpi: float = DPI) -> bytes:
    """The figure as a PNG file, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def finish_energy_axis(ax: Axes, energies: NDArray[np.float64], zero: Reference) -> None:
    """Name the axis, and end it with the ``energies`` (n_energies,), eV."""
    ax.set_xlim(energies[0], energies[-1])
    ax.set_xlabel(ENERGY_LABELS[zero], fontsize=FONT)
    ax.tick_params(labelsize=SMALL_FONT)


def mark_fermi_level(ax: Axes, energies: NDArray[np.float64], zero: Reference) -> None:
    """Draw the Fermi level where it is the zero of energy and among the ``energies``."""
    if zero == "fermi" and energies[0] <= 0 <= energies[-1]:
        ax.axvline(0, color=GREY, linestyle=":", linewidth=1, label="Fermi level", zorder=0)
