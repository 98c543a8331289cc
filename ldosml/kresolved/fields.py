"""Numbers at every k-point whose isosurfaces tell where electrons lie: from occupancies, or from eigenvalues."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ldosml._validation import check_shape
from ldosml.kresolved.occupancy import KResolvedOccupancy

Floats = NDArray[np.float64]

WINDOW = 0.25
"""Of ``near_fermi``, eV: three bins of the paper to either side."""


def near_fermi(occupancy: KResolvedOccupancy, window: float = WINDOW) -> Floats:
    """The largest probability among bins whose centres are within ``window`` (eV) of the Fermi level, (n_kpoints,).

    Park et al. draw Fermi surfaces where it exceeds a threshold: shells around the surface, as thick as the window and
    the speed of the electrons make them.

    Raises ValueError when there is no such bin.
    """
    inside = np.abs(occupancy.energies) <= window
    if not inside.any():
        raise ValueError(f"No bin is within {window:g} eV of the Fermi level; these are {occupancy.grid}.")
    return np.asarray(occupancy.probabilities[:, inside].max(axis=1), dtype=np.float64)


def filling(occupancy: KResolvedOccupancy, low: float = -np.inf) -> Floats:
    """Expected number of states (of one spin) from ``low`` (eV) to the Fermi level, (n_kpoints,).

    Where it passes a half, a state passes the Fermi level. A band that passes ``low`` looks the same, so ``low`` should
    lie in a gap; the default is the lower end of the bins.

    Raises ValueError when the occupancies have no counts.
    """
    edges, passed = _cumulative(occupancy, low)
    place = int(np.clip(np.searchsorted(edges, 0.0, side="right") - 1, 0, occupancy.grid.size - 1))
    share = np.clip((0.0 - edges[place]) / occupancy.grid.step, 0.0, 1.0)
    return np.asarray(passed[:, place] + share * (passed[:, place + 1] - passed[:, place]), dtype=np.float64)


def quietest(occupancy: KResolvedOccupancy, below: float = -1.0) -> float:
    """Energy below ``below`` (eV) at which bands pass least, a lower edge of a bin: where to begin counting, eV.

    In the middle of the electronvolt whose largest expected number of states, over all k-points, is smallest; of equal
    ones the highest.

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

    The n-th is where the expected number of states from ``low`` on passes n - 1/2: below the Fermi level just where
    ``filling`` exceeds n - 1/2, but a smooth function of k, where ``filling`` makes steps. A state beyond the bins is
    at their upper end. About ``low`` see ``filling``.

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

    Up to which ``share`` of a state is expected from the Fermi level on, eV; a little probability in every bin of a gap
    moves them little. A k-point without so much on a side has its edge at the end of the bins.

    Raises ValueError when the occupancies have no counts, or there are no bins on one side of the Fermi level.
    """
    if occupancy.counts is None:
        raise ValueError("These occupancies have no counts: take highest_state and lowest_state.")
    energies, counts, step = occupancy.energies, occupancy.counts, occupancy.grid.step
    below, above = energies < 0, energies >= 0
    for chosen, where in ((below, "below"), (above, "above")):
        _check_some(chosen, f"{where} the Fermi level", occupancy)
    between = occupancy.grid.edges[int(below.sum())]  # the end of a bin that is nearest to the Fermi level
    down, up = (_first(part, share) * step for part in (counts[:, below][:, ::-1], counts[:, above]))
    return between - down, between + up


def _first(counts: Floats, share: float) -> Floats:
    """How many bins (n_kpoints,) of ``counts`` (n_kpoints, n_bins) hold a share of a state, their last one in part."""
    passed = np.cumsum(counts, axis=1)
    found = np.full(len(counts), float(counts.shape[1]))
    k = np.flatnonzero(passed[:, -1] >= share)
    place = (passed[k] >= share).argmax(axis=1)
    last = counts[k, place]
    found[k] = place + 1 - (passed[k, place] - share) / last
    return found


def highest_state(occupancy: KResolvedOccupancy, below: float = 0.0) -> Floats:
    """Expected energy of the highest state below ``below`` (eV) at every k-point, (n_kpoints,), eV.

    sum_l E_l p_l prod_m (1 - p_m) / (1 - prod_l (1 - p_l)), l over the bins below and m over those of them above l:
    bins hold states independently of each other. A k-point without any state there gets the lowest bin's energy.

    Raises ValueError when there is no bin below.
    """
    chosen = occupancy.energies < below
    _check_some(chosen, f"below {below:g} eV", occupancy)
    return _first_state(occupancy.probabilities[:, chosen][:, ::-1], occupancy.energies[chosen][::-1])


def lowest_state(occupancy: KResolvedOccupancy, above: float = 0.0) -> Floats:
    """Expected energy of the lowest state above ``above`` (eV) at every k-point, (n_kpoints,), eV.

    As ``highest_state``; a k-point without any state there gets the highest bin's energy.

    Raises ValueError when there is no bin above.
    """
    chosen = occupancy.energies >= above
    _check_some(chosen, f"above {above:g} eV", occupancy)
    return _first_state(occupancy.probabilities[:, chosen], occupancy.energies[chosen])


def edge_bands(eigenvalues: ArrayLike, n_electrons: float) -> tuple[Floats, Floats]:
    """The highest occupied and the lowest empty eigenvalue at every k-point, (n_kpoints,) each.

    Parameters
    ----------
    eigenvalues : array (n_kpoints, n_bands)
        Of one spin, in any order.
    n_electrons : float
        Of the cell, valence: two in each band.

    Raises
    ------
    ValueError
        When it is not even, or there are too few bands.
    """
    values = np.asarray(eigenvalues, dtype=np.float64)
    check_shape("eigenvalues", values, (None, None), "n_kpoints, n_bands")
    filled = round(n_electrons / 2)
    if abs(n_electrons / 2 - filled) > 1e-4 or filled < 1:
        raise ValueError(f"An insulator without magnetism has an even number of electrons; got {n_electrons!r}.")
    if values.shape[1] <= filled:
        raise ValueError(f"{filled} filled bands and one empty are needed; eigenvalues are of {values.shape[1]} bands.")
    ordered = np.sort(values, axis=1)
    return ordered[:, filled - 1], ordered[:, filled]


def _cumulative(occupancy: KResolvedOccupancy, low: float) -> tuple[Floats, Floats]:
    """Edges of the bins (n_bins + 1,), and the expected number of states from ``low`` up to each, (n_kpoints, ...)."""
    if occupancy.counts is None:
        raise ValueError(
            "These occupancies have no counts: the model was trained on presence only, which cannot tell how many "
            'states there are. Take method="shell".'
        )
    grid = occupancy.grid
    edges = grid.edges
    passed = np.zeros((len(occupancy), grid.size + 1))
    np.cumsum(np.where(occupancy.energies >= low, occupancy.counts, 0.0), axis=1, out=passed[:, 1:])
    return edges, passed


def _check_some(chosen: NDArray[Any], where: str, occupancy: KResolvedOccupancy) -> None:
    if not np.size(chosen) or (chosen.dtype == bool and not chosen.any()):
        raise ValueError(f"There is no bin {where}; these are {occupancy.grid}.")


def _first_state(probabilities: Floats, energies: Floats) -> Floats:
    """Expected energy (n_kpoints,) of the first bin that holds a state; ``energies`` (n_bins,) in order of search."""
    none_before = np.cumprod(1 - probabilities, axis=1)
    first = probabilities * np.concatenate([np.ones((len(probabilities), 1)), none_before[:, :-1]], axis=1)
    some = first.sum(axis=1)
    result = np.full(len(probabilities), energies[-1])
    np.divide(first @ energies, some, out=result, where=some > 0)
    return result
