"""The noise of the labels beside the errors: what no model can go below for long."""

from __future__ import annotations

from ldosml.datasets import LDOSDataset
from ldosml.datasets.noise import label_noise_at, property_noise_at
from ldosml.studies.errors import Errors

Floor = dict[str, float]
"""Noise of the labels as L/sigma, by quantity; what is not known is not there."""


def noise_floor(data: LDOSDataset, errors: Errors, width: float | None, temperature: float | None) -> Floor:
    """Noise of a dataset's labels at a smearing width (eV), in the units of ``errors.loss``.

    Spectra: at the energies that the errors are of, where ``label_noise`` tells it by energy. That of properties is
    known at the temperature (K) at which it was measured only; that of an element's LDOS where ``label_noise`` tells
    it, or there is one element only.
    """
    floor: Floor = label_noise_at(data.label_noise, width, errors.grid, errors.sigma)
    if len(errors.elements) == 1 and "ldos" in floor:  # perhaps measured with other elements, too
        own = f"ldos {errors.elements[0]}"
        floor["ldos"] = floor.setdefault(own, floor["ldos"])
    if temperature is not None:
        for name, rmse in property_noise_at(data.label_noise, width, temperature).items():
            if errors.sigma.get(name, 0.0) > 0:
                floor[name] = rmse / errors.sigma[name]
    return floor
