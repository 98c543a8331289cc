"""The DOS from predicted occupancies on a mesh, compared with the DOS of the eigenvalues on the same mesh and bins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ldosml._array import to_numpy
from ldosml._ranges import check_arguments
from ldosml.energy import EnergyGrid
from ldosml.kresolved.dos import TAU, DOSScale, counted_dos, raw_dos
from ldosml.kresolved.evaluation.crystals import Crystals, KnownCrystal, Occupancies, check_mesh, true_occupancy
from ldosml.kresolved.evaluation.estimates import Estimate, estimate, mean_of, pearson_of
from ldosml.spectra import DOS

Floats = NDArray[np.float64]

DOSMethod = Literal["raw", "scaled", "counted"]
"""How occupancies become a DOS: ``raw_dos``; ``raw_dos`` times a ``DOSScale``; ``counted_dos``."""

_REACH = 3.0  # smearing widths: beyond this distance, missing states above energy_max do not matter


def true_dos(crystal: KnownCrystal, grid: EnergyGrid) -> DOS:
    """DOS of the eigenvalues on the mesh of a crystal, counted in bins.

    Parameters
    ----------
    crystal : KnownCrystal
        Crystal with bands on a mesh.
    grid : EnergyGrid
        Centres of the bins.

    Returns
    -------
    DOS
        states/eV of the cell, both spins; zero in bins that are not complete.
    """
    occupancy = true_occupancy(crystal.mesh, grid, crystal.atoms.cell.array)
    return _without_incomplete_bins(counted_dos(occupancy, len(crystal.atoms)), crystal)


def fit_dos_scale(crystals: Crystals, mesh: Occupancies, *, tau: float | None = TAU) -> DOSScale:
    """Fit the factors of equation 4 of Park et al.; use the training and validation crystals.

    Parameters
    ----------
    crystals : sequence of KnownCrystal
        At least 4.
    mesh : sequence of KResolvedOccupancy
        Predictions on the mesh of each crystal, with weights.
    tau : float or None
        See ``raw_dos``.

    Returns
    -------
    DOSScale

    Raises
    ------
    ValueError
        When predictions do not belong to the crystals, or there are fewer than 4 crystals.
    """
    check_arguments(tau=tau)
    check_mesh(crystals, mesh)
    raw = predicted_dos(crystals, mesh, "raw", tau=tau)
    true = [true_dos(crystal, one.grid) for crystal, one in zip(crystals, raw, strict=True)]
    return DOSScale.fit(raw, true, [crystal.mesh.n_electrons for crystal in crystals])


def predicted_dos(
    crystals: Crystals, mesh: Occupancies, method: DOSMethod, scale: DOSScale | None = None, *, tau: float | None = TAU
) -> list[DOS]:
    """DOS of each crystal, states/eV; zero in bins that are not complete.

    Raises ValueError when the method needs a scale, counts or weights, and they are missing.
    """
    if method == "scaled":
        if scale is None:
            raise ValueError("A scaled DOS needs a scale: use fit_dos_scale on training and validation crystals.")
        raw = predicted_dos(crystals, mesh, "raw", tau=tau)
        return [scale.apply(one, crystal.mesh.n_electrons) for one, crystal in zip(raw, crystals, strict=True)]
    found = []
    for crystal, one in zip(crystals, mesh, strict=True):
        n_atoms = len(crystal.atoms)
        dos = counted_dos(one, n_atoms) if method == "counted" else raw_dos(one, n_atoms, tau=tau)
        found.append(_without_incomplete_bins(dos, crystal))
    return found


def dos_errors(crystals: Crystals, predicted: Sequence[DOS], smearing_width: float = 0.0) -> Floats:
    """Mean absolute error of each crystal's DOS over complete bins, (n_crystals,), states/eV of its cell."""
    return _mean_errors(_compared(crystals, predicted, smearing_width))


def score_dos(
    crystals: Crystals, predicted: Sequence[DOS], draws: Floats, smearing_width: float = 0.0, name: str = ""
) -> dict[str, Estimate]:
    """Compute the errors of predicted DOS.

    Errors are averaged over the complete bins of a crystal, and then over crystals; r is over all bins of all crystals.

    Parameters
    ----------
    crystals : sequence of KnownCrystal
        Crystals with bands on a mesh.
    predicted : sequence of DOS
        One for each crystal, one row each, states/eV of the cell, all on one grid of bins.
    draws : array (n_draws, n_crystals)
        Bootstrap draws; see ``composition_draws``.
    smearing_width : float
        eV; both DOS are smeared by it after they are counted in bins. Bins within three widths of ``energy_max`` are
        then left out.
    name : str
        Follows "DOS" in the names of the errors.

    Returns
    -------
    dict of Estimate
        MAE per cell, MAE per atom, and Pearson's r.

    Raises
    ------
    ValueError
        When the numbers of crystals and DOS differ, or a crystal has no complete bin.
    """
    if len(crystals) != len(predicted):
        raise ValueError(f"Got {len(crystals)} crystals and {len(predicted)} DOS; give one for each crystal.")
    pairs = _compared(crystals, predicted, smearing_width)
    errors = _mean_errors(pairs)
    n_atoms = np.array([len(crystal.atoms) for crystal in crystals])
    true, values = ([pair[i] for pair in pairs] for i in (0, 1))
    label = f"DOS{name and ' ' + name}{f', smeared by {smearing_width:g} eV' if smearing_width else ''}"
    return {
        f"{label}: MAE (states/eV)": estimate(mean_of(errors), draws),
        f"{label}: MAE (states/eV/atom)": estimate(mean_of(errors / n_atoms), draws),
        f"{label}: r": estimate(pearson_of(true, values), draws),
    }


def _mean_errors(pairs: Sequence[tuple[Floats, Floats]]) -> Floats:
    return np.array([np.abs(true - predicted).mean() for true, predicted in pairs])


def _compared(crystals: Crystals, predicted: Sequence[DOS], width: float) -> list[tuple[Floats, Floats]]:
    """True and predicted values of each crystal in its complete bins."""
    pairs = []
    for crystal, dos in zip(crystals, predicted, strict=True):
        known = crystal.mesh.known_bins(dos.grid, _REACH * width)
        if not known.any():
            raise ValueError(f"No bin of {crystal.name} is complete below its energy_max: it cannot be evaluated.")
        both = (true_dos(crystal, dos.grid), _without_incomplete_bins(dos, crystal))
        true, found = (to_numpy(one.broaden(width).values)[0, known] for one in both)
        pairs.append((true, found))
    return pairs


def _without_incomplete_bins(dos: DOS, crystal: KnownCrystal) -> DOS:
    return replace(dos, values=np.where(crystal.mesh.known_bins(dos.grid), to_numpy(dos.values), 0.0))
