"""Structures in the files of other programs."""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers
from ase.io import ParseError
from ase.io.formats import UnknownFileTypeError, filetype, open_with_compression
from ase.utils import string2index

from ldosml._validation import Caution, ParameterError, shorten
from ldosml.atom_counts import check_atom_counts
from ldosml.cif_formula import FORMULAS, check_formula
from ldosml.file_sizes import check_compressed
from ldosml.poscar_lines import lost_atoms, poscar_fault
from ldosml.structure_checks import check_sites

Species = Sequence[str] | Mapping[int, str]
"""Elements of the atom types of LAMMPS: those of type 1, 2 and so on, or by the number of the type."""

# ASE's readers raise errors of every kind for files that they do not understand.
_READER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    StopIteration,
    SyntaxError,
    TypeError,
    ValueError,
    ParseError,
    UnknownFileTypeError,
)


_LAMMPS = ("lammps-dump-text", "lammps-dump-binary", "lammps-data")
_CIF_TAG = "_cell_length_a"
_SETTING = "_symmetry_space_group_setting"
_OPERATIONS = ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz")
_GROUPS = ("_symmetry_space_group_name_h-m", "_space_group_name_h-m_alt")
_CHOICE = "_space_group_it_coordinate_system_code"
_TWO_ORIGINS = frozenset(
    (48, 50, 59, 68, 70, 85, 86, 88, 125, 126, 129, 130, 133, 134, 137, 138, 141, 142, 201, 203, 222, 224, 227, 228)
)
_PEEK = 20_000  # characters of a file in which its format shows
_N_ATOMS = re.compile(r"^\s*\d+\s+atoms\s*(#.*)?$", re.MULTILINE)
_ATOMS = re.compile(r"^Atoms\b", re.MULTILINE)
_LABELS = re.compile(r"^Atom Type Labels\b", re.MULTILINE)
_MASS = 0.02  # fraction by which masses of a file may differ from those of the elements


class _OriginError(ValueError):
    """A CIF file that does not tell the origin of its space group."""


def read_structures(path: str | os.PathLike[str], *, species: Species | None = None) -> list[Atoms]:
    """Read frames of a file in a format that ASE knows, and refuse what the file or its reader mangled.

    Parameters
    ----------
    path : path
        All frames of a file. Or some of them, in ASE's syntax: ``run.traj@-1`` is the last frame, ``run.traj@10:`` all
        from frame 10 on, ``run.traj@0:100:5`` every fifth of the first hundred. Frames are counted from 0. A file whose
        own name is ``path`` goes first, so a name may hold an @.
    species : sequence of str, or dict of int to str, optional
        For LAMMPS dump and data files, which often have numbers of atom types only: the elements of type 1, 2 and so
        on, such as ``["Si", "C"]``, or by the number of the type. Default: as the file says.

    Returns
    -------
    list of ase.Atoms

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When ASE cannot read it, it holds no structure, or the index is malformed or selects none. When sites are
        occupied partly, atoms are closer than 0.5 angstrom, atoms contradict the formula of a CIF file, or the elements
        of a LAMMPS file are not known.
    """
    return list(read_frames(path, species=species).values())


def read_frames(path: str | os.PathLike[str], *, species: Species | None = None) -> dict[int, Atoms]:
    """Read structures as ``read_structures`` does.

    Parameters
    ----------
    path : path
        A file, perhaps with an index.
    species : sequence of str, or dict of int to str, optional
        As ``read_structures``.

    Returns
    -------
    dict of int to ase.Atoms
        By their place in the file, from 0.

    Raises
    ------
    FileNotFoundError, ValueError
        As ``read_structures``.
    """
    file, index = split_index(path)
    if not file.is_file():
        raise FileNotFoundError(f"There is no structure file {file}.")
    wanted = _parsed(os.fspath(path), index)
    frames = _read(file, species)
    if not frames:
        raise ValueError(f"{file} holds no structures.")
    try:
        places = range(len(frames))[wanted]
    except IndexError as error:
        raise ValueError(f"{os.fspath(path)}: {_holds(file, len(frames))}; there is no frame {wanted}.") from error
    chosen = [places] if isinstance(places, int) else places
    if not chosen:
        raise ValueError(f"{os.fspath(path)}: {_holds(file, len(frames))}; {index} selects none of them.")
    found = {place: frames[place] for place in chosen}
    for place, atoms in found.items():
        name = str(file) if len(frames) == 1 else f"{file}, frame {place}"
        check_sites([atoms], [name])
        if _CIF_TAG in atoms.info:
            check_formula(atoms, {key: atoms.info.pop(key) for key in list(atoms.info) if key.startswith("_")}, name)
    return found


def split_index(path: str | os.PathLike[str]) -> tuple[Path, str]:
    """The file and the index of frames in it.

    Parameters
    ----------
    path : path
        A file, perhaps with an index after an @.

    Returns
    -------
    pathlib.Path, str
        The index is ":" where there is none: all frames.

    Examples
    --------
    >>> split_index("run.traj@10:")
    (PosixPath('run.traj'), '10:')
    """
    text = os.fspath(path)
    name, at, index = Path(text).name.rpartition("@")
    if not at or not name or Path(text).is_file():
        return Path(text), ":"
    return Path(text).with_name(name), index


def _parsed(path: str, index: str) -> int | slice:
    try:
        parsed = string2index(index)
        if isinstance(parsed, str):
            raise ValueError("a name, not a place")
        if isinstance(parsed, slice):
            range(1)[parsed]  # refuses a step of 0
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: {index!r} after the @ is no index of frames. Give one frame as @3 or @-1, or a range as @10:, "
            "@:100 or @0:100:5, counted from 0."
        ) from error
    return parsed


def _holds(file: Path, count: int) -> str:
    return f"{file} holds 1 frame, number 0" if count == 1 else f"{file} holds {count} frames, from 0 to {count - 1}"


def _read(file: Path, species: Species | None) -> list[Atoms]:
    kind = None
    try:
        check_compressed(file)
        kind = _format(file)
        check_atom_counts(file, kind)
        text = _text(file) if kind == "vasp" else ""
        if (lost := lost_atoms(text)) is not None:
            raise ValueError(lost)
        options = {"store_tags": True} if kind == "cif" else {}
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", UserWarning)
            frames = list(ase.io.read(file, index=":", format=kind, do_not_split_by_at_sign=True, **options))
        if len(frames) == 1 and _CIF_TAG in frames[0].info:
            frames = [_of_right_origin(file, frames[0])]
    except _READER_ERRORS as error:
        reason = ": ".join(filter(None, (type(error).__name__, str(error))))
        if isinstance(error, _OriginError):
            raise ValueError(f"{file}: {error}") from error
        if kind == "vasp" and (fault := poscar_fault(_text(file))) is not None:
            raise ValueError(f"{file} cannot be read as a POSCAR file: {fault}.") from error
        raise ValueError(
            f"{file} cannot be read as structures ({reason}). {_where(file)}"
            "Give a file that ase.io.read understands, such as extended XYZ."
        ) from error
    for message in dict.fromkeys(str(one.message) for one in told if issubclass(one.category, UserWarning)):
        warnings.warn(f"{file}: {message}", Caution, stacklevel=4)
    if kind in _LAMMPS:
        return _with_elements(frames, file, kind, species)
    if species is not None:
        raise ParameterError("species", f"maps the atom types of LAMMPS files to elements; {file} is {kind}.")
    return frames


def _of_right_origin(file: Path, atoms: Atoms) -> Atoms:
    """The atoms of a CIF file without symmetry operations by the origin that it states; ASE always takes the first.

    Raises ValueError where it states none and the second gives fewer atoms: sites on elements of symmetry are likelier.
    """
    tags = atoms.info
    if tags["spacegroup"].no not in _TWO_ORIGINS or any(key in tags for key in (*_OPERATIONS, _SETTING)):
        return atoms
    text = io.StringIO(f"{_text(file)}\n{_SETTING} 2\n")
    (second,) = ase.io.read(text, index=":", format="cif", store_tags=True)
    stated = " ".join(str(tags[key]) for key in _GROUPS if key in tags)
    if re.search(r"(:\s*2|\sZ)\s*$", stated) or str(tags.get(_CHOICE, "")) == "2":
        return second
    said = re.search(r"(:\s*1|\sS)\s*$", stated) or str(tags.get(_CHOICE, "")) == "1"
    formula = any(str(tags.get(key, "?")).strip() not in ("?", ".") for key in FORMULAS)  # checked later
    if not said and not formula and len(second) < len(atoms):
        raise _OriginError(
            f"it has neither symmetry operations nor the origin of its space group, which has two: the first gives "
            f"{len(atoms)} atoms in the cell, {atoms.symbols}, and the second {len(second)}, {second.symbols}. State "
            f"the origin ({_CHOICE} 1 or 2), or give the operations."
        )
    return atoms


def _where(file: Path) -> str:
    """The line at which ASE's reader stops, in a sentence; empty where that is not known."""
    try:
        check_compressed(file)
        kind = _format(file)
        check_atom_counts(file, kind)
    except _READER_ERRORS:
        return ""
    text = io.StringIO(_text(file))
    with suppress(*_READER_ERRORS):
        list(ase.io.read(text, index=":", format=kind))
    lines = text.getvalue()[: text.tell()].splitlines()
    if not lines:
        return ""
    ended = "" if text.read(1) else ", the last one"
    return f"It was read as {kind!r}, up to line {len(lines)}: {shorten(lines[-1])}{ended}. "


def _text(file: Path) -> str:
    with open_with_compression(os.fspath(file), "rb") as opened:
        return bytes(opened.read()).decode(errors="replace")


def _format(file: Path) -> str:
    """The format in ASE's words; ASE does not recognise data files of LAMMPS."""
    with file.open(errors="replace") as opened:
        start = opened.read(_PEEK)
    if _N_ATOMS.search(start) and _ATOMS.search(start):
        return "lammps-data"
    return str(filetype(os.fspath(file)))


def _with_elements(frames: list[Atoms], file: Path, kind: str, species: Species | None) -> list[Atoms]:
    """Frames of a LAMMPS file with the elements of their types."""
    if species is None:
        _require_elements(frames, file, kind)
        return frames
    table = dict(enumerate(species, start=1)) if not isinstance(species, Mapping) else dict(species)
    unknown = [symbol for symbol in table.values() if atomic_numbers.get(symbol, 0) < 1]
    if unknown:
        raise ParameterError("species", f"must be chemical elements, such as Si; got {', '.join(map(repr, unknown))}.")
    for atoms in frames:
        if "type" not in atoms.arrays:
            raise ParameterError("species", f"maps atom types to elements, but {file} has no column of types.")
        types = atoms.arrays["type"]
        missing = sorted({int(one) for one in types} - set(table))
        if missing:
            raise ParameterError(
                "species", f"must have an element for every atom type; {file} has type {missing[0]}, got {table}."
            )
        atoms.numbers = np.array([atomic_numbers[table[int(one)]] for one in types])
    return frames


def _require_elements(frames: list[Atoms], file: Path, kind: str) -> None:
    """Refuse a LAMMPS file whose atoms would become H, He and so on, by the number of their type."""
    if kind == "lammps-dump-binary":
        known = False
    elif kind == "lammps-dump-text":
        with open_with_compression(os.fspath(file), "rt") as opened:
            columns = next(line for line in opened if line.startswith("ITEM: ATOMS")).split()
        known = bool({"element", "mass"} & set(columns))
    else:
        (atoms,) = frames
        masses = atoms.arrays.get("masses")
        labelled = _LABELS.search(_text(file)) is not None
        known = labelled or masses is not None
        if masses is not None:
            known = bool(atoms.numbers.all()) and bool(np.allclose(masses, atomic_masses[atoms.numbers], rtol=_MASS))
    if not known:
        types = sorted({int(one) for atoms in frames for one in atoms.arrays.get("type", ())})
        raise ValueError(
            f"{file} is a LAMMPS file that does not tell elements, only atom types {', '.join(map(str, types))}. Give "
            'their elements in order: species=["Si", "C"] for types 1 and 2 (--species Si,C on the command line).'
        )
