"""Baselines for models of occupancies: bin frequencies, the nearest crystal, a kernel on averages, tight binding.

Crystals are compared by the average SOAP of their atoms. With 50 elements the usual SOAP is too long (90,000 numbers
for 4 radial functions and l up to 3), and crystals without a common element would have nothing in common. So elements
are replaced by a few features of their group and period, which similar elements share (an alchemical kernel: Willatt,
Musil and Ceriotti, Phys. Chem. Chem. Phys. 20, 29661, 2018). SOAP is bilinear in the elements, so the features contract
the SOAP of the elements of each crystal, and no long vector is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
from ase import Atoms
from scipy.special import ndtr

from ldosml import SOAP, LDOSKernelRidge
from ldosml.kresolved import CrystalBands, KResolvedOccupancy, energy_bins
from ldosml.kresolved.occupancy import label_bins
from ldosml.neural import primitive_kpoints, standardized
from ldosml.neural.tight_binding import CrystalTightBinding
from ldosml.spectra import DOS
from ldosml.tightbinding import TightBindingParameters

NOBLE = np.array([0, 2, 10, 18, 36, 54, 86, 118])
N_ELEMENTS = 94


def group_and_period(number: int) -> tuple[float, float]:
    """Place in the periodic table of 18 columns; lanthanides and actinides in the third.

    >>> group_and_period(14), group_and_period(79), group_and_period(1)
    ((14.0, 3.0), (11.0, 6.0), (1.0, 1.0))
    """
    period = int(np.searchsorted(NOBLE, number))
    before, length = NOBLE[period - 1], NOBLE[period] - NOBLE[period - 1]
    place = number - before
    if place > 2 and length < 18:
        place += 18 - length
    elif length == 32 and place > 2:
        place = max(3, place - 14)
    return float(18 if number == 2 else place), float(period)


def element_features(n_features: int, group_width: float = 3.0, period_width: float = 1.5) -> np.ndarray:
    """Rows (N_ELEMENTS, n_features); their products are Gaussians of the distances in group and in period."""
    places = np.array([group_and_period(number) for number in range(1, N_ELEMENTS + 1)])
    scaled = places / [group_width, period_width]
    kernel = np.exp(-0.5 * ((scaled[:, None] - scaled[None]) ** 2).sum(axis=-1))
    values, vectors = np.linalg.eigh(kernel)
    return vectors[:, -n_features:] * np.sqrt(values[-n_features:])


class AveragedSOAP:
    """One row of unit length for each crystal: SOAP averaged over its atoms, elements replaced by features."""

    def __init__(self, r_cut=5.0, n_max=6, l_max=4, atom_sigma=0.5, n_features=6):
        self.options = {"r_cut": r_cut, "n_max": n_max, "l_max": l_max, "atom_sigma": atom_sigma}
        self.elements = element_features(n_features)

    def transform(self, crystals: Sequence[Atoms]) -> np.ndarray:
        """Rows (n_crystals, n_features)."""
        rows = np.array([self._row(atoms) for atoms in crystals])
        return rows / np.linalg.norm(rows, axis=1)[:, None]

    def _row(self, atoms: Atoms) -> np.ndarray:
        soap = SOAP(**self.options, normalize=False).fit(atoms)
        spectrum = soap.transform(atoms).mean(axis=0)
        n_max, n_l = self.options["n_max"], self.options["l_max"] + 1
        features = self.elements[soap.species_ - 1]
        lower = np.triu_indices(n_max)
        total, start = 0.0, 0
        for first, second in combinations_with_replacement(range(len(features)), 2):
            size = n_l * (len(lower[0]) if first == second else n_max**2)
            block = spectrum[start : start + size].reshape(n_l, -1)
            start += size
            pair = np.einsum("lp,a,b->lpab", block, features[first], features[second])
            if first == second:
                square = np.zeros((n_l, n_max, n_max, *pair.shape[2:]))
                square[:, lower[0], lower[1]] = square[:, lower[1], lower[0]] = pair
                total = total + square
            else:
                square = pair.reshape(n_l, n_max, n_max, *pair.shape[2:])
                total = total + square + square.transpose(0, 2, 1, 4, 3)
        return total.ravel()


class ClassPrior:
    """The same for every crystal and k-point: the mean presence and number of states in the training crystals.

    Crystals have equal weights; k-points have their weights on a mesh, or else equal weights.
    """

    def __init__(self, grid=None):
        self.grid = energy_bins() if grid is None else grid

    def fit(self, crystals: Sequence[Atoms], bands: Sequence[CrystalBands]):
        """Average the labels; the crystals do not matter."""
        self.presence_ = np.mean([mean_labels(one, self.grid, "presence") for one in bands], axis=0)
        self.counts_ = np.mean([mean_labels(one, self.grid, "counts") for one in bands], axis=0)
        return self

    def predict(self, crystals, kpoints, *, weights=None) -> list[KResolvedOccupancy]:
        """Occupancies of each crystal at its own k-points, a sequence of arrays (n_kpoints, 3)."""
        given = [None] * len(crystals) if weights is None else weights
        return [
            repeated(self.grid, k, self.presence_, self.counts_, atoms, w)
            for atoms, k, w in zip(crystals, kpoints, given, strict=True)
        ]


class NearestCrystal:
    """Labels of the most similar training crystal, by the scalar product of rows of ``AveragedSOAP``.

    If that crystal has all the k-points, as fractions up to reciprocal lattice vectors (two crystals of one prototype
    on one mesh), its labels at each k-point are used; otherwise their weighted mean over its mesh, at every k-point.
    Presence is broadened by ``width`` (eV), because the eigenvalues are of another crystal; counts are not broadened.
    """

    def __init__(self, width=0.2, grid=None, descriptor=None):
        self.width = width
        self.grid = energy_bins() if grid is None else grid
        self.descriptor = AveragedSOAP() if descriptor is None else descriptor

    def fit(self, crystals: Sequence[Atoms], bands: Sequence[CrystalBands], gaps: Sequence[float]):
        """Store the rows of the crystals, their bands on meshes, and their gaps (n_crystals,), eV."""
        self.rows_, self.bands_ = self.descriptor.transform(crystals), list(bands)
        self.gaps_ = np.asarray(gaps, dtype=np.float64)
        return self

    def predict_gaps(self, crystals: Sequence[Atoms]) -> np.ndarray:
        """Gaps of the neighbours, (n_crystals,), eV."""
        return self.gaps_[self.neighbors(crystals)]

    def neighbors(self, crystals: Sequence[Atoms]) -> np.ndarray:
        """Index of the nearest training crystal of each."""
        return (self.descriptor.transform(crystals) @ self.rows_.T).argmax(axis=1)

    def predict(self, crystals, kpoints, *, weights=None) -> list[KResolvedOccupancy]:
        """Occupancies of each crystal at its own k-points, a sequence of arrays (n_kpoints, 3)."""
        given = [None] * len(crystals) if weights is None else weights
        nearest = [self.bands_[i] for i in self.neighbors(crystals)]
        return [self._one(*each) for each in zip(crystals, nearest, kpoints, given, strict=True)]

    def _one(self, atoms, bands, kpoints, weights) -> KResolvedOccupancy:
        kind = "soft" if self.width else "presence"
        found = same_kpoints(np.asarray(kpoints), bands.kpoints)
        if found is None:
            means = [mean_labels(bands, self.grid, kind, self.width), mean_labels(bands, self.grid, "counts")]
            return repeated(self.grid, kpoints, *means, atoms, weights)
        eigenvalues = bands.relative[found]
        presence = label_bins(eigenvalues, self.grid, kind, self.width)
        counts = label_bins(eigenvalues, self.grid, "counts")
        return KResolvedOccupancy(self.grid, kpoints, np.clip(presence, 0, 1), atoms.cell.array, weights, counts)


class TightBindingAlone:
    """Bands of fitted tight binding with an uncertainty of ``width`` (eV); the gap is over mesh and path.

    States are counted as Gaussians of ``COUNT_WIDTH``, which gives the best DOS of validation crystals among 0.05 to
    1.6 eV; the best log loss needs wider ones.
    """

    COUNT_WIDTH = 0.4

    def __init__(self, parameters: TightBindingParameters, width=0.4, grid=None):
        self.parameters, self.width = parameters, width
        self.grid = energy_bins() if grid is None else grid

    def predict(self, crystals, kpoints, *, weights=None) -> list[KResolvedOccupancy]:
        """Occupancies of each crystal at its own k-points, a sequence of arrays (n_kpoints, 3)."""
        given = [None] * len(crystals) if weights is None else weights
        return [self._one(*each) for each in zip(crystals, kpoints, given, strict=True)]

    def predict_gaps(self, materials) -> np.ndarray:
        """Gaps (n_materials,), eV, over the k-points of mesh and path."""
        gaps = []
        for one in materials:
            bands = self._bands(one.atoms, np.concatenate([one.mesh.kpoints, one.path.kpoints]))
            gaps.append(max(0.0, bands[bands > 0].min() - bands[bands <= 0].max()) if self._is_gapped(bands) else 0.0)
        return np.array(gaps)

    @staticmethod
    def _is_gapped(bands: np.ndarray) -> bool:
        """Whether the number of bands below the Fermi level is the same at every k-point."""
        return len(np.unique((bands <= 0).sum(axis=1))) == 1 and bool((bands > 0).any())

    def _bands(self, atoms: Atoms, kpoints: np.ndarray) -> np.ndarray:
        model = CrystalTightBinding(standardized(atoms), self.parameters)
        return model.eigenvalues(primitive_kpoints(atoms, kpoints)) - model.fermi_energy(*model.on_mesh())

    def _one(self, atoms, kpoints, weights) -> KResolvedOccupancy:
        bands = self._bands(atoms, np.asarray(kpoints))
        presence = label_bins(bands, self.grid, "soft", self.width)
        edges = (self.grid.edges - bands[..., None]) / self.COUNT_WIDTH
        counts = np.diff(ndtr(edges).sum(axis=1), axis=1)
        return KResolvedOccupancy(self.grid, kpoints, np.clip(presence, 0, 1), atoms.cell.array, weights, counts)


class AveragedKernel:
    """DOS and gap by kernel ridge regression on ``AveragedSOAP``, without k-points.

    The DOS is learned per atom. The width of the kernel is chosen on validation crystals, separately for DOS and gap;
    alpha is chosen for each energy by leaving out one training crystal at a time.
    """

    gammas = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)

    def __init__(self, descriptor=None):
        self.descriptor = AveragedSOAP() if descriptor is None else descriptor

    def fit(self, crystals: Sequence[Atoms], dos: Sequence[DOS], gaps: np.ndarray, validation):
        """Learn DOS (one each, of the cell) and gaps (n_crystals,), eV; ``validation`` has the same for others."""
        X, X_val = (self.descriptor.transform(one) for one in (crystals, validation[0]))
        self.grid_ = dos[0].grid
        self.dos_ = self._best(X, per_atom(dos), X_val, per_atom(validation[1]))
        self.gap_ = self._best(X, np.asarray(gaps)[:, None], X_val, np.asarray(validation[2])[:, None])
        predicted, true = self._gaps(X_val), np.asarray(validation[2])
        cuts = np.arange(0.0, 1.0, 0.02)
        self.metal_below_ = cuts[np.argmin([np.abs(np.where(predicted < c, 0, predicted) - true).mean() for c in cuts])]
        return self

    def predict_dos(self, crystals: Sequence[Atoms]) -> list[DOS]:
        """DOS of each crystal, states/eV of its cell, not below zero."""
        values = np.maximum(0.0, self.dos_.predict(self.descriptor.transform(crystals)))
        sizes = [len(atoms) for atoms in crystals]
        return [DOS(self.grid_, n * row[None], n_atoms=np.array([n])) for n, row in zip(sizes, values, strict=True)]

    def predict_gaps(self, crystals: Sequence[Atoms]) -> np.ndarray:
        """Gaps (n_crystals,), eV; 0 below a smallest value that is chosen on validation crystals."""
        found = self._gaps(self.descriptor.transform(crystals))
        return np.where(found < self.metal_below_, 0.0, found)

    def _gaps(self, X):
        return np.maximum(0.0, self.gap_.predict(X)[:, 0])

    def _best(self, X, Y, X_val, Y_val):
        models = [
            LDOSKernelRidge("leave-one-out", kernel="matern", gamma=gamma, alpha_smoothing=5.0).fit(X, Y)
            for gamma in self.gammas
        ]
        return models[int(np.argmin([np.abs(model.predict(X_val) - Y_val).mean() for model in models]))]


def per_atom(dos: Sequence[DOS]) -> np.ndarray:
    return np.concatenate([one.per_atom() for one in dos])


def mean_labels(bands: CrystalBands, grid, kind: str, width: float = 0.0) -> np.ndarray:
    """Labels of each bin, averaged over k-points, weighted on a mesh, (n_bins,)."""
    weights = np.full(len(bands), 1 / len(bands)) if bands.weights is None else bands.weights
    return weights @ bands.labels(grid, kind, width)


def repeated(grid, kpoints, presence, counts, atoms, weights) -> KResolvedOccupancy:
    """The same occupancy at every k-point."""
    rows = [np.tile(values, (len(kpoints), 1)) for values in (np.clip(presence, 0, 1), counts)]
    return KResolvedOccupancy(grid, kpoints, rows[0], atoms.cell.array, weights, rows[1])


def same_kpoints(asked: np.ndarray, known: np.ndarray, tolerance: float = 1e-4) -> np.ndarray | None:
    """Index of each k-point among those known, (n_asked,), or None if one is missing."""
    apart = asked[:, None] - known[None]
    distances = np.abs(apart - np.round(apart)).max(axis=-1)
    return distances.argmin(axis=1) if (distances.min(axis=1) < tolerance).all() else None
