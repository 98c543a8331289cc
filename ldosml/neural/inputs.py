"""What ``KOccupancyRegressor`` is given, checked: crystals, their bands, k-points and weights of each."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from ase import Atoms
from numpy.typing import ArrayLike, NDArray

from ldosml.kresolved import CrystalBands
from ldosml.neural.crystals import Crystal, Floats, standardize

GivenCrystal = Atoms | Crystal
Placed = tuple[Crystal, CrystalBands]

_OFF_CENTRE = 0.1  # of a gap; k-points drawn of a mesh may miss its edges


def place_bands(crystals: Sequence[GivenCrystal], bands: Sequence[CrystalBands]) -> list[Placed]:
    """Standardised crystals, and their bands with k-points in these.

    Raises TypeError or ValueError when there are not as many bands, or a crystal is refused or in no primitive cell.
    """
    crystals = check_sequence(crystals)
    if not len(crystals) == len(bands) > 0:
        raise ValueError(f"A fit needs crystals and as many bands; got {len(crystals)} and {len(bands)}.")
    return [_placed_one(i, *pair) for i, pair in enumerate(zip(crystals, bands, strict=True))]


def _placed_one(number: int, given: GivenCrystal, bands: CrystalBands) -> Placed:
    if not isinstance(bands, CrystalBands):
        raise TypeError(f"Bands of crystal {number} must be CrystalBands; got {type(bands).__name__}.")
    try:
        crystal, to_primitive = describe(given)
    except ValueError as error:
        raise ValueError(f"Crystal {number}: {error}") from error
    if len(crystal) != len(given):
        raise ValueError(
            f"Crystal {number} has {len(given)} atoms, its primitive cell {len(crystal)}: at one k-point of a "
            "repeated cell lie the states of several. Compute its bands in the primitive cell."
        )
    return crystal, replace(bands, kpoints=bands.kpoints @ to_primitive.T)


def set_aside(placed: Sequence[Placed], fraction: float, seed: int) -> tuple[list[Placed], list[Placed]]:
    """Training and validation crystals, the latter about a ``fraction``, at random, those of one formula together.

    Raises ValueError when none would be left to train on.
    """
    if fraction == 0:
        return list(placed), []
    names, formula_of = np.unique([crystal.formula for crystal, _ in placed], return_inverse=True)
    order = np.random.default_rng([seed]).permutation(len(names))
    held = np.cumsum(np.bincount(formula_of)[order])  # crystals of so many formulas
    n = int(np.searchsorted(held, max(1, round(fraction * len(placed))))) + 1
    if n >= len(names):
        raise ValueError(
            f"Of {len(placed)} crystals of {len(names)} formulas, those set aside by validation_fraction={fraction:g} "
            "leave none to train on. Give more, or validation_fraction=0."
        )
    aside: NDArray[np.bool_] = np.isin(formula_of, order[:n])
    parts = [[placed[int(i)] for i in np.flatnonzero(chosen)] for chosen in (~aside, aside)]
    return parts[0], parts[1]


def check_fermi_levels(bands: Sequence[CrystalBands], part: str) -> None:
    """Warn where the Fermi level is not in the middle of a gap; as far as the k-points show it.

    ``part``: of the crystals, "training" or "validation".
    """
    off = np.zeros(len(bands))
    for i, one in enumerate(bands):
        below, above = one.relative[one.relative <= 0], one.relative[one.relative > 0]
        if one.gap > 0 and below.size and above.size:
            off[i] = 0.5 * (below.max() + above.min()) / one.gap
    wrong = np.flatnonzero(np.abs(off) > _OFF_CENTRE)
    if len(wrong):
        worst = int(np.abs(off).argmax())
        warnings.warn(
            f"Of {len(wrong)} {part} crystals with a gap the Fermi level is not its middle; of crystal {worst}, "
            f"{abs(off[worst]):.0%} of the gap away. The model would have to learn where the code leaves it: give "
            "bands.centred().",
            UserWarning,
            stacklevel=3,
        )


def check_device(device: str) -> None:
    """Raise ValueError when PyTorch has no such device."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"PyTorch has no device {device!r} here: {str(error).splitlines()[0]}") from error


def describe(given: GivenCrystal) -> tuple[Crystal, Floats]:
    """The standardised crystal, and the matrix that takes k-points of the one given there."""
    return (given, np.eye(3)) if isinstance(given, Crystal) else standardize(given)


def check_sequence(crystals: Sequence[GivenCrystal]) -> Sequence[GivenCrystal]:
    """The crystals; raises TypeError when one alone is given."""
    if isinstance(crystals, Atoms | Crystal):
        raise TypeError("Crystals must be given as a sequence, a single one as [crystal].")
    return crystals


def one_each(
    name: str, values: ArrayLike | Sequence[ArrayLike], n: int, ndim: int
) -> list[ArrayLike] | Sequence[ArrayLike]:
    """Values for each of ``n`` crystals: those given, or the same for all; raises ValueError for another number."""
    try:
        if np.ndim(values) == ndim:  # type: ignore[arg-type]
            return [values] * n  # type: ignore[list-item]
    except ValueError:  # a list of arrays of several lengths
        pass
    given: Sequence[ArrayLike] = values  # type: ignore[assignment]
    if np.ndim(given[0] if n and len(given) else 0) != ndim or len(given) != n:
        shape = "(n_kpoints, 3)" if ndim == 2 else "(n_kpoints,)"
        raise ValueError(
            f"{name} must be one array {shape} for all crystals, or a sequence of {n} of them, one for each."
        )
    return given
