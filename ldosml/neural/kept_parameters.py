"""Parameters of tight binding that are saved with the weights of a network, but not trained with them."""

from __future__ import annotations

from dataclasses import fields

import torch
from torch import nn

from ldosml.tightbinding import TightBindingParameters

PREFIX = "tight_binding_"
"""Beginning of the names of the buffers."""


def keep_parameters(module: nn.Module, parameters: TightBindingParameters) -> None:
    """Register buffers for parameters."""
    for field in fields(parameters):
        module.register_buffer(PREFIX + field.name, torch.from_numpy(getattr(parameters, field.name).copy()))


def kept_parameters(module: nn.Module) -> TightBindingParameters:
    """The parameters in the buffers of a module."""
    values = {f.name: getattr(module, PREFIX + f.name) for f in fields(TightBindingParameters)}
    return TightBindingParameters(**{name: value.cpu().numpy() for name, value in values.items()})


def replace_parameters(module: nn.Module, parameters: TightBindingParameters) -> None:
    """Copy parameters into the buffers of a module."""
    for field in fields(parameters):
        getattr(module, PREFIX + field.name).copy_(torch.from_numpy(getattr(parameters, field.name)))
