"""Densities of states that carry their energy axis: per atom (LDOS) and per structure (DOS).

Both count both spins unless they say otherwise. An LDOS is an atom's share of the DOS of its structure; it is not the
density of states in real space that some programs call by the same name.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import BSpline, make_interp_spline

from ldosml import _html
from ldosml._array import Array, as_float64, index_like, like, namespace, read_only, sum_by_index, to_numpy
from ldosml._plots import drawn
from ldosml._ranges import check_arguments
from ldosml._validation import (
    ParameterError,
    check_choice,
    check_finite,
    check_indices,
    check_number,
    check_shape,
    is_foreign,
    is_number,
    shorten,
)
from ldosml.energy import EnergyGrid
from ldosml.smearing import WIDEST, broaden, smear_eigenvalues
from ldosml.spectrum_files import SpectrumFields, load_spectra, save_spectra

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ase import Atoms
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


Spin = Literal["summed", "up", "down"]
"""Which spins a DOS counts: both, or one of a spin-polarised calculation."""


def band_capacity(n_spins: int, spinor: bool = False) -> int:
    """Electrons that one state of a calculation holds.

    Parameters
    ----------
    n_spins : int
        Number of sets of bands: 2 where spin up and spin down have their own, otherwise 1.
    spinor : bool
        The states are spinors: with spin-orbit coupling or non-collinear magnetism.

    Returns
    -------
    int
        2 where a band stands for both spins, otherwise 1.
    """
    return 1 if spinor or n_spins == 2 else 2


@dataclass(frozen=True, eq=False, repr=False)
class _Spectra:
    """Rows of spectra over one energy grid; ``smearing_width`` (eV) where it is known."""

    grid: EnergyGrid
    values: Array
    smearing_width: float | None = None
    spin: Spin = field(default="summed", kw_only=True)

    def __post_init__(self) -> None:
        check_choice(f"spin of a {type(self).__name__}", self.spin, get_args(Spin))
        object.__setattr__(self, "values", read_only(as_float64(f"values of a {type(self).__name__}", self.values)))
        check_shape(f"values of a {type(self).__name__}", self.values, (None, self.grid.size), self._axes)
        check_finite(f"values of a {type(self).__name__}", self.values)
        width = self.smearing_width
        if width is not None and not (is_number(width) and 0 <= width <= WIDEST):
            raise ValueError(
                f"smearing_width of a {type(self).__name__} must be from 0 to {WIDEST:g} eV, or None where it is not "
                f"known; got {width!r}."
            )

    _axes = "n_spectra, n_energies"

    @property
    def energies(self) -> NDArray[np.float64]:
        """The energies, (n_energies,), eV."""
        return self.grid.energies

    def __len__(self) -> int:
        return int(self.values.shape[0])

    def __repr__(self) -> str:
        width = "unknown smearing" if self.smearing_width is None else f"smeared by {self.smearing_width:g} eV"
        spin = "" if self.spin == "summed" else f"; spin {self.spin}"
        return f"{type(self).__name__}({len(self)} {self._axes.partition(',')[0][2:]}; {self.grid}; {width}{spin})"

    def _repr_html_(self) -> str:
        """What a notebook shows: sizes, energies, smearing, and the spectra."""
        width = "not known" if self.smearing_width is None else f"{self.smearing_width:g} eV"
        rows, unit = self._shown(_html.few_rows(len(self)))
        picture = _html.spectra(self.energies, rows, len(self), self._axes.partition(",")[0][2:-1], unit)
        return _html.page(type(self).__name__, {**self._sizes(), **self.grid.facts(), "smearing": width}, picture)

    def _sizes(self) -> dict[str, object]:
        """Numbers of rows and more, in words, for tables."""
        raise NotImplementedError

    def _shown(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], str]:
        """Some rows as a picture shows them, (n_rows, n_energies), and their unit."""
        return to_numpy(namespace(self.values).take(self.values, index_like(self.values, rows), axis=0)), self._unit

    _unit = "states/eV/atom"

    def plot(self, ax: Axes | None = None, *, structure: int | None = None) -> Figure | None:
        """Draw the spectra: each of up to six; of more their mean, and the range of the middle 90 %.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Draw here, and leave the legend to you.
        structure : int, optional
            Draw this structure only, counted from 0.

        Returns
        -------
        matplotlib.figure.Figure or None
            None with ``ax``.

        Raises
        ------
        ValueError
            When there are no spectra, or ``structure`` is out of range.
        """
        figure: Figure | None = drawn(self, ax, structure=structure)
        return figure

    def cut(self, low: float = -np.inf, high: float = np.inf) -> Self:
        """Keep the energies between ``low`` and ``high``.

        Parameters
        ----------
        low, high : float
            eV.

        Returns
        -------
        LDOS or DOS

        Raises
        ------
        ValueError
            When fewer than two energies are left.
        """
        check_arguments(low=low, high=high)
        return replace(self, grid=self.grid.cut(low, high), values=self.values[:, self.grid.window(low, high)])

    def broaden(self, width: float) -> Self:
        """Convolve with a Gaussian; widths add in quadrature.

        Broaden before you cut: beyond the grid a spectrum counts as zero.

        Parameters
        ----------
        width : float
            Standard deviation, eV.

        Returns
        -------
        LDOS or DOS
        """
        check_number("width", width, least=0, most=WIDEST)
        known = self.smearing_width
        total = None if known is None else float(np.hypot(known, width))
        return replace(self, values=broaden(self.values, self.grid.step, width), smearing_width=total)

    def broaden_to(self, width: float) -> Self:
        """Broaden so that the whole smearing is ``width``.

        Parameters
        ----------
        width : float
            Standard deviation, eV.

        Returns
        -------
        LDOS or DOS

        Raises
        ------
        ValueError
            When the present width is not known, or is larger.
        """
        check_arguments(width=width)
        known = self.smearing_width
        if known is None or known > width * (1 + 1e-9):
            unknown = "of unknown width (give their smearing_width when making or importing them)"
            have = unknown if known is None else f"{known:g} eV wide already"
            raise ValueError(
                f"Cannot broaden to {width:g} eV: the spectra are {have}. Broaden smaller or unsmeared data."
            )
        return replace(self.broaden(np.sqrt(max(0.0, width**2 - known**2))), smearing_width=width)

    def resample(self, grid: EnergyGrid) -> Self:
        """Interpolate to another grid of the same zero by cubic splines.

        Parameters
        ----------
        grid : EnergyGrid

        Returns
        -------
        LDOS or DOS

        Raises
        ------
        ValueError
            When the new grid reaches beyond this one, or has another zero (see ``refer_to``).
        """
        if grid.zero != self.grid.zero:
            raise ValueError(
                f"The zero of the new grid is {grid.zero!r}, the zero of the spectra {self.grid.zero!r}. "
                "Use refer_to, which needs the energy of the new zero for each structure."
            )
        if grid.matches(self.grid):
            return self
        return replace(self, grid=grid, values=_interpolate(self.grid, self.values, [grid.energies], [slice(None)]))

    def _referred(self, zeros: Array, grid: EnergyGrid, rows: Sequence[slice]) -> Self:
        zeros = to_numpy(zeros)
        check_finite("energies of the new zero", zeros)
        energies = [grid.energies + zero for zero in zeros]
        return replace(self, grid=grid, values=_interpolate(self.grid, self.values, energies, rows))

    def _fields(self) -> SpectrumFields:
        raise NotImplementedError

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        structures: Atoms | Sequence[Atoms] | None = None,
        n_electrons: ArrayLike | None = None,
        provenance: Mapping[str, Any] | None = None,
        overwrite: bool = False,
    ) -> Path:
        """Write the spectra; either the whole file appears, or nothing changes.

        Parameters
        ----------
        path : path
            .npz: the arrays ``energies`` (eV), ``zero``, ``spin``, ``smearing_width`` (eV, NaN: not known), ``dos``
            (n_structures, n_energies), states/eV, and where known ``ldos`` (n_environments, n_energies),
            states/eV/atom, ``n_atoms``, ``numbers``, ``n_electrons`` and ``provenance`` (JSON).
            .h5: a dataset, see ``LDOSDataset.load``; spectra in float32.
            .xyz: extended XYZ, which ``ase.io.read`` reads: ``ldos`` as a column of vectors, with 8 decimals;
            ``energies``, ``zero``, ``smearing_width``, ``dos`` and ``n_electrons`` in the comment line.
            .h5 and .xyz hold both spins and refuse one.
        structures : ase.Atoms or sequence of ase.Atoms, optional
            The structures that the spectra belong to, in the same order. Needed for .h5 and .xyz.
        n_electrons : array (n_structures,), optional
            Valence electrons of each structure.
        provenance : dict, optional
            Where the spectra come from: anything that JSON can hold. Not kept in .xyz.
        overwrite : bool
            Replace the file where it exists.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ValueError
            When ``path`` has another ending, when the structures are missing or do not fit the spectra, or
            ``n_electrons`` has another length.
        FileExistsError
            When the file exists and ``overwrite`` is false.
        OSError
            When it cannot be written.
        """
        return save_spectra(path, self._fields(), structures, n_electrons, provenance, overwrite)


@dataclass(frozen=True, eq=False, repr=False)
class DOS(_Spectra):
    """Total densities of states.

    Parameters
    ----------
    grid : EnergyGrid
    values : array (n_structures, n_energies)
        states/eV, of the spins that ``spin`` says.
    smearing_width : float, optional
        Standard deviation of the Gaussian that smeared them, eV.
    n_atoms : array (n_structures,), optional
        Needed by ``per_atom`` only.
    spin : {"summed", "up", "down"}
        Both spins, or one of a spin-polarised calculation.
    """

    n_atoms: Array | None = None

    _axes = "n_structures, n_energies"

    def __post_init__(self) -> None:
        """Check shapes."""
        super().__post_init__()
        if self.n_atoms is not None:
            object.__setattr__(self, "n_atoms", _as_array(self.n_atoms))
            check_shape("n_atoms", self.n_atoms, (len(self),), "n_structures")
            check_arguments(n_atoms=self.n_atoms)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> DOS:
        """Read a DOS that was saved, alone or as the sum of an LDOS.

        Parameters
        ----------
        path : path
            A file that ``DOS.save``, ``LDOS.save`` or ``LDOSDataset.save`` wrote: .npz, .h5 or .xyz.

        Raises
        ------
        FileNotFoundError
            When there is no such file.
        ValueError
            When it has another ending, is damaged, or something in it is missing or does not fit.
        """
        found = load_spectra(path)
        return cls(found.grid, found.dos, found.smearing_width, found.n_atoms, spin=found.spin)

    def _sizes(self) -> dict[str, object]:
        sizes: dict[str, object] = {"structures": len(self)}
        if self.n_atoms is not None:
            sizes["atoms"] = int(to_numpy(self.n_atoms).sum())
        return sizes

    def _shown(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], str]:
        values, unit = super()._shown(rows)
        if self.n_atoms is None:
            return values, "states/eV"
        return values / to_numpy(self.n_atoms)[rows, None], unit

    def _fields(self) -> SpectrumFields:
        n_atoms = None if self.n_atoms is None else to_numpy(self.n_atoms)
        return SpectrumFields(self.grid, self.smearing_width, None, to_numpy(self.values), n_atoms, spin=self.spin)

    def per_atom(self) -> Array:
        """The DOS divided by the number of atoms.

        Returns
        -------
        array (n_structures, n_energies)
            states/eV/atom.

        Raises
        ------
        ValueError
            When the numbers of atoms are not known.
        """
        if self.n_atoms is None:
            raise ValueError("This DOS does not know its numbers of atoms; pass n_atoms=... when making it.")
        return self.values / like(self.values, self.n_atoms)[:, None]

    def refer_to(self, zeros: Array, grid: EnergyGrid) -> DOS:
        """Move each structure to another zero of energy, and resample.

        Parameters
        ----------
        zeros : array (n_structures,)
            Energy of the new zero for each structure, eV in the present zero.
        grid : EnergyGrid
            The new energies, with the new zero. For each structure they must lie within the present energies.

        Returns
        -------
        DOS

        Raises
        ------
        ValueError
            When ``zeros`` has another shape or is not finite, or the grid reaches beyond the present energies.
        """
        check_arguments(zeros=zeros)
        check_shape("zeros", zeros, (len(self),), "n_structures")
        return self._referred(zeros, grid, [slice(s, s + 1) for s in range(len(self))])


@dataclass(frozen=True, eq=False, repr=False)
class LDOS(_Spectra):
    """Atoms' shares of the densities of states of their structures.

    Parameters
    ----------
    grid : EnergyGrid
    values : array (n_environments, n_energies)
        states/eV/atom, of the spins that ``spin`` says; rows atom by atom, structure by structure.
    smearing_width : float, optional
        Standard deviation of the Gaussian that smeared them, eV.
    structure_index : array (n_environments,) of int
        To which structure each row belongs: 0, 0, ..., 1, 1, ... in ascending order without gaps.
    numbers : array (n_environments,) of int, optional
        Atomic numbers of the centres.
    spin : {"summed", "up", "down"}
        Both spins, or one of a spin-polarised calculation.
    """

    structure_index: Array = None  # type: ignore[assignment]  # without it __post_init__ refuses the LDOS
    numbers: Array | None = None

    _axes = "n_environments, n_energies"

    def __post_init__(self) -> None:
        """Check shapes."""
        super().__post_init__()
        if self.structure_index is None:
            raise ValueError("An LDOS needs structure_index, the structure that each row belongs to.")
        object.__setattr__(self, "structure_index", _as_array(self.structure_index))
        index = to_numpy(self.structure_index)
        check_shape("structure_index", index, (len(self),), "n_environments")
        if index.dtype.kind not in "iu":
            raise TypeError(f"structure_index must be integers; got {index.dtype}.")
        steps = np.diff(index, prepend=-1)
        if index.size and (steps.min() < 0 or steps.max() > 1 or index[0] != 0):
            raise ValueError("structure_index must be 0, 0, ..., 1, 1, ...: ascending, without gaps, starting at 0.")
        if self.numbers is not None:
            object.__setattr__(self, "numbers", _as_array(self.numbers))
            check_shape("numbers", self.numbers, (len(self),), "n_environments")
            atomic = to_numpy(self.numbers)
            unknown = atomic[~np.isin(atomic, np.arange(1, 119))]
            if unknown.size:
                raise ValueError(f"numbers must be atomic numbers, 1 to 118; got {unknown[0]}.")

    @classmethod
    def from_eigenvalues(
        cls,
        eigenvalues: Array,
        kpoint_weights: Array,
        atom_weights: Array,
        grid: EnergyGrid,
        width: float,
        *,
        numbers: Array | None = None,
        electrons_per_band: int = 2,
        spin: Spin = "summed",
    ) -> LDOS:
        """Smear the bands of one structure, projected on its atoms (equation 7 of the LDOS paper).

        Parameters
        ----------
        eigenvalues : array (n_kpoints, n_bands)
            eV, in the zero of ``grid``.
        kpoint_weights : array (n_kpoints,)
            Scaled to a sum of 1.
        atom_weights : array (n_atoms, n_kpoints, n_bands)
            Share of each atom in each band. Only where the shares of a band add up to 1 is the sum of the LDOS the DOS.
        grid : EnergyGrid
        width : float
            Standard deviation of the Gaussian, eV.
        numbers : array (n_atoms,) of int, optional
            Atomic numbers.
        electrons_per_band : {1, 2}
            2 for bands without spin. 1 for bands of one spin, and for bands with spin-orbit coupling or non-collinear
            magnetism.
        spin : {"summed", "up", "down"}
            Which spins the bands are of.

        Returns
        -------
        LDOS
            (n_atoms, n_energies), states/eV/atom, of one structure.

        Raises
        ------
        ValueError
            When shapes differ, ``electrons_per_band`` is neither 1 nor 2, or 2 for one spin, or ``width`` is below a
            third of the grid's step.
        """
        check_arguments(kpoint_weights=kpoint_weights, width=width)
        if electrons_per_band not in (1, 2) or (electrons_per_band == 2 and spin != "summed"):
            raise ParameterError(
                "electrons_per_band",
                f"must be 2 for bands of both spins, 1 for spinors and for one spin; got {electrons_per_band!r} for "
                f"spin {spin!r}.",
            )
        eigenvalues, kpoint_weights = as_float64("eigenvalues", eigenvalues), as_float64("weights", kpoint_weights)
        atom_weights = as_float64("atom_weights", atom_weights)
        check_shape("atom_weights", atom_weights, (None, None, None), "n_atoms, n_kpoints, n_bands")
        n_atoms, n_kpoints, n_bands = atom_weights.shape
        check_shape("eigenvalues", eigenvalues, (n_kpoints, n_bands), "n_kpoints, n_bands")
        check_shape("kpoint_weights", kpoint_weights, (n_kpoints,), "n_kpoints")
        xp = namespace(eigenvalues, kpoint_weights, atom_weights)
        # A k-point's weight counts for each of its bands.
        electrons = electrons_per_band * (kpoint_weights / xp.sum(kpoint_weights))[None, :, None] * atom_weights
        values = smear_eigenvalues(
            xp.reshape(eigenvalues, (-1,)), xp.reshape(electrons, (n_atoms, -1)), grid.energies, width
        )
        index = index_like(values, np.zeros(n_atoms))
        return cls(grid, values, width, structure_index=index, numbers=numbers, spin=spin)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> LDOS:
        """Read an LDOS that was saved.

        Parameters
        ----------
        path : path
            A file that ``LDOS.save`` or ``LDOSDataset.save`` wrote: .npz, .h5 or .xyz.

        Raises
        ------
        FileNotFoundError
            When there is no such file.
        ValueError
            When it has another ending, is damaged, holds a DOS only, or something in it does not fit.
        """
        found = load_spectra(path)
        if found.ldos is None or found.n_atoms is None:
            raise ValueError(f"{os.fspath(path)} holds no LDOS with its numbers of atoms. Load it with DOS.load.")
        index = np.repeat(np.arange(len(found.n_atoms)), found.n_atoms)
        return cls(found.grid, found.ldos, found.smearing_width, index, found.numbers, spin=found.spin)

    def _sizes(self) -> dict[str, object]:
        from ase.data import chemical_symbols  # not needed to compute

        sizes: dict[str, object] = {"environments": len(self), "structures": self.n_structures}
        if self.numbers is not None:
            found = zip(*np.unique(to_numpy(self.numbers), return_counts=True), strict=True)
            sizes["elements"] = ", ".join(f"{count} {chemical_symbols[number]}" for number, count in found)
        return sizes

    def _fields(self) -> SpectrumFields:
        numbers = None if self.numbers is None else to_numpy(self.numbers)
        dos = to_numpy(self.total().values)
        return SpectrumFields(
            self.grid, self.smearing_width, to_numpy(self.values), dos, self.n_atoms, numbers, spin=self.spin
        )

    @property
    def n_structures(self) -> int:
        """Number of structures."""
        return int(self.structure_index[-1]) + 1 if len(self) else 0

    @property
    def n_atoms(self) -> NDArray[np.int64]:
        """Number of atoms of each structure, (n_structures,)."""
        return np.bincount(to_numpy(self.structure_index), minlength=self.n_structures)

    def total(self) -> DOS:
        """Sum over the atoms of each structure.

        Returns
        -------
        DOS
            (n_structures, n_energies), states/eV.
        """
        values = sum_by_index(self.values, self.structure_index, self.n_structures)
        return DOS(self.grid, values, self.smearing_width, self.n_atoms, spin=self.spin)

    def of_structure(self, structure: int) -> Array:
        """The LDOS of the atoms of one structure, (n_atoms, n_energies), states/eV/atom.

        Parameters
        ----------
        structure : int
            Its index.

        Returns
        -------
        array (n_atoms, n_energies)
            States/eV/atom.

        Raises
        ------
        IndexError
            When there is no such structure.
        """
        return self.values[self.rows(structure), :]

    def rows(self, structure: int) -> slice:
        """The rows of the atoms of one structure, as a slice.

        Parameters
        ----------
        structure : int
            Its index.

        Returns
        -------
        slice
            Of the rows of ``values``.

        Raises
        ------
        IndexError
            When there is no such structure.
        TypeError
            When it is no whole number.
        """
        if isinstance(structure, bool | np.bool_) or not isinstance(structure, int | np.integer):
            raise TypeError(f"structure must be a whole number, the index of one structure; got {shorten(structure)}.")
        if not 0 <= structure < self.n_structures:
            raise IndexError(f"structure must lie in 0..{self.n_structures - 1}; got {structure}.")
        low, high = np.searchsorted(to_numpy(self.structure_index), [structure, structure + 1])
        return slice(int(low), int(high))

    def select(self, indices: Sequence[int] | Sequence[bool] | NDArray[Any] | slice) -> LDOS:
        """Keep some structures, in the order given.

        Parameters
        ----------
        indices : sequence of int, mask (n_structures,) of bool, or slice

        Returns
        -------
        LDOS

        Raises
        ------
        TypeError, ValueError, IndexError
            For anything else, a mask of another length, and a structure that is not there.
        """
        bounds = np.concatenate([[0], np.cumsum(self.n_atoms)])
        chosen = check_indices(indices, self.n_structures)
        rows = [np.arange(bounds[s], bounds[s + 1]) for s in chosen]
        xp = namespace(self.values)
        take = index_like(self.values, np.concatenate([np.empty(0, dtype=int), *rows]))
        return replace(
            self,
            values=xp.take(self.values, take, axis=0),
            structure_index=index_like(self.values, np.repeat(np.arange(len(chosen)), [len(r) for r in rows])),
            numbers=None if self.numbers is None else xp.take(index_like(self.values, self.numbers), take),
        )

    def refer_to(self, zeros: Array, grid: EnergyGrid) -> LDOS:
        """Move each structure to another zero of energy, and resample.

        Parameters
        ----------
        zeros : array (n_structures,)
            Energy of the new zero for each structure, eV in the present zero.
        grid : EnergyGrid
            The new energies, with the new zero. For each structure they must lie within the present energies.

        Returns
        -------
        LDOS

        Raises
        ------
        ValueError
            When ``zeros`` has another shape or is not finite, or the grid reaches beyond the present energies.
        """
        check_arguments(zeros=zeros)
        check_shape("zeros", zeros, (self.n_structures,), "n_structures")
        return self._referred(zeros, grid, [self.rows(s) for s in range(self.n_structures)])


def _as_array(values: Array) -> Array:
    """Lists and columns of tables as NumPy arrays, arrays as they are."""
    return values if is_foreign(values) else read_only(np.asarray(values))


@lru_cache(maxsize=8)
def _spline_coefficients(size: int) -> NDArray[np.float64]:
    """The matrix that turns values on 0..size-1 into cubic B-spline coefficients (transposed)."""
    coefficients: NDArray[np.float64] = make_interp_spline(np.arange(size), np.eye(size), k=3).c
    return coefficients.T


def _interpolate(
    grid: EnergyGrid, values: Array, energies: Sequence[NDArray[np.float64]], rows: Sequence[slice]
) -> Array:
    """Evaluate the cubic spline through each block of rows of ``values`` at the block's own energies."""
    xp = namespace(values)
    if grid.size < 4:
        raise ValueError(f"Interpolation needs at least 4 energies; the spectra have {grid.size}.")
    coefficients = xp.astype(values, xp.float64) @ like(values, _spline_coefficients(grid.size))
    knots = make_interp_spline(np.arange(grid.size), np.zeros(grid.size), k=3).t
    blocks = []
    for asked, block in zip(energies, rows, strict=True):
        position = (asked - grid.start) / grid.step
        if position[0] < -1e-6 or position[-1] > grid.size - 1 + 1e-6:
            raise ValueError(
                f"Energies from {asked[0]:.3f} to {asked[-1]:.3f} eV are asked for, but the spectra are known "
                f"from {grid.start:.3f} to {grid.stop:.3f} eV only. Ask for a narrower grid."
            )
        basis = BSpline.design_matrix(np.clip(position, 0, grid.size - 1), knots, 3).toarray()
        blocks.append(coefficients[block, :] @ like(values, basis.T))
    return xp.concat(blocks, axis=0) if blocks else like(values, np.empty((0, grid.size)))
