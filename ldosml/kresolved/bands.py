"""Eigenvalues of one crystal at k-points, from which occupancies are learned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from ldosml._ranges import check_arguments
from ldosml._validation import check_choice, check_finite, check_number, check_positive, check_shape
from ldosml.energy import EnergyGrid
from ldosml.kresolved.occupancy import Floats, Labels, check_weights, label_bins

_ROUNDING = 1e-3  # eV; eigenvalues may be in single precision, and gaps may come from printed tables


@dataclass(frozen=True, eq=False, repr=False)
class CrystalBands:
    """Eigenvalues of one crystal at k-points, and the energy up to which they are complete.

    Parameters
    ----------
    kpoints : array (n_kpoints, 3)
        Fractions of the reciprocal lattice vectors of the cell in the calculation.
    eigenvalues : array (n_kpoints, n_bands)
        eV, with the energy zero of the code, for one spin, in any order. Where k-points have different numbers of
        bands, fill up with infinity.
    weights : array (n_kpoints,) or None
        Weights of a mesh, which sum to 1; None along a path.
    fermi_energy : float
        eV, with the energy zero of the code. With a gap, it should be in the middle of the gap: see ``centred``.
    energy_max : float
        eV, with the energy zero of the code. Up to here every k-point has all its bands, so it is at most the minimum
        over k-points of the highest eigenvalue. Training uses no energies above it.
    n_electrons : float
        Valence electrons in the cell.
    gap : float
        eV; 0 for a metal.

    Raises
    ------
    ValueError
        When shapes do not fit, eigenvalues are NaN, weights do not sum to 1, or a number is out of its range.

    Examples
    --------
    >>> bands = CrystalBands([[0, 0, 0]], [[1.0, 4.0]], None, 2.0, 4.0, 2.0, 3.0)
    >>> bands.relative.tolist()
    [[-1.0, 2.0]]
    """

    kpoints: Floats
    eigenvalues: Floats
    weights: Floats | None
    fermi_energy: float
    energy_max: float
    n_electrons: float
    gap: float

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        self._set("kpoints", (None, 3), "n_kpoints, 3")
        check_finite("kpoints", self.kpoints)
        if not len(self.kpoints):
            raise ValueError("CrystalBands needs at least one k-point; got none.")
        self._set("eigenvalues", (len(self.kpoints), None), "n_kpoints, n_bands")
        wrong = "NaN" if np.isnan(self.eigenvalues).any() else "-inf" if np.isneginf(self.eigenvalues).any() else ""
        if wrong or not self.eigenvalues.size:
            raise ValueError(
                f"eigenvalues contain {wrong or 'no band'}. Where a k-point has fewer bands than others, fill up with "
                "infinity."
            )
        if self.weights is not None:
            self._set("weights", (len(self.kpoints),), "n_kpoints")
            check_weights(self.weights)
        self._check_numbers()

    def _set(self, name: str, shape: tuple[int | None, ...], axes: str) -> None:
        given = np.asarray(getattr(self, name))
        if np.iscomplexobj(given):
            raise ValueError(f"{name} must be real; got {given.dtype}.")
        values = given.astype(np.float64)
        check_shape(name, values, shape, axes)
        object.__setattr__(self, name, values)

    def _check_numbers(self) -> None:
        if not np.isfinite(self.fermi_energy):
            raise ValueError(f"fermi_energy must be a finite number of eV; got {self.fermi_energy!r}.")
        if not self.energy_max > self.fermi_energy:
            raise ValueError(
                f"energy_max must be above the Fermi level, both with the energy zero of the code; got "
                f"{self.energy_max!r} and {self.fermi_energy!r} eV."
            )
        top = float(self.eigenvalues.max(axis=1).min())
        if self.energy_max > top + _ROUNDING:
            raise ValueError(
                f"energy_max must be an energy up to which the bands are complete: {self.energy_max:g} eV is above "
                f"the highest band of some k-points, at {top:g} eV. Give at most {top:g} eV, or more bands. Where a "
                "k-point has all its bands up to energy_max and others have more, fill up with infinity."
            )
        check_positive("n_electrons", self.n_electrons)
        if not 0 <= self.gap < np.inf:
            raise ValueError(f"gap must be a finite number of eV, at least 0; got {self.gap!r}.")

    def __len__(self) -> int:
        """Number of k-points."""
        return len(self.kpoints)

    def __repr__(self) -> str:
        """Numbers of k-points and bands, and the gap."""
        mesh = "with weights" if self.weights is not None else "no weights"
        return f"CrystalBands({len(self)} k-points, {mesh}; {self.eigenvalues.shape[1]} bands; gap {self.gap:.2f} eV)"

    @property
    def relative(self) -> Floats:
        """Eigenvalues against the Fermi level, (n_kpoints, n_bands), eV."""
        return self.eigenvalues - self.fermi_energy

    def labels(self, grid: EnergyGrid, kind: Labels = "presence", width: float = 0.0) -> Floats:
        """Label every bin at every k-point; see ``label_bins``.

        Parameters
        ----------
        grid : EnergyGrid
            Centres of the bins; zero is the Fermi level.
        kind : {"presence", "soft", "counts"}
            What the label is.
        width : float
            eV; for "soft".

        Returns
        -------
        array (n_kpoints, n_bins)

        Raises
        ------
        ValueError
            Unless the zero of ``grid`` is the Fermi level.
        """
        check_number("width", width, least=0)
        _check_bins(grid)
        return label_bins(self.relative, grid, kind, width)

    def anywhere(self, grid: EnergyGrid, kind: Labels = "presence", width: float = 0.0) -> Floats:
        """Label every bin by the presence of a state at any k-point of the zone.

        Bands are continuous in k, so every bin between the minimum and the maximum of band n holds a state, also where
        the k-points of a coarse mesh miss it. With the k-points alone, metals with steep bands would have gaps.

        Parameters
        ----------
        grid : EnergyGrid
            Centres of the bins; zero is the Fermi level.
        kind : {"presence", "soft"}
            Whether a band reaches into the bin; or the probability that one does, if minimum and maximum of each band
            are uncertain by ``width``.
        width : float
            eV, standard deviation; for "soft".

        Returns
        -------
        array (n_bins,)

        Raises
        ------
        ValueError
            Unless the zero of ``grid`` is the Fermi level, and for "counts".
        """
        check_number("width", width, least=0)
        check_choice("kind of labels", kind, get_args(Labels))
        if kind == "counts":
            raise ValueError("States anywhere in the zone are not counted; use kind 'soft' or 'presence'.")
        _check_bins(grid)
        ordered = np.sort(self.relative, axis=1)
        bottoms, tops = ordered.min(axis=0), ordered.max(axis=0)
        left, right = grid.edges[:-1, None], grid.edges[1:, None]  # (n_bins, 1)
        if kind == "presence":
            return np.asarray(((tops >= left) & (bottoms < right)).any(axis=1), dtype=np.float64)
        check_positive("width of soft labels", width, "eV")
        reached = ndtr((tops - left) / width) * ndtr((right - bottoms) / width)
        return np.asarray(1 - np.prod(1 - reached, axis=1), dtype=np.float64)

    def known_bins(self, grid: EnergyGrid, width: float = 0.0) -> NDArray[np.bool_]:
        """Find the bins in which every state is known: the bins that end below ``energy_max``.

        Parameters
        ----------
        grid : EnergyGrid
            Centres of the bins; zero is the Fermi level.
        width : float
            eV; how far below themselves states contribute to a bin, with soft labels or smearing.

        Returns
        -------
        array (n_bins,) of bool
        """
        check_number("width", width, least=0)
        known: NDArray[np.bool_] = grid.edges[1:] + width <= self.energy_max - self.fermi_energy + 1e-9
        return known

    def centred(self) -> Self:
        """Put the Fermi level into the middle of the gap, if there is one.

        Codes put it anywhere in the gap, and a model would have to learn where.

        Returns
        -------
        CrystalBands

        Raises
        ------
        ValueError
            When the eigenvalues do not have the gap that is given, above n_electrons / 2 bands.
        """
        if self.gap == 0:
            return self
        valence, conduction = edge_bands(self.eigenvalues, self.n_electrons)
        top, bottom = float(valence.max()), float(conduction.min())
        if not top < bottom:
            raise ValueError(
                f"gap is {self.gap:g} eV, but the eigenvalues at the {len(valence)} k-points have no gap above "
                f"{self.n_electrons / 2:g} bands."
            )
        if self.gap > bottom - top + _ROUNDING:
            raise ValueError(
                f"gap is {self.gap:g} eV, but the eigenvalues at the {len(valence)} k-points have a gap of only "
                f"{bottom - top:g} eV. Is everything in eV?"
            )
        return replace(self, fermi_energy=0.5 * (top + bottom))

    def joined(self, other: Self) -> Self:
        """Join the bands of one crystal at two sets of k-points, for instance its mesh and its path.

        The result has no weights, the lower ``energy_max``, and the gap over all k-points.

        Parameters
        ----------
        other : CrystalBands
            Bands of the same calculation.

        Returns
        -------
        CrystalBands

        Raises
        ------
        ValueError
            When the Fermi levels or the numbers of electrons differ: the bands are not from one calculation.
        """
        if self.fermi_energy != other.fermi_energy or self.n_electrons != other.n_electrons:
            raise ValueError(
                "Bands to join must come from one calculation, but their Fermi levels are "
                f"{self.fermi_energy:g} and {other.fermi_energy:g} eV, their numbers of electrons "
                f"{self.n_electrons:g} and {other.n_electrons:g}."
            )
        n_bands = max(self.eigenvalues.shape[1], other.eigenvalues.shape[1])
        eigenvalues = np.concatenate([_filled(self.eigenvalues, n_bands), _filled(other.eigenvalues, n_bands)])
        gap = min(self.gap, other.gap)
        filled = self.n_electrons / 2
        if gap and abs(filled - round(filled)) < 1e-4 and n_bands > filled:  # the edges may be in different parts
            valence, conduction = edge_bands(eigenvalues, self.n_electrons)
            gap = min(gap, max(0.0, float(conduction.min() - valence.max())))
        return type(self)(
            np.concatenate([self.kpoints, other.kpoints]),
            eigenvalues,
            None,
            self.fermi_energy,
            min(self.energy_max, other.energy_max),
            self.n_electrons,
            gap,
        )


def edge_bands(eigenvalues: ArrayLike, n_electrons: float) -> tuple[Floats, Floats]:
    """Find the highest occupied and the lowest empty eigenvalue of an insulator at every k-point.

    Parameters
    ----------
    eigenvalues : array (n_kpoints, n_bands)
        eV, for one spin, in any order.
    n_electrons : float
        Valence electrons in the cell: two in each band.

    Returns
    -------
    valence, conduction : arrays (n_kpoints,)
        eV.

    Raises
    ------
    ValueError
        When the number of electrons is not even, or there are too few bands.
    """
    check_arguments(n_electrons=n_electrons)
    values = np.asarray(eigenvalues, dtype=np.float64)
    check_shape("eigenvalues", values, (None, None), "n_kpoints, n_bands")
    filled = round(n_electrons / 2)
    if abs(n_electrons / 2 - filled) > 1e-4 or filled < 1:
        raise ValueError(f"An insulator without magnetism has an even number of electrons; got {n_electrons!r}.")
    if values.shape[1] <= filled:
        raise ValueError(
            f"{filled} filled bands and one empty band are needed; eigenvalues has {values.shape[1]} bands."
        )
    ordered = np.sort(values, axis=1)
    return ordered[:, filled - 1], ordered[:, filled]


def _check_bins(grid: EnergyGrid) -> None:
    if grid.zero != "fermi":
        raise ValueError(f"Bins must have the Fermi level at zero; got {grid}.")


def _filled(eigenvalues: Floats, n_bands: int) -> Floats:
    """Eigenvalues with columns of infinity up to ``n_bands``."""
    return np.pad(eigenvalues, ((0, 0), (0, n_bands - eigenvalues.shape[1])), constant_values=np.inf)
