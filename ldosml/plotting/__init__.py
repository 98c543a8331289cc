"""Figures of predicted spectra and properties beside their true values.

Functions named ``plot_*`` draw into the axes ``ax`` that they are given. Functions named ``*_figure`` return a whole
``matplotlib.figure.Figure``. They do not use pyplot, so no window opens and no figure stays in memory. A notebook shows
the returned figure; ``save_figure(figure, "name")`` saves it as PDF and PNG. Figures are as wide as a page with two
columns (7 inches). A figure of a study with one panel is as wide as one column (3.4 inches).
"""

from ldosml.plotting.band_lines import band_line_figure, plot_band_lines, unfolded_figure
from ldosml.plotting.comparison import comparison_figure, plot_comparison
from ldosml.plotting.cutoff_sweep import plot_sweep, sweep_figure
from ldosml.plotting.derivative import derivative_figure
from ldosml.plotting.error_table import error_table_figure, plot_error_table
from ldosml.plotting.files import save_figure
from ldosml.plotting.learning_curve import learning_curve_figure, plot_learning_curve
from ldosml.plotting.losses import loss_by_energy_figure, property_losses_figure
from ldosml.plotting.occupancy import (
    band_figure,
    dos_figure,
    isosurface_figure,
    mean_occupancy_figure,
    plot_band_image,
    plot_isosurfaces,
    plot_mean_occupancy,
    plot_occupancy_dos,
)
from ldosml.plotting.parity import parity_figure, property_parity_figure
from ldosml.plotting.property_table import plot_property, property_figure
from ldosml.plotting.reliability import plot_log_loss, plot_reliability, reliability_figure
from ldosml.plotting.representatives import representatives, representatives_figure, worst_by_element_figure
from ldosml.plotting.results import plot
from ldosml.plotting.smearing import plot_smearing, smearing_figure
from ldosml.plotting.spectra import plot_spectra, spectra_figure
from ldosml.plotting.spectrum import plot_spectrum
from ldosml.plotting.structure import structure_figure
from ldosml.plotting.transfer import plot_transfer, transfer_figure

__all__ = [
    "band_figure",
    "band_line_figure",
    "comparison_figure",
    "derivative_figure",
    "dos_figure",
    "error_table_figure",
    "isosurface_figure",
    "learning_curve_figure",
    "loss_by_energy_figure",
    "mean_occupancy_figure",
    "parity_figure",
    "plot",
    "plot_band_image",
    "plot_band_lines",
    "plot_comparison",
    "plot_error_table",
    "plot_isosurfaces",
    "plot_learning_curve",
    "plot_log_loss",
    "plot_mean_occupancy",
    "plot_occupancy_dos",
    "plot_property",
    "plot_reliability",
    "plot_smearing",
    "plot_spectra",
    "plot_spectrum",
    "plot_sweep",
    "plot_transfer",
    "property_figure",
    "property_losses_figure",
    "property_parity_figure",
    "reliability_figure",
    "representatives",
    "representatives_figure",
    "save_figure",
    "smearing_figure",
    "spectra_figure",
    "structure_figure",
    "sweep_figure",
    "transfer_figure",
    "unfolded_figure",
    "worst_by_element_figure",
]
