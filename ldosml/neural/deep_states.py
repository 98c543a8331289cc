"""Counts of deep states from tight binding, for the number of states below the Fermi level at every k-point.

Fermi surfaces follow from this number. Counts of a network have errors of a few hundredths in every bin, which sum to
half a state over the 10 eV below the Fermi level; the surface would then belong to another band. Tight binding has
whole bands, so it counts deep states correctly. Near the Fermi level the network is more accurate
(``benchmarks/occupancy_fermi.py``).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import ndtr

from ldosml.kresolved import KResolvedOccupancy
from ldosml.neural.crystals import Crystal, Floats
from ldosml.neural.tight_binding import CrystalTightBinding, known_shells
from ldosml.tightbinding import TightBindingParameters

_MIDDLE, _WIDTH = -1.0, 1.0  # eV; the smooth step (integral of a Gaussian) from tight binding to the network
_BLUR = 0.1  # eV; Gaussian width of the bands of tight binding
_AT_ONCE = 256  # k-points


def with_deep_states(
    occupancy: KResolvedOccupancy, crystal: Crystal, parameters: TightBindingParameters
) -> KResolvedOccupancy:
    """Take the counts of deep states from tight binding, scaled to the right number of electrons.

    Between about 2 eV below the Fermi level and the Fermi level, the counts change smoothly from tight binding to the
    network. Occupancies without counts, and of crystals without tight binding (``known_shells``), are not changed.

    Parameters
    ----------
    occupancy : KResolvedOccupancy
        On a mesh, with weights.
    crystal : Crystal
        The crystal; k-points are fractions of its reciprocal lattice vectors.
    parameters : TightBindingParameters

    Returns
    -------
    KResolvedOccupancy

    Raises
    ------
    ValueError
        When the occupancies have counts but no weights.
    """
    if occupancy.counts is None or not known_shells(crystal):
        return occupancy
    if occupancy.weights is None:
        raise ValueError("Electrons are counted on a mesh, but these occupancies have no weights.")
    model = CrystalTightBinding(crystal, parameters)
    energies, weights = model.on_mesh()
    bands = model.eigenvalues(occupancy.kpoints) - model.fermi_energy(energies, weights)
    edges = occupancy.grid.edges
    deep = ndtr((_MIDDLE - occupancy.energies) / _WIDTH)
    bound, network = deep * _binned(bands, edges), (1 - deep) * occupancy.counts
    below = occupancy.energies < 0
    missing = 0.5 * model.electrons_above(float(edges[0])) - occupancy.weights @ network[:, below].sum(axis=1)
    held = occupancy.weights @ bound[:, below].sum(axis=1)
    scale = max(0.0, missing / held) if held > 0 else 1.0
    return replace(occupancy, counts=scale * bound + network)


def _binned(bands: Floats, edges: Floats) -> Floats:
    """Number of states (n_kpoints, n_bins) of blurred bands (n_kpoints, n_bands) between edges (n_bins + 1,), eV."""
    found = np.empty((len(bands), len(edges) - 1))
    for start in range(0, len(bands), _AT_ONCE):
        part = bands[start : start + _AT_ONCE]
        found[start : start + _AT_ONCE] = np.diff(ndtr((edges - part[..., None]) / _BLUR).sum(axis=1), axis=1)
    return found
