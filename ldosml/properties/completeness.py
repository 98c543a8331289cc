"""Whether the grid of a DOS is wide enough for its electrons, and counts both spins."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, Numbers, like, namespace, to_numpy
from ldosml.properties.block import Block
from ldosml.properties.fermi_dirac import log_occupation
from ldosml.properties.repair import nonnegative
from ldosml.properties.spectrum_warnings import NegativeDOSWarning, SpinConventionWarning, TruncatedDOSWarning, caution
from ldosml.spectra import DOS

MISSING_BELOW = 1e-3
"""Fraction of the electrons that may lie below the grid without a warning: it shifts the Fermi level by millivolts."""

MISSING_ABOVE = 1e-4
"""Fraction of the electrons that may be excited above the grid without a warning; each matters more, far from mu."""


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


def check_counts(prepared: Block, number: Array, tolerance: float, *, spins: bool = True) -> None:
    """Raise an error unless every DOS holds its electrons and states above them.

    Warns if the grid begins too late, and with ``spins`` if one spin seems to be missing.
    """
    step, values = prepared.grid.step, to_numpy(prepared.whole)
    total = _states(values, step)
    needed = to_numpy(number)
    short = np.flatnonzero(total < needed * (1 + 2 * tolerance))
    if short.size:
        worst = int(short[np.argmin(total[short] / needed[short])])
        raise ValueError(
            f"The DOS of structure {worst} holds {total[worst]:.6g} states from {prepared.grid.start:g} to "
            f"{prepared.grid.stop:g} eV, and {needed[worst]:.6g} electrons would fill all of them: the Fermi level, "
            "or the first states above its gap, lie above the grid. Use more energies. Check that n_electrons is the "
            "number of valence electrons, and that the DOS counts both spins."
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
    if spins:
        _check_spins(prepared, needed)


def _check_spins(prepared: Block, needed: NDArray[np.float64]) -> None:
    grid = prepared.grid
    if grid.zero != "fermi" or not grid.start < 0 < grid.stop:
        return
    below = grid.energies < 0
    ratio = float(np.median(grid.step * to_numpy(prepared.whole)[:, below].sum(axis=1) / needed))
    for factor, words in ((0.5, "half"), (2.0, "twice")):
        if abs(ratio / factor - 1) < 0.05:
            caution(
                f"Up to the zero of energy, which is the Fermi level, the DOS holds {words} the electrons given "
                f"({ratio:.3f} of them). A DOS here counts both spins, and n_electrons all valence electrons.",
                SpinConventionWarning,
            )


def check_top(prepared: Block, mu: Array, kT: NDArray[np.float64], number: Array) -> None:
    """Warn if states above the grid would be occupied, with the number of electrons.

    ``mu`` is (n_structures, n_temperatures), ``number`` of electrons is (n_structures,). The density above the grid is
    estimated by the mean of the last electronvolt, or of the last tenth of the grid.
    """
    grid, xp = prepared.grid, namespace(mu)
    last = max(2, min(round(1 / grid.step), grid.size // 10))
    density = xp.mean(prepared.whole[:, -last:], axis=1)[:, None]
    thermal = like(mu, kT)[None, :]
    missing = density * thermal * -log_occupation((mu - grid.stop) / thermal)
    fraction = missing / number[:, None]
    if float(xp.max(fraction)) > MISSING_ABOVE:
        structure, column = divmod(int(xp.argmax(fraction)), len(kT))
        caution(
            f"The DOS ends at {grid.stop:g} eV, too low for this temperature (kT = {kT[column]:.3g} eV): in structure "
            f"{structure}, about {float(missing[structure, column]):.3g} electrons would be above. They are counted in "
            "lower states, so all thermal properties have an error. Use more energies.",
            TruncatedDOSWarning,
        )
