"""One function that draws any result; the method ``plot`` of a result calls it."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from numpy.typing import ArrayLike

from ldosml._array import to_numpy
from ldosml.evaluation import Evaluation
from ldosml.kresolved import KPath, KResolvedOccupancy, OccupancyScores
from ldosml.metrics import normalized_loss
from ldosml.plotting.comparison import comparison_figure, plot_comparison
from ldosml.plotting.cutoff_sweep import plot_sweep, sweep_figure
from ldosml.plotting.error_table import error_table_figure, plot_error_table
from ldosml.plotting.figure import Figure
from ldosml.plotting.learning_curve import learning_curve_figure, plot_learning_curve
from ldosml.plotting.occupancy import band_figure, mean_occupancy_figure, plot_band_image, plot_mean_occupancy
from ldosml.plotting.property_table import plot_property, property_figure
from ldosml.plotting.reliability import plot_reliability, reliability_figure
from ldosml.plotting.representatives import representatives, representatives_figure
from ldosml.plotting.smearing import plot_smearing, smearing_figure
from ldosml.plotting.spectra import plot_spectra, spectra_figure
from ldosml.plotting.spectrum import draw_dos
from ldosml.plotting.structure import structure_figure
from ldosml.plotting.style import mark_fermi_level
from ldosml.plotting.transfer import plot_transfer, transfer_figure
from ldosml.properties import PropertyTable
from ldosml.spectra import DOS, LDOS
from ldosml.studies import CutoffSweep, ErrorTable, LearningCurve, RegressorComparison, SmearingStudy, Transfer


@singledispatch
def plot(result: Any, ax: Axes | None = None, **options: Any) -> Any:
    """Draw a result: spectra, a table of properties, an evaluation, occupancies, or what a study found.

    Parameters
    ----------
    result : object
        A result that has a method ``plot``.
    ax : matplotlib.axes.Axes, optional
        Draw here, without a legend. Default: a figure of its own, with a legend.
    **options
        Those of the method ``plot`` of the result.

    Returns
    -------
    matplotlib.figure.Figure or None
        None with ``ax``; but for occupancies along a path the image, for a colour bar.

    Raises
    ------
    TypeError
        When results of this type are not drawn.
    ValueError
        As the method ``plot`` of the result.
    """
    raise TypeError(f"plot draws results that have a method plot; got {type(result).__name__}.")


@plot.register(LDOS)
@plot.register(DOS)
def _(spectra: LDOS | DOS, ax: Axes | None = None, *, structure: int | None = None) -> Figure | None:
    if ax is None:
        return spectra_figure(spectra, structure)
    plot_spectra(ax, spectra, structure)
    return None


@plot.register
def _(table: PropertyTable, ax: Axes | None = None, *, name: str, temperature: float | None = None) -> Figure | None:
    if ax is None:
        return property_figure(table, name, temperature)
    plot_property(ax, table, name, temperature)
    return None


@plot.register
def _(evaluation: Evaluation, ax: Axes | None = None, *, structure: int | None = None) -> Figure | None:
    if ax is None and structure is None:
        return representatives_figure(evaluation)
    losses = to_numpy(normalized_loss(*evaluation.dos(), per="structure"))
    chosen = representatives(losses)["median"] if structure is None else structure
    if ax is None:
        return structure_figure(evaluation, chosen)
    if not 0 <= chosen < len(losses):
        raise ValueError(f"structure must be a whole number from 0 to {len(losses) - 1}; got {structure}.")
    draw_dos(ax, evaluation, chosen, f"{evaluation.names[chosen]}: L/σ = {losses[chosen]:.3f}")
    mark_fermi_level(ax, evaluation.predicted.energies, evaluation.predicted.grid.zero)
    return None


@plot.register
def _(
    occupancy: KResolvedOccupancy,
    ax: Axes | None = None,
    *,
    path: KPath | None = None,
    bands: ArrayLike | None = None,
) -> Figure | QuadMesh | None:
    if path is not None:
        if ax is None:
            return band_figure(occupancy, path, bands=bands)
        return plot_band_image(ax, occupancy, path, bands=bands)
    if bands is not None:
        raise ValueError("bands are drawn along a path: give the path as well.")
    if ax is None:
        return mean_occupancy_figure(occupancy)
    plot_mean_occupancy(ax, occupancy)
    return None


@plot.register
def _(scores: OccupancyScores, ax: Axes | None = None) -> Figure | None:
    if ax is None:
        return reliability_figure({"model": scores})
    plot_reliability(ax, {"model": scores.reliability})
    return None


@plot.register
def _(sweep: CutoffSweep, ax: Axes | None = None, *, element: str | None = None) -> Figure | None:
    if ax is None:
        return sweep_figure(sweep, elements=None if element is None else [element])
    plot_sweep(ax, sweep, sweep.elements[0] if element is None else element)
    return None


@plot.register
def _(curve: LearningCurve, ax: Axes | None = None, *, quantity: str = "dos") -> Figure | None:
    if ax is None:
        return learning_curve_figure(curve, [quantity])
    plot_learning_curve(ax, curve, quantity)
    return None


@plot.register
def _(study: SmearingStudy, ax: Axes | None = None, *, quantity: str = "dos") -> Figure | None:
    if ax is None:
        return smearing_figure(study, [quantity])
    plot_smearing(ax, study, quantity)
    return None


@plot.register
def _(comparison: RegressorComparison, ax: Axes | None = None) -> Figure | None:
    if ax is None:
        return comparison_figure(comparison)
    plot_comparison(ax, comparison)
    return None


@plot.register
def _(table: ErrorTable, ax: Axes | None = None) -> Figure | None:
    if ax is None:
        return error_table_figure(table)
    plot_error_table(ax, table)
    return None


@plot.register
def _(found: Transfer, ax: Axes | None = None) -> Figure | None:
    if ax is None:
        return transfer_figure(found)
    plot_transfer(ax, found)
    return None
