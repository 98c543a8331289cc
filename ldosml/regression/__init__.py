"""Per-energy regression with scikit-learn's manners: one factorisation serves every energy."""

from ldosml.regression.dos import DOSKernelRidge, DOSRidge
from ldosml.regression.ldos import LDOSKernelRidge, LDOSRidge

__all__ = ["DOSKernelRidge", "DOSRidge", "LDOSKernelRidge", "LDOSRidge"]
