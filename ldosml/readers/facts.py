"""What a run says about itself, and whether its numbers agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ldosml.readers.levels import Levels, levels_of
from ldosml.readers.run import ProjectedBands, Run

_EXACT = 1e-3  # electrons by which occupations may miss the number that the code states
_NEAR = 0.3  # eV around the Fermi level within which the states may hold the number: smearing, tetrahedra
_FAR = 3.0  # eV above the Fermi level to which bands should reach at least
_WHOLE = 0.05  # filled shells by which a number of them may be off
_LITTLE = 0.5  # fraction of the occupied states


@dataclass(frozen=True)
class RunFacts:
    """Numbers of one run.

    Parameters
    ----------
    n_electrons : float
        As the code states, otherwise counted.
    gaps : tuple of float
        Gap of the bands of each spin, eV; 0 for a metal. Empty where there are no bands or no Fermi level.
    moment : float or None
        Electrons of spin up minus electrons of spin down, up to the Fermi level; None for a run without spin.
    projected_fraction : float or None
        Projections summed over atoms and states up to the Fermi level, over the electrons there. None without.
    top : float
        eV; above it levels are missing.
    cautions : tuple of str
        Numbers that contradict each other, and what to do.
    """

    n_electrons: float
    gaps: tuple[float, ...]
    moment: float | None
    projected_fraction: float | None
    top: float
    cautions: tuple[str, ...]


def facts_of(run: Run, levels: Levels | None = None) -> RunFacts:
    """Numbers of a run and cautions about them.

    Parameters
    ----------
    run : Run
    levels : Levels, optional
        Default: ``levels_of(run)``.

    Returns
    -------
    RunFacts
    """
    levels = levels_of(run) if levels is None else levels
    counted = levels.count(run.fermi_energy)
    occupied = float("nan") if run.bands is None else run.bands.occupied
    number = next((n for n in (run.n_electrons, occupied, counted) if not np.isnan(n)), float("nan"))
    known = not np.isnan(run.fermi_energy)
    gaps = _gaps(run.bands, run.fermi_energy) if run.bands is not None and known else ()
    if abs(counted - number) > _slack(number):
        gaps = (0.0,) * len(gaps)  # the level lies within bands
    return RunFacts(
        number,
        gaps,
        _moment(run, levels) if run.n_spins == 2 and known else None,
        None if levels.projected is None else levels.projected_fraction(run.fermi_energy),
        levels.top,
        tuple(_cautions(run, levels, number, occupied)),
    )


def _slack(number: float) -> float:
    return _EXACT * max(1.0, number)


def _gaps(bands: ProjectedBands, fermi: float) -> tuple[float, ...]:
    counted = bands.eigenvalues[:, bands.kpoint_weights > 0]
    return tuple(_gap(energies, fermi) for energies in counted)


def _gap(energies: np.ndarray[tuple[int, ...], np.dtype[np.float64]], fermi: float) -> float:
    ordered = np.sort(energies, axis=-1)
    crossing = (ordered.min(axis=0) <= fermi) & (ordered.max(axis=0) > fermi)
    below, above = ordered[ordered <= fermi], ordered[ordered > fermi]
    if crossing.any() or not below.size or not above.size:
        return 0.0
    return float(above.min() - below.max())


def _moment(run: Run, levels: Levels) -> float:
    if run.bands is not None and run.bands.occupations is not None:
        up, down = (run.bands.occupations * run.bands.electrons[None, :, None]).sum(axis=(1, 2))
        return float(up - down)
    up, down = (levels.of_spin(spin).count(run.fermi_energy) for spin in (0, 1))
    return float(up - down)


def _cautions(run: Run, levels: Levels, number: float, occupied: float) -> Iterator[str]:
    yield from run.remarks
    fermi = run.fermi_energy
    if np.isnan(fermi):
        yield "its Fermi level is not known"
        return
    if np.isnan(run.n_electrons):
        yield f"the code's output does not state the electrons; {number:.4f} were counted up to the Fermi level"
    elif abs(occupied - run.n_electrons) > _slack(run.n_electrons):
        cause = cause_of_counts(occupied, number)
        yield f"its occupied states hold {occupied:.3f} electrons, its output states {run.n_electrons:g}: {cause}"
    low, high = levels.count(fermi - _NEAR), levels.count(fermi + _NEAR)
    slack = _slack(number)
    if not low - slack <= number <= high + slack:
        yield (
            f"its states hold {levels.count(fermi):.3f} electrons up to the Fermi level of {fermi:.3f} eV, its output "
            f"states {number:g}: {cause_of_counts(levels.count(fermi), number)}"
        )
    if levels.below > slack:
        yield f"{levels.below:.2f} electrons lie below the first printed energy, and are not in the DOS"
    if run.printed is not None and run.printed.pdos is not None and levels.projected is None:
        yield "its PDOS begins above states that count, so its atoms have no LDOS: print the PDOS over more energies"
    if levels.projected is not None and levels.projected_fraction(fermi) < _LITTLE:
        yield (
            f"its code projected {100 * levels.projected_fraction(fermi):.0f} % of the occupied states on atoms, so "
            "their shares of the DOS are uncertain"
        )
    if levels.top < fermi + _FAR:
        yield f"its bands are complete up to {levels.top - fermi:.2f} eV above the Fermi level only: compute more bands"


def cause_of_counts(found: float, stated: float) -> str:
    """A likely cause in words, if a DOS holds ``found`` electrons up to the Fermi level, and the number is ``stated``.

    Parameters
    ----------
    found, stated : float
        Numbers of electrons.

    Returns
    -------
    str
    """
    for factor, cause in ((0.5, "one spin may be missing"), (2.0, "spins may be counted twice")):
        if abs(found - factor * stated) < 0.02 * factor * stated:
            return cause
    shells = (stated - found) / 2
    if shells > 0.5 and abs(shells - round(shells)) < _WHOLE:
        return f"the energies may begin above {2 * round(shells)} electrons of filled (semicore) shells"
    if abs(found - stated) < 0.05 * stated:
        coarse = "the energies may be too coarse for the smearing"
        return coarse if found > stated else f"{coarse}, or the spectra be projections that miss some of the states"
    return "the number, the level or the spectra may belong to something else"
