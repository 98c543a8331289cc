"""The Fermi level of the electrons against a level that came with the DOS."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, Numbers, as_float64, to_numpy
from ldosml._validation import check_shape
from ldosml.properties.block import Block
from ldosml.properties.gap import default_edges, hidden_gap
from ldosml.properties.spectrum_warnings import FermiLevelWarning, SpinConventionWarning, caution
from ldosml.spectra import DOS

_FEW = 0.1  # a gap that holds the electrons to this fraction is named
_SPIN = 0.05  # fraction by which half or double the electrons may be missed
_WHOLE = 0.15  # electrons by which a whole filled shell may be missed
_EXACT = 1e-9  # relative rounding of a whole number of electrons
_HALF, _PART = 0.5, 0.005  # electrons, and part of them, by which a count of a gap without a given level may be off
_CLEAR = 0.5  # eV; a gap wider than this is no ripple
_NEAR = 1.5  # eV; a gap at this distance from a level is looked for
_TAIL = 3.0  # smearing widths from the edge of a band to the end of its tail, see ``band_gap``
_UNKNOWN = 0.3  # eV, that instead, where the smearing is not known
_SEEN = 1e-9  # eV; a hidden gap is one, of no width
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
    prepared: Block,
    number: Array,
    level: Array,
    in_gap: Array,
    given: NDArray[np.float64] | None,
    kT: float,
    tolerance: float,
) -> None:
    """Warn once if levels from the electrons (n_structures,) differ from the levels ``given`` (n_structures,).

    They may differ by the larger of the grid's step, the smearing and ``kT``, and by any energy within one gap. Where
    they do not, or no level is given, warn if a whole ``number`` misses the electrons of a gap by a small error.
    ``in_gap`` (n_structures,) tells whether the electrons are those of a gap as they are.
    """
    found, inside, count = to_numpy(level), to_numpy(in_gap), to_numpy(number)
    wanted = np.full(len(found), np.nan) if given is None else given
    allowed = max(prepared.grid.step, prepared.width, kT)
    off = np.isfinite(wanted) & (np.abs(found - wanted) > allowed)
    whole = ~off & ~inside & (np.abs(count - count.round()) < _EXACT * count)
    rows = np.flatnonzero(off | whole)
    if not rows.size:
        return
    checked = _Levels.of(prepared, rows, count, found, wanted, inside)
    bad = np.flatnonzero(np.where(whole[rows], checked.beside_a_gap(tolerance), ~checked.in_one_gap(allowed)))
    if not bad.size:
        return
    distance = np.nan_to_num(np.abs(checked.level - checked.given), nan=0.0)
    worst = int(bad[np.argmax(distance[bad])])
    category, words = checked.words(worst, tolerance)
    others = f" (so in {bad.size} of {len(found)} structures; this one differs most)" if len(found) > 1 else ""
    start = f"The Fermi level from the electrons of structure {int(rows[worst])} is {checked.level[worst]:.3f} eV"
    caution(f"{start}{words[0]}{others}. {words[1]}", category)


@dataclass(frozen=True, eq=False)
class _Levels:
    """Levels of some structures, (n_rows,): from the electrons and given, the states below, and gaps near them."""

    dos: DOS
    level: NDArray[np.float64]
    given: NDArray[np.float64]
    number: NDArray[np.float64]
    in_gap: NDArray[np.bool_]
    held: NDArray[np.float64]
    below: NDArray[np.float64]
    around_level: Edges
    near: Edges
    in_near: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        prepared: Block,
        rows: NDArray[np.int64],
        number: NDArray[np.float64],
        level: NDArray[np.float64],
        given: NDArray[np.float64],
        in_gap: NDArray[np.bool_],
    ) -> _Levels:
        values = to_numpy(prepared.whole)[rows]
        part = Block(prepared.grid, values, None, None, prepared.width)
        dos = DOS(prepared.grid, values, prepared.width or None)
        near = _nearest_gap(dos, np.where(np.isnan(given[rows]), level[rows], given[rows]))
        middle = np.clip(near.middle, prepared.grid.start, prepared.grid.stop)
        known = np.where(np.isnan(given[rows]), level[rows], given[rows])
        counts = to_numpy(part.interpolant.count(np.stack([level[rows], known, middle], axis=1)))
        around = Edges(*map(to_numpy, default_edges(dos, level[rows])))
        hidden = to_numpy(hidden_gap(dos, level[rows]))
        around = Edges(around.low, np.where(hidden, around.low + _SEEN, around.high))
        return cls(
            dos, level[rows], given[rows], number[rows], in_gap[rows], counts[:, 0], counts[:, 1], around, near,
            counts[:, 2],
        )  # fmt: skip

    def in_one_gap(self, allowed: float) -> NDArray[np.bool_]:
        """Whether both levels are those of one gap, (n_rows,).

        The level given may be at one of its edges, which the smearing has moved into the gap. The level from the
        electrons may not be in the tail of a band: few electrons put it there, which are an error of the count.
        """
        low, high = self.around_level.low, self.around_level.high
        width = self.dos.smearing_width
        settled = self.in_gap | _inner(self.level, self.around_level) | (high - low <= 2 * allowed)
        reach = allowed + (_TAIL * width if width else np.where(self.in_gap, _UNKNOWN, 0.0))
        at_gap = (self.given >= low - reach) & (self.given <= high + reach)
        return self.around_level.open & settled & at_gap

    def beside_a_gap(self, tolerance: float) -> NDArray[np.bool_]:
        """Whether a wide gap holds the electrons but for a small error, and the level is not in it, (n_rows,)."""
        off = np.abs(self.in_near - self.number)
        wide = self.near.high - self.near.low > max(_CLEAR, 2 * _TAIL * (self.dos.smearing_width or 0.0))
        small = (off > tolerance * self.number) & (off < np.minimum(_HALF, _PART * self.number))
        return self.near.open & wide & small & ~_inner(self.level, self.near)

    def words(self, row: int, tolerance: float) -> tuple[type[FermiLevelWarning], tuple[str, str]]:
        """Levels and states, and the likely cause."""
        gap = self._gap(row, tolerance)
        if np.isnan(self.given[row]):
            return FermiLevelWarning, (f", in a band; n_electrons is {self.number[row]:.6g}", gap)
        levels = (
            f", and the level given is {self.given[row]:.3f} eV",
            f"Below them the DOS holds {self.held[row]:.6g} and {self.below[row]:.6g} states; n_electrons is "
            f"{self.number[row]:.6g}.",
        )
        category, cause = self._cause(row, gap)
        return category, (levels[0], f"{levels[1]} {cause}")

    def _cause(self, row: int, gap: str) -> tuple[type[FermiLevelWarning], str]:
        ratio = float(self.below[row] / self.number[row])
        for factor, words in ((0.5, "half"), (2.0, "twice")):
            if abs(ratio / factor - 1) < _SPIN:
                return SpinConventionWarning, (
                    f"Likely cause: up to the level given the DOS holds {words} the electrons given. A DOS here counts "
                    "both spins, and n_electrons all valence electrons."
                )
        reasons = [self._shells(row), self._spike(row)]
        likely = " ".join(f"Possible cause: {reason}." for reason in reasons if reason)
        nothing = "The level, the DOS and n_electrons do not belong together: check where each comes from."
        return FermiLevelWarning, " ".join(filter(None, [gap, likely])) or nothing

    def _gap(self, row: int, tolerance: float) -> str:
        off = abs(float(self.in_near[row] / self.number[row]) - 1)
        if not self.near.open[row] or not tolerance < off < _FEW:
            return ""
        low, high = self.near.low[row], self.near.high[row]
        digit = 10.0 ** math.floor(math.log10(1.2 * off))
        enough = math.ceil(1.2 * off / digit) * digit
        where = "A gap near it reaches" if np.isnan(self.given[row]) else "The level given is in a gap"
        return (
            f"{where} from {low:.3f} to {high:.3f} eV, and the {self.in_near[row]:.6g} states below it differ from "
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
        place = 1 + int(np.argmax(np.where(sharp, values[1:-1], 0.0)))
        if not sharp.any() or grid.step * values[place] < abs(self.number[row] - self.in_near[row]) / 2:
            return ""
        return (
            f"a spike at {grid.energies[place]:g} eV, narrower than the step of the grid, which counts as "
            f"{grid.step * values[place]:.3g} states whatever it holds: use a finer grid, smear it, or take the code's "
            "own integrated DOS"
        )


@dataclass(frozen=True, eq=False)
class Edges:
    """Edges of the gap around some energies, (n_rows,), eV; equal without a gap."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @property
    def open(self) -> NDArray[np.bool_]:
        """Whether there is a gap, (n_rows,)."""
        return self.high > self.low

    @property
    def middle(self) -> NDArray[np.float64]:
        """Middle, (n_rows,); an energy in the gap if it goes on to the end of the grid."""
        return (self.low + self.high) / 2


def _inner(energies: NDArray[np.float64], gap: Edges) -> NDArray[np.bool_]:
    """Whether energies are in the inner half of a gap, where no tail of a band reaches."""
    result: NDArray[np.bool_] = np.abs(energies - gap.middle) <= (gap.high - gap.low) / 4
    return result


def _nearest_gap(dos: DOS, energies: NDArray[np.float64]) -> Edges:
    """Edges of the gap around each energy, or of the first one within ``_NEAR`` above or below it."""
    low, high = energies.copy(), energies.copy()
    steps = np.arange(0.0, _NEAR + dos.grid.step, max(dos.grid.step, _NEAR / 50))
    for shift in np.stack([steps, -steps], axis=1).ravel():
        left = np.flatnonzero(~(high > low))
        if not left.size:
            break
        part = DOS(dos.grid, dos.values[left], dos.smearing_width)
        at = np.clip(energies[left] + shift, dos.grid.start, dos.grid.stop)
        first, last = map(to_numpy, default_edges(part, at))
        some = np.isfinite(first) & np.isfinite(last) & (last > first)
        low[left], high[left] = np.where(some, first, low[left]), np.where(some, last, high[left])
    return Edges(low, high)
