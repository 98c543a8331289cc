"""Whether the grid of a DOS reaches far enough from the chemical potential for what the temperature excites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, to_numpy
from ldosml.properties.block import Block
from ldosml.properties.fermi_dirac import entropy_weight, log_occupation, occupation, polylogarithms, thermal_weight
from ldosml.properties.spectrum_warnings import TruncatedDOSWarning, caution

Floats = NDArray[np.float64]
Quantity = Literal["electrons", "entropy", "heat capacity", "susceptibility"]

MISSING = 0.01
"""Fraction of a quantity that may lie beyond the grid without a warning. Of electrons: of those within kT of mu."""

_NEGLIGIBLE = 1e-10  # electrons of a structure: there, a wide gap leaves nothing that could be wrong
_NODES = np.linspace(-40.0, 40.0, 801)  # in units of kT
_FARTHEST = 40.0  # kT; what lies further away is lost in rounding


def check_reach(prepared: Block, mu: Array, kT: Floats, quantities: Sequence[Quantity]) -> None:
    """Warn once if states beyond the grid would change one of the quantities by more than ``MISSING``.

    Parameters
    ----------
    prepared : Block
    mu : array (n_structures, n_temperatures)
        eV.
    kT : array (n_temperatures,)
        eV.
    quantities : sequence of str
        What is computed. The scale of each is itself; that of the electrons is kT times the thermal mean of the DOS,
        since these electrons move mu by kT.

    Notes
    -----
    The density above the grid is estimated by the mean of its last electronvolt, or of its last tenth; below it, where
    bands begin, by the first value. With this density, what the same electronvolt adds to a quantity bounds the
    fraction. The quantity is summed only where the bound is too large.
    """
    grid, levels, values = prepared.grid, to_numpy(mu), to_numpy(prepared.whole)
    last = max(2, min(round(1 / grid.step), grid.size // 10))
    ends = (
        _End("ends", "above", grid.stop, (grid.stop - levels) / kT, values[:, -last:].mean(axis=1)),
        _End("begins", "below", grid.start, (levels - grid.start) / kT, values[:, 0]),
    )
    for end in ends:
        x = np.clip(end.distance, 0.0, None)
        beyond, before = _beyond(x), _beyond(np.clip(x - last * grid.step / kT, 0.0, None))
        large = [beyond[name] > MISSING * (before[_scale(name)] - beyond[_scale(name)]) for name in quantities]
        rows = np.flatnonzero((np.any(large, axis=0) & (x < _FARTHEST) & (end.density > 0)[:, None]).any(axis=1))
        if rows.size:
            _report(prepared, end, rows, levels, kT, quantities)


@dataclass(frozen=True, eq=False)
class _End:
    """An end of the grid, its distance from mu in kT (n_structures, n_temperatures), and the density there."""

    verb: str
    side: str
    energy: float
    distance: Floats
    density: Floats


def _scale(name: Quantity) -> Quantity:
    return "susceptibility" if name == "electrons" else name


def _beyond(x: Floats) -> dict[Quantity, Floats]:
    """Integrals from ``x`` >= 0 to infinity of f, of the entropy, of x^2 (-df/dx) and of -df/dx."""
    s1, s2 = (to_numpy(each) for each in polylogarithms(np.exp(-x), 2))
    return {
        "electrons": s1,
        "entropy": x * s1 + 2 * s2,
        "heat capacity": x * x * to_numpy(occupation(x)) + 2 * (x * s1 + s2),
        "susceptibility": to_numpy(occupation(x)),
    }


_WEIGHTS: dict[Quantity, Floats] = {
    "entropy": to_numpy(entropy_weight(_NODES)),
    "heat capacity": _NODES**2 * to_numpy(thermal_weight(_NODES)),
    "susceptibility": to_numpy(thermal_weight(_NODES)),
}


def _report(
    prepared: Block, end: _End, rows: NDArray[np.int64], mu: Floats, kT: Floats, quantities: Sequence[Quantity]
) -> None:
    energies, values = prepared.grid.energies, to_numpy(prepared.whole)
    worst, where, fractions, electrons = MISSING, (0, 0), dict[Quantity, float](), 0.0
    for row in rows:
        for column, thermal in enumerate(kT):
            x = end.distance[row, column]
            missed = end.density[row] * thermal * -float(log_occupation(np.array(-x)))
            if x >= _FARTHEST or missed < _NEGLIGIBLE:
                continue
            density = np.interp(mu[row, column] + thermal * _NODES, energies, values[row], left=0.0, right=0.0)
            missing = {name: end.density[row] * float(found) for name, found in _beyond(np.array(max(x, 0.0))).items()}
            inside = {name: (_NODES[1] - _NODES[0]) * float(density @ weight) for name, weight in _WEIGHTS.items()}
            found = {name: missing[name] / (missing[name] + inside[_scale(name)]) for name in quantities}
            if max(found.values()) > worst:
                worst, where, fractions, electrons = max(found.values()), (int(row), column), found, missed
    if not fractions:
        return
    row, column = where
    thermal, x = float(kT[column]), float(end.distance[row, column])
    kept = {name: fraction for name, fraction in fractions.items() if fraction > MISSING}
    parts = [f"{fraction:.2g} of the {name}" for name, fraction in kept.items() if name != "electrons"]
    if "electrons" in kept:
        what = "electrons" if end.side == "above" else "holes"
        parts.insert(0, f"about {electrons:.3g} {what}, which move mu by about {kept['electrons']:.2g} kT")
    others = f" (and in others of {len(mu)} structures)" if len(rows) > 1 else ""
    caution(
        f"The DOS {end.verb} at {prepared.grid.start if end.side == 'below' else prepared.grid.stop:g} eV, {x:.2g} kT "
        f"{end.side} mu (kT = {thermal:.3g} eV), in structure {row}{others}. States {end.side} it would have "
        f"{', '.join(parts)}. Use more energies, or a lower temperature.",
        TruncatedDOSWarning,
    )
