"""Parameters of tight binding by element: Harrison's universal ones, the start of a fit, and the shipped fit."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import NDArray

from ldosml._files import replacing
from ldosml.tightbinding.shells import N_ELEMENTS, SHELLS, atomic_shells
from ldosml.tightbinding.slater_koster import ETAS, Floats

BY_SHELL = ("shifts", "strengths", "slopes", "overlaps")
"""Names of the parameters of each shell of each element."""

_FORMAT = "ldosml tight-binding parameters"
_WEAK = -1.4  # initial logarithm of the strength of empty s and p, about the mean after a fit
_AWAY = 30.0  # eV, and minus a logarithm


@dataclass(frozen=True, eq=False, repr=False)
class TightBindingParameters:
    """Parameters of tight binding. ``universal`` is Harrison's, on the levels of free atoms; ``fitted`` ships.

    Parameters
    ----------
    shifts : array (119, 5)
        Shifts of the levels of s, p, d, and excited s and p, eV, by atomic number.
    pulls : array (119,)
        Shift of all levels of an atom by a neighbour of each element, relative to a neighbour of its own element, eV:
        the potential of transferred charge. It is the value at the distance d0, and decays as d^-4.
    strengths : array (119, 5)
        Logarithms of factors; a matrix element is multiplied by the geometric mean of the factors of its two shells.
    slopes : array (119, 5)
        Relative change of a matrix element with ln(d / d0), in addition to the universal power of d; the mean over its
        two shells.
    overlaps : array (119, 5)
        1/eV; first-order correction for orbitals that are not orthogonal: squared matrix elements times the mean over
        the two shells.
    factors : array (n_etas,)
        Logarithms of factors of ``ETAS``.

    Examples
    --------
    >>> TightBindingParameters.fitted().missing([14, 58])
    ['Ce']
    """

    shifts: Floats
    pulls: Floats
    strengths: Floats
    slopes: Floats
    overlaps: Floats
    factors: Floats

    @classmethod
    def universal(cls) -> Self:
        """Harrison's parameters for bound shells; unbound ones are decoupled and at high energy.

        Returns
        -------
        TightBindingParameters
        """
        zeros = cls._zeros()
        zeros.shifts[~_bound()], zeros.strengths[~_bound()] = _AWAY, -_AWAY
        return zeros

    @classmethod
    def start(cls) -> Self:
        """Initial parameters of a fit: as ``universal``, with unbound shells at ``EMPTY_LEVEL``, their s and p weak.

        Returns
        -------
        TightBindingParameters
        """
        zeros = cls._zeros()
        weak = ~_bound()
        weak[:, 2] = False
        zeros.strengths[weak] = _WEAK
        return zeros

    @classmethod
    def fitted(cls) -> Self:
        """Parameters fitted to the bands of the shipped training crystals, the same as in the shipped network.

        ``data/scripts/tight_binding_parameters.py`` copied them from its weights.

        Returns
        -------
        TightBindingParameters
            NaN for elements that no crystal of the fit has.
        """
        return cls(**_shipped())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read parameters from a file of ``save``.

        Parameters
        ----------
        path : path

        Returns
        -------
        TightBindingParameters
            NaN for elements that are not in the file.

        Raises
        ------
        FileNotFoundError
            When there is no such file.
        ValueError
            When the file holds something else, or is damaged.
        """
        return cls(**_parsed(Path(path).read_text(), str(path)))

    def save(
        self,
        path: str | Path,
        elements: Iterable[int],
        provenance: dict[str, Any] | None = None,
        *,
        overwrite: bool = False,
    ) -> None:
        """Write the parameters of some elements to a JSON file, by chemical symbol, in single precision.

        Parameters
        ----------
        path : path
        elements : iterable of int
            Atomic numbers of the elements that the fit included.
        provenance : dict, optional
            Where the parameters come from; whatever JSON can hold.
        overwrite : bool, default=False
            Replace a file that is already there.

        Raises
        ------
        FileExistsError
            When the file exists and ``overwrite`` is false.
        """
        content = self._content(sorted({int(number) for number in elements}), provenance or {}, _rounded)
        with replacing(Path(path), overwrite) as file:
            file.write(json.dumps(content, indent=1).encode())

    def to_json(self) -> dict[str, Any]:
        """Exact values, for the elements that have any, as JSON can hold them.

        Returns
        -------
        dict
            What ``from_json`` reads, in the form of a file of ``save``, which has fewer digits.
        """
        return self._content(np.flatnonzero(~np.isnan(self.shifts).any(axis=1)), {}, _exact)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Make parameters of what ``to_json`` gave.

        Parameters
        ----------
        content : dict

        Returns
        -------
        TightBindingParameters

        Raises
        ------
        ValueError
            When ``content`` is something else.
        """
        return cls(**_read(content, "The text"))

    def __repr__(self) -> str:
        """Number of elements, and a checksum of their values."""
        content = self.to_json()
        checksum = zlib.crc32(json.dumps(content).encode())
        return f"TightBindingParameters({len(content['elements'])} elements, checksum {checksum:08x})"

    def missing(self, numbers: Iterable[int]) -> list[str]:
        """Name the elements without parameters, or without levels of the free atom.

        Parameters
        ----------
        numbers : iterable of int
            Atomic numbers.

        Returns
        -------
        list of str
            Chemical symbols.
        """
        levels = atomic_shells()
        lacking = [z for z in sorted({int(z) for z in numbers}) if z not in levels or np.isnan(self.shifts[z]).any()]
        return [chemical_symbols[z] for z in lacking]

    def _content(
        self, elements: Iterable[int], provenance: dict[str, Any], numbers: Callable[[Any], Any]
    ) -> dict[str, Any]:
        by_element = {
            chemical_symbols[z]: {"pull": numbers(self.pulls[z])}
            | {name: numbers(getattr(self, name)[z]) for name in BY_SHELL}
            for z in elements
        }
        return {
            "format": _FORMAT,
            "provenance": provenance,
            "factors": dict(zip(ETAS, numbers(self.factors), strict=True)),
            "elements": by_element,
        }

    @classmethod
    def _zeros(cls) -> Self:
        shifts, strengths, slopes, overlaps = np.zeros((4, N_ELEMENTS, len(SHELLS)))
        return cls(shifts, np.zeros(N_ELEMENTS), strengths, slopes, overlaps, np.zeros(len(ETAS)))


def _bound() -> NDArray[np.bool_]:
    """Whether free atoms bind each shell, (119, 5)."""
    found = np.zeros((N_ELEMENTS, len(SHELLS)), dtype=bool)
    for number, shells in atomic_shells().items():
        found[number, :3] = [shell is not None for shell in shells]
    return found


@cache
def _shipped() -> dict[str, Floats]:
    return _parsed((files("ldosml.tightbinding") / "fitted.json").read_text(), "fitted.json")


def _parsed(text: str, where: str) -> dict[str, Floats]:
    """Arrays of a JSON file by name; ValueError where it holds something else."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{where} holds no parameters of tight binding: {error}.") from error
    return _read(content, where)


def _read(content: Any, where: str) -> dict[str, Floats]:
    """Arrays by name; ValueError where ``content`` is something else."""
    found: dict[str, Floats] = {
        f.name: np.full((N_ELEMENTS, len(SHELLS)), np.nan) for f in fields(TightBindingParameters)
    }
    found["pulls"] = np.zeros(N_ELEMENTS)
    try:
        if content["format"] != _FORMAT:
            raise ValueError(f"its format is {content['format']!r}, not {_FORMAT!r}")
        found["factors"] = np.array([content["factors"][name] for name in ETAS], dtype=np.float64)
        for symbol, values in content["elements"].items():
            number = atomic_numbers[symbol]
            found["pulls"][number] = values["pull"]
            for name in BY_SHELL:
                found[name][number] = np.array(values[name], dtype=np.float64).reshape(len(SHELLS))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{where} holds no parameters of tight binding: {error}.") from error
    return found


def _exact(values: Any) -> Any:
    return np.asarray(values, dtype=np.float64).tolist()


def _rounded(values: Any) -> Any:
    """As float32 writes them: the fit has no more digits."""
    return np.vectorize(lambda value: float(str(np.float32(value))))(values).tolist()
