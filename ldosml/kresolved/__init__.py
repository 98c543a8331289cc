"""Electronic structure resolved by k-point: occupancy of energy bins, what follows from it, and how good it is."""

from ldosml.kresolved.bands import CrystalBands
from ldosml.kresolved.brillouin import BrillouinZone, brillouin_zone, reciprocal_lattice
from ldosml.kresolved.dos import TAU, DOSScale, counted_dos, raw_dos, without_gap_states
from ldosml.kresolved.dos_judging import fit_dos_scale, judge_dos, reference_dos
from ldosml.kresolved.estimates import Estimate, estimates_table
from ldosml.kresolved.fields import (
    counted_bands,
    counted_edges,
    edge_bands,
    filling,
    highest_state,
    lowest_state,
    near_fermi,
    quietest,
)
from ldosml.kresolved.gap import OccupancyGap, bin_statistic, occupancy_gap
from ldosml.kresolved.isosurfaces import (
    Isosurface,
    band_edge_surfaces,
    band_surfaces,
    edge_surfaces,
    fermi_surface,
    isosurface,
)
from ldosml.kresolved.judged import KnownCrystal, labelled
from ldosml.kresolved.judging import Judgement, composition_draws, judge_gaps, judge_occupancies
from ldosml.kresolved.meshes import from_irreducible, gamma_mesh, irreducible, on_mesh, unfolded
from ldosml.kresolved.model_files import describe_occupancy_model
from ldosml.kresolved.occupancy import KResolvedOccupancy, energy_bins, label_bins
from ldosml.kresolved.paths import KPath
from ldosml.kresolved.reliability import Reliability, reliability
from ldosml.kresolved.thresholds import GapThreshold, choose_threshold

__all__ = [
    "TAU",
    "BrillouinZone",
    "CrystalBands",
    "DOSScale",
    "Estimate",
    "GapThreshold",
    "Isosurface",
    "Judgement",
    "KPath",
    "KResolvedOccupancy",
    "KnownCrystal",
    "OccupancyGap",
    "Reliability",
    "band_edge_surfaces",
    "band_surfaces",
    "bin_statistic",
    "brillouin_zone",
    "choose_threshold",
    "composition_draws",
    "counted_bands",
    "counted_dos",
    "counted_edges",
    "describe_occupancy_model",
    "edge_bands",
    "edge_surfaces",
    "energy_bins",
    "estimates_table",
    "fermi_surface",
    "filling",
    "fit_dos_scale",
    "from_irreducible",
    "gamma_mesh",
    "highest_state",
    "irreducible",
    "isosurface",
    "judge_dos",
    "judge_gaps",
    "judge_occupancies",
    "label_bins",
    "labelled",
    "lowest_state",
    "near_fermi",
    "occupancy_gap",
    "on_mesh",
    "quietest",
    "raw_dos",
    "reciprocal_lattice",
    "reference_dos",
    "reliability",
    "unfolded",
    "without_gap_states",
]
