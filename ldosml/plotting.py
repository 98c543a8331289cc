"""Figures of predicted spectra beside their reference.

Functions that draw into axes take them as ``ax``; those that make a whole figure return a
``matplotlib.figure.Figure``, made without pyplot, so that nothing is shown, kept or left open. In a notebook the
figure shows itself; ``figure.savefig("name.pdf")`` writes it for a paper. Figures are as wide as a page of two columns.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from ase.data import chemical_symbols
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ldosml import metrics
from ldosml._array import Array, to_numpy
from ldosml._validation import check_shape
from ldosml.energy import Reference
from ldosml.pipeline import Evaluation

LDOS_LABEL = "LDOS (states/eV/atom)"
DOS_LABEL = "DOS (states/eV/atom)"
ENERGY_LABELS: dict[Reference, str] = {
    "fermi": r"energy $- \, E_\mathrm{F}$ (eV)",
    "average_potential": "energy - average potential (eV)",
    "vacuum": "energy - vacuum level (eV)",
    "code": "energy in the DFT code's own zero (eV)",
}

# From the palette of Okabe and Ito, which colour-blind readers tell apart; line styles differ as well.
_BLUE, _VERMILLION, _GREEN, _GREY = "#0072B2", "#D55E00", "#009E73", "0.45"
_PAGE_WIDTH = 7.0  # inches
_FONT, _SMALL_FONT = 9, 8  # points
_LONGEST_NAME = 30  # characters that fit above a third of the page's width


def plot_spectrum(
    ax: Axes,
    energies: Array,
    reference: Array,
    predicted: Array,
    *,
    zero: Reference = "fermi",
    quantity: str = LDOS_LABEL,
    title: str | None = None,
) -> None:
    """Draw one predicted spectrum (solid) over its reference (dashed), the difference shaded.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    energies, reference, predicted : array (n_energies,)
        eV, and the unit that ``quantity`` tells.
    zero : {"fermi", "average_potential", "vacuum", "code"}
        The meaning of an energy of zero (``grid.reference``). With "fermi" the Fermi level is marked.
    quantity : str
        Label of the vertical axis, with its unit.
    title : str, optional
        Drawn as it is: a dollar sign does not begin a formula.

    Raises
    ------
    ValueError
        When the three arrays do not have the same length.
    """
    x, y_ref, y = to_numpy(energies), to_numpy(reference), to_numpy(predicted)
    for name, values in (("reference", y_ref), ("predicted", y)):
        check_shape(name, values, x.shape, "n_energies")
    ax.fill_between(x, y_ref, y, color=_VERMILLION, alpha=0.2, linewidth=0)
    ax.plot(x, y_ref, "--", color=_BLUE, linewidth=1.2, label="DFT", zorder=3)
    ax.plot(x, y, "-", color=_VERMILLION, linewidth=1.0, label="predicted")
    _finish_energy_axis(ax, x, zero)
    ax.set_ylabel(quantity, fontsize=_FONT)
    if title is not None:
        ax.set_title(title, fontsize=_SMALL_FONT, parse_math=False)


def representatives(losses: Array) -> dict[str, int]:
    """Give the indices of the worst, the median and the best of ``losses`` (n,), under these names, in this order.

    The median is a row itself: of an even number of rows, the better of the middle two.
    """
    order = np.argsort(-to_numpy(losses), kind="stable")
    return {"worst": int(order[0]), "median": int(order[len(order) // 2]), "best": int(order[-1])}


def representatives_figure(evaluation: Evaluation) -> Figure:
    """The worst, median and best prediction: LDOS of atoms above, DOS per atom of structures below.

    Arranged as figure 6 of Aryanpour and Sadeghi (2025). Rows are ranked by L/sigma over their own energies, sigma
    that of the whole set; atoms are counted from 0. Panels of one row share both axes.
    """
    figure = Figure(figsize=(_PAGE_WIDTH, 4.6), layout="constrained")
    axes = figure.subplots(2, 3, sharex=True, sharey="row")
    _draw_environments(axes[0], evaluation)
    _draw_structures(axes[1], evaluation)
    for ax in axes.flat:
        ax.label_outer()
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False, fontsize=_FONT)
    return figure


def parity_figure(evaluation: Evaluation) -> Figure:
    """Predicted against reference values: LDOS of all atoms and energies, DOS per atom of all structures and energies.

    Colours count the values, on a logarithmic scale; on the diagonal a prediction is exact. Below, the errors are
    counted, on a logarithmic scale too.
    """
    figure = Figure(figsize=(_PAGE_WIDTH, 4.7), layout="constrained")
    upper, lower = figure.subplots(2, 2, height_ratios=(3, 1))
    losses = evaluation.losses()
    columns = (("LDOS", "ldos_normalized_loss"), ("DOS per atom", "dos_normalized_loss"))
    for ax, below, (name, key), (reference, predicted) in zip(upper, lower, columns, _pairs(evaluation), strict=True):
        _draw_parity(ax, reference, predicted)
        ax.set_title(f"{name}, L/σ = {losses[key]:.3f}", fontsize=_FONT)
        _draw_error_counts(below, predicted - reference)
    return figure


def loss_by_energy_figure(evaluation: Evaluation, label_noise: Mapping[str, float] | None = None) -> Figure:
    """Root mean square error at each energy beside the standard deviation of the reference at that energy.

    The deviation is what predicting the mean spectrum would miss by: where both curves meet, nothing was learned. The
    upper panel averages over atoms, the lower one over structures, whose DOS per atom is compared.

    Parameters
    ----------
    evaluation : Evaluation
    label_noise : dict, optional
        {"ldos": ..., "dos": ...}: error of the labels at the smearing of these spectra as a fraction of their standard
        deviation over the whole set. Drawn as a line, since how it is spread over the energies is not known.
    """
    figure = Figure(figsize=(_PAGE_WIDTH, 4.4), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    grid = evaluation.reference.grid
    rows = ((upper, "ldos", LDOS_LABEL), (lower, "dos", DOS_LABEL))
    for (ax, key, label), (reference, predicted) in zip(rows, _pairs(evaluation), strict=True):
        _draw_errors(ax, grid.energies, reference, predicted, None if label_noise is None else label_noise[key])
        _finish_energy_axis(ax, grid.energies, grid.reference)
        ax.set_ylabel(label, fontsize=_FONT)
        ax.label_outer()
    handles, labels = upper.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False, fontsize=_SMALL_FONT)
    return figure


def png(figure: Figure, dpi: float = 150) -> bytes:
    """The figure as a PNG file, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def _pairs(evaluation: Evaluation) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Reference and predicted values of the LDOS and of the DOS per atom, (n_rows, n_energies), states/eV/atom."""
    ldos = [to_numpy(s.values) for s in (evaluation.reference, evaluation.predicted)]
    dos = [to_numpy(s.per_atom()) for s in evaluation.dos()]
    return [(ldos[0], ldos[1]), (dos[0], dos[1])]


def _finish_energy_axis(ax: Axes, energies: NDArray[np.float64], zero: Reference) -> None:
    if zero == "fermi" and energies[0] <= 0 <= energies[-1]:
        ax.axvline(0, color=_GREY, linestyle=":", linewidth=1, label="Fermi level", zorder=0)
    ax.set_xlim(energies[0], energies[-1])
    ax.set_xlabel(ENERGY_LABELS[zero], fontsize=_FONT)
    ax.tick_params(labelsize=_SMALL_FONT)


def _draw_environments(axes: NDArray[np.object_], evaluation: Evaluation) -> None:
    reference, predicted = evaluation.reference, evaluation.predicted
    losses = to_numpy(metrics.normalized_loss(reference, predicted, per="environment"))
    index = to_numpy(reference.structure_index)
    for ax, (rank, row) in zip(axes, representatives(losses).items(), strict=True):
        structure = int(index[row])
        symbol = "" if reference.numbers is None else f"{chemical_symbols[int(reference.numbers[row])]} "
        atom = f", {symbol}atom {row - reference.rows(structure).start}"
        title = f"{rank}: L/σ = {losses[row]:.3f}\n{_short(evaluation.names[structure], len(atom))}{atom}"
        curves = reference.values[row, :], predicted.values[row, :]
        plot_spectrum(ax, reference.energies, *curves, zero=reference.grid.reference, title=title)


def _draw_structures(axes: NDArray[np.object_], evaluation: Evaluation) -> None:
    reference, predicted = evaluation.dos()
    losses = to_numpy(metrics.normalized_loss(reference, predicted, per="structure"))
    values, predicted_values = _pairs(evaluation)[1]
    for ax, (rank, row) in zip(axes, representatives(losses).items(), strict=True):
        title = f"{rank}: L/σ = {losses[row]:.3f}\n{_short(evaluation.names[row])}"
        curves, zero = (values[row], predicted_values[row]), reference.grid.reference
        plot_spectrum(ax, reference.energies, *curves, zero=zero, quantity=DOS_LABEL, title=title)


def _short(name: str, taken: int = 0) -> str:
    """The name on one line, its middle left out where it is longer than a panel's title holds."""
    line, room = " ".join(name.split()), max(_LONGEST_NAME - taken, 9)
    return line if len(line) <= room else f"{line[: room // 2]}…{line[-(room - room // 2 - 1) :]}"


def _draw_parity(ax: Axes, reference: NDArray[np.float64], predicted: NDArray[np.float64]) -> None:
    low, high = min(reference.min(), predicted.min()), max(reference.max(), predicted.max())
    edges = np.linspace(low, high, 121)
    counts, _, _ = np.histogram2d(reference.ravel(), predicted.ravel(), bins=(edges, edges))
    norm = LogNorm(vmin=1, vmax=max(counts.max(), 10))
    mesh = ax.pcolormesh(edges, edges, np.ma.masked_equal(counts.T, 0), cmap="cividis", norm=norm, rasterized=True)
    # Beside the axes by construction: a square axes shrinks within its place, and a colorbar of that place would not.
    colorbar = ax.figure.colorbar(mesh, cax=ax.inset_axes((1.04, 0, 0.05, 1)))
    colorbar.set_label("number of values", fontsize=_SMALL_FONT)
    colorbar.ax.tick_params(labelsize=_SMALL_FONT)
    ax.plot([low, high], [low, high], color=_VERMILLION, linewidth=0.8, label="exact")
    ax.set_box_aspect(1)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(5))
    ax.set_xlabel("DFT (states/eV/atom)", fontsize=_FONT)
    ax.set_ylabel("predicted (states/eV/atom)", fontsize=_FONT)
    ax.tick_params(labelsize=_SMALL_FONT)


def _draw_error_counts(ax: Axes, errors: NDArray[np.float64]) -> None:
    widest = float(np.abs(errors).max()) or 1.0
    ax.hist(errors.ravel(), bins=51, range=(-widest, widest), color=_BLUE, log=True)
    ax.set_ylim(bottom=0.7)  # a bar of one value is seen
    ax.axvline(0, color=_VERMILLION, linewidth=0.8)
    ax.set_xlabel("predicted - DFT (states/eV/atom)", fontsize=_FONT)
    ax.set_ylabel("number of values", fontsize=_SMALL_FONT)
    ax.tick_params(labelsize=_SMALL_FONT)


def _draw_errors(
    ax: Axes,
    energies: NDArray[np.float64],
    reference: NDArray[np.float64],
    predicted: NDArray[np.float64],
    noise: float | None,
) -> None:
    error = np.sqrt(np.mean((predicted - reference) ** 2, axis=0))
    ax.plot(energies, reference.std(axis=0), "--", color=_BLUE, linewidth=1.2, label="standard deviation of DFT")
    ax.plot(energies, error, "-", color=_VERMILLION, linewidth=1.2, label="root mean square error")
    if noise is not None:
        level = noise * float(reference.std())
        ax.axhline(level, color=_GREEN, linestyle="-.", linewidth=1.2, label="label noise, averaged over energies")
    ax.set_ylim(bottom=0)
