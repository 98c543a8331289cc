"""Models on disk: a readable specification and plain arrays, in one zip file. Opening one runs no code.

``spec.json`` says what each part is and with which parameters it was made, ``arrays/*.npy`` hold what was fitted; both
open with any zip program. Only the classes named in this module are ever built.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

import ldosml
from ldosml._array import to_numpy
from ldosml._files import replacing
from ldosml._validation import check_shape
from ldosml.descriptors import SOAP
from ldosml.energy import EnergyGrid
from ldosml.joined import JoinedSOAP
from ldosml.pipeline import DOSModel
from ldosml.regression import DOSKernelRidge, DOSRidge, LDOSKernelRidge, LDOSRidge
from ldosml.whitening import Whitened

FORMAT = "ldosml model"
FORMAT_VERSION = 1

# What each class learns: array attributes, and plain ones. Those that a model lacks are left out.
_PER_ENERGY = ("target_mean_", "alpha_", "alphas_", "cv_errors_")
_LEARNT: dict[type, tuple[tuple[str, ...], tuple[str, ...]]] = {
    SOAP: (("species_",), ("n_features_out_",)),
    JoinedSOAP: ((), ("n_features_out_",)),
    Whitened: (("species_", "means_", "maps_"), ("n_features_out_",)),
    LDOSRidge: (("coef_", *_PER_ENERGY), ("n_features_in_", "_flat")),
    LDOSKernelRidge: (("X_fit_", "dual_coef_", *_PER_ENERGY), ("n_features_in_", "_flat")),
    DOSRidge: (("coef_", "species_", *_PER_ENERGY), ("n_features_in_", "_flat")),
    DOSKernelRidge: (("X_fit_", "species_fit_", "dual_coef_", "species_", *_PER_ENERGY), ("n_features_in_", "_flat")),
}
_CLASSES = {cls.__name__: cls for cls in _LEARNT}
# Parameters that are estimators themselves, or lists of them, and their classes; fitted they have that name and a "_".
_PARTS: dict[type, tuple[str, tuple[type, ...]]] = {
    JoinedSOAP: ("soaps", (SOAP,)),
    Whitened: ("descriptor", (SOAP, JoinedSOAP)),
}
# Where results are cached is the reader's to say: joblib unpickles what it finds there.
_NOT_KEPT = ("memory",)
# What reading a damaged zip file, JSON text or array header may raise.
_DAMAGE = (TypeError, AttributeError, UnicodeDecodeError, RuntimeError, MemoryError, EOFError, zlib.error)

Arrays = dict[str, NDArray[Any]]


def save(model: DOSModel, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a fitted model to one file.

    The file appears under its name only when it is complete.

    Raises
    ------
    FileExistsError
        When the file exists and ``overwrite`` is false.
    TypeError
        When the descriptor or a regressor is of a class that this format does not know.
    OSError
        When writing fails, for instance on a full disk; nothing is left behind.
    """
    check_is_fitted(model)
    path = Path(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists already; pass overwrite=True to replace it.")
    arrays: Arrays = {}
    spec = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "ldosml_version": ldosml.__version__,
        "reference": model.reference,
        "low": model.low,
        "high": model.high,
        "grid": asdict(model.grid_),
        "smearing_width": model.smearing_width_,
        "training": model.training_,
        "descriptor": _describe(model.descriptor_, "descriptor", arrays),
        "regressors": {
            str(number): _describe(regressor, f"regressor-{number}", arrays)
            for number, regressor in model.regressors_.items()
        },
    }
    _write(path, spec, arrays, overwrite)
    return path


def load(path: str | os.PathLike[str]) -> DOSModel:
    """Read a model that ``save`` wrote.

    Raises
    ------
    FileNotFoundError
    ValueError
        When the file is not such a model, is truncated, or was written by a version that this one cannot read.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            if "spec.json" not in archive.namelist():
                raise ValueError("it has no spec.json.")
            spec = json.loads(archive.read("spec.json"))
            _check_format(spec)
            return _build(spec, archive)
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no model file {path}.") from None
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is not an ldosml model, or is truncated: {error}.") from error
    except KeyError as error:
        raise ValueError(f"{path} is not a complete ldosml model: {error.args[0]!r} is missing.") from error
    except _DAMAGE as error:
        raise ValueError(f"{path} is damaged: {type(error).__name__}: {error}.") from error
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as an ldosml model: {error}") from error


def describe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Say what a model file holds, without its arrays: its specification as it stands in the file.

    Raises what ``load`` raises.
    """
    load(path)  # says what is wrong with it, if anything
    with zipfile.ZipFile(path) as archive:
        spec: dict[str, Any] = json.loads(archive.read("spec.json"))
    _drop_arrays([spec["descriptor"], *spec["regressors"].values()])
    return spec


def _drop_arrays(parts: Sequence[dict[str, Any]]) -> None:
    for part in parts:
        del part["arrays"]
        _drop_arrays(part.get("parts", ()))


def _describe(part: Any, name: str, arrays: Arrays) -> dict[str, Any]:
    """Specification of one estimator; its arrays are added to ``arrays``."""
    if type(part) not in _LEARNT:
        raise TypeError(
            f"A {type(part).__name__} cannot be saved; known are {', '.join(_CLASSES)}. Save its parameters yourself."
        )
    array_names, plain_names = _LEARNT[type(part)]
    kept = {attribute: f"{name}.{attribute}" for attribute in array_names if hasattr(part, attribute)}
    arrays |= {key: to_numpy(getattr(part, attribute)) for attribute, key in kept.items()}
    parameters = {key: value for key, value in part.get_params(deep=False).items() if key not in _NOT_KEPT}
    plain = {attribute: getattr(part, attribute) for attribute in plain_names}
    spec = {"class": type(part).__name__, "parameters": parameters, "learnt": plain, "arrays": kept}
    if type(part) in _PARTS:
        parameter, _ = _PARTS[type(part)]
        del parameters[parameter]
        fitted = getattr(part, f"{parameter}_")
        members = fitted if isinstance(fitted, list) else [fitted]
        spec["parts"] = [_describe(member, f"{name}-{place}", arrays) for place, member in enumerate(members)]
    return spec


def _plain(value: Any) -> Any:
    """Turn arrays and NumPy numbers into what JSON can hold."""
    if hasattr(value, "shape"):
        return to_numpy(value).tolist()
    raise TypeError(f"A parameter of type {type(value).__name__} cannot be saved: {value!r}.")


def _write(path: Path, spec: Mapping[str, Any], arrays: Arrays, overwrite: bool) -> None:
    with (
        replacing(path, overwrite) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        archive.writestr("spec.json", json.dumps(spec, indent=2, default=_plain))
        for name, array in arrays.items():
            with archive.open(f"arrays/{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)


def _check_format(spec: Any) -> None:
    if not isinstance(spec, dict) or spec.get("format") != FORMAT:
        raise ValueError("its spec.json does not say that it is one.")
    if spec.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"it has format {spec.get('format_version')!r}, written by ldosml {spec.get('ldosml_version')}; "
            f"this is ldosml {ldosml.__version__}, which reads format {FORMAT_VERSION}. Train and save it again."
        )


def _build(spec: Mapping[str, Any], archive: zipfile.ZipFile) -> DOSModel:
    grid = EnergyGrid(**spec["grid"])
    if spec["reference"] != grid.reference:
        raise ValueError(f"The model has its zero at {spec['reference']!r}, its energies theirs at {grid.reference!r}.")
    descriptor = _restore(spec["descriptor"], archive)
    _check_descriptor(descriptor)
    regressors = {int(number): _restore(part, archive) for number, part in spec["regressors"].items()}
    if not regressors:
        raise ValueError("The model has no regressor.")
    for number, regressor in regressors.items():
        _check_shapes(number, regressor, descriptor.n_features_out_, grid.size)
    first = next(iter(regressors.values()))
    model = DOSModel(descriptor, first, reference=grid.reference, low=spec["low"], high=spec["high"])
    model.grid_, model.smearing_width_ = grid, spec["smearing_width"]
    counts = {key: int(spec["training"][key]) for key in ("n_structures", "n_environments", "n_groups")}
    model.training_ = spec["training"] | counts
    model.descriptor_, model.regressors_ = descriptor, regressors
    return model


def _check_shapes(number: int, regressor: Any, n_features: int, n_energies: int) -> None:
    name = f"{{}} of the regressor of atomic number {number}"
    # Parts of a fit for several species say for which one they stand.
    one = () if isinstance(regressor, LDOSRidge | LDOSKernelRidge) else (1,)
    before = "n_species, " * len(one)
    check_shape(name.format("target_mean_"), regressor.target_mean_, (*one, n_energies), f"{before}n_energies")
    if isinstance(regressor, LDOSRidge | DOSRidge):
        shape = (*one, n_features, n_energies)
        check_shape(name.format("coef_"), regressor.coef_, shape, f"{before}n_features, n_energies")
        return
    check_shape(name.format("X_fit_"), regressor.X_fit_, (None, n_features), "n_environments, n_features")
    rows = len(regressor.X_fit_)
    check_shape(name.format("dual_coef_"), regressor.dual_coef_, (rows, n_energies), "n_environments, n_energies")
    if one:
        check_shape(name.format("species_fit_"), regressor.species_fit_, (rows,), "n_environments")


def _restore(part: Mapping[str, Any], archive: zipfile.ZipFile) -> Any:
    if part["class"] not in _CLASSES:
        raise ValueError(f"The model has a part of class {part['class']!r}; known are {', '.join(_CLASSES)}.")
    parameters = part["parameters"]
    if set(parameters) & set(_NOT_KEPT):
        raise ValueError(f"The model sets {', '.join(_NOT_KEPT)}, which no model file may.")
    estimator = _CLASSES[part["class"]](**parameters)
    if type(estimator) in _PARTS:
        _restore_parts(estimator, part["parts"], archive)
    array_names, plain_names = _LEARNT[type(estimator)]
    for name in plain_names:
        setattr(estimator, name, int(part["learnt"][name]))
    for name in array_names:
        if name in part["arrays"]:
            setattr(estimator, name, _read_array(archive, part["arrays"][name]))
    return estimator


def _check_descriptor(descriptor: Any) -> None:
    """Refuse parts of a descriptor that do not fit together."""
    if isinstance(descriptor, Whitened):
        n_features, count = descriptor.n_features_out_, len(descriptor.species_)
        check_shape("means_ of Whitened", descriptor.means_, (count, n_features), "n_species, n_features")
        shape = (count, n_features, n_features)
        check_shape("maps_ of Whitened", descriptor.maps_, shape, "n_species, n_features, n_features")
        _check_descriptor(descriptor.descriptor_)
        parts = descriptor.descriptor_.n_features_out_
    elif isinstance(descriptor, JoinedSOAP):
        parts = sum(soap.n_features_out_ for soap in descriptor.soaps_)
    else:
        return
    if parts != descriptor.n_features_out_:
        raise ValueError(f"{type(descriptor).__name__} has {descriptor.n_features_out_} features, its parts {parts}.")


def _restore_parts(estimator: Any, parts: Sequence[Mapping[str, Any]], archive: zipfile.ZipFile) -> None:
    parameter, classes = _PARTS[type(estimator)]
    known = [cls.__name__ for cls in classes]
    for part in parts:
        if part["class"] not in known:
            raise ValueError(
                f"{type(estimator).__name__} has parts of class {' or '.join(known)}; got {part['class']!r}."
            )
    fitted = [_restore(part, archive) for part in parts]
    if isinstance(estimator, Whitened) and len(fitted) != 1:
        raise ValueError(f"Whitened has one part; got {len(fitted)}.")
    value = fitted[0] if isinstance(estimator, Whitened) else fitted
    estimator.set_params(**{parameter: clone(value)})
    setattr(estimator, f"{parameter}_", value)


def _read_array(archive: zipfile.ZipFile, name: str) -> NDArray[Any] | float:
    buffer = io.BytesIO(archive.read(f"arrays/{name}.npy"))
    array = np.lib.format.read_array(buffer, allow_pickle=False)
    if array.dtype.kind not in "fi" or not np.isfinite(array).all():
        raise ValueError(f"The array {name} of the model must hold finite real numbers; it is {array.dtype}.")
    return float(array) if array.ndim == 0 else array
