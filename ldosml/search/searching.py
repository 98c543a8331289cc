"""The search itself: candidates in, a table of errors and the best model out."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  it makes the next import possible
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, ParameterGrid

from ldosml._journal import Journal, Record
from ldosml._validation import check_choice, check_positive
from ldosml.datasets import LDOSDataset
from ldosml.datasets.fingerprint import fingerprint
from ldosml.energy import Zero
from ldosml.pipeline import DOSModel
from ldosml.search.candidates import default_candidates
from ldosml.search.scores import LeaveOutScores, check_closed_form
from ldosml.search.spelling import spelled
from ldosml.tables import save_table

_KEY = ("descriptor", "regressor", "n_structures")

Target = Literal["ldos", "dos"]
Candidates = Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Sequence[Any]]]
Progress = Callable[[int, int, Record], None]
"""Called after each candidate: how many are done, of how many, and what was found."""


@dataclass(frozen=True, eq=False)
class Search:
    """What a search found.

    Parameters
    ----------
    records : list of dict
        One a judged candidate and round, the best first, those on all structures before those on part: descriptor and
        regressor as Python expressions, n_structures, ldos_loss and dos_loss (L/sigma, trajectories left out), alpha
        (median over the energies, as a fraction of the kernel's mean diagonal), n_features, seconds.
    model : DOSModel
        With the best setting, not fitted.
    """

    records: list[Record]
    model: DOSModel

    @property
    def best(self) -> Record:
        """The record of the best setting."""
        return self.records[0]

    @property
    def expression(self) -> str:
        """Python that makes the best model, after ``import ldosml``."""
        return re.sub(r"\b(?=[A-Z]\w*\()", "ldosml.", spelled(self.model))

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the records as a table, .csv or .json, see :func:`ldosml.tables.save_table`.

        Parameters
        ----------
        path : path
            .csv or .json.
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
    """Judge candidates on a dataset, trajectories left out, and give the best.

    Parameters
    ----------
    data : LDOSDataset
        Search in the training part only where an error is to be stated (see the package's docstring).
    candidates : dict or list of dict, optional
        Grids as scikit-learn takes them: {"descriptor": [...], "regressor": [...]}, unfitted SOAP, JoinedSOAP, Whitened
        or the like, and LDOSKernelRidge or LDOSRidge, whose alpha is chosen per energy among their ``alphas`` whatever
        they say of it. Default: ``default_candidates()``.
    target : {"ldos", "dos"}
        Whose L/sigma decides; the DOS per atom is the sum of the same residuals.
    zero, low, high
        As ``DOSModel`` takes them.
    factor : int
        All candidates are judged on 1/factor of the structures, whole trajectories of every kind, and the best 1/factor
        of them on all. 1: all on all.
    n_energies : int
        At most so many energies, evenly spaced, are judged.
    log : path, optional
        File of what has been found, continued where it exists: a search that was killed goes on where it stopped.
    random_state : int
        Draws the structures of the first round. The same seed gives the same result.
    n_jobs : int, optional
        Number of processes for descriptors.
    progress : callable, optional
        See ``Progress``.

    Raises
    ------
    ValueError
        When the dataset has no LDOS, fewer than two trajectories or fewer trajectories than ``factor``, there is no
        candidate, an argument is out of its range, a candidate is refused, or ``log`` is of another search.
    TypeError
        When the leave-out error of a regressor is not known in closed form.
    """
    check_choice("target", target, get_args(Target))
    check_positive("n_energies", n_energies)
    check_positive("factor", factor)
    aligned = data.refer_to(zero, low, high)
    if aligned.ldos is None:
        raise ValueError("This dataset holds total DOS only; candidates are judged by LDOS, one row per atom.")
    parts = _parts(aligned, factor, random_state)
    grids = default_candidates() if candidates is None else candidates
    settings = _settings(grids)
    header = {"data": fingerprint(aligned), "n_energies": n_energies, "factor": factor, "random_state": random_state}
    scores = LeaveOutScores(aligned, n_energies, n_jobs)
    journal = Journal(log, "search", header, _KEY)
    judge = _Judge(scores, parts, journal, target, _n_judgements(len(settings), factor), progress)
    _halving(grids, factor, judge).fit(np.zeros((2, 1)))
    records = sorted(judge.records, key=lambda record: (-record["n_structures"], record[f"{target}_loss"]))
    descriptor, regressor = settings[records[0]["descriptor"], records[0]["regressor"]]
    best = clone(regressor).set_params(alpha="leave-one-group-out")
    return Search(records, DOSModel(clone(descriptor), best, zero=zero, low=low, high=high))


class _Setting(BaseEstimator):  # type: ignore[misc]
    """A candidate, as scikit-learn's searches handle it: they set the parameters and ask the scorer."""

    def __init__(self, descriptor: Any = None, regressor: Any = None, parts: int = 1) -> None:
        self.descriptor = descriptor
        self.regressor = regressor
        self.parts = parts

    def fit(self, X: object, y: object = None) -> _Setting:
        """Do nothing: the leave-out error needs no fit."""
        return self


class _Judge:
    """The scorer of scikit-learn's search: minus the loss of a setting on the first of the parts."""

    def __init__(
        self,
        scores: LeaveOutScores,
        parts: list[NDArray[np.int64]],
        log: Journal,
        target: Target,
        total: int,
        progress: Progress | None,
    ) -> None:
        self._scores, self._parts, self._log, self._progress = scores, parts, log, progress
        self._loss, self._total = f"{target}_loss", total
        self.records: list[Record] = []

    def __call__(self, setting: _Setting, X: object, y: object = None) -> float:
        structures = np.concatenate(self._parts[: setting.parts])
        names = {"descriptor": spelled(setting.descriptor), "regressor": spelled(setting.regressor)}
        record = self._log.find(**names, n_structures=len(structures))
        if record is None:
            record = names | {"n_structures": len(structures)} | self._measured(setting, structures)
            self._log.add(record)
        self.records.append(record)
        if self._progress is not None:
            self._progress(len(self.records), self._total, record)
        return -float(record[self._loss])

    def _measured(self, setting: _Setting, structures: NDArray[np.int64]) -> Record:
        start = perf_counter()
        losses = self._scores(setting.descriptor, setting.regressor, structures)
        return {
            "ldos_loss": losses.ldos,
            "dos_loss": losses.dos,
            "alpha": losses.alpha,
            "n_features": losses.n_features,
            "seconds": round(perf_counter() - start, 2),
        }


def _parts(data: LDOSDataset, factor: int, random_state: int) -> list[NDArray[np.int64]]:
    """Structures in ``factor`` parts, whole trajectories of every kind in each."""
    n_groups = len(set(data.groups))
    if n_groups < 2:
        raise ValueError(
            f"A search leaves out one trajectory after another and needs at least two; all {len(data)} structures "
            "are of one group. Pass groups=... if they are independent."
        )
    if factor == 1:
        return [np.arange(len(data))]
    if n_groups < 2 * factor:
        raise ValueError(
            f"{n_groups} groups of structures are too few to judge candidates on 1/{factor} of them first. Pass "
            "factor=1 to judge all on all."
        )
    return [test for _, test in data.folds(factor, random_state=random_state)]


def _settings(grids: Candidates) -> dict[tuple[str, str], tuple[Any, Any]]:
    """Descriptor and regressor of every candidate, by their spelling."""
    settings = {}
    for candidate in ParameterGrid(grids):
        if set(candidate) != {"descriptor", "regressor"}:
            raise ValueError(
                'candidates must be grids {"descriptor": [...], "regressor": [...]}; got one with '
                f"{', '.join(sorted(candidate)) or 'nothing'}."
            )
        pair = candidate["descriptor"], candidate["regressor"]
        check_closed_form(pair[1])
        settings[spelled(pair[0]), spelled(pair[1])] = pair
    if not settings:
        raise ValueError("A search needs at least one candidate; got none.")
    return settings


def _n_judgements(n_candidates: int, factor: int) -> int:
    """How many times candidates are judged, both rounds together."""
    return n_candidates + (ceil(n_candidates / factor) if 1 < factor <= n_candidates else 0)


def _halving(grids: Candidates, factor: int, judge: _Judge) -> GridSearchCV | HalvingGridSearchCV:
    options: dict[str, Any] = {"scoring": judge, "refit": False, "error_score": "raise", "return_train_score": False}
    everything = np.arange(2)
    # One split, all on both sides: trajectories are left out within the score.
    options["cv"] = [(everything, everything)]
    if factor == 1:
        return GridSearchCV(_Setting(), grids, **options)
    return HalvingGridSearchCV(_Setting(), grids, factor=factor, resource="parts", max_resources=factor, **options)
