"""What a prediction depends on, as short texts that can be compared years later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from hashlib import blake2b
from numbers import Real
from typing import Any

import joblib
import numpy as np
from sklearn.base import BaseEstimator

from ldosml._array import to_numpy

# How an estimator works, not what it computes.
_INCIDENTAL = ("n_jobs", "batch_size", "memory")


def fingerprint(model: BaseEstimator) -> dict[str, str]:
    """Give a digest of each fitted part of a model, by its name; the same for a model that was saved and loaded."""
    parts = {name: value for name, value in vars(model).items() if name.endswith("_") and name != "training_"}
    return {name.rstrip("_"): _digest(value) for name, value in sorted(parts.items())}


def _digest(value: Any) -> str:
    digest = blake2b(digest_size=16)
    _feed(digest, value)
    return digest.hexdigest()


def _feed(digest: Any, value: Any) -> None:
    if value is None or isinstance(value, str):
        digest.update(repr(value).encode())
    elif _is_numeric(value):  # a number, a list of numbers and an array are one: saving a model mixes them
        numbers = np.ascontiguousarray(to_numpy(value), dtype=np.float64)
        digest.update(repr(np.shape(value)).encode() + numbers.tobytes())
    elif isinstance(value, BaseEstimator):
        names = [n for n in vars(value) if (n.endswith("_") or n in value.get_params(deep=False))]
        digest.update(type(value).__name__.encode())
        _feed(digest, {name: getattr(value, name) for name in names if name not in _INCIDENTAL})
    elif is_dataclass(value) and not isinstance(value, type):
        _feed(digest, asdict(value))
    elif isinstance(value, Mapping):
        _feed(digest, [item for key in sorted(value, key=str) for item in (str(key), value[key])])
    elif isinstance(value, list | tuple):
        digest.update(f"[{len(value)}]".encode())
        for item in value:
            _feed(digest, item)
    else:
        digest.update(str(joblib.hash(value)).encode())


def _is_numeric(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return len(value) > 0 and all(map(_is_numeric, value))
    return isinstance(value, Real) or (hasattr(value, "dtype") and to_numpy(value).dtype.kind in "fiub")
