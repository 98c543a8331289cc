"""What numbers public arguments may have: one table, from which checks and a page of the documentation are made.

An argument has one meaning wherever its name stands, so the table is by name. ``check_arguments`` is the first line of
each public function and method that takes one of them. Estimators check their parameters in ``fit``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from ldosml._array import to_numpy
from ldosml._validation import ParameterError, shorten


@dataclass(frozen=True)
class Range:
    """Numbers that an argument may have.

    Parameters
    ----------
    unit : str
        Unit, or what is counted; empty for a number without one.
    above, least, most, below : float
        Bounds: excluded, included, included, excluded.
    whole : bool
        Whole numbers only.
    many : bool
        An array may be given, each of whose numbers is in the range.
    unknown : bool
        NaN may stand for what is not known.
    infinite : bool
        Infinity within the bounds may stand for no bound.
    also : tuple of int
        Numbers beside the range.
    types : tuple of type
        What may be given instead of a number.
    hint : str
        What to do, for the message.
    """

    unit: str = ""
    above: float = -inf
    least: float = -inf
    most: float = inf
    below: float = inf
    whole: bool = False
    many: bool = False
    unknown: bool = False
    infinite: bool = False
    also: tuple[int, ...] = ()
    types: tuple[type, ...] = ()
    hint: str = ""

    @property
    def words(self) -> str:
        """The range in words: "a whole number of at least 1"."""
        unit = f" {self.unit}" if self.unit else ""
        count = self.whole and self.least == 1
        if self.above == 0 and min(self.most, self.below) >= _SANE and not self.many:
            found = f"a positive number{unit and ' of' + unit}"
        else:
            bounds = [
                f"above {self.above:g}{unit}" if self.above > -inf else "",
                f"at least {self.least:g}{unit}"
                if self.least > -inf and (self.least != -self.most or self.most < _SANE) and not count
                else "",
                f"at most {self.most:g}{unit}" if self.most < _SANE else "",
                f"below {self.below:g}{unit}" if self.below < inf else "",
                "" if self.infinite or self.whole or min(self.most, self.below) < _SANE else "finite",
            ]
            found = " and ".join(filter(None, bounds))
            if self.whole or self.infinite:
                kind = f"{'positive ' * count}{'whole ' * self.whole}number"
                found = f"{kind}s {found}" if self.many else f"a {kind} {found}"
        extra = [f"{value}" for value in self.also] + [f"a NumPy {each.__name__}" for each in self.types]
        return " or ".join([found.strip(), *extra, *["NaN where not known"] * self.unknown])

    def holds(self, values: np.ndarray) -> np.ndarray:
        """Whether each number is in the range."""
        inside = (values > self.above) & (values >= self.least) & (values <= self.most) & (values < self.below)
        if self.infinite:
            inside |= np.isinf(values)
        elif self.above == self.least == -inf or self.most == self.below == inf:
            inside &= np.isfinite(values)
        if self.whole:
            inside &= np.isfinite(values) & (values == np.round(values))
        if self.unknown:
            inside |= np.isnan(values)
        return np.asarray(inside | np.isin(values, self.also))


_SANE = 1e3  # larger upper bounds keep senseless numbers out; words leave them to the message about one

_COUNT = Range(least=1, most=1e12, whole=True)
_INDEX = Range(least=0, most=1e9, whole=True)
_ENERGY = Range("eV", least=-1e6, most=1e6)
_LIMIT = Range("eV", least=-1e6, most=1e6, infinite=True)
_WIDTH = Range("eV", above=0, most=1e3)

RANGES: dict[str, Range] = {
    # Physics
    "temperature": Range("K", above=0, most=1e9, many=True, hint="For T -> 0 use fermi_level."),
    "temperatures": Range("K", above=0, most=1e9, many=True, hint="For T -> 0 use fermi_level."),
    "n_electrons": Range(above=0, most=1e9, many=True),
    "n_atoms": Range(least=1, most=1e12, whole=True, many=True),
    "doping": Range(least=-1e30, most=1e30, many=True),
    "volumes": Range("angstrom^3", above=0, most=1e15, many=True),
    "mu": Range("eV", least=-1e6, most=1e6, many=True),
    "fermi_energy": Range("eV", least=-1e6, most=1e6, many=True, unknown=True),
    "tolerance": Range(least=0, below=1, many=True),
    "photon_energies": Range("eV", least=0, most=1e6, many=True),
    "division": Range("eV", least=-1e6, most=1e6, many=True),
    # Energies and smearing
    "level": _ENERGY,
    "lowest": _ENERGY,
    "low": _LIMIT,
    "high": _LIMIT,
    "width": _WIDTH,
    "widths": Range("eV", above=0, most=1e3, many=True),
    "smearing_width": _WIDTH,
    "smearing_widths": Range("eV", least=0, most=1e3, many=True),
    "half_width": _WIDTH,
    "window": _WIDTH,
    "depth": _WIDTH,
    "energy": _ENERGY,
    "step": Range("eV", above=0, most=1e3),
    "zeros": Range("eV", least=-1e6, most=1e6, many=True),
    "kpoint_weights": Range(least=0, most=1e12, many=True),
    # Distances
    "r_cut": Range("angstrom", above=0, most=1e6),
    "radius": Range("angstrom", above=0, most=1e6),
    "radii": Range("angstrom", above=0, most=1e6, many=True),
    "least": Range(least=0, most=1e6),
    "atom_sigma": Range("angstrom", above=0, most=1e3),
    "symprec": Range("angstrom", above=0, most=1),
    "k_density": Range("points per inverse angstrom", above=0, most=1e3),
    # Counts
    "n_jobs": Range(least=1, most=1024, whole=True, also=(-1,), hint="-1 takes all cores."),
    "n": _COUNT,
    "batch_size": _COUNT,
    "n_draws": _COUNT,
    "n_splits": Range(least=2, most=1e9, whole=True),
    "n_sizes": _COUNT,
    "n_bins": Range(least=2, most=1e6, whole=True),
    "n_energies": _COUNT,
    "n_features": _COUNT,
    "n_alphas": _COUNT,
    "n_environments": _COUNT,
    "n_structures": _COUNT,
    "n_bands": _COUNT,
    "n_path": Range(least=1, whole=True),
    "n_kpoints": Range(least=1, whole=True),
    "mesh": Range(least=1, most=1e4, whole=True),
    "n_vectors": _COUNT,
    "n_steps": _COUNT,
    "n_species": _COUNT,
    "upsample": Range(least=1, most=64, whole=True),
    "ratio": _COUNT,
    "factor": Range(least=1, most=1e6, whole=True),
    "band": _INDEX,
    "deeper": _INDEX,
    "sizes": Range(least=1, most=1e12, whole=True, many=True),
    "chunk_size": _COUNT,
    "selection_rows": _COUNT,
    "device_memory": Range("bytes", least=0, most=1e18),
    "checkpoint_every": _COUNT,
    "random_state": Range(least=0, most=2**32 - 1, whole=True, types=(np.random.Generator, np.random.RandomState)),
    # Fractions and weights
    "coverage": Range(above=0, below=1),
    "test_size": Range(above=0, below=1, many=True),
    "validation_size": Range(above=0, below=1),
    "share": Range(least=0, most=1),
    "threshold": Range(above=0, most=1e9),
    "tau": Range(above=0, most=1e6),
    "leave_out_fraction": Range(above=0, most=1),
    "power": Range(least=0, most=1),
    "ldos_weight": Range(above=0, most=1e30),
    "size_exponent": Range(least=-10, most=10),
    "penalty": Range(least=0, most=1e12),
    "alpha": Range(above=0, most=1e30, many=True, hint="Without it, a fit to two equal points is singular."),
    "alphas": Range(above=0, most=1e30, many=True),
    "alpha_smoothing": Range(least=0, most=1e9),
    "degree": Range(least=1, most=100, whole=True),
    "gamma": Range(above=0, most=1e30),
    "coef0": Range(least=0, most=1e30),
    "timeout": Range("s", above=0, most=1e7),
    "dpi": Range(above=0, most=1e4),
}
"""By the names of arguments."""


def check_arguments(**given: Any) -> None:
    """Raise ParameterError, which names the argument, unless each one given is in its range of ``RANGES``.

    Raises TypeError for what is no number. None passes: what it stands for is the function's. Arrays on other devices
    are copied to be checked.
    """
    for name, value in given.items():
        _check(name, name, value)


def check_attributes(owner: object, *, but: tuple[str, ...] = ()) -> None:
    """Check the attributes of an object that are in the table, as ``check_arguments`` does; errors name its class."""
    for name, value in vars(owner).items():
        if name in RANGES and name not in but:
            _check(name, f"{name} of {type(owner).__name__}", value)


def _check(argument: str, name: str, value: Any) -> None:
    allowed = RANGES[argument]
    if value is None or isinstance(value, allowed.types):
        return
    if isinstance(value, float | int) and not isinstance(value, bool):  # nearly always
        try:
            values = np.asarray(float(value))
        except OverflowError:  # of a whole number
            values = np.asarray(inf if value > 0 else -inf)
    else:
        try:
            values = np.asarray(to_numpy(value))
        except (TypeError, ValueError):
            values = np.asarray("")
        if values.dtype.kind not in "iuf" or (values.ndim and not allowed.many):
            raise TypeError(f"{name} must be {allowed.words}; got {shorten(value)}.")
    bad = np.flatnonzero(~allowed.holds(values))
    if bad.size:
        first = values.ravel()[bad[0]]
        words = (
            f"at most {allowed.most:g} {allowed.unit}".rstrip()
            if _SANE <= allowed.most < first < inf
            else allowed.words
        )
        place = f" at place {bad[0]} of {values.size}" if values.ndim else ""
        hint = f" {allowed.hint}" if allowed.hint else ""
        raise ParameterError(name, f"must be {words}; got {first:g}{place}.{hint}")
