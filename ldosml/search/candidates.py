"""Settings worth trying where nothing is known of a dataset."""

from __future__ import annotations

from typing import Any

from ldosml.descriptors import SOAP
from ldosml.joined import JoinedSOAP
from ldosml.regression import LDOSKernelRidge
from ldosml.whitening import Whitened


def default_candidates() -> list[dict[str, list[Any]]]:
    """Give 38 candidates as grids of descriptors and regressors, as ``search_settings`` takes them.

    SOAP as it is, with kernels of its scalar product and of distances; and whitened SOAP of several radii, widths and
    sizes, alone and joined, with kernels of distances.
    """
    near = [SOAP(r_cut=3.0, n_max=8, l_max=6, atom_sigma=0.3), SOAP(r_cut=4.0, n_max=10, l_max=8, atom_sigma=0.3)]
    far = [SOAP(r_cut=6.0, n_max=12, l_max=9, atom_sigma=0.3), SOAP(r_cut=8.0, n_max=12, l_max=9, atom_sigma=0.4)]
    single = [SOAP(), *near, *far, SOAP(r_cut=5.0, n_max=12, l_max=9, atom_sigma=0.4)]
    joined = [JoinedSOAP([first, second]) for first in near for second in far]
    return [
        {
            "descriptor": [SOAP(), SOAP(r_cut=4.5), SOAP(r_cut=8.0)],
            "regressor": [
                LDOSKernelRidge("leave-one-structure-out", degree=2),
                LDOSKernelRidge("leave-one-structure-out", degree=4),
                LDOSKernelRidge("leave-one-structure-out", kernel="matern"),
            ],
        },
        {
            "descriptor": [Whitened(part) for part in [*single, *joined]],
            "regressor": [
                LDOSKernelRidge("leave-one-structure-out", kernel="matern", gamma=gamma) for gamma in (0.3, 1.0)
            ]
            + [LDOSKernelRidge("leave-one-structure-out", kernel="gaussian", gamma=0.3)],
        },
    ]
