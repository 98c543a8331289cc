"""Spectra in files: .npz (arrays), .h5 (a dataset) and .xyz (extended XYZ)."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ldosml._files import replacing, write_buffer
from ldosml._validation import check_choice, check_finite, check_json, check_shape
from ldosml.array_files import listed, read_arrays, read_npz, read_text
from ldosml.energy import EnergyGrid, Zero

if TYPE_CHECKING:
    from ase import Atoms

PathLike = str | os.PathLike[str]
Floats = NDArray[np.float64]

ENDINGS = (".npz", ".h5", ".xyz")


@dataclass(frozen=True, eq=False)
class SpectrumFields:
    """Spectra as arrays.

    Parameters
    ----------
    grid : EnergyGrid
        The energies, eV, with their zero.
    smearing_width : float or None
        Standard deviation of the Gaussian that smeared them, eV; None where not known.
    ldos : array (n_environments, n_energies) or None
        states/eV/atom.
    dos : array (n_structures, n_energies)
        states/eV.
    n_atoms : array (n_structures,) of int, or None
        Number of atoms of each structure; known where there is an LDOS.
    numbers : array (n_environments,) of int, or None
        Atomic numbers.
    n_electrons : array (n_structures,) or None
        Valence electrons.
    fermi_energy : array (n_structures,) or None
        Fermi level, eV in the zero of the grid; NaN where not known.
    spin : {"summed", "up", "down"}
        Both spins, or one.
    """

    grid: EnergyGrid
    smearing_width: float | None
    ldos: Floats | None
    dos: Floats
    n_atoms: NDArray[np.int64] | None = None
    numbers: NDArray[np.int64] | None = None
    n_electrons: Floats | None = None
    fermi_energy: Floats | None = None
    spin: Literal["summed", "up", "down"] = "summed"


def save_spectra(
    path: PathLike,
    spectra: SpectrumFields,
    structures: Atoms | Sequence[Atoms] | None,
    n_electrons: ArrayLike | None,
    provenance: Mapping[str, Any] | None,
    overwrite: bool,
) -> Path:
    """Write spectra in the format of the ending of ``path``, see ``LDOS.save``."""
    path = Path(path)
    if path.suffix not in ENDINGS:
        raise ValueError(
            f"Spectra are saved to .npz (arrays), .h5 (a dataset) or .xyz (extended XYZ); got {path.name!r}."
        )
    spectra = replace(spectra, n_electrons=_electrons(n_electrons, len(spectra.dos)))
    if spectra.spin != "summed" and path.suffix != ".npz":
        raise ValueError(
            f"{path.name} counts both spins; these spectra are of spin {spectra.spin}. Save them to .npz, or sum the "
            "spins first."
        )
    check_json("provenance", provenance)
    if structures is None and path.suffix != ".npz":
        raise ValueError(f"{path.name} needs the structures: pass structures=..., or save arrays alone to .npz.")
    atoms = _listed(structures)
    if structures is not None:
        spectra = _with_atoms(spectra, atoms)
    if path.suffix == ".npz":
        return _save_npz(path, spectra, provenance, overwrite)
    if path.suffix == ".h5":
        return _save_dataset(path, spectra, atoms, provenance, overwrite)
    return _save_xyz(path, spectra, atoms, overwrite)


def load_spectra(path: PathLike) -> SpectrumFields:
    """Read spectra that ``save_spectra`` wrote, or an .npz file of other programs, see ``LDOS.load``."""
    path = Path(path)
    if path.suffix not in ENDINGS:
        raise ValueError(f"Spectra are loaded from .npz, .h5 or .xyz; got {path.name!r}.")
    loaders = {".npz": _load_npz, ".h5": _load_dataset, ".xyz": _load_xyz}
    return loaders[path.suffix](path)


def _listed(structures: Atoms | Sequence[Atoms] | None) -> list[Atoms]:
    if structures is None:
        return []
    return [cast("Atoms", structures)] if hasattr(structures, "positions") else list(structures)


def _electrons(n_electrons: ArrayLike | None, count: int) -> Floats | None:
    if n_electrons is None:
        return None
    electrons = np.asarray(n_electrons, dtype=float)
    check_shape("n_electrons", electrons, (count,), "n_structures")
    if (electrons < 0).any() or np.isinf(electrons).any():
        raise ValueError(f"n_electrons must be finite and not negative (NaN where not known); got {electrons}.")
    return electrons


def _with_atoms(spectra: SpectrumFields, atoms: Sequence[Atoms]) -> SpectrumFields:
    """Add the data of the structures, after a check that they belong to the spectra."""
    if len(atoms) != len(spectra.dos):
        raise ValueError(f"There are {len(atoms)} structures, but spectra of {len(spectra.dos)}. Pass all of them.")
    n_atoms = np.array([len(each) for each in atoms], dtype=np.int64)
    if spectra.n_atoms is not None and not np.array_equal(n_atoms, spectra.n_atoms):
        wrong = int(np.argmax(n_atoms != spectra.n_atoms))
        raise ValueError(
            f"Structure {wrong} has {n_atoms[wrong]} atoms, but the spectra are of {spectra.n_atoms[wrong]}. "
            "Pass the structures that the spectra belong to, in the same order."
        )
    numbers = np.concatenate([each.numbers for each in atoms]).astype(np.int64)
    if spectra.numbers is not None and not np.array_equal(numbers, spectra.numbers):
        wrong = int(np.argmax(numbers != spectra.numbers))
        raise ValueError(
            f"Atom {wrong} of the structures has atomic number {numbers[wrong]}, but its spectrum is of "
            f"{spectra.numbers[wrong]}. Pass the structures that the spectra belong to, in the same order."
        )
    if numbers.min() < 1 or numbers.max() > 118:
        raise ValueError("Atomic numbers of the structures must lie in 1 to 118. Leave ghost atoms and dummies out.")
    from ldosml.structure_checks import check_places  # takes ASE's time to start

    for number, each in enumerate(atoms):
        check_places(each, f"structure {number}")
    return replace(spectra, n_atoms=n_atoms, numbers=numbers)


def _save_npz(path: Path, spectra: SpectrumFields, provenance: Mapping[str, Any] | None, overwrite: bool) -> Path:
    names = ("ldos", "dos", "n_atoms", "numbers", "n_electrons")
    known: dict[str, Any] = {name: getattr(spectra, name) for name in names if getattr(spectra, name) is not None}
    if provenance is not None:
        known["provenance"] = json.dumps(dict(provenance))
    width = np.nan if spectra.smearing_width is None else spectra.smearing_width
    buffer = io.BytesIO()  # so that an array that cannot be written leaves no file
    np.savez_compressed(
        buffer,
        energies=spectra.grid.energies,
        zero=spectra.grid.zero,
        spin=spectra.spin,
        smearing_width=np.asarray(width),
        **known,
    )
    write_buffer(path, buffer, overwrite)
    return path


def _load_npz(path: Path) -> SpectrumFields:
    found = read_arrays(path)
    extra = read_npz(path, ("smearing_width", "n_atoms", "numbers", "integrated_dos"))
    grid = _grid(path, found["energies"], read_text(path, "zero", "code"))
    n_atoms = _n_atoms(extra, path)
    ldos = None
    if n_atoms is not None and "ldos" in found:
        ldos = found["ldos"]
        check_shape(f"'ldos' in {path}", ldos, (int(n_atoms.sum()), grid.size), "n_environments, n_energies")
    if "dos" in found:
        dos = np.atleast_2d(found["dos"])
        count = None if n_atoms is None else len(n_atoms)
        check_shape(f"'dos' in {path}", dos, (count, grid.size), "n_structures, n_energies")
    elif ldos is None or n_atoms is None:
        raise ValueError(f"{path} holds 'ldos' without 'n_atoms', the number of atoms of each structure.")
    else:
        dos = _sums(ldos, n_atoms)
    if "integrated_dos" in extra:
        dos = from_integrated(f"'integrated_dos' in {path}", extra["integrated_dos"], dos.shape, grid.step)
    spectra = SpectrumFields(
        grid,
        _width(path, extra.get("smearing_width", np.array(np.nan))),
        ldos,
        dos,
        n_atoms,
        None if "numbers" not in extra else extra["numbers"].astype(np.int64),
        None if "n_electrons" not in found else np.atleast_1d(found["n_electrons"]),
        _levels(path, found, len(dos)),
        _spin(path),
    )
    return _complete(spectra, found.get("energy_max", np.array(np.inf)))


def from_integrated(name: str, integrated: Floats, shape: tuple[int, ...], step: float) -> Floats:
    """The DOS whose integrals are ``integrated``, electrons up to each energy; both (n_structures, n_energies).

    A central difference is the mean of two cells, so the trapezoid gives back the column where it is flat, and at the
    last energy. Electrons below the first energy become states at it. Raises ValueError if it falls.
    """
    integrated = np.atleast_2d(integrated)
    check_shape(name, integrated, shape, "n_structures, n_energies")
    check_finite(name, integrated)
    rise = np.diff(integrated, axis=1, prepend=0.0)
    if (rise < -1e-6 * np.abs(integrated).max()).any():
        worst = int(np.argmin(rise.min(axis=1)))
        raise ValueError(f"{name} must not fall: it counts electrons up to each energy; structure {worst} falls.")
    dos: Floats = np.gradient(integrated, step, axis=1)
    dos[:, 0] += 2 * integrated[:, 0] / step
    return dos


def _spin(path: Path) -> Literal["summed", "up", "down"]:
    """Spin that an .npz file states."""
    spin = read_text(path, "spin", "summed")
    check_choice(f"'spin' in {path}", spin, ("summed", "up", "down"))
    return cast(Literal["summed", "up", "down"], spin)


def _levels(path: Path, found: Mapping[str, Floats], count: int) -> Floats | None:
    """Fermi levels of an .npz file, one for each structure or one for all."""
    if "fermi_energy" not in found:
        return None
    levels = np.ravel(found["fermi_energy"])
    if levels.size == 1:
        return np.full(count, levels[0])
    check_shape(f"'fermi_energy' in {path}", levels, (count,), "n_structures")
    return levels


def _complete(spectra: SpectrumFields, energy_max: Floats) -> SpectrumFields:
    """Keep the energies up to which every DOS is complete."""
    top = float(np.min(energy_max))
    window = spectra.grid.window(high=top)
    ldos = None if spectra.ldos is None else spectra.ldos[:, window]
    return replace(spectra, grid=spectra.grid.cut(high=top), ldos=ldos, dos=spectra.dos[:, window])


def _grid(path: Path, energies: Floats, zero: str) -> EnergyGrid:
    check_choice(f"'zero' in {path}", zero, get_args(Zero))
    return EnergyGrid.from_array(energies, zero=cast(Zero, zero))


def _width(path: Path, stated: ArrayLike) -> float | None:
    width = np.ravel(np.asarray(stated, dtype=float))
    if width.size != 1 or width[0] < 0:
        raise ValueError(f"'smearing_width' in {path} must be one number, not negative; got {width}.")
    return float(width[0]) if np.isfinite(width[0]) else None


def _n_atoms(extra: Mapping[str, Floats], path: Path) -> NDArray[np.int64] | None:
    if "n_atoms" not in extra:
        return None
    counts = np.atleast_1d(extra["n_atoms"])
    if counts.ndim != 1 or (counts < 1).any() or (counts != counts.round()).any():
        raise ValueError(f"'n_atoms' in {path} must be whole numbers above zero, one a structure.")
    return counts.astype(np.int64)


def _sums(ldos: Floats, n_atoms: NDArray[np.int64]) -> Floats:
    return np.add.reduceat(ldos, np.concatenate([[0], np.cumsum(n_atoms)[:-1]]), axis=0)


def _save_dataset(
    path: Path, spectra: SpectrumFields, atoms: Sequence[Atoms], provenance: Mapping[str, Any] | None, overwrite: bool
) -> Path:
    from ldosml.dataset_file import DatasetFields, write_fields  # takes h5py's time to start

    unknown = np.full(len(atoms), np.nan)
    names = [f"structure-{number}" for number in range(len(atoms))]
    fields = DatasetFields(
        spectra.grid,
        spectra.smearing_width,
        np.concatenate([[0], np.cumsum([len(each) for each in atoms])]),
        np.concatenate([each.numbers for each in atoms]),
        positions=np.concatenate([each.positions for each in atoms]),
        cell=np.array([np.array(each.cell) for each in atoms]),
        pbc=np.array([each.pbc for each in atoms]),
        n_electrons=unknown if spectra.n_electrons is None else spectra.n_electrons,
        fermi_energy=np.zeros(len(atoms)) if spectra.grid.zero == "fermi" else unknown,
        energy_max=np.full(len(atoms), np.inf),
        names=names,
        kinds=["unspecified"] * len(atoms),
        groups=names,
        ldos=spectra.ldos,
        dos=spectra.dos if spectra.ldos is None else None,
        provenance=dict(provenance or {}),
    )
    return write_fields(path, fields, overwrite=overwrite)


def _load_dataset(path: Path) -> SpectrumFields:
    from ldosml.dataset_file import read_fields  # takes h5py's time to start
    from ldosml.stored_ldos import StoredLDOS

    fields = read_fields(path)
    n_atoms = np.diff(fields.offsets)
    ldos = fields.ldos.load() if isinstance(fields.ldos, StoredLDOS) else fields.ldos
    dos = fields.dos
    if dos is None:
        if ldos is None:
            raise ValueError(f"{path} holds neither 'ldos' nor 'dos'.")
        dos = _sums(ldos, n_atoms)
    numbers = fields.numbers.astype(np.int64)
    spectra = SpectrumFields(fields.grid, fields.smearing_width, ldos, dos, n_atoms, numbers, fields.n_electrons)
    return _complete(spectra, fields.energy_max)


def _save_xyz(path: Path, spectra: SpectrumFields, atoms: Sequence[Atoms], overwrite: bool) -> Path:
    import ase.io

    text = io.StringIO()
    ase.io.write(text, _frames(spectra, atoms), format="extxyz")
    with replacing(path, overwrite) as file:
        file.write(text.getvalue().encode())
    return path


def _frames(spectra: SpectrumFields, atoms: Sequence[Atoms]) -> list[Atoms]:
    """Structures with their spectra, the LDOS as a column of vectors, the rest in the comment line."""
    from ase import Atoms

    first = 0
    frames = []
    for number, each in enumerate(atoms):
        frame = Atoms(each.numbers, positions=each.positions, cell=each.cell, pbc=each.pbc)
        if "name" in each.info:
            frame.info["name"] = str(each.info["name"])
        frame.info |= {"energies": spectra.grid.energies, "zero": spectra.grid.zero, "dos": spectra.dos[number]}
        if spectra.smearing_width is not None:
            frame.info["smearing_width"] = float(spectra.smearing_width)
        if spectra.n_electrons is not None:
            frame.info["n_electrons"] = float(spectra.n_electrons[number])
        if spectra.ldos is not None:
            frame.arrays["ldos"] = spectra.ldos[first : first + len(each)]
        first += len(each)
        frames.append(frame)
    return frames


def _load_xyz(path: Path) -> SpectrumFields:
    from ldosml.structure_files import read_structures  # takes ASE's time to start

    frames = read_structures(path)
    energies = [_row(path, number, frame.info, "energies") for number, frame in enumerate(frames)]
    zeros = {str(frame.info.get("zero", "code")) for frame in frames}
    widths = {_width(path, frame.info.get("smearing_width", np.nan)) for frame in frames}
    if len({each.tobytes() for each in energies}) > 1 or len(zeros) > 1 or len(widths) > 1:
        raise ValueError(f"The frames of {path} must have the same energies, zero and smearing_width.")
    (zero,), (width,) = zeros, widths
    grid = _grid(path, energies[0], zero)
    dos = np.array([_row(path, number, frame.info, "dos", grid.size) for number, frame in enumerate(frames)])
    electrons = np.array([frame.info.get("n_electrons", np.nan) for frame in frames], dtype=float)
    return SpectrumFields(
        grid,
        width,
        _columns(path, frames, grid.size),
        dos,
        np.array([len(frame) for frame in frames], dtype=np.int64),
        np.concatenate([frame.numbers for frame in frames]).astype(np.int64),
        None if np.isnan(electrons).all() else electrons,
    )


def _columns(path: Path, frames: Sequence[Atoms], size: int) -> Floats | None:
    """The LDOS of all frames, (n_environments, n_energies), where every frame has it."""
    if not all("ldos" in frame.arrays for frame in frames):
        return None
    rows = [np.asarray(frame.arrays["ldos"], dtype=float) for frame in frames]
    for number, each in enumerate(rows):
        check_shape(f"'ldos' of frame {number} in {path}", each, (len(frames[number]), size), "n_atoms, n_energies")
    return np.concatenate(rows)


def _row(path: Path, number: int, info: Mapping[str, Any], name: str, size: int | None = None) -> Floats:
    """An array of a comment line. ASE makes a matrix, column by column, of nine numbers."""
    if name not in info:
        raise ValueError(f"Frame {number} of {path} must hold {name!r} in its comment line; it has {listed(info)}.")
    try:
        row = np.ravel(np.asarray(info[name], dtype=float), order="F")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name!r} of frame {number} in {path} cannot be read as numbers: {error}") from error
    check_shape(f"{name!r} of frame {number} in {path}", row, (size,), "n_energies")
    return row
