"""Parts of models on disk: a readable specification and plain arrays, in one zip file. Opening one runs no code.

``spec.json`` says what each part is and with which parameters it was made, ``arrays/*.npy`` hold what was fitted; both
open with any zip program. Only the classes named in this module are ever built. Regressors of scikit-learn stand beside
them in the format of skops, ``*.skops``, of which only the types are built that skops knows to be safe.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldosml import __version__
from ldosml._array import Array, Device, to_device, to_numpy
from ldosml._files import refuse_existing, replacing
from ldosml._validation import check_shape
from ldosml.descriptors import SOAP, Joined, Precomputed, PretrainedFeatures, TightBindingSpectrum, Whitened
from ldosml.energy import EnergyGrid
from ldosml.file_sizes import check_archive, parsed_json
from ldosml.regression import (
    LDOSKernelRidge,
    LDOSRidge,
    RepresentedRegressor,
    SparseLDOSKernelRidge,
)
from ldosml.representations import Cumulative, Pointwise, PrincipalComponents, Representation
from ldosml.tightbinding import TightBindingParameters

FORMAT = "ldosml model"
FORMAT_VERSION = 2


@dataclass(frozen=True)
class _Learnt:
    """The attributes that a class learns.

    Names of arrays (a model may lack some of them), of the arrays that stay on the host wherever the model computes, of
    whole numbers, of texts, and of estimators or lists of them.
    """

    arrays: tuple[str, ...] = ()
    host_arrays: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()


_PER_ENERGY = ("target_mean_", "alpha_", "alphas_", "cv_errors_")
_PLAIN = ("n_features_in_", "_flat")
_COLUMNS = ("n_features_in_", "n_columns_")
_LEARNT = {
    SOAP: _Learnt(("species_",), numbers=("n_features_out_",)),
    TightBindingSpectrum: _Learnt(("energies_",), numbers=("n_features_out_",), texts=("parameters_",)),
    Joined: _Learnt(numbers=("n_features_out_",), parts=("parts_",)),
    Precomputed: _Learnt(numbers=("n_features_out_",)),
    PretrainedFeatures: _Learnt(numbers=("n_features_out_",), texts=("package_",)),
    Whitened: _Learnt(("species_", "means_", "maps_"), numbers=("n_features_out_",), parts=("descriptor_",)),
    LDOSRidge: _Learnt(("coef_", *_PER_ENERGY), ("species_",), _PLAIN),
    LDOSKernelRidge: _Learnt(("X_fit_", "dual_coef_", *_PER_ENERGY), ("species_", "species_fit_"), _PLAIN),
    SparseLDOSKernelRidge: _Learnt(
        ("inducing_points_", "dual_coef_", "smallest_eigenvalue_", *_PER_ENERGY),
        ("species_", "inducing_species_"),
        (*_PLAIN, "rank_"),
    ),
    RepresentedRegressor: _Learnt(numbers=("_flat",), parts=("representation_", "regressor_")),
    Pointwise: _Learnt(numbers=_COLUMNS),
    Cumulative: _Learnt(numbers=_COLUMNS),
    PrincipalComponents: _Learnt(("mean_", "components_", "variances_"), numbers=_COLUMNS),
}
_CLASSES = {cls.__name__: cls for cls in _LEARNT}
# What descriptors may be made of; what regressors are made of is checked with their shapes.
_ALONE = (SOAP, TightBindingSpectrum, Precomputed, PretrainedFeatures)  # learn nothing from rows
_MAY_BE: dict[str, tuple[type, ...]] = {"parts_": (*_ALONE, Whitened), "descriptor_": (*_ALONE, Joined)}
# The reader's to say: where results are cached (joblib unpickles what it finds there), and by how many processes.
_NOT_KEPT = ("memory", "n_jobs")
# What reading a damaged zip file, JSON text or array header may raise.
_DAMAGE = (TypeError, AttributeError, UnicodeDecodeError, RuntimeError, MemoryError, EOFError, zlib.error)

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class StoredModel:
    """What a model file holds.

    Parameters
    ----------
    grid : EnergyGrid
    facts : dict
        What else the model tells of itself: low, high, smearing_width, training.
    descriptor : transformer
        Fitted.
    regressors : dict of int to estimator
        Fitted, by atomic number.
    """

    grid: EnergyGrid
    facts: dict[str, Any]
    descriptor: Any
    regressors: dict[int, Any]


def save(stored: StoredModel, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write the parts of a fitted model to one file, which appears under its name only when it is complete.

    Raises
    ------
    FileExistsError
        When the file exists and ``overwrite`` is false.
    TypeError
        When the descriptor or a regressor is of a class that this format does not know.
    OSError
        When writing fails, for instance on a full disk; nothing is left behind.
    """
    path = Path(path)
    refuse_existing(path, overwrite)  # before the work is done, not after
    arrays: Arrays = {}
    blobs: dict[str, bytes] = {}
    spec = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "ldosml_version": __version__,
        **stored.facts,
        "grid": asdict(stored.grid),
        "descriptor": _describe(stored.descriptor, "descriptor", arrays),
        "regressors": {
            str(number): _describe_regressor(regressor, f"regressor-{number}", arrays, blobs)
            for number, regressor in stored.regressors.items()
        },
    }
    _write(path, spec, arrays, blobs, overwrite)
    return path


def load(path: str | os.PathLike[str], *, device: Device = "cpu") -> StoredModel:
    """Read the parts of a model that ``save`` wrote; its regressors predict on ``device``.

    Raises
    ------
    FileNotFoundError
    ValueError
        When the file is not such a model, is truncated, or was written by a version that this one cannot read.
    ImportError, RuntimeError
        When ``device`` is "cuda" and CuPy or a GPU is missing.
    """
    path = Path(path)
    to_device(np.empty((0, 0)), device)  # if that fails, before the file is read
    try:
        with zipfile.ZipFile(path) as archive:
            check_archive(archive, path)
            if "spec.json" not in archive.namelist():
                raise ValueError("it has no spec.json.")
            spec = parsed_json(archive.read("spec.json"), path, "Its spec.json")
            _check_format(spec)
            stored = _build(spec, archive, path)
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no model file {path}.") from None
    except IsADirectoryError:
        raise ValueError(f"{path} is a folder, not an ldosml model.") from None
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is not an ldosml model, or is truncated: {error}.") from error
    except KeyError as error:
        raise ValueError(f"{path} is not a complete ldosml model: {error.args[0]!r} is missing.") from error
    except _DAMAGE as error:
        why = f"{type(error).__name__}: {str(error).rstrip('.')}"
        raise ValueError(f"{path} is damaged ({why}). Save or copy the model again.") from error
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as an ldosml model: {error}") from error
    if device != "cpu":
        for regressor in stored.regressors.values():
            _move(regressor, device)
    return stored


def describe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Say what a model file holds, without its arrays: its specification as it stands in the file.

    Parameters
    ----------
    path : path

    Returns
    -------
    dict

    Raises
    ------
    FileNotFoundError, ValueError
        As ``DOSModel.load``.
    """
    load(path)  # says what is wrong with it, if anything
    with zipfile.ZipFile(path) as archive:
        spec: dict[str, Any] = json.loads(archive.read("spec.json"))
    for part in (spec["descriptor"], *spec["regressors"].values()):
        _leave_out_arrays(part)
    return spec


def require_savable(regressor: Any) -> None:
    """Raise TypeError when a fitted regressor could not be saved in a file that is safe to open."""
    if isinstance(regressor, RepresentedRegressor):
        inner = regressor.regressor_
        if not isinstance(inner, tuple(_LEARNT)):
            raise TypeError(f"RepresentedRegressor takes a regressor of ldosml; got {type(inner).__name__}.")
    elif not isinstance(regressor, tuple(_LEARNT)):
        _dumped(regressor)


def _dumped(regressor: Any) -> bytes:
    """A regressor of scikit-learn in the format of skops; TypeError for what is not known to be safe."""
    import skops.io

    data = _timeless(skops.io.dumps(regressor))
    untrusted = skops.io.get_untrusted_types(data=data)
    if untrusted:
        raise TypeError(
            f"{type(regressor).__name__} holds {', '.join(untrusted)}, which skops cannot restore without trusting the "
            "file. A model with it could not be saved so that it is safe to open. Use another regressor."
        )
    return data


def _restored(data: bytes) -> Any:
    import skops.io

    untrusted = skops.io.get_untrusted_types(data=data)
    if untrusted:
        raise ValueError(f"The model holds types that are not known to be safe: {', '.join(untrusted)}.")
    return skops.io.loads(data, trusted=[])


def _describe_regressor(regressor: Any, name: str, arrays: Arrays, blobs: dict[str, bytes]) -> dict[str, Any]:
    if type(regressor) in _LEARNT:
        return _describe(regressor, name, arrays)
    blobs[f"{name}.skops"] = _dumped(regressor)
    return {"class": f"{type(regressor).__module__}.{type(regressor).__name__}", "skops": f"{name}.skops"}


def _leave_out_arrays(part: dict[str, Any]) -> None:
    part.pop("arrays", None)
    own = part["parameters"].get("parameters") if "parameters" in part else None
    if isinstance(own, dict):  # of tight binding: as many fitted numbers as an array has
        part["parameters"]["parameters"] = {"elements": list(own["elements"])}
    for nested in (*part.get("parts", {}).values(), *part.get("parameters", {}).values()):
        for each in _members(nested):
            if isinstance(each, dict) and "class" in each:
                _leave_out_arrays(each)


def _describe(part: Any, name: str, arrays: Arrays) -> dict[str, Any]:
    """Specification of one fitted estimator; adds its arrays and the arrays of its parts to ``arrays``."""
    spec = _describe_unfitted(part)
    learnt = _LEARNT[type(part)]
    names = (*learnt.arrays, *learnt.host_arrays)
    kept = {attribute: f"{name}.{attribute}" for attribute in names if hasattr(part, attribute)}
    arrays |= {key: to_numpy(getattr(part, attribute)) for attribute, key in kept.items()}
    spec |= {
        "learnt": {attribute: getattr(part, attribute) for attribute in (*learnt.numbers, *learnt.texts)},
        "arrays": kept,
    }
    if learnt.parts:
        spec["parts"] = {
            attribute: _each(
                getattr(part, attribute), lambda fitted, place: _describe(fitted, f"{name}.{place}", arrays), attribute
            )
            for attribute in learnt.parts
        }
    return spec


def _each(value: Any, function: Callable[[Any, str], Any], name: str) -> Any:
    """Give ``function`` of an estimator and its ``name``, or of each of a list of them."""
    if isinstance(value, list | tuple):
        return [function(part, f"{name}-{place}") for place, part in enumerate(value)]
    return function(value, name)


def _describe_unfitted(part: Any) -> dict[str, Any]:
    """Class and parameters of an estimator; a parameter that is an estimator is described alike."""
    if type(part) not in _LEARNT:
        raise TypeError(
            f"A {type(part).__name__} cannot be saved; known are {', '.join(_CLASSES)}. Save its parameters yourself."
        )
    parameters = {key: value for key, value in part.get_params(deep=False).items() if key not in _NOT_KEPT}
    nested = {
        key: _each(value, lambda estimator, _: _describe_unfitted(estimator), key)
        for key, value in parameters.items()
        if all(hasattr(each, "get_params") for each in _members(value))
    }
    plain = {key: _keyed(value, str) for key, value in parameters.items() if key not in nested}
    return {"class": type(part).__name__, "parameters": plain | nested}


def _keyed(value: Any, key: type) -> Any:
    """Give a parameter by atomic number with texts for keys, as JSON has them, or with numbers; others as they are.

    Those of tight binding are a mapping with "format".
    """
    if isinstance(value, TightBindingParameters):
        return value.to_json()
    if isinstance(value, dict) and "format" in value:
        return TightBindingParameters.from_json(value)
    return {key(number): each for number, each in value.items()} if isinstance(value, Mapping) else value


def _members(value: Any) -> Sequence[Any]:
    """What a parameter holds: its entries where it is a list of some, or itself."""
    return value if isinstance(value, list | tuple) and len(value) else [value]


def _plain(value: Any) -> Any:
    """Turn arrays and NumPy numbers into what JSON can hold."""
    if hasattr(value, "shape"):
        return to_numpy(value).tolist()
    raise TypeError(f"A parameter of type {type(value).__name__} cannot be saved: {value!r}.")


def _write(path: Path, spec: Mapping[str, Any], arrays: Arrays, blobs: Mapping[str, bytes], overwrite: bool) -> None:
    with (
        replacing(path, overwrite) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        archive.writestr(_member("spec.json"), json.dumps(spec, indent=2, default=_plain))
        for name, array in arrays.items():
            with archive.open(_member(f"arrays/{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
        for name, data in blobs.items():
            archive.writestr(_member(name), data)


def _member(name: str) -> zipfile.ZipInfo:
    """A member of the archive without the time: equal fits give equal files."""
    member = zipfile.ZipInfo(name)
    member.compress_type, member.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
    return member


def _timeless(data: bytes) -> bytes:
    """The archive with the same members, without their times."""
    timeless = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(timeless, "w") as new:
        for info in old.infolist():
            new.writestr(_member(info.filename), old.read(info))
    return timeless.getvalue()


def _check_format(spec: Any) -> None:
    if not isinstance(spec, dict) or spec.get("format") != FORMAT:
        raise ValueError("its spec.json does not say that it is one.")
    if spec.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"it has format {spec.get('format_version')!r}, written by ldosml {spec.get('ldosml_version')}; "
            f"this is ldosml {__version__}, which reads format {FORMAT_VERSION}. Train and save it again."
        )


def _build(spec: Mapping[str, Any], archive: zipfile.ZipFile, path: Path) -> StoredModel:
    grid = EnergyGrid(**spec["grid"])
    descriptor = _restore(spec["descriptor"], archive)
    _check_descriptor(descriptor)
    regressors = {int(number): _restore_regressor(part, archive, path) for number, part in spec["regressors"].items()}
    if not regressors:
        raise ValueError("The model has no regressor.")
    for number, regressor in regressors.items():
        _check_shapes(number, regressor, descriptor.n_features_out_, grid.size)
    counts = {key: int(spec["training"][key]) for key in ("n_structures", "n_environments", "n_groups")}
    facts = {key: spec[key] for key in ("low", "high", "smearing_width")}
    return StoredModel(grid, facts | {"training": spec["training"] | counts}, descriptor, regressors)


def _restore_regressor(part: Mapping[str, Any], archive: zipfile.ZipFile, path: Path) -> Any:
    if "skops" not in part:
        return _restore(part, archive)
    data = archive.read(part["skops"])
    with zipfile.ZipFile(io.BytesIO(data)) as inner:
        check_archive(inner, path, f"Its part {part['skops']}")
    return _restored(data)


def _check_shapes(number: int, regressor: Any, n_features: int, n_energies: int) -> None:
    name = f"{{}} of the regressor of atomic number {number}"
    if isinstance(regressor, RepresentedRegressor):
        _check_representation(name, regressor.representation_, n_energies)
        _check_shapes(number, regressor.regressor_, n_features, regressor.representation_.n_columns_)
        return
    if type(regressor) not in _LEARNT:
        expected = getattr(regressor, "n_features_in_", n_features)
        if expected != n_features:
            raise ValueError(f"{name.format('n_features_in_')} is {expected}; the descriptor has {n_features}.")
        return
    expected_shapes: dict[str, tuple[tuple[int, ...], str]] = {"target_mean_": ((1, n_energies), "1, n_energies")}
    if isinstance(regressor, LDOSRidge):
        expected_shapes["coef_"] = (n_energies, n_features), "n_energies, n_features"
    else:
        sparse = isinstance(regressor, SparseLDOSKernelRidge)
        points, species = ("inducing_points_", "inducing_species_") if sparse else ("X_fit_", "species_fit_")
        check_shape(name.format(points), getattr(regressor, points), (None, n_features), "n_points, n_features")
        count = len(getattr(regressor, points))
        expected_shapes["dual_coef_"] = (count, n_energies), "n_points, n_energies"
        expected_shapes[species] = (count,), "n_points"
    for attribute, (shape, axes) in expected_shapes.items():
        check_shape(name.format(attribute), getattr(regressor, attribute), shape, axes)


def _check_representation(name: str, representation: Any, n_energies: int) -> None:
    if not isinstance(representation, Representation):
        raise ValueError(f"{name.format('representation_')} is a {type(representation).__name__}.")
    components = getattr(representation, "components_", None)
    if components is not None:
        expected = (representation.n_columns_, n_energies)
        check_shape(name.format("components_"), components, expected, "n_components, n_energies")
        check_shape(name.format("mean_"), representation.mean_, (n_energies,), "n_energies")
    elif {representation.n_features_in_, representation.n_columns_} != {n_energies}:
        raise ValueError(f"{name.format('representation_')} is not one of {n_energies} energies.")


def _restore(part: Mapping[str, Any], archive: zipfile.ZipFile) -> Any:
    estimator = _restore_unfitted(part)
    learnt = _LEARNT[type(estimator)]
    for name in learnt.numbers:
        setattr(estimator, name, int(part["learnt"][name]))
    for name in learnt.texts:
        setattr(estimator, name, str(part["learnt"][name]))
    for name in (*learnt.arrays, *learnt.host_arrays):
        if name in part["arrays"]:
            setattr(estimator, name, _read_array(archive, part["arrays"][name]))
    for name in learnt.parts:
        _check_parts(part, name)
        setattr(estimator, name, _each(part["parts"][name], lambda spec, _: _restore(spec, archive), name))
    return estimator


def _check_parts(part: Mapping[str, Any], name: str) -> None:
    """Refuse parts of a descriptor that it cannot be made of."""
    known = [cls.__name__ for cls in _MAY_BE.get(name, ())]
    for each in _members(part["parts"][name]):
        if known and each["class"] not in known:
            raise ValueError(f"{part['class']} has parts of class {' or '.join(known)}; got {each['class']!r}.")


def _restore_unfitted(part: Mapping[str, Any]) -> Any:
    if part["class"] not in _CLASSES:
        raise ValueError(f"The model has a part of class {part['class']!r}; known are {', '.join(_CLASSES)}.")
    parameters, cls = part["parameters"], _CLASSES[part["class"]]
    if set(parameters) & set(_NOT_KEPT):
        raise ValueError(f"The model sets {', '.join(_NOT_KEPT)}, which no model file may.")
    differing = set(parameters) ^ (set(cls().get_params(deep=False)) - set(_NOT_KEPT))
    if differing:
        raise ValueError(
            f"The {part['class']} of the model and of ldosml {__version__} have different parameters: "
            f"{', '.join(sorted(differing))} {'differs' if len(differing) == 1 else 'differ'}. Train and save it again."
        )
    nested = {
        key: _each(value, lambda spec, _: _restore_unfitted(spec), key)
        for key, value in parameters.items()
        if all(isinstance(each, dict) and "class" in each for each in _members(value))
    }
    plain = {key: _keyed(value, int) for key, value in parameters.items() if key not in nested}
    return cls(**plain | nested)


def _move(estimator: Any, device: Device) -> None:
    """Move what an estimator learned to a device; estimators of scikit-learn know NumPy only."""
    if type(estimator) not in _LEARNT:
        return
    learnt = _LEARNT[type(estimator)]
    for name in learnt.arrays:
        if hasattr(estimator, name):
            setattr(estimator, name, _moved(getattr(estimator, name), device))
    for name in learnt.parts:
        for part in _members(getattr(estimator, name)):
            _move(part, device)


def _moved(value: Array, device: Device) -> Array:
    return to_device(value, device) if hasattr(value, "shape") else value


def _check_descriptor(descriptor: Any) -> None:
    """Refuse parameters out of range, and parts of a descriptor that do not fit together."""
    descriptor.check_parameters()
    if isinstance(descriptor, SOAP):
        parts = descriptor.count_features(len(np.atleast_1d(descriptor.species_)))
    elif isinstance(descriptor, TightBindingSpectrum):
        parts = len(np.atleast_1d(descriptor.energies_))
    elif isinstance(descriptor, Whitened):
        n_features, count = descriptor.n_features_out_, len(descriptor.species_)
        check_shape("means_ of Whitened", descriptor.means_, (count, n_features), "n_species, n_features")
        shape = (count, n_features, n_features)
        check_shape("maps_ of Whitened", descriptor.maps_, shape, "n_species, n_features, n_features")
        _check_descriptor(descriptor.descriptor_)
        parts = descriptor.descriptor_.n_features_out_
    elif isinstance(descriptor, Joined):
        for part in descriptor.parts_:
            _check_descriptor(part)
        parts = sum(part.n_features_out_ for part in descriptor.parts_)
    else:
        return
    if parts != descriptor.n_features_out_:
        raise ValueError(f"{type(descriptor).__name__} has {descriptor.n_features_out_} features, its parts {parts}.")


def _read_array(archive: zipfile.ZipFile, name: str) -> NDArray[Any] | float:
    buffer = io.BytesIO(archive.read(f"arrays/{name}.npy"))
    array = np.lib.format.read_array(buffer, allow_pickle=False)
    if array.dtype.kind not in "fi" or not np.isfinite(array).all():
        raise ValueError(f"The array {name} of the model must hold finite real numbers; it is {array.dtype}.")
    return float(array) if array.ndim == 0 else array
