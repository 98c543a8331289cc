"""How good predicted occupancies are: everything in Table 1 of Park et al., and what it leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ldosml.bootstrap import group_draws
from ldosml.energy import EnergyGrid
from ldosml.kresolved.dos import DOSScale
from ldosml.kresolved.dos_judging import Route, dos_errors, judge_dos, routed_dos
from ldosml.kresolved.estimates import Estimate, estimate, estimates_table, f1_of, mean_of, pearson_of, plain
from ldosml.kresolved.judged import Crystals, Occupancies, check_predictions, labelled
from ldosml.kresolved.reliability import Reliability, crystal_reliability, log_loss_of_bins
from ldosml.kresolved.thresholds import GapThreshold, is_metal, predicted_gaps

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Judgement:
    """What ``judge_occupancies`` finds.

    Parameters
    ----------
    names : tuple of str
        Of the crystals, in order.
    estimates : dict of Estimate
        By what they are of, with the unit; the errors of the table.
    threshold : GapThreshold
    gaps, predicted_gaps : arrays (n_crystals,)
        eV.
    route : {"counted", "scaled", "raw"}
        The best that these occupancies allow, of ``dos_errors``.
    dos_errors : array (n_crystals,)
        Mean absolute error of each crystal's DOS, not smeared, states/eV/atom.
    grid : EnergyGrid
        Centres of the bins.
    log_loss_by_energy : array (n_bins,)
        Mean over the crystals whose bin is complete; NaN without any.
    reliability : Reliability
    """

    names: tuple[str, ...]
    estimates: dict[str, Estimate]
    threshold: GapThreshold
    gaps: Floats
    predicted_gaps: Floats
    route: Route
    dos_errors: Floats
    grid: EnergyGrid
    log_loss_by_energy: Floats
    reliability: Reliability

    def __repr__(self) -> str:
        """Tell what it holds."""
        return f"Judgement({len(self.names)} crystals, {len(self.estimates)} figures of merit)"

    def table(self) -> str:
        """The figures of merit, each with its interval, as a Markdown table."""
        return estimates_table({"value (95 % interval)": self.estimates})

    def ranked(self) -> list[str]:
        """Names of the crystals, from the smallest error of the DOS to the largest."""
        return [name for _, name in sorted(zip(self.dos_errors.tolist(), self.names, strict=True))]

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON has it; None where there is no number."""
        return {
            "estimates": {name: one.to_dict() for name, one in self.estimates.items()},
            "threshold": asdict(self.threshold) | {"score": plain(self.threshold.score)},
            "crystals": [
                {"name": name, "gap": float(gap), "predicted_gap": float(found), "dos_error": float(error)}
                for name, gap, found, error in zip(
                    self.names, self.gaps, self.predicted_gaps, self.dos_errors, strict=True
                )
            ],
            "dos_error_of": self.route,
            "energies": self.grid.energies.tolist(),
            "log_loss_by_energy": [plain(value) for value in self.log_loss_by_energy],
            "reliability": self.reliability.to_dict(),
        }


def judge_occupancies(
    crystals: Crystals,
    mesh: Occupancies,
    path: Occupancies,
    *,
    threshold: GapThreshold | None = None,
    scale: DOSScale | None = None,
    smearing_widths: Sequence[float] = (0.0, 0.2),
    n_draws: int = 1000,
    random_state: int = 0,
) -> Judgement:
    """Compare predicted occupancies with the bands of the crystals.

    Log loss is the mean over complete bins and the k-points of mesh and path of a crystal, and then over crystals.
    Intervals are of a bootstrap over crystals, those of one composition drawn together; the expected calibration error,
    where every k-point counts alike, has none. Beside the errors of predicted gaps stand those of the gaps that true
    occupancies give (``bin_gaps``): bins resolve no better, and take gaps of less than two of them for none.

    Parameters
    ----------
    crystals : sequence of KnownCrystal
        ``Material`` of ``ldosml.datasets``, for instance.
    mesh, path : sequences of KResolvedOccupancy
        One for each crystal: at the k-points of its mesh, with their weights, and at those of its path.
    threshold : GapThreshold, optional
        From ``choose_threshold`` on validation crystals. Default: a largest probability of 0.5.
    scale : DOSScale, optional
        From ``fit_dos_scale`` on training and validation crystals; without it there is no calibrated DOS.
    smearing_widths : sequence of float
        eV; for each, the errors of the DOS when both are smeared by it. 0: as counted in bins, as Park et al.
    n_draws, random_state : int
        Of the bootstrap.

    Raises
    ------
    ValueError
        When predictions do not belong to the crystals: see ``check_predictions``.
    """
    grid = check_predictions(crystals, mesh, path)
    threshold = threshold or GapThreshold()
    names = tuple(crystal.name for crystal in crystals)
    draws = composition_draws(crystals, n_draws, random_state)
    gaps, found = np.array([crystal.gap for crystal in crystals]), predicted_gaps(mesh, path, threshold)
    losses = np.array([log_loss_of_bins(*each) for each in zip(crystals, mesh, path, strict=True)])
    trust = crystal_reliability(crystals, mesh, path)
    estimates = {
        "log loss of a bin": estimate(mean_of(_known_mean(losses, axis=1)), draws),
        "expected calibration error": Estimate(trust.calibration_error),
        **judge_gaps(gaps, found, draws),
        **{f"true occupancies: {name}": one for name, one in judge_gaps(gaps, bin_gaps(crystals, grid), draws).items()},
    }
    routes = _routes(mesh, scale)
    dos = {route: routed_dos(crystals, mesh, route, scale) for route in routes}
    for width in smearing_widths:
        for route in routes:
            estimates |= judge_dos(crystals, dos[route], draws, width, route)
    errors = dos_errors(crystals, dos[routes[-1]]) / [len(crystal.atoms) for crystal in crystals]
    by_energy = _known_mean(losses, axis=0)
    return Judgement(names, estimates, threshold, gaps, found, routes[-1], errors, grid, by_energy, trust)


def composition_draws(crystals: Crystals, n_draws: int, random_state: int = 0) -> Floats:
    """How often each crystal counts when compositions are drawn with replacement, (n_draws, n_crystals)."""
    compositions = [crystal.atoms.symbols.formula.reduce()[0].format("hill") for crystal in crystals]
    return group_draws(compositions, n_draws, random_state)


def judge_gaps(gaps: ArrayLike, predicted: ArrayLike, draws: Floats) -> dict[str, Estimate]:
    """Errors of predicted gaps, eV.

    Parameters
    ----------
    gaps, predicted : arrays (n_crystals,)
        eV; below 1 meV those of metals. Park et al. do not say of which class their F1 is: here of non-metals.
    draws : array (n_draws, n_crystals)
        See ``composition_draws``.
    """
    there, here = (np.asarray(values, dtype=np.float64) for values in (gaps, predicted))
    errors, gapped, found = np.abs(here - there), ~is_metal(there), ~is_metal(here)
    return {
        "gap: MAE (eV)": estimate(mean_of(errors), draws),
        "gap: MAE of non-metals (eV)": estimate(mean_of(errors, gapped), draws),
        "gap: r": estimate(pearson_of(list(there[:, None]), list(here[:, None])), draws),
        "metal or not: accuracy": estimate(mean_of((gapped == found).astype(np.float64)), draws),
        "metal or not: F1 of non-metals": estimate(f1_of(gapped, found), draws),
    }


def bin_gaps(crystals: Crystals, grid: EnergyGrid) -> Floats:
    """Gaps of the bins that bands pass through (``CrystalBands.anywhere``), (n_crystals,), eV: what bins resolve."""
    cells = [crystal.atoms.cell.array for crystal in crystals]
    mesh = [labelled(crystal.mesh, grid, cell) for crystal, cell in zip(crystals, cells, strict=True)]
    path = [labelled(crystal.path, grid, cell) for crystal, cell in zip(crystals, cells, strict=True)]
    return predicted_gaps(mesh, path, GapThreshold(0.5, "anywhere"))


def _routes(mesh: Occupancies, scale: DOSScale | None) -> list[Route]:
    """Those that are possible, the best last."""
    routes: list[Route] = ["raw"]
    if scale is not None:
        routes.append("scaled")
    if all(one.counts is not None for one in mesh):
        routes.append("counted")
    return routes


def _known_mean(values: Floats, axis: int) -> Floats:
    """Mean of what is not NaN, which is NaN without any."""
    known = ~np.isnan(values)
    numbers = known.sum(axis=axis)
    result: Floats = np.where(known, values, 0.0).sum(axis=axis) / np.where(numbers > 0, numbers, np.nan)
    return result
