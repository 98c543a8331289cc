"""Short texts that tell what a result depends on, and can be compared years later.

The same for an object that was saved and loaded: numbers are taken in float64, arrays, lists and numbers alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from hashlib import blake2b
from numbers import Real
from typing import Any

import joblib
import numpy as np
from ase import Atoms
from sklearn.base import BaseEstimator

from ldosml._array import to_numpy

# How an estimator works, not what it computes.
_INCIDENTAL = ("n_jobs", "batch_size", "memory")


def digest(value: Any) -> str:
    """Give a text of 32 hexadecimal digits that another value would not have.

    Parameters
    ----------
    value : object
        Numbers, texts, arrays, structures, estimators, dataclasses, and mappings and lists of these.

    Returns
    -------
    str
    """
    found = blake2b(digest_size=16)
    _feed(found, value)
    return found.hexdigest()


def _feed(found: Any, value: Any) -> None:
    if value is None or isinstance(value, str):
        found.update(repr(value).encode())
    elif _is_numeric(value):  # a number, a list of numbers and an array are one: saving a model mixes them
        numbers = np.ascontiguousarray(to_numpy(value), dtype=np.float64)
        found.update(repr(np.shape(value)).encode() + numbers.tobytes())
    elif isinstance(value, BaseEstimator):
        names = [n for n in vars(value) if (n.endswith("_") or n in value.get_params(deep=False))]
        found.update(type(value).__name__.encode())
        _feed(found, {name: getattr(value, name) for name in names if name not in _INCIDENTAL})
    elif isinstance(value, Atoms):
        _feed(found, [value.cell.array, value.pbc, value.arrays])  # arrays: descriptors, for one
    elif is_dataclass(value) and not isinstance(value, type):
        found.update(type(value).__name__.encode())
        _feed(found, {field.name: getattr(value, field.name) for field in fields(value)})
    elif isinstance(value, Mapping):
        _feed(found, [item for key in sorted(value, key=str) for item in (str(key), value[key])])
    elif isinstance(value, list | tuple):
        found.update(f"[{len(value)}]".encode())
        for item in value:
            _feed(found, item)
    else:
        found.update(str(joblib.hash(value)).encode())


def _is_numeric(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return len(value) > 0 and all(map(_is_numeric, value))
    return isinstance(value, Real) or (hasattr(value, "dtype") and to_numpy(value).dtype.kind in "fiub")
