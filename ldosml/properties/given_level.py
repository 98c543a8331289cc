"""The Fermi level of the electrons against a level that came with the DOS."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, Numbers, as_float64, to_numpy
from ldosml._validation import check_shape
from ldosml.properties.block import Block
from ldosml.properties.gap import TOLERANCE as GAP_TOLERANCE
from ldosml.properties.gap import gap_edges, typical_dos
from ldosml.properties.spectrum_warnings import FermiLevelWarning, SpinConventionWarning, caution
from ldosml.spectra import DOS

_FEW = 0.1  # a gap that holds the electrons to this fraction is named
_SPIN = 0.05  # fraction by which half or double the electrons may be missed
_WHOLE = 0.15  # electrons by which a whole filled shell may be missed
_SPIKE = 4.0  # a value this many times larger than both neighbours is a spike


def given_levels(prepared: Block, fermi_energy: Numbers | None) -> NDArray[np.float64] | None:
    """Levels that came with the DOS, (n_structures,), eV, NaN where not known; None if no level is known.

    Raises ValueError if ``fermi_energy`` has another shape, is infinite or not on the grid.
    """
    count, grid = int(prepared.whole.shape[0]), prepared.grid
    if fermi_energy is None:
        inside = grid.zero == "fermi" and grid.start <= 0 <= grid.stop
        return np.zeros(count) if inside else None
    array = to_numpy(as_float64("fermi_energy", fermi_energy))
    levels = np.full(count, float(array)) if array.ndim == 0 else array
    check_shape("fermi_energy", levels, (count,), "n_structures")
    outside = np.flatnonzero((levels < grid.start) | (levels > grid.stop))
    if outside.size:
        worst = int(outside[0])
        raise ValueError(
            f"fermi_energy of structure {worst} is {levels[worst]:g} eV, beyond the grid of {grid}. It must be in the "
            "zero of the grid (0 eV if that is the Fermi level), or NaN where it is not known."
        )
    return None if np.isnan(levels).all() else levels


def check_level(
    prepared: Block, number: Array, level: Array, given: NDArray[np.float64], kT: float, tolerance: float
) -> None:
    """Warn once if levels from the electrons (n_structures,) differ from the levels ``given`` (n_structures,).

    They may differ by the larger of the grid's step, the smearing and ``kT``, and by any energy within one gap.
    """
    known = np.flatnonzero(np.isfinite(given))
    found, wanted = to_numpy(level)[known], given[known]
    allowed = max(prepared.grid.step, prepared.width, kT)
    far = np.flatnonzero(np.abs(found - wanted) > allowed)
    if not far.size:
        return
    rows = known[far]
    checked = _Levels.of(prepared, rows, to_numpy(number), to_numpy(level), given)
    distance = checked.distance()
    bad = np.flatnonzero(distance > allowed)
    if not bad.size:
        return
    worst = int(bad[np.argmax(distance[bad])])
    category, cause = checked.cause(worst, tolerance)
    others = f" (so in {bad.size} of {len(given)} structures; this one differs most)" if len(given) > 1 else ""
    caution(
        f"The Fermi level from the electrons of structure {int(rows[worst])} is {checked.level[worst]:.3f} eV, and "
        f"the level given is {checked.given[worst]:.3f} eV{others}. Below them the DOS holds {checked.held[worst]:.6g} "
        f"and {checked.below[worst]:.6g} states; n_electrons is {checked.number[worst]:.6g}. {cause}",
        category,
    )


@dataclass(frozen=True, eq=False)
class _Levels:
    """Levels of some structures, (n_rows,): from the electrons and given, the states below, and gaps around them."""

    dos: DOS
    level: NDArray[np.float64]
    given: NDArray[np.float64]
    number: NDArray[np.float64]
    held: NDArray[np.float64]
    below: NDArray[np.float64]
    around_level: tuple[NDArray[np.float64], NDArray[np.float64]]
    around_given: tuple[NDArray[np.float64], NDArray[np.float64]]

    @classmethod
    def of(
        cls,
        prepared: Block,
        rows: NDArray[np.int64],
        number: NDArray[np.float64],
        level: NDArray[np.float64],
        given: NDArray[np.float64],
    ) -> _Levels:
        values = to_numpy(prepared.whole)[rows]
        part = Block(prepared.grid, values, None, None, prepared.width)
        counts = part.interpolant.count(np.stack([level[rows], given[rows]], axis=1))
        dos = DOS(prepared.grid, values, prepared.width or None)
        return cls(
            dos,
            level[rows],
            given[rows],
            number[rows],
            to_numpy(counts[:, 0]),
            to_numpy(counts[:, 1]),
            _edges(dos, level[rows]),
            _edges(dos, given[rows]),
        )

    def distance(self) -> NDArray[np.float64]:
        """Energy from each level to the gap around the other, (n_rows,), eV: the smaller of both."""
        return np.minimum(_outside(self.level, *self.around_given), _outside(self.given, *self.around_level))

    def cause(self, row: int, tolerance: float) -> tuple[type[FermiLevelWarning], str]:
        """The likely cause, in words."""
        ratio = float(self.below[row] / self.number[row])
        for factor, words in ((0.5, "half"), (2.0, "twice")):
            if abs(ratio / factor - 1) < _SPIN:
                return SpinConventionWarning, (
                    f"Likely cause: up to the level given the DOS holds {words} the electrons given. A DOS here counts "
                    "both spins, and n_electrons all valence electrons."
                )
        reasons = [self._shells(row), self._spike(row)]
        likely = " ".join(f"Possible cause: {reason}." for reason in reasons if reason)
        gap = self._gap(row, ratio, tolerance)
        nothing = "The level, the DOS and n_electrons do not belong together: check where each comes from."
        return FermiLevelWarning, " ".join(filter(None, [gap, likely])) or nothing

    def _gap(self, row: int, ratio: float, tolerance: float) -> str:
        low, high = (float(edge[row]) for edge in self.around_given)
        if not (high > low and math.isfinite(high - low)) or abs(ratio - 1) > _FEW:
            return ""
        off = abs(ratio - 1)
        digit = 10.0 ** math.floor(math.log10(1.2 * off))
        enough = math.ceil(1.2 * off / digit) * digit
        return (
            f"The level given is in a gap from {low:.3f} to {high:.3f} eV, and the states below it differ from "
            f"n_electrons by {off:.2g} of them, more than tolerance={tolerance:g}. With tolerance={enough:.1g} the "
            "level in this gap is used."
        )

    def _shells(self, row: int) -> str:
        lack = float(self.number[row] - self.below[row])
        pairs = 2 * round(lack / 2)
        if pairs == 0 or abs(lack - pairs) > _WHOLE:
            return ""
        if pairs > 0:
            return (
                f"the energies begin above {pairs} electrons of filled (semicore) shells, which n_electrons counts: "
                "leave them out of n_electrons, or begin lower"
            )
        return f"n_electrons leaves out {-pairs} electrons of filled (semicore) shells that the DOS holds"

    def _spike(self, row: int) -> str:
        values, grid = to_numpy(self.dos.values)[row], self.dos.grid
        beside = np.maximum(values[:-2], values[2:])
        sharp = (values[1:-1] > _SPIKE * beside) & (grid.energies[1:-1] < max(self.given[row], self.level[row]))
        if not sharp.any():
            return ""
        place = 1 + int(np.argmax(np.where(sharp, values[1:-1], 0.0)))
        return (
            f"a spike at {grid.energies[place]:g} eV, narrower than the step of the grid, which counts as "
            f"{grid.step * values[place]:.3g} states whatever it holds: use a finer grid, smear it, or take the code's "
            "own integrated DOS"
        )


def _edges(dos: DOS, energies: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = gap_edges(dos, energies, GAP_TOLERANCE * typical_dos(dos, energies))
    return to_numpy(low), to_numpy(high)


def _outside(energies: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(0.0, np.maximum(low - energies, energies - high))
