"""The energy axis: uniform, in eV, with a stated zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ldosml import _html
from ldosml._ranges import check_arguments
from ldosml._validation import check_choice, check_finite, check_number, check_positive, is_number

Zero = Literal["fermi", "average_potential", "vacuum", "code"]
"""What an energy of zero means: the Fermi level, the average electrostatic potential, the vacuum level, or
whatever the program that made the data uses (which may differ from structure to structure)."""


_ZEROS: dict[Zero, str] = {
    "fermi": "Fermi level",
    "average_potential": "average electrostatic potential",
    "vacuum": "vacuum level",
    "code": "the DFT code's own zero",
}


FINEST_STEP, COARSEST_STEP = 1e-4, 1.0
"""Range of the step of an energy axis, eV: a step beyond it is of another unit."""

# Names of units, and what one of them is in eV
_UNITS = {
    "joule": 6.241509e18,
    "hartree": 27.211386,
    "rydberg": 13.605693,
    "kcal/mol": 0.04336410,
    "kJ/mol": 0.01036427,
    "meV": 1e-3,
    "1/cm": 1.239842e-4,
}
_USUAL_STEP, _USUAL_SPAN = (5e-4, 0.5), (1.0, 200.0)  # eV, of a DOS

_FARTHEST = 1e6  # eV; core levels of the heaviest atoms are at -1e5

MOST_ENERGIES = 10_000_000
"""Largest size of an energy axis; a DOS has hundreds or thousands of energies."""


@dataclass(frozen=True, repr=False)
class EnergyGrid:
    """A uniform energy axis.

    Parameters
    ----------
    start, step : float
        First energy, and distance between two of 1e-4 to 1, eV.
    size : int
        Number of energies.
    zero : {"fermi", "average_potential", "vacuum", "code"}
        The meaning of zero.

    Raises
    ------
    ValueError
        When the start is not finite, or the step is beyond its range: the message has the likely unit.

    Examples
    --------
    >>> grid = EnergyGrid.from_range(-1.0, 1.0, 0.5, zero="fermi")
    >>> grid.energies
    array([-1. , -0.5,  0. ,  0.5,  1. ])
    """

    start: float
    step: float
    size: int
    zero: Zero

    def __post_init__(self) -> None:
        check_number("start of an EnergyGrid", self.start, least=-_FARTHEST, most=_FARTHEST)
        check_positive("step of an EnergyGrid", self.step, "eV")
        check_choice("zero of an EnergyGrid", self.zero, get_args(Zero))
        if not is_number(self.size) or self.size < 2 or int(self.size) != self.size:
            raise ValueError(f"size of an EnergyGrid must be a whole number of energies, at least 2; got {self.size}.")
        if self.size > MOST_ENERGIES:
            raise ValueError(
                f"An EnergyGrid should have at most {MOST_ENERGIES:,} energies; got {self.size:,}. Is the step, "
                f"{self.step:g}, in eV?"
            )
        if not FINEST_STEP * (1 - 1e-9) <= self.step <= COARSEST_STEP * (1 + 1e-9):
            raise ValueError(
                f"step of an EnergyGrid must be {FINEST_STEP:g} to {COARSEST_STEP:g} eV; got {self.step:.6g}. "
                f"{_likely_unit(self.step, self.size)}"
            )

    @classmethod
    def from_array(cls, energies: ArrayLike, zero: Zero) -> EnergyGrid:
        """Make a grid from the energies that a file or another program gives.

        Parameters
        ----------
        energies : array (n_energies,)
            Ascending, eV.
        zero : {"fermi", "average_potential", "vacuum", "code"}
            The meaning of zero.

        Returns
        -------
        EnergyGrid

        Raises
        ------
        ValueError
            If the energies are not finite, ascending and uniform: to a thousandth of the step, or to a unit of their
            last decimal where they are printed with 3 to 5 decimals.

        Examples
        --------
        >>> EnergyGrid.from_array([-1.0, -0.667, -0.333, 0.0], "code")
        EnergyGrid(start=-1, step=0.3333333333, size=4, zero='code')
        """
        values = np.asarray(energies, dtype=float)
        if values.ndim != 1 or values.size < 2:
            raise ValueError(f"energies must be a 1-D array of at least 2 values; got shape {values.shape}.")
        check_finite("energies", values)
        step = float((values[-1] - values[0]) / (values.size - 1))
        deviation = float(np.abs(values - (values[0] + step * np.arange(values.size))).max())
        if step <= 0 or deviation > max(1e-3 * step, _rounding(values, step)):
            raise ValueError(
                f"energies must ascend in equal steps; the mean step is {step:.6g} eV and the largest deviation from "
                f"a uniform grid {deviation:.3g} eV. Reverse them where they descend, or interpolate to a uniform grid."
            )
        return cls(float(values[0]), step, values.size, zero)

    @classmethod
    def from_range(cls, low: float, high: float, step: float, zero: Zero) -> EnergyGrid:
        """Make the grid low, low + step, ... up to ``high``.

        Parameters
        ----------
        low, high : float
            First and last energy, eV. ``high`` is included if it falls on the grid.
        step : float
            eV.
        zero : {"fermi", "average_potential", "vacuum", "code"}
            The meaning of zero.

        Returns
        -------
        EnergyGrid

        Raises
        ------
        ValueError
            If the step is not positive, or there are fewer than two energies.
        """
        check_arguments(low=low, high=high, step=step)
        return cls(float(low), float(step), int(np.floor((high - low) / step + 1e-6)) + 1, zero)

    @property
    def energies(self) -> NDArray[np.float64]:
        """All energies, (size,), eV."""
        found = self.start + self.step * np.arange(self.size)
        # A step of 0.05 eV gives 0.15, not 0.15000000000000002. What is no rounding error is kept.
        rounded, error = np.round(found, 10), 4 * np.finfo(float).eps * np.abs(found).max()
        result: NDArray[np.float64] = np.where(np.abs(rounded - found) <= error, rounded, found)
        return result

    @property
    def edges(self) -> NDArray[np.float64]:
        """Ends of the bins whose centres are the energies, (size + 1,), eV.

        >>> EnergyGrid(-0.5, 1.0, 2, "fermi").edges.tolist()
        [-1.0, 0.0, 1.0]
        """
        found: NDArray[np.float64] = self.start + self.step * (np.arange(self.size + 1, dtype=np.float64) - 0.5)
        return found

    @property
    def stop(self) -> float:
        """The last energy, eV."""
        return float(self.energies[-1])

    def __len__(self) -> int:
        return self.size

    def __repr__(self) -> str:
        return f"EnergyGrid(start={self.start:.10g}, step={self.step:.10g}, size={self.size}, zero={self.zero!r})"

    def __str__(self) -> str:
        return f"{self.size} energies from {self.start:g} to {self.stop:g} eV, step {self.step:g}, zero: {self.zero}"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return _html.page("EnergyGrid", self.facts())

    def facts(self) -> dict[str, str]:
        """Energies and zero in words, for tables.

        Returns
        -------
        dict of str
            By "energies" and "zero".
        """
        return {
            "energies": f"{self.size}, from {self.start:g} to {self.stop:g} eV, step {self.step:g} eV",
            "zero": _ZEROS[self.zero],
        }

    def window(self, low: float = -np.inf, high: float = np.inf) -> slice:
        """Find the energies between two limits.

        Parameters
        ----------
        low, high : float
            Limits, eV; both are included.

        Returns
        -------
        slice
            Of ``energies``.

        Raises
        ------
        ValueError
            If fewer than two energies are left.
        """
        check_arguments(low=low, high=high)
        inside = np.flatnonzero((self.energies >= low - 1e-9) & (self.energies <= high + 1e-9))
        if inside.size < 2:
            raise ValueError(f"No energies between {low:g} and {high:g} eV in a grid of {self}.")
        return slice(int(inside[0]), int(inside[-1]) + 1)

    def cut(self, low: float = -np.inf, high: float = np.inf) -> EnergyGrid:
        """Keep the part of the grid between two limits.

        Parameters
        ----------
        low, high : float
            Limits, eV; both are included.

        Returns
        -------
        EnergyGrid

        Raises
        ------
        ValueError
            If fewer than two energies are left.
        """
        check_arguments(low=low, high=high)
        part = self.window(low, high)
        return EnergyGrid(float(self.energies[part.start]), self.step, part.stop - part.start, self.zero)

    def finer(self, ratio: int) -> EnergyGrid:
        """Divide every step into equal parts.

        Parameters
        ----------
        ratio : int
            Number of parts.

        Returns
        -------
        EnergyGrid
            From the same first to the same last energy. Its step may be below 1e-4 eV.
        """
        check_arguments(ratio=ratio)
        result = object.__new__(EnergyGrid)  # past the check of the step, which asks for the unit
        parts = {"start": self.start, "step": self.step / ratio, "size": (self.size - 1) * ratio + 1, "zero": self.zero}
        for name, value in parts.items():
            object.__setattr__(result, name, value)
        return result

    def matches(self, other: EnergyGrid) -> bool:
        """Tell whether two grids are the same.

        Parameters
        ----------
        other : EnergyGrid

        Returns
        -------
        bool
            True if the energies agree to a thousandth of a step, and the zeros agree.
        """
        return (
            self.zero == other.zero
            and self.size == other.size
            and abs(self.start - other.start) < 1e-3 * self.step
            and abs(self.stop - other.stop) < 1e-3 * self.step
        )

    def require_match(self, other: EnergyGrid, what: str) -> None:
        """Raise an error unless two grids match.

        Parameters
        ----------
        other : EnergyGrid
        what : str
            What has these grids, for the message.

        Raises
        ------
        ValueError
            If they do not match. The message names both grids.
        """
        if not self.matches(other):
            raise ValueError(f"{what} must share one energy grid; got {self}, and {other}. Resample one of them.")


def _likely_unit(step: float, size: int) -> str:
    """A question, and what to do: the units in which step and span would be usual."""
    fitting = [
        (name, factor)
        for name, factor in _UNITS.items()
        if _USUAL_STEP[0] <= step * factor <= _USUAL_STEP[1]
        and _USUAL_SPAN[0] <= step * factor * (size - 1) <= _USUAL_SPAN[1]
    ]
    if not fitting:
        return "Give energies in eV, as many as the DOS has features."
    names = " or ".join(name for name, _ in fitting)
    factors = " or ".join(f"{factor:.7g}" for _, factor in fitting)
    return f"Are the energies in {names}? Then multiply them, and divide the DOS, by {factors}."


def _rounding(values: NDArray[np.float64], step: float) -> float:
    """By how much energies of an even axis may be off it since they are printed with 3 to 5 decimals, eV; otherwise 0.

    Each energy is rounded by up to half a unit of the last decimal. So are both ends, which give the step. A level that
    was subtracted from all of them may have more decimals.
    """
    values = values - values[0]
    for decimals in (3, 4, 5):
        unit = 10.0**-decimals
        if unit < step / 2 and np.abs(values - values.round(decimals)).max() < 1e-9:
            return 1.01 * unit
    return 0.0
