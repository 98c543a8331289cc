"""Panels of predicted against true values, whatever they are values of."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ldosml.plotting.style import BLUE, FONT, SMALL_FONT, VERMILLION


def draw_counts(
    ax: Axes, true: NDArray[np.float64], predicted: NDArray[np.float64], unit: str, *, bins: int = 120
) -> None:
    """Count values (of any shape, the same for both) on a square of bins, on a logarithmic scale of colours."""
    low, high = _limits(true, predicted)
    edges = np.linspace(low, high, bins + 1)
    counts, _, _ = np.histogram2d(true.ravel(), predicted.ravel(), bins=(edges, edges))
    norm = LogNorm(vmin=1, vmax=max(counts.max(), 10))
    mesh = ax.pcolormesh(edges, edges, np.ma.masked_equal(counts.T, 0), cmap="cividis", norm=norm, rasterized=True)
    # Beside the axes by construction: a square axes shrinks within its place, and a colorbar of that place would not.
    colorbar = ax.figure.colorbar(mesh, cax=ax.inset_axes((1.04, 0, 0.05, 1)))
    colorbar.set_label("number of values", fontsize=SMALL_FONT)
    colorbar.ax.tick_params(labelsize=SMALL_FONT)
    _finish(ax, low, high, unit)


def draw_points(ax: Axes, true: NDArray[np.float64], predicted: NDArray[np.float64], unit: str) -> None:
    """Draw one point a value (n_values,); the more there are, the smaller and fainter they are."""
    crowd = min(1.0, len(true) / 1000)
    size, opacity = 18 - 13 * crowd, 0.75 - 0.35 * crowd
    ax.scatter(true, predicted, s=size, alpha=opacity, color=BLUE, linewidths=0, rasterized=True, zorder=3)
    low, high = _limits(true, predicted)
    margin = 0.05 * (high - low)
    _finish(ax, low - margin, high + margin, unit)


def draw_error_counts(ax: Axes, errors: NDArray[np.float64], unit: str, *, bins: int = 51, log: bool = True) -> None:
    """Count errors (of any shape) between the largest on either side of zero."""
    widest = float(np.abs(errors).max()) or 1.0
    ax.hist(errors.ravel(), bins=bins, range=(-widest, widest), color=BLUE, log=log)
    if log:
        ax.set_ylim(bottom=0.7)  # a bar of one value is seen
    else:
        ax.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    ax.axvline(0, color=VERMILLION, linewidth=0.8)
    ax.set_xlabel(f"predicted - DFT ({unit})", fontsize=FONT)
    ax.set_ylabel("number of values", fontsize=SMALL_FONT)
    ax.tick_params(labelsize=SMALL_FONT)


def _limits(true: NDArray[np.float64], predicted: NDArray[np.float64]) -> tuple[float, float]:
    """The least and the largest value of both; some way apart, even where all are the same."""
    low, high = (float(pick([pick(true), pick(predicted)])) for pick in (np.min, np.max))
    return (low, high) if high > low else (low - (abs(low) or 1.0) / 10, low + (abs(low) or 1.0) / 10)


def _finish(ax: Axes, low: float, high: float, unit: str) -> None:
    ax.plot([low, high], [low, high], color=VERMILLION, linewidth=0.8, label="exact")
    ax.set_xlim(low, high)
    ax.set_ylim(low, high)
    ax.set_box_aspect(1)
    ax.ticklabel_format(useOffset=False)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(5))
    ax.set_xlabel(f"DFT ({unit})", fontsize=FONT)
    ax.set_ylabel(f"predicted ({unit})", fontsize=FONT)
    ax.tick_params(labelsize=SMALL_FONT)
