"""Spectra without negative values.

A predicted DOS can be slightly negative at energies with few states. Then the number of electrons does not always
increase with the chemical potential, and the chemical potential is not unique. Every property therefore uses a DOS with
a monotone cumulative: the mean of the running maximum from below and the running minimum from above. Negative values
become zero, and the same number of states is taken from the values beside them, half from each side. Levels far away do
not move. The number of states in the negative values is :func:`negative_weight`. An LDOS is repaired such that its sum
is the repaired DOS.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from ldosml._array import Array, index_like, namespace, running_maximum, sum_by_index, to_numpy
from ldosml.properties._inputs import check_spectra
from ldosml.properties.spectrum_warnings import NegativeDOSWarning, caution
from ldosml.spectra import DOS, LDOS

WORTH_A_WARNING = 0.01
"""Fraction of a spectrum that may be negative without a warning."""


def negative_weight(spectra: DOS | LDOS) -> Array:
    """Number of states in the negative values of each DOS, step * sum of max(-D, 0).

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV. For an LDOS, the negative values of its sums count.

    Returns
    -------
    array (n_structures,)
        States.
    """
    values = structure_values(spectra)
    xp = namespace(values)
    return spectra.grid.step * xp.sum(xp.clip(-values, 0.0, None), axis=1)


def nonnegative(spectra: DOS | LDOS) -> DOS | LDOS:
    """Remove negative values and keep the number of states, as every property does: see the module.

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV.

    Returns
    -------
    DOS or LDOS
        The same spectra if no value is negative. The LDOS of the atoms are scaled at each energy like the DOS of their
        structure, so they add up to it; single values may stay negative.

    Warns
    -----
    NegativeDOSWarning
        If more than a hundredth of a DOS is negative.

    Raises
    ------
    ValueError
        If a DOS has no states: it is zero everywhere, or more negative than positive.

    Examples
    --------
    >>> from ldosml import EnergyGrid
    >>> grid = EnergyGrid.from_range(0.0, 0.3, 0.1, zero="fermi")
    >>> nonnegative(DOS(grid, [[0.0, 2.0, 2.02, -0.02]])).values
    array([[0., 2., 2., 0.]])
    """
    check_spectra(spectra)
    if not len(spectra):
        raise ValueError("There are no spectra to derive properties from: the set is empty.")
    whole = structure_values(spectra)
    xp = namespace(whole)
    dips = bool(xp.any(whole < 0))
    before = xp.sum(whole, axis=1)
    after = xp.sum(xp.clip(whole, 0.0, None), axis=1) if dips else before
    _check_states(to_numpy(before), to_numpy(after))
    if not dips:
        return spectra
    repaired = _monotone(whole)
    if isinstance(spectra, DOS):
        return replace(spectra, values=repaired)
    some = whole > 0
    kept = xp.where(some, repaired, 0 * whole) / xp.where(some, whole, xp.ones_like(whole))
    return replace(spectra, values=spectra.values * xp.take(kept, index_like(whole, spectra.structure_index), axis=0))


def _monotone(values: Array) -> Array:
    """Spectra (n_rows, n_energies) whose running sums are the running sums of ``values``, made monotone."""
    xp = namespace(values)
    running = xp.cumulative_sum(values, axis=1)
    # It starts at zero and ends at the total number of states, so dips at the ends do not change this number.
    highest = xp.minimum(xp.clip(running_maximum(running), 0.0, None), running[:, -1:])
    lowest = xp.clip(-xp.flip(running_maximum(-xp.flip(running, axis=1)), axis=1), 0.0, None)
    middle = (highest + lowest) / 2
    zero = xp.zeros_like(middle[:, :1])
    change = middle - xp.concat([zero, middle[:, :-1]], axis=1)
    # Far from dips the values are kept, because differences of sums would round them.
    same = (highest == running) & (lowest == running)
    before = xp.concat([zero == 0, same[:, :-1]], axis=1)
    # Never more than the original value, also in the last digit, because LDOS are scaled by the ratio.
    positive = xp.clip(values, 0.0, None)
    return xp.where(same & before, positive, xp.minimum(change, positive))


def structure_values(spectra: DOS | LDOS) -> Array:
    """The total DOS of each structure, (n_structures, n_energies), states/eV."""
    if isinstance(spectra, LDOS):
        return sum_by_index(spectra.values, spectra.structure_index, spectra.n_structures)
    return spectra.values


def _check_states(before: NDArray[Any], after: NDArray[Any]) -> None:
    empty = (before <= 0).nonzero()[0]
    if len(empty):
        raise ValueError(
            f"The DOS of structure {int(empty[0])} holds no states: its values add up to {before[empty[0]]:.3g}. "
            "Check the file, and the energies to which the spectra were cut."
        )
    worst = int((1 - before / after).argmax())
    lost = float(1 - before[worst] / after[worst])
    if lost > WORTH_A_WARNING:
        caution(
            f"{lost:.1%} of the DOS of structure {worst} is negative; it was set to zero, and states beside "
            "it were removed to keep their number. The model probably has not seen such environments in its training.",
            NegativeDOSWarning,
        )
