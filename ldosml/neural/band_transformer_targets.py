"""Six bands around the Fermi level along the closed path of Latimer and Munro: what ``BandTransformer`` learns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ldosml._ranges import check_arguments
from ldosml._validation import check_shape
from ldosml.kresolved import CrystalBands, KPath, interpolate_bands
from ldosml.neural.crystals import Crystal, Floats, point_group
from ldosml.neural.tight_binding import CrystalTightBinding, known_shells
from ldosml.tightbinding import TightBindingParameters


@dataclass(frozen=True, eq=False, repr=False)
class PathBands:
    """Bands around the Fermi level of one crystal along a path.

    Parameters
    ----------
    path : KPath
        k-points are fractions of the reciprocal lattice vectors of the standardised primitive cell.
    bands : array (n_kpoints, n_bands)
        eV against the Fermi level, which is in the middle of the gap of a non-metal. The first half of the bands ends
        with the highest band that holds electrons. NaN for bands that do not exist.

    Raises
    ------
    ValueError
        When shapes do not fit, or the number of bands is odd.
    """

    path: KPath
    bands: Floats

    def __post_init__(self) -> None:
        """Check shapes."""
        values = np.asarray(self.bands, dtype=np.float64)
        check_shape("bands", values, (len(self.path), None), "n_kpoints, n_bands")
        if values.shape[1] % 2 or not values.shape[1]:
            raise ValueError(f"The number of bands must be even: half of them hold electrons; got {values.shape[1]}.")
        object.__setattr__(self, "bands", values)

    def __len__(self) -> int:
        """Number of k-points."""
        return len(self.bands)

    def __repr__(self) -> str:
        """Numbers of k-points and bands, and the gap."""
        return f"PathBands({len(self)} k-points, {self.bands.shape[1]} bands; gap {self.gap:.2f} eV)"

    @property
    def centers(self) -> Floats:
        """Mean of each band over the path, (n_bands,), eV."""
        return np.asarray(self.bands.mean(axis=0))

    @property
    def dispersions(self) -> Floats:
        """Bands minus their means, (n_kpoints, n_bands), eV."""
        return self.bands - self.centers

    @property
    def valence_maximum(self) -> float:
        """Highest energy of the bands that hold electrons, eV."""
        return float(np.nanmax(self.bands[:, : self.bands.shape[1] // 2]))

    @property
    def conduction_minimum(self) -> float:
        """Lowest energy of the bands above, eV."""
        return float(np.nanmin(self.bands[:, self.bands.shape[1] // 2 :]))

    @property
    def gap(self) -> float:
        """Conduction minimum minus valence maximum, eV; 0 unless the Fermi level is between them."""
        metal = self.valence_maximum >= 0 or self.conduction_minimum <= 0
        return 0.0 if metal else self.conduction_minimum - self.valence_maximum


def path_bands(crystal: Crystal, bands: CrystalBands, *, n_kpoints: int = 256, n_bands: int = 6) -> PathBands:
    """Interpolate the bands of a crystal to its closed path of Latimer and Munro.

    The path is ``KPath.latimer_munro(..., eulerian=True)``. The bands are interpolated by ``interpolate_bands``
    through all their k-points. This limits the accuracy of a model. ``benchmarks/bandformer.py`` measures the error
    from k-points of the DFT path that are left out, for 122 shipped crystals with a mesh and a path: between other
    k-points of the path, the median is 0.005 eV, and 95 % are below 0.08 eV; on a line that is left out as a whole, the
    median is 0.02 eV, and 95 % are below 0.3 eV.

    Parameters
    ----------
    crystal : Crystal
        The standardised primitive cell.
    bands : CrystalBands
        Its k-points refer to the cell of ``crystal``. Best the bands on a mesh and along a path, joined
        (``CrystalBands.joined``).
    n_kpoints : int
        Number of k-points along the path.
    n_bands : int
        Number of bands, even: half of them up to the highest band with a state below the Fermi level, and as many
        above it.

    Returns
    -------
    PathBands

    Raises
    ------
    ValueError
        When ``n_kpoints`` or ``n_bands`` is not possible, no band has states below the Fermi level, no band is empty,
        or the eigenvalues do not have the gap that is given.
    ImportError
        When pymatgen is missing.
    """
    check_arguments(n_kpoints=n_kpoints, n_bands=n_bands)
    path = KPath.latimer_munro(crystal.atoms(), n_kpoints, eulerian=True)
    columns, chosen = around_fermi_level(bands.centred(), n_bands)
    found = np.full((len(path), n_bands), np.nan)
    interpolated = interpolate_bands(bands.kpoints, columns[:, chosen], crystal.cell, point_group(crystal))
    found[:, chosen] = np.sort(interpolated(path.kpoints), axis=1)
    return PathBands(path, found)


def around_fermi_level(bands: CrystalBands, n_bands: int) -> tuple[Floats, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Bands around the Fermi level, (n_kpoints, n_bands), eV against it, and which of them are at all k-points.

    Half of them end with the highest band that has a state below the Fermi level.

    Raises ValueError when no such band or none above it is there, or ``n_bands`` is odd.
    """
    if n_bands < 2 or n_bands % 2:
        raise ValueError(f"n_bands must be an even number, at least 2; got {n_bands!r}.")
    ordered = np.sort(bands.relative, axis=1)
    held = int((ordered.min(axis=0) < 0).sum())
    half = n_bands // 2
    columns = np.full((len(ordered), n_bands), np.inf)
    low, high = max(0, held - half), min(held + half, ordered.shape[1])
    columns[:, low - held + half : high - held + half] = ordered[:, low:high]
    known = np.isfinite(columns).all(axis=0)
    if not (known[half - 1] and known[half]):
        raise ValueError(
            f"Bands around the Fermi level need a band below and a band above it at every k-point; {held} of "
            f"{ordered.shape[1]} bands have states below it."
        )
    return columns, known


def guessed_bands(crystal: Crystal, kpoints: Floats, n_bands: int, parameters: TightBindingParameters) -> Floats:
    """Bands of tight binding around its Fermi level, (n_kpoints, n_bands), eV; NaN where there are none.

    Half of them end with the highest band that has a state below the Fermi level, on a mesh or at the k-points.
    """
    half = n_bands // 2
    if not known_shells(crystal):
        return np.full((len(kpoints), n_bands), np.nan)
    model = CrystalTightBinding(crystal, parameters)
    mesh, weights = model.on_mesh()
    zero = model.fermi_energy(mesh, weights)
    along = model.eigenvalues(kpoints)
    held = int((np.concatenate([mesh, along]).min(axis=0) < zero).sum())
    padded = np.pad(along - zero, ((0, 0), (half, half)), constant_values=np.nan)
    return padded[:, held : held + n_bands]


def smoothed(bands: Floats, width: float) -> Floats:
    """Bands along a closed path (n_kpoints, n_bands), smoothed by a Gaussian; ``width`` in steps, 0: not at all."""
    if width == 0:
        return bands
    turn = gaussian_filter1d(bands[:-1], width, axis=0, mode="wrap")
    return np.concatenate([turn, turn[:1]])
