"""Settings that a search has found, for use without searching again."""

from __future__ import annotations

from ldosml.descriptors import SOAP
from ldosml.joined import JoinedSOAP
from ldosml.pipeline import DOSModel
from ldosml.regression import LDOSKernelRidge
from ldosml.whitening import Whitened


def silicon_model(*, n_jobs: int | None = None) -> DOSModel:
    """The model that leaving out trajectories chose for the shipped silicon set, at a smearing of 0.3 eV.

    Two SOAPs, whitened, and a wide Matern kernel: the choice in three of five folds that searched within their own
    training part (``benchmarks/search_silicon.py``). Learns up to 5 eV above the Fermi level; not fitted yet.
    """
    near = SOAP(r_cut=3.0, n_max=8, l_max=6, atom_sigma=0.3)
    far = SOAP(r_cut=8.0, n_max=12, l_max=9, atom_sigma=0.4)
    regressor = LDOSKernelRidge("leave-one-structure-out", kernel="matern", gamma=0.3)
    return DOSModel(Whitened(JoinedSOAP([near, far]), n_jobs=n_jobs), regressor, high=5.0)
