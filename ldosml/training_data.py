"""What a model is trained on: structures and their spectra, from a dataset or from arrays, on the model's energies."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from ldosml._array import to_numpy
from ldosml._validation import check_order
from ldosml.energy import EnergyGrid, Zero
from ldosml.spectra import DOS, LDOS


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Structures with the LDOS of their atoms, their total DOS, or both, on one grid.

    ``groups`` (n_structures,) says which structures are left out together: snapshots of a trajectory, displaced copies.
    """

    structures: list[Atoms]
    ldos: LDOS | None
    dos: DOS
    groups: Sequence[object]

    @property
    def grid(self) -> EnergyGrid:
        """The energies to learn."""
        return self.dos.grid

    @property
    def smearing_width(self) -> float | None:
        """Standard deviation of the Gaussian that smeared the spectra, eV; None where not known."""
        return self.dos.smearing_width

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Atomic number of every environment."""
        return np.concatenate([atoms.numbers for atoms in self.structures])

    @property
    def structure_index(self) -> NDArray[np.int64]:
        """The structure of every environment."""
        return np.repeat(np.arange(len(self.structures)), [len(atoms) for atoms in self.structures])

    def require_ldos(self, purpose: str) -> LDOS:
        """Give the LDOS; raise ValueError that says what needs it and what does not, where there is none."""
        if self.ldos is None:
            raise ValueError(
                f"Only the total DOS is known here, and {purpose} needs the LDOS of every atom. A regressor with "
                "learn='dos' learns from the DOS alone."
            )
        return self.ldos


def from_dataset(
    data: Any, zero: Zero, low: float | None, high: float | None, groups: Sequence[object] | None
) -> TrainingData:
    """Take what a dataset holds, moved to the zero and cut to the energies; ``groups`` replace its own.

    Raises ValueError when ``data`` is not a dataset, or its spectra cannot be moved or cut so.
    """
    if not hasattr(data, "refer_to"):
        raise ValueError("fit needs a dataset, or structures and their spectra: fit(structures, ldos).")
    aligned = data.refer_to(zero, low, high)
    together = aligned.groups if groups is None else _checked_groups(groups, len(aligned.structures))
    return TrainingData(aligned.structures, aligned.ldos, aligned.dos, together)


def from_arrays(
    data: Atoms | Sequence[Atoms],
    spectra: LDOS | DOS,
    zero: Zero,
    low: float | None,
    high: float | None,
    groups: Sequence[object] | None,
) -> TrainingData:
    """Take structures and the LDOS of their atoms, or their total DOS, cut to the energies.

    Without ``groups`` each structure is its own group.

    Raises TypeError when ``spectra`` are neither LDOS nor DOS; ValueError when rows do not match atoms or structures,
    the zero is another, or ``low`` is not below ``high`` or one of them beyond the spectra.
    """
    if not isinstance(spectra, LDOS | DOS):
        raise TypeError(
            f"spectra must be an LDOS or a DOS; got {type(spectra).__name__}. Arrays do not know their energies: "
            "LDOS(grid, values, structure_index=...) or DOS(grid, values)."
        )
    structures = [data] if isinstance(data, Atoms) else list(data)
    if spectra.grid.zero != zero:
        raise ValueError(
            f"The spectra have their zero at {spectra.grid.zero!r}, the model at {zero!r}. Move them with "
            f"refer_to, or make the model with zero={spectra.grid.zero!r}."
        )
    low = spectra.grid.start if low is None else low
    high = spectra.grid.stop if high is None else high
    check_order(low, high)
    if low < spectra.grid.start - 1e-9 or high > spectra.grid.stop + 1e-9:
        raise ValueError(f"low = {low:g} and high = {high:g} eV reach beyond the spectra: {spectra.grid}.")
    together = list(range(len(structures))) if groups is None else _checked_groups(groups, len(structures))
    if isinstance(spectra, DOS):
        _require_same_structures(structures, spectra)
        dos = replace(spectra.cut(low, high), n_atoms=np.array([len(atoms) for atoms in structures]))
        return TrainingData(structures, None, dos, together)
    _require_same_atoms(structures, spectra)
    ldos = spectra.cut(low, high)
    return TrainingData(structures, ldos, ldos.total(), together)


def _checked_groups(groups: Sequence[object], n_structures: int) -> list[object]:
    listed = list(groups)
    if len(listed) != n_structures:
        raise ValueError(f"groups must name the group of each structure, {n_structures} in all; got {len(listed)}.")
    for structure, group in enumerate(listed):
        if group is None or group != group or not isinstance(group, Hashable):
            raise ValueError(
                f"groups must be numbers or texts; got {group!r} for structure {structure}. A structure on its own "
                "has a group of its own."
            )
    return listed


def _require_same_structures(structures: list[Atoms], dos: DOS) -> None:
    if len(structures) != len(dos):
        raise ValueError(f"DOS rows must match structures one by one: {len(structures)} structures, {len(dos)} rows.")
    counts = [len(atoms) for atoms in structures]
    if dos.n_atoms is not None and to_numpy(dos.n_atoms).tolist() != counts:
        raise ValueError("The DOS belongs to structures with other numbers of atoms than these, in this order.")


def _require_same_atoms(structures: list[Atoms], ldos: LDOS) -> None:
    expected = [len(atoms) for atoms in structures]
    if expected != ldos.n_atoms.tolist():
        raise ValueError(
            f"LDOS rows must match atoms one by one: {len(structures)} structures have {sum(expected)} atoms, the "
            f"LDOS has {len(ldos)} rows in {ldos.n_structures} structures."
        )
    if ldos.numbers is not None:
        numbers = np.concatenate([atoms.numbers for atoms in structures])
        if not np.array_equal(to_numpy(ldos.numbers), numbers):
            raise ValueError("The LDOS has rows of other elements than the atoms of the structures, in this order.")
