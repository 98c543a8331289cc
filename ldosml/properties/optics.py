r"""Photons that the electrons of a DOS absorb and emit, if transitions between all states are equally strong.

    absorption  A(w) = integral of D(e) f(e) D(e + w) (1 - f(e + w)) de
    emission    E(w) = integral of D(e) f(e) D(e - w) (1 - f(e - w)) de = exp(-w/kT) A(w)

Equation A10 of the LDOS paper, with delta(e - e' - hw) as printed, is the emission. For absorption, the empty state e'
is above: delta(e' - e - hw). Detailed balance, f(e) (1 - f(e - w)) = exp(-w/kT) f(e - w) (1 - f(e)), holds under the
integral, so the emission is computed from the absorption.

If kT is at least 1.5 steps, A is the correlation of D f with D (1 - f) by the trapezoid, for all photon energies at
once by a Fourier transform. At lower temperatures f (1 - f) varies too fast for the grid. But
f (1 - f') = (f - f')/(1 - exp(-w/kT)), so

    A(w) = (C(w) - C(-w))/(1 - exp(-w/kT)),    C(w) = integral of f(e) D(e) D(e + w) de,

which is linear in f. Each energy gets the average of f over the two neighbouring cells, in closed form. So the result
depends on the position of mu within its cell, and the rest of the integrand is as smooth as the DOS. A DOS that is
smeared by less than six steps is first interpolated to up to four times as many energies.

Errors relative to a quadrature with the exact DOS of smeared levels, as fractions of the maximum of A, from 1 K to
30000 K: 5e-4, 2e-5 and 6e-8 for a smearing of 1.5, 6 and 30 steps; below 1e-9 if kT is at least 1.5 steps. For a DOS
with kinks, relative to its straight lines: 1e-3, and up to 2e-2 if kT is far above a coarse step of 0.2 eV. The error
of sampling such a DOS is larger.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from scipy.interpolate import CubicSpline

from ldosml._array import Array, Numbers, as_float64, like, namespace, to_numpy
from ldosml._ranges import check_arguments
from ldosml._validation import check_finite
from ldosml.energy import EnergyGrid
from ldosml.properties._inputs import Temperatures, potentials
from ldosml.properties.block import Block
from ldosml.properties.fermi_dirac import occupation, polylogarithms
from ldosml.properties.interpolation import gather
from ldosml.properties.quadrature import HOT
from ldosml.resources import require_memory
from ldosml.spectra import DOS, LDOS

_RESOLVED = 6.0  # a smearing of six steps needs no finer grid
_FINEST = 4  # cells into which a step is divided at most
_WINDOW = 38.0  # beyond |x| = 38 exp(-|x|) is lost in rounding
_SPLINES = 8  # matrices of the axis while splines are made
_ROWS = 512  # largest number of atoms of one structure in one piece


def photon_axis(grid: EnergyGrid, *, per_squared_frequency: bool = False) -> NDArray[np.float64]:
    """The default photon energies of a spectrum: 0, h, 2h, ... up to the length of the grid.

    Parameters
    ----------
    grid : EnergyGrid
        Energies of the DOS; h is its step.
    per_squared_frequency : bool, default=False
        Whether the spectrum is divided by w^2; the energies then begin at h.

    Returns
    -------
    array (n_photon_energies,)
        eV.

    Examples
    --------
    >>> photon_axis(EnergyGrid.from_range(-1.0, 1.0, 0.5, zero="fermi"))
    array([0. , 0.5, 1. , 1.5, 2. ])
    """
    return np.round(grid.step * np.arange(int(per_squared_frequency), grid.size), 10)


def absorption_spectrum(
    spectra: DOS | LDOS,
    mu: Array,
    temperature: Numbers,
    *,
    photon_energies: Array | None = None,
    per_squared_frequency: bool = False,
    spin_conserving: bool = False,
) -> Array:
    """Joint density of filled states and empty states above them, A(w): see the module.

    Equation A10 of the LDOS paper with the sign of absorption; all matrix elements are one, and neither wave vector
    nor spin is conserved unless ``spin_conserving``.

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV, both spins.
    mu : float or array (n_structures,), or (n_structures, n_temperatures) for an array of temperatures
        Chemical potential, eV in the zero of the grid.
    temperature : float or array (n_temperatures,)
        K, above zero.
    photon_energies : array (n_photon_energies,), optional
        eV, from 0 to the length of the grid. Default: ``photon_axis`` of the spectra.
    per_squared_frequency : bool, default=False
        Divide by w^2, as in the imaginary part of a dielectric function with constant matrix elements. There is no
        value at w = 0: the default energies then begin at one step, and a given 0 raises an error.
    spin_conserving : bool, default=False
        Count only pairs of one spin, the sum of D_s D_s over both spins: half of all pairs, because each spin has D/2
        in a crystal that is not magnetic. By default a state of one spin also pairs with states of the other.

    Returns
    -------
    array (n_rows, n_photon_energies), or (n_rows, n_temperatures, n_photon_energies) for an array of temperatures
        states^2/eV for a structure, or states^2/eV^3 if divided by w^2.

    Warns
    -----
    NegativeDOSWarning
        If more than a hundredth of a DOS is negative.

    Raises
    ------
    ValueError
        If shapes do not match, a temperature is not above zero, or photon energies are negative or longer than the
        grid.

    Notes
    -----
    In an LDOS an atom gets half of the pairs that begin at it and half of the pairs that end there,
    A_i = (D_i f * D (1 - f) + D f * D_i (1 - f))/2, so that the atoms add up to their structure.

    Transitions to states above the end E of the grid are missing, that is from w = E - mu on.
    """
    check_arguments(mu=mu, temperature=temperature, photon_energies=photon_energies)
    return _spectrum(spectra, mu, temperature, photon_energies, per_squared_frequency, spin_conserving, emission=False)


def emission_spectrum(
    spectra: DOS | LDOS,
    mu: Array,
    temperature: Numbers,
    *,
    photon_energies: Array | None = None,
    per_squared_frequency: bool = False,
    spin_conserving: bool = False,
) -> Array:
    """Joint density of filled states and empty states below them, E(w) = exp(-w/kT) A(w).

    Equation A10 of the LDOS paper; all matrix elements are one.

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV, both spins.
    mu : float or array (n_structures,), or (n_structures, n_temperatures) for an array of temperatures
        Chemical potential, eV in the zero of the grid.
    temperature : float or array (n_temperatures,)
        K, above zero.
    photon_energies : array (n_photon_energies,), optional
        eV, from 0 to the length of the grid. Default: ``photon_axis`` of the spectra.
    per_squared_frequency : bool, default=False
        Divide by w^2, as in the imaginary part of a dielectric function with constant matrix elements. There is no
        value at w = 0: the default energies then begin at one step, and a given 0 raises an error.
    spin_conserving : bool, default=False
        Count only pairs of one spin, the sum of D_s D_s over both spins: half of all pairs, because each spin has D/2
        in a crystal that is not magnetic. By default a state of one spin also pairs with states of the other.

    Returns
    -------
    array (n_rows, n_photon_energies), or (n_rows, n_temperatures, n_photon_energies) for an array of temperatures
        states^2/eV for a structure, or states^2/eV^3 if divided by w^2.

    Warns
    -----
    NegativeDOSWarning
        If more than a hundredth of a DOS is negative.

    Raises
    ------
    ValueError
        If shapes do not match, a temperature is not above zero, or photon energies are negative or longer than the
        grid.

    Notes
    -----
    It is computed from ``absorption_spectrum``, whose notes apply.
    """
    check_arguments(mu=mu, temperature=temperature, photon_energies=photon_energies)
    return _spectrum(spectra, mu, temperature, photon_energies, per_squared_frequency, spin_conserving, emission=True)


def _spectrum(
    spectra: DOS | LDOS,
    mu: Array,
    temperature: Numbers,
    photon_energies: Array | None,
    per_squared_frequency: bool,
    spin_conserving: bool,
    emission: bool,
) -> Array:
    temperatures = Temperatures.of(temperature)
    photons = _Photons.of(spectra.grid, photon_energies, per_squared_frequency)
    chemical = potentials(spectra, mu, temperatures)
    xp = namespace(chemical)
    pieces = []
    for part, block in _pieces(Block.of(spectra)):
        columns = []
        for column, kT in enumerate(temperatures.kT):
            values = photons.pick(_absorption(block, chemical[part, column], float(kT)), float(kT))
            factor = np.exp(-photons.energies / kT) if emission else np.ones(photons.energies.size)
            if spin_conserving:
                factor = factor / 2
            if per_squared_frequency:
                factor = factor / photons.energies**2
            columns.append(_without_noise(values, block) * like(values, factor))
        pieces.append(xp.stack(columns, axis=1))
    return temperatures.shaped(xp.concat(pieces, axis=0))


@dataclass(frozen=True, eq=False)
class _Photons:
    """Photon energies (n_photon_energies,) of the result, eV, and the interpolation from the axis to them.

    ``splines`` (n_energies, n_photon_energies) are the values of the cardinal splines of the axis at ``energies``. They
    have no slope at 0, because the interpolated function is even in w. None: ``energies`` are the last energies of the
    axis.
    """

    axis: NDArray[np.float64]
    energies: NDArray[np.float64]
    splines: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, grid: EnergyGrid, wanted: Array | None, per_squared_frequency: bool) -> _Photons:
        axis = photon_axis(grid)
        if wanted is None:
            return cls(axis, photon_axis(grid, per_squared_frequency=per_squared_frequency))
        energies = to_numpy(as_float64("photon_energies", wanted))
        _check_photons(energies, axis, per_squared_frequency)
        size = 8 * axis.size * (_SPLINES * axis.size + 2 * energies.size)
        instead = "Leave out photon_energies, whose default is not interpolated, or resample to fewer energies."
        require_memory(f"Interpolation to {energies.size:,} photon energies of {axis.size:,}", size, instead)
        splines = CubicSpline(axis, np.eye(axis.size), bc_type=("clamped", "not-a-knot"))
        return cls(axis, energies, splines(np.minimum(energies, axis[-1])).T)

    def pick(self, values: Array, kT: float) -> Array:
        """Interpolate from the axis, (n_rows, n_energies), through A(w) (1 - exp(-w/kT))/w, which is smooth in w."""
        if self.splines is None:
            return values[:, self.axis.size - self.energies.size :]
        even = values * like(values, _relative_gain(self.axis / kT))
        return even @ like(values, self.splines) / like(values, _relative_gain(self.energies / kT))


def _check_photons(energies: NDArray[np.float64], axis: NDArray[np.float64], per_squared_frequency: bool) -> None:
    if energies.ndim != 1 or not energies.size:
        raise ValueError(f"photon_energies must be a list of numbers, in eV; got shape {energies.shape}.")
    check_finite("photon_energies", energies)
    if energies.min() < 0 or energies.max() > axis[-1] + 1e-9:
        raise ValueError(
            f"photon_energies must lie between 0 and {axis[-1]:g} eV, the length of the grid; got {energies.min():g} "
            f"to {energies.max():g} eV. They count upward for absorption and emission alike."
        )
    if per_squared_frequency and energies.min() == 0:
        raise ValueError("Divided by w^2 a spectrum has no value at w = 0: leave 0 out of photon_energies.")
    if axis.size < 4:
        raise ValueError(f"Interpolation needs at least 4 energies; the spectra have {axis.size}.")


def _relative_gain(u: NDArray[np.float64]) -> NDArray[np.float64]:
    """(1 - e^-u)/u, 1 at u = 0."""
    positive = np.where(u > 0, u, 1.0)
    return np.where(u > 0, -np.expm1(-positive) / positive, 1.0)


def _pieces(prepared: Block) -> Iterator[tuple[slice, Block]]:
    """Parts of consecutive structures, or of the atoms of one structure, that keep all arrays at some megabytes."""
    for part, block in prepared.blocks(1):
        if block.shares is None or block.index is None:
            yield part, block
            continue
        rows = int(block.shares.shape[0])
        for start in range(0, rows, _ROWS):
            own = slice(start, min(start + _ROWS, rows))
            yield part, replace(block, shares=block.shares[own, :], index=block.index[own])


def _without_noise(values: Array, block: Block) -> Array:
    """Set negative values, which are rounding errors, to zero, except for atoms whose LDOS has negative values."""
    xp = namespace(values)
    clipped = xp.clip(values, 0.0, None)
    if block.shares is None:
        return clipped
    return xp.where((xp.min(block.shares, axis=1) < 0)[:, None], values, clipped)


def _absorption(block: Block, mu: Array, kT: float) -> Array:
    """A(w) of every row of a block on the axis, (n_rows, n_energies); ``mu`` (n_structures,)."""
    xp, grid = namespace(mu), block.grid
    if kT >= HOT * grid.step:
        f = occupation((like(mu, grid.energies)[None, :] - mu[:, None]) / kT)
        return grid.step * _pairs(block, f, 1 - f, lambda product: product)
    ratio = math.ceil(_RESOLVED * grid.step / block.width - 1e-9) if block.smooth and grid.size > 4 else _FINEST
    fine = _finer(block, min(ratio, _FINEST))
    f = _averaged_occupation(fine.grid, mu, kT)
    # C(w) - C(-w)
    odd = fine.grid.step * _pairs(fine, f, xp.ones_like(f), lambda product: lambda a, b: product(a, b) - product(b, a))
    w = fine.grid.step * np.arange(1, fine.grid.size)
    # Divided by w it is even: its value at 0 follows from those at four energies, to the eighth power of the step.
    first = odd[:, 1:5] @ like(mu, kT * np.array([8 / 5, -4 / 5, 8 / 35, -1 / 35]) / w[:4])
    rest = odd[:, 1:] / like(mu, -np.expm1(-w / kT))
    every = (fine.grid.size - 1) // (grid.size - 1)
    return xp.concat([first[:, None], rest[:, every - 1 :: every]], axis=1)


def _finer(block: Block, ratio: int) -> Block:
    """The same curves at ``ratio`` times as many energies."""
    if ratio == 1:
        return block
    shares = None if block.shares is None else block.rows.finer(ratio)
    return replace(block, grid=block.grid.finer(ratio), whole=block.interpolant.finer(ratio), shares=shares)


def _averaged_occupation(grid: EnergyGrid, mu: Array, kT: float) -> Array:
    """Averages of f around every energy, (n_structures, n_energies), for any kT.

    The weight is the triangle that is zero at the neighbours, which integrates straight lines exactly, minus a twelfth
    of its second difference; then cubics are also exact. The average is the second difference of a function whose
    second derivative is f: the function of the step at mu, plus (kT)^2 sgn(x) (S_2(e^-|x|) - pi^2/12).
    """
    xp = namespace(mu)
    # The average is 1 or 0 except around mu.
    reach = math.ceil(_WINDOW * kT / grid.step) + 2
    middle = xp.clip(xp.floor((mu - grid.start) / grid.step), float(-reach), float(grid.size + reach))[:, None]
    offset = like(mu, np.arange(-reach - 2, reach + 4))
    steps = middle + offset[None, :] - ((mu - grid.start) / grid.step)[:, None]
    x = steps * (grid.step / kT)
    below = xp.clip(-steps[:, 1:-1], -1.0, 1.0)
    s2 = polylogarithms(xp.exp(-xp.abs(x)), highest=2)[1]
    average = 0.5 + below - below * xp.abs(below) / 2
    average = average + (kT / grid.step) ** 2 * _second_difference(xp.sign(x) * (s2 - math.pi**2 / 12))
    average = average[:, 1:-1] - _second_difference(average) / 12
    place = like(mu, np.arange(grid.size))[None, :] - middle + reach
    return gather(average, xp.astype(xp.clip(place, 0.0, 2.0 * reach + 1), xp.int64))


def _second_difference(values: Array) -> Array:
    return values[:, 2:] - 2 * values[:, 1:-1] + values[:, :-2]


_Pair = tuple[Array, Array]
_Product = Callable[[Array, Array], Array]


def _pairs(block: Block, filled: Array, empty: Array, direction: Callable[[_Product], _Product]) -> Array:
    """Trapezoid sums over pairs of energies at every distance, (n_rows, n_energies), states^2/eV^2.

    ``filled`` and ``empty`` (n_structures, n_energies) are the weights of the lower and of the upper state.
    ``direction`` turns the product of two spectra into the summand.
    """
    xp = namespace(filled)
    whole = (block.whole * filled, block.whole * empty)
    own = None
    if block.shares is not None:
        own = (block.shares * block.of_rows(filled), block.shares * block.of_rows(empty))
    # Zeros after the spectra, so that the periodic transform has no pairs across the end.
    length = next_fast_len(2 * block.grid.size, real=True)

    def waves(pair: _Pair) -> _Pair:
        lower, upper = (xp.fft.rfft(values, n=length, axis=1) for values in pair)
        return lower, upper

    spectrum = _halves(block, waves(whole), own and waves(own), direction(lambda a, b: xp.conj(a) * b))
    sums = xp.fft.irfft(spectrum, n=length, axis=1)
    ends = _halves(block, whole, own, direction(lambda a, b: a[:, :1] * b + xp.flip(a, axis=1) * b[:, -1:]))
    return sums[:, : block.grid.size] - ends / 2


def _halves(block: Block, whole: _Pair, own: _Pair | None, product: _Product) -> Array:
    """The product for structures; for atoms, half of the pairs with the atom as lower state and half as upper state."""
    if own is None:
        return product(*whole)
    lower, upper = (block.of_rows(values) for values in whole)
    return (product(own[0], upper) + product(lower, own[1])) / 2
