"""How many states lie below the Fermi level at every k-point: what Fermi surfaces are made of.

Counts of a network are off by a few hundredths in every bin, and over the 10 eV below the Fermi level that adds up to
half a state, so that surfaces would be those of another band. Tight binding has whole bands, and knows how many lie
deep; where bands pass the Fermi level the network knows better (``benchmarks/occupancy_fermi.py``).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import ndtr

from ldosml.kresolved import KResolvedOccupancy
from ldosml.neural.crystals import Crystal, Floats
from ldosml.neural.tight_binding import TightBinding, TightBindingParameters, known_shells

_MIDDLE, _WIDTH = -1.0, 1.0  # eV; of the step, an integral of a Gaussian, from tight binding to the network
_BLUR = 0.1  # eV, of the bands of tight binding
_AT_ONCE = 256  # k-points


def with_deep_states(
    occupancy: KResolvedOccupancy, crystal: Crystal, parameters: TightBindingParameters
) -> KResolvedOccupancy:
    """Occupancies of a mesh whose counts well below the Fermi level are those of tight binding, and hold its electrons.

    They go over into those of the network from about 2 eV below the Fermi level to the Fermi level. Nothing changes
    without counts, and for crystals that tight binding is not made for (``known_shells``).

    Parameters
    ----------
    occupancy : KResolvedOccupancy
        With the weights of a mesh.
    crystal : Crystal
        Whose reciprocal lattice vectors its k-points are fractions of.
    parameters : TightBindingParameters

    Raises
    ------
    ValueError
        When there are counts, but no weights.
    """
    if occupancy.counts is None or not known_shells(crystal):
        return occupancy
    if occupancy.weights is None:
        raise ValueError("Electrons are counted on a mesh; these occupancies have no weights.")
    model = TightBinding(crystal, parameters)
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
    """States (n_kpoints, n_bins) of blurred bands (n_kpoints, n_bands) between edges (n_bins + 1,), eV."""
    found = np.empty((len(bands), len(edges) - 1))
    for start in range(0, len(bands), _AT_ONCE):
        part = bands[start : start + _AT_ONCE]
        found[start : start + _AT_ONCE] = np.diff(ndtr((edges - part[..., None]) / _BLUR).sum(axis=1), axis=1)
    return found
