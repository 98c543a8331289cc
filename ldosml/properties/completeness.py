"""Whether the grid of a DOS is wide enough for its electrons."""

from __future__ import annotations

import math
import warnings

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, Numbers, to_numpy
from ldosml.properties.block import Block
from ldosml.properties.repair import nonnegative
from ldosml.properties.spectrum_warnings import NegativeDOSWarning, TruncatedDOSWarning, caution
from ldosml.spectra import DOS

MISSING_BELOW = 1e-3
"""Fraction of the electrons that may lie below the grid without a warning: it shifts the Fermi level by millivolts."""

ONSET = 1e-3
"""Fraction of its maximum above which a DOS has begun."""

_SPIN = 0.05  # fraction by which half of the electrons may be missed


def holds_electrons(dos: DOS, n_electrons: Numbers, tolerance: float) -> NDArray[np.bool_]:
    """Whether the grid of each DOS holds the electrons and states above them, (n_structures,).

    Without these there is no Fermi level, and ``derive_properties`` raises an error.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NegativeDOSWarning)
        values = to_numpy(nonnegative(dos).values)
    result: NDArray[np.bool_] = _states(values, dos.grid.step) >= to_numpy(n_electrons) * (1 + 2 * tolerance)
    return result


def _states(values: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """States in the grid, (n_structures,), by the trapezoidal rule."""
    result: NDArray[np.float64] = step * (values.sum(axis=1) - (values[:, 0] + values[:, -1]) / 2)
    return result


def check_counts(prepared: Block, number: Array, tolerance: float, given: NDArray[np.float64] | None = None) -> None:
    """Raise an error unless every DOS holds its electrons and states above them.

    Warns if the grid begins too late. ``given`` are levels that came with the DOS, (n_structures,), for the message.
    """
    step, values = prepared.grid.step, to_numpy(prepared.whole)
    total = _states(values, step)
    needed = to_numpy(number)
    short = np.flatnonzero(total < needed * (1 + 2 * tolerance))
    if short.size:
        worst = int(short[np.argmin(total[short] / needed[short])])
        level = math.nan if given is None else float(given[worst])
        raise ValueError(
            f"The DOS of structure {worst} holds {total[worst]:.6g} states from {prepared.grid.start:g} to "
            f"{prepared.grid.stop:g} eV, and {needed[worst]:.6g} electrons would fill all of them. "
            f"{_cause(prepared, worst, level, float(needed[worst]))} Check that n_electrons is the number of valence "
            "electrons, and that the DOS counts both spins."
        )
    # A DOS that rises like an exponential at its first energy has D^2/D' states below it; at most D times 1 eV.
    rise = np.maximum((values[:, 1] - values[:, 0]) / step, np.maximum(values[:, 0], 1e-300))
    below = values[:, 0] ** 2 / rise
    early = np.flatnonzero(below > MISSING_BELOW * needed)
    if early.size:
        worst = int(early[np.argmax(below[early] / needed[early])])
        caution(
            f"The DOS of structure {worst} does not begin within the grid ({values[worst, 0]:.3g} states/eV at "
            f"{prepared.grid.start:g} eV): about {below[worst]:.2g} electrons below are not counted. Begin lower, or "
            "leave them out of n_electrons.",
            TruncatedDOSWarning,
        )


def _cause(prepared: Block, row: int, level: float, needed: float) -> str:
    """Why a DOS holds too few states, in a sentence."""
    values, grid = to_numpy(prepared.whole)[row], prepared.grid
    if math.isfinite(level):
        held = float(prepared.interpolant.count(np.full((int(prepared.whole.shape[0]), 1), level))[row, 0])
        if held < needed / 2 * (1 + _SPIN):
            spin = ", half of the electrons: likely one spin only" if held > needed / 2 * (1 - _SPIN) else ""
            return f"Up to the level given, {level:g} eV, it holds {held:.6g}{spin}."
    if values[0] > ONSET * values.max():
        return (
            f"It does not begin within the grid, with {values[0]:.3g} states/eV at {grid.start:g} eV: use energies "
            "from further below."
        )
    return "The Fermi level, or the first states above its gap, lie above the grid: use more energies."
