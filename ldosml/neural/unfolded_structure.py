"""Bands of a supercell by learned tight binding, in the zone of its primitive cell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
from ase import Atoms

from ldosml._ranges import check_arguments
from ldosml._validation import check_choice
from ldosml.kresolved import KPath, gamma_mesh
from ldosml.kresolved.meshes import irreducible, on_mesh
from ldosml.kresolved.paths import PathKind, check_n_kpoints
from ldosml.kresolved.tetrahedra import MeshBands
from ldosml.neural.crystals import SYMPREC, Floats, symmetric_lattice
from ldosml.neural.structure import path_of
from ldosml.neural.tight_binding_regressor import MESH, TightBindingRegressor
from ldosml.tightbinding import TightBinding, unfolded
from ldosml.tightbinding.diagonalization_plan import DiagonalizationPlan, plan_diagonalization


@dataclass(frozen=True, eq=False)
class UnfoldedBands:
    """States of a supercell at k-points of its primitive cell; made by ``unfolded_bands``.

    Parameters
    ----------
    path : KPath
        The path through the Brillouin zone of the primitive cell.
    energies : array (n_kpoints, n_states)
        eV against the Fermi level of the supercell, in the middle of a gap.
    weights : array (n_kpoints, n_states)
        Spectral weights, from 0 to 1.
    gap : float
        Of the supercell on a mesh, eV; 0 for a metal. States of defects count.
    """

    path: KPath
    energies: Floats
    weights: Floats
    gap: float


def plan_unfolding(supercell: Atoms, n_path: int = 100) -> DiagonalizationPlan:
    """Estimate memory and time of ``unfolded_bands``.

    Parameters
    ----------
    supercell : ase.Atoms
    n_path : int
        Number of k-points along the path.

    Returns
    -------
    DiagonalizationPlan
    """
    check_arguments(n_path=n_path)
    check_n_kpoints(n_path)
    return plan_diagonalization(len(supercell), n_path)


def unfolded_bands(
    model: TightBindingRegressor,
    supercell: Atoms,
    primitive: Atoms,
    *,
    n_path: int = 100,
    path: PathKind = "setyawan-curtarolo",
    symprec: float = SYMPREC,
    allow_unknown: bool = False,
) -> UnfoldedBands:
    """Predict the states of a supercell with defects or displaced atoms along a path of the primitive cell.

    Parameters
    ----------
    model : TightBindingRegressor
        Fitted.
    supercell : ase.Atoms
        Its lattice vectors are whole combinations of the lattice vectors of ``primitive``, up to strain.
    primitive : ase.Atoms
        The perfect crystal in its primitive cell, oriented as the supercell.
    n_path : int
        Number of k-points along the path, up to rounding.
    path : {"setyawan-curtarolo", "latimer-munro"}
        See ``band_structure``.
    symprec : float
        Tolerance of the symmetry of the primitive cell, angstrom, on which the path depends; see ``standardized``.
    allow_unknown : bool
        Predict, with a warning, also for elements that are not in the training crystals.

    Returns
    -------
    UnfoldedBands

    Raises
    ------
    NotFittedError
        When the model is not fitted.
    ValueError
        When the supercell is no repetition of the primitive cell, or has unknown elements.
    MemoryError
        When the matrices do not fit into the free memory; before it is tried.
    """
    check_arguments(n_path=n_path, symprec=symprec)
    check_choice("path", path, get_args(PathKind))
    plan_unfolding(supercell, n_path).require("Take a smaller supercell.")
    bound = model.tight_binding(supercell, allow_unknown=allow_unknown)
    # The corners of a path depend on the lattice, whose vectors may be rounded; their fractions are of both cells.
    symmetric = primitive.copy()  # type: ignore[no-untyped-call]
    symmetric.set_cell(symmetric_lattice(primitive, symprec), scale_atoms=True)
    line = replace(path_of(symmetric, path, n_path), cell=primitive.cell.array)
    energies, weights = unfolded(bound, supercell, primitive, line.kpoints)
    level, gap = _filled(bound, supercell, primitive)
    return UnfoldedBands(line, energies - level, weights, gap)


def _filled(bound: TightBinding, supercell: Atoms, primitive: Atoms) -> tuple[float, float]:
    """Fermi level and gap on a mesh as dense as ``MESH`` points in a primitive cell, eV."""
    repeats = np.cbrt(abs(supercell.cell.volume / primitive.cell.volume))
    n = max(1, round(MESH / float(repeats)))
    kpoints, _ = gamma_mesh(n)
    chosen, _, inverse = irreducible(kpoints, np.eye(3)[None])
    mesh = MeshBands(on_mesh(kpoints, bound.eigenvalues(chosen)[inverse]), supercell.cell.array)
    filled, gap = bound.n_electrons / 2, 0.0
    if abs(filled - round(filled)) < 1e-6:
        n_filled = round(filled)
        gap = float(mesh.energies[..., n_filled].min() - mesh.energies[..., n_filled - 1].max())
    return mesh.fermi_level(bound.n_electrons), max(0.0, gap)
