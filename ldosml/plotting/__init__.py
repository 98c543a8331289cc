"""Figures of predicted spectra, and of what follows from them, beside their true.

Functions that draw into axes take them as ``ax``; those that make a whole figure return a
``matplotlib.figure.Figure``, made without pyplot, so that nothing is shown, kept or left open. In a notebook the
figure shows itself; ``write_figure(figure, "name")`` writes it for a paper, as PDF and PNG. Figures are as wide as a
page of two columns, and those of the studies with a single panel as wide as one column.
"""

from ldosml.plotting.comparison import comparison_figure
from ldosml.plotting.derivatives import derivative_figure
from ldosml.plotting.environments import error_table_figure
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
    quantity_name,
    unit_text,
)
from ldosml.plotting.learning import learning_curve_figure
from ldosml.plotting.occupancy import (
    band_figure,
    dos_figure,
    isosurface_figure,
    plot_band_image,
    plot_isosurfaces,
    plot_occupancy_dos,
)
from ldosml.plotting.properties import property_losses_figure, property_parity_figure
from ldosml.plotting.reliability import plot_log_loss, plot_reliability, reliability_figure
from ldosml.plotting.smearings import smearing_figure
from ldosml.plotting.spectra import plot_spectrum
from ldosml.plotting.structures import structure_figure
from ldosml.plotting.style import DPI, png, write_figure
from ldosml.plotting.sweeps import sweep_figure
from ldosml.plotting.worst import worst_by_element_figure

__all__ = [
    "DOS_LABEL",
    "DPI",
    "ENERGY_LABELS",
    "LDOS_LABEL",
    "PROPERTY_NAMES",
    "band_figure",
    "comparison_figure",
    "derivative_figure",
    "dos_figure",
    "error_table_figure",
    "isosurface_figure",
    "learning_curve_figure",
    "loss_by_energy_figure",
    "parity_figure",
    "plot_band_image",
    "plot_isosurfaces",
    "plot_log_loss",
    "plot_occupancy_dos",
    "plot_reliability",
    "plot_spectrum",
    "png",
    "power_of_ten",
    "property_losses_figure",
    "property_name",
    "property_parity_figure",
    "quantity_name",
    "reliability_figure",
    "representatives",
    "representatives_figure",
    "smearing_figure",
    "structure_figure",
    "sweep_figure",
    "unit_text",
    "worst_by_element_figure",
    "write_figure",
]
