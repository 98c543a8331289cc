"""Fermi surfaces and surfaces near the edges of a gap, from a trained model."""

from __future__ import annotations

import numpy as np

from ldosml._ranges import check_arguments
from ldosml.kresolved import Isosurface, edge_surfaces, fermi_surface, gamma_mesh
from ldosml.kresolved.meshes import from_irreducible, irreducible
from ldosml.kresolved.states import WINDOW, emptiest_energy
from ldosml.neural.crystals import Crystal, Floats, Integers, point_group
from ldosml.neural.deep_states import with_deep_states
from ldosml.neural.inputs import GivenCrystal, describe
from ldosml.neural.regressor import KOccupancyRegressor
from ldosml.neural.tight_binding import CrystalTightBinding, known_shells


def isosurfaces(
    model: KOccupancyRegressor,
    crystal: GivenCrystal,
    *,
    metal: bool,
    n: int = 21,
    depth: float | None = None,
    allow_unknown: bool = False,
) -> tuple[Isosurface, ...]:
    """Predict the Fermi surface of a metal, or the surfaces just within both edges of a gap.

    Parameters
    ----------
    model : KOccupancyRegressor
        Fitted.
    crystal : Atoms or Crystal
        The crystal, in any cell.
    metal : bool
        Which of both; the model predicts it (``ElectronicStructure.gap``), or it is known.
    n : int
        Number of k-points along each reciprocal lattice vector.
    depth : float or None
        eV; with a gap, see ``edge_surfaces``.
    allow_unknown : bool
        Predict, with a warning, also for elements that are not in the training crystals.

    Returns
    -------
    tuple of Isosurface
        For a metal, the sheets of the Fermi surface, numbered by band. With tight binding, counts hold the right number
        of electrons (``with_deep_states``) and bands are numbered from the valence shells on; otherwise bands are
        numbered from the energy that bands cross least (``emptiest_energy``). A model without counts gives a shell
        around the Fermi surface. With a gap, the surfaces of valence and conduction edge.

    Raises
    ------
    NotFittedError
        When the model is not fitted.
    ValueError
        As ``KOccupancyRegressor.predict`` and ``edge_surfaces``.
    """
    check_arguments(n=n, depth=depth)
    crystal, _ = describe(crystal)
    kpoints, weights, inverse = irreducible_mesh(model, crystal, n)
    found = model.predict([crystal], kpoints, weights=weights, allow_unknown=allow_unknown)[0]
    if metal:
        found = with_deep_states(found, crystal, model.network_.tight_binding)
    occupancy = from_irreducible(found, gamma_mesh(n)[0], inverse)
    if not metal:
        return edge_surfaces(occupancy, depth=depth)
    if occupancy.counts is None:
        return fermi_surface(occupancy, method="shell", window=max(WINDOW, occupancy.grid.step))
    low, deeper = emptiest_energy(occupancy), 0
    if known_shells(crystal):
        bound = CrystalTightBinding(crystal, model.network_.tight_binding)
        deeper = round(0.5 * (bound.n_electrons - bound.electrons_above(low)))
    return fermi_surface(occupancy, low=low, deeper=deeper)


def irreducible_mesh(
    model: KOccupancyRegressor, crystal: Crystal, n: int | tuple[int, int, int]
) -> tuple[Floats, Floats, Integers]:
    """k-points of a mesh that are irreducible by the symmetry of the network, their weights, and ``inverse``.

    See ``irreducible``.
    """
    kpoints, weights = gamma_mesh(n)
    config = model.network_.config
    if not config.time_reversal:
        return kpoints, weights, np.arange(len(kpoints))
    return irreducible(kpoints, point_group(crystal) if config.point_group else np.eye(3)[None])
