"""What the output of one DFT run gives: a structure, its bands or its printed DOS, and how they were computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from ldosml.spectra import band_capacity

Floats = NDArray[np.float64]


class ReaderError(ValueError):
    """The output of a run is unknown, unfinished or not fit for a DOS; the message names the file and the reason."""


@dataclass(frozen=True, eq=False)
class ProjectedBands:
    """Eigenvalues on a mesh of k-points and, where they were written, their projections on atoms.

    Parameters
    ----------
    eigenvalues : array (n_spins, n_kpoints, n_bands)
        eV, in the code's own zero; two spins of a spin-polarised run, otherwise one.
    kpoint_weights : array (n_kpoints,)
        Any sum: codes write a sum of 1 or 2, or integers.
    projections : array (n_atoms, n_spins, n_kpoints, n_bands) or None
        Squared projections of each state on each atom, as the code wrote them. They need not add up to 1.
    occupations : array (n_spins, n_kpoints, n_bands) or None
        Of each state, from 0 to 1.
    spinor : bool
        The states are spinors (spin-orbit coupling, non-collinear magnetism): each holds one electron.
    """

    eigenvalues: Floats
    kpoint_weights: Floats
    projections: NDArray[Any] | None = None
    occupations: Floats | None = None
    spinor: bool = False

    @property
    def electrons(self) -> Floats:
        """Electrons that a state holds, (n_kpoints,): its weight times one or two."""
        weights: Floats = self.kpoint_weights / self.kpoint_weights.sum()
        return weights * band_capacity(len(self.eigenvalues), self.spinor)

    @property
    def occupied(self) -> float:
        """Electrons in the states with the code's own occupations; NaN where these are not known."""
        if self.occupations is None:
            return float("nan")
        return float((self.occupations * self.electrons[None, :, None]).sum())


def common_level(levels: Floats, eigenvalues: Floats) -> tuple[float, list[str]]:
    """The Fermi level of both spins, eV, and remarks.

    Parameters
    ----------
    levels : array (n_levels,)
        As the code gave them, eV: one, or one for each spin.
    eigenvalues : array
        eV.

    Returns
    -------
    level : float
        The mean of levels without states between them. NaN for others: no common level has the electrons of each spin.
    remarks : list of str
    """
    low, high = float(np.min(levels)), float(np.max(levels))
    if not ((eigenvalues > low) & (eigenvalues < high)).any():
        return (low + high) / 2, []
    return float("nan"), [
        f"its spins have Fermi levels of their own ({low:.4g} and {high:.4g} eV: was the moment fixed?), so there is "
        "no common one"
    ]


@dataclass(frozen=True, eq=False)
class PrintedDOS:
    """Columns of a DOS that the code broadened itself.

    Parameters
    ----------
    energies : array (n_energies,)
        eV, in the code's own zero, ascending.
    dos : array (n_spins, n_energies) or None
        states/eV; one spin counts both. None where only projections were written.
    integrated : array (n_spins, n_energies) or None
        Electrons up to each energy.
    pdos : array (n_atoms, n_spins, n_energies) or None
        states/eV/atom.
    smearing_width : float or None
        Standard deviation of the code's Gaussian, eV; 0 for tetrahedra; None where not known.
    """

    energies: Floats
    dos: Floats | None
    integrated: Floats | None = None
    pdos: Floats | None = None
    smearing_width: float | None = None

    @property
    def is_finite(self) -> bool:
        """Whether no number is NaN or infinite."""
        columns = (self.energies, self.dos, self.integrated, self.pdos)
        return all(bool(np.isfinite(values).all()) for values in columns if values is not None)


@dataclass(frozen=True, eq=False)
class Run:
    """Output of one DFT run.

    Parameters
    ----------
    path : Path
        The file that was read first.
    code : str
        Name and version of the program.
    structure : Atoms
    n_electrons : float
        Valence electrons, NaN where not known.
    fermi_energy : float
        As the code gave it, eV in the zero of the energies; NaN where not known.
    bands : ProjectedBands or None
    printed : PrintedDOS or None
        At least one of the two is there.
    settings : dict
        Functional, meshes, smearing ...: what JSON can hold. Those that are None, not known, are left out.
    remarks : tuple of str
        What a user should know about this output.
    """

    path: Path
    code: str
    structure: Atoms
    n_electrons: float
    fermi_energy: float
    bands: ProjectedBands | None = None
    printed: PrintedDOS | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check shapes and numbers. Where there are bands, a printed DOS that overflowed is left out."""
        known = {name: value for name, value in self.settings.items() if value is not None}
        object.__setattr__(self, "settings", known)
        printed = self.printed
        if self.bands is not None and printed is not None and not printed.is_finite:
            remark = "its printed DOS overflowed (***) and is not used"
            object.__setattr__(self, "printed", None)
            object.__setattr__(self, "remarks", (*self.remarks, remark))
        if self.bands is None and self.printed is None:
            raise ReaderError(f"{self.path} holds neither eigenvalues nor a DOS.")
        if self.bands is not None:
            _check_bands(self.path, self.bands, len(self.structure))
        if self.printed is not None:
            _check_printed(self.path, self.printed, len(self.structure))

    @property
    def n_spins(self) -> int:
        """2 for a spin-polarised run, otherwise 1."""
        if self.bands is not None:
            return len(self.bands.eigenvalues)
        assert self.printed is not None
        columns = self.printed.dos if self.printed.dos is not None else self.printed.pdos
        assert columns is not None
        return int(columns.shape[-2])

    @property
    def has_projections(self) -> bool:
        """Whether there is an LDOS of every atom."""
        return any(
            part is not None
            for part in (
                None if self.bands is None else self.bands.projections,
                None if self.printed is None else self.printed.pdos,
            )
        )


def _check_bands(path: Path, bands: ProjectedBands, n_atoms: int) -> None:
    shape = bands.eigenvalues.shape
    if len(shape) != 3 or 0 in shape:
        raise ReaderError(f"{path} holds eigenvalues of shape {shape}; expected (n_spins, n_kpoints, n_bands).")
    expected = {
        "k-point weights": (bands.kpoint_weights, shape[1:2]),
        "projections": (bands.projections, (n_atoms, *shape)),
        "occupations": (bands.occupations, shape),
    }
    for name, (values, wanted) in expected.items():
        if values is not None and values.shape != wanted:
            raise ReaderError(f"{path} holds {name} of shape {values.shape}; its eigenvalues and atoms need {wanted}.")
    everything = (bands.eigenvalues, bands.kpoint_weights, bands.projections)
    if not all(np.isfinite(values).all() for values in everything if values is not None):
        raise ReaderError(f"{path} holds bands whose numbers overflowed (***), or are NaN or infinite.")
    if (bands.kpoint_weights < 0).any() or not bands.kpoint_weights.sum() > 0:
        raise ReaderError(
            f"{path} holds k-point weights that are negative or all zero: a DOS needs a mesh with weights."
        )


def _check_printed(path: Path, printed: PrintedDOS, n_atoms: int) -> None:
    size = len(printed.energies)
    if printed.dos is None and printed.pdos is None:
        raise ReaderError(f"{path} holds energies, but no DOS.")
    if size < 4 or not (np.diff(printed.energies) > 0).all():
        raise ReaderError(f"{path} must hold at least 4 ascending energies of a DOS; it has {size}.")
    if printed.pdos is not None and (len(printed.pdos) != n_atoms or printed.pdos.shape[-1] != size):
        raise ReaderError(f"{path} holds a PDOS of shape {printed.pdos.shape} for {n_atoms} atoms and {size} energies.")
    if not printed.is_finite:
        raise ReaderError(f"{path} holds a DOS whose numbers overflowed (***), or are NaN or infinite.")
