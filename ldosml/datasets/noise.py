"""The error of the labels themselves, at the smearing that is reported on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def label_noise_at(label_noise: Mapping[str, object] | None, width: float | None) -> dict[str, float] | None:
    """Error of the labels at a smearing width, as fractions of their standard deviation (L/sigma).

    Parameters
    ----------
    label_noise : mapping or None
        {"smearing_width": [...], "ldos": [...], "dos": [...]}, widths in eV; other keys are ignored.
    width : float or None
        eV. Between the widths given, the noise is interpolated linearly; beyond them it is not known.

    Returns
    -------
    {"ldos": float, "dos": float}, or None where the noise is not known.

    Raises
    ------
    ValueError
        When one of the three lists is missing, empty, or of another length than the others.

    Examples
    --------
    >>> noise = {"smearing_width": [0.1, 0.3], "ldos": [0.10, 0.04], "dos": [0.08, 0.02]}
    >>> label_noise_at(noise, 0.2)
    {'ldos': 0.07, 'dos': 0.05}
    >>> label_noise_at(noise, 0.5) is None
    True
    """
    if label_noise is None or width is None:
        return None
    keys = ("smearing_width", "ldos", "dos")
    widths, ldos, dos = (np.atleast_1d(np.asarray(label_noise.get(key, []), dtype=float)) for key in keys)
    if not (widths.shape == ldos.shape == dos.shape and widths.ndim == 1 and widths.size):
        raise ValueError(
            "label_noise must have lists smearing_width, ldos and dos of one length, at least 1; got lengths "
            f"{widths.size}, {ldos.size} and {dos.size}. Pass None where the noise is not known."
        )
    if not widths.min() - 1e-9 <= width <= widths.max() + 1e-9:
        return None
    return {key: round(interpolated(width, widths, values), 12) for key, values in (("ldos", ldos), ("dos", dos))}


def interpolated(width: float, widths: ArrayLike, values: ArrayLike) -> float:
    """What lies at a width between the values at the two nearest ones, in whatever order these come."""
    known, at = np.asarray(widths, dtype=float), np.asarray(values, dtype=float)
    order = np.argsort(known)
    return float(np.interp(width, known[order], at[order]))


def property_noise_at(
    label_noise: Mapping[str, object] | None, width: float | None, temperature: float
) -> dict[str, float]:
    """Root mean square error of properties that comes from the labels, per atom, in the units of the properties.

    Parameters
    ----------
    label_noise : mapping or None
        With {"smearing_width": [...], "properties": {"temperature": float, "rmse": {name: [...]}}}, a number for each
        width (eV).
    width : float or None
        eV; between the widths given, the noise is interpolated linearly.
    temperature : float
        K.

    Returns
    -------
    dict of str to float; empty where the noise is not known at this width or temperature.
    """
    known: Any = None if label_noise is None else label_noise.get("properties")
    if not known or width is None or label_noise is None or not np.isclose(known["temperature"], temperature):
        return {}
    widths: Any = np.asarray(label_noise["smearing_width"], dtype=float)
    if not widths.min() - 1e-9 <= width <= widths.max() + 1e-9:
        return {}
    return {name: interpolated(width, widths, values) for name, values in known["rmse"].items()}
