"""Which files are the output of which code, and the runs in folders."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from typing import cast

from ldosml.file_sizes import COMPRESSED
from ldosml.readers.run import ReaderError, Run

PathLike = str | os.PathLike[str]

# What code for text and arrays raises where a file ends too early or is damaged.
_STUMBLES = (ArithmeticError, AttributeError, EOFError, LookupError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True)
class Reader:
    """Reads the output of one code.

    Parameters
    ----------
    code : str
    patterns : tuple of str
        Names of its main file, of which small and capital letters are one. An ending of compression may follow.
    function : str
        Module of ``ldosml.readers`` and name of the function that reads a main file.
    excluded : tuple of str
        Names that match ``patterns`` and are of another code.
    recognises : str
        Module and name of a function that tells from the content whether a file is its main file; empty: by the name.
    """

    code: str
    patterns: tuple[str, ...]
    function: str
    excluded: tuple[str, ...] = ()
    recognises: str = ""

    def matches(self, path: Path) -> bool:
        """Whether a file is a main file of the code.

        Parameters
        ----------
        path : Path

        Returns
        -------
        bool
        """
        name = path.name.lower()
        for ending in COMPRESSED:
            name = name.removesuffix(ending)
        named = any(fnmatch(name, pattern) for pattern in self.patterns)
        if not named or any(fnmatch(name, pattern) for pattern in self.excluded):
            return False
        return not self.recognises or bool(_imported(self.recognises)(path))

    def read(self, path: Path) -> Run:
        """Read the run of a main file.

        Parameters
        ----------
        path : Path

        Returns
        -------
        Run

        Raises
        ------
        ReaderError
            When the output is not complete, or cannot be read for any other reason.
        """
        try:
            return cast(Run, _imported(self.function)(path))
        except ReaderError:
            raise
        except _STUMBLES as error:
            raise ReaderError(
                f"{path} cannot be read as output of {self.code} ({type(error).__name__}: {error}). Did the run end?"
            ) from error


def _imported(function: str) -> Callable[[Path], object]:
    module, name = function.split(":")
    found: Callable[[Path], object] = getattr(import_module(f"ldosml.readers.{module}"), name)
    return found


READERS = (
    Reader("VASP", ("vasprun*.xml",), "vasp_xml:read_vasprun"),
    Reader("VASP", ("*vaspout*.h5",), "vasp_h5:read_vaspout"),
    Reader("VASP", ("procar*",), "vasp_text:read_procar"),
    Reader("VASP", ("doscar*",), "vasp_text:read_vasp_doscar", excluded=("*.lobster*",)),
    Reader("LOBSTER", ("doscar*.lobster*",), "lobster:read_lobster"),
    Reader("Quantum ESPRESSO", ("data-file-schema.xml",), "espresso:read_espresso"),
    Reader("CASTEP", ("*.bands",), "castep:read_castep"),
    Reader("CP2K", ("*list1-*.pdos", "*k1-*.pdos"), "cp2k:read_cp2k", recognises="cp2k:is_main"),
    Reader("SIESTA", ("*.eig", "*.pdos.xml", "*.pdos"), "siesta:read_siesta", recognises="siesta:is_main"),
    Reader("GPAW", ("*.gpw", "*.gpw2"), "gpaw:read_gpw"),
    Reader("FHI-aims", ("*.out",), "fhi_aims:read_fhi_aims", recognises="fhi_aims:is_main"),
    Reader("arrays", ("*.npz",), "arrays:read_band_arrays", recognises="arrays:is_run"),
)
"""In order of preference where a folder holds several main files of one run."""


@dataclass(frozen=True)
class FoundRun:
    """The main file of a run.

    Parameters
    ----------
    path : Path
    reader : Reader
    name : str
        Where it lies below the folder that was searched.
    """

    path: Path
    reader: Reader
    name: str


@dataclass(frozen=True)
class Failure:
    """What could not be read.

    Parameters
    ----------
    path : Path
    reason : str
    """

    path: Path
    reason: str


def find_runs(paths: Iterable[PathLike]) -> tuple[list[FoundRun], list[Failure]]:
    """Find the runs among files and folders, which are walked.

    Parameters
    ----------
    paths : iterable of path

    Returns
    -------
    found : list of FoundRun
        In the order of ``paths``, each folder's in the order of names. Each run once.
    failures : list of Failure
        Paths that are not there, or hold no output that is known.
    """
    found: dict[Path, FoundRun] = {}
    failures = []
    for path in map(Path, paths):
        runs = list(_below(path) if path.is_dir() else _one(path))
        for run in runs:
            found.setdefault(run.path.resolve(), run)
        if not runs:
            failures.append(Failure(path, _unknown(path)))
    return _renamed(list(found.values())), failures


def _one(path: Path) -> Iterator[FoundRun]:
    reader = next((reader for reader in READERS if path.is_file() and reader.matches(path)), None)
    if reader is not None:
        yield FoundRun(path, reader, _run_name(path.absolute().parent, path.absolute().parent.parent))


def _below(root: Path) -> Iterator[FoundRun]:
    for folder, inner, files in os.walk(root, followlinks=False):
        inner.sort()
        paths = [Path(folder, name) for name in sorted(files)]
        for reader in READERS:
            chosen = [path for path in paths if reader.matches(path)]
            if chosen:
                for path in chosen:
                    yield FoundRun(path, reader, _run_name(path.parent, root))
                break


def _run_name(folder: Path, root: Path) -> str:
    relative = folder.absolute().relative_to(root.absolute())
    return str(relative.with_suffix("")) if relative.suffix == ".save" else str(relative)


def _renamed(runs: Sequence[FoundRun]) -> list[FoundRun]:
    """Runs with names used once: without folders at the end that all share, with the file's name where needed."""
    parts = [Path(run.name).parts for run in runs]
    while parts and all(len(each) > 1 for each in parts) and len({each[-1] for each in parts}) == 1 and len(parts) > 1:
        parts = [each[:-1] for each in parts]
    names = ["/".join(each) or run.path.absolute().parent.name for each, run in zip(parts, runs, strict=True)]
    for whole in (False, True):
        counts = Counter(names)
        fuller = [
            str(run.path.absolute()) if whole else f"{name}/{run.path.name}"
            for run, name in zip(runs, names, strict=True)
        ]
        names = [new if counts[name] > 1 else name for new, name in zip(fuller, names, strict=True)]
    return [replace(run, name=name) for run, name in zip(runs, names, strict=True)]


def _unknown(path: Path) -> str:
    if not path.exists():
        return "there is no such file or folder"
    expected = "; ".join(f"{reader.code}: {', '.join(reader.patterns)}" for reader in READERS)
    what = "no file in it" if path.is_dir() else "it"
    return f"{what} is the output of a code that is known ({expected})"


def read_run(path: PathLike) -> Run:
    """Read the output of one run.

    Parameters
    ----------
    path : path
        Its main file, or a folder that holds one run.

    Returns
    -------
    Run

    Raises
    ------
    FileNotFoundError
        When there is no such path.
    ReaderError
        When the output is not known, of several runs, or not complete.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"There is no file or folder {path}.")
    found, failures = find_runs([path])
    if failures:
        raise ReaderError(f"{path}: {failures[0].reason}.")
    if len(found) > 1:
        raise ReaderError(
            f"{path} holds {len(found)} runs: {', '.join(str(run.path) for run in found[:3])} ... Choose one."
        )
    return found[0].reader.read(found[0].path)
