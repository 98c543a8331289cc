"""Many cross-validations, in sequence or in parallel; each result is kept as soon as it is done."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from operator import methodcaller
from pathlib import Path
from time import perf_counter
from typing import Any

from sklearn.base import clone

from ldosml import _tasks
from ldosml._files import sole_writer
from ldosml._journal import Journal, Record
from ldosml.datasets import LDOSDataset
from ldosml.datasets.fingerprint import fingerprint
from ldosml.properties.spectrum_warnings import SpectrumWarning
from ldosml.search import SearchedModel
from ldosml.search.expression import expression
from ldosml.studies.errors import Errors
from ldosml.studies.folds import Described, DescriptorRows, Fold, Learner, evaluated_folds, fold_of_each, pooled

Progress = Callable[[int, int, str], None]
"""Called after each cross-validation with: the number done, the number of all, and the name of this one."""

Prepare = Callable[[], tuple[LDOSDataset, Learner, DescriptorRows | None]]
"""Returns dataset, model and descriptors (None: the model computes them), when the cross-validation starts.

It must be picklable if several run in parallel.
"""

_INCIDENTAL = ("n_jobs", "memory", "device")  # how an estimator works, not what it computes


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """One cross-validation to run.

    Parameters
    ----------
    key : dict of str
        Identifies it within the study: texts and numbers.
    prepare : Prepare
    folds : sequence of (train, test)
    low, high : float, optional
        Spectra are evaluated between these energies, eV.
    temperature : float, optional
        K; if given, properties are also derived.
    """

    key: Mapping[str, Any]
    prepare: Prepare
    folds: Sequence[Fold]
    low: float | None = None
    high: float | None = None
    temperature: float | None = None

    def describe(self) -> None:
        """Compute its descriptors, if several cross-validations share them.

        joblib would do that when it sends them to another process, in a thread of its own, and wait for ever if
        descriptors are computed by several processes.
        """
        for part in (self.prepare, *getattr(self.prepare, "args", ())):
            if isinstance(part, Described):
                part()

    def run(self) -> Record:
        """Run it: key, errors, settings that a search found for each fold, warnings about spectra, and seconds."""
        start = perf_counter()
        parts, found = [], []
        data, model, rows = self.prepare()
        for fitted, part in evaluated_folds(data, model, self.folds, rows):
            parts.append(part)
            if isinstance(fitted, SearchedModel):
                found.append(expression(fitted.search_.model))
        evaluation, fold = pooled(parts, self.folds), fold_of_each(self.folds)
        said: list[str] = []
        with _collecting(said):
            errors = Errors.of(evaluation, fold, low=self.low, high=self.high, temperature=self.temperature)
        seconds = round(perf_counter() - start, 2)
        return {**self.key, **errors.as_record(), "settings": found, "cautions": said, "seconds": seconds}


@contextmanager
def _collecting(said: list[str]) -> Iterator[None]:
    """Append warnings about spectra to a list, each once; other warnings pass."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SpectrumWarning)
        yield
    for warning in caught:
        if not issubclass(warning.category, SpectrumWarning):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        elif str(warning.message) not in said:
            said.append(str(warning.message))


def known_as(estimator: Any) -> str:
    """How a log identifies an estimator: its expression, without device and number of processes."""
    plain = clone(estimator)
    incidental = {name: None for name in plain.get_params() if name.rpartition("__")[2] in _INCIDENTAL}
    return expression(plain.set_params(**incidental))


def run_all(
    validations: Sequence[CrossValidation],
    *,
    study: str,
    data: LDOSDataset,
    settings: Mapping[str, Any],
    log: str | os.PathLike[str] | None,
    n_jobs: int | None = 1,
    progress: Progress | None = None,
) -> list[Record]:
    """Run the cross-validations that ``log`` does not contain; return the records in the order of ``validations``.

    Parameters
    ----------
    validations : sequence of CrossValidation
        All with the same names in their keys.
    study : str
        Name of the study in messages about the log.
    data : LDOSDataset
    settings : mapping
        Settings that must be equal for two runs to share a log; JSON values.
    log : path, optional
        File that keeps the results. An existing log is continued.
    n_jobs : int, optional
        Parallel processes.
    progress : callable, optional
        See ``Progress``.

    Returns
    -------
    list of dict
        One record for each cross-validation.

    Raises
    ------
    BlockingIOError
        When another process writes the same ``log``.
    ValueError
        When ``log`` belongs to other data or settings. Errors of a cross-validation are raised, too; the log keeps what
        was finished before.

    Warns
    -----
    SpectrumWarning
        At the end, for every warning about spectra in any cross-validation.
    """
    names = list(validations[0].key)
    with sole_writer(Path(log)) if log is not None else nullcontext():
        journal = Journal(log, study, {"data": fingerprint(data), **settings}, names)
        todo = [one for one in validations if journal.find(**one.key) is None]
        for one in todo:
            one.describe()
        done = len(validations) - len(todo)
        for one, record in zip(todo, _run(todo, n_jobs), strict=True):
            journal.add(record)
            done += 1
            if progress is not None:
                progress(done, len(validations), ", ".join(str(value) for value in one.key.values()))
    # New records are read from the journal, too, so that a continued run gives the same numbers to the last digit.
    found = [kept for one in validations if (kept := journal.find(**one.key)) is not None]
    # Warnings of other processes and of earlier runs would not be seen otherwise.
    for text in dict.fromkeys(text for kept in found for text in kept.get("cautions", [])):
        warnings.warn(text, SpectrumWarning, stacklevel=2)
    return found


def _run(validations: Iterable[CrossValidation], n_jobs: int | None) -> Iterable[Record]:
    return _tasks.ordered(methodcaller("run"), validations, n_jobs=n_jobs)
