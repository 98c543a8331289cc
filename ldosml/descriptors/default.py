"""The descriptor that a model has unless the user chooses one: SOAP, and tight binding beside it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np
from ase import Atoms

from ldosml._validation import Caution
from ldosml.descriptors.environments import EnvironmentTransformer
from ldosml.descriptors.joined import Joined
from ldosml.descriptors.soap import SOAP
from ldosml.descriptors.tight_binding_spectrum import TightBindingSpectrum
from ldosml.descriptors.whitened import Whitened
from ldosml.fragments import check_structures
from ldosml.tightbinding import TightBindingParameters

TIGHT_BINDING_WEIGHT = 0.5
"""Weight of tight binding beside SOAP of weight 1, chosen on the folds of two silicon sets."""

_LARGEST = 200  # atoms of a cell that is diagonalised; it takes minutes
_R_CUT = 6.0  # angstrom, of the region around an atom in larger cells


def default_descriptor(
    structures: Iterable[Atoms],
    *,
    geometry: EnvironmentTransformer | None = None,
    spectrum: TightBindingSpectrum | None = None,
    weight: float = TIGHT_BINDING_WEIGHT,
) -> EnvironmentTransformer:
    """Make the recommended descriptor for structures of these elements and sizes, not fitted.

    Whitened SOAP, joined with the spectrum of tight binding if tight binding has parameters of all elements.

    Parameters
    ----------
    structures : iterable of ase.Atoms
        Of the training set.
    geometry : descriptor, optional
        Default: ``Whitened(SOAP())``.
    spectrum : TightBindingSpectrum, optional
        Default: ``tight_binding_for(structures)``.
    weight : float
        Of the spectrum; the weight of ``geometry`` is 1.

    Returns
    -------
    descriptor

    Raises
    ------
    ValueError, TypeError
        When there are no structures, or they are not ase.Atoms.

    Warns
    -----
    Caution
        When tight binding lacks an element, or one structure is so large that tight binding is of regions for all.

    Examples
    --------
    >>> from ase.build import bulk
    >>> [type(part.descriptor).__name__ for part in default_descriptor([bulk("Si")]).parts]
    ['SOAP', 'TightBindingSpectrum']
    """
    listed = list(check_structures(structures))
    first = Whitened(SOAP()) if geometry is None else geometry
    if missing := without_parameters(listed, None if spectrum is None else spectrum.parameters):
        text = f"Tight binding has no parameters of {', '.join(missing)}: the descriptor is SOAP alone."
        warnings.warn(text, Caution, stacklevel=2)
        return first
    second = tight_binding_for(listed) if spectrum is None else spectrum
    return Joined([first, scaled(second)], weights=[1.0, weight])


def without_parameters(structures: Iterable[Atoms], parameters: TightBindingParameters | None = None) -> list[str]:
    """Name the elements of structures that tight binding has no parameters of; by default, the shipped ones."""
    given = TightBindingParameters.fitted() if parameters is None else parameters
    return given.missing(np.unique(np.concatenate([atoms.numbers for atoms in structures])))


def tight_binding_for(structures: Iterable[Atoms]) -> TightBindingSpectrum:
    """Make a spectrum of tight binding: of whole structures, or of regions if a structure has more than 200 atoms.

    Warns with a Caution in the second case.
    """
    largest = max(len(atoms) for atoms in structures)
    if largest <= _LARGEST:
        return TightBindingSpectrum()
    text = (
        f"A structure has {largest:,} atoms, more than {_LARGEST}: tight binding is of the atoms within {_R_CUT:g} "
        "angstrom around each, for all structures, which is less accurate."
    )
    warnings.warn(text, Caution, stacklevel=3)
    return TightBindingSpectrum(r_cut=_R_CUT)


def scaled(descriptor: EnvironmentTransformer) -> Whitened:
    """Move and scale the rows of a descriptor to mean zero and mean squared length 1, and do nothing else."""
    return Whitened(descriptor, power=0.0)
