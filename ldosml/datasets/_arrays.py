"""Other programs' arrays made spectra of a dataset, each checked and named in errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike, NDArray

from ldosml._validation import LARGEST, ParameterError, check_finite, check_shape
from ldosml.array_files import real_numbers
from ldosml.datasets._checks import check_numbers, check_rows
from ldosml.energy import EnergyGrid, Zero
from ldosml.spectra import DOS, LDOS

_SAME_ENERGY = 1e-9  # eV


def copied(atoms: Atoms) -> Atoms:
    """The structure without its calculator; what is not a structure is left for the checks to name."""
    duplicate: Atoms = atoms.copy() if isinstance(atoms, Atoms) else atoms  # type: ignore[no-untyped-call]
    return duplicate


def for_each(name: str, values: ArrayLike, count: int) -> NDArray[np.float64]:
    """One number for each structure; a single one stands for all."""
    numbers = real_numbers(name, values)
    return np.full(count, numbers) if numbers.ndim == 0 else numbers


def fermi_levels(fermi_energy: ArrayLike | None, zero: Zero, names: Sequence[str]) -> NDArray[np.float64]:
    """Fermi energy of each structure, (n_structures,), eV: 0 where it is the zero, NaN where not known."""
    if fermi_energy is None:
        fermi_energy = 0.0 if zero == "fermi" else np.nan
    levels = check_numbers("fermi_energy", for_each("fermi_energy", fermi_energy, len(names)), names, unknown=np.nan)
    wrong = np.abs(levels) > _SAME_ENERGY
    if zero == "fermi" and wrong.any():
        first = int(np.argmax(wrong))
        raise ParameterError(
            "zero",
            f"'fermi' means that every fermi_energy is 0; got {levels[first]:g} eV for structure {names[first]!r}. "
            "Choose 'code' for the energies as the DFT code gives them.",
        )
    return levels


def valence_electrons(
    n_electrons: ArrayLike | Mapping[str, float] | None, structures: Sequence[Atoms]
) -> NDArray[np.float64]:
    """Electrons of each structure, (n_structures,), given as such or by element; NaN where not known."""
    if not isinstance(n_electrons, Mapping):
        return for_each("n_electrons", np.nan if n_electrons is None else n_electrons, len(structures))
    missing = {symbol for atoms in structures for symbol in atoms.symbols} - set(n_electrons)
    if missing:
        raise ParameterError(
            "n_electrons", f"lacks the valence of {', '.join(sorted(missing))}; it has {dict(n_electrons)}."
        )
    return np.array([sum(n_electrons[symbol] for symbol in atoms.symbols) for atoms in structures], dtype=float)


def _values(name: str, values: ArrayLike, grid: EnergyGrid, axes: str) -> NDArray[np.float64]:
    array = real_numbers(name, values)
    check_shape(name, array, (None, grid.size), axes)
    return array


def _check_each(name: str, array: NDArray[np.float64], owners: Sequence[str]) -> None:
    """Raise ValueError naming the first structure that has other than finite numbers; each row has an owner."""
    bad = np.flatnonzero(~(np.maximum(array.max(axis=1), -array.min(axis=1)) <= LARGEST))
    if bad.size:
        check_finite(name, array, f"Structure {owners[bad[0]]!r} has them: compute it again, or leave it out.")


def as_ldos(
    values: ArrayLike, grid: EnergyGrid, width: float | None, structures: Sequence[Atoms], names: Sequence[str]
) -> LDOS:
    """Rows of shape (n_environments, n_energies), checked against the atoms."""
    array = _values("ldos", values, grid, "n_environments, n_energies")
    check_rows("ldos", len(array), structures, per_atom=True)
    index = np.repeat(np.arange(len(structures)), [len(atoms) for atoms in structures])
    _check_each("ldos", array, np.asarray(names)[index].tolist())
    return LDOS(grid, array, width, index, np.concatenate([atoms.numbers for atoms in structures]).astype(np.int64))


def as_dos(
    name: str,
    values: ArrayLike,
    grid: EnergyGrid,
    width: float | None,
    structures: Sequence[Atoms],
    names: Sequence[str],
) -> DOS:
    """Rows of shape (n_structures, n_energies), checked against the structures; ``name`` is for messages."""
    array = _values(name, values, grid, "n_structures, n_energies")
    check_rows(name, len(array), structures, per_atom=False)
    _check_each(name, array, names)
    return DOS(grid, array, width, np.array([len(atoms) for atoms in structures], dtype=np.int64))
