r"""Integrals of a DOS with functions of (e - mu)/kT, by three rules.

For each row and temperature, with f the Fermi-Dirac occupation and x = (e - mu)/kT, the moments are

    count    integral of D f de                      entropy  integral of D (-f ln f - (1-f) ln(1-f)) de
    energy   integral of (e - mu) D f de             j0, j1, j2  integral of (e - mu)^n D (-df/de) de

``trapezoid``
    The sum over the grid. If the DOS is smooth and kT is at least 1.5 steps, it converges faster than any power.
``gauss``
    All moments are averages of D and of its integrals N_0 (once) and N_1 (twice) with the weight -df/dx, which is
    1/(4 cosh^2(x/2)): count = <N_0>, entropy = <x N_0>, energy = kT <x N_0> - <N_1>, j_n = <(kT x)^n D>. While kT is
    far below the smearing width, the nodes are the Gauss nodes of this weight (recurrence
    b_n = pi^2 n^4/(4 n^2 - 1), Golub and Welsch 1969), on cubic cumulatives. At larger kT, the nodes span several
    cubics, and equally spaced nodes in x are used. Nothing overflows, and the limit T -> 0 is exact.
``linear``
    The exact integrals of the straight lines between the values, from polylogarithms: for a DOS with kinks (from the
    tetrahedron method, or not smeared) at any temperature. With G'' = g, the integral of D g over a cell from a to b is
    D_a ((G_b - G_a)/h - G'_a) + D_b (G'_b - (G_b - G_a)/h).

In a wide gap all are far below the rounding of sums over all electrons. ``trapezoid`` and ``linear`` add up only
positive terms of entropy, j0 and j2, which keep their relative accuracy, and so do j0 and j2 of ``gauss``. Its entropy
is 0 where it is below 1e-14 k_B for each electron.

The rule is chosen for each temperature by :func:`choose`. Errors measured on Gaussian-smeared levels are in
``benchmarks/quadratures.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, index_like, like, namespace, to_numpy
from ldosml._validation import ParameterError, check_choice
from ldosml.energy import EnergyGrid
from ldosml.properties.fermi_dirac import polylogarithms, thermal_weight
from ldosml.properties.interpolation import Interpolant, Quantity, gather

Quadrature = Literal["auto", "trapezoid", "gauss", "linear", "forced-trapezoid"]
"""How to integrate; "forced-trapezoid" uses the trapezoid also if kT is below one step, where it is wrong."""

Rule = Literal["trapezoid", "gauss", "equidistant", "linear", "coarse", "far"]
"""The rule at one temperature. "equidistant" replaces the nodes of "gauss" at higher temperatures. "coarse" has few
equidistant nodes, for first guesses. "far" has nodes up to 128 kT above mu, to count electrons across a gap."""

Moment = Literal["count", "energy", "entropy", "j0", "j1", "j2"]
ALL_MOMENTS: tuple[Moment, ...] = get_args(Moment)

SMOOTH = 1.5
"""Least smearing, in steps, of a smooth DOS."""

HOT = 1.5
"""Least kT, in steps, at which the trapezoid is exact to rounding on a smooth DOS."""

_GAUSS_NODES = 16
_GAUSS_REACH = 0.2  # in smearing widths: above this kT the nodes are equally spaced
_SPACING: dict[Rule, tuple[float, float, float]] = {
    "equidistant": (0.64, -32.0, 32.0),
    "coarse": (2.0, -32.0, 32.0),
    "far": (1.0, -32.0, 128.0),
}
_NOISE = 64 * float(np.finfo(np.float64).eps)
_WINDOW = 38.0  # beyond |x| = 38 exp(-|x|) is lost in rounding


def choose(requested: Quadrature, kT: float, step: float, width: float) -> Rule:
    """Choose the rule for one temperature; ``width`` is the smearing width (eV), 0 if it is not known.

    ====================================  =============================================
    DOS                                   rule
    ====================================  =============================================
    smearing below 1.5 steps or unknown   linear
    smooth, kT >= 1.5 steps               trapezoid
    smooth, kT < 1.5 steps                gauss; equidistant where kT > 0.2 smearing widths
    ====================================  =============================================

    Raises ValueError for an unknown name; for the trapezoid if kT is below one step, where its number of electrons is
    wrong by the states in up to half a step, and its heat capacity is useless; and for Gauss if kT is above both 1.5
    steps and the smearing width, where the DOS has structure between the nodes.
    """
    check_choice("quadrature", requested, get_args(Quadrature))
    if requested == "trapezoid" and kT < step:
        raise ParameterError(
            "quadrature",
            f"trapezoid is wrong because kT ({kT:.3g} eV) is below the step of the energies ({step:g} eV): the Fermi "
            "edge falls between two energies. Use auto, or forced-trapezoid to see the error.",
        )
    if requested == "gauss" and kT > max(HOT * step, width):
        raise ParameterError(
            "quadrature",
            f"gauss has too few nodes because kT ({kT:.3g} eV) is above 1.5 steps ({1.5 * step:g} eV) and above the "
            f"smearing width ({width:g} eV). Use auto.",
        )
    if requested in ("trapezoid", "forced-trapezoid"):
        return "trapezoid"
    if requested == "linear" or (requested == "auto" and not is_smooth(width, step)):
        return "linear"
    if requested == "auto" and kT >= HOT * step * (1 - 1e-9):
        return "trapezoid"
    return "gauss" if kT <= _GAUSS_REACH * width else "equidistant"


def is_smooth(width: float, step: float) -> bool:
    """Whether the smearing is wide enough for cubics and for the trapezoid."""
    return width >= SMOOTH * step * (1 - 1e-9)


def rules(requested: Quadrature, kT: NDArray[np.float64], step: float, width: float) -> dict[Rule, list[int]]:
    """Indices of the temperatures for each rule."""
    chosen = [choose(requested, float(thermal), step, width) for thermal in kT]
    return {rule: [t for t, other in enumerate(chosen) if other == rule] for rule in dict.fromkeys(chosen)}


def in_order(columns: Sequence[int], values: Array) -> Array:
    """Sort ``values`` (n_rows, n_temperatures), whose column i belongs to temperature ``columns[i]``."""
    xp = namespace(values)
    return xp.take(values, index_like(values, np.argsort(columns)), axis=1)


def integrate(
    rule: Rule, interpolant: Interpolant, mu: Array, kT: NDArray[np.float64], wanted: Sequence[Moment]
) -> dict[Moment, Array]:
    """Moments of every row at every temperature, (n_rows, n_temperatures).

    Parameters
    ----------
    interpolant : Interpolant
        Interpolant of n_rows spectra.
    mu : array (n_rows, n_temperatures)
        eV.
    kT : array (n_temperatures,)
        eV.
    wanted : sequence of str
        Names of moments.

    Returns
    -------
    dict of str to array (n_rows, n_temperatures)
        The moments by name.
    """
    if rule in ("trapezoid", "linear"):
        # One temperature at a time, so that arrays over rows and energies fit a processor's cache.
        sums = _trapezoid if rule == "trapezoid" else _linear
        parts = [sums(interpolant, mu[:, t : t + 1], kT[t : t + 1], wanted) for t in range(len(kT))]
        return {name: namespace(mu).concat([part[name] for part in parts], axis=1) for name in wanted}
    nodes = _gauss_nodes() if rule == "gauss" else _equal_nodes(*_SPACING[rule])
    return _average(interpolant, mu, kT, wanted, *nodes)


def _trapezoid(
    interpolant: Interpolant, mu: Array, kT: NDArray[np.float64], wanted: Sequence[Moment]
) -> dict[Moment, Array]:
    xp = namespace(mu)
    energies = like(mu, interpolant.grid.energies)
    thermal = like(mu, kT)[None, :, None]
    x = (energies[None, None, :] - mu[:, :, None]) / thermal
    density = (interpolant.values * like(mu, trapezoid_weights(interpolant.grid)))[:, None, :]
    return {name: xp.vecdot(weight, density, axis=-1) for name, weight in _weights(x, thermal, wanted)}


def trapezoid_weights(grid: EnergyGrid) -> NDArray[np.float64]:
    """Weights of the energies: the step, with Gregory's correction to fourth order at both ends.

    The correction matters for a DOS that is not zero at the ends of the grid. There the plain trapezoid has the error
    of the Euler-Maclaurin formula, step^2/12 times the slope of the integrand.
    """
    weights = np.full(grid.size, grid.step)
    ends = np.array([3 / 8, 7 / 6, 23 / 24]) if grid.size >= 6 else np.array([1 / 2])
    weights[: ends.size] *= ends
    weights[-ends.size :] *= ends[::-1]
    return weights


def _weights(x: Array, kT: Array, wanted: Sequence[Moment]) -> Iterator[tuple[Moment, Array]]:
    """The functions of the moments, from one exponential."""
    xp = namespace(x)
    a = xp.abs(x)
    y = xp.exp(-a)
    upper = 1 / (1 + y)  # the larger one of f and 1 - f
    lower = y * upper
    f: Any = None if {"count", "energy"}.isdisjoint(wanted) else xp.where(x > 0, lower, upper)
    slope: Any = None if {"j0", "j1", "j2"}.isdisjoint(wanted) else lower * upper
    for name in wanted:
        if name == "count":
            yield name, f
        elif name == "energy":
            yield name, kT * x * f
        elif name == "entropy":
            yield name, xp.log1p(y) + a * lower
        else:
            yield name, slope / kT if name == "j0" else x * slope if name == "j1" else kT * x * x * slope


def _average(
    interpolant: Interpolant,
    mu: Array,
    kT: NDArray[np.float64],
    wanted: Sequence[Moment],
    nodes: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> dict[Moment, Array]:
    xp, x, w, thermal = namespace(mu), like(mu, nodes), like(mu, weights), like(mu, kT)
    at = mu[:, :, None] + thermal[None, :, None] * x
    density, count, second = _needed(interpolant, at, wanted)
    moments: dict[Moment, Array] = {}
    for name in wanted:
        if name == "count":
            moments[name] = count @ w
        elif name == "entropy":
            moments[name] = _without_noise(count @ (w * x), count @ (w * xp.abs(x)))
        elif name == "energy":
            moments[name] = thermal * (count @ (w * x)) - second @ w
        else:
            power = int(name[1])
            moments[name] = thermal**power * (density @ (w * x**power))
    return moments


def _without_noise(values: Array, terms: Array) -> Array:
    """Zero where ``values`` are rounding of ``terms`` that cancel."""
    xp = namespace(values)
    return xp.where(xp.abs(values) > _NOISE * terms, values, xp.zeros_like(values))


def _needed(interpolant: Interpolant, at: Array, wanted: Sequence[Moment]) -> list[Any]:
    """D, N_0 and N_1 at the nodes; None for a quantity that no moment needs."""
    users: dict[Quantity, tuple[Moment, ...]] = {
        "density": ("j0", "j1", "j2"),
        "count": ("count", "entropy", "energy"),
        "second": ("energy",),
    }
    needed = [quantity for quantity, moments in users.items() if not set(moments).isdisjoint(wanted)]
    found = dict(zip(needed, interpolant.evaluate(at, *needed), strict=True))
    return [found.get(quantity) for quantity in users]


@lru_cache(maxsize=1)
def _gauss_nodes() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss quadrature for the weight 1/(4 cosh^2(x/2)) by the eigenvalues of its Jacobi matrix."""
    n = np.arange(1, _GAUSS_NODES)
    side = np.sqrt(math.pi**2 * n**4 / (4 * n**2 - 1))
    nodes, vectors = np.linalg.eigh(np.diag(side, 1) + np.diag(side, -1))
    # Make the nodes exactly symmetric, so that odd moments are exactly zero.
    nodes = (nodes - nodes[::-1]) / 2
    weights = vectors[0] ** 2
    return nodes, (weights + weights[::-1]) / (2 * weights.sum())


@lru_cache(maxsize=3)
def _equal_nodes(step: float, low: float, high: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Equally spaced nodes in x; the trapezoid's error is exp(-2 pi^2/step) for a function with poles at +- i pi."""
    nodes = np.linspace(low, high, round((high - low) / step) + 1)
    weights = to_numpy(thermal_weight(nodes))
    return nodes, weights / weights.sum()


def _linear(
    interpolant: Interpolant, mu: Array, kT: NDArray[np.float64], wanted: Sequence[Moment]
) -> dict[Moment, Array]:
    """The moments at T = 0, from the cumulatives, plus the effect of temperature, from the cells around mu."""
    xp = namespace(mu)
    h, n = interpolant.grid.step, interpolant.grid.size
    reach = math.ceil(_WINDOW * float(kT.max()) / h) + 1
    # Cells beyond the reach contribute nothing. If the reach is wider than the grid, the window is the whole grid.
    reach, beyond = (n, 0) if reach >= n else (reach, reach)
    middle = xp.clip(xp.floor((mu - interpolant.grid.start) / h), float(-beyond), float(n - 1 + beyond))
    node = xp.astype(middle, xp.int64)[:, :, None] + index_like(mu, np.arange(-reach, reach + 2))
    inside = xp.astype((node >= 0) & (node < n), xp.float64)
    density = gather(interpolant.values, xp.clip(node, 0, n - 1)) * inside
    # A cell counts if both of its ends are on the grid.
    cell = inside[:, :, 1:] * inside[:, :, :-1]
    thermal = like(mu, kT)[None, :, None]
    x = (interpolant.grid.start + h * xp.astype(node, xp.float64) - mu[:, :, None]) / thermal
    # Beyond mu the constants of the primitives cancel exactly; left in, they would leave rounding in a wide gap.
    s = xp.sign(x)
    with_mu = xp.astype(s[:, :, 1:] * s[:, :, :-1] <= 0, xp.float64)
    moments: dict[Moment, Array] = {}
    for name, (double, single) in _primitives(x, thermal, wanted).items():
        level, rise = _constants(name, x, thermal)
        slope = (double[:, :, 1:] - double[:, :, :-1] + with_mu * (level[:, :, 1:] - level[:, :, :-1])) / h
        left = slope - single[:, :, :-1] - with_mu * rise[:, :, :-1]
        right = single[:, :, 1:] + with_mu * rise[:, :, 1:] - slope
        moments[name] = xp.sum(cell * (density[:, :, :-1] * left + density[:, :, 1:] * right), axis=-1)
    if "count" in moments:
        moments["count"] = moments["count"] + interpolant.count(mu)
    if "energy" in moments:
        moments["energy"] = moments["energy"] - interpolant.evaluate(mu, "second")[0]
    return moments


def _primitives(x: Array, kT: Array, wanted: Sequence[Moment]) -> dict[Moment, tuple[Array, Array]]:
    """G and G' for every moment, without the step at T = 0 for count and energy, and without ``_constants``.

    From S_n = -Li_n(-e^-a), a = |x|, s = sign of x (S_n' = -S_(n-1), S_1' = -f(a)).
    """
    xp = namespace(x)
    a, s = xp.abs(x), xp.sign(x)
    y = xp.exp(-a)
    q = y / (1 + y)
    s1, s2, s3 = polylogarithms(y)
    table: Mapping[Moment, tuple[Array, Array]] = {
        "count": (kT**2 * s * s2, -kT * s1),
        "energy": (kT**3 * (a * s2 + 2 * s3), -(kT**2) * s * (s2 + a * s1)),
        "entropy": (kT**2 * (a * s2 + 3 * s3), -kT * s * (2 * s2 + a * s1)),
        "j0": (kT * s1, -s * q),
        "j1": (kT**2 * s * (a * s1 + 2 * s2), -kT * (s1 + a * q)),
        "j2": (kT**3 * (a * a * s1 + 4 * a * s2 + 6 * s3), -(kT**2) * s * (2 * s2 + 2 * a * s1 + a * a * q)),
    }
    return {name: table[name] for name in wanted}


def _constants(name: Moment, x: Array, kT: Array) -> tuple[Array, Array]:
    """What makes G and G' smooth at mu: multiples of the sign of x, or of |x|."""
    xp = namespace(x)
    s = xp.sign(x)
    if name in ("count", "j1"):
        return -(math.pi**2) / (12 if name == "count" else 6) * kT**2 * s, 0.0 * x
    power = {"energy": 2, "entropy": 1, "j0": 0, "j2": 2}[name]
    factor = {"energy": math.pi**2 / 12, "entropy": math.pi**2 / 6, "j0": 0.5, "j2": math.pi**2 / 6}[name] * kT**power
    return factor * kT * xp.abs(x), factor * s
