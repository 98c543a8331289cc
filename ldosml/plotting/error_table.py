"""The figure of an error table: the distribution of errors over single atoms."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import numpy as np
from ase.data import atomic_numbers
from matplotlib.axes import Axes

from ldosml.plotting.figure import Figure
from ldosml.plotting.panels import MEAN, NOISE, by_set, label_log_axis, legend_above
from ldosml.plotting.style import BLUE, COLUMN_WIDTH, FONT, PAGE_WIDTH, SMALL_FONT, VERMILLION
from ldosml.studies.error_table import ErrorTable

_COLORS = {"groups": BLUE, "environments": VERMILLION}
_NAMES = {"groups": "whole trajectories left out", "environments": "single atoms left out (leaks information)"}
_MOST_IN_COLUMN = 3  # elements
_TITLE = 9  # characters that fit above each element


def error_table_figure(tables: ErrorTable | Mapping[str, ErrorTable]) -> Figure:
    """L/sigma of single environments by element and split, on a logarithmic axis, one panel per dataset.

    Shows table I of Aryanpour and Sadeghi (2025) as a figure. Boxes hold the middle half of the environments, with the
    median as a line and the mean as a diamond. Whiskers extend from the smallest to the largest error. Lines show the
    label noise of the element, where it is known, and the L/sigma of always predicting its mean spectrum. The number
    of environments stands below each element.

    Parameters
    ----------
    tables : ErrorTable, or dict of ErrorTable
        Several tables by the names of their datasets.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        When there are no tables.
    """
    named = by_set(tables)
    counts = [len(_elements(table)) for table in named.values()]
    width = COLUMN_WIDTH if sum(counts) <= _MOST_IN_COLUMN else PAGE_WIDTH
    figure = Figure(figsize=(width, 3.0), layout="constrained")
    axes = figure.subplots(1, len(named), sharey=True, squeeze=False, width_ratios=counts)[0]
    for ax, (name, table) in zip(axes, named.items(), strict=True):
        _draw(ax, table)
        ax.set_title(textwrap.fill(name, _TITLE * len(_elements(table))), fontsize=FONT, parse_math=False)
    _finish_losses(axes[0])
    figure.supxlabel("element and number of atoms", fontsize=SMALL_FONT)
    legend_above(figure, axes, columns=2 if width == PAGE_WIDTH else 1)
    return figure


def plot_error_table(ax: Axes, table: ErrorTable) -> None:
    """Draw one panel of ``error_table_figure``, without its legend.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    table : ErrorTable
    """
    _draw(ax, table)
    _finish_losses(ax)
    ax.set_xlabel("element and number of atoms", fontsize=SMALL_FONT)


def _finish_losses(ax: Axes) -> None:
    ax.set_ylabel("L/σ of an atom's LDOS", fontsize=FONT)
    ax.set_yscale("log")
    label_log_axis(ax.yaxis)


def _elements(table: ErrorTable) -> list[str]:
    return next(iter(table.errors.values())).elements


def _draw(ax: Axes, table: ErrorTable) -> None:
    elements, width = _elements(table), 0.7 / len(table.errors)
    for number, (split, errors) in enumerate(table.errors.items()):
        places = np.arange(len(elements)) + (number - (len(table.errors) - 1) / 2) * width
        color = _COLORS[split]
        boxes = ax.boxplot(
            [errors.by_environment(f"ldos {element}") for element in elements],
            positions=places,
            widths=0.85 * width,
            whis=(0, 100),
            patch_artist=True,
            showmeans=True,
            showfliers=False,
            boxprops={"facecolor": (color, 0.5), "edgecolor": color},
            whiskerprops={"color": color},
            capprops={"color": color},
            medianprops={"color": "black", "linewidth": 1.2},
            meanprops={"marker": "D", "markersize": 4, "markerfacecolor": "white", "markeredgecolor": "black"},
        )
        boxes["boxes"][0].set_label(_NAMES[split])
    errors = next(iter(table.errors.values()))
    for place, element in enumerate(elements):
        name = f"ldos {element}"
        for level, look in ((errors.mean_loss[name], MEAN), (table.noise.get(name), NOISE)):
            if level is not None:
                ax.plot([place - 0.45, place + 0.45], [level, level], **look)
    counts = {element: int((errors.numbers == atomic_numbers[element]).sum()) for element in elements}
    texts = [f"{element}\n{count:,}" for element, count in counts.items()]
    ax.set_xticks(range(len(elements)), texts, fontsize=FONT)
    ax.set_xlim(-0.5, len(elements) - 0.5)
    ax.tick_params(axis="y", labelsize=SMALL_FONT)
