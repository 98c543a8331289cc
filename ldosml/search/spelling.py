"""Estimators as the Python that makes them: by it candidates are known in tables and logs."""

from __future__ import annotations

from inspect import Parameter, signature
from typing import Any


def spelled(value: Any) -> str:
    """Give the Python expression that makes an estimator, on one line, without parameters at their defaults.

    As scikit-learn prints it, but whole, however many numbers a parameter has; arrays stand as lists. Other values are
    spelled as Python does.

    Examples
    --------
    >>> from ldosml import SOAP, LDOSKernelRidge
    >>> spelled(SOAP(r_cut=4.0))
    'SOAP(r_cut=4.0)'
    >>> len(spelled(LDOSKernelRidge(alphas=list(range(40)))).split(","))
    40
    """
    if hasattr(value, "get_params") and not isinstance(value, type):
        changed = (f"{name}={spelled(given)}" for name, given in sorted(_changed(value).items()))
        return f"{type(value).__name__}({', '.join(changed)})"
    if isinstance(value, list):
        return f"[{', '.join(map(spelled, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(spelled, value))}{',' * (len(value) == 1)})"
    return " ".join(repr(value.tolist() if hasattr(value, "tolist") else value).split())


def _changed(estimator: Any) -> dict[str, Any]:
    """The parameters that are not at their defaults."""
    known = signature(type(estimator).__init__).parameters
    defaults = {name: parameter.default for name, parameter in known.items()}
    given = estimator.get_params(deep=False)
    return {name: v for name, v in given.items() if repr(v) != repr(defaults.get(name, Parameter.empty))}
