"""How the tight binding of a structure is made: with parameters of the elements, or with corrections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ase import Atoms
from ase.data import covalent_radii

from ldosml.tightbinding.hamiltonian import FURTHEST, TightBinding
from ldosml.tightbinding.parameters import TightBindingParameters


class Binding(Protocol):
    """Makes the tight binding of any structure; several processes may get copies."""

    @property
    def parameters(self) -> TightBindingParameters:
        """Parameters of the elements."""
        ...

    @property
    def n_steps(self) -> int:
        """From neighbour to neighbour, how far an atom still changes levels and matrix elements of another."""
        ...

    def __call__(self, atoms: Atoms) -> TightBinding:
        """Tight binding of a structure."""
        ...


@dataclass(frozen=True, eq=False)
class Uncorrected:
    """Tight binding with parameters of the elements.

    Parameters
    ----------
    parameters : TightBindingParameters
    """

    parameters: TightBindingParameters
    n_steps = 1

    def __call__(self, atoms: Atoms) -> TightBinding:
        """Tight binding of a structure."""
        return TightBinding(atoms, self.parameters)


def reach(atoms: Atoms, radius: float, n_steps: int = 1) -> float:
    """Distance from a centre, angstrom, up to which atoms matter for a region of ``radius``: they shift its levels."""
    return radius + n_steps * 2 * FURTHEST * float(covalent_radii[atoms.numbers].max())
