"""Tensors and a readable description in one file, by safetensors: opening a stranger's file runs no code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ldosml._files import replacing
from ldosml.kresolved.model_files import FORMAT_VERSION, check_header

Tensors = dict[str, Tensor]


def write_tensors(
    path: Path, what: str, tensors: Mapping[str, Tensor], spec: Mapping[str, Any], overwrite: bool
) -> None:
    """Write tensors, and as metadata what they are; the file appears under its name only when complete.

    Raises FileExistsError when it exists and ``overwrite`` is false, OSError when writing fails.
    """
    content = save(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
        {
            "format": what,
            "format_version": str(FORMAT_VERSION),
            "spec": as_json(spec),
        },
    )
    with replacing(path, overwrite) as file:
        file.write(content)


def as_json(spec: Mapping[str, Any]) -> str:
    """JSON of a description in which numbers may be NumPy's."""

    def plain(value: object) -> object:
        if isinstance(value, np.generic):
            return value.item()
        raise TypeError(f"A {type(value).__name__} has no place in a description: {value!r}.")

    return json.dumps(spec, default=plain)


def read_tensors(path: Path, what: str) -> tuple[Tensors, dict[str, Any]]:
    """Tensors and description that ``write_tensors`` wrote.

    Raises
    ------
    FileNotFoundError
    ValueError
        When the file is something else, is damaged, or was written by a version that this one cannot read.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no {what} {path}: it is {'a folder' if path.is_dir() else 'not there'}.")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            check_header(path, what, header)
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads(header["spec"])  # noqa: SIM118
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a complete {what}, or is damaged: {error}.") from error


def check_tensors(path: Path, found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Raise ValueError unless names, shapes and types of tensors are those expected, and all numbers finite."""
    differing = sorted(set(found) ^ set(expected))
    if differing:
        raise ValueError(f"{path} does not hold the tensors of its network: {', '.join(differing[:5])} differ.")
    for name, tensor in found.items():
        wanted = expected[name]
        if (tensor.shape, tensor.dtype) != (wanted.shape, wanted.dtype):
            raise ValueError(
                f"{path} is damaged: {name} must be {wanted.dtype} {tuple(wanted.shape)}; it is {tensor.dtype} "
                f"{tuple(tensor.shape)}."
            )
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise ValueError(f"{path} is damaged: {name} must hold finite numbers.")
