"""The electronic structure of one crystal from a trained model: bands along a path, the gap, the DOS."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from ase import Atoms
from ase.data import covalent_radii

from ldosml._ranges import check_arguments
from ldosml._validation import check_choice
from ldosml.kresolved import KPath, KResolvedOccupancy, OccupancyGap, counted_dos, raw_dos
from ldosml.kresolved.dos import without_gap_states
from ldosml.kresolved.paths import PathKind
from ldosml.kresolved.vacuum import PORE, find_vacuum, pore_radius
from ldosml.neighbors import find_neighbors
from ldosml.neural.crystals import SYMPREC, Crystal, Floats, mesh_shape
from ldosml.neural.inputs import GivenCrystal, describe
from ldosml.neural.regressor import KOccupancyRegressor
from ldosml.neural.surfaces import irreducible_mesh
from ldosml.neural.tight_binding import LARGEST, CrystalTightBinding, known_shells
from ldosml.properties import TruncatedDOSWarning, fermi_level, integrated_dos
from ldosml.spectra import DOS

USUAL = (0.70, 1.45)
"""Usual distances of nearest neighbours, in sums of covalent radii; in the shipped crystals 0.74 to 1.35."""

LOOSEST = 8.0
"""Largest usual volume of a cell, in units of the volume of its atoms (spheres of covalent radii); in the shipped
crystals at most 4.1."""

FermiLevel = Literal["known", "counted"]
"""Where the Fermi level is: "known", at the zero of the bins, to which all energies refer; or "counted", where the
predicted states hold the electrons, whose number in the bins comes from tight binding."""


@dataclass(frozen=True, eq=False)
class ElectronicStructure:
    """The predicted electronic structure of one crystal; made by ``electronic_structure``.

    Parameters
    ----------
    crystal : Crystal
        The standardised primitive cell; all k-points are fractions of its reciprocal lattice vectors.
    path : KPath
        The path through the Brillouin zone.
    along : KResolvedOccupancy
        At the k-points of the path.
    mesh : KResolvedOccupancy
        At the irreducible k-points of a mesh around Gamma, with weights.
    gap : OccupancyGap
        Gap over path and mesh; its k-points are indices into the k-points of the path, followed by the mesh.
    fermi_level : float
        eV, relative to the energy zero of the training; all energies here are relative to this Fermi level.
    """

    crystal: Crystal
    path: KPath
    along: KResolvedOccupancy
    mesh: KResolvedOccupancy
    gap: OccupancyGap
    fermi_level: float = 0.0

    @property
    def edges(self) -> tuple[Floats | None, Floats | None]:
        """k-points (3,) of valence and conduction edge, fractions; None for a metal, or where an edge is missing."""
        kpoints = np.concatenate([self.along.kpoints, self.mesh.kpoints])
        valence, conduction = self.gap.valence_kpoint, self.gap.conduction_kpoint
        return None if valence is None else kpoints[valence], None if conduction is None else kpoints[conduction]

    def facts(self) -> dict[str, Any]:
        """Describe the gap and its edges.

        Returns
        -------
        dict
            None for what there is not; an edge beyond the bins is infinite.
        """
        valence, conduction = (None if k is None else k.round(6).tolist() for k in self.edges)
        return {
            "metal": self.gap.is_metal,
            "gap": self.gap.gap,
            "valence_edge": self.gap.valence_edge,
            "valence_kpoint": valence,
            "conduction_edge": self.gap.conduction_edge,
            "conduction_kpoint": conduction,
        }

    @property
    def is_metal(self) -> bool:
        """Whether there is no gap."""
        return self.gap.is_metal

    @property
    def dos(self) -> DOS:
        """DOS on the mesh, states/eV of the primitive cell, zero in the gap.

        It is ``counted_dos``, or ``raw_dos`` for a model without counts, where every bin holds at most one state.
        """
        n_atoms = len(self.crystal)
        found = raw_dos(self.mesh, n_atoms, tau=None) if self.mesh.counts is None else counted_dos(self.mesh, n_atoms)
        return without_gap_states(found, self.gap)

    @property
    def n_electrons(self) -> float:
        """Electrons of the cell in the states of ``dos`` below the Fermi level, without states below the bins."""
        dos = self.dos
        return float(np.interp(0.0, dos.energies, np.asarray(integrated_dos(dos))[0]))


def electronic_structure(
    model: KOccupancyRegressor,
    atoms: GivenCrystal,
    *,
    n_path: int = 200,
    path: PathKind = "setyawan-curtarolo",
    mesh: int = 8,
    fermi: FermiLevel = "known",
    symprec: float = SYMPREC,
    allow_unknown: bool = False,
) -> ElectronicStructure:
    """Predict path, mesh, gap and DOS of one crystal.

    Parameters
    ----------
    model : KOccupancyRegressor
        Fitted.
    atoms : Atoms or Crystal
        The crystal, in any cell.
    n_path : int
        Number of k-points along the path, up to rounding.
    path : {"setyawan-curtarolo", "latimer-munro"}
        ``KPath.from_cell``, or ``KPath.latimer_munro``, which needs pymatgen.
    mesh : int
        Number of k-points along each reciprocal lattice vector; one across a vacuum.
    fermi : {"known", "counted"}
        Put the Fermi level at the zero of the bins, or where the predicted states hold the electrons. The latter sums
        the errors of all states below (``benchmarks/occupancy_fermi.py`` compares both).
    symprec : float
        Tolerance of the symmetry, angstrom; see ``standardized``.
    allow_unknown : bool
        Predict, with a warning, also for elements that are not in the training crystals.

    Returns
    -------
    ElectronicStructure

    Raises
    ------
    NotFittedError
        When the model is not fitted.
    ValueError
        When the crystal is invalid (see ``standardized``) or has unknown elements, or ``n_path`` or ``mesh`` is not
        positive; with ``fermi="counted"``, when the model has no counts, or no tight binding for the crystal.
    ImportError
        When pymatgen is missing, for the path of Latimer and Munro.

    Warns
    -----
    UserWarning
        When distances of neighbours are not in the ``USUAL`` range, the cell is larger than ``LOOSEST``, or it has a
        vacuum; and as ``standardized``.
    """
    check_arguments(n_path=n_path, mesh=mesh, symprec=symprec)
    check_choice("fermi", fermi, get_args(FermiLevel))
    check_choice("path", path, get_args(PathKind))
    crystal, _ = describe(atoms, symprec)
    check_usual(crystal)
    line = crystal_path(crystal, path, n_path)
    kpoints, weights, _ = irreducible_mesh(model, crystal, mesh_shape(crystal, mesh))
    both = np.concatenate([line.kpoints, kpoints])
    found = model.predict([crystal], both, allow_unknown=allow_unknown)[0]
    n, level = len(line), 0.0
    if fermi == "counted":
        level = _counted_fermi_level(model, crystal, replace(_part(found, slice(n, None)), weights=weights))
        found = found.with_zero_at(level)
    along, on_mesh = (_part(found, part) for part in (slice(0, n), slice(n, None)))
    return ElectronicStructure(crystal, line, along, replace(on_mesh, weights=weights), model.gap(found), level)


def check_usual(crystal: Crystal) -> None:
    """Warn of a crystal unlike the training crystals: compressed, expanded, or with a vacuum."""
    radii = covalent_radii[crystal.numbers]
    i, j, distances = find_neighbors("ijd", crystal.atoms(), list(USUAL[1] * radii))
    ratios = distances / (radii[i] + radii[j])
    nearest = float(ratios.min(initial=np.inf))
    volume = abs(float(np.linalg.det(crystal.cell))) / float((4 / 3 * np.pi * radii**3).sum())
    if vacuum := find_vacuum(crystal.atoms()).words:
        warnings.warn(f"Trust this prediction less: {vacuum_words(vacuum)}.", UserWarning, stacklevel=3)
    elif (pore := pore_radius(crystal.atoms())) > PORE:
        warnings.warn(
            f"Trust this prediction less: the crystal has a pore or channel {2 * pore:.2g} angstrom wide, and models "
            "of dense crystals have seen none: states at its surface are the least certain.",
            UserWarning,
            stacklevel=3,
        )
    loose = volume > LOOSEST and (not vacuum or not np.isfinite(nearest))
    if nearest < USUAL[0] or nearest > USUAL[1] or loose:
        what = (
            f"its nearest neighbours are {nearest:.2f} sums of covalent radii apart"
            if np.isfinite(nearest) and not loose
            else f"its cell has {volume:.1f} times the volume of its atoms"
        )
        warnings.warn(
            f"This crystal is unlike the training crystals: {what}; usual are distances of {USUAL[0]} to {USUAL[1]} "
            f"and volumes of at most {LOOSEST}. Is the unit angstrom? The prediction is a guess.",
            UserWarning,
            stacklevel=3,
        )


def vacuum_words(shape: str) -> str:
    """Say what a model of bulk crystals has not learned of a structure with vacuum, such as "a layer or slab"."""
    return (
        f"the structure is {shape}, and models of bulk crystals have seen few layers and slabs, or none, and no wires "
        "or molecules: states at the surface are the least certain"
    )


def crystal_path(crystal: Crystal, kind: PathKind, n: int) -> KPath:
    """A path of about ``n`` k-points through the zone of a standardised cell."""
    return path_of(crystal.atoms(), kind, n)


def path_of(primitive: Atoms, kind: PathKind, n: int) -> KPath:
    """A path of about ``n`` k-points through the zone of a primitive cell."""
    if kind == "latimer-munro":
        return KPath.latimer_munro(primitive, n)
    return KPath.from_cell(primitive.cell.array, n)


def _counted_fermi_level(model: KOccupancyRegressor, crystal: Crystal, mesh: KResolvedOccupancy) -> float:
    """Energy up to which the DOS of a mesh holds the electrons that are not in states below the bins, eV."""
    if not known_shells(crystal):
        raise ValueError(
            'fermi="counted" needs the number of electrons from tight binding, which handles up to '
            f"{LARGEST} atoms, of elements whose atomic levels are known; this crystal has {len(crystal)} atoms. Use "
            'fermi="known".'
        )
    bound = CrystalTightBinding(crystal, model.network_.tight_binding)
    n_electrons = bound.electrons_above(mesh.grid.start)  # from the first bin on
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncatedDOSWarning)  # states below the bins are left out on purpose
        level = fermi_level(counted_dos(mesh, len(crystal)), n_electrons)
    return float(np.asarray(level.energy)[0])


def _part(occupancy: KResolvedOccupancy, part: slice) -> KResolvedOccupancy:
    counts = None if occupancy.counts is None else occupancy.counts[part]
    return replace(
        occupancy, kpoints=occupancy.kpoints[part], probabilities=occupancy.probabilities[part], counts=counts
    )
