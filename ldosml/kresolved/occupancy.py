"""Occupancy of energy bins at k-points: the probability that a bin holds a state, and the labels for training.

After Park et al., *Learning k-resolved electronic structure via soft energy occupancy prediction* (kRESForge), who use
256 bins from E_F - 10 to E_F + 10 eV. Bins are given by their centres, an ``EnergyGrid``; each extends half a step to
either side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from ldosml import _html
from ldosml._plots import drawn
from ldosml._ranges import check_arguments
from ldosml._validation import check_choice, check_finite, check_positive, check_shape
from ldosml.energy import EnergyGrid, Zero

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ldosml.kresolved.paths import KPath

Floats = NDArray[np.float64]

N_BINS, HALF_WIDTH = 256, 10.0  # as in the paper; eV

Labels = Literal["presence", "soft", "counts"]
"""Label of a bin: whether a state lies in it; the probability that one does, if energies are uncertain by a width; or
the number of states in it."""


def energy_bins(n_bins: int = N_BINS, half_width: float = HALF_WIDTH, zero: Zero = "fermi") -> EnergyGrid:
    """Make equal bins around the energy zero.

    Parameters
    ----------
    n_bins : int
        Number of bins, at least 2.
    half_width : float
        The bins cover -half_width to half_width, eV.
    zero : {"fermi", ...}
        Energy zero; see ``EnergyGrid``.

    Returns
    -------
    EnergyGrid
        Centres of the bins.

    Raises
    ------
    ValueError
        When a number is out of its range.

    Examples
    --------
    >>> energy_bins(4, 2.0).energies
    array([-1.5, -0.5,  0.5,  1.5])
    """
    check_arguments(n_bins=n_bins, half_width=half_width)
    step = 2 * half_width / n_bins
    return EnergyGrid(-half_width + step / 2, step, int(n_bins), zero)


def label_bins(eigenvalues: ArrayLike, grid: EnergyGrid, kind: Labels = "presence", width: float = 0.0) -> Floats:
    """Label every bin at every k-point.

    Parameters
    ----------
    eigenvalues : array (n_kpoints, n_bands)
        eV, with the energy zero of ``grid``, in any order; eigenvalues beyond the bins are in no bin. Where k-points
        have different numbers of bands, fill up with infinity.
    grid : EnergyGrid
        Centres of the bins.
    kind : {"presence", "soft", "counts"}
        1 where a state lies in the bin; the probability that one does, if every eigenvalue has an independent error of
        ``width``; the number of states (of one spin) in the bin.
    width : float
        eV, standard deviation; for "soft" only.

    Returns
    -------
    array (n_kpoints, n_bins)

    Raises
    ------
    ValueError
        When an eigenvalue is NaN, or "soft" has no width.

    Examples
    --------
    >>> label_bins([[-0.6, 0.4, 0.3]], energy_bins(4, 1.0), "counts")
    array([[1., 0., 2., 0.]])
    """
    check_choice("kind of labels", kind, get_args(Labels))
    values = np.asarray(eigenvalues, dtype=np.float64)
    check_shape("eigenvalues", values, (None, None), "n_kpoints, n_bands")
    if np.isnan(values).any():
        raise ValueError("eigenvalues hold NaN; where a k-point has fewer bands than others, fill up with infinity.")
    edges = grid.edges
    if kind == "soft":
        check_positive("width of soft labels", width, "eV")
        return _soft(values, edges, width)
    inside = (values >= edges[0]) & (values < edges[-1])
    k, _ = np.nonzero(inside)
    counts = np.zeros((len(values), grid.size))
    np.add.at(counts, (k, np.searchsorted(edges, values[inside], side="right") - 1), 1.0)
    return np.minimum(counts, 1.0) if kind == "presence" else counts


def _soft(values: Floats, edges: Floats, width: float) -> Floats:
    """1 - prod_n (1 - P(state n lies in the bin)), band by band to bound memory."""
    none = np.ones((len(values), len(edges) - 1))
    for band in values.T:
        below = ndtr((edges - band[:, None]) / width)
        none *= 1 - np.diff(below, axis=1)
    return 1 - none


def check_weights(weights: Floats) -> None:
    """Raise ValueError unless weights of k-points (n_kpoints,) are finite, not negative, and sum to 1."""
    check_finite("weights", weights)
    if not (weights.min(initial=0) >= 0 and abs(weights.sum() - 1) < 1e-6):
        raise ValueError(f"weights must not be negative, and must sum to 1; their sum is {weights.sum():g}.")


@dataclass(frozen=True, eq=False, repr=False)
class KResolvedOccupancy:
    """Probability that an energy bin holds a state, for every bin and k-point of one crystal.

    Parameters
    ----------
    grid : EnergyGrid
        Centres of the bins; zero is the Fermi level.
    kpoints : array (n_kpoints, 3)
        Fractions of the reciprocal lattice vectors of ``cell``.
    probabilities : array (n_kpoints, n_bins)
        From 0 to 1.
    cell : array (3, 3)
        Lattice vectors of the primitive cell to which ``kpoints`` refer, rows, angstrom.
    weights : array (n_kpoints,), optional
        Weights of a mesh, which sum to 1; None along a path.
    counts : array (n_kpoints, n_bins), optional
        Expected number of states (of one spin), if the model predicts it.
    anywhere : array (n_bins,), optional
        Probability that the bin holds a state at any k-point of the zone, if the model predicts it.

    Raises
    ------
    ValueError
        When shapes do not fit, probabilities are not in [0, 1], or weights do not sum to 1.
    """

    grid: EnergyGrid
    kpoints: Floats
    probabilities: Floats
    cell: Floats
    weights: Floats | None = None
    counts: Floats | None = None
    anywhere: Floats | None = None

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        shape = (len(self.kpoints), self.grid.size)
        for name, expected, axes in (
            ("kpoints", (None, 3), "n_kpoints, 3"),
            ("probabilities", shape, "n_kpoints, n_bins"),
            ("cell", (3, 3), "3, 3"),
            ("weights", shape[:1], "n_kpoints"),
            ("counts", shape, "n_kpoints, n_bins"),
            ("anywhere", shape[1:], "n_bins"),
        ):
            given = getattr(self, name)
            if given is None:
                continue
            values = np.asarray(given, dtype=np.float64)
            check_shape(name, values, expected, axes)
            check_finite(name, values)
            object.__setattr__(self, name, values)
        for name in ("probabilities", "anywhere"):
            values = getattr(self, name)
            if values is not None and values.size and not (values.min() >= 0 and values.max() <= 1):
                raise ValueError(f"{name} must be from 0 to 1; got {values.min():g} to {values.max():g}.")
        if self.counts is not None and self.counts.size and self.counts.min() < 0:
            raise ValueError(f"counts must not be negative; got {self.counts.min():g}.")
        if self.weights is not None:
            check_weights(self.weights)

    def __len__(self) -> int:
        """Number of k-points."""
        return len(self.kpoints)

    def __repr__(self) -> str:
        """Number of k-points, and the bins."""
        mesh = "with weights" if self.weights is not None else "no weights"
        return f"KResolvedOccupancy({len(self)} k-points, {mesh}; {self.grid})"

    def _repr_html_(self) -> str:
        """What a notebook shows: numbers of k-points and bins, and the mean probability at each energy."""
        facts = {
            "k-points": f"{len(self)}, {'no weights' if self.weights is None else 'with weights'}",
            "also predicts": ", ".join(name for name in ("counts", "anywhere") if getattr(self, name) is not None),
            **self.grid.facts(),
        }
        picture = _html.curves(self.energies, {"mean over the k-points": self.mean}, "") if len(self) else ""
        return _html.page("KResolvedOccupancy", {name: value for name, value in facts.items() if value}, picture)

    @property
    def mean(self) -> Floats:
        """Mean probability of each bin over the k-points, by their weights if there are any, (n_bins,)."""
        return np.asarray(np.average(self.probabilities, axis=0, weights=self.weights), dtype=np.float64)

    def plot(self, path: KPath | None = None, ax: Axes | None = None, *, bands: ArrayLike | None = None) -> Any:
        """Draw the probabilities along a path as an image, or their mean over the k-points as a curve.

        Parameters
        ----------
        path : KPath, optional
            The path on which the k-points lie. Default: draw the mean over the k-points.
        ax : matplotlib.axes.Axes, optional
            Draw here, and leave colour bar and legend to you.
        bands : array (n_kpoints, n_bands), optional
            Eigenvalues from DFT with the energy zero of the bins, eV, drawn as dots; only with ``path``.

        Returns
        -------
        matplotlib.figure.Figure, or with ``ax`` matplotlib.collections.QuadMesh or None
            The image, for a colour bar; None for a curve.

        Raises
        ------
        ValueError
            When the k-points and the path differ, or there are ``bands`` but no path.
        """
        return drawn(self, ax, path=path, bands=bands)

    @property
    def energies(self) -> Floats:
        """Centres of the bins, (n_bins,), eV."""
        return self.grid.energies

    def with_zero_at(self, energy: float) -> Self:
        """Move the energy zero.

        Parameters
        ----------
        energy : float
            The new zero, eV.

        Returns
        -------
        KResolvedOccupancy

        Examples
        --------
        >>> one = KResolvedOccupancy(energy_bins(4, 2.0), [[0, 0, 0]], [[1, 1, 0, 0]], np.eye(3))
        >>> one.with_zero_at(-0.5).energies.tolist()
        [-1.0, 0.0, 1.0, 2.0]
        """
        check_arguments(energy=energy)
        return replace(self, grid=replace(self.grid, start=self.grid.start - energy))
