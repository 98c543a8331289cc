"""Candidates to try where nothing is known of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ase import Atoms

from ldosml.descriptors import SOAP, Joined, Whitened
from ldosml.descriptors.default import scaled, tight_binding_for, without_parameters
from ldosml.regression import LDOSKernelRidge

_GAMMAS = (0.1, 0.3, 1.0)
_WEIGHTS = (0.25, 0.5, 1.0, 2.0)  # of tight binding


def default_candidates(structures: Sequence[Atoms]) -> list[dict[str, list[Any]]]:
    """Give candidates as grids of descriptors and regressors.

    Plain SOAP, with kernels of its scalar product and of distances; and whitened SOAP of several radii, widths and
    sizes, alone and joined, with kernels of distances. If tight binding has parameters of all elements, also its
    spectrum, alone and with several weights beside SOAP.

    Parameters
    ----------
    structures : sequence of ase.Atoms
        For which a descriptor is sought.

    Returns
    -------
    list of dict
        As ``search_settings`` takes them.
    """
    return [*_of_soap(), *_of_tight_binding(structures)]


def _of_tight_binding(structures: Sequence[Atoms]) -> list[dict[str, list[Any]]]:
    """Spectra of tight binding, alone and beside SOAP; none if an element has no parameters."""
    if without_parameters(structures):
        return []
    spectrum = scaled(tight_binding_for(structures))
    joined = [
        Joined([Whitened(SOAP(r_cut=r_cut)), spectrum], weights=[1.0, weight])
        for r_cut in (4.0, 6.0)
        for weight in _WEIGHTS
    ]
    return [
        {"descriptor": [spectrum, *joined], "regressor": [_ridge(kernel="matern", gamma=gamma) for gamma in _GAMMAS]}
    ]


def _of_soap() -> list[dict[str, list[Any]]]:
    near = [SOAP(r_cut=3.0, n_max=8, l_max=6, atom_sigma=0.3), SOAP(r_cut=4.0, n_max=10, l_max=8, atom_sigma=0.3)]
    far = [SOAP(r_cut=6.0, n_max=12, l_max=9, atom_sigma=0.3), SOAP(r_cut=8.0, n_max=12, l_max=9, atom_sigma=0.4)]
    single = [SOAP(), SOAP(r_cut=5.0, n_max=12, l_max=9, atom_sigma=0.4), *far]
    joined = [Joined([first, second]) for first in near for second in far]
    products = [_ridge(kernel="polynomial", degree=degree) for degree in (2, 4)]
    distances = [_ridge(kernel="matern", gamma=gamma) for gamma in _GAMMAS]
    return [
        {"descriptor": [SOAP(), SOAP(r_cut=4.5)], "regressor": [*products, _ridge(kernel="matern")]},
        {
            "descriptor": [Whitened(part) for part in [*single, *joined]],
            "regressor": [*distances, _ridge(kernel="gaussian", gamma=0.3)],
        },
    ]


def _ridge(**kernel: Any) -> LDOSKernelRidge:
    return LDOSKernelRidge(**{"gamma": 1.0, **kernel})
