r"""Where the electrons are used up: Fermi level at T -> 0, chemical potential above.

Both solve N(mu) = integral of D f de = N_e (equation A1 of the LDOS paper). At T -> 0 the cumulative is inverted within
its cell. Above, Newton's method on N(mu) - N_e, within bounds; but in a gap much wider than kT, N(mu) is flat to
rounding, and a root of it is arbitrary. There electrons above the gap are weighed against holes below it,
ln n = ln p, each a sum of positive terms in the logarithm, which no temperature underflows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, index_like, like, namespace, to_numpy
from ldosml._validation import check_positive
from ldosml.properties._inputs import Temperatures, electrons
from ldosml.properties.cautions import SpinConventionWarning, TruncatedDOSWarning, caution
from ldosml.properties.fermi_dirac import log_occupation, occupation
from ldosml.properties.interpolation import Interpolant
from ldosml.properties.prepared import Prepared
from ldosml.properties.quadrature import Quadrature, Rule, in_order, integrate, rules
from ldosml.properties.roots import increasing_root
from ldosml.spectra import DOS, LDOS

TOLERANCE = 1e-6
"""Fraction of the electrons to which a gap may hold states and the count be off: a few roundings of float32."""

MISSING_BELOW = 1e-3
"""Fraction of the electrons that may lie below the grid without a warning: it shifts the Fermi level by millivolts."""

MISSING_ABOVE = 1e-4
"""Fraction of the electrons that may be excited beyond the grid without a warning: they weigh more, being far away."""

_ROUNDING = 1e-14  # of a cumulative, as a fraction of it
_WIDE = 30.0  # gaps wider than this many kT are solved by electrons against holes
_CLEAR = 10.0  # ... where the result is this many kT away from both edges
_NOTHING = 1e-12  # values below this fraction of a spectrum's maximum are rounding
_FINER = 4  # cells into which a step is divided where cubics are summed as straight lines


@dataclass(frozen=True, eq=False)
class FermiLevel:
    """The Fermi level of every structure at T -> 0.

    Parameters
    ----------
    energy : array (n_structures,)
        eV; in a gap its middle.
    in_gap : array (n_structures,) of bool
        Whether it lies in a gap.
    valence_edge, conduction_edge : array (n_structures,)
        Energies between which the gap holds no more than the tolerated number of electrons, eV; without a gap both are
        the Fermi level.
    """

    energy: Array
    in_gap: Array
    valence_edge: Array
    conduction_edge: Array


def fermi_level(spectra: DOS | LDOS, n_electrons: Array, *, tolerance: float = TOLERANCE) -> FermiLevel:
    """The energy up to which the DOS holds ``n_electrons``: the limit T -> 0 of equation A1 of the LDOS paper.

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV, both spins; of an LDOS, its sums.
    n_electrons : float or array (n_structures,)
        Valence electrons that the DOS holds up to the Fermi level.
    tolerance : float
        Fraction of ``n_electrons``. Where the DOS holds less than twice this many electrons over more than two steps
        of the grid around the level, that is a gap; so does a small error of the count not push the level of an
        insulator to the edge of a band. A smeared gap holds the tails of its edges: see also ``band_gap``.

    Returns
    -------
    FermiLevel

    Warns
    -----
    TruncatedDOSWarning
        When a DOS does not begin within the grid.
    SpinConventionWarning
        When the zero is the Fermi level and up to it the DOS holds half, or twice, the electrons.

    Raises
    ------
    ValueError
        When ``n_electrons`` is not positive, a DOS holds fewer, or its next states above a gap are beyond the grid.

    Examples
    --------
    >>> from ldosml import EnergyGrid
    >>> grid = EnergyGrid.from_range(-3.0, 3.0, 0.5, reference="fermi")
    >>> level = fermi_level(DOS(grid, [[0, 2, 2, 2, 0, 0, 0, 0, 0, 3, 3, 3, 0]]), n_electrons=3.0)
    >>> level.in_gap, level.valence_edge.round(2), level.conduction_edge.round(2)
    (array([ True]), array([-1.]), array([1.]))
    """
    number = electrons(spectra, n_electrons)
    check_positive("tolerance", tolerance)
    prepared = Prepared.of(spectra)
    check_counts(prepared, number, tolerance)
    return _joined([level_of(block, number[part], tolerance) for part, block in prepared.blocks(4)])


def chemical_potential(
    spectra: DOS | LDOS,
    n_electrons: Array,
    temperature: Array,
    *,
    quadrature: Quadrature = "auto",
    tolerance: float = TOLERANCE,
) -> Array:
    """The chemical potential mu at which the DOS holds ``n_electrons`` (equation A1 of the LDOS paper).

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV, both spins; of an LDOS, its sums: atoms of one structure share mu.
    n_electrons : float or array (n_structures,)
    temperature : float or array (n_temperatures,)
        K, above zero; for T -> 0 see ``fermi_level``.
    quadrature : {"auto", "trapezoid", "gauss", "linear", "forced-trapezoid"}
        See ``ldosml.properties.quadrature``; "auto" chooses for each temperature.
    tolerance : float
        See ``fermi_level``: within it, a count that ends in a gap is taken as exact, so that mu is that of the pure
        crystal.

    Returns
    -------
    array (n_structures,) for one temperature, otherwise (n_structures, n_temperatures); eV in the zero of the grid.

    Warns
    -----
    TruncatedDOSWarning, SpinConventionWarning
        As ``fermi_level``; also when states above the grid would hold more than 1e-4 of the electrons, with how many.

    Raises
    ------
    ValueError
        As ``fermi_level``; for a temperature that is not above zero; for the trapezoid where kT is below one step.
    """
    temperatures, number = Temperatures.of(temperature), electrons(spectra, n_electrons)
    check_positive("tolerance", tolerance)
    prepared = Prepared.of(spectra)
    check_counts(prepared, number, tolerance)
    blocks = [
        potential_of(block, number[part], temperatures.kT, quadrature, level_of(block, number[part], tolerance))
        for part, block in prepared.blocks(len(temperatures.kT))
    ]
    mu = namespace(number).concat(blocks, axis=0)
    check_top(prepared, mu, temperatures.kT, number)
    return temperatures.shaped(mu)


def check_counts(prepared: Prepared, number: Array, tolerance: float) -> None:
    """Raise unless every DOS holds its electrons, and has states above them; warn of what looks wrong."""
    step, values = prepared.grid.step, to_numpy(prepared.whole)
    total = step * (values.sum(axis=1) - (values[:, 0] + values[:, -1]) / 2)
    needed = to_numpy(number)
    short = np.flatnonzero(total < needed * (1 + 2 * tolerance))
    if short.size:
        worst = int(short[np.argmin(total[short] / needed[short])])
        raise ValueError(
            f"The DOS of structure {worst} holds {total[worst]:.6g} states from {prepared.grid.start:g} to "
            f"{prepared.grid.stop:g} eV, of which {needed[worst]:.6g} electrons would leave none empty: the Fermi "
            "level, or the first states above its gap, lie beyond the grid. Give more energies, the number of valence "
            "electrons that this DOS holds, and the DOS of both spins."
        )
    # A DOS that rises like an exponential at its first energy has D^2/D' states below; no more than an eV is assumed.
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
    _check_spins(prepared, needed)


def _check_spins(prepared: Prepared, needed: NDArray[np.float64]) -> None:
    grid = prepared.grid
    if grid.reference != "fermi" or not grid.start < 0 < grid.stop:
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


def check_top(prepared: Prepared, mu: Array, kT: NDArray[np.float64], number: Array) -> None:
    """Warn, with how many electrons, where states beyond the top of the grid would be occupied.

    ``mu`` (n_structures, n_temperatures), ``number`` of electrons (n_structures,). The density above is taken as the
    mean of the last electronvolt, or of the last tenth of the grid.
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
            f"The DOS ends at {grid.stop:g} eV, too low for this temperature (kT = {kT[column]:.3g} eV): of structure "
            f"{structure} about {float(missing[structure, column]):.3g} electrons would be above. They are crowded "
            "below instead, and every thermal property suffers.",
            TruncatedDOSWarning,
        )


def level_of(block: Prepared, number: Array, tolerance: float) -> FermiLevel:
    """``fermi_level`` of a block of structures."""
    xp = namespace(number)
    counts = xp.stack([number * (1 - tolerance), number, number * (1 + tolerance)], axis=1)
    found = _inverse(block.interpolant, counts)
    low, high = found[:, 0], found[:, 2]
    in_gap = high - low > 2 * block.grid.step
    energy = xp.where(in_gap, (low + high) / 2, found[:, 1])
    return FermiLevel(energy, in_gap, xp.where(in_gap, low, energy), xp.where(in_gap, high, energy))


def _inverse(interpolant: Interpolant, counts: Array) -> Array:
    """Energies (n_rows, n_counts) up to which the cumulative reaches ``counts``: its inverse, a cell at a time."""
    xp, grid = namespace(counts), interpolant.grid
    below = xp.sum(xp.astype(interpolant.counts[:, None, :] < counts[:, :, None], xp.float64), axis=-1)
    left = grid.start + grid.step * (xp.clip(below, 1.0, float(grid.size - 1)) - 1)

    def excess(energy: Array) -> tuple[Array, Array]:
        density, count = interpolant.evaluate(energy, "density", "count")
        return count - counts, density

    return increasing_root(excess, left, left + grid.step, left + grid.step / 2, _ROUNDING * counts)


def potential_of(
    block: Prepared, number: Array, kT: NDArray[np.float64], quadrature: Quadrature, level: FermiLevel
) -> Array:
    """Chemical potentials of a block of structures, (n_structures, n_temperatures), eV."""
    xp = namespace(number)
    start, settled = _weigh_carriers(block, kT, level)
    columns: list[int] = []
    results = []
    for rule, places in rules(quadrature, kT, block.grid.step, block.width).items():
        guess, done = (xp.stack([array[:, place] for place in places], axis=1) for array in (start, settled))
        if rule == "trapezoid":
            # A good guess from few nodes saves most of the sums over the whole grid.
            guess = _newton(block, number, kT[places], "coarse", guess, done)
        results.append(_newton(block, number, kT[places], rule, guess, done))
        columns += places
    return in_order(columns, xp.concat(results, axis=1))


def _newton(block: Prepared, number: Array, kT: NDArray[np.float64], rule: Rule, start: Array, settled: Array) -> Array:
    """Root of N(mu) - N_e, (n_structures, n_temperatures), from ``start``, which stays where it is ``settled``."""
    xp = namespace(number)

    def excess(mu: Array) -> tuple[Array, Array]:
        moments = integrate(rule, block.interpolant, mu, kT, ("count", "j0"))
        return moments["count"] - number[:, None], moments["j0"]

    # At 40 kT below the grid it holds exp(-40) of its states, at 40 kT above all but these.
    reach = 40 * like(number, kT)[None, :] + xp.zeros_like(start)
    noise = xp.where(settled, xp.inf * xp.ones_like(start), _ROUNDING * number[:, None])
    return increasing_root(excess, block.grid.start - reach, block.grid.stop + reach, start, noise)


def _weigh_carriers(block: Prepared, kT: NDArray[np.float64], level: FermiLevel) -> tuple[Array, Array]:
    """Roots of ln n - ln p in the gaps that are wide beside kT, and where they hold: (n_structures, n_temperatures).

    Elsewhere the Fermi level. Nearer than 10 kT to an edge a root does not hold, but N(mu) - N_e is well conditioned.
    """
    xp = namespace(level.energy)
    gap = to_numpy(xp.where(level.in_gap, level.conduction_edge - level.valence_edge, 0 * level.energy))
    rows = np.flatnonzero(gap > _WIDE * kT.min())
    thermal = like(level.energy, kT)[None, :]
    start = level.energy[:, None] + 0 * thermal
    if not rows.size:
        return start, start != start
    chosen = index_like(start, rows)
    low, high = (xp.take(edge, chosen)[:, None] + 0 * thermal for edge in (level.valence_edge, level.conduction_edge))
    balance = _carrier_balance(block.structures(chosen), thermal, (low + high) / 2)
    # Far from both edges the balance is a straight line of slope 2/kT.
    guess = (low + high) / 2 - balance((low + high) / 2)[0] * thermal / 2

    def clear(mu: Array) -> Array:
        return (mu > low + _CLEAR * thermal) & (mu < high - _CLEAR * thermal) & (high - low > _WIDE * thermal)

    worthwhile = clear(guess)
    found = increasing_root(balance, low, high, guess, xp.where(worthwhile, 0 * guess + 1e-12, 0 * guess + xp.inf))
    holds = worthwhile & clear(found)
    # Back among the other structures, each of which takes the last row.
    place = np.full(len(gap), rows.size)
    place[rows] = np.arange(rows.size)
    back = index_like(start, place)
    none = xp.zeros_like(holds[:1, :])
    settled = xp.take(xp.concat([holds, none], axis=0), back, axis=0)
    roots = xp.take(xp.concat([found, start[:1, :]], axis=0), back, axis=0)
    return xp.where(settled, roots, start), settled


def _carrier_balance(block: Prepared, kT: Array, middle: Array) -> Callable[[Array], tuple[Array, Array]]:
    """Give ln n - ln p and its slope as a function of mu (n_structures, n_temperatures).

    n = integral above ``middle`` of D f, p = integral below it of D (1 - f), cell by cell: with D straight within a
    cell and f exponential, as it is far from mu, a cell contributes what its inner end counts, times the weights

        A = kT (1 - (1 - e^-q)/q) of D at that end, B = kT ((1 - e^-q)/q - e^-q) of D at the other, q = step/kT.
    """
    xp = namespace(kT)
    energies, density, step = _fine(block)
    q = step / kT
    mean = -xp.expm1(-q) / q
    near, far = (kT * (1 - mean))[:, :, None], (kT * (mean - xp.exp(-q)))[:, :, None]
    left, right = density[:, None, :-1], density[:, None, 1:]
    above = (energies[:-1] + step / 2)[None, None, :] > middle[:, :, None]
    electron = _log(xp.where(above, near * left + far * right, xp.zeros_like(left)))
    hole = _log(xp.where(above, xp.zeros_like(left), near * right + far * left))

    def balance(mu: Array) -> tuple[Array, Array]:
        x = (energies[None, None, :] - mu[:, :, None]) / kT[:, :, None]
        n, dn = _log_sum(electron, x[:, :, :-1])
        p, dp = _log_sum(hole, -x[:, :, 1:])
        return n - p, (dn + dp) / kT

    return balance


def _fine(block: Prepared) -> tuple[Array, Array, float]:
    """Energies, DOS and step of the straight cells that carriers are summed over; rounding errors count as zero."""
    xp, grid = namespace(block.whole), block.grid
    if block.smooth:
        step = grid.step / _FINER
        energies = like(block.whole, grid.start + step * np.arange((grid.size - 1) * _FINER + 1))
        rows = xp.zeros_like(block.whole[:, :1])
        density = block.interpolant.density(energies[None, :] + rows)
    else:
        step, energies, density = grid.step, like(block.whole, grid.energies), block.whole
    noise = _NOTHING * xp.max(block.whole, axis=1)[:, None]
    return energies, xp.where(density > noise, density, xp.zeros_like(density)), step


def _log(values: Array) -> Array:
    """The logarithm, and minus infinity of zero without a warning."""
    xp = namespace(values)
    some = values > 0
    return xp.where(some, xp.log(xp.where(some, values, xp.ones_like(values))), -xp.inf * xp.ones_like(values))


def _log_sum(amplitudes: Array, x: Array) -> tuple[Array, Array]:
    """Give ln sum exp(amplitude) f(x) over the last axis, and its derivative by mu/kT: the mean of 1 - f."""
    xp = namespace(x)
    logs = amplitudes + log_occupation(x)
    largest = xp.max(logs, axis=-1, keepdims=True)
    shares = xp.exp(logs - largest)
    total = xp.sum(shares, axis=-1)
    return largest[..., 0] + xp.log(total), xp.sum(shares * occupation(-x), axis=-1) / total


def _joined(levels: Sequence[FermiLevel]) -> FermiLevel:
    fields = ("energy", "in_gap", "valence_edge", "conduction_edge")
    xp = namespace(levels[0].energy)
    return FermiLevel(*(xp.concat([getattr(level, name) for level in levels]) for name in fields))
