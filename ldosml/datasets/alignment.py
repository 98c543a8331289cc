"""Which energies the structures of a dataset share: at another zero, or after broadening."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ldosml._array import to_numpy
from ldosml._validation import ParameterError, check_order
from ldosml.energy import EnergyGrid, Zero
from ldosml.spectra import DOS

ONSET = 1e-4
"""A DOS begins where it first exceeds this fraction of its maximum."""

_STEPS = 10  # below the first state of an unsmeared DOS; the ringing of a cubic spline falls to 0.27^10 there

_TOLERANCE = 1e-9  # eV; energies that differ by less are one


def common_grid(
    dos: DOS,
    zeros: NDArray[np.float64],
    energy_max: NDArray[np.float64],
    names: Sequence[str],
    zero: Zero,
    low: float | None,
    high: float | None,
) -> EnergyGrid:
    """Give the grid, against the new zeros, that every structure's DOS covers.

    Parameters
    ----------
    dos : DOS
    zeros : array (n_structures,)
        The new zero of each structure, eV in the grid's present zero.
    energy_max : array (n_structures,)
        Up to where each DOS is complete, eV in the present zero; infinite where not known.
    names : sequence of str
        For messages.
    zero : str
        What the new zero is.
    low, high : float or None
        eV against the new zero. None: from three smearing widths, or ten steps,
        below the first onset to where the first DOS ends.

    Raises
    ------
    ValueError
        When ``low`` is not below ``high``; when one of them is beyond what some structure allows, or the stored
        energies of one structure begin above the first states of another: the message names it.
    """
    step, given = dos.grid.step, low is not None or high is not None
    if low is not None and high is not None:
        check_order(low, high)
    # Energies that stay where they are are cut; only a new grid can be made of multiples of the step.
    cut_only = zero == dos.grid.zero and not zeros.any()
    starts = dos.grid.start - zeros
    ends = np.minimum(dos.grid.stop, energy_max) - zeros
    if low is None:
        margin = max(3 * (dos.smearing_width or 0.0), _STEPS * step)
        low = _first_state(dos, zeros, names) - margin
        low = max(starts.max(), low) if cut_only else max(_ceil(starts.max(), step), _floor(low, step))
    elif low < starts.max() - _TOLERANCE:
        worst = int(np.argmax(starts))
        raise ParameterError(
            "low",
            f"must be at least {starts[worst]:.6g} eV, where the stored energies of structure {names[worst]!r} begin; "
            f"got {low:g} eV.",
        )
    if high is None:
        high = ends.min() if cut_only else _floor(ends.min(), step)
    elif high > ends.min() + _TOLERANCE:
        worst = int(np.argmin(ends))
        raise ParameterError(
            "high",
            f"must be at most {ends[worst]:.6g} eV, where the DOS of structure {names[worst]!r} ends or ceases to be "
            f"complete (energy_max); got {high:g} eV.",
        )
    if high - low < step:
        if given:
            raise ValueError(
                f"From low = {low:g} to high = {high:g} eV there are not two energies, {step:g} eV apart. Ask for a "
                "wider range, or leave both out."
            )
        raise ValueError(
            f"The structures share no energies: {low:g} to {high:g} eV. Leave out the ones that end early."
        )
    return dos.grid.cut(low, high) if cut_only else EnergyGrid.from_range(low, high, step, zero)


def broadened_range(dos: DOS, width: float) -> tuple[float, float]:
    """Give the lowest and highest energy (eV) at which spectra broadened to ``width`` (eV) are right.

    Beyond the grid a spectrum counts as zero, so that it comes out too low within three widths of the added Gaussian
    of an end where it has not died out. Infinite at an end where every DOS has.

    Raises ValueError when fewer than two energies lie between them.
    """
    known = width if dos.smearing_width is None else dos.smearing_width
    reach = 3 * float(np.sqrt(max(0.0, width**2 - known**2)))
    values = to_numpy(dos.values)
    alive = (values[:, [0, -1]] > ONSET * values.max(axis=1, keepdims=True)).any(axis=0)
    low = dos.grid.start + reach if alive[0] else -np.inf
    high = dos.grid.stop - reach if alive[1] else np.inf
    inside = (dos.energies >= low - _TOLERANCE) & (dos.energies <= high + _TOLERANCE)
    if np.count_nonzero(inside) < 2:
        raise ValueError(
            f"Broadening to {width:g} eV leaves nothing of the energies from {dos.grid.start:g} to {dos.grid.stop:g} "
            f"eV: {reach:.3g} eV are lost at each end where a DOS has not died out. Ask for a smaller width, or store "
            "more energies."
        )
    return low, high


def onsets(dos: DOS) -> NDArray[np.float64]:
    """The energy at which each DOS begins, (n_structures,), eV."""
    values = to_numpy(dos.values)
    first = np.argmax(values > ONSET * values.max(axis=1, keepdims=True), axis=1)
    energies: NDArray[np.float64] = dos.energies[first]
    return energies


def _first_state(dos: DOS, zeros: NDArray[np.float64], names: Sequence[str]) -> float:
    """Where the first DOS begins, eV against the new zeros; all stored energies must reach down to there."""
    first = onsets(dos) - zeros
    starts = dos.grid.start - zeros
    if starts.max() > first.min() + dos.grid.step:
        late, early = names[int(np.argmax(starts))], names[int(np.argmin(first))]
        raise ValueError(
            f"The stored energies of structure {late!r} begin at {starts.max():.6g} eV against the new zero, above the "
            f"first states of structure {early!r} at {first.min():.6g} eV, which would be lost. Leave one "
            "out, or set low to cut them off."
        )
    return float(first.min())


def _floor(energy: float, step: float) -> float:
    return round(float(np.floor(energy / step + 1e-7)) * step, 10)


def _ceil(energy: float, step: float) -> float:
    return round(float(np.ceil(energy / step - 1e-7)) * step, 10)
