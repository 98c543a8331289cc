"""Roots of increasing functions, elementwise."""

from __future__ import annotations

from collections.abc import Callable

from ldosml._array import Array, Numbers, namespace

_ROUNDS = 200


def increasing_root(
    function: Callable[[Array], tuple[Array, Array]],
    low: Array,
    high: Array,
    start: Array,
    noise: Numbers,
    *,
    small: float = 1e-10,
) -> Array:
    """Solve function(x) = 0 between ``low`` and ``high``, all of one shape.

    A step is Newton's step if it stays between the present bounds and is shorter than half of the step before;
    otherwise it goes to the middle of the bounds.

    Parameters
    ----------
    function : callable
        Returns the values and the slopes at x; values increase, from below zero at ``low`` to above zero at ``high``.
    low, high, start : array
        Bounds of the roots, and first guesses.
    noise : array or float
        Rounding error of the values: values up to this are zero.
    small : float
        The iteration ends after a Newton step below this; the next step would be about its square.

    Returns
    -------
    array
        The roots.

    Raises
    ------
    RuntimeError
        When an element has not converged after 200 steps, which does not happen if the function increases.
    """
    xp = namespace(low)
    x, last = xp.clip(start, low, high), high - low
    for _ in range(_ROUNDS):
        value, slope = function(x)
        low, high = xp.where(value < 0, x, low), xp.where(value > 0, x, high)
        positive = slope > 0
        step = -value / xp.where(positive, slope, xp.ones_like(slope))
        good = positive & (x + step >= low) & (x + step <= high) & (xp.abs(step) < 0.5 * last)
        step = xp.where(good, step, (low + high) / 2 - x)
        still = xp.abs(value) <= noise
        step = xp.where(still, xp.zeros_like(step), step)
        x, last = x + step, xp.abs(step)
        if bool(xp.all(last <= xp.where(good, small, 4e-16 * (1 + xp.abs(x))))):
            return x
    raise RuntimeError("No chemical potential was found: the number of electrons does not increase with it.")
