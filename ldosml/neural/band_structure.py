"""The electronic structure of one crystal from learned tight binding: lines, gap, masses, DOS, Fermi surface."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, get_args

import numpy as np
from ase.data import chemical_symbols

from ldosml._ranges import check_arguments
from ldosml._validation import check_choice
from ldosml.energy import EnergyGrid
from ldosml.kresolved import Isosurface, KPath, band_edge_surfaces, band_surfaces, gamma_mesh
from ldosml.kresolved.band_edges import BandEdge, band_edge, best_starts
from ldosml.kresolved.brillouin import reciprocal_lattice
from ldosml.kresolved.evaluation.gaps import SMALLEST_GAP
from ldosml.kresolved.meshes import irreducible
from ldosml.kresolved.paths import PathKind, check_n_kpoints
from ldosml.kresolved.tetrahedra import MeshBands
from ldosml.kresolved.vacuum import find_vacuum
from ldosml.neural.crystals import SYMPREC, Crystal, Floats, Integers, mesh_shape, point_group, structure_type
from ldosml.neural.inputs import GivenCrystal, describe
from ldosml.neural.structure import check_usual, crystal_path
from ldosml.neural.tight_binding_regressor import MESH, TightBindingRegressor, mesh_bands
from ldosml.spectra import DOS
from ldosml.tightbinding import TightBinding
from ldosml.tightbinding.diagonalization_plan import DiagonalizationPlan, plan_diagonalization
from ldosml.tightbinding.hamiltonian import N_ORBITALS

N_PATH = 200
"""Number of k-points along a path."""

_CORNERS = 600  # bytes of a band at one k-point: six tetrahedra with four corners, sorted and selected
_MAGNETIC = {*range(24, 29)}  # Cr, Mn, Fe, Co, Ni
_USUAL_VOLUME = 250.0  # angstrom^3
_STEP, _ABOVE = 0.05, 10.0  # eV: step of the DOS, and how far it extends above the Fermi level


@dataclass(frozen=True, eq=False)
class Sheet:
    """One band at the Fermi level of a metal.

    Parameters
    ----------
    band : int
        Number of the band, from 1 for the lowest valence band.
    filling : float
        Fraction of the zone in which it lies below the Fermi level.
    volume : float
        Volume in which it does, 1/angstrom^3, 2 pi included.
    """

    band: int
    filling: float
    volume: float

    @property
    def electrons(self) -> float:
        """Electrons of the cell in the band."""
        return 2 * self.filling

    @property
    def holes(self) -> float:
        """Electrons of the cell that are missing from the band."""
        return 2 * (1 - self.filling)


@dataclass(frozen=True, eq=False)
class BandStructure:
    """The predicted bands of one crystal, and what is read off them; made by ``band_structure``.

    Energies are in eV against the Fermi level, in the middle of a gap.

    Parameters
    ----------
    crystal : Crystal
        The standardised primitive cell; all k-points are fractions of its reciprocal lattice vectors.
    path : KPath
        The path through the Brillouin zone.
    energies : array (n_kpoints of the path, n_bands)
        Bands along the path, ascending.
    mesh : MeshBands
        Bands on a mesh around Gamma.
    n_electrons : float
        Valence electrons of the cell.
    valence, conduction : BandEdge or None
        Edges of the gap, found between the points of the mesh; None for a metal.
    network_energies : tuple of arrays (n_kpoints of the path, n_bands)
        Bands along the path by each network alone, each against its own Fermi level.
    network_gaps : tuple of float
        Gap by each network alone, eV.
    """

    crystal: Crystal
    path: KPath
    energies: Floats
    mesh: MeshBands
    n_electrons: float
    valence: BandEdge | None
    conduction: BandEdge | None
    network_energies: tuple[Floats, ...] = ()
    network_gaps: tuple[float, ...] = ()

    @property
    def gap(self) -> float:
        """Gap, eV; 0 for a metal."""
        if self.valence is None or self.conduction is None:
            return 0.0
        return self.conduction.energy - self.valence.energy

    @property
    def is_metal(self) -> bool:
        """Whether there is no gap."""
        return self.valence is None

    @property
    def n_filled(self) -> int:
        """Number of bands that the electrons fill, rounded down."""
        return int(self.n_electrons / 2 + 1e-6)

    @property
    def direct_gap(self) -> float:
        """Smallest gap at one k-point of mesh, path and edges, eV; 0 for a metal."""
        if self.is_metal:
            return 0.0
        n = self.n_filled
        each = (bands[:, n] - bands[:, n - 1] for bands in (self._on_mesh, self.energies))
        return max(self.gap, float(min(one.min() for one in each)))  # which rounding may put the other way round

    @property
    def overlap(self) -> float | None:
        """How far the bands on both sides of the electrons overlap in a metal, eV; None if a band is half filled.

        If it is less than the error of gaps, the crystal may have one.
        """
        n = self.n_filled
        if not self.is_metal or abs(self.n_electrons / 2 - n) > 1e-6 or not 0 < n < self.energies.shape[1]:
            return None
        both = np.concatenate([self._on_mesh, self.energies])
        return max(0.0, float(both[:, n - 1].max() - both[:, n].min()))

    @property
    def spread(self) -> Floats:
        """Standard deviation of the networks' bands along the path, (n_kpoints, n_bands), eV; NaN for one network."""
        if len(self.network_energies) < 2:
            return np.full(self.energies.shape, np.nan)
        return np.asarray(np.std(self.network_energies, axis=0, ddof=1), dtype=np.float64)

    @property
    def gap_spread(self) -> float:
        """Standard deviation of the networks' gaps, eV; NaN for one network."""
        return float(np.std(self.network_gaps, ddof=1)) if len(self.network_gaps) > 1 else float("nan")

    @cached_property
    def dos(self) -> DOS:
        """DOS on the mesh by linear tetrahedra, states/eV of the primitive cell; it holds all valence electrons."""
        low = _STEP * np.floor((float(self.mesh.energies.min()) - 1.0) / _STEP)
        grid = EnergyGrid.from_range(low, _ABOVE, _STEP, "fermi")
        return self.mesh.dos(grid, len(self.crystal))

    @property
    def sheets(self) -> tuple[Sheet, ...]:
        """Bands at the Fermi level, with what they enclose; none with a gap."""
        if not self.is_metal:
            return ()
        volume = abs(float(np.linalg.det(reciprocal_lattice(self.crystal.cell))))
        fillings = self.mesh.filling(0.0)
        partly = np.flatnonzero((fillings > 0) & (fillings < 1))
        return tuple(Sheet(int(n) + 1, float(fillings[n]), volume * float(fillings[n])) for n in partly)

    @property
    def _on_mesh(self) -> Floats:
        return self.mesh.energies.reshape(-1, self.energies.shape[1])

    def facts(self) -> dict[str, Any]:
        """Describe gap, edges, masses and sheets.

        Returns
        -------
        dict
            As JSON can hold it; None for what there is not.
        """
        edges = {"valence": self.valence, "conduction": self.conduction}
        found: dict[str, Any] = {"metal": self.is_metal, "gap": self.gap, "direct_gap": self.direct_gap}
        found["overlap"] = self.overlap
        found["gap_spread"] = self.gap_spread if len(self.network_gaps) > 1 else None
        for side, edge in edges.items():
            found[f"{side}_edge"] = 0.0 if edge is None else edge.energy
            found[f"{side}_kpoint"] = None if edge is None else edge.kpoint.round(6).tolist()
            found[f"{side}_masses"] = None if edge is None else edge.masses.tolist()
        found["sheets"] = [asdict(one) | {"electrons": one.electrons, "holes": one.holes} for one in self.sheets]
        return found

    def surfaces(self, depth: float | None = None) -> tuple[Isosurface, ...]:
        """Find the Fermi surface of a metal, or the surfaces just within both edges of a gap.

        Parameters
        ----------
        depth : float or None
            eV; with a gap, see ``band_edge_surfaces``.

        Returns
        -------
        tuple of Isosurface
            Sheets are numbered as ``sheets``.

        Raises
        ------
        ValueError
            When a band is narrower than ``depth``.
        """
        check_arguments(depth=depth)
        # Surfaces cross the zone also where one k-point is enough, across a vacuum.
        shape = self.mesh.energies.shape[:3]
        full = np.tile(self.mesh.energies, [max(shape) if n == 1 else 1 for n in shape] + [1])
        kpoints, cell, bands = (
            MeshBands(full, self.crystal.cell).kpoints,
            self.crystal.cell,
            full.reshape(-1, full.shape[3]),
        )
        if self.is_metal:
            return band_surfaces(bands, kpoints, cell)
        return band_edge_surfaces(bands, kpoints, cell, n_electrons=self.n_electrons, depth=depth)


def band_structure(
    model: TightBindingRegressor,
    atoms: GivenCrystal,
    *,
    n_path: int = N_PATH,
    path: PathKind = "setyawan-curtarolo",
    mesh: int | None = None,
    spread: bool = True,
    symprec: float = SYMPREC,
    allow_unknown: bool = False,
) -> BandStructure:
    """Predict the bands of one crystal.

    Parameters
    ----------
    model : TightBindingRegressor
        Fitted.
    atoms : ase.Atoms or Crystal
        The crystal, in any cell.
    n_path : int
        Number of k-points along the path, up to rounding.
    path : {"setyawan-curtarolo", "latimer-munro"}
        ``KPath.from_cell``, or ``KPath.latimer_munro``, which needs pymatgen.
    mesh : int, optional
        Number of k-points along each reciprocal lattice vector. Default: 8, or fewer in large cells (``usual_mesh``).
        Across a vacuum, it is 1.
    spread : bool
        Also predict by each network alone, which gives the spread and takes as long again for each.
    symprec : float
        Tolerance of the symmetry, angstrom; see ``standardized``.
    allow_unknown : bool
        Predict, with a warning, also for elements that are not in the training crystals.

    Returns
    -------
    BandStructure

    Raises
    ------
    NotFittedError
        When the model is not fitted.
    ValueError
        When the crystal is invalid (see ``standardized``) or has unknown elements, or ``n_path`` or ``mesh`` is not
        positive.
    MemoryError
        When the matrices do not fit into the free memory; before it is tried.
    ImportError
        When pymatgen is missing, for the path of Latimer and Munro.

    Warns
    -----
    UserWarning
        When distances of neighbours are unusual, the cell is nearly empty or has a vacuum; when compounds of an element
        are often magnetic; when no training crystal has the space group and the Wyckoff positions; and as
        ``standardized``.
    """
    check_arguments(n_path=n_path, mesh=mesh, symprec=symprec)
    check_choice("path", path, get_args(PathKind))
    crystal, _ = describe(atoms, symprec)
    check_usual(crystal)
    _check_known(model, crystal)
    plan_bands(model, crystal, n_path=n_path, mesh=mesh, spread=spread).require(
        "Compute the local DOS by moments (local_dos, ldosml dos)."
    )
    n = usual_mesh(crystal) if mesh is None else mesh
    line = crystal_path(crystal, path, n_path)
    bound = model.tight_binding(crystal.atoms(), allow_unknown=allow_unknown)
    found = _read_off(bound, crystal, line, n)
    if not spread:
        return found
    each = [
        _read_off(model.tight_binding(crystal.atoms(), network=number, allow_unknown=True), crystal, line, n)
        for number in range(len(model.network_.networks))
    ]
    return replace(
        found, network_energies=tuple(one.energies for one in each), network_gaps=tuple(one.gap for one in each)
    )


def usual_mesh(crystal: Crystal) -> int:
    """Give the number of k-points along each reciprocal lattice vector that is used by default.

    8, as in training; in cells of more than 250 angstrom^3 as many fewer as keep the density of k-points. A vacuum does
    not count: of a layer, the area counts, of a wire, the length.
    """
    repeats = crystal.cell[~np.array(find_vacuum(crystal.atoms()).axes)]
    if not len(repeats):
        return 1
    edge = float(np.linalg.det(repeats @ repeats.T)) ** (0.5 / len(repeats))
    return max(1, int(np.ceil(MESH * min(1.0, _USUAL_VOLUME ** (1 / 3) / edge - 1e-9))))


def plan_bands(
    model: TightBindingRegressor,
    crystal: GivenCrystal,
    *,
    n_path: int = N_PATH,
    mesh: int | None = None,
    spread: bool = True,
    symprec: float = SYMPREC,
) -> DiagonalizationPlan:
    """Estimate memory and time of ``band_structure``.

    Parameters
    ----------
    model : TightBindingRegressor
        Fitted.
    crystal : ase.Atoms or Crystal
        In any cell.
    n_path : int
        Number of k-points along the path.
    mesh : int, optional
        Number of k-points along each reciprocal lattice vector. Default: ``usual_mesh``.
    spread : bool
        Whether each network predicts alone as well.
    symprec : float
        Tolerance of the symmetry, angstrom; see ``standardized``.

    Returns
    -------
    DiagonalizationPlan
    """
    check_arguments(n_path=n_path, mesh=mesh, symprec=symprec)
    check_n_kpoints(n_path)
    described, _ = describe(crystal, symprec)
    kpoints, _ = gamma_mesh(mesh_shape(described, usual_mesh(described) if mesh is None else mesh))
    n_kpoints = n_path + len(irreducible(kpoints, point_group(described))[0])
    repeats = 1 + (len(model.network_.networks) if spread else 0)
    one = plan_diagonalization(len(described), n_kpoints, vectors=False)
    # Bands of each network along the path, and on the full mesh at the corners of its tetrahedra.
    held = N_ORBITALS * len(described) * (8 * repeats * n_path + _CORNERS * len(kpoints))
    return replace(one, bytes=one.bytes + held, operations=repeats * one.operations)


def magnetic_words(numbers: Integers, what: str) -> list[str]:
    """Say which elements often make a structure magnetic, if there are any; ``what`` is predicted."""
    present = [chemical_symbols[z] for z in sorted({int(z) for z in numbers} & _MAGNETIC)]
    return (
        [f"compounds of {', '.join(present)} are often magnetic, and these {what} are without spin"] if present else []
    )


def _check_known(model: TightBindingRegressor, crystal: Crystal) -> None:
    """Warn of what the bands cannot know: magnetism, and crystals of another prototype."""
    told = magnetic_words(crystal.numbers, "bands")
    if structure_type(crystal) not in model.structure_types_:
        told.append(
            "no training crystal has its space group and Wyckoff positions, and errors of new prototypes are larger"
        )
    if told:
        warnings.warn(f"Trust these bands less: {'; '.join(told)}.", UserWarning, stacklevel=3)


def _read_off(bound: TightBinding, crystal: Crystal, line: KPath, n: int) -> BandStructure:
    """Bands of one tight binding along a path and on a mesh, against the Fermi level, and the edges of a gap."""
    mesh = mesh_bands(bound, crystal, n)
    along = bound.eigenvalues(line.kpoints)
    edges = _edges(bound, crystal, mesh, line, along)
    if edges is None:
        valence = conduction = None
        zero = mesh.fermi_level(bound.n_electrons)
    else:
        zero = 0.5 * (edges[0].energy + edges[1].energy)
        valence, conduction = (replace(edge, energy=edge.energy - zero) for edge in edges)
    moved = MeshBands(mesh.energies - zero, crystal.cell)
    return BandStructure(crystal, line, along - zero, moved, bound.n_electrons, valence, conduction)


def _edges(
    bound: TightBinding, crystal: Crystal, mesh: MeshBands, line: KPath, along: Floats
) -> tuple[BandEdge, BandEdge] | None:
    """Edges of the gap, or None for a metal."""
    filled = round(bound.n_electrons / 2)
    if abs(bound.n_electrons / 2 - filled) > 1e-6 or not 0 < filled < along.shape[1]:
        return None
    on_mesh = mesh.energies.reshape(-1, along.shape[1])
    bands = np.concatenate([along, on_mesh])
    if bands[:, filled].min() - bands[:, filled - 1].max() < SMALLEST_GAP:
        return None
    kpoints = np.concatenate([line.kpoints, mesh.kpoints])
    step = 0.5 / max(mesh.energies.shape[:3])

    def edge(band: int, side: str) -> BandEdge:
        starts = best_starts(kpoints, bands[:, band], side)
        return band_edge(bound.eigenvalues, starts, crystal.cell, band, side, step=step)

    valence, conduction = edge(filled - 1, "top"), edge(filled, "bottom")
    return None if conduction.energy - valence.energy < SMALLEST_GAP else (valence, conduction)
