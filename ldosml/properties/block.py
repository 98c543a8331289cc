"""Spectra ready to be integrated: without negative values, with their interpolants, in blocks that fit a cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, index_like, namespace, to_numpy
from ldosml.energy import EnergyGrid
from ldosml.properties.interpolation import Interpolant
from ldosml.properties.quadrature import is_smooth
from ldosml.properties.repair import nonnegative, structure_values
from ldosml.spectra import DOS, LDOS

Result = TypeVar("Result")

_BLOCK = 3 * 2**15
"""Values of a block: arrays over (rows, energies) of this size stay in a processor's cache, and in the heap."""

_NODES = 32  # about what a quadrature needs for a temperature


@dataclass(frozen=True, eq=False)
class Block:
    """Spectra of some structures.

    Parameters
    ----------
    grid : EnergyGrid
    whole : array (n_structures, n_energies)
        Total DOS, not negative, states/eV.
    shares : array (n_rows, n_energies) or None
        LDOS that add up to ``whole``; None if the rows are the structures.
    index : array (n_rows,) or None
        Structure of each row of ``shares``.
    width : float
        Smearing width, eV; 0 if it is not known, which means not smooth.
    first : int
        Index of the first structure in the whole set, for messages.
    """

    grid: EnergyGrid
    whole: Array
    shares: Array | None
    index: Array | None
    width: float
    first: int = 0

    @classmethod
    def of(cls, spectra: DOS | LDOS, *, one_spin: bool = False) -> Block:
        """Repair spectra (``nonnegative``) and sum them over the atoms.

        Raises ValueError for spectra of one spin, unless ``one_spin`` allows them: the electrons fill both.
        """
        if not one_spin and getattr(spectra, "spin", "summed") != "summed":
            raise ValueError(
                f"This {type(spectra).__name__} counts spin {spectra.spin} only, and this property needs the electrons "
                "of both spins, which share one Fermi level. Sum the spins first: "
                f"{type(spectra).__name__}(up.grid, up.values + down.values, ...)."
            )
        repaired = nonnegative(spectra)
        width = repaired.smearing_width or 0.0
        if isinstance(repaired, LDOS):
            return cls(repaired.grid, structure_values(repaired), repaired.values, repaired.structure_index, width)
        return cls(repaired.grid, repaired.values, None, None, width)

    @property
    def smooth(self) -> bool:
        """Whether cubics join the values; otherwise straight lines."""
        return is_smooth(self.width, self.grid.step)

    @cached_property
    def interpolant(self) -> Interpolant:
        """Interpolant of the structures."""
        return Interpolant.of(self.grid, self.whole, smooth=self.smooth)

    @cached_property
    def rows(self) -> Interpolant:
        """Interpolant of the rows: structures, or atoms."""
        if self.shares is None or self.index is None:
            return self.interpolant
        return Interpolant.shares(self.grid, self.shares, smooth=self.smooth, whole=self.whole, index=self.index)

    def without_shares(self) -> Block:
        """The same structures, a row each."""
        return Block(self.grid, self.whole, None, None, self.width, self.first)

    def of_rows(self, values: Array) -> Array:
        """Values of structures (n_structures, ...), repeated for each row."""
        return values if self.index is None else namespace(values).take(values, index_like(values, self.index), axis=0)

    def blocks(self, n_temperatures: int) -> Iterator[tuple[slice, Block]]:
        """Parts of consecutive structures, small enough for arrays over rows and energies, or rows and temperatures."""
        n_structures = int(self.whole.shape[0])
        atoms = np.arange(n_structures + 1) if self.index is None else self._bounds(self.index, n_structures)
        rows = max(1, _BLOCK // max(self.grid.size, _NODES * n_temperatures))
        start = 0
        while start < n_structures:
            stop = max(start + 1, int(np.searchsorted(atoms, atoms[start] + rows, side="right")) - 1)
            part, own = slice(start, stop), slice(int(atoms[start]), int(atoms[stop]))
            shares = None if self.shares is None else self.shares[own, :]
            index = None if self.index is None else self.index[own] - start
            yield part, Block(self.grid, self.whole[part, :], shares, index, self.width, self.first + start)
            start = stop

    def map(self, function: Callable[[slice, Block], Result], n_temperatures: int) -> list[Result]:
        """Results of function(part, block) for all ``blocks``, in order."""
        return [function(part, block) for part, block in self.blocks(n_temperatures)]

    def _bounds(self, index: Array, n_structures: int) -> NDArray[np.int64]:
        return np.searchsorted(to_numpy(index), np.arange(n_structures + 1))
