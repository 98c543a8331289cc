"""One grammar for errors: what was expected, what came, what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj, is_numpy_array
from numpy.typing import NDArray

from ldosml._array_type import Array


class Caution(UserWarning):
    """Base class of warnings that the command line prints with a result and writes into summaries."""


class ParameterError(ValueError):
    """An argument has a value that it cannot have.

    Parameters
    ----------
    name : str
        Name of the argument, and where it helps of what it belongs to, as in "r_cut of SOAP".
    requirement : str
        What was expected, what came and what to do: the rest of the sentence that begins with the name.

    Attributes
    ----------
    parameter : str
        Name of the argument alone.

    Examples
    --------
    >>> error = ParameterError("r_cut of SOAP", "must be above 1 angstrom; got 0.5.")
    >>> print(error)
    r_cut of SOAP must be above 1 angstrom; got 0.5.
    >>> error.parameter
    'r_cut'
    """

    def __init__(self, name: str, requirement: str) -> None:
        super().__init__(name, requirement)
        self.parameter, self.requirement = name.split()[0], requirement
        self._name = name

    def __str__(self) -> str:
        return f"{self._name} {self.requirement}"


LARGEST = 1e30
"""Larger numbers have no sense in any array here, and their squares and products overflow."""


def check_finite(name: str, array: Array, hint: str = "Remove or recompute these entries.") -> None:
    """Raise ValueError when ``array`` holds NaN, infinity or more than 1e30, naming how many and where the first is."""
    xp = array_namespace(array)
    if xp.isdtype(array.dtype, "real floating"):
        largest = min(LARGEST, float(xp.finfo(array.dtype).max))
        bad = ~((array <= largest) & (array >= -largest))
    else:
        bad = ~xp.isfinite(array)
    count = int(xp.sum(xp.astype(bad, xp.int64)))
    if count:
        first = int(xp.argmax(xp.astype(xp.reshape(bad, (-1,)), xp.int64)))
        position: list[int] = []
        for length in reversed(array.shape):
            position.insert(0, first % length)
            first //= length
        what = f"NaN, infinite or beyond {LARGEST:g}"
        raise ValueError(f"{name} must be finite; {count} entries are {what}, the first at {position}. {hint}")


def check_shape(name: str, array: Array, expected: Sequence[int | None], axes: str) -> None:
    """Raise ValueError unless ``array.shape`` equals ``expected`` (None: any length); ``axes`` names them."""
    shape = tuple(array.shape)
    if len(shape) != len(expected) or any(e is not None and e != s for e, s in zip(expected, shape, strict=True)):
        want = ", ".join("any" if e is None else str(e) for e in expected)
        raise ValueError(f"{name} must have shape ({want}) = ({axes}); got {shape}.")


def check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    """Raise ParameterError unless the argument ``name`` is one of ``choices``."""
    if value not in choices:
        raise ParameterError(name, f"must be one of {', '.join(map(repr, choices))}; got {value!r}.")


def check_positive(name: str, value: float, unit: str = "") -> None:
    """Raise ParameterError unless the argument ``name`` is a finite number above zero."""
    if not (is_number(value) and value > 0):
        raise ParameterError(name, f"must be a positive number{unit and ' of ' + unit}; got {value!r}.")


def check_number(name: str, value: float, *, least: float = -LARGEST, most: float = LARGEST) -> None:
    """Raise ParameterError unless the argument ``name`` is a number from ``least`` to ``most``."""
    if not (is_number(value) and least <= value <= most):
        bound = "" if least == -LARGEST else f" of at least {least:g}"
        bound += "" if most == LARGEST else f"{bound and ' and'} at most {most:g}"
        raise ParameterError(name, f"must be a number{bound}; got {value!r}.")


def is_number(value: Any) -> bool:
    """Tell whether a value can be compared with numbers and is finite."""
    try:
        return bool(-float("inf") < value < float("inf"))
    except TypeError:
        return False


def check_order(low: float, high: float) -> None:
    """Raise ParameterError unless the energies ``low`` and ``high``, eV, are numbers and the first is below."""
    if not low < high:
        raise ParameterError("low", f"must be below high; got {low:g} and {high:g} eV.")


def check_json(name: str, value: object) -> None:
    """Raise ValueError unless ``value`` is None or a mapping that JSON can hold (NaN excluded)."""
    if value is None:
        return
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} must be a dictionary; got {type(value).__name__}.")
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold only what JSON can: {error}. Convert such values first.") from error


def check_indices(indices: object, count: int) -> NDArray[np.int64]:
    """Give the structures, of ``count``, that a list, a mask or a slice stands for, (n_chosen,).

    Raises TypeError for anything else, ValueError for a mask of another length, IndexError for what is not there.
    """
    if isinstance(indices, slice):
        return np.arange(count)[indices]
    asked = np.asarray(indices)
    if asked.ndim == 1 and asked.size == 0:
        return np.arange(0)
    if asked.ndim != 1 or asked.dtype.kind not in "biu":
        raise TypeError(
            "indices must be a list of whole numbers, a mask or a slice; "
            f"got {shorten(indices)}. For structure 3 alone pass [3]."
        )
    if asked.dtype.kind == "b" and len(asked) != count:
        raise ValueError(f"A mask must have one entry for each of the {count} structures; got {len(asked)}.")
    outside = asked[(asked < -count) | (asked >= count)]
    if asked.dtype.kind != "b" and outside.size:
        raise IndexError(f"indices must lie in {-count}..{count - 1}, for {count} structures; got {outside[0]}.")
    chosen: NDArray[np.int64] = np.arange(count)[asked]
    return chosen


def shorten(value: object) -> str:
    """Give the ``repr`` of a value, of 60 characters at most."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def is_foreign(array: object) -> bool:
    """Tell whether ``array`` belongs to an array namespace other than NumPy's (CuPy, torch, array-api-strict)."""
    return is_array_api_obj(array) and not is_numpy_array(array)


def check_same_place(name: str, array: object, other_name: str, other: object) -> None:
    """Raise TypeError unless two arrays belong to one library and lie on one device; lists count as NumPy's."""
    places = [_place(array), _place(other)]
    if places[0] != places[1]:
        library, where = zip(*places, strict=True)
        raise TypeError(
            f"{name} is an array of {library[0]} on {where[0]}, but {other_name} one of {library[1]} on {where[1]}. "
            "Move one to the other: nothing is copied between devices unasked."
        )


def _place(array: object) -> tuple[str, str]:
    """Library and device of an array."""
    if not is_foreign(array):
        return "numpy", "cpu"
    return array_namespace(array).__name__.removeprefix("array_api_compat."), str(device(array))


def validate_fit(estimator: Any, X: Array, Y: Array) -> tuple[Array, Array]:
    """Check training data as scikit-learn does, in float64, and set ``n_features_in_``.

    X (n_environments, n_features), Y (n_environments,) or (n_environments, n_energies). Arrays of namespaces other
    than NumPy's stay where they are.
    """
    check_same_place("X", X, "Y", Y)
    if not is_foreign(X):
        from sklearn.utils.validation import validate_data

        checked: tuple[Array, Array] = validate_data(
            estimator, X, Y, dtype="float64", multi_output=True, y_numeric=True, ensure_min_samples=1
        )
        check_finite("X", checked[0])
        check_finite("Y", checked[1])
        return checked[0], array_namespace(checked[0]).astype(checked[1], checked[0].dtype)
    xp = array_namespace(X, Y)
    X, Y = xp.astype(X, xp.float64), xp.astype(Y, xp.float64)
    check_shape("X", X, (None, None), "n_environments, n_features")
    axes = "n_environments, n_energies" if Y.ndim > 1 else "n_environments"
    check_shape("Y", Y, (X.shape[0], *(None,) * (Y.ndim - 1)), axes)
    check_finite("X", X)
    check_finite("Y", Y)
    estimator.n_features_in_ = int(X.shape[1])
    return X, Y


def validate_predict(estimator: Any, X: Array) -> Array:
    """Check features at prediction: float64, as many as at ``fit``, and where ``fit`` left its arrays."""
    if hasattr(estimator, "target_mean_"):
        check_same_place("X", X, "what was fitted", estimator.target_mean_)
    if not is_foreign(X):
        from sklearn.utils.validation import validate_data

        checked: Array = validate_data(estimator, X, dtype="float64", reset=False)
        check_finite("X", checked)
        return checked
    xp = array_namespace(X)
    check_shape("X", X, (None, None), "n_environments, n_features")
    if X.shape[1] != estimator.n_features_in_:
        raise ValueError(
            f"X has {X.shape[1]} features, but {type(estimator).__name__} is expecting {estimator.n_features_in_} "
            "features as input. Was the descriptor built with the same r_cut, n_max, l_max and species?"
        )
    check_finite("X", X)
    converted: Array = xp.astype(X, xp.float64)
    return converted


def validate_rows(estimator: Any, Y: Array, *, reset: bool) -> Array:
    """Check spectra (n_rows, n_energies) as scikit-learn checks the input of a transformer, in float64.

    With ``reset`` their energies are counted, in ``n_features_in_``; otherwise they must be as many as then.
    """
    if not is_foreign(Y):
        from sklearn.utils.validation import validate_data

        checked: Array = validate_data(estimator, Y, dtype="float64", reset=reset)
        check_finite("Spectra", checked)
        return checked
    xp = array_namespace(Y)
    Y = xp.astype(Y, xp.float64)
    check_shape("Spectra", Y, (None, None), "n_rows, n_energies")
    check_finite("Spectra", Y)
    if reset:
        estimator.n_features_in_ = int(Y.shape[1])
    check_shape("Spectra", Y, (None, estimator.n_features_in_), "n_rows, n_energies of the spectra fitted on")
    return Y


def validate_targets(estimator: Any, Y: Array) -> Array:
    """Check targets (n_rows,) or (n_rows, n_energies) without their descriptors: numbers, finite, in float64."""
    name = type(estimator).__name__
    if Y is None:
        raise ValueError(f"{name} requires y to be passed, but the target y is None.")
    if not is_foreign(Y):
        from sklearn.utils.validation import check_array

        checked: Array = check_array(Y, dtype="float64", ensure_2d=False, input_name="y", estimator=name)
        check_finite("Y", checked)
        return checked
    xp = array_namespace(Y)
    Y = xp.astype(Y, xp.float64)
    check_finite("Y", Y)
    return Y
