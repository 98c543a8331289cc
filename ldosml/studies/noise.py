"""Label noise in the units of the errors: the limit that no model can stay below."""

from __future__ import annotations

from ldosml.datasets import LDOSDataset
from ldosml.datasets.noise import label_noise_at, property_noise_at
from ldosml.studies.errors import Errors

Floor = dict[str, float]
"""Label noise as L/sigma, by quantity; unknown quantities are absent."""


def noise_floor(data: LDOSDataset, errors: Errors, width: float | None, temperature: float | None) -> Floor:
    """Label noise of a dataset at a smearing width (eV), as L/sigma like ``errors.loss``.

    The noise of spectra is for the energies of ``errors``, if ``data.label_noise`` has it by energy. The noise of the
    LDOS of an element is known if ``label_noise`` has it, or if there is only one element. The noise of properties is
    known only at the temperature (K) at which it was measured.
    """
    floor: Floor = label_noise_at(data.label_noise, width, errors.grid, errors.sigma)
    if len(errors.elements) == 1 and "ldos" in floor:  # "ldos" may have been measured with other elements
        own = f"ldos {errors.elements[0]}"
        floor["ldos"] = floor.setdefault(own, floor["ldos"])
    if temperature is not None:
        for name, rmse in property_noise_at(data.label_noise, width, temperature).items():
            if errors.sigma.get(name, 0.0) > 0:
                floor[name] = rmse / errors.sigma[name]
    return floor
