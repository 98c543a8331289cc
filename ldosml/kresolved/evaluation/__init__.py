"""How good predicted occupancies are: their log loss and calibration, and the errors of the gaps and DOS from them."""

from ldosml.kresolved.evaluation.crystals import KnownCrystal, true_occupancy
from ldosml.kresolved.evaluation.dos import fit_dos_scale, score_dos, true_dos
from ldosml.kresolved.evaluation.estimates import Estimate, estimates_table
from ldosml.kresolved.evaluation.gaps import GapThreshold, choose_threshold, score_gaps
from ldosml.kresolved.evaluation.reliability import Reliability, reliability
from ldosml.kresolved.evaluation.scores import OccupancyScores, composition_draws, evaluate_occupancies

__all__ = [
    "Estimate",
    "GapThreshold",
    "KnownCrystal",
    "OccupancyScores",
    "Reliability",
    "choose_threshold",
    "composition_draws",
    "estimates_table",
    "evaluate_occupancies",
    "fit_dos_scale",
    "reliability",
    "score_dos",
    "score_gaps",
    "true_dos",
    "true_occupancy",
]
