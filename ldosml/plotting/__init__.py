"""Figures of predicted spectra and properties beside their true values.

Functions named ``plot_*`` draw into the axes ``ax`` that they are given. Functions named ``*_figure`` return a whole
``matplotlib.figure.Figure``. They do not use pyplot, so no window opens and no figure stays in memory. A notebook shows
the returned figure; ``save_figure(figure, "name")`` saves it as PDF and PNG. Figures are as wide as a page with two
columns (7 inches). A figure of a study with one panel is as wide as one column (3.4 inches).
"""

from ldosml.plotting.comparison import comparison_figure
from ldosml.plotting.cutoff_sweep import sweep_figure
from ldosml.plotting.derivative import derivative_figure
from ldosml.plotting.error_table import error_table_figure
from ldosml.plotting.files import save_figure
from ldosml.plotting.learning_curve import learning_curve_figure
from ldosml.plotting.losses import loss_by_energy_figure, property_losses_figure
from ldosml.plotting.occupancy import (
    band_figure,
    dos_figure,
    isosurface_figure,
    plot_band_image,
    plot_isosurfaces,
    plot_occupancy_dos,
)
from ldosml.plotting.parity import parity_figure, property_parity_figure
from ldosml.plotting.reliability import plot_log_loss, plot_reliability, reliability_figure
from ldosml.plotting.representatives import representatives, representatives_figure, worst_by_element_figure
from ldosml.plotting.smearing import smearing_figure
from ldosml.plotting.spectrum import plot_spectrum
from ldosml.plotting.structure import structure_figure

__all__ = [
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
    "property_losses_figure",
    "property_parity_figure",
    "reliability_figure",
    "representatives",
    "representatives_figure",
    "save_figure",
    "smearing_figure",
    "structure_figure",
    "sweep_figure",
    "worst_by_element_figure",
]
