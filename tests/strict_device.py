"""array-api-strict with all its arrays on a device that is not the host: what a GPU is like, where there is none."""

import functools
from types import SimpleNamespace

import array_api_strict

DEVICE = array_api_strict.Device("device1")
_CREATE = ("arange", "asarray", "empty", "eye", "full", "linspace", "ones", "zeros")


def namespace():
    """Give the namespace; what creates arrays creates them on the device."""
    functions = {name: functools.partial(getattr(array_api_strict, name), device=DEVICE) for name in _CREATE}
    return SimpleNamespace(**(vars(array_api_strict) | functions))
