"""Estimators as the Python expressions that make them, which name candidates in tables and logs."""

from __future__ import annotations

from inspect import Parameter, signature
from typing import Any


def expression(value: Any) -> str:
    """Give the Python expression that makes an estimator, on one line, without parameters at their defaults.

    As scikit-learn prints it, but whole, however many numbers a parameter has; arrays become lists.

    Parameters
    ----------
    value : object
        An estimator, a list or tuple of estimators, or anything with a ``repr``.

    Returns
    -------
    str

    Examples
    --------
    >>> from ldosml import SOAP, LDOSKernelRidge
    >>> expression(SOAP(r_cut=4.0))
    'SOAP(r_cut=4.0)'
    >>> len(expression(LDOSKernelRidge(alphas=list(range(40)))).split(","))
    40
    """
    if hasattr(value, "get_params") and not isinstance(value, type):
        changed = (f"{name}={expression(given)}" for name, given in sorted(_changed(value).items()))
        return f"{type(value).__name__}({', '.join(changed)})"
    if isinstance(value, list):
        return f"[{', '.join(map(expression, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(expression, value))}{',' * (len(value) == 1)})"
    return " ".join(repr(value.tolist() if hasattr(value, "tolist") else value).split())


def _changed(estimator: Any) -> dict[str, Any]:
    """The parameters that are not at their defaults."""
    known = signature(type(estimator).__init__).parameters
    defaults = {name: parameter.default for name, parameter in known.items()}
    given = estimator.get_params(deep=False)
    return {name: v for name, v in given.items() if repr(v) != repr(defaults.get(name, Parameter.empty))}
