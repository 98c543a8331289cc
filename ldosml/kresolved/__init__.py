"""Electronic structure by k-point: occupancy of energy bins, the gap, DOS and surfaces from it, and its evaluation."""

from ldosml.kresolved.band_edges import BandEdge, band_edge
from ldosml.kresolved.bands import CrystalBands, edge_bands
from ldosml.kresolved.brillouin import BrillouinZone, brillouin_zone
from ldosml.kresolved.dos import counted_dos, raw_dos
from ldosml.kresolved.evaluation import OccupancyScores, choose_threshold, evaluate_occupancies, fit_dos_scale
from ldosml.kresolved.gap import OccupancyGap, occupancy_gap
from ldosml.kresolved.isosurfaces import Isosurface, band_edge_surfaces, band_surfaces, edge_surfaces, fermi_surface
from ldosml.kresolved.meshes import gamma_mesh
from ldosml.kresolved.occupancy import KResolvedOccupancy, energy_bins
from ldosml.kresolved.paths import KPath
from ldosml.kresolved.star_interpolation import StarInterpolation, interpolate_bands
from ldosml.kresolved.tetrahedra import MeshBands
from ldosml.kresolved.vacuum import Vacuum, find_vacuum

__all__ = [
    "BandEdge",
    "BrillouinZone",
    "CrystalBands",
    "Isosurface",
    "KPath",
    "KResolvedOccupancy",
    "MeshBands",
    "OccupancyGap",
    "OccupancyScores",
    "StarInterpolation",
    "Vacuum",
    "band_edge",
    "band_edge_surfaces",
    "band_surfaces",
    "brillouin_zone",
    "choose_threshold",
    "counted_dos",
    "edge_bands",
    "edge_surfaces",
    "energy_bins",
    "evaluate_occupancies",
    "fermi_surface",
    "find_vacuum",
    "fit_dos_scale",
    "gamma_mesh",
    "interpolate_bands",
    "occupancy_gap",
    "raw_dos",
]
