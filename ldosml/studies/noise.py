"""The noise of the labels beside the errors: what no model can go below for long."""

from __future__ import annotations

from typing import Any

from ldosml.datasets import LDOSDataset
from ldosml.datasets.noise import interpolated, label_noise_at, property_noise_at
from ldosml.studies.errors import Errors

Floor = dict[str, float]
"""Noise of the labels as L/sigma, by quantity; what is not known is not there."""


def noise_floor(data: LDOSDataset, errors: Errors, width: float | None, temperature: float | None) -> Floor:
    """Noise of a dataset's labels at a smearing width (eV), in the units of ``errors.loss``.

    That of properties is known at the temperature (K) at which it was measured only; that of an element's LDOS where
    ``label_noise["ldos_by_element"]`` tells it, or there is one element only.
    """
    known = label_noise_at(data.label_noise, width)
    if known is None or data.label_noise is None or width is None:
        return {}
    floor: Floor = dict(known)
    by_element: Any = data.label_noise.get("ldos_by_element") or {}
    for element in errors.elements:
        if element in by_element:
            floor[f"ldos {element}"] = interpolated(width, data.label_noise["smearing_width"], by_element[element])
        elif len(errors.elements) == 1:
            floor[f"ldos {element}"] = known["ldos"]
    if temperature is not None:
        for name, rmse in property_noise_at(data.label_noise, width, temperature).items():
            if errors.sigma.get(name, 0.0) > 0:
                floor[name] = rmse / errors.sigma[name]
    return floor
