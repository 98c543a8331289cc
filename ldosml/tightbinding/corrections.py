"""Tight binding with parameters of its own for each atom and each bond."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ase import Atoms

from ldosml.tightbinding.hamiltonian import N_ORBITALS, SHELL_OF, ByOrbital, Pairs, TightBinding
from ldosml.tightbinding.parameters import TightBindingParameters
from ldosml.tightbinding.slater_koster import SYMMETRIES, SYMMETRY_OF, Floats, angular_blocks, with_excited

_ALL = slice(None)
_PARITY = np.ones((9, 9))  # both orbitals of a field are on one atom, so s and p, p and d change no sign between rows
_PARITY[1:4, 0] = _PARITY[4:9, 1:4] = -1.0


@dataclass(frozen=True, eq=False)
class Corrections:
    """What is added to the parameters of one structure.

    Parameters
    ----------
    levels : array (n_atoms, 5)
        Shift of each shell, eV.
    overlaps : array (n_atoms, 5)
        As ``TightBindingParameters.overlaps``, 1/eV.
    factors : array (n_pairs, 3, 5, 5)
        Logarithm of a factor of the matrix elements of each of ``SYMMETRIES`` between a shell of the first atom and one
        of the second; the pair the other way round has the transpose.
    fields : array (n_pairs, 3, 5, 5)
        eV. The field of the second atom at the first one, between two shells of this: it splits the orbitals of a shell
        and mixes shells, as the point group allows. Symmetric in the shells.
    """

    levels: Any
    overlaps: Any
    factors: Any
    fields: Any


class CorrectedTightBinding(TightBinding):
    """Tight binding of one structure with ``Corrections``.

    Parameters
    ----------
    atoms : ase.Atoms
        As for ``TightBinding``.
    parameters : TightBindingParameters
        To which corrections are added.
    correct : callable
        Gives the corrections of a ``TightBinding``, in the order of its atoms and pairs.

    Raises
    ------
    TypeError, ValueError
        As ``TightBinding``.
    """

    def __init__(
        self, atoms: Atoms, parameters: TightBindingParameters, correct: Callable[[TightBinding], Corrections]
    ) -> None:
        super().__init__(atoms, parameters)
        self.corrections = correct(self)

    def by_orbital(self) -> ByOrbital:
        """Parameters of each orbital, corrected."""
        plain, added = super().by_orbital(), self.corrections
        overlaps = plain.overlaps + 0.5 * added.overlaps[:, SHELL_OF].ravel()
        return replace(plain, overlaps=overlaps, levels=plain.levels + added.levels[:, SHELL_OF].ravel())

    def _sized(self, pairs: Pairs) -> Floats:
        """Matrix elements with the factors of bonds, (n_pairs, 13, 13), eV."""
        sizes = np.exp(self.corrections.factors[pairs])[:, :, SHELL_OF[:, None], SHELL_OF]
        parts = with_excited(by_symmetry(self._blocks(pairs), self.parameters.factors))
        found: Floats = (sizes.transpose(1, 0, 2, 3) * parts).sum(axis=0)
        return found

    def on_site(self) -> Floats:
        """Fields of the neighbours at each atom, (n_atoms, 13, 13), eV."""
        fields = self.corrections.fields[:, :, SHELL_OF[:, None], SHELL_OF].transpose(1, 0, 2, 3)
        each = (fields * with_excited(field_shapes(self.pair_terms().directions))).sum(axis=0)
        found = np.zeros((len(self), N_ORBITALS, N_ORBITALS))
        np.add.at(found, self.pairs[0], each)
        return found


def by_symmetry(blocks: Floats, factors: Floats) -> Floats:
    """Sum the contributions (n_etas, ...) of ``ETAS``, with logarithms of factors, by symmetry: (3, ...)."""
    found = np.zeros((len(SYMMETRIES), *blocks.shape[1:]))
    np.add.at(found, SYMMETRY_OF, np.exp(factors)[:, None, None, None] * blocks)
    return found


def field_shapes(directions: Floats) -> Floats:
    """How the field of a neighbour depends on its direction, (3, n_pairs, 9, 9): see ``Corrections.fields``.

    It has the symmetry about the axis to the neighbour, as matrix elements between two atoms have (J. C. Slater and
    G. F. Koster, Phys. Rev. 94, 1498 (1954), two-centre integrals with both orbitals on one atom).
    """
    shapes = angular_blocks(directions) * _PARITY
    found = np.zeros((len(SYMMETRIES), *shapes.shape[1:]))
    np.add.at(found, SYMMETRY_OF, shapes)
    return found
