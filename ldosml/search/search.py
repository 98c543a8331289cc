"""The search itself: candidates in, a table of errors and the best model out."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid

from ldosml import _html
from ldosml._files import sole_writer
from ldosml._journal import Journal, Record
from ldosml._ranges import check_arguments
from ldosml._validation import ParameterError, check_choice
from ldosml.datasets import LDOSDataset
from ldosml.datasets.fingerprint import fingerprint
from ldosml.energy import Zero
from ldosml.pipeline import DOSModel
from ldosml.search.expression import expression
from ldosml.search.presets import default_candidates
from ldosml.search.scores import LeaveOutScores, check_closed_form
from ldosml.tables import save_table

_LOSSES = ("ldos_loss", "dos_loss")
_KEY = ("descriptor", "regressor", "n_structures")

Target = Literal["ldos", "dos"]
Candidates = Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Sequence[Any]]]
Progress = Callable[[int, int, Record], None]
"""Called after each candidate: how many are done, of how many, and its record."""


@dataclass(frozen=True, eq=False, repr=False)
class Search:
    """What a search found.

    Parameters
    ----------
    records : list of dict
        One for each scored candidate and round, the best first, those on all structures before those on part:
        descriptor and regressor as Python expressions, n_structures, ldos_loss and dos_loss (L/sigma, groups left out),
        alpha (median over the energies, as a fraction of the kernel's mean diagonal), n_features, seconds.
    model : DOSModel
        With the best setting, not fitted.
    """

    records: list[Record]
    model: DOSModel

    def __repr__(self) -> str:
        """Number of records, and the best setting with its losses."""
        best = self.best
        losses = ", ".join(f"{name.partition('_')[0].upper()} L/sigma {best[name]:.3f}" for name in _LOSSES)
        return f"Search({len(self.records)} records; best: {best['descriptor']}, {best['regressor']}; {losses})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the best model, and the first records."""
        return _html.page("Search", {"best model": self.expression}, _html.records_table(self.records))

    @property
    def best(self) -> Record:
        """The record of the best setting."""
        return self.records[0]

    @property
    def expression(self) -> str:
        """Python that makes the best model, after ``import ldosml``."""
        return re.sub(r"\b(?=[A-Z]\w*\()", "ldosml.", expression(self.model))

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the records as a table, see :func:`ldosml.tables.save_table`.

        Parameters
        ----------
        path : path
            .csv, .json, .md or .tex.
        overwrite : bool
            Replace the file where it exists.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ValueError
            When ``path`` has another ending.
        FileExistsError
            When the file exists and ``overwrite`` is false.
        OSError
            When it cannot be written.
        """
        return save_table(path, self.records, overwrite=overwrite)


def search_settings(
    data: LDOSDataset,
    candidates: Candidates | None = None,
    *,
    target: Target = "ldos",
    zero: Zero = "fermi",
    low: float | None = None,
    high: float | None = None,
    factor: int = 4,
    n_energies: int = 100,
    log: str | os.PathLike[str] | None = None,
    random_state: int = 0,
    n_jobs: int | None = 1,
    progress: Progress | None = None,
) -> Search:
    """Score candidates on a dataset, groups left out, and give the best.

    Parameters
    ----------
    data : LDOSDataset
        Search in the training part only where an error is to be stated (see the package's docstring).
    candidates : dict or list of dict, optional
        Grids as scikit-learn takes them: {"descriptor": [...], "regressor": [...]}, unfitted SOAP, Joined, Whitened
        or the like, and LDOSKernelRidge or LDOSRidge, whose alpha is chosen for each energy by leaving out
        groups, whatever ``alpha`` they have. Default: ``default_candidates(data.structures)``.
    target : {"ldos", "dos"}
        Spectra whose L/sigma decides. The DOS per atom sums the residuals of the LDOS.
    zero, low, high
        As ``DOSModel`` takes them.
    factor : int
        All candidates are scored on 1/factor of the structures, whole groups of every kind, and the best 1/factor of
        them on all structures. With factor 1, or fewer candidates than factor, all are scored on all structures.
    n_energies : int
        Largest number of energies that are scored, evenly spaced.
    log : path, optional
        File that keeps each result. A search that was killed goes on where it stopped when it is given the same file.
    random_state : int
        Draws the structures of the first round. The same seed gives the same result.
    n_jobs : int, optional
        Number of processes for descriptors.
    progress : callable, optional
        See ``Progress``.

    Returns
    -------
    Search

    Raises
    ------
    ValueError
        When the dataset has no LDOS, fewer than two groups or fewer than two for each ``factor``, there is no
        candidate, an argument is out of its range, a candidate is refused, or ``log`` is of another search.
    TypeError
        When the leave-out error of a regressor is not known in closed form.
    BlockingIOError
        When another process writes the same ``log``.
    """
    check_arguments(low=low, high=high, factor=factor, n_energies=n_energies, random_state=random_state, n_jobs=n_jobs)
    check_choice("target", target, get_args(Target))
    aligned = data.refer_to(zero, low, high)
    if aligned.ldos is None:
        raise ValueError("This dataset holds total DOS only; candidates are scored by LDOS, one row per atom.")
    part = _first_part(aligned, factor, random_state)
    settings = _settings(default_candidates(aligned.structures) if candidates is None else candidates)
    header = {"data": fingerprint(aligned), "n_energies": n_energies, "factor": factor, "random_state": random_state}
    with sole_writer(Path(log)) if log is not None else nullcontext():
        journal = Journal(log, "search", header, _KEY)
        plan = _plan(settings, part, len(data), factor)
        scoring = _Scoring(LeaveOutScores(aligned, n_energies, n_jobs), journal, sum(r.n_kept for r in plan), progress)
        best = settings
        for round_ in plan:
            records = [scoring.record(setting, round_.structures) for setting in best[: round_.n_kept]]
            order = sorted(range(len(records)), key=lambda i: records[i][f"{target}_loss"])
            best = [best[i] for i in order]
        ranked = sorted(scoring.records, key=lambda record: (-record["n_structures"], record[f"{target}_loss"]))
    regressor = clone(best[0].regressor).set_params(alpha="leave-one-group-out")
    return Search(ranked, DOSModel(clone(best[0].descriptor), regressor, zero=zero, low=low, high=high))


class _Setting(NamedTuple):
    """A candidate."""

    descriptor: Any
    regressor: Any


class _Round(NamedTuple):
    """Which structures count, and how many of the candidates, the best so far, are scored on them."""

    structures: NDArray[np.int64]
    n_kept: int


def _plan(settings: Sequence[_Setting], part: NDArray[np.int64], n_structures: int, factor: int) -> list[_Round]:
    """All candidates on part of the structures, then the best on all; one round on all where there are few."""
    last = _Round(np.arange(n_structures), len(settings))
    if factor == 1 or len(settings) < factor:
        return [last]
    return [_Round(part, len(settings)), last._replace(n_kept=ceil(len(settings) / factor))]


@dataclass
class _Scoring:
    """Scores candidates, or finds their scores in the log."""

    scores: LeaveOutScores
    log: Journal
    total: int
    progress: Progress | None
    records: list[Record] = field(default_factory=list)

    def record(self, setting: _Setting, structures: NDArray[np.int64]) -> Record:
        """Give the record of a candidate on some structures, and keep it."""
        names = {"descriptor": expression(setting.descriptor), "regressor": expression(setting.regressor)}
        record = self.log.find(**names, n_structures=len(structures))
        if record is None:
            record = names | {"n_structures": len(structures)} | self._measured(setting, structures)
            self.log.add(record)
        self.records.append(record)
        if self.progress is not None:
            self.progress(len(self.records), self.total, record)
        return record

    def _measured(self, setting: _Setting, structures: NDArray[np.int64]) -> Record:
        start = perf_counter()
        losses = self.scores(setting.descriptor, setting.regressor, structures)
        return {
            "ldos_loss": losses.ldos,
            "dos_loss": losses.dos,
            "alpha": losses.alpha,
            "n_features": losses.n_features,
            "seconds": round(perf_counter() - start, 2),
        }


def _first_part(data: LDOSDataset, factor: int, random_state: int) -> NDArray[np.int64]:
    """Give 1/factor of the structures, whole groups of every kind."""
    n_groups = len(set(data.groups))
    if n_groups < 2:
        raise ValueError(
            f"A search leaves out one group after another and needs at least two; all {len(data)} structures are of "
            "one group. Give them groups of their own if they are independent (without group_key in an import)."
        )
    if factor == 1:
        return np.arange(len(data))
    if n_groups < 2 * factor:
        raise ParameterError(
            "factor",
            f"must be at most {n_groups // 2} with {n_groups} groups of structures, or 1 to score all candidates on "
            f"all of them; got {factor}.",
        )
    return data.folds(factor, random_state=random_state)[0][1]


def _settings(grids: Candidates) -> list[_Setting]:
    """Give every candidate once."""
    settings = {}
    for candidate in ParameterGrid(grids):
        if set(candidate) != {"descriptor", "regressor"}:
            raise ValueError(
                'candidates must be grids {"descriptor": [...], "regressor": [...]}; got one with '
                f"{', '.join(sorted(candidate)) or 'nothing'}."
            )
        setting = _Setting(candidate["descriptor"], candidate["regressor"])
        check_closed_form(setting.regressor)
        settings[expression(setting.descriptor), expression(setting.regressor)] = setting
    if not settings:
        raise ValueError("A search needs at least one candidate; got none.")
    return list(settings.values())
