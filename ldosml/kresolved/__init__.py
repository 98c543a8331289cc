"""Electronic structure resolved by k-point: occupancy of energy bins, and what follows from it."""

from ldosml.kresolved.bands import CrystalBands
from ldosml.kresolved.dos import TAU, DOSScale, counted_dos, raw_dos
from ldosml.kresolved.gap import OccupancyGap, bin_statistic, occupancy_gap
from ldosml.kresolved.occupancy import KResolvedOccupancy, energy_bins, label_bins

__all__ = [
    "TAU",
    "CrystalBands",
    "DOSScale",
    "KResolvedOccupancy",
    "OccupancyGap",
    "bin_statistic",
    "counted_dos",
    "energy_bins",
    "label_bins",
    "occupancy_gap",
    "raw_dos",
]
