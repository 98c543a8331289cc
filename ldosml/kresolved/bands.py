"""Eigenvalues of one crystal at k-points: what occupancies are learned from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from ldosml._validation import check_choice, check_finite, check_positive, check_shape
from ldosml.energy import EnergyGrid
from ldosml.kresolved.fields import edge_bands
from ldosml.kresolved.occupancy import Floats, Labels, check_weights, label_bins

_ROUNDING = 1e-3  # eV, of eigenvalues in single precision, and of gaps that others printed


@dataclass(frozen=True, eq=False, repr=False)
class CrystalBands:
    """Eigenvalues of one crystal at k-points, and what says how far they can be trusted.

    Parameters
    ----------
    kpoints : array (n_kpoints, 3)
        Fractions of the reciprocal lattice vectors of the cell that was computed.
    eigenvalues : array (n_kpoints, n_bands)
        eV in the code's own zero, of one spin, in any order. Where k-points have different numbers of bands, fill up
        with infinity.
    weights : array (n_kpoints,) or None
        Of a mesh, adding up to 1. Along a path there are none.
    fermi_energy : float
        eV in the code's own zero. Of a crystal with a gap, its middle is expected: see ``centred``.
    energy_max : float
        eV in the code's own zero: up to here every k-point has all its bands, so at most the lowest of their highest
        ones. Nothing is learned above it.
    n_electrons : float
        Of the cell, valence.
    gap : float
        eV; 0 for a metal.

    Raises
    ------
    ValueError
        When shapes do not fit, eigenvalues are no numbers, weights do not add up to 1, or a number is not what it must
        be.

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
            raise ValueError("Bands need at least one k-point; got none.")
        self._set("eigenvalues", (len(self.kpoints), None), "n_kpoints, n_bands")
        wrong = "NaN" if np.isnan(self.eigenvalues).any() else "-inf" if np.isneginf(self.eigenvalues).any() else ""
        if wrong or not self.eigenvalues.size:
            raise ValueError(
                f"eigenvalues hold {wrong or 'no band'}; where a k-point has fewer bands than others, fill up with "
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
                f"energy_max must lie above the Fermi level, both in the code's zero; got {self.energy_max!r} and "
                f"{self.fermi_energy!r} eV."
            )
        top = float(self.eigenvalues.max(axis=1).min())
        if self.energy_max > top + _ROUNDING:
            raise ValueError(
                f"energy_max must be where bands are complete: {self.energy_max:g} eV is above the highest band of "
                f"some k-points, at {top:g} eV. Give at most that, or more bands; where a k-point has all its bands up "
                "to there and others have more, fill up with infinity."
            )
        check_positive("n_electrons", self.n_electrons)
        if not 0 <= self.gap < np.inf:
            raise ValueError(f"gap must be a finite number of eV, not below 0; got {self.gap!r}.")

    def __len__(self) -> int:
        """Count the k-points."""
        return len(self.kpoints)

    def __repr__(self) -> str:
        """Tell what it holds."""
        mesh = "with weights" if self.weights is not None else "no weights"
        return f"CrystalBands({len(self)} k-points, {mesh}; {self.eigenvalues.shape[1]} bands; gap {self.gap:.2f} eV)"

    @property
    def relative(self) -> Floats:
        """Eigenvalues against the Fermi level, (n_kpoints, n_bands), eV."""
        return self.eigenvalues - self.fermi_energy

    def labels(self, grid: EnergyGrid, kind: Labels = "presence", width: float = 0.0) -> Floats:
        """Labels of every bin at every k-point, (n_kpoints, n_bins); see ``label_bins``.

        Raises ValueError unless the zero of ``grid`` is the Fermi level.
        """
        _check_bins(grid)
        return label_bins(self.relative, grid, kind, width)

    def anywhere(self, grid: EnergyGrid, kind: Labels = "presence", width: float = 0.0) -> Floats:
        """Label every bin by what states there are at any k-point, between those that are known, too, (n_bins,).

        Bands are continuous in k: from the lowest to the highest energy of the n-th one, every bin holds a state. Few
        k-points leave bins of steep bands out, and would show gaps in metals. "soft": the probability that some band
        reaches into the bin, when both ends of each are uncertain by ``width`` (eV); "presence": whether one does.

        Raises ValueError unless the zero of ``grid`` is the Fermi level, and for "counts".
        """
        check_choice("kind of labels", kind, get_args(Labels))
        if kind == "counts":
            raise ValueError("States anywhere in the zone are not counted; take soft labels, or presence.")
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
        """Tell for which bins every state is known, (n_bins,): those that end below ``energy_max``.

        States above it reach ``width`` (eV) below themselves where labels are soft: give the reach then.
        """
        known: NDArray[np.bool_] = grid.edges[1:] + width <= self.energy_max - self.fermi_energy + 1e-9
        return known

    def centred(self) -> Self:
        """The same with the Fermi level in the middle of the gap, where there is one.

        A code leaves it anywhere in the gap, and a model would have to learn where. Raises ValueError where the
        eigenvalues have no gap above n_electrons / 2 bands.
        """
        if self.gap == 0:
            return self
        valence, conduction = edge_bands(self.eigenvalues, self.n_electrons)
        top, bottom = float(valence.max()), float(conduction.min())
        if not top < bottom:
            raise ValueError(
                f"These bands are said to have a gap of {self.gap:g} eV; the {len(valence)} k-points have none above "
                f"{self.n_electrons / 2:g} bands."
            )
        if self.gap > bottom - top + _ROUNDING:
            raise ValueError(
                f"These bands are said to have a gap of {self.gap:g} eV; at the {len(valence)} k-points it is only "
                f"{bottom - top:g} eV. Is everything in eV?"
            )
        return replace(self, fermi_energy=0.5 * (top + bottom))

    def joined(self, other: Self) -> Self:
        """Put the k-points of the same crystal together, for instance those of its mesh and of its path.

        Weights are dropped, energies are known up to the lower ``energy_max``, the gap is that of all k-points.

        Raises ValueError when the Fermi levels or the numbers of electrons differ: these are not one calculation.
        """
        if self.fermi_energy != other.fermi_energy or self.n_electrons != other.n_electrons:
            raise ValueError(
                "Bands to join must come from one calculation; their Fermi levels are "
                f"{self.fermi_energy:g} and {other.fermi_energy:g} eV, their electrons {self.n_electrons:g} and "
                f"{other.n_electrons:g}."
            )
        n_bands = max(self.eigenvalues.shape[1], other.eigenvalues.shape[1])
        eigenvalues = np.concatenate([_filled(self.eigenvalues, n_bands), _filled(other.eigenvalues, n_bands)])
        gap = min(self.gap, other.gap)
        filled = self.n_electrons / 2
        if gap and abs(filled - round(filled)) < 1e-4 and n_bands > filled:  # each may have an edge of both
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


def _check_bins(grid: EnergyGrid) -> None:
    if grid.zero != "fermi":
        raise ValueError(f"Bins must have the Fermi level at zero; got {grid}.")


def _filled(eigenvalues: Floats, n_bands: int) -> Floats:
    """Eigenvalues with columns of infinity up to ``n_bands``."""
    return np.pad(eigenvalues, ((0, 0), (0, n_bands - eigenvalues.shape[1])), constant_values=np.inf)
