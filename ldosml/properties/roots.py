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

    Newton's steps where they stay between the bounds known so far and shrink, the middle of the bounds otherwise.

    Parameters
    ----------
    function : callable
        Gives the values and the slopes at x; values increase, from below zero at ``low`` to above zero at ``high``.
    noise : array or float
        Values as small as this are zero up to rounding.
    small : float
        A step of Newton's so small is the last one: the next would be about its square.

    Raises
    ------
    RuntimeError
        When some element has not come to rest after 200 rounds, which no increasing function does.
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
    raise RuntimeError("A chemical potential could not be found: the number of electrons does not grow with it.")
