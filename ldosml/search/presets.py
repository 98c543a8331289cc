"""Candidates to try where nothing is known of a dataset."""

from __future__ import annotations

from typing import Any

from ldosml.descriptors import SOAP, Joined, Whitened
from ldosml.regression import LDOSKernelRidge


def default_candidates() -> list[dict[str, list[Any]]]:
    """Give 38 candidates as grids of descriptors and regressors.

    Plain SOAP, with kernels of its scalar product and of distances; and whitened SOAP of several radii, widths and
    sizes, alone and joined, with kernels of distances.

    Returns
    -------
    list of dict
        As ``search_settings`` takes them.
    """
    near = [SOAP(r_cut=3.0, n_max=8, l_max=6, atom_sigma=0.3), SOAP(r_cut=4.0, n_max=10, l_max=8, atom_sigma=0.3)]
    far = [SOAP(r_cut=6.0, n_max=12, l_max=9, atom_sigma=0.3), SOAP(r_cut=8.0, n_max=12, l_max=9, atom_sigma=0.4)]
    single = [SOAP(), SOAP(r_cut=5.0, n_max=12, l_max=9, atom_sigma=0.4), *far]
    joined = [Joined([first, second]) for first in near for second in far]
    products = [_ridge(kernel="polynomial", degree=degree) for degree in (2, 4)]
    distances = [_ridge(kernel="matern", gamma=gamma) for gamma in (0.1, 0.3, 1.0)]
    return [
        {"descriptor": [SOAP(), SOAP(r_cut=4.5)], "regressor": [*products, _ridge(kernel="matern")]},
        {
            "descriptor": [Whitened(part) for part in [*single, *joined]],
            "regressor": [*distances, _ridge(kernel="gaussian", gamma=0.3)],
        },
    ]


def _ridge(**kernel: Any) -> LDOSKernelRidge:
    return LDOSKernelRidge(**{"gamma": 1.0, **kernel})
