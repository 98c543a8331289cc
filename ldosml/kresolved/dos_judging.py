"""The DOS from occupancies on a mesh against that of the eigenvalues, on the same mesh and bins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ldosml._array import to_numpy
from ldosml.energy import EnergyGrid
from ldosml.kresolved.dos import TAU, DOSScale, counted_dos, raw_dos
from ldosml.kresolved.estimates import Estimate, estimate, mean_of, pearson_of
from ldosml.kresolved.judged import Crystals, KnownCrystal, Occupancies, check_mesh, labelled
from ldosml.spectra import DOS

Floats = NDArray[np.float64]

Route = Literal["raw", "scaled", "counted"]
"""From occupancies to a DOS: ``raw_dos``; that times a ``DOSScale``; ``counted_dos``."""

_REACH = 3.0  # smearing widths: further away, what is above energy_max is not felt


def reference_dos(crystal: KnownCrystal, grid: EnergyGrid) -> DOS:
    """DOS of the eigenvalues on the crystal's mesh, two spins, counted in the bins; zero in bins not complete."""
    occupancy = labelled(crystal.mesh, grid, crystal.atoms.cell.array)
    return _complete(counted_dos(occupancy, len(crystal.atoms)), crystal)


def fit_dos_scale(crystals: Crystals, mesh: Occupancies, *, tau: float | None = TAU) -> DOSScale:
    """Learn the factors of equation 4 from crystals with their predictions: those of training and validation.

    Raises ValueError when predictions do not belong to the crystals, or these are fewer than 4.
    """
    check_mesh(crystals, mesh)
    raw = routed_dos(crystals, mesh, "raw", tau=tau)
    reference = [reference_dos(crystal, one.grid) for crystal, one in zip(crystals, raw, strict=True)]
    return DOSScale.fit(raw, reference, [crystal.mesh.n_electrons for crystal in crystals])


def routed_dos(
    crystals: Crystals, mesh: Occupancies, route: Route, scale: DOSScale | None = None, *, tau: float | None = TAU
) -> list[DOS]:
    """DOS of each crystal, states/eV; zero in bins that are not complete.

    Raises ValueError when the route needs what is not there: a scale, counts, or weights.
    """
    if route == "scaled":
        if scale is None:
            raise ValueError("A scaled DOS needs a scale: fit_dos_scale on training and validation crystals.")
        raw = routed_dos(crystals, mesh, "raw", tau=tau)
        return [scale.apply(one, crystal.mesh.n_electrons) for one, crystal in zip(raw, crystals, strict=True)]
    return [
        _complete(
            counted_dos(one, len(crystal.atoms)) if route == "counted" else raw_dos(one, len(crystal.atoms), tau=tau),
            crystal,
        )
        for crystal, one in zip(crystals, mesh, strict=True)
    ]


def dos_errors(crystals: Crystals, predicted: Sequence[DOS], smearing_width: float = 0.0) -> Floats:
    """Mean absolute error of each crystal's DOS over complete bins, (n_crystals,), states/eV of its cell."""
    return _mean_errors(_compared(crystals, predicted, smearing_width))


def judge_dos(
    crystals: Crystals, predicted: Sequence[DOS], draws: Floats, smearing_width: float = 0.0, name: str = ""
) -> dict[str, Estimate]:
    """Errors of predicted DOS, one for each crystal.

    Each is a mean over the bins that are complete, and then over crystals; r is that of all bins of all crystals.

    Parameters
    ----------
    crystals : sequence of KnownCrystal
    predicted : sequence of DOS
        One row each, states/eV of the cell, on one grid of bins.
    draws : array (n_draws, n_crystals)
        See ``composition_draws``.
    smearing_width : float
        eV; both are smeared by it, after they are counted in bins. Bins within three widths of ``energy_max`` do not
        count then.
    name : str
        Put behind "DOS" in the names of the errors.
    """
    if len(crystals) != len(predicted):
        raise ValueError(f"Got {len(crystals)} crystals and {len(predicted)} DOS; give one for each crystal.")
    pairs = _compared(crystals, predicted, smearing_width)
    errors = _mean_errors(pairs)
    n_atoms = np.array([len(crystal.atoms) for crystal in crystals])
    reference, values = ([pair[i] for pair in pairs] for i in (0, 1))
    told = f"DOS{name and ' ' + name}{f', smeared by {smearing_width:g} eV' if smearing_width else ''}"
    return {
        f"{told}: MAE (states/eV)": estimate(mean_of(errors), draws),
        f"{told}: MAE (states/eV/atom)": estimate(mean_of(errors / n_atoms), draws),
        f"{told}: r": estimate(pearson_of(reference, values), draws),
    }


def _mean_errors(pairs: Sequence[tuple[Floats, Floats]]) -> Floats:
    return np.array([np.abs(there - here).mean() for there, here in pairs])


def _compared(crystals: Crystals, predicted: Sequence[DOS], width: float) -> list[tuple[Floats, Floats]]:
    """Reference and predicted values of each crystal in the bins that count."""
    pairs = []
    for crystal, dos in zip(crystals, predicted, strict=True):
        known = crystal.mesh.known_bins(dos.grid, _REACH * width)
        if not known.any():
            raise ValueError(f"No bin of {crystal.name} is complete below its energy_max: it cannot be judged.")
        both = (reference_dos(crystal, dos.grid), _complete(dos, crystal))
        there, here = (to_numpy(one.broaden(width).values)[0, known] for one in both)
        pairs.append((there, here))
    return pairs


def _complete(dos: DOS, crystal: KnownCrystal) -> DOS:
    return replace(dos, values=np.where(crystal.mesh.known_bins(dos.grid), to_numpy(dos.values), 0.0))
