"""Electronic structure resolved by k-point: occupancy of energy bins, and what follows from it."""

from ldosml.kresolved.bands import CrystalBands
from ldosml.kresolved.brillouin import BrillouinZone, brillouin_zone, reciprocal_lattice
from ldosml.kresolved.dos import TAU, DOSScale, counted_dos, raw_dos
from ldosml.kresolved.fields import counted_bands, edge_bands, filling, highest_state, lowest_state, near_fermi
from ldosml.kresolved.gap import OccupancyGap, bin_statistic, occupancy_gap
from ldosml.kresolved.isosurfaces import (
    Isosurface,
    band_edge_surfaces,
    band_surfaces,
    edge_surfaces,
    fermi_surface,
    isosurface,
)
from ldosml.kresolved.meshes import gamma_mesh, irreducible, on_mesh, spread, unfolded
from ldosml.kresolved.occupancy import KResolvedOccupancy, energy_bins, label_bins
from ldosml.kresolved.paths import KPath

__all__ = [
    "TAU",
    "BrillouinZone",
    "CrystalBands",
    "DOSScale",
    "Isosurface",
    "KPath",
    "KResolvedOccupancy",
    "OccupancyGap",
    "band_edge_surfaces",
    "band_surfaces",
    "bin_statistic",
    "brillouin_zone",
    "counted_bands",
    "counted_dos",
    "edge_bands",
    "edge_surfaces",
    "energy_bins",
    "fermi_surface",
    "filling",
    "gamma_mesh",
    "highest_state",
    "irreducible",
    "isosurface",
    "label_bins",
    "lowest_state",
    "near_fermi",
    "occupancy_gap",
    "on_mesh",
    "raw_dos",
    "reciprocal_lattice",
    "spread",
    "unfolded",
]
