"""Electronic structure resolved by k-point: occupancy of energy bins, what follows from it, and how good it is."""

from ldosml.kresolved.bands import CrystalBands
from ldosml.kresolved.dos import TAU, DOSScale, counted_dos, raw_dos
from ldosml.kresolved.dos_judging import fit_dos_scale, judge_dos, reference_dos
from ldosml.kresolved.estimates import Estimate, estimates_table
from ldosml.kresolved.gap import OccupancyGap, bin_statistic, occupancy_gap
from ldosml.kresolved.judged import KnownCrystal, labelled
from ldosml.kresolved.judging import Judgement, judge_gaps, judge_occupancies
from ldosml.kresolved.occupancy import KResolvedOccupancy, energy_bins, label_bins
from ldosml.kresolved.reliability import Reliability, reliability
from ldosml.kresolved.thresholds import GapThreshold, choose_threshold

__all__ = [
    "TAU",
    "CrystalBands",
    "DOSScale",
    "Estimate",
    "GapThreshold",
    "Judgement",
    "KResolvedOccupancy",
    "KnownCrystal",
    "OccupancyGap",
    "Reliability",
    "bin_statistic",
    "choose_threshold",
    "counted_dos",
    "energy_bins",
    "estimates_table",
    "fit_dos_scale",
    "judge_dos",
    "judge_gaps",
    "judge_occupancies",
    "label_bins",
    "labelled",
    "occupancy_gap",
    "raw_dos",
    "reference_dos",
    "reliability",
]
