"""SOAP: what an atom sees of its surroundings, as a row of numbers.

DScribe computes the power spectra (``power_spectra``); here they become a scikit-learn transformer that splits the
work by centres. DScribe itself runs in parallel over whole structures only, and looks at a whole structure for every
batch of centres.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations_with_replacement, product
from pathlib import Path
from typing import Any, Self

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols
from joblib import Memory
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from ldosml import _tasks
from ldosml._ranges import check_arguments, check_attributes
from ldosml._validation import ParameterError
from ldosml.descriptors.environments import (
    Environments,
    EnvironmentTransformer,
    atoms_of,
    check_environments,
    n_centers,
)
from ldosml.descriptors.power_spectra import Basis, Batch, as_centers, power_spectra, spectra_of_batch
from ldosml.fragments import Fragment, complete_radius
from ldosml.neighbors import expected_neighbors
from ldosml.regions import Region, region_batches
from ldosml.resources import DescriptorPlan

_FARTHEST = 40.0
"""Angstrom. Time and memory grow with the number of atoms within reach of a centre: 47,000 in diamond at this radius.
A DOS depends on the atoms within about 10 angstrom. A larger radius is a slip, and would fill the memory."""
_MOST_RADIAL = 50
_EXPANDED, _SQUARED = 2.5e-9, 2e-9
"""Seconds on one core, measured: for each neighbour, radial function and spherical harmonic; for each feature and m."""
_WIDE = 4.0  # in units of the reach
_USUAL = 10.0
"""Angstrom; a cutoff radius above it is called too large."""


class SOAP(EnvironmentTransformer):
    r"""Smooth overlap of atomic positions: the power spectrum of the atoms around each centre.

    .. math::
        p^{ZZ'}_{nn'l} = \pi \sqrt{\frac{8}{2l + 1}} \sum_m c^{Z}_{nlm} c^{Z'}_{n'lm}

    where :math:`c^Z_{nlm}` expands the density of the atoms of element Z, a Gaussian of width ``atom_sigma`` on each,
    in Gaussian-type radial functions within ``r_cut`` and real spherical harmonics (Bartok, Kondor and Csanyi,
    Phys. Rev. B 87, 184115, 2013; the prefactor is DScribe's). It does not change when the structure is rotated,
    moved, reordered or repeated, nor when atoms are moved by cell vectors.

    Parameters
    ----------
    r_cut : float
        Cutoff radius, angstrom, above 1. Atoms up to ``complete_radius(r_cut, atom_sigma)`` contribute, which must be
        40 angstrom at most.
    n_max : int
        Number of radial functions, 1 to 50.
    l_max : int
        Highest degree of the spherical harmonics, 0 to 20.
    atom_sigma : float
        Standard deviation of the Gaussian on each atom, angstrom.
    species : sequence of str or int, optional
        Symbols or atomic numbers of all elements that will ever come; learnt by ``fit`` unless given.
    normalize : bool
        Scale each row to Euclidean norm 1.
    n_jobs : int, optional
        Number of processes; the result does not depend on it. None: one, or what the surrounding ``on_cluster`` or
        ``joblib.parallel_config`` says.
    batch_size : int
        Number of environments that one process works on at a time. Structures of more atoms are cut into compact
        regions with their surroundings, so that the time is proportional to the size of the structure.
    memory : str, pathlib.Path or joblib.Memory, optional
        Where to keep spectra on disk. What is already there is read rather than computed, structure by structure.

    Attributes
    ----------
    species_ : ndarray (n_species,) of int
        Atomic numbers in ascending order, in whatever order ``species`` or the structures had them.
    n_features_out_ : int
        ``(l_max + 1) * N * (N + 1) / 2`` where ``N = n_species * n_max``.

    Examples
    --------
    >>> from ase.build import bulk
    >>> SOAP(r_cut=4.0, n_max=4, l_max=3).fit(bulk("Si")).transform(bulk("Si")).shape
    (2, 40)
    """

    def __init__(
        self,
        r_cut: float = 6.0,
        n_max: int = 8,
        l_max: int = 6,
        atom_sigma: float = 0.5,
        species: Sequence[str | int] | None = None,
        normalize: bool = True,
        n_jobs: int | None = None,
        batch_size: int = 500,
        memory: str | Path | Memory | None = None,
    ) -> None:
        self.r_cut = r_cut
        self.n_max = n_max
        self.l_max = l_max
        self.atom_sigma = atom_sigma
        self.species = species
        self.normalize = normalize
        self.n_jobs = n_jobs
        self.batch_size = batch_size
        self.memory = memory

    def fit(self, structures: Environments, y: object = None) -> Self:
        """Learn the species, unless ``species`` gives them.

        Parameters
        ----------
        structures : ase.Atoms, Fragment, Region, or iterable of one of them
            All elements that will ever come, unless ``species`` gives them.
        y : object
            Not used.

        Returns
        -------
        SOAP
            This object, fitted.

        Raises
        ------
        ValueError
            When there is nothing to fit, positions are not finite or a parameter is out of its range.
        TypeError
            For anything but ase.Atoms, Fragment or Region.
        """
        self.check_parameters()
        listed = check_environments(structures)
        if self.species is None:
            self.species_ = np.unique(np.concatenate([atoms_of(item).numbers for item in listed])).astype(np.int64)
        else:
            self.species_ = _species_numbers(self.species)
        self.n_features_out_ = self.count_features(len(self.species_))
        return self

    def count_features(self, n_species: int) -> int:
        """Count the features of structures of so many elements: ``n_features_out_``.

        Parameters
        ----------
        n_species : int

        Returns
        -------
        int
        """
        check_arguments(n_species=n_species)
        n_channels = n_species * self.n_max
        return (self.l_max + 1) * n_channels * (n_channels + 1) // 2

    def plan(self, structures: Environments) -> DescriptorPlan:
        """Estimate memory and time of ``transform``, before it starts.

        Parameters
        ----------
        structures : ase.Atoms, Fragment, Region, or iterable of one of them

        Returns
        -------
        DescriptorPlan

        Raises
        ------
        ValueError, TypeError
            What ``fit`` raises.

        Examples
        --------
        >>> from ase.build import bulk
        >>> SOAP(n_max=8, l_max=6).plan([bulk("Si")] * 1000).n_features
        252
        """
        items = check_environments(structures)
        fitted = self if hasattr(self, "n_features_out_") else clone(self).fit(items)
        return self._plan_of(items, int(fitted.n_features_out_))

    def _plan_of(self, items: Sequence[Any], n_features: int) -> DescriptorPlan:
        neighbors = [expected_neighbors(atoms_of(item), self.reach) * n_centers(item) for item in items]
        angular = (self.l_max + 1) ** 2
        expanded = sum(neighbors) * self.n_max * angular
        squared = sum(map(n_centers, items)) * n_features * angular / (self.l_max + 1)
        seconds = _EXPANDED * expanded + _SQUARED * squared
        return self._planned(items, n_features, 24 * int(self.batch_size) * n_features, seconds)

    def transform(self, structures: Environments) -> NDArray[np.float64]:
        """Compute the SOAP of every atom of every structure, or of the centres of every fragment or region.

        Parameters
        ----------
        structures : ase.Atoms, Fragment, Region, or iterable of one of them
            Periodic where their ``pbc`` says so. Fragments must have been cut at ``r_cut`` or further out: at r_cut
            they give the spectra of sharp cropping, at ``reach`` or beyond the spectra of the whole structure. Regions
            must have been cut at ``reach``.

        Returns
        -------
        ndarray (n_environments, n_features_out) of float64
            Atom by atom, structure by structure.

        Raises
        ------
        ValueError
            When there are no structures, positions are not finite, an element is not among ``species_``, or a fragment
            or region is too small.
        TypeError
            For anything but ase.Atoms, Fragment or Region.
        MemoryError
            When the rows do not fit into the free memory; before they are computed.
        """
        check_is_fitted(self)
        listed = check_environments(structures)
        self._check_species(listed)
        for item in listed:
            if isinstance(item, Fragment):
                item.require_radius(self.r_cut, f"SOAP(r_cut={self.r_cut:g})")
            elif isinstance(item, Region) and item.radius < self.reach:
                raise ValueError(
                    f"SOAP of this r_cut and atom_sigma reaches {self.reach:g} angstrom; the region was cut at "
                    f"{item.radius:g}. Cut it again with radius=soap.reach."
                )
        plan = self._plan_of(listed, self.n_features_out_)
        plan.require()
        if plan.long:
            logging.getLogger("ldosml").info("%s", plan)
        return self._compute(self._batches(listed), plan.n_environments)

    @property
    def reach(self) -> float:
        """Distance from a centre up to which atoms contribute, angstrom: ``complete_radius(r_cut, atom_sigma)``."""
        return complete_radius(self.r_cut, self.atom_sigma)

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Name the features: "Si0-C3-l2" joins radial functions 0 of Si and 3 of C at l = 2.

        Parameters
        ----------
        input_features : object
            Not used.

        Returns
        -------
        ndarray (n_features_out,) of str
        """
        check_is_fitted(self)
        names = []
        for first, second in combinations_with_replacement([chemical_symbols[number] for number in self.species_], 2):
            for degree, n, m in product(range(self.l_max + 1), range(self.n_max), range(self.n_max)):
                # The spectrum of an element with itself is symmetric in n and m: DScribe gives one half of it.
                if first != second or n <= m:
                    names.append(f"{first}{n}-{second}{m}-l{degree}")
        return np.asarray(names, dtype=object)

    def check_parameters(self) -> None:
        """Check the parameters, as ``fit`` does.

        Raises
        ------
        ValueError
            When a parameter is out of its range.
        """
        check_attributes(self)
        if self.r_cut <= 1:
            raise ParameterError(
                "r_cut of SOAP", f"must be above 1 angstrom, for its radial functions; got {self.r_cut!r}."
            )
        if self.reach > _FARTHEST:
            raise ParameterError(
                "r_cut of SOAP" if self.r_cut > _USUAL else "atom_sigma of SOAP",
                f"is too large: with r_cut = {self.r_cut:g} and atom_sigma = {self.atom_sigma:g} angstrom the SOAP "
                f"would reach {self.reach:g} angstrom. The limit is {_FARTHEST:g}, where a sphere holds some 50,000 "
                "atoms of a dense solid. An r_cut of 4 to 10 is usual.",
            )
        if not 1 <= self.n_max <= _MOST_RADIAL:
            raise ParameterError(
                "n_max of SOAP",
                f"must be from 1 to {_MOST_RADIAL}, since more radial functions are linearly dependent in double "
                f"precision; got {self.n_max!r}. A number of 6 to 12 is usual.",
            )
        if not 0 <= self.l_max <= 20:
            raise ParameterError("l_max of SOAP", f"must be from 0 to 20; got {self.l_max!r}.")

    def _check_species(self, listed: list[Any]) -> None:
        for position, item in enumerate(listed):
            unknown = np.setdiff1d(atoms_of(item).numbers, self.species_)
            if unknown.size:
                raise ValueError(
                    f"SOAP knows the species {_symbols(self.species_)}; item {position} contains {_symbols(unknown)}. "
                    "Fit on structures that hold every element, or give species with all of them."
                )

    def _batches(self, listed: list[Any]) -> Iterator[Batch]:
        """Divide the environments; the batches do not depend on the number of processes."""
        if isinstance(listed[0], Atoms):
            # With a disk cache each structure is a batch of its own, to be found again in any company.
            together = self.memory is None
            for regions in region_batches(listed, self.reach, int(self.batch_size), together=together):
                rows = np.concatenate([region.rows for region in regions])
                yield Batch([as_centers(region.atoms, len(region)) for region in regions], rows)
            return
        start = 0
        for items in _groups(listed, int(self.batch_size)):
            stop = start + sum(map(n_centers, items))
            yield Batch([as_centers(self._near(item), n_centers(item)) for item in items], np.arange(start, stop))
            start = stop

    def _near(self, item: Fragment | Region) -> Atoms:
        """Give the atoms of a fragment or region; of a wide fragment those within reach: memory grows with volume."""
        if isinstance(item, Fragment) and np.ptp(item.atoms.positions, axis=0).max() > _WIDE * self.reach:
            item = item.crop(min(item.radius, self.reach))
        return item.atoms

    def _compute(self, batches: Iterator[Batch], n_environments: int) -> NDArray[np.float64]:
        """Compute the rows of all batches, (n_environments, n_features_out_), a few batches at a time."""
        basis = Basis(self.r_cut, self.n_max, self.l_max, self.atom_sigma, tuple(self.species_.tolist()))
        memory = self.memory if isinstance(self.memory, Memory) else Memory(self.memory, verbose=0)
        task = partial(spectra_of_batch, memory.cache(power_spectra), basis, bool(self.normalize))
        X = np.empty((n_environments, self.n_features_out_))
        for rows, values in _tasks.ordered(task, batches, n_jobs=self.n_jobs):
            X[rows] = values
        return X


def _groups(listed: list[Any], size: int) -> Iterator[list[Any]]:
    """Put fragments or regions together until they have ``size`` centres."""
    group: list[Any] = []
    for item in listed:
        if group and sum(map(n_centers, group)) + n_centers(item) > size:
            yield group
            group = []
        group.append(item)
    yield group


def _species_numbers(species: Sequence[str | int]) -> NDArray[np.int64]:
    """Give the atomic numbers, ascending, of symbols or atomic numbers."""
    if len(species) == 0 or isinstance(species, str):
        raise ValueError(f"species must be a list of symbols or atomic numbers, at least one; got {species!r}.")
    numbers = [atomic_numbers.get(one, 0) if isinstance(one, str) else int(one) for one in species]
    for one, number in zip(species, numbers, strict=True):
        if not 0 < number < len(chemical_symbols):
            raise ValueError(f"species must be symbols or atomic numbers of elements; got {one!r}.")
    return np.unique(numbers).astype(np.int64)


def _symbols(numbers: NDArray[np.int64]) -> str:
    return ", ".join(chemical_symbols[number] for number in numbers)
