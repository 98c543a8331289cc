"""Runs as levels: energies, the electrons that they hold, and the atoms to which these belong.

Bands are levels as they stand. A printed DOS becomes one level for each step of its axis, with the electrons of the
step: from the integrated column where there is one, since a sum over the printed values misses semicore spikes or
counts them twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array
from ldosml._ranges import check_arguments
from ldosml._validation import check_choice
from ldosml.energy import EnergyGrid
from ldosml.readers.run import Floats, PrintedDOS, ProjectedBands, ReaderError, Run
from ldosml.smearing import smear_eigenvalues
from ldosml.spectra import DOS, LDOS, Spin

_OUTSIDE = 1e-3  # fraction of the electrons that may lie below a printed PDOS
_NOWHERE = 1e-6  # a state that is projected to less than this says nothing about how it is divided


@dataclass(frozen=True, eq=False)
class Levels:
    """Levels of one run, of all spins in one list.

    Parameters
    ----------
    energies : array (n_levels,)
        eV, in the code's own zero.
    spins : array (n_levels,) of int
        0, or 1 for spin down.
    electrons : array (n_levels,)
        Electrons that a level holds.
    projected : array (n_atoms, n_levels) or None
        Those that the code projected on each atom.
    top : float
        eV; above it levels are missing.
    width : float or None
        Standard deviation of the Gaussian that smeared them already, eV; 0 for bands; None where not known.
    below : float
        Electrons below the first level, which are not listed.
    """

    energies: Floats
    spins: NDArray[np.int64]
    electrons: Floats
    projected: NDArray[np.floating] | None
    top: float
    width: float | None
    below: float = 0.0

    def of_spin(self, spin: int) -> Levels:
        """Levels of one spin.

        Parameters
        ----------
        spin : int
            0, or 1 for spin down.

        Returns
        -------
        Levels
        """
        check_choice("spin", spin, (0, 1))
        chosen = self.spins == spin
        projected = None if self.projected is None else self.projected[:, chosen]
        return Levels(
            self.energies[chosen], self.spins[chosen], self.electrons[chosen], projected, self.top, self.width
        )

    @property
    def shares(self) -> Floats:
        """Electrons of each level that belong to each atom, (n_atoms, n_levels); they add up to all.

        Projections are scaled level by level. A level that is projected on no atom is shared equally.
        """
        assert self.projected is not None
        sums = self.projected.sum(axis=0)
        some = sums > _NOWHERE * self.electrons
        factors = np.where(some, self.electrons / np.where(some, sums, 1.0), 0.0)
        shares = np.asarray(self.projected * factors, dtype=np.float64)
        shares[:, ~some] = self.electrons[~some] / len(shares)
        return shares

    def projected_fraction(self, energy: float) -> float:
        """Fraction of the electrons below an energy that the code projected on atoms.

        Parameters
        ----------
        energy : float
            eV; NaN for all levels.

        Returns
        -------
        float
            NaN where there are no levels.
        """
        assert self.projected is not None
        chosen = self.energies <= (np.inf if np.isnan(energy) else energy)
        total = self.electrons[chosen].sum()
        return float(self.projected[:, chosen].sum() / total) if total > 0 else float("nan")

    def count(self, energy: float) -> float:
        """Electrons in the levels up to an energy, and in levels below the first.

        Parameters
        ----------
        energy : float
            eV; NaN where it is not known.

        Returns
        -------
        float
            NaN where the energy is not known.
        """
        if np.isnan(energy):
            return float("nan")
        return self.below + float(self.electrons[self.energies <= energy].sum())


def levels_of(run: Run) -> Levels:
    """Levels of the bands of a run, or without bands of its printed DOS.

    Where the bands have no projections, but a PDOS of the atoms was printed, a level is divided as the PDOS at its
    energy.

    Parameters
    ----------
    run : Run

    Returns
    -------
    Levels
    """
    if run.bands is None:
        assert run.printed is not None  # a run has one of the two
        return _levels_of_columns(run.printed)
    levels = _levels_of_bands(run.bands)
    if run.bands.projections is None and run.printed is not None and run.printed.pdos is not None:
        return _divided(levels, run.printed)
    return levels


def _divided(levels: Levels, printed: PrintedDOS) -> Levels:
    """Levels with the projections of a printed PDOS, unless levels that count lie below its first energy."""
    assert printed.pdos is not None
    energies = printed.energies
    if levels.electrons[levels.energies < energies[0]].sum() > _OUTSIDE * levels.electrons.sum():
        return levels
    projected = np.zeros((len(printed.pdos), len(levels.energies)))
    for spin in range(printed.pdos.shape[1]):
        chosen = levels.spins == spin
        asked = levels.energies[chosen]
        whole = (printed.pdos.sum(axis=0) if printed.dos is None else printed.dos)[spin]
        total = np.interp(asked, energies, whole, left=0, right=0)
        for atom, column in enumerate(printed.pdos[:, spin]):
            part = np.clip(np.interp(asked, energies, column, left=0, right=0), 0, None)
            projected[atom, chosen] = levels.electrons[chosen] * np.where(
                total > 0, part / np.where(total > 0, total, 1), 0
            )
    return replace(levels, projected=projected, top=min(levels.top, float(energies[-1])))


def _levels_of_bands(bands: ProjectedBands) -> Levels:
    counted = bands.kpoint_weights > 0  # k-points of weight zero lie along lines
    energies = bands.eigenvalues[:, counted]
    n_spins, n_kpoints, n_bands = energies.shape
    held = np.broadcast_to(bands.electrons[None, counted, None], energies.shape).ravel()
    projected = None
    if bands.projections is not None:
        projected = bands.projections[:, :, counted].reshape(len(bands.projections), -1) * held
    spins = np.repeat(np.arange(n_spins), n_kpoints * n_bands)
    return Levels(energies.ravel(), spins, held, projected, float(energies.max(axis=-1).min()), 0.0)


def _levels_of_columns(printed: PrintedDOS) -> Levels:
    energies, pdos = printed.energies, printed.pdos
    if printed.integrated is not None:
        # The integrated column at an energy holds the step that ends there.
        electrons, steps = np.diff(printed.integrated, axis=-1), np.diff(energies)
        places, pdos = 0.5 * (energies[1:] + energies[:-1]), None if pdos is None else pdos[..., 1:]
        below = float(printed.integrated[:, 0].sum())
    else:
        dos = printed.dos if printed.dos is not None else pdos.sum(axis=0)  # type: ignore[union-attr]  # one is there
        steps = np.gradient(energies)
        electrons, places, below = dos * steps, energies, 0.0
    n_spins = len(electrons)
    return Levels(
        np.tile(places, n_spins),
        np.repeat(np.arange(n_spins), len(places)),
        electrons.ravel(),
        None if pdos is None else np.clip((pdos * steps).reshape(len(pdos), -1), 0, None),
        float(energies[-1]),
        printed.smearing_width,
        below,
    )


def added_width(levels: Levels, width: float, name: str) -> float:
    """Width, eV, by which levels are smeared so that their whole smearing is ``width``.

    Raises ReaderError where the code's own smearing is wider.
    """
    own = levels.width or 0.0
    if own >= width:
        raise ReaderError(
            f"{name}: the code smeared its DOS by {own:g} eV already. Ask for a wider smearing, such as "
            f"{1.5 * own:.2g} eV."
        )
    return float(np.sqrt(width**2 - own**2))


def spectra_of(
    run: Run, grid: EnergyGrid, width: float, *, spin: Spin = "summed", levels: Levels | None = None
) -> tuple[DOS, LDOS | None, DOS | None]:
    """Smear the levels of a run.

    Parameters
    ----------
    run : Run
    grid : EnergyGrid
        In the code's own zero.
    width : float
        Standard deviation of the whole smearing, eV.
    spin : {"summed", "up", "down"}
    levels : Levels, optional
        Default: ``levels_of(run)``.

    Returns
    -------
    dos : DOS
    ldos : LDOS or None
        Adds up to the DOS. None without projections.
    projected : DOS or None
        Sum of the projections as the code wrote them.

    Raises
    ------
    ReaderError
        When the run is not spin-polarised, or is smeared more widely already.
    """
    check_arguments(width=width)
    levels = levels_of(run) if levels is None else levels
    extra = added_width(levels, width, str(run.path))
    if spin != "summed":
        if run.n_spins == 1:
            raise ReaderError(f"{run.path} is not spin-polarised: it has no DOS of spin {spin} alone.")
        levels = levels.of_spin(0 if spin == "up" else 1)
    known, counts = None if levels.width is None else width, np.array([len(run.structure)])

    def smeared(electrons: Floats) -> Array:
        return smear_eigenvalues(levels.energies, electrons, grid.energies, extra)

    if levels.projected is None:
        return DOS(grid, smeared(levels.electrons[None]), known, counts, spin=spin), None, None
    index, numbers = np.zeros(len(run.structure), dtype=np.int64), run.structure.numbers
    ldos = LDOS(grid, smeared(levels.shares), known, structure_index=index, numbers=numbers, spin=spin)
    projected = DOS(grid, smeared(levels.projected.sum(axis=0, dtype=np.float64)[None]), known, counts, spin=spin)
    return ldos.total(), ldos, projected
