"""What all figures share: colours, sizes, and the energy axis."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ldosml.energy import Zero
from ldosml.plotting.labels import ENERGY_LABELS

# Colours of Okabe and Ito, which colour-blind readers can distinguish. Line styles differ as well.
BLUE, VERMILLION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "0.45"
# Colour and marker of the series in one panel. Green is kept for label noise.
LOOKS = ((BLUE, "o"), (VERMILLION, "s"), ("#CC79A7", "^"), ("#E69F00", "D"), ("#56B4E9", "v"), ("black", "P"))
PAGE_WIDTH, COLUMN_WIDTH = 7.0, 3.4  # inches
FONT, SMALL_FONT = 9, 8  # points
PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # behind a text that crosses lines


def looks(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each name, in order. The seventh name looks like the first."""
    return dict(zip(names, cycle(LOOKS)))


def finish_energy_axis(ax: Axes, energies: NDArray[np.float64], zero: Zero) -> None:
    """Label the energy axis and set its limits to the first and last of ``energies`` (n_energies,), eV."""
    ax.set_xlim(energies[0], energies[-1])
    ax.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10]))
    ax.set_xlabel(ENERGY_LABELS[zero], fontsize=FONT)
    ax.tick_params(labelsize=SMALL_FONT)


def mark_fermi_level(ax: Axes, energies: NDArray[np.float64], zero: Zero) -> None:
    """Draw the Fermi level if it is the energy zero and lies within the ``energies``."""
    if zero == "fermi" and energies[0] <= 0 <= energies[-1]:
        ax.axvline(0, color=GREY, linestyle=":", linewidth=1, label="Fermi level", zorder=0)
