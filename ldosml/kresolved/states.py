"""States at every k-point from occupancies: how many lie below an energy, and where the highest and lowest ones are.

These are the fields over the Brillouin zone whose isosurfaces are Fermi surfaces and band edges.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldosml.kresolved.occupancy import KResolvedOccupancy

Floats = NDArray[np.float64]

WINDOW = 0.25
"""Window of ``fermi_probability``, eV: three bins of Park et al. on either side of the Fermi level."""


def fermi_probability(occupancy: KResolvedOccupancy, window: float = WINDOW) -> Floats:
    """Largest probability of the bins whose centres are within ``window`` (eV) of the Fermi level, (n_kpoints,).

    Park et al. draw the Fermi surface where it exceeds a threshold. That gives a shell around the surface; its
    thickness depends on the window and on the velocity of the electrons.

    Raises ValueError when there is no such bin.
    """
    inside = np.abs(occupancy.energies) <= window
    if not inside.any():
        raise ValueError(f"No bin is within {window:g} eV of the Fermi level; the bins are {occupancy.grid}.")
    return np.asarray(occupancy.probabilities[:, inside].max(axis=1), dtype=np.float64)


def filling(occupancy: KResolvedOccupancy, low: float = -np.inf) -> Floats:
    """Expected number of states (of one spin) from ``low`` (eV) to the Fermi level, (n_kpoints,).

    Where it passes n - 1/2, a band crosses the Fermi level. A band that crosses ``low`` looks the same, so ``low``
    should lie in a gap; the default is the lower end of the bins.

    Raises ValueError when the occupancies have no counts.
    """
    edges, passed = _cumulative(occupancy, low)
    place = int(np.clip(np.searchsorted(edges, 0.0, side="right") - 1, 0, occupancy.grid.size - 1))
    share = np.clip((0.0 - edges[place]) / occupancy.grid.step, 0.0, 1.0)
    return np.asarray(passed[:, place] + share * (passed[:, place + 1] - passed[:, place]), dtype=np.float64)


def emptiest_energy(occupancy: KResolvedOccupancy, below: float = -1.0) -> float:
    """Energy below ``below`` (eV) that bands cross least, a lower edge of a bin: where counting should begin, eV.

    It is the middle of the window of 1 eV whose largest expected number of states, over all k-points, is smallest; the
    highest such window if there are several.

    Raises ValueError when the occupancies have no counts, or there is no bin below.
    """
    edges, passed = _cumulative(occupancy, -np.inf)
    half = max(1, round(0.5 / occupancy.grid.step))
    chosen = np.flatnonzero(edges < below)[half:]
    chosen = chosen[chosen + half < len(edges)]
    _check_some(chosen, f"within 0.5 eV of edges below {below:g} eV", occupancy)
    most = (passed[:, chosen + half] - passed[:, chosen - half]).max(axis=0)
    return float(edges[chosen][::-1][int(most[::-1].argmin())])


def counted_bands(occupancy: KResolvedOccupancy, low: float = -np.inf) -> Floats:
    """Energies (n_kpoints, n_states) of the first, second, ... state above ``low``, eV.

    State n is where the expected number of states from ``low`` on passes n - 1/2. It lies below the Fermi level exactly
    where ``filling`` exceeds n - 1/2, but is a smooth function of k, where ``filling`` has steps. States above the
    last bin are put at its upper edge. For ``low`` see ``filling``.

    Raises ValueError when the occupancies have no counts.
    """
    edges, passed = _cumulative(occupancy, low)
    n_states = int(np.floor(passed[:, -1].max(initial=0.0) + 0.5))
    bands = np.full((len(occupancy), n_states), edges[-1])
    for n in range(n_states):
        reached = passed >= n + 0.5
        k = np.flatnonzero(reached[:, -1])
        after = reached[k].argmax(axis=1)
        behind = passed[k, after - 1]
        share = (n + 0.5 - behind) / (passed[k, after] - behind)
        bands[k, n] = edges[after - 1] + share * occupancy.grid.step
    return bands


def counted_edges(occupancy: KResolvedOccupancy, share: float = 0.5) -> tuple[Floats, Floats]:
    """Energies of the highest state below the Fermi level and of the lowest above at every k-point, (n_kpoints,) each.

    They are where the expected number of states, counted from the Fermi level, reaches ``share``, eV. Small
    probabilities inside a gap move them little. Where the share is never reached, the edge is the end of the bins.

    Raises ValueError when the occupancies have no counts, or there are no bins on one side of the Fermi level.
    """
    if occupancy.counts is None:
        raise ValueError("These occupancies have no counts: use highest_state and lowest_state.")
    energies, counts, step = occupancy.energies, occupancy.counts, occupancy.grid.step
    below, above = energies < 0, energies >= 0
    for chosen, where in ((below, "below"), (above, "above")):
        _check_some(chosen, f"{where} the Fermi level", occupancy)
    between = occupancy.grid.edges[int(below.sum())]  # the edge of a bin that is nearest to the Fermi level
    down, up = (_first(part, share) * step for part in (counts[:, below][:, ::-1], counts[:, above]))
    return between - down, between + up


def _first(counts: Floats, share: float) -> Floats:
    """How many bins (n_kpoints,) of ``counts`` (n_kpoints, n_bins) hold a share of a state; the last one in part."""
    passed = np.cumsum(counts, axis=1)
    found = np.full(len(counts), float(counts.shape[1]))
    k = np.flatnonzero(passed[:, -1] >= share)
    place = (passed[k] >= share).argmax(axis=1)
    last = counts[k, place]
    found[k] = place + 1 - (passed[k, place] - share) / last
    return found


def highest_state(occupancy: KResolvedOccupancy, below: float = 0.0) -> Floats:
    """Expected energy of the highest state below ``below`` (eV) at every k-point, (n_kpoints,), eV.

    sum_l E_l p_l prod_m (1 - p_m) / (1 - prod_l (1 - p_l)), with l over the bins below and m over the bins between l
    and ``below``; bins are taken as independent. A k-point without states there gets the energy of the lowest bin.

    Raises ValueError when there is no bin below.
    """
    chosen = occupancy.energies < below
    _check_some(chosen, f"below {below:g} eV", occupancy)
    return _first_state(occupancy.probabilities[:, chosen][:, ::-1], occupancy.energies[chosen][::-1])


def lowest_state(occupancy: KResolvedOccupancy, above: float = 0.0) -> Floats:
    """Expected energy of the lowest state above ``above`` (eV) at every k-point, (n_kpoints,), eV.

    As ``highest_state``; a k-point without states there gets the energy of the highest bin.

    Raises ValueError when there is no bin above.
    """
    chosen = occupancy.energies >= above
    _check_some(chosen, f"above {above:g} eV", occupancy)
    return _first_state(occupancy.probabilities[:, chosen], occupancy.energies[chosen])


def _cumulative(occupancy: KResolvedOccupancy, low: float) -> tuple[Floats, Floats]:
    """Edges of the bins (n_bins + 1,), and the expected number of states from ``low`` up to each, (n_kpoints, ...)."""
    if occupancy.counts is None:
        raise ValueError(
            "These occupancies have no counts: the model was trained on presence only, and does not predict how many "
            'states there are. Use method="shell".'
        )
    edges = occupancy.grid.edges
    passed = np.zeros((len(occupancy), len(edges)))
    np.cumsum(np.where(occupancy.energies >= low, occupancy.counts, 0.0), axis=1, out=passed[:, 1:])
    return edges, passed


def _check_some(chosen: NDArray[Any], where: str, occupancy: KResolvedOccupancy) -> None:
    if not np.size(chosen) or (chosen.dtype == bool and not chosen.any()):
        raise ValueError(f"There is no bin {where}; the bins are {occupancy.grid}.")


def _first_state(probabilities: Floats, energies: Floats) -> Floats:
    """Expected energy (n_kpoints,) of the first bin that holds a state; ``energies`` (n_bins,) in order of search."""
    none_before = np.cumprod(1 - probabilities, axis=1)
    first = probabilities * np.concatenate([np.ones((len(probabilities), 1)), none_before[:, :-1]], axis=1)
    some = first.sum(axis=1)
    result = np.full(len(probabilities), energies[-1])
    np.divide(first @ energies, some, out=result, where=some > 0)
    return result
