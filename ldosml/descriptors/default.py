"""The descriptor that a model has unless the user chooses one."""

from __future__ import annotations

from collections.abc import Iterable

from ase import Atoms

from ldosml.descriptors.environments import EnvironmentTransformer
from ldosml.descriptors.soap import SOAP
from ldosml.descriptors.whitened import Whitened


def default_descriptor(structures: Iterable[Atoms]) -> EnvironmentTransformer:
    """Make the recommended descriptor for structures of these elements, not fitted.

    Parameters
    ----------
    structures : iterable of ase.Atoms

    Returns
    -------
    descriptor
    """
    return Whitened(SOAP())
