"""Local DOS of structures that are too large to be diagonalised, by learned tight binding and moments."""

from __future__ import annotations

import warnings

import numpy as np
from ase import Atoms

from ldosml._ranges import check_arguments
from ldosml._validation import Caution
from ldosml.energy import EnergyGrid
from ldosml.kresolved.vacuum import SHAPES, find_vacuum
from ldosml.neural.band_structure import magnetic_words
from ldosml.neural.inputs import check_elements
from ldosml.neural.structure import vacuum_words
from ldosml.neural.tight_binding_regressor import TightBindingRegressor
from ldosml.spectra import LDOS
from ldosml.structure_checks import check_sites
from ldosml.tightbinding.moments import Settings, local_moments
from ldosml.tightbinding.shells import valence_electrons

_ABOVE = 10.0  # eV, how far the grid extends above the Fermi level
_PER_WIDTH = 5  # points of the grid in one width
_TAILS = 5.0  # widths, how far it extends below the lowest state
_CENTERS = 100  # in one region: its surroundings are wide, and networks need memory for their pairs


def local_dos(
    model: TightBindingRegressor,
    atoms: Atoms,
    *,
    width: float = 0.3,
    radius: float = 6.0,
    n_jobs: int | None = None,
    allow_unknown: bool = False,
) -> LDOS:
    """Predict the local DOS of a structure of any size by moments; time is proportional to the number of atoms.

    Every atom has the Hamiltonian of the atoms around it, damped in its outer part (``ldosml.tightbinding.moments``).
    Waves that distant atoms scatter in phase are lost, so sharp features of a perfect crystal are smoothed, and small
    gaps may be filled. Where diagonalisation is possible, ``band_structure`` is better.

    Parameters
    ----------
    model : TightBindingRegressor
        Fitted.
    atoms : ase.Atoms
        Periodic where ``pbc`` says so.
    width : float
        Gaussian width of the smearing, eV.
    radius : float
        Of the region around each atom, angstrom. A larger one is more accurate; time grows with its sixth power.
    n_jobs : int, optional
        Number of processes. None: what the surrounding ``on_cluster`` or ``joblib.parallel_config`` says.
    allow_unknown : bool
        Predict, with a warning, also for elements that are not in the training crystals.

    Returns
    -------
    LDOS
        States/eV/atom, smeared, eV against the Fermi level; all valence electrons are below it.

    Raises
    ------
    NotFittedError
        When the model is not fitted.
    TypeError, ValueError
        When the structure is invalid (sites that are occupied partly, atoms closer than 0.5 angstrom) or has unknown
        elements, or ``width`` or ``radius`` is not positive.

    Warns
    -----
    Caution
        That the DOS is smeared and from moments; when compounds of an element are often magnetic; when the structure is
        a layer, a wire or a molecule.
    """
    check_arguments(width=width, radius=radius, n_jobs=n_jobs)
    settings, binding = Settings(width, radius), model.binding()
    check_sites([atoms], ["the structure"])
    check_elements([atoms], model.elements_, allow_unknown, "spectra")
    for words in magnetic_words(atoms.numbers, "spectra"):
        warnings.warn(f"Trust this DOS less: {words}.", Caution, stacklevel=2)
    shape = find_vacuum(atoms).words if atoms.pbc.all() else SHAPES[3 - int(atoms.pbc.sum())]
    if shape:
        warnings.warn(f"Trust this DOS less: {vacuum_words(shape)}.", Caution, stacklevel=2)
    warnings.warn(
        f"The DOS is smeared by {width:g} eV and computed from the {radius:g} angstrom around each atom: gaps and "
        "sharp features are smoothed.",
        Caution,
        stacklevel=2,
    )
    (found,) = local_moments([atoms], settings, binding, n_jobs=n_jobs, batch_size=_CENTERS)
    fermi, step = found.fermi_level(valence_electrons(atoms.numbers)), width / _PER_WIDTH
    low = step * np.floor((found.ends[:, 0].min() - fermi - _TAILS * width) / step)
    grid = EnergyGrid.from_range(float(low), _ABOVE, step, "fermi")
    values = found.spectra(grid.energies + fermi)
    index = np.zeros(len(atoms), dtype=np.int64)
    return LDOS(grid, values, smearing_width=width, structure_index=index, numbers=atoms.numbers)
