"""Per-energy regression with scikit-learn's manners: one factorisation serves every energy."""

from ldosml.regression.ldos import LDOSKernelRidge, LDOSRidge
from ldosml.regression.represented_regressor import RepresentedRegressor
from ldosml.regression.sparse import SparseLDOSKernelRidge

__all__ = ["LDOSKernelRidge", "LDOSRidge", "RepresentedRegressor", "SparseLDOSKernelRidge"]
