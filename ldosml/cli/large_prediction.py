"""The DOS of structures whose cells are too large for bands, for the command ``ldosml dos``."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from ldosml.cli.crystal_prediction import described, formula_of
from ldosml.cli.display import Stages, cautioning

if TYPE_CHECKING:
    from ldosml.neural import Crystal
    from ldosml.neural.shipped import CrystalModel
    from ldosml.spectra import DOS

LARGEST = 150
"""Atoms of a cell whose DOS is from bands."""


@dataclass(frozen=True, eq=False)
class LargeStructure:
    """A structure and its DOS by moments."""

    atoms: Atoms
    dos: DOS
    n_electrons: float

    def facts(self, structure: Path, model: str, cautions: list[str]) -> dict[str, Any]:
        """The structure and its DOS at the Fermi level, as JSON can hold them."""
        per_atom = np.asarray(self.dos.per_atom())[0]
        return {
            "structure": str(structure),
            "model": model,
            "formula": formula_of(self.atoms),
            "n_atoms": len(self.atoms),
            "cell": np.asarray(self.atoms.cell).tolist(),
            "n_electrons": self.n_electrons,
            "smearing_width": self.dos.smearing_width,
            "dos_at_fermi_level": float(np.interp(0.0, self.dos.energies, per_atom)),
            "cautions": cautions,
        }


def crystal_of_bands(model: CrystalModel, atoms: Atoms, symprec: float) -> tuple[Crystal | None, list[str]]:
    """The crystal whose bands are to be predicted, and the warnings of its symmetry.

    It is None if the model has bands and the structure is too large for them.
    """
    from ldosml.neural import TightBindingRegressor
    from ldosml.neural.crystals import primitive_size

    if isinstance(model, TightBindingRegressor) and len(atoms) > LARGEST:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of magnetic moments, which the prediction repeats
            if not atoms.pbc.all() or primitive_size(atoms, symprec) > LARGEST:
                return None, []
    return described(atoms, symprec)


def predict_large(
    model: CrystalModel, atoms: Atoms, stages: Stages, *, allow_unknown: bool
) -> tuple[LargeStructure, list[str]]:
    """The DOS of a large structure, and the warnings, which are also printed."""
    from ldosml.neural import TightBindingRegressor, local_dos
    from ldosml.tightbinding.shells import valence_electrons

    assert isinstance(model, TightBindingRegressor)
    with stages(f"Predicting {formula_of(atoms)} by moments"), cautioning(UserWarning) as cautions:
        dos = local_dos(model, atoms, allow_unknown=allow_unknown).total()
    return LargeStructure(atoms, dos, valence_electrons(atoms.numbers)), cautions


def large_rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Rows of a table of what is known of the structure."""
    at_fermi = f"{facts['dos_at_fermi_level']:.3g} states/eV/atom, smeared by {facts['smearing_width']:g} eV"
    return [
        ("atoms", f"{facts['n_atoms']:,}"),
        ("valence electrons", f"{facts['n_electrons']:,g}"),
        ("DOS at the Fermi level", at_fermi),
    ]
