"""Options that all studies share: folds, energies, temperature, log and parallel processes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ldosml._journal import Record
from ldosml.datasets import LDOSDataset
from ldosml.studies.cross_validation import CrossValidation, Prepare, Progress, run_all
from ldosml.studies.folds import Fold, require_elements


@dataclass(frozen=True, eq=False)
class Setup:
    """Options of a study.

    Parameters
    ----------
    n_splits : int
        Number of folds. Groups stay whole, and each fold has all kinds in proportion.
    random_state : int
        Seed of the folds and of everything else that a study draws.
    low, high : float, optional
        Spectra are evaluated between these energies, eV, relative to the zero of the model. The model learns
        its own energies: properties need all energies from the lowest states.
    temperature : float, optional
        K; properties at this temperature are also evaluated. None: only spectra. Studies of the LDOS by element
        (``sweep_cutoffs``, ``error_table``) do not use it.
    log : path, optional
        File that keeps finished work; with it, a study that was killed continues where it stopped. A log belongs to its
        data, model and settings; more radii, sizes or widths may be added.
    n_jobs : int, optional
        Number of cross-validations that run in parallel, each in a process of its own.
    progress : callable, optional
        Called after each cross-validation with the number done, the number of all, and the name of this one.
    """

    n_splits: int = 5
    random_state: int = 0
    low: float | None = None
    high: float | None = None
    temperature: float | None = None
    log: str | os.PathLike[str] | None = None
    n_jobs: int | None = 1
    progress: Progress | None = None

    def folds(self, data: LDOSDataset) -> list[Fold]:
        """Folds of a dataset.

        Parameters
        ----------
        data : LDOSDataset

        Returns
        -------
        list of tuple
            Indices of the training structures and of the test structures.

        Raises
        ------
        ValueError
            When there are fewer groups than folds, or a test part has an element that its training part lacks.
        """
        folds = data.folds(self.n_splits, self.random_state)
        require_elements(data, folds)
        return folds

    def validation(self, key: Mapping[str, Any], prepare: Prepare, folds: Sequence[Fold]) -> CrossValidation:
        """One cross-validation with the options of this setup.

        Parameters
        ----------
        key : mapping
            Identifies it within the study.
        prepare : callable
            Returns dataset, model and descriptors.
        folds : sequence of (train, test)

        Returns
        -------
        CrossValidation
        """
        return CrossValidation(key, prepare, folds, self.low, self.high, self.temperature)

    def run(
        self, study: str, data: LDOSDataset, validations: Sequence[CrossValidation], **settings: Any
    ) -> list[Record]:
        """Run the cross-validations that the log does not contain; raises the errors of ``run_all``.

        Parameters
        ----------
        study : str
            Name of the study in messages about the log.
        data : LDOSDataset
        validations : sequence of CrossValidation
        **settings
            Settings of the study that must be equal for two runs to share a log.

        Returns
        -------
        list of dict
            One record for each cross-validation.
        """
        mine = {name: getattr(self, name) for name in ("n_splits", "random_state", "low", "high", "temperature")}
        return run_all(
            validations,
            study=study,
            data=data,
            settings=mine | settings,
            log=self.log,
            n_jobs=self.n_jobs,
            progress=self.progress,
        )
