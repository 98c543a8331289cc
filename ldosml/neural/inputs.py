"""Checks of the input of estimators: crystals, their bands, k-points and weights."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import ArrayLike, NDArray

from ldosml._validation import ParameterError
from ldosml.kresolved import CrystalBands
from ldosml.neural.crystals import SYMPREC, Crystal, Floats, standardize, standardize_trained
from ldosml.neural.tight_binding import LARGEST, known_shells

GivenCrystal = Atoms | Crystal
Placed = tuple[Crystal, CrystalBands]

_OFF_CENTRE = 0.1  # fraction of a gap; k-points of a mesh may miss its edges


def place_bands(crystals: Sequence[GivenCrystal], bands: Sequence[CrystalBands]) -> list[Placed]:
    """Standardised crystals, and their bands with k-points that refer to these.

    Raises TypeError or ValueError when the numbers of crystals and bands differ, or a crystal is invalid or not in a
    primitive cell.
    """
    crystals = check_sequence(crystals)
    if not len(crystals) == len(bands) > 0:
        raise ValueError(
            f"A fit needs one CrystalBands for each crystal; got {len(crystals)} crystals and {len(bands)} bands."
        )
    return [_placed_one(i, *pair) for i, pair in enumerate(zip(crystals, bands, strict=True))]


def _placed_one(number: int, given: GivenCrystal, bands: CrystalBands) -> Placed:
    if not isinstance(bands, CrystalBands):
        raise TypeError(f"Bands of crystal {number} must be CrystalBands; got {type(bands).__name__}.")
    try:
        crystal, to_primitive = (given, np.eye(3)) if isinstance(given, Crystal) else standardize_trained(given)
    except ValueError as error:
        raise ValueError(f"Crystal {number}: {error}") from error
    if len(crystal) != len(given):
        raise ValueError(
            f"Crystal {number} has {len(given)} atoms, its primitive cell {len(crystal)}. One k-point of a repeated "
            "cell has the states of several k-points of the primitive cell. Compute the bands in the primitive cell."
        )
    return crystal, replace(bands, kpoints=bands.kpoints @ to_primitive.T)


def hold_out(placed: Sequence[Placed], fraction: float, seed: int) -> tuple[list[Placed], list[Placed]]:
    """Split into training and validation crystals at random, about a ``fraction`` for validation, by formula.

    Raises ValueError when no training crystals would be left.
    """
    if fraction == 0:
        return list(placed), []
    names, formula_of = np.unique([crystal.formula for crystal, _ in placed], return_inverse=True)
    order = np.random.default_rng([seed]).permutation(len(names))
    total = np.cumsum(np.bincount(formula_of)[order])  # crystals of the first formulas
    n = int(np.searchsorted(total, max(1, round(fraction * len(placed))))) + 1
    if n >= len(names):
        raise ValueError(
            f"validation_fraction={fraction:g} of {len(placed)} crystals of {len(names)} formulas leaves none for "
            "training. Give more crystals, or validation_fraction=0."
        )
    held_out: NDArray[np.bool_] = np.isin(formula_of, order[:n])
    parts = [[placed[int(i)] for i in np.flatnonzero(chosen)] for chosen in (~held_out, held_out)]
    return parts[0], parts[1]


def check_fermi_levels(bands: Sequence[CrystalBands], part: str) -> None:
    """Warn where the Fermi level is not in the middle of a gap; ``part`` is "training" or "validation"."""
    off = np.zeros(len(bands))
    for i, one in enumerate(bands):
        below, above = one.relative[one.relative <= 0], one.relative[one.relative > 0]
        if one.gap > 0 and below.size and above.size:
            off[i] = 0.5 * (below.max() + above.min()) / one.gap
    wrong = np.flatnonzero(np.abs(off) > _OFF_CENTRE)
    if len(wrong):
        worst = int(np.abs(off).argmax())
        warnings.warn(
            f"The Fermi level of {len(wrong)} {part} crystals is not in the middle of their gap; in crystal {worst} it "
            f"is off by {abs(off[worst]):.0%} of the gap. The model would have to learn where the code puts it: use "
            "bands.centred().",
            UserWarning,
            stacklevel=3,
        )


def check_elements(crystals: Sequence[GivenCrystal], known: Sequence[int], allow_unknown: bool, what: str) -> None:
    """Raise ValueError for elements that are not ``known``, or warn; ``what`` is predicted."""
    present = {int(number) for crystal in crystals for number in crystal.numbers}
    unknown = ", ".join(chemical_symbols[number] for number in sorted(present - set(known)))
    if not unknown:
        return
    if not allow_unknown:
        raise ParameterError(
            "allow_unknown",
            f"is needed for a rough guess: the model was not trained on {unknown}. Or train on crystals with them.",
        )
    message = f"The model was not trained on {unknown}: {what} of crystals with them are guesses."
    warnings.warn(message, UserWarning, stacklevel=3)


def check_shells(crystal: Crystal) -> None:
    """Warn of a crystal for which there is no tight binding."""
    if known_shells(crystal):
        return
    why = (
        f"it has {len(crystal)} atoms, more than {LARGEST}"
        if len(crystal) > LARGEST
        else "the atomic levels of an element are not known"
    )
    message = f"The model has no tight binding for this crystal: {why}. Expect larger errors."
    warnings.warn(message, UserWarning, stacklevel=4)


def check_device(device: str) -> None:
    """Raise ValueError when PyTorch cannot use a device."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"PyTorch cannot use the device {device!r}: {str(error).splitlines()[0]}") from error


def describe(given: GivenCrystal, symprec: float = SYMPREC) -> tuple[Crystal, Floats]:
    """The standardised crystal, and the matrix that transforms k-points of the given cell to it."""
    return (given, np.eye(3)) if isinstance(given, Crystal) else standardize(given, symprec)


def check_sequence(crystals: Sequence[GivenCrystal]) -> Sequence[GivenCrystal]:
    """Return the crystals; raise TypeError for a single crystal."""
    if isinstance(crystals, Atoms | Crystal):
        raise TypeError("Give crystals as a sequence; a single one as [crystal].")
    return crystals


def one_each(
    name: str, values: ArrayLike | Sequence[ArrayLike], n: int, ndim: int
) -> list[ArrayLike] | Sequence[ArrayLike]:
    """Values for each of ``n`` crystals, given for each or once for all; ValueError for another number."""
    try:
        if np.ndim(values) == ndim:  # type: ignore[arg-type]
            return [values] * n  # type: ignore[list-item]
    except ValueError:  # a list of arrays of several lengths
        pass
    given: Sequence[ArrayLike] = values  # type: ignore[assignment]
    if np.ndim(given[0] if n and len(given) else 0) != ndim or len(given) != n:
        shape = "(n_kpoints, 3)" if ndim == 2 else "(n_kpoints,)"
        raise ValueError(
            f"{name} must be one array {shape} for all crystals, or a sequence of {n} arrays, one for each."
        )
    return given
