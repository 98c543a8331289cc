"""The error of the labels themselves, at the smearing and the energies that are reported on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ldosml.energy import EnergyGrid

Floats = NDArray[np.float64]


def label_noise_at(
    label_noise: Mapping[str, object] | None,
    width: float | None,
    grid: EnergyGrid | None = None,
    sigma: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Error of the labels at a smearing width, as fractions of a standard deviation (L/sigma).

    Parameters
    ----------
    label_noise : mapping or None
        {"smearing_width": [...], "ldos": [...], "dos": [...]}, widths in eV, the other lists L/sigma on the energies
        and structures of the estimate; "ldos_by_element": {symbol: [...]} may be there. Where "by_energy" is, too,
        the noise holds for the energies of ``grid``: {"start": float, "step": float, "ldos": [[...], ...], "dos":
        ..., "ldos Si": ...}, root mean square errors (states/eV/atom), one list a width, one number a bin of ``step``
        eV from ``start`` on against the Fermi level, None where not measured. Below ``start`` are no states.
    width : float or None
        eV. Between the widths given, the noise is interpolated linearly; beyond them it is not known.
    grid : EnergyGrid, optional
        Energies at which a model is evaluated.
    sigma : mapping of str to float, optional
        Standard deviation of the true spectra at these energies, states/eV/atom, of "ldos", "dos" and, where wanted,
        "ldos Si" and so on.

    Returns
    -------
    dict of str to float
        What is known. With "by_energy" that needs ``grid``, whose zero must be the Fermi level, and ``sigma``; without
        them, and without "by_energy", it is what the lists say.

    Raises
    ------
    ValueError
        When one of the three lists is missing, empty, or of another length than the others.

    Examples
    --------
    >>> noise = {"smearing_width": [0.1, 0.3], "ldos": [0.10, 0.04], "dos": [0.08, 0.02]}
    >>> label_noise_at(noise, 0.2)
    {'ldos': 0.07, 'dos': 0.05}
    >>> label_noise_at(noise, 0.5)
    {}

    All of the error lies below zero: evaluated there alone, the noise is larger.

    >>> noise["by_energy"] = {"start": -2.0, "step": 2.0, "dos": [[0.02, 0.0], [0.01, 0.0]]}
    >>> label_noise_at(noise, 0.3, EnergyGrid.from_range(-2, 0, 0.1, "fermi"), {"dos": 0.1})
    {'dos': 0.1}
    """
    if label_noise is None or width is None:
        return {}
    widths, stated = _stated(label_noise)
    if not widths.min() - 1e-9 <= width <= widths.max() + 1e-9:
        return {}
    by_energy: Any = label_noise.get("by_energy")
    if by_energy and grid is not None and sigma is not None:
        stated = {
            key: _rms(by_energy, key, grid) / deviation
            for key, deviation in sigma.items()
            if key in by_energy and deviation > 0 and grid.zero == "fermi"
        }
    at_width = {key: interpolated(width, widths, values) for key, values in stated.items()}
    return {key: round(value, 12) for key, value in at_width.items() if np.isfinite(value)}


def _stated(label_noise: Mapping[str, object]) -> tuple[Floats, dict[str, Floats]]:
    """Widths, and the fractions that are given for them."""
    keys = ("smearing_width", "ldos", "dos")
    widths, ldos, dos = (np.atleast_1d(np.asarray(label_noise.get(key, []), dtype=float)) for key in keys)
    if not (widths.shape == ldos.shape == dos.shape and widths.ndim == 1 and widths.size):
        raise ValueError(
            "label_noise must have lists smearing_width, ldos and dos of one length, at least 1; got lengths "
            f"{widths.size}, {ldos.size} and {dos.size}. Pass None where the noise is not known."
        )
    by_element: Any = label_noise.get("ldos_by_element") or {}
    elements = {f"ldos {element}": np.asarray(values, dtype=float) for element, values in by_element.items()}
    return widths, {"ldos": ldos, "dos": dos, **elements}


def _rms(by_energy: Mapping[str, Any], key: str, grid: EnergyGrid) -> Floats:
    """Root mean square error within a grid at each width, states/eV/atom; NaN where some of it was not measured."""
    squares = np.array(by_energy[key], dtype=float) ** 2  # None becomes NaN
    edges = by_energy["start"] + by_energy["step"] * np.arange(squares.shape[1] + 1)
    inside = np.diff(np.clip(edges, grid.start, grid.stop))
    if grid.stop > edges[-1] + 1e-9:
        return np.full(len(squares), np.nan)
    touched = inside > 1e-9
    result: Floats = np.sqrt(squares[:, touched] @ inside[touched] / (grid.stop - grid.start))
    return result


def interpolated(width: float, widths: ArrayLike, values: ArrayLike) -> float:
    """Interpolate linearly between the values at the two nearest widths, which may come in any order."""
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
