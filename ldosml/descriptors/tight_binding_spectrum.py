"""The spectrum of tight binding as a descriptor: what a simple Hamiltonian says about the LDOS of each atom."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from functools import partial
from typing import Any, Self

import numpy as np
from ase import Atoms
from joblib import effective_n_jobs
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ldosml import _tasks
from ldosml._ranges import check_attributes
from ldosml._validation import ParameterError, check_order
from ldosml.descriptors.environments import EnvironmentTransformer
from ldosml.fragments import check_structures
from ldosml.tightbinding import TightBinding
from ldosml.tightbinding.diagonalization_plan import (
    ANNOUNCED_FROM,
    DiagonalizationPlan,
    in_total,
    plan_diagonalization,
    require_together,
)
from ldosml.tightbinding.hamiltonian import check_structure
from ldosml.tightbinding.local_spectrum import local_states, shifted_mesh, smeared, smeared_fermi_level
from ldosml.tightbinding.moments import Settings, local_moments
from ldosml.tightbinding.parameters import TightBindingParameters
from ldosml.tightbinding.shells import valence_electrons

_DENSEST, _DENSE_UP_TO, _SPARSEST = 4.0, 8, 2.0
"""Points per inverse angstrom up to so many atoms, and in large cells."""

_FARTHEST = 12.0
"""Largest radius of regions, angstrom."""

_MOST_ENERGIES = 100_000

"""Operations from which the time is announced: some ten seconds."""


def mesh_density(n_atoms: int) -> float:
    """Density of the k-points for a cell, points per inverse angstrom.

    4 up to 8 atoms, falling with the root of the number of atoms to 2 from 32 atoms on. Spectra of small cells depend
    most on the mesh, and cost least: the time grows with the cube of the number of atoms.

    Parameters
    ----------
    n_atoms : int

    Returns
    -------
    float

    Examples
    --------
    >>> [round(mesh_density(n), 2) for n in (2, 8, 16, 32, 64)]
    [4.0, 4.0, 2.83, 2.0, 2.0]
    """
    return max(_SPARSEST, min(_DENSEST, _DENSEST * math.sqrt(_DENSE_UP_TO / n_atoms)))


class TightBindingSpectrum(EnvironmentTransformer):
    """Each atom's share of the density of states in fitted tight binding, smeared, on energies around its Fermi level.

    Tight binding (``ldosml.tightbinding``) has the right bands to about half an electronvolt, without having seen the
    structures of the training set. A kernel on its spectrum learns the rest. The zero of energy is the Fermi level of
    tight binding for the structure. The spectrum does not change when the structure is rotated, moved or reordered.

    By default the whole structure is diagonalised on a mesh of k-points: right, but the time grows with the cube of the
    number of atoms. With ``r_cut``, each atom's spectrum is from the atoms within that radius, by Chebyshev moments
    (``ldosml.tightbinding.moments``): less right, in time proportional to the number of atoms. The two differ, so a
    model that is to predict large cells must be trained with ``r_cut`` on small ones too.

    Parameters
    ----------
    low, high : float
        Energies relative to the Fermi level, eV.
    width : float
        Gaussian width, eV. The step of the energies is two thirds of it, or a little less.
    r_cut : float, optional
        Radius of the region around each atom, angstrom; 6 takes about 25 ms an atom, 7 three times as long. Default:
        none, the whole structure.
    k_density : float, optional
        Points of the mesh per inverse angstrom of the reciprocal lattice vectors, which include 2 pi. Default: 4 in
        cells of up to 8 atoms, falling to 2 from 32 atoms on (``mesh_density``). Not used with ``r_cut``.
    parameters : TightBindingParameters, optional
        Default: ``TightBindingParameters.fitted()``. ``ldosml.neural.fit_tight_binding_to_ldos`` fits them to one's own
        set.
    n_jobs : int, optional
        Number of processes, which share the structures, or with ``r_cut`` the atoms; the result depends on it by
        rounding only. None: one, or what the surrounding ``on_cluster`` or ``joblib.parallel_config`` says.

    Attributes
    ----------
    energies_ : ndarray (n_features_out,)
        eV, relative to the Fermi level.
    parameters_ : str
        Number of elements and checksum of the parameters of tight binding.
    n_features_out_ : int

    Examples
    --------
    >>> from ase.build import bulk
    >>> spectrum = TightBindingSpectrum(low=-12.0, high=4.0, width=0.5)
    >>> spectrum.fit_transform(bulk("Si")).shape
    (2, 49)
    """

    def __init__(
        self,
        low: float = -14.0,
        high: float = 5.0,
        width: float = 0.3,
        r_cut: float | None = None,
        k_density: float | None = None,
        parameters: TightBindingParameters | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.low = low
        self.high = high
        self.width = width
        self.r_cut = r_cut
        self.k_density = k_density
        self.parameters = parameters
        self.n_jobs = n_jobs

    def fit(self, structures: Atoms | Iterable[Atoms], y: object = None) -> Self:
        """Check the structures and set the energies; nothing is learned.

        Parameters
        ----------
        structures : ase.Atoms or iterable of ase.Atoms
        y : object
            Not used.

        Returns
        -------
        TightBindingSpectrum
            This object, fitted.

        Raises
        ------
        ValueError
            When there are no structures, a parameter is out of its range, or an element has no parameters.
        TypeError
            For anything but ase.Atoms, and for ``parameters`` of another class.
        """
        self.check_parameters()
        self._checked(structures)
        count = int(self._count())
        self.energies_ = np.linspace(self.low, self.high, count)
        self.parameters_ = repr(self._given())
        self.n_features_out_ = count
        return self

    def transform(self, structures: Atoms | Iterable[Atoms]) -> NDArray[np.float64]:
        """Compute the spectrum of every atom.

        Parameters
        ----------
        structures : ase.Atoms or iterable of ase.Atoms
            Periodic where their ``pbc`` says so.

        Returns
        -------
        ndarray (n_environments, n_features_out)
            States/eV, both spins, atom by atom, structure by structure.

        Raises
        ------
        ValueError
            When there are no structures, an element has no parameters, atoms are closer than 0.5 angstrom, or the
            parameters differ from the fit's, because another version of ldosml ships others.
        MemoryError
            When a structure is too large to be diagonalised, or ``n_jobs`` of them side by side; before it is tried.
            Never with ``r_cut``.
        TypeError
            For anything but ase.Atoms: a fragment or region has another Fermi level than its structure.
        """
        check_is_fitted(self)
        found, parameters = self._checked(structures), self._given()
        self._check_same(parameters)
        if self.r_cut is None:
            if text := self.announcement(found):
                logging.getLogger("ldosml").info("%s", text)
            task = partial(_diagonalized, self.energies_, self.width, self.k_density, parameters)
            return np.concatenate(list(_tasks.ordered(task, found, n_jobs=self.n_jobs)))
        moments = local_moments(found, Settings(self.width, self.r_cut), parameters, n_jobs=self.n_jobs)
        rows = [
            local.spectra(self.energies_ + local.fermi_level(valence_electrons(atoms.numbers)))
            for atoms, local in zip(found, moments, strict=True)
        ]
        return np.concatenate(rows)

    def announcement(self, structures: Iterable[Atoms]) -> str:
        """Say how long the diagonalisation of structures will take, if that is more than some ten seconds.

        Parameters
        ----------
        structures : iterable of ase.Atoms

        Returns
        -------
        str
            One line; empty if it is shorter, or with ``r_cut``.

        Raises
        ------
        MemoryError
            When a structure is too large to be diagonalised, or ``n_jobs`` of them side by side.
        """
        if self.r_cut is not None:
            return ""
        plans = [_plan(atoms, _mesh(atoms, self.k_density)[0]) for atoms in structures]
        for plan in plans:
            plan.require("For large cells fit a model on TightBindingSpectrum(r_cut=6.0), or on SOAP alone.")
        require_together(plans, effective_n_jobs(self.n_jobs))
        return in_total(plans) if sum(plan.operations for plan in plans) > ANNOUNCED_FROM else ""

    def check_parameters(self) -> None:
        """Check the parameters, as ``fit`` does.

        Raises
        ------
        ValueError
            When a parameter is out of its range.
        TypeError
            For ``parameters`` of another class.
        """
        check_attributes(self)
        check_order(self.low, self.high)
        if self._count() > _MOST_ENERGIES:
            raise ParameterError(
                "width of TightBindingSpectrum",
                f"must give at most {_MOST_ENERGIES:,} energies from low to high; {self.width:g} eV gives "
                f"{self._count():.3g} from {self.low:g} to {self.high:g} eV. A width of 0.2 to 1 eV is usual.",
            )
        if self.r_cut is not None and self.r_cut > _FARTHEST:
            raise ParameterError(
                "r_cut of TightBindingSpectrum",
                f"must be at most {_FARTHEST:g} angstrom, where each atom takes seconds; got {self.r_cut:g}. Leave it "
                "out, so that the whole structure is diagonalised.",
            )
        if not isinstance(self.parameters, TightBindingParameters | None):
            raise TypeError(
                "parameters of TightBindingSpectrum must be TightBindingParameters, as TightBindingParameters.load "
                f"reads them from a file; got {type(self.parameters).__name__}."
            )

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Name the features by their energies, "-1.4 eV".

        Parameters
        ----------
        input_features : object
            Not used.

        Returns
        -------
        ndarray (n_features_out,) of str
        """
        check_is_fitted(self)
        return np.asarray([f"{energy:.4g} eV" for energy in self.energies_], dtype=object)

    def _count(self) -> float:
        """Number of energies."""
        return float(np.ceil((self.high - self.low) / (self.width / 1.5) - 1e-9)) + 1

    def _check_same(self, parameters: TightBindingParameters) -> None:
        """Refuse to give spectra of other parameters than at the fit."""
        if repr(parameters) != self.parameters_:
            raise ValueError(
                f"TightBindingSpectrum was fitted with {self.parameters_}; here are {parameters!r}. Its spectra would "
                "be others. Use the version of ldosml of the fit, or fit again."
            )

    def _given(self) -> TightBindingParameters:
        return TightBindingParameters.fitted() if self.parameters is None else self.parameters

    def _checked(self, structures: Any) -> list[Atoms]:
        found = list(check_structures(structures))
        parameters = self._given()
        for atoms in found:
            check_structure(atoms, parameters)
        return found


def _mesh(atoms: Atoms, k_density: float | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return shifted_mesh(atoms, mesh_density(len(atoms)) if k_density is None else k_density)


def _plan(atoms: Atoms, kpoints: NDArray[np.float64]) -> DiagonalizationPlan:
    return plan_diagonalization(len(atoms), len(kpoints), real=not (2 * kpoints % 1).any())


def _diagonalized(
    energies: NDArray[np.float64],
    width: float,
    k_density: float | None,
    parameters: TightBindingParameters,
    atoms: Atoms,
) -> NDArray[np.float64]:
    """Rows of one structure, (n_atoms, n_energies)."""
    kpoints, weights = _mesh(atoms, k_density)
    model = TightBinding(atoms, parameters)
    states, shares = local_states(model, kpoints, weights)
    fermi_level = smeared_fermi_level(states, shares.sum(axis=0), model.n_electrons, width)
    return smeared(states - fermi_level, shares, energies, width)
