"""Several datasets brought to common ground: one smearing, one zero of energy, one grid."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from ldosml._ranges import check_arguments
from ldosml._validation import Caution, ParameterError
from ldosml.datasets.alignment import onsets
from ldosml.datasets.concatenation import code_of, concatenate
from ldosml.energy import EnergyGrid, Zero
from ldosml.smearing import same_width
from ldosml.spectra import DOS, LDOS

if TYPE_CHECKING:
    from ldosml.datasets.dataset import LDOSDataset

_STEPS_A_WIDTH = 2
"""A spectrum smeared by w has next to nothing (exp(-2 pi^2)) beyond the frequencies that steps of w/2 tell apart."""

_TOLD = 0.02
"""Fraction of the energies that may be cut off at the top without a word."""


class CommonGroundWarning(Caution):
    """Something of the datasets is lost on common ground: energies, or their label noise."""


Spectra = TypeVar("Spectra", LDOS, DOS)


def make_alike(
    datasets: Sequence[LDOSDataset],
    smearing_width: float | None = None,
    zero: Zero | None = None,
    labels: Sequence[str] | None = None,
) -> list[LDOSDataset]:
    """Bring datasets to one smearing, one zero of energy and one grid, if no information is lost.

    Spectra are broadened to the widest smearing, moved to the Fermi level where their zeros differ, cut to the energies
    that all have, and interpolated to the coarsest step where that tells all of them apart. Datasets that are alike
    already are not changed.

    Parameters
    ----------
    datasets : sequence of LDOSDataset
    smearing_width : float, optional
        eV, at least the widest. Default: the widest.
    zero : {"fermi", "average_potential", "vacuum", "code"}, optional
        The zero. Default: theirs where they share one, otherwise "fermi". Spectra against the code's zero share it only
        if one code made them, as the provenance tells. If it does not tell, and Fermi energies are lacking, they are
        taken to share it.
    labels : sequence of str, optional
        What to call them in messages. Default: "dataset 1" and so on.

    Returns
    -------
    list of LDOSDataset

    Raises
    ------
    ValueError
        When a width or a Fermi energy that is needed is not known, a spectrum is too wide already, states or the
        resolution of a spectrum would be lost, or no energies would be left; the message names the dataset.

    Warns
    -----
    CommonGroundWarning
        When energies that some of them have are cut off.
    """
    check_arguments(smearing_width=smearing_width)
    if not datasets:
        raise ValueError("datasets is empty; pass at least one.")
    names = [f"dataset {number + 1}" for number in range(len(datasets))] if labels is None else list(labels)
    smeared = _smeared_alike(datasets, smearing_width, names)
    zero = _common_zero(smeared, zero)
    first = smeared[0].grid
    if first.zero == zero and all(first.matches(data.grid) for data in smeared):
        return smeared  # nothing is cut
    zeros = [_zeros(data, zero, name) for data, name in zip(smeared, names, strict=True)]
    low, high = _common_range(smeared, zeros, zero, names)
    grid = _common_grid(smeared, zero, low, high)
    for data, name in zip(smeared, names, strict=True):
        _require_resolution(data, grid, name)
    alike = [_moved(data, own, grid) for data, own in zip(smeared, zeros, strict=True)]
    _tell_cuts(smeared, alike, zero, names)
    return alike


def join_alike(
    datasets: Sequence[LDOSDataset],
    smearing_width: float | None = None,
    zero: Zero | None = None,
    labels: Sequence[str] | None = None,
) -> LDOSDataset:
    """Join datasets of different smearing, zero of energy or grid, brought to common ground first.

    Parameters and errors: see ``make_alike``. ``label_noise`` is kept where all agree.

    Parameters
    ----------
    datasets : sequence of LDOSDataset
    smearing_width : float, optional
        eV. Default: the widest of theirs.
    zero : {"fermi", "average_potential", "vacuum", "code"}, optional
        Default: theirs where they share one, otherwise "fermi".
    labels : sequence of str, optional
        What to call them in messages.

    Returns
    -------
    LDOSDataset

    Warns
    -----
    CommonGroundWarning
        As ``make_alike``; when the datasets have different label noise, so that the joined dataset has none.

    Examples
    --------
    >>> from ase import Atoms
    >>> from ldosml import LDOSDataset
    >>> one, other = (
    ...     LDOSDataset.from_arrays([Atoms("H")], [-1, 0, 1, 2], dos=[[0, 1, 0, 0]], names=[name], smearing_width=0.1)
    ...     for name in ("a", "b")
    ... )
    >>> join_alike([one, other.broaden_to(0.5)]).smearing_width
    0.5
    """
    check_arguments(smearing_width=smearing_width)
    joined = concatenate(make_alike(datasets, smearing_width, zero, labels))
    if joined.label_noise is None and any(data.label_noise is not None for data in datasets):
        warnings.warn(
            "The datasets have different label noise. The label noise of the joined dataset is not known.",
            CommonGroundWarning,
            stacklevel=2,
        )
    return joined


def _smeared_alike(datasets: Sequence[LDOSDataset], asked: float | None, names: Sequence[str]) -> list[LDOSDataset]:
    known = [data.smearing_width for data in datasets if data.smearing_width is not None]
    if asked is None and len(known) < len(datasets):
        if not known:
            return list(datasets)
        unknown = names[[data.smearing_width for data in datasets].index(None)]
        raise ValueError(
            f"smearing_width differs: {unknown} does not state it, others are up to {max(known):g} eV wide. Import "
            "that dataset again with its smearing_width, or leave it out."
        )
    width = max(known) if asked is None else asked
    smeared = []
    for data, name in zip(datasets, names, strict=True):
        try:
            smeared.append(data if same_width(data.smearing_width, width) else data.broaden_to(width))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return smeared


def _common_zero(datasets: Sequence[LDOSDataset], asked: Zero | None) -> Zero:
    """The zero asked for, or the zero that all share, or the Fermi level.

    The zeros of two codes are different. Those of codes that are not known may be: then the Fermi level is the zero if
    all Fermi energies are known.
    """
    if asked is not None:
        return asked
    present = {data.grid.zero for data in datasets}
    if len(present) > 1:
        return "fermi"
    (zero,) = present
    codes = {code_of(data) for data in datasets}
    if zero != "code" or len(datasets) == 1 or codes in ({code} for code in codes - {None}):
        return zero
    alike = all(data.provenance and data.provenance == datasets[0].provenance for data in datasets)
    unknown = any(np.isnan(data.fermi_energy).any() for data in datasets)
    return "code" if alike or (unknown and len(codes - {None}) < 2) else "fermi"


def _tell_cuts(datasets: Sequence[LDOSDataset], alike: Sequence[LDOSDataset], zero: Zero, names: Sequence[str]) -> None:
    """Warn where energies of a dataset are cut off at which it is complete."""
    grid = alike[0].grid
    cut = []
    for data, name in zip(datasets, names, strict=True):
        high = data.complete_range(zero)[1]
        if high > grid.stop + _TOLD * (grid.stop - grid.start):
            cut.append(f"{name} from {high:.1f} to {grid.stop:.1f} eV")
    if cut:
        warnings.warn(
            f"Energies above what all datasets have are cut off (zero: {zero}): {', '.join(cut)}.",
            CommonGroundWarning,
            stacklevel=4,
        )


def _zeros(data: LDOSDataset, zero: Zero, name: str) -> NDArray[np.float64]:
    """Energy of the new zero of each structure, (n_structures,), eV in the present one."""
    if data.grid.zero == zero:
        return np.zeros(len(data))
    unknown = np.isnan(data.fermi_energy)
    if zero == "fermi" and not unknown.any():
        return data.fermi_energy
    lacking = (
        f"the Fermi energy of its structure {data.names[int(np.argmax(unknown))]!r} is not known"
        if zero == "fermi"
        else f"it does not hold the energy of {zero!r}"
    )
    raise ParameterError(
        "zero",
        f"cannot be {zero!r}: the energies of {name} are relative to {data.grid.zero!r}, and {lacking}. Choose another "
        f"zero, or leave {name} out.",
    )


def _common_range(
    datasets: Sequence[LDOSDataset], zeros: Sequence[NDArray[np.float64]], zero: Zero, names: Sequence[str]
) -> tuple[float, float]:
    """Lowest and highest energy (eV against the zero) that all have and up to which all are complete."""
    ranges = [data.complete_range(zero) for data in datasets]
    low, high = max(start for start, _ in ranges), min(stop for _, stop in ranges)
    if high - low < max(data.grid.step for data in datasets):
        each = "; ".join(f"{name}, {start:g} to {stop:g}" for name, (start, stop) in zip(names, ranges, strict=True))
        raise ValueError(f"The datasets share no energies (eV, zero: {zero}): {each}. Leave out what ends early.")
    late = names[[start for start, _ in ranges].index(low)]
    # The code's own zero is often another one in another cell, such as one with vacuum.
    elsewhere = "" if zero == "fermi" else "move all to zero='fermi', "
    for data, own, name in zip(datasets, zeros, names, strict=True):
        first = onsets(data.dos) - own
        if low > first.min() + data.grid.step:
            raise ValueError(
                f"The energies of {late} begin at {low:g} eV (zero: {zero}), above the first states of structure "
                f"{data.names[int(np.argmin(first))]!r} of {name} at {first.min():g} eV, which would be lost. Leave "
                f"one out, {elsewhere}or cut off all states below {low:g} eV first."
            )
    return low, high


def _common_grid(datasets: Sequence[LDOSDataset], zero: Zero, low: float, high: float) -> EnergyGrid:
    """The coarsest step between ``low`` and ``high``: where one stands already, otherwise at multiples of it."""
    step = max(data.grid.step for data in datasets)
    for data in datasets:
        if data.grid.zero == zero and data.grid.step > step * (1 - 1e-6):
            return data.grid.cut(low, high)
    return EnergyGrid.from_range(round(float(np.ceil(low / step - 1e-7)) * step, 10), high, step, zero)


def _within(grid: EnergyGrid) -> tuple[float, float]:
    """Ends of a grid, a thousandth of a step beyond: what ``EnergyGrid.matches`` lets pass."""
    return grid.start - 1e-3 * grid.step, grid.stop + 1e-3 * grid.step


def _stands_on(grid: EnergyGrid, other: EnergyGrid) -> bool:
    """Tell whether a grid of the same zero holds the energies of the other, and no others between them."""
    return grid.zero == other.zero and grid.cut(*_within(other)).matches(other)


def _require_resolution(data: LDOSDataset, grid: EnergyGrid, name: str) -> None:
    moved = data.grid.zero != grid.zero and abs(data.grid.step - grid.step) < 1e-6 * grid.step
    width = data.smearing_width
    if moved or _stands_on(data.grid, grid) or (width or 0.0) * (1 + 1e-6) >= _STEPS_A_WIDTH * grid.step:
        return
    raise ValueError(
        f"grid differs: {name} has {data.grid}, and would be interpolated to steps of {grid.step:g} eV, which loses "
        f"nothing only where the smearing is {_STEPS_A_WIDTH * grid.step:g} eV or more; it is "
        f"{'not known' if width is None else f'{width:g} eV'}. Broaden all to that, or leave out what has the coarser "
        "energies."
    )


def _moved(data: LDOSDataset, zeros: NDArray[np.float64], grid: EnergyGrid) -> LDOSDataset:
    def change(spectra: Spectra) -> Spectra:
        if data.grid.zero != grid.zero:
            return spectra.refer_to(zeros, grid)
        return spectra.cut(*_within(grid)) if _stands_on(data.grid, grid) else spectra.resample(grid)

    return data.change_spectra(
        change,
        fermi_energy=data.fermi_energy - zeros,
        energy_max=data.energy_max - zeros,
    )
