"""Tensors and a readable description in one safetensors file; loading it runs no code from the file."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.nn.modules.module import register_module_parameter_registration_hook

from ldosml._files import replacing
from ldosml.kresolved.model_files import FORMAT_VERSION, check_header

Tensors = dict[str, Tensor]
T = TypeVar("T")


def save_tensors(
    path: Path, what: str, tensors: Mapping[str, Tensor], spec: Mapping[str, Any], overwrite: bool
) -> None:
    """Save tensors, with their description as metadata; an incomplete file never appears under this name.

    Raises FileExistsError when the file exists and ``overwrite`` is false, OSError when writing fails.
    """
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    written = as_json(spec)
    header = {"format": what, "format_version": str(FORMAT_VERSION), "spec": written}
    content = _in_order(save(kept, header | {"sha256": _checksum(kept, written)}))
    with replacing(path, overwrite) as file:
        file.write(content)


def _in_order(content: bytes) -> bytes:
    """The same safetensors file with its metadata in order; the library writes them in a random one."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # keeps the tensors aligned
    return len(text).to_bytes(8, "little") + text + content[end:]


def as_json(spec: Mapping[str, Any]) -> str:
    """JSON of a description; numbers may be NumPy scalars."""

    def plain(value: object) -> object:
        if isinstance(value, np.generic):
            return value.item()
        raise TypeError(f"A description cannot contain a {type(value).__name__}: {value!r}.")

    return json.dumps(spec, default=plain)


def load_tensors(path: Path, what: str) -> tuple[Tensors, dict[str, Any]]:
    """Load tensors and description from a file of ``save_tensors``.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file has another format or version, or is damaged.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no {what} {path}: it {'is a folder' if path.is_dir() else 'does not exist'}."
        )
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            check_header(path, what, header)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            spec = json.loads(header["spec"])
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a complete {what}, or is damaged: {error}.") from error
    if header.get("sha256", (found := _checksum(tensors, header["spec"]))) != found:
        raise ValueError(f"{path} is damaged: it differs from its checksum. Copy or download it again.")
    return tensors, spec


def _checksum(tensors: Mapping[str, Tensor], spec: str) -> str:
    """SHA-256 of description and tensors. Files without it, such as the shipped ones, are read as they are."""
    sums = hashlib.sha256(spec.encode())
    for name, tensor in sorted(tensors.items()):
        sums.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        sums.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return sums.hexdigest()


def load_fitted(path: Path, what: str, from_spec: Callable[[Mapping[str, Any]], T], device: str) -> T:
    """Load an estimator with its weights in ``network_``; ``from_spec`` makes it, without them, from its description.

    Raises FileNotFoundError and ValueError as ``load_tensors``, and ValueError when description and weights do not fit.
    """
    tensors, spec = load_tensors(path, what)

    def made() -> Any:
        try:
            with _at_most(len(tensors)):
                return from_spec(spec)
        except (KeyError, TypeError, AttributeError, ValueError, RuntimeError, OverflowError) as error:
            why = f"{type(error).__name__}: {str(error).rstrip('.')}"
            raise ValueError(f"{path} is a damaged {what} ({why}). Copy or download it again.") from error

    with torch.device("meta"):  # where tensors have shapes, but take no memory
        shapes = made()
    check_tensors(path, tensors, shapes.network_.state_dict())
    model = made()
    model.network_.load_state_dict(tensors)
    model.network_.to(device).eval()
    model.device = device
    loaded: T = model
    return loaded


@contextmanager
def _at_most(count: int) -> Iterator[None]:
    """Refuse to make a network that has more parameters than ``count``, by a ValueError, while it is made."""
    made, thread = 0, threading.get_ident()

    def registered(module: object, name: str, parameter: object) -> None:
        nonlocal made
        made += threading.get_ident() == thread
        if made > count:
            raise ValueError(f"its network should have {count} tensors, as the file; its description gives more")

    handle = register_module_parameter_registration_hook(registered)
    try:
        yield
    finally:
        handle.remove()


def check_tensors(path: Path, found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Raise ValueError unless names, shapes and types of tensors are as expected, and all numbers are finite."""
    differing = sorted(set(found) ^ set(expected))
    if differing:
        raise ValueError(f"{path} does not contain the tensors of its network: {', '.join(differing[:5])} differ.")
    for name, tensor in found.items():
        model = expected[name]
        if (tensor.shape, tensor.dtype) != (model.shape, model.dtype):
            raise ValueError(
                f"{path} is damaged: {name} must be {model.dtype} {tuple(model.shape)}; it is {tensor.dtype} "
                f"{tuple(tensor.shape)}."
            )
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise ValueError(f"{path} is damaged: {name} must hold finite numbers.")
