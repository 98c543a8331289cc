"""What a trained model says of one crystal: occupancies along a path and on a mesh, the gap, the DOS."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list

from ldosml._validation import check_choice
from ldosml.kresolved import (
    Isosurface,
    KPath,
    KResolvedOccupancy,
    OccupancyGap,
    counted_dos,
    edge_surfaces,
    fermi_surface,
    from_irreducible,
    gamma_mesh,
    irreducible,
    quietest,
    raw_dos,
    without_gap_states,
)
from ldosml.kresolved.fields import WINDOW
from ldosml.kresolved.paths import PathKind
from ldosml.neural.crystals import Crystal, Floats, point_group, standardized
from ldosml.neural.filling import with_deep_states
from ldosml.neural.inputs import GivenCrystal, describe
from ldosml.neural.regressor import KOccupancyRegressor
from ldosml.neural.tight_binding import LARGEST, TightBinding, known_shells
from ldosml.properties import TruncatedDOSWarning, fermi_level, integrated_dos
from ldosml.spectra import DOS

USUAL = (0.70, 1.45)
"""Distance of the nearest neighbours in a crystal, in sums of covalent radii; of those that ship 0.74 to 1.35."""

LOOSEST = 8.0
"""Volume of a cell, in that of its atoms as spheres of covalent radii; of those that ship at most 4.1."""

FermiLevel = Literal["known", "counted"]
"""Of bins around it, the Fermi level is their zero, which the network puts every state against; or it is where the
states that are expected in them hold the electrons that tight binding leaves there."""


@dataclass(frozen=True, eq=False)
class ElectronicStructure:
    """Made by ``electronic_structure``.

    Parameters
    ----------
    crystal : Crystal
        The standardised primitive cell, which all k-points are fractions of.
    path : KPath
    along : KResolvedOccupancy
        At the k-points of the path.
    mesh : KResolvedOccupancy
        At the irreducible k-points of a mesh around Gamma, with weights.
    gap : OccupancyGap
        From both; its k-points are counted along the path first, then on the mesh.
    fermi_level : float
        eV against the zero that the model was trained with; that of all energies here.
    """

    crystal: Crystal
    path: KPath
    along: KResolvedOccupancy
    mesh: KResolvedOccupancy
    gap: OccupancyGap
    fermi_level: float = 0.0

    @property
    def edges(self) -> tuple[Floats | None, Floats | None]:
        """k-points (3,) of valence and conduction edge, fractions; None for a metal, or without it."""
        kpoints = np.concatenate([self.along.kpoints, self.mesh.kpoints])
        valence, conduction = self.gap.valence_kpoint, self.gap.conduction_kpoint
        return None if valence is None else kpoints[valence], None if conduction is None else kpoints[conduction]

    @property
    def dos(self) -> DOS:
        """DOS of the mesh, states/eV of the primitive cell: by counts where the model knows them, none in the gap.

        Without counts, a bin that holds states counts as one: too few where bands share it. See ``counted_dos``,
        ``raw_dos``, ``without_gap_states``.
        """
        n_atoms = len(self.crystal)
        known = raw_dos(self.mesh, n_atoms, tau=None) if self.mesh.counts is None else counted_dos(self.mesh, n_atoms)
        return without_gap_states(known, self.gap)

    @property
    def n_electrons(self) -> float:
        """Of the cell, in the states of ``dos`` below the Fermi level: those deeper than the bins are not counted."""
        dos = self.dos
        return float(np.interp(0.0, dos.energies, np.asarray(integrated_dos(dos))[0]))


def electronic_structure(
    model: KOccupancyRegressor,
    atoms: Atoms,
    *,
    n_path: int = 200,
    path: PathKind = "setyawan-curtarolo",
    mesh: int = 8,
    fermi: FermiLevel = "known",
    allow_unknown: bool = False,
) -> ElectronicStructure:
    """Ask a model for everything about one crystal.

    Parameters
    ----------
    model : KOccupancyRegressor
        Fitted.
    atoms : Atoms
        In any cell; described by its standardised primitive one.
    n_path : int
        k-points along the path, up to rounding.
    path : {"setyawan-curtarolo", "latimer-munro"}
        Which one: ``KPath.from_cell``, or ``KPath.latimer_munro``, which needs pymatgen.
    mesh : int
        k-points along each reciprocal lattice vector; asked for are those that symmetry leaves.
    fermi : {"known", "counted"}
        Where the Fermi level is: at the zero of the bins, or where their states hold the electrons, which collects the
        errors of all states below it (``benchmarks/occupancy_fermi.py`` compares both).
    allow_unknown : bool
        Only warn of elements that were not trained on.

    Raises
    ------
    NotFittedError
    ValueError
        When the crystal is refused (see ``standardized``), has unknown elements, or there are too few k-points; when
        electrons are to be counted, and the model has no counts or tight binding does not tell their number.
    ImportError
        When pymatgen is missing, for the path of Latimer and Munro.

    Warns
    -----
    UserWarning
        When neighbours are nearer, or further away, than in ``USUAL`` crystals, or the cell is larger than ``LOOSEST``.
    """
    check_choice("fermi", fermi, get_args(FermiLevel))
    check_choice("path", path, get_args(PathKind))
    crystal = standardized(atoms)
    _check_distances(crystal)
    line = _path(crystal, path, n_path)
    kpoints, weights, _ = _irreducible_mesh(model, crystal, mesh)
    both = np.concatenate([line.kpoints, kpoints])
    found = model.predict([crystal], both, allow_unknown=allow_unknown)[0]
    n, level = len(line), 0.0
    if fermi == "counted":
        level = _counted_fermi_level(model, crystal, replace(_part(found, slice(n, None)), weights=weights))
        found = found.referred_to(level)
    along, on_mesh = (_part(found, part) for part in (slice(0, n), slice(n, None)))
    return ElectronicStructure(crystal, line, along, replace(on_mesh, weights=weights), model.gap(found), level)


def _check_distances(crystal: Crystal) -> None:
    """Warn of a crystal unlike those that models are trained on: squeezed, torn apart, or a molecule in a box."""
    radii = covalent_radii[crystal.numbers]
    i, j, distances = neighbor_list("ijd", crystal.atoms(), list(USUAL[1] * radii))  # type: ignore[no-untyped-call]
    ratios = distances / (radii[i] + radii[j])
    nearest = float(ratios.min(initial=np.inf))
    volume = abs(float(np.linalg.det(crystal.cell))) / float((4 / 3 * np.pi * radii**3).sum())
    if nearest < USUAL[0] or nearest > USUAL[1] or volume > LOOSEST:
        what = (
            f"its nearest neighbours are {nearest:.2f} sums of covalent radii apart"
            if np.isfinite(nearest) and volume <= LOOSEST
            else f"its cell has {volume:.1f} times the volume of its atoms"
        )
        warnings.warn(
            f"This crystal is unlike those that models are trained on: {what}, and usual are {USUAL[0]} to {USUAL[1]} "
            f"and at most {LOOSEST}. Is the unit angstrom, and is it no molecule or slab? What follows is a guess.",
            UserWarning,
            stacklevel=3,
        )


def _path(crystal: Crystal, kind: PathKind, n: int) -> KPath:
    return KPath.latimer_munro(crystal.atoms(), n) if kind == "latimer-munro" else KPath.from_cell(crystal.cell, n)


def _counted_fermi_level(model: KOccupancyRegressor, crystal: Crystal, mesh: KResolvedOccupancy) -> float:
    """Where the DOS of a mesh holds the electrons that are not in deeper states, eV."""
    if not known_shells(crystal):
        raise ValueError(
            'fermi="counted" needs the number of electrons, which tight binding tells of crystals of up to '
            f"{LARGEST} atoms and of elements whose atomic levels are known; this one has {len(crystal)} atoms. Take "
            'fermi="known".'
        )
    bound = TightBinding(crystal, model.network_.tight_binding)
    n_electrons = bound.electrons_above(mesh.grid.start)  # from where on the DOS counts
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncatedDOSWarning)  # deeper states are not counted
        level = fermi_level(counted_dos(mesh, len(crystal)), n_electrons)
    return float(np.asarray(level.energy)[0])


def full_mesh(
    model: KOccupancyRegressor, crystal: GivenCrystal, n: int = 21, *, allow_unknown: bool = False
) -> KResolvedOccupancy:
    """Occupancies at all n^3 k-points around Gamma, for isosurfaces; the model is asked at those that symmetry leaves.

    Raises as ``KOccupancyRegressor.predict`` does.
    """
    crystal, _ = describe(crystal)
    kpoints, _, inverse = _irreducible_mesh(model, crystal, n)
    found = model.predict([crystal], kpoints, allow_unknown=allow_unknown)[0]
    return from_irreducible(found, gamma_mesh(n)[0], inverse)


def isosurfaces(
    model: KOccupancyRegressor,
    crystal: GivenCrystal,
    *,
    metal: bool,
    n: int = 21,
    depth: float | None = None,
    allow_unknown: bool = False,
) -> tuple[Isosurface, ...]:
    """Ask for the Fermi surface of a metal, or for the surfaces just within both edges of a gap.

    Parameters
    ----------
    model : KOccupancyRegressor
        Fitted.
    crystal : Atoms or Crystal
    metal : bool
        Which of both: as the model says (``ElectronicStructure.gap``), or as is known.
    n : int
        k-points along each reciprocal lattice vector.
    depth : float or None
        eV; of a crystal with a gap, see ``edge_surfaces``.
    allow_unknown : bool
        Only warn of elements that were not trained on.

    Returns
    -------
    tuple of Isosurface
        Sheets of the Fermi surface, numbered by the bands of the valence shells, of counts that hold the crystal's
        electrons (``with_deep_states``); numbered from where the states are fewest (``quietest``) where tight binding
        does not tell their number. The shell around it where the model has no counts. Or two, of the valence and the
        conduction edge.

    Raises
    ------
    NotFittedError
    ValueError
        As ``KOccupancyRegressor.predict`` and ``edge_surfaces`` do.
    """
    crystal, _ = describe(crystal)
    kpoints, weights, inverse = _irreducible_mesh(model, crystal, n)
    found = model.predict([crystal], kpoints, weights=weights, allow_unknown=allow_unknown)[0]
    if metal:
        found = with_deep_states(found, crystal, model.network_.tight_binding)
    occupancy = from_irreducible(found, gamma_mesh(n)[0], inverse)
    if not metal:
        return edge_surfaces(occupancy, depth=depth)
    if occupancy.counts is None:
        return fermi_surface(occupancy, method="shell", window=max(WINDOW, occupancy.grid.step))
    low, deeper = quietest(occupancy), 0
    if known_shells(crystal):
        bound = TightBinding(crystal, model.network_.tight_binding)
        deeper = round(0.5 * (bound.n_electrons - bound.electrons_above(low)))
    return fermi_surface(occupancy, low=low, deeper=deeper)


def _irreducible_mesh(model: KOccupancyRegressor, crystal: Crystal, n: int) -> tuple[Floats, Floats, np.ndarray]:
    """k-points of a mesh that the symmetry of the network leaves, weights, and which of them stands for each."""
    kpoints, weights = gamma_mesh(n)
    config = model.network_.config
    if not config.time_reversal:
        return kpoints, weights, np.arange(len(kpoints))
    return irreducible(kpoints, point_group(crystal) if config.point_group else np.eye(3)[None])


def _part(occupancy: KResolvedOccupancy, part: slice) -> KResolvedOccupancy:
    counts = None if occupancy.counts is None else occupancy.counts[part]
    return replace(
        occupancy, kpoints=occupancy.kpoints[part], probabilities=occupancy.probabilities[part], counts=counts
    )
