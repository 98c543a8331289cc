"""The shape of a spectrum, independent of its electrons: integral, slope and moments. One spin alone has one, too.

Like every property, they use ``nonnegative(spectra)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, like, namespace, to_numpy
from ldosml._ranges import check_arguments
from ldosml._validation import check_order
from ldosml.properties.block import Block
from ldosml.properties.interpolation import slopes
from ldosml.properties.repair import nonnegative
from ldosml.spectra import DOS, LDOS


def integrated_dos(spectra: DOS | LDOS) -> Array:
    """Number of states below each energy: the integral of D from the first energy on.

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV, both spins or one.

    Returns
    -------
    array (n_rows, n_energies)
        States; 0 at the first energy, because states below the grid are not known. Exact for the cubics, or straight
        lines, that join the values: see ``ldosml.properties.interpolation``.

    Examples
    --------
    >>> from ldosml import EnergyGrid
    >>> grid = EnergyGrid.from_range(0.0, 1.5, 0.5, zero="fermi")
    >>> integrated_dos(DOS(grid, [[2.0, 2.0, 2.0, 4.0]]))
    array([[0. , 1. , 2. , 3.5]])
    """
    return Block.of(spectra, one_spin=True).rows.counts


def dos_derivative(spectra: DOS | LDOS) -> Array:
    """Slope of the DOS, dD/de (figure 5 of the LDOS paper), by central differences of eighth order.

    For a sum of Gaussians g(u), u = (e - e_n)/width, it is the sum of -u/width * g(u).

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV, both spins or one. Differences of neighbours amplify noise, by a factor of 20 at a step of 0.05 eV.

    Returns
    -------
    array (n_rows, n_energies)
        states/eV^2.
    """
    repaired = nonnegative(spectra)
    return slopes(repaired.values, repaired.grid.step)


@dataclass(frozen=True, eq=False)
class Moments:
    """Moments of each spectrum; every field is an array (n_rows,).

    Parameters
    ----------
    weight : array
        Integral of D, states.
    center : array
        Mean energy, eV in the zero of the grid.
    width : array
        Square root of the second central moment, eV.
    skewness : array
        Third central moment over width^3: positive for a tail upward. NaN if the width is zero.
    kurtosis : array
        Fourth central moment over width^4: 3 for a Gaussian (not the excess over 3). NaN if the width is zero.
    """

    weight: Array
    center: Array
    width: Array
    skewness: Array
    kurtosis: Array


def moments(spectra: DOS | LDOS, *, low: float = -np.inf, high: float = np.inf) -> Moments:
    """Moments of the DOS between two energies.

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV, both spins or one.
    low, high : float
        eV in the zero of the grid; the whole grid if not given. They may lie between two energies of the grid.

    Returns
    -------
    Moments

    Raises
    ------
    ValueError
        When ``low`` to ``high`` is empty or beyond the grid, or a spectrum has no weight there.

    Notes
    -----
    By the trapezoid over the values and the two limits, where D is interpolated by a straight line. Third and fourth
    moments weigh noise far from the center heavily: limit the energies to the band.
    """
    check_arguments(low=low, high=high)
    repaired = nonnegative(spectra)
    found = moments_of_some(repaired, low, high)
    _check_weight(found.weight, repaired, max(low, repaired.grid.start), min(high, repaired.grid.stop))
    return found


def moments_of_some(repaired: DOS | LDOS, low: float = -np.inf, high: float = np.inf) -> Moments:
    """``moments`` of repaired spectra; NaN, except the weight, in rows without weight."""
    nodes, density = _window(repaired, low, high)
    xp = namespace(density)
    weight = xp.sum(density, axis=1)
    fractions = density / xp.where(weight > 0, weight, xp.nan * weight)[:, None]
    center = fractions @ like(density, nodes)
    distance = like(density, nodes)[None, :] - center[:, None]
    squares = distance * distance
    second = xp.vecdot(fractions, squares)
    third, fourth = xp.vecdot(fractions, squares * distance), xp.vecdot(fractions, squares * squares)
    # Shares of an LDOS may dip below zero, and so may their second moment by rounding.
    width = xp.sqrt(xp.clip(second, 0.0, None))
    spread = width > 1e-12 * float(nodes[-1] - nodes[0])
    safe = xp.where(spread, width, xp.nan * xp.ones_like(width))
    return Moments(weight, center, width, third / safe**3, fourth / safe**4)


def band_center(spectra: DOS | LDOS, low: float = -np.inf, high: float = np.inf) -> Array:
    """Mean energy of the states between two energies.

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV, both spins or one.
    low, high : float
        Limits, eV in the zero of the grid; the whole grid by default.

    Returns
    -------
    array (n_rows,)
        eV: the ``center`` of ``moments``.

    Raises
    ------
    ValueError
        As ``moments``.
    """
    check_arguments(low=low, high=high)
    return moments(spectra, low=low, high=high).center


def d_band_center(spectra: DOS | LDOS, low: float = -np.inf, high: float = np.inf) -> Array:
    """Mean energy of the d states relative to the Fermi level.

    It follows how strongly the surface of a metal binds adsorbates (Hammer and Norskov, Surf. Sci. 343, 211 (1995)).

    Parameters
    ----------
    spectra : DOS or LDOS
        Projected on d orbitals, on a grid whose zero is the Fermi level.
    low, high : float
        Limits of the integrals, eV relative to the Fermi level. By default the whole grid, filled and empty states;
        other authors stop at the Fermi level (``high=0``), or 2 eV above. Compare only centers with the same limits.

    Returns
    -------
    array (n_rows,)
        eV.

    Raises
    ------
    ValueError
        If the zero of the grid is not the Fermi level; otherwise as ``moments``.
    """
    check_arguments(low=low, high=high)
    if spectra.grid.zero != "fermi":
        raise ValueError(
            f"A d-band center is counted from the Fermi level, but the zero of the grid is {spectra.grid.zero!r}: "
            "use refer_to first, or band_center for an energy in the present zero."
        )
    return band_center(spectra, low, high)


def _window(spectra: DOS | LDOS, low: float, high: float) -> tuple[NDArray[np.float64], Array]:
    """Energies from ``low`` to ``high`` (m,), and the states that the trapezoid counts at each (n_rows, m)."""
    grid, values = spectra.grid, spectra.values
    check_order(low, high)
    if high <= grid.start or low >= grid.stop:
        raise ValueError(f"No energies between {low:g} and {high:g} eV in a grid of {grid}.")
    low, high = max(low, grid.start), min(high, grid.stop)
    first, last = np.searchsorted(grid.energies, [low + 1e-9, high - 1e-9])
    nodes = np.concatenate([[low], grid.energies[first:last], [high]])
    lengths = np.diff(nodes, prepend=low, append=high)
    # Weights of the values in the linear interpolation at both limits.
    ends = np.clip(1 - np.abs(grid.energies[:, None] - np.array([low, high])) / grid.step, 0.0, None)
    edges = values @ like(values, ends)
    density = namespace(values).concat([edges[:, :1], values[:, first:last], edges[:, 1:]], axis=1)
    return nodes, density * like(values, (lengths[1:] + lengths[:-1]) / 2)


def _check_weight(weight: Array, spectra: DOS | LDOS, low: float, high: float) -> None:
    host = to_numpy(weight)
    empty = np.flatnonzero(~(host > 0))
    if not empty.size:
        return
    row = int(empty[0])
    name = f"structure {row}"
    if isinstance(spectra, LDOS):
        name = f"atom in row {row}, of structure {int(spectra.structure_index[row])},"
    raise ValueError(
        f"The {name} has no states between {low:g} and {high:g} eV (they add up to {host[row]:.3g}), so "
        "their energies have no mean. Use wider limits, or remove it."
    )
