"""A dataset of the output of DFT runs."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ldosml._array import to_numpy
from ldosml._ranges import check_arguments
from ldosml._validation import Caution, check_choice
from ldosml.datasets._arrays import copied
from ldosml.datasets.concatenation import codes_in
from ldosml.datasets.dataset import LDOSDataset
from ldosml.energy import EnergyGrid
from ldosml.readers import Failure, FoundRun, Levels, Run, RunFacts, facts_of, find_runs, levels_of, spectra_of
from ldosml.readers.levels import added_width
from ldosml.spectra import DOS, LDOS, Spin
from ldosml.structure_checks import check_sites

if TYPE_CHECKING:
    from ldosml.progress import Advance

PathLike = str | os.PathLike[str]
Grouping = Literal["folder", "run"]

WIDTH, STEP = 0.1, 0.05
"""Default smearing width and step of the energies, eV: small, since wider ones are convolved on."""

_MARGIN = 6  # smearing widths below the lowest level


class UnreadRunWarning(Caution):
    """Some of the runs could not be read, and are left out."""


class ContradictoryRunWarning(Caution):
    """Numbers in the output of a run contradict each other, or some are missing."""


@dataclass(frozen=True, eq=False)
class ReadRun:
    """A run that was read.

    Parameters
    ----------
    found : FoundRun
    run : Run
    levels : Levels
    facts : RunFacts
    """

    found: FoundRun
    run: Run
    levels: Levels
    facts: RunFacts


@dataclass(frozen=True, eq=False)
class ImportedRuns:
    """What ``import_runs`` gives.

    Parameters
    ----------
    dataset : LDOSDataset
    runs : list of ReadRun
        In the order of the structures of the dataset.
    failures : list of Failure
    """

    dataset: LDOSDataset
    runs: list[ReadRun]
    failures: list[Failure]

    def rows(self) -> list[dict[str, Any]]:
        """A row for each run: what was read, and what is to be known about it.

        Returns
        -------
        list of dict
        """
        rows = [_row(each) for each in self.runs]
        return rows + [{"run": str(failure.path), "not read": failure.reason} for failure in self.failures]


def import_runs(
    paths: Iterable[PathLike],
    *,
    smearing_width: float = WIDTH,
    step: float = STEP,
    groups: Grouping | Sequence[str] = "folder",
    progress: Advance | None = None,
) -> ImportedRuns:
    """Read runs and make a dataset of those that can be read; see ``LDOSDataset.from_runs``.

    Parameters
    ----------
    paths : iterable of path
    smearing_width, step, groups
        As for ``LDOSDataset.from_runs``.
    progress : callable, optional
        Called with the numbers of runs done and of all, and the name of the last.

    Returns
    -------
    ImportedRuns

    Raises
    ------
    ValueError
        When no run can be read; the message has the reasons.

    Warns
    -----
    UnreadRunWarning, ContradictoryRunWarning
        As for ``LDOSDataset.from_runs``.
    """
    check_arguments(smearing_width=smearing_width, step=step)
    found, failures = find_runs(paths)
    read: list[ReadRun] = []
    for number, each in enumerate(found):
        try:
            run = each.reader.read(each.path)
            check_sites([run.structure], ["its structure"])
            levels = levels_of(run)
            added_width(levels, smearing_width, str(each.path))
            read.append(ReadRun(each, run, levels, facts_of(run, levels)))
        except (ValueError, OSError) as error:
            failures.append(Failure(each.path, str(error).removeprefix(str(each.path)).strip(" :.")))
        if progress is not None:
            progress(number + 1, len(found), each.name)
    if not read:
        raise ValueError("No run can be read. " + " ".join(f"{each.path}: {each.reason}." for each in failures[:3]))
    _warn(read, failures)
    return ImportedRuns(_dataset(read, smearing_width, step, groups), read, failures)


def _dataset(read: Sequence[ReadRun], width: float, step: float, groups: Grouping | Sequence[str]) -> LDOSDataset:
    grid = _grid(read, width, step)
    with_ldos = all(each.levels.projected is not None for each in read)
    spectra = [spectra_of(each.run, grid, width, levels=each.levels) for each in read]
    names = [each.found.name for each in read]
    polarised = all(each.run.n_spins == 2 for each in read)
    structures = [each.run.structure for each in read]
    n_atoms = np.array([len(atoms) for atoms in structures], dtype=np.int64)
    known = None if any(each.levels.width is None for each in read) else width
    dos = DOS(grid, np.concatenate([to_numpy(dos.values) for dos, _, _ in spectra]), known, n_atoms)
    ldos = projected = None
    if with_ldos:
        rows = np.concatenate([to_numpy(part.values) for _, part, _ in spectra if part is not None])
        index = np.repeat(np.arange(len(read)), n_atoms)
        ldos = LDOS(grid, rows, known, index, np.concatenate([atoms.numbers for atoms in structures]).astype(np.int64))
        sums = np.concatenate([to_numpy(part.values) for _, _, part in spectra if part is not None])
        projected = DOS(grid, sums, known, n_atoms)
    return LDOSDataset(
        [copied(atoms) for atoms in structures],
        ldos,
        None if with_ldos else dos,
        np.array([each.facts.n_electrons for each in read]),
        np.array([each.run.fermi_energy for each in read]),
        np.array([each.facts.top - 3 * width for each in read]),
        names,
        ["unspecified"] * len(read),
        _groups(names, groups),
        _provenance(read, with_ldos),
        projected_dos=projected,
        stored_spin_difference=_difference(read, grid, width, with_ldos) if polarised else None,
    )


def _difference(read: Sequence[ReadRun], grid: EnergyGrid, width: float, with_ldos: bool) -> LDOS | DOS:
    """Spin up less spin down, of atoms or of structures."""

    def values(each: ReadRun, spin: Spin) -> NDArray[np.float64]:
        dos, ldos, _ = spectra_of(each.run, grid, width, spin=spin, levels=each.levels)
        return to_numpy(ldos.values if with_ldos and ldos is not None else dos.values)

    rows = np.concatenate([values(each, "up") - values(each, "down") for each in read])
    n_atoms = np.array([len(each.run.structure) for each in read])
    if with_ldos:
        return LDOS(grid, rows, width, np.repeat(np.arange(len(read)), n_atoms))
    return DOS(grid, rows, width, n_atoms)


def _grid(read: Sequence[ReadRun], width: float, step: float) -> EnergyGrid:
    low = min(float(each.levels.energies.min()) for each in read) - _MARGIN * width
    high = max(each.levels.top for each in read) - 3 * width
    return EnergyGrid.from_range(np.floor(low / step) * step, np.ceil(high / step) * step, step, "code")


def _groups(names: Sequence[str], groups: Grouping | Sequence[str]) -> list[str]:
    if not isinstance(groups, str):
        return list(groups)
    check_choice("groups", groups, ("folder", "run"))
    if groups == "run":
        return list(names)
    return [name.rpartition("/")[0] or name for name in names]


def _provenance(read: Sequence[ReadRun], with_ldos: bool) -> dict[str, Any]:
    """Codes and settings, each once; what was done with the projections."""
    settings: list[dict[str, Any]] = []
    for each in read:
        own = {"code": each.run.code} | {name: value for name, value in each.run.settings.items() if value == value}
        if own not in settings:
            settings.append(own)
    found: dict[str, Any] = {"runs": settings if len(settings) > 1 else settings[0]}
    if with_ldos:
        fractions = [each.facts.projected_fraction for each in read if each.facts.projected_fraction is not None]
        found["projections"] = {
            "scaled": "state by state, so that the LDOS of all atoms adds up to the DOS",
            "projected_fraction": {"mean": float(np.mean(fractions)), "least": float(np.min(fractions))},
        }
    return found


def _warn(read: Sequence[ReadRun], failures: Sequence[Failure]) -> None:
    if failures:
        shown = "; ".join(f"{each.path}: {each.reason}" for each in failures[:5])
        count = "1 run" if len(failures) == 1 else f"{len(failures)} runs"
        warnings.warn(f"{count} cannot be read and left out: {shown}.", UnreadRunWarning, stacklevel=4)
    told: dict[str, list[str]] = {}
    for each in read:
        for caution in each.facts.cautions:
            told.setdefault(caution, []).append(each.found.name)
    for caution, names in told.items():
        where = names[0] if len(names) == 1 else f"{len(names)} runs, such as {names[0]}"
        warnings.warn(f"{where}: {caution}.", ContradictoryRunWarning, stacklevel=4)
    without = [each.found.name for each in read if each.levels.projected is None]
    if without and len(without) < len(read):
        warnings.warn(
            f"{len(without)} of {len(read)} runs have no LDOS, such as {without[0]}: the dataset holds the total DOS. "
            "To keep the LDOS of the other runs, import them apart.",
            ContradictoryRunWarning,
            stacklevel=4,
        )
    codes = sorted({name for each in read for name in codes_in({"code": each.run.code})})
    if len(codes) > 1:
        warnings.warn(
            f"The runs are of {' and '.join(codes)}, whose zeros of energy differ: use the dataset against the Fermi "
            "level (zero='fermi', the default of fits), and not against zero='code'.",
            ContradictoryRunWarning,
            stacklevel=4,
        )
    polarised = sum(each.run.n_spins == 2 for each in read)
    if 0 < polarised < len(read):
        warnings.warn(
            f"Only {polarised} of {len(read)} runs have spins: the dataset holds the sum of both spins. To keep each "
            "spin, import these runs apart.",
            ContradictoryRunWarning,
            stacklevel=4,
        )


def _row(each: ReadRun) -> dict[str, Any]:
    run, facts = each.run, each.facts
    return {
        "run": each.found.name,
        "file": str(run.path),
        "code": run.code,
        "formula": str(run.structure.symbols),
        "spins": run.n_spins,
        "spectra": "DOS" if each.levels.projected is None else "LDOS",
        "from": "bands" if run.bands is not None else "printed DOS",
        "n_electrons": facts.n_electrons,
        "fermi_energy": run.fermi_energy,
        "gap": min(facts.gaps) if len(facts.gaps) == 1 else list(facts.gaps) or None,
        "moment": facts.moment,
        "projected_fraction": facts.projected_fraction,
        "complete_to": facts.top - run.fermi_energy,
        "cautions": list(facts.cautions),
    }
