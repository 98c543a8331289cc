"""Parameters of tight binding inside a network: not trained with its weights, but saved with them."""

from __future__ import annotations

from dataclasses import fields

import torch
from torch import nn

from ldosml.tightbinding import TightBindingParameters

PREFIX = "tight_binding_"
"""Beginning of the names of the buffers."""


class TightBindingBuffers(nn.Module):
    """A network with ``tight_binding``, universal unless set."""

    def __init__(self) -> None:
        super().__init__()
        start = TightBindingParameters.universal()
        for field in fields(TightBindingParameters):
            self.register_buffer(PREFIX + field.name, torch.from_numpy(getattr(start, field.name)))

    @property
    def tight_binding(self) -> TightBindingParameters:
        """The parameters."""
        values = {f.name: getattr(self, PREFIX + f.name) for f in fields(TightBindingParameters)}
        return TightBindingParameters(**{name: value.cpu().numpy() for name, value in values.items()})

    @tight_binding.setter
    def tight_binding(self, parameters: TightBindingParameters) -> None:
        for field in fields(parameters):
            value = torch.from_numpy(getattr(parameters, field.name))
            getattr(self, PREFIX + field.name).copy_(value)
