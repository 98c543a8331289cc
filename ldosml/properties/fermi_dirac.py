r"""Functions of x = (energy - mu)/kT, finite and accurate for every x.

f = 1/(1 + e^x) (equation A2 of the LDOS paper). All functions use a = |x| and y = e^-a, which is between 0 and 1, so
nothing overflows, and f and 1 - f keep their relative accuracy in both tails.
"""

from __future__ import annotations

from functools import lru_cache

from ldosml._array import Array, namespace

_DEGREE = 22  # terms of the accelerated series: an error of 5.8^-22, below the rounding of float64


def occupation(x: Array) -> Array:
    """Fermi-Dirac occupation, f = 1/(1 + e^x)."""
    xp = namespace(x)
    y = xp.exp(-xp.abs(x))
    return xp.where(x > 0, y, xp.ones_like(y)) / (1 + y)


def log_occupation(x: Array) -> Array:
    """Logarithm of f, also if f is too small for a float."""
    xp = namespace(x)
    return -xp.log1p(xp.exp(-xp.abs(x))) - xp.clip(x, 0.0, None)


def thermal_weight(x: Array) -> Array:
    """-df/dx = f (1 - f), whose integral is 1."""
    xp = namespace(x)
    y = xp.exp(-xp.abs(x))
    return y / (1 + y) ** 2


def entropy_weight(x: Array) -> Array:
    """-f ln f - (1 - f) ln(1 - f), in units of Boltzmann's constant."""
    xp = namespace(x)
    a = xp.abs(x)
    y = xp.exp(-a)
    return xp.log1p(y) + a * y / (1 + y)


def polylogarithms(y: Array, highest: int = 3) -> tuple[Array, ...]:
    """S_n = -Li_n(-y) = sum_k (-1)^(k+1) y^k / k^n for n from 1 to ``highest`` and 0 <= y <= 1.

    S_1 is log1p(y); the other series are summed with the acceleration of alternating series of Cohen, Rodriguez
    Villegas and Zagier (Experimental Mathematics 9, 3 (2000), algorithm 1), which makes polynomials of them.
    """
    return namespace(y).log1p(y), *(y * _horner(y, _coefficients(n)) for n in range(2, highest + 1))


def _horner(y: Array, coefficients: tuple[float, ...]) -> Array:
    total = coefficients[-1] * namespace(y).ones_like(y)
    for coefficient in reversed(coefficients[:-1]):
        total = total * y + coefficient
    return total


@lru_cache(maxsize=4)
def _coefficients(n: int) -> tuple[float, ...]:
    """Coefficients of y^0, y^1, ... in the accelerated series of S_n(y)/y."""
    d = (3 + 8**0.5) ** _DEGREE
    d = (d + 1 / d) / 2
    b, c = -1.0, -d
    result = []
    for k in range(_DEGREE):
        c = b - c
        result.append(c / (k + 1) ** n / d)
        b *= (k + _DEGREE) * (k - _DEGREE) / ((k + 0.5) * (k + 1))
    return tuple(result)
