"""Figures of predicted spectra, and of what follows from them, beside their reference.

Functions that draw into axes take them as ``ax``; those that make a whole figure return a
``matplotlib.figure.Figure``, made without pyplot, so that nothing is shown, kept or left open. In a notebook the
figure shows itself; ``figure.savefig("name.pdf")`` writes it for a paper. Figures are as wide as a page of two columns.
"""

from ldosml.plotting.evaluations import (
    loss_by_energy_figure,
    parity_figure,
    representatives,
    representatives_figure,
)
from ldosml.plotting.labels import (
    DOS_LABEL,
    ENERGY_LABELS,
    LDOS_LABEL,
    PROPERTY_NAMES,
    power_of_ten,
    property_name,
    unit_text,
)
from ldosml.plotting.properties import property_losses_figure, property_parity_figure
from ldosml.plotting.spectra import plot_spectrum
from ldosml.plotting.structures import structure_figure
from ldosml.plotting.style import DPI, png

__all__ = [
    "DOS_LABEL",
    "DPI",
    "ENERGY_LABELS",
    "LDOS_LABEL",
    "PROPERTY_NAMES",
    "loss_by_energy_figure",
    "parity_figure",
    "plot_spectrum",
    "png",
    "power_of_ten",
    "property_losses_figure",
    "property_name",
    "property_parity_figure",
    "representatives",
    "representatives_figure",
    "structure_figure",
    "unit_text",
]
