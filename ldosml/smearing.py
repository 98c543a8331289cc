"""From eigenvalues to spectra: binning, and convolution with a Gaussian.

A Gaussian of standard deviation w is exp(-t^2 w^2 / 2) in Fourier space, whatever the number of states; so
eigenvalues are binned once on a fine grid and convolved there, O(N_eig + N log N) instead of O(N_eig N).
"""

from __future__ import annotations

import math

import numpy as np

from ldosml._array import Array, as_float64, index_like, like, namespace, to_numpy
from ldosml._ranges import check_arguments
from ldosml._validation import check_finite, check_number, check_shape
from ldosml.energy import EnergyGrid

OVERSAMPLING = 32
"""Fine bins per smearing width. A cloud-in-cell state is then right to (1/32)^2/12, about 1e-4, of its own peak at
worst, and the errors of many states cancel."""


WIDEST = 1e3
"""Largest smearing width, eV; a DOS is tens of eV wide."""


def same_width(one: float | None, other: float | None) -> bool:
    """Tell whether two smearing widths are the same.

    Parameters
    ----------
    one, other : float or None
        eV; None if not known.

    Returns
    -------
    bool
        True if they agree up to rounding, or both are not known.
    """
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-6)


def broaden(values: Array, step: float, width: float) -> Array:
    """Convolve spectra with a Gaussian.

    Parameters
    ----------
    values : array (..., n_energies)
        Spectra on a uniform grid; zero outside it. If a spectrum does not end within the grid, the result within three
        widths of that edge is too low.
    step, width : float
        Step of the grid and standard deviation of the Gaussian, eV. Widths of repeated broadening add in quadrature.

    Returns
    -------
    array (..., n_energies)
        With the same area, except for what leaves the grid.
    """
    check_arguments(step=step)
    check_number("width", width, least=0, most=WIDEST)
    if width == 0:
        return values
    xp = namespace(values)
    n = values.shape[-1]
    padded = n + 2 * math.ceil(6 * width / step)
    frequency = 2 * math.pi * np.fft.rfftfreq(padded, d=step)
    transfer = like(values, np.exp(-0.5 * (frequency * width) ** 2))
    transformed = xp.fft.rfft(xp.astype(values, xp.float64), n=padded, axis=-1)
    return xp.fft.irfft(transformed * transfer, n=padded, axis=-1)[..., :n]


def smear_eigenvalues(eigenvalues: Array, weights: Array, energies: Array, width: float) -> Array:
    """Smear weighted eigenvalues with a Gaussian: sum_n w_n exp(-(E-e_n)^2/(2 width^2)) / norm.

    Parameters
    ----------
    eigenvalues : array (n_states,)
        eV, of all bands and k-points, against the zero of ``energies``.
    weights : array (n_spectra, n_states)
        Number of electrons that a state holds in each spectrum: 2 x k-point weight x projection for spin-paired bands.
        A k-point's weight is repeated for each of its bands. Some may be negative: differences of an integrated DOS
        with Methfessel-Paxton smearing, and Mulliken's shares of atoms.
    energies : array (n_energies,)
        Ascending in equal steps, eV: ``EnergyGrid.energies``.
    width : float
        Standard deviation, eV; at least a third of the step, so that the energies can show the spectrum.

    Returns
    -------
    array (n_spectra, n_energies), states/eV.

    Raises
    ------
    ValueError
        When the energies are no axis of ``EnergyGrid.from_array``, a number is not finite, shapes do not
        fit, or the width is below a third of the step.

    Notes
    -----
    Cloud-in-cell weights on a grid of step h = width/32 or finer. They add h^2/6 on average to the variance of each
    state, so the Gaussian gets a variance smaller by h^2/6.
    """
    check_arguments(width=width)
    eigenvalues, weights = as_float64("eigenvalues", eigenvalues), as_float64("weights", weights)
    xp = namespace(eigenvalues, weights)
    check_shape("eigenvalues", eigenvalues, (None,), "n_states")
    check_finite("eigenvalues", eigenvalues)
    check_shape("weights", weights, (None, eigenvalues.shape[0]), "n_spectra, n_states")
    check_finite("weights", weights)
    grid = EnergyGrid.from_array(to_numpy(as_float64("energies", energies)), "code")
    size, start, step = grid.size, grid.start, grid.step
    if width < step / 3:
        raise ValueError(f"width must be at least a third of the energies' step of {step:g} eV; got {width:g} eV.")
    ratio = max(1, math.ceil(OVERSAMPLING * step / width))
    h = step / ratio
    margin = math.ceil(6 * width / h)
    n_bins = (size - 1) * ratio + 1 + 2 * margin
    position = (eigenvalues - start) / h + margin
    left = xp.floor(position)
    inside = (left >= 0) & (left < n_bins - 1)
    share = xp.where(inside, position - left, like(eigenvalues, 0.0))
    index = xp.astype(xp.where(inside, left, like(eigenvalues, 0.0)), xp.int64)
    kept = weights * xp.astype(inside, weights.dtype)[None, :]
    binned = _histogram(index, kept * (1 - share), n_bins) + _histogram(index + 1, kept * share, n_bins)
    smooth = broaden(binned / h, h, math.sqrt(width**2 - h**2 / 6))
    return smooth[:, margin : margin + (size - 1) * ratio + 1 : ratio]


def _histogram(index: Array, weights: Array, n_bins: int) -> Array:
    """Sum ``weights`` (n_spectra, n_states) into bins by differences of a running sum over the sorted states."""
    xp = namespace(index, weights)
    order = xp.argsort(index)
    ordered = xp.take(index, order)
    running = xp.cumulative_sum(xp.take(weights, order, axis=1), axis=1, include_initial=True)
    ends = xp.searchsorted(ordered, index_like(index, np.arange(n_bins + 1)), side="left")
    edges = xp.take(running, ends, axis=1)
    return edges[:, 1:] - edges[:, :-1]
