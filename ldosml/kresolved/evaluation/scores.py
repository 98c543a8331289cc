"""All scores of predicted occupancies: Table 1 of Park et al., log loss, and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ldosml import _html
from ldosml._plots import drawn
from ldosml._ranges import check_arguments
from ldosml.bootstrap import group_draws
from ldosml.energy import EnergyGrid
from ldosml.kresolved.dos import DOSScale
from ldosml.kresolved.evaluation.crystals import Crystals, Occupancies, check_predictions
from ldosml.kresolved.evaluation.dos import DOSMethod, dos_errors, predicted_dos, score_dos
from ldosml.kresolved.evaluation.estimates import Estimate, estimate, estimates_table, finite_or_none, mean_of
from ldosml.kresolved.evaluation.gaps import GapThreshold, predicted_gaps, score_gaps, true_gaps_of_bins
from ldosml.kresolved.evaluation.reliability import Reliability, crystal_reliability, log_loss_of_bins

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class OccupancyScores:
    """Scores of predicted occupancies; made by ``evaluate_occupancies``.

    Parameters
    ----------
    names : tuple of str
        Names of the crystals, in order.
    estimates : dict of Estimate
        Scores by name; the name contains the unit.
    threshold : GapThreshold
        Threshold with which the gaps were found.
    true_gaps, predicted_gaps : arrays (n_crystals,)
        eV.
    dos_method : {"counted", "scaled", "raw"}
        How the DOS of ``dos_errors`` was made: the best method that these occupancies allow.
    dos_errors : array (n_crystals,)
        Mean absolute error of each crystal's DOS without smearing, states/eV/atom.
    grid : EnergyGrid
        Centres of the bins.
    log_loss_by_energy : array (n_bins,)
        Mean over the crystals in which the bin is complete; NaN where there are none.
    reliability : Reliability
        Calibration of the predicted probabilities.
    """

    names: tuple[str, ...]
    estimates: dict[str, Estimate]
    threshold: GapThreshold
    true_gaps: Floats
    predicted_gaps: Floats
    dos_method: DOSMethod
    dos_errors: Floats
    grid: EnergyGrid
    log_loss_by_energy: Floats
    reliability: Reliability

    def __repr__(self) -> str:
        """Numbers of crystals and scores."""
        return f"OccupancyScores({len(self.names)} crystals, {len(self.estimates)} scores)"

    def _repr_html_(self) -> str:
        """What a notebook shows: all scores with their intervals, and the log loss at each energy."""
        rows = [[name, one.value, one.low, one.high] for name, one in self.estimates.items()]
        scores = _html.table(["score", "value", "95 % from", "to"], rows, most=60)
        picture = _html.curves(self.grid.energies, {"log loss of a bin": self.log_loss_by_energy}, "")
        return _html.page("OccupancyScores", {"crystals": len(self.names), **self.grid.facts()}, scores, picture)

    def plot(self, ax: Axes | None = None) -> Figure | None:
        """Draw how often states are found where they are predicted, and the log loss at each energy.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Draw only the former, here.

        Returns
        -------
        matplotlib.figure.Figure or None
            None with ``ax``.
        """
        figure: Figure | None = drawn(self, ax)
        return figure

    def table(self) -> str:
        """Make a Markdown table of the scores with their intervals.

        Returns
        -------
        str
        """
        return estimates_table({"value (95 % interval)": self.estimates})

    def ranked(self) -> list[str]:
        """Sort the crystals by the error of their DOS.

        Returns
        -------
        list of str
            Names, smallest error first.
        """
        return [name for _, name in sorted(zip(self.dos_errors.tolist(), self.names, strict=True))]

    def to_dict(self) -> dict[str, Any]:
        """Give everything as JSON can hold it.

        Returns
        -------
        dict
            None instead of NaN.
        """
        columns = (self.names, self.true_gaps, self.predicted_gaps, self.dos_errors)
        return {
            "estimates": {name: one.to_dict() for name, one in self.estimates.items()},
            "threshold": asdict(self.threshold) | {"score": finite_or_none(self.threshold.score)},
            "crystals": [
                {"name": name, "gap": float(gap), "predicted_gap": float(found), "dos_error": float(error)}
                for name, gap, found, error in zip(*columns, strict=True)
            ],
            "dos_method": self.dos_method,
            "energies": self.grid.energies.tolist(),
            "log_loss_by_energy": [finite_or_none(value) for value in self.log_loss_by_energy],
            "reliability": self.reliability.to_dict(),
        }


def evaluate_occupancies(
    crystals: Crystals,
    mesh: Occupancies,
    path: Occupancies,
    *,
    threshold: GapThreshold | None = None,
    scale: DOSScale | None = None,
    smearing_widths: Sequence[float] = (0.0, 0.2),
    n_draws: int = 1000,
    random_state: int = 0,
) -> OccupancyScores:
    """Compare predicted occupancies with the bands of crystals.

    The log loss is averaged over the complete bins and the k-points (mesh and path) of a crystal, and then over
    crystals. Intervals come from a bootstrap over crystals; crystals of one composition are drawn together. The
    expected calibration error has no interval. The errors named "true occupancies: ..." compare the gaps from the
    true occupancies: bins give no smaller errors, and miss gaps narrower than two bins.

    Parameters
    ----------
    crystals : sequence of KnownCrystal
        For instance ``Material`` of ``ldosml.datasets``.
    mesh, path : sequences of KResolvedOccupancy
        Predictions for each crystal: at the k-points of its mesh, with weights, and at the k-points of its path.
    threshold : GapThreshold, optional
        From ``choose_threshold`` on validation crystals. Default: a largest probability of 0.5.
    scale : DOSScale, optional
        From ``fit_dos_scale`` on training and validation crystals; without it, there is no scaled DOS.
    smearing_widths : sequence of float
        eV; the errors of the DOS are computed once for each width. 0: no smearing, as Park et al.
    n_draws : int
        Number of bootstrap draws.
    random_state : int
        Seed of the bootstrap.

    Returns
    -------
    OccupancyScores

    Raises
    ------
    ValueError
        When predictions do not belong to the crystals: see ``check_predictions``.
    """
    check_arguments(smearing_widths=smearing_widths, n_draws=n_draws, random_state=random_state)
    grid = check_predictions(crystals, mesh, path)
    threshold = threshold or GapThreshold()
    names = tuple(crystal.name for crystal in crystals)
    draws = composition_draws(crystals, n_draws, random_state)
    gaps, found = np.array([crystal.gap for crystal in crystals]), predicted_gaps(mesh, path, threshold)
    best_possible = score_gaps(gaps, true_gaps_of_bins(crystals, grid), draws)
    losses = np.array([log_loss_of_bins(*each) for each in zip(crystals, mesh, path, strict=True)])
    calibration = crystal_reliability(crystals, mesh, path)
    estimates = {
        "log loss of a bin": estimate(mean_of(_known_mean(losses, axis=1)), draws),
        "expected calibration error": Estimate(calibration.calibration_error),
        **score_gaps(gaps, found, draws),
        **{f"true occupancies: {name}": one for name, one in best_possible.items()},
    }
    methods = _dos_methods(mesh, scale)
    dos = {method: predicted_dos(crystals, mesh, method, scale) for method in methods}
    for width in smearing_widths:
        for method in methods:
            estimates |= score_dos(crystals, dos[method], draws, width, method)
    errors = dos_errors(crystals, dos[methods[-1]]) / [len(crystal.atoms) for crystal in crystals]
    by_energy = _known_mean(losses, axis=0)
    return OccupancyScores(names, estimates, threshold, gaps, found, methods[-1], errors, grid, by_energy, calibration)


def composition_draws(crystals: Crystals, n_draws: int, random_state: int = 0) -> Floats:
    """Draw compositions with replacement, for a bootstrap over crystals.

    Parameters
    ----------
    crystals : sequence of KnownCrystal
        Crystals of one composition are drawn together.
    n_draws : int
        Number of draws.
    random_state : int
        Seed.

    Returns
    -------
    array (n_draws, n_crystals)
        How often each crystal counts in each draw.
    """
    compositions = [crystal.atoms.symbols.formula.reduce()[0].format("hill") for crystal in crystals]
    return group_draws(compositions, n_draws, random_state)


def _dos_methods(mesh: Occupancies, scale: DOSScale | None) -> list[DOSMethod]:
    """Methods that are possible, the best last."""
    methods: list[DOSMethod] = ["raw"]
    if scale is not None:
        methods.append("scaled")
    if all(one.counts is not None for one in mesh):
        methods.append("counted")
    return methods


def _known_mean(values: Floats, axis: int) -> Floats:
    """Mean of the values that are not NaN; NaN where there are none."""
    known = ~np.isnan(values)
    numbers = known.sum(axis=axis)
    result: Floats = np.where(known, values, 0.0).sum(axis=axis) / np.where(numbers > 0, numbers, np.nan)
    return result
