"""Structures and spectra that other programs wrote, to a dataset."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike, NDArray

from ldosml._array import to_numpy
from ldosml._ranges import check_arguments
from ldosml._validation import Caution, check_choice
from ldosml.array_files import listed, read_arrays, read_npz, read_text
from ldosml.datasets.dataset import LDOSDataset
from ldosml.energy import EnergyGrid, Zero
from ldosml.readers.facts import cause_of_counts
from ldosml.spectra import DOS, LDOS
from ldosml.spectrum_files import from_integrated, load_spectra
from ldosml.structure_files import Species, read_frames, split_index

# Fractions of the electrons that may be missed up to the Fermi level
_MISSED = 0.05  # the smearing of a metal moves less
_COARSE = 0.01  # so does a coarse grid

_ELSEWHERE = "; or zero energy is not the Fermi level (then zero='code', --zero code)"

PathLike = str | os.PathLike[str]


def import_dataset(
    structures: PathLike,
    arrays: PathLike | Mapping[str, PathLike],
    *,
    zero: Zero | None = None,
    n_electrons: ArrayLike | Mapping[str, float] | None = None,
    fermi_energy: ArrayLike | None = None,
    energy_max: ArrayLike | None = None,
    smearing_width: float | None = None,
    kind_key: str | None = None,
    group_key: str | None = None,
    name_key: str = "name",
    species: Species | None = None,
    names: Sequence[str] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> LDOSDataset:
    """Make a dataset from a structure file and arrays in .npz, .npy, .txt or .csv files.

    Parameters
    ----------
    structures : path
        Any file that ASE reads; all its frames are taken, in order. ``run.traj@10:`` takes those from frame 10 on, see
        ``ldosml.structure_files.read_structures``.
    arrays : path or dict of paths
        An .npz file with ``energies`` (n_energies,) and ``ldos`` (n_environments, n_energies) or ``dos``
        (n_structures, n_energies) or both, and perhaps ``n_electrons``, ``fermi_energy``, ``energy_max``,
        ``integrated_dos`` (n_structures, n_energies); or one file for each such name. An .npz may also hold ``zero``,
        ``smearing_width`` and ``numbers``. Units as in ``LDOSDataset.from_arrays``. Where there is ``integrated_dos``,
        electrons up to each energy, the total DOS is taken from its differences, see ``read_spectra``.
    zero, n_electrons, fermi_energy, energy_max, smearing_width, provenance
        As for ``LDOSDataset.from_arrays``; where given, they take the place of what the files hold.
    kind_key, group_key : str, optional
        Entries of ``atoms.info`` that tell kind and group. Default: one kind, each structure its own group.
    name_key : str
        Entry of ``atoms.info`` with the name of a structure. Frames that share a name are numbered, "Si-bulk-0" and so
        on. If a frame lacks the entry "name", names are the file's name and a running number.
    species : sequence of str, or dict of int to str, optional
        Elements of the atom types of a LAMMPS file; see ``ldosml.structure_files.read_structures``.
    names : sequence of str, optional
        Take the place of ``name_key``.

    Returns
    -------
    LDOSDataset

    Raises
    ------
    FileNotFoundError
        When a file is not there.
    ValueError
        When a file cannot be read, or does not fit the others, a structure is mangled (see ``read_structures``), or
        frames lack an entry; the message names the file or field.

    Warns
    -----
    Caution
        When frames share a name, and are numbered; when a DOS holds another number of electrons up to its Fermi level
        than is given.
    """
    check_arguments(smearing_width=smearing_width)
    placed = read_frames(structures, species=species)
    frames = list(placed.values())
    fields: dict[str, Any] = dict(read_arrays(arrays))
    stated = _stated(arrays, frames)
    zero = zero or stated.zero
    smearing_width = stated.smearing_width if smearing_width is None else smearing_width
    energies = fields.pop("energies")
    if "dos" in fields:
        fields["dos"] = np.atleast_2d(fields["dos"])
    if "integrated_dos" in fields:
        step = EnergyGrid.from_array(energies, zero).step
        shape = (len(frames), energies.size)
        fields["dos"] = from_integrated("integrated_dos", fields.pop("integrated_dos"), shape, step)
    given = {"n_electrons": n_electrons, "fermi_energy": fermi_energy, "energy_max": energy_max}
    fields |= {name: value for name, value in given.items() if value is not None}
    for name in ("n_electrons", "fermi_energy", "energy_max"):
        if isinstance(fields.get(name), np.ndarray):
            fields[name] = fields[name].squeeze()  # text files give one column
    data = LDOSDataset.from_arrays(
        frames,
        energies,
        **fields,
        zero=zero,
        smearing_width=smearing_width,
        names=_names(placed, structures, name_key) if names is None else names,
        kinds=None if kind_key is None else _labels(frames, kind_key),
        groups=None if group_key is None else _labels(frames, group_key),
        provenance={"imported_from": _files(structures, arrays)} | dict(provenance or {}),
    )
    _check_counts(data)
    return data


@dataclass(frozen=True, eq=False)
class Spectra:
    """What ``read_spectra`` finds.

    Parameters
    ----------
    dos : DOS
    ldos : LDOS or None
    numbers : array (n_environments,) of int, or None
        Atomic numbers.
    n_electrons : array (n_structures,) or None
        Valence electrons.
    fermi_energy : array (n_structures,) or None
        Fermi level, eV in the zero of the grid; NaN where not known.
    """

    dos: DOS
    ldos: LDOS | None
    numbers: NDArray[np.int64] | None
    n_electrons: NDArray[np.float64] | None
    fermi_energy: NDArray[np.float64] | None = None


def read_spectra(path: PathLike) -> Spectra:
    """Read the spectra of a file, with or without structures.

    Parameters
    ----------
    path : path
        A file that ``LDOS.save`` or ``DOS.save`` wrote, or an .npz file of another program. It holds ``energies``
        (n_energies,), eV, and ``ldos`` (n_environments, n_energies) with ``n_atoms`` (n_structures,), or ``dos``
        (n_structures, n_energies) or (n_energies,), or both; perhaps ``zero`` (default: "code"), ``spin``
        ("summed", "up" or "down"; default: "summed"), ``smearing_width``
        (eV), ``n_atoms``, ``numbers``, ``n_electrons``, ``fermi_energy`` (eV in the zero of ``energies``) and
        ``energy_max``. All spectra are cut at the lowest ``energy_max``.
        With ``integrated_dos`` (n_structures, n_energies), electrons up to each energy, the DOS is taken from its
        differences instead of ``dos``: a printed DOS misses or doubles levels narrower than the step, its integrated
        column does not. Their positions are then known to one step.

    Returns
    -------
    Spectra

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When something is missing or does not fit; the message names it.
    """
    found = load_spectra(path)
    dos = DOS(found.grid, found.dos, found.smearing_width, found.n_atoms, spin=found.spin)
    ldos = None
    if found.ldos is not None and found.n_atoms is not None:
        index = np.repeat(np.arange(len(found.n_atoms)), found.n_atoms)
        ldos = LDOS(found.grid, found.ldos, found.smearing_width, index, found.numbers, spin=found.spin)
    return Spectra(dos, ldos, found.numbers, found.n_electrons, found.fermi_energy)


@dataclass(frozen=True)
class _Stated:
    """What an .npz file says of its spectra."""

    zero: Zero = "fermi"
    smearing_width: float | None = None


def _stated(arrays: PathLike | Mapping[str, PathLike], frames: Sequence[Atoms]) -> _Stated:
    """Zero and smearing that an .npz file states; refuses spectra of one spin, or of other atoms."""
    if isinstance(arrays, Mapping):
        return _Stated()
    zero, spin = read_text(arrays, "zero", "fermi"), read_text(arrays, "spin", "summed")
    check_choice(f"'zero' in {os.fspath(arrays)}", zero, get_args(Zero))
    if spin != "summed":
        raise ValueError(f"{os.fspath(arrays)} holds spectra of spin {spin}; a dataset needs the sum of both spins.")
    found = read_npz(arrays, ("smearing_width", "numbers"))
    numbers = np.concatenate([atoms.numbers for atoms in frames])
    if "numbers" in found and not np.array_equal(found["numbers"], numbers):
        raise ValueError(
            f"{os.fspath(arrays)} holds spectra of other atoms, by its 'numbers', than the structures have. Give the "
            "structures that the spectra belong to, in the same order."
        )
    width = float(np.ravel(found.get("smearing_width", np.nan))[0])
    return _Stated(cast(Zero, zero), width if width > 0 else None)


def _check_counts(data: LDOSDataset) -> None:
    """Warn where a DOS holds other electrons up to its Fermi level than are given, by more than a smearing explains.

    A metal may be off by the states within the smearing and a step of the level, and a coarse grid by a hundredth.
    """
    grid, needed, level = data.grid, data.n_electrons, data.fermi_energy
    values = to_numpy(data.dos.values)

    def electrons_to(energies: NDArray[np.float64]) -> NDArray[np.float64]:
        below = np.clip((energies[:, None] - grid.energies) / grid.step + 0.5, 0, 1)
        return np.asarray(grid.step * (values * below).sum(axis=1))

    reach = grid.step + (data.smearing_width or 0.0)
    held = electrons_to(level)
    near = np.maximum(electrons_to(level + reach) - held, held - electrons_to(level - reach))
    known = (needed > 0) & (level > grid.start) & (level < grid.stop)
    allowed = np.clip(near, _COARSE * needed, _MISSED * needed)
    off = np.flatnonzero(known & (np.abs(held - needed) > allowed))
    if off.size:
        worst = int(off[np.argmax(np.abs(held[off] / needed[off] - 1))])
        warnings.warn(
            f"Up to its Fermi level, the DOS of structure {data.names[worst]!r} holds {held[worst]:.6g} electrons, but "
            f"{needed[worst]:.6g} are given; so in {off.size} of {len(data)} structures. Likely cause: "
            f"{cause_of_counts(float(held[worst]), float(needed[worst]))}{_ELSEWHERE if grid.zero == 'fermi' else ''}.",
            Caution,
            stacklevel=3,
        )


def _names(frames: Mapping[int, Atoms], path: PathLike, key: str) -> list[str]:
    if key == "name" and not all(key in atoms.info for atoms in frames.values()):
        return [f"{split_index(path)[0].stem}-{place}" for place in frames]
    names = _labels(list(frames.values()), key)
    found = _numbered(names)
    changed = [name for name, new in zip(names, found, strict=True) if name != new]
    if changed:
        warnings.warn(
            f"{len(changed)} frames share the entry {key!r} with others, such as {changed[0]!r}: they are numbered, "
            f"from {found[names.index(changed[0])]!r} on. If another entry of atoms.info tells frames apart, give it "
            "as name_key (--name-key).",
            Caution,
            stacklevel=3,
        )
    return found


def _numbered(names: Sequence[str]) -> list[str]:
    """Names of which each stands once: those that are shared get a running number that makes no name of another."""
    counts, taken = Counter(names), set(names)
    numbers = {name: count() for name in counts}
    found = []
    for name in names:
        new = name
        while counts[name] > 1 and (new == name or new in taken):
            new = f"{name}-{next(numbers[name])}"
        taken.add(new)
        found.append(new)
    return found


def _labels(frames: Sequence[Atoms], key: str) -> list[str]:
    for index, atoms in enumerate(frames):
        if key not in atoms.info:
            raise ValueError(f"Frame {index} has no entry {key!r}; it has {listed(atoms.info)}.")
    return [str(atoms.info[key]) for atoms in frames]


def _files(structures: PathLike, arrays: PathLike | Mapping[str, PathLike]) -> list[str]:
    paths = list(arrays.values()) if isinstance(arrays, Mapping) else [arrays]
    return [Path(path).name for path in [structures, *paths]]
