"""Inputs of the properties: spectra, chemical potentials and temperatures with matching shapes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, Numbers, as_float64, index_like, like, namespace, to_numpy
from ldosml._validation import check_finite, check_shape
from ldosml.energy import EnergyGrid
from ldosml.spectra import DOS, LDOS
from ldosml.units import BOLTZMANN


@dataclass(frozen=True)
class Temperatures:
    """One temperature or several, and the shape of the results."""

    kelvin: NDArray[np.float64]
    single: bool

    @classmethod
    def of(cls, temperature: Numbers) -> Temperatures:
        """Check a number, or an array (n_temperatures,), in kelvin.

        Raises ValueError unless all are finite and above zero, TypeError unless they are numbers.
        """
        kelvin = to_numpy(as_float64("temperature", temperature))
        if kelvin.ndim > 1 or not kelvin.size:
            raise ValueError(f"temperature must be a number or a list of numbers, in K; got shape {kelvin.shape}.")
        bad = kelvin[~(np.isfinite(kelvin) & (kelvin > 0))]
        if bad.size:
            raise ValueError(
                f"temperature must be above 0 K and finite; got {bad.ravel()[0]:g}. For T -> 0 use fermi_level."
            )
        return cls(np.atleast_1d(kelvin), kelvin.ndim == 0)

    @property
    def kT(self) -> NDArray[np.float64]:
        """eV, (n_temperatures,)."""
        return BOLTZMANN * self.kelvin

    def shaped(self, values: Array) -> Array:
        """``values`` (n_rows, n_temperatures, ...), without the axis of temperatures for a single one."""
        return values[:, 0, ...] if self.single else values


def check_spectra(spectra: object) -> None:
    """Raise TypeError for anything but a DOS or an LDOS."""
    if not isinstance(spectra, DOS | LDOS):
        raise TypeError(f"Properties need a DOS or an LDOS; got {type(spectra).__name__}. Use DOS(grid, values).")


def n_structures(spectra: DOS | LDOS) -> int:
    """Number of structures."""
    check_spectra(spectra)
    return spectra.n_structures if isinstance(spectra, LDOS) else len(spectra)


def rows_of(per_structure: Array, spectra: DOS | LDOS) -> Array:
    """Values of structures (n_structures, ...), repeated for each row; a row of an LDOS is an atom."""
    if isinstance(spectra, DOS):
        return per_structure
    return namespace(per_structure).take(per_structure, index_like(per_structure, spectra.structure_index), axis=0)


def potentials(spectra: DOS | LDOS, mu: Array, temperatures: Temperatures) -> Array:
    """Check chemical potentials; (n_structures, n_temperatures), eV, where the spectra are.

    ``mu`` has the shape that ``chemical_potential`` returns for these temperatures: (n_structures,) for a single one,
    otherwise (n_structures, n_temperatures). A number is used for all structures and temperatures.
    """
    expected: tuple[int, ...] = (n_structures(spectra),)
    if not temperatures.single:
        expected += (len(temperatures.kelvin),)
    axes = "n_structures, n_temperatures"[: 12 if temperatures.single else None]
    array = per_structure("mu", mu, spectra, expected, axes)
    return namespace(array).reshape(array, (n_structures(spectra), -1))


def per_structure(name: str, values: Numbers, spectra: DOS | LDOS, expected: tuple[int, ...], axes: str) -> Array:
    """``values`` in float64 where the spectra are, of shape ``expected``; a number is used for all structures."""
    array = as_float64(name, values)
    if array.ndim == 0:
        array = namespace(array).broadcast_to(array, expected)
    check_shape(name, array, expected, axes)
    check_finite(name, array)
    return like(spectra.values, array)


def check_within(name: str, energies: Array, grid: EnergyGrid) -> None:
    """Raise ValueError for energies (n_structures,) that are not on the grid."""
    host = to_numpy(energies)
    outside = np.flatnonzero((host < grid.start) | (host > grid.stop))
    if outside.size:
        worst = int(outside[0])
        raise ValueError(
            f"{name} of structure {worst} is {host[worst]:g} eV, beyond the grid of {grid}. Is it in the grid's zero?"
        )


def electrons(spectra: DOS | LDOS, n_electrons: Numbers) -> Array:
    """Check numbers of valence electrons: (n_structures,), above zero, where the spectra are."""
    array = per_structure("n_electrons", n_electrons, spectra, (n_structures(spectra),), "n_structures")
    host = to_numpy(array)
    if (host <= 0).any():
        worst = int(np.argmax(host <= 0))
        raise ValueError(
            f"n_electrons must be above zero; structure {worst} has {host[worst]:g}. Count the valence electrons in "
            "the DOS: 4 per atom for silicon with a pseudopotential."
        )
    return array
